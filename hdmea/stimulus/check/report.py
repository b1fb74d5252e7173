"""What a check of a stimulus library found: as data, as plain values, and in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hdmea.stimulus.check.draft import Draft
from hdmea.stimulus.check.onsets import DISPLAY_RATE_HZ
from hdmea.stimulus.movie import Kind, TrialEvent
from hdmea.stimulus.sections import TrialRule

_SHOWN_EVENTS = 6


@dataclass(slots=True)
class MovieCheck:
    """What is known of one movie, and what is not.

    Parameters
    ----------
    name
        Its name.
    playlists
        Those that show it.
    length_frames
        Its length; None if nothing says it.
    rule
        Its trials; None if nothing says them, or what says them cannot be used.
    kind, events
        As in `Movie`.
    timing_from, kind_from, events_from
        What says them: a file, or a pattern; empty if nothing does.
    frames_shape, frames_dtype
        Of its ``.npy``; None without one, or with one that cannot be used.
    geometry
        Where it lies on the display, in words.
    problems
        What is missing or wrong.
    notes
        What costs something, but is no fault.
    """

    name: str
    playlists: list[str]
    length_frames: int | None = None
    rule: TrialRule | None = None
    kind: Kind = "unknown"
    events: tuple[TrialEvent, ...] = ()
    timing_from: str = ""
    kind_from: str = ""
    events_from: str = ""
    frames_shape: tuple[int, ...] | None = None
    frames_dtype: str = ""
    geometry: str = ""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def length_s(self) -> float | None:
        """Its length on a display of 60 Hz."""
        return None if self.length_frames is None else self.length_frames / DISPLAY_RATE_HZ


@dataclass(slots=True)
class LibraryCheck:
    """What is known of a library, and what is not.

    Parameters
    ----------
    folder
        The library.
    playlists
        Movies of each playlist that can be read.
    problems
        What is wrong with files that belong to no movie.
    notes
        What may be a slip in such files.
    movies
        Each movie.
    drafts
        Text for what is missing.
    """

    folder: Path
    playlists: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    movies: list[MovieCheck] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything resolves."""
        return not self.problems and not any(movie.problems for movie in self.movies)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        movies = [asdict(movie) | {"length_s": movie.length_s} for movie in self.movies]
        return asdict(self) | {
            "folder": str(self.folder),
            "is_good": self.is_good,
            "movies": movies,
        }


def render_check(report: LibraryCheck) -> str:
    """Say what a check found, drafts last, each as it can be saved."""
    lines = [f"stimulus library {report.folder}"]
    for name, movies in report.playlists.items():
        lines.append(f"playlist {name}: {', '.join(movies) or 'no movie'}")
    lines += [f"PROBLEM: {problem}" for problem in report.problems]
    lines += [f"note: {note}" for note in report.notes]
    for movie in report.movies:
        lines += ["", *_movie_lines(movie)]
    for draft in report.drafts:
        lines += ["", *_draft_lines(draft)]
    good = sum(not movie.problems and movie.rule is not None for movie in report.movies)
    strays = [movie.name for movie in report.movies if not movie.problems and movie.rule is None]
    verdict = "everything resolves" if report.is_good else "NOT everything resolves"
    lines += ["", f"{good} of {len(report.movies) - len(strays)} movies resolve; {verdict}"]
    if strays:
        lines.append(f"not counted, since nothing uses them (see their notes): {', '.join(strays)}")
    return "\n".join(lines)


def _movie_lines(movie: MovieCheck) -> Iterator[str]:
    shown = f" ({', '.join(movie.playlists)})" if movie.playlists else ""
    yield f"{movie.name}{shown}"
    if movie.length_frames is not None:
        yield f"  length    {movie.length_frames} frames, {movie.length_s:.2f} s"
    rule = movie.rule
    if rule is not None:
        groups = f", {rule.group_count} times with {rule.group_gap_frames} frames between"
        yield (
            f"  trials    {rule.repeat} of {rule.trial_length_frames} frames from frame "
            f"{rule.start_frame}{groups * (rule.group_count > 1)} [{movie.timing_from}]"
        )
    yield f"  kind      {movie.kind}{_origin(movie.kind_from)}"
    if movie.events:
        said = [f"{event.name} {event.frame}" for event in movie.events[:_SHOWN_EVENTS]]
        more = len(movie.events) - len(said)
        and_more = f" and {more} more" if more else ""
        yield f"  events    {', '.join(said)}{and_more}{_origin(movie.events_from)}"
    if movie.frames_shape is not None:
        shape = " x ".join(map(str, movie.frames_shape))
        yield f"  frames    {shape}, {movie.frames_dtype}"
    if movie.geometry:
        yield f"  geometry  {movie.geometry}"
    for note in movie.notes:
        yield f"  note      {note}"
    for problem in movie.problems:
        yield f"  PROBLEM   {problem}"


def _draft_lines(draft: Draft) -> list[str]:
    head = f"--- draft: {draft.how} {draft.file} ---"
    return [head, *draft.text.strip("\n").splitlines(), "-" * len(head)]


def _origin(where: str) -> str:
    return f" [{where}]" if where else ""
