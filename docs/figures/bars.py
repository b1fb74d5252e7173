"""A moving bar: windows from the movie's edges, and the vector sum of the responses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from figures.canvas import BEFORE, OFF, ON, SPIKES, bare, new_figure, note, raster
from figures.cells import fire, trains, trials_of_movie
from hdmea.features.inputs import FeatureInputs, ShownMovie
from hdmea.features.moving_bar import MovingBarParams, moving_bar
from hdmea.simulate import movies
from hdmea.stimulus.geometry import Display, Geometry, PixelGrid

FRAME_S = 1 / 60
N_TRIALS = 8
SIZE = 30
FIELD = (17.0, 12.0)
"""Centre in pixels of the bar's movie, x and y; noise and bar have the same pixels here."""
SIGMA = 1.6
PLACES = {0: (1, 2), 45: (0, 2), 90: (0, 1), 135: (0, 0), 180: (1, 0), 225: (2, 0), 270: (2, 1),
          315: (2, 2)}  # fmt: skip
"""Where the panel of a direction stands, row and column: where the bar goes."""


def draw_moving_bar() -> Figure:
    """Responses to eight directions, the windows from the movie, and the vector sum."""
    params = MovingBarParams()
    movie = movies.moving_bar(
        pixels=SIZE, width=0.3, speed_per_frame=1 / 55, direction_frames=130, pre_frames=60,
        before_frames=60, repeat=N_TRIALS,
    )  # fmt: skip
    rule = movie.trials
    length_s = rule.trial_length_frames * FRAME_S
    events = {name: frame * FRAME_S for name, frame in movie.events}
    trials = trials_of_movie("moving_bar", N_TRIALS, length_s, events)
    light = movie.frames[: rule.trial_length_frames, int(FIELD[1]), int(FIELD[0])].astype(float)
    edges = np.diff(light)
    rate = _rate(movie.events, edges)

    def of_time(t: np.ndarray) -> np.ndarray:
        return rate[np.minimum((t % length_s / FRAME_S).astype(int), rate.size - 1)]

    spikes = fire(np.random.default_rng(3), of_time, N_TRIALS * length_s, 110)
    n_frames = len(movie.frames)
    grids = tuple(PixelGrid.default(name, (SIZE, SIZE)) for name in ("noise", "moving_bar"))
    zero = np.array([0])
    inputs = FeatureInputs(
        trains(spikes), frame_times_s=FRAME_S * np.arange(n_frames + 1), trials=trials,
        features={"dense_noise": _field()},
        movies={
            "moving_bar": ShownMovie(
                "moving_bar", lambda: movie.frames, zero, zero, np.array([n_frames])
            )
        },
        geometry=Geometry(Display(), grids),
    )  # fmt: skip
    found = moving_bar(inputs, params).values

    figure = new_figure(5.4)
    names = np.full((3, 3), "polar", dtype="<U8")
    for degrees, place in PLACES.items():
        names[place] = f"{degrees}"
    panels = figure.subplot_mosaic(
        [[names.tolist(), [["image"], ["light"], ["said"]]]],
        width_ratios=[2.3, 1],
        per_subplot_kw={"polar": {"projection": "polar"}},
    )
    for i, degrees in enumerate(found["directions_deg"]):
        onset = events[f"direction:{degrees:g}"]
        axes = panels[f"{degrees:g}"]
        start = found["window_start_s"][0, i]
        axes.axvspan(start, start + found["window_s"][0], color=ON, alpha=0.2, lw=0)
        rows = [spikes - t - onset for t in trials.start_s]
        duration = 130 * FRAME_S
        raster(axes, [row[(row >= 0) & (row < duration)] for row in rows], linewidths=1.0)
        axes.set(xlim=(0, duration), xticks=[0, 1, 2])
        bare(axes, "left")
        if degrees != 270:
            axes.tick_params(labelbottom=False)
        axes.set_title(f"{degrees:g}°, {found['mean_count'][0, i]:.1f} spikes")
    panels["270"].set_xlabel("time from the direction's start (s)")
    _polar(panels["polar"], found)
    _image(panels["image"], movie.frames, movie.events[1][1])
    _light(panels["light"], light, dict(movie.events)["direction:45"], found, params)
    axes = panels["said"]
    bare(axes, "left", "bottom")
    rest = found["spontaneous_hz"][0] * found["window_s"][0]
    said = f"at rest {rest:.1f} spikes in a\nwindow: v = mean - {rest:.1f}\n\n"
    for index, times in (("dsi", ""), ("osi", "2")):
        value, p = found[index][0], found[f"p_{index}"][0]
        said += f"{index} = |Σ v e^({times}iθ)| / Σ v\n     = {value:.2f}, p_{index} = {p:.4f}\n"
    said += f"dsi_null = {found['dsi_null'][0]:.2f}"
    note(axes, -0.1, 1, said, va="top", color=SPIKES)
    return figure


def _rate(events: tuple[tuple[str, int], ...], edges: np.ndarray) -> np.ndarray:
    """Rate at every frame of a trial: most for up and left, to both edges of the bar."""
    rate = np.full(edges.size + 1, 4.0)
    since = np.arange(60) * FRAME_S - 0.05
    burst = np.where(since > 0, np.exp(-np.maximum(since, 0) / 0.12), 0)
    starts = [frame for _, frame in events]
    for (name, first), stop in zip(events, [*starts[1:], edges.size], strict=True):
        theta = np.deg2rad(float(name.partition(":")[2]) - 120)
        strength = np.exp(1.3 * (np.cos(theta) - 1))
        for edge, height in ((edges[first:stop].argmax(), 75), (edges[first:stop].argmin(), 35)):
            at = first + int(edge) + 1
            part = rate[at : at + since.size]
            part += height * strength * burst[: part.size]
    return rate


def _field() -> Mapping[str, Any]:
    """What `dense_noise` tells of the cell."""
    return {
        "movie": np.array(["noise"]),
        "centre_x_px": np.array([FIELD[0]]),
        "centre_y_px": np.array([FIELD[1]]),
        "sigma_major_px": np.array([SIGMA]),
        "sigma_minor_px": np.array([SIGMA]),
        "angle_deg": np.array([0.0]),
    }


def _polar(axes: Axes, found: Mapping[str, Any]) -> None:
    """Responses above rest, and the sum of their vectors."""
    theta = np.deg2rad(found["directions_deg"])
    rest = found["spontaneous_hz"][0] * found["window_s"][0]
    v = np.maximum(found["mean_count"][0] - rest, 0)
    axes.plot(np.append(theta, theta[0]), np.append(v, v[0]), "o-", color=BEFORE, ms=3, lw=1.2)
    total = (v * np.exp(1j * theta)).sum() / v.sum() * v.max()
    axes.annotate("", (np.angle(total), abs(total)), (0, 0),
                  arrowprops={"arrowstyle": "->", "color": ON, "lw": 2.2, "shrinkA": 0,
                              "shrinkB": 0})  # fmt: skip
    axes.set(ylim=(0, v.max() * 1.05), yticks=[], xticks=theta, xticklabels=[])
    axes.grid(color="#DDDDDD")
    axes.spines["polar"].set_visible(False)
    axes.set_title(f"to {found['preferred_direction_deg'][0]:.0f}°", color=ON, loc="center", pad=2)


def _image(axes: Axes, frames: np.ndarray, first: int) -> None:
    """An image of the movie when the bar comes to the field."""
    axes.imshow(frames[first + 36], cmap="gray", vmin=-60, vmax=255)
    axes.add_patch(Ellipse(FIELD, 4 * SIGMA, 4 * SIGMA, fill=False, color=ON, lw=2))
    axes.annotate("", (10, 19), (4, 25), arrowprops={"arrowstyle": "->", "color": OFF, "lw": 2})
    axes.set(xticks=[], yticks=[])
    axes.set_title("a bar to 45°, the field")


def _light(
    axes: Axes, light: np.ndarray, first: int, found: Mapping[str, Any], params: MovingBarParams
) -> None:
    """Light of the field's central pixel, its edges and the window."""
    time = FRAME_S * (np.arange(130))
    shown = light[first : first + 130] / 255
    axes.plot(time, shown, color=SPIKES, lw=1.2, drawstyle="steps-post")
    start, window = found["window_start_s"][0, 1], found["window_s"][0]
    axes.axvspan(start, start + window, color=ON, alpha=0.2, lw=0)
    trailing = time[int(np.diff(shown).argmin()) + 1]
    axes.annotate("", (trailing, 1.2), (start + window, 1.2),
                  arrowprops={"arrowstyle": "|-|,widthA=0.2,widthB=0.2", "color": ON})  # fmt: skip
    note(axes, start + window + 0.05, 1.2, f"after_s\n{params.after_s:g} s", color=ON, va="center")
    axes.set(xlim=(0, 130 * FRAME_S), ylim=(-0.05, 1.45), xticks=[0, 1, 2], xlabel="time (s)")
    axes.set_yticks([0, 1], ["dark", "bright"])
    axes.set_title("light at its centre")
