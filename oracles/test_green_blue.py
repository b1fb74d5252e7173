"""Green and blue light: chromatic indices from pynapple's rates and scipy's p."""

from __future__ import annotations

import numpy as np
import pynapple as nap
import pytest
from peers import (
    SAMPLING_HZ,
    Cells,
    modulated,
    on_samples,
    p_of_dispersed_counts,
    poisson,
    repeated,
)

from hdmea.features.green_blue import GreenBlueParams, green_blue
from hdmea.features.inputs import FeatureInputs

EDGES = {"green_on": 2.0, "green_off": 4.0, "blue_on": 6.0, "blue_off": 8.0}
TRIAL_S, N_TRIALS, DURATION_S = 10.0, 10, 120.0


def known(edge: str) -> float:
    """Degrees of freedom of a dispersion: places every 0.25 s apart from responses to others."""
    others = [at for name, at in EDGES.items() if name != edge]
    places = [
        at
        for at in np.arange(1.0, TRIAL_S - 0.45, 0.25)
        if all(at + 0.5 <= other or at - 1.0 >= other + 0.5 for other in others)
    ]
    bins = np.arange(0.025, TRIAL_S, 0.05) - np.array(places)[:, None]
    weights = 2 * ((bins > 0) & (bins < 0.5)) - 1.0 * ((bins > -1.0) & (bins < 0))
    return (N_TRIALS - 1) * len(places) ** 2 / (np.corrcoef(weights) ** 2).sum()


def test_indices_follow_from_pynapples_rates_and_scipys_p() -> None:
    rng = np.random.default_rng(21)
    starts = (200_000 + 204_000 * np.arange(N_TRIALS) + 0.5) / SAMPLING_HZ

    def rate(gains: dict[str, float]):
        def at(times: np.ndarray) -> np.ndarray:
            trial = np.maximum(np.searchsorted(starts, times) - 1, 0)
            total = np.full(times.shape, 4.0)
            for edge, gain in gains.items():
                after = times - starts[trial] - EDGES[edge]
                total += gain * ((after > 0.03) & (after < 0.4))
            return total

        return at

    gains = [
        {"green_on": 40, "blue_on": 10},
        {"blue_on": 30, "green_off": 15},
        {"green_off": 25, "blue_off": 40},
        {"green_on": 20, "green_off": 20, "blue_on": 20, "blue_off": 20},
        {},
    ]
    trains = [modulated(rng, rate(gain), 60, DURATION_S) for gain in gains]
    trains += [poisson(rng, 0.3, DURATION_S), np.zeros(0)]
    cells = Cells(tuple(on_samples(train, DURATION_S) for train in trains), DURATION_S)
    trials = repeated("green_blue", "green_blue", starts, TRIAL_S, EDGES)
    values = green_blue(FeatureInputs(cells.hdmea, trials=trials), GreenBlueParams()).values

    n_defined = 0
    for unit in range(len(trains)):
        change, responds = {}, {}
        for edge, edge_s in EDGES.items():
            at = starts + edge_s
            windows = [(at, at + 0.5), (at - 1.0, at)]
            train = cells.pynapple[unit]
            k, m = (len(train.restrict(nap.IntervalSet(*window))) for window in windows)
            assert (
                values[f"n_spikes_{edge}"][unit],
                values[f"n_spikes_{edge}_baseline"][unit],
            ) == (k, m)
            change[edge] = (k / 0.5 - m / 1.0) / N_TRIALS
            dispersion = values[f"dispersion_{edge}"][unit]
            p = p_of_dispersed_counts(k, m, 1 / 3, dispersion, known(edge))
            assert values[f"p_{edge}"][unit] == pytest.approx(p, rel=1e-9, abs=1e-300)
            responds[edge] = p < 0.01 and change[edge] > 0 and k >= 5
        for edge in ("on", "off"):
            green, blue = (max(change[f"{colour}_{edge}"], 0) for colour in ("green", "blue"))
            either = responds[f"green_{edge}"] or responds[f"blue_{edge}"]
            index = (green - blue) / (green + blue) if either else np.nan
            n_defined += either
            mine = values[f"chromatic_index_{edge}"][unit]
            assert mine == pytest.approx(index, rel=1e-9, nan_ok=True)
    assert 6 <= n_defined < 2 * len(trains)
