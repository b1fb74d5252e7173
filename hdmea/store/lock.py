"""Who works in a folder: one process at a time, and the next one when that is gone.

A small file says who it is, and is touched while the process lives. Nothing relies on it for
whole files: those are replaced, never changed. It keeps two processes from doing the same work.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from hdmea.errors import OutputWriteError
from hdmea.interruption import safe_point
from hdmea.store.atomic import named_errors, partial_file

LOCK = ".lock"
TOUCHED_EVERY_S = 20.0
DEAD_AFTER_S = 300.0
"""A process of another host that has not touched its lock for so long is taken for dead."""
_LOOK_EVERY_S = 0.5
_JOB_VARIABLES = ("SLURM_JOB_ID", "LSB_JOBID", "PBS_JOBID", "JOB_ID")
_log = logging.getLogger("hdmea")
_held: set[str] = set()
"""Tokens of the locks that this process has taken and not given back."""


@dataclass(frozen=True)
class Owner:
    """Who works in a folder.

    Parameters
    ----------
    host, pid, started
        The process; ``started`` (seconds since 1970) tells it from a later one of that number.
    job
        Its number in the batch system; empty outside of one.
    token
        Different for each time that a lock is taken.
    """

    host: str
    pid: int
    started: float
    job: str
    token: str

    def __str__(self) -> str:
        job = f", job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}"

    @classmethod
    def here(cls) -> Owner:
        """The process that asks."""
        import psutil  # type: ignore[import-untyped] # ships no types

        pid = os.getpid()
        job = next((os.environ[name] for name in _JOB_VARIABLES if os.environ.get(name)), "")
        started = float(psutil.Process(pid).create_time())
        return cls(socket.gethostname(), pid, started, job, secrets.token_hex(8))

    @classmethod
    def of(cls, lock: Path) -> Owner | None:
        """Who has a lock; None if nobody has, or what is there says nothing."""
        try:
            told = json.loads(lock.read_bytes())
            return cls(**told) if isinstance(told, dict) else None
        except (OSError, ValueError, TypeError):
            return None


def is_at_work(lock: Path, owner: Owner) -> bool:
    """Whether the owner of a lock lives, as far as can be told from here."""
    import psutil

    if owner.host == socket.gethostname():
        if owner.pid == os.getpid():
            return owner.token in _held  # one that a failing disk did not let go is not
        try:
            found = psutil.Process(owner.pid)
            return bool(
                abs(found.create_time() - owner.started) < 1
                and found.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True
    try:
        touched_s = lock.stat().st_mtime
    except OSError:  # given back meanwhile
        return False
    return _now_s(lock.parent) - touched_s < DEAD_AFTER_S


@contextmanager
def sole_worker(folder: Path) -> Iterator[None]:
    """Work where no other process does: wait for the one that does, take over from a dead one.

    Parameters
    ----------
    folder
        Where; it is made.

    Raises
    ------
    OutputWriteError
        If it cannot be written to.
    RunInterrupted
        If the run is to end while it waits.
    """
    lock, mine = folder / LOCK, Owner.here()
    _held.add(mine.token)
    try:
        _wait_for(lock, mine)
        ended = threading.Event()
        touching = threading.Thread(target=_touch, args=(lock, ended), daemon=True)
        touching.start()
        try:
            yield
        finally:
            ended.set()
            touching.join()
            if Owner.of(lock) == mine:
                with suppress(OSError):
                    lock.unlink()
    finally:
        _held.discard(mine.token)


def _wait_for(lock: Path, mine: Owner) -> None:
    """Take a lock when its owner has given it back, or is dead."""
    told = ""
    while not _take(lock, mine):
        owner = Owner.of(lock)
        if owner is not None and is_at_work(lock, owner):
            if owner.token != told:
                _log.warning(
                    "%s is being worked in by %s; waiting until it has ended", lock.parent, owner
                )
                told = owner.token
            safe_point()
            time.sleep(_LOOK_EVERY_S)
        elif _remove_of_dead(lock, owner):
            _log.info("%s: going on after %s", lock.parent, owner or "an unknown process")


def _take(lock: Path, mine: Owner) -> bool:
    """Put a lock where there is none; False if there is one."""
    if lock.exists():
        return False
    with partial_file(lock) as partial:
        with named_errors(lock):
            partial.write_text(json.dumps(asdict(mine)), encoding="utf-8")
        try:
            os.link(partial, lock)  # of several who try, one succeeds, on network disks too
        except FileExistsError:
            return False
        except OSError:  # a disk without links: nobody is kept out, and nothing breaks
            _log.info("%s: no lock can be made here", lock.parent)
    return True


def _remove_of_dead(lock: Path, owner: Owner | None) -> bool:
    """Remove a dead owner's lock; False if somebody else was faster."""
    with partial_file(lock) as aside:
        try:
            with named_errors(lock):
                lock.rename(aside)
        except OutputWriteError:
            if lock.exists():
                raise
            return False
        if Owner.of(aside) != owner:  # not the one that was looked at: a living one's, put back
            with suppress(OSError):
                os.link(aside, lock)
            return False
        return True


def _touch(lock: Path, ended: threading.Event) -> None:
    while not ended.wait(TOUCHED_EVERY_S):
        with suppress(OSError):
            os.utime(lock)


def _now_s(folder: Path) -> float:
    """What time it is for the disk of a folder, whose clock may be another host's."""
    try:
        with partial_file(folder / "clock") as probe:
            probe.touch()
            return probe.stat().st_mtime
    except OSError:
        return time.time()
