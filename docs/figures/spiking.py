"""Spikes alone: rate between frames, irregularity, and how well a unit is isolated."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import BEFORE, BOTH, OFF, ON, SPIKES, bare, new_figure, note, raster
from figures.cells import trains, trials_of_movie
from hdmea.features.baseline import BaselineParams, baseline
from hdmea.features.frif import FrifParams, frif
from hdmea.features.inputs import FeatureInputs, Units
from hdmea.features.unit_quality import UnitQualityParams, unit_quality


def draw_frif() -> Figure:
    """Spikes between display frames, and their number divided by each interval's length."""
    lengths = np.array([1, 1, 1, 2, 1, 1, 1, 1]) / 60
    frames = np.concatenate([[0.0], np.cumsum(lengths)])
    ms = np.array([5, 21, 25, 30, 54, 68, 78, 86, 89, 95, 98, 112])
    found = frif(FeatureInputs(trains(ms / 1000), frame_times_s=frames), FrifParams()).values
    counts, rate = found["counts"][0], found["rate_hz"][0]

    figure = new_figure(3.3)
    panels = figure.subplot_mosaic([["spikes"], ["rate"]], height_ratios=[1, 1.6], sharex=True)
    axes = panels["spikes"]
    axes.vlines(1000 * frames, 0, 1, color=OFF, lw=1.2)
    axes.vlines(ms, 0.12, 0.5, color=SPIKES, lw=1.8)
    for start, length, n in zip(frames[:-1], lengths, counts, strict=True):
        note(axes, 1000 * (start + length / 2), 0.75, f"{n}", ha="center", va="center",
             color=SPIKES, fontsize=10)  # fmt: skip
    axes.set_yticks([0.31, 0.75], ["spikes", "counts"])
    axes.tick_params(left=False, bottom=False)
    axes.set_ylim(0, 1.25)
    note(axes, 0, 1.08, "display frame", color=OFF)
    note(axes, 1000 * frames[3] + 1, 1.08, "the display held a frame: this interval is longer",
         color=OFF)  # fmt: skip
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes = panels["rate"]
    axes.stairs(rate, 1000 * frames, fill=True, color="#F3C9A8")
    axes.stairs(rate, 1000 * frames, color=ON, lw=1.5)
    for i in np.flatnonzero(counts):
        said = f"{counts[i]} / {1000 * lengths[i]:.1f} ms\n= {rate[i]:.0f} Hz"
        note(axes, 1000 * (frames[i] + lengths[i] / 2), rate[i] - 6, said, ha="center", va="top",
             color=ON)  # fmt: skip
    axes.set(xlabel="time (ms)", ylabel="rate_hz", xlim=(-2, 1000 * frames[-1] + 2), ylim=(0, 255))
    return figure


def draw_baseline() -> Figure:
    """Three cells of equal rate: their spikes, intervals and counts in windows."""
    params = BaselineParams()
    rng = np.random.default_rng(3)
    length_s = 60.0
    regular = np.cumsum(rng.gamma(10.0, 0.01, 900))
    poisson = np.cumsum(rng.exponential(0.1, 900))
    bursts = np.cumsum(rng.exponential(0.39, 260))
    bursty = np.sort(np.concatenate([
        start + np.cumsum(rng.gamma(4.0, 0.004, rng.poisson(4.0))) for start in bursts
    ]))  # fmt: skip
    cells = [cell[cell < length_s] for cell in (regular, poisson, bursty)]
    trials = trials_of_movie("grey", 1, length_s)
    found = baseline(FeatureInputs(trains(*cells), trials=trials), params).values

    figure = new_figure(5.0)
    names = ("regular", "Poisson", "bursts")
    kinds = ("spikes", "isi", "counts")
    panels = figure.subplot_mosaic(
        [[f"{kind} {name}" for kind in kinds] for name in names], width_ratios=[2.3, 1, 1]
    )
    window, shown_s = params.fano_window_s, 2.0
    for row, (name, cell, colour) in enumerate(zip(names, cells, (OFF, BEFORE, ON), strict=True)):
        axes = panels[f"spikes {name}"]
        starts = np.arange(0, shown_s - 1e-9, window)
        for start in starts[::2]:
            axes.axvspan(start, start + window, color="#EEEEEE", lw=0)
        raster(axes, [cell[cell < shown_s]], linewidths=1.2, linelengths=0.5)
        counts = np.histogram(cell, np.arange(0, length_s + 1e-9, window))[0]
        for start, n in zip(starts, counts, strict=False):
            note(axes, start + window / 2, -0.42, f"{n}", ha="center", va="center", fontsize=7.5)
        axes.set_xlim(0, shown_s)
        rate = found["mean_rate_hz"][row]
        axes.set_title(f"{name}, mean_rate_hz {rate:.1f}")
        bare(axes, "left")
        axes = panels[f"isi {name}"]
        axes.hist(1000 * np.diff(cell), np.arange(0, 400, 10), color=colour)
        cv, cv2 = found["isi_cv"][row], found["isi_cv2"][row]
        axes.set_title(f"CV {cv:.2f}, CV2 {cv2:.2f}")
        axes.set(xlim=(0, 400), yticks=[], xlabel="interval (ms)" if row == 2 else "")
        axes = panels[f"counts {name}"]
        n, times = np.unique(counts, return_counts=True)
        axes.bar(n, times, width=0.8, color=colour)
        axes.set_title(f"Fano factor {found['fano_factor'][row]:.2f}")
        axes.set(
            xlim=(-0.6, 8.6),
            xticks=range(0, 9, 2),
            yticks=[],
            xlabel=f"spikes in {window:g} s" if row == 2 else "",
        )
    panels["spikes bursts"].set_xlabel(f"time (s); numbers: spikes per fano_window_s, {window:g} s")
    return figure


def draw_unit_quality() -> Figure:
    """Intervals too short for one cell, what part another cell has, presence, and duplicates."""
    params = UnitQualityParams()
    rng = np.random.default_rng(12)
    length_s = 900.0
    cell = _refractory(rng, 18.0, length_s)
    other = _refractory(rng, 2.2, length_s)
    unit = np.sort(np.concatenate([cell, other]))
    unit = unit[(unit < 300) | (unit > 445)]
    shared = unit[rng.random(unit.size) < 0.7]
    shared = shared + rng.normal(0, 1e-4, shared.size)
    again = np.sort(np.concatenate([shared, rng.uniform(0, 300, 2000)]))
    inputs = FeatureInputs(
        trains(unit, again), duration_s=length_s,
        units=Units(np.array([7, 12]), np.array([20, 20]), np.array([31, 32])),
    )  # fmt: skip
    found = unit_quality(inputs, params).values

    figure = new_figure(5.0)
    panels = figure.subplot_mosaic([["isi", "hill"], ["presence", "copies"]])
    axes = panels["isi"]
    refractory = 1000 * params.refractory_period_s
    axes.axvspan(0, refractory, color=ON, alpha=0.18, lw=0)
    counts, edges, bars = axes.hist(1000 * np.diff(unit), np.arange(0, 12.1, 0.25), color="#A8A8A8")
    for bar, start in zip(bars, edges, strict=False):
        bar.set_facecolor(ON if start < refractory else "#A8A8A8")
    n, part = found["n_isi_violations"][0], found["isi_violation_fraction"][0]
    note(axes, refractory + 0.2, 1.3 * counts.max(),
         f"{n} violations below refractory_period_s\n= {100 * part:.2f} % of all intervals",
         va="top", color=ON)  # fmt: skip
    axes.set(xlim=(0, 12), xlabel="interval between spikes (ms)", ylabel="intervals")
    axes.set_ylim(0, 1.35 * counts.max())
    axes.set_title("Refractory violations")

    axes = panels["hill"]
    half, f = found["isi_violations_at_half"][0], found["hill_contamination"][0]
    share = np.linspace(0, 1, 101)
    axes.plot(share, 4 * half * share * (1 - share), color=BEFORE, lw=1.8)
    axes.plot([0, f, f], [n, n, 0], color=ON, lw=1.2, ls="--")
    axes.plot(f, n, "o", color=ON, ms=6)
    axes.plot(0.5, half, "o", color=BEFORE, ms=5)
    note(axes, 0.5, 1.03 * half, f"isi_violations_at_half = {half:.0f}", ha="center", va="bottom")
    truth = other.size / (cell.size + other.size)
    low = found["hill_contamination_low"][0]
    axes.plot([low, low], [0, 4 * half * low * (1 - low)], color=ON, lw=1.2, ls=":")
    note(axes, f + 0.03, 0.45 * n,
         f"hill_contamination = {f:.3f}\n(true: {truth:.3f})\nhill_contamination_low = {low:.3f}",
         color=ON, va="center")  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1.2 * half), xlabel="part f of the spikes from another cell")
    axes.set_ylabel("expected violations r")
    axes.set_title("What explains them")

    axes = panels["presence"]
    bins = np.arange(0, length_s + 1, params.presence_bin_s)
    counts = np.histogram(unit, bins)[0]
    axes.bar(
        bins[:-1] / 60, counts, width=0.9 * params.presence_bin_s / 60, align="edge", color=BOTH
    )
    for start in bins[:-1][counts == 0]:
        axes.axvspan(start / 60, start / 60 + 1, color=ON, alpha=0.25, lw=0)
    ratio = found["presence_ratio"][0]
    axes.set_title(f"presence_ratio = {(counts > 0).sum()} / {counts.size} = {ratio:.2f}")
    axes.set(xlabel="time (min)", ylabel="spikes per presence_bin_s", xlim=(0, length_s / 60))

    axes = panels["copies"]
    near = again[np.clip(np.searchsorted(again, unit), 0, again.size - 1)] - unit
    near_before = again[np.clip(np.searchsorted(again, unit) - 1, 0, again.size - 1)] - unit
    lags = 1000 * np.concatenate([near, near_before])
    within = 1000 * params.coincidence_s
    axes.axvspan(-within, within, color=OFF, alpha=0.18, lw=0)
    axes.hist(lags, np.arange(-2.0, 2.01, 0.05), color=OFF)
    part, of = found["coincident_fraction"][1], found["duplicate_of"][1]
    axes.set_title("Two units on neighbouring electrodes")
    top = axes.get_ylim()[1]
    note(axes, -1.95, 0.95 * top,
         f"{100 * part:.0f} % of unit 12's\nspikes coincide\n(coincidence_s):\n"
         f"duplicate_of = {of:.0f}", va="top", color=OFF)  # fmt: skip
    axes.set(xlabel="time from a spike of unit 7 to one of unit 12 (ms)", ylabel="pairs")
    axes.set_xlim(-2, 2)
    return figure


def _refractory(rng: np.random.Generator, rate_hz: float, length_s: float) -> np.ndarray:
    """Spikes with a dead time of 2 ms."""
    intervals = 0.002 + rng.exponential(1 / rate_hz - 0.002, int(1.2 * rate_hz * length_s))
    times = np.cumsum(intervals)
    return times[times < length_s]
