"""When every section, trial and event of a recording happened.

Frames come from the playlist, times from the frame clock; nothing else turns one into the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.sections import Section, trial_frames

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column of a table: its values with unit and meaning."""

    name: str
    values: Array
    unit: str
    description: str


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Sections, their trials, and the events in these.

    Parameters
    ----------
    sections
        Those that were recorded, in whole or in part, in the order shown; none where they come
        from the light itself, which knows no frames.
    tables
        Columns of the tables ``sections``, ``trials`` and ``events``; frames are display frames
        of the frame clock, times seconds from the start of the recording.
    """

    sections: tuple[Section, ...]
    tables: Mapping[str, tuple[Column, ...]]

    def columns(self, table: str) -> tuple[Column, ...]:
        """Columns of the table ``sections``, ``trials`` or ``events``."""
        return self.tables[table]


def build_timeline(
    sections: Sequence[Section], movies: Sequence[Movie], frame_times_s: npt.ArrayLike
) -> Timeline:
    """Lay sections on a frame clock.

    Sections without any frame on the clock are left out, and trials whose start or stop is not
    on it. A section that is cut begins or ends where the clock does.

    Parameters
    ----------
    sections
        Presentations in the order shown, as `lay_out_sections` gives them.
    movies
        The movies that they show, in any order.
    frame_times_s
        Frame times, seconds, increasing.
    """
    times = np.asarray(frame_times_s, dtype=np.float64)
    by_name = {movie.name: movie for movie in movies}
    kept = tuple(s for s in sections if is_on_clock(s.start_frame, s.end_frame, times.size))
    trials = [
        (row, number, int(start), int(stop))
        for row, section in enumerate(kept)
        for number, (start, stop) in enumerate(trial_frames(section, by_name[section.movie].rule))
        if start >= 0 and stop < times.size
    ]
    events = [
        (trial, event.name, start + event.frame)
        for trial, (row, _, start, _) in enumerate(trials)
        for event in by_name[kept[row].movie].events
    ]
    names = [section.movie for section in kept]
    kinds = [by_name[name].kind for name in names]
    return Timeline(
        kept,
        {
            "sections": _section_columns(kept, kinds, times),
            "trials": _trial_columns(trials, names, kinds, times),
            "events": _event_columns(events, times),
        },
    )


def is_on_clock(start_frame: int, stop_frame: int, n_frames: int) -> bool:
    """Whether any frame of ``[start, stop)`` lies on a clock: its time and its end are known."""
    return start_frame < n_frames - 1 and stop_frame > 0


def _section_columns(
    sections: Sequence[Section], kinds: Sequence[str], times: Float64
) -> tuple[Column, ...]:
    start = np.maximum(_whole(s.start_frame for s in sections), 0)
    end = np.minimum(_whole(s.end_frame for s in sections), times.size - 1)
    content = _whole(s.content_start_frame for s in sections)
    length = _whole(s.length_frames for s in sections)
    shown = _whole(frame for s in sections for frame in s.shown(times.size)).reshape(-1, 2)
    complete = shown[:, 1] - shown[:, 0] == length
    none = shown[:, 1] == shown[:, 0]
    shown_s = times[np.clip(content[:, None] + shown, 0, times.size - 1)]
    shown_s[none] = np.nan
    return (
        Column("movie", _text(s.movie for s in sections), "", "movie that was shown"),
        Column("kind", _text(kinds), "", "kind of stimulus"),
        Column(
            "occurrence", _whole(s.occurrence for s in sections), "1", "presentations before it"
        ),
        Column("start_frame", start, "frame", "first display frame of the section"),
        Column("end_frame", end, "frame", "display frame at which the section ends, exclusive"),
        Column(
            "content_start_frame",
            content,
            "frame",
            "display frame of the movie's own first frame, also where that was not recorded",
        ),
        Column("length_frames", length, "frame", "display frames of the movie itself"),
        Column("shown_start_frame", shown[:, 0], "frame", "first frame of the movie on the clock"),
        Column(
            "shown_stop_frame",
            shown[:, 1],
            "frame",
            "frame of the movie at which it leaves the clock, exclusive",
        ),
        Column("complete", complete.astype(np.uint8), "1", "1: all of the movie was recorded"),
        Column("start_s", times[start], "s", "start of the section"),
        Column("end_s", times[end], "s", "end of the section, exclusive"),
        Column(
            "content_start_s",
            shown_s[:, 0],
            "s",
            "start of what was recorded of the movie itself; NaN: nothing",
        ),
        Column("content_end_s", shown_s[:, 1], "s", "end of it, exclusive"),
    )


def _trial_columns(
    trials: Sequence[tuple[int, int, int, int]],
    names: Sequence[str],
    kinds: Sequence[str],
    times: Float64,
) -> tuple[Column, ...]:
    start, stop = _whole(t[2] for t in trials), _whole(t[3] for t in trials)
    return (
        Column("section", _whole(t[0] for t in trials), "1", "row of the trial's section"),
        Column("movie", _text(names[t[0]] for t in trials), "", "movie that was shown"),
        Column("kind", _text(kinds[t[0]] for t in trials), "", "kind of stimulus"),
        Column("number", _whole(t[1] for t in trials), "1", "trials before it in its presentation"),
        Column("start_frame", start, "frame", "first display frame of the trial"),
        Column("stop_frame", stop, "frame", "display frame at which the trial ends, exclusive"),
        Column("start_s", times[start], "s", "start of the trial"),
        Column("stop_s", times[stop], "s", "end of the trial, exclusive"),
    )


def _event_columns(events: Sequence[tuple[int, str, int]], times: Float64) -> tuple[Column, ...]:
    frame = _whole(e[2] for e in events)
    return (
        Column("trial", _whole(e[0] for e in events), "1", "row of the event's trial"),
        Column("name", _text(e[1] for e in events), "", "what happened"),
        Column("frame", frame, "frame", "display frame at which it happened"),
        Column("time_s", times[frame], "s", "when it happened"),
    )


def _whole(values: Iterable[Any]) -> npt.NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)


def _text(values: Iterable[str]) -> npt.NDArray[np.str_]:
    return np.array(list(values), dtype=np.str_)
