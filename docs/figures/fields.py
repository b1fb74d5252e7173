"""A receptive field from dense noise: is it there, where, how large, and its filter in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from figures.canvas import BEFORE, OFF, ON, SPIKES, new_figure, note
from figures.cells import trains
from hdmea.features.dense_noise import DenseNoiseParams, dense_noise
from hdmea.features.inputs import FeatureInputs, ShownMovie, Sta
from hdmea.kernels.pixel_gaussian import gaussian_map
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.sta import Presentations, spike_triggered_average
from hdmea.kernels.sta_peak import z_threshold
from hdmea.report.palette import DIVERGING

FRAME_S = 1 / 60
HOLD, SIZE, N_REFRESHES = 4, 15, 1500
COVER = (-40, 0)


def draw_dense_noise() -> Figure:
    """z against chance, the map with the fitted ellipse, and the filter beside the course."""
    params = DenseNoiseParams()
    rng = np.random.default_rng(5)
    images = 255 * rng.integers(0, 2, (N_REFRESHES, SIZE, SIZE), dtype=np.uint8)
    movie = images.repeat(HOLD, axis=0)
    spikes = _spikes(rng, movie)
    clock = FRAME_S * np.arange(len(movie) + 1)
    begin, stop = np.array([0]), np.array([len(movie)])
    shown = Presentations(begin, begin, stop)
    counts = shown.counts(spikes, clock, len(movie))
    made = spike_triggered_average(counts, movie, COVER)
    inputs = FeatureInputs(
        spikes, frame_times_s=clock,
        stas={"noise": Sta(made.mean, made.z, made.lags, made.n_spikes, shown)},
        movies={"noise": ShownMovie("noise", lambda: movie, begin, begin, stop)},
    )  # fmt: skip
    found = dense_noise(inputs, params).values
    control = spike_triggered_average(counts, movie, (HOLD, HOLD + 15)).z[0]

    figure = new_figure(5.2)
    panels = figure.subplot_mosaic([["z", "chance"], ["map", "filter"]], width_ratios=[1, 1.25])
    lag, x, y = (found[name][0] for name in ("peak_lag_frames", "peak_x_px", "peak_y_px"))
    _z_map(figure, panels["z"], made.z[0, int(lag) - COVER[0]], (x, y), 1000 * FRAME_S * lag)
    _chance(panels["chance"], made.z[0], control, found)
    _field(figure, panels["map"], found)
    _filter(panels["filter"], found)
    return figure


def _spikes(rng: np.random.Generator, movie: np.ndarray) -> SpikeTrains:
    """An OFF cell with a tilted field and a biphasic filter."""
    field = gaussian_map((SIZE, SIZE), 1.0, 0.0, 8.3, 6.4, 1.9, 1.0, 35.0)
    drive = (movie.reshape(len(movie), -1) / 127.5 - 1) @ field.ravel() / np.linalg.norm(field)
    time = np.arange(40) / 4.0
    late = time / 2.0
    kernel = (time * np.exp(1 - time)) ** 4 - 0.5 * (late * np.exp(1 - late)) ** 5
    seen = -np.convolve(drive, kernel)[: len(movie)]
    rate = 22 * np.exp(0.75 * seen / seen.std() - 0.28)
    n = rng.poisson(rate * FRAME_S)
    times = FRAME_S * (np.repeat(np.arange(len(movie)), n) + rng.uniform(0, 1, n.sum()))
    return trains(np.sort(times))


def _z_map(
    figure: Figure, axes: Axes, z: np.ndarray, peak: tuple[float, float], before_ms: float
) -> None:
    most = np.abs(z).max()
    image = axes.imshow(z, cmap=DIVERGING, vmin=-most, vmax=most)
    axes.plot(*peak, "s", ms=13, mfc="none", mec=SPIKES, mew=1.4)
    bar = figure.colorbar(image, ax=axes, shrink=0.9)
    bar.set_label("z")
    axes.set_title(f"z at {before_ms:.0f} ms; square: z_peak")
    axes.set(xlabel="x (px)", ylabel="y (px)")


def _chance(axes: Axes, z: np.ndarray, control: np.ndarray, found: Mapping[str, Any]) -> None:
    """All voxels, before and after the spike, against the normal distribution."""
    bins = np.arange(-14, 14.01, 0.5)
    middle = (bins[1:] + bins[:-1]) / 2
    normal = np.exp(-0.5 * middle**2) / np.sqrt(2 * np.pi)
    axes.stairs(_density(z, bins), bins, color=OFF, lw=1.5)
    axes.stairs(_density(control, bins), bins, fill=True, color="#C9C9C9")
    axes.plot(middle, normal, color=SPIKES, lw=0.9, ls=":")
    limit = z_threshold(z.size)
    for side in (-limit, limit):
        axes.axvline(side, color=ON, lw=0.9, ls="--")
    peak = found["z_peak"][0]
    axes.annotate("z_peak", (peak, 1.0 / z.size), (peak, 3e-3), ha="center", fontsize=8.5,
                  color=OFF, arrowprops={"arrowstyle": "->", "color": OFF})  # fmt: skip
    axes.set(yscale="log", ylim=(1e-5, 30), xlim=(-12.5, 12.5), xlabel="z", ylabel="part of voxels")
    ticks = [1e-4, 1e-2, 1]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    note(axes, -12, 12, "before the spike", color=OFF, va="top")
    note(axes, -12, 2.6, "control: after it", va="top")
    note(axes, limit + 0.2, 12, "p_bonferroni\n= 0.01", color=ON, va="top")
    p = found["p_shift"][0]
    axes.set_title(f"z_peak = {peak:.1f}, p_shift = {p:.4f}")


def _density(z: np.ndarray, bins: np.ndarray) -> np.ndarray:
    return np.histogram(z, bins)[0] / z.size / np.diff(bins)


def _field(figure: Figure, axes: Axes, found: Mapping[str, Any]) -> None:
    """The map with centre, axes and border of the fitted Gaussian."""
    shown = found["spatial_map"][0]
    most = np.abs(shown).max()
    image = axes.imshow(shown, cmap=DIVERGING, vmin=-most, vmax=most)
    names = ("centre_x_px", "centre_y_px", "sigma_major_px", "sigma_minor_px", "angle_deg")
    x, y, major, minor, angle = (found[name][0] for name in names)
    k = found["extent_sigmas"][0]
    for times, style in ((1, ":"), (k, "-")):
        # angles count upwards, rows run down
        axes.add_patch(Ellipse((x, y), 2 * times * major, 2 * times * minor, angle=-angle,
                               fill=False, color=SPIKES, lw=1.6, ls=style))  # fmt: skip
    turn = np.deg2rad(angle)
    axes.plot([x, x + major * np.cos(turn)], [y, y - major * np.sin(turn)], color=SPIKES, lw=1.6)
    axes.plot([x, x - minor * np.sin(turn)], [y, y - minor * np.cos(turn)], color=SPIKES, lw=1.6)
    axes.plot(x, y, "o", color=SPIKES, ms=4)
    figure.colorbar(image, ax=axes, shrink=0.9).set_label("spatial_map")
    axes.set(xlabel="x (px)", ylabel="y (px)")
    polarity = found["polarity"][0]
    axes.set_title(f"{polarity}; sigma {major:.2f} and {minor:.2f} px, {angle:.0f}°")


def _filter(axes: Axes, found: Mapping[str, Any]) -> None:
    """The filter by regression, and the course of the average, which the held images smear."""
    ms = 1000 * FRAME_S * found["lags"]
    course, kernel = found["temporal_course"][0], found["temporal_filter"][0]
    axes.axhline(0, color=BEFORE, lw=0.8)
    axes.plot(ms, course, color=BEFORE, lw=1.5, drawstyle="steps-mid")
    axes.plot(ms, kernel, color=OFF, lw=1.8)
    peak, trough = kernel.argmax(), kernel.argmin()
    axes.plot(ms[[peak, trough]], kernel[[peak, trough]], "o", color=OFF, ms=5)
    time = found["time_to_peak_ms"][0]
    axes.annotate("", (-time, 1.12), (0, 1.12), arrowprops={"arrowstyle": "<->", "color": OFF})
    note(axes, -time - 8, 1.12, f"time_to_peak_ms = {time:.0f}", color=OFF, ha="right", va="center")
    note(axes, ms[0], 0.72, "temporal_filter", color=OFF)
    note(axes, ms[0], 0.5, "temporal_course of the\nSTA, smeared by the hold", va="top")
    said = f"biphasic_index = {found['biphasic_index'][0]:.2f}"
    note(axes, ms[trough], kernel[trough] - 0.12, said, color=OFF, ha="center", va="top")
    axes.set(ylim=(min(course.min(), kernel.min()) - 0.35, 1.3), xlim=(ms[0], 0))
    axes.set(xlabel="time before the spike (ms)")
    axes.set_title("the filter in time, 1 at its peak")
