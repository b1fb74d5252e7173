"""The spatial map and the temporal course of a spike-triggered average, by its first component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_BLOCK_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class SpaceTime:
    """The best product of a spatial map and a temporal course, one entry per unit, float64.

    ``spatial_map[y, x] * temporal_course[lag]`` is the first component of the singular value
    decomposition of the centred average. Everything is NaN for units whose average is undefined
    or 0 throughout.

    Parameters
    ----------
    spatial_map
        ``(unit, y, x)``, in the units of the average; positive where brighter light came before
        the spikes at the lag of the peak. Of an ON cell the peak is positive, of an OFF cell
        negative.
    temporal_course
        ``(unit, lag)``, positive at the lag of the peak; its largest absolute value is 1.
    separability
        ``s_1^2 / sum_i s_i^2`` of the singular values, ``(unit,)``: 1 if the average is a product
        of map and course.
    polarity
        Sign of the peak, the voxel of largest absolute value of the centred average: 1 (ON) or
        -1 (OFF), ``(unit,)``.
    """

    spatial_map: Float64
    temporal_course: Float64
    separability: Float64
    polarity: Float64


def separate(sta: npt.NDArray[Any], pixel_mean: npt.ArrayLike = 0.0) -> SpaceTime:
    """Separate space and time in spike-triggered averages, unit by unit.

    Parameters
    ----------
    sta
        Averages, ``(unit, lag, y, x)``. Units may be given block by block: the result of one
        does not depend on the others. A pixel that is not finite at some lag is left out, and
        is NaN in the map.
    pixel_mean
        What to subtract: the mean of each pixel of the movie over the refreshes that were used,
        ``(y, x)``, or ``(lag, y, x)``; 0 if the average is centred already. Without it the mean
        luminance, which no spike depends on, would be the first component.

    Returns
    -------
    SpaceTime

    Notes
    -----
    Memory beside the result: about 64 MB, or three copies of one unit if that is more.

    Examples
    --------
    >>> map_, course = np.array([[0.0, -4.0, 1.0]]), np.array([0.5, -1.0, 0.0])
    >>> found = separate(128 + course[:, None, None] * map_ * np.ones((2, 1, 1, 1)), 128)
    >>> found.spatial_map[0].round(6) + 0, found.temporal_course[0].round(6) + 0
    (array([[ 0.,  4., -1.]]), array([-0.5,  1. ,  0. ]))
    >>> found.separability.round(6), found.polarity
    (array([1., 1.]), array([1., 1.]))
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    n_units, n_lags, *image = sta.shape
    n_pixels = int(np.prod(image))
    mean = np.broadcast_to(np.asarray(pixel_mean, dtype=np.float64), (n_lags, *image))
    maps = np.full((n_units, n_pixels), np.nan)
    courses = np.full((n_units, n_lags), np.nan)
    separability, polarity = np.full((2, n_units), np.nan)
    step = max(1, _BLOCK_BYTES // max(1, 3 * 8 * n_lags * n_pixels))
    with threadpool_limits(limits=1, user_api="blas"):
        for start in range(0, n_units, step):
            block = slice(start, start + step)
            _separate(
                (sta[block] - mean).reshape(-1, n_lags, n_pixels),
                maps[block], courses[block], separability[block], polarity[block],
            )  # fmt: skip
    return SpaceTime(maps.reshape(n_units, *image), courses, separability, polarity)


def _separate(
    centred: Float64, maps: Float64, courses: Float64, separability: Float64, polarity: Float64
) -> None:
    """Fill the rows of a block of units, ``(unit, lag, pixel)``, where they are defined."""
    known = np.asarray(np.isfinite(centred).all(axis=1))
    centred = np.where(known[:, None], centred, 0.0)
    defined = np.flatnonzero(centred.any(axis=(1, 2)))
    if defined.size == 0:
        return
    centred, known = centred[defined], known[defined]
    # The first singular vector over lags is the first eigenvector of the lags' products, which
    # are few: ten times faster than the whole decomposition, and as exact for the first component.
    products = centred @ centred.transpose(0, 2, 1)
    power, vectors = np.linalg.eigh(products)
    course = vectors[:, :, -1]
    image = (course[:, None] @ centred)[:, 0]
    rows = np.arange(defined.size)
    peak = np.abs(centred).reshape(defined.size, -1).argmax(axis=1)
    peak_lag = peak // centred.shape[2]
    # The peak's lag belongs to the first component but in odd averages of many components.
    at_peak = course[rows, peak_lag]
    scale = np.abs(course).max(axis=1) * np.where(at_peak < 0, -1.0, 1.0)
    courses[defined] = course / scale[:, None]
    maps[defined] = np.where(known, image * scale[:, None], np.nan)
    separability[defined] = np.minimum(1.0, power[:, -1] / products.trace(axis1=1, axis2=2))
    polarity[defined] = np.sign(centred.reshape(defined.size, -1)[rows, peak])
