"""Power losses: of what was written, only what was synced is sure to be on the disk.

The calls of a save are recorded. A state of the disk after a power loss is then: a moment; of each
file what was synced before it, and any of the pages and lengths that were written since; of the
folder the names that were synced, and the changes since up to any of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

PAGE_BYTES = 4096
LAST_CALLS = 6
"""Half of the losses are around the renaming: within so many calls from the end."""


@dataclass(frozen=True)
class Call:
    """A call that changed a file or folder, or synced it.

    Parameters
    ----------
    kind
        ``write``, ``length``, ``sync`` or ``name``.
    file
        Number of the file, or of the folder that was synced.
    name
        For ``name``: the name that the file gets.
    at, data
        For ``write``: where, and what. For ``length``: how long.
    """

    kind: str
    file: int
    name: str = ""
    at: int = 0
    data: bytes = b""


def recorded(act: Callable[[], object]) -> list[Call]:
    """The calls with which something is saved, in the order in which they were made."""
    calls: list[Call] = []
    with _patched(calls):
        act()
    return calls


def after_power_loss(
    calls: Sequence[Call], name: str, old: bytes | None, rng: np.random.Generator
) -> bytes | None:
    """What is under a name after a power loss at a random moment; None if nothing is."""
    first = len(calls) - LAST_CALLS if rng.random() < 0.5 else 0
    done = calls[: rng.integers(max(0, first), len(calls) + 1)]
    written = {call.file for call in calls if call.kind == "write"}
    synced = [i for i, call in enumerate(done) if call.kind == "sync" and call.file not in written]
    named = [i for i, call in enumerate(done) if call.kind == "name" and call.name == name]
    sure = sum(i < max(synced, default=-1) for i in named)
    kept = named[: rng.integers(sure, len(named) + 1)]
    return _content(done, done[kept[-1]].file, rng) if kept else old


def _content(done: Sequence[Call], file: int, rng: np.random.Generator) -> bytes:
    """A file of which everything that was synced is there, and some of what was not."""
    of_file = [call for call in done if call.file == file]
    sure = max((i for i, call in enumerate(of_file) if call.kind == "sync"), default=-1)
    content, likely = bytearray(), rng.random()
    for number, call in enumerate(of_file):
        lost = number > sure
        if call.kind == "length" and not (lost and rng.random() > likely):
            content = content[: call.at].ljust(call.at, b"\0")
        elif call.kind == "write":
            for begin, piece in _pages(call):
                if not (lost and rng.random() > likely):
                    content = content.ljust(begin + len(piece), b"\0")
                    content[begin : begin + len(piece)] = piece
    return bytes(content)


def _pages(call: Call) -> Iterator[tuple[int, bytes]]:
    """What was written, page by page: a disk keeps or loses whole pages."""
    begin, end = call.at, call.at + len(call.data)
    while begin < end:
        stop = min(end, (begin // PAGE_BYTES + 1) * PAGE_BYTES)
        yield begin, call.data[begin - call.at : stop - call.at]
        begin = stop


@contextmanager
def _patched(calls: list[Call]) -> Iterator[None]:
    """Record what hdmea asks of the system; h5py asks through Python, too."""
    real = {name: getattr(os, name) for name in ("pwrite", "ftruncate", "fsync", "replace", "link")}

    def number(target: int | str | Path) -> int:
        return os.stat(target).st_ino  # noqa: PTH116 (a descriptor or a path)

    def pwrite(descriptor: int, data: Any, at: int) -> int:
        written: int = real["pwrite"](descriptor, data, at)
        kept = bytes(memoryview(data).cast("B")[:written])
        calls.append(Call("write", number(descriptor), at=at, data=kept))
        return written

    def ftruncate(descriptor: int, size: int) -> None:
        real["ftruncate"](descriptor, size)
        calls.append(Call("length", number(descriptor), at=size))

    def fsync(descriptor: int) -> None:
        real["fsync"](descriptor)
        calls.append(Call("sync", number(descriptor)))

    def replace(source: Path, target: Path) -> None:
        real["replace"](source, target)
        calls.append(Call("name", number(target), name=Path(target).name))

    def link(source: Path, target: Path) -> None:
        real["link"](source, target)
        calls.append(Call("name", number(target), name=Path(target).name))

    with (
        mock.patch.object(os, "pwrite", pwrite),
        mock.patch.object(os, "ftruncate", ftruncate),
        mock.patch.object(os, "fsync", fsync),
        mock.patch.object(os, "replace", replace),
        mock.patch.object(os, "link", link),
    ):
        yield


@dataclass
class PowerLosses:
    """How often a name had what after a power loss, and how often without a sync.

    Parameters
    ----------
    states, old, new, bad
        Losses in all; those after which the name had the old file (or none, where none was), the
        new one, or anything else.
    bad_without_sync
        What ``bad`` would be if no file were synced before it is renamed.
    """

    states: int = 0
    old: int = 0
    new: int = 0
    bad: int = 0
    bad_without_sync: int = 0

    def add(self, other: PowerLosses) -> None:
        """Count what another has counted as well."""
        for name, count in vars(other).items():
            setattr(self, name, getattr(self, name) + count)


def lose_power(act: Callable[[], object], path: Path, states: int, seed: int) -> PowerLosses:
    """Replay power losses of something that saves a file."""
    old = path.read_bytes() if path.exists() else None
    calls = recorded(act)
    new = path.read_bytes()
    files = {call.file for call in calls if call.kind == "write"}
    unsynced = [call for call in calls if not (call.kind == "sync" and call.file in files)]
    rng, found = np.random.default_rng(seed), PowerLosses(states)
    for _ in range(states):
        state = after_power_loss(calls, path.name, old, rng)
        found.old += state == old
        found.new += state == new
        found.bad += state not in (old, new)
        found.bad_without_sync += after_power_loss(unsynced, path.name, old, rng) not in (old, new)
    return found
