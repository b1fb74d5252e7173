"""Counting spikes where every unit has windows of its own, and finding such windows in a PSTH."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdmea.kernels.psth import trial_counts
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def counts_from(spikes: SpikeTrains, start_s: Float64, length_s: npt.ArrayLike) -> Int64:
    """Spikes in ``[start, start + length)``; 0 where start or length is NaN.

    Parameters
    ----------
    spikes
        Spike trains.
    start_s
        Seconds, ``(unit, ...)``.
    length_s
        Seconds, one per unit, or one for all.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.1, 0.5, 0.2]), np.array([2, 3]))
    >>> counts_from(trains, np.array([[0.0, 0.5], [0.0, np.nan]]), [0.25, 1.0])
    array([[1, 1],
           [1, 0]])
    """
    lengths = np.broadcast_to(np.asarray(length_s, dtype=np.float64), (spikes.n_units,))
    counts = np.zeros(start_s.shape, dtype=np.int64)
    for unit in range(spikes.n_units):
        train = spikes.of(unit)
        stop_s = start_s[unit] + lengths[unit]
        found = np.searchsorted(train, stop_s) - np.searchsorted(train, start_s[unit])
        counts[unit] = np.where(np.isnan(stop_s), 0, found)
    return counts


def binned_counts(
    spikes: SpikeTrains, units: Int64, start_s: Float64, length_s: Float64, n_bins: int
) -> Int64:
    """Spikes in equal parts of windows, over all trials.

    Parameters
    ----------
    spikes
        Spike trains.
    units
        Rows of the units to look at.
    start_s, length_s
        Windows of these units, ``(units, trial, slot)`` and ``(units,)``; none is NaN.
    n_bins
        Parts of each window.

    Returns
    -------
    ndarray
        ``(units, slot, bin)``.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.1, 0.6, 2.1, 2.2]), np.array([4]))
    >>> starts = np.array([[[0.0], [2.0]]])
    >>> binned_counts(trains, np.array([0]), starts, np.array([1.0]), n_bins=2)
    array([[[3, 1]]])
    """
    counts = np.empty((len(units), start_s.shape[2], n_bins), dtype=np.int64)
    for row, unit in enumerate(units.tolist()):
        edges = start_s[row][..., None] + length_s[row] * (np.arange(n_bins + 1) / n_bins)
        counts[row] = np.diff(np.searchsorted(spikes.of(unit), edges), axis=-1).sum(axis=0)
    return counts


def cross_validated_peaks(
    spikes: SpikeTrains,
    units: Int64,
    start_s: Float64,
    duration_s: float,
    bin_s: float,
    sigma_s: float,
) -> Float64:
    """Time of the peak of the PSTH of all *other* trials, seconds from the start.

    A window around a peak that the counted trial itself helped to make would find a response in
    noise.

    Parameters
    ----------
    spikes
        Spike trains.
    units
        Rows of the units to look at.
    start_s
        Start of what is compared between trials, ``(trial, slot)``; at least two trials.
    duration_s
        Its length, the same for all.
    bin_s, sigma_s
        Bin of the PSTH; standard deviation of its smoothing, edges reflected.

    Returns
    -------
    ndarray
        Middle of the largest bin, the first of equal ones, ``(units, trial, slot)``.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([1.35, 3.55, 5.55]), np.array([3]))
    >>> starts = np.array([[1.0], [3.0], [5.0]])
    >>> cross_validated_peaks(trains, np.array([0]), starts, 1.0, bin_s=0.1, sigma_s=0.05)
    array([[[0.55],
            [0.35],
            [0.35]]])
    """
    from scipy.ndimage import gaussian_filter1d

    n_bins = max(1, int(duration_s / bin_s + 1e-6))
    peaks = np.empty((len(units), *start_s.shape))
    for row, unit in enumerate(units.tolist()):
        train = spikes.of(unit)
        one = SpikeTrains(train, np.array([train.size]))
        (counts,) = trial_counts(one, start_s.ravel(), bin_s, n_bins)
        counts = counts.reshape(*start_s.shape, n_bins)
        others = (counts.sum(axis=0) - counts).astype(np.float64)
        smooth = gaussian_filter1d(others, sigma_s / bin_s, axis=-1, mode="reflect")
        # equal bins must stay equal when the same spikes are smoothed elsewhere
        largest = smooth >= smooth.max(axis=-1, keepdims=True) * (1 - 1e-9)
        peaks[row] = (largest.argmax(axis=-1) + 0.5) * bin_s
    return peaks
