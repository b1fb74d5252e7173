"""Features of other packages: entry points of the group ``hdmea.features``.

Which packages have some is looked up, and a package imported, when a feature is asked for that is
not one of hdmea's own. One that cannot be used harms nobody who does not ask for it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from importlib import invalidate_caches
from typing import TYPE_CHECKING

from hdmea.errors import FeaturePackageError
from hdmea.features.declaration import Feature

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "hdmea.features"


def offered() -> Mapping[str, tuple[EntryPoint, ...]]:
    """Entry points of all installed packages by name; two of a name are of two packages."""
    return _offered(tuple(sys.path))


def look_again() -> None:
    """Find also what was installed since the last look, as from a notebook."""
    invalidate_caches()
    _offered.cache_clear()


@cache
def _offered(_: tuple[str, ...]) -> Mapping[str, tuple[EntryPoint, ...]]:
    from importlib.metadata import entry_points

    found: dict[str, tuple[EntryPoint, ...]] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda e: (e.name, package_name(e))):
        found[entry.name] = (*found.get(entry.name, ()), entry)
    return found


def package_name(entry: EntryPoint) -> str:
    """The package that an entry point is of, as pip calls it."""
    return entry.dist.name if entry.dist is not None else entry.module


def package_of(entry: EntryPoint) -> str:
    """The package that an entry point is of, and its version."""
    name = package_name(entry)
    return name if entry.dist is None else f"{name} {entry.dist.version}"


def load(entries: tuple[EntryPoint, ...]) -> Feature:
    """The feature that the entry points of a name stand for.

    Raises
    ------
    FeaturePackageError
        If it cannot be used, with the package, the entry point and what to do.
    """
    entry, *others = entries
    if others:
        packages = " and ".join(map(package_of, entries))
        raise FeaturePackageError(
            f"Feature {entry.name!r} is in {packages}: which is meant cannot be told. Uninstall "
            "all but one of them"
        )
    where = (
        f"Feature {entry.name!r} of the package {package_of(entry)} (entry point "
        f"{entry.name} = {entry.value}) cannot be used"
    )
    try:
        feature = entry.load()
    except (Exception, SystemExit) as error:
        raise FeaturePackageError(
            f"{where}: {type(error).__name__}: {error}. Update {package_name(entry)}, install what "
            "it lacks, or leave the feature out"
        ) from error
    if not isinstance(feature, Feature):
        raise FeaturePackageError(
            f"{where}: it is no Feature (hdmea.features.declaration) but of type "
            f"{type(feature).__name__}. The entry point must name the Feature in its module, as "
            "package.module:NAME"
        )
    if feature.name != entry.name:
        raise FeaturePackageError(
            f"{where}: the feature calls itself {feature.name!r}. Entry point and Feature.name "
            "must be the same word"
        )
    return feature


def problem(name: str) -> str | None:
    """Why the feature that packages offer by a name cannot be used; None if it can."""
    try:
        load(offered()[name])
    except FeaturePackageError as error:
        return str(error)
    return None
