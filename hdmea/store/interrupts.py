"""Ctrl-C, and other signals that Python code answers, while HDF5 writes through Python code."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def kept_from(module: str, keep: Callable[[BaseException], None]) -> Iterator[None]:
    """What a signal's handler raises within a module is given to ``keep`` instead.

    HDF5 calls the functions of `hdmea.store.file_object`. An exception there is an error of the
    disk for it, and what is raised in the end says nothing of Ctrl-C. Anywhere else a handler
    raises as always.

    Parameters
    ----------
    module
        Name of the module within which nothing may be raised.
    keep
        Told what would have been.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs handlers in the main thread only
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def handler(number: int, frame: FrameType | None) -> None:
        own = before[signal.Signals(number)]
        assert callable(own)
        try:
            own(number, frame)
        except BaseException as error:
            if not _is_within(module, frame):
                raise
            keep(error)

    changed = [number for number in _SIGNALS if callable(before[number])]
    try:
        for number in changed:
            signal.signal(number, handler)
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])


def _is_within(module: str, frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") == module:
            return True
        frame = frame.f_back
    return False
