"""Trying a hostile input in a fork, with little memory and time, and judging how it ended."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import sys
import traceback
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faults.hostile.cases import MARK, Case, Room
from faults.hostile.watch import Watch
from hdmea.errors import HdmeaError

MEMORY_BYTES = 2**30
"""So much address space may a trial take beyond what its process has when it begins."""
CPU_S = 5
HUNG_S = 60
"""Time by the clock, for who waits; the machine may have other work."""
_STREAMS = {"stdout": "strict", "stderr": "backslashreplace"}
"""What a terminal's streams do with what is in no encoding."""
_READ, _REFUSED, _UNKNOWN = range(3)
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
"""Characters that let a line on the terminal say something else than its letters."""


@dataclass(frozen=True)
class Given:
    """A hostile input, and the room it lies in."""

    path: Path
    room: Room


Way = Callable[[Given], None]
"""Something that a user does with what was given; says what the user would see."""


def say(words: object) -> None:
    """Say something to the user."""
    sys.stdout.write(f"{words}\n")


@dataclass(frozen=True)
class Ending:
    """How a trial ended: ``refused``, ``harmless``, or what is wrong with it."""

    word: str
    cpu_s: float
    said: str

    @property
    def is_good(self) -> bool:
        """Whether no promise was broken."""
        return self.word in ("refused", "harmless")


def tried(case: Case, path: Path, room: Room, way: Way, *, gives_data: bool = True) -> Ending:
    """Let a fork of this process do something with a hostile input.

    Parameters
    ----------
    case
        The input.
    path
        Where it is.
    room
        Where it lies; made by the case.
    way
        What is done.
    gives_data
        Whether it gives values of the file; else it only tells of it.
    """
    before = _state(room)
    with Watch(room.bait) as watch:
        watch.seen()
        child = os.fork()
        if child == 0:
            _run(way, path, room)
        _, status, used = os.wait4(child, 0)
        touched = watch.seen()
    said = _said(room)
    code = os.waitstatus_to_exitcode(status)
    word = _judged(case, path, code, said, gives_data)
    if touched:
        said = f"{', '.join(touched)}\n{said}"
        word = "READ ELSEWHERE" if _only_read(touched) else "WROTE ELSEWHERE"
    elif _state(room) != before:
        word = "CHANGED INPUTS"
    elif any(room.folder.rglob(MARK)):
        word = "RAN CODE"
    return Ending(word, used.ru_utime + used.ru_stime, said)


def _judged(case: Case, path: Path, code: int, said: str, gives_data: bool) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGALRM):
        return "HUNG"
    if code not in (_READ, _REFUSED):
        return "CRASHED" if code < 0 else "UNKNOWN ERROR"
    if not _is_readable(said):
        return "UNREADABLE"
    if case.is_good:
        return "harmless" if code == _READ else "REFUSED A GOOD FILE"
    if code == _READ:
        return "READ AS GOOD" if case.must_be_refused and gives_data else "harmless"
    named = path.name in said or path.parent.name in said
    return "refused" if named or case.kind == "id" else "FILE NOT NAMED"


def _is_readable(said: str) -> bool:
    """Whether a terminal shows what was said, and does nothing else."""
    return not any(
        (character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"))
        or character in _TURNING
        for character in said
    )


def _only_read(touched: list[str]) -> bool:
    return all(one.split()[0] in ("opened", "read") for one in touched)


def _run(way: Way, path: Path, room: Room) -> None:
    """Do it, to the end of this process."""
    code = _UNKNOWN
    try:
        _confine(room)
        way(Given(path, room))
        code = _READ
    except HdmeaError as error:
        say(error)
        code = _REFUSED
    except SystemExit as error:
        code = int(error.code or 0) if str(error.code or 0).isdecimal() else _UNKNOWN
    except BaseException:  # noqa: BLE001 (whatever it is, it is what we look for)
        traceback.print_exc(limit=-4)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except UnicodeError as error:
        os.write(2, str(error).encode())
        code = _UNKNOWN
    os._exit(code)


def _confine(room: Room) -> None:
    """Little memory and time; what is said goes into a file, as strictly as to a terminal."""
    os.chdir(room.results)
    for number, (name, errors) in enumerate(_STREAMS.items(), start=1):
        stream = (room.results / name).open("a", encoding="utf-8", errors=errors)
        os.dup2(stream.fileno(), number)
        setattr(sys, name, stream)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(HUNG_S)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY_BYTES, most))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _said(room: Room) -> str:
    paths = [room.results / name for name in _STREAMS]
    return "".join(
        path.read_bytes().decode("utf-8", "surrogateescape") for path in paths if path.exists()
    )


def _state(room: Room) -> list[tuple[str, int, int, str]]:
    """Names, sizes, times and contents of inputs and bait; names of what is beside them."""
    found = [(path.name, 0, 0, "") for path in sorted(room.folder.iterdir())]
    for folder in (room.inputs, room.bait):
        for path in sorted(folder.rglob("*")):
            status = path.lstat()
            is_file = path.is_file() and not path.is_symlink()
            content = ""
            if is_file and folder == room.inputs:
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
            found.append((str(path), status.st_size, status.st_mtime_ns, content))
    return found
