"""Tab-separated tables that people keep: every cell is text, and every row knows its line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from hdmea.errors import FileMissingError, ParameterError

Row = tuple[int, dict[str, str]]


def read_rows(path: str | Path, what: str) -> tuple[list[str], Iterator[Row]]:
    """Header and rows of a table.

    Lines that begin with ``#`` and empty lines are skipped; what is missing at the end of a line
    is empty.

    Parameters
    ----------
    path
        The table, UTF-8.
    what
        What it is, for messages: ``table of recordings``.

    Returns
    -------
    header : list of str
        Names of the columns; empty if there is no line.
    rows : iterator of (int, dict)
        Line number, and cells by column; raises ParameterError at a row with more cells than there
        are columns.

    Raises
    ------
    FileMissingError
        If there is no such file.
    ParameterError
        If it is not text in UTF-8, or a quote is opened in a cell and not closed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileMissingError(f"There is no {what} {path}; correct the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        # Cause: a spreadsheet saved the table in another encoding, or it is no text at all.
        raise ParameterError(
            f"{path} is not text in UTF-8: {error}. Save it as text in UTF-8."
        ) from error
    if "\0" in text:
        # Cause: the table was saved as UTF-16, or is no text.
        raise ParameterError(f"{path} has NUL characters. Save it as text in UTF-8.")
    lines = [
        (number, _without_empty_end(_cells(path, number, line)))
        # only what ends a line in an editor: a cell may have other separators
        for number, line in enumerate(re.split("\r\n|\n|\r", text), start=1)
        if line.strip() and not line.startswith("#")
    ]
    header = lines[0][1] if lines else []
    return header, _by_column(path, header, lines[1:])


def few(names: Sequence[object], most: int = 5) -> str:
    """The first few of many names.

    Examples
    --------
    >>> few(range(8))
    '0, 1, 2, 3, 4 and 3 more'
    """
    more = len(names) - most
    return ", ".join(map(str, names[:most])) + (f" and {more} more" if more > 0 else "")


def lines_said(numbers: Sequence[int]) -> str:
    """Numbers of lines, for messages.

    Examples
    --------
    >>> lines_said([4]), lines_said([4, 6])
    ('line 4', 'lines 4, 6')
    """
    return f"line{'s' if numbers[1:] else ''} {few(numbers)}"


def _by_column(
    path: Path, header: Sequence[str], lines: Sequence[tuple[int, list[str]]]
) -> Iterator[Row]:
    for number, cells in lines:
        if len(cells) > len(header):
            # Cause: a tab too many in a line, or one too few in the header.
            raise ParameterError(
                f"{path}, line {number}: {len(cells)} cells, but {len(header)} columns. Remove a "
                "tab, or name the column."
            )
        yield number, dict(zip_longest(header, cells, fillvalue=""))


def _cells(path: Path, number: int, line: str) -> list[str]:
    """Cells of a line; those that a spreadsheet put between quotes, without them."""
    try:
        (cells,) = csv.reader([line], delimiter="\t", strict=True)
    except csv.Error as error:
        # Cause: a quote in a cell that is not one around it, as in inches.
        raise ParameterError(
            f"{path}, line {number}: a cell that begins with a quote must end with it, and have "
            f"each quote within twice ({error})."
        ) from error
    return [cell.strip() for cell in cells]


def _without_empty_end(cells: list[str]) -> list[str]:
    """Cells without the empty ones that spreadsheets put after the last column."""
    while cells and not cells[-1]:
        cells.pop()
    return cells
