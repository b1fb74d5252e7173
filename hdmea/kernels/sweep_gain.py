"""The gain of a response over the frequencies of a sweep, as a smooth curve.

A response comes late, and a sweep has moved on by then: spikes are compared with the light of a
delay ago. Mean rate, first and second harmonic are curves over the octaves, found together by
penalized least squares, since in the few cycles of a fast sweep none of them is alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]
Int64 = npt.NDArray[np.int64]

_BINS_PER_CYCLE = 32
"""Of the highest frequency: its amplitude loses 0.2 % in them."""
_KNOTS_PER_WIDTH = 2
SPREAD_OCTAVES = np.array([0.05, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3, 1.7])
"""Responses to tell the fit's own width by: octaves from their largest to half power."""
_EXPECTED = 0.5 / np.sqrt(2)
"""Size of a harmonic's sine or cosine, relative to the mean rate: a half for both together."""


@dataclass(frozen=True, slots=True, eq=False)
class SweepLight:
    """What a sweep shows in bins of equal time, at the middle of each.

    Parameters
    ----------
    cycles
        Cycles since its start.
    frequency_hz
        Frequency.
    bin_s
        Length of a bin.
    """

    cycles: Float64
    frequency_hz: Float64
    bin_s: float

    @classmethod
    def of(
        cls, cycles: Callable[[Float64], Float64], hz: Callable[[Float64], Float64], length_s: float
    ) -> SweepLight:
        """Of cycles and frequency as functions of the part of the sweep that is over, 0 to 1.

        Examples
        --------
        >>> light = SweepLight.of(lambda part: 3 * part, lambda part: 0 * part + 3, 1.0)
        >>> light.cycles.size, light.bin_s, light.cycles[:2]
        (96, 0.010416666666666666, array([0.015625, 0.046875]))
        """
        highest = float(np.max(hz(np.array([0.0, 1.0]))))
        n_bins = int(np.ceil(_BINS_PER_CYCLE * highest * length_s))
        part = (np.arange(n_bins) + 0.5) / n_bins
        return cls(cycles(part), hz(part), length_s / n_bins)


@dataclass(frozen=True, slots=True, eq=False)
class SweepGain:
    """What the spikes of each unit say of the sweep.

    Parameters
    ----------
    first
        First harmonic at the frequencies that were asked for, Hz, ``(unit, frequency)``; its angle
        is the response's phase minus that of the light of `delay_s` ago.
    delay_s
        How late the response follows the sweep, ``(unit,)``; NaN without spikes.
    spread
        What the same fit makes of responses whose amplitudes are Gaussians over the octaves, of the
        widths `SPREAD_OCTAVES`, around the frequency of the largest first harmonic: amplitudes,
        any unit, ``(unit, width, frequency)``. They come out wider.
    """

    first: Complex128
    delay_s: Float64
    spread: Float64


def sweep_gain(
    spikes: SpikeTrains,
    start_s: Float64,
    stop_s: Float64,
    light: SweepLight,
    at_hz: Float64,
    dispersion: Float64,
    *,
    octaves: float,
    longest_delay_s: float,
) -> SweepGain:
    """Fit smooth curves of the mean rate and two harmonics to the spikes of a sweep.

    Parameters
    ----------
    spikes
        Spike trains.
    start_s, stop_s
        One entry per trial: when the sweep begins and ends.
    light
        What it shows.
    at_hz
        Frequencies at which the harmonic is wanted.
    dispersion
        Variance of the noise relative to that of Poisson spikes, ``(unit,)``; below 1, and NaN
        (unknown), count as 1.
    octaves
        How smooth curves are: values that are so far apart are expected to have a correlation of
        0.61, ``exp(-1/2)``.
    longest_delay_s
        Delays up to this one are tried.

    Notes
    -----
    The delay d is that of the largest ``|sum_j exp(-i x(t_j - d)) - N m|``, x the light's phase, m
    the mean of ``exp(-i x)`` over the sweep: the rate's correlation with the light. Curves are
    weighted sums of Gaussians over the logarithm of the frequency. Weights minimize the squares
    between curves and rate plus lambda times their own squares: the most likely curves if each
    harmonic is expected to be half as large as the mean rate (Gaussian process regression,
    Rasmussen and Williams 2006), with lambda the noise of the rate over the square of that. They
    are too small then, and scaled together to fit best. They are too wide, too: how wide is told by
    the same fit to responses whose width is known, `spread` (`hdmea.kernels.half_power`).

    Examples
    --------
    >>> cycles, hz = lambda part: 4 * part + 8 * part**2, lambda part: 1 + 4 * part
    >>> light = SweepLight.of(cycles, hz, 4.0)
    >>> peaks = (np.sqrt(1 + 2 * (np.arange(12) + 0.25)) - 1) + 0.05  # 0.05 s after the light's
    >>> found = sweep_gain(
    ...     SpikeTrains(np.repeat(peaks, 50), np.array([600])), np.zeros(1), np.full(1, 4.0), light,
    ...     np.array([2.0, 4.0]), np.ones(1), octaves=1.0, longest_delay_s=0.2,
    ... )
    >>> abs(found.delay_s - 0.05) < 0.01, np.abs(found.first).round(-1)  # twice 50 spikes a cycle
    (array([ True]), array([[200., 400.]]))
    """
    n_bins, n_trials = light.cycles.size, start_s.size
    n_late = int(longest_delay_s / light.bin_s)
    curves = _Curves.over(light.frequency_hz, octaves)
    design = curves.design(light)
    size, directions = np.linalg.eigh(light.bin_s * design.T @ design)
    size = np.maximum(size, 0.0)
    level = light.bin_s * design.sum(axis=0)
    # Sums over bins of counts[late + bin] * wave[bin], for every late: by Fourier transforms.
    wave = np.exp(-2j * np.pi * light.cycles)
    wave -= wave.mean()  # an even rate follows nothing
    against = np.fft.fft(np.roll(np.r_[wave[::-1], np.zeros(n_late)], 1 - n_bins))
    read = curves.at(at_hz)
    noise = np.fmax(dispersion, 1.0)
    gaussians = [_gaussians(light, hz) @ design @ directions for hz in at_hz]

    def harmonic(weights: Float64) -> Complex128:
        _, sine, cosine, *_ = np.split(directions @ weights, 5)
        return np.asarray((sine + 1j * cosine).T @ read.T)

    first = np.zeros((spikes.n_units, at_hz.size), dtype=np.complex128)
    delay = np.full(spikes.n_units, np.nan)
    spread = np.zeros((spikes.n_units, SPREAD_OCTAVES.size, at_hz.size))
    for unit, counts in enumerate(_after(spikes, start_s, stop_s, n_bins, n_late)):
        if not counts.any():
            continue
        late = _delay(counts, against, n_late)  # there are spikes then: their sum is not 0
        delay[unit] = late * light.bin_s
        mine = counts[late : late + n_bins]
        mean = mine.sum() / (n_trials * n_bins * light.bin_s)
        penalty = noise[unit] / (n_trials * mean * _EXPECTED**2)
        towards = directions.T @ (design.T @ (mine / n_trials) - mean * level)
        kept = towards / (size + penalty)
        # What is penalized is too small; as a whole it is made to fit the rate best.
        explained = kept @ (size * kept)
        first[unit] = harmonic(kept) * ((towards @ kept) / explained if explained > 0 else 1.0)
        wide = gaussians[np.abs(first[unit]).argmax()].T / (size + penalty)[:, None]
        spread[unit] = np.abs(harmonic(wide))
    return SweepGain(first, delay, spread)


def _gaussians(light: SweepLight, hz: float) -> Float64:
    """Rates of responses around a frequency, ``(width, bin)``."""
    away = np.log2(light.frequency_hz) - np.log2(hz)
    # exp(-1/2 (away / width)^2 log 2) is 1 / sqrt 2 where it is as far away as the width.
    size = 2.0 ** (-0.5 * (away / SPREAD_OCTAVES[:, None]) ** 2)
    return np.asarray(size * np.sin(2 * np.pi * light.cycles))


@dataclass(frozen=True, slots=True, eq=False)
class _Curves:
    """Sums of Gaussians over the logarithm of the frequency."""

    centres: Float64
    width: float

    @classmethod
    def over(cls, frequency_hz: Float64, octaves: float) -> _Curves:
        low, high = np.log2(frequency_hz.min()), np.log2(frequency_hz.max())
        n = int(np.ceil(_KNOTS_PER_WIDTH * (high - low) / octaves)) + 2 * _KNOTS_PER_WIDTH + 1
        middle, step = (low + high) / 2, octaves / _KNOTS_PER_WIDTH
        # Weights that vary independently make curves whose correlation is wider by sqrt 2.
        return cls(middle + step * (np.arange(n) - (n - 1) / 2), octaves / np.sqrt(2))

    def at(self, frequency_hz: Float64) -> Float64:
        """Each Gaussian at these frequencies, ``(frequency, curve)``, squares summing to 1."""
        away = (np.log2(frequency_hz)[:, None] - self.centres) / self.width
        values = np.exp(-0.5 * away**2)
        return np.asarray(values / np.sqrt((values**2).sum(axis=1, keepdims=True)))

    def design(self, light: SweepLight) -> Float64:
        """Mean rate, and sine and cosine of both harmonics, ``(bin, 5 curves)``."""
        curves, x = self.at(light.frequency_hz), 2 * np.pi * light.cycles[:, None]
        waves = (1.0, np.sin(x), np.cos(x), np.sin(2 * x), np.cos(2 * x))
        return np.concatenate([curves * wave for wave in waves], axis=1)


def _delay(counts: Float64, against: Complex128, n_late: int) -> int:
    """Bins, at most `n_late`, after which the sweep is followed best."""
    sums = np.fft.ifft(np.fft.fft(counts, against.size) * against)
    return int(np.abs(sums[: n_late + 1]).argmax())


def _after(
    spikes: SpikeTrains, start_s: Float64, stop_s: Float64, n_bins: int, n_late: int
) -> Iterator[Float64]:
    """Spikes summed over trials in bins of the sweep, and so many after it, of each unit."""
    per_s = n_bins / (stop_s - start_s)
    begin, end = spikes.index_ranges(start_s, start_s + (n_bins + n_late) / per_s)
    for unit in range(spikes.n_units):
        n = end[unit] - begin[unit]
        trial = np.repeat(np.arange(n.size), n)
        which = np.arange(trial.size) + np.repeat(begin[unit] - (np.cumsum(n) - n), n)
        place = ((spikes.times_s[which] - start_s[trial]) * per_s[trial]).astype(np.int64)
        # Rounding may lead a spike just before the end beyond it.
        place = np.minimum(place, n_bins + n_late - 1)
        yield np.bincount(place, minlength=n_bins + n_late).astype(np.float64)
