"""A stimulus library: one folder with playlists, movie lengths, trial rules and frames.

``playlist.csv``, ``movie_length.csv``, and per movie ``<movie>.json`` (as the reference lab
writes them) or ``<movie>.yaml``, and ``<movie>.npy``; side by side or in subfolders. For all
movies, if wanted: ``patterns.yaml`` (what movies are by their names) and ``display.yaml`` (where
they lie on the display). Only what is asked for is read, so one unfinished movie does not block
the others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from hdmea.errors import StimulusError, UnknownNameError
from hdmea.stimulus.definition import (
    BUILT_IN,
    Definition,
    DisplayDefinition,
    NamePattern,
    built_in_patterns,
    read_definition,
    read_display,
    read_patterns,
    trial_events,
)
from hdmea.stimulus.folder import (
    DISPLAY,
    LENGTHS,
    PATTERNS,
    PLAYLISTS,
    LibraryFolder,
    Pairs,
    movie_name,
    nearest,
    read_pairs,
)
from hdmea.stimulus.geometry import Display, Geometry, PixelGrid
from hdmea.stimulus.movie import Kind, Movie, Origin, TrialEvent
from hdmea.stimulus.sections import POST_FRAMES, TrialRule

__all__ = ["Movie", "StimulusLibrary"]

_DEFINITIONS = (".json", ".yaml")
_MAX_FRAMES = 10**8
"""Nineteen days at 60 Hz."""
_MAX_TRIALS = 10**6
_SHOWN = 200
"""So much of a cell is quoted where it is wrong."""


class StimulusLibrary:
    """The playlists and movies of a folder.

    Parameters
    ----------
    folder
        The library's folder.

    Raises
    ------
    FileMissingError
        If the folder does not exist.
    StimulusError
        If it, or a folder in it, may not be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.files = LibraryFolder(self.folder)
        self._movies: dict[str, Movie] = {}

    def __repr__(self) -> str:
        return f"StimulusLibrary({str(self.folder)!r})"

    @property
    def playlists(self) -> dict[str, tuple[str, ...]]:
        """Names of the movies of every playlist, in the order they are shown."""
        return {name: self.movie_names(name) for name in self._playlist_cells.cells}

    @property
    def playlist_names(self) -> tuple[str, ...]:
        """Names of the playlists; what they hold is not looked at."""
        return tuple(self._playlist_cells.cells)

    @property
    def listed_movies(self) -> tuple[str, ...]:
        """Names of the movies in ``movie_length.csv``."""
        return tuple(self._length_cells.cells)

    @property
    def length_columns(self) -> tuple[str, ...]:
        """Columns of ``movie_length.csv``."""
        return self._length_cells.header

    def playlist(self, name: str) -> tuple[Movie, ...]:
        """The movies of a playlist, in the order they are shown.

        Raises
        ------
        UnknownNameError
            If the playlist, or a movie of it, is not in the library.
        StimulusError
            If the playlist is empty, or a file of the library cannot be used.
        FileMissingError
            If ``playlist.csv`` or ``movie_length.csv`` is missing.
        """
        names = self.movie_names(name)
        if not names:
            raise StimulusError(
                f"{self._playlist_cells.path}: playlist {name!r} is empty; name its movies, such "
                "as ['a.mov', 'b.mov']."
            )
        return tuple(self.movie(movie) for movie in names)

    def movie_names(self, playlist: str) -> tuple[str, ...]:
        """Names of the movies of one playlist, in the order they are shown.

        Raises
        ------
        UnknownNameError
            If the library has no such playlist.
        StimulusError
            If it is no list of names.
        """
        cells = self._playlist_cells
        if playlist not in cells:
            raise UnknownNameError(
                f"Playlist {playlist!r} is not in {cells.path}; it has: {_listed(cells.cells)}."
                f"{nearest(playlist, cells.cells)}"
            )
        cell = cells[playlist]
        try:
            # A path of Windows would be read as escapes.
            names = ast.literal_eval(cell.replace("\\", "/")) if cell else []
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            names = None  # the last two are Python's words for lists too deep in each other
        if not isinstance(names, list | tuple) or not all(
            isinstance(name, str) and movie_name(name) for name in names
        ):
            raise StimulusError(
                f"{cells.path}: playlist {playlist!r} holds {cell[:_SHOWN]!r}; "
                f"a list of movie names is needed, such as ['a.mov', 'b.mov']."
            )
        return tuple(movie_name(name) for name in names)

    def movie(self, name: str) -> Movie:
        """One movie.

        Raises
        ------
        UnknownNameError
            If ``movie_length.csv`` does not know it.
        StimulusError
            If it has no trial rule, the rule cannot be used, or its trials leave the movie.
        """
        if name not in self._movies:
            self._movies[name] = self.resolve(name, self.length(name))
        return self._movies[name]

    def geometry(self, movies: Iterable[Movie]) -> Geometry:
        """Where the pixels of movies lie; of those with frames, as the others have no pixels.

        Raises
        ------
        StimulusError
            If ``display.yaml``, or what it or a movie's file says of pixels, cannot be used.
        """
        said = self._display
        display = said.display() if said is not None else Display()
        with_frames = {movie.name: movie for movie in movies if movie.frames_path is not None}
        return Geometry(
            display, tuple(self._pixel_grid(movie, display) for movie in with_frames.values())
        )

    def length(self, name: str) -> int:
        """Display frames of a movie, as ``movie_length.csv`` says.

        Raises
        ------
        UnknownNameError
            If it does not know the movie.
        StimulusError
            If it says something else than a number of frames.
        """
        cells = self._length_cells
        if name not in cells:
            raise UnknownNameError(
                f"Movie {name!r} is not in {cells.path}, and leaving it out would shift every "
                "later section; add its length; known movies: "
                f"{_listed(cells.cells)}.{nearest(name, cells.cells)}"
            )
        try:
            length = float(cells[name])
        except ValueError as error:
            if isinstance(error, StimulusError):
                raise
            length = -1.0
        if not 0 < length <= _MAX_FRAMES or not length.is_integer():
            raise StimulusError(
                f"{cells.path}: the length of movie {name!r} is "
                f"{cells[name][:_SHOWN]!r}; a number of display frames is needed."
            )
        return int(length)

    def definition(self, name: str) -> tuple[Definition | None, Path | None]:
        """What a movie's own file says, and the file; None without one.

        Raises
        ------
        StimulusError
            If the file cannot be used, or there are two.
        """
        found = [p for suffix in _DEFINITIONS if (p := self.files.find(name + suffix)) is not None]
        if len(found) > 1:
            raise StimulusError(
                f"Movie {name!r}: {found[0]} and {found[1]} both define it. One {name}.json or "
                f"{name}.yaml with section_kwargs (start_frame, trial_length_frame, repeat) is "
                f"needed in {self.folder}."
            )
        return (read_definition(found[0]), found[0]) if found else (None, None)

    def pattern(self, name: str) -> tuple[NamePattern | None, str]:
        """The first entry whose pattern a movie's name matches, and where it is.

        Entries of ``patterns.yaml`` come before those of the package.

        Raises
        ------
        StimulusError
            If ``patterns.yaml`` cannot be used.
        """
        for where, entries in ((PATTERNS, self._patterns), (BUILT_IN, built_in_patterns())):
            for entry in entries:
                if entry.matches(name):
                    return entry, f"{where}: {entry.pattern}"
        return None, ""

    def idle_patterns(self, names: Iterable[str]) -> list[str]:
        """Entries of ``patterns.yaml`` and ``display.yaml`` whose patterns match none of `names`.

        Raises
        ------
        StimulusError
            If one of these files cannot be used.
        """
        entries: list[tuple[str, str]] = [(PATTERNS, one.pattern) for one in self._patterns]
        if self._display is not None:
            entries += [(DISPLAY, one.pattern) for one in self._display.movies]
        movies = list(names)
        return [
            f"{file}: {pattern}"
            for file, pattern in entries
            if not any(fnmatchcase(movie, pattern) for movie in movies)
        ]

    def resolve(self, name: str, length: int) -> Movie:
        """One movie of a known length, whether ``movie_length.csv`` has it or not.

        Raises
        ------
        StimulusError
            As `movie`.
        """
        definition, path = self.definition(name)
        if definition is not None and path is not None:
            section, shown = definition.section_kwargs, self.files.shown(path)
            source = str(path)
            kind, events = definition.kind, definition.events
        else:
            entry, shown = self.pattern(name)
            if entry is None or entry.section_kwargs is None:
                # Cause: nothing in the library says when trials of this movie begin, and how long
                # they are.
                raise StimulusError(
                    f"Movie {name!r}: it has no trial rule. One {name}.json or {name}.yaml with "
                    f"section_kwargs (start_frame, trial_length_frame, repeat) is needed in "
                    f"{self.folder}, or section_kwargs in the first entry of {PATTERNS} that "
                    f"matches its name. To have one drafted: hdmea stimuli check {self.folder}"
                )
            section, kind, events = entry.section_kwargs, entry.kind, entry.events
            source = shown
        rule = section.rule()
        _check_trials(name, length, rule, source)
        origin = Origin(timing=shown, kind=shown, events=shown)
        found = trial_events(events or ())
        if kind is None or events is None:
            by_name, named_events, where = self._by_name(name, rule.trial_length_frames)
            if kind is None:
                kind, origin = by_name, Origin(shown, where, origin.events)
            if events is None:
                found = named_events
                origin = Origin(shown, origin.kind, where if found else "")
        for event in found:
            if event.frame >= rule.trial_length_frames:
                # Cause: the event's frame is counted from the movie's start, not the trial's, or
                # the trial's length is wrong.
                raise StimulusError(
                    f"{source}: event {event.name!r} at frame {event.frame} is not inside the "
                    f"trial, which has {rule.trial_length_frames} frames: it must be less."
                )
        return Movie(
            name=name,
            length_frames=length,
            rule=rule,
            kind=kind,
            events=found,
            frames_path=self.files.find(f"{name}.npy"),
            origin=origin,
        )

    def _by_name(self, name: str, length: int) -> tuple[Kind, tuple[TrialEvent, ...], str]:
        """Kind, and the events if trials have the length for which these hold."""
        entry, where = self.pattern(name)
        if entry is None:
            return "unknown", (), ""
        return entry.kind, trial_events(entry.events if entry.trial_length == length else ()), where

    def _pixel_grid(self, movie: Movie, display: Display) -> PixelGrid:
        definition, path = self.definition(movie.name)
        said = definition.geometry if definition is not None else None
        where = str(path)
        if said is None and self._display is not None:
            said, where = self._display.pixels_of(movie.name), DISPLAY
        if said is None:
            entry, where = self.pattern(movie.name)
            said = entry.geometry if entry is not None else None
        if said is None:
            return PixelGrid.default(movie.name, movie.frame_shape())
        try:
            return said.grid(movie.name, movie.frame_shape(), display)
        except StimulusError as error:
            raise StimulusError(f"{where}: {error}") from error

    @cached_property
    def _playlist_cells(self) -> Pairs:
        return read_pairs(
            self.files.require(PLAYLISTS), "playlist_name", "movie_names", lambda name: name
        )

    @cached_property
    def _length_cells(self) -> Pairs:
        return read_pairs(self.files.require(LENGTHS), "movie_name", "movie_length", movie_name)

    @cached_property
    def _patterns(self) -> tuple[NamePattern, ...]:
        path = self.files.find(PATTERNS)
        return read_patterns(path) if path is not None else ()

    @cached_property
    def _display(self) -> DisplayDefinition | None:
        path = self.files.find(DISPLAY)
        return read_display(path) if path is not None else None


def _check_trials(name: str, length: int, rule: TrialRule, source: str) -> None:
    end = (
        rule.start_frame
        + rule.n_trials * rule.trial_length_frames
        + (rule.group_count - 1) * rule.group_gap_frames
    )
    if rule.n_trials > _MAX_TRIALS:
        # Cause: a number in the definition has too many digits.
        raise StimulusError(
            f"{source}: movie {name!r} has {rule.n_trials} trials, more than the {_MAX_TRIALS} any "
            "movie has; look at repeat, group_count and trial_length_frame."
        )
    # The reference lab's bar movie ends its last trial in the grey that follows it.
    if end > length + POST_FRAMES:
        # Cause: start, length or number of trials is wrong, or movie_length.csv is.
        raise StimulusError(
            f"{source}: the {rule.n_trials} trials of movie {name!r} end at frame {end}, more than "
            f"{POST_FRAMES} frames after the movie itself, which has {length} frames in "
            "movie_length.csv: they would leave its section. Correct the trials or the length."
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
