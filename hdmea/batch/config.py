"""The workflow's configuration: models made from the steps' own parameter models, and their schema.

Nothing about a step is repeated here: a new step, parameter or feature appears by itself.
``python -m hdmea.batch config`` prints the schema that Snakemake checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from hdmea.batch.step_models import StepName, Steps, Strict, steps_model
from hdmea.errors import FeaturePackageError, ParameterError, UnknownNameError
from hdmea.features.declaration import Feature
from hdmea.features.registry import FEATURES, get_feature, in_order
from hdmea.steps.extract_features import BROUGHT_BY
from hdmea.steps.registry import STEPS
from hdmea.steps.step import StepParameters
from hdmea.validation import problems, require_small

DIALECT = "https://json-schema.org/draft/2020-12/schema"


# Snakemake makes patterns of paths, in which braces have a meaning.
PathText = Annotated[
    str, Field(pattern=r"^[^{}]+$"), AfterValidator(lambda path: str(PurePath(path)))
]


Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


CONFIG_VERSION = 1
"""Raised when a key changes its name or meaning; `_readable` then says what to do."""


class WorkflowConfig(Strict):
    """What the workflow does and where; paths are relative to the working directory."""

    config_version: int = Field(
        default=CONFIG_VERSION,
        description="version of the configuration's keys and their meaning",
        json_schema_extra={"const": CONFIG_VERSION},
    )
    recordings: PathText = Field(
        description="table of the recordings, tab-separated: recording, cmcr, cmtr, playlist, "
        "and parameters that are a recording's own"
    )
    stimuli: PathText = Field(description="folder of the stimulus library")
    mode: Literal["deferred", "immediate"] = Field(
        default="deferred",
        description="deferred: a job per recording, in memory, one file; "
        "immediate: a job and a file per step and per feature",
    )
    output_dir: PathText = Field(
        default="results", description="folder of session files, table, pictures and logs"
    )
    tag: Tag | None = Field(
        default=None,
        description="name of a variant: results go to output_dir/tag, beside those of other tags, "
        "and what matches is taken from them",
    )
    steps_dir: PathText = Field(
        default="steps", description="folder of the parts that immediate mode writes"
    )
    work_dir: PathText | None = Field(
        default="work",
        description="folder from which a run goes on that was ended or killed, and in which what "
        "matches is found after a changed parameter; null: everything is computed anew",
    )
    keep_steps: bool = Field(
        default=True,
        description="keep the parts of immediate mode; false saves their space, and a changed "
        "parameter then recomputes the recording",
    )
    only: tuple[str, ...] | None = Field(
        default=None,
        description="names of recordings; the others count as if they were not in the table",
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="names of recordings that count as if they were not in the table"
    )
    pictures_in_report: bool = Field(
        default=False,
        description="`snakemake --report` takes in the picture of every recording, some 0.2 MB "
        "each; in deferred mode the pictures are then jobs of their own",
    )
    units_parquet: bool = Field(
        default=False,
        description="the table of all units as units.parquet, too, with types, units and "
        "descriptions of columns; needs pyarrow",
    )
    checkpoints: tuple[StepName, ...] = Field(
        default=(), description="steps after which a whole session file is written as well"
    )
    steps: Steps = Field(
        description="steps that are run, with parameters (none: the defaults); "
        "a step left out is not run; loading always is"
    )

    @field_validator("config_version")
    @classmethod
    def _readable(cls, version: int) -> int:
        if version > CONFIG_VERSION:
            raise ValueError(f"this hdmea knows versions up to {CONFIG_VERSION}; take a newer one")
        if version < CONFIG_VERSION:
            raise ValueError(
                f"there was none before {CONFIG_VERSION}; compare the file with config/config.yaml"
            )
        return version

    @field_validator("only", "exclude", mode="before")
    @classmethod
    def _one_is_a_list(cls, names: Any) -> Any:
        return [names] if isinstance(names, str) else names  # `--config only=rec`

    @field_validator("work_dir", mode="before")
    @classmethod
    def _null_is_none(cls, folder: Any) -> Any:
        return None if folder == "null" else folder  # what `--config work_dir=null` arrives as

    @field_validator("steps", mode="before")
    @classmethod
    def _present_is_run(cls, steps: Any) -> Any:
        if not isinstance(steps, Mapping):
            return steps
        loading: dict[str, Any] = {name: {} for name, step in STEPS.items() if step.creates}
        return loading | {name: {} if given is None else given for name, given in steps.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> WorkflowConfig:
        chosen = self.chosen_steps
        unfit = [
            f"{name} needs {need}, which is left out"
            for name in chosen
            for need in STEPS[name].needs
            if need not in chosen
        ]
        unfit += [
            f"feature {feature} needs {need}, but {step} is left out"
            for feature in self.features
            for need, step in BROUGHT_BY.items()
            if need in get_feature(feature).needs and step not in chosen
        ]
        unfit += [
            f"feature {feature} needs feature {other}, which is left out"
            for feature in in_order(self.features)
            for other in get_feature(feature).needed_features
            if other not in self.features
        ]
        unfit += [
            f"{name} with these parameters needs feature {feature}, which is left out; add it to "
            "extract_features: features"
            for name in chosen
            for feature in self.needed_features(name)
            if feature not in self.features
        ]
        unfit += [
            f"a checkpoint is asked for after {name}, which is left out"
            for name in self.checkpoints
            if name not in chosen
        ]
        if unfit:
            raise ValueError("; ".join(unfit))
        return self

    @property
    def chosen_steps(self) -> tuple[str, ...]:
        """Names of the steps that are run, in the order in which they are."""
        return tuple(name for name in STEPS if getattr(self.steps, name) is not None)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that are extracted."""
        chosen = getattr(self.steps, "extract_features", None)
        return () if chosen is None else tuple(dict.fromkeys(chosen.features))

    @property
    def results_dir(self) -> Path:
        """Folder of session files, table, pictures and logs, those of the tag."""
        return Path(self.output_dir, self.tag or "")

    @property
    def parts_dir(self) -> Path:
        """Folder of the parts of immediate mode, those of the tag."""
        return Path(self.steps_dir, self.tag or "")

    @property
    def draws_apart(self) -> bool:
        """Whether pictures are jobs of their own; else the job of a recording draws its picture."""
        return self.mode == "immediate" or self.pictures_in_report

    def is_chosen(self, recording: str) -> bool:
        """Whether a recording of the table is meant, by `only` and `exclude`."""
        return recording not in self.exclude and (self.only is None or recording in self.only)

    def parts_there(self, recording: str, name: str = "*") -> list[Path]:
        """Parts of a recording that are there, of all tags, those of this one first."""
        steps = Path(self.steps_dir)
        if not steps.is_dir():
            return []
        own = sorted(Path(self.parts_dir, recording).glob(f"{name}.h5"))
        others = [
            path
            for folder in (steps, *_tag_folders(steps, steps.stat().st_mtime_ns))
            for path in (folder / recording).glob(f"{name}.h5")
        ]
        return list(dict.fromkeys([*own, *sorted(others)]))

    def work_folder(self, recording: str) -> Path | None:
        """Where a recording's work is kept while it is not done, and its last result."""
        return None if self.work_dir is None else Path(self.work_dir, recording)

    def needed_features(self, step: str) -> tuple[str, ...]:
        """Features that a step needs with its parameters."""
        chosen: StepParameters = getattr(self.steps, step)
        return chosen.needed_features()

    def used_features(self, step: str) -> tuple[str, ...]:
        """Features that a step's result is made from, of those that are extracted."""
        chosen: StepParameters = getattr(self.steps, step)
        return chosen.used_features(self.features)

    def parameters(self, step: str) -> dict[str, Any]:
        """A step's parameters as plain values, without those that come from the table."""
        return dict(self._plain[step])

    @cached_property
    def _plain(self) -> dict[str, dict[str, Any]]:
        """Of all steps; asked for with every recording."""
        found = {
            step: getattr(self.steps, step).model_dump(mode="json") for step in self.chosen_steps
        }
        if "extract_features" in found:
            values = found["extract_features"]
            given = {name: own for name, own in values["parameters"].items() if own is not None}
            values |= {"features": list(self.features), "parameters": given}
        return found

    def checked(self, step: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """A step's parameters as plain values, which a recording has in place of these.

        Raises
        ------
        ValidationError
            If the step's model refuses them.
        ParameterError
            If they are about features that are not extracted.
        """
        model: type[StepParameters] = type(getattr(self.steps, step))
        found = model.model_validate(dict(values))
        plain: dict[str, Any] = found.model_dump(mode="json")
        asked_for = list(found.needed_features())
        if step == "extract_features":
            plain["parameters"] = {n: own for n, own in plain["parameters"].items() if own}
            asked_for += plain["parameters"]
        if missing := [name for name in asked_for if name not in self.features]:
            # Cause: a recording's own parameters are about a feature that is not extracted.
            raise ParameterError(
                f"{step}: its own parameters are about {', '.join(missing)}, which is not among "
                "extract_features: features of the configuration; add it there, for all recordings"
            )
        return plain

    def as_published(self) -> dict[str, Any]:
        """Plain values, as far as the published schema knows them.

        Features of other packages are left out: their own models have checked their parameters.
        """
        values = self.model_dump(mode="json", exclude_none=True)
        if self.features:
            chosen = values["steps"]["extract_features"]
            own = [name for name in chosen.pop("features") if name in FEATURES]
            given = {name: of for name, of in chosen["parameters"].items() if name in FEATURES}
            chosen |= {"parameters": given} | ({"features": own} if own else {})
        return values


@lru_cache(maxsize=4)
def _tag_folders(steps: Path, _changed_ns: int) -> list[Path]:
    """Folders of folders: those of tags; to be looked for once, since a batch has thousands."""
    return [folder for folder in steps.iterdir() if any(path.is_dir() for path in folder.glob("*"))]


def read_config(values: Mapping[str, Any]) -> WorkflowConfig:
    """Configuration from plain values.

    Raises
    ------
    ParameterError
        Naming every value that cannot be used.

    Examples
    --------
    >>> read_config({"recordings": "r.tsv", "stimuli": "stimuli", "steps": {"compute_sta": {}}})
    Traceback (most recent call last):
    hdmea.errors.ParameterError: The configuration cannot be used:
      compute_sta needs add_section_time, which is left out
    """
    try:
        require_small(values)
    except ValueError as error:
        # Cause: names in the file stand for others that stand for others, and grow beyond measure.
        raise ParameterError(f"The configuration cannot be used: {error}") from error
    model = _config_with(_of_other_packages(values))
    cause: Exception
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        wrong, cause = problems(error, model), error
    except (UnknownNameError, FeaturePackageError) as error:  # of a feature that another one needs
        wrong, cause = [str(error)], error
    # Cause: a setting in config.yaml or on the command line is unknown, of another type, out of its
    # range, or does not go with another one.
    raise ParameterError("\n  ".join(["The configuration cannot be used:", *wrong])) from cause


def _of_other_packages(values: Mapping[str, Any]) -> tuple[Feature, ...]:
    """Features of other packages that are named and can be used; the model refuses what cannot."""
    named: Any = values
    for key in ("steps", "extract_features"):
        named = named.get(key) if isinstance(named, Mapping) else None
    given = [named.get(key) for key in ("features", "parameters")] if named else []
    names = {name for one in given if isinstance(one, Iterable) for name in one}
    if given and isinstance(given[0], str):  # one name in place of a list
        names.add(given[0])
    found = []
    for name in sorted(name for name in names if isinstance(name, str) and name not in FEATURES):
        try:
            found.append(get_feature(name))
        except (UnknownNameError, FeaturePackageError):
            continue
    return tuple(found)


@cache
def _config_with(other_features: tuple[Feature, ...]) -> type[WorkflowConfig]:
    """The configuration's model, with the parameters of other packages' features."""
    if not other_features:
        return WorkflowConfig
    steps: Any = (steps_model(other_features), WorkflowConfig.model_fields["steps"])
    return create_model("WorkflowConfig", __base__=WorkflowConfig, steps=steps)


def config_schema() -> dict[str, Any]:
    """JSON schema of the configuration, as Snakemake validates it."""
    schema = WorkflowConfig.model_json_schema()
    _simplify(schema)
    # An empty key, "compute_sta:", asks for a step with its defaults.
    for step in schema["$defs"]["Steps"]["properties"].values():
        schema["$defs"][step["$ref"].rpartition("/")[2]]["type"] = ["object", "null"]
    return {"$schema": DIALECT, **schema}


def _simplify(node: Any) -> None:
    """Say "this or left out" as "this": what is wrong inside is then named, not "any of these"."""
    if isinstance(node, Sequence) and not isinstance(node, str):
        for item in node:
            _simplify(item)
    if not isinstance(node, dict):
        return
    for value in node.values():
        _simplify(value)
    node.pop("title", None)
    kinds = node.get("anyOf", [])
    if node.get("default", "") is None and len(kinds) == 2 and "$ref" in kinds[0]:
        node |= kinds[0]
        del node["anyOf"], node["default"]
