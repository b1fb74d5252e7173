"""Faults of single system calls, in everything that writes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faults.kinds import FAULTS
from faults.lab import the_lab
from faults.planting import Found as Planted
from faults.planting import plant
from faults.scenarios import FROM_START, IMMEDIATE, JOBS, OF_PARTS, SCENARIOS, SMALL, WHOLE_RUN
from faults.shim import NoCompilerError, build
from faults.strace import NoTracingError, can_trace
from faults.tables import MEANINGS, tallied, total, verdict
from faults.topic import Found, Topic

_ANYWHERE = ("kill", "EIO once")
"""Faults that every call can meet."""
log = logging.getLogger("faults")
_SAYS = """
A small library in C (`faults/shim.c`) is loaded before the system's own. It counts the calls that
change files below one folder (writing, cutting, syncing, renaming, linking, removing, making
files and folders) and lets one of them fail. What can be done before the first of these calls is
done once; then each fault is planted in a fork of that process. After each fault the folder is
looked at: every file is compared with the old one and with the one of an undisturbed run, and
verified with all digests. After some of the kills there is a next run, after some of the errors a
second try in the same process, on the same session; both must give the undisturbed result. In
"all of" a step its whole work is done in the fork, with every array of its own on disk.

| fault | what happens |
|---|---|
{faults}
Errors *once* strike one call only, those *for ever* all calls from then on. A full disk and a
used-up quota strike whatever takes room, not the removing of files; an error of the disk strikes
that, too, and then a hidden file must stay until the next run or save. Without a C compiler strace
plants the faults, all but torn and short writes; without either the tests say that they were
skipped.

One run is stopped before each of its calls, and looked at: what is there then is what a kill would
leave. A full run plants every other fault at every call of the saves, of a simulated recording, of
tables and pictures. Steps, parts and assembling write by the same function; of their calls each
meets one of the faults in turn in parts, one of two in steps on a file, one of four in all of a
step, one of eight in a whole run.

*calls* is how many file-changing calls the undisturbed run makes; *killed*: one of how many was
met by a kill (1: every call), *EIO* the same of a disk that fails once; *faults* how many were
planted and met, stops among them. A fault that its call cannot meet (half a write of a call that
writes nothing) is not counted.
{meanings}"""


_SIMPLE = {one.name for one in SMALL} | {"simulated recording", "table of units", "picture"}


_ONE_OF = (
    {one.name: 1 for one in OF_PARTS}
    | {one.name: 2 for one in (*IMMEDIATE, *JOBS)}
    | {one.name: 4 for one in FROM_START}
    | {WHOLE_RUN: 8}
)
"""One of how many calls meets one of the faults, in turn."""


def one_in(part: str) -> dict[str, int]:
    """At one of how many calls of a scenario each fault is planted in a full run."""
    if part in _SIMPLE:
        return dict.fromkeys(FAULTS, 1)
    return dict.fromkeys(FAULTS, _ONE_OF[part] * len(FAULTS))


def planter(folder: Path) -> tuple[str, Path | None]:
    """What can plant faults here: the shim, or strace.

    Raises
    ------
    NoTracingError
        If neither can.
    """
    try:
        return "shim", build(folder)
    except NoCompilerError as error:
        if why := can_trace():
            raise NoTracingError(f"{error}, and {why}") from error
        return "strace", None


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Plant all faults into one scenario, at a share of its calls."""
    name, library = planter(folder)
    faults, room = list(FAULTS), folder / "room"
    found = plant(
        library, the_lab(folder), room, part, faults,
        share=share, one_in=one_in(part), planter=name,
    )  # fmt: skip
    for wrong in found.wrong:
        log.error("  %s", wrong)
    return as_json(found)


def as_json(found: Planted) -> dict[str, Any]:
    """What was found of a scenario, as it is kept."""
    tallies = {fault: asdict(tally) for fault, tally in found.tallies.items()}
    return {"calls": found.calls, "tallies": tallies}


def met_one_in(found: Mapping[str, Any], fault: str) -> str:
    """One of how many calls met a fault, which is to be one that every call can meet."""
    met = found["tallies"].get(fault, {}).get("faults", 0)
    return f"{found['calls'] / met:.3g}" if met else "none"


def section(found: Found) -> str:
    """The tables, by scenario and by fault."""
    everything = total(tally for one in found.values() for tally in one["tallies"].values())
    rows = [
        (
            [name, one["calls"], *(met_one_in(one, fault) for fault in _ANYWHERE)],
            total(one["tallies"].values()),
        )
        for name, one in found.items()
    ]
    by_fault = [
        ([fault], total(one["tallies"][fault] for one in found.values() if fault in one["tallies"]))
        for fault in FAULTS
    ]
    return "".join(
        [
            tallied(
                ["what was run", "calls", "killed", "EIO"],
                [*rows, (["**all**", "", "", ""], everything)],
            ),
            "\nThe same by fault:\n\n",
            tallied(["fault"], by_fault),
            "\n",
            verdict(everything),
        ]
    )


def bad(found: Found) -> int:
    """Broken promises."""
    return sum(total(t for one in found.values() for t in one["tallies"].values()).bad.values())


CALLS = Topic(
    "calls",
    "Faults of system calls",
    _SAYS.format(
        faults="".join(f"| {fault.name} | {fault.says} |\n" for fault in FAULTS.values()),
        meanings=MEANINGS,
    ),
    tuple(SCENARIOS),
    run,
    section,
    bad,
)
