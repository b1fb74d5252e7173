"""Parts: files that hold one contribution each, found again by their key.

A work folder keeps the parts of one recording while it is processed, and after that a link to
its result, ``last.h5`` (of a run with a tag ``last.<tag>.h5``): whatever has the same key again
need not be computed again. Of what takes long it keeps pieces, until the part is there.
"""

from __future__ import annotations

import glob
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from hdmea.arrays import Array, Variable
from hdmea.contribution import Contribution, Recipe
from hdmea.errors import SessionFileError
from hdmea.interruption import is_asked_to_end, safe_point
from hdmea.pieces import Pieces
from hdmea.store.atomic import publish_link
from hdmea.store.reader import SessionFile
from hdmea.store.writer import write_session_file

KEPT_EVERY_S = 60.0
"""Of a computation in pieces a run that is killed has lost no more than this, and a piece."""
_LASTS = "last*.h5"
_log = logging.getLogger("hdmea")


def last_in(folder: Path, tag: str = "") -> Path:
    """Under which name a work folder keeps the last result, that of a tag."""
    return folder / (f"last.{tag}.h5" if tag else "last.h5")


class Work(Protocol):
    """What earlier runs have left, and where this one keeps what it makes."""

    def find(self, name: str, key: str) -> Contribution | None:
        """The contribution of this name and key, if it is here and whole."""

    def inputs_of(self, name: str) -> Mapping[str, tuple[str, Mapping[str, int]]]:
        """By role: digest of a file that a contribution here was made from, and its stamp then."""

    def keep(self, contribution: Contribution, header: Mapping[str, Any]) -> Path | None:
        """Keep a contribution; the file in which it is, if it was written."""

    def pieces(self, recipe: Recipe, header: Mapping[str, Any]) -> Pieces:
        """The pieces of a contribution that is not there yet."""

    def finish(self, result: Path) -> None:
        """Remember a published result."""


class NoWork:
    """Nothing is found, and nothing is kept."""

    def find(self, name: str, key: str) -> None:
        """Nothing."""

    def inputs_of(self, name: str) -> dict[str, tuple[str, Mapping[str, int]]]:  # noqa: ARG002
        """Nothing."""
        return {}

    def keep(self, contribution: Contribution, header: Mapping[str, Any]) -> None:
        """Nothing."""

    def pieces(self, recipe: Recipe, header: Mapping[str, Any]) -> Pieces:  # noqa: ARG002
        """Pieces that nobody keeps."""
        return Pieces()

    def finish(self, result: Path) -> None:
        """Nothing."""


class WorkFolder:
    """The parts of one recording that are done, and its last result.

    Parameters
    ----------
    folder
        Made when the first part is kept. It is not an output: deleting it costs time only.
    also
        Other files in which contributions may be found.
    tag
        Under which the result is remembered, beside those of other tags.
    keeps_all
        Whether every contribution is written as it is made; else only when the run is to end.
    """

    def __init__(
        self,
        folder: str | Path,
        also: Iterable[str | Path] = (),
        *,
        tag: str = "",
        keeps_all: bool = True,
    ) -> None:
        self.folder = Path(folder)
        self._also = [Path(path) for path in also]
        self._last = last_in(self.folder, tag)
        self._keeps_all = keeps_all
        self._read: dict[tuple[int, int], dict[str, Contribution]] = {}

    @classmethod
    def of_part(cls, folder: str | Path, part: str, also: Iterable[str | Path] = ()) -> WorkFolder:
        """A folder of its own for what is made of one part while it is not whole."""
        results = sorted(Path(folder).glob(_LASTS))
        return cls(Path(folder, part), [*results, *also], keeps_all=False)

    def find(self, name: str, key: str) -> Contribution | None:
        """The contribution of this name and key, if it is here and whole.

        A damaged file is no loss, since what it held is computed again; it is said, though.
        """
        for path in self._candidates(name):
            try:
                found = self._contributions(path).get(name)
                if found is not None and found.key == key:
                    for variable in found.variables.values():
                        _read_through(variable.data)
                    return found
            except SessionFileError as error:
                _log.warning("%s; %s is computed again", error, name)
        return None

    def inputs_of(self, name: str) -> dict[str, tuple[str, Mapping[str, int]]]:
        """By role: digest of a file that a contribution here was made from, and its stamp then."""
        for path in self._candidates(name):
            with suppress(SessionFileError):  # said where it is looked into for what it holds
                found = self._contributions(path).get(name)
                if found is not None:
                    told = found.run.get("files", {})
                    return {
                        role: (sha256, told[role])
                        for role, sha256 in found.recipe.inputs.items()
                        if role in told
                    }
        return {}

    def keep(self, contribution: Contribution, header: Mapping[str, Any]) -> Path | None:
        """Write a contribution as a part, in place of an older one of that name.

        None is returned if it is not written, since its part is published when it is whole.
        """
        if not self._keeps_all and not is_asked_to_end():
            return None
        path = self._part(contribution.name)
        write_session_file(path, [contribution], header, kind="part")
        for piece in self._pieces(contribution.name):
            piece.unlink(missing_ok=True)
        return path

    def pieces(self, recipe: Recipe, header: Mapping[str, Any]) -> Pieces:
        """The pieces of a contribution that is not there yet."""
        return _KeptPieces(self, recipe, header)

    def finish(self, result: Path) -> None:
        """Remember a published result, and remove the parts that it holds."""
        try:
            publish_link(result, self._last)
            self.clear()
        except OSError as error:  # the result is there; parts that stay cost room, and no more
            _log.info("%s; parts stay in %s", error, self.folder)

    def clear(self) -> None:
        """Remove all parts and pieces; what they held is in a file of its own now."""
        for pattern in ("*.part.h5", "*.piece.h5"):
            for part in self.folder.glob(pattern):
                part.unlink(missing_ok=True)  # another process may finish the same recording

    def remove(self) -> None:
        """Remove the folder if nothing is in it."""
        with suppress(OSError):
            self.folder.rmdir()

    def _contributions(self, path: Path) -> dict[str, Contribution]:
        # files here are replaced, never changed, so what was read of one holds
        status = path.stat()
        identity = (status.st_ino, status.st_mtime_ns)
        if identity not in self._read:
            self._read[identity] = SessionFile(path).contributions()
        return self._read[identity]

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}.part.h5"

    def _pieces(self, name: str) -> list[Path]:
        return sorted(self.folder.glob(f"{glob.escape(name)}.*.piece.h5"))

    def _candidates(self, name: str) -> Iterator[Path]:
        others = sorted(self.folder.glob(_LASTS))
        for path in dict.fromkeys((self._part(name), self._last, *others, *self._also)):
            if path.exists():
                yield path


class _KeptPieces(Pieces):
    """Pieces that are written into a work folder: now and then, and when the run is to end."""

    def __init__(self, work: WorkFolder, recipe: Recipe, header: Mapping[str, Any]) -> None:
        self._work, self._recipe, self._header = work, recipe, header
        self._found = dict(self._kept())
        self._unsaved: list[Contribution] = []
        self._saved_at = time.monotonic()

    def stored(self, name: str) -> Mapping[str, Array] | None:
        found = self._found.pop(self._recipe_of(name).key, None)
        if found is None:
            return None
        try:
            return {path.rpartition("/")[2]: v.values for path, v in found.variables.items()}
        except SessionFileError as error:
            _log.warning("%s; this piece is computed again", error)
            return None

    def done(self, name: str, made: Mapping[str, Array]) -> None:
        recipe = self._recipe_of(name)
        variables = {
            f"{recipe.name}/{what}": _variable(what, values) for what, values in made.items()
        }
        self._unsaved.append(Contribution(recipe, variables))
        if is_asked_to_end() or time.monotonic() - self._saved_at > KEPT_EVERY_S:
            self._save()
        super().done(name, made)

    def _kept(self) -> Iterator[tuple[str, Contribution]]:
        for path in self._work._pieces(self._recipe.name):
            try:
                for found in SessionFile(path).contributions().values():
                    yield found.key, found
            except SessionFileError as error:
                _log.warning("%s; what it holds is computed again", error)

    def _recipe_of(self, piece: str) -> Recipe:
        """A piece's own: it is of a contribution with this very key."""
        whole = self._recipe
        return Recipe(
            name=f"{whole.name}.{piece}",
            step=whole.step,
            version=whole.version,
            parameters={"piece_of": whole.key},
            inputs={},
            parents={},
        )

    def _save(self) -> None:
        path = self._work.folder / f"{self._unsaved[0].name}.piece.h5"
        write_session_file(path, self._unsaved, self._header, kind="part")
        self._unsaved = []
        self._saved_at = time.monotonic()


def _variable(what: str, values: Array) -> Variable:
    unit = "" if values.dtype.kind == "U" else "1"
    # arrays of a piece have nothing in common: each has axes of its own
    dims = tuple(f"axis_{axis} of {what}" for axis in range(values.ndim))
    return Variable(values, unit, dims, "piece of a result")


def _read_through(data: Any) -> None:
    """Check every block of an array that is still in a file."""
    for _ in data.blocks():
        safe_point()
