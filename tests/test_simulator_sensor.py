"""The sensor stream of a simulated recording holds the waveforms that its truth tells."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hdmea.errors import ParameterError
from hdmea.mcs import open_cmcr, probe_pair
from hdmea.simulate import (
    Faults,
    SensorRegion,
    UnitTrain,
    make_retina,
    simulate_recording,
    write_stimulus_library,
)
from hdmea.simulate.sensor import REACH, make_footprints, sensor_trace

RATE_HZ = 20000.0


def test_footprints_are_deepest_at_the_soma_and_run_along_an_axon() -> None:
    footprints = make_footprints(40, RATE_HZ, seed=3)
    assert footprints.uv.shape[1:] == (71, 17, 17)
    for footprint in footprints.uv:
        trough = footprint.min(axis=0)
        assert np.unravel_index(trough.argmin(), trough.shape) == (REACH, REACH)
        assert 70 < -trough.min() < 150
        assert footprint[20, REACH, REACH] == trough.min()  # the spike's own sample
        assert 0.15 < footprint[:, REACH, REACH].max() / -trough.min() < 0.4
        # Where the axon runs the trough comes later and is smaller, the farther away.
        delays = footprint.argmin(axis=0) - 20
        axon = np.argwhere((trough < 0.01 * trough.min()) & (delays >= 2))
        assert len(axon) >= 3
        distance = np.hypot(*(axon - REACH).T)
        delay, depth = delays[tuple(axon.T)], -trough[tuple(axon.T)]
        assert np.corrcoef(distance, delay)[0, 1] > 0.5
        assert np.corrcoef(distance, depth)[0, 1] < -0.4
        assert 5 <= delay.max() <= 6
        # On one side only.
        assert np.hypot(*np.mean((axon - REACH) / distance[:, None], axis=0)) > 0.9


def test_waveforms_of_overlapping_spikes_add_up() -> None:
    region = SensorRegion(5, 1, 12, 20, noise_uv=0.0)
    units = [
        UnitTrain(1, 10, 8, np.array([0.0501, 0.0512, 0.2])),
        UnitTrain(2, 4, 3, np.array([0.0503, 0.0996])),  # outside, but near
    ]
    footprints = make_footprints(2, RATE_HZ, seed=1)
    trace = sensor_trace(
        region, units, footprints, n_samples=4000, sampling_rate_hz=RATE_HZ, seed=2
    )
    expected = np.zeros((4000 + 100, 65 + 2 * REACH, 65 + 2 * REACH))
    for unit, footprint in zip(units, footprints.uv, strict=True):
        for time in unit.spike_times_s:
            begin = round(time * RATE_HZ) - 20
            column, row = unit.column - 1, unit.row - 1  # in the padded chip: minus 1, plus REACH
            expected[begin : begin + 71, column : column + 17, row : row + 17] += footprint
    chip = expected[:4000, REACH:-REACH, REACH:-REACH]
    counts = trace.block(0, 4000)
    uv = counts * trace.conversion_factors / 1000
    wrong = np.abs(uv - chip[:, 4:12, 0:20])
    assert (wrong <= 0.5001 * trace.conversion_factors / 1000 + 1e-4).all()
    assert np.abs(counts).max() > 80
    assert trace.conversion_factors.min() < 750 < 1250 < trace.conversion_factors.max()


def test_blocks_do_not_depend_on_the_cuts_and_stay_small() -> None:
    rng = np.random.default_rng(0)
    units = [UnitTrain(k, 10 + 4 * k, 30, np.sort(rng.uniform(0, 600, 6000))) for k in range(1, 5)]
    n_samples = 600 * 20000
    trace = sensor_trace(
        SensorRegion(26, 10, 37, 30),
        units,
        make_footprints(4, RATE_HZ, seed=1),
        n_samples=n_samples,
        sampling_rate_hz=RATE_HZ,
        seed=1,
    )
    start = n_samples - 20_123
    whole = trace.block(start, n_samples)
    cuts = [start, start + 1, start + 777, start + 9000, n_samples]
    pieces = [trace.block(a, b) for a, b in pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    np.testing.assert_array_equal(trace.block(start + 500, start + 600), whole[500:600])
    tracemalloc.start()
    trace.block(start, n_samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # of a stream of 6 GB; the block itself has 10 MB


def test_averages_around_the_spikes_are_the_planted_footprints(tmp_path: Path) -> None:
    write_stimulus_library(tmp_path, "tiny")
    (cell,) = make_retina(1, seed=8)
    left, top, noise_uv = cell.column - 5, cell.row - 3, 8.0
    files = simulate_recording(
        tmp_path,
        "rec",
        library=tmp_path,
        playlist="tiny",
        n_cells=1,
        seed=8,
        sensor=SensorRegion(left, top, left + 9, top + 7, noise_uv=noise_uv),
        faults=Faults(stop_after_s=22.0),
    )
    with np.load(files.truth_npz_path) as truth:
        (planted,), first = truth["footprint_uv"], int(truth["footprint_first_sample"])
        spikes = np.rint(truth["spike_times_s"] * RATE_HZ).astype(int)
    alone = np.diff(spikes, prepend=-1000, append=10**9)
    kept = spikes[(alone[:-1] > 71) & (alone[1:] > 71)]
    assert len(kept) > 60
    with open_cmcr(files.cmcr_path) as recording:
        stream = recording.sensor
        assert stream is not None
        assert (stream.left, stream.top) == (left, top)
        assert stream.shape == (recording.analog[0].n_samples, 10, 8)
        assert stream.uv_per_count.std() > 0.1
        mean = np.mean([stream.uv(s + first, s + first + 71) for s in kept], axis=0)
    # The cell's electrode is column 5 and row 3 of the region.
    expected = planted[:, REACH - 5 : REACH + 5, REACH - 3 : REACH + 5]
    assert -expected.min() > 60
    # Noise of the sensors and of rounding (a twelfth of a count), of 5,680 values none beyond 5 SD.
    sd = np.sqrt((noise_uv**2 + 1.3**2 / 12) / len(kept))
    wrong = (mean - expected) / sd
    assert np.abs(wrong).max() < 5
    assert 0.9 < wrong.std() < 1.1
    assert probe_pair(files.cmcr_path, files.cmtr_path).n_streams == 2  # and no events yet


def test_regions_that_cannot_be_are_refused() -> None:
    with pytest.raises(ParameterError, match="is not on the chip"):
        SensorRegion(1, 1, 66, 65)
    with pytest.raises(ParameterError, match=r"column 9 to 4 .* has no sensors"):
        SensorRegion(9, 1, 4, 65)
    with pytest.raises(ParameterError, match="noise_uv must be 0 or more, got nan"):
        SensorRegion(noise_uv=float("nan"))
