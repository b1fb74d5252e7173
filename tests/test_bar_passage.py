"""Edges of bars in movies, and counting in windows of each unit's own."""

from __future__ import annotations

import numpy as np
import pytest

from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.windows import binned_counts, cross_validated_peaks, passage_peaks
from hdmea.simulate.movies import moving_bar
from hdmea.stimulus.passage import edge_frames


def test_edges_of_the_simulated_bar_are_where_its_geometry_says():
    pixels, width, speed, n_frames = 30, 0.2, 1 / 40, 90
    movie = moving_bar(
        pixels=pixels, width=width, speed_per_frame=speed, direction_frames=n_frames,
        pre_frames=20, before_frames=10, repeat=1,
    )  # fmt: skip
    first = [10 + frame for _, frame in movie.events]  # events count from the trial's start
    places = np.array([[14, 15], [3, 20], [25, 4]])
    found = edge_frames(movie.frames, [[f, f + n_frames] for f in first], places)
    centre = (places + 0.5) / pixels - 0.5
    for k, (_, frame) in enumerate(movie.events):
        theta = np.deg2rad(45 * k)
        along = centre @ [np.cos(theta), -np.sin(theta)]
        reach = 0.5 * (abs(np.cos(theta)) + abs(np.sin(theta)))
        arrives = (along + reach) / speed
        leaves = (along + reach + width) / speed
        assert (np.abs(found.brighter[k] - (10 + frame) - arrives) <= 1).all()
        assert (np.abs(found.darker[k] - (10 + frame) - leaves) <= 1).all()
    np.testing.assert_array_equal(found.leading, found.brighter)
    np.testing.assert_array_equal(found.trailing, found.darker)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_dark_bar_leads_with_its_dark_edge(dtype):
    bright = moving_bar(pixels=12, direction_frames=100, repeat=1).frames
    dark = (255 - bright).astype(dtype)
    segments = [[120, 220], [220, 320]]
    one, other = edge_frames(bright, segments, [[5, 6]]), edge_frames(dark, segments, [[5, 6]])
    np.testing.assert_array_equal(other.darker, one.brighter)
    np.testing.assert_array_equal(other.brighter, one.darker)
    np.testing.assert_array_equal(other.leading, one.leading)


def test_of_a_blurred_edge_the_steepest_frame_counts():
    light = np.array([0, 0, 40, 200, 255, 255, 255, 230, 60, 0, 0], dtype=np.uint8)
    found = edge_frames(light[:, None, None], [[0, 11]], [[0, 0]])
    assert (found.brighter[0, 0], found.darker[0, 0]) == (3, 8)


def test_a_pixel_is_passed_only_by_a_bar_that_comes_and_goes_within_the_segment():
    light = np.zeros((12, 1, 3), dtype=np.uint8)
    light[4:6, 0, 0] = 9  # comes and goes
    light[8:, 0, 1] = 9  # comes
    found = edge_frames(light, [[0, 12], [5, 12], [11, 12], [12, 12]], [[0, 0], [1, 0], [2, 0]])
    np.testing.assert_array_equal(found.leading[0], [4, np.nan, np.nan])
    np.testing.assert_array_equal(found.trailing[0], [6, np.nan, np.nan])
    assert np.isnan(found.leading[1:]).all()


def test_frames_are_read_from_a_file_and_only_where_they_are_needed(tmp_path):
    light = np.random.default_rng(0).integers(0, 256, (60, 9, 7), dtype=np.uint8)
    np.save(tmp_path / "movie.npy", light)
    mapped = np.load(tmp_path / "movie.npy", mmap_mode="r")
    ys, xs = np.mgrid[:9, :7]
    places = np.column_stack([xs.ravel(), ys.ravel()])
    found = edge_frames(mapped, [[10, 40]], places)
    change = np.diff(light[10:40].astype(int), axis=0).reshape(29, -1)
    np.testing.assert_array_equal(found.brighter[0], 11 + change.argmax(axis=0))
    np.testing.assert_array_equal(found.darker[0], 11 + change.argmin(axis=0))
    assert edge_frames(mapped, [[10, 40]], np.empty((0, 2))).leading.shape == (1, 0)


def test_every_unit_is_counted_in_its_own_windows():
    spikes = SpikeTrains(np.array([1.0, 1.25, 2.0, 0.5, 1.0]), np.array([3, 3, 5]))
    start = np.array([[[1.0], [2.0]], [[0.0], [1.0]], [[0.5], [np.nan]]])
    length = np.array([0.25, 5.0, 0.75])
    counts = binned_counts(spikes, np.arange(3), start, length, n_bins=1)
    assert counts[..., 0].tolist() == [[[1], [1]], [[0], [0]], [[2], [0]]]
    parts = binned_counts(spikes, np.arange(3), start, length, n_bins=3)
    assert parts[2, :, 0].tolist() == [[1, 0, 1], [0, 0, 0]]
    np.testing.assert_array_equal(parts.sum(axis=-1), counts[..., 0])
    nowhere = binned_counts(spikes, np.arange(3), start, np.full(3, np.nan), n_bins=2)
    assert not nowhere.any()


def peaks(*times, starts, **changes):
    spikes = SpikeTrains(np.sort(np.concatenate(times)), np.array([sum(map(len, times))]))
    settings = {"duration_s": 2.0, "bin_s": 0.125, "sigma_s": 0.125} | changes
    return cross_validated_peaks(spikes, np.array([0]), np.asarray(starts), **settings)


def test_the_trial_that_is_counted_has_no_part_in_finding_the_peak():
    starts = np.array([[0.0, 2.0], [8.0, 10.0], [16.0, 18.0]])
    burst = 0.01 * np.arange(8)
    # the first slot: early in the first trial, late in the others; the second slot: the same in all
    found = peaks(
        0.5 + burst, 9.5 + burst, 17.5 + burst, *(s + 1.0 + burst for s in starts[:, 1]),
        starts=starts,
    )[0]  # fmt: skip
    assert found[0, 0] == pytest.approx(1.5625)
    assert found[1:, 0] == pytest.approx([0.5625, 0.5625])  # the first of two equal peaks
    assert found[:, 1] == pytest.approx([1.0625] * 3)


def one_second(spikes, start):
    """Spikes in the second after each of these times."""
    units = np.arange(spikes.n_units)
    return binned_counts(spikes, units, start, np.ones(units.size), n_bins=1)[..., 0]


def passing(n_places, speed_s, n_trials=3):
    """Arrival of a bar at places on a square, in four directions; ``(trial, slot, place)``."""
    at = np.linspace(-1, 1, n_places)
    x, y = (grid.ravel() for grid in np.meshgrid(at, at))
    once = speed_s * (1.5 + np.stack([x, y, -x, -y]))
    return np.tile(once, (n_trials, 1, 1)), np.stack([x, y], axis=1)


def test_a_place_is_found_that_all_directions_agree_on_also_where_single_ones_say_nothing():
    rng = np.random.default_rng(3)
    arrival, places = passing(9, 0.5)
    starts = 4.0 * np.arange(12).reshape(3, 4)
    place = int(np.flatnonzero((places == [0.5, -0.25]).all(axis=1))[0])
    delay = 0.2
    per_slot = [8, 2, 2, 1]
    times = [rng.uniform(0, 48, 480)]  # ten spikes a second at rest
    for trial in range(3):
        for slot, n in enumerate(per_slot):
            when = starts[trial, slot] + arrival[trial, slot, place] + delay
            times.append(when + rng.normal(0, 0.03, n))
    spikes = SpikeTrains(np.sort(np.concatenate(times)), np.array([sum(map(len, times))]))
    asked = (spikes, np.array([0]), starts, 4.0, 0.01, 0.05)
    found = passage_peaks(*asked, arrival, 0.5)
    expected = arrival[:, :, place] + delay
    assert np.abs(found[0] - expected).max() <= 0.13  # the step of the places, and of delays
    alone = cross_validated_peaks(*asked)
    assert np.abs(alone[0] - expected).max() > 0.5


def test_of_equal_places_the_first_is_taken_and_without_any_there_is_no_peak():
    arrival, _ = passing(3, 0.5)
    starts = 4.0 * np.arange(12).reshape(3, 4)
    silent = SpikeTrains(np.empty(0), np.array([0]))
    asked = (silent, np.array([0]), starts, 4.0, 0.01, 0.05)
    np.testing.assert_array_equal(passage_peaks(*asked, arrival, 0.5)[0], arrival[:, :, 0])
    assert np.isnan(passage_peaks(*asked, arrival[:, :, :0], 0.5)).all()
    assert np.isnan(passage_peaks(*asked, arrival + 4, 0.5)).all()


def test_windows_of_passages_do_not_find_a_response_in_noise():
    rng = np.random.default_rng(2)
    starts = 4.0 * np.arange(12).reshape(3, 4)
    n_units, rate = 60, 4.0
    times = [np.sort(rng.uniform(0, 50, rng.poisson(50 * rate))) for _ in range(n_units)]
    spikes = SpikeTrains(np.concatenate(times), np.cumsum([len(t) for t in times]))
    arrival, _ = passing(9, 0.5)
    peaks_s = passage_peaks(spikes, np.arange(n_units), starts, 4.0, 0.01, 0.05, arrival, 0.5)
    mean = one_second(spikes, starts + peaks_s - 0.5).mean()
    assert mean == pytest.approx(rate, abs=4 * np.sqrt(rate / (n_units * 12)))


def test_windows_around_peaks_do_not_find_a_response_in_noise():
    rng = np.random.default_rng(1)
    starts = 4.0 * np.arange(24).reshape(3, 8)
    n_units, rate = 60, 4.0
    times = [np.sort(rng.uniform(0, 100, rng.poisson(100 * rate))) for _ in range(n_units)]
    spikes = SpikeTrains(np.concatenate(times), np.cumsum([len(t) for t in times]))
    middle = cross_validated_peaks(spikes, np.arange(n_units), starts, 4.0, 0.01, 0.05)
    middle = np.clip(middle, 0.5, 3.5)
    mean = one_second(spikes, starts + middle - 0.5).mean()
    assert mean == pytest.approx(rate, abs=4 * np.sqrt(rate / (n_units * 24)))
