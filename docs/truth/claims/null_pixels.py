"""What comes by chance: significance of the STA at pixels that a cell does not see."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, OFF, ON, new_figure
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from scipy.stats import binom, norm

from truth import operating_point as point
from truth.claim import Claim, Measure, Sample, Samples, share
from truth.null_pixels import Z_EDGES

LEVELS = (0.05, 0.01)
CONFIDENCE = 0.99
MOST_SD = 0.02
"""By which the standard deviation of z may differ from 1."""
NEEDS = tuple(f"elsewhere_{name}" for name in point.NOISE_S)


def lengths(samples: Samples) -> list[tuple[str, Sample]]:
    """The samples by how long the noise was."""
    return [
        (f"{seconds // 60} min", samples[need])
        for need, seconds in zip(NEEDS, point.NOISE_S.values(), strict=True)
        if need in samples
    ]


def defined(p: np.ndarray) -> np.ndarray:
    """Without NaN."""
    return p[np.isfinite(p)]


def judge(samples: Samples) -> list[Measure]:
    """False positives at both levels, and how widely z scores are spread."""
    measures = []
    for minutes, sample in lengths(samples):
        for name, least_too in (("p_bonferroni", False), ("p_shift", True)):
            p = defined(sample.found[name])
            for level in LEVELS:
                low, high = binom.interval(CONFIDENCE, max(1, p.size), level)
                least = low / max(1, p.size) if least_too else -np.inf
                most, what = high / max(1, p.size), f"{name} ≤ {level}, {minutes}"
                measures.append(Measure(what, share(p <= level), p.size, least, most, form=".4f"))
        squares = sample.found["square_by_lag"]
        by_lag = squares.mean(axis=0) if squares.size else np.full(1, np.nan)
        for what, square in (
            ("SD of z", by_lag.mean()),
            ("SD of z at the lag where it is least", by_lag.min()),
            ("SD of z at the lag where it is largest", by_lag.max()),
        ):
            sd = float(np.sqrt(square))
            bounds = {"least": 1 - MOST_SD, "most": 1 + MOST_SD}
            measures.append(Measure(f"{what}, {minutes}", sd, len(squares), **bounds))
    return measures


def draw(samples: Samples) -> Figure:
    """z of all voxels against the normal distribution, and p against their ranks."""
    figure = new_figure(5.6)
    rows = figure.subplots(2, 2)
    for (left, right), (minutes, sample) in zip(rows, lengths(samples), strict=True):
        _scores(left, sample.found["counts"].sum(axis=0))
        left.set_title(f"z, {minutes}")
        right.plot([2e-4, 1], [2e-4, 1], color=BEFORE, lw=0.8)
        for name, color in (("p_bonferroni", OFF), ("p_shift", ON)):
            p = np.sort(defined(sample.found[name]))
            right.plot((np.arange(p.size) + 0.5) / p.size, p, ".", ms=3, color=color, label=name)
        right.set(xscale="log", yscale="log", xlabel="rank / n", ylabel="p")
        _plain(right.xaxis, 1e-3, 1e-2, 0.1, 1)
        _plain(right.yaxis, 1e-3, 1e-2, 0.1, 1)
        right.legend(frameon=False)
        right.set_title(f"p, {minutes}")
    return figure


def _scores(axes: Axes, counts: np.ndarray) -> None:
    """How often z lie in each bin, and how often they should."""
    middle = (Z_EDGES[1:] + Z_EDGES[:-1]) / 2
    axes.plot(middle, np.diff(norm.cdf(Z_EDGES)), color=BEFORE, lw=1.2, label="normal")
    seen = counts > 0
    axes.plot(middle[seen], (counts / counts.sum())[seen], ".", ms=3, color=ON, label="found")
    axes.set(yscale="log", xlabel="z", ylabel="part of voxels in 0.1")
    _plain(axes.yaxis, 1e-8, 1e-6, 1e-4, 1e-2)
    axes.legend(frameon=False)


def _plain(axis: Axis, *ticks: float) -> None:
    """Ticks of a logarithmic axis, in numbers that need no mathematical font."""
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


CLAIM = Claim(
    "null_pixels",
    "Of pixels that a cell does not see, while noise of the same rhythm drives it, `p_bonferroni` "
    "over lags and pixels is at most 0.05 and 0.01 not more often than it says, `p_shift` as often "
    "as it says (the 99 % binomial interval), and z have a standard deviation of 1.00 ± 0.02, over "
    "all lags and at each of them",
    needs=NEEDS,
    judge=judge,
    draw=draw,
    picture="z of all voxels against the normal distribution, and p against their ranks",
    remark=(
        "Each cell is driven by noise of its own, and analysed with other noise of the same length "
        "and refreshes, as if that were shown where the cell does not see: so all 225 pixels are "
        "null, however far the surround reaches. 208 cells for each seed and two movies for each; "
        "spikes of a cell meet independent movies, and spikes that meet the same movie were driven "
        "by different ones, so tests that are right do not depend on each other. The cells fire "
        "as above, more regularly than Poisson cells, and drift. z over display frames instead of "
        "refreshes would have standard deviations from 0.81 to 1.27 (26 other cells)."
    ),
)
