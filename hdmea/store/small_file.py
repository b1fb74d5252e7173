"""Small files beside session files (a table, a picture): whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from hdmea.store.atomic import named_errors, partial_name, sync_folder


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
    OutputWriteError
        If it cannot be written; an old file is as it was.
    """
    path = Path(path)
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(partial_name(path.name))
        try:
            with partial.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                partial.unlink()
            raise
        sync_folder(path.parent)
    return path
