"""Inclusion: rubbish is excluded, and good units are kept."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, OFF, ON, new_figure, plain_numbers
from matplotlib.figure import Figure

from truth.claim import Claim, Measure, Sample, Samples, share
from truth.sorted_units import GOOD, KINDS, RUBBISH, TOLD_ONLY, rules

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


def by_estimate(sample: Sample) -> float:
    """Part of the good units that the limit would keep, were the contamination itself judged."""
    good = of_kinds(sample, tuple(GOOD))
    estimate = np.nan_to_num(sample.found["hill_contamination"][good], nan=1.0)
    return share(estimate <= rules()["max_hill_contamination"])


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
            Measure(f"good, were hill_contamination judged, {noise}", by_estimate(sample),
                    int(of_kinds(sample, tuple(GOOD)).sum())),
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
    left.set_title("10 min of noise; 3 min: pale")
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
    plain_numbers(right)
    right.set(xlabel="violations if half were another cell's", ylabel="violations (0 at 0.5)")
    right.set_title("good, rubbish, ten to one (grey)")
    return figure


CLAIM = Claim(
    "inclusion",
    "With the rules of `config/config.yaml`, through files and the project's own steps, 98 % of "
    "the good units are included, and 95 % of the rubbish is not: merged cells, noise, and the "
    "worse of two copies of a cell, each by itself",
    needs=tuple(RECORDINGS),
    judge=judge,
    draw=draw,
    picture="Part of the units of each kind that are included, and their refractory violations; "
    "lines are contaminations of 0.5 and 0.1",
    remark=(
        "One recording for each seed and length, as above. *Good* are the cells of the operating "
        "point; such cells that fire 2 Hz, that are silent at rest (0.05 Hz), that fire bursts of "
        "2 to 6 spikes every 2 ms and more, and neighbours that see the same and fire 30 % of "
        "their spikes together (0.5 ms SD); all lack up to 10 % of their spikes, and up to 5 % are "
        "another cell's, which sees the same movie. *Merged* are two cells drawn at random with "
        "all of their spikes, a cell of whose spikes 1/6 to 1/3 are another's, and a copy of a "
        "cell with another cell. *Noise* is threshold crossings at 2 to 20 Hz, volleys of "
        "artefacts, cells found in 10 to 50 % of the recording only, and units of 5 to 80 spikes. "
        "*Duplicates* are copies on the next electrode with 50 to 85 % of the spikes, up to 0.2 ms "
        "late or early, 0.02 to 0.1 ms jitter. Spikes can hardly tell noise that crosses the "
        "threshold less than twice in a second, nor cells merged ten to one: of these 2 r1 r2 "
        "(1.5 ms) T violations are expected in the time T, 1.7 times those of a good unit of the "
        "same rate that has 5 % strays. Ten to one is told only; it is a contamination of 0.09, "
        "which the limit of 0.1 accepts. The sharpest limit is set with the truth: it is that "
        "which would exclude most of them without losing more than 2 % of the good. The rule "
        "judged by "
        "`hill_contamination` first, and lost good cells, mostly sparse ones, for one or two "
        "violations: it judges by what the violations show (`hill_contamination_low`) since."
    ),
)
