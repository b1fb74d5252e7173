"""Batches of many small recordings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.batch_ways import N_UNITS
from benchmarks.contest import Way, alone
from benchmarks.topic import Claim, Found, Topic, amount, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUNTS = (10, 100, 300)
N_PLANNED = 5000
PLANNING, RECORDINGS = "planning", "recordings"
_HERE = "benchmarks.batch_ways"
_SAYS = f"""
Recordings of {N_UNITS} units and about a minute each, all with the same content, through Snakemake
by one command with the configuration that is shipped, in deferred mode, from nothing. *Beyond
computing* is what a recording takes more than the same work in a process that has imported
everything: a Python that starts, the vendor's reader in its own process, the picture, Snakemake's
part, the table and the page. *Snakemake's memory* is that of its own process, the most while the
first tenth of the recordings was done, the last but one, and the last; after that it reads all
session files once, to tell of them.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Plan a large batch, or process one recording as often as each count says."""
    return _planned(folder, share) if part == PLANNING else _processed(folder, share)


def _planned(folder: Path, share: float) -> dict[str, Any]:
    place = {"folder": str(folder), "recordings": round(N_PLANNED * share)}
    return dict(alone(Way(PLANNING, f"{_HERE}:planning", place, warm_up=False), rounds=1).result)


def _processed(folder: Path, share: float) -> dict[str, Any]:
    counts = sorted({max(3, round(count * share)) for count in COUNTS})
    place = {"folder": str(folder)}
    cores = len(os.sched_getaffinity(0))
    alone(
        Way("simulate", f"{_HERE}:simulate", place | {"most": counts[-1]}, warm_up=False), rounds=1
    )
    computing = alone(Way("computing", f"{_HERE}:computing", place, warm_up=False), rounds=1)
    found = {
        str(count): alone(
            Way(
                f"{count} recordings",
                f"{_HERE}:batch",
                place | {"recordings": count, "cores": cores},
                warm_up=False,
            ),
            rounds=1,
        ).result
        for count in counts
    }
    return {"cores": cores, "computing_cpu_s": computing.result, "batches": found}


def claims(found: Found) -> list[Claim]:
    """That nothing grows with the number of recordings, and what one takes."""
    made = []
    if PLANNING in found:
        planned = found[PLANNING]
        what = f"dry run of {planned['recordings']:,} recordings"
        made += [
            Claim(f"{what}, processor", planned["cpu_s"], at_most=20, unit=" s"),
            Claim(f"{what}, memory", planned["peak_bytes"] / 1e6, at_most=700, unit=" MB"),
        ]
    for part in _batches(found):
        batches = list(part["batches"].values())
        beyond = [_beyond_s(part, one) for one in batches]
        first, late, _ = _memory_bytes(batches[-1])
        many = batches[-1]["recordings"]
        made += [
            Claim(
                f"{many} recordings, growth of Snakemake's memory",
                (late - first) / 1e6, at_most=10, unit=" MB",
            ),
            Claim(
                f"a recording of {many}, of one of {batches[0]['recordings']}, processor",
                batches[-1]["cpu_s"] / many * batches[0]["recordings"] / batches[0]["cpu_s"],
                at_most=1.1, unit="x",
            ),
            Claim(f"a recording of {many}, beyond computing, processor", beyond[-1], unit=" s"),
        ]  # fmt: skip
    return made


def section(found: Found) -> str:
    """A row for each number of recordings."""
    told = []
    for part in _batches(found):
        rows = [
            [
                one["recordings"],
                amount(one["seconds"]),
                amount(one["cpu_s"]),
                amount(one["cpu_s"] / one["recordings"]),
                amount(_beyond_s(part, one)),
                *(amount(n_bytes / 1e6) for n_bytes in _memory_bytes(one)),
            ]
            for one in part["batches"].values()
        ]
        told += [
            f"On {part['cores']} cores. Computing alone: {amount(part['computing_cpu_s'])} s.\n",
            table(
                [
                    "recordings",
                    "together (s)",
                    "processor (s)",
                    "a recording (s)",
                    "beyond computing (s)",
                    "Snakemake's memory, first (MB)",
                    "last but one (MB)",
                    "at the end (MB)",
                ],
                rows,
            ),
        ]
    return "\n".join(told)


def draw(found: Found) -> Figure | None:
    """Processor seconds of a recording by their number, and Snakemake's memory on the way."""
    if RECORDINGS not in found:
        return None
    from figures.canvas import BEFORE, ON, bare, new_figure

    part = found[RECORDINGS]
    batches = list(part["batches"].values())
    figure = new_figure(2.8)
    seconds, memory = figure.subplots(1, 2)
    counts = [str(one["recordings"]) for one in batches]
    seconds.bar(counts, [one["cpu_s"] / one["recordings"] for one in batches], 0.6, color=ON)
    seconds.axhline(part["computing_cpu_s"], color=BEFORE)
    seconds.set_title("A recording")
    seconds.set_xlabel("recordings")
    seconds.set_ylabel("processor (s)")
    for one in batches:
        tenths = [10 * (i + 1) for i, n_bytes in enumerate(one["parent_bytes"]) if n_bytes]
        sizes = [n_bytes / 1e6 for n_bytes in one["parent_bytes"] if n_bytes]
        memory.plot(tenths, sizes, label=str(one["recordings"]))
    memory.set_ylim(0)
    memory.set_title("Snakemake's memory")
    memory.set_xlabel("recordings done (%)")
    memory.set_ylabel("MB")
    memory.legend(title="recordings", frameon=False)
    for axes in (seconds, memory):
        bare(axes, "top", "right")
    return figure


def _batches(found: Found) -> list[Any]:
    return [found[RECORDINGS]] if RECORDINGS in found else []


def _memory_bytes(one: Any) -> tuple[int, int, int]:
    """In the first tenth, the last but one, the last; of few recordings those next to them."""
    *jobs, end = one["parent_bytes"]
    seen = [n_bytes for n_bytes in jobs if n_bytes]
    return seen[0], seen[-1], end or seen[-1]


def _beyond_s(part: Any, one: Any) -> float:
    return float(one["cpu_s"] / one["recordings"] - part["computing_cpu_s"])


BATCH = Topic(
    "batch",
    "Batches",
    _SAYS,
    (PLANNING, RECORDINGS),
    run,
    claims,
    section,
    draw,
    "Processor seconds of a recording of 10, 100 and 300, with those of computing alone as a line, "
    "and the memory of Snakemake's process as they are done",
)
