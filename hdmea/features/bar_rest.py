"""The rate at rest of a unit to which a bar is shown: when no bar is near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.features.bar_shown import ShownBars
from hdmea.features.bar_windows import Windows
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """Spikes at rest, and the time in which they were counted.

    Parameters
    ----------
    n_in_trials, time_in_trials_s
        Of each trial, ``(unit, trial)``.
    after_s
        When the rest after each passage begins, ``(unit, trial, slot)``; it goes on until the
        next direction begins. NaN for units without windows.
    """

    n_in_trials: Int64
    time_in_trials_s: Float64
    after_s: Float64

    @property
    def n_spikes(self) -> Int64:
        """Spikes of all trials, one entry per unit."""
        return np.asarray(self.n_in_trials.sum(axis=1))

    @property
    def time_s(self) -> Float64:
        """Time of all trials, one entry per unit."""
        return np.asarray(self.time_in_trials_s.sum(axis=1))

    @property
    def none(self) -> Flags:
        """Units that have no time at rest."""
        return np.asarray(~(self.time_s > 0))

    def rate_hz(self) -> Float64:
        """Rate at rest; NaN where there is no time."""
        rate = np.full(self.time_s.shape, np.nan)
        np.divide(self.n_spikes, self.time_s, out=rate, where=self.time_s > 0)
        return rate


def at_rest(
    spikes: SpikeTrains,
    shown: ShownBars,
    windows: Windows,
    *,
    spontaneous_s: float,
    rest_after_s: float,
) -> Rest:
    """Spikes before the first direction of the trials, and after the passages of the bar.

    A second before each trial is too short: of a unit at 5 Hz it has, in 3 trials, 15 spikes, and
    an error of a quarter of them makes the responses to all directions larger or smaller. After a
    window there may be much more time, until the next direction begins; `rest_after_s` of it is
    left out, in which the response may die away, or an adapted unit be silent. A time before a
    window does not count: the bar comes nearer, and may be in the surround.

    Parameters
    ----------
    spikes, shown, windows
        Spike trains; trials of the bar; windows of its responses. A unit without windows has the
        time before the first directions only.
    spontaneous_s
        Time before the first direction of a trial, if the trial begins so early.
    rest_after_s
        Time after a window that is left out.
    """
    first = shown.onset_s.min(axis=1)
    start = np.maximum(shown.start_s, first - spontaneous_s)
    n_spikes = spikes.count_in_windows(start, first)
    time_s = np.tile(first - start, (spikes.n_units, 1))
    after_s = np.full((spikes.n_units, *shown.onset_s.shape), np.nan)
    for unit in np.flatnonzero(windows.known).tolist():
        train = spikes.of(unit)
        begins = windows.start_s[unit] + windows.length_s[unit] + rest_after_s
        begins = np.minimum(begins, shown.until_s)
        found = np.searchsorted(train, shown.until_s) - np.searchsorted(train, begins)
        n_spikes[unit] += found.sum(axis=1)
        time_s[unit] += (shown.until_s - begins).sum(axis=1)
        after_s[unit] = begins
    return Rest(n_spikes, time_s, after_s)
