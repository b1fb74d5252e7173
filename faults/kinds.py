"""The faults that are planted."""

from __future__ import annotations

import errno
import signal
from dataclasses import dataclass

KILL, TORN, ERROR, SIGNAL, SHORT = range(1, 6)
KILL_AT_RANDOM, SIZE_LIMIT, MEMORY_LIMIT, FULL, READ_ONLY = range(6, 11)
"""What happens. The first five are done at a call, numbered as ``enum action`` of
the shim, the others to a whole run."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one system call.

    Parameters
    ----------
    name
        Its name on the page.
    says
        What it is, in words.
    action
        One of the numbers above.
    number
        Error number, or signal.
    for_ever
        Whether all later calls fail as well.
    """

    name: str
    says: str
    action: int
    number: int = 0
    for_ever: bool = False

    @property
    def is_of_a_call(self) -> bool:
        """Whether it is planted at one call, not around the whole run."""
        return self.action <= SHORT

    @property
    def is_a_look(self) -> bool:
        """Whether one run meets it at every call, and goes on."""
        return self.number == signal.SIGSTOP

    @property
    def ends_process(self) -> bool:
        """Whether nothing of the process runs after it."""
        return self.action in (KILL, TORN, KILL_AT_RANDOM) or self.number == signal.SIGTERM


def _errors(number: int, says: str) -> tuple[Fault, Fault]:
    name = errno.errorcode[number]
    return (
        Fault(f"{name} once", f"{says}, once", ERROR, number),
        Fault(f"{name} for ever", f"{says}, from then on", ERROR, number, for_ever=True),
    )


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("stop", "the process stands still before each call", SIGNAL, signal.SIGSTOP, True),
        Fault("kill", "`kill -9` before the call", KILL, signal.SIGKILL),
        Fault("torn write", "half of a write is done, then `kill -9`", TORN, signal.SIGKILL),
        Fault("SIGTERM", "a scheduler asks the process to end", SIGNAL, signal.SIGTERM),
        Fault("SIGINT", "Ctrl-C", SIGNAL, signal.SIGINT),
        Fault("short write", "half of a write is done, and told", SHORT),
        *_errors(errno.ENOSPC, "the disk is full"),
        *_errors(errno.EDQUOT, "the quota is used up"),
        *_errors(errno.EIO, "the disk fails"),
    )
}
"""Faults at one call."""
RANDOM_KILL = Fault(
    "random kill", "`kill -9` from outside, at any moment", KILL_AT_RANDOM, signal.SIGKILL
)
LIMITS = {
    fault.name: fault
    for fault in (
        Fault("full file system", "a tmpfs has no more room", FULL, errno.ENOSPC),
        Fault("size limit", "no file may grow beyond a size", SIZE_LIMIT, errno.EFBIG),
        Fault("memory limit", "the process gets no more memory", MEMORY_LIMIT, errno.ENOMEM),
        Fault("read-only folder", "another user's folder", READ_ONLY, errno.EACCES),
    )
}
"""What a system may refuse to a whole run."""
EVERY_FAULT = FAULTS | {RANDOM_KILL.name: RANDOM_KILL} | LIMITS
