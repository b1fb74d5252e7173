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
from hdmea.errors import StimulusError
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.sections import Section, lay_out_sections, trial_frames

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
        In the order shown.
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
    movies: Sequence[Movie], frame_times_s: npt.ArrayLike, repeats: int = 1
) -> Timeline:
    """Lay a playlist on a frame clock.

    Parameters
    ----------
    movies
        The movies in the order they were shown.
    frame_times_s
        Frame times, seconds, increasing.
    repeats
        How often the whole list was shown.

    Returns
    -------
    Timeline
        All occurrences of all movies with all their trials.

    Raises
    ------
    StimulusError
        If a section reaches beyond the frame clock.
    """
    times = np.asarray(frame_times_s, dtype=np.float64)
    by_name = {movie.name: movie for movie in movies}
    sections = tuple(
        lay_out_sections([(movie.name, movie.length_frames) for movie in movies], repeats)
    )
    _check_fit(sections, times.size)
    trials = [
        (row, number, int(start), int(stop))
        for row, section in enumerate(sections)
        for number, (start, stop) in enumerate(trial_frames(section, by_name[section.movie].rule))
    ]
    events = [
        (trial, event.name, start + event.frame)
        for trial, (row, _, start, _) in enumerate(trials)
        for event in by_name[sections[row].movie].events
    ]
    names = [section.movie for section in sections]
    kinds = [by_name[name].kind for name in names]
    return Timeline(
        sections,
        {
            "sections": _section_columns(sections, kinds, times),
            "trials": _trial_columns(trials, names, kinds, times),
            "events": _event_columns(events, times),
        },
    )


def _check_fit(sections: Sequence[Section], n_frames: int) -> None:
    # The time at which a section ends is the time of frame end_frame, so that frame is needed too.
    missing = [section for section in sections if section.end_frame >= n_frames]
    if missing:
        first, last = missing[0], sections[-1]
        raise StimulusError(
            f"The playlist needs {last.end_frame + 1} display frames, the frame clock has "
            f"{n_frames}: {last.end_frame + 1 - n_frames} too few. The first of "
            f"{len(missing)} sections that do not fit is {first.movie!r} (occurrence "
            f"{first.occurrence}, frames {first.start_frame}-{first.end_frame}). The recording "
            f"was probably stopped early, or another playlist was shown."
        )


def _section_columns(
    sections: Sequence[Section], kinds: Sequence[str], times: Float64
) -> tuple[Column, ...]:
    start = _whole(s.start_frame for s in sections)
    end = _whole(s.end_frame for s in sections)
    content = _whole(s.content_start_frame for s in sections)
    length = _whole(s.length_frames for s in sections)
    return (
        Column("movie", _text(s.movie for s in sections), "", "movie that was shown"),
        Column("kind", _text(kinds), "", "kind of stimulus"),
        Column(
            "occurrence", _whole(s.occurrence for s in sections), "1", "presentations before it"
        ),
        Column("start_frame", start, "frame", "first display frame of the section"),
        Column("end_frame", end, "frame", "display frame at which the section ends, exclusive"),
        Column("content_start_frame", content, "frame", "first display frame of the movie itself"),
        Column("length_frames", length, "frame", "display frames of the movie itself"),
        Column("start_s", times[start], "s", "start of the section"),
        Column("end_s", times[end], "s", "end of the section, exclusive"),
        Column("content_start_s", times[content], "s", "start of the movie itself"),
        Column("content_end_s", times[content + length], "s", "end of the movie itself, exclusive"),
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
        Column("number", _whole(t[1] for t in trials), "1", "trials before it in its section"),
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
