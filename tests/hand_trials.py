"""Spike trains and trials made by hand, for tests of features."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from hdmea.features.inputs import Trials
from hdmea.kernels.spikes import SpikeTrains


def trains(*units):
    """Spike trains from times in any order, one argument per unit."""
    return SpikeTrains(
        np.concatenate([np.empty(0), *(np.sort(np.asarray(unit, dtype=float)) for unit in units)]),
        np.cumsum([len(unit) for unit in units], dtype=np.int64),
    )


def trials(starts, length_s, events: Mapping[str, float], *, kind, movie=None):
    """Trials of one movie, with the same events in each, in seconds from its start."""
    starts = np.asarray(starts, dtype=float)
    n, names = starts.size, np.array(list(events), dtype=np.str_)
    return Trials(
        movie=np.full(n, kind if movie is None else movie),
        kind=np.full(n, kind),
        number=np.arange(n),
        start_s=starts,
        stop_s=starts + length_s,
        event_trial=np.repeat(np.arange(n), names.size),
        event_name=np.tile(names, n),
        event_time_s=(starts[:, None] + np.array(list(events.values()), dtype=float)).ravel(),
    )


def joined(one: Trials, other: Trials) -> Trials:
    """The trials of both."""
    other = dataclasses.replace(other, event_trial=other.event_trial + one.start_s.size)
    return Trials(**{
        field.name: np.concatenate([getattr(one, field.name), getattr(other, field.name)])
        for field in dataclasses.fields(Trials)
    })  # fmt: skip


def in_trials(starts, *times):
    """The same spikes, given from a trial's start, in every trial."""
    return (np.asarray(starts)[:, None] + times).ravel()


def equal_results(one, other, outputs, units=slice(None)):
    """Names of outputs that differ by a bit, with the second one's units taken as told."""
    differ = []
    for output in outputs:
        before, after = one.values[output.name], other.values[output.name]
        after = after[units] if output.dims[0] == "unit" else after
        if not np.array_equal(before, after, equal_nan=before.dtype.kind == "f"):
            differ.append(output.name)
        if output.name in one.reasons and not np.array_equal(
            one.reasons[output.name], other.reasons[output.name][units]
        ):
            differ.append(f"{output.name}_reason")
    return differ
