"""Power losses of saves."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

from faults.power import PowerLosses, lose_power
from faults.scenarios import small_session
from faults.topic import Found, Topic, number, table

STATES = 1000
OVER, NEW = "save over an old file", "save without overwriting"
_SAYS = """
The calls of a save over an old file and of one that does not overwrite are recorded. What a disk
may hold after a power loss is made of them: at a random moment, half of the times around the
renaming, of each file what was synced before, and any of the pages and lengths that were written
since; the names that were synced, and any of the changes since in their order.
"""


def run(folder: Path, part: str, share: float) -> dict[str, int]:
    """Replay power losses of one of the saves."""
    path, session = folder / "rec.h5", small_session(30)
    path.unlink(missing_ok=True)
    if part == OVER:
        small_session(20).save(path)
    act = partial(session.save, path, overwrite=part == OVER)
    return asdict(lose_power(act, path, round(STATES * share), seed=1 + (part == NEW)))


def section(found: Found) -> str:
    """How many there were, and what was there after them."""
    head = ["what was run", "states", "old", "new"]
    rows = [[part, *_row(PowerLosses(**one))] for part, one in found.items()]
    everything = PowerLosses()
    for one in found.values():
        everything.add(PowerLosses(**one))
    rows.append(["**all**", *_row(everything)])
    return table([*head, "anything else", "anything else, if the file were not synced"], rows)


def bad(found: Found) -> int:
    """States in which the name had neither the old file nor the new one."""
    return sum(PowerLosses(**one).bad for one in found.values())


def _row(losses: PowerLosses) -> list[str]:
    return [
        *(number(count) for count in (losses.states, losses.old, losses.new)),
        number(losses.bad, must_be_0=True),
        number(losses.bad_without_sync),
    ]


POWER_LOSSES = Topic("power_losses", "Power losses", _SAYS, (OVER, NEW), run, section, bad)
