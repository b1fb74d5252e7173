"""Spike-triggered averages against pynapple and elephant, z against Pearson's correlation."""

from __future__ import annotations

import neo
import numpy as np
import pynapple as nap
import pytest
import quantities as pq
from elephant.sta import spike_triggered_average as elephants_average
from peers import Cells, on_samples, poisson
from scipy.stats import pearsonr

from hdmea.kernels.sta import StaResult, spike_triggered_average

N_FRAMES, HOLD = 1800, 4
COVER = (-12, 3)
FRAME_S = 1 / 64  # a binary fraction, so that every library bins alike
START_S = 2.0
PIXEL = (2, 3)


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.repeat(rng.integers(0, 256, (N_FRAMES // HOLD, 5, 6), dtype=np.uint8), HOLD, axis=0)


@pytest.fixture(scope="module")
def driven(movie: np.ndarray) -> Cells:
    """A cell that likes one pixel bright, one that likes it dark, two that do not care, silent."""
    rng = np.random.default_rng(6)
    light = np.roll(movie[(slice(None), *PIXEL)].astype(float), 5) / 255
    duration_s = START_S + N_FRAMES * FRAME_S + 2
    trains = []
    for drive in (60 * light**3, 60 * (1 - light) ** 3):
        n = rng.poisson(drive * FRAME_S)
        frames = np.repeat(np.arange(N_FRAMES), n)
        trains.append(START_S + (frames + rng.uniform(0.01, 0.99, frames.size)) * FRAME_S)
    trains += [poisson(rng, rate, duration_s) for rate in (4.0, 30.0)]
    trains.append(np.zeros(0))
    return Cells(tuple(on_samples(train, duration_s) for train in trains), duration_s)


@pytest.fixture(scope="module")
def counts(driven: Cells) -> np.ndarray:
    return driven.hdmea.count_in_bins(START_S + FRAME_S * np.arange(N_FRAMES + 1))


@pytest.fixture(scope="module")
def result(counts: np.ndarray, movie: np.ndarray) -> StaResult:
    return spike_triggered_average([counts], movie, COVER)


def test_the_mean_is_pynapples_event_triggered_average_bit_for_bit(
    result: StaResult, driven: Cells, movie: np.ndarray
) -> None:
    middles = START_S + FRAME_S * (np.arange(N_FRAMES) + 0.5)
    whole = nap.IntervalSet(START_S, START_S + FRAME_S * N_FRAMES)
    frames = nap.TsdTensor(middles, movie.astype(float), time_support=whole)
    # pynapple takes a missing frame for 0: it gets only the spikes whose window lies inside.
    inside = nap.IntervalSet(
        START_S - FRAME_S * COVER[0], START_S + FRAME_S * (N_FRAMES - COVER[1] + 1) - 1e-6
    )
    spikes = driven.pynapple.restrict(inside)
    average = nap.compute_event_triggered_average(
        frames,
        spikes,
        FRAME_S,
        window=(-COVER[0] * FRAME_S, (COVER[1] - 1) * FRAME_S),
        epochs=whole,
    )
    assert np.array_equal(np.rint(average.t / FRAME_S), result.lags)
    active = result.n_spikes > 0
    assert active.tolist() == [True] * 4 + [False]
    theirs = np.moveaxis(average.values, 0, 1).astype(np.float32)  # unit, lag, y, x
    assert np.array_equal(result.mean[active], theirs[active])
    assert np.isnan(result.mean[~active]).all()  # pynapple: 0


def test_windows_that_leave_the_movie_are_filled_with_0_by_pynapple_and_left_out_here() -> None:
    movie = np.full((64, 1, 1), 100, dtype=np.uint8)
    spikes = np.zeros((1, 64), dtype=np.int64)
    spikes[0, [1, 40]] = 1
    mine = spike_triggered_average([spikes], movie, (-4, 1), with_z=False)
    assert mine.mean[0, :, 0, 0].tolist() == [100] * 5
    assert (mine.n_spikes[0], mine.n_excluded[0]) == (1, 1)
    times = (np.arange(64) + 0.5) / 64
    whole = nap.IntervalSet(0, 1)
    light = nap.TsdTensor(times, movie.astype(float), time_support=whole)
    events = nap.TsGroup({0: nap.Ts((np.array([1, 40]) + 0.25) / 64)}, time_support=whole)
    theirs = nap.compute_event_triggered_average(light, events, 1 / 64, window=(4 / 64, 0))
    assert theirs.values.ravel().tolist() == [50, 50, 50, 100, 100]


def test_the_mean_and_the_spikes_left_out_are_elephants(
    result: StaResult, driven: Cells, movie: np.ndarray
) -> None:
    stop_s = START_S + FRAME_S * N_FRAMES
    light = neo.AnalogSignal(
        movie[(slice(None), *PIXEL)].astype(float)[:, None],
        units="dimensionless",
        sampling_rate=1 / FRAME_S * pq.Hz,
    )
    for unit in (0, 2):
        train = driven.elephant(unit, START_S, stop_s)
        # A spike stands for its frame: moved to the frame's time, so that its window does too.
        frame_s = np.floor(train.magnitude / FRAME_S) * FRAME_S
        train = neo.SpikeTrain(frame_s * pq.s, t_stop=N_FRAMES * FRAME_S * pq.s)
        window = (COVER[0] * FRAME_S * pq.s, COVER[1] * FRAME_S * pq.s)
        average = elephants_average(light, train, window)
        theirs = average.magnitude[:, 0].astype(np.float32)
        assert result.mean[(unit, slice(None), *PIXEL)] == pytest.approx(theirs, rel=1e-6)
        assert result.n_spikes[unit] == average.annotations["used_spikes"][0]
        assert result.n_excluded[unit] == average.annotations["unused_spikes"][0]


def test_z_is_pearsons_correlation_over_refreshes_times_the_root_of_their_number(
    result: StaResult, counts: np.ndarray, movie: np.ndarray
) -> None:
    refresh_of = np.arange(N_FRAMES) // HOLD  # successive images all differ
    images = movie[::HOLD].reshape(N_FRAMES // HOLD, -1).astype(float)
    used = np.arange(-COVER[0], N_FRAMES - COVER[1] + 1)
    for row, lag in enumerate(result.lags):
        seen = refresh_of[used + lag]
        first, stop = seen[0], seen[-1] + 1
        n = np.bincount(seen - first)
        for unit in range(4):
            spikes = np.bincount(seen - first, weights=counts[unit, used])
            excess = spikes - spikes.sum() / n.sum() * n
            r = pearsonr(excess[:, None], images[first:stop], axis=0).statistic
            assert result.z[unit, row].ravel() == pytest.approx(
                r * np.sqrt(stop - first), rel=1e-5, abs=1e-5
            )
    assert np.abs(result.z[0]).max() > 10
    assert np.abs(result.z[2:4]).max() < 6
