"""Receptive fields: where their centre lies, and how large they are."""

from __future__ import annotations

import numpy as np
from figures.canvas import BEFORE, OFF, ON, new_figure
from matplotlib.figure import Figure

from truth import operating_point as point
from truth.claim import RECORDED, Claim, Measure, Sample, Samples, median, recordings, share

MOST_ERROR_PX, MOST_RATIO = 0.15, 1.3
MOST_SIZE_ERROR, MOST_SIZE_BIAS = 0.10, 0.03


def centre_error_px(sample: Sample, found: str = "centre") -> np.ndarray:
    """Distance of the centre found (or by ``ml``) from the true one; NaN without a field."""
    x, y = (f"centre_{axis}_px" for axis in "xy")
    found_x, found_y = (sample.found[f"{found}_{axis}_px"] for axis in "xy")
    return np.hypot(found_x - sample.cells[x], found_y - sample.cells[y])


def size_error(sample: Sample) -> np.ndarray:
    """Relative error of the geometric mean of both standard deviations; NaN without a size."""
    product = sample.found["sigma_major_px"] * sample.found["sigma_minor_px"]
    return np.sqrt(product) / sample.cells["sigma_px"] - 1


def judge_centre(samples: Samples) -> list[Measure]:
    """Median errors, and how much larger they are than by maximum likelihood."""
    measures = []
    for name, sample, of, _ in recordings(samples):
        error, best = centre_error_px(sample), centre_error_px(sample, "ml")
        both = np.isfinite(error) & np.isfinite(best)
        n = int(both.sum())
        most = MOST_ERROR_PX if name == "long" else np.inf
        ratio = median(error[both]) / median(best[both])
        measures += [
            Measure(f"median error (px), {of}", median(error), n, most=most),
            Measure(f"over that of the reference, {of}", ratio, n, most=MOST_RATIO, form=".2f"),
            Measure(f"found from the spikes, not from the map, {of}", *_from_spikes(sample)),
        ]
    return measures


def _from_spikes(sample: Sample) -> tuple[float, int]:
    """Part of the fields, and how many those are."""
    outcome = sample.found["likelihood_outcome"]
    fitted = outcome != ""
    return share(outcome[fitted] == "converged"), int(fitted.sum())


def judge_size(samples: Samples) -> list[Measure]:
    """Median size of the errors, and their median, which is the bias."""
    measures = []
    for _, sample, of, _ in recordings(samples):
        error = size_error(sample)
        n, bias = int(np.isfinite(error).sum()), median(error)
        measures += [
            Measure(f"median error, {of}", median(np.abs(error)), n, most=MOST_SIZE_ERROR),
            Measure(f"bias, {of}", bias, n, least=-MOST_SIZE_BIAS, most=MOST_SIZE_BIAS),
            Measure(f"median error of surround_weight, {of}", *_surround_error(sample)),
        ]
    return measures


def _surround_error(sample: Sample) -> tuple[float, int]:
    error = np.abs(sample.found["surround_weight"] - sample.cells["surround_weight"])
    return median(error), int(np.isfinite(error).sum())


def draw_centre(samples: Samples) -> Figure:
    """How many cells have an error below, by the fit and by maximum likelihood."""
    figure = new_figure(2.8)
    pairs = zip(figure.subplots(1, 2), recordings(samples), strict=True)
    for axes, (_, sample, minutes, _) in pairs:
        for found, colour, said in (
            ("centre", ON, "dense_noise"),
            ("ml", OFF, "maximum likelihood"),
        ):
            error = np.sort(centre_error_px(sample, found))
            error = error[np.isfinite(error)]
            part = np.arange(1, error.size + 1) / max(1, error.size)
            axes.plot(error, part, color=colour, label=said, drawstyle="steps-post")
        axes.axvline(MOST_ERROR_PX, color=BEFORE, lw=0.8, ls="--")
        axes.set(xlim=(0, 0.6), ylim=(0, 1), xlabel="error of the centre (px)")
        axes.set(ylabel="part of the cells", title=f"{minutes} of noise")
    axes.legend(loc="lower right", fontsize=8)
    return figure  # fmt: skip


def draw_size(samples: Samples) -> Figure:
    """The size found against the true one."""
    figure = new_figure(3.2)
    pairs = zip(figure.subplots(1, 2), recordings(samples), strict=True)
    for axes, (_, sample, minutes, _) in pairs:
        cells = sample.cells
        axes.plot(point.SIGMA_PX, point.SIGMA_PX, color=BEFORE, lw=0.8)
        weight = cells["surround_weight"]
        found = (size_error(sample) + 1) * cells["sigma_px"]
        dots = axes.scatter(cells["sigma_px"], found, c=weight, s=8, cmap="viridis")
        axes.set(xlabel="true sigma (px)", ylabel="found (px)", ylim=(0.7, 3.0))
        axes.set_title(f"{minutes} of noise")
    figure.colorbar(dots, ax=axes, label="weight of the surround")
    return figure


CENTRE = Claim(
    "centre",
    "The centre of a significant field is right to 0.15 px in the median at 10 minutes, and the "
    "error at most 1.3 times that of a maximum-likelihood fit of the same Gaussian to the spikes, "
    "the reference, which is told the temporal filter, the gain and the nonlinearity",
    needs=RECORDED,
    judge=judge_centre,
    draw=draw_centre,
    picture="Part of the cells by the error of their centre, as found and of the reference",
    remark=(
        "Centre and size are fitted to the spikes themselves, together with filter and "
        "nonlinearity (version 4 of `dense_noise`). Before, they were those of the Gaussian in the "
        "map, whose error was 1.82 times that of the reference in 10 minutes and 1.92 times in 3: "
        "an average over spikes cannot use what the nonlinearity tells, such as that a cell with a "
        "sharp threshold is silent. What is left in 3 minutes is the price of not knowing filter "
        "and nonlinearity."
    ),
)
SIZE = Claim(
    "size",
    "The size of a field, sqrt(`sigma_major_px` `sigma_minor_px`), is that of the true centre "
    "mechanism to 10 % in the median, and to 3 % on average (median of the signed error)",
    needs=RECORDED,
    judge=judge_size,
    draw=draw_size,
    picture="Size found against true size, coloured by the weight of the surround",
    remark=(
        "The surround is fitted with the centre, as three times as wide, while the true ones are "
        "2.5 to 3.5 times as wide. Before version 4 of `dense_noise` it was not, and sizes were "
        "3.3 % too small in 10 minutes and 3.2 % in 3. The reference of the claim before fits a "
        "Gaussian without surround; its sizes are as much too small still."
    ),
)
