"""The page docs/reliability.md: what is promised, how it is tested, what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from faults.judge import BAD, Tally
from faults.kinds import FAULTS
from faults.planting import ROOT, Found
from faults.power import PowerLosses
from faults.scenarios import SCENARIOS

FOUND = Path(__file__).with_name("found.json")
POWER = Path(__file__).with_name("power.json")
PAGE = ROOT / "docs/reliability.md"

_HEAD = """# Reliability

What is promised of files, and how often it was tried to break it. `make faults` plants the
faults, counts how each of them ended, and writes this page; a sample of them is planted with the
tests (`tests/test_faults.py`).

## What is promised

- After a crash, a kill, a full disk or an error of the disk, the name of a result, checkpoint,
  part, table or picture holds the old file or the new one, whole. Never half of one, never none
  where there was one.
- A save that returns is in the file. One that does not raises an error with the path and the
  system's error number, and the interpreter goes on.
- The same holds after a power loss, on disks that do as they say when they are asked to sync.
- After an error nothing is left beside the file. What a killed process leaves is hidden, never
  loaded, and swept by the next run that writes into that folder.

## How it is tested

A small library in C (`faults/shim.c`) is loaded before the system's own. It counts the calls that
change files below one folder (writing, cutting, syncing, renaming, linking, removing, making
files and folders) and lets one of them fail. The work before the first of these calls is done
once; then each fault is planted in a fork of that process. After each fault the folder is looked
at: every file is compared with the old one and with the one of an undisturbed run, and verified
with all digests; some of the kills are followed by a next run, which must give the undisturbed
result.

| fault | what happens |
|---|---|
"""
_WHERE = """
Errors *once* strike one call only, those *for ever* all calls from then on. A full disk and a
used-up quota strike whatever takes room, not the removing of files; an error of the disk strikes
that, too, and then a hidden file must stay until the next run. Without a C compiler nothing can
be planted, and the tests say that they were skipped.
"""
_NUMBERS = """
## What was found

*calls* is how many file-changing calls the undisturbed run makes, *faults* how many were planted
and met; a fault that its call cannot meet (half a write of a call that writes nothing) is not
counted. *old*, *new*: runs after which the names held the old files, or the new ones; *both*:
some of several files were new already. *torn*: a file was not whole; *lost*: there was none any
more; *silent*: the run ended well without the new file; *crash*: the interpreter crashed;
*error*: its number or path was not told rightly; *stray*: a hidden file was left after an error,
or not swept after a kill; *resumed*: the next run did not give the new file. *swept* is how many
hidden files of ended processes the next run removed.

"""
_POWER = """
## Power losses

The calls of a save over an old file and of one that does not overwrite are recorded. What a disk
may hold after a power loss is made of them: at a random moment, half of the times around the
renaming, of each file what was synced before, and any of the pages and lengths that were written
since; the names that were synced, and any of the changes since in their order.

| states | old | new | anything else | anything else, if the file were not synced |
|---|---|---|---|---|
| {states:,} | {old:,} | {new:,} | {bad:,} | {bad_without_sync:,} |
"""
_COLUMNS = {
    "faults": "faults", "old": "old", "new": "new", "between": "both", "torn": "torn",
    "lost": "lost", "silent": "silent", "crashes": "crash", "wrong_error": "error",
    "strays": "stray", "not_resumed": "resumed", "swept": "swept",
}  # fmt: skip


def store(found: Mapping[str, Found]) -> None:
    """Keep what was found of some scenarios, beside what was found of the others before."""
    kept = stored() if FOUND.exists() else {}
    for name, one in found.items():
        tallies = {fault: asdict(tally) for fault, tally in one.tallies.items()}
        kept[name] = {"calls": one.calls, "tallies": tallies}
    kept = {name: kept[name] for name in SCENARIOS if name in kept}
    FOUND.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def store_power(losses: PowerLosses) -> None:
    """Keep what was found of power losses."""
    POWER.write_text(json.dumps(asdict(losses)) + "\n", encoding="utf-8")


def stored_power() -> dict[str, int]:
    """What was found of power losses last."""
    found: dict[str, int] = json.loads(POWER.read_text(encoding="utf-8"))
    return found


def stored() -> dict[str, Any]:
    """What was found last."""
    found: dict[str, Any] = json.loads(FOUND.read_text(encoding="utf-8"))
    return found


def rendered(found: Mapping[str, Any], power: Mapping[str, int]) -> str:
    """The page, of what was found."""
    by_scenario = {name: _sum(one["tallies"].values()) for name, one in found.items()}
    by_fault = {
        fault: _sum(one["tallies"][fault] for one in found.values() if fault in one["tallies"])
        for fault in FAULTS
    }
    everything = _sum(asdict(tally) for tally in by_scenario.values())
    numbers = list(_COLUMNS.values())
    parts = [
        _HEAD,
        *(f"| {fault.name} | {fault.says} |\n" for fault in FAULTS.values()),
        _WHERE,
        _NUMBERS,
        _table(
            ["what was run", "calls", *numbers],
            [[name, str(found[name]["calls"]), *_row(t)] for name, t in by_scenario.items()]
            + [["**all**", "", *_row(everything)]],
        ),
        "\nThe same by fault:\n\n",
        _table(["fault", *numbers], [[name, *_row(tally)] for name, tally in by_fault.items()]),
        "\n",
        _verdict(everything),
        _not_yet([name for name in SCENARIOS if name not in found]),
        _POWER.format(**power),
    ]
    return "".join(parts)


def _sum(tallies: Any) -> Tally:
    total = Tally()
    for tally in tallies:
        total.add(Tally(**tally))
    return total


def _row(tally: Tally) -> list[str]:
    values = {field.name: getattr(tally, field.name) for field in fields(tally)}
    return [
        f"**{values[name]:,}**" if name in BAD and values[name] else f"{values[name]:,}"
        for name in _COLUMNS
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _verdict(everything: Tally) -> str:
    bad = sum(everything.bad.values())
    if not bad:
        return f"Of {everything.faults:,} faults none broke a promise.\n"
    return f"Of {everything.faults:,} faults {bad:,} broke a promise: the numbers in bold.\n"


def _not_yet(names: Sequence[str]) -> str:
    return f"\nNot planted yet: {', '.join(names)}.\n" if names else ""
