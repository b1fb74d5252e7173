"""Recordings in which something went wrong: right sections, or an error whose setting mends it.

What a message says to type is typed, and the result compared with the simulated truth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_recordings import FaultyRecordings, assert_true, remedies, write_library

from hdmea.errors import HdmeaError, ParameterError, StimulusError
from hdmea.pipeline import (
    add_section_time,
    compute_sta,
    extract_features,
)
from hdmea.report.overview import draw_overview, overview_figure

WITH_LIGHT = {"noise", "step", "ramps"}

MISTAKES: list[tuple[str, dict[str, Any], dict[str, Any], str, dict[str, Any]]] = [
    # what, its faults, what was typed, what is said, what to type
    ("it stopped early", {"stop_after_s": 22.0}, {},
     r"1158 too few \(19\.3 s\).*'step'.*1 of 3 trials are.*'ramps'.*0 of 4",
     {"playlist_name": "friday", "playlist_truncated": "keep"}),
    ("it stopped in the first movie", {"stop_after_s": 8.0}, {}, "1998 too few",
     {"playlist_name": "friday", "playlist_truncated": "keep"}),
    ("it stopped, and the photodiode has only noise",
     {"stop_after_s": 22.0, "photodiode": False}, {}, "keep the trials that are complete",
     {"playlist_name": "friday", "playlist_truncated": "keep"}),
    ("the playlist came late", {"start_frame": 77}, {}, r"section 0 \(noise\): r = 0\.\d\d",
     {"playlist_name": "friday", "playlist_start_frame": 77}),
    ("the clock began in the first grey", {"start_frame": -150}, {}, "91 too few",
     {"playlist_name": "friday", "playlist_start_frame": -150, "playlist_truncated": "keep"}),
    ("it began with another movie", {"first_movie": 1}, {}, "802 too few",
     {"playlist_name": "friday", "playlist_first_movie": 1}),
    ("it began with another movie, and went on", {"first_movie": 1, "repeats": 2}, {},
     "contradicts the playlist in section 0",
     {"playlist_name": "friday", "playlist_first_movie": 1, "repeats": 2}),
    ("too many repeats", {"repeats": 2}, {"repeats": 3}, "3 of 9 sections",
     {"playlist_name": "friday", "repeats": 2}),
    ("another playlist", {"playlist": "monday"}, {}, "381 too few", {"playlist_name": "monday"}),
    ("a playlist that begins like it", {"playlist": "twice"}, {},
     r"in section 2 \(ramps\)", {"playlist_name": "twice"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("faults", "typed", "said", "mends"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_the_setting_that_is_said_mends_it(
    faults: dict[str, Any],
    typed: dict[str, Any],
    said: str,
    mends: dict[str, Any],
    faulty: FaultyRecordings,
) -> None:
    files = faulty.files(**faults)
    session = faulty.loaded(files)
    with pytest.raises(StimulusError, match=said) as error:
        add_section_time(playlist_name="friday", session=session, **typed)
    assert "add_section_time" not in session.contributions
    assert remedies(str(error.value)) == [("add_section_time", mends)]
    session = faulty.mended(
        str(error.value), files, add_section_time={"playlist_name": "friday", **typed}
    )
    assert_true(session, files)
    r, lag, reason = (
        session.values(f"stimulus/alignment/{name}") for name in ("r", "lag_frames", "reason")
    )
    assert (r[reason == ""] > 0.99).all()
    assert (lag[reason == ""] == 0).all()


@pytest.mark.parametrize("start", [2, -2])
def test_a_shift_by_a_few_frames_is_the_playlists_or_one_of_pulses(
    start: int, faulty: FaultyRecordings
) -> None:
    files = faulty.files(start_frame=start)
    with pytest.raises(StimulusError, match="comes 2 frames") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files))
    clock, playlist, *display = remedies(str(error.value))
    assert clock == ("load_recording", {"frame_clock": {"drop_first": 4 + start}})
    assert playlist[1]["playlist_start_frame"] == start
    assert [values["frame_clock"]["display_delay_s"] for _, values in display] == (
        [pytest.approx(2 / 60, abs=1e-4)] if start > 0 else []
    )
    for which in range(2 + len(display)):
        session = faulty.mended(str(error.value), files, which)
        assert (session.values("stimulus/alignment/lag_frames") == 0).all()
        assert_true(session, files)


@pytest.mark.parametrize("delay", [0.7, -0.6, 2.5])
def test_light_that_is_late_by_a_part_of_a_frame_is_measured(
    delay: float, faulty: FaultyRecordings
) -> None:
    files = faulty.files(photodiode_delay_s=delay / 60)
    with pytest.raises(StimulusError, match="In all sections the light comes") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files))
    ((step, values),) = remedies(str(error.value))
    assert step == "load_recording"
    # The photodiode itself needs half a millisecond.
    assert values["frame_clock"]["display_delay_s"] == pytest.approx(delay / 60 + 5e-4, abs=4e-4)
    session = faulty.mended(str(error.value), files)
    assert np.abs(session.values("stimulus/alignment/delay_s")).max() < 5e-4
    with np.load(files.truth_npz_path) as truth:
        shown = truth["frame_times_s"][truth["section_content_start_frame"]] + delay / 60
    np.testing.assert_allclose(
        session.values("stimulus/sections/content_start_s"), shown, atol=1e-3
    )


def test_a_small_delay_is_stored_and_no_error(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files(photodiode_delay_s=0.3 / 60))
    add_section_time(playlist_name="friday", session=session)
    delay = session.values("stimulus/alignment/delay_s")
    np.testing.assert_allclose(delay, 0.3 / 60 + 5e-4, atol=4e-4)
    assert session.warnings == []


def test_a_delay_of_nearly_half_a_frame_is_warned_of_with_its_setting(
    faulty: FaultyRecordings,
) -> None:
    files = faulty.files(photodiode_delay_s=0.37 / 60)
    session = faulty.loaded(files)
    add_section_time(playlist_name="friday", session=session)
    (said,) = session.warnings
    assert "in all sections the light comes 0.4" in said
    mended = faulty.mended(said, files)
    assert mended.warnings == []
    assert np.abs(mended.values("stimulus/alignment/delay_s")).max() < 5e-4


def test_a_playlist_that_went_on_is_warned_of(faulty: FaultyRecordings) -> None:
    files = faulty.files(repeats=2)
    session = faulty.loaded(files)
    add_section_time(playlist_name="friday", session=session)
    (warning,) = session.warnings
    assert "2 times, of which 1 are used" in warning
    more = faulty.mended(warning, files)
    assert_true(more, files)
    assert more.warnings == []
    assert more.values("stimulus/sections/occurrence").tolist() == [0, 0, 0, 1, 1, 1]
    once = faulty.loaded(faulty.files())
    add_section_time(playlist_name="friday", session=once)
    assert once.warnings == []


def test_a_photodiode_of_noise_says_so_and_is_no_judge(faulty: FaultyRecordings) -> None:
    files = faulty.files(photodiode=False)
    session = faulty.loaded(files)
    add_section_time(playlist_name="friday", session=session)
    assert_true(session, files)
    assert set(session.values("stimulus/alignment/reason")) == {"only_noise"}
    (warning,) = session.warnings
    assert "only noise" in warning
    without = faulty.mended(warning, files)
    assert set(without.values("stimulus/alignment/reason")) == {"no_photodiode"}


@pytest.mark.parametrize(
    ("typed", "error", "said"),
    [
        ({}, ParameterError, "neither.*empty, friday, monday, short, twice, unfinished"),
        ({"playlist_name": "friday", "light_onsets": {"movie": "x", "duration_s": 1}},
         ParameterError, "both given"),
        ({"playlist_name": "empty"}, StimulusError, "'empty' is empty"),
        ({"playlist_name": "unfinished"}, HdmeaError, "'nowhere'.*known movies: grey, noise"),
        ({"playlist_name": "fridai"}, HdmeaError, "'fridai'.*friday"),
        ({"playlist_name": "twice", "playlist_first_movie": "noise"}, HdmeaError,
         "shown 2 times; give its number: .*0 noise, 1 step, 2 noise"),
        ({"playlist_name": "friday", "playlist_first_movie": 3}, HdmeaError, "2 ramps"),
        ({"playlist_name": "friday", "playlist_first_movie": "grey"}, HdmeaError, "2 ramps"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_an_error_that_lists_what_can(
    typed: dict[str, Any], error: type[HdmeaError], said: str, faulty: FaultyRecordings
) -> None:
    with pytest.raises(error, match=said):
        add_section_time(session=faulty.loaded(faulty.files()), **typed)


def test_a_movie_is_found_by_its_name_or_number(faulty: FaultyRecordings) -> None:
    files = faulty.files(first_movie=1)
    digests = set()
    for first in ("step", 1, "1"):
        session = faulty.loaded(files)
        add_section_time(playlist_name="friday", playlist_first_movie=first, session=session)
        assert_true(session, files)
        digests.add(session.content_digest)
    assert len(digests) == 1


def test_what_is_accepted_later_is_judged_again(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files(stop_after_s=22.0))
    kept = {"playlist_name": "friday", "playlist_truncated": "keep"}
    add_section_time(**kept, session=session)
    assert any(
        "2 of 3 sections are cut or missing, and 2 of 8 trials" in w for w in session.warnings
    )
    digest = session.content_digest
    with pytest.raises(StimulusError, match="too few"):
        add_section_time(playlist_name="friday", session=session)
    assert session.content_digest == digest


def test_nothing_of_the_playlist_cannot_be_kept(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files(stop_after_s=2.0))
    with pytest.raises(StimulusError, match=r"3 of 3 sections are not recorded") as error:
        add_section_time(playlist_name="friday", playlist_truncated="keep", session=session)
    assert remedies(str(error.value)) == []


def test_no_playlist_of_the_library_was_shown(faulty: FaultyRecordings, tmp_path: Path) -> None:
    other = write_library(tmp_path / "other")
    rng = np.random.default_rng(99)
    for name in WITH_LIGHT:
        frames = np.load(other / f"{name}.npy")
        level = np.repeat(rng.integers(0, 255, len(frames) // 10 + 1), 10)[: len(frames)]
        np.save(other / f"{name}.npy", (0 * frames + level[:, None, None]).astype(np.uint8))
    files = faulty.files()
    with pytest.raises(StimulusError, match=r"alignment='warn'$") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files, other))
    assert remedies(str(error.value)) == []
    files = faulty.files(stop_after_s=22.0)
    with pytest.raises(StimulusError, match="follows no playlist of the library") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files, other))
    assert remedies(str(error.value)) == []


def test_without_a_photodiode_the_message_says_what_to_keep(faulty: FaultyRecordings) -> None:
    files = faulty.files(stop_after_s=22.0)
    clock = {"frame_clock": {"photodiode_row": None}}
    with pytest.raises(StimulusError, match="If the recording does not hold all of it") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files, **clock))
    session = faulty.mended(str(error.value), files, load_recording=clock)
    assert_true(session, files)
    assert set(session.values("stimulus/alignment/reason")) == {"no_photodiode"}


def test_a_movie_without_frames_does_not_hide_where_the_others_are(
    faulty: FaultyRecordings, tmp_path: Path
) -> None:
    library = write_library(tmp_path / "some")
    (library / "ramps.npy").unlink()
    files = faulty.files(start_frame=77)
    with pytest.raises(StimulusError, match="contradicts") as error:
        add_section_time(playlist_name="friday", session=faulty.loaded(files, library))
    ((_, values),) = remedies(str(error.value))
    session = faulty.loaded(files, library)
    add_section_time(session=session, **values)
    assert_true(session, files)
    assert session.values("stimulus/alignment/reason").tolist() == ["", "", "no_movie_file"]


def test_a_damaged_movie_of_another_playlist_does_not_hide_what_is_wrong(
    faulty: FaultyRecordings, tmp_path: Path
) -> None:
    library = write_library(tmp_path / "damaged")
    (library / "grey.npy").write_bytes(b"not an array")  # shown on monday
    session = faulty.loaded(faulty.files(stop_after_s=22.0), library)
    with pytest.raises(StimulusError, match="too few") as error:
        add_section_time(playlist_name="friday", session=session)
    ((_, values),) = remedies(str(error.value))
    assert values == {"playlist_name": "friday", "playlist_truncated": "keep"}


def test_the_picture_and_the_summary_say_what_was_cut(
    faulty: FaultyRecordings, tmp_path: Path
) -> None:
    session = faulty.loaded(faulty.files(stop_after_s=18.5))
    add_section_time(playlist_name="friday", playlist_truncated="keep", session=session)
    extract_features(features=["on_off"], session=session)
    assert session.features["on_off"]["on_off_index_reason"].tolist() == ["stimulus_not_played"] * 2
    assert any("no stimulus of kind 'step' was shown in a whole trial" in w
               for w in session.warnings)  # fmt: skip
    figure = overview_figure(session)
    labels = {text.get_gid(): text.get_text() for axes in figure.axes for text in axes.texts}
    assert labels["label 0"] == "noise\nr 1.00, lag 0"
    assert labels["label 1"] == "light step, cut\ntoo few frames"
    session.save(tmp_path / "cut.h5")
    assert draw_overview(tmp_path / "cut.h5", tmp_path / "cut.png").stat().st_size > 10_000


# -- the STA of what was recorded ------------------------------------------------------------------


def test_a_movie_that_was_cut_has_an_sta_only_if_that_is_wanted(faulty: FaultyRecordings) -> None:
    session = faulty.loaded(faulty.files(stop_after_s=9.0))
    add_section_time(playlist_name="friday", playlist_truncated="keep", session=session)
    compute_sta(cover_range=(-20, 0), session=session)
    assert session.values("sta/noise/not_applicable") == "presentation_cut"
    (warning,) = (w for w in session.warnings if "of 500 frames" in w)
    assert "in config.yaml, under compute_sta, incomplete: use;" in warning
    assert "in Python, compute_sta(incomplete='use')" in warning
    compute_sta(cover_range=(-20, 0), incomplete="use", session=session)
    assert "sta/noise/not_applicable" not in session
    # By hand: the images before each spike, from the recorded part only.
    times = session.values("stimulus/frame_times")
    shown = int(session.values("stimulus/sections/shown_stop_frame")[0])
    assert shown == times.size - 1 - 180
    movie = np.load(faulty.library / "noise.npy").astype(float)
    for row, unit in enumerate(session.units.index):
        spikes = session.spike_times(unit)
        frames = np.searchsorted(times, spikes, side="right") - 1 - 180
        frames = frames[(frames >= 20) & (frames < shown)]
        assert session.values("sta/noise/n_spikes")[row] == frames.size > 5
        expected = [movie[frames + lag].mean(axis=0) for lag in range(-20, 0)]
        np.testing.assert_allclose(session.sta(unit), expected, rtol=1e-6)


def test_of_two_presentations_the_whole_one_is_used(faulty: FaultyRecordings) -> None:
    files = faulty.files(playlist="twice", stop_after_s=38.0)
    session = faulty.loaded(files)
    how = {"playlist_name": "twice", "playlist_truncated": "keep", "session": session}
    add_section_time(**how)
    assert session.values("stimulus/sections/complete").tolist() == [1, 1, 0]
    compute_sta(cover_range=(-10, 0), session=session)
    whole = session.values("sta/noise/sta").copy()
    n_whole = session.values("sta/noise/n_spikes").copy()
    compute_sta(cover_range=(-10, 0), incomplete="use", session=session)
    assert (session.values("sta/noise/n_spikes") > n_whole).all()
    compute_sta(cover_range=(-10, 0), incomplete="use", occurrences="first", session=session)
    np.testing.assert_array_equal(session.values("sta/noise/sta"), whole)
