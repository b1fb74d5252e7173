"""The table of all units as Parquet: with types, and with what its columns are."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hdmea.errors import ParameterError
from hdmea.export.units_columns import Kind, UnitsColumn
from hdmea.store.small_file import write_small_file

_VALUES: Mapping[Kind, Callable[[str], Any]] = {"whole number": int, "number": float, "text": str}


def write_units_parquet(
    path: str | Path,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    columns: Mapping[str, UnitsColumn],
) -> Path:
    """Write the cells of the table of all units as Parquet.

    Parameters
    ----------
    path
        The file; replaced whole if it exists.
    header
        Names of the columns.
    rows
        Cells, as in the table; empty: undefined.
    columns
        What each column is: whole numbers are 64-bit integers, numbers 64-bit floats, the rest
        text; an undefined value is null. The metadata of a column have its unit, description, what
        made it, version, and where it is defined.

    Raises
    ------
    ParameterError
        If pyarrow is not installed.
    OutputWriteError
        If it cannot be written.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        # Cause: the environment was made without the packages for Parquet.
        raise ParameterError(
            "Parquet needs pyarrow, which is not installed; install it: pip install "
            "'hdmea[parquet]', or leave it out (units_parquet: false)"
        ) from error
    types = {"whole number": pa.int64(), "number": pa.float64(), "text": pa.string()}
    by_column = list(zip(*rows, strict=True)) or [()] * len(header)
    arrays, fields = [], []
    for name, cells in zip(header, by_column, strict=True):
        column = columns[name]
        value = _VALUES[column.kind]
        arrays.append(
            pa.array([value(cell) if cell else None for cell in cells], types[column.kind])
        )
        told = {key: text for key, text in vars(column).items() if key != "kind" and text}
        fields.append(pa.field(name, types[column.kind], metadata=told))
    content = io.BytesIO()
    parquet.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), content)
    return write_small_file(path, content.getvalue())
