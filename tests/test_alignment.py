"""Photodiode against movie."""

from __future__ import annotations

import numpy as np
import pytest

from hdmea.stimulus.alignment import align, frame_light
from hdmea.stimulus.photodiode import Photodiode

CONTENT = 100
N_FRAMES = 400


def recording(luminance, *, lag=0, gain=1000.0, offset=5e5, noise=0.0, t0=3.0, rate=1000.0):
    """Photodiode of a display that shows the movie at CONTENT + lag, with jittering frames."""
    rng = np.random.default_rng(7)
    times = t0 + 0.2 + np.cumsum(rng.uniform(0.016, 0.0175, N_FRAMES))
    shown = np.full(N_FRAMES, 100.0)
    shown[CONTENT + lag : CONTENT + lag + len(luminance)] = luminance
    fine = t0 + (np.arange(int(10 * rate * 20)) + 0.5) / (rate * 20)
    frame = np.clip(np.searchsorted(times, fine, side="right") - 1, 0, N_FRAMES - 1)
    light = (offset + gain * shown[frame]).reshape(-1, 20).mean(axis=1)
    photodiode = (light + rng.normal(0, noise, light.size)).astype(np.float32)
    return frame_light(Photodiode(photodiode, rate, t0), times)


@pytest.fixture
def luminance():
    return np.repeat(np.random.default_rng(2).uniform(0, 200, 50), 4)


@pytest.mark.parametrize("lag", [0, 1, -1, 17, -30, 30])
def test_the_lag_is_found_to_the_frame(luminance, lag):
    found = align(recording(luminance, lag=lag), CONTENT, luminance)
    assert found.lag_frames == lag
    assert found.r > 0.999
    assert found.reason == ""


def test_contrast_is_the_swing_in_the_photodiodes_units(luminance):
    found = align(recording(luminance, gain=40.0), CONTENT, luminance)
    assert found.contrast == pytest.approx(40.0 * np.ptp(luminance), rel=0.01)


def test_another_movie_does_not_correlate(luminance):
    other = np.repeat(np.random.default_rng(3).uniform(0, 200, 50), 4)
    assert align(recording(luminance), CONTENT, other).r < 0.5


def test_a_grey_movie_has_no_correlation_and_says_why():
    grey = np.full(200, 127.0)
    found = align(recording(grey), CONTENT, grey)
    assert np.isnan([found.r, found.lag_frames, found.contrast]).all()
    assert found.reason == "constant_luminance"


def test_a_dead_photodiode_says_so(luminance):
    photodiode = Photodiode(np.full(5000, 0.1, np.float32), 1000.0, 3.0)
    dead = frame_light(photodiode, 3.2 + np.arange(280) / 60)
    found = align(dead, CONTENT, luminance[:150])
    assert np.isnan(found.r)
    assert found.reason == "constant_photodiode"


def test_light_beyond_the_photodiode_is_not_known():
    times = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    light = frame_light(Photodiode(np.arange(20, dtype=np.float32), 10.0, 1.0), times)
    assert np.isnan(light).tolist() == [True, False, False, True]
    np.testing.assert_allclose(light[1:3] - light[1], [0, 10])


@pytest.mark.parametrize("lag", [0, 2, -3])
@pytest.mark.parametrize(("first", "last"), [(0, 230), (150, 399), (150, 250)])
def test_of_a_movie_that_was_cut_the_recorded_part_is_compared(luminance, lag, first, last):
    light = recording(luminance, lag=lag)
    light[:first] = light[last:] = np.nan
    found = align(light, CONTENT, luminance)
    if last - first < 150:  # what is left between the cuts is too short for all lags
        assert found.reason == "too_few_frames"
    else:
        assert found.lag_frames == lag
        assert found.r > 0.999


def test_a_movie_outside_of_the_light_is_not_compared(luminance):
    assert align(recording(luminance), -500, luminance).reason == "too_few_frames"
    assert align(recording(luminance), 5000, luminance).reason == "too_few_frames"
    assert align(np.full(400, np.nan), CONTENT, luminance).reason == "too_few_frames"


@pytest.mark.parametrize("delay", [0.0, 0.25, 0.5, 0.8, 3.4, -0.3])
def test_a_delay_by_a_part_of_a_frame_is_measured(luminance, delay):
    rng = np.random.default_rng(5)
    shown = np.full(N_FRAMES, 100.0)
    shown[CONTENT : CONTENT + luminance.size] = luminance
    whole = int(np.floor(delay))
    part = delay - whole
    light = (1 - part) * np.roll(shown, whole) + part * np.roll(shown, whole + 1)
    found = align(light + rng.normal(0, 0.5, N_FRAMES), CONTENT, luminance)
    assert found.delay_frames == pytest.approx(delay, abs=0.02)


def test_no_lag_wins_over_others_of_equal_correlation():
    periodic = np.tile([0.0, 50.0, 200.0, 50.0], 50)
    assert align(recording(periodic), CONTENT, periodic).lag_frames == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_ramp_that_fits_at_every_lag_has_none(seed):
    ramp = np.linspace(0, 200, 200)
    light = np.r_[ramp[0] + np.arange(-100, 0), ramp, ramp[-1] + np.arange(1, 101)]
    noise = np.random.default_rng(seed).normal(0, 2, light.size)
    found = align(light + noise, CONTENT, ramp)
    assert found.lag_frames == 0
    assert found.r > 0.99
