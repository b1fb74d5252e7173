"""Seeing who touches the files of a folder: the kernel tells, whatever language opens them."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_EVENTS = {
    0x001: "read", 0x002: "written", 0x004: "changed", 0x020: "opened", 0x040: "moved",
    0x080: "moved", 0x100: "made", 0x200: "removed", 0x400: "removed", 0x800: "moved",
}  # fmt: skip
_HEAD = struct.Struct("iIII")
_BUFFER_BYTES = 2**16


class Watch:
    """What was done to folders, and to the files in them, by any process; Linux only.

    Parameters
    ----------
    folders
        Watched are they and their files, not what is in folders below them.
    """

    def __init__(self, *folders: Path) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        self._descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._folders: dict[int, Path] = {}
        for folder in folders:
            number = library.inotify_add_watch(self._descriptor, os.fsencode(folder), sum(_EVENTS))
            if number < 0:
                raise OSError(ctypes.get_errno(), f"inotify_add_watch: {folder}")
            self._folders[number] = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def seen(self) -> list[str]:
        """What happened since this was asked last: ``opened secret.h5``, each once."""
        return list(dict.fromkeys(self._events()))

    def _events(self) -> Iterator[str]:
        while True:
            try:
                told = os.read(self._descriptor, _BUFFER_BYTES)
            except BlockingIOError:
                return
            while told:
                _, mask, _, length = _HEAD.unpack_from(told)
                name = told[_HEAD.size : _HEAD.size + length].rstrip(b"\0")
                told = told[_HEAD.size + length :]
                for bit, word in _EVENTS.items():
                    if mask & bit:
                        yield f"{word} {os.fsdecode(name) or 'the folder'}"
