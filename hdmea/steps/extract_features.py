"""Features: computed as soon as what they need is there, pending until then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from hdmea.arrays import Array, Variable, Variables
from hdmea.errors import HdmeaError, MissingDataError, ParameterError
from hdmea.features.declaration import (
    Feature,
    FeatureInputs,
    FeatureResult,
    Trials,
    check,
    not_applicable,
)
from hdmea.features.registry import FEATURES, get_feature
from hdmea.session import PipelineSession
from hdmea.session.requests import FAILED
from hdmea.steps.add_section_time import no_clock_reason
from hdmea.steps.inputs import spike_trains
from hdmea.steps.step import Step, StepParameters, Task, obtain
from hdmea.validation import in_a_line


class ExtractFeaturesParameters(StepParameters):
    """Which features, with which parameters."""

    features: tuple[str, ...] = Field(
        default=tuple(FEATURES), description=f"names of features; known: {', '.join(FEATURES)}"
    )
    parameters: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="parameters by feature, where they are not the defaults"
    )

    @field_validator("features", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def _tasks(session: PipelineSession, parameters: ExtractFeaturesParameters) -> Iterable[Task]:
    stray = sorted(set(parameters.parameters) - set(parameters.features))
    if stray:
        raise ParameterError(
            f"parameters are given for features that are not asked for: {', '.join(stray)}"
        )
    wanted = {
        name: _parse(get_feature(name), parameters.parameters.get(name, {})).model_dump(mode="json")
        for name in parameters.features
    }
    # what no step can bring is refused before anything changes
    waits = {name: _waits_for(session, get_feature(name)) for name in wanted}
    for name, own in wanted.items():
        waits_for = waits[name]
        if waits_for is not None:
            session.request_feature(name, own, waits_for)
            continue
        yield _task(session, get_feature(name), own)
        session.withdraw_feature(name)  # an older request, with other parameters


def complete_pending(session: PipelineSession) -> None:
    """Compute every requested feature whose needs are there; say what the others wait for.

    One that fails stays requested, so that nobody takes the session for complete; it is tried
    again when it is asked for again.
    """
    for name, parameters in session.requested_features().items():
        feature = get_feature(name)
        try:
            waits_for = _waits_for(session, feature)
            if waits_for is None:
                obtain(session, EXTRACT_FEATURES, _task(session, feature, parameters))
        except HdmeaError as error:
            session.request_feature(name, parameters, f"{FAILED}: {error}")
            raise
        if waits_for is None:
            session.withdraw_feature(name)
        else:
            session.request_feature(name, parameters, waits_for)


def _parse(feature: Feature, values: dict[str, Any]) -> BaseModel:
    try:
        return feature.params.model_validate(values)
    except ValidationError as error:
        said = in_a_line(error, feature.params)
        raise ParameterError(f"feature {feature.name}: {said}") from error


def _waits_for(session: PipelineSession, feature: Feature) -> str | None:
    """The step that can bring what a feature still lacks, if there is one.

    Raises
    ------
    MissingDataError
        If no step can bring it.
    """
    if "spikes" in feature.needs:
        spike_trains(session, f"feature {feature.name}")
    clock = feature.needs & {"frame_clock", "trials"}
    if clock and "stimulus/frame_times" not in session:
        raise MissingDataError(
            f"feature {feature.name} needs the frame clock, which session "
            f"{session.dataset_id!r} lacks: "
            f"{no_clock_reason(session)}"
        )
    if "trials" in feature.needs and "add_section_time" not in session.contributions:
        return "add_section_time"
    return None


def _task(session: PipelineSession, feature: Feature, parameters: dict[str, Any]) -> Task:
    parents = (
        ("load_recording", "add_section_time") if "trials" in feature.needs else ("load_recording",)
    )
    return Task(
        name=f"features.{feature.name}",
        compute=lambda: _compute(session, feature, _parse(feature, parameters)),
        parameters=parameters,
        parents=parents,
        version=feature.version,
    )


def _compute(session: PipelineSession, feature: Feature, parameters: BaseModel) -> Variables:
    trains = spike_trains(session, f"feature {feature.name}")
    trials = _trials(session) if "trials" in feature.needs else None
    if trials is not None and feature.stimulus_kind not in (None, *trials.kind):
        session.warn(
            f"{session.dataset_id}: no stimulus of kind {feature.stimulus_kind!r} was shown, "
            f"so feature {feature.name} is not applicable"
        )
        result = not_applicable(feature, trains.n_units)
    else:
        frame_times = (
            session.values("stimulus/frame_times") if "frame_clock" in feature.needs else None
        )
        result = feature.compute(FeatureInputs(trains, frame_times, trials), parameters)
    check(feature, result, trains.n_units)
    return _variables(feature, result)


def _trials(session: PipelineSession) -> Trials:
    def column(path: str) -> Array:
        return session.values(f"stimulus/{path}")

    return Trials(
        movie=column("trials/movie"),
        kind=column("trials/kind"),
        number=column("trials/number"),
        start_s=column("trials/start_s"),
        stop_s=column("trials/stop_s"),
        event_trial=column("events/trial"),
        event_name=column("events/name"),
        event_time_s=column("events/time_s"),
    )


def _variables(feature: Feature, result: FeatureResult) -> Variables:
    group = f"features/{feature.name}"
    variables: dict[str, Variable] = {}
    for output in feature.outputs:
        variables[f"{group}/{output.name}"] = Variable(
            result.values[output.name], output.unit, output.dims, output.description
        )
        if output.name in result.reasons:
            variables[f"{group}/{output.name}_reason"] = Variable(
                result.reasons[output.name],
                "",
                ("unit",),
                f"why {output.name} is undefined; empty where it is defined",
            )
    return variables


EXTRACT_FEATURES = Step(
    name="extract_features",
    version=1,
    parameters=ExtractFeaturesParameters,
    tasks=_tasks,
    needs=("load_recording",),
    adds=("features",),
    doc="""Compute features of every unit.

A feature whose needs another step can still bring (sections, trials) is pending: it is listed in
``session.pending`` and computed as soon as they are there. A stimulus that was not shown gives
NaN with the reason ``stimulus_not_played``.
""",
    example=""">>> result = extract_features("artifacts/rec.h5", features=["frif", "on_off"])
>>> on_off = PipelineSession.load(result.hdf5_path).features["on_off"]
>>> on_off["class"].iloc[:2].tolist()
['on', 'off']""",
)
