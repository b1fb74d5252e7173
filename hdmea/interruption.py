"""Being asked to end: work goes on to its next safe point, where nothing that is done gets lost.

Long computations call `safe_point` wherever they could end. It does nothing, unless a run stops
at safe points (`stopping_at_safe_points`) and a signal has asked it to.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_SHELLS = {"sh", "bash", "dash"}
_log = logging.getLogger("hdmea")
_asked: list[signal.Signals] = []


class RunInterrupted(KeyboardInterrupt):
    """A run was asked to end and has kept what it had done.

    Parameters
    ----------
    number
        The signal that asked.
    """

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(f"interrupted by {number.name}")
        self.number = number

    @property
    def exit_code(self) -> int:
        """What a process ends with that a signal has ended: 143 after SIGTERM, 130 after Ctrl-C."""
        return 128 + self.number


@contextmanager
def stopping_at_safe_points() -> Iterator[None]:
    """Within this, SIGTERM and Ctrl-C end the work at its next safe point, not at once.

    A second Ctrl-C ends it at once; further SIGTERMs change nothing. Outside of the main thread,
    where Python handles no signals, nothing is changed. What ends before it comes to a safe point
    has ended well.

    Raises
    ------
    RunInterrupted
        At the safe point.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _: FrameType | None) -> None:
        if signal.SIGINT in _asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not _asked:
            _log.warning("%s: ending at the next safe point", signal.Signals(number).name)
        _asked.append(signal.Signals(number))

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    # what is ignored stays so: a shell does that for work in the background
    taken = [number for number in _SIGNALS if before[number] not in (signal.SIG_IGN, None)]
    try:
        for number in taken:
            signal.signal(number, ask)
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
        _asked.clear()


def pass_sigterm_on() -> None:
    """Let all that this process has started hear the SIGTERMs that it gets itself.

    For a process that waits for its work, as Snakemake does: on most clusters the batch system
    signals the first process of a job only. What this process does itself at SIGTERM is its own
    matter, but it must handle it: one that SIGTERM ends passes nothing on. Shells are left out,
    since older ones would end, and leave their work alone.

    Outside of the main thread nothing is done, nor where signals wake up something else already.
    """
    import psutil  # type: ignore[import-untyped] # ships no types

    if threading.current_thread() is not threading.main_thread():
        return
    listening, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told)
    if before != -1:
        signal.set_wakeup_fd(before)
        os.close(listening)
        os.close(told)
        return

    def pass_on() -> None:
        while numbers := os.read(listening, 64):
            if signal.SIGTERM in numbers:
                for process in psutil.Process().children(recursive=True):
                    with suppress(psutil.Error):
                        if process.name() not in _SHELLS:
                            process.terminate()

    threading.Thread(target=pass_on, name="passes SIGTERM on", daemon=True).start()


def in_a_thread(handler: Callable[..., object]) -> Callable[..., None]:
    """Let a handler of signals wait for what it may not wait for where it was called.

    A handler is called in the midst of what the main thread does, which goes on when it returns. If
    it waits for a lock that this thread has, it waits for ever.

    Parameters
    ----------
    handler
        Called with what the handler that is returned is called with, in a thread of its own.

    Examples
    --------
    >>> from threading import Lock
    >>> lock, heard = Lock(), SimpleQueue()
    >>> def hear(number):
    ...     with lock:
    ...         heard.put(number)
    >>> hears = in_a_thread(hear)
    >>> with lock:
    ...     hears(15)
    >>> heard.get()
    15
    """
    calls: SimpleQueue[tuple[Any, ...]] = SimpleQueue()  # the one queue that handlers may put into

    def hear() -> None:
        while True:
            handler(*calls.get())

    threading.Thread(target=hear, name="hears signals", daemon=True).start()
    return lambda *arguments: calls.put(arguments)


def is_asked_to_end() -> bool:
    """Whether the next safe point will end the run."""
    return bool(_asked)


def safe_point() -> None:
    """Where work may end.

    Raises
    ------
    RunInterrupted
        If it was asked to.

    Examples
    --------
    >>> safe_point()
    """
    if _asked:
        raise RunInterrupted(_asked[0])
