"""What comes by chance: p of cells without selectivity."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, ON, new_figure, plain_numbers
from matplotlib.figure import Figure
from scipy.stats import binom

from truth.claim import Claim, Measure, Sample, Samples, share

LEVELS = (0.05, 0.01)
CONFIDENCE = 0.99
LEAST_SPIKES = 1.0
"""Per presentation, from which on false positives are as many as the level says."""


OTHERS = {"chance_still": "no drift", "chance_alternating": "drift, opposite directions in turn"}


def null_p(sample: Sample, among: np.ndarray | bool = True) -> dict[str, np.ndarray]:
    """Defined p values of cells without selectivity: those with a spike per bar, and sparser."""
    p = sample.found["p_dsi"]
    wanted = (sample.cells["sharpness"] == 0) & np.isfinite(p) & among
    few = sample.found["spikes_per_bar"] < LEAST_SPIKES
    return {"many": p[wanted & ~few], "sparse": p[wanted & few]}


def judge(samples: Samples) -> list[Measure]:
    """False positives at both levels, also of cells that do not drift, and in a better order."""
    rows = [("chance", "many", "≥ 1 spike per bar"), ("chance", "sparse", "< 1 spike per bar")]
    rows += [(name, "many", f"≥ 1 spike, {said}") for name, said in OTHERS.items()]
    measures = []
    for name, rate, said in rows:
        p = null_p(samples[name])[rate]
        for level in LEVELS:
            low, high = binom.interval(CONFIDENCE, max(1, p.size), level)
            measures.append(
                Measure(
                    f"false positives at {level}, {said}", share(p <= level), p.size,
                    least=low / max(1, p.size) if rate == "many" else -np.inf,
                    most=high / max(1, p.size), form=".4f",
                )
            )  # fmt: skip
    for name, said in {"chance": "drift", **OTHERS}.items():
        sample = samples[name]
        for source, known in (("field", "a field"), ("passage", "no field")):
            p = null_p(sample, sample.found["window_source"] == source)["many"]
            what = f"at 0.05, ≥ 1 spike, {said}, {known}"
            measures.append(Measure(what, share(p <= LEVELS[0]), p.size, form=".4f"))
    return measures


def draw(samples: Samples) -> Figure:
    """Sorted p against what they would be if all were equally likely."""
    figure = new_figure(3.4)
    pairs = zip(figure.subplots(1, 2), null_p(samples["chance"]).items(), strict=True)
    for axes, (name, defined) in pairs:
        p = np.sort(defined)
        axes.plot([1e-4, 1], [1e-4, 1], color=BEFORE, lw=0.8)
        axes.plot((np.arange(p.size) + 0.5) / max(1, p.size), p, ".", ms=3, color=ON)
        axes.set(xscale="log", yscale="log", xlabel="rank / n", ylabel="p_dsi")
        plain_numbers(axes)
        axes.set_title("≥ 1 spike per bar" if name == "many" else "< 1 spike per bar")
    return figure


CLAIM = Claim(
    "permutation",
    "Of cells without selectivity, `p_dsi` is at most 0.05 and 0.01 as often as it says (the 99 % "
    "binomial interval for so many cells), if they fire one spike and more per bar, and never "
    "more often if they fire less",
    needs=("chance", *OTHERS),
    judge=judge,
    draw=draw,
    picture="p found against its rank, of cells without selectivity",
    remark=(
        "790 cells for each seed that fire as those above and 790 with 1 to 10 % of their rates, "
        "3 trials, bars in 8 directions; half of them with their true field, so that windows come "
        "from the movie, half without one, so that they come from the spikes. All answer to all "
        "directions alike by construction (the claim below says why). The others are such cells, "
        "but for the sparse ones, without drift, and with drift and each direction followed by "
        "its opposite. Up to version 3 of `moving_bar` directions changed places within each "
        "trial only, and the claim did not hold: 0.070 had p at most 0.05 with drift. Where "
        "directions follow in the order of their angles, neighbours in time are neighbours in "
        "angle, and excitability that drifts within a trial looks like a preferred direction; "
        "permutation among all presentations has the drift between trials, too, and is less "
        "misled. Where opposite directions follow each other, drift cancels in the observed sum, "
        "but not in the permuted ones: p is then too large, and fewer are below 0.05 than the "
        "interval allows (the row that does not hold), which costs power, and makes no false "
        "discoveries. An experimenter can show directions in such an order. Up to version 4 "
        "windows of cells without a field lay around the peak of each direction's PSTH by itself, "
        "and cells were not even (0.0593 and 0.0132 of those with a spike per bar and more; 0.067 "
        "at 0.05 without a field). Windows of cells without a field stay where they are in the "
        "permutations: placed anew in each, they miss each other's responses, since the bar comes "
        "at another time in each direction; p is then too large, and sharply tuned cells are lost "
        "(docs/definitions.md)."
    ),
)
