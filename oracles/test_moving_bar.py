"""Tuning against astropy's circular moments and pynapple's responses, p against scipy's tests."""

from __future__ import annotations

import itertools

import numpy as np
import pynapple as nap
import pytest
from astropy.stats import circmoment
from peers import (
    SAMPLING_HZ,
    Cells,
    bursts,
    modulated,
    on_samples,
    p_of_more_dispersed_counts,
    poisson,
)
from scipy.stats import directional_stats
from scipy.stats import permutation_test as scipys_permutation_test

from hdmea.features.bar_rest import Rest, at_rest
from hdmea.features.bar_shown import ShownBars
from hdmea.features.bar_tuning import BarResponses, BarTrials
from hdmea.features.bar_windows import Windows
from hdmea.kernels.tuning import permutation_test, permuted_labels, tuning

N_DIRECTIONS, N_TRIALS = 8, 4
THETA_DEG = 360 / N_DIRECTIONS * np.arange(N_DIRECTIONS)
SLOT_S, REST_S, WINDOW_S, AFTER_S, DURATION_S = 3.0, 1.0, 0.9, 0.25, 140.0
# Half a sample off, so that no spike is on an edge.
STARTS = (100_000.5 + 600_000 * np.arange(N_TRIALS)) / SAMPLING_HZ
ONSETS = STARTS[:, None] + REST_S + SLOT_S * np.arange(N_DIRECTIONS)
PASSAGE_S = 0.8 + 0.1 * np.arange(N_DIRECTIONS)  # when the bar is over the field, after its onset


@pytest.fixture(scope="module")
def tuned() -> Cells:
    """Tuned to a direction, to an orientation, a little, not at all, not responding, odd ones."""
    rng = np.random.default_rng(51)

    def rate(gain):
        def at(times: np.ndarray) -> np.ndarray:
            total = np.full(times.shape, 3.0)
            for slot, theta in enumerate(np.deg2rad(THETA_DEG)):
                for onset in ONSETS[:, slot] + PASSAGE_S[slot]:
                    total += gain(theta) * ((times >= onset) & (times < onset + WINDOW_S))
            return total

        return at

    trains = [
        modulated(rng, rate(lambda t: 35 * np.exp(2 * (np.cos(t - 1) - 1))), 40, DURATION_S),
        modulated(rng, rate(lambda t: 30 * np.cos(t - 0.5) ** 4), 40, DURATION_S),
        modulated(rng, rate(lambda t: 12 + 3 * np.cos(t - 4)), 40, DURATION_S),
        modulated(rng, rate(lambda _: 20.0), 40, DURATION_S),
        poisson(rng, 10.0, DURATION_S),
        bursts(rng, DURATION_S),
        ONSETS[0, :1] + 1.2,
        np.zeros(0),
    ]
    return Cells(tuple(on_samples(train, DURATION_S) for train in trains), DURATION_S)


@pytest.fixture(scope="module")
def shown() -> ShownBars:
    return ShownBars(
        movie="bar",
        start_s=STARTS,
        stop_s=STARTS + REST_S + SLOT_S * N_DIRECTIONS,
        onset_s=ONSETS,
        until_s=ONSETS + SLOT_S,
        directions_deg=THETA_DEG,
        slot_direction=np.arange(N_DIRECTIONS),
    )


@pytest.fixture(scope="module")
def windows(tuned: Cells) -> Windows:
    n_units = len(tuned.samples)
    start = np.broadcast_to(ONSETS + PASSAGE_S, (n_units, *ONSETS.shape))
    return Windows(start, np.full(n_units, WINDOW_S), {"no_field": np.zeros(n_units, bool)})


@pytest.fixture(scope="module")
def rest(tuned: Cells, shown: ShownBars, windows: Windows) -> Rest:
    return at_rest(tuned.hdmea, shown, windows, spontaneous_s=REST_S, rest_after_s=AFTER_S)


@pytest.fixture(scope="module")
def bars(tuned: Cells, shown: ShownBars, rest: Rest) -> BarTrials:
    return BarTrials(tuned.hdmea, shown, rest, n_permutations=4999, seed=0)


@pytest.fixture(scope="module")
def found(bars: BarTrials, windows: Windows) -> BarResponses:
    return bars.responses(windows, alpha=0.01, min_spikes=5)


@pytest.fixture(scope="module")
def rates(tuned: Cells):
    """pynapple's mean rate in the windows of each direction, and at rest."""
    epochs = {}
    for slot, theta in enumerate(THETA_DEG):
        start = ONSETS[:, slot] + PASSAGE_S[slot]
        epochs[f"{theta:g}"] = nap.IntervalSet(start, start + WINDOW_S)
    after = (ONSETS + PASSAGE_S + WINDOW_S + AFTER_S).ravel()
    epochs["rest"] = nap.IntervalSet(
        np.sort(np.r_[STARTS, after]), np.sort(np.r_[STARTS + REST_S, (ONSETS + SLOT_S).ravel()])
    )
    return nap.compute_response_per_epoch(tuned.pynapple, epochs)


def test_counts_are_pynapples_responses_to_the_directions(
    found: BarResponses, rest: Rest, rates
) -> None:
    assert found.mean_count == pytest.approx(rates.values[:, :-1] * WINDOW_S, abs=1e-9)
    assert rest.rate_hz() == pytest.approx(rates.sel(epochs="rest").values, abs=1e-9)


def test_indices_and_angles_are_astropys_circular_moments_of_pynapples_rates(
    found: BarResponses, rates
) -> None:
    theta = np.deg2rad(THETA_DEG)
    above = np.maximum(rates.values[:, :-1] - rates.values[:, -1:], 0)
    defined = np.flatnonzero(~np.isnan(found.tuned.dsi))
    assert {0, 1, 2, 3} <= set(defined.tolist())
    assert not {4, 6, 7} & set(defined.tolist())
    for unit in defined:
        direction, dsi = circmoment(theta, p=1, weights=above[unit])
        axis, osi = circmoment(theta, p=2, weights=above[unit])
        assert found.tuned.dsi[unit] == pytest.approx(dsi, rel=1e-9)
        assert found.tuned.osi[unit] == pytest.approx(osi, rel=1e-9)
        assert found.tuned.direction_deg[unit] == pytest.approx(
            np.rad2deg(direction) % 360, abs=1e-6
        )
        assert found.tuned.orientation_deg[unit] == pytest.approx(
            np.rad2deg(axis) / 2 % 180, abs=1e-6
        )
        over_max = dsi * above[unit].sum() / above[unit].max()
        assert found.tuned.over_max[unit] == pytest.approx(over_max, rel=1e-9)
        _, raw = circmoment(theta, p=1, weights=rates.values[unit, :-1])
        assert found.raw.dsi[unit] == pytest.approx(raw, rel=1e-9)


def test_dsi_of_counts_is_the_length_of_scipys_mean_direction_of_the_spikes() -> None:
    # Every spike points in the direction that was shown.
    rng = np.random.default_rng(52)
    counts = rng.poisson(rng.uniform(0, 20, (30, N_DIRECTIONS)))
    mine = tuning(counts, THETA_DEG)
    for unit, row in enumerate(counts):
        angles = np.deg2rad(np.repeat(THETA_DEG, row))
        mean = directional_stats(np.column_stack([np.cos(angles), np.sin(angles)]))
        assert mine.dsi[unit] == pytest.approx(mean.mean_resultant_length, rel=1e-9)
        x, y = mean.mean_direction
        assert mine.direction_deg[unit] == pytest.approx(
            np.rad2deg(np.arctan2(y, x)) % 360, abs=1e-6
        )


@pytest.fixture(scope="module")
def dispersions(tuned: Cells) -> list[tuple[float, float]]:
    """Of each unit: from pynapple's counts in each trial, and how well it is known."""

    def counts(train: nap.Ts, begin: np.ndarray, length_s: float | np.ndarray) -> np.ndarray:
        return train.count(ep=nap.IntervalSet(begin, begin + length_s)).values

    after_s = PASSAGE_S + WINDOW_S + AFTER_S  # the rest begins, from the onset
    left_s = SLOT_S - after_s
    pieces = [(k, i) for k in range(N_DIRECTIONS) for i in range(int(left_s[k] / WINDOW_S + 1e-9))]
    rest_s = REST_S + left_s.sum()
    window, piece = WINDOW_S / (WINDOW_S + rest_s), WINDOW_S / rest_s
    # what a spike counts for in each window and each rest of a trial, by the time it is there
    kinds = np.eye(N_DIRECTIONS + len(pieces) + 1) * np.sqrt(WINDOW_S)
    kinds[-1, -1] = np.sqrt(rest_s - len(pieces) * WINDOW_S)
    at_rest = np.r_[np.zeros(N_DIRECTIONS), np.full(len(pieces), WINDOW_S), kinds[-1, -1] ** 2]
    at_rest = np.sqrt(at_rest)
    changes = [(1 - window) * kinds[k] - window * at_rest for k in range(N_DIRECTIONS)]
    changes += [kinds[N_DIRECTIONS + k] - piece * at_rest for k in range(len(pieces))]
    covariance = np.array(changes) @ np.array(changes).T
    squared = covariance**2 / np.outer(np.diag(covariance), np.diag(covariance))
    known = (N_TRIALS - 1) * len(changes) ** 2 / squared.sum()

    found = []
    for train in (tuned.pynapple[unit] for unit in range(len(tuned.samples))):
        rest = counts(train, STARTS, REST_S)
        for k in range(N_DIRECTIONS):
            rest = rest + counts(train, ONSETS[:, k] + after_s[k], left_s[k])
        compared = [
            (counts(train, ONSETS[:, k] + PASSAGE_S[k], WINDOW_S), rest, window)
            for k in range(N_DIRECTIONS)
        ]
        for k, i in pieces:
            part = counts(train, ONSETS[:, k] + after_s[k] + WINDOW_S * i, WINDOW_S)
            compared.append((part, rest - part, piece))
        variance = sum(((1 - s) * n - s * m).var(ddof=1) for n, m, s in compared)
        poisson = sum(((1 - s) ** 2 * n + s**2 * m).mean() for n, m, s in compared)
        found.append((variance / poisson if poisson else np.nan, known))
    return found


def test_p_of_a_response_is_that_of_scipys_distributions_for_the_dispersion_of_pynapples_counts(
    found: BarResponses, rest: Rest, tuned: Cells, dispersions: list[tuple[float, float]]
) -> None:
    time_s = N_TRIALS * WINDOW_S
    between_s = (SLOT_S - PASSAGE_S - WINDOW_S - AFTER_S).sum()
    rest_s = N_TRIALS * (REST_S + between_s)
    n_spikes = np.rint(found.mean_count * N_TRIALS).astype(int)
    assert rest.time_s == pytest.approx(np.full(len(tuned.samples), rest_s))
    n_at_rest = np.rint(rest.rate_hz() * rest_s).astype(int)
    for unit, (dispersion, known) in enumerate(dispersions):
        assert found.dispersion[unit] == pytest.approx(dispersion, rel=1e-9, nan_ok=True)
        m, share = int(n_at_rest[unit]), time_s / (time_s + rest_s)
        tails = [
            p_of_more_dispersed_counts(k, m, share, dispersion, known)
            for k in n_spikes[unit].tolist()
        ]
        expected = min(1.0, N_DIRECTIONS * min(tails))
        assert found.p_response[unit] == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert dispersions[4][0] < 1.5 < 3 < dispersions[5][0]


# -- permutations ----------------------------------------------------------------------------------

FOUR_DEG = np.array([0.0, 90.0, 180.0, 270.0])


def length_of(harmonic: int):
    """Vector sum of samples of scores, one sample per direction, as scipy permutes them."""
    waves = np.exp(1j * harmonic * np.deg2rad(FOUR_DEG))

    def statistic(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        mean = np.stack([np.mean(one, axis=axis) for one in samples])
        return np.round(np.abs(np.tensordot(waves, mean, axes=1)), 9)  # equal tables are equal

    return statistic


def dsi_above(rest: float):
    """DSI of samples of counts above rest."""
    length = length_of(1)

    def statistic(*samples: np.ndarray, axis: int = -1) -> np.ndarray:
        above = [np.maximum(np.mean(one, axis=axis, keepdims=True) - rest, 0) for one in samples]
        total = np.sum(above, axis=0).squeeze(axis)
        sums = length(*above, axis=axis)
        return np.divide(sums, total, out=np.zeros(np.shape(total)), where=total > 0)

    return statistic


def test_p_of_all_permutations_is_scipys_exact_permutation_test() -> None:
    # 3 trials of 4 directions can be relabelled in (4!)^3 = 13,824 ways: both go through all.
    rng = np.random.default_rng(53)
    mean = np.array([[9, 3, 1, 3], [6, 1, 6, 1], [3, 3, 3, 3], [0.3, 0.2, 0.5, 0.2], [4, 2, 2, 2]])
    counts = rng.poisson(mean[:, None], (5, 3, 4))
    rest = np.array([1.0, 0.5, 2.0, 0.0, 0.25])
    scores = counts * rng.integers(1, 65, counts.shape) / 64
    orders = list(itertools.permutations(range(4)))
    permuted = np.array(list(itertools.product(orders, repeat=3)), dtype=np.int16)
    mine = permutation_test(scores, counts, np.arange(4), FOUR_DEG, rest, permuted)
    n = len(permuted)
    assert n == 13_824
    asked = {"permutation_type": "samples", "n_resamples": np.inf, "vectorized": True}
    for unit in range(5):
        for harmonic, p in ((1, mine.p_dsi[unit]), (2, mine.p_osi[unit])):
            theirs = scipys_permutation_test(
                tuple(scores[unit].T), length_of(harmonic), alternative="greater", **asked
            )
            # The permutation that changes nothing is among them; ours is counted once more.
            assert p * (n + 1) - 1 == pytest.approx(theirs.pvalue * n, abs=1e-6)
        null = scipys_permutation_test(
            tuple(counts[unit].T.astype(float)), dsi_above(rest[unit]), **asked
        ).null_distribution
        assert mine.dsi_null[unit] == pytest.approx(null.mean(), abs=1e-8)


def test_p_of_drawn_permutations_is_scipys_within_the_error_of_the_draws() -> None:
    rng = np.random.default_rng(54)
    counts = rng.poisson([4, 2, 2, 3], (6, 2, 4))
    rest = np.full(6, 0.5)
    n = 20_000
    drawn = permuted_labels(np.arange(4), 2, n, seed=1)
    mine = permutation_test(counts, counts, np.arange(4), FOUR_DEG, rest, drawn)
    for unit, table in enumerate(counts):
        exact = scipys_permutation_test(
            tuple(table.T.astype(float)),
            length_of(1),
            permutation_type="independent",
            vectorized=True,
            n_resamples=np.inf,
            alternative="greater",
        ).pvalue
        error = np.sqrt(exact * (1 - exact) / n) + 1 / n
        assert mine.p_dsi[unit] == pytest.approx(exact, abs=5 * error)
