"""What a ``.cmcr`` or ``.cmtr`` file holds, for ``hdmea inspect``: as JSON and in plain words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py

from hdmea.errors import RecordingFileError
from hdmea.mcs import typeids
from hdmea.mcs.cmcr import open_cmcr
from hdmea.mcs.cmtr import acquisition_link, read_cmtr
from hdmea.mcs.info import RecordingInfo
from hdmea.mcs.safe_h5 import groups_of_type, open_recording, reading
from hdmea.mcs.tree import Description, describe_tree
from hdmea.terminal import in_a_line

RAW, SORTED, OTHER = "raw recording (.cmcr)", "sorted recording (.cmtr)", "other CMOS-MEA file"


def describe(path: Path | str, *, anonymous: bool = False) -> Description:
    """Describe a recording file; what comes back can be written as JSON.

    Parameters
    ----------
    path
        A ``.cmcr`` or ``.cmtr`` file.
    anonymous
        Tell the file's structure only: objects by type, shapes, types of numbers and names of
        attributes; no data, no names of files, persons or objects, no dates.

    Raises
    ------
    FileMissingError, RecordingFileError
        If there is no such file or it is no CMOS-MEA file. One that is, but cannot be
        understood, is described, with the reason under ``problem``.
    """
    path = Path(path)
    with open_recording(path) as file, reading(path):
        kind = _kind(file)
        objects = describe_tree(file, anonymous=anonymous)
    contents, problem = _contents(path, kind)
    described: Description = {"kind": kind, "understood": not problem}
    if not anonymous:
        described |= {"file": path.name, "size_bytes": path.stat().st_size, "contents": contents}
        if problem:
            described["problem"] = problem
    return described | {"objects": objects}


def render(description: Description) -> str:
    """Say in plain words what `describe` found; objects of one type once, with their number."""
    lines = [*_summary_lines(description), "Objects:", *_object_lines(description)]
    return "\n".join(map(in_a_line, lines))


def _kind(file: h5py.File) -> str:
    if groups_of_type(file, typeids.SPIKE_SORTER) or acquisition_link(file) is not None:
        return SORTED
    return RAW if groups_of_type(file, typeids.ACQUISITION) else OTHER


def _contents(path: Path, kind: str) -> tuple[Description, str]:
    """Summarise what the readers understand, or say why they do not."""
    try:
        if kind == RAW:
            return _raw_contents(path), ""
        return (_sorted_contents(path), "") if kind == SORTED else ({}, "nothing is known of it")
    except RecordingFileError as error:
        return {}, str(error)


def _raw_contents(path: Path) -> Description:
    with open_cmcr(path) as recording:
        analog = [
            {
                "name": one.name, "rate_hz": one.rate_hz, "t0_s": one.t0_s,
                "channels": list(one.labels), "n_samples": one.n_samples,
            }
            for one in recording.analog
        ]  # fmt: skip
        sensors = [
            {
                "name": one.name, "rate_hz": one.rate_hz, "t0_s": one.t0_s,
                "n_samples": one.shape[0],
                "columns": [one.left, one.right], "rows": [one.top, one.bottom],
            }
            for one in recording.sensors
        ]  # fmt: skip
        labels = Counter(recording.digital_events.label.tolist())
        return {
            "info": _info(recording.info),
            "analog": analog,
            "sensors": sensors,
            "digital_events": dict(sorted(labels.items())),
        }


def _sorted_contents(path: Path) -> Description:
    sorting = read_cmtr(path)
    return {
        "info": _info(sorting.info),
        "made_from": sorting.link_target,
        "unit_ids": sorting.unit_id.tolist(),
        "n_spikes": len(sorting.spike_times_s),
        "n_rejected_peaks": int(sorting.n_rejected_peaks.sum()),
        "measures": list(sorting.measures),
    }


def _info(info: RecordingInfo) -> Description:
    # JSON has no NaN, and lists only
    duration_s = None if math.isnan(info.duration_s) else info.duration_s
    return asdict(info) | {"duration_s": duration_s, "untold": list(info.untold)}


def _summary_lines(description: Description) -> Iterator[str]:
    name = description.get("file")
    yield f"{name}: {description['kind']}" if name else f"A {description['kind']}"
    if "size_bytes" in description:
        yield f"  {description['size_bytes'] / 1e6:.1f} MB"
    if not description["understood"]:
        reason = description.get("problem", "the reason may name things, so it is left out")
        yield f"  NOT UNDERSTOOD: {reason}"
    contents = description.get("contents")
    if not contents:
        return
    info = contents["info"]
    program = f"{info['program']} {info['program_version']}".strip() or "an unknown program"
    lasts = "of unknown length" if info["duration_s"] is None else f"{info['duration_s']:.3f} s"
    yield f"  {lasts}, started {info['started_at'] or 'at an unknown time'}"
    yield f"  written by {program}, file version {info['file_version']}"
    for key, value in info["instrument"].items():
        yield f"  {key}: {value}"
    yield from _sorted_lines(contents) if "unit_ids" in contents else _raw_lines(contents)


def _raw_lines(contents: Description) -> Iterator[str]:
    for one in contents["analog"]:
        channels = ", ".join(one["channels"])
        yield f"  analog {one['name']!r}: {channels}; {_sampling(one)}"
    for one in contents["sensors"]:
        (left, right), (top, bottom) = one["columns"], one["rows"]
        region = f"columns {left}-{right}, rows {top}-{bottom}"
        yield f"  sensors {one['name']!r}: {region}; {_sampling(one)}"
    for label, number in contents["digital_events"].items():
        yield f"  digital events {label!r}: {number}"


def _sampling(stream: Description) -> str:
    return f"{stream['n_samples']} samples at {stream['rate_hz']:g} Hz from {stream['t0_s']:g} s"


def _sorted_lines(contents: Description) -> Iterator[str]:
    ids = contents["unit_ids"]
    numbers = f", numbers {ids[0]} to {ids[-1]}" if ids else ""
    yield f"  {len(ids)} units{numbers}"
    yield f"  {contents['n_spikes']} spikes, {contents['n_rejected_peaks']} rejected peaks"
    yield f"  made from {contents['made_from'] or 'an unknown recording (no link)'}"


def _object_lines(description: Description) -> Iterator[str]:
    number = Counter(one.get("types", one["name"]) for one in description["objects"])
    told: set[str] = set()
    for one in sorted(description["objects"], key=lambda each: each.get("types", each["name"])):
        types = one.get("types", one["name"])
        if types in told:
            continue
        told.add(types)
        more = f"  (and {number[types] - 1} more of this type)" if number[types] > 1 else ""
        indent = "  " * (types.count("/") + 1)
        yield f"{indent}{one['name'].rpartition('/')[2]}{_details(one)}{more}"


def _details(one: Description) -> str:
    if one["kind"] == "group":
        return "/"
    if one["kind"] != "dataset":
        return f"  ({one['kind']}{' to ' + one['target'] if 'target' in one else ''})"
    dtype: Any = one["dtype"]
    spelled = ", ".join(dtype) if isinstance(dtype, dict) else dtype
    if "shape" not in one:
        return f"  of other files: {spelled}"
    return f"  {' x '.join(map(str, one['shape'])) or 'scalar'}: {spelled}"
