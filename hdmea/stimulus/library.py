"""A stimulus library: one folder with playlists, movie lengths, trial rules and frames.

``playlist.csv``, ``movie_length.csv``, and per movie ``<movie>.json`` (as the reference lab
writes them) or ``<movie>.yaml``, and ``<movie>.npy``; side by side or in subfolders. Only what
is asked for is read, so one unfinished movie does not block the others.
"""

from __future__ import annotations

import ast
import csv
import json
import os
from fnmatch import fnmatchcase
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hdmea.errors import FileMissingError, StimulusError, UnknownNameError
from hdmea.stimulus.movie import Kind, Movie, TrialEvent, readable
from hdmea.stimulus.sections import POST_FRAMES, TrialRule
from hdmea.validation import problems

__all__ = ["Movie", "StimulusLibrary"]

_DEFINITIONS = (".json", ".yaml")
_INDEXED = {".csv", ".json", ".yaml", ".npy"}


class _SectionKwargs(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start_frame: int = Field(ge=0)
    trial_length_frame: int = Field(gt=0)
    repeat: int = Field(ge=1)
    group_count: int = Field(1, ge=1)
    group_gap: int = Field(0, ge=0)


class _Event(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    frame: int = Field(ge=0)


class _Definition(BaseModel):
    model_config = ConfigDict(extra="forbid")

    section_kwargs: _SectionKwargs
    kind: Kind | None = None
    events: list[_Event] | None = None


class _Convention(BaseModel):
    model_config = ConfigDict(extra="forbid")

    pattern: str
    kind: Kind
    trial_length_frame: int | None = None
    events: list[_Event] = []


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
        self._files: dict[str, list[Path]] = {}
        with readable(self.folder):
            if not self.folder.is_dir():
                raise FileMissingError(f"The stimulus library {self.folder} is not a folder.")
            for path in _all_files(self.folder):
                self._files.setdefault(path.name, []).append(path)
        self._movies: dict[str, Movie] = {}

    def __repr__(self) -> str:
        return f"StimulusLibrary({str(self.folder)!r})"

    @property
    def playlists(self) -> dict[str, tuple[str, ...]]:
        """Names of the movies of every playlist, in the order they are shown."""
        return {name: self._movie_names(name, cell) for name, cell in self._playlist_cells.items()}

    def playlist(self, name: str) -> tuple[Movie, ...]:
        """The movies of a playlist, in the order they are shown.

        Raises
        ------
        UnknownNameError
            If the playlist, or a movie of it, is not in the library.
        StimulusError
            If a file of the library cannot be used.
        FileMissingError
            If ``playlist.csv`` or ``movie_length.csv`` is missing.
        """
        cells = self._playlist_cells
        if name not in cells:
            raise UnknownNameError(
                f"Playlist {name!r} is not in {self._file('playlist.csv')}; "
                f"it has: {_listed(cells)}."
            )
        return tuple(self.movie(movie) for movie in self._movie_names(name, cells[name]))

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
            self._movies[name] = self._read_movie(name)
        return self._movies[name]

    def _read_movie(self, name: str) -> Movie:
        length = self._length(name)
        definition, source = self._definition(name)
        given = definition.section_kwargs
        rule = TrialRule(
            start_frame=given.start_frame,
            trial_length_frames=given.trial_length_frame,
            repeat=given.repeat,
            group_count=given.group_count,
            group_gap_frames=given.group_gap,
        )
        end = (
            rule.start_frame
            + rule.n_trials * rule.trial_length_frames
            + (rule.group_count - 1) * rule.group_gap_frames
        )
        # The reference lab's bar movie ends its last trial in the grey that follows it.
        if end > length + POST_FRAMES:
            raise StimulusError(
                f"{source}: the {rule.n_trials} trials of movie {name!r} end at frame {end}, "
                f"more than {POST_FRAMES} frames after the movie itself, which has {length} "
                f"frames in movie_length.csv: they would leave its section."
            )
        kind, events = _by_convention(name, rule.trial_length_frames)
        if definition.kind is not None:
            kind = definition.kind
        if definition.events is not None:
            events = tuple(TrialEvent(e.name, e.frame) for e in definition.events)
        for event in events:
            if event.frame >= rule.trial_length_frames:
                raise StimulusError(
                    f"{source}: event {event.name!r} at frame {event.frame} is not inside the "
                    f"trial, which has {rule.trial_length_frames} frames."
                )
        return Movie(
            name=name,
            length_frames=length,
            rule=rule,
            kind=kind,
            events=tuple(sorted(events, key=lambda event: event.frame)),
            frames_path=self._find(f"{name}.npy"),
        )

    def _length(self, name: str) -> int:
        cells = self._length_cells
        if name not in cells:
            raise UnknownNameError(
                f"Movie {name!r} is not in {self._file('movie_length.csv')}, and leaving it out "
                f"would shift every later section; known movies: {_listed(cells)}."
            )
        try:
            length = float(cells[name])
        except ValueError:
            length = -1.0
        if length <= 0 or not length.is_integer():
            raise StimulusError(
                f"{self._file('movie_length.csv')}: the length of movie {name!r} is "
                f"{cells[name]!r}; a number of display frames is needed."
            )
        return int(length)

    def _definition(self, name: str) -> tuple[_Definition, Path]:
        found = [p for suffix in _DEFINITIONS if (p := self._find(name + suffix)) is not None]
        if len(found) != 1:
            what = f"{found[0]} and {found[1]} both define it" if found else "it has no trial rule"
            raise StimulusError(
                f"Movie {name!r}: {what}. One {name}.json or {name}.yaml with section_kwargs "
                f"(start_frame, trial_length_frame, repeat) is needed in {self.folder}."
            )
        path = found[0]
        try:
            with readable(path):
                return _Definition.model_validate(_read_definition(path)), path
        except ValidationError as error:
            wrong = "; ".join(problems(error, _Definition))
            raise StimulusError(f"{path}: {wrong}.") from error
        except ValueError as error:
            raise StimulusError(f"{path} cannot be read: {error}.") from error

    def _movie_names(self, playlist: str, cell: str) -> tuple[str, ...]:
        try:
            names = ast.literal_eval(cell.strip())
        except (ValueError, SyntaxError, TypeError):
            names = None
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            raise StimulusError(
                f"{self._file('playlist.csv')}: playlist {playlist!r} holds {cell!r}; "
                f"a list of movie names is needed, such as ['a.mov', 'b.mov']."
            )
        return tuple(_without_extension(name) for name in names)

    @cached_property
    def _playlist_cells(self) -> dict[str, str]:
        return _read_pairs(self._file("playlist.csv"), "playlist_name", "movie_names")

    @cached_property
    def _length_cells(self) -> dict[str, str]:
        cells = _read_pairs(self._file("movie_length.csv"), "movie_name", "movie_length")
        return {_without_extension(name): cell for name, cell in cells.items()}

    def _file(self, filename: str) -> Path:
        path = self._find(filename)
        if path is None:
            raise FileMissingError(f"The stimulus library {self.folder} has no {filename}.")
        return path

    def _find(self, filename: str) -> Path | None:
        paths = self._files.get(filename, [])
        if len(paths) > 1:
            raise StimulusError(
                f"{filename} is in the stimulus library more than once: "
                f"{' and '.join(map(str, paths))}. Leave one."
            )
        return paths[0] if paths else None


def _all_files(folder: Path) -> list[Path]:
    """The library's files; unlike a glob it does not pass over folders that may not be read."""

    def refuse(error: OSError) -> None:
        raise error

    found = [
        Path(inside, name)
        for inside, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if Path(name).suffix in _INDEXED
    ]
    return sorted(path for path in found if path.is_file())


def _read_pairs(path: Path, key: str, value: str) -> dict[str, str]:
    """Two columns of a CSV file as a dict; a key that comes twice must say the same twice."""
    try:
        with readable(path), path.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                [cell.strip() for cell in row] for row in csv.reader(file, skipinitialspace=True)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise StimulusError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error
    header = rows[0] if rows else []
    if key not in header or value not in header:
        raise StimulusError(f"{path}: columns {key}, {value} are needed; found {header}.")
    pairs: dict[str, str] = {}
    for number, row in enumerate(rows[1:], start=2):
        cells = dict(zip(header, row, strict=False))
        if not any(row):
            continue
        if key not in cells or value not in cells:
            raise StimulusError(f"{path}, row {number}: {key} or {value} is missing: {row}.")
        if pairs.setdefault(cells[key], cells[value]) != cells[value]:
            raise StimulusError(f"{path}, row {number}: {cells[key]!r} is given twice.")
    return pairs


def _by_convention(name: str, trial_length_frames: int) -> tuple[Kind, tuple[TrialEvent, ...]]:
    for convention in _conventions():
        if fnmatchcase(name, convention.pattern):
            if convention.trial_length_frame != trial_length_frames:
                return convention.kind, ()
            return convention.kind, tuple(TrialEvent(e.name, e.frame) for e in convention.events)
    return "unknown", ()


@cache
def _conventions() -> tuple[_Convention, ...]:
    text = resources.files("hdmea.stimulus").joinpath("conventions.yaml").read_text("utf-8")
    return tuple(_Convention.model_validate(entry) for entry in _load_yaml(text))


def _read_definition(path: Path) -> Any:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".yaml":
        return _load_yaml(text)
    content = json.loads(text)
    # The reference lab's files carry more than hdmea reads, e.g. generate_kwargs.
    if isinstance(content, dict):
        content = {key: content[key] for key in ("section_kwargs",) if key in content}
    return content


def _load_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _without_extension(filename: str) -> str:
    return filename.strip().split(".", 1)[0]


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"
