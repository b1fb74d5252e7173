"""All features by name."""

from __future__ import annotations

from collections.abc import Iterable

from hdmea.errors import ParameterError, UnknownNameError
from hdmea.features.baseline import BASELINE
from hdmea.features.declaration import Feature
from hdmea.features.freq_step import FREQ_STEP
from hdmea.features.frif import FRIF
from hdmea.features.green_blue import GREEN_BLUE
from hdmea.features.on_off import ON_OFF
from hdmea.features.unit_quality import UNIT_QUALITY

FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (FRIF, ON_OFF, GREEN_BLUE, FREQ_STEP, BASELINE, UNIT_QUALITY)
}


def get_feature(name: str) -> Feature:
    """The feature of that name.

    Raises
    ------
    UnknownNameError
        If there is none; the known ones are listed.

    Examples
    --------
    >>> get_feature("frif").version
    1
    """
    if name not in FEATURES:
        raise UnknownNameError(f"Feature {name!r} is not known; known: {', '.join(FEATURES)}.")
    return FEATURES[name]


def in_order(names: Iterable[str]) -> list[str]:
    """The names, each after the features that it needs, else as they are given.

    Raises
    ------
    ParameterError
        If features need each other in a circle; it is named.
    UnknownNameError
        If a name, or one that it needs, is not known.

    Examples
    --------
    >>> in_order(["on_off", "frif"])
    ['on_off', 'frif']
    """
    wanted = list(dict.fromkeys(names))
    ordered: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise ParameterError(f"features need each other in a circle: {circle}")
        if name not in ordered:
            for other in get_feature(name).needed_features:
                visit(other, (*path, name))
            ordered[name] = None

    for name in wanted:
        visit(name, ())
    return [name for name in ordered if name in wanted]


def with_p_values(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the features that have p values.

    Raises
    ------
    UnknownNameError
        If a name is not known.
    """
    return tuple(name for name in names if get_feature(name).p_values)
