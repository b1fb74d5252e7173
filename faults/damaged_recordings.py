"""Damaged recordings: a typed error that names the file, or the right data.

``python -m faults.damaged_recordings SOUND SCRATCH NAME FILES SEED`` prints what came of it as
JSON. Without the locks of HDF5, as the probe's process has none, which can be forked then.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
from collections import Counter
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from faults.damage_kinds import DAMAGES, damaged
from faults.warm_probe import warm_probe
from faults.watched import Watched, watched
from hdmea.errors import HdmeaError
from hdmea.pipeline import create_session, load_recording
from hdmea.simulate import SensorRegion, simulate_recording

log = logging.getLogger("faults")
SLOW_S = 10
OWN_PROCESS = 10
"""One of how many loads starts the probe's process anew, as a user's load does."""
COLUMNS = {
    "refused": "refused",
    "right": "right data",
    "told": "other data, with a warning",
    "values": "other values",
    "silent": "other data",
    "unnamed": "file not named",
    "untyped": "other error",
    "crashed": "crash",
    "slow": f"over {SLOW_S} s",
    "lines": "lines of noise",
}
BAD = ("silent", "unnamed", "untyped", "crashed", "slow", "lines")
FILES = {"`.cmcr`": "rec.cmcr", "`.cmtr`": "rec-.cmtr"}


def make_recording(folder: Path, library: Path) -> None:
    """Simulate four units, with light reference and four sensors."""
    simulate_recording(
        folder,
        "rec",
        library=library,
        playlist="both",
        n_cells=4,
        seed=3,
        sampling_rate_hz=2000.0,
        sensor=SensorRegion(20, 30, 21, 31),
    )


class Whole(NamedTuple):
    """A file that is whole, and what is loaded of it and the other one."""

    content: bytes
    values: np.ndarray[Any, np.dtype[np.bool_]]
    """Of each byte, whether it is of a value: of a sample, a spike, a word that people read."""
    data: str
    warnings: list[str]


def damage_recordings(
    sound: Path,
    scratch: Path,
    name: str,
    files: int,
    seed: int,
    *,
    probe: str = "error",
    warm: bool = False,
) -> dict[str, dict[str, float]]:
    """Damage copies of one file of a pair in each way, and count by the way what came of them.

    ``warm``: most probes are forked, see `faults.warm_probe`.
    """
    for file in FILES.values():
        shutil.copy(sound / file, scratch / file)
    path, rng = scratch / name, np.random.default_rng(seed)
    loaded = _loaded(scratch, probe)
    content = path.read_bytes()
    whole = Whole(content, value_bytes(path), loaded["data"], loaded["warnings"])
    structure = np.flatnonzero(~whole.values)
    tallies: dict[str, Counter[str]] = {one: Counter() for one in DAMAGES}
    slowest = dict.fromkeys(DAMAGES, 0.0)
    for number in range(files):
        damage = list(DAMAGES.values())[number % len(DAMAGES)]
        content = whole.content
        while content == whole.content:
            # most bytes are samples: half of the damages are among the others
            place = rng.choice(structure) if rng.random() < 0.5 else rng.integers(len(content))
            content = damaged(whole.content, damage, int(place), rng)
        path.write_bytes(content)
        with warm_probe() if warm and number % OWN_PROCESS else nullcontext():
            end = watched(partial(_loaded, scratch, probe))
        tally = _judged(end, path, content, whole)
        if tally["silent"] and _has_other_values(end, path, content, whole, scratch, probe):
            del tally["silent"]
            tally["values"] += 1
        if any(tally[one] for one in BAD):
            log.error("%s, %s at byte %d: %s, %s", name, damage.name, place, dict(tally), end)
        tallies[damage.name].update(tally)
        slowest[damage.name] = max(slowest[damage.name], round(end.seconds, 1))
    return {one: {**tally, "slowest_s": slowest[one]} for one, tally in tallies.items()}


def _loaded(folder: Path, probe: str) -> dict[str, Any]:
    """Load the pair as a user does; identity of its data, and the warnings."""
    session = create_session(
        cmcr_path=folder / FILES["`.cmcr`"], cmtr_path=folder / FILES["`.cmtr`"], dataset_id="rec"
    )
    load_recording(session=session, probe=probe)
    data = hashlib.sha256()
    for name in session.paths():
        if not name.startswith("recording/sources/"):  # digests of the files, which differ
            values = session.values(name)
            content = values.tobytes() if values.dtype.kind != "U" else repr(values.tolist())
            data.update(repr((name, values.dtype, values.shape, content)).encode())
    return {"data": data.hexdigest(), "warnings": session.warnings}


def _judged(end: Watched, path: Path, content: bytes, whole: Whole) -> Counter[str]:
    tally = Counter({"files": 1, "lines": end.lines})
    if end.hung or end.seconds > SLOW_S:
        tally["slow"] += 1
    if end.crashed:
        tally["crashed"] += 1
    elif end.code == 1:
        tally[_refusal(end, path)] += 1
    elif end.code == 0:
        tally[_reading(end, content, whole)] += 1
    return tally


def _refusal(end: Watched, path: Path) -> str:
    if HdmeaError.__name__ not in end.said["kinds"]:
        return "untyped"
    return "refused" if path.name in end.said["message"] else "unnamed"


def _reading(end: Watched, content: bytes, whole: Whole) -> str:
    if end.said["data"] == whole.data:
        return "right"
    if end.said["warnings"] != whole.warnings:
        return "told"
    before, now = (np.frombuffer(one, np.uint8) for one in (whole.content, content))
    if before.size == now.size and whole.values[before != now].all():
        return "values"
    return "silent"


def _has_other_values(
    end: Watched, path: Path, content: bytes, whole: Whole, scratch: Path, probe: str
) -> bool:
    """Whether the damage of values alone, without that of bytes beside them, gives the same."""
    if len(content) != len(whole.content):
        return False
    before, now = (np.frombuffer(one, np.uint8) for one in (whole.content, content))
    path.write_bytes(np.where(whole.values, now, before).tobytes())
    again = watched(partial(_loaded, scratch, probe))
    return again.said.get("data") == end.said["data"]


def value_bytes(path: Path) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Of each byte of a file, whether it is of a value, and not of what says where values are.

    Values are those of datasets and attributes, without the attributes that name kinds of objects.
    """
    content = path.read_bytes()
    found = np.zeros(len(content), dtype=bool)

    def attributes(_: str, node: h5py.Group | h5py.Dataset) -> None:
        for name, value in node.attrs.items():
            if not name.startswith(("ID.", "SubType")):
                _mark(found, content, name.encode() + b"\0", np.asarray(value).tobytes())

    def values(name: str, node: h5py.Group | h5py.Dataset) -> None:
        attributes(name, node)
        if not isinstance(node, h5py.Dataset) or not node.size:
            return
        start = node.id.get_offset()
        found[start : start + node.id.get_storage_size()] = True
        for field in node.dtype.names or ():
            if node.dtype[field].hasobject:  # text that lies elsewhere in the file
                for text in node[field]:
                    _mark(found, content, b"", text)

    with h5py.File(path) as file:
        attributes("/", file)
        file.visititems(values)
    return found


def _mark(
    found: np.ndarray[Any, np.dtype[np.bool_]], content: bytes, before: bytes, value: bytes
) -> None:
    """Mark each place of a value, which follows a word at once or after some bytes."""
    near = 64 if before else 0
    at = content.find(before + value[: 0 if before else None])
    while value and at >= 0:
        start = content.find(value, at + len(before), at + len(before) + near + len(value))
        if start >= 0:
            found[start : start + len(value)] = True
        at = content.find(before + value[: 0 if before else None], at + 1)


def main(sound: str, scratch: str, name: str, files: str, seed: str) -> None:
    """Print what came of it."""
    logging.getLogger("hdmea").setLevel(logging.ERROR)
    found = damage_recordings(Path(sound), Path(scratch), name, int(files), int(seed), warm=True)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
