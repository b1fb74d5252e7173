"""Small files beside session files (a table, a picture): whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path

from hdmea.errors import OutputExistsError
from hdmea.store.atomic import named_errors, partial_file, sync_name

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def write_small_file(path: str | Path, content: bytes) -> Path:
    """Write bytes that appear under their name only when they are on disk.

    Parameters
    ----------
    path
        The final name; its folder is made if it is missing, a file of that name replaced.
    content
        All of the file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputExistsError
        If the name is that of an HDF5 file: a recording or a session, not an old table or picture.
    OutputWriteError
        If it cannot be written; an old file is as it was.
    """
    path = Path(path)
    with named_errors(path):
        if _is_hdf5(path):
            raise OutputExistsError(
                f"{path} is an HDF5 file, which a table or picture does not replace; choose "
                "another name"
            )
    with partial_file(path) as partial:
        with named_errors(path):
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        sync_name(path)
    return path


def write_small_table(
    path: str | Path,
    rows: Iterable[Iterable[object]],
    *,
    delimiter: str = ",",
    line_end: str = "\n",
) -> Path:
    """Write rows of cells as text, UTF-8; everything else as `write_small_file`."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    return write_small_file(path, text.getvalue().encode("utf-8"))


def _is_hdf5(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_HDF5_SIGNATURE)) == _HDF5_SIGNATURE
