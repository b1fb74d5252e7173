"""Whether a ``.cmcr`` and a ``.cmtr`` file belong together, and the former is whole."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hdmea.mcs.cmcr import CmcrFile
from hdmea.mcs.cmtr import Sorting

_TOLERANCE = 0.01


def check_pair(sorting: Sorting | None, recording: CmcrFile) -> list[str]:
    """Say where a sorting and a raw recording disagree; an empty list if nowhere.

    The sorting's spike times count from the start of the file its link names, so a cropped,
    appended or filtered copy with another name has another time zero. A symbolic link counts as
    named like itself and like its target. Durations may differ by one per cent; of several sweeps
    of a stream the last one ends it. If they fit, rows of the analog streams must have no holes.

    Parameters
    ----------
    sorting
        None: the raw recording is looked at alone.
    recording
        The raw recording.
    """
    found: list[str] = []
    name = recording.path.name
    lengths = {f"{name} says": recording.info.duration_s}
    if sorting is not None:
        target = sorting.link_target
        if target is None:
            found.append(f"{sorting.path.name} does not tell from which .cmcr file it was made")
        elif target not in (name, recording.path.resolve().name):
            found.append(f"{sorting.path.name} was made from {target}, but {name} was given")
        lengths = {f"{sorting.path.name} says": sorting.info.duration_s} | lengths
    for stream in recording.analog:
        ends_at = f"its stream {stream.name!r} ends at"
        end_s = stream.t0_s + stream.n_samples / stream.rate_hz
        lengths[ends_at] = max(end_s, lengths.get(ends_at, 0.0))
    known = {what: length for what, length in lengths.items() if not math.isnan(length)}
    longest = max(known.values(), default=0.0)
    if any(length < longest * (1 - _TOLERANCE) for length in known.values()):
        told = ", ".join(f"{what} {length:.3f} s" for what, length in known.items())
        # Streams that go on for too long may go on for ever; what is said is enough.
        return [*found, f"durations differ: {told}"]
    return [*found, *_unwritten(recording)]


def _unwritten(recording: CmcrFile) -> Iterator[str]:
    for stream in recording.analog:
        for row, label in enumerate(stream.labels):
            holes = stream.holes(row)
            if not holes:
                continue
            (start, stop), more = holes[0], len(holes) - 1
            begin_s, end_s = (stream.t0_s + sample / stream.rate_hz for sample in (start, stop))
            further = f", and {more} more such place{'s'[: more - 1]}" if more else ""
            yield (
                f"row {row} ({label!r}) of stream {stream.name!r} in {recording.path.name} is "
                f"nothing but 0 from {begin_s:.3f} s to {end_s:.3f} s{further}, as it is nowhere "
                "else: a part of the file is missing, copy it again and compare checksums"
            )
