"""Peri-stimulus time histograms and the quality of a response."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_SPIKES_AT_A_TIME = 8192


@dataclass(frozen=True, slots=True, eq=False)
class TrialResponses:
    """Spikes in bins, over the trials.

    Parameters
    ----------
    counts
        Spikes summed over the trials, int64, ``(unit, bin)``.
    quality
        Response quality index of each unit, ``(unit,)``; NaN for units without spikes, and for
        those with equal counts in all bins of every trial.
    """

    counts: Int64
    quality: Float64


def psth_counts(spikes: SpikeTrains, start_s: npt.ArrayLike, bin_s: float, n_bins: int) -> Int64:
    """Spikes summed over trials, in bins from each trial's start, ``(unit, bin)``.

    The PSTH in Hz is ``counts / (n_trials * bin_s)``.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.25, 1.25, 1.75]), np.array([3]))
    >>> psth_counts(trains, [0.0, 1.0], bin_s=0.5, n_bins=2)
    array([[2, 1]])
    """
    counts = np.empty((spikes.n_units, n_bins), dtype=np.int64)
    for unit, binned in enumerate(trial_counts(spikes, start_s, bin_s, n_bins)):
        counts[unit] = binned.sum(axis=0)
    return counts


def trial_counts(
    spikes: SpikeTrains, start_s: npt.ArrayLike, bin_s: float, n_bins: int
) -> Iterator[Int64]:
    """Spikes in bins from each trial's start, ``(trial, bin)``, of one unit after the other.

    Bin k of a trial is ``[start + bin_s * k, start + bin_s * (k + 1))``.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.25, 1.25, 1.75]), np.array([3]))
    >>> next(trial_counts(trains, [0.0, 1.0], bin_s=0.5, n_bins=2))
    array([[1, 0],
           [1, 1]])
    """
    starts = np.asarray(start_s, dtype=np.float64)
    first, last = spikes.index_ranges(starts, starts + bin_s * n_bins)
    for unit in range(spikes.n_units):
        n = last[unit] - first[unit]
        counts = np.empty((starts.size, n_bins), dtype=np.int64)
        for some in _trials_at_a_time(n):
            counts[some] = _bin(
                spikes.times_s, first[unit, some], n[some], starts[some], bin_s, n_bins
            )
        yield counts


def _trials_at_a_time(n_spikes: Int64) -> Iterator[slice]:
    """Successive trials with few enough spikes together for what is made of them to stay near."""
    group = np.cumsum(n_spikes) // _SPIKES_AT_A_TIME
    cuts = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), n_spikes.size]
    return itertools.starmap(slice, itertools.pairwise(cuts))


def _bin(
    times_s: Float64, first: Int64, n: Int64, starts: Float64, bin_s: float, n_bins: int
) -> Int64:
    """Counts of some trials, whose `n` spikes each begin at `first`, ``(trial, bin)``."""
    place = np.repeat(first - (np.cumsum(n) - n), n) + np.arange(n.sum())
    times, start = times_s[place], np.repeat(starts, n)
    k = ((times - start) / bin_s).astype(np.int64)
    # Edges are just these floats; a quotient that was rounded may be one off.
    k += times >= start + bin_s * (k + 1)
    k -= times < start + bin_s * k
    k += np.repeat(np.arange(n.size) * n_bins, n)
    return np.bincount(k, minlength=n.size * n_bins).reshape(n.size, n_bins)


def trial_responses(
    spikes: SpikeTrains, start_s: npt.ArrayLike, bin_s: float, n_bins: int, sigma_s: float
) -> TrialResponses:
    """PSTH counts and the response quality index of Baden et al. (2016).

    ``QI = Var_t(mean over trials) / mean over trials(Var_t)`` of rates smoothed by a Gaussian
    (edges reflected). Its noise floor is 1 / n_trials, and it depends strongly on the smoothing.

    Parameters
    ----------
    spikes
        Spike trains.
    start_s
        Start of each trial, ``(n_trials,)``.
    bin_s, n_bins
        Bins from each trial's start.
    sigma_s
        Standard deviation of the smoothing.

    References
    ----------
    Baden T. et al. (2016) Nature 529, 345-350.
    """
    from scipy.fft import dct

    starts = np.asarray(start_s, dtype=np.float64)
    passed = _passed(n_bins, sigma_s / bin_s)
    counts = np.empty((spikes.n_units, n_bins), dtype=np.int64)
    quality = np.full(spikes.n_units, np.nan)
    for unit, binned in enumerate(trial_counts(spikes, starts, bin_s, n_bins)):
        counts[unit] = binned.sum(axis=0)
        # Rounding would give equal counts a variance.
        if (binned == binned[:, :1]).all():
            continue
        # QI is a ratio: counts serve as well as rates.
        waves = dct(binned.astype(np.float64), axis=1, norm="ortho")
        of_trials = (passed * np.einsum("tk,tk->k", waves, waves)).sum() / starts.size
        quality[unit] = (passed * waves.mean(axis=0) ** 2).sum() / of_trials
    return TrialResponses(counts, quality)


def _passed(n_bins: int, sigma_bins: float) -> Float64:
    """Part of the variance at each frequency of a cosine transform that smoothing leaves.

    A cosine transform goes on beyond the edges by reflection, as the smoothing does: a product
    with this is the variance of what is smoothed, without smoothing every trial.
    """
    from scipy.fft import dct
    from scipy.ndimage import gaussian_filter1d

    impulse = np.zeros(n_bins)
    impulse[0] = 1.0
    smooth = gaussian_filter1d(impulse, sigma_bins, mode="reflect")
    passed = np.square(dct(smooth, norm="ortho") / dct(impulse, norm="ortho"))
    passed[0] = 0.0  # the mean, which does not vary
    return np.asarray(passed)
