"""Cells whose rates are known, and the trials in which they fire."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hdmea.features.inputs import Trials
from hdmea.kernels.spikes import SpikeTrains


def fire(
    rng: np.random.Generator,
    rate_hz: Callable[[np.ndarray], np.ndarray],
    stop_s: float,
    most: float,
) -> np.ndarray:
    """Poisson spikes of a rate that is at most `most`, from 0 to `stop_s`."""
    times = np.sort(rng.uniform(0, stop_s, rng.poisson(most * stop_s)))
    return times[rng.random(times.size) * most < rate_hz(times)]


def trains(*cells: np.ndarray) -> SpikeTrains:
    """Cells as the features take them."""
    return SpikeTrains(np.concatenate(cells), np.cumsum([cell.size for cell in cells]))


def trials_of_movie(
    kind: str, n_trials: int, length_s: float, events: Mapping[str, float] | None = None
) -> Trials:
    """Trials one after the other from 0 on, each with the same events."""
    events = events or {}
    start = length_s * np.arange(n_trials)
    return Trials(
        movie=np.array([kind] * n_trials),
        kind=np.array([kind] * n_trials),
        number=np.arange(n_trials),
        start_s=start,
        stop_s=start + length_s,
        event_trial=np.repeat(np.arange(n_trials), len(events)),
        event_name=np.array(list(events) * n_trials),
        event_time_s=(start[:, None] + np.array(list(events.values()))).ravel(),
    )


def by_trial(times: np.ndarray, trials: Trials) -> list[np.ndarray]:
    """Spikes from each trial's start."""
    return [
        times[(times >= start) & (times < stop)] - start
        for start, stop in zip(trials.start_s, trials.stop_s, strict=True)
    ]
