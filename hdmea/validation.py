"""What a pydantic model refuses, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

_MAX_VALUES = 1_000_000
_PLAIN = {
    "missing": "is required",
    "model_type": "must be names with values",
    "dict_type": "must be names with values",
}


def problems(error: ValidationError, model: type[BaseModel], also: Iterable[str] = ()) -> list[str]:
    r"""Say what is wrong with each value, as ``where: words``.

    Parameters
    ----------
    error
        What `model` raised.
    model
        The model; its names are those that a mistyped one is compared with.
    also
        Names that are known besides the model's own, at its top.

    Returns
    -------
    list of str
        One entry per problem; without ``where:`` if it is the values together that do not fit.

    Examples
    --------
    >>> class Window(BaseModel, extra="forbid"):
    ...     start_s: float
    ...     stop_s: float
    >>> try:
    ...     Window.model_validate({"start_s": "now", "stop": 2})
    ... except ValidationError as error:
    ...     print(*problems(error, Window), sep="\n")
    start_s: Input should be a valid number, unable to parse string as a number (found 'now')
    stop_s: is required
    stop: unknown, did you mean 'stop_s'?
    """
    return [_problem(details, model, also) for details in error.errors()]


def in_a_line(error: ValidationError, model: type[BaseModel], also: Iterable[str] = ()) -> str:
    """All problems of parameters in one line, and which parameters are known.

    Parameters
    ----------
    error, model, also
        As for `problems`.
    """
    said = "; ".join(problems(error, model, also))
    known = _listed([*model.model_fields, *also])
    if said.endswith(f"known: {known}"):
        return said
    return f"{said}{'' if said.endswith('?') else '.'} Known parameters: {known}"


def require_small(value: Any) -> None:
    """Make sure that plain values, aliases of YAML spelled out, are no more than people write.

    Thirty lines of YAML in which each names the one before twice are a thousand million values for
    whoever looks at all of them; a list may even hold itself.

    Raises
    ------
    ValueError
        If they are more than a million, or have no end.

    Examples
    --------
    >>> twice = ["lol", "lol"]
    >>> for _ in range(30):
    ...     twice = [twice, twice]
    >>> require_small(twice)
    Traceback (most recent call last):
    ValueError: spelled out, it has more than 1000000 values: its aliases (*) stand for each other
    """
    sizes: dict[int, int] = {}

    def size(one: Any) -> int:
        if not isinstance(one, Mapping | list | tuple):
            return 1
        if id(one) not in sizes:
            sizes[id(one)] = _MAX_VALUES + 1  # what holds itself
            inner = [*one, *one.values()] if isinstance(one, Mapping) else one
            sizes[id(one)] = 1 + sum(map(size, inner))
        return sizes[id(one)]

    if size(value) > _MAX_VALUES:
        raise ValueError(
            f"spelled out, it has more than {_MAX_VALUES} values: its aliases (*) stand for each "
            "other"
        )


def _problem(details: Any, model: type[BaseModel], also: Iterable[str]) -> str:
    *parents, name = details["loc"] or ("",)
    where = ".".join(map(str, details["loc"]))
    if details["type"] == "extra_forbidden":
        known = [*_known(model, parents), *(() if parents else also)]
        return f"{where}: {unknown(str(name), known)}"
    said = _PLAIN.get(details["type"], details["msg"].removeprefix("Value error, "))
    found = details["input"]
    # A rule about all values together, or one that quotes the text it found, has said enough.
    quoted = isinstance(found, dict) or (isinstance(found, str) and repr(found) in said)
    if where and details["type"] != "missing" and not quoted:
        said = f"{said} (found {found!r})"
    return f"{where}: {said}" if where else said


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, and which one may be meant, or which there are.

    Examples
    --------
    >>> unknown("hight", ["height", "row"]), unknown("x", ["height", "row"])
    ("unknown, did you mean 'height'?", 'unknown; known: height, row')
    """
    known = list(known)
    close = get_close_matches(name, known, n=1)
    return f"unknown, did you mean {close[0]!r}?" if close else f"unknown; known: {_listed(known)}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _known(model: type[BaseModel], parents: Iterable[str | int]) -> list[str]:
    """Names of the model that lies below the parents."""
    models = [model]
    for parent in parents:
        if isinstance(parent, int):  # the place in a list, whose entries have the models
            continue
        models = [
            below
            for above in models
            if parent in above.model_fields
            for below in _models(above.model_fields[parent].annotation)
        ]
    return [name for one in models for name in one.model_fields]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models of which an annotation speaks: of ``list[Event] | None``, Event."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
