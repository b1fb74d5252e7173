"""Significance by circular shifts, against shifts made one by one and against chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from hdmea.kernels.circular_shifts import (
    Refreshes,
    autocorrelation,
    compare_with_shifts,
    refreshes,
    shift_scores,
)
from hdmea.kernels.sta import eligible_counts, refresh_starts


def held_noise(rng, n_refreshes, hold, shape=(4, 5)):
    images = rng.integers(0, 2, (n_refreshes, *shape), dtype=np.uint8) * np.uint8(255)
    return np.repeat(images, hold, axis=0)


def scores_one_by_one(excess, movie, hold, lags, shifts):
    """The definition word for word: shift the frames, sum by refresh, score every voxel."""
    images = movie[::hold].reshape(-1, movie[0].size).astype(float)
    images = images - images.mean(axis=0)
    images = images[:, images.std(axis=0) > 0] / images.std(axis=0)[images.std(axis=0) > 0]
    n_frames = len(images) * hold
    whole = np.pad(excess, ((0, 0), (0, n_frames - excess.shape[1])))
    largest = []
    for shift in shifts:
        shifted = np.roll(whole, shift * hold, axis=1)
        of_voxels = []
        for lag in lags:
            d = np.zeros((len(excess), len(images)))
            for frame in range(n_frames):
                d[:, (frame + lag) % n_frames // hold] += shifted[:, frame]
            of_voxels.append(np.abs(d @ images) / np.sqrt((d**2).sum(axis=1))[:, None])
        largest.append(np.max(of_voxels, axis=(0, 2)))
    return np.array(largest).T


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    hold=st.integers(1, 4),
    n_refreshes=st.integers(8, 14),
    cut=st.integers(0, 3),
    lags=st.tuples(st.integers(-7, 3), st.integers(1, 6)),
)
def test_scores_and_p_are_those_of_shifts_made_one_by_one(seed, hold, n_refreshes, cut, lags):
    rng = np.random.default_rng(seed)
    movie = held_noise(rng, n_refreshes, hold)
    movie = movie[: len(movie) - min(cut, hold - 1)]
    counts = rng.poisson(0.7, (3, len(movie)))
    counts[:, 0] += 9  # no unit fires evenly
    excess = counts - counts.mean(axis=1, keepdims=True)
    covered = np.arange(lags[0], lags[0] + lags[1])
    found = compare_with_shifts(shift_scores(excess, movie, hold), covered, 2 * hold)
    shifts = [0, *range(2, n_refreshes - 1)]
    expected = scores_one_by_one(excess, movie, hold, covered.tolist(), shifts)
    assert found.n_shifts == len(shifts) - 1
    np.testing.assert_allclose(found.largest, expected[:, 0], rtol=1e-4)
    ties = np.abs(expected[:, 1:] / expected[:, :1] - 1) < 1e-3
    rare = (1 + (expected[:, 1:] >= expected[:, :1] * (1 - 1e-4)).sum(axis=1)) / len(shifts)
    sure = ~ties.any(axis=1)
    np.testing.assert_allclose(found.p[sure], rare[sure])


@pytest.mark.parametrize("bursty", [False, True])
def test_p_of_cells_that_do_not_see_the_movie_is_uniform(bursty):
    rng = np.random.default_rng(11)
    movie, n_units = held_noise(rng, 450, 4, (5, 5)), 400
    rate = np.full((n_units, len(movie)), 0.1)
    if bursty:  # slow changes of the rate over two seconds, and bursts of four spikes
        slow = np.repeat(rng.gamma(0.5, 2.0, (n_units, len(movie) // 120)), 120, axis=1)
        rate = 0.03 * slow
    counts = rng.poisson(rate) * (4 if bursty else 1)
    total, times = eligible_counts([counts], len(movie), None, np.arange(-60, 0))
    excess = total - total.sum(axis=1, keepdims=True) / times.sum() * times
    p = compare_with_shifts(shift_scores(excess, movie, 4), np.arange(-60, 0), 120).p
    for alpha in (0.05, 0.2, 0.5):
        low, high = binom.ppf([0.0005, 0.9995], n_units, alpha)
        assert low <= (p <= alpha).sum() <= high


def test_a_cell_that_sees_the_movie_is_found_and_its_control_is_not():
    rng = np.random.default_rng(3)
    movie = held_noise(rng, 600, 4)
    light = np.roll(movie[:, 2, 3].astype(float) / 255, 5)
    counts = rng.poisson(0.05 + 0.2 * light)[None]
    scores = shift_scores(counts - counts.mean(), movie, 4)
    assert compare_with_shifts(scores, np.arange(-60, 0), 120).p.tolist() == [1 / 542]
    assert compare_with_shifts(scores, np.arange(4, 19), 120).p[0] > 0.05


def test_without_spikes_or_without_shifts_there_is_no_p_and_ties_count():
    half = held_noise(np.random.default_rng(5), 20, 2)
    movie = np.concatenate([half, 255 - half])  # every pixel is as often bright as dark
    counts = np.zeros((3, 80))
    counts[1, 30] = 1  # every shift of one spike scores the same, but for rounding
    counts[2] = 1  # as many in each frame as the mean
    excess = counts - counts.mean(axis=1, keepdims=True)
    scores = shift_scores(excess, movie, 2)
    found = compare_with_shifts(scores, np.arange(-8, 0), 10)
    np.testing.assert_array_equal(found.p, [np.nan, 1.0, np.nan])
    none = compare_with_shifts(scores, np.arange(-8, 0), 60)
    assert none.n_shifts == 0
    assert np.isnan(none.p).all()


def test_a_unit_scores_the_same_alone_and_among_others_and_however_the_movie_is_scaled():
    rng = np.random.default_rng(6)
    movie = held_noise(rng, 100, 3, (9, 9))
    excess = rng.poisson(0.3, (5, 300)) - 0.3
    scores = shift_scores(excess, movie, 3)
    alone = np.concatenate([shift_scores(row[None], movie, 3) for row in excess[::-1]])[::-1]
    assert np.array_equal(scores, alone)
    scaled = shift_scores(excess, movie.astype(np.float32) * 0.25 - 8, 3)
    np.testing.assert_allclose(scaled, scores, rtol=1e-5)


def test_how_long_images_stay_is_read_off_the_movie():
    rng = np.random.default_rng(8)
    movie = held_noise(rng, 50, 4, (1, 1))  # an image like the one before is no change
    assert (np.diff(refresh_starts(movie)) > 4).any()
    assert refreshes(refresh_starts(movie), 200) == Refreshes(4, 4)
    assert refreshes(np.array([0, 4, 8, 13]), 17) == Refreshes(5, 1)
    assert not refreshes(np.array([0, 4, 8, 13]), 17).regular
    assert refreshes(np.array([0, 4, 8]), 9) == Refreshes(4, 4)
    assert refreshes(np.array([0]), 9) == Refreshes(9, 9)


def test_autocorrelation_tells_independent_images_from_others():
    rng = np.random.default_rng(9)
    white = rng.standard_normal((2000, 30))
    assert np.abs(autocorrelation(white, 15)).max() < 0.03
    slow = white.copy()
    for k in range(1, len(slow)):
        slow[k] += 0.8 * slow[k - 1]
    np.testing.assert_allclose(autocorrelation(slow, 3), [0.8, 0.64, 0.512], atol=0.03)
    still = np.c_[white, np.full((2000, 30), 7.0)]  # a pixel that never changes says nothing
    np.testing.assert_allclose(autocorrelation(still, 5), autocorrelation(white, 5))
