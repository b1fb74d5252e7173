"""Simulated cells, for hdmea and for the libraries it is compared with.

Spikes lie on the samples of a recording, 20 kHz, so that every library means the same instants.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import neo
import numpy as np
import pynapple as nap
import quantities as pq
import spikeinterface as si
from scipy import stats

from hdmea.features.inputs import Trials
from hdmea.kernels.spikes import SpikeTrains

SAMPLING_HZ = 20_000


@dataclass(frozen=True)
class Cells:
    """Spikes of several units as sample numbers, sorted, from the start of a recording."""

    samples: tuple[np.ndarray, ...]
    duration_s: float

    @property
    def times_s(self) -> list[np.ndarray]:
        return [train / SAMPLING_HZ for train in self.samples]

    @cached_property
    def hdmea(self) -> SpikeTrains:
        ends = np.cumsum([train.size for train in self.samples], dtype=np.int64)
        return SpikeTrains(np.concatenate([np.zeros(0), *self.times_s]), ends)

    @cached_property
    def pynapple(self) -> nap.TsGroup:
        whole = nap.IntervalSet(0.0, self.duration_s)
        trains = {
            unit: nap.Ts(times, time_support=whole) for unit, times in enumerate(self.times_s)
        }
        return nap.TsGroup(trains, time_support=whole)

    def elephant(self, unit: int, start_s: float = 0.0, stop_s: float | None = None):
        """Spikes in ``[start, stop)`` as a neo.SpikeTrain, times from `start_s`."""
        stop_s = self.duration_s if stop_s is None else stop_s
        times = self.times_s[unit]
        times = times[(times >= start_s) & (times < stop_s)] - start_s
        return neo.SpikeTrain(times * pq.s, t_start=0 * pq.s, t_stop=(stop_s - start_s) * pq.s)

    @cached_property
    def spikeinterface(self) -> si.SortingAnalyzer:
        sorting = si.NumpySorting.from_unit_dict(
            dict(enumerate(self.samples)), sampling_frequency=SAMPLING_HZ
        )
        n_samples = round(self.duration_s * SAMPLING_HZ)
        silence = np.zeros((n_samples, 1), dtype=np.int8)
        recording = si.NumpyRecording(silence, SAMPLING_HZ)
        recording.set_dummy_probe_from_locations(np.zeros((1, 2)))
        recording.set_channel_gains(1.0)
        recording.set_channel_offsets(0.0)
        return si.create_sorting_analyzer(sorting, recording, sparse=False)


def on_samples(times_s: np.ndarray, duration_s: float) -> np.ndarray:
    """Sample numbers of the spikes inside the recording, each once."""
    samples = np.unique(np.floor(np.asarray(times_s) * SAMPLING_HZ).astype(np.int64))
    return samples[(samples >= 0) & (samples < duration_s * SAMPLING_HZ)]


def poisson(rng, rate_hz: float, duration_s: float, refractory_s: float = 0.002) -> np.ndarray:
    """Times of a Poisson train with dead time, at that mean rate."""
    n = int(2 * rate_hz * duration_s + 50)
    intervals = refractory_s + rng.exponential(1 / rate_hz - refractory_s, n)
    return np.cumsum(intervals)


def modulated(rng, rate_hz, highest_hz: float, duration_s: float) -> np.ndarray:
    """Times of a Poisson train whose rate is `rate_hz(t)`, thinned from `highest_hz`."""
    times = poisson(rng, highest_hz, duration_s, refractory_s=0.0)
    return times[rng.uniform(0, highest_hz, times.size) < rate_hz(times)]


def bursts(rng, duration_s: float) -> np.ndarray:
    """One burst a second on average, of 3 to 8 spikes 2 to 5 ms apart."""
    starts = poisson(rng, 1.0, duration_s)
    trains = [start + np.cumsum(rng.uniform(0.002, 0.005, rng.integers(3, 9))) for start in starts]
    return np.concatenate(trains)


def population(seed: int, duration_s: float) -> Cells:
    """Cells as sorters find them, among them odd ones.

    In order: four regular ones of rising rate, a bursting one, two of two cells in one unit,
    one without any refractory period, one that fires in the first third only, one spike, none.
    """
    rng = np.random.default_rng(seed)
    mixed = [
        np.concatenate([poisson(rng, rate, duration_s) for rate in rates])
        for rates in ((12.0, 3.0), (30.0, 2.0))
    ]
    early = poisson(rng, 5.0, duration_s)
    times = [
        *(poisson(rng, rate, duration_s) for rate in (0.2, 2.0, 9.0, 40.0)),
        bursts(rng, duration_s),
        *mixed,
        poisson(rng, 25.0, duration_s, refractory_s=0.0),
        early[early < duration_s / 3],
        np.array([duration_s / 2]),
        np.zeros(0),
    ]
    return Cells(tuple(on_samples(train, duration_s) for train in times), duration_s)


def repeated(
    movie: str, kind: str, start_s: np.ndarray, length_s: float, events: dict[str, float]
) -> Trials:
    """Trials of one movie, and events at the same times from the start of each."""
    n = start_s.size
    at = np.array(list(events.values()), dtype=float)
    return Trials(
        movie=np.full(n, movie),
        kind=np.full(n, kind),
        number=np.arange(n),
        start_s=start_s,
        stop_s=start_s + length_s,
        event_trial=np.repeat(np.arange(n), at.size),
        event_name=np.tile(np.array(list(events), dtype=np.str_), n),
        event_time_s=(start_s[:, None] + at).ravel(),
    )


def p_of_dispersed_counts(k: int, m: int, share: float, dispersion: float, known: float) -> float:
    """Two-sided p of two counts by scipy's distributions: tails of a binomial are those of a beta.

    The larger of that of the counts, and that of the counts over the dispersion, whose normal
    quantile is looked up in Student's t with so many degrees of freedom `known`.
    """

    def smaller_tail(one: float, other: float) -> float:
        tails = [
            stats.beta(count, rest + 1).cdf(part) if count else 1.0
            for count, rest, part in ((one, other, share), (other, one, 1 - share))
        ]
        return min(0.5, *tails)

    plain = smaller_tail(k, m)
    if not dispersion > 0:
        return float(2 * plain)
    wide = stats.t(known).sf(stats.norm.isf(smaller_tail(k / dispersion, m / dispersion)))
    return float(2 * max(plain, wide))


def p_of_more_dispersed_counts(
    k: int, m: int, share: float, dispersion: float, known: float
) -> float:
    """The same, one-sided: that the first count is not larger than its share."""

    def tail(one: float, other: float) -> float:
        return float(stats.beta(one, other + 1).cdf(share)) if one else 1.0

    plain = tail(k, m)
    if not dispersion > 0:
        return plain
    return float(
        max(plain, stats.t(known).sf(stats.norm.isf(tail(k / dispersion, m / dispersion))))
    )
