"""How much the counts in a bar's windows vary between trials, for tests of responses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdmea.features.bar_rest import Rest
from hdmea.features.bar_shown import ShownBars
from hdmea.features.bar_windows import Windows
from hdmea.kernels.dispersion import Dispersion, dispersion_of_changes
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def bar_dispersion(
    spikes: SpikeTrains, shown: ShownBars, windows: Windows, counts: Int64, rest: Rest
) -> Dispersion:
    """Variance between trials of counts against those at rest, relative to Poisson spikes.

    In every trial the spikes of each window are compared with those at rest. The windows of a few
    trials are few; so are the pieces of the rest after each passage that are as long as a window,
    each compared with all other rest of its trial, as a window is.

    Parameters
    ----------
    spikes, shown
        Spike trains; trials of the bar.
    windows, counts
        Windows, and the spikes in them, ``(unit, trial, slot)``.
    rest
        Spikes at rest.

    Returns
    -------
    Dispersion
        One for each unit; NaN without windows, rest or spikes, and of a single trial.
    """
    n_trials, n_slots = shown.onset_s.shape
    value, known = np.full((2, spikes.n_units), np.nan)
    for unit in np.flatnonzero(windows.known & ~rest.none).tolist():
        length_s = float(windows.length_s[unit])
        mean_rest_s = float(rest.time_in_trials_s[unit].mean())
        at_rest = rest.n_in_trials[unit][:, None]
        pieces = _pieces(spikes.of(unit), rest.after_s[unit], shown.until_s, length_s)
        n_pieces = pieces.shape[1]
        first = np.concatenate([counts[unit], pieces], axis=1)
        second = np.concatenate([np.repeat(at_rest, n_slots, 1), at_rest - pieces], axis=1)
        share = np.full(n_slots + n_pieces, length_s / mean_rest_s)
        share[:n_slots] = length_s / (length_s + mean_rest_s)
        # What two windows have in common is the rest, what two pieces, what is left of it; with
        # even firing the changes are correlated by the share, and by -share / (1 - share).
        correlated = n_slots * (n_slots - 1) * share[0] ** 2
        if n_pieces > 1:
            correlated += n_pieces * (n_pieces - 1) * (share[-1] / (1 - share[-1])) ** 2
        n = n_slots + n_pieces
        known[unit] = (n_trials - 1) * n**2 / (n + correlated)
        found = dispersion_of_changes(first[None], second[None], share[None], known[unit])
        value[unit] = found.value[0]
    return Dispersion(value, known)


def _pieces(train: Float64, begin_s: Float64, end_s: Float64, length_s: float) -> Int64:
    """Spikes in as many pieces of this length as every trial has after a passage.

    Parameters
    ----------
    train
        Spikes of one unit.
    begin_s, end_s
        Rest after each passage, ``(trial, slot)``.
    length_s
        Of a piece.

    Returns
    -------
    ndarray
        ``(trial, piece)``; a trial that is one piece only has none to compare it with.
    """
    begins = []
    for slot in range(begin_s.shape[1]):
        n = int((end_s[:, slot] - begin_s[:, slot]).min() / length_s + 1e-6)
        begins += [begin_s[:, slot] + length_s * k for k in range(n)]
    if len(begins) < 2:
        return np.zeros((len(begin_s), 0), dtype=np.int64)
    at = np.stack(begins, axis=1)
    found = np.searchsorted(train, at + length_s) - np.searchsorted(train, at)
    return np.asarray(found, dtype=np.int64)
