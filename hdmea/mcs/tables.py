"""Tables of a recording: datasets whose columns have names, read whole."""

from __future__ import annotations

from typing import Any, Final

import h5py
import numpy as np
import numpy.typing as npt

from hdmea.errors import RecordingFileError
from hdmea.mcs.safe_h5 import UNKNOWN_KIND

MAX_TABLE_BYTES: Final = 2**30
"""Of metadata and events."""
_MOST_ROW_TYPES: Final = 1000
_row_types: dict[bytes, tuple[np.dtype[Any], h5py.h5t.TypeID]] = {}


def read_table(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """Read a compound dataset whole, if it is one and of sensible size."""

    def where() -> str:
        return f"{dataset.file.filename}: {dataset.name}"

    dtype, in_memory = row_type(dataset)
    if dtype.names is None or dataset.ndim != 1:
        # Cause: the file is damaged, or of a version of the format that is not known.
        raise RecordingFileError(
            f"{where()} is {dtype} {dataset.shape}; a table with named columns is needed. "
            f"{UNKNOWN_KIND}"
        )
    if dataset.size * dtype.itemsize > MAX_TABLE_BYTES:
        # Cause: the file is damaged, or was made to overload its readers.
        raise RecordingFileError(
            f"{where()} has {dataset.size} rows, more than a table may have. {UNKNOWN_KIND}"
        )
    table: npt.NDArray[Any] = np.zeros(dataset.shape, dtype)
    dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, table, in_memory)
    return table


def row_type(dataset: h5py.Dataset) -> tuple[np.dtype[Any], h5py.h5t.TypeID]:
    """Type of the rows of a dataset as numpy has it, and as HDF5 is told of it when it reads.

    The tables of a thousand units are of one type, which is made out once: it takes longer than to
    read a row.
    """
    kind = dataset.id.get_type()
    said = kind.encode()
    if said not in _row_types:
        if len(_row_types) >= _MOST_ROW_TYPES:
            _row_types.clear()
        dtype = kind.dtype
        _row_types[said] = dtype, h5py.h5t.py_create(dtype)
    return _row_types[said]


def column(table: npt.NDArray[Any], name: str, where: str) -> npt.NDArray[Any]:
    """Give a column of a table, or say which columns there are."""
    names = table.dtype.names or ()
    if name not in names:
        # Cause: the file is damaged, or of a version of the format that is not known.
        raise RecordingFileError(
            f"{where} has no column {name!r}; it has {', '.join(names)}. {UNKNOWN_KIND}"
        )
    return np.asarray(table[name])
