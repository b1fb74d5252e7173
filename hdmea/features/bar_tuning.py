"""How strongly units respond to a bar, and to which direction: from windows to indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from hdmea.features.bar_dispersion import bar_dispersion
from hdmea.features.bar_rest import Rest
from hdmea.features.bar_shown import ShownBars
from hdmea.features.bar_windows import Windows
from hdmea.kernels.dispersion import Dispersion
from hdmea.kernels.poisson import greater_p
from hdmea.kernels.response_weights import response_weights
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
from hdmea.kernels.tuning_curve import TuningCurve, fit_tuning_curve
from hdmea.kernels.windows import binned_counts

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Why = Mapping[str, Flags]

N_BINS = 12
"""Parts of a window in which the course of a response is told."""


@dataclass(frozen=True, slots=True, eq=False)
class BarResponses:
    """Responses of all units in one set of windows.

    Parameters
    ----------
    binned
        Spikes in `N_BINS` parts of each window, ``(unit, trial, slot, bin)``.
    n_spikes, mean_count
        Spikes of each direction, in all trials and per presentation, ``(unit, direction)``.
    p_response
        Of more spikes than at rest, in the direction in which that is least likely.
    dispersion
        How much counts vary between trials, relative to Poisson spikes; NaN where that is unknown,
        and spikes are taken for Poisson.
    responds
        Units that have a response, and indices.
    tuned, raw
        Of the mean counts above rest, and of the mean counts; of units that respond.
    test
        Tuning against permuted directions; of units with spikes.
    no_response_test
        Why `p_response` is undefined: for each reason the units, the first that holds counts.
    no_dispersion
        The same of the dispersion.
    no_test, no_index
        The same of p and of indices, for each of the two harmonics.
    """

    binned: Int64
    n_spikes: Int64
    mean_count: Float64
    p_response: Float64
    dispersion: Float64
    responds: Flags
    tuned: Tuning
    raw: Tuning
    test: PermutationTest
    no_response_test: Why
    no_dispersion: Why
    no_test: Mapping[int, Why]
    no_index: Mapping[int, Why]


class BarTrials:
    """Trials of a moving bar and spikes at rest, for any set of windows.

    Parameters
    ----------
    spikes
        Spike trains.
    shown
        The trials.
    rest
        Spikes at rest.
    n_permutations, seed
        Permutations of the directions, the same for all units and windows.
    """

    def __init__(
        self,
        spikes: SpikeTrains,
        shown: ShownBars,
        rest: Rest,
        *,
        n_permutations: int,
        seed: int,
    ) -> None:
        self._spikes, self._shown, self._rest = spikes, shown, rest
        n_trials, n_directions = len(shown.start_s), shown.directions_deg.size
        self._n_shown = n_trials * np.bincount(shown.slot_direction, minlength=n_directions)
        self._permuted = permuted_labels(shown.slot_direction, n_trials, n_permutations, seed)

    def responses(self, windows: Windows, *, alpha: float, min_spikes: int) -> BarResponses:
        """Counts, significance and tuning in these windows.

        A unit responds if p is below `alpha` in a direction with `min_spikes` spikes.
        """
        shown = self._shown
        units = np.arange(self._spikes.n_units)
        binned = binned_counts(self._spikes, units, windows.start_s, windows.length_s, N_BINS)
        counts = np.asarray(binned.sum(axis=-1))
        of_direction = shown.slot_direction[:, None] == np.arange(shown.directions_deg.size)
        n_spikes = counts.sum(axis=1) @ of_direction.astype(np.int64)
        mean = np.where(windows.known[:, None], n_spikes / self._n_shown, np.nan)

        dispersion = bar_dispersion(self._spikes, shown, windows, counts, self._rest)
        p = self._p_of_directions(n_spikes, windows, dispersion)
        responds = ((p < alpha) & (n_spikes >= min_spikes)).any(axis=1)
        silent = np.asarray(~counts.any(axis=(1, 2)))
        no_response_test = {**windows.missing, "no_spontaneous_time": self._rest.none}
        single = np.full(len(counts), len(shown.start_s) < 2)
        unknown = np.isnan(dispersion.value)
        no_dispersion = {**no_response_test, "too_few_trials": single, "too_few_spikes": unknown}
        no_test, no_index = {}, {}
        for harmonic in (DIRECTION, ORIENTATION):
            balanced = is_balanced(shown.directions_deg, harmonic)
            unbalanced = np.full(len(counts), not balanced)
            possible = {**no_response_test, "directions_not_balanced": unbalanced}
            no_test[harmonic] = {**possible, "too_few_spikes": silent}
            no_index[harmonic] = {**possible, "no_response": ~responds}

        tested = windows.known & ~self._rest.none & ~silent
        responds &= tested
        above = np.maximum(mean - (self._rest.rate_hz() * windows.length_s)[:, None], 0)
        tuned, raw = (
            tuning(np.where(responds[:, None], response, 0), shown.directions_deg)
            for response in (above, mean)
        )
        return BarResponses(
            binned=binned,
            n_spikes=n_spikes,
            mean_count=mean,
            p_response=p.min(axis=1),
            dispersion=dispersion.value,
            responds=responds,
            tuned=tuned,
            raw=raw,
            test=self._test(binned, windows, tested),
            no_response_test=no_response_test,
            no_dispersion=no_dispersion,
            no_test=no_test,
            no_index=no_index,
        )

    def curves(self, windows: Windows, found: BarResponses) -> TuningCurve:
        """Tuning curves fitted to these responses; NaN for units that do not respond."""
        shown = self._shown
        rows = np.flatnonzero(found.responds)
        length_s = windows.length_s[rows]
        counts = found.binned[rows].sum(axis=1)
        of_direction = shown.slot_direction == np.arange(shown.directions_deg.size)[:, None]
        by_direction = np.stack([counts[:, mine].sum(axis=1) for mine in of_direction], axis=1)
        fitted = fit_tuning_curve(
            by_direction,
            shown.directions_deg,
            self._n_shown,
            self._rest.n_spikes[rows],
            self._rest.time_s[rows] / length_s,
        )

        def of_all(values: Float64) -> Float64:
            column = np.full((len(found.responds), *values.shape[1:]), np.nan)
            column[rows] = values
            return column

        return TuningCurve(*(of_all(getattr(fitted, f.name)) for f in fields(fitted)))

    def _p_of_directions(
        self, n_spikes: Int64, windows: Windows, dispersion: Dispersion
    ) -> Float64:
        """p of each direction, times their number; NaN without windows or rest."""
        time_s = self._n_shown * windows.length_s[:, None]
        share = time_s / (time_s + self._rest.time_s[:, None])
        n_at_rest = self._rest.n_spikes[:, None]
        of_unit = Dispersion(
            dispersion.value[:, None], np.asarray(dispersion.degrees_of_freedom)[:, None]
        )
        p = self._shown.directions_deg.size * greater_p(n_spikes, n_at_rest, share, of_unit)
        undefined = ~windows.known | self._rest.none
        return np.where(undefined[:, None], np.nan, np.minimum(1, p))

    def _test(self, binned: Int64, windows: Windows, tested: Flags) -> PermutationTest:
        shown, counts = self._shown, binned[tested]
        at_rest = (self._rest.rate_hz() * windows.length_s)[tested]
        weights = response_weights(counts.mean(axis=(1, 2)), at_rest / N_BINS)
        found = permutation_test(
            np.einsum("utsb,ub->uts", counts, weights),
            counts.sum(axis=-1),
            shown.slot_direction,
            shown.directions_deg,
            at_rest,
            self._permuted,
        )

        def of_all(values: Float64) -> Float64:
            column = np.full(len(tested), np.nan)
            column[tested] = values
            return column

        return PermutationTest(
            p_dsi=of_all(found.p_dsi),
            p_osi=of_all(found.p_osi),
            dsi_null=of_all(found.dsi_null),
        )
