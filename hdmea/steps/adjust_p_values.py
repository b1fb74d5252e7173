"""q values of the features' p values, over the included units."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hdmea.arrays import Array, Variable, Variables, text
from hdmea.errors import HdmeaError
from hdmea.features.registry import get_feature, with_p_values
from hdmea.kernels.q_values import Method, q_values
from hdmea.session import PipelineSession
from hdmea.steps.step import Step, StepParameters, Task, obtain

_log = logging.getLogger("hdmea")

Flags = npt.NDArray[np.bool_]

NOT_INCLUDED = "not_included"
"""Reason for which the q value of a unit is undefined that is not included."""
_METHOD = "q_values/method"
_TOLD_BELOW = 0.05
"""How many q values are below this is logged; nothing else depends on it."""


class AdjustPValuesParameters(StepParameters):
    """How p values are adjusted for their number."""

    method: Method = Field(
        default="bh",
        description="bh: Benjamini and Hochberg, for tests that are independent or positively "
        "dependent; by: Benjamini and Yekutieli, for any dependence",
    )

    def used_features(self, asked_for: Iterable[str]) -> tuple[str, ...]:
        """Those that have p values."""
        return with_p_values(asked_for)


def _tasks(session: PipelineSession, parameters: AdjustPValuesParameters) -> Iterable[Task]:
    """First that q values are wanted, and how; then those of the features that are there."""
    yield Task(
        name="adjust_p_values",
        compute=lambda: {_METHOD: text(parameters.method, "how q values are made of p values")},
        parameters=parameters.affecting(),
        parents=("load_recording",),
    )
    made = list(_of_features(session))
    if not made:
        _log.info(
            "%s: no feature that is there has p values; q values are made when one is",
            session.dataset_id,
        )
    yield from made


def complete_q_values(session: PipelineSession) -> None:
    """Make the q values that were asked for and are not there, or of what is there no longer.

    So that a session holds the same whether features were extracted, and units curated, before
    `adjust_p_values` or once more after it.
    """
    for task in _of_features(session):
        obtain(session, ADJUST_P_VALUES, task)


def _of_features(session: PipelineSession) -> Iterable[Task]:
    """A task for each feature that is there and has p values, where q values are wanted."""
    if "adjust_p_values" not in session.contributions:
        return
    names = _with_p_values(session)
    if names and "curate_units" not in session.contributions:
        _warn_once(
            session,
            "there are no q values until curate_units has said again which units are included",
        )
        return
    for name in names:
        yield Task(
            name=f"q_values.{name}",
            compute=partial(_adjust, session, name),
            parameters=dict(session.contributions["adjust_p_values"].recipe.parameters),
            parents=("curate_units", f"features.{name}"),
        )


def _with_p_values(session: PipelineSession) -> list[str]:
    """Names of the features that are there and have p values, in the order of their making."""
    found = []
    for made in session.contributions.values():
        if made.recipe.step != "extract_features":
            continue
        name = made.name.removeprefix("features.")
        try:
            if with_p_values([name]):
                found.append(name)
        except HdmeaError as error:  # of a package that is not installed here
            if (
                session.paths(f"features/{name}/p_")
                and f"q_values.{name}" not in session.contributions
            ):
                _warn_once(session, f"{made.name} has no q values: {error}")
    return found


def _warn_once(session: PipelineSession, message: str) -> None:
    message = f"{session.dataset_id}: {message}"
    if message not in session.warnings:
        session.warn(message)


def _adjust(session: PipelineSession, feature: str) -> Variables:
    included = session.values("units/included") == 1
    method = session.contributions["adjust_p_values"].recipe.parameters["method"]
    variables: dict[str, Variable] = {}
    found = []
    for output in get_feature(feature).p_values:
        path = f"features/{feature}/{output.name}"
        if path not in session:  # made by a version of the feature that had no such column
            continue
        p = session[path]
        q = q_values(p.values, included, method)
        name = f"features/{feature}/{output.q_name}"
        variables[name] = Variable(
            q, "1", p.dims, f"q value of {output.name} over the included units ({method})"
        )
        variables[f"{name}_reason"] = Variable(
            _reasons(session, f"{path}_reason", included),
            "",
            ("unit",),
            f"why {output.q_name} is undefined; empty where it is defined",
        )
        family = q[~np.isnan(q)]
        found.append(f"{(family < _TOLD_BELOW).sum()} of {family.size} {output.q_name}")
    _log.info("%s, %s: below %g are %s", session.dataset_id, feature, _TOLD_BELOW, ", ".join(found))
    return variables


def _reasons(session: PipelineSession, path: str, included: Flags) -> Array:
    """Why each unit has no q value: it is not included, else what p says."""
    of_p = session.values(path) if path in session else np.full(included.size, "")
    return np.where(included, of_p, NOT_INCLUDED)


ADJUST_P_VALUES = Step(
    name="adjust_p_values",
    version=1,
    parameters=AdjustPValuesParameters,
    tasks=_tasks,
    needs=("load_recording", "curate_units"),
    adds=("features", "q_values"),
    doc="""Make q values of the features' p values, over the included units.

Beside every p value ``p_x`` of a feature comes ``q_x``: of the units with q below 0.05 at most 5 %
are there by chance, on average. The family of tests is that of all included units of the recording;
a unit that is not included has no q value (``not_included``). From then on q values follow the
features and the curation: when these are made again, or for the first time, so are they.
""",
    example=""">>> result = adjust_p_values("artifacts/rec.h5")
>>> session = PipelineSession.load(result.hdf5_path)
>>> str(session.values("q_values/method"))
'bh'""",
)
