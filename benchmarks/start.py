"""How long a job takes to start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Way, alone, contest
from benchmarks.contests import fastest, stored
from benchmarks.topic import Claim, Found, Topic, ways

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROUNDS = 15
FACE, PYTHON = "import hdmea.pipeline", "python, nothing else"
PROGRAMS = {
    FACE: ["-c", "import hdmea.pipeline"],
    "hdmea --help": ["-m", "hdmea", "--help"],
    "numpy, h5py and pandas alone": ["-c", "import numpy, h5py, pandas"],
    PYTHON: ["-c", "pass"],
}
_HERE = "benchmarks.start_ways"
_SAYS = """
Each job of the workflow starts a Python. What is measured is the whole program: the interpreter
starts, imports, and ends. The bound is for the import alone, the difference to a Python that does
nothing.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:  # noqa: ARG001 (as all topics)
    """Start each program in turn."""
    found = contest(
        [Way(name, f"{_HERE}:program", {"words": words}) for name, words in PROGRAMS.items()],
        rounds=max(3, round(ROUNDS * share)),
    )
    help_way = Way("help", f"{_HERE}:loaded", {"words": ["--help"], "package": "numpy"})
    return stored(found, numpy_modules=alone(help_way, rounds=1).result)


def claims(found: Found) -> list[Claim]:
    """The bounds."""
    made = []
    for part in found.values():
        at = fastest(part)
        made += [
            Claim("import of the public face", at[FACE] - at[PYTHON], at_most=0.5, unit=" s"),
            Claim("modules of numpy that `hdmea --help` loads", part["numpy_modules"], at_most=0),
        ]
    return made


def section(found: Found) -> str:
    """All programs."""
    return "\n".join(ways(part["ways"]) for part in found.values())


def draw(found: Found) -> Figure | None:
    """Seconds of each program."""
    if not found:
        return None
    from benchmarks.pictures import bars

    return bars({"Starting and ending": found["programs"]["ways"]})


START = Topic(
    "start",
    "The start of a job",
    _SAYS,
    ("programs",),
    run,
    claims,
    section,
    draw,
    "Seconds from the start of a program to its end",
)
