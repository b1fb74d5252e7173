"""Views of a session as tables and arrays by unit; the same in memory and from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from hdmea.arrays import Array
from hdmea.errors import MissingDataError, ParameterError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from hdmea.session.state import SessionState


def units_table(session: SessionState) -> pd.DataFrame:
    """One row per unit, every scalar that is known of it."""
    return _table(session, "units")


def is_column(session: SessionState, path: str) -> bool:
    """Whether a variable is a column of a table of units: a value each, or why there is none.

    Why part of an array is undefined belongs to the array, and stays out of tables as it does.
    """
    value = path.removesuffix("_reason")
    of = value if value in session else path
    return session[path].dims == session[of].dims == ("unit",)


def q_after_p(names: Iterable[str]) -> list[str]:
    """The names, each q value and its reason after the p value that it was made of.

    Examples
    --------
    >>> q_after_p(["on_off.p_on", "on_off.qi", "on_off.q_on", "on_off.q_on_reason"])
    ['on_off.p_on', 'on_off.q_on', 'on_off.q_on_reason', 'on_off.qi']
    """
    place = {name: i for i, name in enumerate(names)}

    def order(name: str) -> tuple[int, int]:
        feature, dot, column = name.rpartition(".")
        p = f"{feature}{dot}p_{column.removesuffix('_reason').removeprefix('q_')}"
        if not column.startswith("q_") or p not in place:
            return place[name], 0
        return place.get(f"{p}_reason", place[p]), 1 + column.endswith("_reason")

    return sorted(place, key=order)


def unit_row(session: SessionState, unit_id: int) -> int:
    """Position of a unit on the unit axis.

    Raises
    ------
    UnknownNameError
        If there is no such unit; the known ones are listed.
    """
    known = session.values("units/unit_id")
    rows = np.flatnonzero(known == unit_id)
    if rows.size == 0:
        shown = ", ".join(map(str, known[:20])) + (", ..." if known.size > 20 else "")
        raise UnknownNameError(
            f"unit {unit_id!r} is not in {session.dataset_id!r}; choose one of its {known.size} "
            f"units: {shown or 'none'}"
        )
    return int(rows[0])


def unit_spike_times(session: SessionState, unit_id: int) -> Array:
    """Spike times of one unit (s)."""
    row = unit_row(session, unit_id)
    ends = session.values("units/spike_times_index")
    start = int(ends[row - 1]) if row else 0
    return session["units/spike_times"].data[start : int(ends[row])]


def unit_sta(session: SessionState, unit_id: int, stimulus: str | None, what: str) -> Array:
    """One unit's array ``what`` (``sta`` or ``z``) of one stimulus, shape (lag, y, x).

    Raises
    ------
    MissingDataError
        If no STA is there.
    UnknownNameError
        If there is none of that stimulus.
    ParameterError
        If there are several and none is named.
    """
    present = sorted(
        {path.split("/")[1] for path in session.paths("sta/") if path.endswith(f"/{what}")}
    )
    if not present:
        raise MissingDataError(
            f"session {session.dataset_id!r} has no STA (no {what}); run compute_sta first"
        )
    if stimulus is None:
        if len(present) > 1:
            raise ParameterError(
                f"there are STAs of several stimuli; name one: {', '.join(present)}"
            )
        stimulus = present[0]
    if stimulus not in present:
        raise UnknownNameError(f"no STA of stimulus {stimulus!r}; there are: {', '.join(present)}")
    return session[f"sta/{stimulus}/{what}"].data[unit_row(session, unit_id)]


class FeatureTables(Mapping[str, "pd.DataFrame"]):
    """Features by name, each a table with one row per unit.

    Arrays (a rate over time, say) are not columns of the table; `array` gives them, and the
    reasons for which they are undefined.
    """

    def __init__(self, session: SessionState) -> None:
        self._session = session

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({path.split("/")[1] for path in self._session.paths("features/")}))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, name: str) -> pd.DataFrame:
        self._require(name)
        return _table(self._session, f"features/{name}")

    def array(self, name: str, output: str) -> Array:
        """One output of a feature as an array, the unit axis first.

        Raises
        ------
        UnknownNameError
            If the feature or the output is not there.
        """
        self._require(name)
        prefix = f"features/{name}/"
        if f"{prefix}{output}" not in self._session:
            known = ", ".join(path.removeprefix(prefix) for path in self._session.paths(prefix))
            raise UnknownNameError(f"feature {name!r} has no output {output!r}; it has: {known}")
        return self._session.values(f"{prefix}{output}")

    def __repr__(self) -> str:
        return f"features: {', '.join(self) or 'none'}"

    def _require(self, name: str) -> None:
        if name in self._session.pending:
            # Cause: the feature was asked for, but the step that it needs has not run.
            raise MissingDataError(
                f"feature {name!r} is pending: it waits for {self._session.pending[name]}; run "
                "that step"
            )
        if name not in set(self):
            # Cause: the feature was not extracted, or its name is mistyped.
            raise UnknownNameError(
                f"feature {name!r} is not in {self._session.dataset_id!r}; extract it, or take one "
                f"of these: {', '.join(self) or 'none yet'}"
            )


def _table(session: SessionState, prefix: str) -> pd.DataFrame:
    import pandas as pd

    columns = {
        path.removeprefix(f"{prefix}/"): variable.values
        for contribution in session.contributions.values()
        for path, variable in contribution.variables.items()
        if path.startswith(f"{prefix}/") and is_column(session, path)
    }
    columns.pop("spike_times_index", None)
    columns.pop("unit_id", None)
    index = pd.Index(session.values("units/unit_id").astype(np.int64), name="unit_id")
    return pd.DataFrame({name: columns[name] for name in q_after_p(columns)}, index=index)
