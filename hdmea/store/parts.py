"""Parts: files that hold one contribution each, found again by their key.

A work folder keeps the parts of one recording while it is processed, and after that a link to
its result, ``last.h5``: whatever has the same key again need not be computed again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hdmea.contribution import Contribution
from hdmea.errors import SessionFileError
from hdmea.store.atomic import publish_link
from hdmea.store.reader import SessionFile
from hdmea.store.writer import write_session_file

_LAST = "last.h5"
_log = logging.getLogger("hdmea")


class WorkFolder:
    """The parts of one recording that are done, and its last result.

    Parameters
    ----------
    folder
        Made when the first part is kept. It is not an output: deleting it costs time only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self._read: dict[tuple[int, int], dict[str, Contribution]] = {}

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

    def keep(self, contribution: Contribution, header: Mapping[str, Any]) -> Path:
        """Write a contribution as a part, in place of an older one of that name."""
        path = self._part(contribution.name)
        write_session_file(path, [contribution], header, kind="part")
        return path

    def finish(self, result: Path) -> None:
        """Remember a published result, and remove the parts that it holds."""
        try:
            publish_link(result, self.folder / _LAST)
            for part in self.folder.glob("*.part.h5"):
                part.unlink(missing_ok=True)  # another process may finish the same recording
        except OSError as error:  # the result is there; parts that stay cost room, and no more
            _log.info("%s; parts stay in %s", error, self.folder)

    def _contributions(self, path: Path) -> dict[str, Contribution]:
        # files here are replaced, never changed, so what was read of one holds
        status = path.stat()
        identity = (status.st_ino, status.st_mtime_ns)
        if identity not in self._read:
            self._read[identity] = SessionFile(path).contributions()
        return self._read[identity]

    def _part(self, name: str) -> Path:
        return self.folder / f"{name}.part.h5"

    def _candidates(self, name: str) -> Iterator[Path]:
        for path in (self._part(name), self.folder / _LAST):
            if path.exists():
                yield path


def _read_through(data: Any) -> None:
    """Check every block of an array that is still in a file."""
    for _ in data.blocks():
        pass
