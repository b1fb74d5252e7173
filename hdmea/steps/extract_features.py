"""Features: computed as soon as what they need is there, pending until then."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from pydantic import BaseModel, Field, ValidationError, field_validator

from hdmea.arrays import Variable, Variables
from hdmea.contribution import Contribution
from hdmea.digest import sha256_json
from hdmea.errors import (
    FeaturePackageError,
    HdmeaError,
    MissingDataError,
    ParameterError,
    UnknownNameError,
)
from hdmea.features.blocks import compute_in_blocks
from hdmea.features.declaration import Feature, FeatureResult, check, not_applicable
from hdmea.features.inputs import FeatureInputs
from hdmea.features.registry import (
    FEATURES,
    get_feature,
    in_order,
    made_by,
    namesakes,
    package_of,
)
from hdmea.session import PipelineSession
from hdmea.session.requests import FAILED
from hdmea.steps.feature_inputs import feature_inputs, of_units
from hdmea.steps.inputs import spike_trains
from hdmea.steps.session_display import no_clock_reason
from hdmea.steps.step import HARMLESS, Step, StepParameters, Task, obtain
from hdmea.validation import in_a_line

BROUGHT_BY = {"trials": "add_section_time", "movies": "add_section_time", "sta": "compute_sta"}
"""The step that brings what a feature may need and `load_recording` does not bring."""
_NOT_HAD = "a package that has it"
"""Beginning of what a feature waits for whose package is not installed, or cannot be used."""


class ExtractFeaturesParameters(StepParameters):
    """Which features, with which parameters."""

    features: tuple[str, ...] = Field(
        default=tuple(FEATURES),
        description=f"names of features; known: {', '.join(FEATURES)}, and those of installed "
        "packages",
    )
    parameters: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="parameters by feature, where they are not the defaults"
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="threads to compute with, blocks of units side by side; features that waited "
        "for another step are computed with one",
        json_schema_extra=HARMLESS,
    )

    @field_validator("features", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


def _tasks(session: PipelineSession, parameters: ExtractFeaturesParameters) -> Iterable[Task]:
    stray = sorted(set(parameters.parameters) - set(parameters.features))
    if stray:
        # Cause: parameters of a feature stand there, but the feature is not in the list, or is
        # mistyped.
        raise ParameterError(
            f"parameters are given for features that are not asked for; ask for them, or remove "
            f"the parameters: {', '.join(stray)}"
        )
    wanted = {
        name: _parse(get_feature(name), parameters.parameters.get(name, {})).model_dump(mode="json")
        for name in parameters.features
    }
    ordered = in_order(wanted)
    for name in ordered:
        if others := namesakes(name):
            session.warn(
                f"feature {name} is hdmea's own; that of {', '.join(others)} has the same name and "
                "is not used"
            )
    # what no step can bring is refused before anything changes
    for name in ordered:
        _require_possible(session, get_feature(name))
    for name in ordered:
        feature = get_feature(name)
        waits_for = _waits_for(session, feature)
        if waits_for is not None:
            session.request_feature(name, wanted[name], waits_for)
            continue
        yield _task(session, feature, wanted[name], parameters.threads)
        session.withdraw_feature(name)  # an older request, with other parameters


def complete_pending(session: PipelineSession) -> None:
    """Compute every requested feature whose needs are there; say what the others wait for.

    One that fails stays requested, so that nobody takes the session for complete; it is tried
    again when it is asked for again.
    """
    _renew(session)
    tried: set[str] = set()
    # a feature that is made anew drops those that were made from it, so that they are wanted again
    while left := [n for n in in_order(_to_be_had(session)) if n not in tried]:
        tried.add(left[0])
        _try(session, get_feature(left[0]), session.requested_features()[left[0]])


def _to_be_had(session: PipelineSession) -> list[str]:
    """Requested features; those whose package is gone keep waiting, and hold up nothing else."""
    there = []
    for name, parameters in session.requested_features().items():
        try:
            in_order([name])
        except HdmeaError as error:
            session.request_feature(name, parameters, f"{_NOT_HAD}: {error}")
        else:
            there.append(name)
    return there


def _try(session: PipelineSession, feature: Feature, parameters: dict[str, Any]) -> None:
    """Compute a requested feature if what it needs is there, else say what it waits for."""
    try:
        _require_possible(session, feature)
        waits_for = _waits_for(session, feature)
        if waits_for is None:
            obtain(session, EXTRACT_FEATURES, _task(session, feature, parameters))
    except Exception as error:
        session.request_feature(feature.name, parameters, f"{FAILED}: {error}")
        raise
    if waits_for is None:
        session.withdraw_feature(feature.name)
    else:
        session.request_feature(feature.name, parameters, waits_for)


def _renew(session: PipelineSession) -> None:
    """Ask again for the features whose STAs are not all that are there now.

    So that a session holds the same whether a feature was asked for before the second movie's STA
    or after it.
    """
    stas = {made.name for made in _made_by(session, "compute_sta")}
    for made in _made_by(session, EXTRACT_FEATURES.name):
        used = {name for name in made.recipe.parents if name in stas}
        if not used or used == stas:
            continue
        name = made.name.removeprefix("features.")
        early = "was made before the STA of another movie"
        try:
            get_feature(name)
        except (UnknownNameError, FeaturePackageError) as error:
            session.warn(f"{made.name} {early}; it stays as it is. {error}")
        else:
            session.warn(f"{made.name} {early}; it is made again")
            session.request_feature(name, made.recipe.parameters)


def _parse(feature: Feature, values: dict[str, Any]) -> BaseModel:
    try:
        return feature.params.model_validate(values)
    except ValidationError as error:
        said = in_a_line(error, feature.params)
        # Cause: a parameter of the feature is unknown, of another type, or out of its range.
        raise ParameterError(f"feature {feature.name}: {said}") from error


def _require_possible(session: PipelineSession, feature: Feature) -> None:
    """Make sure that what a feature lacks is something that a step can bring.

    Raises
    ------
    MissingDataError
        If not.
    """
    if "spikes" in feature.needs:
        spike_trains(session, f"feature {feature.name}")
    # trials can come from the light as well
    placed = "stimulus/trials/start_s" in session or "stimulus/photodiode" in session
    clock = feature.needs & ({"frame_clock", "sta"} | (set() if placed else {"trials", "movies"}))
    if clock and "stimulus/frame_times" not in session:
        raise MissingDataError(
            f"feature {feature.name} needs the frame clock, which session "
            f"{session.dataset_id!r} lacks: "
            f"{no_clock_reason(session)}"
        )
    for other in feature.needed_features:
        if f"features.{other}" not in session.contributions:
            _require_possible(session, get_feature(other))


def _waits_for(session: PipelineSession, feature: Feature) -> str | None:
    """What a feature still lacks: a step, or another feature as ``features.<name>``."""
    for need, step in BROUGHT_BY.items():
        if need in feature.needs and not _made_by(session, step):
            return step
    for other in feature.needed_features:
        if f"features.{other}" not in session.contributions:
            return f"features.{other}"
    return None


def _made_by(session: PipelineSession, step: str) -> list[Contribution]:
    return [made for made in session.contributions.values() if made.recipe.step == step]


def _parents(session: PipelineSession, feature: Feature) -> tuple[str, ...]:
    """Names of the contributions that a feature is made from."""
    steps = dict.fromkeys(step for need, step in BROUGHT_BY.items() if need in feature.needs)
    brought = (sorted(made.name for made in _made_by(session, step)) for step in steps)
    others = (f"features.{name}" for name in feature.needed_features)
    return ("load_recording", *(name for names in brought for name in names), *others)


def _task(
    session: PipelineSession, feature: Feature, parameters: dict[str, Any], threads: int = 1
) -> Task:
    package = package_of(feature.name)
    return Task(
        name=f"features.{feature.name}",
        compute=lambda: _compute(session, feature, _parse(feature, parameters), threads),
        parameters=parameters,
        parents=_parents(session, feature),
        # another package's feature of that name is another feature
        inputs={} if package is None else {"package": sha256_json(package)},
        version=feature.version,
        told={"package": made_by(feature.name)},
    )


def _compute(
    session: PipelineSession, feature: Feature, parameters: BaseModel, threads: int
) -> Variables:
    inputs = feature_inputs(session, feature)
    n_units = inputs.spikes.n_units
    missing = _not_shown(feature, inputs)
    if missing:
        session.warn(
            f"{session.dataset_id}: no {missing}, so feature {feature.name} is not applicable"
        )
        result = not_applicable(feature, n_units)
    else:
        rows_of = partial(of_units, session, inputs)
        result = compute_in_blocks(feature, n_units, rows_of, parameters, session.pieces, threads)
    check(feature, result, n_units)
    return _variables(feature, result)


def _not_shown(feature: Feature, inputs: FeatureInputs) -> str | None:
    """What a feature is about and the recording lacks, if it does; after a "no"."""
    shown = inputs.trials
    if shown is not None and feature.stimulus_kind not in (None, *shown.kind):
        return f"stimulus of kind {feature.stimulus_kind!r} was shown in a whole trial"
    if "sta" in feature.needs and not inputs.stas:
        return "noise movie was shown whole"
    return None


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
    places=("stimuli_dir",),
    doc="""Compute features of every unit.

A feature whose needs another step can still bring (sections, the STA, another feature) is
pending: it is listed in ``session.pending`` and computed as soon as they are there. A stimulus that
was not shown gives NaN with the reason ``stimulus_not_played``.
""",
    example=""">>> result = extract_features("artifacts/rec.h5", features=["frif", "on_off"])
>>> on_off = PipelineSession.load(result.hdf5_path).features["on_off"]
>>> on_off["class"].iloc[:2].tolist()
['on', 'off']""",
)
