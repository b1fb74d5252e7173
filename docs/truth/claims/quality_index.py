"""The quality index that is corrected for the number of trials."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, ON, new_figure
from matplotlib.figure import Figure

from truth.claim import Claim, Measure, Samples, median
from truth.repeated import N_TRIALS, QUALITY_OF

NEEDS = "repeated"
MOST_DIFFERENCE = 0.05


def medians(samples: Samples, column: str, feature: str) -> np.ndarray:
    """Median over the cells, for each number of trials."""
    found = samples[NEEDS].found
    return np.array([median(found[f"{column}_{feature}_{n}"]) for n in N_TRIALS])


def judge(samples: Samples) -> list[Measure]:
    """How much the medians over the cells differ between numbers of trials."""
    measures = []
    n_cells = len(samples[NEEDS].cells["kind"])
    for feature in QUALITY_OF:
        for column, most in (("qi_corrected", MOST_DIFFERENCE), ("qi", np.inf)):
            found = medians(samples, column, feature)
            differ = float(found.max() - found.min())
            measures.append(Measure(f"{column} of {feature}", differ, n_cells, most=most))
    return measures


def draw(samples: Samples) -> Figure:
    """Both indices over the number of trials: median, and a quarter of the cells to each side."""
    figure = new_figure(2.8)
    found = samples[NEEDS].found
    pairs = zip(figure.subplots(1, len(QUALITY_OF), sharey=True), QUALITY_OF, strict=True)
    for axes, feature in pairs:
        for column, colour in (("qi", BEFORE), ("qi_corrected", ON)):
            spread = [
                np.nanpercentile(found[f"{column}_{feature}_{n}"], (25, 50, 75)) for n in N_TRIALS
            ]
            low, middle, high = np.array(spread).T
            axes.fill_between(N_TRIALS, low, high, color=colour, alpha=0.25, lw=0)
            axes.plot(N_TRIALS, middle, ".-", color=colour, label=column)
        axes.set(xlabel="trials", xticks=N_TRIALS, ylim=(0, 1))
        axes.set_title(feature)
    axes.legend(loc="lower right", fontsize=8)
    figure.axes[0].set_ylabel("quality index")
    return figure


CLAIM = Claim(
    "quality_index",
    "The median of `qi_corrected` over the cells is the same with 3, 5 and 10 trials, to 0.05 (the "
    "largest less the smallest of the three), for every feature that has it",
    needs=(NEEDS,),
    judge=judge,
    draw=draw,
    picture="qi and qi_corrected over the number of trials: median, and the middle half of the "
    "cells",
    remark=(
        "`qi` itself falls with the number of trials, as its noise floor is 1 / n_trials: compare "
        "it at equal numbers only."
    ),
)
