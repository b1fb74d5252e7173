"""What each job says of itself beside its log: that it runs, how it ended, what it took.

A job that is killed leaves word that it runs; whether its process still does tells the two apart.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from hdmea import __version__
from hdmea.errors import (
    OutputWriteError,
    RecordingFileError,
    RecordingNotReadError,
    UnreadableRecordingError,
)
from hdmea.mcs.digest import file_stamp
from hdmea.session.run_record import peak_memory_mb
from hdmea.store.lock import Owner, is_at_work
from hdmea.store.small_file import write_small_file

_log = logging.getLogger("hdmea")


@dataclass(frozen=True)
class Status:
    """The last run of a job.

    Parameters
    ----------
    state
        ``running``: it began, and did not say that it ended.
    owner
        The process.
    key
        Digest of what it works on; empty where that does not count.
    reason
        Why it failed.
    lasting
        Whether it would fail again on the same files, because of what is in them.
    began_s, ended_s
        Seconds since 1970.
    peak_memory_mb
        Of its process.
    """

    state: Literal["running", "done", "failed", "interrupted"]
    owner: Mapping[str, Any]
    key: str = ""
    reason: str = ""
    lasting: bool = False
    began_s: float = field(default_factory=time.time)
    ended_s: float | None = None
    peak_memory_mb: float | None = None

    @classmethod
    def read(cls, path: Path) -> Status | None:
        """What a file says; None if there is none, or it says nothing."""
        try:
            told = json.loads(path.read_bytes())
            Owner(**told["owner"])
            return cls(**told)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @property
    def duration_s(self) -> float | None:
        """From its beginning to its end."""
        return None if self.ended_s is None else self.ended_s - self.began_s

    def lives(self, path: Path) -> bool:
        """Whether the job of a file still runs, as far as can be told from this computer."""
        return self.state == "running" and is_at_work(path, Owner(**self.owner))


def status_path(log: str | Path) -> Path:
    """Where the job with this log says how it goes.

    Examples
    --------
    >>> status_path("results/logs/rec/features.chirp.log").as_posix()
    'results/logs/rec/features.chirp.json'
    """
    return Path(log).with_suffix(".json")


def work_key(definition: Any, files: Sequence[str]) -> str:
    """Digest of what a job works on: its definition, the stamps of its files, and hdmea's version.

    Another version may read what this one cannot.
    """
    stamps = {path: list(file_stamp(path)) for path in files if Path(path).exists()}
    told = json.dumps([__version__, definition, stamps], sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()


@contextmanager
def status_kept(path: Path, key: str = "") -> Iterator[None]:
    """Keep the status of a job while it works.

    Parameters
    ----------
    path
        Where.
    key
        Of `work_key`: where the job failed before, with the same key and because of what is in its
        recording, it fails at once. Empty: never.

    Raises
    ------
    RecordingFileError
        As it did the last time.
    """
    before = Status.read(path)
    if before and before.lasting and key and before.key == key:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(before.ended_s))
        # Cause: the files of a recording are as they were when a job failed because of them.
        raise RecordingFileError(
            f"{before.reason}\nThis was found on {at}, and the files are as they were then: they "
            f"were not read again. To read them all the same, delete {path}"
        )
    now = Status("running", asdict(Owner.here()), key)
    write_small_file(path, _text(now))
    try:
        yield
    except KeyboardInterrupt as interrupted:
        _end(path, replace(now, state="interrupted", reason=str(interrupted) or "interrupted"))
        raise
    except Exception as error:
        lasting = isinstance(error, RecordingFileError) and not isinstance(
            error, (RecordingNotReadError, UnreadableRecordingError)
        )
        reason = str(error) or type(error).__name__
        _end(path, replace(now, state="failed", reason=reason, lasting=lasting))
        raise
    _end(path, replace(now, state="done"))


def _end(path: Path, status: Status) -> None:
    """Say how a job ended. If that cannot be said, its work counts all the same."""
    ended = replace(status, ended_s=time.time(), peak_memory_mb=peak_memory_mb())
    try:
        write_small_file(path, _text(ended))
    except OutputWriteError as error:
        _log.warning("how this job ended could not be noted: %s", error)


def _text(status: Status) -> bytes:
    return json.dumps(asdict(status), indent=1).encode()
