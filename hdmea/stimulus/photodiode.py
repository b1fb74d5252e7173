"""The light that the photodiode saw, and what it says about an interval without a pulse.

The photodiode is kept as means at about 1 kHz: 16 values per frame of a 60 Hz display, enough
to tell one frame from the next, and a few megabytes per hour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Decision = Literal["held", "missed", "undecided"]

_AROUND_S = 2.0  # of light on each side of an interval that is looked at
_LEAST_FRAMES = 60  # from which the noise of the photodiode is estimated
_THIRDS = ((0.4, 0.53), (0.53, 0.67), (0.67, 0.8))  # of the light of a frame, settled
_IN_GENERAL, _HERE = 2.5, 5.0  # times what light moves within a frame: a change; see `_changes`
_LATE = 0.1  # part of a change that may come one frame late
_CLEAR = 5.0  # times the other borders' are changes that have a rhythm
_CERTAIN = 20.0  # "every frame changes" means by this many times what a change is
_LEAST_CERTAIN = 100  # so many changes in a row without exception make one an exception
_LONGEST_DELAY = 2  # frames by which the light may come after its pulse
_LONGEST_HOLD = 16  # frames; a longer stop may as well lie between two movies
_LEAST_REFRESHES = 6  # on each side, to know how long images are held
_LEAST_SEEN = 0.3  # of the refreshes; images may happen to be as bright as the one before
_OFF_GRID = 0.25  # an interval this far from a whole number of frames is neither


@dataclass(frozen=True, slots=True, eq=False)
class Photodiode:
    """Light level over the recording.

    Parameters
    ----------
    values
        Means; value ``i`` covers ``t0_s + [i, i + 1) / rate_hz``.
    rate_hz
        Values per second.
    t0_s
        Begin of the first value, seconds from the start of the recording.
    """

    values: npt.NDArray[np.float32]
    rate_hz: float
    t0_s: float

    def means(self, start_s: Float64, stop_s: Float64) -> Float64:
        """Mean light of intervals inside the photodiode's row, parts of values counted as such.

        Examples
        --------
        >>> light = Photodiode(np.float32([0, 0, 4, 4]), rate_hz=1000.0, t0_s=1.0)
        >>> light.means(np.array([1.0, 1.001]), np.array([1.002, 1.003])).round(6)
        array([0., 2.])
        """
        start, stop = ((edge - self.t0_s) * self.rate_hz for edge in (start_s, stop_s))
        low, high = max(0, int(start.min())), int(np.ceil(stop.max())) + 1
        integral = np.r_[0.0, np.cumsum(self.values[low:high], dtype=np.float64)]
        place = np.arange(low, low + integral.size)
        area = np.interp(stop, place, integral) - np.interp(start, place, integral)
        means: Float64 = area / (stop - start)
        return means


def block_means(
    blocks: Iterable[npt.NDArray[Any]], n_samples: int, rate_hz: float, target_hz: float = 1000.0
) -> tuple[npt.NDArray[np.float32], float]:
    """A row averaged down to about `target_hz`.

    Every value is the mean of the same whole number of samples, ``round(rate / target)`` (at
    least 1), so the rate that comes out is `target_hz` only where it divides `rate_hz`; it is
    returned. Samples that do not fill a last mean are left out.

    Parameters
    ----------
    blocks
        One pass over the row: successive 1-D blocks.
    n_samples
        Samples in the row.
    rate_hz
        Sampling rate of the row.
    target_hz
        Wanted rate.

    Returns
    -------
    means : float32 array
        Value ``i`` covers the samples ``[i * k, (i + 1) * k)``.
    rate_hz : float
        The rate of `means`, exactly ``rate_hz / k``.

    Raises
    ------
    StimulusError
        If the blocks hold another number of samples than `n_samples`.

    Examples
    --------
    >>> block_means([np.arange(5), np.arange(5, 9)], 9, rate_hz=4000.0, target_hz=1000.0)
    (array([1.5, 5.5], dtype=float32), 1000.0)
    """
    factor = max(1, round(rate_hz / target_hz))
    means = np.empty(n_samples // factor, dtype=np.float32)
    rest = np.empty(0)
    done = seen = 0
    for block in blocks:
        seen += block.size
        if seen > n_samples:
            break
        rest = np.r_[rest, block.astype(np.float64)]
        n = rest.size // factor
        means[done : done + n] = rest[: n * factor].reshape(n, factor).mean(axis=1)
        done += n
        rest = rest[n * factor :]
    if seen != n_samples:
        found = f"more than {n_samples}" if seen > n_samples else str(seen)
        raise StimulusError(
            f"A row of {n_samples} samples must be read, as announced: {found} were read."
        )
    return means, rate_hz / factor


def decide(
    photodiode: Photodiode,
    before_s: npt.ArrayLike,
    after_s: npt.ArrayLike,
    median_s: float,
) -> Decision:
    """Whether the display held a frame or a pulse was missed, from the light alone.

    The interval is cut into its frames as if pulses were missed, and the light of every frame is
    compared with that of the frame before. Three things decide, whichever comes first:

    - The light changes at every border inside the interval, and at those of the frames by which
      it may be late: a held image would leave one border without a change. Missed.
    - Images stay for a constant number of frames (noise refreshed at 15 Hz on a 60 Hz display: 4)
      on both sides. Where their rhythm goes on through the interval, a pulse is missed; where
      it is late by just the frames in question, the display held an image.
    - The light changes clearly at every border in the seconds around, and at one place of the
      interval it does not: held.

    Everything else is undecided, static light above all.

    Parameters
    ----------
    photodiode
        The light.
    before_s, after_s
        Regular frames before and after the interval, seconds, ascending: it lasts from the last
        of the one to the first of the other. Light that is late by more than two frames must be
        in these times (``display_delay_s``).
    median_s
        Length of a frame.

    Returns
    -------
    str
        ``held``, ``missed`` or ``undecided``.

    Examples
    --------
    >>> shown = np.repeat(np.arange(300) % 2, 16)                  # black, white, black, ...
    >>> light = Photodiode(np.float32(shown), 960.0, 0.0)
    >>> frames = np.arange(300) / 60
    >>> decide(light, frames[:150], frames[151:], 1 / 60)          # without pulse 150
    'missed'
    """
    before, after = np.asarray(before_s, dtype=np.float64), np.asarray(after_s, dtype=np.float64)
    length = (after[0] - before[-1]) / median_s
    n = int(length + 0.5)
    if n < 2 or abs(length - n) > _OFF_GRID:
        return "undecided"
    inner = before[-1] + np.arange(1, n) * (after[0] - before[-1]) / n
    starts = np.r_[before[before >= before[-1] - _AROUND_S], inner, after]
    starts = starts[starts <= after[0] + _AROUND_S]
    end = photodiode.t0_s + photodiode.values.size / photodiode.rate_hz
    starts = starts[(starts >= photodiode.t0_s + median_s) & (starts <= end - 2 * median_s)]
    first = int(np.searchsorted(starts, before[-1])) - 1  # border 0 of the changes is frame 1
    if starts.size < _LEAST_FRAMES or median_s * photodiode.rate_hz < 4:
        return "undecided"
    zone = slice(first + 1, first + n + _LONGEST_DELAY)
    changes = _changes(photodiode, starts, median_s)
    if first < 0 or zone.stop > changes.size.size:
        return "undecided"
    if changes.changed[zone].all():
        return "missed"
    rhythm = _rhythm(np.flatnonzero(changes.changed) - first, n) if changes.clear else "undecided"
    return rhythm if rhythm != "undecided" else _stillness(changes, zone, n)


@dataclass(frozen=True, slots=True, eq=False)
class _Changes:
    """Change of the light at every border between two frames.

    ``size`` in multiples of what counts as a change; ``changed`` where it is one.
    """

    size: Float64
    changed: Bool

    @property
    def clear(self) -> bool:
        """Whether changes stand out from what is none: else a rhythm may be that of a hum."""
        if not self.changed.any() or self.changed.all():
            return False
        others = float(np.quantile(self.size[~self.changed], 0.9))
        return float(np.median(self.size[self.changed])) > _CLEAR * others


def _changes(photodiode: Photodiode, starts: Float64, frame_s: float) -> _Changes:
    """Compare the settled light of successive frames.

    An image stands still, whatever else moves the light: noise, hum, a drift, a slow photodiode.
    So a change must exceed both what the light moves within the frames in general, and five times
    what it moves within the two frames next to it: from one frame to the next a steady drift makes
    less. And it must exceed a tenth of the change before, of which a slow display may bring a
    part one frame late. How much the light moves within a frame is the range of three means of its
    settled part; for white noise, 2.5 times its 90th percentile is 9 standard deviations of a
    change.
    """
    begin = starts + _phase(photodiode, starts, frame_s) * frame_s
    thirds = np.stack(
        [photodiode.means(begin + a * frame_s, begin + b * frame_s) for a, b in _THIRDS]
    )
    # A display whose light pulses within every frame does the same in all of them.
    within = np.ptp(thirds - np.median(thirds - thirds.mean(axis=0), axis=1, keepdims=True), axis=0)
    light = thirds.mean(axis=0)
    change = np.abs(np.diff(light))
    rounding = 1e-6 * float(np.abs(light).max())
    threshold = max(_IN_GENERAL * float(np.quantile(within, 0.9)), rounding, np.finfo(float).tiny)
    here = _HERE * np.maximum(within[:-1], within[1:])
    late = _LATE * np.r_[0.0, change[:-1]]
    return _Changes(change / threshold, change > np.maximum(np.maximum(threshold, here), late))


def _phase(photodiode: Photodiode, starts: Float64, frame_s: float) -> float:
    """Where in a frame the light changes, as a part of the frame: from -0.25 to 0.75.

    The mean direction of the squared steps of the light on the circle of one frame; noise, being
    everywhere, does not turn it.
    """
    low, high = ((edge - photodiode.t0_s) * photodiode.rate_hz for edge in starts[[0, -1]])
    steps = np.diff(photodiode.values[int(low) : int(high)].astype(np.float64)) ** 2
    times = photodiode.t0_s + (int(low) + 1 + np.arange(steps.size)) / photodiode.rate_hz
    since = times - starts[np.maximum(np.searchsorted(starts, times, side="right") - 1, 0)]
    angle = 2 * np.pi * since / frame_s
    turn = np.arctan2((steps * np.sin(angle)).sum(), (steps * np.cos(angle)).sum()) / (2 * np.pi)
    return float((turn + 0.25) % 1.0 - 0.25)


def _rhythm(borders: npt.NDArray[np.int64], n: int) -> Decision:
    """Compare the rhythm of changes before and after an interval of `n` frames.

    `borders` are those at which the light changed, 0 at the pulse that begins the interval.
    """
    before = _unbroken(borders[borders <= 0][::-1])[::-1]
    after = _unbroken(borders[borders >= n + _LONGEST_DELAY])
    between = borders[(borders > 0) & (borders < n + _LONGEST_DELAY)]
    if min(before.size, after.size) <= _LEAST_REFRESHES:
        return "undecided"
    hold = int(np.gcd.reduce(np.r_[np.diff(before), np.diff(after)]))
    if not 2 <= hold <= _LONGEST_HOLD or (n - 1) % hold == 0:
        return "undecided"
    seen = (before.size + after.size - 2) * hold / (np.ptp(before) + np.ptp(after))
    if seen < _LEAST_SEEN:
        return "undecided"
    late, late_between = (after[0] - before[-1]) % hold, (between - before[-1]) % hold
    pause = np.diff(np.r_[before[-1], between, after[0]]).max()
    if late == 0 and not late_between.any() and pause <= 3 * hold:
        return "missed"
    still = any(
        not ((between > delay) & (between < n + delay)).any() for delay in range(_LONGEST_DELAY + 1)
    )
    if late == (n - 1) % hold and still and n <= _LONGEST_HOLD and pause <= 3 * hold + n - 1:
        return "held"
    return "undecided"


def _unbroken(borders: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The first borders up to a pause, as there is between movies."""
    pauses = np.flatnonzero(np.abs(np.diff(borders)) > 3 * _LONGEST_HOLD)
    return borders[: pauses[0] + 1] if pauses.size else borders


def _stillness(changes: _Changes, zone: slice, n: int) -> Decision:
    """Whether the light stood still in the interval, and nowhere else around it."""
    inside, outside = changes.size[zone], np.delete(changes.size, zone)
    quiet = np.flatnonzero(inside <= 1)
    if (
        n <= _LONGEST_HOLD
        and outside.size >= _LEAST_CERTAIN
        and outside.min() >= _CERTAIN
        and quiet.size == n - 1
        and np.ptp(quiet) == n - 2
        and np.delete(inside, quiet).min() >= _CERTAIN
    ):
        return "held"
    return "undecided"
