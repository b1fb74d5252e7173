"""All features by name: hdmea's own, and those of other packages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hdmea import __version__
from hdmea.errors import FeaturePackageError, ParameterError, UnknownNameError
from hdmea.features import packages
from hdmea.features.baseline import BASELINE
from hdmea.features.chirp import CHIRP
from hdmea.features.declaration import Feature
from hdmea.features.dense_noise import DENSE_NOISE
from hdmea.features.freq_step import FREQ_STEP
from hdmea.features.frif import FRIF
from hdmea.features.green_blue import GREEN_BLUE
from hdmea.features.moving_bar import MOVING_BAR
from hdmea.features.on_off import ON_OFF
from hdmea.features.unit_quality import UNIT_QUALITY

FEATURES: dict[str, Feature] = {
    feature.name: feature
    for feature in (
        FRIF,
        ON_OFF,
        GREEN_BLUE,
        DENSE_NOISE,
        MOVING_BAR,
        CHIRP,
        FREQ_STEP,
        BASELINE,
        UNIT_QUALITY,
    )
}
"""hdmea's own, in the order in which they are told of."""


def get_feature(name: str) -> Feature:
    """The feature of that name: hdmea's own, or an installed package's.

    Raises
    ------
    UnknownNameError
        If there is none; the known ones are listed, those of other packages with their package.
    FeaturePackageError
        If a package has it, and it cannot be used.

    Examples
    --------
    >>> get_feature("frif").version
    1
    """
    if name in FEATURES:
        return FEATURES[name]
    if name not in packages.offered():
        packages.look_again()
    if name in packages.offered():
        return packages.load(packages.offered()[name])
    raise UnknownNameError(f"Feature {name!r} is not known; known: {'; '.join(_known())}.")


def package_of(name: str) -> str | None:
    """Name of the other package that a feature is of; None for hdmea's own."""
    return None if name in FEATURES else packages.package_name(packages.offered()[name][0])


def made_by(name: str) -> str:
    """Name and version of the package that a feature is of.

    Examples
    --------
    >>> made_by("frif").split()[0]
    'hdmea'
    """
    if name in FEATURES:
        return f"hdmea {__version__}"
    return packages.package_of(packages.offered()[name][0])


def namesakes(name: str) -> tuple[str, ...]:
    """Packages that have a feature with the name of one of hdmea's own, which is the one used."""
    entries = packages.offered().get(name, ()) if name in FEATURES else ()
    return tuple(map(packages.package_of, entries))


def _known() -> Iterator[str]:
    yield ", ".join(FEATURES)
    others, unusable = [], []
    for name, entries in packages.offered().items():
        if name in FEATURES:
            unusable += [f"{name} of {one} has the name of hdmea's own" for one in namesakes(name)]
        elif (why := packages.problem(name)) is not None:
            unusable.append(why)
        else:
            others.append(f"{name} ({packages.package_of(entries[0])})")
    if others:
        yield f"of other packages: {', '.join(others)}"
    if unusable:
        yield f"not usable: {'; '.join(unusable)}"


def in_order(names: Iterable[str]) -> list[str]:
    """The names, each after the features that it needs, else as they are given.

    Raises
    ------
    ParameterError
        If features need each other in a circle; it is named.
    UnknownNameError, FeaturePackageError
        As `get_feature`, for a name, or for one that it needs.

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
            # Cause: features of one's own were declared so that one needs itself, by way of others.
            raise ParameterError(
                f"features need each other in a circle: {circle}. Change what one of them needs"
            )
        if name not in ordered:
            for other in _needed(name, path):
                visit(other, (*path, name))
            ordered[name] = None

    for name in wanted:
        visit(name, ())
    return [name for name in ordered if name in wanted]


def _needed(name: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Features that a feature needs; one that cannot be had is told with who needs it."""
    try:
        return get_feature(name).needed_features
    except (UnknownNameError, FeaturePackageError) as error:
        if not path:
            raise
        raise type(error)(f"Feature {path[-1]!r} needs feature {name!r}. {error}") from error


def with_p_values(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the features that have p values.

    Raises
    ------
    UnknownNameError
        If a name is not known.
    """
    return tuple(name for name in names if get_feature(name).p_values)
