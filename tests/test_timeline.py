"""Sections, trials and events on a frame clock: the worked examples, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hdmea.errors import StimulusError
from hdmea.stimulus.movie import Movie, TrialEvent
from hdmea.stimulus.sections import TrialRule
from hdmea.stimulus.timeline import build_timeline

ONE_TRIAL = TrialRule(0, 100, 1)


def movie(name, length, rule=ONE_TRIAL, kind="unknown", events=()):
    return Movie(name, length, rule, kind, tuple(TrialEvent(*e) for e in events), None)


def table(timeline, name):
    return {column.name: column.values.tolist() for column in timeline.columns(name)}


def test_the_worked_playlist():
    movies = [movie("a", 600), movie("b", 1200), movie("c", 900)]
    # Frame i at i / 50 s, but the clock starts at 10 s.
    sections = table(build_timeline(movies, 10 + np.arange(3724) / 50), "sections")
    assert sections["start_frame"] == [120, 1081, 2642]
    assert sections["end_frame"] == [901, 2462, 3723]
    assert sections["content_start_frame"] == [180, 1141, 2702]
    assert sections["start_s"] == pytest.approx([10 + 120 / 50, 10 + 1081 / 50, 10 + 2642 / 50])
    assert sections["end_s"] == pytest.approx([10 + 901 / 50, 10 + 2462 / 50, 10 + 3723 / 50])
    assert sections["content_start_s"] == pytest.approx([13.6, 10 + 1141 / 50, 10 + 2702 / 50])
    assert sections["content_end_s"] == pytest.approx([10 + 780 / 50, 10 + 2341 / 50, 10 + 72.04])


def test_a_playlist_one_frame_too_long_is_an_error_that_counts():
    movies = [movie("a", 600), movie("b", 1200), movie("c", 900)]
    with pytest.raises(StimulusError, match=r"1 too few.*1 sections.*'c'.*stopped early"):
        build_timeline(movies, np.arange(3723.0))
    with pytest.raises(StimulusError, match=r"2824 too few.*3 sections.*'a'"):
        build_timeline(movies, np.arange(900.0))


def test_every_trial_of_every_occurrence_with_its_events():
    rule = TrialRule(start_frame=10, trial_length_frames=50, repeat=2, group_count=2,
                     group_gap_frames=7)  # fmt: skip
    step = movie("s", 300, rule, "step", [("light_on", 5), ("light_off", 30)])
    timeline = build_timeline(
        [step, movie("g", 100, kind="grey")], np.arange(3000) * 0.5, repeats=2
    )
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
    trials = table(build_timeline([movie("a", 100)], times), "trials")
    assert trials["start_s"] == [times[180]]
    assert trials["stop_s"] == [times[280]]


def test_no_events_give_an_empty_table_of_the_same_types():
    columns = {
        c.name: c.values
        for c in build_timeline([movie("a", 100)], np.arange(500.0)).columns("events")
    }
    assert columns["trial"].dtype == np.int64
    assert columns["name"].dtype.kind == "U"
    assert columns["time_s"].shape == (0,)
