"""What the columns of the table of all units are: a data dictionary, and their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from hdmea.export.readings import sta_stimuli
from hdmea.session import PipelineSession
from hdmea.session.tables import is_column

Kind = Literal["whole number", "number", "text"]

HEAD = ("column", "type", "unit", "description", "made by", "version", "defined in")
"""Columns of the dictionary."""
STA_COLUMNS: dict[str, tuple[Kind, str, str]] = {
    "n_spikes": ("whole number", "1", "spikes that were averaged"),
    "n_excluded": ("whole number", "1", "spikes that were not, for lack of frames before them"),
    "z_peak": ("number", "1", "largest z score by size, with its sign"),
    "peak_lag_frames": (
        "whole number",
        "frames",
        "its lag; before the spike: negative",
    ),
    "polarity": ("whole number", "1", "its sign: 1 light, -1 dark"),
    "peak_y": ("whole number", "px", "its row in the movie, from 0"),
    "peak_x": ("whole number", "px", "its column in the movie, from 0"),
    "reason": ("text", "", "why there is no peak; empty where there is one"),
}
"""Type, unit and description of what the table has of an STA."""
_KINDS: dict[str, Kind] = {"f": "number", "i": "whole number", "u": "whole number"}
_OWN = "hdmea "
_DEFINED = {
    "load_recording": "docs/file-format.md",
    "curate_units": "docs/definitions.md, Inclusion",
    "adjust_p_values": "docs/definitions.md, q values",
    "compute_sta": "docs/definitions.md, Spike-triggered average",
}


@dataclass(frozen=True)
class UnitsColumn:
    """What a column of the table of all units is.

    Parameters
    ----------
    kind
        ``whole number``, ``number`` or ``text``; an empty cell is an undefined value.
    unit
        ``1``: none; empty for text.
    description
        In words.
    made_by
        The step, and the feature, with their names.
    version
        Of the definition of what made it, as the session file has it.
    defined_in
        Where it is defined.
    """

    kind: Kind
    unit: str
    description: str
    made_by: str
    version: str
    defined_in: str


RECORDING = UnitsColumn(
    "text", "", "name of the recording", "", "", "the table of recordings (config/README.md)"
)


def described(session: PipelineSession) -> dict[str, UnitsColumn]:
    """What the columns are that a session has in the table of all units."""
    made = {path: one for one in session.contributions.values() for path in one.variables}
    found = {"recording": RECORDING}
    for group in ("units/", "features/"):
        for path in filter(lambda path: is_column(session, path), session.paths(group)):
            variable, by = session[path], made[path]
            step, feature = by.recipe.step, by.name.partition("features.")[2]
            package = str(by.run.get("package") or _OWN)
            defined = f"docs/definitions.md, {feature}" if package.startswith(_OWN) else package
            found[path.removeprefix(group).replace("/", ".")] = UnitsColumn(
                _KINDS.get(variable.data.dtype.kind, "text"),
                variable.unit,
                variable.description,
                f"{step} {feature}".strip(),
                str(by.recipe.version),
                defined if feature else _DEFINED.get(step, ""),
            )
    for stimulus in sta_stimuli(session):
        version = str(session.contributions[f"sta.{stimulus}"].recipe.version)
        for name, (kind, unit, description) in STA_COLUMNS.items():
            found[f"sta.{stimulus}.{name}"] = UnitsColumn(
                kind, unit, description, "compute_sta", version, _DEFINED["compute_sta"]
            )
    return found


def in_common(of_sessions: Iterable[Mapping[str, UnitsColumn]]) -> dict[str, UnitsColumn]:
    """What the columns are of several sessions; where they are of several versions, all of them."""
    found: dict[str, UnitsColumn] = {}
    versions: dict[str, dict[str, None]] = {}
    for columns in of_sessions:
        for name, column in columns.items():
            found.setdefault(name, column)
            versions.setdefault(name, {})[column.version] = None
    return {
        name: UnitsColumn(**vars(column) | {"version": ", ".join(sorted(versions[name]))})
        for name, column in found.items()
    }
