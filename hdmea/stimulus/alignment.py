"""Whether the light that was recorded follows the movie that should have been shown.

The guard against a wrong playlist, a shifted clock and a wrong file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.stimulus.photodiode import Photodiode
from hdmea.stimulus.sections import Section

Float64 = npt.NDArray[np.float64]

LEAST_R = 0.5
"""A movie whose correlation with the photodiode is below this was probably not the one shown."""
MAX_LAG_FRAMES = 30
"""Lags that are tried, in display frames to both sides."""
LEAST_FRAMES = 60
"""A movie that was cut is compared if at least so many frames of it can be."""
_AS_GOOD = 1.25
_NOISE_BLOCK = 30
_LEAST_NOISE_BLOCKS = 20


@dataclass(frozen=True, slots=True)
class Alignment:
    """How well the photodiode follows a movie.

    Parameters
    ----------
    r
        Pearson correlation at the lag.
    lag_frames
        Lag with the best correlation, in display frames; positive: the light came later than
        the playlist says.
    contrast
        Swing of the photodiode that follows the movie, from its darkest to its brightest
        frame, in the photodiode's own units (regression at the best lag).
    delay_frames
        How much later the light came than the playlist says, parts of a frame included.
    reason
        Why the numbers are NaN (``no_photodiode``, ``no_movie_file``, ``too_few_frames``,
        ``constant_luminance``, ``constant_photodiode``, ``only_noise``), else empty.
    """

    r: float
    lag_frames: float
    contrast: float
    delay_frames: float
    reason: str = ""

    @property
    def contradicts(self) -> bool:
        """Whether the light is another than the playlist says."""
        return not self.reason and not (self.lag_frames == 0 and self.r >= LEAST_R)


def not_compared(reason: str) -> Alignment:
    """No numbers, and why."""
    return Alignment(np.nan, np.nan, np.nan, np.nan, reason)


def align(light: npt.ArrayLike, content_start_frame: int, luminance: npt.ArrayLike) -> Alignment:
    """Compare the light with the luminance of one section's movie.

    Of a movie that was cut, or whose light was recorded in part only, that part is compared,
    without the last `MAX_LAG_FRAMES` at the cut, so that every lag has all its frames.

    Parameters
    ----------
    light
        Mean light during each display frame, NaN where unknown: `frame_light`.
    content_start_frame
        Frame at which the movie should begin; it may lie before the first or after the last.
    luminance
        Expected luminance, one value per display frame of the movie.

    Returns
    -------
    Alignment
        Of lags that leave up to a quarter more of the light unexplained than the best, the one
        nearest to 0.

    Examples
    --------
    >>> expected = np.sin(np.arange(50))
    >>> light = np.zeros(200)
    >>> light[102:152] = 5 * expected
    >>> found = align(light, 100, expected)
    >>> round(found.r, 6), found.lag_frames
    (1.0, 2.0)
    """
    expected = np.asarray(luminance, dtype=np.float64)
    light = np.asarray(light, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(light))
    low, high = (int(known[0]), int(known[-1]) + 1) if known.size else (0, 0)
    start, stop = max(0, low - content_start_frame), high - content_start_frame
    if start > 0 or stop < expected.size:
        start = start and start + MAX_LAG_FRAMES
        stop = stop - MAX_LAG_FRAMES if stop < expected.size else expected.size
        if stop - start < LEAST_FRAMES:
            return not_compared("too_few_frames")
        expected = expected[start:stop]
    if np.ptp(expected) == 0:
        return not_compared("constant_luminance")
    begin = content_start_frame + start
    # Beyond the light that is known there are no lags.
    lags = np.arange(
        max(-MAX_LAG_FRAMES, low - begin), min(MAX_LAG_FRAMES, high - begin - expected.size) + 1
    )
    measured = light[(begin + lags)[:, None] + np.arange(expected.size)]
    usable = np.isfinite(measured).all(axis=1)
    measured, lags = measured[usable], lags[usable]

    centred = expected - expected.mean()
    deviation = measured - measured.mean(axis=1, keepdims=True)
    norm = np.sqrt((deviation**2).sum(axis=1))
    # Means of a constant light differ by rounding.
    moving = np.ptp(measured, axis=1) > 1e-9 * np.abs(measured).max(initial=0)
    if not moving.any():
        return not_compared("constant_photodiode")
    # Sums, not BLAS products: those depend on the number of its threads.
    power = (centred**2).sum()
    together = (deviation * centred).sum(axis=1)
    r = np.full(lags.size, -np.inf)
    r[moving] = together[moving] / (norm[moving] * np.sqrt(power))
    # A slow ramp fits nearly as well at any lag: only what is clearly better is another lag.
    left = 1 - np.maximum(r, 0) ** 2
    as_good = left <= _AS_GOOD * left.min() + 1e-9
    nearest = np.argsort(np.abs(lags), kind="stable")
    best = nearest[np.argmax(as_good[nearest])]
    slope = together[best] / power
    return Alignment(
        r=float(r[best]),
        lag_frames=float(lags[best]),
        contrast=float(slope * np.ptp(expected)),
        delay_frames=float(lags[best]) + _part_of_a_frame(measured[best], expected),
    )


def _part_of_a_frame(light: Float64, luminance: Float64) -> float:
    """Delay of the light against the luminance at the best whole lag, in frames.

    A frame whose light comes late by a part shows that part of the image before it: the light is
    a mixture of the image with those before and after it (least squares), and the delay what
    each of these has of it, later ones counted as negative.
    """
    before, at, after = luminance[:-2], luminance[1:-1], luminance[2:]
    images = np.stack([before, at, after, np.ones(at.size)], axis=1)
    # 4 x 4 sums, not BLAS products of the whole: those depend on the number of its threads.
    squares = (images[:, :, None] * images[:, None, :]).sum(axis=0)
    share = np.linalg.lstsq(squares, (images * light[1:-1, None]).sum(axis=0), rcond=None)[0][:3]
    return float((share[0] - share[2]) / share.sum()) if share.sum() > 0 else float("nan")


def frame_light(photodiode: Photodiode, frame_times_s: npt.ArrayLike) -> Float64:
    """Mean light during each display frame, float64, shape ``(n_frames - 1,)``.

    Parameters
    ----------
    photodiode
        The light level.
    frame_times_s
        Frame times, seconds, increasing, shape ``(n_frames,)``.

    Returns
    -------
    float64 array
        NaN where the photodiode was not recorded.

    Examples
    --------
    >>> light = Photodiode(np.float32([1, 1, 4, 1, 1]), rate_hz=10.0, t0_s=0.0)
    >>> frame_light(light, [0.1, 0.25, 0.4, 0.9]).round(6)
    array([ 2.,  2., nan])
    """
    times = np.asarray(frame_times_s, dtype=np.float64)
    value_s = 1 / photodiode.rate_hz
    end_s = photodiode.t0_s + photodiode.values.size * value_s
    # A value may be missing at the ends of the row without the frame being lost.
    inside = (times > photodiode.t0_s - value_s) & (times < end_s + value_s)
    known = inside[:-1] & inside[1:]
    edges = np.clip(times, photodiode.t0_s, end_s)
    light = np.full(max(0, times.size - 1), np.nan)
    if known.any():
        light[known] = photodiode.means(edges[:-1][known], edges[1:][known])
    return light


def is_only_noise(light: Float64) -> bool:
    """Whether nothing that a display shows is in the light: no photodiode was connected.

    Noise is white and equally strong all the time: neighbouring frames do not resemble each
    other (correlation below 0.2), means of 30 frames vary as those of white noise do (at most
    twice their variance), and no 30 frames vary five times as much as is usual.

    Examples
    --------
    >>> noise = np.random.default_rng(1).normal(size=3000)
    >>> is_only_noise(noise), is_only_noise(noise + 5 * (np.arange(3000) > 1500))
    (True, False)
    """
    known = light[np.isfinite(light)]
    blocks = known[: known.size // _NOISE_BLOCK * _NOISE_BLOCK].reshape(-1, _NOISE_BLOCK)
    if len(blocks) < _LEAST_NOISE_BLOCKS or np.ptp(known) == 0:
        return False
    centred = known - known.mean()
    power = float((centred**2).mean())
    neighbours = float((centred[1:] * centred[:-1]).mean()) / power
    slow = float(blocks.mean(axis=1).var()) * _NOISE_BLOCK / power
    spread = blocks.var(axis=1)
    return abs(neighbours) < 0.2 and slow < 2 and float(spread.max()) < 5 * float(np.median(spread))


def align_sections(
    light: Float64 | None,
    sections: Iterable[Section],
    luminance: Mapping[str, Float64 | None],
) -> list[Alignment]:
    """Compare the light with every section.

    Parameters
    ----------
    light
        Mean light during each display frame; None: there is no photodiode.
    sections
        Where the movies should lie.
    luminance
        Of each movie by name; None: the library has no frames of it.

    Returns
    -------
    list of Alignment
        In the order of the sections. Where all contradict, and the light `is_only_noise`, there
        is nothing to compare with: the reason is ``only_noise``.
    """
    found = []
    for section in sections:
        expected = luminance[section.movie]
        if light is None:
            found.append(not_compared("no_photodiode"))
        elif expected is None:
            found.append(not_compared("no_movie_file"))
        else:
            found.append(align(light, section.content_start_frame, expected))
    told = [one for one in found if not one.reason]
    if light is not None and all(one.r < LEAST_R for one in told) and is_only_noise(light):
        return [one if one.reason else not_compared("only_noise") for one in found]
    return found
