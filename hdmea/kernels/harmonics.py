"""How spikes follow a sine: Fourier components over whole cycles, their significance, tuning.

Sums run over spikes, not over bins: this is least squares on a constant, sines and cosines in the
limit of short bins, which are orthogonal over whole cycles; nothing is attenuated by a bin's width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Complex128 = npt.NDArray[np.complex128]
Int64 = npt.NDArray[np.int64]

Position = Callable[[Int64, Float64], tuple[Float64, Float64]]
"""Cycles since a stimulus began, and cycles per second, of moments: of their trials and times."""


@dataclass(frozen=True, slots=True, eq=False)
class CycleSums:
    """Sums over the spikes of all trials in each cycle of a stimulus, ``(unit, cycle)``.

    phi is the stimulus' phase at the spike, w the stimulus' frequency then in Hz: so a sum of w
    over trials x cycles is a rate, the mean over the cycles rather than over time. In a sweep only
    that mean makes an even rate vanish from the Fourier components; at one frequency they agree.

    Parameters
    ----------
    n_trials
        Trials that were summed.
    n_spikes
        Spikes.
    weight, weight_square
        Sums of w and of its square.
    first, second
        Sums of ``w exp(-i phi)`` and ``w exp(-2 i phi)``.
    trial_power, second_trial_power
        ``|sum of w exp(-i phi) in one trial|^2``, summed over trials, and the same of 2 phi.
    bins
        Spikes in bins of equal phase, ``(unit, cycle, bin)``.
    """

    n_trials: int
    n_spikes: Int64
    weight: Float64
    weight_square: Float64
    first: Complex128
    second: Complex128
    trial_power: Float64
    second_trial_power: Float64
    bins: Int64


def cycle_sums(
    spikes: SpikeTrains,
    start_s: Float64,
    stop_s: Float64,
    position: Position,
    first_cycle: int,
    n_cycles: int,
    bins_per_cycle: int = 1,
) -> CycleSums:
    """Sum what spikes say about cycles ``first_cycle`` to ``first_cycle + n_cycles``, exclusive.

    Parameters
    ----------
    spikes
        Spike trains.
    start_s, stop_s
        One entry per trial: when the stimulus begins and ends, half-open.
    position
        Where the stimulus is in its cycles.
    first_cycle, n_cycles
        Whole cycles that count.
    bins_per_cycle
        Bins of equal phase.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.25, 1.25, 1.75]), np.array([3]))
    >>> def one_hz(trial, time_s):
    ...     return time_s, np.ones(time_s.size)
    >>> sums = cycle_sums(trains, np.array([0.0]), np.array([2.0]), one_hz, 0, 2)
    >>> sums.n_spikes, abs(sums.first).round(9)
    (array([[1, 2]]), array([[1., 0.]]))
    """
    n_units, n_trials = spikes.n_units, start_s.size
    shape = (n_units, n_cycles)
    weight, weight_square, power, second_power = (np.zeros(shape) for _ in range(4))
    first, second = (np.zeros(shape, dtype=np.complex128) for _ in range(2))
    bins = np.zeros((n_units, n_cycles * bins_per_cycle), dtype=np.int64)
    begin, end = spikes.index_ranges(start_s, stop_s)
    for unit in range(n_units):
        counts = end[unit] - begin[unit]
        trial = np.repeat(np.arange(n_trials), counts)
        if not trial.size:
            continue
        # The spikes of all windows, one window after the other.
        before = np.cumsum(counts) - counts
        which = np.arange(trial.size) + np.repeat(begin[unit] - before, counts)
        at, w = position(trial, spikes.times_s[which])
        at = at - first_cycle
        inside = (at >= 0) & (at < n_cycles)
        at, w, trial = at[inside], w[inside], trial[inside]
        bins[unit] = np.bincount(
            (at * bins_per_cycle).astype(np.int64), minlength=n_cycles * bins_per_cycle
        )
        cycle = at.astype(np.int64)
        cosine = np.cos(2 * np.pi * (at - cycle))
        sine = np.sin(2 * np.pi * (at - cycle))
        weight[unit] = np.bincount(cycle, w, n_cycles)
        weight_square[unit] = np.bincount(cycle, w * w, n_cycles)
        cell = trial * n_cycles + cycle
        waves = (cosine, -sine), (cosine**2 - sine**2, -2 * sine * cosine)  # of x, and of 2x
        for parts, total, square in zip(waves, (first, second), (power, second_power), strict=True):
            real, imaginary = (
                np.bincount(cell, w * part, n_trials * n_cycles).reshape(n_trials, n_cycles)
                for part in parts
            )
            total[unit] = real.sum(axis=0) + 1j * imaginary.sum(axis=0)
            square[unit] = (real**2 + imaginary**2).sum(axis=0)
    of_cycle = bins.reshape(n_units, n_cycles, bins_per_cycle)
    n_spikes = of_cycle.sum(axis=2)
    return CycleSums(
        n_trials, n_spikes, weight, weight_square, first, second, power, second_power, of_cycle
    )


def components(sums: CycleSums, over: int | None = None) -> tuple[Float64, Complex128, Complex128]:
    """Mean rate, first and second harmonic, Hz, of all cycles or of runs of them.

    The rate is ``mean + Re(first exp(i y) + second exp(2i y))``, y the phase since the brightest
    moment of the stimulus (a sine): the first one's angle is negative where the response is late.

    Parameters
    ----------
    sums
        Of whole cycles.
    over
        Cycles of a run; runs begin at every cycle, ``(unit, n_cycles - over + 1)``. None: all,
        ``(unit,)``.
    """
    mean, first, second = (
        runs(one, over) / (sums.n_trials * (over or one.shape[1]))
        for one in (sums.weight, sums.first, sums.second)
    )
    # x = y + 90 degrees; sin(x + phase) against exp(-ix) has the mean exp(i phase) / 2i
    return mean, np.asarray(2j * first), np.asarray(-2 * second)


def runs(values: npt.NDArray[Any], over: int | None = None) -> npt.NDArray[Any]:
    """Sums over all cycles, or over every run of `over` cycles, along the last axis."""
    if over is None:
        return np.asarray(values.sum(axis=-1))
    windows = np.lib.stride_tricks.sliding_window_view(values, over, axis=-1)
    return np.asarray(windows.sum(axis=-1))


def dispersion_of(stimuli: Sequence[CycleSums], *, pooled: bool, second: bool = False) -> Float64:
    """How much a harmonic varies, relative to that of Poisson spikes, ``(unit,)``.

    Squares of ``sum exp(-i phi)`` per trial and cycle, about its mean, summed over the stimuli and
    divided by what independent spikes give; NaN where there are no spikes, or nothing to compare.

    Parameters
    ----------
    stimuli
        Of each, its whole cycles.
    pooled
        Whether all cycles of a stimulus show the same, so that they are compared with each other,
        too; else every cycle is compared between trials.
    second
        Of the second harmonic instead of the first.

    Examples
    --------
    >>> def one_hz(trial, time_s):
    ...     return time_s, np.ones(time_s.size)
    >>> twice = SpikeTrains(np.array([0.0, 0.0, 1.5, 1.5]), np.array([4]))
    >>> sums = cycle_sums(twice, np.array([0.0]), np.array([2.0]), one_hz, 0, 2)
    >>> dispersion_of([sums], pooled=True)  # 2 and -2, where 4 spikes give 4 times 1 - 1/2
    array([4.])
    """
    found = np.zeros(stimuli[0].first.shape[0])
    expected = np.zeros(found.size)
    for sums in stimuli:
        harmonic, power = (
            (sums.second, sums.second_trial_power) if second else (sums.first, sums.trial_power)
        )
        parts = (harmonic, power, sums.weight_square, sums.n_spikes)
        n = sums.n_trials
        if pooled:
            n *= sums.first.shape[1]
            parts = tuple(one.sum(axis=1, keepdims=True) for one in parts)
        total, power, square, n_spikes = parts
        # Without the weights, so that slow and fast cycles count by their spikes.
        with np.errstate(invalid="ignore", divide="ignore"):
            residual = (power - np.abs(total) ** 2 / n) * n_spikes / square
        found += np.where(n_spikes > 0, np.maximum(residual, 0.0), 0.0).sum(axis=1)
        expected += n_spikes.sum(axis=1) * (1 - 1 / n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, found / expected, np.nan)


def p_of_phase_locking(
    first: Complex128, weight: Float64, weight_square: Float64, dispersion: Float64
) -> Float64:
    """p of phases that are unrelated to the stimulus: the Rayleigh test, for spikes that cluster.

    Parameters
    ----------
    first, weight, weight_square
        Sums over the spikes of ``w exp(-i phi)``, w and its square.
    dispersion
        Variance of the sum relative to that of independent spikes; below 1, and NaN (unknown),
        count as 1.

    Notes
    -----
    With n spikes of equal weight and ``R = |sum exp(-i phi)|``,
    ``p = exp(sqrt(1 + 4n + 4(n^2 - R^2)) - (1 + 2n))`` (Zar 2010). A dispersion D leaves n / D
    independent spikes.

    Examples
    --------
    >>> ten = np.array([10.0])
    >>> p_of_phase_locking(np.array([5 + 0j]), ten, ten, np.array([1.0])).round(4)
    array([0.0794])
    >>> p_of_phase_locking(np.array([5 + 0j]), ten, ten, np.array([2.0])).round(4)
    array([0.3006])
    """
    scale = np.fmax(dispersion, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        n = weight**2 / weight_square / scale
        z = np.abs(first) ** 2 / weight_square / scale
        root = np.sqrt(np.maximum((1 + 2 * n) ** 2 - 4 * n * z, 0.0))
        p = np.exp(-4 * n * z / (1 + 2 * n + root))
    return np.where(weight_square > 0, p, 1.0)


def combined_p(p: Float64) -> Float64:
    """p of all of several independent tests, along the last axis (Fisher's method).

    Examples
    --------
    >>> combined_p(np.array([[0.1, 0.1], [0.01, 1.0], [1.0, 1.0]])).round(4)
    array([0.0561, 0.0561, 1.    ])
    """
    from scipy.special import gammaincc

    with np.errstate(divide="ignore"):
        return np.asarray(gammaincc(p.shape[-1], -np.log(p).sum(axis=-1)))


def variance_explained(bins: Int64) -> Float64:
    """Part of the variance over all bins that two harmonics explain; NaN where there is none.

    Parameters
    ----------
    bins
        Counts, ``(unit, cycle, bin)``, at least 5 bins per cycle.

    Examples
    --------
    >>> variance_explained(np.array([[[4, 3, 2, 1, 0, 1, 2, 3]], [[1] * 8]])).round(3)
    array([0.971,   nan])
    """
    n_cycles, n_bins = bins.shape[1:]
    n = n_cycles * n_bins
    total = (bins**2).sum(axis=(1, 2)) - bins.sum(axis=(1, 2)) ** 2 / n
    folded = bins.sum(axis=1)
    angle = 2 * np.pi * np.arange(n_bins) / n_bins
    explained = np.zeros(len(bins))
    for wave in (np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)):
        explained += (folded * wave).sum(axis=1) ** 2 * (2 / n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, explained / total, np.nan))


def falls_to(level: float, x: Float64, y: Float64, peak: int, *, upwards: bool) -> float:
    """Where a curve first falls to a level, going from its peak to one side; NaN if it does not.

    Parameters
    ----------
    level
        Less than the value at the peak.
    x, y
        The curve, x ascending; straight lines between its points.
    peak
        Index of the peak.
    upwards
        Towards larger x, else towards smaller.

    Examples
    --------
    >>> x, y = np.arange(4.0), np.array([0.0, 2.0, 6.0, 5.0])
    >>> falls_to(4.0, x, y, 2, upwards=False), falls_to(4.0, x, y, 2, upwards=True)
    (1.5, nan)
    """
    order = slice(peak, None) if upwards else slice(peak, None, -1)
    xs, ys = x[order], y[order]
    below = np.flatnonzero(ys <= level)
    if not below.size or below[0] == 0:
        return np.nan
    k = int(below[0])
    share = (ys[k - 1] - level) / (ys[k - 1] - ys[k])
    return float(xs[k - 1] + share * (xs[k] - xs[k - 1]))
