"""Kills from outside, at random moments."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faults.kinds import RANDOM_KILL
from faults.lab import the_lab
from faults.planting import plant
from faults.tables import tallied, total, verdict
from faults.topic import Found, Topic

log = logging.getLogger("faults")
KILLS_OF = {
    "save over an old file": 300,
    "save of a loaded session to its own file": 120,
    "save without overwriting": 120,
    "save of an array kept on disk": 120,
    "checkpoint over an old one": 120,
    "part kept in the work folder": 120,
    "`extract_features` on a file": 30,
    "all of `load_recording`": 20,
    "all of `compute_sta`": 10,
    "whole run with work folder and checkpoint": 15,
    "table of units": 10,
    "simulated recording": 15,
}
"""How many kills meet each of these; together 1,000."""
_SAYS = """
Nothing is counted here: a process is killed (`kill -9`) at a moment that is drawn from the whole
time that it takes, so within computing and reading, too. What is left is looked at as above. After
each of the kills, or each fifth of more than 40, there is a next run.
"""


def run(folder: Path, part: str, share: float) -> dict[str, int]:
    """Kill one kind of run, a share of its number."""
    times = max(1, round(KILLS_OF[part] * share))
    found = plant(
        None, the_lab(folder), folder / "room", part, [RANDOM_KILL.name],
        times=times, planter="none",
    )  # fmt: skip
    for wrong in found.wrong:
        log.error("  %s", wrong)
    return asdict(found.tallies[RANDOM_KILL.name])


def section(found: Found) -> str:
    """A row for each kind of run."""
    everything = total(found.values())
    rows: list[Any] = [([name], total([one])) for name, one in found.items()]
    return (
        tallied(["what was killed"], [*rows, (["**all**"], everything)])
        + "\n"
        + verdict(everything, "kills")
    )


def bad(found: Found) -> int:
    """Broken promises."""
    return sum(total(found.values()).bad.values())


KILLS = Topic("kills", "Random kills", _SAYS, tuple(KILLS_OF), run, section, bad)
