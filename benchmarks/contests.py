"""What topics of contests have in common."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from benchmarks.contest import Measured


def stored(found: Mapping[str, Measured], **more: Any) -> dict[str, Any]:
    """A contest as a part keeps it, and what else there is to tell of it."""
    return more | {"ways": {name: one.as_json() for name, one in found.items()}}


def fastest(part: Mapping[str, Any]) -> dict[str, float]:
    """Seconds of the fastest round of each way of a part: bounds in seconds are for these."""
    return {name: min(one["seconds"]) for name, one in part["ways"].items()}


def medians(part: Mapping[str, Any]) -> dict[str, float]:
    """Median seconds of each way of a part."""
    return {name: median(one["seconds"]) for name, one in part["ways"].items()}
