"""FRIF by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.errors import StimulusError
from hdmea.features.declaration import check
from hdmea.features.frif import FRIF, FrifParams, frif
from hdmea.features.inputs import FeatureInputs
from hdmea.kernels.spikes import SpikeTrains


def trains(*units):
    return SpikeTrains(
        np.concatenate([np.asarray(unit, dtype=float) for unit in units]),
        np.cumsum([len(unit) for unit in units]),
    )


def run(spikes, frames):
    result = frif(FeatureInputs(spikes, np.asarray(frames, dtype=float)), FrifParams())
    check(FRIF, result, spikes.n_units)
    return result.values


def test_counts_and_rates_by_hand():
    # A spike on a frame belongs to the interval it starts; before the first and from the last
    # frame on there is no interval.
    values = run(trains([0.5, 1.0, 1.1, 3.0, 5.0], [], [4.999]), [1, 2, 3, 5])
    assert values["counts"].tolist() == [[2, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert values["rate_hz"].tolist() == [[2.0, 0.0, 0.5], [0.0, 0.0, 0.0], [0.0, 0.0, 0.5]]
    assert values["interval_start_s"].tolist() == [1.0, 2.0, 3.0]
    assert values["n_spikes"].tolist() == [3, 0, 1]


@settings(max_examples=60, deadline=None)
@given(
    # Multiples of 1/64 s, so that a shift is exact.
    spikes=st.lists(st.lists(st.integers(0, 640), max_size=30), min_size=1, max_size=4),
    frames=st.lists(st.integers(0, 640), min_size=2, max_size=30, unique=True),
    shift=st.integers(-1000, 1000),
)
def test_it_follows_shifts_and_the_order_of_units_and_equals_counting(spikes, frames, shift):
    units = [np.sort(unit) / 64 for unit in spikes]
    frames = np.sort(frames) / 64
    values = run(trains(*units), frames)
    counted = [[sum(a <= t < b for t in unit) for a, b in pairwise(frames)] for unit in units]
    assert values["counts"].tolist() == counted
    moved = run(trains(*[unit + shift for unit in units[::-1]]), frames + shift)
    assert np.array_equal(moved["counts"][::-1], values["counts"])
    assert np.array_equal(moved["rate_hz"][::-1], values["rate_hz"])


@pytest.mark.parametrize("frames", [[], [1.0], [1.0, 1.0]])
def test_without_intervals_it_is_an_error(frames):
    with pytest.raises(StimulusError, match="at least two frames"):
        run(trains([1.0]), frames)
