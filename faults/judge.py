"""What a fault has left behind."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from faults.kinds import KILL, MEMORY_LIMIT, SHORT, SIGNAL, TORN, Fault
from hdmea.errors import HdmeaError
from hdmea.interruption import RunInterrupted
from hdmea.store.lock import LOCK
from hdmea.store.verify import verify

State = Mapping[str, str | None]
"""Of each final name: identity of the whole file that is there, `DAMAGED`, or None."""
DAMAGED = "damaged"
SAVED, FAILED = 0, 1
"""How a process ends that is not killed."""


@dataclass
class Tally:
    """How many faults were planted, and how they ended.

    Parameters
    ----------
    faults
        Faults that were met.
    old, new, between
        Runs after which all final names had the old whole file, all the new one, or some of each.
    torn, lost
        Runs after which a final name had a file that is not whole, or none where there was one.
    silent
        Runs that ended well without the new file.
    crashes
        Ends by a signal that nobody sent.
    wrong_error
        Errors without the right number, or without the file's path in the message.
    strays
        Hidden files that were left after an error or a success though they could be removed, or
        that the next run did not sweep.
    swept
        Hidden files of ended processes, or that the disk did not let go, which the next run swept.
    next_runs, not_resumed
        Next runs after a kill, and those that did not give the new file.
    retries, not_retried
        Second tries of a process after an error, when nothing fails any more, and those that did
        not give the new file.
    """

    faults: int = 0
    old: int = 0
    new: int = 0
    between: int = 0
    torn: int = 0
    lost: int = 0
    silent: int = 0
    crashes: int = 0
    wrong_error: int = 0
    strays: int = 0
    swept: int = 0
    next_runs: int = 0
    not_resumed: int = 0
    retries: int = 0
    not_retried: int = 0

    def add(self, other: Tally) -> None:
        """Count what another has counted as well."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            setattr(self, field.name, mine + theirs)

    @property
    def bad(self) -> dict[str, int]:
        """What must be 0, and is not."""
        return {name: count for name, count in asdict(self).items() if name in BAD and count}


BAD = ("torn", "lost", "silent", "crashes", "wrong_error", "strays", "not_resumed", "not_retried")


@dataclass(frozen=True)
class End:
    """How a run ended: its exit code (negative: the signal), and what its error said."""

    code: int
    error: Mapping[str, Any]


def state_of(folder: Path, finals: tuple[str, ...]) -> dict[str, str | None]:
    """What is under the final names."""
    return {name: _identity(folder / name) for name in finals}


def hidden(folder: Path) -> list[Path]:
    """Files that writers have not finished; locks are looked at where they must be gone."""
    return [path for path in folder.rglob(".*") if path.is_file() and path.name != LOCK]


def judge(
    end: End,
    fault: Fault,
    folder: Path,
    finals: tuple[str, ...],
    before: State,
    after: State,
    *,
    struck_removing: bool,
) -> Tally:
    """Count what one fault did; strays of ended processes are for the next run."""
    found = state_of(folder, finals)
    tally = Tally(faults=1)
    tally.torn = int(any(found[n] not in (None, before[n], after[n]) for n in finals))
    # every file that can be read under its name is whole, also those that are no result
    whole = [p for p in folder.rglob("*.h5") if p.name[0] != "."]
    tally.torn |= int(any(_identity(path) == DAMAGED for path in whole))
    tally.lost = int(any(found[n] is None and before[n] is not None for n in finals))
    if not (tally.torn or tally.lost):
        tally.new = int(found == after)
        tally.old = int(found == before and not tally.new)
        tally.between = 1 - tally.new - tally.old
    tally.silent = int(end.code == SAVED and found != after)
    sent = -fault.number if fault.ends_process else None
    tally.crashes = int(end.code < 0 and end.code != sent)
    if end.code > 0:
        tally.wrong_error = int(not _is_right(end.error, fault, folder))
    if end.code >= 0 and not struck_removing:
        tally.strays = len(hidden(folder))
    return tally


def _is_right(error: Mapping[str, Any], fault: Fault, folder: Path) -> bool:
    """Whether an error says what happened, and to which file."""
    if fault.action == MEMORY_LIMIT and error["kind"] == "MemoryError":
        return True
    if fault.action in (KILL, TORN, SIGNAL, SHORT):
        asked = error["kind"] == RunInterrupted.__name__  # which waits for its next safe point
        return asked or (fault.number == signal.SIGINT and error["kind"] == "KeyboardInterrupt")
    named = Path(error["filename"] or "")
    inside = named == folder or folder in named.parents
    return (
        error["kind"] == "OutputWriteError"
        and error["errno"] == fault.number
        and inside
        and (named.name[:1] != "." or named.name == LOCK)
        and str(named) in error["message"]
        and os.strerror(fault.number) in error["message"]
    )


def _identity(path: Path) -> str | None:
    """Digest of the content of a file that is whole."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    if path.suffix != ".h5":
        return hashlib.sha256(content).hexdigest()
    key = hashlib.sha256(content).hexdigest()
    if key not in _known:
        try:
            report = verify(path)
            _known[key] = report.content_digest if report.is_good else DAMAGED
        except HdmeaError:
            _known[key] = DAMAGED
    return _known[key]


_known: dict[str, str] = {}
"""What was found of a file with these bytes: most files are as they were."""
