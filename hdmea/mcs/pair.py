"""Whether a ``.cmcr`` and a ``.cmtr`` file belong together."""

from __future__ import annotations

import math

from hdmea.mcs.cmcr import CmcrFile
from hdmea.mcs.cmtr import Sorting

_TOLERANCE = 0.01


def check_pair(sorting: Sorting, recording: CmcrFile) -> list[str]:
    """Say where a sorting and a raw recording disagree; an empty list if nowhere.

    The sorting's spike times count from the start of the file its link names, so a cropped,
    appended or filtered copy with another name has another time zero. A symbolic link counts as
    named like itself and like its target. Durations may differ by one per cent.
    """
    found: list[str] = []
    target, name = sorting.link_target, recording.path.name
    if target is None:
        found.append(f"{sorting.path.name} does not tell from which .cmcr file it was made")
    elif target not in (name, recording.path.resolve().name):
        found.append(f"{sorting.path.name} was made from {target}, but {name} was given")
    lengths = {
        f"{sorting.path.name} says": sorting.info.duration_s,
        f"{name} says": recording.info.duration_s,
    }
    for stream in recording.analog:
        lengths[f"its stream {stream.name!r} ends at"] = (
            stream.t0_s + stream.n_samples / stream.rate_hz
        )
    known = {what: length for what, length in lengths.items() if not math.isnan(length)}
    longest = max(known.values(), default=0.0)
    if any(length < longest * (1 - _TOLERANCE) for length in known.values()):
        told = ", ".join(f"{what} {length:.3f} s" for what, length in known.items())
        found.append(f"durations differ: {told}")
    return found
