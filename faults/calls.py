"""Faults of single system calls, and of the process around them, in everything that writes."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from faults.judge import BAD, Tally
from faults.kinds import FAULTS
from faults.lab import Lab, make_lab
from faults.planting import Found as Planted
from faults.planting import plant
from faults.scenarios import SCENARIOS
from faults.shim import build
from faults.topic import Found, Topic, number, table

log = logging.getLogger("faults")
_SAYS = """
A small library in C (`faults/shim.c`) is loaded before the system's own. It counts the calls that
change files below one folder (writing, cutting, syncing, renaming, linking, removing, making
files and folders) and lets one of them fail. The work before the first of these calls is done
once; then each fault is planted in a fork of that process. After each fault the folder is looked
at: every file is compared with the old one and with the one of an undisturbed run, and verified
with all digests; some of the kills are followed by a next run, which must give the undisturbed
result.

| fault | what happens |
|---|---|
{faults}
Errors *once* strike one call only, those *for ever* all calls from then on. A full disk and a
used-up quota strike whatever takes room, not the removing of files; an error of the disk strikes
that, too, and then a hidden file must stay until the next run. Without a C compiler nothing can
be planted, and the tests say that they were skipped.

*calls* is how many file-changing calls the undisturbed run makes, *faults* how many were planted
and met; a fault that its call cannot meet (half a write of a call that writes nothing) is not
counted. *old*, *new*: runs after which the names held the old files, or the new ones; *both*:
some of several files were new already. *torn*: a file was not whole; *lost*: there was none any
more; *silent*: the run ended well without the new file; *crash*: the interpreter crashed;
*error*: its number or path was not told rightly; *stray*: a hidden file was left after an error,
or not swept after a kill; *resumed*: the next run did not give the new file. *swept* is how many
hidden files of ended processes the next run removed.
"""
_COLUMNS = {
    "faults": "faults", "old": "old", "new": "new", "between": "both", "torn": "torn",
    "lost": "lost", "silent": "silent", "crashes": "crash", "wrong_error": "error",
    "strays": "stray", "not_resumed": "resumed", "swept": "swept",
}  # fmt: skip


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Plant all faults into one scenario, at a share of its calls."""
    lab = Lab(folder / "lab")
    if not lab.folder.exists():
        lab.folder.mkdir()
        make_lab(lab.folder)
    found = plant(build(folder), lab, folder / "room", part, list(FAULTS), share=share)
    for wrong in found.wrong:
        log.error("  %s", wrong)
    return as_json(found)


def as_json(found: Planted) -> dict[str, Any]:
    """What was found of a scenario, as it is kept."""
    tallies = {fault: asdict(tally) for fault, tally in found.tallies.items()}
    return {"calls": found.calls, "tallies": tallies}


def section(found: Found) -> str:
    """The tables, by scenario and by fault."""
    by_scenario = {name: _sum(one["tallies"].values()) for name, one in found.items()}
    by_fault = {
        fault: _sum(one["tallies"][fault] for one in found.values() if fault in one["tallies"])
        for fault in FAULTS
    }
    everything, numbers = _everything(found), list(_COLUMNS.values())
    rows = [[name, found[name]["calls"], *_row(tally)] for name, tally in by_scenario.items()]
    return "".join(
        [
            table(["what was run", "calls", *numbers], [*rows, ["**all**", "", *_row(everything)]]),
            "\nThe same by fault:\n\n",
            table(["fault", *numbers], [[name, *_row(tally)] for name, tally in by_fault.items()]),
            "\n",
            _verdict(everything),
        ]
    )


def bad(found: Found) -> int:
    """Broken promises."""
    return sum(_everything(found).bad.values())


def _everything(found: Found) -> Tally:
    return _sum(tally for one in found.values() for tally in one["tallies"].values())


def _sum(tallies: Iterable[dict[str, int]]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(Tally(**tally))
    return total


def _row(tally: Tally) -> list[str]:
    values = {field.name: getattr(tally, field.name) for field in fields(tally)}
    return [number(values[name], must_be_0=name in BAD) for name in _COLUMNS]


def _verdict(everything: Tally) -> str:
    broken = sum(everything.bad.values())
    if not broken:
        return f"Of {everything.faults:,} faults none broke a promise.\n"
    return f"Of {everything.faults:,} faults {broken:,} broke a promise: the numbers in bold.\n"


CALLS = Topic(
    "calls",
    "Faults of system calls",
    _SAYS.format(faults="".join(f"| {fault.name} | {fault.says} |\n" for fault in FAULTS.values())),
    tuple(SCENARIOS),
    run,
    section,
    bad,
)
