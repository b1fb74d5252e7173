"""Every stimulus of the simulated library, twice, from the files to the session, by the truth."""

from __future__ import annotations

import csv
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    create_session,
    extract_features,
    load_recording,
    section_spike_times,
)
from hdmea.simulate import Faults, make_playlist, simulate_recording, write_stimulus_library
from hdmea.simulate.retina import FILTER_FRAMES

MOVIES = {movie.name: movie for movie in make_playlist("brief")}


class Recorded(NamedTuple):
    session: PipelineSession
    truth: dict[str, Any]
    rows: list[dict[str, str]]

    def table(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        return list(
            zip(*(self.session.values(f"stimulus/{table}/{c}") for c in columns), strict=True)
        )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("brief")
    write_stimulus_library(folder / "stimuli", "brief")
    files = simulate_recording(
        folder,
        "rec",
        library=folder / "stimuli",
        playlist="brief",
        n_cells=4,
        seed=3,
        repeats=2,
        clock_jitter_s=20e-6,
        sampling_rate_hz=10_000.0,  # half the samples to make and to read
        faults=Faults(empty_units=1),
    )
    session = create_session(
        cmcr_path=files.cmcr_path, cmtr_path=files.cmtr_path, stimuli_dir=folder / "stimuli"
    )
    load_recording(session=session)
    add_section_time(playlist_name="brief", repeats=2, session=session)
    section_spike_times(session=session)
    assert session.warnings == []
    with files.truth_csv_path.open() as file:
        rows = list(csv.DictReader(file))
    with np.load(files.truth_npz_path) as arrays:
        return Recorded(session, dict(arrays), rows)


def test_every_movie_is_found_twice_where_it_was_shown(recorded: Recorded) -> None:
    values, truth = recorded.session.values, recorded.truth
    np.testing.assert_allclose(
        values("stimulus/frame_times"), truth["frame_times_s"], rtol=0, atol=1e-9
    )
    assert values("stimulus/sections/movie").tolist() == [*MOVIES, *MOVIES]
    assert values("stimulus/sections/occurrence").tolist() == [0] * 7 + [1] * 7
    kinds = [movie.kind for movie in MOVIES.values()]
    assert values("stimulus/sections/kind").tolist() == kinds * 2
    assert len(set(kinds)) == 7
    for edge in ("start", "content_start", "end"):
        key = f"{edge}_frame"
        np.testing.assert_array_equal(values(f"stimulus/sections/{key}"), truth[f"section_{key}"])
        np.testing.assert_array_equal(
            values(f"stimulus/sections/{edge}_s"),
            values("stimulus/frame_times")[truth[f"section_{key}"]],
        )
    r, lag = values("stimulus/alignment/r"), values("stimulus/alignment/lag_frames")
    lit = values("stimulus/sections/kind") != "grey"
    assert (r[lit] > 0.99).all()
    assert (lag[lit] == 0).all()


def test_every_trial_has_its_events_at_the_light_that_they_name(recorded: Recorded) -> None:
    luminance, times = recorded.truth["luminance"], recorded.truth["frame_times_s"]
    sections = recorded.truth["section_content_start_frame"]
    trials = recorded.table("trials", "section", "movie", "number", "start_frame")
    events = recorded.table("events", "trial", "name", "frame", "time_s")
    expected = [
        (section, str(name), n, start + movie.trials.start_frame + n * length)
        for section, (name, start) in enumerate(zip([*MOVIES, *MOVIES], sections, strict=True))
        for movie in [MOVIES[str(name)]]
        for length in [movie.trials.trial_length_frames]
        for n in range(movie.trials.n_trials)
    ]
    assert trials == expected
    seen: set[str] = set()
    for index, (_, movie, _, start) in enumerate(trials):
        own = [(name, frame - start) for trial, name, frame, _ in events if trial == index]
        assert tuple(own) == MOVIES[movie].events
        seen |= {name for name, _ in own}
    assert {f"direction:{45 * k}" for k in range(8)} <= seen
    assert {f"segment_start:{hz}hz" for hz in (1, 2, 4, 10)} <= seen
    assert {"sweep_start:0.5-8hz", "sweep_stop", "ramp_start:2hz", "ramp_stop"} <= seen
    n_switches = 0
    for _, name, frame, time_s in events:
        assert abs(time_s - times[frame]) < 1e-9
        before, after = luminance[frame - 1 : frame + 1]
        if name.endswith("_on"):
            assert (before, after > 0.5) == (0, True)
            n_switches += 1
        elif name.endswith("_off"):
            assert (before > 0.5, after) == (True, 0)
            n_switches += 1
        elif name.startswith("direction:"):
            # The bar enters a dark display within a few frames.
            assert luminance[frame] <= 0.05 < luminance[frame : frame + 30].max()
        else:
            # A sine begins after grey, and grey comes after it.
            assert (after if name.endswith("_stop") else before) == 127 / 255
            assert np.ptp(luminance[frame : frame + 20]) > 0 or name.endswith("_stop")
    assert n_switches == 2 * (3 * 2 + 2 * 4 + 2 * 2)


def test_units_are_those_of_the_sorter_and_rejected_peaks_are_no_spikes(
    recorded: Recorded,
) -> None:
    values, rows = recorded.session.values, recorded.rows
    ids = values("units/unit_id")
    assert ids.tolist() == [int(row["unit_id"]) for row in rows]
    assert ids.tolist() != list(range(1, 6))  # numbers have gaps
    assert values("units/n_spikes").tolist() == [int(row["n_spikes"]) for row in rows]
    assert values("units/n_rejected_peaks").tolist() == [int(row["n_rejected"]) for row in rows]
    assert values("units/n_spikes").min() == 0
    assert values("units/n_rejected_peaks").min() > 0
    np.testing.assert_allclose(
        values("units/spike_times"), recorded.truth["spike_times_s"], rtol=0, atol=0.6e-6
    )
    np.testing.assert_array_equal(
        values("units/spike_times_index"), recorded.truth["spike_times_index"]
    )


def test_spikes_of_every_trial_are_those_of_the_truth(recorded: Recorded) -> None:
    values = recorded.session.values
    truth = recorded.truth
    trains = np.split(values("units/spike_times"), truth["spike_times_index"][:-1])
    starts, stops = values("stimulus/trials/start_s"), values("stimulus/trials/stop_s")
    (path,) = [p for p in recorded.session.paths("trials/") if p.endswith("start_index")]
    first, last = values(path), values(path.replace("start_index", "stop_index"))
    counts = [
        [np.count_nonzero((train >= a) & (train < b)) for a, b in zip(starts, stops, strict=True)]
        for train in trains
    ]
    np.testing.assert_array_equal(last - first, counts)


def test_phases_of_responses_are_those_of_the_cells_filters(recorded: Recorded) -> None:
    """Of ON and OFF cells, in the sines and in the sweep: latency and polarity in one."""
    extract_features(features=["freq_step", "chirp"], session=recorded.session)
    values = recorded.session.values
    n_compared = 0
    for path, frequency in (
        ("freq_step/phase_deg", values("features/freq_step/frequency_hz")),
        ("chirp/sweep_phase_deg", values("features/chirp/sweep_frequency_hz")),
    ):
        lag_s = (np.arange(FILTER_FRAMES) + 0.5) / 60  # and half a frame that an image is held
        for row, found in zip(recorded.rows, values(f"features/{path}"), strict=True):
            if int(row["n_spikes"]) == 0:
                assert np.isnan(found).all()
                continue
            filter_ = truth_filter(float(row["peak_frames"]), float(row["trough"]))
            gain = np.exp(-2j * np.pi * frequency[:, None] * lag_s) @ filter_
            gain *= {"on": 1, "off": -1}[row["polarity"]]
            known = np.isfinite(found) & (frequency >= 1.5) & (frequency <= 5)
            apart = np.angle(gain[known] * np.exp(-1j * np.radians(found[known])), deg=True)
            assert np.abs(np.median(apart)) < 15
            assert np.abs(apart).max() < 40
            n_compared += apart.size
    assert n_compared > 20


def truth_filter(peak_frames: float, trough: float) -> npt.NDArray[np.float64]:
    time = np.arange(FILTER_FRAMES) / peak_frames
    late = time / 1.9
    return (time * np.exp(1 - time)) ** 5 - trough * (late * np.exp(1 - late)) ** 5
