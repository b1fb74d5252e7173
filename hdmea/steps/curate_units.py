"""Say which units are included, by rules and by people; nothing is deleted."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from hdmea.arrays import Array, Variable, Variables
from hdmea.errors import MissingDataError, UnknownNameError
from hdmea.kernels.quality import Pairs, without_duplicates
from hdmea.session import PipelineSession
from hdmea.steps.curation_table import CuratedUnit, curation_digest, read_curation
from hdmea.steps.sources import files_told
from hdmea.steps.step import HARMLESS, Step, StepParameters, Task

_log = logging.getLogger("hdmea")

Flags = npt.NDArray[np.bool_]

_QUALITY = "features/unit_quality"
_MOST = {
    "max_isi_violation_fraction": f"{_QUALITY}/isi_violation_fraction",
    "max_hill_contamination": f"{_QUALITY}/hill_contamination_low",
}
"""Rules about the largest value of a measure that is included, and where the measure is."""
_LEAST = {"min_presence_ratio": f"{_QUALITY}/presence_ratio", "min_snr": "units/snr"}
"""Rules about the smallest one."""
_OF_THE_RECORDING = frozenset({"duration_unknown", "recording_too_short"})
"""Reasons for which a measure is undefined in all units, whatever they are."""


class CurateUnitsParameters(StepParameters):
    """The rules, each of which must be kept; as they are, every unit is included."""

    min_spikes: int = Field(default=0, ge=0, description="fewest spikes")
    max_isi_violation_fraction: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="largest part of the intervals between spikes that are refractory violations",
    )
    max_hill_contamination: float | None = Field(
        default=None,
        ge=0,
        le=0.5,
        description="largest part of the spikes that may be another cell's, by Hill et al. (2011); "
        "a unit breaks it whose violations show that it is more",
    )
    min_presence_ratio: float | None = Field(
        default=None, ge=0, le=1, description="smallest part of the recording's bins with a spike"
    )
    min_snr: float | None = Field(
        default=None, description="smallest signal-to-noise ratio, the sorter's"
    )
    exclude_tags: tuple[str, ...] = Field(
        default=(), description="tags given in the sorter that exclude a unit, in any case"
    )
    exclude_duplicates: bool = Field(
        default=False, description="of units with the same spikes include the largest only"
    )
    table: str | None = Field(
        default=None,
        description="curation table: what people say of single units, which goes before the rules",
        # what it says of this recording counts, not what it is called
        json_schema_extra=HARMLESS,
    )

    @field_validator("exclude_tags", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("exclude_tags")
    @classmethod
    def _tags_say_something(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        if not all(tag.strip() for tag in tags):
            raise ValueError("an empty tag would exclude every unit without tags; leave it out")
        return tags

    @field_validator("table", mode="before")
    @classmethod
    def _path_is_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, PurePath) else value

    def needed_features(self) -> tuple[str, ...]:
        """The feature whose outputs the rules are about, if there are such rules."""
        about_quality = self.exclude_duplicates or any(
            getattr(self, rule) is not None
            for rule, path in (_MOST | _LEAST).items()
            if path.startswith(_QUALITY)
        )
        return ("unit_quality",) if about_quality else ()


def _tasks(session: PipelineSession, parameters: CurateUnitsParameters) -> Iterable[Task]:
    if "units/unit_id" not in session:
        # Cause: only the raw recording was loaded.
        raise MissingDataError(
            f"curate_units needs units, but session {session.dataset_id!r} was loaded without a "
            ".cmtr file; load it with cmtr_path="
        )
    curated = _curated(session, parameters.table)
    digest = curation_digest(curated)
    yield Task(
        name="curate_units",
        compute=lambda: _curate(session, parameters, curated),
        parameters=parameters.affecting(),
        parents=(
            "load_recording",
            *(f"features.{name}" for name in parameters.needed_features()),
        ),
        inputs={} if digest is None else {"table": digest},
        told=_told(parameters.table if curated else None),
    )


def _told(table: str | None) -> dict[str, Any]:
    return {} if table is None else {"files": files_told({"table": Path(table)})}


def _curated(session: PipelineSession, table: str | None) -> list[CuratedUnit]:
    """What the table says of the units of this recording.

    Raises
    ------
    UnknownNameError
        If it names units that the recording has not got.
    """
    if table is None:
        return []
    units = read_curation(table).get(session.dataset_id, [])
    known = session.values("units/unit_id").tolist()
    unknown = [f"unit {unit.unit_id} (line {unit.line})" for unit in units
               if unit.unit_id not in known]  # fmt: skip
    if unknown:
        raise UnknownNameError(
            f"{table} names units that {session.dataset_id!r} has not got: {', '.join(unknown)}; "
            f"remove them, or take one of its {len(known)} units: "
            f"{', '.join(map(str, known)) or 'none'}"
        )
    return units


def _curate(
    session: PipelineSession, parameters: CurateUnitsParameters, curated: list[CuratedUnit]
) -> Variables:
    unit_id = session.values("units/unit_id")
    rows = {int(number): row for row, number in enumerate(unit_id)}
    broken = _broken_rules(session, parameters)
    chosen = {rows[unit.unit_id] for unit in curated if unit.use == "yes"}
    for unit in curated:
        if unit.use == "no":
            note = f": {unit.note}" if unit.note else ""
            broken[rows[unit.unit_id]].append(f"curated{note}")
    for row in chosen:
        broken[row].clear()
    if parameters.exclude_duplicates:
        may_stay = {row for row, reasons in enumerate(broken) if not reasons}
        for row, kept in _duplicates(session, rows, may_stay, chosen).items():
            broken[row].append(f"exclude_duplicates: duplicate of {unit_id[kept]}")
    _tell(session, broken)

    included = np.array([not reasons for reasons in broken], dtype=np.uint8)
    variables = {
        "units/included": Variable(
            included, "1", ("unit",), "whether the unit is included: 1 yes, 0 no"
        ),
        "units/exclusion_reason": _column(
            ["; ".join(reasons) for reasons in broken], "why it is not; empty where it is included"
        ),
    }
    for name in ("label", "note"):
        words = {rows[unit.unit_id]: getattr(unit, name) for unit in curated}
        if any(words.values()):
            variables[f"units/{name}"] = _column(
                [words.get(row, "") for row in range(unit_id.size)], f"{name} in the curation table"
            )
    return variables


def _column(words: list[str], meaning: str) -> Variable:
    return Variable(np.array(words, dtype=np.str_), "", ("unit",), meaning)


def _broken_rules(session: PipelineSession, parameters: CurateUnitsParameters) -> list[list[str]]:
    """For each unit the rules that it breaks, in the order of the parameters."""
    said: list[Array] = [
        np.where(session.values("units/n_spikes") < parameters.min_spikes, "min_spikes", "")
    ]
    for rule, path in (_MOST | _LEAST).items():
        limit = getattr(parameters, rule)
        if limit is not None:
            values, reasons = _measure(session, rule, path)
            beyond = values > limit if rule in _MOST else values < limit
            undefined = [f"{rule}: {reason}" if reason else "" for reason in reasons]
            said.append(np.where(np.isnan(values), undefined, np.where(beyond, rule, "")))
    if parameters.exclude_tags:
        unwanted = {tag.strip().casefold(): tag for tag in parameters.exclude_tags}
        said.append(np.array([_tag_rule(text, unwanted) for text in session.values("units/tags")]))
    return [[str(word) for word in words if word] for words in zip(*said, strict=True)]


def _tag_rule(text: str, unwanted: Mapping[str, str]) -> str:
    tags = {text.strip().casefold(), *(tag.strip().casefold() for tag in re.split("[,;]", text))}
    found = [said for tag, said in unwanted.items() if tag in tags]
    return f"exclude_tags: {', '.join(found)}" if found else ""


def _measure(session: PipelineSession, rule: str, path: str) -> tuple[Array, list[str]]:
    """Values of a measure, and for each undefined one why.

    Raises
    ------
    MissingDataError
        If it is undefined because of the recording: a rule about it would exclude every unit.
    """
    where = f"curate_units: {rule} cannot be judged in {session.dataset_id!r}"
    if not session.values("units/unit_id").size:  # nor is there a column then
        return np.empty(0), []
    if path not in session:  # the sorter's; features are asked for before
        raise MissingDataError(f"{where}: its .cmtr has no {path.rpartition('/')[2]}; leave it out")
    values = session.values(path)
    undefined = np.isnan(values)
    reasons = np.full(values.size, "undefined")
    if f"{path}_reason" in session:
        reasons = session.values(f"{path}_reason")
        common = _OF_THE_RECORDING.intersection(reasons[undefined].tolist())
        if common:
            raise MissingDataError(
                f"{where}: {path.removeprefix('features/')} is undefined, {', '.join(common)}; "
                "leave it out, or extract unit_quality with other parameters"
            )
    fires = session.values("units/n_spikes") > 0
    if fires.any() and undefined[fires].all() and (reasons[fires] == "undefined").all():
        raise MissingDataError(
            f"{where}: {path} is undefined in all units; let the sorter compute it, or leave it out"
        )
    return values, np.where(undefined, reasons, "").tolist()


def _duplicates(
    session: PipelineSession, rows: Mapping[int, int], may_stay: set[int], chosen: set[int]
) -> Mapping[int, int]:
    """For each unit whose spikes are another one's too, the one that stays."""
    smaller, larger = (
        np.array([rows[int(n)] for n in session.values(f"{_QUALITY}/duplicate_pair_{which}")], int)
        for which in ("unit", "of")
    )
    share = session.values(f"{_QUALITY}/duplicate_pair_fraction")
    rank = np.lexsort((session.values("units/unit_id"), -session.values("units/n_spikes")))
    return without_duplicates(rank.tolist(), Pairs(smaller, larger, share), may_stay, chosen)


def _tell(session: PipelineSession, broken: list[list[str]]) -> None:
    """Log how many units are included, and how many break each rule."""
    n_included = sum(not reasons for reasons in broken)
    counts = Counter(reason.partition(":")[0] for reasons in broken for reason in reasons)
    why = ", ".join(f"{reason} {n}" for reason, n in counts.items())
    said = f"{session.dataset_id}: {n_included} of {len(broken)} units are included" + (
        f"; not: {why}" if why else ""
    )
    if broken and not n_included:
        session.warn(said)
    else:
        _log.info(said)


CURATE_UNITS = Step(
    name="curate_units",
    version=2,
    parameters=CurateUnitsParameters,
    tasks=_tasks,
    needs=("load_recording",),
    adds=("units",),
    doc="""Say which units are included, by rules and by a table that people keep.

A unit that breaks any rule is excluded, and so is one whose measure is undefined; the reasons are
stored beside it. Nothing is deleted. The table (columns ``recording``, ``unit_id``, ``use``,
``label``, ``note``, separated by tabs) goes before the rules: ``yes`` includes, ``no`` excludes.
""",
    example=""">>> result = curate_units("artifacts/rec.h5", min_spikes=600, exclude_tags=["noise"])
>>> units = PipelineSession.load(result.hdf5_path).units
>>> units["included"].tolist(), units["exclusion_reason"].tolist()
([1, 1, 0, 1], ['', '', 'min_spikes', ''])""",
)
