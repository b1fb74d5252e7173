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
from faults.scenarios import SCENARIOS
from faults.shim import NoCompilerError, build
from faults.strace import NoTracingError, can_trace
from faults.tables import MEANINGS, tallied, total, verdict
from faults.topic import Found, Topic

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

*calls* is how many file-changing calls the undisturbed run makes, *one in* at how many of them
each fault was planted (1: at every call), *faults* how many were planted and met; a fault that its
call cannot meet (half a write of a call that writes nothing) is not counted.
{meanings}"""


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
    found = plant(library, the_lab(folder), room, part, faults, share=share, planter=name)
    for wrong in found.wrong:
        log.error("  %s", wrong)
    return as_json(found)


def as_json(found: Planted) -> dict[str, Any]:
    """What was found of a scenario, as it is kept."""
    tallies = {fault: asdict(tally) for fault, tally in found.tallies.items()}
    return {"calls": found.calls, "tallies": tallies}


def one_in(found: Mapping[str, Any]) -> str:
    """At one of how many calls each fault was planted: a kill is met wherever it is."""
    kills = found["tallies"]["kill"]["faults"]
    return f"{found['calls'] / kills:.3g}" if kills else "none"


def section(found: Found) -> str:
    """The tables, by scenario and by fault."""
    everything = total(tally for one in found.values() for tally in one["tallies"].values())
    rows = [
        ([name, one["calls"], one_in(one)], total(one["tallies"].values()))
        for name, one in found.items()
    ]
    by_fault = [
        ([fault], total(one["tallies"][fault] for one in found.values() if fault in one["tallies"]))
        for fault in FAULTS
    ]
    return "".join(
        [
            tallied(
                ["what was run", "calls", "one in"], [*rows, (["**all**", "", ""], everything)]
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
