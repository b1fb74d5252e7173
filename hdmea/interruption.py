"""Being asked to end: work goes on to its next safe point, where nothing that is done gets lost.

Long computations call `safe_point` wherever they could end. It does nothing, unless a run stops
at safe points (`stopping_at_safe_points`) and a signal has asked it to.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
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
