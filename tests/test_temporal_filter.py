"""Temporal filters by regression, against the regression written out and against known filters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.kernels.ellipse import Ellipses, mapped
from hdmea.kernels.temporal_filter import PENALTIES, peaks, roughness, temporal_filters

LAGS = np.arange(-60, 0)


def fast_filter():
    """A filter by frames before the spikes, its peak at 2 and a trough of half of it later."""
    time = np.arange(60) / 2.0
    late = time / 1.9
    return (time * np.exp(1 - time)) ** 10 - 0.51 * (late * np.exp(1 - late)) ** 10


def written_out(counts, times, light, lags, grid):
    """One unit: the regression with a row per frame and a column per lag, as in the docs."""
    n_frames = times.size
    seen = np.repeat(light, grid)
    rows = np.flatnonzero(times)
    weight = times[rows].astype(float)
    design = seen[rows[:, None] + lags]
    design = design - np.average(design, axis=0, weights=weight)
    rate = counts[rows] / weight
    rate = rate - np.average(rate, weights=weight)
    fold = (rows // grid) * 10 // len(light) % 5
    scale = (weight[:, None] * design**2).sum() / lags.size
    assert n_frames <= seen.size

    # A row for what each lag's curvature costs, and one for each weight's size.
    rows_of_penalty = [np.sqrt(0.1) * row for row in np.eye(lags.size)]
    for place, lag in list(enumerate(lags))[1:-1]:
        row = np.zeros(lags.size)
        row[place - 1 : place + 2] = 1, -2, 1
        rows_of_penalty.append(max(abs(lag), 1) ** 1.5 * row)
    penalty = np.array(rows_of_penalty)

    def fit(use, strength):
        scaled = np.sqrt(weight[use])
        a = np.vstack([scaled[:, None] * design[use], np.sqrt(strength * scale) * penalty])
        return np.linalg.lstsq(
            a, np.append(scaled * rate[use], np.zeros(len(penalty))), rcond=None
        )[0]

    error = [
        sum(
            (weight * (rate - design @ fit(fold != k, strength)) ** 2)[fold == k].sum()
            for k in range(5)
        )
        for strength in PENALTIES
    ]
    best = int(np.argmin(error))
    return (
        fit(fold >= 0, PENALTIES[best]),
        PENALTIES[best],
        1 - min(error) / (weight * rate**2).sum(),
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), grid=st.integers(1, 4), cut=st.integers(0, 3))
def test_it_is_the_regression_written_out(seed, grid, cut):
    rng = np.random.default_rng(seed)
    light = rng.standard_normal((2, 120))
    lags = np.arange(-7, 2)
    n_frames = 120 * grid - min(cut, grid - 1)
    times = rng.integers(0, 3, n_frames)
    times[:7] = times[-2:] = 0
    seen = np.repeat(light, grid, axis=1)[:, :n_frames]
    counts = rng.poisson(times * np.exp(0.4 * np.roll(seen, 2, axis=1)))
    found = temporal_filters(counts, times, light, lags, grid)
    for unit in range(2):
        weights, penalty, r2 = written_out(counts[unit], times, light[unit], lags, grid)
        assert found.penalty[unit] == penalty
        np.testing.assert_allclose(found.weights[unit], weights, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(found.r2[unit], r2, rtol=1e-7, atol=1e-9)


def test_the_regression_undoes_what_a_hold_of_four_frames_smears():
    rng = np.random.default_rng(2)
    filter_ = fast_filter()
    assert -filter_.min() / filter_.max() == pytest.approx(0.5, abs=0.01)
    light = rng.choice([-1.0, 1.0], (40, 2700))
    shown = np.repeat(light, 4, axis=1)
    drive = np.stack([np.convolve(one, filter_)[: shown.shape[1]] for one in shown])
    counts = rng.poisson(np.maximum(0, 1 + 0.5 * drive))
    counts[:, :60] = 0
    times = np.ones(shown.shape[1], dtype=np.int64)
    times[:60] = 0
    smeared = np.stack([
        [counts[u, 60:] @ shown[u, 60 + lag : shown.shape[1] + lag] for lag in LAGS]
        for u in range(40)
    ])  # fmt: skip
    _, ratio_of_average = peaks(smeared.mean(axis=0)[None], LAGS)
    found = temporal_filters(counts, times, light, LAGS, 4)
    lag, ratio = peaks(found.weights, LAGS)
    assert ratio_of_average[0] == pytest.approx(0.94, abs=0.03)
    assert np.median(ratio) == pytest.approx(0.5, abs=0.06)
    assert np.abs(lag + 2).max() < 0.3  # frames
    assert (found.r2 > 0.1).all()


@pytest.mark.parametrize("grid", [1, 2, 4])
@pytest.mark.parametrize(("peak", "late"), [(3.0, 0.4), (4.0, 0.0), (6.0, 0.25), (15.0, 0.5)])
def test_filters_of_any_speed_are_found_without_a_bias_of_the_trough(grid, peak, late):
    rng = np.random.default_rng(int(peak) + grid)
    time = np.arange(200) / peak
    slow = time / 1.9
    filter_ = (time * np.exp(1 - time)) ** 5 - late * (slow * np.exp(1 - slow)) ** 5
    light = rng.standard_normal((30, 10800 // grid))
    drive = np.stack([np.convolve(s, filter_)[:10800] for s in np.repeat(light, grid, axis=1)])
    drive /= drive.std(axis=1, keepdims=True)
    times = (np.arange(10800) >= 60).astype(np.int64)
    counts = rng.poisson(np.maximum(0, 0.1 + 0.15 * drive)) * times  # 8 Hz, 3 minutes
    found = temporal_filters(counts, times, light, LAGS, grid)
    lag, ratio = peaks(found.weights, LAGS)
    true_lag, true_ratio = peaks(filter_[60:0:-1][None], LAGS)
    # Of a filter without a trough the least weight is noise, and never above 0.
    assert -0.08 < np.median(ratio) - true_ratio[0] < (0.08 if late else 0.13)
    assert abs(np.median(lag) - true_lag[0]) < 0.3 + 0.03 * peak
    assert np.quantile(np.abs(lag - true_lag[0]), 0.95) < 0.5 + 0.08 * peak
    alike = [np.corrcoef(w, filter_[60:0:-1])[0, 1] for w in found.weights]
    assert np.median(alike) > 0.97


def test_spikes_that_are_the_filtered_light_give_the_filter_itself():
    rng = np.random.default_rng(8)
    filter_ = rng.standard_normal(12)  # as rough as can be
    light = rng.integers(-3, 4, (2, 2000)).astype(float)
    counts = np.stack([np.convolve(one, np.round(3 * filter_[::-1]))[:2000] for one in light])
    times = (np.arange(2000) >= 12).astype(np.int64)
    found = temporal_filters((counts * times).astype(np.int64), times, light, np.arange(-11, 1), 1)
    for weights in found.weights:
        np.testing.assert_allclose(weights, np.round(3 * filter_), atol=1e-3)
    assert (found.r2 > 1 - 1e-6).all()


def test_what_a_few_long_images_leave_open_is_smooth():
    rng = np.random.default_rng(9)
    light = rng.standard_normal((4, 30))
    shown = np.repeat(light, 20, axis=1)  # fewer images than lags
    times = (np.arange(600) >= 60).astype(np.int64)
    counts = rng.poisson(np.maximum(0, 1 + np.roll(shown, 5, axis=1))) * times
    found = temporal_filters(counts, times, light, LAGS, 20)
    assert np.isfinite(found.weights).all()
    size = np.abs(found.weights).max(axis=1)
    assert (np.abs(np.diff(found.weights[:, :-10], axis=1)).max(axis=1) < 0.15 * size).all()


def test_a_filter_that_is_slower_and_else_the_same_is_as_rough():
    lags = np.arange(-300, 0)

    def curved(weights):
        return weights @ roughness(lags) @ weights - 0.1 * weights @ weights

    fast, slow = ((-lags / peak * np.exp(1 + lags / peak)) ** 5 for peak in (20, 40))
    assert curved(fast) == pytest.approx(curved(slow), rel=0.005)
    assert curved(3 + 0.5 * lags) == pytest.approx(0, abs=0.1)


def test_a_unit_gets_the_same_alone_and_among_others_and_the_scale_of_the_light_drops_out():
    rng = np.random.default_rng(4)
    light = rng.standard_normal((5, 200))
    times = np.r_[np.zeros(20, int), np.ones(380, int)]
    counts = rng.poisson(1.0, (5, 400)) * times
    lags = np.arange(-20, 0)
    together = temporal_filters(counts, times, light, lags, 2)
    for unit in range(5):
        row = slice(unit, unit + 1)
        alone = temporal_filters(counts[row], times, light[row], lags, 2)
        assert np.array_equal(alone.weights, together.weights[row])
    scaled = temporal_filters(counts, times, 8 * light + 100, lags, 2)
    np.testing.assert_allclose(8 * scaled.weights, together.weights, rtol=1e-8, atol=1e-12)
    assert np.array_equal(scaled.penalty, together.penalty)


def test_spikes_without_relation_are_not_predicted_and_what_does_not_vary_has_no_filter():
    rng = np.random.default_rng(5)
    light = rng.standard_normal((40, 400))
    light[39] = 0.1
    times = np.r_[np.zeros(20, int), np.ones(780, int)]
    counts = rng.poisson(0.3, (40, 800)) * times
    counts[38] = 3 * times
    found = temporal_filters(counts, times, light, np.arange(-20, 0), 2)
    assert np.isnan(found.weights[38:]).all()
    assert np.isnan(found.r2[38:]).all()
    assert np.median(found.r2[:38]) < 0.001
    assert (found.r2[:38] < 0.02).all()


def test_peaks_by_hand():
    weights = np.array([
        [0.0, -2.0, 1.0, 4.0, 4.0, 0.0],  # between two equal ones
        [4.0, 1.0, 0.0, 0.0, 0.0, 0.0],  # at the end: no neighbour to go by
        [-1.0, -1.0, -1.0, -1.0, -2.0, 0.0],
        [0.0, 1.0, np.nan, 0.0, 0.0, 0.0],
    ])  # fmt: skip
    lag, ratio = peaks(weights, np.arange(-6, 0))
    np.testing.assert_allclose(lag, [-2.5, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(ratio, [0.5, 0, np.nan, np.nan])


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.5, 5), st.floats(0.2, 1), st.floats(0, 180),
    st.lists(st.floats(-3, 3), min_size=4, max_size=4),
)  # fmt: skip
def test_a_mapped_ellipse_has_the_mapped_covariance(major, ratio, angle, numbers):
    matrix = np.reshape(numbers, (2, 2))

    def covariance(ellipse, down):
        along = np.deg2rad(ellipse.angle_deg[0])
        turn = np.array([[np.cos(along), -np.sin(along)], [np.sin(along), np.cos(along)]])
        turn[1] *= -1 if down else 1
        return turn @ np.diag([ellipse.sigma_major[0] ** 2, ellipse.sigma_minor[0] ** 2]) @ turn.T

    one = Ellipses(np.array([major]), np.array([major * ratio]), np.array([angle]))
    found = mapped(one, matrix)
    expected = matrix @ covariance(one, down=True) @ matrix.T
    np.testing.assert_allclose(covariance(found, down=False), expected, atol=1e-9)
    assert 0 <= found.angle_deg[0] < 180
    assert np.isnan(mapped(one, np.full((2, 2), np.nan)).sigma_major).all()
