"""Damage of files at rest: session files, checkpoints and parts, and recordings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faults import damaged_recordings, damaged_sessions
from faults.damage_kinds import DAMAGES
from faults.lab import Lab, make_lab
from faults.planting import ROOT
from faults.topic import Found, Topic, number, table

SESSIONS = {
    # what is damaged, and how many of its copies are in a full run
    "session file": 1000,
    "checkpoint": 500,
    "part": 500,
}
RECORDINGS = dict.fromkeys(damaged_recordings.FILES, 504)
_SAYS = """
Copies of a file are damaged, each at one random place, and read.

| damage | what happened |
|---|---|
{damages}
**Session files.** Each damaged copy of a session file, a checkpoint and a part is loaded and read
whole; of another load only the feature `{feature}` is read, which may be right where the damage is
elsewhere; and it is verified. *read as good*: neither loading nor reading found anything. *dataset
named*: only values changed, and `hdmea verify` named the datasets that they are of, and no other;
*refused by verify*: other bytes changed, or the length, and the file is named. *other error*: not a
`SessionFileError` that names the file. *lines of noise*: what was printed beside the error.

**Recordings.** A damaged `.cmcr` or `.cmtr` is loaded with its other half, with the probe, as a
user does; the probe's process is started anew for each {own}th of them, and forked for the others
from one that has loaded the vendor's reader. Half of the places are among the bytes that are no
samples, no spikes and no words.
*refused*: by an error of hdmea that names the file; *right data*: all that was loaded is what the
whole file gives. *other data, with a warning*: the session says what is odd. *other values*:
nothing but numbers and words changed into others that might be true, and no reader can tell; the
digest of the file can, `hdmea verify --inputs`. *other data*: the same without that excuse. Each
load is in a process of its own, *crash* is how often that one ended by a signal.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Damage a share of the copies of one kind of file."""
    lab = _lab(folder)
    scratch = folder / "copies"
    scratch.mkdir(exist_ok=True)
    seed = [*SESSIONS, *RECORDINGS].index(part)
    if part in SESSIONS:
        files = max(len(DAMAGES), round(share * SESSIONS[part]))
        path = {
            "session file": lab.session("adjust_p_values"),
            "checkpoint": lab.session("section_spike_times"),
            "part": lab.part("load_recording"),
        }[part]
        return damaged_sessions.damage_sessions(path, scratch, files, seed)
    files = max(len(DAMAGES), round(share * RECORDINGS[part]))
    sound = folder / "recording"
    if not sound.exists():
        damaged_recordings.make_recording(sound, lab.places["stimuli_dir"])
    name = damaged_recordings.FILES[part]
    given = map(str, (sound, scratch, name, files, seed))
    done = subprocess.run(
        [sys.executable, "-m", damaged_recordings.__name__, *given],
        cwd=ROOT,
        env=os.environ | {"HDF5_USE_FILE_LOCKING": "FALSE"},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _lab(folder: Path) -> Lab:
    lab = Lab(folder / "lab")
    if not lab.folder.exists():
        lab.folder.mkdir()
        make_lab(lab.folder)
    return lab


def section(found: Found) -> str:
    """The tables: by file, and by damage."""
    of_sessions = {name: one for name, one in found.items() if name in SESSIONS}
    of_recordings = {name: one for name, one in found.items() if name in RECORDINGS}
    return "\n".join(
        [
            *_tables(of_sessions, damaged_sessions.COLUMNS, damaged_sessions.BAD),
            *_tables(of_recordings, damaged_recordings.COLUMNS, damaged_recordings.BAD),
            *_slowest(of_recordings),
        ]
    )


def _tables(found: Found, columns: Mapping[str, str], bad: tuple[str, ...]) -> list[str]:
    if not found:
        return []

    def row(name: str, tallies: list[Mapping[str, int]]) -> list[str]:
        counts = {key: sum(tally.get(key, 0) for tally in tallies) for key in ("files", *columns)}
        return [name, *(number(n, must_be_0=key in bad) for key, n in counts.items())]

    rows = [row(name, list(one.values())) for name, one in found.items()]
    rows += [row(name, [one[name] for one in found.values()]) for name in DAMAGES]
    everything = [tally for one in found.values() for tally in one.values()]
    return [table(["", "files", *columns.values()], [*rows, row("**all**", everything)])]


def _slowest(found: Found) -> list[str]:
    slowest = [tally["slowest_s"] for one in found.values() for tally in one.values()]
    said = f"The slowest load of a damaged recording took {max(slowest, default=0)} s"
    return [f"{said} of the processor, that of the probe included.\n"] if slowest else []


def bad(found: Found) -> int:
    """Broken promises."""
    return sum(
        tally.get(key, 0)
        for name, one in found.items()
        for tally in one.values()
        for key in (damaged_sessions.BAD if name in SESSIONS else damaged_recordings.BAD)
    )


DAMAGE = Topic(
    "damage",
    "Damaged files",
    _SAYS.format(
        damages="".join(f"| {one.name} | {one.says} |\n" for one in DAMAGES.values()),
        feature=damaged_sessions.FEATURE,
        own=damaged_recordings.OWN_PROCESS,
    ),
    (*SESSIONS, *RECORDINGS),
    run,
    section,
    bad,
)
