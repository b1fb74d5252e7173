"""Both modes of the workflow, on the demo's recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Way, alone, contest
from benchmarks.contests import medians, stored
from benchmarks.mode_ways import MADE
from benchmarks.topic import Claim, Found, Topic, amount, table, ways

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_RECORDINGS, N_UNITS = 6, 48
ROUNDS = 3
MODES = ("deferred", "immediate")
COMPUTING = "computing alone"
_HERE = "benchmarks.mode_ways"
_SAYS = f"""
{N_RECORDINGS} recordings of {N_UNITS} units as `make demo` simulates them, through Snakemake on one
core with `config/config.yaml`, from nothing. *Computing alone* runs the same steps in one process
that has imported everything, and saves nothing. What a mode takes beyond that is the price of
processes, files, tables, pictures and Snakemake itself. All three give sessions of the same
content.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:  # noqa: ARG001 (one part)
    """Simulate, and run all in turn: differences of minutes need more than one round."""
    n_recordings = max(1, round(N_RECORDINGS * share))
    place = {"folder": str(folder)}
    case = place | {"recordings": n_recordings, "units": N_UNITS}
    alone(Way("simulate", f"{_HERE}:simulate", case, warm_up=False), rounds=1)
    found = contest(
        [
            Way(COMPUTING, f"{_HERE}:computing", place, warm_up=False),
            *(
                Way(mode, f"{_HERE}:workflow", place | {"mode": mode}, warm_up=False)
                for mode in MODES
            ),
        ],
        rounds=ROUNDS,
    )
    sizes = {mode: {made: _bytes(folder / mode / made) for made in MADE} for mode in MODES}
    return stored(found, bytes=sizes, recordings=n_recordings)


def _bytes(folder: Path) -> int:
    """What lies in a folder; a file of two names counts once."""
    files = {
        path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()
    }
    return sum(files.values())


def claims(found: Found) -> list[Claim]:
    """What modes take beyond computing."""
    made = []
    for part in found.values():
        at = medians(part)
        beyond = {mode: at[mode] - at[COMPUTING] for mode in MODES}
        made += [
            Claim(
                "deferred beyond computing, of immediate", beyond["deferred"] / beyond["immediate"],
                at_most=0.333, unit="x",
            ),
            *(Claim(f"{mode} beyond computing", beyond[mode], unit=" s") for mode in MODES),
        ]  # fmt: skip
    return made


def section(found: Found) -> str:
    """Times and bytes."""
    told = []
    for part in found.values():
        rows = [
            [mode, *(amount(sizes[made] / 1e6) for made in MADE)]
            for mode, sizes in part["bytes"].items()
        ]
        told += [ways(part["ways"]), table(["mode", *(f"`{made}` (MB)" for made in MADE)], rows)]
    return "\n".join(told)


def draw(found: Found) -> Figure | None:
    """Seconds of each."""
    if not found:
        return None
    from benchmarks.pictures import bars

    return bars({"Six recordings": found["workflow"]["ways"]})


MODES_TOPIC = Topic(
    "modes",
    "Immediate and deferred mode",
    _SAYS,
    ("workflow",),
    run,
    claims,
    section,
    draw,
    "Seconds of six recordings in both modes, and of computing alone",
)
