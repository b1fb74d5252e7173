"""All features by name."""

from __future__ import annotations

from hdmea.errors import UnknownNameError
from hdmea.features.declaration import Feature
from hdmea.features.frif import FRIF
from hdmea.features.on_off import ON_OFF

FEATURES: dict[str, Feature] = {feature.name: feature for feature in (FRIF, ON_OFF)}


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
