"""Long intervals of the frame clock judged with the movies that were shown after them.

A long interval is a frame that the display held, or pulses that were missed: then all later
images come earlier on the clock than the playlist says, and the light tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.stimulus.alignment import LEAST_R
from hdmea.stimulus.sections import Section

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

CLEARLY = 2.0
"""The light that one meaning leaves unexplained, over what the other one does."""
_LEAST_FRAMES = 10
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class LongInterval:
    """An interval of the frame clock that is longer than one frame.

    Parameters
    ----------
    frame
        Frame of the clock that begins it.
    start_s
        Its time.
    n_frames
        Its length in median intervals, rounded.
    verdict
        ``held``, ``missed`` or ``undecided``.
    decided_by
        ``photodiode``, ``parameter``, or empty.
    """

    frame: int
    start_s: float
    n_frames: int
    verdict: str
    decided_by: str = ""

    @property
    def pulses_if_wrong(self) -> int:
        """Pulses that were missed if the verdict is wrong; negative: that were not."""
        return (self.n_frames - 1) * (-1 if self.verdict == "missed" else 1)


@dataclass(frozen=True, slots=True)
class Part:
    """The frames from one long interval to the next one.

    Parameters
    ----------
    start_frame
        The first one of the clock.
    lag
        By how many frames the light comes later than the movies; 0 unless another number is
        clear.
    r
        Correlation of light and movies as they lie; NaN where no light tells.
    tells
        Whether the light is clearly at these frames and at no others that were tried.
    """

    start_frame: int
    lag: int
    r: float
    tells: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the light after a long interval says.

    Parameters
    ----------
    verdict
        ``held``, ``missed``, or ``undecided``.
    r_held, r_missed
        Correlation of light and movies after it if the frame was held, and if pulses were
        missed (all, where several intervals are judged together); NaN where no movie whose
        light varies was shown before the next such interval.
    """

    verdict: str
    r_held: float
    r_missed: float


def intervals_in_words(intervals: Sequence[LongInterval]) -> str:
    """Where long intervals are, and how long."""
    told = [
        f"the interval at {one.start_s:.3f} s (frame {one.frame}, {one.n_frames} frames long)"
        for one in intervals[:_SHOWN]
    ]
    more = f", and {len(intervals) - _SHOWN} more" if len(intervals) > _SHOWN else ""
    return ", ".join(told) + more


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The light that the playlist says, frame by frame.

    Parameters
    ----------
    luminance
        Per display frame, NaN where it is not known: between movies, and in those without frames.
    section
        Row of the frame's section; -1 between them.
    """

    luminance: Float64
    section: Int64


def expected_light(
    sections: Sequence[Section], luminance: Mapping[str, Float64 | None], n_frames: int
) -> Expected:
    """Lay the luminance of the movies along a clock of `n_frames` frames."""
    light = np.full(n_frames, np.nan)
    row = np.full(n_frames, -1, dtype=np.int64)
    for i, section in enumerate(sections):
        values = luminance[section.movie]
        start, stop = max(0, section.content_start_frame), section.content_start_frame
        stop = min(n_frames, stop + section.length_frames)
        if values is not None and start < stop:
            light[start:stop] = values[start - section.content_start_frame :][: stop - start]
            row[start:stop] = i
    return Expected(light, row)


def judge_intervals(
    light: Float64, expected: Expected, frames: Sequence[int], n_missed: Sequence[int]
) -> list[Judgement]:
    """Judge long intervals, one after the other.

    The light from an interval to the next one is compared with the movies as they lie if the
    frame was held, and as they lie if its pulses were missed; what was found missed before it
    moves both. A meaning is taken if the light follows it (r of at least 0.5) and it leaves at
    most half of what the other one leaves unexplained. Every movie is centred by itself. Intervals
    between which there is no such light are judged together; where only some of them were missed,
    the first ones are said to be, which makes no difference for any movie.

    Parameters
    ----------
    light
        Mean light during each display frame, NaN where unknown.
    expected
        As `expected_light` gives it.
    frames
        Frame that begins each interval, ascending.
    n_missed
        Pulses missed in it, if they are; negative: pulses taken for missed that were not.

    Examples
    --------
    >>> movie = np.random.default_rng(1).uniform(size=400)
    >>> expected = Expected(movie, np.zeros(400, dtype=np.int64))
    >>> light = np.delete(movie, 100)  # its pulse is missed: nothing at its place
    >>> judge_intervals(light, expected, [99], [1])[0].verdict
    'missed'
    """
    judged: list[Judgement] = []
    moved = 0
    group: list[int] = []  # intervals between which no movie tells anything are judged together
    for missed, start, stop in zip(n_missed, frames, [*frames, light.size][1:], strict=True):
        group.append(missed)
        place = np.arange(start + 1, min(stop, light.size))
        if np.isnan(_follows(light, expected, place, moved)) and stop < light.size:
            continue
        # Each number of missed pulses that is possible, with the first intervals that make it up.
        possible: dict[int, tuple[int, ...]] = {0: ()}
        for i, one in enumerate(group):
            for sum_before, which in list(possible.items()):
                possible.setdefault(sum_before + one, (*which, i))
        r = {more: _follows(light, expected, place, moved + more) for more in possible}
        total = _clearly(r)
        for i in range(len(group)):
            verdict = "undecided"
            if total is not None:
                verdict = "missed" if i in possible[total] else "held"
            judged.append(Judgement(verdict, r[0], r[sum(group)]))
        moved += total or 0
        group = []
    return judged


def compare_parts(
    light: Float64,
    expected: Expected,
    frames: Sequence[int],
    moved: Sequence[int],
    most: int,
) -> list[Part]:
    """How each part of the clock between long intervals lies to the light by itself.

    A movie as a whole may agree with the light although a part of it, between two intervals or
    before the first, is some frames off.

    Parameters
    ----------
    light, expected
        As for `judge_intervals`.
    frames
        Frame that begins each interval, ascending.
    moved
        Pulses found missed in each, 0 where it is as the clock took it.
    most
        Frames by which a part may be off.

    Returns
    -------
    list of Part
        The first one ends with the first interval, the last one with the clock.

    Examples
    --------
    >>> movie = np.random.default_rng(1).uniform(size=400)
    >>> expected = Expected(movie, np.zeros(400, dtype=np.int64))
    >>> light = np.r_[0.5, np.delete(movie, 200)]  # a frame late until a pulse is missed
    >>> [part.lag for part in compare_parts(light, expected, [200], [0], 1)]
    [1, 0]
    """
    parts = []
    lags = sorted(range(-most, most + 1), key=abs)
    edges = [-1, *frames, light.size]
    for start, stop, at in zip(edges, edges[1:], np.cumsum([0, *moved]).tolist(), strict=False):
        place = np.arange(start + 1, min(stop, light.size))
        r = {lag: _follows(light, expected, place, at - lag) for lag in lags}
        known = {lag: one for lag, one in r.items() if not np.isnan(one)}
        left = {lag: 1 - max(one, 0.0) ** 2 for lag, one in known.items()}
        best = min(left, key=lambda lag: left[lag], default=0)
        clear = 0 in left and known[best] >= LEAST_R and left[0] >= CLEARLY * left[best]
        tells = r[0] >= LEAST_R and all(
            one >= CLEARLY * left[0] for lag, one in left.items() if lag != 0
        )
        parts.append(Part(start + 1, best if clear else 0, r[0], tells))
    return parts


def _clearly(r: Mapping[int, float]) -> int | None:
    """The number of missed pulses that is clear of the correlations with each, if one is."""
    if np.isnan(list(r.values())).any():
        return None
    left = {total: 1 - max(one, 0.0) ** 2 for total, one in r.items()}
    best = min(left, key=lambda total: left[total])
    clear = all(one >= CLEARLY * left[best] for total, one in left.items() if total != best)
    return best if clear and r[best] >= LEAST_R else None


def _follows(light: Float64, expected: Expected, place: Int64, moved: int) -> float:
    """Correlation of the light at some frames with the images that lie `moved` frames later.

    NaN where these are too few, or their luminance is constant.
    """
    place = place[(place + moved >= 0) & (place + moved < expected.luminance.size)]
    image = place + moved
    luminance, section = expected.luminance[image], expected.section[image]
    known = np.isfinite(luminance) & np.isfinite(light[place])
    if known.sum() < _LEAST_FRAMES:
        return float("nan")
    light, luminance, section = light[place][known], luminance[known], section[known]
    number = np.bincount(section)
    number = np.maximum(number, 1)
    light = light - (np.bincount(section, light) / number)[section]
    luminance = luminance - (np.bincount(section, luminance) / number)[section]
    power = float((luminance**2).sum() * (light**2).sum())
    # What rounding leaves of a constant light is not a change.
    if (luminance**2).mean() <= 1e-12 * max(1.0, float(np.nanmax(expected.luminance) ** 2)):
        return float("nan")
    return float((light * luminance).sum() / np.sqrt(power)) if power > 0 else 0.0


def mend_light(light: Float64, wrong: Sequence[LongInterval]) -> Float64:
    """The light as it is once the clock takes some intervals the other way.

    Frames that the clock inserted are taken out, and missing ones put in.

    Examples
    --------
    >>> light = np.array([1.0, 2.0, 3.0, 4.0])
    >>> mend_light(light, [LongInterval(1, 0.1, 3, "held")]).tolist()
    [1.0, 2.0, 2.0, 2.0, 3.0, 4.0]
    >>> mend_light(light, [LongInterval(1, 0.1, 2, "missed")]).tolist()
    [1.0, 2.0, 4.0]
    """
    pieces, place = [], 0
    for one in wrong:
        pieces.append(light[place : one.frame + 1])
        place = one.frame + 1
        if one.verdict == "missed":
            place += one.n_frames - 1
        else:
            pieces.append(np.full(one.n_frames - 1, light[one.frame]))
    return np.concatenate([*pieces, light[place:]])
