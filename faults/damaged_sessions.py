"""Damaged session files: whether any is loaded, read or verified as good."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from faults.damage_kinds import DAMAGES, damaged
from faults.watched import Watched, watched
from hdmea.errors import SessionFileError
from hdmea.pipeline import PipelineSession, verify

log = logging.getLogger("faults")
FEATURE = "on_off"
"""What is read of a session without reading the rest."""
COLUMNS = {
    "refused": "refused when loaded",
    "found": "found when read",
    "good": "read as good",
    "feature_right": "feature right",
    "feature_wrong": "feature wrong",
    "refused_whole": "refused by verify",
    "named": "dataset named",
    "unnamed": "not named",
    "verified": "verified as good",
    "untyped": "other error",
    "crashed": "crash",
    "hung": "hung",
    "lines": "lines of noise",
}
BAD = ("good", "feature_wrong", "unnamed", "verified", "untyped", "crashed", "hung", "lines")
_OPENED = "provenance/session"
"""The dataset that is read when a file is opened."""


class Whole(NamedTuple):
    """A file that is whole."""

    content: bytes
    feature: str
    """Identity of the feature's table; empty if there is none."""
    values: Mapping[str, tuple[int, int]]
    """Place and length of the values of each dataset."""


def whole(path: Path) -> Whole:
    """Note all that is needed to judge what is read of damaged copies."""
    values: dict[str, tuple[int, int]] = {}

    def note(name: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.size:
            values[name] = (node.id.get_offset(), node.nbytes)

    with h5py.File(path) as file:
        file.visititems(note)
    return Whole(path.read_bytes(), _feature(path), values)


def damage_sessions(path: Path, scratch: Path, files: int, seed: int) -> dict[str, dict[str, int]]:
    """Damage copies of a file in each way, and count by the way what came of them."""
    rng, sound = np.random.default_rng(seed), whole(path)
    copy = scratch / path.name
    tallies: dict[str, Counter[str]] = {name: Counter() for name in DAMAGES}
    for number in range(files):
        damage = list(DAMAGES.values())[number % len(DAMAGES)]
        content = sound.content
        while content == sound.content:  # a page of zeros may have been one
            place = int(rng.integers(len(content)))
            content = damaged(sound.content, damage, place, rng)
        copy.write_bytes(content)
        tally = _judged(copy, content, sound)
        if any(tally[one] for one in BAD):
            log.error("%s, %s at byte %d: %s", path.name, damage.name, place, dict(tally))
        tallies[damage.name].update(tally)
    return {name: dict(tally) for name, tally in tallies.items()}


def _judged(copy: Path, content: bytes, sound: Whole) -> Counter[str]:
    """Look at a damaged file in three ways, each in a process of its own."""
    tally = Counter({"files": 1})
    read = watched(lambda: _read(copy))
    ways = [read]
    tally[read.said.get("end", "")] += 1
    if sound.feature:
        part = watched(lambda: _read_feature(copy))
        ways.append(part)
        if part.said.get("feature"):
            is_right = part.said["feature"] == sound.feature
            tally["feature_right" if is_right else "feature_wrong"] += 1
    checked = watched(lambda: _verified(copy))
    ways.append(checked)
    if checked.code == 0:
        tally[_how_named(checked, content, sound)] += 1
    for way in ways:
        tally["crashed"] += way.crashed
        tally["hung"] += way.hung
        tally["untyped"] += way.code == 1
        tally["lines"] += way.lines
    del tally[""]
    return tally


def _read(path: Path) -> dict[str, Any]:
    """Load a session and read all of it."""
    try:
        session = _session(path)
    except SessionFileError as error:
        return {"end": "refused" if str(path) in str(error) else "untyped"}
    try:
        for name in session.paths():
            session.values(name)
    except SessionFileError as error:
        return {"end": "found" if str(path) in str(error) else "untyped"}
    return {"end": "good"}


def _session(path: Path) -> PipelineSession:
    is_part = path.name.endswith(".part.h5")
    return PipelineSession.from_parts([path]) if is_part else PipelineSession.load(path)


def _read_feature(path: Path) -> dict[str, Any]:
    try:
        return {"feature": _feature(path)}
    except SessionFileError:
        return {"feature": ""}


def _feature(path: Path) -> str:
    """Identity of all that is read of one feature."""
    session = _session(path)
    names = session.paths(f"features/{FEATURE}")
    values = [(name, session.values(name).tolist()) for name in names]
    return hashlib.sha256(repr(values).encode()).hexdigest() if names else ""


def _verified(path: Path) -> dict[str, Any]:
    try:
        found = verify(path)
    except SessionFileError as error:
        return {"refused": str(error)} if str(path) in str(error) else {"good": True}
    return {"good": found.is_good, "damaged": [name for name, _ in found.damaged]}


def _how_named(checked: Watched, content: bytes, sound: Whole) -> str:
    """Whether `verify` named the datasets whose values changed, or the file where more did."""
    changed = _changed(content, sound)
    if checked.said.get("good"):
        return "verified"
    if "refused" in checked.said:
        if changed is None or any(name.startswith("manifest/") for name in changed):
            return "refused_whole"
        said = _OPENED in changed and _OPENED in checked.said["refused"]
        return "named" if said else "unnamed"
    return "named" if changed == set(checked.said["damaged"]) else "unnamed"


def _changed(content: bytes, sound: Whole) -> set[str] | None:
    """The datasets whose values are not those of the whole file; None if other bytes changed."""
    if len(content) != len(sound.content):
        return None
    before, now = (np.frombuffer(one, np.uint8) for one in (sound.content, content))
    places = np.flatnonzero(before != now)
    changed = set()
    inside = np.zeros(places.size, dtype=bool)
    for name, (start, length) in sound.values.items():
        here = (places >= start) & (places < start + length)
        inside |= here
        if here.any():
            changed.add(name)
    return changed if inside.all() else None
