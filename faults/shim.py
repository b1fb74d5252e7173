"""The shim: built where it is needed, and spoken to from within the process that has it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

from faults.forks import Act, forked
from faults.harms import Harm
from faults.judge import End
from faults.kinds import Fault

SOURCE = Path(__file__).with_name("shim.c")
REMOVES = 1 << 3
"""Bit in `Shim.kinds` for calls that remove a name; the order is that of ``enum call``."""


class NoCompilerError(RuntimeError):
    """Neither cc nor gcc is here, so that no shim can be built."""


def build(folder: Path) -> Path:
    """Compile the shim into a folder.

    Raises
    ------
    NoCompilerError
        If there is no C compiler.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompilerError("no C compiler is here (cc or gcc), which builds the shim")
    library = folder / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE]
    subprocess.run([*command, "-ldl"], check=True, timeout=300)
    return library


def environment(library: Path | None) -> dict[str, str]:
    """Environment of a process with the shim, if any; BLAS at one thread, so forks are safe."""
    preloaded = {} if library is None else {"LD_PRELOAD": str(library)}
    return os.environ | preloaded | {"OMP_NUM_THREADS": "1"}


class Shim:
    """The shim of this very process, and of those that it forks.

    Parameters
    ----------
    folder
        Calls that change files below it are counted.
    """

    def __init__(self, folder: Path) -> None:
        self._library = ctypes.CDLL(None)
        for name in ("seen", "struck", "kinds"):
            getattr(self._library, f"faults_{name}").restype = ctypes.c_long
        self._library.faults_watch(os.fsencode(os.path.realpath(folder)))

    def arm(self, fault: Fault, point: int) -> None:
        """Count from 0, and let the call of this number, from 1, fail."""
        self._library.faults_arm(
            ctypes.c_long(point), fault.action, int(fault.number), int(fault.for_ever)
        )

    def disarm(self) -> None:
        """Count from 0, and let nothing fail."""
        self._library.faults_arm(ctypes.c_long(0), 0, 0, 0)

    def can(self, fault: Fault) -> bool:
        """Whether the shim can do it."""
        return fault.is_of_a_call

    def look_at(self, act: Act) -> End:
        """Run undisturbed, and count the calls."""
        self.disarm()
        return forked(act)

    def harm(self, fault: Fault, point: int) -> Harm:
        """The fault at the call of this number, from 1."""
        return _OfCall(self, fault, point)

    def heal(self) -> None:
        """Let nothing fail any more; what was counted stays."""
        self._library.faults_heal()

    @property
    def seen(self) -> int:
        """File-changing calls since it was armed, in this process and its children."""
        return int(self._library.faults_seen())

    @property
    def struck(self) -> int:
        """Calls that failed."""
        return int(self._library.faults_struck())

    @property
    def struck_removing(self) -> bool:
        """Whether the removing of a file failed."""
        return bool(self._library.faults_kinds() & REMOVES)


class _OfCall(Harm):
    """A fault at one call, and perhaps at all later ones."""

    def __init__(self, shim: Shim, fault: Fault, point: int) -> None:
        self.shim, self.fault, self.point = shim, fault, point

    def prepare(self) -> None:
        """Arm the shim."""
        self.shim.arm(self.fault, self.point)

    def heal(self) -> None:
        """Let nothing fail any more."""
        self.shim.heal()

    def met(self, end: End) -> bool:  # noqa: ARG002 (the shim knows)
        """Whether the call came, and was one that this fault meets."""
        self.struck_removing = self.shim.struck_removing
        return bool(self.shim.struck)
