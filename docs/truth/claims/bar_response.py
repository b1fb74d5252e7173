"""Responses to a moving bar that come by chance: p of cells that do not see it."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, BOTH, OFF, ON, new_figure, plain_numbers
from matplotlib.figure import Figure
from scipy.stats import binom

from truth.bars import BAR_KINDS
from truth.claim import Claim, Measure, Sample, Samples, share

LEVELS = (0.05, 0.01)
CONFIDENCE = 0.99
SAID = {"regular": "regular", "poisson": "Poisson", "bursting": "bursting"}
COLOURS = dict(zip(BAR_KINDS, (OFF, BOTH, ON), strict=True))


def p_of(sample: Sample, kind: str, has_field: bool) -> np.ndarray:
    """`p_response` of cells of a kind, with or without a field."""
    wanted = (sample.cells["kind"] == kind) & (sample.cells["has_field"] == has_field)
    return sample.found["p_response"][wanted]


def judge(samples: Samples) -> list[Measure]:
    """False positives of each kind at both levels."""
    measures = []
    for has_field, where in ((True, "a field"), (False, "no field")):
        for kind in BAR_KINDS:
            p = p_of(samples["still_bars"], kind, has_field)
            for level in LEVELS:
                most = binom.ppf((1 + CONFIDENCE) / 2, max(1, p.size), level) / max(1, p.size)
                said = f"false positives at {level}, {SAID[kind]}, {where}"
                measures.append(Measure(said, share(p <= level), p.size, most=most, form=".4f"))
    return measures


def draw(samples: Samples) -> Figure:
    """Sorted p against what they would be if all were equally likely."""
    figure = new_figure(3.4)
    both = ((True, "a field"), (False, "no field"))
    for axes, (has_field, title) in zip(figure.subplots(1, 2), both, strict=True):
        axes.plot([1e-3, 1], [1e-3, 1], color=BEFORE, lw=0.8)
        for kind in BAR_KINDS:
            p = np.sort(p_of(samples["still_bars"], kind, has_field))
            rank = (np.arange(p.size) + 0.5) / max(1, p.size)
            axes.plot(rank, p, color=COLOURS[kind], lw=1.4, label=SAID[kind])
        axes.set(xscale="log", yscale="log", xlim=(6e-4, 1), ylim=(1e-5, 1.2))
        axes.set(xlabel="rank / n", ylabel="p_response", title=title)
        plain_numbers(axes)
    axes.legend(fontsize=8)
    return figure


CLAIM = Claim(
    "bar_response",
    "Of cells that do not see the bar, regular (gamma intervals), Poisson and bursting ones (Fano "
    "factor 2 to 5), `p_response` of `moving_bar` is at most 0.05 and 0.01 not more often than "
    "that (the upper end of the 99 % binomial interval), with a field and without one",
    needs=("still_bars",),
    judge=judge,
    draw=draw,
    picture="p_response of cells that do not see the bar against their rank",
    remark=(
        "1,000 cells of each kind for each seed at 1 to 10 Hz, 3 trials of 8 directions, half of "
        "them with a field. Bursts are those of the claim before; all cells drift by 10 % in a "
        "minute. Up to version 4 of `moving_bar` windows of cells without a field lay around the "
        "peak that each direction's PSTH has in the other trials; bursts that come together by "
        "chance found each other there, and 0.053 of bursting cells had p at most 0.01 (1,500 "
        "other cells). Now one place is looked for in all directions together, and a few bursts "
        "do not move it. A test that is exact where spikes are few finds less by chance than it "
        "might, and the best of 8 directions counts 8 times."
    ),
)
