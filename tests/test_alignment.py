"""Photodiode against movie."""

from __future__ import annotations

import numpy as np
import pytest

from hdmea.errors import StimulusError
from hdmea.stimulus.alignment import align

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
    return (light + rng.normal(0, noise, light.size)).astype(np.float32), rate, t0, times


@pytest.fixture
def luminance():
    return np.repeat(np.random.default_rng(2).uniform(0, 200, 50), 4)


@pytest.mark.parametrize("lag", [0, 1, -1, 17, -30, 30])
def test_the_lag_is_found_to_the_frame(luminance, lag):
    found = align(*recording(luminance, lag=lag), CONTENT, luminance)
    assert found.lag_frames == lag
    assert found.r > 0.999
    assert found.reason == ""


def test_contrast_is_the_swing_in_the_photodiodes_units(luminance):
    found = align(*recording(luminance, gain=40.0), CONTENT, luminance)
    assert found.contrast == pytest.approx(40.0 * np.ptp(luminance), rel=0.01)


def test_another_movie_does_not_correlate(luminance):
    other = np.repeat(np.random.default_rng(3).uniform(0, 200, 50), 4)
    assert align(*recording(luminance), CONTENT, other).r < 0.5


def test_a_grey_movie_has_no_correlation_and_says_why():
    grey = np.full(200, 127.0)
    found = align(*recording(grey), CONTENT, grey)
    assert np.isnan([found.r, found.lag_frames, found.contrast]).all()
    assert found.reason == "constant_luminance"


def test_a_dead_photodiode_says_so(luminance):
    light, rate, t0, times = recording(luminance)
    found = align(np.full_like(light, 0.1), rate, t0, times, CONTENT, luminance)
    assert np.isnan(found.r)
    assert found.reason == "constant_photodiode"


def test_a_movie_beyond_the_clock_or_the_photodiode_is_an_error(luminance):
    light, rate, t0, times = recording(luminance)
    with pytest.raises(StimulusError, match="frame 250"):
        align(light, rate, t0, times, 250, luminance)
    with pytest.raises(StimulusError, match="ends inside"):
        align(light[:3000], rate, t0, times, CONTENT, luminance)


def test_no_lag_wins_over_others_of_equal_correlation():
    periodic = np.tile([0.0, 50.0, 200.0, 50.0], 50)
    light, rate, t0, times = recording(periodic)
    assert align(light, rate, t0, times, CONTENT, periodic).lag_frames == 0
