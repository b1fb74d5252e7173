"""Parameters of steps as columns of the table of recordings.

A recording's files, playlist, and what is odd about it are its own: the parameters of the steps
that deal with them are columns by their plain names. Those of the other steps have the step's name
before them. Which parameters there are is read off the models: a new one has its column by itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hdmea.batch.overrides import OF_THE_BATCH, merged
from hdmea.errors import FileMissingError
from hdmea.features.declaration import Feature
from hdmea.features.registry import FEATURES, get_feature
from hdmea.steps.registry import STEPS
from hdmea.steps.step import StepParameters
from hdmea.stimulus.clock_params import FrameClockParams

OF_A_RECORDING = ("load_recording", "add_section_time")
"""Steps that deal with what is a recording's own: their columns have no step's name before them."""
FROM_TABLE = {"add_section_time": {"playlist_name": "playlist"}}
"""Parameters that only the table has, with their columns, by step."""


@dataclass(frozen=True)
class Column:
    """A parameter of a step, as a column.

    Parameters
    ----------
    name
        Of the column: the parameter's, with a dot before that of a group: ``frame_clock.row``.
    step
        The step that takes it.
    path
        Names that lead to it in the step's parameters.
    info
        Its declaration.
    model
        The model that declares it, groups within it included: the step's, or a feature's.
    inside
        Names that lead to it in that model.
    """

    name: str
    step: str
    path: tuple[str, ...]
    info: FieldInfo
    model: type[BaseModel]
    inside: tuple[str, ...]

    @property
    def is_file(self) -> bool:
        """Whether the cell names a file that the step reads."""
        extra = self.info.json_schema_extra
        return isinstance(extra, dict) and bool(extra.get("input_file"))

    @property
    def may_be_none(self) -> bool:
        """Whether ``none`` is a value of it."""
        return NoneType in _kinds(self.info.annotation)

    def value(self, cell: str) -> Any:
        """What a cell means, as far as text alone does not say it; the step's model does the rest.

        Examples
        --------
        >>> times = COLUMNS["frame_clock.times_s"]
        >>> times.value("12.5, 30"), times.value("none")
        (['12.5', '30'], None)
        """
        kinds = list(_kinds(self.info.annotation))
        if NoneType in kinds and cell.lower() in ("none", "null"):
            return None
        is_list = any(get_origin(kind) is tuple for kind in kinds)
        scalars = [kind for kind in kinds if kind is not NoneType and get_origin(kind) is not tuple]
        if is_list and ("," in cell or not scalars):
            return [part.strip() for part in cell.strip("()[]").split(",") if part.strip()]
        for kind in scalars:
            if get_origin(kind) is Literal:
                choices = {str(choice): choice for choice in get_args(kind)}
                if cell in choices:
                    return choices[cell]
        return _number(cell) if str in scalars and {int, float} & set(scalars) else cell

    def of(self, parameters: BaseModel) -> Any:
        """Its value in a step's parameters; None in a group that is not there."""
        found: Any = parameters
        for name in self.path:
            found = getattr(found, name, None)
        return found


def columns_of(step: str, model: type[BaseModel]) -> dict[str, Column]:
    """Columns of a step's parameters, by name.

    Examples
    --------
    >>> columns = columns_of("load_recording", STEPS["load_recording"].parameters)
    >>> columns["frame_clock.row"].path
    ('frame_clock', 'row')
    """
    found = {}
    for path, info in _parameters(model):
        dotted = ".".join(path)
        name = FROM_TABLE.get(step, {}).get(dotted, dotted)
        found[name] = Column(name, step, path, info, model, path)
    return found


def _columns_with_step(
    step: str, features: Iterable[Feature] = FEATURES.values()
) -> Iterator[Column]:
    """Columns of a step that have its name before theirs; of features, each its own parameters."""
    if step == "extract_features":
        models: Any = [(("parameters", one.name), one.params) for one in features]
    else:
        models = [((), STEPS[step].parameters)]
    for above, model in models:
        for inside, info in _parameters(model):
            path = (*above, *inside)
            if path[0] not in OF_THE_BATCH.get(step, ()):
                yield Column(".".join((step, *path)), step, path, info, model, inside)


def _columns() -> dict[str, Column]:
    found: dict[str, Column] = {}
    for step in OF_A_RECORDING:
        own = columns_of(step, STEPS[step].parameters)
        if twice := found.keys() & own.keys():
            raise TypeError(f"{', '.join(twice)}: two of {', '.join(OF_A_RECORDING)} have it")
        found |= own
    only_here = [name for names in FROM_TABLE.values() for name in names.values()]
    found = {name: found[name] for name in dict.fromkeys([*only_here, *found])}
    others = [step for step in STEPS if step not in OF_A_RECORDING]
    return found | {one.name: one for step in others for one in _columns_with_step(step)}


def _parameters(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Place and declaration of every parameter, those of groups included."""
    for name, info in model.model_fields.items():
        groups = [kind for kind in _kinds(info.annotation) if _is_model(kind)]
        if not groups:
            yield (name,), info
        for group in groups:
            yield from (((name, *path), below) for path, below in _parameters(group))


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types of which an annotation allows one."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _kinds(part)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _number(cell: str) -> Any:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell


COLUMNS = _columns()
"""Columns that are parameters of steps, by name; of features hdmea's own."""


def columns_with(features: Iterable[str]) -> Mapping[str, Column]:
    """`COLUMNS`, and those of features of other packages that are among these."""
    others = [get_feature(name) for name in features if name not in FEATURES]
    return COLUMNS | {one.name: one for one in _columns_with_step("extract_features", others)}


def with_cells(
    values: Mapping[str, Any],
    step: str,
    cells: Mapping[str, str],
    own: Mapping[str, Any] | None = None,
    columns: Mapping[str, Column] = COLUMNS,
) -> dict[str, Any]:
    """A step's values of the configuration, with a recording's own in their place.

    Those of its cells go before those of its file. Where they say that the frame clock is
    elsewhere, what is configured for the other place is left out.

    Examples
    --------
    >>> configured = {"frame_clock": {"row": 1, "height": 0.2}, "probe": "off"}
    >>> with_cells(configured, "load_recording", {"frame_clock.row": "3", "repeats": "2"})
    {'frame_clock': {'row': '3', 'height': 0.2}, 'probe': 'off'}
    """
    found = merged(values, own or {})
    given = [columns[name] for name in cells if columns[name].step == step]
    for column in given:
        *groups, last = column.path
        inner = found
        for group in groups:
            inner[group] = dict(inner.get(group) or {})
            inner = inner[group]
        inner[last] = column.value(cells[column.name])
    if step == "load_recording":
        clock = (own or {}).get("frame_clock")
        clock = clock if isinstance(clock, Mapping) else {}
        if source := cells.get("frame_clock.source") or clock.get("source"):
            for name in FrameClockParams.idle(str(source)):
                if f"frame_clock.{name}" not in cells and name not in clock:
                    found["frame_clock"].pop(name, None)
    return found


def column_at(
    step: str, place: tuple[int | str, ...], columns: Mapping[str, Column] = COLUMNS
) -> Column | None:
    """The column of the place in a step's parameters at which something was found to be wrong."""
    for column in columns.values():
        if column.step == step and place[: len(column.path)] == column.path:
            return column
    return None


def input_files(step: str, parameters: StepParameters) -> dict[str, str]:
    """Files that a step's parameters name, by column."""
    return {
        column.name: str(path)
        for column in _file_columns(step)
        if (path := column.of(parameters)) is not None
    }


@cache
def _file_columns(step: str) -> tuple[Column, ...]:
    """Columns of a step whose cells name files: looked for once for thousands of recordings."""
    return tuple(one for one in COLUMNS.values() if one.step == step and one.is_file)


def file_digests(files: Mapping[str, str]) -> dict[str, str]:
    """Digest of each of `input_files`: an edited file has another one, a copied one the same.

    Raises
    ------
    FileMissingError
        If one is not there.
    """
    digests = {}
    for name, path in files.items():
        try:
            with Path(path).open("rb") as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError as error:
            raise FileMissingError(f"{name}: there is no file {path}; correct the path.") from error
    return digests


def without_paths(step: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A step's values without the names of files, which say less than `file_digests`."""
    kept = deepcopy(dict(values))
    for column in _file_columns(step):
        *groups, last = column.path
        inner = kept
        for group in groups:
            inner = inner.get(group) or {}
        inner.pop(last, None)
    return kept


def cells_in(message: str) -> list[str]:
    """The settings of a group that a message names, as cells of the table.

    Examples
    --------
    >>> cells_in("set frame_clock: {held_at_s: [2.5, 9]}, or another frame_clock: {height: ...}.")
    ['column frame_clock.held_at_s: 2.5, 9', 'column frame_clock.height']
    """
    import yaml

    found = []
    for group, text in re.findall(r"\b(\w+): (\{[^{}]+\})", message):
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError:  # braces of something else
            continue
        cells = {f"{group}.{name}": value for name, value in values.items()}
        if cells.keys() <= COLUMNS.keys():
            found.append(", ".join(f"column {name}{_typed(v)}" for name, v in cells.items()))
    return list(dict.fromkeys(found))


def _typed(value: Any) -> str:
    """What is typed into a cell; nothing where the message leaves it open."""
    if value == "...":
        return ""
    shown = value if isinstance(value, list) else ["none" if value is None else value]
    return f": {', '.join(map(str, shown))}"


def column_schemas() -> dict[str, Any]:
    """JSON schema of each column's values."""
    schemas: dict[str, Any] = {}
    of_models = {column.model: column.model.model_json_schema() for column in COLUMNS.values()}
    for column in COLUMNS.values():
        model = of_models[column.model]
        schema: Any = model
        for name in column.inside:
            schema = _group_with(name, schema, model.get("$defs", {}))["properties"][name]
        schemas[column.name] = {
            key: value for key, value in schema.items() if key not in ("default", "title")
        }
    return schemas


def _group_with(name: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """The parameters of which one is looked for; those of a group are defined elsewhere."""
    candidates = [
        definitions[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        for one in (schema, *schema.get("anyOf", ()))
    ]
    return next(one for one in candidates if name in one.get("properties", ()))
