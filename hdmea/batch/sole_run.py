"""One run at a time into one folder of results, also if runs are started in different folders.

Snakemake locks the folder in which it is started, and removes the outputs of a job before it runs
it. Two runs that share their results would take files from each other.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_LOCK = ".run.lock"
_held: dict[Path, int] = {}


def be_the_only_run(folders: Iterable[str | Path], tell: Callable[[str], None]) -> None:
    """Wait until no other run writes into these folders, and keep others out until this one ends.

    Where the file system has no locks, or the folder cannot be written, nothing is waited for.

    Parameters
    ----------
    folders
        Made if they are missing. Asked for again, they are this process's already.
    tell
        Called with a line that says who is waited for, if somebody is.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     be_the_only_run([folder], print)
    ...     holder = (Path(folder) / ".run.lock").read_text()
    >>> holder.startswith(f"process {os.getpid()} on ")
    True
    """
    # everybody asks in the same order, so that no two wait for each other
    for folder in sorted({Path(os.path.realpath(folder)) for folder in folders}):
        if folder in _held:
            continue
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            _held[folder] = _locked(folder / _LOCK, tell)


def _locked(path: Path, tell: Callable[[str], None]) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 1000, 0).decode("utf-8", "replace").strip()
            tell(f"waiting until another run has ended that writes into {path.parent}: {holder}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        said = f"process {os.getpid()} on {socket.gethostname()}, started in {Path.cwd()}\n"
        os.pwrite(descriptor, said.encode(), 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
