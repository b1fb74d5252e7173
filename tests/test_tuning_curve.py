"""Fitted tuning curves: by hand, by scipy's maximum likelihood, on simulated cells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import spearmanr

import hdmea.kernels.tuning_curve
from hdmea.kernels.tuning import tuning
from hdmea.kernels.tuning_curve import fit_tuning_curve

EIGHT = 45.0 * np.arange(8)
THETA = np.deg2rad(EIGHT)
COURSE = np.array([0, 0, 0.1, 0.5, 0.3, 0.1, 0, 0, 0, 0])


def lobe(k, preferred_deg=0.0):
    turn = THETA - np.deg2rad(np.asarray(preferred_deg)[..., None])
    return np.exp(np.asarray(k)[..., None] * (np.cos(turn) - 1))


def drawn(rng, response, rest, n_shown, rest_windows=100.0, course=COURSE):
    """Counts of Poisson cells, and their spikes at rest."""
    rest = np.asarray(rest, dtype=float)
    mean = rest[:, None, None] / course.size + response[:, :, None] * course
    return rng.poisson(n_shown * mean), rng.poisson(rest * rest_windows)


def fit(counts, at_rest, n_shown, rest_windows=100.0):
    n = len(counts)
    shown = np.full(counts.shape[1], n_shown)
    return fit_tuning_curve(counts, EIGHT, shown, at_rest, np.full(n, rest_windows))


def test_without_spikes_at_rest_the_index_is_that_of_the_counts_whatever_the_shape():
    shapes = np.array(
        [[9, 4, 1, 0, 0, 0, 1, 4], [9, 0, 0, 4, 5, 1, 0, 0], [3, 3, 3, 3, 1, 0, 0, 1]]
    )
    counts = shapes[:, :, None] * np.array([0, 2, 1])
    found = fit(counts, np.zeros(3), 3)
    plain = tuning(shapes, EIGHT)
    np.testing.assert_allclose(found.dsi, plain.dsi, atol=1e-6)
    np.testing.assert_allclose(found.direction_deg, plain.direction_deg, atol=1e-4)
    np.testing.assert_allclose(found.course, [[0, 2 / 3, 1 / 3]] * 3, atol=1e-9)
    np.testing.assert_allclose(found.rest, 0, atol=1e-9)
    np.testing.assert_allclose(found.response.sum(axis=1), shapes.sum(axis=1))


def test_the_fit_is_scipy_s_most_likely_one():
    rng = np.random.default_rng(1)
    counts, at_rest = drawn(rng, 12 * lobe([1.0, 2.0, 0.4], [30, 200, 300]), [3.0, 5.0, 1.0], 4)
    found = fit(counts, at_rest, 4)

    def unlikely(x, unit):
        gain, rest = np.exp(x[:2])
        course = np.exp(np.clip(x[4:], -40, 40))
        g = gain * np.exp(x[2] * np.cos(THETA) + x[3] * np.sin(THETA))
        mean = 4 * (rest / 10 + g[:, None] * course / course.sum()) + 1e-300
        rest_mean = 100 * rest
        return (
            (mean - counts[unit] * np.log(mean)).sum()
            + rest_mean
            - at_rest[unit] * np.log(rest_mean)
        )

    for unit in range(3):
        start = np.r_[0.0, 0.5, 0.1, 0.1, np.zeros(10)]
        best = minimize(unlikely, start, args=(unit,), method="L-BFGS-B",
                        options={"maxiter": 5000, "maxfun": 200_000, "ftol": 1e-13})  # fmt: skip
        g = np.exp(best.x[2] * np.cos(THETA) + best.x[3] * np.sin(THETA))
        expected = np.abs((g * np.exp(1j * THETA)).sum()) / g.sum()
        assert found.dsi[unit] == pytest.approx(expected, abs=2e-3)
        apart = found.direction_deg[unit] - np.rad2deg(np.arctan2(best.x[3], best.x[2]))
        assert np.cos(np.deg2rad(apart)) == pytest.approx(1, abs=1e-4)
        assert found.rest[unit] == pytest.approx(np.exp(best.x[1]), rel=0.01)


@pytest.mark.parametrize("shape", ["one lobe", "flat top", "half cosine"])
def test_it_orders_cells_that_fire_at_rest_better_than_the_vector_sum_does(shape):
    rng = np.random.default_rng(2)
    n = 200
    width, preferred = rng.uniform(0.2, 1, n), rng.uniform(0, 360, n)
    turn = np.cos(THETA - np.deg2rad(preferred[:, None]))
    if shape == "one lobe":
        g = lobe(3 * width, preferred)
    elif shape == "flat top":
        g = 1 / (1 + np.exp(-8 * (turn - np.cos(np.pi * width[:, None]))))
    else:
        g = np.maximum(turn - (1.5 * width[:, None] - 1), 0)
        g /= g.max(axis=1, keepdims=True)
    rest = rng.uniform(1, 6, n)
    counts, at_rest = drawn(rng, 12 * g, rest, 3)
    found = fit(counts, at_rest, 3)
    true = tuning(g, EIGHT).dsi
    above = np.maximum(counts.sum(axis=2) / 3 - at_rest[:, None] / 100, 0)
    by_sum, by_fit = (spearmanr(dsi, true)[0] for dsi in (tuning(above, EIGHT).dsi, found.dsi))
    assert by_fit > by_sum + 0.02
    assert by_fit > 0.85


def test_p_tells_two_lobes_from_one():
    rng = np.random.default_rng(3)
    rest = np.full(200, 3.0)
    turn = THETA - np.deg2rad(rng.uniform(0, 360, (200, 1)))
    one = fit(*drawn(rng, 15 * np.exp(1.5 * (np.cos(turn) - 1)), rest, 5), 5)
    two = fit(*drawn(rng, 15 * np.cos(turn) ** 4, rest, 5), 5)
    assert (one.p_shape < 0.05).mean() < 0.1
    assert (two.p_shape < 0.001).mean() > 0.95
    assert np.median(two.dsi) < 0.2


def test_with_three_directions_any_shape_is_one_lobe():
    counts = np.array([[[3, 5], [1, 2], [0, 1]]])
    found = fit_tuning_curve(counts, [0, 120, 240], [2, 2, 2], [4], [10])
    assert found.dsi[0] > 0.3
    assert np.isnan(found.p_shape).all()


def test_directions_count_by_their_presentations():
    once, twice = np.full(8, 2), np.array([4, 2, 2, 2, 2, 2, 2, 2])
    counts = np.array([[8, 4, 2, 0, 0, 0, 2, 4]])[:, :, None] * np.array([1, 3])
    doubled = counts.copy()
    doubled[:, 0] *= 2
    plain = fit_tuning_curve(counts, EIGHT, once, [40], [100])
    more = fit_tuning_curve(doubled, EIGHT, twice, [40], [100])
    np.testing.assert_allclose(more.response, plain.response, rtol=0.03, atol=0.02)
    assert more.direction_deg == pytest.approx([0], abs=1e-6)


def test_what_is_sparse_or_empty_has_a_fit_or_none():
    counts = np.zeros((4, 8, 10), dtype=int)
    counts[1, 3, 4] = 1
    counts[2, 5, :5] = 40
    counts[3] = 1
    found = fit_tuning_curve(counts, EIGHT, np.full(8, 3), [0, 0, 50, 10_000], [0, 100, 100, 1000])
    assert np.isnan(found.dsi[0])
    assert np.isnan(found.direction_deg[0])
    assert np.isnan(found.p_shape[0])
    assert (found.dsi[1:3] > 0.98).all()
    np.testing.assert_allclose(found.direction_deg[1:3], [135, 225], atol=1e-6)
    assert not found.response[3].sum() > 1  # fewer than at rest
    for values in (found.response, found.rest, found.course):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert fit(np.zeros((0, 8, 4)), np.zeros(0), 3).dsi.shape == (0,)


@given(st.integers(0, 7), st.integers(0, 50))
@settings(max_examples=8, deadline=None)
def test_turning_the_stimulus_turns_the_curve_and_nothing_else(turns, seed):
    rng = np.random.default_rng(seed)
    counts, at_rest = drawn(rng, 8 * lobe([1.5], [40]), [2.0], 3)
    before = fit(counts, at_rest, 3)
    after = fit(np.roll(counts, turns, axis=1), at_rest, 3)
    assert after.dsi == pytest.approx(before.dsi, abs=1e-9)
    assert after.p_shape == pytest.approx(before.p_shape, abs=1e-9)
    apart = np.deg2rad(after.direction_deg - before.direction_deg - 45 * turns)
    assert np.cos(apart) == pytest.approx(1)


def test_units_do_not_depend_on_who_else_is_there(monkeypatch):
    rng = np.random.default_rng(5)
    counts, at_rest = drawn(rng, 9 * lobe(np.full(7, 1.2), np.arange(7) * 50), np.full(7, 2.0), 3)
    all_of_them = fit(counts, at_rest, 3)
    alone = fit(counts[3:4], at_rest[3:4], 3)
    monkeypatch.setattr(hdmea.kernels.tuning_curve, "_UNITS", 2)
    in_blocks = fit(counts, at_rest, 3)
    for name in ("dsi", "direction_deg", "response", "rest", "course", "p_shape"):
        of_all = getattr(all_of_them, name)
        np.testing.assert_array_equal(getattr(in_blocks, name), of_all)
        np.testing.assert_array_equal(getattr(alone, name)[0], of_all[3])
