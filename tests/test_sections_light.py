"""Sections, trials and events from the photodiode alone, against when the light really changed."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest
from faulty_recordings import FLASH, FaultyRecordings, remedies

from hdmea.errors import MissingDataError, StimulusError
from hdmea.pipeline import add_section_time, compute_sta, extract_features, section_spike_times
from hdmea.report.overview import overview_figure
from hdmea.stimulus.light_onsets import LightOnsets, Switches, find_switches, light_timeline
from hdmea.stimulus.photodiode import Photodiode


@pytest.fixture(scope="module")
def onsets(faulty: FaultyRecordings) -> list[tuple[float, float]]:
    """When the light went on and off in the truth, seconds."""
    with np.load(faulty.files().truth_npz_path) as truth:
        begin = int(truth["section_content_start_frame"][1]) + 20 + 60
        times = truth["frame_times_s"]
        return [(times[begin + 150 * n], times[begin + 150 * n + 60]) for n in range(3)]


@pytest.mark.parametrize("source", ["analog", "none"])
def test_light_onsets_are_those_of_the_truth(
    source: str, faulty: FaultyRecordings, onsets: list[tuple[float, float]]
) -> None:
    session = faulty.loaded(faulty.files(), frame_clock={"source": source})
    add_section_time(light_onsets={**FLASH, "n_expected": 3}, session=session)
    times = session.values("stimulus/events/time_s")
    assert session.values("stimulus/events/name").tolist() == ["light_on", "light_off"] * 3
    # The photodiode needs half a millisecond, and its samples are of one.
    np.testing.assert_allclose(times, np.ravel(onsets), atol=1e-3)
    np.testing.assert_allclose(session.values("stimulus/trials/start_s"), times[::2] - 0.9)
    np.testing.assert_allclose(session.values("stimulus/trials/stop_s"), times[::2] + 1.5)
    assert session.values("stimulus/sections/start_s") == times[0] - 0.9
    assert session.values("stimulus/sections/end_s") == times[-2] + 1.5
    assert session.paths("stimulus/sections/") == [
        f"stimulus/sections/{name}"
        for name in ("complete", "end_s", "kind", "movie", "occurrence", "start_s")
    ]


def test_features_of_light_onsets_are_those_of_the_playlist(faulty: FaultyRecordings) -> None:
    found = {}
    for how in ({"playlist_name": "friday"}, {"light_onsets": FLASH}):
        clock = {} if "playlist_name" in how else {"frame_clock": {"source": "none"}}
        session = faulty.loaded(faulty.files(), **clock)
        parameters = {"on_off": {"window_s": 0.4, "baseline_s": 0.5}}
        extract_features(features=["on_off"], parameters=parameters, session=session)
        assert session.pending == {"on_off": "add_section_time"}
        add_section_time(session=session, **how)
        section_spike_times(session=session)
        found[next(iter(how))] = session.features["on_off"]
    playlist, light = found.values()
    assert (playlist["n_trials"] == 3).all()
    assert (light["n_trials"] == 3).all()
    np.testing.assert_array_equal(playlist["class"], light["class"])
    np.testing.assert_allclose(
        light["n_spikes_on"], playlist["n_spikes_on"], atol=1
    )  # a spike at the very edge of a window


def test_light_onsets_that_are_not_as_expected(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files())
    with pytest.raises(
        StimulusError, match=r"is 5, but 3 trials were found, with onsets at 1\d\.\d"
    ):
        add_section_time(light_onsets={**FLASH, "n_expected": 5}, session=session)
    with pytest.raises(StimulusError, match=r"2\.500 s|trials of 'flash' are 4 s long.*overlap"):
        add_section_time(light_onsets={**FLASH, "duration_s": 3.1}, session=session)
    with pytest.raises(StimulusError, match="no onset") as error:
        add_section_time(light_onsets={**FLASH, "threshold": 1.0}, session=session)
    ((_, values),) = remedies(str(error.value))
    add_section_time(**values, session=session)
    with pytest.raises(StimulusError, match="is 5, but"):  # also of what is there already
        add_section_time(light_onsets={**values["light_onsets"], "n_expected": 5}, session=session)


def test_light_onsets_without_a_photodiode(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files(), frame_clock={"photodiode_row": None})
    with pytest.raises(MissingDataError, match="photodiode_row"):
        add_section_time(light_onsets=FLASH, session=session)


def test_an_sta_needs_frames_which_light_onsets_have_not(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files())
    add_section_time(light_onsets={**FLASH, "kind": "noise"}, session=session)
    with pytest.raises(MissingDataError, match=r"come from light onsets.*playlist_name="):
        compute_sta(session=session)


def test_the_picture_of_sections_without_frames(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files(), frame_clock={"source": "none"})
    add_section_time(light_onsets=FLASH, session=session)
    figure = overview_figure(session)
    labels = {text.get_gid(): text.get_text() for axes in figure.axes for text in axes.texts}
    assert labels["label 0"] == "light step\nnot checked"


def test_polarity_by_light_onsets_is_that_of_the_truth(faulty: FaultyRecordings) -> None:
    files = faulty.files()
    session = faulty.loaded(files, frame_clock={"source": "none"})
    add_section_time(light_onsets=FLASH, session=session)
    windows = {"on_off": {"window_s": 0.4, "baseline_s": 0.5}}
    extract_features(features=["on_off"], parameters=windows, session=session)
    with files.truth_csv_path.open() as file:
        truth = {int(row["unit_id"]): row["polarity"] for row in csv.DictReader(file)}
    assert session.features["on_off"]["class"].to_dict() == truth
    assert set(truth.values()) == {"on", "off"}


def test_a_trial_that_leaves_the_recording_is_left_out(
    faulty: FaultyRecordings, onsets: list[tuple[float, float]]
) -> None:
    session = faulty.loaded(faulty.files(stop_after_s=25.5), frame_clock={"source": "none"})
    add_section_time(light_onsets={**FLASH, "n_expected": 2}, session=session)
    (warning,) = session.warnings
    assert f"{onsets[2][0]:.2f}"[:-1] in warning
    assert "leave the recording" in warning
    assert session.values("stimulus/trials/number").tolist() == [0, 1]


# -- by hand ---------------------------------------------------------------------------------------


def onsets_of(**values: Any) -> LightOnsets:
    return LightOnsets(**({"movie": "flash", "duration_s": 2.0} | values))


def light(*switches: tuple[float, float], seconds: int = 60) -> Photodiode:
    """Light that has the given level from the given time on, each value the mean of 1 ms."""
    fine = np.zeros(seconds * 10_000)
    for time, level in switches:
        fine[round(time * 10_000) :] = level
    return Photodiode(fine.reshape(-1, 10).mean(axis=1).astype(np.float32), 1000.0, 0.5)


def test_switches_are_found_to_a_tenth_of_a_millisecond() -> None:
    found = find_switches(
        light((10.0003, 1.0), (12.0, 0.0), (20.0007, 1.0), (23.4569, 0.0)), onsets_of()
    )
    np.testing.assert_allclose(found.on_s, [10.5003, 20.5007], atol=1e-4)
    np.testing.assert_allclose(found.off_s, [12.5, 23.9569], atol=1e-4)


def test_only_rises_of_a_share_of_the_range_count_and_of_near_ones_the_largest() -> None:
    steps = light((5, 0.3), (10, 1.0), (10.2, 0.1), (10.4, 1.0), (20, 0.0), (30, 0.55))
    assert find_switches(steps, onsets_of()).on_s.tolist() == pytest.approx([10.9])
    near = find_switches(steps, onsets_of(threshold=0.5, min_distance_s=0.1))
    assert near.on_s.tolist() == pytest.approx([10.5, 10.9, 30.5])
    low = find_switches(steps, onsets_of(threshold=0.25))
    assert low.on_s.tolist() == pytest.approx([5.5, 10.9, 30.5])


def test_a_section_is_a_run_of_onsets() -> None:
    on = np.array([10.0, 15.0, 20.0, 100.0, 105.0, 112.0])
    off = np.array([11.0, 16.0, 26.0, 101.0, 106.0, 113.0])
    timeline, left_out = light_timeline(Switches(on, off), 0.0, 114.0, onsets_of(before_s=0.5))
    tables = {
        name: {column.name: column.values.tolist() for column in timeline.columns(name)}
        for name in ("sections", "trials", "events")
    }
    assert left_out == []
    assert tables["sections"] == {
        "movie": ["flash", "flash"],
        "kind": ["step", "step"],
        "occurrence": [0, 1],
        "complete": [1, 1],
        "start_s": [9.5, 99.5],
        "end_s": [22.0, 114.0],
    }
    assert tables["trials"]["section"] == [0, 0, 0, 1, 1, 1]
    assert tables["trials"]["number"] == [0, 1, 2, 0, 1, 2]
    assert tables["trials"]["start_s"] == [9.5, 14.5, 19.5, 99.5, 104.5, 111.5]
    # The light stays on beyond the third trial.
    assert tables["events"]["trial"] == [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5]
    assert tables["events"]["name"][4:6] == ["light_on", "light_on"]
    assert tables["events"]["time_s"][:5] == [10.0, 11.0, 15.0, 16.0, 20.0]


def test_a_constant_photodiode_has_no_onsets() -> None:
    with pytest.raises(StimulusError, match="photodiode is constant"):
        find_switches(light(), onsets_of())
