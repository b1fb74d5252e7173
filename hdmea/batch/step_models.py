"""Parameters of steps and features as the configuration has them, made of the registries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from hdmea.batch.columns import FROM_TABLE
from hdmea.errors import FeaturePackageError, UnknownNameError
from hdmea.features.declaration import Feature
from hdmea.features.registry import FEATURES, get_feature
from hdmea.steps.extract_features import ExtractFeaturesParameters
from hdmea.steps.registry import STEPS
from hdmea.steps.step import StepParameters


class Strict(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Types that are made from the registries: a type checker sees what they are made of.
if TYPE_CHECKING:
    StepName: TypeAlias = str
else:
    StepName = Literal[tuple(STEPS)]


def _known_feature(name: str) -> str:
    try:
        get_feature(name)
    except (UnknownNameError, FeaturePackageError) as error:
        raise ValueError(str(error)) from error
    return name


# Those of other packages are known as well; the schema, which is published, lists hdmea's own.
FeatureName = Annotated[
    str, AfterValidator(_known_feature), Field(json_schema_extra={"enum": list(FEATURES)})
]


def _parameters_of_features(others: Iterable[Feature]) -> type[BaseModel]:
    fields: Any = {
        feature.name: (feature.params | None, Field(default=None, description=feature.description))
        for feature in (*FEATURES.values(), *others)
    }
    return create_model("FeatureParameters", __base__=Strict, **fields)


def _spelled_out_features(others: Iterable[Feature]) -> type[StepParameters]:
    """The parameters of `extract_features`, with the features and theirs spelled out."""
    said = {name: info.description for name, info in ExtractFeaturesParameters.model_fields.items()}
    default = ExtractFeaturesParameters.model_fields["features"].default
    by_feature = _parameters_of_features(others)
    fields: Any = {
        "features": (
            tuple[FeatureName, ...],
            Field(default=default, min_length=1, description=said["features"]),
        ),
        "parameters": (
            by_feature,
            Field(default_factory=by_feature, description=said["parameters"]),
        ),
    }
    return create_model("ExtractFeatures", __base__=ExtractFeaturesParameters, **fields)


def _configured(name: str, other_features: Iterable[Feature]) -> type[StepParameters]:
    """A step's parameters as the configuration has them."""
    if name == "extract_features":
        return _spelled_out_features(other_features)
    model = STEPS[name].parameters
    if name not in FROM_TABLE:
        return model
    fields: Any = {
        field: (info.annotation, info)
        for field, info in model.model_fields.items()
        if field not in FROM_TABLE[name]
    }
    return create_model(
        model.__name__, __base__=StepParameters, __doc__=model.__doc__ or "", **fields
    )


def steps_model(other_features: Iterable[Feature] = ()) -> type[BaseModel]:
    """All steps, each of which may be left out; of features hdmea's own and others."""
    fields: Any = {
        name: (
            _configured(name, other_features) | None,
            Field(default=None, description=step.doc.splitlines()[0]),
        )
        for name, step in STEPS.items()
    }
    return create_model("Steps", __base__=Strict, **fields)


if TYPE_CHECKING:
    Steps = BaseModel
else:
    Steps = steps_model()
