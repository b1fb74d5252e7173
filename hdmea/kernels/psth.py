"""Peri-stimulus time histograms and the quality of a response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class TrialResponses:
    """Spikes in bins, over the trials.

    Parameters
    ----------
    counts
        Spikes summed over the trials, int64, ``(unit, bin)``.
    quality
        Response quality index of each unit, ``(unit,)``; NaN for units without spikes.
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
    counts = np.zeros((spikes.n_units, n_bins), dtype=np.int64)
    for start in np.asarray(start_s, dtype=np.float64):
        counts += spikes.count_in_bins(start + bin_s * np.arange(n_bins + 1))
    return counts


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
    from scipy.ndimage import gaussian_filter1d

    starts = np.asarray(start_s, dtype=np.float64)
    counts = np.zeros((spikes.n_units, n_bins), dtype=np.int64)
    mean = np.zeros((spikes.n_units, n_bins))
    variance = np.zeros(spikes.n_units)
    # QI is a ratio: counts serve as well as rates, and sums over trials need no trial in memory.
    for start in starts:
        trial = spikes.count_in_bins(start + bin_s * np.arange(n_bins + 1))
        smooth = gaussian_filter1d(trial.astype(np.float64), sigma_s / bin_s, mode="reflect")
        counts += trial
        mean += smooth / starts.size
        variance += smooth.var(axis=1) / starts.size
    quality = np.full(spikes.n_units, np.nan)
    fired = counts.any(axis=1) & (variance > 0)
    quality[fired] = mean[fired].var(axis=1) / variance[fired]
    return TrialResponses(counts, quality)
