"""The files of a stimulus library as labs have them: where they are, and the text in them.

Folders come from several machines and programs: files in subfolders and behind links, endings in
capitals, tables from spreadsheets. What can be read without guessing is read; the rest is an
error that says what was found.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hdmea.errors import FileMissingError, HdmeaError, StimulusError
from hdmea.validation import require_small

PLAYLISTS = "playlist.csv"
LENGTHS = "movie_length.csv"
PATTERNS = "patterns.yaml"
DISPLAY = "display.yaml"

_OF_THE_LIBRARY = {PLAYLISTS, LENGTHS, PATTERNS, DISPLAY}
_SUFFIXES = {".csv": ".csv", ".json": ".json", ".yaml": ".yaml", ".yml": ".yaml", ".npy": ".npy"}
_SEPARATORS = {";": "semicolons", "\t": "tabs"}
_TOO_DEEP = "it has lists or names in each other, deeper than any library needs"
_MAX_FOLDERS = 10_000
"""More folders than any library has; a link leads to somewhere else."""


class LibraryFolder:
    """The files of a library by their names; subfolders and links count as the folder itself.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    FileMissingError
        If it does not exist.
    StimulusError
        If it, or a folder in it, may not be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files: dict[str, list[Path]] = {}
        with readable(path):
            if not path.is_dir():
                raise FileMissingError(
                    f"The stimulus library {path} is not a folder; correct its path."
                )
            for found in _all_files(path):
                self._files.setdefault(_indexed_name(found), []).append(found)

    def find(self, filename: str) -> Path | None:
        """The file of that name, if there is one.

        Raises
        ------
        StimulusError
            If there are several.
        """
        paths = self._files.get(filename, [])
        if len(paths) > 1:
            raise StimulusError(
                f"{filename} is in the stimulus library more than once: "
                f"{' and '.join(map(str, paths))}. Leave one."
            )
        return paths[0] if paths else None

    def require(self, filename: str) -> Path:
        """The file of that name.

        Raises
        ------
        FileMissingError
            If there is none.
        StimulusError
            If there are several.
        """
        path = self.find(filename)
        if path is None:
            raise FileMissingError(
                f"The stimulus library {self.path} has no {filename}; put it there, or correct the "
                "library's path."
            )
        return path

    def stems(self, suffix: str) -> list[str]:
        """Names, without it, of the files that end in `suffix`, sorted."""
        return sorted(name.removesuffix(suffix) for name in self._files if name.endswith(suffix))

    def shown(self, path: Path) -> str:
        """A file's path inside the library, as messages show it."""
        return path.relative_to(self.path).as_posix()


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two columns of a CSV file.

    Parameters
    ----------
    path
        The file.
    header
        Names of all its columns.
    cells
        Second column by first.
    wrong
        What is wrong with a row, by its first column; other rows can be used all the same.
    """

    path: Path
    header: tuple[str, ...]
    cells: dict[str, str]
    wrong: dict[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.cells

    def __getitem__(self, name: str) -> str:
        if name in self.wrong:
            # Cause: the row of this name has too many or too few cells, or another row contradicts
            # it.
            raise StimulusError(f"{self.path}, {self.wrong[name]}")
        return self.cells[name]


def read_pairs(path: Path, key: str, value: str, name_of: Callable[[str], str]) -> Pairs:
    """Read two columns of a CSV file; a key that comes twice must say the same twice.

    Parameters
    ----------
    path
        The file: UTF-8, with or without byte order mark, any ends of line.
    key, value
        The columns' names.
    name_of
        Makes a name of a cell of the first column.

    Raises
    ------
    StimulusError
        If it is no such file.
    """
    try:
        with readable(path), path.open(newline="", encoding="utf-8-sig") as file:
            rows = [
                [cell.strip() for cell in row] for row in csv.reader(file, skipinitialspace=True)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        # Cause: a spreadsheet saved the table in another encoding.
        raise StimulusError(
            f"{path} cannot be read as CSV in UTF-8: {error}. Save it as 'CSV UTF-8'."
        ) from error
    header = rows[0] if rows else []
    if key not in header or value not in header:
        # Cause: the header is missing, mistyped, or separated by something else than commas.
        raise StimulusError(
            f"{path}: columns {key}, {value} are needed; found {header}.{_other_separator(header)}"
        )
    pairs = Pairs(path, tuple(header), {}, {})
    for number, row in enumerate(rows[1:], start=2):
        if not any(row):
            continue
        cells = dict(zip(header, row, strict=False))
        if not cells.get(key):
            # Cause: the row's first cell is empty.
            raise StimulusError(
                f"{path}, row {number}: {key} is missing: {row}. Give it, or remove the row."
            )
        name, cell = name_of(cells[key]), cells.get(value)
        if any(row[len(header) :]):
            pairs.wrong[name] = (
                f"row {number} has {len(row)} cells under {len(header)} columns: {row}. What has "
                f"commas in it needs double quotes around it."
            )
        elif cell is None:
            pairs.wrong[name] = f"row {number}: {value} is missing: {row}. Give it."
        elif pairs.cells.get(name, cell) != cell:
            pairs.wrong[name] = (
                f"row {number}: {name!r} is given twice, as {pairs.cells[name]!r} and as {cell!r}. "
                "Leave one."
            )
        pairs.cells.setdefault(name, cell or "")
    return pairs


def read_described(path: Path) -> Any:
    """Read a ``.json`` or ``.yaml`` file.

    Raises
    ------
    StimulusError
        If it may not be read, or is not what its ending says.
    """
    try:
        with readable(path):
            text = path.read_text(encoding="utf-8-sig")
        return _parse_json(text) if path.suffix.lower() == ".json" else parse_yaml(text)
    except ValueError as error:
        if isinstance(error, HdmeaError):
            raise
        raise StimulusError(f"{path} cannot be read: {error}. Correct it there.") from error


def parse_yaml(text: str) -> Any:
    """What a YAML text says, as plain data.

    Raises
    ------
    ValueError
        If it is not YAML, more than plain data, or far more than is written (see
        `hdmea.validation.require_small`).
    """
    import yaml

    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    require_small(said)
    return said


def movie_name(filename: str) -> str:
    r"""A movie's name: the last part of a path, up to its first dot.

    Examples
    --------
    >>> movie_name(" a.v2.mov "), movie_name(r"C:\movies.new\my bar.MOV"), movie_name("b")
    ('a', 'my bar', 'b')
    """
    last = filename.replace("\\", "/").rpartition("/")[2]
    return last.partition(".")[0].strip()


def nearest(name: str, known: Any) -> str:
    """A sentence that names what was probably meant, else nothing."""
    # Capitals are what differs most often between systems.
    by_small = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), by_small, n=1)
    return f" Did you mean {by_small[close[0]]!r}?" if close else ""


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn the system's refusal to read a file or folder into an error that names it."""
    try:
        yield
    except HdmeaError:
        raise
    except PermissionError as error:
        # Cause: the file or folder belongs to somebody else.
        raise StimulusError(
            f"{error.filename or path} may not be read: permission denied. Ask its owner for the "
            f"right to read it."
        ) from error
    except OSError as error:
        # Cause: the disk does not answer, or links lead in a circle.
        raise StimulusError(
            f"{error.filename or path} cannot be read: {error.strerror or error}. Make sure that "
            "it can be opened."
        ) from error


def _all_files(folder: Path) -> list[Path]:
    """The library's files, each once; unlike a glob it passes over nothing in silence."""

    def refuse(error: OSError) -> None:
        raise error

    found: dict[Path, Path] = {}
    entered: set[Path] = set()
    for inside, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        here = Path(inside).resolve()
        if here in entered:  # a link that leads back
            folders.clear()
            continue
        entered.add(here)
        if len(entered) > _MAX_FOLDERS:
            # Cause: a folder above the library was named, or a link leads out of it.
            raise StimulusError(
                f"The stimulus library {folder} has more than {_MAX_FOLDERS} folders, among them "
                f"{inside}. If a link in it leads out of it, remove the link; else name a folder "
                "that has the library only."
            )
        folders.sort()
        for name in sorted(names):
            path = Path(inside, name)
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                found.setdefault(path.resolve(), path)
    return sorted(found.values())


def _indexed_name(path: Path) -> str:
    """Name under which a file is found: ``X.NPY`` as ``X.npy``, ``Playlist.csv`` as ours."""
    name = path.stem + _SUFFIXES[path.suffix.lower()]
    return name.lower() if name.lower() in _OF_THE_LIBRARY else name


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        line = text.splitlines()[error.lineno - 1] if text.splitlines() else ""
        commented = any(mark in line for mark in ("//", "/*", "#"))
        hint = f", in {line.strip()!r}: JSON knows no comments" if commented else ""
        raise ValueError(f"{error}{hint}") from error


def _other_separator(header: list[str]) -> str:
    for mark, name in _SEPARATORS.items():
        if any(mark in cell for cell in header):
            return f" Its columns are separated by {name}; save it with commas."
    return ""
