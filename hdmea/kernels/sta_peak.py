"""Where a spike-triggered average stands out most, and whether beyond chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class StaPeaks:
    """The voxel of largest absolute z score of each unit, float64 columns of shape ``(unit,)``.

    Everything is NaN for units without any defined z.

    Parameters
    ----------
    z
        Its z score with its sign: positive, brighter light before the spikes (ON); negative,
        darker (OFF).
    lag, y, x
        Its indices in the STA (whole numbers).
    """

    z: Float64
    lag: Float64
    y: Float64
    x: Float64


def sta_peaks(z: npt.NDArray[Any]) -> StaPeaks:
    """Find the peak of each unit's z scores, shape ``(unit, lag, y, x)``.

    Of equal peaks the first, in the order of lag, y and x.

    Examples
    --------
    >>> z = np.zeros((2, 3, 4, 5))
    >>> z[0, 1, 2, 3] = -7
    >>> z[1] = np.nan
    >>> peaks = sta_peaks(z)
    >>> peaks.z, peaks.lag, peaks.y, peaks.x
    (array([-7., nan]), array([ 1., nan]), array([ 2., nan]), array([ 3., nan]))
    """
    flat = np.asarray(z, dtype=np.float64).reshape(len(z), int(np.prod(z.shape[1:])))
    size = np.where(np.isnan(flat), -1.0, np.abs(flat))
    place = size.argmax(axis=1)
    peak = flat[np.arange(len(flat)), place]
    lag, y, x = (
        np.where(np.isnan(peak), np.nan, index) for index in np.unravel_index(place, z.shape[1:])
    )
    return StaPeaks(peak, lag, y, x)


def z_threshold(n_voxels: int, alpha: float = 0.01) -> float:
    """Absolute z score that the peak of noise exceeds with probability `alpha` at most.

    Two-sided, Bonferroni over the voxels (lags x pixels), which is slightly strict because
    neighbouring lags of a held image are not independent.

    Examples
    --------
    >>> round(z_threshold(1, alpha=0.05), 2)
    1.96
    """
    from scipy.special import ndtri

    return float(-ndtri(alpha / (2 * max(1, n_voxels))))


def p_bonferroni(z_peak: Float64, n_voxels: npt.ArrayLike) -> Float64:
    """Probability, at most, that the peak of noise is as large; NaN where there is no peak.

    Two-sided, Bonferroni over the voxels, as `z_threshold`.

    Examples
    --------
    >>> p_bonferroni(np.array([-1.96, 0.1, np.nan]), 10).round(3)
    array([0.5, 1. , nan])
    """
    from scipy.special import ndtr

    return np.asarray(np.minimum(1.0, 2.0 * np.asarray(n_voxels) * ndtr(-np.abs(z_peak))))
