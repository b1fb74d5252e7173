"""What lies in work folders: of whom, how old, how large; and its removal."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hdmea.errors import OutputWriteError, ParameterError
from hdmea.store.lock import LOCK, Owner, is_at_work


@dataclass(frozen=True)
class Leftover:
    """The work folder of one recording.

    Parameters
    ----------
    folder
        The folder; its name is the recording's.
    files
        All files in it.
    size_bytes
        What its files take; the last result counts only where it has no other name.
    used_s
        When something in it was written last, seconds since 1970.
    user
        Whose it is.
    workers
        Processes that work there now.
    """

    folder: Path
    files: tuple[Path, ...]
    size_bytes: int
    used_s: float
    user: str
    workers: tuple[Owner, ...]

    @property
    def recording(self) -> str:
        """Name of the recording."""
        return self.folder.name

    @property
    def holds(self) -> str:
        """What is in it, in words."""
        names = [path.name for path in self.files]
        parts = sum(name.endswith(".part.h5") for name in names)
        pieces = sum(name.endswith(".piece.h5") for name in names)
        told = [
            "the last result" if any(map(_is_result, names)) else "",
            f"{parts} part{'s' * (parts != 1)} of an unfinished run" if parts else "",
            f"{pieces} file{'s' * (pieces != 1)} with pieces" if pieces else "",
        ]
        return ", ".join(filter(None, told)) or "nothing"

    def days_old(self, now_s: float | None = None) -> float:
        """Days since something in it was written."""
        return ((time.time() if now_s is None else now_s) - self.used_s) / 86400

    def __str__(self) -> str:
        whose = "".join(f"; {owner} works there" for owner in self.workers)
        size, age = f"{self.size_bytes / 1e6:.1f} MB", f"{self.days_old():.1f} days old"
        return f"{self.recording}: {self.holds}; {size}, {age}, of {self.user}{whose}"


def leftovers(work_dir: str | Path, recordings: Iterable[str] = ()) -> list[Leftover]:
    """The work folders of recordings, oldest first.

    Parameters
    ----------
    work_dir
        Folder with a folder for each recording.
    recordings
        Which ones; all of them by default.

    Raises
    ------
    ParameterError
        If one is named that has none.
    """
    root = Path(work_dir)
    there = {path.name: path for path in sorted(root.glob("*")) if _is_work(path)}
    wanted = list(dict.fromkeys(recordings))
    if unknown := [name for name in wanted if name not in there]:
        raise ParameterError(
            f"{root} holds nothing of {', '.join(unknown)}; it has: {', '.join(there) or 'nothing'}"
        )
    found = [_leftover(there[name]) for name in wanted or there]
    return sorted(found, key=lambda one: one.used_s)


def remove(leftover: Leftover) -> None:
    """Remove a work folder; results are elsewhere, and what is computed again costs time only.

    Raises
    ------
    ParameterError
        If somebody works in it.
    OutputWriteError
        If something cannot be removed.
    """
    if leftover.workers:
        raise ParameterError(
            f"{leftover.folder} is being worked in by {leftover.workers[0]}; end that first"
        )
    path = leftover.folder
    try:
        for path in leftover.files:
            path.unlink(missing_ok=True)
        for path in sorted(
            {file.parent for file in leftover.files} | {leftover.folder}, reverse=True
        ):
            path.rmdir()
    except OSError as error:
        named = OutputWriteError(
            f"{path} cannot be removed: {error.strerror or error}. Ask its owner for the right to "
            "write into its folder"
        )
        named.errno, named.filename = error.errno, str(path)
        raise named from error


def _is_work(folder: Path) -> bool:
    """Whether a folder is one that runs make: nothing else is looked at, or removed."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    return all(map(_is_ours, _inside(folder)))


def _is_ours(path: Path) -> bool:
    kinds = (".part.h5", ".piece.h5", ".partial")
    return path.name == LOCK or _is_result(path.name) or path.name.endswith(kinds)


def _is_result(name: str) -> bool:
    """Whether a file is a second name of a result: ``last.h5``, ``last.<tag>.h5``."""
    return name.startswith("last.") and name.endswith(".h5")


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def _leftover(folder: Path) -> Leftover:
    files = _inside(folder)
    states = {path: path.lstat() for path in files}
    owners = ((path, Owner.of(path)) for path in files if path.name == LOCK)
    return Leftover(
        folder=folder,
        files=tuple(files),
        size_bytes=sum(state.st_size for state in states.values() if state.st_nlink == 1),
        used_s=max([folder.stat().st_mtime, *(state.st_mtime for state in states.values())]),
        user=_user(folder),
        workers=tuple(
            owner for path, owner in owners if owner is not None and is_at_work(path, owner)
        ),
    )


def _user(folder: Path) -> str:
    try:
        return folder.owner()
    except KeyError:  # known to another machine only
        return f"user {folder.stat().st_uid}"
