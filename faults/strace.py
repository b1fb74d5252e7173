"""Planting faults with strace, where there is no compiler for the shim: slower, and not all kinds.

strace counts the calls of each name by itself, all over the system. So a run is looked at first;
then the Nth call below the folder is known to be, say, the 12th pwrite64 of the run.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from faults.forks import Act, Forked
from faults.harms import Harm
from faults.judge import SAVED, End
from faults.kinds import ERROR, SHORT, TORN, Fault

_MAKES = ("openat", "open", "creat")
_REMOVES = ("unlink", "unlinkat", "rmdir")
_CHANGES = (
    "write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile",
    "ftruncate", "truncate", "fallocate", "fsync", "fdatasync", "rename", "renameat", "renameat2",
    "link", "linkat", "symlink", "symlinkat", "mkdir", "mkdirat",
)  # fmt: skip
_PATIENCE_S = 20.0
_LINE = re.compile(r"^(?:\d+ +)?(\w+)\(")


class NoTracingError(RuntimeError):
    """strace is not here, or may not trace."""


@dataclass(frozen=True)
class TracedCall:
    """The so manieth call of a name, and whether it changes a file below the folder."""

    name: str
    nth: int
    counts: bool


class Strace:
    """Plants faults into forks of this process.

    Parameters
    ----------
    folder
        Calls that change files below it are counted.
    log
        A file for what strace says.

    Raises
    ------
    NoTracingError
        If strace is not here.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        if shutil.which("strace") is None:
            raise NoTracingError("strace is not here (the package strace has it)")
        self.folder, self.log = folder, log
        self.calls: list[TracedCall] = []

    def can(self, fault: Fault) -> bool:
        """Whether strace can do it: it does not cut a write, and stands still for its tracer."""
        return fault.action not in (TORN, SHORT) and not fault.is_a_look

    def look_at(self, act: Act) -> End:
        """Run undisturbed, and remember the calls."""
        run, look = Forked(act), _Traced(self, [])
        try:
            look.attach(run.pid)
            end = run.act()
            look.heal()
        finally:
            run.leave()
        counts: Counter[str] = Counter()
        self.calls = []
        for line in self.log.read_text(errors="replace").splitlines():
            if found := _LINE.match(line):
                counts[found[1]] += 1
                below = re.search(rf"{re.escape(str(self.folder))}[/\">]", line) is not None
                makes = re.search("O_CREAT|O_TRUNC|O_TMPFILE|^creat", line)
                counted = below and (found[1] not in _MAKES or makes is not None)
                self.calls.append(TracedCall(found[1], counts[found[1]], counted))
        return end

    @property
    def seen(self) -> int:
        """File-changing calls of the undisturbed run."""
        return sum(call.counts for call in self.calls)

    def harm(self, fault: Fault, point: int) -> Harm:
        """The fault at the call of this number, from 1."""
        at = [i for i, call in enumerate(self.calls) if call.counts][point - 1]
        call = self.calls[at]
        if fault.action != ERROR:
            return _Traced(self, [f"{call.name}:signal={fault.number}:when={call.nth}"])
        error, spares = errno.errorcode[fault.number], fault.number != errno.EIO
        if spares and call.name in _REMOVES:  # a full disk or quota lets files be removed
            return _Traced(self, [])
        here = f"{call.name}:error={error}:when={call.nth}"
        if not fault.for_ever:
            return _Traced(self, [here])
        before = Counter(one.name for one in self.calls[:at])
        # opening for ever would strike what is only read
        names = {one.name for one in self.calls} - set(_MAKES) - {call.name}
        later = [n for n in sorted(names) if not (spares and n in _REMOVES)]
        first = here if call.name in _MAKES else f"{here}+"
        return _Traced(self, [first, *(f"{n}:error={error}:when={before[n] + 1}+" for n in later)])


class _Traced(Harm):
    """strace on a fork, with what it injects."""

    def __init__(self, strace: Strace, injections: list[str]) -> None:
        self.strace, self.injections = strace, injections
        self._process: subprocess.Popen[str] | None = None

    def attach(self, process: int) -> None:
        """Trace a process from now on."""
        traced = ",".join(f"?{name}" for name in (*_MAKES, *_REMOVES, *_CHANGES))
        inject = [f"--inject={one}" for one in self.injections]
        command = ["strace", "-y", "-o", str(self.strace.log), "-e", f"trace={traced}", *inject]
        self._process = subprocess.Popen(
            [*command, "-p", str(process)],
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + _PATIENCE_S
        status = Path(f"/proc/{process}/status")
        while "TracerPid:\t0\n" in status.read_text():
            if self._process.poll() is not None or time.monotonic() > until:
                self._process.kill()
                raise NoTracingError(f"strace: {self._process.communicate()[1].strip()}")
            time.sleep(0.002)

    def heal(self) -> None:
        """Let go of the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    def met(self, end: End) -> bool:
        """Whether something was injected, which strace says, or the process was killed."""
        self.heal()
        said = self.strace.log.read_text(errors="replace").splitlines()
        struck = [line for line in said if "(INJECTED)" in line or line.startswith("--- SIG")]
        self.struck_removing = any(line.startswith(_REMOVES) for line in struck)
        return bool(struck) or end.code < SAVED


def can_trace() -> str:
    """Why this process cannot trace another one; empty if it can."""
    try:
        Strace(Path("/"), Path(os.devnull)).look_at(lambda: None)
    except NoTracingError as error:
        return str(error)
    return ""
