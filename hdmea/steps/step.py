"""What a step is, and the one way in which it runs.

A step is data: name, version, parameters, what it needs, what it adds, and a function that
lists its tasks. A task is one contribution: a recipe, and how to compute it. Whether the session
lives in memory only or is written after every step is nothing that a step knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hdmea.arrays import Variables
from hdmea.contribution import Recipe
from hdmea.errors import MissingDataError, ParameterError
from hdmea.session import PipelineSession
from hdmea.validation import in_a_line


class StepParameters(BaseModel):
    """Parameters of a step: typed, described, unknown names refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    def affecting(self) -> dict[str, Any]:
        """The parameters that affect the result, as plain values."""
        harmless = {
            name
            for name, info in type(self).model_fields.items()
            if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("harmless")
        }
        return self.model_dump(mode="json", exclude=harmless)

    def needed_features(self) -> tuple[str, ...]:
        """Features that the step needs with these parameters."""
        return ()

    def used_features(self, asked_for: Iterable[str]) -> tuple[str, ...]:  # noqa: ARG002
        """Features that its result is made from, if these are asked for."""
        return self.needed_features()


HARMLESS: dict[str, Any] = {"harmless": True}
"""Mark of a parameter that cannot change a result (``Field(json_schema_extra=HARMLESS)``)."""

P = TypeVar("P", bound=StepParameters)


@dataclass(frozen=True)
class Task:
    """One contribution to be made.

    Parameters
    ----------
    name
        Name of the contribution.
    compute
        Makes its variables.
    parameters
        What affects them, as plain values.
    parents
        Contributions they are made from.
    accept
        Judges what is there, also when it was made earlier under another setting.
    inputs
        Digests of input files they are made from.
    version
        Version of the definition, where it is not the step's.
    told
        What is told of the run that makes them, and cannot change them.
    """

    name: str
    compute: Callable[[], Variables]
    parameters: Mapping[str, Any]
    parents: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    accept: Callable[[Variables], None] | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step(Generic[P]):
    """A step of the pipeline, declared once.

    Parameters
    ----------
    name
        As users and the configuration call it.
    version
        Version of its definition; part of every key.
    parameters
        Model of its parameters.
    tasks
        Lists what is to be made, given the session and the parameters.
    doc
        What it does, in a sentence and a paragraph; the public function's documentation.
    example
        Lines as a user types them, with what they show; a test runs them.
    needs
        Steps that must be done before.
    adds
        Groups of the session that it fills.
    places
        Places of inputs that it takes (``cmcr_path``, ``stimuli_dir``, ...).
    creates
        Whether it begins a session.
    """

    name: str
    version: int
    parameters: type[P]
    tasks: Callable[[PipelineSession, P], Iterable[Task]]
    doc: str
    example: str
    needs: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    creates: bool = False

    def parse(self, values: Mapping[str, Any]) -> P:
        """Parameters from plain values.

        Raises
        ------
        ParameterError
            Naming each value that cannot be used and why.
        """
        try:
            return self.parameters.model_validate(dict(values))
        except ValidationError as error:
            said = in_a_line(error, self.parameters, self.places)
            # Cause: a parameter of the step is unknown, of another type, or out of its range.
            raise ParameterError(f"{self.name}: {said}") from error

    def run(self, session: PipelineSession, parameters: P) -> None:
        """Add to the session what this step makes.

        Raises
        ------
        MissingDataError
            If a step, or a feature, that it needs is not there.
        StaleSessionError
            If the session's file was changed by somebody else.
        """
        session.require_current()
        done = {c.recipe.step for c in session.contributions.values()}
        missing = [need for need in self.needs if need not in done]
        if missing:
            raise MissingDataError(
                f"{self.name} needs {' and '.join(missing)}, which session {session.dataset_id!r} "
                f"has not done; run {missing[0]} first"
            )
        absent = [
            name
            for name in parameters.needed_features()
            if f"features.{name}" not in session.contributions
        ]
        if absent:
            raise MissingDataError(
                f"{self.name} with these parameters needs the feature {' and '.join(absent)}, "
                f"which session {session.dataset_id!r} has not got; run "
                f"extract_features(features={absent}) first"
            )
        for task in self.tasks(session, parameters):
            obtain(session, self, task)


def obtain(session: PipelineSession, step: Step[Any], task: Task) -> None:
    """Bring one contribution of a step into the session."""
    recipe = Recipe(
        name=task.name,
        step=step.name,
        version=step.version if task.version is None else task.version,
        parameters=dict(task.parameters),
        inputs=dict(task.inputs),
        parents={name: session.contributions[name].key for name in task.parents},
    )
    session.obtain(recipe, task.compute, task.accept, task.told)
