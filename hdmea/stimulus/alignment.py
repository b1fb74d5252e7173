"""Whether the light that was recorded follows the movie that should have been shown.

The guard against a wrong playlist, a shifted clock and a wrong file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError

Float64 = npt.NDArray[np.float64]

LEAST_R = 0.5
"""A movie whose correlation with the photodiode is below this was probably not the one shown."""
MAX_LAG_FRAMES = 30
"""Lags that are tried, in display frames to both sides."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How well the photodiode follows a movie.

    Parameters
    ----------
    r
        Pearson correlation at the best lag.
    lag_frames
        Best lag in display frames; positive: the light came later than the playlist says.
    contrast
        Swing of the photodiode that follows the movie, from its darkest to its brightest
        frame, in the photodiode's own units (regression at the best lag).
    reason
        Why the numbers are NaN (``constant_luminance``, ``constant_photodiode``), else empty.
    """

    r: float
    lag_frames: float
    contrast: float
    reason: str = ""


def align(
    photodiode: npt.ArrayLike,
    rate_hz: float,
    t0_s: float,
    frame_times_s: npt.ArrayLike,
    content_start_frame: int,
    luminance: npt.ArrayLike,
) -> Alignment:
    """Compare the photodiode with the luminance of one section's movie.

    Parameters
    ----------
    photodiode
        Light level; value ``i`` covers ``t0_s + [i, i + 1) / rate_hz``.
    rate_hz, t0_s
        Rate of `photodiode` and the time at which its first value begins.
    frame_times_s
        Frame times of the whole recording, seconds.
    content_start_frame
        Frame at which the movie should begin.
    luminance
        Expected luminance, one value per display frame of the movie.

    Returns
    -------
    Alignment
        Of lags with equal correlation, the one nearest to 0.

    Raises
    ------
    StimulusError
        If the movie reaches beyond the frame clock or the photodiode.

    Examples
    --------
    >>> frames = np.arange(200) / 60
    >>> expected = np.sin(np.arange(50))
    >>> light = np.zeros(200)
    >>> light[102:152] = 5 * expected
    >>> found = align(light, 60.0, 0.0, frames, 100, expected)
    >>> round(found.r, 6), found.lag_frames
    (1.0, 2.0)
    """
    expected = np.asarray(luminance, dtype=np.float64)
    times = np.asarray(frame_times_s, dtype=np.float64)
    if np.ptp(expected) == 0:
        return Alignment(np.nan, np.nan, np.nan, "constant_luminance")
    first = max(0, content_start_frame - MAX_LAG_FRAMES)
    last = min(times.size - 1, content_start_frame + expected.size + MAX_LAG_FRAMES)
    light = _frame_means(photodiode, rate_hz, t0_s, times[first : last + 1])
    # Frames outside the photodiode are NaN and only take lags away.
    n_lags = light.size - expected.size + 1
    lags = first + np.arange(n_lags) - content_start_frame
    windows = np.arange(max(0, n_lags))[:, None] + np.arange(expected.size)
    measured = light[windows]
    usable = np.isfinite(measured).all(axis=1)
    if not usable[lags == 0].any():
        raise StimulusError(
            f"The frame clock or the photodiode ends inside the movie that starts at frame "
            f"{content_start_frame} and has {expected.size} frames (the clock has {times.size})."
        )
    measured, lags = measured[usable], lags[usable]

    centred = expected - expected.mean()
    deviation = measured - measured.mean(axis=1, keepdims=True)
    norm = np.sqrt((deviation**2).sum(axis=1))
    # Means of a constant light differ by rounding.
    moving = np.ptp(measured, axis=1) > 1e-9 * np.abs(measured).max()
    if not moving.any():
        return Alignment(np.nan, np.nan, np.nan, "constant_photodiode")
    # Sums, not BLAS products: those depend on the number of its threads.
    power = (centred**2).sum()
    together = (deviation * centred).sum(axis=1)
    r = np.full(lags.size, -np.inf)
    r[moving] = together[moving] / (norm[moving] * np.sqrt(power))
    nearest = np.argsort(np.abs(lags), kind="stable")
    # Rounded, so that equal correlations are equal and the nearest lag wins.
    best = nearest[np.argmax(np.round(r[nearest], 9))]
    slope = together[best] / power
    return Alignment(
        r=float(r[best]),
        lag_frames=float(lags[best]),
        contrast=float(slope * np.ptp(expected)),
    )


def _frame_means(
    photodiode: npt.ArrayLike, rate_hz: float, t0_s: float, edges_s: Float64
) -> Float64:
    """Mean light between consecutive edges, parts of samples counted as such; NaN outside."""
    light = np.asarray(photodiode)
    edges = (edges_s - t0_s) * rate_hz
    # A sample may be missing at the ends of the row without the frame being lost.
    inside = (edges > -1) & (edges < light.size + 1)
    low = int(np.clip(np.floor(edges[0]), 0, light.size))
    high = int(np.clip(np.ceil(edges[-1]) + 1, low, light.size))
    integral = np.r_[0.0, np.cumsum(light[low:high], dtype=np.float64)]
    at_edge = np.interp(edges - low, np.arange(integral.size), integral)
    clipped = np.clip(edges, 0, light.size)
    with np.errstate(invalid="ignore"):
        means = np.diff(at_edge) / np.diff(clipped)
    return np.where(inside[:-1] & inside[1:], means, np.nan)
