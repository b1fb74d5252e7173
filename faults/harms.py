"""How the faults are done: by the shim or strace at a call, or to the whole run."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from faults.forks import as_it_is
from faults.judge import SAVED, End

NOBODY = 65534
_PLENTY = "1g"
_LEAST_MEMORY_BYTES, _MEMORY_RATIO = 2**14, 2**12


class NotAllowedError(RuntimeError):
    """The system does not let this user do a harm."""


class Harm:
    """Something that is done to a run; by default nothing."""

    struck_removing = False
    """Whether the removing of a file failed."""

    def prepare(self) -> None:
        """Before the run, when its folder is ready."""

    def within(self, first: bool) -> AbstractContextManager[object]:
        """Around each try, within its process."""
        return as_it_is(first)

    def attach(self, process: int) -> None:
        """Before the first try, from outside."""

    def meanwhile(self, process: int) -> None:
        """While it runs, from outside."""

    def heal(self) -> None:
        """Let nothing fail any more."""

    def met(self, end: End) -> bool:
        """Whether the run has met it."""
        return end.code != SAVED


class SizeLimit(Harm):
    """No file may grow beyond a size."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def within(self, first: bool) -> AbstractContextManager[object]:
        """Lower the limit for the first try."""
        return _limited(resource.RLIMIT_FSIZE, self.size_bytes) if first else as_it_is(first)


class MemoryLimit(Harm):
    """The process gets so much more memory than it has, and has none in reserve.

    Parameters
    ----------
    share
        Of the way, on a logarithmic scale, from 16 kB to 64 MB.
    """

    def __init__(self, share: float) -> None:
        self.more_bytes = int(_LEAST_MEMORY_BYTES * _MEMORY_RATIO**share)

    @contextmanager
    def within(self, first: bool) -> Iterator[None]:
        """Lower the limit for the first try."""
        if not first:
            yield
            return
        _grow_stack()
        with _limited(resource.RLIMIT_AS, _taken_bytes()):
            reserve = _reserve()
        with _limited(resource.RLIMIT_AS, _taken_bytes() + self.more_bytes):
            yield
        del reserve


class KillAtRandom(Harm):
    """``kill -9`` after a time."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s

    def meanwhile(self, process: int) -> None:
        """Wait, then kill."""
        time.sleep(self.after_s)
        os.kill(process, signal.SIGKILL)

    def met(self, end: End) -> bool:
        """Not if it had come to its end before."""
        return end.code == -signal.SIGKILL


class FullFileSystem(Harm):
    """A small file system of its own, in memory, that has so much room.

    Parameters
    ----------
    folder
        Where `mounted` has put it.
    room_bytes
        Beside what lies there.
    """

    def __init__(self, folder: Path, room_bytes: int) -> None:
        self.folder, self.room_bytes = folder, room_bytes

    def prepare(self) -> None:
        """Leave no more room than that."""
        found = os.statvfs(self.folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        self._resize(str(used + self.room_bytes))

    def heal(self) -> None:
        """Make room."""
        self._resize(_PLENTY)

    def _resize(self, size: str) -> None:
        _run(["mount", "-o", f"remount,size={size}", str(self.folder)])


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A file system in memory at a folder.

    Raises
    ------
    NotAllowedError
        If this user may not mount.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _run(["mount", "-t", "tmpfs", "-o", f"size={_PLENTY}", "tmpfs", str(folder)])
    try:
        yield
    finally:
        _run(["umount", "--lazy", str(folder)])


class ReadOnly(Harm):
    """Another user's folder, in which nothing may be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Take the right to write."""
        self._chmod(0o555)

    @contextmanager
    def within(self, first: bool) -> Iterator[None]:  # noqa: ARG002 (in each try)
        """Be nobody: for root every folder can be written."""
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    def heal(self) -> None:
        """Give the right to write."""
        self._chmod(0o777)

    def _chmod(self, mode: int) -> None:
        for folder in (self.folder, *self.folder.rglob("*/")):
            folder.chmod(mode)


def _taken_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _reserve() -> list[bytearray]:
    """Take what the process has got from the system, and does not use."""
    taken: list[bytearray] = []
    for size in (2**20, 2**16, 2**13, 2**10):
        with suppress(MemoryError):
            while True:
                taken.append(bytearray(size))
    return taken


def _grow_stack() -> None:
    """Take half a megabyte of stack: the system kills who needs more of it beyond the limit."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(5000)
    json.loads("[" * 4500 + "]" * 4500)
    sys.setrecursionlimit(before)


@contextmanager
def _limited(what: int, size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise NotAllowedError(f"{' '.join(command)}: {done.stderr.strip()}")
