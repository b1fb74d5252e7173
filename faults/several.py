"""Several at once: writers and readers of one path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from faults.crowd import WRITERS
from faults.lab import the_lab
from faults.planting import ROOT
from faults.topic import Found, Topic, number, table
from faults.two_runs import two_runs

READS, RACES = 1000, 100
PARTS = {
    # what is done, how often, and the locks of HDF5
    "reads, locks on": ("reads", READS, "TRUE"),
    "reads, locks off": ("reads", READS, "FALSE"),
    "races": ("races", RACES, "TRUE"),
}
PAIRS = {
    # two runs of the workflow at once: their mode, and how often
    "two workflow runs, deferred": ("deferred", 10),
    "two workflow runs, immediate": ("immediate", 3),
}
_COLUMNS = {
    "reads": "reads", "saves": "saves", "stale": "stale", "races": "races", "won": "won",
    "refused": "refused", "pairs": "pairs", "waited": "waited",
    "not_one": "not one winner", "broken": "broken reads", "torn": "torn",
    "failed": "failed writers and runs", "strays": "strays",
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

In a *pair* two runs of the workflow are started at the same moment in different folders, with one
recording and one folder of results. Both must end well; *waited* is how many said that they wait
for the other. The result must be that of a run alone.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Do a share of the reads or races, in a process of its own, or of the pairs of runs."""
    if part in PAIRS:
        mode, times = PAIRS[part]
        return two_runs(the_lab(folder), folder / mode, mode, max(1, round(share * times)))
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


SEVERAL = Topic("several", "Several at once", _SAYS, (*PARTS, *PAIRS), run, section, bad)
