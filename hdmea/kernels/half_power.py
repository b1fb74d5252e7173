"""Where a gain is largest, and where it has half of the power, of curves that were smoothed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.kernels.harmonics import falls_to

Float64 = npt.NDArray[np.float64]

_NEARLY = 0.95
"""Part of the largest gain that counts as the top of the curve."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest peak of a curve, in octaves.

    Parameters
    ----------
    largest
        Where it is largest: of the parabola through the largest value and its neighbours.
    below, above
        How far it is from there to where the gain has fallen to ``1 / sqrt 2``, down and up; NaN
        where it does not fall so far.
    """

    largest: float
    below: float
    above: float

    @classmethod
    def of(cls, octave: Float64, gain: Float64) -> Peak:
        """The peak of a curve with straight lines between its points.

        Parameters
        ----------
        octave
            Logarithm of the frequencies to the base 2, ascending.
        gain
            The curve.

        Examples
        --------
        >>> peak = Peak.of(np.arange(4.0), np.array([0.0, 1.0, 2.0, 1.0]))
        >>> peak.largest, round(peak.below, 3), round(peak.above, 3)
        (2.0, 0.586, 0.586)
        """
        peak = int(gain.argmax())
        largest = _vertex(octave, gain, peak)
        low, high = _falls_to(np.sqrt(0.5), octave, gain, peak)
        return cls(largest, float(largest - low), float(high - largest))


def middle_of_top(octave: Float64, gain: Float64) -> float:
    """Middle, in octaves, of where a curve is nearly the largest, around where it is.

    Parameters
    ----------
    octave, gain
        As of `Peak.of`.

    Examples
    --------
    >>> middle_of_top(np.arange(5.0), np.array([0.0, 0.0, 2.0, 2.0, 0.0]))
    2.5
    """
    sides = _falls_to(_NEARLY, octave, gain, int(gain.argmax()))
    ends = octave[0], octave[-1]
    top = [end if np.isnan(side) else side for side, end in zip(sides, ends, strict=True)]
    return float(np.mean(top))


def _falls_to(part: float, octave: Float64, gain: Float64, peak: int) -> tuple[float, float]:
    """Where a curve has fallen to a part of its largest value, below and above."""
    low, high = (
        falls_to(part * gain[peak], octave, gain, peak, upwards=upwards)
        for upwards in (False, True)
    )
    return low, high


def _vertex(x: Float64, y: Float64, peak: int) -> float:
    """Where the parabola through a largest value and its neighbours is largest."""
    if not 0 < peak < x.size - 1:
        return float(x[peak])
    (before, after), (falls, falls_after) = np.diff(x[peak - 1 : peak + 2]), [
        y[peak] - y[peak - 1], y[peak] - y[peak + 1]
    ]  # fmt: skip
    bend = falls * after + falls_after * before
    if bend <= 0:
        return float(x[peak])
    return float(x[peak] + 0.5 * (falls * after**2 - falls_after * before**2) / bend)


def before_smoothing(found: float, true: Float64, seen: Float64) -> float:
    """The width that looks like this after a fit that makes widths look like others.

    NaN if it is less than the narrowest looks like; beyond the widest that is seen, the same
    correction as of that.

    Parameters
    ----------
    found
        `Peak.below` or `Peak.above`.
    true, seen
        Widths, ascending, and what they look like; NaN where the curve does not fall so far.

    Examples
    --------
    >>> true, seen = np.array([0.1, 0.5, 1.0]), np.array([0.4, 0.6, np.nan])
    >>> [before_smoothing(found, true, seen) for found in (0.3, 0.6, 1.6)]
    [nan, 0.5, 1.5]
    """
    known = np.isfinite(seen)
    if not known.any():
        return np.nan
    # Of two that look the same the narrower one counts.
    at, width = np.maximum.accumulate(seen[known]), true[known]
    if not found >= at[0]:
        return np.nan
    return float(np.interp(found, at, width) + max(found - at[-1], 0.0))
