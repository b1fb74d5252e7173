"""FRIF against numpy's histogram and pynapple's counts."""

from __future__ import annotations

import numpy as np
import pynapple as nap
import pytest
from peers import SAMPLING_HZ, Cells

from hdmea.features.frif import FrifParams, frif
from hdmea.features.inputs import FeatureInputs


def run(cells: Cells, frames_s: np.ndarray) -> dict[str, np.ndarray]:
    return frif(FeatureInputs(cells.hdmea, frames_s), FrifParams()).values


@pytest.fixture(scope="module")
def jittering() -> np.ndarray:
    """Frames every 16.7 ms, give or take 1 ms, on samples, so that spikes lie on frames too."""
    rng = np.random.default_rng(3)
    steps = 334 + rng.integers(-20, 21, 30_000)
    return (200_000 + np.cumsum(steps)) / SAMPLING_HZ


def test_counts_are_those_of_numpys_histogram(cells: Cells, jittering: np.ndarray) -> None:
    values = run(cells, jittering)
    on_a_frame = sum(np.isin(times, jittering).sum() for times in cells.times_s)
    assert on_a_frame > 100
    # numpy's last bin is closed: a spike on the last frame would be in it.
    counted = [np.histogram(times[times < jittering[-1]], jittering)[0] for times in cells.times_s]
    assert np.array_equal(values["counts"], counted)
    assert np.array_equal(values["n_spikes"], np.sum(counted, axis=1))
    rates = (np.array(counted) / np.diff(jittering)).astype(np.float32)
    assert np.array_equal(values["rate_hz"], rates)


def test_counts_are_pynapples_in_the_intervals_between_frames(
    cells: Cells, jittering: np.ndarray
) -> None:
    # pynapple's intervals are closed, and of two that touch the first ends 1 us earlier.
    with pytest.warns(UserWarning, match="Removing 1 microsecond"):
        intervals = nap.IntervalSet(jittering[:-1], jittering[1:])
    assert len(intervals) == jittering.size - 1
    counted = cells.pynapple.count(ep=intervals).values.T
    values = run(cells, jittering)
    # Only of the last interval, which touches none, the end is inside.
    assert np.array_equal(values["counts"][:, :-1], counted[:, :-1])


def test_counts_are_pynapples_in_bins_of_a_regular_clock(cells: Cells) -> None:
    frames = 8.0 + np.arange(64 * 600 + 1) / 64  # binary fractions: both know the same edges
    counted = cells.pynapple.count(1 / 64, ep=nap.IntervalSet(frames[0], frames[-1])).values.T
    assert np.array_equal(run(cells, frames)["counts"], counted)
