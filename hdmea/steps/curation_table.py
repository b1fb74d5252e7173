"""The table in which people say which units they trust: one row per unit of a recording."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hdmea.digest import sha256_json
from hdmea.errors import ParameterError
from hdmea.tsv import lines_said, read_rows
from hdmea.validation import unknown

COLUMNS = ("recording", "unit_id", "use", "label", "note")
_REQUIRED = ("recording", "unit_id")
_USES = ("yes", "no", "")


@dataclass(frozen=True, slots=True)
class CuratedUnit:
    """What a row says of a unit.

    Parameters
    ----------
    line
        Where the row is.
    unit_id
        The sorter's number.
    use
        ``yes``: included whatever the rules say; ``no``: excluded; empty: as the rules say.
    label, note
        Words of the people.
    """

    line: int
    unit_id: int
    use: str
    label: str
    note: str


def read_curation(path: str | Path) -> dict[str, list[CuratedUnit]]:
    """Curated units by recording, in the table's order.

    Parameters
    ----------
    path
        Tab-separated: ``recording``, ``unit_id``, ``use``, ``label``, ``note``, of which the
        last three may be left out. Lines that begin with ``#`` and empty lines are skipped.

    Raises
    ------
    FileMissingError
        If there is no table.
    ParameterError
        Listing everything that is wrong with it, by line and column.
    """
    header, rows = read_rows(path, "curation table")
    _check_header(Path(path), header)
    curated: dict[str, list[CuratedUnit]] = {}
    lines_of: dict[tuple[str, int], list[int]] = defaultdict(list)
    wrong: list[str] = []
    for line, cells in rows:
        found = _wrong_cells(cells)
        wrong += [f"line {line}: {said}" for said in found]
        if not found:
            recording, unit_id = cells["recording"], int(cells["unit_id"])
            lines_of[recording, unit_id].append(line)
            words = (cells.get(name, "") for name in ("label", "note"))
            unit = CuratedUnit(line, unit_id, cells.get("use", "").lower(), *words)
            curated.setdefault(recording, []).append(unit)
    wrong += [
        f"unit {unit_id} of {recording!r} is listed {len(lines)} times: {lines_said(lines)}"
        for (recording, unit_id), lines in lines_of.items()
        if len(lines) > 1
    ]
    if wrong:
        # Cause: rows of the table are wrong or given twice; all are listed by line and column.
        raise ParameterError("\n  ".join([f"{path} cannot be used:", *wrong]))
    return curated


def curation_digest(units: Iterable[CuratedUnit]) -> str | None:
    """Digest of what is said of a recording's units; None where nothing is.

    Lines, order of the rows and rows that say nothing do not count.

    Examples
    --------
    >>> said = CuratedUnit(3, 12, "no", "", "double unit")
    >>> curation_digest([said]) == curation_digest([CuratedUnit(9, 12, "no", "", "double unit")])
    True
    """
    said = sorted(
        (unit.unit_id, unit.use, unit.label, unit.note)
        for unit in units
        if unit.use or unit.label or unit.note
    )
    return sha256_json(said) if said else None


def unknown_recordings(path: str | Path, known: Iterable[str]) -> list[str]:
    """A line about each recording of a table that is not one of those that are known.

    Raises
    ------
    FileMissingError, ParameterError
        If the table cannot be used.
    """
    known = list(known)
    return [
        f"{path}, {lines_said([unit.line for unit in units])}: recording {name!r} is not in the "
        f"table of recordings: {unknown(name, known)}"
        for name, units in read_curation(path).items()
        if name not in known
    ]


def _check_header(path: Path, header: list[str]) -> None:
    wrong = [f"{name!r}: {unknown(name, COLUMNS)}" for name in header if name not in COLUMNS]
    wrong += [f"{name!r}: is there {n} times" for name, n in Counter(header).items() if n > 1]
    wrong += [f"{name!r}: is missing" for name in _REQUIRED if name not in header]
    if wrong:
        # Cause: the table has no header, other separators than tabs, or a mistyped column.
        raise ParameterError(
            "\n  ".join([f"{path}: its columns cannot be used:", *wrong])
            + f"\nThey must be {', '.join(COLUMNS)}, separated by tabs."
        )


def _wrong_cells(cells: Mapping[str, str]) -> list[str]:
    found = []
    if not cells["recording"]:
        found.append("column recording: is empty")
    number = cells["unit_id"]
    if not re.fullmatch("[0-9]{1,18}", number):
        found.append(f"column unit_id: {number!r} is not the number of a unit")
    use = cells.get("use", "")
    if use.lower() not in _USES:
        found.append(f"column use: {use!r} is neither 'yes' nor 'no' nor empty")
    return found
