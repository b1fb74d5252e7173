"""Digests of tables and pictures, which have no room for one: kept beside, as sha256sum does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hdmea.store.small_file import write_small_file

_FOLDER = ".made"


@contextmanager
def made(path: str | Path) -> Iterator[None]:
    """Around the writing of a file: its digest is kept when it is there.

    Until then there is none, so that a killed run does not leave the digest of another file. What
    is kept can be checked without hdmea: ``cd results && sha256sum -c .made/*``.

    Parameters
    ----------
    path
        The file that is written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "units.csv")
    ...     with made(table):
    ...         _ = table.write_text("recording,unit_id")
    ...     before = problem_of(table)
    ...     _ = table.write_text("recording,unit_ID")
    ...     before, problem_of(table)
    ('', 'it is not what was written: its sha256 is another one')
    """
    path = Path(path)
    record = _record(path)
    record.unlink(missing_ok=True)
    yield
    write_small_file(record, f"{_sha256(path)}  {path.name}\n".encode())


def problem_of(path: Path) -> str:
    """Why a file is not what was written; empty if it is, or if there is no file or no digest."""
    try:
        kept = _record(path).read_text(encoding="utf-8").split()[:1]
        now = _sha256(path)
    except (OSError, UnicodeDecodeError):
        return ""
    return "" if kept == [now] else "it is not what was written: its sha256 is another one"


def _record(path: Path) -> Path:
    return path.parent / _FOLDER / f"{path.name}.sha256"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
