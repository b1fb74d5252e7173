"""Sections, trials and events on a frame clock: the worked examples, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hdmea.stimulus.movie import Movie, TrialEvent
from hdmea.stimulus.sections import TrialRule, lay_out_sections
from hdmea.stimulus.timeline import build_timeline

ONE_TRIAL = TrialRule(0, 100, 1)


def movie(name, length, rule=ONE_TRIAL, kind="unknown", events=()):
    return Movie(name, length, rule, kind, tuple(TrialEvent(*e) for e in events), None)


def build(movies, times, repeats=1, **how):
    laid_out = lay_out_sections([(m.name, m.length_frames) for m in movies], repeats, **how)
    return build_timeline(laid_out, movies, times)


def table(timeline, name):
    return {column.name: column.values.tolist() for column in timeline.columns(name)}


def test_the_worked_playlist():
    movies = [movie("a", 600), movie("b", 1200), movie("c", 900)]
    # Frame i at i / 50 s, but the clock starts at 10 s.
    sections = table(build(movies, 10 + np.arange(3724) / 50), "sections")
    assert sections["start_frame"] == [120, 1081, 2642]
    assert sections["end_frame"] == [901, 2462, 3723]
    assert sections["content_start_frame"] == [180, 1141, 2702]
    assert sections["start_s"] == pytest.approx([10 + 120 / 50, 10 + 1081 / 50, 10 + 2642 / 50])
    assert sections["end_s"] == pytest.approx([10 + 901 / 50, 10 + 2462 / 50, 10 + 3723 / 50])
    assert sections["content_start_s"] == pytest.approx([13.6, 10 + 1141 / 50, 10 + 2702 / 50])
    assert sections["content_end_s"] == pytest.approx([10 + 780 / 50, 10 + 2341 / 50, 10 + 72.04])


THREE = [
    movie("a", 600, TrialRule(0, 200, 3)),
    movie("b", 1200, TrialRule(0, 400, 3), "step", [("light_on", 10)]),
    movie("c", 900, TrialRule(0, 300, 3)),
]


def test_what_a_recording_that_stopped_early_holds():
    """The clock has frames 0 to 1999: b is on it from 1141 on, c not at all."""
    timeline = build(THREE, np.arange(2000) * 0.5)
    sections, trials = table(timeline, "sections"), table(timeline, "trials")
    assert sections["movie"] == ["a", "b"]
    assert sections["complete"] == [1, 0]
    assert (sections["start_frame"], sections["end_frame"]) == ([120, 1081], [901, 1999])
    assert (sections["start_s"], sections["end_s"]) == ([60.0, 540.5], [450.5, 999.5])
    assert sections["content_start_frame"] == [180, 1141]
    assert sections["length_frames"] == [600, 1200]
    assert sections["shown_start_frame"] == [0, 0]
    # Frame 1998 is the last one whose end is known.
    assert sections["shown_stop_frame"] == [600, 1999 - 1141]
    assert sections["content_end_s"] == [390.0, 999.5]
    assert trials["section"] == [0, 0, 0, 1, 1]
    assert trials["stop_frame"][-1] == 1141 + 800
    assert table(timeline, "events")["frame"] == [1141 + 10, 1141 + 410]


def test_a_trial_that_ends_with_the_clock_is_whole():
    one = [movie("a", 600, TrialRule(0, 200, 3))]
    assert len(table(build(one, np.arange(781.0)), "trials")["stop_s"]) == 3
    assert len(table(build(one, np.arange(780.0)), "trials")["stop_s"]) == 2
    assert table(build(one, np.arange(781.0)), "sections")["complete"] == [1]
    assert table(build(one, np.arange(780.0)), "sections")["complete"] == [0]


def test_a_clock_that_began_after_the_playlist():
    """Frame 0 is 1400 frames into the playlist: 259 frames of b are before it."""
    timeline = build(THREE, np.arange(3000.0), start_frame=-1400)
    sections, trials = table(timeline, "sections"), table(timeline, "trials")
    assert sections["movie"] == ["b", "c"]
    assert (sections["start_frame"], sections["end_frame"]) == ([0, 1242], [1062, 2323])
    assert sections["content_start_frame"] == [-259, 1302]
    assert sections["shown_start_frame"] == [259, 0]
    assert sections["shown_stop_frame"] == [1200, 900]
    assert sections["complete"] == [0, 1]
    assert sections["content_start_s"] == [0.0, 1302.0]
    assert trials["start_frame"] == [141, 541, 1302, 1602, 1902]
    assert trials["number"] == [1, 2, 0, 1, 2]  # the first one of b was not recorded


def test_a_section_of_which_only_the_grey_was_recorded_has_no_times_of_the_movie():
    sections = table(build(THREE, np.arange(1100.0)), "sections")
    assert sections["movie"] == ["a", "b"]
    assert sections["shown_stop_frame"] == [600, 0]
    assert np.isnan([sections["content_start_s"][1], sections["content_end_s"][1]]).all()
    assert sections["end_s"] == [901.0, 1099.0]


def test_a_late_playlist_and_one_that_began_in_its_middle():
    late = table(build(THREE, np.arange(5000.0), start_frame=70), "sections")
    assert late["start_frame"] == [120 + 70, 1081 + 70, 2642 + 70]
    from_b = table(build(THREE, np.arange(9000.0), 2, first_movie=1), "sections")
    assert from_b["movie"] == ["b", "c", "a", "b", "c"]
    assert from_b["occurrence"] == [0, 0, 0, 1, 1]
    assert from_b["content_start_frame"][:3] == [180, 180 + 1561, 180 + 1561 + 1261]


def test_every_trial_of_every_occurrence_with_its_events():
    rule = TrialRule(start_frame=10, trial_length_frames=50, repeat=2, group_count=2,
                     group_gap_frames=7)  # fmt: skip
    step = movie("s", 300, rule, "step", [("light_on", 5), ("light_off", 30)])
    timeline = build([step, movie("g", 100, kind="grey")], np.arange(3000) * 0.5, repeats=2)
    assert table(timeline, "sections")["occurrence"] == [0, 0, 1, 1]
    trials, events = table(timeline, "trials"), table(timeline, "events")
    # One round is 300 + 361 + 100 + 361 frames; the grey movie is one trial of its own.
    first = [190, 240, 297, 347]
    starts = [*first, 180 + 661, *[start + 1122 for start in first], 180 + 661 + 1122]
    assert trials["start_frame"] == starts
    assert trials["movie"] == ["s"] * 4 + ["g"] + ["s"] * 4 + ["g"]
    assert trials["kind"] == ["step"] * 4 + ["grey"] + ["step"] * 4 + ["grey"]
    assert trials["section"] == [0, 0, 0, 0, 1, 2, 2, 2, 2, 3]
    assert trials["number"] == [0, 1, 2, 3, 0, 0, 1, 2, 3, 0]
    assert trials["stop_s"][:4] == [0.5 * (start + 50) for start in first]
    assert events["trial"] == [0, 0, 1, 1, 2, 2, 3, 3, 5, 5, 6, 6, 7, 7, 8, 8]
    assert events["name"][:2] == ["light_on", "light_off"]
    assert events["frame"][-2:] == [347 + 1122 + 5, 347 + 1122 + 30]
    assert events["time_s"] == [0.5 * frame for frame in events["frame"]]


def test_irregular_frames_give_the_clocks_times():
    times = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.03, 500))
    trials = table(build([movie("a", 100)], times), "trials")
    assert trials["start_s"] == [times[180]]
    assert trials["stop_s"] == [times[280]]


def test_no_events_give_an_empty_table_of_the_same_types():
    columns = {
        c.name: c.values for c in build([movie("a", 100)], np.arange(500.0)).columns("events")
    }
    assert columns["trial"].dtype == np.int64
    assert columns["name"].dtype.kind == "U"
    assert columns["time_s"].shape == (0,)
