"""Several at once: writers and readers of one path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from faults.crowd import WRITERS
from faults.planting import ROOT
from faults.topic import Found, Topic, number, table

READS, RACES = 1000, 100
PARTS = {
    # what is done, how often, and the locks of HDF5
    "reads, locks on": ("reads", READS, "TRUE"),
    "reads, locks off": ("reads", READS, "FALSE"),
    "races": ("races", RACES, "TRUE"),
}
_COLUMNS = {
    "reads": "reads", "saves": "saves", "stale": "stale", "races": "races", "won": "won",
    "refused": "refused", "not_one": "not one winner", "broken": "broken reads", "torn": "torn",
    "failed": "failed writers", "strays": "strays",
}  # fmt: skip
_BAD = ("not_one", "broken", "torn", "failed", "strays")
_SAYS = f"""
{WRITERS} processes replace one file without a pause: three save sessions of other sizes, one loads
what is there, adds to it and writes it back; *stale* is how often that one was told that another
was faster. A fifth process reads the file: as a session, whole; as a session, the large array only
when the file has been replaced; by `verify`; and by h5py alone. All that is read of one file must
be of one save. With the locks of HDF5 on, and off, as they are where a network's disk has none.

In a *race* {WRITERS} processes save a new file at the same moment with `overwrite=False`: one must
win, the others must be told that it exists, and the file must be the winner's.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Do a share of the reads or races, in a process of its own."""
    what, count, locks = PARTS[part]
    place = folder / what / locks
    place.mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "faults.crowd", place, what, str(max(4, round(share * count)))],
        cwd=ROOT,
        env=os.environ | {"HDF5_USE_FILE_LOCKING": locks},
        stdout=subprocess.PIPE,
        check=True,
        timeout=3600,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def section(found: Found) -> str:
    """The table."""
    rows = [
        [name, *(number(one.get(key, 0), must_be_0=key in _BAD) for key in _COLUMNS)]
        for name, one in found.items()
    ]
    return table(["", *_COLUMNS.values()], rows) if rows else ""


def bad(found: Found) -> int:
    """Broken promises."""
    return sum(one.get(key, 0) for one in found.values() for key in _BAD)


SEVERAL = Topic("several", "Several at once", _SAYS, tuple(PARTS), run, section, bad)
