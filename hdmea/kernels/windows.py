"""Counting spikes where every unit has windows of its own, and finding such windows in a PSTH."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hdmea.kernels.psth import trial_counts
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def binned_counts(
    spikes: SpikeTrains, units: Int64, start_s: Float64, length_s: Float64, n_bins: int
) -> Int64:
    """Spikes in equal parts of windows.

    Parameters
    ----------
    spikes
        Spike trains.
    units
        Rows of the units to look at.
    start_s, length_s
        Windows of these units, ``(units, trial, slot)`` and ``(units,)``; NaN where there is none.
    n_bins
        Parts of each window.

    Returns
    -------
    ndarray
        ``(units, trial, slot, bin)``; 0 where there is no window.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.1, 0.6, 2.1, 2.2]), np.array([4]))
    >>> starts = np.array([[[0.0], [2.0]]])
    >>> binned_counts(trains, np.array([0]), starts, np.array([1.0]), n_bins=2)
    array([[[[1, 1]],
            [[2, 0]]]])
    """
    counts = np.empty((len(units), *start_s.shape[1:], n_bins), dtype=np.int64)
    for row, unit in enumerate(units.tolist()):
        edges = start_s[row][..., None] + length_s[row] * (np.arange(n_bins + 1) / n_bins)
        # NaN lies beyond all spikes
        counts[row] = np.diff(np.searchsorted(spikes.of(unit), edges), axis=-1)
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
    peaks = np.empty((len(units), *start_s.shape))
    for row, smooth in enumerate(
        _of_other_trials(spikes, units, start_s, duration_s, bin_s, sigma_s)
    ):
        peaks[row] = (_first_of_the_largest(smooth) + 0.5) * bin_s
    return peaks


def passage_peaks(
    spikes: SpikeTrains,
    units: Int64,
    start_s: Float64,
    duration_s: float,
    bin_s: float,
    sigma_s: float,
    arrival_s: Float64,
    longest_delay_s: float,
) -> Float64:
    """Time of the peak of the PSTHs of all *other* trials, if all saw something pass one place.

    Of the peaks of single PSTHs many are chance where the response is weak. Here the rates of all
    slots are summed at the times at which something that passes a place would bring spikes after
    a delay, and of all places and delays those are taken where the sum is largest [1]_.

    Parameters
    ----------
    spikes, units, start_s, duration_s, bin_s, sigma_s
        As of `cross_validated_peaks`.
    arrival_s
        When it comes to each place, seconds from the start, ``(trial, slot, place)``. Of places
        where equally much is found the first is taken.
    longest_delay_s
        Longest delay; tried in steps of half of `sigma_s`, or of a bin, if that is longer.

    Returns
    -------
    ndarray
        ``(units, trial, slot)``; NaN if nothing passes any place while it is looked for.

    References
    ----------
    .. [1] Fiorani M., Azzi J.C.B., Soares J.G.M., Gattass R. (2014) J Neurosci Methods 221, 112.

    Examples
    --------
    Something comes to the first place early in both slots, to the second one late in the second:

    >>> trains = SpikeTrains(np.array([1.25, 2.75, 4.25, 5.75]), np.array([4]))
    >>> starts = np.array([[1.0, 2.0], [4.0, 5.0]])
    >>> arrival = np.array([[[0.1, 0.1], [0.1, 0.6]]] * 2)
    >>> passage_peaks(trains, np.array([0]), starts, 1.0, 0.1, 0.05, arrival, 0.3).round(2)
    array([[[0.2, 0.7],
            [0.2, 0.7]]])
    """
    step = max(bin_s, sigma_s / 2)
    delays = step * np.arange(int(longest_delay_s / step + 1e-6) + 1)
    n_bins = _bins_in(duration_s, bin_s)
    usual = arrival_s.mean(axis=0)
    # slot, place, delay
    at = np.floor((usual[..., None] + delays) / bin_s + 1e-6)
    possible = ((at >= 0) & (at < n_bins)).all(axis=0)
    place, delay = np.nonzero(possible)
    peaks = np.full((len(units), *start_s.shape), np.nan)
    if not place.size:
        return peaks
    bins = at[:, place, delay].astype(np.int64)
    for row, smooth in enumerate(
        _of_other_trials(spikes, units, start_s, duration_s, bin_s, sigma_s)
    ):
        total = smooth[:, 0, bins[0]]
        for slot in range(1, bins.shape[0]):
            total += smooth[:, slot, bins[slot]]
        best = _first_of_the_largest(total)
        for trial, found in enumerate(best.tolist()):
            peaks[row, trial] = arrival_s[trial, :, place[found]] + delays[delay[found]]
    return peaks


def _bins_in(duration_s: float, bin_s: float) -> int:
    return max(1, int(duration_s / bin_s + 1e-6))


def _of_other_trials(
    spikes: SpikeTrains,
    units: Int64,
    start_s: Float64,
    duration_s: float,
    bin_s: float,
    sigma_s: float,
) -> Iterator[Float64]:
    """Smoothed counts of all other trials, ``(trial, slot, bin)``, of one unit after the other."""
    from scipy.ndimage import gaussian_filter1d

    n_bins = _bins_in(duration_s, bin_s)
    for unit in units.tolist():
        train = spikes.of(unit)
        one = SpikeTrains(train, np.array([train.size]))
        (counts,) = trial_counts(one, start_s.ravel(), bin_s, n_bins)
        counts = counts.reshape(*start_s.shape, n_bins)
        others = (counts.sum(axis=0) - counts).astype(np.float64)
        yield gaussian_filter1d(others, sigma_s / bin_s, axis=-1, mode="reflect")


def _first_of_the_largest(values: Float64) -> Int64:
    """Along the last axis, to rounding: equal ones stay so when spikes are smoothed elsewhere."""
    largest = values >= values.max(axis=-1, keepdims=True) * (1 - 1e-9)
    return np.asarray(largest.argmax(axis=-1))
