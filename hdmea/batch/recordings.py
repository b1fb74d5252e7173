"""The table of recordings that the workflow processes."""

from __future__ import annotations

import re
import shlex
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hdmea.batch.columns import (
    OF_A_RECORDING,
    Column,
    column_at,
    column_schemas,
    columns_with,
    input_files,
    with_cells,
)
from hdmea.batch.config import DIALECT, WorkflowConfig
from hdmea.batch.overrides import read_overrides
from hdmea.errors import FileMissingError, ParameterError
from hdmea.session.identity import check_dataset_id
from hdmea.steps.registry import STEPS
from hdmea.steps.section_parameters import AddSectionTimeParameters
from hdmea.steps.step import StepParameters
from hdmea.tsv import few, lines_said, read_rows
from hdmea.validation import problems, unknown

_CLOCKS_DIFFER_S = 1.0
"""So much may the clock of a file server be ahead of this computer's."""


def _no_braces(path: str) -> str:
    if "{" in path or "}" in path:
        raise ValueError(
            f"{path!r} has a brace in it, which Snakemake takes for a wildcard; rename the file "
            "or folder, or link to it under another name"
        )
    return path


_FilePath = Annotated[str, AfterValidator(_no_braces)]


def _no_repetition(name: str) -> str:
    if repeated := re.search(r"(.+?)\1{19,}$", name):
        raise ValueError(
            f"{name!r} ends with {repeated[1]!r} 20 times or more, which Snakemake takes for a "
            "rule that makes its own input; choose another name"
        )
    return name


class RecordingRow(BaseModel):
    """A row of the table of recordings; everything in it is text, `001` and `NA` too.

    Further columns are named like parameters of steps; an empty cell is the configuration's value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recording: Annotated[str, AfterValidator(check_dataset_id), AfterValidator(_no_repetition)] = (
        Field(description="name of the recording and of its files")
    )
    cmcr: _FilePath = Field(
        default="", description="raw file, relative to the working directory; empty: none"
    )
    cmtr: _FilePath = Field(
        default="", description="spike-sorted file, relative to the working directory; empty: none"
    )

    overrides: _FilePath = Field(
        default="",
        description="YAML file with parameters of its own, by step, as below `steps` in the "
        "configuration; relative to the working directory; empty: none",
    )

    @model_validator(mode="after")
    def _has_a_file(self) -> RecordingRow:
        if not self.files:
            raise ValueError("neither cmcr nor cmtr is given")
        return self

    @property
    def files(self) -> dict[str, str]:
        """The files that there are, by role: ``cmcr``, ``cmtr``."""
        return {role: path for role in ("cmcr", "cmtr") if (path := getattr(self, role))}


@dataclass(frozen=True)
class Recording:
    """A recording of the table.

    Parameters
    ----------
    name
        Of the recording and its results.
    files
        Its files by role: ``cmcr``, ``cmtr``.
    parameters
        Parameters of the steps that deal with what is its own, and of those others for which
        it has some of its own: the configuration's, and in their place those of the file that
        its row names, and of its cells.
    """

    name: str
    files: Mapping[str, str]
    parameters: Mapping[str, StepParameters]

    @property
    def shown(self) -> AddSectionTimeParameters | None:
        """What the display is said to have shown; None if sections are not asked for."""
        found = self.parameters.get("add_section_time")
        return found if isinstance(found, AddSectionTimeParameters) else None

    @property
    def playlist(self) -> str | None:
        """Name of the playlist that was shown; None if sections are not placed by one."""
        return None if self.shown is None else self.shown.playlist_name

    @property
    def all_files(self) -> list[str]:
        """Its files, and those that parameters of its steps name."""
        named = (path for step in self.parameters for path in self.input_files(step).values())
        return [*self.files.values(), *named]

    def input_files(self, step: str) -> dict[str, str]:
        """Files that the parameters of a step name, by column."""
        return input_files(step, self.parameters[step]) if step in self.parameters else {}


def read_recordings(config: WorkflowConfig) -> dict[str, Recording]:
    """Recordings of the configuration's table that it means, by name, in the table's order.

    The table is tab-separated: ``recording``, ``cmcr``, ``cmtr``, ``playlist``, of which the last
    three may be left out, and columns named like parameters of `load_recording` and
    `add_section_time`. Lines that begin with ``#`` and empty lines are skipped. Whether the files
    exist is asked by `require_inputs`.

    Raises
    ------
    FileMissingError
        If there is no table.
    ParameterError
        Listing everything that is wrong with it, by line and column.
    """
    path = Path(config.recordings)
    header, rows = read_rows(path, "table of recordings")
    _check_header(path, header, columns_with(config.features))
    recordings: dict[str, Recording] = {}
    lines_of: dict[str, list[int]] = defaultdict(list)
    wrong: dict[str, list[int]] = defaultdict(list)
    for line, cells in rows:
        lines_of[cells["recording"]].append(line)
        if not config.is_chosen(cells["recording"]):
            continue
        try:
            recordings[cells["recording"]] = recording_of_cells(config, cells)
        except ParameterError as error:
            for said in error.args:
                wrong[said].append(line)
    problems_found = [f"{lines_said(lines)}: {said}" for said, lines in wrong.items()]
    problems_found += [
        f"{name!r} is listed {len(lines)} times: {lines_said(lines)}"
        for name, lines in lines_of.items()
        if len(lines) > 1
    ]
    problems_found += [
        f"{key}: it has no recording {name!r}; it has {few(list(lines_of), 20)}"
        for key, names in (("only", config.only or ()), ("exclude", config.exclude))
        for name in names
        if name not in lines_of
    ]
    if not lines_of:
        problems_found = ["it lists no recording"]
    elif not recordings and not problems_found:
        problems_found = ["only and exclude leave none of its recordings"]
    if problems_found:
        # Cause: rows of the table are wrong, given twice, or none; all are listed by line and
        # column.
        raise ParameterError("\n  ".join([f"{path} cannot be used:", *problems_found]))
    return recordings


def names_in_table(config: WorkflowConfig) -> list[str]:
    """Names of all recordings in the table, of those too that are not meant; none without one."""
    if not Path(config.recordings).is_file():
        return []
    _, rows = read_rows(config.recordings, "table of recordings")
    return [cells.get("recording", "") for _, cells in rows]


def recordings_schema() -> dict[str, Any]:
    """JSON schema of a row of the table of recordings."""
    schema = RecordingRow.model_json_schema()
    schema["properties"] |= column_schemas()
    return {"$schema": DIALECT, **schema}


def require_files(recordings: Mapping[str, Recording]) -> None:
    """Make sure that the files of all recordings exist, and those that their parameters name.

    Raises
    ------
    FileMissingError
        Listing all that do not.
    """
    missing = [
        f"{recording.name}: {role} {path}"
        for recording in recordings.values()
        for role, path in (
            *recording.files.items(),
            *(
                named
                for step in recording.parameters
                for named in recording.input_files(step).items()
            ),
        )
        if not Path(path).is_file()
    ]
    if missing:
        # Cause: the table names files that are not there, often because relative paths count from
        # another folder.
        raise FileMissingError(
            "\n  ".join(["These files of recordings do not exist; correct their paths:", *missing])
        )


def require_past(recordings: Iterable[Recording]) -> None:
    """Make sure that no file of a recording is dated in the future.

    Snakemake fails a job, after its work, whose result is older than an input.

    Raises
    ------
    ParameterError
        Listing the files that are, and how to date them.
    """
    now = time.time()
    early = [
        (recording.name, path, ahead_s)
        for recording in recordings
        for path in recording.all_files
        if (ahead_s := _mtime(path) - now) > _CLOCKS_DIFFER_S
    ]
    if early:
        listed = "\n  ".join(
            f"{name}: {path}, by {_duration(ahead_s)}" for name, path, ahead_s in early
        )
        files = " ".join(dict.fromkeys(shlex.quote(path) for _, path, _ in early))
        # Cause: the clock of the computer that wrote the files was ahead, or this one's is behind.
        raise ParameterError(
            "These files are dated in the future, and Snakemake would throw away what is made from "
            f"them:\n  {listed}\nIf this computer's clock is right ({time.ctime(now)}), date them "
            f"anew, which changes nothing in them: touch {files}"
        )


def _mtime(path: str) -> float:
    try:
        return Path(path).stat().st_mtime
    except OSError:  # that it is missing is said elsewhere
        return 0.0


def _duration(seconds: float) -> str:
    for unit, length_s in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def same_files(recordings: Mapping[str, Recording]) -> list[str]:
    """A line about each set of recordings that have a file in common: their units count twice."""
    users: dict[Path, list[str]] = defaultdict(list)
    for recording in recordings.values():
        path = Path(recording.files.get("cmtr", recording.files.get("cmcr", ""))).resolve()
        users[path].append(recording.name)
    return [
        f"{few(names)} are the same recording, {path.name}, under {len(names)} names: "
        "a table of all units has its units as often"
        for path, names in users.items()
        if len(names) > 1
    ]


def recording_of_cells(config: WorkflowConfig, cells: Mapping[str, str]) -> Recording:
    """A recording from the cells of its row.

    Raises
    ------
    ParameterError
        Its arguments are all that is wrong with the row.
    """
    wrong: list[str] = []
    columns = columns_with(config.features)
    try:
        row = RecordingRow.model_validate({n: c for n, c in cells.items() if n not in columns})
    except ValidationError as error:
        wrong += problems(error, RecordingRow)
    given = {name: cell for name, cell in cells.items() if name in columns and cell}
    own: dict[str, dict[str, Any]] = {}
    if file := cells.get("overrides", ""):
        try:
            own = read_overrides(file, config.chosen_steps)
        except ValueError as error:
            wrong.append(f"column overrides: {error}")
    told = {*OF_A_RECORDING, *own, *(columns[name].step for name in given)}
    parameters: dict[str, StepParameters] = {}
    for step in filter(told.__contains__, config.chosen_steps):
        values = with_cells(config.parameters(step), step, given, own.get(step), columns)
        found, problems_of_step = _parameters(config, step, values)
        said_by = f" (in {file}, or a cell)" if step in own else ""
        wrong += [f"{problem}{said_by}" for problem in problems_of_step]
        if found is not None:
            parameters[step] = found
    if wrong:
        # Cause: cells of a row are of another type, out of their range, or do not go together; part
        # of what is said of the whole table.
        raise ParameterError(*dict.fromkeys(wrong))
    return Recording(row.recording, row.files, parameters)


def _parameters(
    config: WorkflowConfig, step: str, values: Mapping[str, Any]
) -> tuple[StepParameters | None, list[str]]:
    """A step's parameters for a recording, or all that is wrong with them."""
    own = STEPS[step].parameters
    # The configuration's model knows the features' parameters, and not those of the table alone.
    model = own if step in OF_A_RECORDING else type(getattr(config.steps, step))
    try:
        plain = values if step in OF_A_RECORDING else config.checked(step, values)
        found = own.model_validate(plain)
    except ValidationError as error:
        return None, list(_wrong_values(step, error, model, columns_with(config.features)))
    except ParameterError as error:
        return None, [str(error)]
    return found, list(_wrong_paths(input_files(step, found)))


def _wrong_values(
    step: str, error: ValidationError, model: type[BaseModel], columns: Mapping[str, Column]
) -> Iterator[str]:
    """What is wrong with a row's parameters: column, words, what was found."""
    for details, said in zip(error.errors(), problems(error, model), strict=True):
        column = column_at(step, details["loc"], columns)
        if column is None:  # it is parameters together that do not fit, or there is none
            yield f"{step}: {said}"
        else:
            words = said.partition(": ")[2]
            yield f"column {column.name}: {words}" + ("; or none" if column.may_be_none else "")


def _wrong_paths(files: Mapping[str, str]) -> Iterator[str]:
    for name, path in files.items():
        try:
            _no_braces(path)
        except ValueError as error:
            yield f"column {name}: {error}"


def _check_header(path: Path, header: Sequence[str], columns: Mapping[str, Column]) -> None:
    known = [*RecordingRow.model_fields, *columns]
    plain = [name for name in known if name not in columns or columns[name].step in OF_A_RECORDING]
    if "recording" not in header:
        # Cause: the table has no header, other separators than tabs, or no column `recording`.
        raise ParameterError(
            f"{path}: its columns are {', '.join(map(repr, header)) or 'missing'}; they must be "
            "recording, cmcr, cmtr, playlist, separated by tabs, and may be named like parameters."
        )
    # What is known is listed once, below.
    said = {name: unknown(name, known).partition(";")[0] for name in header if name not in known}
    wrong = [f"{name!r}: {words}" for name, words in said.items()]
    wrong += [f"{name!r}: is there {n} times" for name, n in Counter(header).items() if n > 1]
    if wrong:
        # Cause: a column is mistyped, there twice, or no parameter.
        raise ParameterError(
            "\n  ".join([f"{path}: these columns cannot be used:", *wrong])
            + f"\nKnown columns: {', '.join(plain)}, and parameters of the other steps, as in "
            "config/OPTIONS.md, with the step's name before them: compute_sta.cover_range"
        )
