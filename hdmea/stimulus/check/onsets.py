"""When the light changes in a movie: stretches of light, their repetition, what they are.

Light is one value per display frame: the mean of a movie's frame, or what the photodiode saw of
it. The *rest* is the level between stretches. Used to propose what a stimulus library does not
say; what it says is never replaced by it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array

Float64 = npt.NDArray[np.float64]
Stretch = tuple[int, int]
"""First frame, and the first frame after it."""

DISPLAY_RATE_HZ = 60
"""Frames per second of the display that movies are made for."""
HOLD_FRAMES = 10
"""A level that is held as long as this is one; a sine passes its extremes faster."""


@dataclass(frozen=True, slots=True)
class Sine:
    """A sine that was fitted to a stretch.

    Parameters
    ----------
    hz
        Its frequency, to three digits.
    start
        Frame, from the stretch's first, of the passage through its mean that is nearest to it.
    r2
        Part of the variance that it explains.
    """

    hz: float
    start: float
    r2: float


@dataclass(frozen=True, slots=True)
class Motion:
    """The motion of a bar through the pixels.

    Parameters
    ----------
    direction_deg
        0 to 360, counter-clockwise from the direction to the right, as seen (y up).
    speed
        Pixels per display frame.
    r2
        Part of the variance of the arrival times that constant motion explains.
    """

    direction_deg: float
    speed: float
    r2: float


def level_at(light: Float64, first: bool, tolerance: float) -> float | None:
    """The level that is held at the beginning, or at the end; None if none is.

    Examples
    --------
    >>> light = np.r_[np.zeros(20), np.arange(30.0)]
    >>> level_at(light, True, 0.0), level_at(light, False, 0.0)
    (0.0, None)
    """
    held = light[:HOLD_FRAMES] if first else light[-HOLD_FRAMES:]
    if held.size < HOLD_FRAMES or np.ptp(held) > 2 * tolerance:
        return None
    return float(np.median(held))


def rest_level(light: Float64, tolerance: float) -> float | None:
    """The level between stretches: the one a movie begins and ends with, else the one at its end.

    Examples
    --------
    >>> rest_level(np.repeat([0.0, 1, 0, 1, 0], 20), 0.0)
    0.0
    >>> rest_level(np.repeat([1.0, 0, 1, 0], 20), 0.0)
    0.0
    """
    first, last = level_at(light, True, tolerance), level_at(light, False, tolerance)
    return last if last is not None else first


def find_stretches(light: Float64, rest: float, tolerance: float, gap: int) -> list[Stretch]:
    """Stretches that are not at rest; a rest shorter than `gap` frames does not end one.

    Examples
    --------
    >>> find_stretches(np.array([0.0, 2, 2, 0, 3, 0, 0, 0, 1]), 0.0, 0.0, gap=2)
    [(1, 5), (8, 9)]
    """
    away = np.abs(light - rest) > tolerance
    edges = np.flatnonzero(np.diff(np.r_[0, away.astype(np.int8), 0]))
    starts, stops = edges[::2], edges[1::2]
    if not starts.size:
        return []
    apart = starts[1:] - stops[:-1] >= gap
    kept = zip(starts[np.r_[True, apart]], stops[np.r_[apart, True]], strict=True)
    return [(int(start), int(stop)) for start, stop in kept]


def stretches_per_trial(
    stretches: Sequence[Stretch],
    same: Callable[[Stretch, Stretch], bool],
    multiple: int = 1,
    slack: int = 0,
) -> int:
    """How many stretches there are until all begins anew; all of them if it never does.

    Parameters
    ----------
    stretches
        In the order shown.
    same
        Whether two stretches of equal length show the same.
    multiple
        The number is a multiple of this.
    slack
        Frames by which equal distances may differ.

    Examples
    --------
    >>> stretches_per_trial([(10, 20), (30, 35), (50, 60), (70, 75)], lambda one, two: True)
    2
    """
    total = len(stretches)
    for n in range(multiple, total, multiple):
        if total % n:
            continue
        pairs = list(zip(stretches[:-n], stretches[n:], strict=True))
        shift = stretches[n][0] - stretches[0][0]
        if all(
            abs(two[0] - one[0] - shift) <= slack
            and abs(two[1] - one[1] - shift) <= slack
            and same(one, two)
            for one, two in pairs
        ):
            return n
    return total


def fit_sine(light: Float64) -> Sine:
    """Fit a sine of any frequency to a stretch of light.

    Examples
    --------
    >>> fit_sine(100 + 50 * np.sin(2 * np.pi * 2.5 * np.arange(120) / 60))
    Sine(hz=2.5, start=0.0, r2=1.0)
    """
    from scipy.optimize import minimize_scalar

    n = light.size
    if n < 4 or np.ptp(light) == 0:
        return Sine(np.nan, np.nan, 0.0)
    padded = 8 * n
    power = np.abs(np.fft.rfft(light - light.mean(), padded))
    width = DISPLAY_RATE_HZ / padded
    guess = max(1, int(power.argmax())) * width

    def residual(hz: float) -> float:
        return _least_squares(light, hz)[1]

    found = minimize_scalar(
        residual, bounds=(max(guess - 4 * width, width / 4), guess + 4 * width), method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    hz = float(f"{found.x:.3g}")
    (_, sine, cosine), left = _least_squares(light, hz)
    half_cycle = DISPLAY_RATE_HZ / (2 * hz)
    start = -np.arctan2(cosine, sine) * DISPLAY_RATE_HZ / (2 * np.pi * hz)
    start -= half_cycle * np.round(start / half_cycle)
    return Sine(
        hz, float(np.round(start, 6)) + 0.0, float(np.round(1 - left / (light.var() * n), 9))
    )


def bar_motion(frames: Array, background: Array) -> Motion | None:
    """Direction of a bar from the times at which it arrives at the pixels.

    A straight edge in constant motion arrives at ``a + g . (x, y)``; the direction is that of `g`,
    however much of the bar is visible. None if it passes too few pixels to say.

    Parameters
    ----------
    frames
        Shape ``(n_frames, height, width)``.
    background
        The frame without the bar, shape ``(height, width)``.

    Examples
    --------
    >>> frames = np.zeros((20, 9, 9))
    >>> for t in range(9): frames[t + 2, 8 - t, :] = 1
    >>> bar_motion(frames, frames[0])
    Motion(direction_deg=90.0, speed=1.0, r2=1.0)
    """
    away = np.abs(frames.astype(np.float32) - background.astype(np.float32))
    there = away > 0.5 * away.max()
    arrival = there.argmax(axis=0)
    # What is there from the first frame may have arrived before it.
    passed = there.any(axis=0) & (arrival > 0)
    y, x = np.nonzero(passed)
    if np.unique(x).size < 3 or np.unique(y).size < 3:
        return None
    times = arrival[passed].astype(np.float64)
    design = np.stack([np.ones(times.size), x, y], axis=1)
    weights: Float64 = np.linalg.lstsq(design, times, rcond=None)[0]
    _, along_x, along_y = weights
    slowness = float(np.hypot(along_x, along_y))
    if not slowness or not times.var():
        return None
    left = times - design @ weights
    # Rows run downwards.
    angle = float(np.rad2deg(np.arctan2(-along_y, along_x))) % 360
    return Motion(
        round(angle, 6) % 360, round(1 / slowness, 6), round(1 - float(left.var() / times.var()), 9)
    )


def _least_squares(light: Float64, hz: float) -> tuple[Float64, float]:
    """Mean, sine and cosine at a frequency, and the sum of squares that is left."""
    phase = 2 * np.pi * hz * np.arange(light.size) / DISPLAY_RATE_HZ
    design = np.stack([np.ones(light.size), np.sin(phase), np.cos(phase)], axis=1)
    weights: Float64 = np.linalg.lstsq(design, light, rcond=None)[0]
    return weights, float(((light - design @ weights) ** 2).sum())
