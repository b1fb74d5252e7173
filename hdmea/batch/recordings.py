"""The table of recordings that the workflow processes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hdmea.errors import FileMissingError, ParameterError
from hdmea.session.identity import check_dataset_id
from hdmea.validation import problems


def _no_braces(path: str) -> str:
    if "{" in path or "}" in path:
        raise ValueError(
            f"{path!r} has a brace in it, which Snakemake takes for a wildcard; rename the file "
            "or folder, or link to it under another name"
        )
    return path


_FilePath = Annotated[str, AfterValidator(_no_braces)]


class RecordingRow(BaseModel):
    """A row of the table of recordings; everything in it is text, `001` and `NA` too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    recording: Annotated[str, AfterValidator(check_dataset_id)] = Field(
        description="name of the recording and of its files"
    )
    cmcr: _FilePath = Field(
        default="", description="raw file, relative to the working directory; empty: none"
    )
    cmtr: _FilePath = Field(
        default="", description="spike-sorted file, relative to the working directory; empty: none"
    )
    playlist: str = Field(default="", description="name of the playlist that was shown")

    @model_validator(mode="after")
    def _has_a_file(self) -> RecordingRow:
        if not self.files:
            raise ValueError("neither cmcr nor cmtr is given")
        return self

    @property
    def files(self) -> dict[str, str]:
        """The files that there are, by role: ``cmcr``, ``cmtr``."""
        return {role: path for role in ("cmcr", "cmtr") if (path := getattr(self, role))}


def read_recordings(path: str | Path) -> dict[str, RecordingRow]:
    """Recordings of a tab-separated table, by name, in the table's order.

    Whether their files exist is asked by `require_files`: a table can be read elsewhere than
    where the recordings are.

    Parameters
    ----------
    path
        Columns ``recording``, ``cmcr``, ``cmtr``, ``playlist``; the last three may be left out.
        Lines that begin with ``#`` and empty lines are skipped.

    Raises
    ------
    FileMissingError
        If there is no table.
    ParameterError
        Listing everything that is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileMissingError(f"There is no table of recordings {path}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(f"{path} is not text in UTF-8: {error}.") from error
    recordings: dict[str, RecordingRow] = {}
    wrong: list[str] = []
    names: Counter[str] = Counter()
    for number, cells in _rows(path, text):
        names[cells.get("recording", "")] += 1
        try:
            row = RecordingRow.model_validate(cells)
        except ValidationError as error:
            wrong += [f"line {number}: {said}" for said in problems(error, RecordingRow)]
        else:
            recordings[row.recording] = row
    wrong += [f"{name!r} is listed {n} times" for name, n in names.items() if n > 1]
    if not names:
        wrong = ["it lists no recording"]
    if wrong:
        raise ParameterError("\n  ".join([f"{path} cannot be used:", *wrong]))
    return recordings


def require_files(recordings: Mapping[str, RecordingRow]) -> None:
    """Make sure that the files of all recordings exist.

    Raises
    ------
    FileMissingError
        Listing all that do not.
    """
    missing = [
        f"{row.recording}: {role} {path}"
        for row in recordings.values()
        for role, path in row.files.items()
        if not Path(path).is_file()
    ]
    if missing:
        raise FileMissingError("\n  ".join(["These files of recordings do not exist:", *missing]))


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by column of every row."""
    lines = [
        (number, [cell.strip() for cell in cells])
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.startswith("#")
        for cells in csv.reader([line], delimiter="\t")
    ]
    header = lines[0][1] if lines else []
    unknown = [name for name in header if name not in RecordingRow.model_fields]
    if unknown or "recording" not in header or len(set(header)) < len(header):
        raise ParameterError(
            f"{path}: its columns are {', '.join(map(repr, header)) or 'missing'}; they must be "
            f"{', '.join(RecordingRow.model_fields)}, separated by tabs."
        )
    for number, cells in lines[1:]:
        if len(cells) > len(header):
            raise ParameterError(
                f"{path}, line {number}: {len(cells)} cells, but {len(header)} columns."
            )
        yield number, dict(zip(header, cells, strict=False))
