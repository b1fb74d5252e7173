"""Spike trains of many units in one array: what is looked at, and how often."""

import gc

import numpy as np
import pytest

from hdmea.errors import ParameterError
from hdmea.kernels import spikes
from hdmea.kernels.spikes import SpikeTrains


def frozen(values: list[float] | list[int]) -> np.ndarray:
    array = np.array(values)
    array.flags.writeable = False
    return array


def test_trains_that_cannot_change_are_looked_at_once_for_each_index() -> None:
    times, index = frozen([1.0, 2.0, 0.5, 3.0]), frozen([2, 4])
    SpikeTrains(times, index)
    assert SpikeTrains(times, index).of(1).tolist() == [0.5, 3.0]
    with pytest.raises(ParameterError, match="train in row 0 must be sorted"):
        SpikeTrains(times, frozen([3, 4]))
    with pytest.raises(ParameterError, match="it ends at 3"):
        SpikeTrains(times, frozen([2, 3]))


def test_trains_that_can_change_are_looked_at_again() -> None:
    times, index = np.array([1.0, 2.0]), np.array([2])
    SpikeTrains(times, index)
    times[0] = 3.0
    with pytest.raises(ParameterError, match="train in row 0 must be sorted"):
        SpikeTrains(times, index)


def test_nothing_is_remembered_of_times_that_are_gone() -> None:
    gc.collect()  # times of other tests that are gone, too
    times, index = frozen([1.0, 2.0]), frozen([2])
    before = len(spikes._known)
    SpikeTrains(times, index)
    assert len(spikes._known) == before + 1
    del times
    gc.collect()
    assert len(spikes._known) == before


def test_rows_of_trains_are_views_of_the_same_spikes() -> None:
    trains = SpikeTrains(np.array([1.0, 2.0, 0.5, 3.0, 0.1]), np.array([2, 4, 4, 5]))
    some = trains.rows(1, 4)
    assert [some.of(unit).tolist() for unit in range(some.n_units)] == [[0.5, 3.0], [], [0.1]]
    assert np.shares_memory(some.times_s, trains.times_s)
    assert trains.rows(2, 2).n_units == trains.rows(2, 2).times_s.size == 0


@pytest.mark.parametrize(
    "edges",
    [
        np.arange(0.0, 30.0, 1 / 60) + 0.004 * np.sin(np.arange(1800)),  # a clock that jitters
        np.r_[np.arange(0.0, 1.0, 0.001), 20.0, 29.0],  # many edges, then few
        np.repeat(np.arange(0.0, 30.0, 0.01), 2),  # each twice
        np.full(3000, 4.0),
    ],
)
def test_spikes_between_many_edges_are_counted_as_by_comparing_all(edges: np.ndarray) -> None:
    rng = np.random.default_rng(3)
    times = np.sort(np.r_[rng.uniform(-1, 31, 500), rng.choice(edges, 200), edges[[0, -1]]])
    counts = SpikeTrains(times, np.array([times.size])).count_in_bins(edges)[0]
    is_in = (times >= edges[:-1, None]) & (times < edges[1:, None])
    np.testing.assert_array_equal(counts, is_in.sum(axis=1))


def test_no_spike_lies_between_edges_that_all_are_at_another_time() -> None:
    trains = SpikeTrains(np.array([1.0, 5.0]), np.array([2, 2]))
    assert trains.count_in_bins([2.0, 3.0, 4.0]).tolist() == [[0, 0], [0, 0]]
