"""What was made differently on two sides: the probable reason why they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hdmea.compare.sides import Side
from hdmea.contribution import Recipe

_MISSING = "nothing"


def causes(a: Side, b: Side) -> Iterator[str]:
    """Say which parameters, versions, inputs and software differ; nothing if one side has none."""
    if not (a.recipes and b.recipes):
        return
    for name in dict.fromkeys((*a.recipes, *b.recipes)):
        if name in a.recipes and name in b.recipes:
            yield from _of_recipes(name, a.recipes[name], b.recipes[name])
        else:
            yield f"{name} was made in {'A' if name in a.recipes else 'B'} only"
    if a.software and b.software:
        for name, of_a, of_b in _changed(a.software, b.software):
            yield f"software: {name} {of_a} in A, {of_b} in B"


def _of_recipes(name: str, a: Recipe, b: Recipe) -> Iterator[str]:
    if a.version != b.version:
        yield f"{name}: version {a.version} of its definition in A, {b.version} in B"
    for parameter, of_a, of_b in _changed(_flat(a.parameters), _flat(b.parameters)):
        yield f"{name}: {parameter} = {of_a!r} in A, {of_b!r} in B"
    for role, of_a, of_b in _changed(a.inputs, b.inputs):
        if _MISSING in (of_a, of_b):
            yield f"{name}: {role} is an input in {'B' if of_a == _MISSING else 'A'} only"
        else:
            yield f"{name}: the input {role} has another content"


def _changed(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted({*a, *b}):
        of_a, of_b = a.get(name, _MISSING), b.get(name, _MISSING)
        if of_a != of_b:
            yield name, of_a, of_b


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Parameters with the names of groups before theirs, as ``frame_clock.row``."""
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
