"""Vector sums and permutations: worked by hand, by all permutations, by the false positive rate."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from hdmea.kernels.poisson import greater_p
from hdmea.kernels.response_weights import EVENLY, response_weights
from hdmea.kernels.tuning import (
    DIRECTION,
    ORIENTATION,
    is_balanced,
    permutation_test,
    permuted_labels,
    tuning,
)

EIGHT = 45.0 * np.arange(8)
RESPONSES = st.lists(st.integers(0, 40), min_size=8, max_size=8).filter(any)


def test_indices_and_angles_by_hand():
    one = [0, 0, 4, 0, 0, 0, 0, 0]  # 90 degrees only
    axis = [2, 0, 0, 0, 2, 0, 0, 0]  # 0 and 180 degrees
    mixed = [0, 0, 3, 0, 1, 0, 1, 0]  # 3 up, 1 left, 1 down
    found = tuning([one, axis, mixed], EIGHT)
    assert found.dsi == pytest.approx([1, 0, np.hypot(1, 2) / 5])
    assert found.osi == pytest.approx([1, 1, 3 / 5])  # mixed: -3 + 1 - 1 over 5
    assert found.direction_deg[[0, 2]] == pytest.approx([90, np.rad2deg(np.arctan2(2, -1))])
    assert np.isnan(found.direction_deg[1])
    assert found.orientation_deg == pytest.approx([90, 0, 90])
    assert found.over_max == pytest.approx([1, 0, np.hypot(1, 2) / 3])
    # mixed prefers 116.6 degrees: 135 is nearest, with no response; 315 has none either
    np.testing.assert_array_equal(found.pref_null, [1, np.nan, np.nan])


def test_the_reference_lab_s_ratio_exceeds_one_for_a_broadly_tuned_cell():
    found = tuning([1 + np.cos(np.deg2rad(EIGHT))], EIGHT)
    assert found.dsi == pytest.approx([0.5])
    assert found.over_max == pytest.approx([4 / 2])
    assert found.pref_null == pytest.approx([1])


def test_without_any_response_there_are_no_indices():
    found = tuning(np.zeros((2, 8)), EIGHT)
    for values in (found.dsi, found.osi, found.over_max, found.direction_deg, found.pref_null):
        assert np.isnan(values).all()
    assert tuning(np.zeros((0, 8)), EIGHT).dsi.shape == (0,)


def test_contrast_with_the_opposite_needs_the_opposite():
    three = tuning([[3.0, 1.0, 0.0]], [0, 120, 240])
    assert three.dsi > 0
    assert np.isnan(three.pref_null).all()


def test_directions_are_balanced_if_equal_responses_cancel():
    assert is_balanced(EIGHT, DIRECTION)
    assert is_balanced(EIGHT, ORIENTATION)
    assert is_balanced([0, 51, 103, 154, 206, 257, 309], DIRECTION)  # sevenths, rounded
    assert is_balanced([10, 190], DIRECTION)
    assert not is_balanced([10, 190], ORIENTATION)
    assert not is_balanced([0, 45, 90], DIRECTION)
    assert not is_balanced([30], DIRECTION)
    assert not is_balanced([], DIRECTION)


@given(RESPONSES, st.integers(0, 7))
@settings(max_examples=50, deadline=None)
def test_turning_the_stimulus_turns_the_preferred_direction_and_nothing_else(response, turns):
    before = tuning([response], EIGHT)
    after = tuning([np.roll(response, turns)], EIGHT)
    assert after.dsi == pytest.approx(before.dsi, abs=1e-12)
    assert after.osi == pytest.approx(before.osi, abs=1e-12)
    if before.dsi[0] > 1e-6:
        apart = np.deg2rad(after.direction_deg - before.direction_deg - 45 * turns)
        assert np.cos(apart) == pytest.approx(1)
    if before.osi[0] > 1e-6:
        apart = np.deg2rad(after.orientation_deg - before.orientation_deg - 45 * turns)
        assert np.cos(2 * apart) == pytest.approx(1)


@given(RESPONSES, st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_indices_lie_between_0_and_1_and_do_not_depend_on_the_unit_of_the_response(response, unit):
    one, other = tuning([response], EIGHT), tuning(unit * np.array([response]), EIGHT)
    for name in ("dsi", "osi", "over_max"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-12)
    assert 0 <= one.dsi[0] <= 1
    assert 0 <= one.osi[0] <= 1


def test_p_is_that_of_all_permutations():
    counts, scores = np.array([5, 2, 0, 2, 1, 0]), np.array([4.5, 1.25, 0, 0.75, 1, 0])
    directions = 60.0 * np.arange(6)

    def total(table, harmonic):
        return abs((table * np.exp(1j * harmonic * np.deg2rad(directions))).sum())

    orders = [list(order) for order in itertools.permutations(range(6))]
    labels = permuted_labels(range(6), 1, 10_000, seed=1)
    one = (None, None)
    test = permutation_test(scores[one], counts[one], range(6), directions, [0.5], labels)
    for harmonic, p in ((DIRECTION, test.p_dsi), (ORIENTATION, test.p_osi)):
        observed = total(scores, harmonic) - 1e-9
        exact = np.mean([total(scores[order], harmonic) >= observed for order in orders])
        assert p[0] == pytest.approx(exact, abs=3 * np.sqrt(exact * (1 - exact) / 10_000))
    above = np.maximum(counts - 0.5, 0)
    null = np.mean([total(above[order], DIRECTION) for order in orders]) / above.sum()
    assert test.dsi_null[0] == pytest.approx(null, abs=0.01)


def test_labels_change_places_among_all_presentations():
    shuffled = permuted_labels([0, 0, 1, 2], 5, 20, seed=3)
    assert shuffled.shape == (20, 5, 4)
    assert (np.sort(shuffled.reshape(20, -1), axis=1) == [0] * 10 + [1] * 5 + [2] * 5).all()
    assert not (np.sort(shuffled, axis=2) == [0, 0, 1, 2]).all()


def test_a_rate_that_differs_between_trials_makes_p_larger_not_smaller():
    # All difference is between trials, and the observed table is flat.
    counts = np.array([[[1] * 8, [9] * 8, [4] * 8]])
    test = permutation_test(
        counts, counts, range(8), EIGHT, [0], permuted_labels(range(8), 3, 500, 0)
    )
    assert test.p_dsi.tolist() == [1]
    assert test.dsi_null > 0.1
    gains = np.array([2.0, 1.0, 0.5])[:, None]
    rng = np.random.default_rng(8)
    labels = permuted_labels(range(8), 3, 999, 1)

    def found(expected):
        counts = rng.poisson(expected, (2000, 3, 8))
        return (
            permutation_test(counts, counts, range(8), EIGHT, np.zeros(2000), labels).p_dsi <= 0.05
        )

    tuned = 6 * (1 + 0.8 * np.cos(np.deg2rad(EIGHT)))
    assert 0.035 < found(6.0).mean() < 0.065
    assert found(6 * gains).mean() < 0.035
    assert found(tuned * gains).mean() > 0.9


def test_one_direction_alone_has_the_p_of_its_places_among_all():
    # Three of 24 presentations have a response: all places are equally likely, and 8 of them are
    # one direction's.
    counts = np.zeros((1, 3, 8), dtype=int)
    counts[0, :, 2] = 10
    labels = permuted_labels(range(8), 3, 20_000, 0)
    p = permutation_test(counts, counts, range(8), EIGHT, [0.0], labels).p_dsi[0]
    assert p == pytest.approx(8 / math.comb(24, 3), rel=0.35)


def test_a_direction_that_is_shown_twice_in_a_trial_counts_by_its_mean():
    labels, seen = [0, 0, 1, 2, 3], np.array([6, 2, 1, 0, 1] * 2)
    shuffled = permuted_labels(labels, 2, 2000, seed=0)
    test = permutation_test(*[seen.reshape(1, 2, 5)] * 2, labels, [0, 90, 180, 270], [0], shuffled)

    def total(places):
        table = [seen[list(of_one)].mean() for of_one in places]
        return np.hypot(table[0] - table[2], table[1] - table[3]), sum(table)

    def arrangements(free, sizes):
        """All ways to give each direction so many of the places."""
        if not sizes:
            yield ()
            return
        for mine in itertools.combinations(sorted(free), sizes[0]):
            for others in arrangements(free - set(mine), sizes[1:]):
                yield (mine, *others)

    assert total([(0, 1, 5, 6), (2, 7), (3, 8), (4, 9)]) == pytest.approx((4, 6))
    null = np.array([total(places) for places in arrangements(set(range(10)), (4, 2, 2, 2))])
    assert null.shape == (18_900, 2)
    assert test.dsi_null == pytest.approx([(null[:, 0] / null[:, 1]).mean()], abs=0.02)
    assert test.p_dsi[0] == pytest.approx((null[:, 0] >= 4 - 1e-9).mean(), abs=0.02)


def test_an_untuned_cell_of_one_spike_a_trial_seems_tuned_by_0_17():
    counts = np.random.default_rng(0).poisson(1.0, (4000, 3, 8))
    found = tuning(counts.mean(axis=1), EIGHT)
    assert np.median(found.dsi) == pytest.approx(0.17, abs=0.01)
    test = permutation_test(
        *[counts[:300]] * 2, range(8), EIGHT, np.zeros(300), permuted_labels(range(8), 3, 300, 0)
    )
    assert test.dsi_null.mean() == pytest.approx(found.dsi.mean(), abs=0.01)


@pytest.mark.parametrize("rate", [1.0, 5.0])
def test_of_untuned_cells_as_many_are_significant_as_p_says(rate):
    # all are compared with the same permutations, whose own chance must be small beside theirs
    n, n_permutations = 1000, 4999
    rng = np.random.default_rng(7)
    counts = rng.poisson(rate, (n, 3, 8))
    spontaneous = np.full(n, 0.4 * rate)
    test = permutation_test(
        counts,
        counts,
        range(8),
        EIGHT,
        spontaneous,
        permuted_labels(range(8), 3, n_permutations, seed=11),
    )
    for p in (test.p_dsi, test.p_osi):
        for alpha in (0.05, 0.01):
            low, high = binom.interval(0.99, n, alpha)
            assert low <= np.count_nonzero(p <= alpha) <= high
        # whole numbers have ties, which count as not smaller: p may be too large, never too small
        assert kstest(p, "uniform", alternative="greater").pvalue > 0.01
        assert 0.47 < p.mean() < 0.55


def test_of_sparse_untuned_cells_never_more_are_significant():
    n = 2000
    counts = np.random.default_rng(8).poisson(0.15, (n, 3, 8))
    counts = counts[counts.any(axis=(1, 2))]
    test = permutation_test(
        counts,
        counts,
        range(8),
        EIGHT,
        np.full(len(counts), 0.05),
        permuted_labels(range(8), 3, 999, 2),
    )
    for p in (test.p_dsi, test.p_osi):
        for alpha in (0.05, 0.01):
            assert np.count_nonzero(p <= alpha) <= binom.ppf(0.995, len(counts), alpha)


def test_cells_tuned_like_von_mises_are_recovered():
    rng = np.random.default_rng(3)
    preferred = rng.uniform(0, 360, 200)
    theta = np.deg2rad(EIGHT[None] - preferred[:, None])
    expected = 12 * np.exp(1.5 * (np.cos(theta) - 1))
    counts = rng.poisson(expected[:, None], (200, 5, 8))
    found, true = tuning(counts.mean(axis=1), EIGHT), tuning(expected, EIGHT)
    error = np.mod(found.direction_deg - preferred + 180, 360) - 180
    assert np.abs(error).max() < 20
    assert np.median(np.abs(error)) < 5
    assert np.abs(true.direction_deg - preferred).max() < 1.5
    assert found.dsi == pytest.approx(true.dsi, abs=0.15)
    assert found.dsi.mean() == pytest.approx(true.dsi.mean(), abs=0.01)
    test = permutation_test(
        counts, counts, range(8), EIGHT, np.zeros(200), permuted_labels(range(8), 5, 999, 0)
    )
    assert (test.p_dsi == 1 / 1000).all()
    assert (test.dsi_null < 0.35).all()


def test_tuning_beside_much_firing_at_rest_shows_in_the_raw_counts():
    # Excited one way and suppressed the other by as much: nothing is above rest in the mean, and
    # of permuted tables what is left above it points anywhere.
    expected = 18.0 + 15 * np.cos(np.deg2rad(EIGHT))
    counts = np.random.default_rng(9).poisson(expected[:, None] / 12, (40, 3, 8, 12))
    weights = response_weights(counts.mean(axis=(1, 2)), np.full(40, 1.5))
    scores = np.einsum("utsb,ub->uts", counts, weights)
    labels = permuted_labels(range(8), 3, 999, 0)
    test = permutation_test(scores, counts.sum(axis=3), range(8), EIGHT, np.full(40, 18.0), labels)
    assert np.mean(test.p_dsi == 1 / 1000) > 0.9
    assert np.median(test.dsi_null) > 0.4


def test_spikes_count_where_there_are_more_than_at_rest():
    mean = np.array([[2.0, 2, 2, 8, 2, 2, 0], [2.0, 2, 2, 1, 2, 2, 2], [0.0] * 7])
    weights = response_weights(mean, [2.0, 2.0, 0.0])
    smooth = np.array([2, 2, 3.5, 5, 3.5, 1.5, 0.5])
    expected = np.maximum(smooth - 2, 0) / smooth + EVENLY
    np.testing.assert_allclose(weights[0], expected, rtol=0, atol=1 / 128)
    np.testing.assert_allclose(weights[1:], EVENLY, rtol=0, atol=1 / 128)
    np.testing.assert_array_equal(weights * 64, np.rint(weights * 64))
    alone = response_weights(mean[:1], [0.0])
    np.testing.assert_allclose(alone, 1 + EVENLY, rtol=0, atol=1 / 128)


def test_weighted_counts_tell_more_selective_cells_from_chance_and_no_more_others():
    rng = np.random.default_rng(12)
    course = np.array([0, 0, 0.1, 0.5, 0.3, 0.1, 0, 0, 0, 0, 0, 0])
    tuned = np.exp(2 * (np.cos(np.deg2rad(EIGHT)) - 1))
    labels = permuted_labels(range(8), 3, 1999, 0)

    def found(response):
        mean = 0.6 + response[:, None] * course  # seven spikes at rest in the window
        counts = rng.poisson(mean, (600, 3, 8, 12))
        weights = response_weights(counts.mean(axis=(1, 2)), np.full(600, 0.6))
        sums = counts.sum(axis=3)
        each = (np.einsum("utsb,ub->uts", counts, weights), sums)
        return [
            permutation_test(one, sums, range(8), EIGHT, np.full(600, 7.2), labels).p_dsi
            for one in each
        ]

    weighted, plain = found(7 * tuned)
    assert (weighted < 0.001).mean() > (plain < 0.001).mean() + 0.15
    weighted, _ = found(np.full(8, 3.0))
    for alpha in (0.05, 0.01):
        low, high = binom.interval(0.99, 600, alpha)
        assert low <= np.count_nonzero(weighted <= alpha) <= high


def test_a_unit_s_p_does_not_depend_on_who_is_tested_with_it():
    rng = np.random.default_rng(5)
    counts = rng.poisson(rng.uniform(0.2, 20, (150, 1, 1)), (150, 4, 8))
    base = rng.uniform(0, 2, 150)
    scores = counts * (rng.integers(1, 65, (150, 1, 1)) / 64)
    labels = permuted_labels(range(8), 4, 3000, seed=0)
    everyone = permutation_test(scores, counts, range(8), EIGHT, base, labels)
    order = rng.permutation(150)
    again = permutation_test(scores[order], counts[order], range(8), EIGHT, base[order], labels)
    for rows in (slice(0, 1), slice(60, 70), slice(149, 150)):
        alone = permutation_test(scores[rows], counts[rows], range(8), EIGHT, base[rows], labels)
        for name in ("p_dsi", "p_osi", "dsi_null"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(everyone, name)[rows])
    np.testing.assert_array_equal(again.p_dsi, everyone.p_dsi[order])
    np.testing.assert_allclose(again.dsi_null, everyone.dsi_null[order], rtol=1e-12, atol=0)


def test_more_spikes_than_at_rest_by_chance_is_a_binomial_tail():
    share = np.array([0.2, 0.5])
    expected = [binom.sf(2, 4, 0.2), binom.sf(6, 9, 0.5)]
    assert greater_p([3, 7], [1, 2], share) == pytest.approx(expected)
    assert greater_p([0], [0], 0.5).tolist() == [1]
