"""How it went with every recording of a batch: one table, over what is there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hdmea.batch.config import WorkflowConfig
from hdmea.batch.past import last_result
from hdmea.batch.seen import seen
from hdmea.batch.status import Status
from hdmea.errors import HdmeaError
from hdmea.store.reader import SessionFile
from hdmea.store.small_file import write_small_table
from hdmea.terminal import in_a_line

BATCH_TABLE = "batch.tsv"
"""The table of all recordings, in the folder of results."""
_AFTER = ("overview", "after_")
"""Jobs that are done with a finished session file."""


@dataclass(frozen=True)
class BatchRow:
    """A recording of a batch; what is not known is empty.

    Parameters
    ----------
    recording
        Its name.
    state
        ``done``, ``failed``, ``interrupted``, ``killed`` (a job began, and its process is gone
        without a word), ``running``, or ``not begun``.
    reason
        Why it is not done, in a line.
    units, included_units
        Of its session file; the latter where units were curated.
    run_time_s
        Of the last run of each of its jobs, in sum.
    peak_memory_mb
        The most that one of them took.
    ended_at
        When the last of them ended, ISO 8601, local time.
    versions
        Software that made the session file.
    content_digest
        Of the session file.
    """

    recording: str
    state: str
    reason: str = ""
    units: int | None = None
    included_units: int | None = None
    run_time_s: float | None = None
    peak_memory_mb: float | None = None
    ended_at: str = ""
    versions: str = ""
    content_digest: str = ""

    @property
    def line(self) -> str:
        """What people are told of it."""
        return f"{self.recording}: {self.state}" + (f": {self.reason}" if self.reason else "")


def batch_rows(
    config: WorkflowConfig, recordings: Iterable[str], *, all_ended: bool = False
) -> list[BatchRow]:
    """How it went with recordings.

    Parameters
    ----------
    config
        The batch.
    recordings
        Their names.
    all_ended
        It is known that no job runs any more: what did not say how it ended was killed.
    """
    return [_row(config, name, all_ended) for name in recordings]


def write_batch_table(config: WorkflowConfig, rows: Sequence[BatchRow]) -> Path:
    """Write the table, separated by tabs, into the folder of results."""
    names = [field.name for field in fields(BatchRow)]
    cells = [[_cell(getattr(row, name)) for name in names] for row in rows]
    return write_small_table(config.results_dir / BATCH_TABLE, [names, *cells], delimiter="\t")


def in_short(rows: Sequence[BatchRow]) -> str:
    """How many recordings are in which state.

    Examples
    --------
    >>> in_short([BatchRow("a", "done"), BatchRow("b", "failed"), BatchRow("c", "done")])
    '3 recordings: 2 done, 1 failed'
    """
    states = Counter(row.state for row in rows)
    said = ", ".join(f"{n} {state}" for state, n in states.most_common())
    return f"{len(rows)} recording{'s' if len(rows) != 1 else ''}: {said or 'none'}"


def _row(config: WorkflowConfig, name: str, all_ended: bool) -> BatchRow:
    session = config.results_dir / f"{name}.h5"
    made_s = session.stat().st_mtime if session.exists() else None
    jobs = {
        path: status
        for path in sorted((config.results_dir / "logs" / name).glob("*.json"))
        if (status := Status.read(path)) is not None
    }
    took = [status.duration_s for status in jobs.values() if status.duration_s is not None]
    memory = [job.peak_memory_mb for job in jobs.values() if job.peak_memory_mb is not None]
    ended = [status.ended_s for status in jobs.values() if status.ended_s is not None]
    row: dict[str, Any] = {
        "run_time_s": round(sum(took), 1) if took else None,
        "peak_memory_mb": max(memory, default=None),
        "ended_at": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(max(ended))) if ended else "",
    }
    undone = [
        (path, status)
        for path, status in jobs.items()
        if status.state != "done" and not _is_past(path, status, made_s)
    ]
    if undone:
        # The one that ended first is the cause, if others had to end with it.
        path, status = min(undone, key=lambda one: (one[1].ended_s is None, one[1].began_s))
        state, reason = _said(path, status, all_ended)
        if all(path.stem.startswith(_AFTER) for path, _ in undone) and made_s is not None:
            row |= seen(session, "content", _content)
        earlier = last_result(config, name)
        if earlier is not None and "content_digest" not in row:
            reason += f"; last time's result is {earlier}"
        return BatchRow(name, state, in_a_line(f"{path.stem}: {reason}"), **row)
    if made_s is None:
        return BatchRow(name, "not begun" if not jobs else "not finished", **row)
    try:
        return BatchRow(name, "done", **row | seen(session, "content", _content))
    except HdmeaError as error:
        return BatchRow(name, "failed", in_a_line(f"cannot be read: {error}"), **row)


def _is_past(path: Path, status: Status, made_s: float | None) -> bool:
    """Whether the result was made after a job had failed: without it, or by another run."""
    said_s = status.ended_s or status.began_s
    return made_s is not None and said_s < made_s and not path.stem.startswith(_AFTER)


def _said(path: Path, status: Status, all_ended: bool) -> tuple[str, str]:
    if status.state != "running":
        return status.state, status.reason
    host, pid = status.owner["host"], status.owner["pid"]
    if not all_ended and status.lives(path):
        return "running", f"process {pid} on {host}"
    return (
        "killed",
        f"process {pid} on {host} ended without a word; read {path.with_suffix('.log')}",
    )


def _content(session: Path) -> dict[str, Any]:
    """What a session file says of itself."""
    units, flags = "units/unit_id", "units/included"
    with SessionFile(session) as file:
        file.contributions()  # the digest is what they say
        software = {"hdmea": file.hdmea_version} | file.header.get("software", {})
        return {
            "units": file.entries[units].shape[0] if units in file.entries else 0,
            "included_units": (
                int((file.read(flags) == 1).sum()) if flags in file.entries else None
            ),
            "versions": ", ".join(f"{name} {version}" for name, version in software.items()),
            "content_digest": file.content_digest,
        }


def _cell(value: object) -> str:
    return "" if value is None else str(value)
