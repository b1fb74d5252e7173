"""numpydoc text of a step as a user calls it, from its declaration."""

from __future__ import annotations

import textwrap
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hdmea.steps.step import Step

_PLACE_MEANINGS = {
    "cmcr_path": "The recording's raw file.",
    "cmtr_path": "The recording's spike-sorted file.",
    "stimuli_dir": "Folder of the stimulus library; default: the session's, else "
    "``HDMEA_STIMULI``.",
}
_PATH = "str or Path, optional"
_WIDTH = 96


def documentation(step: Step[Any]) -> str:
    """numpydoc text of a step's public function."""
    places = [_entry(name, _PATH, _PLACE_MEANINGS[name]) for name in step.places]
    own = [
        _entry(name, _type_and_default(info), _sentence(info.description or ""))
        for name, info in step.parameters.model_fields.items()
    ]
    hdf5_path = _entry("hdf5_path", _PATH, "Session file to work on (immediate).")
    if step.creates:
        own += [
            _entry(
                "dataset_id",
                "str, optional",
                "Name of the recording; default from the file's name.",
            ),
            _entry(
                "output_dir",
                _PATH,
                "Folder of the file written (immediate); default ``artifacts``.",
            ),
        ]
    sections = {
        "Parameters": [
            *(places if step.creates else [hdf5_path]),
            *own,
            *([] if step.creates else places),
            _entry(
                "session", "PipelineSession, optional", "Session in memory to work on (deferred)."
            ),
            _entry("output_path", _PATH, "File to write instead (immediate)."),
        ],
        "Returns": [
            "PipelineSession or StepResult\n    The session given, or what was written.",
        ],
        "Raises": [
            "ParameterError\n    If a parameter cannot be used.",
            f"MissingDataError\n    If {' or '.join(step.needs) or 'an input file'} is missing.",
            "StaleSessionError\n    If the session's file was changed by somebody else.",
        ],
        "Examples": [step.example],
    }
    parts = [step.doc.strip()]
    for title, entries in sections.items():
        parts.append("\n".join([title, "-" * len(title), *entries]))
    return "\n\n".join(parts)


def type_words(annotation: Any) -> str:
    """A type as numpydoc writes it.

    Examples
    --------
    >>> type_words(tuple[int, int])
    'tuple of (int, int)'
    >>> type_words(dict[str, tuple[str, ...]] | None)
    'dict of str to tuple of str, or None'
    >>> type_words(Literal["error", "warn"])
    "{'error', 'warn'}"
    """
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        words = [type_words(one) for one in inner]
        return (", or " if any(" " in one for one in words) else " or ").join(words)
    if origin is Literal:
        return f"{{{', '.join(map(repr, inner))}}}"
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"tuple of ({', '.join(map(type_words, inner))})"
    if origin is dict:
        return f"dict of {type_words(inner[0])} to {type_words(inner[1])}"
    if origin is not None:
        return f"{origin.__name__} of {type_words(inner[0])}"
    if issubclass(annotation, BaseModel):  # given as plain values, as in the configuration
        return f"dict with any of {', '.join(annotation.model_fields)}"
    return "None" if annotation is NoneType else str(annotation.__name__)


def _entry(name: str, kind: str, meaning: str) -> str:
    indent = " " * 4
    return "\n".join(
        [
            f"{name} : {kind}",
            textwrap.fill(meaning, _WIDTH, initial_indent=indent, subsequent_indent=indent),
        ]
    )


def default_of(info: FieldInfo) -> Any:
    """The default of a parameter as a user writes it: of a group of parameters no value at all.

    None of the group is made for that: it would check its own defaults whenever hdmea is imported.
    """
    if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
        return {}
    return info.get_default(call_default_factory=True)


def _type_and_default(info: FieldInfo) -> str:
    if info.is_required():
        return type_words(info.annotation)
    return f"{type_words(info.annotation)}, default {default_of(info)!r}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].removesuffix('.')}."
