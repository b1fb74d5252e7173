"""What a system may refuse to a whole run: room, size, memory, the right to write."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faults.kinds import LIMITS
from faults.lab import the_lab
from faults.planting import plant
from faults.tables import tallied, total, verdict
from faults.topic import Found, Topic

log = logging.getLogger("faults")
TIMES = {
    "save over an old file": 40,
    "save to a new folder": 20,
    "save without overwriting": 20,
    "save of an array kept on disk": 40,
    "checkpoint over an old one": 20,
    "part kept in the work folder": 20,
    "table of units": 5,
    "simulated recording": 20,
    "`extract_features` on a file": 10,
    "all of `load_recording`": 10,
    "all of `compute_sta`": 10,
    "whole run with work folder and checkpoint": 10,
}
"""How often each of these meets a limit, each time another one."""
_SAYS = """
No call is chosen here: the limits are those of a system. They go in equal steps from none of what a
run needs to nearly all of it (memory: on a logarithmic scale from 16 kB to 64 MB more than the
process has, when it has nothing in reserve; the read-only folder is only one case). The full file
system is a small tmpfs of its own, the limits of size and memory are those of the process (`ulimit
-f`, `ulimit -v`), and in the folder of another user even root's process is nobody. A run that has
met its limit must end with an error: ENOSPC, EFBIG or EACCES with the path, or MemoryError. Then
the limit is lifted, and a second try in the same process must succeed.

HDF5 2.0 itself crashes a process in which it gets no memory (`H5AC_create` after a failed malloc;
with h5py alone in ten lines of Python). So hdmea makes sure that 16 MiB are left before it opens a
file, and before each array that it writes, and raises MemoryError where they are not. What others
read with h5py at the limit, as the vendor's reader does in the probe's process, is not protected by
that.

{limits}"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Meet one limit, in a share of what is run and a share of the times."""
    found = {}
    for name in list(TIMES)[: math.ceil(share * len(TIMES))]:
        times = max(1, round(TIMES[name] * share)) if part != "read-only folder" else 1
        planted = plant(
            None, the_lab(folder), folder / "room", name, [part], times=times, planter="none"
        )
        for wrong in planted.wrong:
            log.error("  %s", wrong)
        if part in planted.skipped:
            return {"skipped": planted.skipped[part]}
        found[name] = asdict(planted.tallies[part])
    return {"tallies": found}


def section(found: Found) -> str:
    """A row for each limit."""
    done = {name: one["tallies"] for name, one in found.items() if "tallies" in one}
    everything = total(tally for one in done.values() for tally in one.values())
    rows: list[Any] = [([name, len(one)], total(one.values())) for name, one in done.items()]
    skipped = "".join(
        f"\nNot done, {name}: {one['skipped']}\n" for name, one in found.items() if "skipped" in one
    )
    return (
        tallied(["limit", "kinds of run"], [*rows, (["**all**", ""], everything)])
        + "\n"
        + verdict(everything, "limits met")
        + skipped
    )


def bad(found: Found) -> int:
    """Broken promises."""
    tallies = (tally for one in found.values() for tally in one.get("tallies", {}).values())
    return sum(total(tallies).bad.values())


LIMITS_MET = Topic(
    "limits",
    "Limits of the system",
    _SAYS.format(
        limits="| limit | what it is |\n|---|---|\n"
        + "".join(f"| {one.name} | {one.says} |\n" for one in LIMITS.values())
    ),
    tuple(LIMITS),
    run,
    section,
    bad,
)
