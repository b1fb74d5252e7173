"""Spikes in trials, and all features, of many units with many spikes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contest import Way, alone, contest
from benchmarks.contests import fastest, medians, stored
from benchmarks.topic import Claim, Found, Topic, amount, table, ways

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_UNITS, N_SPIKES = 1000, 100_000
N_CELLS, REPEATS = 24, 4
HDMEA, FIRST, MASKS = "hdmea", "hdmea, as the first step", "masks in a loop"
_HERE = "benchmarks.feature_ways"
_SAYS = f"""
{N_CELLS} simulated cells see every kind of stimulus {REPEATS} times over (46 minutes, 68 trials).
{N_UNITS:,} units fire as they do, with {N_SPIKES:,} spikes each: a unit's spikes are drawn from
those of a cell and shifted by some milliseconds. *Sections* are the spikes of each unit in each
trial; the other way compares all spikes of a unit with the edges of each trial. Whether trains are
sorted is looked at once in a session, by the first step that needs them: that is *as the first
step*. *Features* are all that hdmea has, with their default parameters, computed one after the
other after `compute_sta`, with two threads.
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Record, and measure one part; the recording is the same with any share."""
    recorded = {"folder": str(folder), "n_cells": N_CELLS, "repeats": REPEATS}
    once = Way("record", f"{_HERE}:record", recorded, warm_up=False)
    n_trials = alone(once, rounds=1).result
    case = {
        "folder": str(folder),
        "n_units": max(4, round(N_UNITS * share)),
        "n_spikes": N_SPIKES,
    }
    told = {"n_trials": n_trials, "n_units": case["n_units"]}
    if part == "sections":
        both = [
            Way(HDMEA, f"{_HERE}:sections", case),
            Way(FIRST, f"{_HERE}:first_sections", case),
            Way(MASKS, f"{_HERE}:masks", case, rounds=1, warm_up=False),
        ]
        return stored(contest(both, rounds=3), **told)
    all_of_it = Way(HDMEA, f"{_HERE}:features", case, warm_up=False)
    found = alone(all_of_it, rounds=1)
    return stored({HDMEA: found}, **told, took=found.result)


def claims(found: Found) -> list[Claim]:
    """The bounds of the parts that were found."""
    made = []
    if "sections" in found:
        at = medians(found["sections"])
        made.append(Claim("sections, by masks", at[MASKS] / at[HDMEA], at_least=50, unit="x"))
    if "features" in found:
        one = found["features"]["ways"][HDMEA]
        n_units = found["features"]["n_units"]
        made += [
            Claim(
                f"all features of {n_units:,} units",
                fastest(found["features"])[HDMEA],
                at_most=20 * n_units / N_UNITS,  # of a share, a share
                unit=" s",
            ),
            Claim("all features, time of processors", one["cpu_s"][0], unit=" s"),
        ]
    return made


def section(found: Found) -> str:
    """Ways, and what each feature took."""
    told = [f"### {part.capitalize()}\n\n{ways(one['ways'])}" for part, one in found.items()]
    if "features" in found:
        n_units = found["features"]["n_units"]
        rows = [
            [f"`{name}`", amount(seconds), amount(1e3 * seconds / n_units)]
            for name, seconds in found["features"]["took"].items()
        ]
        told.append(table(["feature", "processor time (s)", "for a unit (ms)"], rows))
    return "\n".join(told)


def draw(found: Found) -> Figure | None:
    """Processor time of each feature."""
    if "features" not in found:
        return None
    from figures.canvas import ON, bare, new_figure

    took = found["features"]["took"]
    figure = new_figure(0.9 + 0.28 * len(took))
    axes = figure.subplots()
    axes.barh(range(len(took)), list(took.values()), 0.62, color=ON)
    axes.set_yticks(range(len(took)), list(took))
    axes.invert_yaxis()
    axes.set_xlabel(f"processor time (s), {found['features']['n_units']:,} units")
    bare(axes, "top", "right")
    return figure


FEATURES = Topic(
    "features",
    "Sections and features",
    _SAYS,
    ("sections", "features"),
    run,
    claims,
    section,
    draw,
    "Processor time of each feature",
    """
More than half of the processor time of all features is that of `dense_noise`. Half of that is the
fit of fields to the spikes, four or five steps over all frames, in which no function takes more
than a sixth; a quarter are the Fourier transforms of the circular shifts, the rest temporal filters
and fits of Gaussians to maps. The next are `unit_quality`, and `moving_bar`, whose permutations are
products. A second thread gains half of what it could.
""",
)
