"""Running something in a fork of this process, which says how it ended and can try again."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

from faults.judge import FAILED, SAVED, End

DEADLINE_S = 600

Act = Callable[[], object]
Within = Callable[[bool], AbstractContextManager[object]]
"""What is around a try within the fork; told whether it is the first one."""


def as_it_is(_: bool) -> AbstractContextManager[object]:
    """Nothing is around a try."""
    return nullcontext()


class Forked:
    """A fork that waits until it is told to act, and after that to act again.

    Parameters
    ----------
    act
        What it does.
    within
        What is around that.
    """

    def __init__(self, act: Act, within: Within = as_it_is) -> None:
        # a socket, since faults may be planted in whatever writes
        mine, its = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            mine.close()
            _serve(act, within, its)
        its.close()
        self._channel = mine
        self._lines = mine.makefile("rb")
        self._code: int | None = None

    def act(self, meanwhile: Callable[[int], object] = lambda _: None) -> End:
        """Let it act; how that ended. ``meanwhile`` is given its process id."""
        self._channel.sendall(b"act\n")
        meanwhile(self.pid)
        try:
            line = self._lines.readline()
        except ConnectionResetError:
            line = b""
        return End(**json.loads(line)) if line else End(self._ended(), {})

    def stops(self) -> Iterator[None]:
        """Let it act; each time that it stops itself, before it is told to go on.

        Raises
        ------
        TimeoutError
            If it neither stops nor comes to its end.
        """
        self._channel.sendall(b"act\n")
        until = time.monotonic() + DEADLINE_S
        while not select.select([self._channel], [], [], 0)[0]:
            _, status = os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)
            if os.WIFSTOPPED(status):
                yield
                os.kill(self.pid, signal.SIGCONT)
            elif time.monotonic() > until:
                raise TimeoutError(f"process {self.pid} neither stops nor ends")

    def end(self) -> End:
        """How that ended."""
        return End(**json.loads(self._lines.readline()))

    def leave(self) -> None:
        """Let it end; nothing of it remains."""
        self._lines.close()
        self._channel.close()
        self._ended()

    def _ended(self) -> int:
        if self._code is None:
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self._code


def forked(act: Act) -> End:
    """Run in a fork; how it ended."""
    run = Forked(act)
    try:
        return run.act()
    finally:
        run.leave()


def _serve(act: Act, within: Within, channel: socket.socket) -> NoReturn:
    """Act whenever a line comes; ends with this process, whatever happens."""
    signal.alarm(DEADLINE_S)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    first = True
    try:
        for _ in channel.makefile("rb"):
            end = _tried(act, within(first))
            first = False
            channel.sendall(json.dumps(end).encode() + b"\n")
    finally:
        os._exit(FAILED)


def _tried(act: Act, around: AbstractContextManager[object]) -> dict[str, Any]:
    try:
        with around:
            act()
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is what we look for)
        said = {
            "kind": type(error).__name__,
            "message": str(error),
            "errno": getattr(error, "errno", None),
            "filename": getattr(error, "filename", None),
            "trace": traceback.format_exc(limit=-4),
        }
        return {"code": FAILED, "error": said}
    return {"code": SAVED, "error": {}}
