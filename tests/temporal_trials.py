"""Spike trains and trials of stimuli that are described by the events of their trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from hdmea.features.inputs import Trials
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]


def trains(*units: npt.ArrayLike) -> SpikeTrains:
    arrays = [np.sort(np.asarray(unit, dtype=float)) for unit in units]
    return SpikeTrains(np.concatenate(arrays), np.cumsum([one.size for one in arrays]))


def trials_with(
    events: Sequence[tuple[str, float]],
    starts: npt.ArrayLike,
    length_s: float,
    *,
    movie: str,
    kind: str,
) -> Trials:
    """Trials in each of which the same happens, at times from its start."""
    starts = np.asarray(starts, dtype=float)
    n = starts.size
    names, times = [name for name, _ in events], [time for _, time in events]
    return Trials(
        movie=np.full(n, movie),
        kind=np.full(n, kind),
        number=np.arange(n),
        start_s=starts,
        stop_s=starts + length_s,
        event_trial=np.repeat(np.arange(n), len(names)),
        event_name=np.tile(np.array(names, dtype=np.str_), n),
        event_time_s=(starts[:, None] + np.array(times, dtype=float)).ravel(),
    )


def regular(integral: Callable[[Float64], Float64], n: int, length_s: float) -> Float64:
    """Times at which the integral of a rate passes 1/2, 3/2, ...: n in all, by bisection."""
    low, high = np.zeros(n), np.full(n, length_s)
    for _ in range(60):
        middle = (low + high) / 2
        early = integral(middle) < np.arange(n) + 0.5
        low, high = np.where(early, middle, low), np.where(early, high, middle)
    return (low + high) / 2
