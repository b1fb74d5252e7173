"""Doing something in a fork that may crash, hang, or talk too much, and telling how it ended."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import tempfile
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

DEADLINE_S = 60
_MEMORY_BYTES = 4 * 2**30


class Watched(NamedTuple):
    """How a fork ended."""

    code: int
    """0, 1 after an exception; negative: the signal that ended it."""
    said: dict[str, Any]
    """What was returned, or ``kind`` and ``message`` of the exception; empty after a signal."""
    lines: int
    """Lines that it wrote on its standard output and error."""
    seconds: float
    """Time of the processor that it and its own children took."""

    @property
    def crashed(self) -> bool:
        """Whether the interpreter came to no end of its own."""
        return self.code < 0 and not self.hung

    @property
    def hung(self) -> bool:
        """Whether it was not done in time."""
        return self.code == -signal.SIGALRM


def watched(act: Callable[[], dict[str, Any]], deadline_s: int = DEADLINE_S) -> Watched:
    """Do something that gives a JSON object in a fork, with a deadline and a memory of 4 GiB."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as talk:
        child = os.fork()
        if child == 0:
            os.close(reading)
            _do(act, writing, talk.fileno(), deadline_s)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status, used = os.wait4(child, 0)
        talk.seek(0)
        lines = talk.read().count(b"\n")
    code, seconds = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
    return Watched(code, json.loads(said) if said else {}, lines, seconds)


def _do(act: Callable[[], dict[str, Any]], writing: int, talk: int, deadline_s: int) -> None:
    """To the end of this process, whatever happens."""
    code, said = 1, {}
    try:
        os.dup2(talk, 1)
        os.dup2(talk, 2)
        # others may have been told to take these
        faulthandler.disable()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(deadline_s)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        said = act()
        code = 0
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is what we look for)
        where = traceback.format_exc(limit=-4)
        classes = [kind.__name__ for kind in type(error).__mro__]
        said = {"kind": classes[0], "kinds": classes, "message": str(error), "trace": where}
    finally:
        os.write(writing, json.dumps(said).encode())
        os._exit(code)
