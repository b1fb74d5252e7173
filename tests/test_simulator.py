from __future__ import annotations

import csv
import errno
import hashlib
import os
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
from scipy.signal import find_peaks

from hdmea.errors import (
    FileMissingError,
    OutputWriteError,
    ParameterError,
    StimulusError,
    UnknownNameError,
)
from hdmea.simulate import (
    make_playlist,
    make_retina,
    simulate_dataset,
    simulate_recording,
    wrap_recording,
    write_stimulus_library,
)
from hdmea.simulate.display import display_trace
from hdmea.simulate.movies import dense_noise, moving_bar
from hdmea.simulate.retina import draw_spikes, firing_rates
from hdmea.stimulus.library import StimulusLibrary

STEP_CONTENT = 180 + (2 * 180 + 1440 + 1)  # second movie of the tiny playlist
STEP_ON = [STEP_CONTENT + 160 + 260 * trial for trial in range(3)]
STEP_OFF = [frame + 100 for frame in STEP_ON]
N_CELLS = 24


class Recorded(NamedTuple):
    cmcr: Path
    cmtr: Path
    library: Path
    rows: list[dict[str, str]]
    truth: dict[str, Any]

    @property
    def trains(self) -> list[np.ndarray]:
        return np.split(self.truth["spike_times_s"], self.truth["spike_times_index"][:-1])

    @property
    def analog(self) -> np.ndarray:
        with h5py.File(self.cmcr) as file:
            return file["Acquisition/Analog Data/ChannelData 1"][...]


def sync_peaks(sync: np.ndarray) -> np.ndarray:
    """The reference lab's rule, word for word."""
    scaled = sync / np.percentile(sync, 99.9)
    return find_peaks(np.diff(scaled), height=0.1)[0]


def read_peaks(cmtr: Path) -> dict[int, np.ndarray]:
    with h5py.File(cmtr) as file:
        sorter = file["Spike Sorter"]
        return {int(n.split()[1]): sorter[n]["Peaks"][...] for n in sorter if n.startswith("Unit ")}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("simulated")
    write_stimulus_library(folder / "stimuli", "tiny")
    files = simulate_recording(
        folder,
        "retina",
        library=folder / "stimuli",
        playlist="tiny",
        n_cells=N_CELLS,
        seed=7,
        clock_jitter_s=50e-6,
    )
    with files.truth_csv_path.open() as file:
        rows = list(csv.DictReader(file))
    with np.load(files.truth_npz_path) as arrays:
        truth = dict(arrays)
    return Recorded(files.cmcr_path, files.cmtr_path, folder / "stimuli", rows, truth)


def test_same_seed_same_bytes_other_seed_other_spikes(tmp_path: Path) -> None:
    write_stimulus_library(tmp_path / "stimuli", "tiny")

    def simulate(folder: str, seed: int) -> list[str]:
        files = simulate_recording(
            tmp_path / folder,
            "r",
            library=tmp_path / "stimuli",
            playlist="tiny",
            n_cells=3,
            seed=seed,
        )
        paths = (files.cmcr_path, files.cmtr_path, files.truth_csv_path)
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

    first = simulate("a", 1)
    assert simulate("b", 1) == first
    assert all(x != y for x, y in zip(simulate("c", 2), first, strict=True))


def test_rates_and_refractory_periods_are_physiological(recorded: Recorded) -> None:
    duration_s = recorded.analog.shape[1] / 20000
    for train, row in zip(recorded.trains, recorded.rows, strict=True):
        assert 2 < len(train) / duration_s < 20
        assert len(train) == int(row["n_spikes"])
        assert 0.0015 <= float(row["refractory_s"]) <= 0.002
        assert np.diff(train).min() >= float(row["refractory_s"]) - 1e-9


def test_rate_of_drawn_spikes_is_that_of_a_poisson_process_with_dead_time() -> None:
    edges = np.array([0.0, 500.0, 1000.0])
    spikes = draw_spikes(np.array([20.0, 100.0]), edges, 0.002, np.random.default_rng(3))
    counts = np.histogram(spikes / 1e6, edges)[0]
    expected = 500 / (1 / np.array([20.0, 100.0]) + 0.002)
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))


def test_response_to_a_flash_is_the_cells_own_filter() -> None:
    cell = next(c for c in make_retina(8, seed=3) if c.polarity > 0 and not c.direction_gain)
    frames = np.full((60, 1, 1), 127, dtype=np.uint8)
    frames[5] = 255
    for size in (1, 30):  # a full field is the same at any resolution
        movie = np.tile(frames, (1, size, size))
        rate = firing_rates([cell], [(20, movie)], 120)[0]
        flash = (rate - cell.baseline_hz)[25:65]
        linear = cell.temporal_filter()
        field = flash[4] / (cell.gain_hz * linear[4])
        assert 1 - cell.surround_weight < field < 1  # the surround leaves the display
        np.testing.assert_allclose(
            flash, np.maximum(field * cell.gain_hz * linear, -cell.baseline_hz), atol=1e-3
        )
        np.testing.assert_allclose(rate[:25], cell.baseline_hz)


@pytest.mark.parametrize(("polarity", "level"), [(1, 255), (-1, 0)])
@pytest.mark.parametrize("size", [15, 60])
def test_field_lies_where_the_cell_says(polarity: int, level: int, size: int) -> None:
    cells = [c for c in make_retina(40, seed=5) if c.polarity == polarity and not c.direction_gain]
    for axis, name in ((2, "centre_u"), (1, "centre_v")):
        movie = np.full((60 * size, size, size), 127, dtype=np.uint8)
        for k in range(size):  # a line at every place, one after the other
            where: list[Any] = [slice(60 * k, 60 * k + 4), slice(None), slice(None)]
            where[axis] = k
            movie[tuple(where)] = level
        rates = firing_rates(cells, [(0, movie)], len(movie)).reshape(len(cells), size, 60)
        for cell, profile in zip(cells, rates.max(axis=2), strict=True):
            true = getattr(cell, name) * size - 0.5
            assert abs(np.argmax(profile) - true) <= 0.51


def test_polarity_shows_in_the_light_step(recorded: Recorded) -> None:
    frame_times = recorded.truth["frame_times_s"]
    on, off = frame_times[STEP_ON], frame_times[STEP_OFF]
    for train, row in zip(recorded.trains, recorded.rows, strict=True):
        after_on, after_off = (
            sum(np.count_nonzero((train >= t) & (train < t + 0.5)) for t in times)
            for times in (on, off)
        )
        if row["polarity"] == "on":
            assert after_on > 2 * after_off
        else:
            assert after_off > 2 * after_on


def test_sta_recovers_sign_and_centre(recorded: Recorded) -> None:
    noise = np.load(next(recorded.library.glob("*dense_noise*.npy")))
    contrast = noise.reshape(len(noise), -1) / 127.5 - 1
    frame_times = recorded.truth["frame_times_s"][180 : 180 + len(noise) + 1]
    lags = np.arange(3, 7)
    errors, signs = [], []
    for train, row in zip(recorded.trains, recorded.rows, strict=True):
        counts = np.histogram(train, frame_times)[0][60:]
        sta = sum(counts @ contrast[60 - lag : len(noise) - lag] for lag in lags)
        peak = np.unravel_index(np.abs(sta).argmax(), sta.shape)[0]
        signs.append(np.sign(sta[peak]) == (1 if row["polarity"] == "on" else -1))
        image = np.clip(sta * np.sign(sta[peak]) - 0.3 * abs(sta[peak]), 0, None).reshape(15, 15)
        y, x = np.mgrid[:15, :15]
        image *= np.hypot(x - peak % 15, y - peak // 15) < 2.5
        centre = np.array([(image * x).sum(), (image * y).sum()]) / image.sum()
        true = np.array([float(row["centre_u"]), float(row["centre_v"])]) * 15 - 0.5
        errors.append(np.hypot(*(centre - true)))
    assert np.mean(signs) > 0.9
    assert np.median(errors) < 0.5


def test_direction_selective_cells_prefer_their_direction() -> None:
    cells = make_retina(80, seed=11)
    bar = moving_bar(repeat=1, pixels=30, direction_frames=110)
    rates = firing_rates(cells, [(0, bar.frames)], bar.length_frames)
    by_direction = rates[:, 120 : 120 + 8 * 110].reshape(len(cells), 8, 110)
    # Over the background's rate: OFF cells fire throughout in the dark.
    background = rates[:, 100:120].mean(axis=1)[:, None, None]
    response = np.clip(by_direction - background, 0, None).sum(axis=2)
    angles = np.deg2rad(45 * np.arange(8))
    vector = (response * np.exp(1j * angles)).sum(axis=1) / response.sum(axis=1)
    selective = np.array([cell.is_direction_selective for cell in cells])
    assert selective.sum() == 20
    assert np.abs(vector[selective]).min() > 0.3
    assert np.abs(vector[~selective]).max() < 0.1
    preferred = np.array([cell.preferred_direction_deg for cell in cells])[selective]
    off_by = np.angle(vector[selective] * np.exp(-1j * np.deg2rad(preferred)), deg=True)
    assert np.abs(off_by).max() < 20


def test_flashes_do_not_move() -> None:
    selective = next(c for c in make_retina(8, seed=3) if c.direction_gain)
    rng = np.random.default_rng(0)
    flicker = np.tile(rng.integers(0, 256, (300, 1, 1), dtype=np.uint8), (1, 30, 30))
    shown = [(0, flicker)]
    with_gain = firing_rates([selective], shown, 300)
    without = firing_rates([replace(selective, direction_gain=0.0)], shown, 300)
    np.testing.assert_allclose(with_gain, without, rtol=0.05)


def test_sync_pulses_are_the_truths_frame_times(recorded: Recorded) -> None:
    peaks = sync_peaks(recorded.analog[1])
    np.testing.assert_array_equal(peaks[4:] / 20000, recorded.truth["frame_times_s"])
    # The last section reaches 60 frames less far than the display runs.
    assert len(peaks) - 4 == recorded.truth["section_end_frame"][-1] + 60
    # A jitter of 1 sample (50 us) in each pulse, and rounding: sqrt(2 + 2 / 12) samples.
    assert 1.3 < np.diff(peaks).std() < 1.6


def test_photodiode_follows_the_light(recorded: Recorded) -> None:
    frames = np.rint(recorded.truth["frame_times_s"] * 20000).astype(int)
    luminance = recorded.truth["luminance"]
    photodiode = recorded.analog[0]
    middle = photodiode[frames + 160]
    assert np.corrcoef(middle, luminance)[0, 1] > 0.9999
    for shift in (-1, 1):
        assert np.corrcoef(middle[1:-1], np.roll(luminance, shift)[1:-1])[0, 1] < 0.995
    for frame in STEP_ON:
        onset = frames[frame]
        assert np.all(np.abs(photodiode[onset - 300 : onset + 1] - 100_000) < 10_000)
        assert photodiode[onset + 40] > 4_500_000


def test_digital_events_mark_light_on_and_off(recorded: Recorded) -> None:
    with h5py.File(recorded.cmcr) as file:
        events = file["Acquisition/Digital Data Events/EventData"][...]
    frame_times = recorded.truth["frame_times_s"]
    on = events["TimeStamp"][events["EventID"] == 1] / 1e6
    off = events["TimeStamp"][events["EventID"] == 2] / 1e6
    np.testing.assert_allclose(on[:3], frame_times[STEP_ON], atol=1e-6)
    assert np.isin(np.rint(frame_times[STEP_OFF] * 1e6), np.rint(off * 1e6)).all()


def test_units_have_gaps_places_and_rejected_peaks(recorded: Recorded) -> None:
    peaks = read_peaks(recorded.cmtr)
    numbers = [int(row["unit_id"]) for row in recorded.rows]
    assert sorted(peaks) == numbers
    assert len(set(numbers)) == N_CELLS < max(numbers)
    for number, train, row in zip(numbers, recorded.trains, recorded.rows, strict=True):
        included = peaks[number]["IncludePeak"] == 1
        np.testing.assert_array_equal(
            peaks[number]["Timestamp"][included], np.rint(train * 1e6).astype(np.int64)
        )
        assert np.count_nonzero(~included) == int(row["n_rejected"]) >= 1
    places = {(int(row["row"]), int(row["column"])) for row in recorded.rows}
    assert len(places) == N_CELLS
    for row in recorded.rows:
        assert abs(int(row["column"]) - (1 + 64 * float(row["centre_u"]))) < 5
        assert abs(int(row["row"]) - (1 + 64 * float(row["centre_v"]))) < 5


@pytest.mark.parametrize("playlist", ["tiny", "brief", "short", "full"])
def test_library_reader_finds_what_was_generated(tmp_path: Path, playlist: str) -> None:
    generated = write_stimulus_library(tmp_path, playlist)
    read = StimulusLibrary(tmp_path).playlist(playlist)
    assert [movie.name for movie in read] == [movie.name for movie in generated]
    for theirs, ours in zip(read, generated, strict=True):
        assert theirs.length_frames == ours.length_frames
        assert theirs.rule == ours.trials
        assert theirs.kind == ours.kind
        assert tuple((event.name, event.frame) for event in theirs.events) == ours.events
        np.testing.assert_array_equal(theirs.frames(), ours.frames)


def test_what_cannot_be_written_is_named_and_leaves_the_old_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_stimulus_library(tmp_path, "tiny", seed=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputWriteError, match=r"playlist\.csv: No space left on device"):
        write_stimulus_library(tmp_path, "tiny", seed=2)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_light_changes_exactly_at_the_events() -> None:
    for movie in make_playlist("full"):
        luminance = movie.frames.mean(axis=(1, 2))
        for trial in range(movie.trials.n_trials):
            start = movie.trials.start_frame + trial * movie.trials.trial_length_frames
            for name, frame in movie.events:
                before, after = luminance[start + frame - 1 : start + frame + 1]
                if name.endswith("_on"):
                    assert before == 0
                    assert after > 100
                elif name.endswith("_off"):
                    assert before > 100
                    assert after == 0


@pytest.mark.parametrize("playlist", ["brief", "full"])
def test_chirp_is_what_its_events_say(playlist: str) -> None:
    movie = next(one for one in make_playlist(playlist) if one.kind == "chirp")
    level = movie.frames[:, 0, 0].astype(float)
    where = {name.split(":")[0]: frame for name, frame in movie.events}
    said = {name.split(":")[0]: name.split(":")[1] for name, _ in movie.events if ":" in name}
    first_hz, last_hz = (float(word) for word in said["sweep_start"].removesuffix("hz").split("-"))
    ramp_hz = float(said["ramp_start"].removesuffix("hz"))
    length = movie.trials.trial_length_frames
    assert len(level) == length * movie.trials.n_trials
    for start in range(0, len(level), length):
        trial = level[start : start + length]
        for name in ("sweep", "ramp"):  # grey before and after
            assert (trial[where[f"{name}_start"] - 30 : where[f"{name}_start"]] == 127).all()
            assert (trial[where[f"{name}_stop"] : where[f"{name}_stop"] + 30] == 127).all()

        sweep = trial[where["sweep_start"] : where["sweep_stop"]] - 127.5
        duration_s = len(sweep) / 60
        # Half cycle k begins where f0 t + (f1 - f0) t^2 / (2 T) = k / 2.
        half_cycles = np.arange(1, round(duration_s * (first_hz + last_hz)))
        rise = (last_hz - first_hz) / (2 * duration_s)
        expected_s = (np.sqrt(first_hz**2 + 2 * rise * half_cycles) - first_hz) / (2 * rise)
        before = np.flatnonzero(np.diff(np.sign(sweep)))
        step = sweep[before + 1] - sweep[before]
        crossings_s = (before - sweep[before] / step) / 60  # on a straight line between frames
        np.testing.assert_allclose(crossings_s, expected_s, atol=0.1 / 60)
        assert np.abs(sweep).max() == 127.5

        ramp = trial[where["ramp_start"] : where["ramp_stop"]] - 127.5
        time_s = np.arange(len(ramp)) / 60
        # Its amplitude, where the sine is near its peaks: it rises evenly from 0 to 1.
        carrier = np.sin(2 * np.pi * ramp_hz * time_s)
        near_peak = np.abs(carrier) > 0.95
        assert np.count_nonzero(near_peak) > len(ramp) / 8
        amplitude = ramp[near_peak] / carrier[near_peak] / 127.5
        np.testing.assert_allclose(amplitude, time_s[near_peak] * 60 / len(ramp), atol=0.005)


def test_bar_moves_in_the_named_directions() -> None:
    bar = moving_bar(pixels=60, repeat=1)
    y, x = np.mgrid[:60, :60]
    for name, frame in bar.events:
        start = bar.trials.start_frame + frame
        crossing = bar.frames[start : start + 110].astype(float)
        centre = [((f * x).sum() / f.sum(), (f * y).sum() / f.sum()) for f in crossing[[40, 60]]]
        (x0, y0), (x1, y1) = centre
        moved = np.rad2deg(np.arctan2(-(y1 - y0), x1 - x0)) % 360
        difference = (moved - float(name.split(":")[1]) + 180) % 360 - 180
        assert abs(difference) < 3
        assert crossing.max(axis=0).min() == 255  # no pixel is left out


def test_noise_is_binary_held_and_seeded() -> None:
    noise = dense_noise(8, seed=1)
    images = noise.frames[::4]
    assert np.array_equal(np.repeat(images, 4, axis=0), noise.frames)
    assert 0.48 < (images == 255).mean() < 0.52
    assert np.array_equal(noise.frames, dense_noise(8, seed=1).frames)
    assert not np.array_equal(noise.frames, dense_noise(8, seed=2).frames)


def test_repeats_show_the_whole_playlist_again(tmp_path: Path) -> None:
    write_stimulus_library(tmp_path, "tiny")
    files = simulate_recording(
        tmp_path, "twice", library=tmp_path, playlist="tiny", n_cells=2, repeats=2
    )
    with np.load(files.truth_npz_path) as truth:
        half = len(truth["luminance"]) // 2
        assert truth["section_movie"][:3].tolist() == truth["section_movie"][3:].tolist()
        assert np.array_equal(truth["luminance"][:half], truth["luminance"][half:])
        assert np.unique(truth["luminance"]).size > 100


def test_wrapped_spikes_and_frames_come_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    frame_times = 0.5 + np.cumsum(rng.normal(1 / 30, 0.0003, 600))
    frame_times[300:] += 1 / 30  # the display held a frame
    trains = {
        807: np.sort(rng.uniform(0, 20, 300)),
        1803: np.sort(rng.uniform(0, 20, 150)),
        5: np.empty(0),
    }
    luminance = rng.uniform(0, 1, 600)
    cmcr, cmtr = wrap_recording(
        tmp_path,
        "wrapped",
        spike_trains=trains,
        frame_times_s=frame_times,
        luminance=luminance,
        places={807: (3, 64), 1803: (65, 1), 5: (1, 1)},
    )
    assert (cmcr.name, cmtr.name) == ("wrapped.cmcr", "wrapped-.cmtr")
    peaks = read_peaks(cmtr)
    assert set(peaks) == set(trains)
    for number, train in trains.items():
        assert np.all(peaks[number]["IncludePeak"] == 1)
        np.testing.assert_allclose(peaks[number]["Timestamp"] / 1e6, train, atol=0.51e-6)
    with h5py.File(cmcr) as file:
        photodiode, sync = file["Acquisition/Analog Data/ChannelData 1"][...]
    found = sync_peaks(sync)
    np.testing.assert_allclose(found / 20000, frame_times, atol=25.1e-6)
    assert np.corrcoef(photodiode[found + 300], luminance)[0, 1] > 0.9999
    with h5py.File(cmtr) as file:
        info = file["Spike Sorter/Unit 807/Unit Info"][0]
        assert (info["Row"], info["Column"]) == (3, 64)


def test_wrapping_without_luminance_leaves_the_photodiode_dark(tmp_path: Path) -> None:
    cmcr, _ = wrap_recording(
        tmp_path,
        "dark",
        spike_trains={1: np.array([0.2])},
        frame_times_s=np.arange(10) / 60,
        duration_s=1.0,
    )
    with h5py.File(cmcr) as file:
        data = file["Acquisition/Analog Data/ChannelData 1"][...]
    assert data.shape == (2, 20000)
    assert np.abs(data[0] - 100_000).max() < 10_000


def test_analog_blocks_do_not_depend_on_the_cuts_and_stay_small() -> None:
    frames = 1000 + np.arange(60 * 3600) * 333
    n_samples = int(frames[-1]) + 20000
    luminance = np.random.default_rng(0).uniform(0, 1, frames.size)
    trace = display_trace(frames, luminance, n_samples=n_samples, sampling_rate_hz=20000.0, seed=1)
    start = 60_000_123
    whole = trace.block(start, start + 200_000)
    cuts = [start, start + 1, start + 777, start + 70_000, start + 200_000]
    pieces = [trace.block(a, b) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)
    tracemalloc.start()
    trace.block(start, start + 200_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6  # of an hour with 576 MB of samples


def test_dataset_has_what_the_workflow_needs(tmp_path: Path) -> None:
    told: list[str] = []
    dataset = simulate_dataset(
        tmp_path, recordings=2, units=3, seed=5, playlist="tiny", progress=told.append
    )
    lines = (tmp_path / "recordings.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["recording", "cmcr", "cmtr", "playlist"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["demo_retina_1", "demo_retina_2"]
    for line in lines[1:]:
        _, cmcr, cmtr, playlist = line.split("\t")
        assert (tmp_path / cmcr).is_file()
        assert (tmp_path / cmtr).is_file()
        assert StimulusLibrary(dataset.stimuli_path).playlist(playlist)
    first, second = (files.truth_csv_path.read_text() for files in dataset.recordings.values())
    assert first != second
    assert len(told) == 2


def test_errors_say_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="brief, full, short, tiny"):
        make_playlist("long")
    with pytest.raises(ParameterError, match="0 to 1000, got 1001"):
        make_retina(1001, seed=1)
    with pytest.raises(ParameterError, match="1 or more, got 0"):
        simulate_dataset(tmp_path, recordings=0)
    library = tmp_path / "stimuli"
    write_stimulus_library(library, "tiny")
    with pytest.raises(FileMissingError, match="nowhere"):
        simulate_recording(tmp_path, "r", library=tmp_path / "nowhere", playlist="tiny")
    with pytest.raises(ParameterError, match="at least one frame is needed"):
        wrap_recording(tmp_path, "r", spike_trains={}, frame_times_s=np.empty(0))
    with pytest.raises(ParameterError, match="repeats must be 1 or more, got 0"):
        simulate_recording(tmp_path, "r", library=library, playlist="tiny", repeats=0)
    with pytest.raises(ParameterError, match=r"units \[2\] have spikes"):
        wrap_recording(
            tmp_path,
            "r",
            spike_trains={1: np.array([0.1]), 2: np.array([0.2])},
            frame_times_s=np.arange(3.0),
            places={1: (1, 1)},
        )
    (library / "playlist.csv").write_text('playlist_name,movie_names\nempty,"[]"\n')
    with pytest.raises(StimulusError, match="'empty' is empty"):
        simulate_recording(tmp_path, "r", library=library, playlist="empty")
    for times, message in (([0.1, 0.1001], "2 samples apart"), ([0.1, 5.0], "leave a trace")):
        with pytest.raises(ParameterError, match=message):
            wrap_recording(
                tmp_path,
                "r",
                spike_trains={1: np.array([0.1])},
                frame_times_s=np.array(times),
                duration_s=1.0,
            )
