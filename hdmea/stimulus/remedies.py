"""How a setting is typed: as cells of the table of recordings, and in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COLUMNS = {"playlist_name": "playlist"}


def setting(step: str, values: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> str:
    """Words for a setting of a step, complete, so that they can be typed as they stand.

    Parameters
    ----------
    step
        The step whose parameters they are.
    values
        What to set, by name; a dictionary of a dictionary for parameters of a group.
    given
        What was set already, and is needed in Python as well.

    Examples
    --------
    >>> setting("add_section_time", {"repeats": 2}, {"playlist_name": "friday"})
    "in recordings.tsv, column repeats: 2; in Python, add_section_time(playlist_name='friday', repeats=2)"
    >>> setting("load_recording", {"frame_clock": {"missed_at_s": (12.5, 30.25)}})
    "in recordings.tsv, column frame_clock.missed_at_s: 12.5, 30.25; in Python, load_recording(frame_clock={'missed_at_s': (12.5, 30.25)})"
    """  # noqa: E501
    cells = []
    for name, value in values.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        cells += [
            f"column {_COLUMNS.get(name, name)}{'.' * bool(key)}{key}: {_cell(one)}"
            for key, one in inner
        ]
    merged = dict(given or {})
    for name, value in values.items():
        before = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(before, Mapping)
        merged[name] = {**before, **value} if both else value  # type: ignore[dict-item]  # both are mappings
    arguments = ", ".join(f"{name}={value!r}" for name, value in merged.items())
    return f"in recordings.tsv, {', '.join(cells)}; in Python, {step}({arguments})"


def _cell(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "()"
    return str(value)
