"""Memory of what is large: a session, and the analog channels of a long recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.contest import Way, alone
from benchmarks.contests import stored
from benchmarks.topic import Claim, Found, Topic, amount, table

N_UNITS = 14_000
SHORT_MIN, LONG_MIN = 5.0, 30.0
SAVE, LOAD = "save", "load"
_HERE = "benchmarks.memory_ways"
_SAYS = f"""
What a process takes beyond what it took before anything was prepared, so that the data themselves
count. *Session*: one of {N_UNITS:,} units, 2 GB, is saved by a process that has it in memory, and
loaded by another. *Analog*: `load_recording` and `add_section_time` of a recording of {LONG_MIN:g}
minutes, photodiode and frame pulses at 20 kHz, and of one of {SHORT_MIN:g} minutes.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Each way alone, once."""
    place = {"folder": str(folder)}
    if part == "session":
        case = place | {"n_units": max(10, round(N_UNITS * share))}
        found = {
            name: alone(Way(name, f"{_HERE}:{name}", asked, warm_up=False), rounds=1)
            for name, asked in {SAVE: case, LOAD: place}.items()
        }
        return stored(found, bytes=found[SAVE].result)
    found, n_bytes = {}, {}
    for minutes in (SHORT_MIN, LONG_MIN):
        name, own = f"{minutes:g} minutes", folder / f"{minutes:g}"
        own.mkdir()
        case = {"folder": str(own), "minutes": minutes * share}
        write = Way("record", f"{_HERE}:record", case, warm_up=False)
        n_bytes[name] = alone(write, rounds=1).result
        read = Way(name, f"{_HERE}:read_analog", {"folder": str(own)}, warm_up=False)
        found[name] = alone(read, rounds=1)
    return stored(found, bytes=n_bytes)


def _taken(one: dict[str, Any]) -> int:
    return int(one["peak_bytes"] - one["start_bytes"])


def claims(found: Found) -> list[Claim]:
    """Memory, of the size of the data."""
    made = []
    if "session" in found:
        part = found["session"]
        for name, said in ((SAVE, "a session in memory and saved"), (LOAD, "a session loaded")):
            taken = _taken(part["ways"][name]) / part["bytes"]
            made.append(Claim(f"{said}, of its size", taken, at_most=1.1, unit="x"))
    if "analog" in found:
        short, long = (_taken(one) for one in found["analog"]["ways"].values())
        made += [
            Claim("30 minutes of analog channels", long / 1e6, unit=" MB"),
            Claim(
                "30 minutes of them, of what 5 minutes take", long / short, at_most=1.5, unit="x"
            ),
        ]
    return made


def section(found: Found) -> str:
    """What each took."""
    rows = []
    for part in found.values():
        for name, one in part["ways"].items():
            size = part["bytes"] if isinstance(part["bytes"], int) else part["bytes"][name]
            taken = _taken(one)
            rows.append(
                [name, *(amount(value / 1e6) for value in (size, taken)), amount(taken / size)]
            )
    return table(["what", "data (MB)", "memory (MB)", "memory of data"], rows)


MEMORY = Topic("memory", "Memory", _SAYS, ("session", "analog"), run, claims, section)
