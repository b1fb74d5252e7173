"""Light that goes on and off: what is counted around each edge, and what the indices compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures.canvas import (
    BEFORE,
    BLUE,
    BOTH,
    GREEN,
    OFF,
    ON,
    SPIKES,
    bare,
    new_figure,
    note,
    raster,
)  # fmt: skip
from figures.cells import by_trial, fire, trains, trials_of_movie
from hdmea.features.green_blue import GreenBlueParams, green_blue
from hdmea.features.inputs import FeatureInputs
from hdmea.features.light_edges import AFTER_PEAK_S, EdgeParams
from hdmea.features.on_off import OnOffParams, on_off
from hdmea.report.palette import LIGHT

N_TRIALS = 20
PAPER = {"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 1}


def draw_on_off() -> Figure:
    """Windows around light on and off, the changes of the rate, peak, and the index."""
    params = OnOffParams()
    on_s, off_s, length_s = 1.2, 3.2, 5.0
    trials = trials_of_movie("step", N_TRIALS, length_s, {"light_on": on_s, "light_off": off_s})

    def rate(t: np.ndarray) -> np.ndarray:
        t = t % length_s
        lit = (t > on_s) & (t < off_s)
        return 6 + 3 * lit + _burst(t, on_s, 90, 0.16) + _burst(t, off_s, 40, 0.14)

    spikes = fire(np.random.default_rng(4), rate, N_TRIALS * length_s, 120)
    found = on_off(FeatureInputs(trains(spikes), trials=trials), params).values

    figure = new_figure(5.2)
    panels = figure.subplot_mosaic(
        [["light"], ["raster"], ["psth"], ["index"]], height_ratios=[0.22, 1, 2.4, 0.55]
    )
    _light(panels["light"], length_s, [(on_s, off_s, LIGHT, "light on")])
    _raster(panels["raster"], by_trial(spikes, trials), length_s)
    axes = panels["psth"]
    _psth(axes, found, length_s)
    for name, edge_s, colour in (("on", on_s, ON), ("off", off_s, OFF)):
        _edge(axes, found, name, edge_s, params, colour)
    _peak(axes, found, "on", on_s)
    axes.set_xlabel("time from the trial's start (s)")

    r_on, r_off, index = (found[k][0] for k in ("r_on_hz", "r_off_hz", "on_off_index"))
    cut = params.class_cut
    zones = [(-1, -cut, OFF, "off"), (-cut, cut, BOTH, "on_off"), (cut, 1, ON, "on")]
    r_off = max(r_off, 0)
    said = f"on_off_index = ({r_on:.1f} - {r_off:.1f}) / ({r_on:.1f} + {r_off:.1f}) = {index:.2f}"
    _index(panels["index"], index, said, zones)
    return figure


def draw_green_blue() -> Figure:
    """The same windows around four edges, and an index for light on and one for light off."""
    params = GreenBlueParams()
    length_s = 8.4
    events = {"green_on": 1.2, "green_off": 3.2, "blue_on": 5.0, "blue_off": 7.0}
    strengths = {"green_on": (70, 0.2), "green_off": (22, 0.12), "blue_on": (28, 0.2),
                 "blue_off": (55, 0.16)}  # fmt: skip
    trials = trials_of_movie("green_blue", N_TRIALS, length_s, events)

    def rate(t: np.ndarray) -> np.ndarray:
        t = t % length_s
        return 6 + sum(_burst(t, events[name], *strengths[name]) for name in events)

    spikes = fire(np.random.default_rng(1), rate, N_TRIALS * length_s, 90)
    found = green_blue(FeatureInputs(trains(spikes), trials=trials), params).values

    figure = new_figure(5.2)
    panels = figure.subplot_mosaic([["light"] * 2, ["raster"] * 2, ["psth"] * 2, ["on", "off"]],
        height_ratios=[0.22, 1, 2.2, 0.55],
    )  # fmt: skip
    lit = [
        (events[f"{name}_on"], events[f"{name}_off"], colour, f"{name} light")
        for name, colour in (("green", GREEN), ("blue", BLUE))
    ]
    _light(panels["light"], length_s, [(*rest[:2], f"{rest[2]}55", rest[3]) for rest in lit])
    _raster(panels["raster"], by_trial(spikes, trials), length_s)
    _psth(panels["psth"], found, length_s)
    for name, edge_s in events.items():
        colour = GREEN if name.startswith("green") else BLUE
        _edge(panels["psth"], found, name, edge_s, params, colour, named=name == "green_on")
    panels["psth"].set_xlabel("time from the trial's start (s)")
    zones = [(-1, 0, BLUE, "blue only"), (0, 1, GREEN, "green only")]
    for edge in ("on", "off"):
        g, b = (max(found[f"r_{colour}_{edge}_hz"][0], 0) for colour in ("green", "blue"))
        index = found[f"chromatic_index_{edge}"][0]
        said = f"light {edge}: ({g:.1f} - {b:.1f}) / ({g:.1f} + {b:.1f}) = {index:.2f}"
        _index(panels[edge], index, said, zones)
    return figure


def _burst(t: np.ndarray, edge_s: float, height_hz: float, decay_s: float) -> np.ndarray:
    """A response that begins 60 ms after an edge."""
    since = t - edge_s - 0.06
    return np.where(since > 0, height_hz * np.exp(-np.maximum(since, 0) / decay_s), 0.0)


def _light(axes: Axes, length_s: float, lit: list[tuple[float, float, str, str]]) -> None:
    axes.axhspan(0, 1, color="#4A4A4A", lw=0)
    for start, stop, colour, said in lit:
        axes.axvspan(start, stop, color="white", lw=0)
        axes.axvspan(start, stop, color=colour, lw=0)
        note(axes, (start + stop) / 2, 0.45, said, ha="center", va="center", color="black")
    note(axes, 0.1, 0.45, "dark", color="white", va="center")
    axes.set(xlim=(0, length_s), ylim=(0, 1))
    bare(axes, "left", "bottom")


def _raster(axes: Axes, rows: list[np.ndarray], length_s: float) -> None:
    raster(axes, rows)
    axes.set_xlim(0, length_s)
    bare(axes, "left", "bottom")
    axes.set_ylabel(f"{len(rows)} trials")


def _psth(axes: Axes, found: Mapping[str, Any], length_s: float) -> None:
    start, rate = found["psth_bin_start_s"], found["psth_hz"][0]
    edges = np.append(start, start[-1] + start[1] - start[0])
    axes.stairs(rate, edges, fill=True, color="#C9C9C9")
    axes.set(xlim=(0, length_s), ylim=(0, 1.3 * rate.max()), ylabel="rate (Hz)")


def _edge(
    axes: Axes,
    found: Mapping[str, Any],
    name: str,
    edge_s: float,
    params: EdgeParams,
    colour: str,
    *,
    named: bool = True,
) -> None:
    """Baseline and response window with their mean rates, and the difference."""
    n = found["n_trials"][0]
    before = found[f"n_spikes_{name}_baseline"][0] / (n * params.baseline_s)
    after = found[f"n_spikes_{name}"][0] / (n * params.window_s)
    start, stop = edge_s - params.baseline_s, edge_s + params.window_s
    axes.axvspan(start, edge_s, color=BEFORE, alpha=0.22, lw=0)
    axes.axvspan(edge_s, stop, color=colour, alpha=0.22, lw=0)
    axes.hlines(before, start, edge_s, color="#555555", lw=2.2)
    axes.hlines(after, edge_s, stop, color=colour, lw=2.2)
    axes.hlines(before, edge_s, stop + 0.12, color="#555555", lw=0.8, ls=":")
    at = stop + 0.06
    axes.annotate("", (at, after), (at, before), arrowprops={"arrowstyle": "->", "color": colour,
                  "lw": 1.6, "shrinkA": 0, "shrinkB": 0})  # fmt: skip
    top = axes.get_ylim()[1]
    label = f"r_{name}_hz"
    said = f"{label}\n= {found[label][0]:+.1f}"
    middle = max((before + after) / 2, 0.12 * top)
    note(axes, at + 0.06, middle, said, color=colour, va="center", bbox=PAPER)
    if named:
        note(axes, edge_s - 0.03, 0.985 * top, "baseline_s", ha="right", va="top")
        note(axes, edge_s + 0.03, 0.985 * top, "window_s", va="top", color=colour)


def _peak(axes: Axes, found: Mapping[str, Any], name: str, edge_s: float) -> None:
    """The largest bin, its latency, and where the rate is compared for the transience."""
    height, late = found[f"peak_rate_{name}_hz"][0], found[f"latency_to_peak_{name}_ms"][0]
    at = edge_s + late / 1000
    axes.plot(at, height, "v", ms=5, color=SPIKES, zorder=5)
    note(axes, at + 0.5, height, f"peak {height:.0f} Hz, {late:.0f} ms after light {name}",
         va="center", color=SPIKES)  # fmt: skip
    axes.plot([at + 0.05, at + 0.48], [height, height], color=SPIKES, lw=0.7)
    bins = found["psth_bin_start_s"]
    after = [at + seconds for seconds in AFTER_PEAK_S]
    later = found["psth_hz"][0][(bins > after[0] - 0.01) & (bins < after[1] - 0.01)].mean()
    axes.hlines(later, *after, color=SPIKES, lw=3)
    axes.annotate(
        f"0.35-0.45 s after the peak: transience {found[f'transience_{name}'][0]:.2f}",
        (after[1], later), (at + 0.5, 0.78 * height), fontsize=8.5, color=SPIKES, va="center",
        arrowprops={"arrowstyle": "-", "lw": 0.7, "color": SPIKES, "relpos": (0, 0.3)},
    )  # fmt: skip


def _index(axes: Axes, index: float, said: str, zones: list[tuple[float, float, str, str]]) -> None:
    for start, stop, colour, name in zones:
        axes.axvspan(start, stop, color=colour, alpha=0.25, lw=0)
        note(axes, start + 0.02, 0.5, name, va="center", color=colour)
    axes.axvline(index, color=SPIKES, lw=2.5)
    axes.set(xlim=(-1, 1), ylim=(0, 1), xticks=[-1, -0.5, 0, 0.5, 1])
    axes.set_title(said)
    bare(axes, "left")
