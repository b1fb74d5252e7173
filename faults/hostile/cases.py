"""What a hostile case is: a file made to mislead, and the rooms in which it is tried."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MARK = "executed"
"""File that hostile code makes where it runs, or in the folder of results."""
NOTHING = "nothing, for comparison"
"""Name of the cases that are good."""
NAMES = {
    "a name that leaves the folder": "../../bait/secret",
    "a name with HTML": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a name with shell code": f"$(touch {MARK});`touch {MARK}`|touch {MARK}&",
    "a name with control characters": "\x1b]0;owned\x07\x1b[2J\r\nERROR forged \u202egnp.",
    "a name with mathematics": r"$\frac{x}{$ $x^$ _^",
    "a name that is a formula": f"=cmd|'/C touch {MARK}'!A0",
    "a name of 5,000 characters": "n" * 5000,
}
"""Names that mean something to a file system, browser, shell, terminal, plot or spreadsheet."""


@dataclass(frozen=True)
class Room:
    """Folders of one trial: what is given, what must not be touched, where results may go."""

    folder: Path

    @property
    def inputs(self) -> Path:
        """The hostile file, and what belongs to it."""
        return self.folder / "inputs"

    @property
    def bait(self) -> Path:
        """What a hostile file would like to read, change, load or run."""
        return self.folder / "bait"

    @property
    def results(self) -> Path:
        """The working directory of the trial, and the one folder that may be written to."""
        return self.folder / "results"

    def make(self) -> None:
        """Make the folders, all empty."""
        for folder in (self.inputs, self.bait, self.results):
            folder.mkdir(parents=True)


@dataclass(frozen=True)
class Case:
    """A hostile input.

    Parameters
    ----------
    name
        What is hostile about it.
    kind
        What it is given as: one of `KINDS`.
    make
        Makes it in a room, of good files that are in `inputs` already; returns what is given.
    must_be_refused
        Whether reading it without an error would give wrong data.
    is_good
        Whether there is nothing hostile about it: who refuses it refuses everything.
    """

    name: str
    kind: str
    make: Callable[[Room], Path]
    must_be_refused: bool = False
    is_good: bool = False


def as_pipe(path: Path) -> None:
    """A pipe that nobody writes to: opening it waits for ever."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def as_device(path: Path) -> None:
    """A link to a file without an end."""
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


def as_folder(path: Path) -> None:
    """A folder of that name."""
    path.unlink(missing_ok=True)
    path.mkdir()


def as_loop(path: Path) -> None:
    """A link to itself."""
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "a pipe": as_pipe,
    "a device": as_device,
    "a folder": as_folder,
    "a link to itself": as_loop,
}
"""What is no file, by what it is."""
