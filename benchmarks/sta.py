"""Spike-triggered averages: beside other libraries, of one product per lag, and of any size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.contest import ContestError, Measured, Way, alone, contest
from benchmarks.contests import medians, stored
from benchmarks.topic import Claim, Found, Topic, amount, table, ways

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_FRAMES, N_LAGS = 10_800, 60
SMALL = {"side": 15, "n_units": 200, "n_spikes": 2000, "n_frames": N_FRAMES}
MEDIUM = {"side": 60, "n_units": 500, "n_spikes": 10_000, "n_frames": N_FRAMES}
LARGE = {"rows": 300, "columns": 300, "n_units": 1000, "n_spikes": 10_000, "n_frames": N_FRAMES}
N_BY_SPIKE = 5
"""Units that the slowest way computes of the medium size; its time is scaled to all."""
HDMEA, SINGLE, LAGS, LAGS_32 = "hdmea", "hdmea, single", "a product per lag", "the same, float32"
PYNAPPLE, BY_SPIKE = "pynapple", "spike by spike, as pyret"
HELD = "held images"
PEAK, PEAK_32 = "peak", "peak, float32"
Z, HELD_Z = "with z", "held images, with z"
SWEPT: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "units": ("n_units", (50, 100, 200, 400, 800, 1600)),
    "pixels": ("side", (8, 15, 30, 60)),
    "frames": ("n_frames", (2700, 5400, 10_800, 21_600, 43_200)),
    "spikes": ("n_spikes", (500, 2000, 8000, 32_000, 128_000)),
}
"""What is varied from the small size, one at a time."""
_HERE = "benchmarks.sta_ways"
_SAYS = f"""
Noise of 256 grey levels, {N_LAGS} lags. *Small*: 200 units with 2,000 spikes, 15 x 15 pixels,
{N_FRAMES:,} frames; *medium*: 500 units with 10,000 spikes, 60 x 60 pixels; *large*: 1,000 units
with 10,000 spikes, 300 x 300 pixels, whose result has 21.6 GB. Every frame is a new image, the most
that there can be to do; rows of *held images* have a new one every fourth frame. All ways begin
with spike times and give the mean in float32, the same to the bit (but for `precision="single"`);
hdmea computes with two threads.

*A product per lag*: counts times frames, shifted, a matrix product that BLAS spreads over all
cores. *Spike by spike*: the windows of all frames with spikes are gathered, weighted and added, as
`sta` of pyret 0.6.0 does it; pyret itself needs much that the oracles do not. *pynapple*:
`compute_event_triggered_average`. *Peak*: a product of two matrices of 4,000 x 4,000, in the same
rounds; hdmea's share of it counts the operations of its products only
([`hdmea/kernels/lagged_sums.py`](../hdmea/kernels/lagged_sums.py)).
"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """One contest."""
    return _PARTS[part](folder, share)


def _small(_: Path, share: float) -> dict[str, Any]:
    size = _scaled(SMALL, share)
    found = _same([
        Way(HDMEA, f"{_HERE}:hdmea", size),
        Way(BY_SPIKE, f"{_HERE}:spike_by_spike", size | {"n_done": size["n_units"]}, rounds=3),
        Way(PYNAPPLE, f"{_HERE}:pynapple", size, is_peer=True, rounds=1, warm_up=False),
    ], rounds=7)  # fmt: skip
    return stored(found)


def _medium(_: Path, share: float) -> dict[str, Any]:
    size = _scaled(MEDIUM, share)
    slow = {"rounds": 2, "warm_up": False}
    n_done = min(N_BY_SPIKE, size["n_units"])
    found = _same([
        Way(HDMEA, f"{_HERE}:hdmea", size),
        Way(SINGLE, f"{_HERE}:hdmea", size | {"precision": "single"}),
        Way(LAGS, f"{_HERE}:product_per_lag", size | {"dtype": "float64"}, **slow),
        Way(LAGS_32, f"{_HERE}:product_per_lag", size | {"dtype": "float32"}, **slow),
        Way(BY_SPIKE, f"{_HERE}:spike_by_spike", size | {"n_done": n_done}, **slow),
        Way(PEAK, f"{_HERE}:peak", {"dtype": "float64"}),
        Way(PEAK_32, f"{_HERE}:peak", {"dtype": "float32"}),
    ], rounds=3)  # fmt: skip
    peaks = {name: 2 * 4000**3 / found[name].median_s / 1e9 for name in (PEAK, PEAK_32)}
    return stored(
        found,
        operations=_operations(size),
        gflops=peaks,
        scaled_by=size["n_units"] / n_done,
    )


def _with_z(_: Path, share: float) -> dict[str, Any]:
    sizes = {"small": _scaled(SMALL, share), "medium": _scaled(MEDIUM, share)}
    found = {}
    for name, size in sizes.items():
        ways_of = [
            Way(title, f"{_HERE}:hdmea", size | {"hold": hold, "with_z": with_z})
            for title, hold, with_z in (
                (HDMEA, 1, False), (Z, 1, True), (HELD, 4, False), (HELD_Z, 4, True)
            )
        ]  # fmt: skip
        contested = contest(ways_of, rounds=7 if name == "small" else 3, same=False)
        found[name] = stored(contested)
    return {"sizes": found}


def _sweep(_: Path, share: float) -> dict[str, Any]:
    """CPU seconds of one thread: what others do on the machine counts less."""
    found: dict[str, Any] = {}
    for name, (argument, values) in SWEPT.items():
        # all sizes in turn, so that load disturbs them alike
        sizes = [value for value in values if share >= 1 or value <= 4 * SMALL[argument]]
        swept = contest(
            [Way(str(v), f"{_HERE}:hdmea", SMALL | {argument: v, "threads": 1}) for v in sizes],
            rounds=5,
            same=False,
        )
        found[name] = {
            "sizes": [v**2 if argument == "side" else v for v in sizes],
            "cpu_s": [median(swept[str(v)].cpu_s) for v in sizes],
        }
    return {"swept": found}


def _large(folder: Path, share: float) -> dict[str, Any]:
    size = LARGE | {"rows": max(1, round(LARGE["rows"] * share)), "folder": str(folder)}
    found = alone(Way(HDMEA, f"{_HERE}:session", size, warm_up=False), rounds=1)
    if found.result["wrong"]:
        raise ContestError(f"{found.result['wrong']} values of the large STA are wrong")
    return stored({HDMEA: found}, rows=size["rows"], **found.result)


_PARTS = {
    "small": _small,
    "medium": _medium,
    "z": _with_z,
    "sweep": _sweep,
    "a tenth of the large": lambda folder, share: _large(folder, share / 10),
    "large": _large,
}


def _scaled(size: Mapping[str, int], share: float) -> dict[str, int]:
    return dict(size) | {"n_units": max(5, round(size["n_units"] * share))}


def _same(ways_of: list[Way], rounds: int) -> dict[str, Measured]:
    """A contest in which all averages in double precision must be the same."""
    found = contest(ways_of, rounds=rounds, same=False)
    results = {one.result for one in found.values() if isinstance(one.result, str)}
    if len(results) != 1:
        raise ContestError(f"the averages differ: {sorted(results)}")
    return found


def _operations(size: Mapping[str, int]) -> float:
    """Of the products of the block FFT, for all pixels."""
    from hdmea.kernels.lagged_sums import cheapest_blocks

    n_weights = size["n_frames"] - N_LAGS + 1
    blocks = cheapest_blocks(size["n_units"], n_weights, N_LAGS)
    if blocks is None:
        raise ContestError("the medium size is computed directly")
    per_unit = 4.0 * blocks.n_frequencies * (2 * blocks.number + N_LAGS)
    return per_unit * size["n_units"] * size["side"] ** 2


def slope(swept: Mapping[str, Any]) -> float:
    """By which power of the size the time grows: least squares of the logarithms.

    Examples
    --------
    >>> round(slope({"sizes": [1, 2, 4], "cpu_s": [3, 6, 12]}), 6)
    1.0
    """
    return float(np.polyfit(np.log(swept["sizes"]), np.log(swept["cpu_s"]), 1)[0])


def claims(found: Found) -> list[Claim]:
    """The bounds of the parts that were found."""
    made: list[Claim] = []
    if "small" in found:
        at = medians(found["small"])
        made += [
            Claim("small, pynapple", at[PYNAPPLE] / at[HDMEA], at_least=20, unit="x"),
            Claim("small, spike by spike", at[BY_SPIKE] / at[HDMEA], at_least=10, unit="x"),
        ]
    if "medium" in found:
        part = found["medium"]
        at = medians(part)
        by_spike = at[BY_SPIKE] * part["scaled_by"] / at[HDMEA]
        made += [
            Claim("medium, a product per lag", at[LAGS] / at[HDMEA], at_least=3, unit="x"),
            Claim("medium, the same in float32", at[LAGS_32] / at[HDMEA], at_least=3, unit="x"),
            Claim("medium, spike by spike (scaled)", by_spike, at_least=100, unit="x"),
            Claim("medium, of the peak", 100 * _of_peak(part, HDMEA), at_least=25, unit=" %"),
            Claim(
                "medium, single precision, of its peak",
                100 * _of_peak(part, SINGLE),
                at_least=25,
                unit=" %",
            ),
        ]
    for name, size in found.get("z", {}).get("sizes", {}).items():
        at = medians(size)
        made += [
            Claim(f"{name}, with z, of the time without", at[Z] / at[HDMEA], at_most=2, unit="x"),
            Claim(
                f"{name}, held images, with z, of the time without",
                at[HELD_Z] / at[HELD],
                at_most=2,
                unit="x",
            ),
        ]
    for name, swept in found.get("sweep", {}).get("swept", {}).items():
        most = 0.1 if name == "spikes" else 1.1
        made.append(Claim(f"time grows with {name} to the power of", slope(swept), at_most=most))
    for part in ("a tenth of the large", "large"):
        if part in found:
            own = found[part]["ways"][HDMEA]["own_bytes"] / 1e9
            made.append(Claim(f"{part}, memory", own, at_most=4, unit=" GB"))
    return made


def _of_peak(part: Mapping[str, Any], way: str) -> float:
    gflops = part["operations"] / medians(part)[way] / 1e9
    return float(gflops / part["gflops"][PEAK if way == HDMEA else PEAK_32])


def section(found: Found) -> str:
    """A table for each part."""
    said = [
        f"### {part.capitalize()}\n\n{ways(found[part]['ways'])}"
        for part in ("small", "medium")
        if part in found
    ]
    if "medium" in found:
        gflops = found["medium"]["gflops"]
        said.append(
            f"*Spike by spike* did {N_BY_SPIKE} units there, in the bounds above its time is "
            f"scaled to all. Peak: {amount(gflops[PEAK])} and, in float32, "
            f"{amount(gflops[PEAK_32])} GFLOP/s.\n"
        )
    for name, size in found.get("z", {}).get("sizes", {}).items():
        said.append(f"### With z, {name}\n\n{ways(size['ways'])}")
    if "sweep" in found:
        rows = [
            [name, ", ".join(f"{v:,}" for v in swept["sizes"]),
             ", ".join(amount(v) for v in swept["cpu_s"]), f"{slope(swept):.2f}"]
            for name, swept in found["sweep"]["swept"].items()
        ]  # fmt: skip
        head = ["varied", "sizes", "CPU seconds, one thread", "power"]
        said.append(
            f"### Any size\n\nThe small size, with one number varied.\n\n{table(head, rows)}"
        )
    rows = [
        [f"{one['rows']} x {LARGE['columns']}", amount(one["result_bytes"] / 1e9),
         amount(one["computed_s"]), amount(medians(one)[HDMEA]),
         amount(one["ways"][HDMEA]["own_bytes"] / 1e9)]
        for part, one in found.items() if part in ("a tenth of the large", "large")
    ]  # fmt: skip
    if rows:
        head = [
            "pixels",
            "result (GB)",
            "computed (s)",
            "saved and checked as well (s)",
            "own memory (GB)",
        ]
        said.append(
            "### Large\n\n`compute_sta(z=False)` on a session that may take 1 GB, and `save`: the "
            "result is put on disk as it is computed, and copied from there into the file. *Own "
            "memory*: what is not pages of files, which the system takes back when it needs them. "
            "Some values are compared with means of integers.\n\n" + table(head, rows)
        )
    return "\n".join(said)


def draw(found: Found) -> Figure | None:
    """How long it takes over what there is of everything, both logarithmic."""
    if "sweep" not in found:
        return None
    from figures.canvas import BEFORE, ON, bare, new_figure, plain_numbers

    figure = new_figure(2.6)
    swept = found["sweep"]["swept"]
    panels = figure.subplots(1, len(swept), sharey=True)
    for axes, (name, one) in zip(panels, swept.items(), strict=True):
        sizes, seconds = np.array(one["sizes"]), np.array(one["cpu_s"])
        axes.loglog(sizes, seconds[0] * sizes / sizes[0], "--", color=BEFORE)
        axes.loglog(sizes, seconds, "o-", color=ON, ms=4)
        plain_numbers(axes)
        axes.set_ylim(seconds.min() / 3, 5 * max(max(s["cpu_s"]) for s in swept.values()))
        axes.set_xticks([sizes[0], sizes[-1]], [f"{sizes[0]:,}", f"{sizes[-1]:,}"])
        axes.minorticks_off()
        axes.set_title(name)
        bare(axes, "top", "right")
    panels[0].set_ylabel("CPU seconds")
    return figure


STA = Topic(
    "sta",
    "Spike-triggered averages",
    _SAYS,
    tuple(_PARTS),
    run,
    claims,
    section,
    draw,
    "CPU seconds of an STA over units, pixels, frames and spikes; dashed: in proportion",
    on_request=frozenset({"large"}),
)
