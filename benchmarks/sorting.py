"""The units of a large .cmtr file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Way, alone, contest
from benchmarks.contests import medians, stored
from benchmarks.topic import Claim, Found, Topic, ways

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_UNITS, N_PEAKS = 1000, 100_000
HDMEA, VENDOR = "hdmea", "McsPyDataTools"
_HERE = "benchmarks.sorting_ways"
_SAYS = f"""
A `.cmtr` file of {N_UNITS:,} units with {N_PEAKS:,} peaks each, nine of ten of which are spikes.
hdmea reads what it needs of a sorting: all spike times in one array of seconds, places and
measures, checked. McsPyDataTools makes its objects of all units (`get_units_by_id`), and gives the
time stamps of each (`get_peaks_timestamps`). The peaks have no cut-outs; where a file has them,
both read more.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:  # noqa: ARG001 (one part)
    """Write the file, and read it in both ways."""
    case = {"n_units": max(4, round(N_UNITS * share)), "n_peaks": N_PEAKS}
    place = {"folder": str(folder)}
    n_bytes = alone(Way("write", f"{_HERE}:write", place | case, warm_up=False), rounds=1).result
    both = [
        Way(HDMEA, f"{_HERE}:hdmea", place),
        Way(VENDOR, f"{_HERE}:vendor", place, rounds=3),
    ]
    found = contest(both, rounds=5)
    return stored(found, bytes=n_bytes, spikes_bytes=8 * found[HDMEA].result[0])


def claims(found: Found) -> list[Claim]:
    """Times, and memory."""
    made = []
    for part in found.values():
        at, one = medians(part), part["ways"][HDMEA]
        taken = (one["peak_bytes"] - one["start_bytes"]) / part["spikes_bytes"]
        made += [
            Claim("read by McsPyDataTools", at[VENDOR] / at[HDMEA], at_least=5, unit="x"),
            Claim("memory, of the size of the spikes", taken, at_most=2, unit="x"),
        ]
    return made


def section(found: Found) -> str:
    """Both ways."""
    return "\n".join(ways(part["ways"]) for part in found.values())


def draw(found: Found) -> Figure | None:
    """Seconds of both."""
    if not found:
        return None
    from benchmarks.pictures import bars

    return bars({"Reading all units": found["units"]["ways"]})


SORTING = Topic(
    "sorting",
    "A sorted recording",
    _SAYS,
    ("units",),
    run,
    claims,
    section,
    draw,
    "Seconds to read all units of a .cmtr file",
    """
Four tenths of hdmea's time are the peaks: they are read as rows, and those that are spikes are
picked, judged and divided. The rest are HDF5's objects around them. Of each unit two tables and a
dozen attributes are looked at, and where their values lie, how they are filtered and of which
numbers they are is checked before any of them is read.
""",
)
