"""Inclusion: rubbish is excluded, and good units are kept."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, OFF, ON, new_figure
from matplotlib.figure import Figure

from truth.claim import Claim, Measure, Sample, Samples, share
from truth.sorted_units import GOOD, KINDS, RUBBISH, TOLD_ONLY

LEAST_KEPT, LEAST_EXCLUDED = 0.98, 0.95
PLANTED = {
    "merged": ("two cells", "part of another cell", "copy with another cell"),
    "noise": ("threshold crossings", "artefacts", "present in part", "few spikes"),
    "duplicates": ("copy",),
}
RECORDINGS = {"sorted_long": "10 min", "sorted_short": "3 min"}


def of_kinds(sample: Sample, kinds: tuple[str, ...]) -> np.ndarray:
    """Units of these kinds."""
    return np.isin(sample.cells["kind"], kinds)


def sharpest(sample: Sample) -> float:
    """Part of the faint merged units beyond the limit that would lose as many good ones as may be.

    The limit is set with the truth, by the same measure: no other limit excludes more of them.
    """
    low = np.nan_to_num(sample.found["hill_contamination_low"], nan=1.0)
    good, faint = low[of_kinds(sample, tuple(GOOD))], low[of_kinds(sample, tuple(TOLD_ONLY))]
    if not good.size:
        return np.nan
    return share(faint > np.quantile(good, LEAST_KEPT, method="higher"))


def judge(samples: Samples) -> list[Measure]:
    """Part of the good units that are kept, and of the rubbish that is not."""
    measures = []
    for name, noise in RECORDINGS.items():
        sample = samples[name]
        kept = sample.found["included"].astype(bool)

        def part(said: str, kinds: tuple[str, ...], least: float, *, keep: bool = False,
                 kept: np.ndarray = kept, sample: Sample = sample) -> Measure:  # fmt: skip
            right = (kept if keep else ~kept)[of_kinds(sample, kinds)]
            return Measure(said, share(right), right.size, least=least)

        measures += [
            part(f"good kept, {noise}", tuple(GOOD), LEAST_KEPT, keep=True),
            part(f"of two copies, the better kept, {noise}", ("found twice",), LEAST_KEPT,
                 keep=True),
            part(f"rubbish excluded, {noise}", tuple(RUBBISH), LEAST_EXCLUDED),
            *(
                part(f"{what} excluded, {noise}", kinds, LEAST_EXCLUDED)
                for what, kinds in PLANTED.items()
            ),
            part(f"merged ten to one, excluded, {noise}", tuple(TOLD_ONLY), -np.inf),
            Measure(f"the same, by the sharpest limit, {noise}", sharpest(sample),
                    int(of_kinds(sample, tuple(TOLD_ONLY)).sum())),
        ]  # fmt: skip
    return measures


def draw(samples: Samples) -> Figure:
    """Part of each kind that is included, and violations against what half would bring."""
    figure = new_figure(4.2)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.2])
    at = np.arange(len(KINDS))[::-1]
    for (name, noise), up, alpha in zip(RECORDINGS.items(), (0.2, -0.2), (1.0, 0.55), strict=True):
        sample = samples[name]
        kept = sample.found["included"].astype(bool)
        parts = [share(kept[of_kinds(sample, (kind,))]) for kind in KINDS]
        colours = [OFF if kind in GOOD else BEFORE if kind in TOLD_ONLY else ON for kind in KINDS]
        left.barh(at + up, parts, 0.36, color=colours, alpha=alpha, label=noise)
    left.set_yticks(at, KINDS)
    left.set(xlim=(0, 1.02), xlabel="part included")
    left.set_title("dark: 10 min of noise, light: 3 min")
    sample = samples["sorted_long"]
    half = sample.found["isi_violations_at_half"]
    count = sample.found["n_isi_violations"]
    shown = half > 0
    for kinds, colour in ((RUBBISH, ON), (TOLD_ONLY, BEFORE), (GOOD, OFF)):
        rows = of_kinds(sample, tuple(kinds)) & shown
        if kinds is RUBBISH:  # what violations have to tell
            rows &= of_kinds(sample, (*PLANTED["merged"], "threshold crossings", "artefacts"))
        right.plot(half[rows], np.maximum(count[rows], 0.5), ".", ms=3, color=colour)
    line = np.geomspace(0.05, 2000, 50)
    right.plot(line, line, color=BEFORE, lw=0.8)
    right.plot(line, 4 * line * 0.1 * 0.9, color=BEFORE, lw=0.8, ls="--")
    right.set(xscale="log", yscale="log", xlim=(0.05, 2000), ylim=(0.4, 10_000))
    right.set(xlabel="violations if half were another cell's", ylabel="violations (0 at 0.5)")
    right.set_title("blue good, orange rubbish, grey ten to one")
    return figure


CLAIM = Claim(
    "inclusion",
    "With the rules of `config/config.yaml`, through files and the project's own steps, 98 % of "
    "the good units are included, and 95 % of the rubbish is not: merged cells, noise, and the "
    "worse of two copies of a cell, each by itself",
    needs=tuple(RECORDINGS),
    judge=judge,
    draw=draw,
    picture="Part of the units of each kind that are included, and their refractory violations",
)
