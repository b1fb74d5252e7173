"""How it went with every recording of a batch, as a page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from hdmea.batch.batch_table import BatchRow, in_short
from hdmea.batch.config import WorkflowConfig
from hdmea.batch.status import Status
from hdmea.errors import FileMissingError
from hdmea.store.small_file import write_small_file

BATCH_PAGE = "batch.html"
"""The page of all recordings, in the folder of results."""
_HEAD = (
    "recording",
    "state",
    "units",
    "included",
    "run time (s)",
    "peak memory (MB)",
    "ended",
    "reason",
)
_STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff; }
table { border-collapse: collapse; }
th, td { padding: 0.25em 0.8em; text-align: left; border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; background-repeat: no-repeat;
  background-position: left center; background-size: var(--part) 70%;
  background-image: linear-gradient(#cfe0ee, #cfe0ee); }
tr.undone td { background-color: #fbeceb; }
tfoot td { font-weight: 600; }
"""


def write_batch_page(config: WorkflowConfig, rows: Sequence[BatchRow]) -> Path:
    """Write the page into the folder of results.

    Parameters
    ----------
    config
        The batch.
    rows
        What `batch_rows` gave.

    Returns
    -------
    Path
        ``batch.html``; a bar in a cell is its part of the column's largest number.

    Raises
    ------
    OutputWriteError
        If it cannot be written.
    """
    return write_small_file(config.results_dir / BATCH_PAGE, _page(rows).encode())


def require_pictures(config: WorkflowConfig, names: Iterable[str]) -> None:
    """Make sure that the recordings that are done have their pictures.

    Raises
    ------
    FileMissingError
        Listing those that have none, and why.
    """
    folder = config.results_dir
    missing = [
        f"{name}: {_why(folder / 'logs' / name / 'overview.json')}"
        for name in names
        if (folder / f"{name}.h5").exists() and not (folder / f"{name}.png").exists()
    ]
    if missing:
        # Cause: matplotlib could not draw a recording, or the picture could not be written.
        raise FileMissingError(
            "\n  ".join(["The pictures of these recordings could not be drawn:", *missing])
            + "\nTheir session files are whole. Remove the cause, and start again: only the "
            "pictures are drawn"
        )


def _why(status: Path) -> str:
    said = Status.read(status)
    reason = "nothing is known of it" if said is None else said.reason or said.state
    return f"{reason} (read {status.with_suffix('.log')})"


def _page(rows: Sequence[BatchRow]) -> str:
    columns = zip(*map(_numbers, rows), strict=True)
    most = [max(value or 0 for value in column) for column in columns]
    body = "".join(_row(row, most) for row in rows)
    sums = [sum(row.units or 0 for row in rows), sum(row.included_units or 0 for row in rows)]
    took = round(sum(row.run_time_s or 0 for row in rows), 1)
    memory = max((row.peak_memory_mb or 0 for row in rows), default=0)
    foot = "".join(f'<td class="number">{value:,}</td>' for value in (*sums, took, round(memory)))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Recordings</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{escape(in_short(rows))}</h1>\n<table>\n"
        f"<thead><tr>{''.join(f'<th>{name}</th>' for name in _HEAD)}</tr></thead>\n"
        f"<tbody>\n{body}</tbody>\n"
        f"<tfoot><tr><td>together (memory: the most)</td><td></td>{foot}<td></td><td></td></tr>"
        "</tfoot>\n</table>\n</body></html>\n"
    )


def _numbers(row: BatchRow) -> tuple[float | None, ...]:
    return row.units, row.included_units, row.run_time_s, row.peak_memory_mb


def _row(row: BatchRow, most: Sequence[float]) -> str:
    cells = "".join(
        f'<td class="number" style="--part: {100 * (value or 0) / (largest or 1):.0f}%">'
        f"{'' if value is None else f'{round(value, 1):,}'}</td>"
        for value, largest in zip(_numbers(row), most, strict=True)
    )
    kind = "" if row.state == "done" else ' class="undone"'
    return (
        f"<tr{kind}><td>{escape(row.recording)}</td><td>{escape(row.state)}</td>{cells}"
        f"<td>{escape(row.ended_at.replace('T', ' '))}</td><td>{escape(row.reason)}</td></tr>\n"
    )
