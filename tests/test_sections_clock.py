"""Gaps of the frame clock, judged with the movies that were shown after them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from faulty_recordings import FaultyRecordings, assert_true, remedies

from hdmea.errors import StimulusError
from hdmea.pipeline import PipelineSession, add_section_time
from hdmea.stimulus.long_intervals import (
    Expected,
    compare_parts,
    expected_light,
    judge_intervals,
)
from hdmea.stimulus.sections import lay_out_sections

MIDDLE_OF_GREY = 900  # between noise and step; the photodiode sees nothing there


def verdicts(session: PipelineSession) -> list[str]:
    return list(session.values("stimulus/alignment/undecided/verdict"))


@pytest.mark.parametrize("held", [(100,), (MIDDLE_OF_GREY,), (1250,), (100, MIDDLE_OF_GREY, 1750)])
def test_frames_that_the_display_held_count_as_they_are(
    held: tuple[int, ...], faulty: FaultyRecordings
) -> None:
    files = faulty.files(held_frames=held)
    session = faulty.loaded(files)
    add_section_time(playlist_name="friday", session=session)
    assert verdicts(session) == ["held"] * len(held)
    assert_true(session, files)


@pytest.mark.parametrize(
    "faults",
    [
        {"missed_pulses": (100,)},
        {"missed_pulses": (MIDDLE_OF_GREY,)},
        {"missed_pulses": (1250,)},  # in the step, while the light is constant
        {"missed_pulses": (900, 901, 930)},  # two gaps in one grey
        {"missed_pulses": (100, 1750), "held_frames": (MIDDLE_OF_GREY,)},
        {"missed_pulses": (MIDDLE_OF_GREY,), "stop_after_s": 36.0},
    ],
    ids=str,
)
def test_missed_pulses_are_an_error_whose_setting_inserts_them(
    faults: dict[str, Any], faulty: FaultyRecordings
) -> None:
    files = faulty.files(**faults)
    session = faulty.loaded(files)
    typed = {"playlist_name": "friday", "playlist_truncated": "keep"}
    with pytest.raises(StimulusError, match="shows that pulses were missed") as error:
        add_section_time(playlist_name="friday", session=session)  # this comes before a misfit
    ((step, values),) = remedies(str(error.value))
    assert (step, list(values["frame_clock"])) == ("load_recording", ["missed_at_s"])
    mended = faulty.mended(str(error.value), files, add_section_time=typed)
    assert_true(mended, files)
    assert set(verdicts(mended)) <= {"held"}
    add_section_time(alignment="warn", session=session, **typed)
    assert any("pulses were missed" in warning for warning in session.warnings)


def test_of_gaps_in_one_grey_as_many_are_missed_as_the_light_says(
    faulty: FaultyRecordings,
) -> None:
    """Which of the two it was cannot be told, and makes no difference for any movie."""
    files = faulty.files(missed_pulses=(MIDDLE_OF_GREY,), held_frames=(920,))
    with pytest.raises(StimulusError, match="shows that pulses were missed") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files))
    mended = faulty.mended(str(error.value), files)
    assert_true(mended, files)
    assert verdicts(mended) == ["held"]


def test_a_gap_that_nothing_decides_is_an_error_with_both_settings(
    faulty: FaultyRecordings,
) -> None:
    files = faulty.files(missed_pulses=(MIDDLE_OF_GREY,))
    clock = {"frame_clock": {"photodiode_row": None}}
    session = faulty.loaded(files, **clock)
    with pytest.raises(StimulusError, match=r"told neither.*interval at 16\.050 s") as error:
        add_section_time(playlist_name="friday", alignment="warn", session=session)
    held, missed = remedies(str(error.value))
    assert set(held[1]["frame_clock"]) == {"photodiode_row", "held_at_s"}
    assert set(missed[1]["frame_clock"]) == {"photodiode_row", "missed_at_s"}
    assert_true(faulty.mended(str(error.value), files, 1, load_recording=clock), files)
    as_held = faulty.mended(str(error.value), files, 0, load_recording=clock)
    with np.load(files.truth_npz_path) as truth:
        late = truth["frame_times_s"][truth["section_content_start_frame"] + 1]
    starts = as_held.values("stimulus/sections/content_start_s")
    np.testing.assert_allclose(starts[1:], late[1:])  # a frame late, as was typed


def test_constant_light_up_to_the_end_decides_nothing(faulty: FaultyRecordings) -> None:
    files = faulty.files(playlist="short", missed_pulses=(700,))  # after the step, before the grey
    with pytest.raises(StimulusError, match="told neither") as error:
        add_section_time(playlist_name="short", session=faulty.loaded(files))
    typed = {"playlist_name": "short"}
    assert_true(faulty.mended(str(error.value), files, 1, add_section_time=typed), files)


def test_a_gap_after_the_last_trial_is_of_no_account(faulty: FaultyRecordings) -> None:
    files = faulty.files(missed_pulses=(2430,))
    session = faulty.loaded(files)
    add_section_time(playlist_name="friday", session=session)
    assert verdicts(session) == ["undecided"]
    assert_true(session, files)


@pytest.mark.parametrize(
    ("faults", "told", "said", "name"),
    [
        ({"missed_pulses": (MIDDLE_OF_GREY,)}, "held", "pulses were missed", "missed_at_s"),
        ({"held_frames": (MIDDLE_OF_GREY,)}, "missed", "held a frame", "held_at_s"),
    ],
)
def test_a_gap_of_which_the_wrong_thing_was_typed(
    faults: dict[str, Any], told: str, said: str, name: str, faulty: FaultyRecordings
) -> None:
    files = faulty.files(**faults)
    clock = {"frame_clock": {"irregular": told}}
    with pytest.raises(StimulusError, match=f"section 1.*The light shows that .*{said}") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files, **clock))
    assert set(remedies(str(error.value))[0][1]["frame_clock"]) == {"irregular", name}
    assert_true(faulty.mended(str(error.value), files, load_recording=clock), files)


def test_an_interval_that_was_named_wrongly_is_named_rightly(faulty: FaultyRecordings) -> None:
    files = faulty.files(missed_pulses=(100, MIDDLE_OF_GREY), held_frames=(1750,))
    clock = {"frame_clock": {"missed_at_s": (2.73,), "held_at_s": (16.06,)}}
    with pytest.raises(StimulusError, match="The light shows that pulses were missed") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files, **clock))
    ((_, values),) = remedies(str(error.value))
    assert values["frame_clock"]["held_at_s"] == ()
    assert len(values["frame_clock"]["missed_at_s"]) == 2
    mended = faulty.mended(str(error.value), files, load_recording=clock)
    assert_true(mended, files)
    assert verdicts(mended) == ["held"]


@pytest.mark.parametrize("start", [40, -1])
def test_a_shifted_playlist_is_not_taken_for_a_gap(start: int, faulty: FaultyRecordings) -> None:
    files = faulty.files(start_frame=start, held_frames=(MIDDLE_OF_GREY,))
    with pytest.raises(StimulusError, match="contradicts the playlist in section 0") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files))
    step, values = remedies(str(error.value))[-1]
    assert (step, values["playlist_start_frame"]) == ("add_section_time", start)
    mended = faulty.mended(str(error.value), files, -1)
    assert verdicts(mended) == ["held"]
    assert_true(mended, files)


@pytest.mark.parametrize("start", [1, 40])
def test_a_late_playlist_with_a_pulse_missed_in_its_first_movie_is_placed_before_it_too(
    start: int, faulty: FaultyRecordings
) -> None:
    """With a start that is one less, the frame would be held, and the first flash a frame off."""
    files = faulty.files(playlist="short", start_frame=start, missed_pulses=(start + 350,))
    for wrong in {0, start - 1}:
        typed = {"playlist_name": "short", "playlist_start_frame": wrong}
        with pytest.raises(StimulusError, match="contradicts the playlist") as error:
            add_section_time(session=faulty.loaded(files), **typed)
        said = [values for step, values in remedies(str(error.value)) if step == "add_section_time"]
        assert said == [{"playlist_name": "short", "playlist_start_frame": start}]
    typed = {"playlist_name": "short", "playlist_start_frame": start}
    with pytest.raises(StimulusError, match="shows that pulses were missed") as error:
        add_section_time(session=faulty.loaded(files), **typed)
    mended = faulty.mended(str(error.value), files, add_section_time=typed)
    assert_true(mended, files)
    assert not any("no light" in warning for warning in mended.warnings)


def test_where_a_late_playlist_began_is_open_if_no_light_comes_before_a_gap(
    faulty: FaultyRecordings,
) -> None:
    files = faulty.files(playlist="short", start_frame=40, missed_pulses=(280,))
    session = faulty.loaded(files)
    add_section_time(session=session, playlist_name="short", playlist_start_frame=39)
    (warning,) = (one for one in session.warnings if "no light before" in one)
    assert "(frame 279, 2 frames long)" in warning
    assert "if it is not held, playlist_start_frame" in warning
    usual = faulty.files(playlist="short", held_frames=(240,))
    session = faulty.loaded(usual)
    add_section_time(session=session, playlist_name="short")  # begins with the clock, as always
    assert not any("no light before" in warning for warning in session.warnings)
    assert_true(session, usual)


def test_where_a_playlist_began_is_open_too_if_it_began_with_another_movie(
    faulty: FaultyRecordings,
) -> None:
    files = faulty.files(start_frame=1, first_movie=1, missed_pulses=(190,))
    session = faulty.loaded(files)
    add_section_time(session=session, playlist_name="friday", playlist_first_movie="step")
    assert any("no light before" in warning for warning in session.warnings)


@pytest.mark.parametrize(
    ("playlist", "missed", "held", "warned"),
    [
        ("friday", 790, 820, True),  # the section of the noise ends at 801, all is grey
        ("friday", 790, 795, False),
        ("short", 230, 210, False),  # before any light; the first trial begins at 200
        ("short", 210, 190, True),
    ],
)
def test_times_between_two_gaps_of_which_either_was_missed_are_warned_of(
    playlist: str, missed: int, held: int, warned: bool, faulty: FaultyRecordings
) -> None:
    files = faulty.files(playlist=playlist, missed_pulses=(missed,), held_frames=(held,))
    typed = {"playlist_name": playlist}
    with pytest.raises(StimulusError, match="shows that pulses were missed") as error:
        add_section_time(session=faulty.loaded(files), **typed)
    mended = faulty.mended(str(error.value), files, add_section_time=typed)
    found = [one for one in mended.warnings if "is not told by the light" in one]
    assert bool(found) is warned


def test_a_playlist_that_is_late_is_not_taken_for_a_display_that_is(
    faulty: FaultyRecordings,
) -> None:
    files = faulty.files(playlist="short", start_frame=40)
    with pytest.raises(StimulusError, match="contradicts") as error:
        add_section_time(playlist_name="short", session=faulty.loaded(files))
    said = remedies(str(error.value))
    assert said == [("add_section_time", {"playlist_name": "short", "playlist_start_frame": 40})]


@pytest.mark.parametrize(("change", "said"), [(-1, "1 frame earlier"), (2, "2 frames later")])
def test_a_lag_that_begins_where_no_gap_shows_it_is_placed(
    change: int, said: str, faulty: FaultyRecordings
) -> None:
    """Frame times from elsewhere lack a frame, or have two too many, after the noise."""
    files = faulty.files()
    with np.load(files.truth_npz_path) as truth:
        times = truth["frame_times_s"]
    grey = np.linspace(times[750], times[900], 150 + change, endpoint=False)
    kept = [*times[:750], *grey, *times[900:]]
    session = faulty.loaded(files, frame_clock={"source": "array", "times_s": tuple(kept)})
    with pytest.raises(StimulusError, match=f"comes {said}.*between .*noise.*step") as error:
        add_section_time(playlist_name="friday", session=session)
    assert remedies(str(error.value)) == []


# -- the judgement itself --------------------------------------------------------------------------


def light_after(moved: int, movie: np.ndarray[Any, Any], noise: float = 0.0) -> Any:
    """Light of a movie shown from frame 100 on of which `moved` frames before it are missing."""
    light = np.full(100 + movie.size, 0.5)
    light[100 - moved : 100 - moved + movie.size] = movie
    rng = np.random.default_rng(1)
    return light[: 100 + movie.size - moved] + rng.normal(0, noise, 100 + movie.size - moved)


def expected_of(movie: np.ndarray[Any, Any]) -> Expected:
    section = np.r_[np.full(100, -1), np.zeros(movie.size, dtype=np.int64)]
    return Expected(np.r_[np.full(100, np.nan), movie], section)


HELD_NOISE = np.repeat(np.random.default_rng(4).uniform(size=100), 4)
ONE_SWITCH = np.r_[np.zeros(200), np.ones(200)]


@pytest.mark.parametrize("movie", [HELD_NOISE, ONE_SWITCH], ids=["noise", "switch"])
@pytest.mark.parametrize(("moved", "verdict"), [(0, "held"), (1, "missed")])
def test_one_switch_of_the_light_is_enough(movie: Any, moved: int, verdict: str) -> None:
    (judged,) = judge_intervals(light_after(moved, movie), expected_of(movie), [50], [1])
    assert judged.verdict == verdict
    assert max(judged.r_held, judged.r_missed) > 0.999


def test_what_is_not_clear_stays_open() -> None:
    for movie, noise in ((ONE_SWITCH, 0.3), (HELD_NOISE, 2.0), (np.ones(400), 0.0)):
        judged = judge_intervals(light_after(0, movie, noise), expected_of(movie), [50], [1])
        assert [one.verdict for one in judged] == ["undecided"]
    between = 0.5 * (light_after(0, HELD_NOISE)[:-1] + light_after(1, HELD_NOISE))
    (judged,) = judge_intervals(between, expected_of(HELD_NOISE), [50], [1])
    assert judged.verdict == "undecided"  # light that is late by half a frame


def test_a_gap_inside_a_movie_is_judged_with_what_comes_after_it() -> None:
    light = np.delete(np.r_[np.full(100, 0.5), HELD_NOISE], 300)
    judged = judge_intervals(light, expected_of(HELD_NOISE), [50, 299], [1, 1])
    assert [one.verdict for one in judged] == ["held", "missed"]


def test_a_part_tells_only_if_the_light_is_clearly_there() -> None:
    movie = np.r_[np.zeros(100), HELD_NOISE]
    parts = compare_parts(np.delete(movie, 350), expected_whole(movie), [60, 349], [0, 1], 1)
    assert [(part.lag, part.tells) for part in parts] == [(0, False), (0, True), (0, True)]
    assert np.isnan(parts[0].r)
    half = 0.5 * (movie + np.r_[movie[:1], movie[:-1]])  # late by half a frame
    assert [part.tells for part in compare_parts(half, expected_whole(movie), [], [], 1)] == [False]


def expected_whole(movie: np.ndarray[Any, Any]) -> Expected:
    return Expected(movie, np.zeros(movie.size, dtype=np.int64))


def test_expected_light_knows_where_movies_lie_and_what_is_cut() -> None:
    sections = lay_out_sections([("a", 3), ("b", 2), ("c", 4)], start_frame=-181)
    found = expected_light(sections, {"a": np.arange(3.0), "b": None, "c": np.arange(4.0)}, 729)
    known = np.flatnonzero(np.isfinite(found.luminance))
    # a begins one frame before the clock; c at -181 + 364 + 363 + 180
    assert known.tolist() == [0, 1, 726, 727, 728]
    assert found.luminance[known].tolist() == [1, 2, 0, 1, 2]
    assert found.section[known].tolist() == [0, 0, 2, 2, 2]
