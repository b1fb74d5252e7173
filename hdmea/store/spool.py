"""Arrays that are too large for memory: on disk, without a name, until they are in a file."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array, on_disk
from hdmea.contribution import Contribution
from hdmea.digest import rows_at_once, split_rows
from hdmea.errors import OutputWriteError
from hdmea.store.reader import SessionFile


def spooled(folder: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """An array, of zeros, whose values are in a file without a name: a kill leaves nothing behind.

    The system writes its pages to disk, and takes them from memory, when memory is short. The
    space is free again when nobody uses the array any more.

    Raises
    ------
    OutputWriteError
        If the folder has no room for it; there is no later moment at which it could fail.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     array = spooled(Path(folder), (2, 3), np.float32)
    ...     list(Path(folder).iterdir()), array.sum(), on_disk(array[1])
    ([], np.float32(0.0), True)
    """
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with tempfile.TemporaryFile(dir=folder) as file:
            # a full disk under a mapped file would end the process; so its room is taken now
            os.posix_fallocate(file.fileno(), 0, size)
            pages = mmap.mmap(file.fileno(), size)
    except OSError as error:
        named = OutputWriteError(
            f"an array of {size / 1e9:.3g} GB is beyond the memory budget, and could not be put "
            f"into {folder}: {error.strerror or error}; make room there, choose another output "
            "folder, let the process have more memory (ulimit -v), or raise the budget "
            "(memory_budget_gb=, HDMEA_MEMORY_GB)"
        )
        named.errno, named.filename = error.errno, str(folder)
        raise named from error
    return np.ndarray(shape, dtype, buffer=pages)


def moved(values: Array, folder: Path) -> Array:
    """A copy of an array on disk, written block by block; raises as `spooled` does."""
    copy = spooled(folder, values.shape, values.dtype)
    for rows in split_rows(values.shape, rows_at_once(values.shape, values.dtype.itemsize)):
        copy[rows] = values[rows]
    return copy


def from_file(contribution: Contribution, file: SessionFile) -> Contribution:
    """The contribution, what of it is on disk without a name read from a file that holds it."""
    variables = {
        path: file.variable(path) if on_disk(variable.data) else variable
        for path, variable in contribution.variables.items()
    }
    return replace(contribution, variables=variables)
