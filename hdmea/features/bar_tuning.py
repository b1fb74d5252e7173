"""How strongly units respond to a bar, and to which direction: from windows to indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.features.bar_windows import ShownBars, Windows
from hdmea.kernels.poisson import greater_p
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.tuning import (
    DIRECTION,
    ORIENTATION,
    PermutationTest,
    Tuning,
    is_balanced,
    permutation_test,
    permuted_labels,
    tuning,
)
from hdmea.kernels.windows import counts_from

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Why = Mapping[str, Flags]


@dataclass(frozen=True, slots=True, eq=False)
class BarResponses:
    """Responses of all units in one set of windows.

    Parameters
    ----------
    n_spikes, mean_count
        Spikes of each direction, in all trials and per presentation, ``(unit, direction)``.
    p_response
        Of more spikes than at rest, in the direction in which that is least likely.
    tuned, raw
        Of the mean counts above rest, and of the mean counts; of units that respond.
    test
        Tuning against permuted directions; of units with spikes.
    no_response_test
        Why `p_response` is undefined: for each reason the units, the first that holds counts.
    no_test, no_index
        The same of p and of indices, for each of the two harmonics.
    """

    n_spikes: Int64
    mean_count: Float64
    p_response: Float64
    tuned: Tuning
    raw: Tuning
    test: PermutationTest
    no_response_test: Why
    no_test: Mapping[int, Why]
    no_index: Mapping[int, Why]


class BarTrials:
    """Trials of a moving bar and spikes at rest before it, for any set of windows.

    Parameters
    ----------
    spikes
        Spike trains.
    shown
        The trials.
    spontaneous_s
        Time before the first direction of a trial that is taken for rest, if the trial begins so
        early.
    n_permutations, seed
        Permutations of the directions within each trial, the same for all units and windows.
    """

    def __init__(
        self,
        spikes: SpikeTrains,
        shown: ShownBars,
        *,
        spontaneous_s: float,
        n_permutations: int,
        seed: int,
    ) -> None:
        self._spikes, self._shown = spikes, shown
        n_trials, n_directions = len(shown.start_s), shown.directions_deg.size
        first = shown.onset_s.min(axis=1)
        start = np.maximum(shown.start_s, first - spontaneous_s)
        self._rest_s = float((first - start).sum())
        self._at_rest = spikes.count_in_windows(start, first).sum(axis=1)
        self._n_shown = n_trials * np.bincount(shown.slot_direction, minlength=n_directions)
        self._permuted = permuted_labels(shown.slot_direction, n_trials, n_permutations, seed)

    @property
    def no_rest(self) -> Flags:
        """Whether no trial has time before its first direction; the same for all units."""
        return np.full(self._spikes.n_units, not self._rest_s > 0)

    def spontaneous_hz(self) -> Float64:
        """Rate at rest, one per unit; NaN where there is no time at rest."""
        if not self._rest_s > 0:
            return np.full(self._spikes.n_units, np.nan)
        return np.asarray(self._at_rest / self._rest_s)

    def responses(self, windows: Windows, *, alpha: float, min_spikes: int) -> BarResponses:
        """Counts, significance and tuning in these windows.

        A unit responds if p is below `alpha` in a direction with `min_spikes` spikes.
        """
        shown = self._shown
        counts = counts_from(self._spikes, windows.start_s, windows.length_s)
        of_direction = shown.slot_direction[:, None] == np.arange(shown.directions_deg.size)
        n_spikes = counts.sum(axis=1) @ of_direction.astype(np.int64)
        mean = np.where(windows.known[:, None], n_spikes / self._n_shown, np.nan)

        p = self._p_of_directions(n_spikes, windows)
        responds = ((p < alpha) & (n_spikes >= min_spikes)).any(axis=1)
        silent = np.asarray(~counts.any(axis=(1, 2)))
        no_response_test = {**windows.missing, "no_spontaneous_time": self.no_rest}
        no_test, no_index = {}, {}
        for harmonic in (DIRECTION, ORIENTATION):
            balanced = is_balanced(shown.directions_deg, harmonic)
            unbalanced = np.full(len(counts), not balanced)
            possible = {**no_response_test, "directions_not_balanced": unbalanced}
            no_test[harmonic] = {**possible, "too_few_spikes": silent}
            no_index[harmonic] = {**possible, "no_response": ~responds}

        tested = windows.known & ~self.no_rest & ~silent
        responds &= tested
        above = np.maximum(mean - (self.spontaneous_hz() * windows.length_s)[:, None], 0)
        tuned, raw = (
            tuning(np.where(responds[:, None], response, 0), shown.directions_deg)
            for response in (above, mean)
        )
        return BarResponses(
            n_spikes=n_spikes,
            mean_count=mean,
            p_response=p.min(axis=1),
            tuned=tuned,
            raw=raw,
            test=self._test(counts, windows, tested),
            no_response_test=no_response_test,
            no_test=no_test,
            no_index=no_index,
        )

    def _p_of_directions(self, n_spikes: Int64, windows: Windows) -> Float64:
        """p of each direction, times their number; NaN without windows or rest."""
        time_s = self._n_shown * windows.length_s[:, None]
        share = time_s / (time_s + self._rest_s)
        p = self._shown.directions_deg.size * greater_p(n_spikes, self._at_rest[:, None], share)
        undefined = ~windows.known | self.no_rest
        return np.where(undefined[:, None], np.nan, np.minimum(1, p))

    def _test(self, counts: Int64, windows: Windows, tested: Flags) -> PermutationTest:
        shown = self._shown
        at_rest = (self.spontaneous_hz() * windows.length_s)[tested]
        found = permutation_test(
            counts[tested], shown.slot_direction, shown.directions_deg, at_rest, self._permuted
        )

        def of_all(values: Float64) -> Float64:
            column = np.full(len(tested), np.nan)
            column[tested] = values
            return column

        return PermutationTest(
            p_dsi=of_all(found.p_dsi),
            p_osi=of_all(found.p_osi),
            p_dsi_raw=of_all(found.p_dsi_raw),
            dsi_null=of_all(found.dsi_null),
        )
