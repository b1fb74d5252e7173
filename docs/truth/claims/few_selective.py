"""q values in a population with few selective cells: who is found, and who is found by chance."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, OFF, ON, new_figure, plain_numbers
from matplotlib.figure import Figure

from truth import operating_point as point
from truth.claim import Claim, Measure, Sample, Samples, share

LEVEL = 0.05
SAMPLES = {"few_long": "long", "few_short": "short"}
STILL = {f"{name}_still": recording for name, recording in SAMPLES.items()}
"""The same without drift."""


def kinds(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sharply selective cells, those with one direction only, and those without selectivity."""
    selective, one = sample.cells["sharpness"] > 0, sample.cells["one_direction"] > 0
    return selective & ~one, selective & one, ~selective


def judge(samples: Samples) -> list[Measure]:
    """The part that is found of the selective cells, and of what is found the part by chance."""
    measures = []
    for name, recording in (SAMPLES | STILL).items():
        drifts = "" if name in SAMPLES else ", no drift"
        sample, of = samples[name], f"{point.TRIALS[recording]} trials{drifts}"
        sharp, one, null = kinds(sample)
        q, q_one = sample.found["q_dsi"], sample.found["q_dsi_one"]
        found = q[sharp | null] < LEVEL
        wrong = null[sharp | null][found]
        measures += [
            Measure(f"found of the selective cells, {of}", share(q[sharp] < LEVEL),
                    int(sharp.sum()), least=1.0),
            Measure(f"false ones of all that are found, {of}",
                    share(wrong), int(found.sum()), most=LEVEL),
            Measure(f"found by q_dsi_raw, {of}", share(sample.found["q_dsi_raw"][sharp] < LEVEL),
                    int(sharp.sum())),
            Measure(f"found of cells with one direction only, {of}", share(q_one[one] < LEVEL),
                    int(one.sum())),
        ]  # fmt: skip
    return measures


def draw(samples: Samples) -> Figure:
    """p of each kind of cells."""
    figure = new_figure(3.0)
    bins = np.geomspace(8e-5, 1, 30)
    for axes, (name, recording) in zip(figure.subplots(1, 2), SAMPLES.items(), strict=True):
        sample = samples[name]
        labels = ("selective", "one direction", "not selective")
        for rows, label, colour in zip(kinds(sample), labels, (ON, OFF, BEFORE), strict=True):
            p = np.sort(sample.found["p_dsi"][rows])
            axes.hist(p[np.isfinite(p)], bins, color=colour, histtype="step", label=label)
        axes.set(xscale="log", yscale="symlog", xlabel="p_dsi", ylabel="cells")
        plain_numbers(axes)
        axes.set_title(f"{point.TRIALS[recording]} trials")
    axes.legend(fontsize=8, loc="upper left")
    return figure


CLAIM = Claim(
    "few_selective",
    "Among 790 cells without selectivity all of 10 that are as selective as can be have "
    "`q_dsi` < 0.05, and of all that have it at most 5 % are not selective",
    needs=(*SAMPLES, *STILL),
    judge=judge,
    draw=draw,
    picture="p of cells that are selective, that answer to one direction alone, and of the others",
    remark=(
        "The claim does not hold. Cells at the operating point with their true fields. The 10 are "
        "as sharply tuned as its sharpest cells (k = 3, true DSI 0.8; the opposite direction has "
        "0.2 % of the response), and have at least 10 spikes above rest within half a second of "
        "the best direction. (At first it was 10 spikes in all of the 9 s of a direction; then "
        "there were cells among them that only rebound for seconds after the bar has silenced "
        "them, with nothing to see in a window.) To have q < 0.05 10 of 800 need p of 0.0006. "
        "With 5 trials all but one are found, and all by `p_dsi_raw`, which subtracts no rest: "
        "the `dsi` of a permuted table, of which little is left above rest, is large by chance. "
        "With 3 trials up to 3 of 10 are missed. The rows of cells with one direction (k = 40, "
        "the direction is among those shown) tell of the sharpest there can be, with q values "
        "with the same 790; in 3 trials their three responses come together again in 8 of 2,024 "
        "permutations, so that p is 0.004 at least. False ones are too many, with and without "
        "drift. The expected counts of the 790 do differ a little between directions (the vector "
        "sum of 60 that were looked at by 0.3 of its standard deviation by chance in the median, "
        "1.3 at most), so that not all of them are without any selectivity; whether that is all, "
        "and why, is not known yet. Show 5 trials or more, and take dsi_fit for how selective a "
        "cell is. *n* of false ones is the number of cells that are found."
    ),
)
