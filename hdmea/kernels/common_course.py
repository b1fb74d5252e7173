"""One course of the rate over a cycle, common to all frequencies but for its size and phase.

Its size is known better than the first harmonic alone: of a cell that answers to both halves of a
cycle the first harmonic is a small difference between two large responses, whose spikes, and whose
second harmonic, grow and shrink with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]

_ITERATIONS = 40
_REFINEMENTS = 3
_LONGEST_STEP = 0.1
"""Of a phase that is refined, radians."""
_LEAST_SIZE = 1e-3
"""Of the root mean square over frequencies."""
_HALF = 0.5
"""Of a wave's square over a cycle, relative to that of a constant."""
_LEAST_VARIANCE = 0.1
"""Of a first harmonic's amplitude, relative to that in an even rate."""


def _waves(turn: Float64) -> tuple[Float64, Float64, Float64, Float64]:
    """Cosine and sine, and those of twice the angle."""
    return np.cos(turn), np.sin(turn), np.cos(2 * turn), np.sin(2 * turn)


_ANGLES = np.linspace(0, 2 * np.pi, 32, endpoint=False)
"""Phases that are tried, before the best is refined."""
_WAVES = _waves(_ANGLES[:, None, None])
_ROUNDS = 3
"""In which sizes are weighted by the rates that they make."""
_LEAST_RATE = 0.5
"""Of the mean rate, added where spikes are weighted: 0 is never certain."""
_PLACES = np.arange(16) * (2 * np.pi / 16)
_BASIS = np.array(
    [np.ones(16), np.cos(_PLACES), -np.sin(_PLACES), np.cos(2 * _PLACES), -np.sin(2 * _PLACES)]
)
"""What mean and harmonics make of the rate, in places of a cycle."""
_MOMENTS = _BASIS * np.array([[1], [2], [2], [2], [2]])
"""What the rate makes of them, in the mean over the places."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class CommonCourse:
    """First harmonics of all units.

    Parameters
    ----------
    gain_hz
        Amplitude, ``(unit, frequency)``, not below 0.
    weight
        How much of it is the common course's: 1, all, to 0, where it is each frequency's own
        amplitude, ``(unit,)``.
    """

    gain_hz: Float64
    weight: Float64


def common_course(
    mean: Float64, first: Complex128, second: Complex128, seconds: Float64, dispersion: Float64
) -> CommonCourse:
    """Amplitudes of the first harmonic that agree with one course, as far as the spikes do.

    Parameters
    ----------
    mean, first, second
        Mean rate, and both harmonics ``a`` of rates ``Re(a exp(i k x))``, Hz,
        ``(unit, frequency)``.
    seconds
        Time over which they were taken, ``(frequency,)``.
    dispersion
        Variance of the noise relative to that of Poisson spikes, ``(unit,)``; below 1, and NaN
        (unknown), count as 1.

    Notes
    -----
    The rate at frequency f is ``rest + s_f T(x + phi_f)``, T a constant and two harmonics. Rest, T,
    sizes s and phases phi minimize the squares of what is left of mean and harmonics, each divided
    by its variance in an even rate, in turns. How much of the mean goes with the size has a prior:
    a standard deviation as large as the mean rate. Then, with all else given, the sizes are fitted
    once more by generalized least squares: mean and harmonics of Poisson spikes vary together, as
    the rate in each place of the cycle, and half of the mean rate more, makes them vary.

    If the course does change with frequency, its amplitudes ``s_f |T_1|`` are wrong. What is
    returned lies between them and those of each frequency by itself: with ``chi^2`` the squares of
    the differences over the variances of the latter, and F frequencies,
    ``weight = min(1, 2 (F - 3) / chi^2)``. For F - 1 values with equal errors this has a smaller
    mean square error than those by themselves, wherever the truth is (James and Stein 1961 [1]_,
    Baranchik 1970 [2]_). So of three frequencies, or fewer, the weight is 0.

    The result of one unit does not depend on the others.

    References
    ----------
    .. [1] Proc 4th Berkeley Symp Math Stat Prob 1, 361-379.
    .. [2] Ann Math Stat 41, 642-645.

    Examples
    --------
    Mean and second harmonic follow the size, the first harmonic is noisy:

    >>> size, error = np.array([[0.25, 0.5, 1.0, 0.8]]), np.array([[0.0, 0.4, -0.4, 0.4]])
    >>> found = common_course(
    ...     3 + 20 * size, 4 * size + error + 0j, 16 * size + 0j, np.full(4, 12.0), np.ones(1)
    ... )
    >>> (4 * size + error).round(1), found.gain_hz.round(1), found.weight
    (array([[1. , 2.4, 3.6, 3.6]]), array([[1. , 2.1, 4.2, 3.3]]), array([1.]))
    """
    data = _Data.of(mean, first, second, seconds)
    turn = np.arctan2(first.imag, first.real)
    alone = np.hypot(first.real, first.imag)
    size = _normal(alone)
    for _ in range(_ITERATIONS):
        course = data.course(size, turn)
        turn = data.turns(course)
        size = _normal(data.sizes(course, turn))
    course = data.course(size, turn)
    size = data.weighted_sizes(course, turn, size)
    common = size * np.hypot(course[1], course[2])[:, None]
    variance = _variance(mean, first, second, seconds) * np.fmax(dispersion, 1.0)[:, None]
    chi_squared = ((alone - common) ** 2 / variance).sum(axis=1)
    most = 2.0 * max(mean.shape[1] - 3, 0)
    weight = most / np.maximum(chi_squared, max(most, 1.0))
    return CommonCourse(alone + weight[:, None] * (common - alone), weight)


def _variance(mean: Float64, first: Complex128, second: Complex128, seconds: Float64) -> Float64:
    """Of the first harmonic's amplitude, if spikes are Poisson."""
    # 4 / T^2 times the sum of cos^2(x + phase) over the spikes.
    turn = 2 * np.arctan2(first.imag, first.real)
    along = second.real * np.cos(turn) + second.imag * np.sin(turn)
    even = mean + 1 / seconds
    return np.asarray(2 / seconds * np.maximum(even + along / 2, _LEAST_VARIANCE * even))


@dataclass(frozen=True, slots=True, eq=False)
class _Data:
    """Means, cosines and sines of both harmonics, ``(5, unit, frequency)``, and their precision.

    Real numbers only: rounding in products of complex ones may differ from place to place.
    """

    parts: Float64
    precision: Float64
    prior: Float64

    @classmethod
    def of(cls, mean: Float64, first: Complex128, second: Complex128, seconds: Float64) -> _Data:
        parts = np.stack([mean, first.real, first.imag, second.real, second.imag])
        # As if there were a spike more: a count of 0 has an error, too.
        precision = seconds / (mean + 1 / seconds)
        return cls(parts, precision, 1 / np.maximum(mean.mean(axis=1), 1 / seconds.sum()) ** 2)

    def course(self, size: Float64, turn: Float64) -> Float64:
        """Constant, cosines and sines of the course, and rest, ``(6, unit)``."""
        w, ws = self.precision, self.precision * size
        back = _turned(self.parts, -turn)
        waves = (ws * back[1:]).sum(axis=2) / (ws * size).sum(axis=1)
        total = w.sum(axis=1)
        middle, mean = ws.sum(axis=1) / total, (w * self.parts[0]).sum(axis=1) / total
        away = size - middle[:, None]
        with_size = (w * away * (self.parts[0] - mean[:, None])).sum(axis=1)
        constant = with_size / ((w * away * away).sum(axis=1) + self.prior)
        return np.concatenate([[constant], waves, [mean - constant * middle]])

    def turns(self, course: Float64) -> Float64:
        """Phases at which the harmonics agree best with the course."""
        # Of z = harmonic * conj(course), Re(z exp(-i k turn)) is to be large.
        (x1, y1), (x2, y2) = (
            (a * c[:, None] + b * d[:, None], b * c[:, None] - a * d[:, None])
            for a, b, c, d in ((*self.parts[k : k + 2], *course[k : k + 2]) for k in (1, 3))
        )

        c1, s1, c2, s2 = _WAVES
        turn = _ANGLES[(x1 * c1 + y1 * s1 + x2 * c2 + y2 * s2).argmax(axis=0)]
        for _ in range(_REFINEMENTS):
            c1, s1, c2, s2 = _waves(turn)
            slope = y1 * c1 - x1 * s1 + 2 * (y2 * c2 - x2 * s2)
            bend = x1 * c1 + y1 * s1 + 4 * (x2 * c2 + y2 * s2)
            step = np.where(bend > 0, slope / np.where(bend > 0, bend, 1.0), 0.0)
            turn = turn + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        return np.asarray(turn)

    def sizes(self, course: Float64, turn: Float64) -> Float64:
        """Sizes that fit best."""
        back = _turned(self.parts, -turn)
        waves = _HALF * (back[1:] * course[1:5, :, None]).sum(axis=0)
        constant = course[0][:, None]
        with_mean = constant * (self.parts[0] - course[5][:, None])
        square = course[0] ** 2 + _HALF * (course[1:5] ** 2).sum(axis=0)
        return np.asarray((waves + with_mean) / np.where(square > 0, square, 1.0)[:, None])

    def weighted_sizes(self, course: Float64, turn: Float64, size: Float64) -> Float64:
        """Sizes that fit best where spikes vary as the rates that they make, in a few rounds."""
        left = np.moveaxis(_turned(self.parts, -turn), 0, -1)[..., None]
        left[..., 0, 0] -= course[5][:, None]
        shape = course[:5].T[:, None, :, None]
        wave = (course[:5, :, None, None] * _BASIS[:, None, None, :]).sum(axis=0)
        least = _LEAST_RATE * self.parts[0].mean(axis=1)[:, None, None] + _TINY
        for _ in range(_ROUNDS):
            rate = np.maximum(course[5][:, None, None] + size[..., None] * wave, 0) + least
            covariance = (_MOMENTS * rate[..., None, :]) @ _MOMENTS.T
            weight = np.linalg.solve(covariance, np.broadcast_to(shape, left.shape))
            known = (weight * shape).sum(axis=(2, 3))
            found = (weight * left).sum(axis=(2, 3)) / np.where(known > 0, known, 1.0)
            size = np.maximum(found, _LEAST_SIZE)
        return size


def _turned(parts: Float64, turn: Float64) -> Float64:
    """Harmonics with other phases, ``parts * exp(i k turn)``; the mean as it is."""
    mean, a1, b1, a2, b2 = parts
    c1, s1, c2, s2 = _waves(turn)
    return np.stack(
        [mean, a1 * c1 - b1 * s1, a1 * s1 + b1 * c1, a2 * c2 - b2 * s2, a2 * s2 + b2 * c2]
    )


def _normal(size: Float64) -> Float64:
    """Sizes with a mean square of 1, none of them quite 0."""
    scale = np.sqrt((size * size).mean(axis=1, keepdims=True))
    return np.maximum(size / np.where(scale > 0, scale, 1.0), _LEAST_SIZE)
