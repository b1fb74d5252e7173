"""How irregular spike trains are, by their intervals and by their counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.kernels.psth import trial_counts
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class IntervalMeasures:
    """Measures of the intervals between successive spikes, one entry per unit.

    Parameters
    ----------
    n_intervals, n_pairs
        Intervals, and pairs of adjacent intervals.
    cv
        Coefficient of variation, standard deviation (n - 1) over mean; NaN for fewer than two
        intervals, or where all have no length.
    cv2
        Mean of ``2 |b - a| / (a + b)`` over adjacent intervals a, b (Holt et al. 1996); NaN
        without any pair. Two intervals of no length are equal: 0.
    """

    n_intervals: Int64
    n_pairs: Int64
    cv: Float64
    cv2: Float64


def interval_measures(
    spikes: SpikeTrains, start_s: npt.ArrayLike, stop_s: npt.ArrayLike
) -> IntervalMeasures:
    """Intervals between the spikes within each window, of all windows together.

    Intervals from one window into another, and pairs of intervals of two windows, do not count.

    Parameters
    ----------
    spikes
        Spike trains.
    start_s, stop_s
        Half-open windows ``[start, stop)``, shape ``(n_windows,)``.

    References
    ----------
    Holt G.R., Softky W.R., Koch C., Douglas R.J. (1996) J Neurophysiol 75, 1806-1814.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.0, 1.0, 4.0, 10.0, 12.0]), np.array([5]))
    >>> found = interval_measures(trains, [0.0, 10.0], [5.0, 15.0])
    >>> found.n_intervals, found.n_pairs, found.cv, found.cv2
    (array([3]), array([1]), array([0.5]), array([1.]))
    """
    first, last = spikes.index_ranges(start_s, stop_s)
    n_intervals, n_pairs = (np.zeros(spikes.n_units, dtype=np.int64) for _ in range(2))
    cv, cv2 = (np.full(spikes.n_units, np.nan) for _ in range(2))
    for unit in range(spikes.n_units):
        n = last[unit] - first[unit]
        window = np.repeat(np.arange(n.size), n)
        place = np.repeat(first[unit] - (np.cumsum(n) - n), n) + np.arange(window.size)
        intervals = np.diff(spikes.times_s[place])
        within = window[1:] == window[:-1]
        n_intervals[unit] = np.count_nonzero(within)
        if n_intervals[unit] > 1 and (mean := intervals[within].mean()) > 0:
            cv[unit] = intervals[within].std(ddof=1) / mean
        both = within[1:] & within[:-1]
        n_pairs[unit] = np.count_nonzero(both)
        if n_pairs[unit]:
            before, after = intervals[:-1][both], intervals[1:][both]
            total = before + after
            cv2[unit] = (2 * np.abs(after - before) / np.where(total > 0, total, 1)).mean()
    return IntervalMeasures(n_intervals, n_pairs, cv, cv2)


def fano_factor(
    spikes: SpikeTrains, start_s: npt.ArrayLike, window_s: float, n_windows: int
) -> Float64:
    """Variance of counts (n - 1) over their mean, shape ``(unit,)``; 1 for a Poisson process.

    NaN for units without spikes, and for fewer than two windows in all.

    Parameters
    ----------
    spikes
        Spike trains.
    start_s
        Where windows begin, ``(n_trials,)``.
    window_s, n_windows
        Windows one after the other from each start; those of all starts are taken together.

    References
    ----------
    Fano U. (1947) Phys Rev 72, 26-29.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.1, 0.2, 2.1, 2.2, 3.5]), np.array([5]))
    >>> fano_factor(trains, [0.0, 2.0], window_s=1.0, n_windows=2)  # counts 2, 0, 2, 1
    array([0.73333333])
    """
    fano = np.full(spikes.n_units, np.nan)
    if np.size(start_s) * n_windows > 1:
        for unit, counts in enumerate(trial_counts(spikes, start_s, window_s, n_windows)):
            if counts.any():
                fano[unit] = counts.var(ddof=1) / counts.mean()
    return fano
