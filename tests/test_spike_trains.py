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
    times, index = frozen([1.0, 2.0]), frozen([2])
    SpikeTrains(times, index)
    known = len(spikes._known)
    del times
    gc.collect()
    assert len(spikes._known) == known - 1


def test_rows_of_trains_are_views_of_the_same_spikes() -> None:
    trains = SpikeTrains(np.array([1.0, 2.0, 0.5, 3.0, 0.1]), np.array([2, 4, 4, 5]))
    some = trains.rows(1, 4)
    assert [some.of(unit).tolist() for unit in range(some.n_units)] == [[0.5, 3.0], [], [0.1]]
    assert np.shares_memory(some.times_s, trains.times_s)
    assert trains.rows(2, 2).n_units == trains.rows(2, 2).times_s.size == 0
