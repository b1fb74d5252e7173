"""Responses to light: p of cells that do not respond, and whether those that do are found."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, BOTH, OFF, ON, SPIKES, new_figure
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import binom, norm

from truth import operating_point as point
from truth.claim import Claim, Measure, Sample, Samples, median, share
from truth.light_steps import KINDS

LEVELS = (0.05, 0.01)
CONFIDENCE = 0.99
EDGES = ("on", "off")
LEAST_FOUND = 0.95
SURE_D_PRIME = float(norm.isf(LEVELS[1] / 2) + norm.ppf(LEAST_FOUND))
"""4.2: of a normal value with a known variance, a test at 0.01 finds 95 % from here on."""
LEAST_OF_REFERENCE = 0.9
COLOURS = dict(zip(KINDS, (OFF, BOTH, ON, SPIKES), strict=True))
SAID = {"regular": "regular", "poisson": "Poisson", "bursting": "bursting", "drifting": "drifting"}


def of_still(sample: Sample, kind: str, n_trials: int, column: str = "p") -> np.ndarray:
    """p at both edges, of cells of a kind that do not respond."""
    cells = sample.cells
    wanted = (cells["kind"] == kind) & (cells["n_trials"] == n_trials) & (cells["driven"] == 0)
    names = [f"{column}_{edge}" for edge in EDGES]
    return np.concatenate([sample.found[name][wanted] for name in names])


def of_driven(
    sample: Sample, bursting: bool, n_trials: int, column: str = "p"
) -> tuple[np.ndarray, np.ndarray]:
    """d' at the edge at which it is larger, and p there, of bursting cells or of all others."""
    cells = sample.cells
    wanted = (cells["n_trials"] == n_trials) & (cells["driven"] != 0)
    wanted &= (cells["kind"] == "bursting") == bursting
    d_prime = np.stack([cells[f"d_prime_{edge}"][wanted] for edge in EDGES])
    p = np.stack([sample.found[f"{column}_{edge}"][wanted] for edge in EDGES])
    best = d_prime.argmax(axis=0)[None]
    return np.take_along_axis(d_prime, best, 0)[0], np.take_along_axis(p, best, 0)[0]


def judge(samples: Samples) -> list[Measure]:
    """False positives of each kind, and shares of cells that are found."""
    sample, measures = samples["light_steps"], []
    trials = sorted(point.TRIALS.values())
    for n_trials in trials:
        for kind in KINDS:
            p = of_still(sample, kind, n_trials)
            for level in LEVELS:
                most = binom.ppf((1 + CONFIDENCE) / 2, max(1, p.size), level) / max(1, p.size)
                said = f"false positives at {level}, {SAID[kind]}, {n_trials} trials"
                measures.append(Measure(said, share(p <= level), p.size, most=most, form=".4f"))
        p = of_still(sample, "bursting", n_trials, "p_poisson")
        said = f"at 0.01, bursting, {n_trials} trials, if taken for Poisson"
        ratio = of_still(sample, "bursting", n_trials, "relative_dispersion")
        measures += [
            Measure(said, share(p <= LEVELS[1]), p.size, form=".4f"),
            Measure(
                f"median dispersion over Fano factor, bursting, {n_trials} trials",
                median(ratio), ratio.size,
            ),
        ]  # fmt: skip
    for n_trials in trials:
        for bursting, who in ((False, "not bursting"), (True, "bursting")):
            measures += _of_responses(sample, n_trials, bursting, f"{who}, {n_trials} trials")
    return measures


def _of_responses(sample: Sample, n_trials: int, bursting: bool, who: str) -> list[Measure]:
    d_prime, p = of_driven(sample, bursting, n_trials)
    _, reference = of_driven(sample, bursting, n_trials, "p_known")
    sure = d_prime >= SURE_D_PRIME
    less = (d_prime >= point.D_PRIME) & ~sure
    found, best = share(p[less] < LEVELS[1]), share(reference[less] < LEVELS[1])
    sure_at, less_at = f"d' ≥ {SURE_D_PRIME:.1f}", f"d' {point.D_PRIME:g} to {SURE_D_PRIME:.1f}"
    n = int(less.sum())
    return [
        Measure(
            f"found, {sure_at}, {who}", share(p[sure] < LEVELS[1]), int(sure.sum()),
            least=LEAST_FOUND,
        ),
        Measure(f"found, {less_at}, {who}", found, n),
        Measure(
            f"over that of the reference, {less_at}, {who}", found / best if best else np.nan, n,
            least=LEAST_OF_REFERENCE,
        ),
    ]  # fmt: skip


def draw(samples: Samples) -> Figure:
    """Sorted p of cells that do not respond, and shares found by d'."""
    sample, figure = samples["light_steps"], new_figure(5.6)
    axes = figure.subplots(2, 2)
    for column, n_trials in enumerate(sorted(point.TRIALS.values())):
        _draw_ranks(axes[0, column], sample, n_trials)
        _draw_found(axes[1, column], sample, n_trials)
    for row, where in enumerate(("outside right upper", "outside right lower")):
        figure.legend(*axes[row, 0].get_legend_handles_labels(), loc=where, fontsize=8)
    return figure


def _draw_ranks(axes: Axes, sample: Sample, n_trials: int) -> None:
    axes.plot([1e-4, 1], [1e-4, 1], color=BEFORE, lw=0.8)
    for kind in KINDS:
        p = np.sort(of_still(sample, kind, n_trials))
        axes.plot(_ranks(p), p, color=COLOURS[kind], lw=1.4, label=SAID[kind])
    p = np.sort(of_still(sample, "bursting", n_trials, "p_poisson"))
    axes.plot(
        _ranks(p), p, ":", color=COLOURS["bursting"], lw=1.4, label="bursting,\ntaken for Poisson"
    )
    axes.set(xscale="log", yscale="log", xlim=(3e-4, 1), ylim=(1e-5, 1))
    ticks = [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]
    axes.set_xticks(ticks[2:], [f"{tick:g}" for tick in ticks[2:]])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set(xlabel="rank / n", ylabel="p_on, p_off", title=f"no response, {n_trials} trials")


def _ranks(p: np.ndarray) -> np.ndarray:
    return np.asarray((np.arange(p.size) + 0.5) / max(1, p.size))


def _draw_found(axes: Axes, sample: Sample, n_trials: int) -> None:
    cuts = np.arange(0, 9.0)
    middle = (cuts[1:] + cuts[:-1]) / 2
    for bursting, colour in ((False, COLOURS["poisson"]), (True, COLOURS["bursting"])):
        for column, style in (("p", "o-"), ("p_known", ":")):
            d_prime, p = of_driven(sample, bursting, n_trials, column)
            inside = [(d_prime >= low) & (d_prime < low + 1) for low in cuts[:-1]]
            found = [share(p[some] < LEVELS[1]) for some in inside]
            who = "bursting" if bursting else "not bursting"
            said = who if column == "p" else f"{who},\nFano factor known"
            axes.plot(middle, found, style, ms=4, lw=1.4, color=colour, label=said)
    ideal = norm.cdf(middle - norm.isf(LEVELS[1] / 2))
    axes.plot(middle, ideal, color=BEFORE, lw=0.8, label="normal values,\nvariance known")
    for at in (point.D_PRIME, SURE_D_PRIME):
        axes.axvline(at, color=BEFORE, lw=0.8, ls="--")
    axes.set(xlim=(0, 8), ylim=(0, 1.02), xlabel="d' of the response, over all trials")
    axes.set(ylabel="part found at p < 0.01", title=f"response, {n_trials} trials")


CLAIM = Claim(
    "responses",
    "Of cells that do not respond to a light step, regular (gamma intervals), Poisson, bursting "
    "(Fano factor 2 to 5) and drifting ones, `p_on` and `p_off` are at most 0.05 and 0.01 not more "
    "often than that (the upper end of the 99 % binomial interval). Of cells that do, 95 % are "
    "found at p < 0.01 if d' ≥ 4.2, from which on 95 % can be; if d' is 3 to 4.2, at least 0.9 "
    "times as many as by the same test that is told the Fano factor, the reference",
    ("light_steps",),
    judge,
    draw,
    picture="p of cells that do not respond against their rank, and the part found against d'",
    remark=(
        "Each seed has 500 cells of each kind that do not respond and 400 that do, at 1 to 10 Hz, "
        "for 3 and for 5 trials; both edges are tested. Bursts come as Poisson events of 1.5 to 3 "
        "spikes in the mean, 3 to 6 ms apart; drifting cells are Poisson, and change by 30 % (SD) "
        "with a time constant of 20 s, all others by 10 % in a minute. Gains go from 6 to 120 Hz. "
        "d' is the expected change at the stronger edge over its standard deviation, over all "
        "trials, with the Fano factor of bursts, and of Poisson spikes for all others. At "
        "d' = 3 a test that knows the variance of normal values finds 66 %; of all "
        "cells with d' ≥ 3 together 0.96 were found. `dispersion_on` is a "
        "little smaller than the Fano factor, as the windows cut bursts. The test is exact where "
        "spikes are few, and so finds less by chance than it might. Cells that are worse than "
        "these were tried, too, 2,400 tests each: with Fano factors of 10 and 20, and with bursts "
        "that come rarely (0.3 spikes per second), at most 0.002 had p < 0.01; with bursts of 3 "
        "spikes 0.1 s apart 0.007 to 0.009; cells that fire and are silent in turns of 0.5 to 4 s "
        "0.005 to 0.015."
    ),
)
