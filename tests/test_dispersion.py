"""How much counts vary between trials, and tests that take it into account."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm
from scipy.stats import t as students_t

from hdmea.kernels.dispersion import Dispersion, degrees_of_freedom, dispersion_of_changes
from hdmea.kernels.poisson import greater_p, two_sided_p


def bursts(rng, size, mean_count, per_burst):
    """Counts of bursts of so many spikes: a Fano factor of `per_burst`."""
    return per_burst * rng.poisson(mean_count / per_burst, size)


@pytest.mark.parametrize("per_burst", [1, 2, 5])
def test_it_is_the_fano_factor_of_counts(per_burst):
    rng = np.random.default_rng(per_burst)
    first = bursts(rng, (2000, 4, 10), 5.0, per_burst)
    second = bursts(rng, (2000, 4, 10), 10.0, per_burst)
    value = dispersion_of_changes(first, second, 1 / 3, 30.0).value
    # 30 degrees of freedom: an SD of sqrt(2 / 30) of one, and skewed counts.
    assert value.mean() == pytest.approx(per_burst, rel=0.02)
    assert value.std() / per_burst == pytest.approx(np.sqrt(2 / 30), rel=0.35)


def test_counts_that_do_not_vary_have_none_and_regular_ones_little():
    counts = np.full((1, 3, 4), 7)
    assert dispersion_of_changes(counts, counts, 0.5, 8.0).value.tolist() == [0.0]
    rng = np.random.default_rng(1)
    regular = rng.binomial(20, 0.8, (500, 3, 12))  # variance 0.2 of the mean
    value = dispersion_of_changes(regular, np.zeros_like(regular), 0.5, 24.0).value
    assert value.mean() == pytest.approx(0.2, rel=0.05)


def test_a_gain_of_the_whole_trial_is_not_in_it():
    first = np.array([[[2, 4], [20, 40], [6, 12]]])
    value = dispersion_of_changes(first, 2 * first, 1 / 3, 4.0).value
    assert value == pytest.approx([0], abs=1e-12)


def test_it_cannot_be_known_of_one_trial_or_without_spikes():
    one = np.ones((2, 1, 3), dtype=np.int64)
    assert np.isnan(dispersion_of_changes(one, one, 0.5, 0.0).value).all()
    none = np.zeros((1, 3, 3), dtype=np.int64)
    assert np.isnan(dispersion_of_changes(none, none, 0.5, 6.0).value).all()


def test_the_share_may_be_another_one_for_each_unit_and_place():
    rng = np.random.default_rng(2)
    first, second = rng.poisson(6, (2, 3, 4, 5))
    share = rng.uniform(0.1, 0.9, (3, 5))
    found = dispersion_of_changes(first, second, share, 15.0).value
    for unit in range(3):
        one, other = 1 - share[unit], share[unit]
        change = one * first[unit] - other * second[unit]
        poisson = (one**2 * first[unit] + other**2 * second[unit]).sum(axis=1)
        expected = 4 * change.var(axis=0, ddof=1).sum() / poisson.sum()
        assert found[unit] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("step", [0.25, 0.5, 1.5])
def test_degrees_of_freedom_are_those_of_the_spread_of_estimates(step):
    # Spikes at an even rate in bins of 0.25 s, windows of 0.5 s after 1 s, every `step`.
    rng = np.random.default_rng(3)
    counts = rng.poisson(30.0, (4000, 3, 40))
    upto = np.concatenate([np.zeros((4000, 3, 1), int), counts.cumsum(axis=2)], axis=2)
    at = np.arange(1.0, 9.51, step)
    cut = [np.rint((at + t) / 0.25).astype(int) for t in (-1.0, 0.0, 0.5)]
    before, after = upto[..., cut[1]] - upto[..., cut[0]], upto[..., cut[2]] - upto[..., cut[1]]
    known = degrees_of_freedom(
        3, np.stack([at, at + 0.5], axis=1), np.stack([at - 1.0, at], axis=1)
    )
    value = dispersion_of_changes(after, before, 1 / 3, known).value
    assert value.mean() == pytest.approx(1, abs=0.01)
    assert 2 / value.var() == pytest.approx(known, rel=0.1)


def test_one_rest_for_several_windows_is_worth_less_than_a_rest_for_each():
    starts = np.arange(5.0, 13.0)
    first = np.stack([starts, starts + 0.5], axis=1)
    rest = np.tile([0.0, 1.0], (8, 1))
    # windows have the rest in common: r = share = 1/3, by hand 2 * 64 / (8 + 56 / 9)
    assert degrees_of_freedom(3, first, rest) == pytest.approx(128 / (8 + 56 / 9))
    assert degrees_of_freedom(3, first, first - 0.5) == pytest.approx(16)


def test_p_is_that_of_the_counts_divided_by_it_and_as_wide_as_students_t():
    k, m, d, known = 40, 20, 2.5, 12.0  # 16 and 8 divided by D
    tail = binom.sf(15, 24, 1 / 3)
    found = two_sided_p([k], [m], 1 / 3, Dispersion(np.array([d]), known))
    assert found == pytest.approx([2 * students_t.sf(norm.isf(tail), known)])
    found = greater_p([k], [m], 1 / 3, Dispersion(np.array([d]), known))
    assert found == pytest.approx([students_t.sf(norm.isf(tail), known)])


def test_p_is_never_smaller_than_that_of_poisson_counts():
    rng = np.random.default_rng(4)
    k, m = rng.poisson(rng.uniform(0, 60, (2, 500)))
    for d in (0.0, 0.3, 1.0, 6.0, np.nan):
        for test in (two_sided_p, greater_p):
            found = test(k, m, 1 / 3, Dispersion(np.full(500, d), 20.0))
            poisson = test(k, m, 1 / 3)
            assert (found >= poisson).all()
            assert (found <= 1).all()
            # regular counts, and those of which nothing is known, stay what they are
            clear = poisson < 0.2
            equal = np.array_equal(found[clear], poisson[clear])
            assert equal == (d == 0.0 or np.isnan(d))


def test_p_grows_with_the_dispersion_and_falls_with_what_is_known_of_it():
    def p(d, known):
        return two_sided_p([60], [40], 1 / 3, Dispersion(np.array([d]), known))[0]

    values = [p(d, 20.0) for d in (0.01, 1.0, 1.5, 3.0, 10.0)]
    assert (np.diff(values) > 0).all()
    values = [p(2.0, known) for known in (2.0, 8.0, 30.0, 1e6)]
    assert (np.diff(values) < 0).all()
    assert values[-1] == pytest.approx(two_sided_p([30], [20], 1 / 3)[0], rel=1e-4)
