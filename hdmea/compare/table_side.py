"""The recordings of a table of units (``units.csv``) as sides of a comparison."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Final

import numpy as np

from hdmea.arrays import Array, Variable
from hdmea.compare.sides import Side, no_trains
from hdmea.errors import ParameterError

_KEYS: Final = ("recording", "unit_id")
_WHOLE: Final = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|-?inf")


def table_sides(path: Path) -> dict[str, Side]:
    """A side for every recording of a table, by name.

    A column is of whole numbers, of numbers, or of text, as its cells in that recording are. One
    that is empty there is one that the recording does not have.

    Raises
    ------
    ParameterError
        If it is no table with the columns ``recording`` and ``unit_id`` and each unit once.
    """
    by_recording: dict[str, dict[int, list[str]]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            _check_header(path, header)
            places = [header.index(name) for name in _KEYS]
            for row in rows:
                where = f"{path}, line {rows.line_num}"
                if not row:  # an empty line
                    continue
                if len(row) != len(header):
                    # Cause: the table was edited, or cut in the middle of a line.
                    raise ParameterError(
                        f"{where} has {len(row)} cells, but {len(header)} are needed, one per "
                        "column"
                    )
                recording, unit = (row[place] for place in places)
                if not _WHOLE.fullmatch(unit):
                    # Cause: the table was edited; a spreadsheet may have written numbers in its own
                    # way.
                    raise ParameterError(f"{where}: unit_id is {unit!r}; it must be a whole number")
                units = by_recording.setdefault(recording, {})
                if int(unit) in units:
                    # Cause: the table was edited, or put together of two.
                    raise ParameterError(
                        f"{where}: unit {unit} of {recording!r} was there before; leave one of them"
                    )
                units[int(unit)] = row
    except (UnicodeDecodeError, csv.Error) as error:
        # Cause: a spreadsheet saved the table in another encoding or with other separators.
        raise ParameterError(
            f"{path} is no table in UTF-8 with commas ({error}); give one that hdmea table wrote"
        ) from error
    return {
        recording: Side(
            label=f"{path}: {recording}",
            kind="table of units",
            dataset_id=recording,
            unit_ids=np.array(list(units), dtype=np.int64),
            train=no_trains,
            variables={
                name: Variable(values, "", ("unit",), "column of a table")
                for place, name in enumerate(header)
                if name not in _KEYS
                and (values := _values([row[place] for row in units.values()])) is not None
            },
        )
        for recording, units in by_recording.items()
    }


def _check_header(path: Path, header: list[str]) -> None:
    if missing := [name for name in _KEYS if name not in header]:
        # Cause: a table of something else was given, or its first line is missing.
        raise ParameterError(
            f"{path} has no column {' and no column '.join(missing)}; give a table that "
            "hdmea table wrote"
        )
    if twice := sorted({name for name in header if header.count(name) > 1}):
        # Cause: the table was edited, or put together of two.
        raise ParameterError(f"{path} has columns twice: {', '.join(twice)}; leave each once")


def _values(cells: list[str]) -> Array | None:
    """Cells as numbers if all are, empty ones undefined; as text if not; None if all are empty."""
    filled = [cell for cell in cells if cell]
    if not filled:
        return None
    if len(filled) == len(cells) and all(map(_WHOLE.fullmatch, cells)):
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    if all(map(_NUMBER.fullmatch, filled)):
        return np.array([float(cell) if cell else np.nan for cell in cells])
    return np.array(cells, dtype=np.str_)
