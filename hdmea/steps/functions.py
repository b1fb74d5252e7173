"""Steps as functions for users: immediate on a file, or deferred on a session.

This is the only place that knows the difference.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from hdmea.errors import ParameterError
from hdmea.session import PipelineSession, create_session
from hdmea.steps.documentation import default_of, documentation
from hdmea.steps.running import StepResult, publish, publish_begun, run
from hdmea.steps.step import Step, StepParameters

P = TypeVar("P", bound=StepParameters)

_CREATION = ("dataset_id", "output_dir")


class StepFunction(Generic[P]):
    """A step as a user calls it, made from its declaration.

    With ``session=`` it works on the session in memory and returns it. Without, it opens the file
    at ``hdf5_path`` (a step that creates: the recording's files), runs, writes the whole file
    atomically to ``output_path`` or in place, and returns a `StepResult`.
    """

    def __init__(self, step: Step[P]) -> None:
        self.step = step
        self.__name__ = self.__qualname__ = step.name
        self.__module__ = "hdmea.pipeline"
        self.__doc__ = documentation(step)
        self.__signature__ = _signature(step)

    def __repr__(self) -> str:
        return f"<step {self.step.name}{self.__signature__}>"

    @overload
    def __call__(
        self, *args: Any, session: PipelineSession, output_path: None = None, **values: Any
    ) -> PipelineSession: ...
    @overload
    def __call__(
        self,
        *args: Any,
        session: None = None,
        output_path: str | Path | None = None,
        **values: Any,
    ) -> StepResult: ...
    def __call__(
        self,
        *args: Any,
        session: PipelineSession | None = None,
        output_path: str | Path | None = None,
        **values: Any,
    ) -> PipelineSession | StepResult:
        """Run the step; see the class."""
        values = self._named(args, values)
        hdf5_path = None if self.step.creates else values.pop("hdf5_path", None)
        places = {name: values.pop(name) for name in self.step.places if name in values}
        creation = {
            name: values.pop(name) for name in _CREATION if self.step.creates and name in values
        }
        parameters = self.step.parse(values)
        if session is not None:
            self._refuse_in_memory(hdf5_path=hdf5_path, output_path=output_path, **creation)
            session.set_places(**places)
            run(self.step, session, parameters)
            return session
        opened = self._open(hdf5_path, places, creation)
        opened.set_places(**places)
        target = output_path if output_path is not None else hdf5_path
        if target is not None:
            opened.spool_beside(target)
        run(self.step, opened, parameters)
        return publish_begun(opened, target) if self.step.creates else publish(opened, target)

    def _named(self, args: tuple[Any, ...], values: dict[str, Any]) -> dict[str, Any]:
        names = [
            n for n, p in self.__signature__.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD
        ]
        if len(args) > len(names):
            # Cause: more arguments without a name were given than the step takes.
            raise ParameterError(
                f"{self.step.name} takes {', '.join(names)} by position; name the others"
            )
        twice = set(names[: len(args)]) & set(values)
        if twice:
            # Cause: an argument was given by position and by name.
            raise ParameterError(
                f"{self.step.name}: {', '.join(sorted(twice))} is given twice; give it once"
            )
        return values | dict(zip(names, args, strict=False))

    def _refuse_in_memory(self, **values: Any) -> None:
        given = [name for name, value in values.items() if value is not None]
        if given:
            # Cause: it was asked to work in memory and to write a file at once.
            raise ParameterError(
                f"{self.step.name}: {', '.join(given)} and session= exclude each other; give one "
                "of the two: a session in memory is written by session.save()"
            )

    def _open(
        self, hdf5_path: str | Path | None, places: dict[str, Any], creation: dict[str, Any]
    ) -> PipelineSession:
        if self.step.creates:
            return create_session(**{k: v for k, v in creation.items() if v is not None}, **places)
        if hdf5_path is None:
            # Cause: it was not said what to work on.
            raise ParameterError(
                f"{self.step.name} needs hdf5_path= (a session file) or session= (a session)"
            )
        return PipelineSession.load(hdf5_path)


def _signature(step: Step[Any]) -> inspect.Signature:
    def by_name(name: str, default: Any, annotation: Any) -> inspect.Parameter:
        return inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )

    def by_place(name: str) -> inspect.Parameter:
        return inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation="str | Path | None",
        )

    fields = step.parameters.model_fields
    own = [
        by_name(
            n,
            inspect.Parameter.empty if i.is_required() else default_of(i),
            i.annotation,
        )
        for n, i in fields.items()
    ]
    if step.creates:
        first = [by_place(name) for name in step.places]
        own += [
            by_name("dataset_id", None, "str | None"),
            by_name("output_dir", None, "str | Path | None"),
        ]
    else:
        first = [by_place("hdf5_path")]
        own += [by_name(name, None, "str | Path | None") for name in step.places]
    own += [
        by_name("session", None, "PipelineSession | None"),
        by_name("output_path", None, "str | Path | None"),
    ]
    return inspect.Signature([*first, *own], return_annotation="PipelineSession | StepResult")
