"""Running one of our modules in a child process with a deadline, to look at unknown files.

HDF5 itself crashes or hangs on some damaged files; then the child does, and what remains is what
it had said until then and a line about how it ended.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from hdmea.interruption import safe_point

_TAIL_BYTES: Final = 4096
_LEAST_DEADLINE_S: Final = 60.0
_SLOW_BYTES_PER_S: Final = 20e6
_LOOK_EVERY_S: Final = 1.0
_FROM_OUTSIDE: Final = {
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGXCPU,
}
"""Signals that no file causes; the first is what the system sends where memory is short."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How a child failed; false if it did not.

    Parameters
    ----------
    words
        In a few words; empty if it did not.
    may_pass
        Whether it may be for want of time or memory, or because somebody has ended it, and not
        because of what it looked at.
    """

    words: str = ""
    may_pass: bool = False

    def __bool__(self) -> bool:
        return bool(self.words)

    def __str__(self) -> str:
        return self.words


def run_child(
    module: str, arguments: Sequence[str], deadline_s: float
) -> tuple[list[dict[str, Any]], Failure]:
    """Run ``python -m module arguments`` and collect the JSON objects it writes, one a line.

    Returns
    -------
    tuple
        The objects, and how the child failed.
    """
    # -P: a module lying in the working directory must not be taken for one of ours.
    command = [sys.executable, "-P", "-W", "ignore", "-m", module, *arguments]
    with _scratch() as out, _scratch() as err:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=_environment()
        ) as child:
            try:
                failure = _failure(_wait(child, deadline_s), err)
            except subprocess.TimeoutExpired:
                failure = Failure(f"it was not read within {deadline_s:.3g} s", may_pass=True)
            finally:
                child.kill()
        out.seek(0)
        return [json.loads(line) for line in out if line.endswith(b"\n")], failure


def _wait(child: subprocess.Popen[bytes], deadline_s: float) -> int:
    """Exit code of the child; the wait for it may be ended.

    Raises
    ------
    subprocess.TimeoutExpired
        If it has not ended in time.
    RunInterrupted
        If the run is to end.
    """
    until_s = time.monotonic() + deadline_s
    while True:
        left_s = until_s - time.monotonic()
        try:
            return child.wait(timeout=max(0.0, min(left_s, _LOOK_EVERY_S)))
        except subprocess.TimeoutExpired:
            if left_s <= 0:
                raise
        safe_point()


def default_deadline_s(cmtr_bytes: int) -> float:
    """Time that a look may take: a minute, and the time to read the sorted file slowly.

    Examples
    --------
    >>> default_deadline_s(2_000_000_000)
    160.0
    """
    return _LEAST_DEADLINE_S + cmtr_bytes / _SLOW_BYTES_PER_S


def limit_this_process(output_bytes: int) -> None:
    """For the child: a crash leaves no core file, and endless output does not fill the disk."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (output_bytes, output_bytes))


def _scratch() -> IO[bytes]:
    """A file for what the child says; in memory where that can be: a full disk must not end it."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("hdmea"), "w+b")
    return tempfile.TemporaryFile()


def _environment() -> dict[str, str]:
    """Let the child find this very package, read without locks and load no foreign filters."""
    environment = dict(os.environ)
    environment.pop("HDF5_EXT_PREFIX", None)
    environment["HDF5_USE_FILE_LOCKING"] = "FALSE"
    environment["HDF5_PLUGIN_PRELOAD"] = "::"  # HDF5's word for: no plugins
    here = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join(
        [here, *filter(None, [environment.get("PYTHONPATH")])]
    )
    return environment


def _failure(code: int, err: IO[bytes]) -> Failure:
    if code == 0:
        return Failure()
    if -code in _FROM_OUTSIDE:
        words = f"it was ended from outside (signal {-code}: {signal.strsignal(-code)}), as the "
        return Failure(words + "system does where memory is short", may_pass=True)
    if code < 0:
        return Failure(f"it crashed (signal {-code}: {signal.strsignal(-code)})")
    size = err.seek(0, os.SEEK_END)
    err.seek(max(0, size - _TAIL_BYTES))
    lines = err.read().decode(errors="replace").strip().splitlines()
    return Failure(lines[-1][:500] if lines else f"it ended with code {code}")
