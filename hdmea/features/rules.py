"""What a declaration of a feature must be, so that it can be trusted before it is run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from pydantic import BaseModel

from hdmea.stimulus.movie import Kind

if TYPE_CHECKING:
    from hdmea.features.declaration import Feature, Output

NEEDS = ("spikes", "frame_clock", "trials", "sta", "movies", "units", "duration")
"""What a feature may need, beside other features: ``features.<name>``."""
OF_FEATURES = "features."

NOT_PLAYED = "stimulus_not_played"
"""The reason that every feature may give without declaring it."""

_PLACING = ("trials", "sta", "movies")
"""Needs that tell whether a stimulus of some kind was played."""
_REASON = "_reason"
P_PREFIX = "p_"
_WRONG_P = (
    "{0.name!r} cannot be a p value: these are float64 with the unit 1, have the axis unit first, "
    f"are called {P_PREFIX}<test>, and leave q_<test> free"
)
_COLUMNS_OF_STA = "sta"
_SPELLING = "its name must be small letters, digits and _, a letter first"


def wrong_with_output(output: Output) -> list[str]:
    """What of a declared output cannot be a column or an array of a session file."""
    kind = np.dtype(output.dtype).kind
    of_units = output.dims[:1] == ("unit",)
    rules = (
        (_are_words([output.name]), _SPELLING),
        (
            not output.name.endswith(_REASON),
            f"its name must not end in {_REASON}, as the columns of reasons do",
        ),
        (output.description.strip(), "it needs a description"),
        (kind in "fiuU", f"its type must be float, integer or text, not {np.dtype(output.dtype)}"),
        (output.unit or kind == "U", "numbers need a unit (1 for pure numbers)"),
        (not output.unit or kind != "U", "text has no unit"),
        (
            _are_words(output.dims) and len(set(output.dims)) == len(output.dims),
            f"its axes must be different words, not {output.dims}",
        ),
        ("unit" not in output.dims[1:], "the axis of units comes first"),
        (
            not output.reasons or (of_units and kind in "fU"),
            "only floats and words of units can be undefined, so only they have reasons",
        ),
        (
            _are_words(output.reasons) and NOT_PLAYED not in output.reasons,
            f"reasons are words, and {NOT_PLAYED} needs no declaration: {output.reasons}",
        ),
    )
    return [wrong for holds, wrong in rules if not holds]


def wrong_with_feature(feature: Feature) -> list[str]:
    """What is wrong with a feature's declaration, its outputs apart."""
    strange = sorted(n for n in feature.needs if n not in NEEDS and not n.startswith(OF_FEATURES))
    kind, kinds = feature.stimulus_kind, get_args(Kind)
    version: Any = feature.version
    names = [output.name for output in feature.outputs]
    twice = sorted({name for name in names if names.count(name) > 1})
    rules = (
        (_are_words([feature.name]), _SPELLING),
        (
            feature.name != _COLUMNS_OF_STA,
            f"columns of the STA begin with {_COLUMNS_OF_STA}; take another name",
        ),
        (
            type(version) is int and version >= 1,
            f"its version must be a whole number from 1, not {version!r}",
        ),
        (feature.description.strip(), "it needs a description"),
        (
            not strange,
            f"it needs {', '.join(strange)}; known are {', '.join(NEEDS)}, and {OF_FEATURES}<name>",
        ),
        (
            kind is None or kind in kinds,
            f"stimulus_kind {kind!r} is not known; known: {', '.join(kinds)}",
        ),
        (
            kind is None or not feature.needs.isdisjoint(_PLACING),
            f"whether a {kind} was played cannot be known without one of {', '.join(_PLACING)}",
        ),
        (callable(feature.compute), "compute must be a function of inputs and parameters"),
        (names, "it has no output"),
        *((_is_p_value(output, names), _WRONG_P.format(output)) for output in feature.p_values),
        (not twice, f"outputs that are declared twice: {', '.join(twice)}"),
    )
    return [wrong for holds, wrong in rules if not holds] + _wrong_with_parameters(feature.params)


def _is_p_value(output: Output, names: Iterable[str]) -> bool:
    numbers = np.dtype(output.dtype) == np.float64 and output.dims[:1] == ("unit",)
    called = output.name.startswith(P_PREFIX) and output.q_name not in names
    return numbers and called and output.unit == "1"


def _wrong_with_parameters(model: Any) -> list[str]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return [f"params must be a pydantic model, not {model!r}"]
    silent = [name for name, info in model.model_fields.items() if not info.description]
    rules = (
        (
            model.model_config.get("extra") == "forbid",
            f"{model.__name__} must refuse unknown parameters: ConfigDict(extra='forbid')",
        ),
        (not silent, f"parameters without a description: {', '.join(silent)}"),
    )
    return [wrong for holds, wrong in rules if not holds]


def _are_words(names: Iterable[str]) -> bool:
    return all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in names)
