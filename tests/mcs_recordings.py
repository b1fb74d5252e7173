"""A small recording whose every number is known, for the tests of writer, reader and probe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdmea.simulate.mcs_files import (
    AnalogTrace,
    DigitalEvents,
    SensorTrace,
    UnitTrain,
    write_cmcr,
    write_cmtr,
)

DURATION_S = 2.0
N_SAMPLES = 40_000


def analog_values() -> np.ndarray:
    """Counts above 16 bits, different in each sample and channel."""
    samples = np.arange(N_SAMPLES, dtype=np.int32)
    return np.stack([100_000 + 7 * samples, -3 * samples])


def sensor_values(n_samples: int, columns: int, rows: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.integers(-2000, 2000, (n_samples, columns, rows)).astype(np.int16)


def sensor_trace(left: int, top: int, right: int, bottom: int, n_samples: int = 500) -> SensorTrace:
    columns, rows = right - left + 1, bottom - top + 1
    values = sensor_values(n_samples, columns, rows)
    factors = 1000.0 + np.arange(columns * rows).reshape(columns, rows) / 8
    return SensorTrace(
        left, top, right, bottom, n_samples, lambda start, stop: values[start:stop], factors
    )


def units() -> list[UnitTrain]:
    """Numbers with gaps whose order as text (1, 10, 2) is not their order; one without spikes."""
    return [
        UnitTrain(10, 3, 4, np.array([0.1, 0.25, 1.999999]), np.array([0.05, 0.2, 1.5])),
        UnitTrain(2, 1, 1, np.array([])),
        UnitTrain(1, 65, 64, np.array([0.5])),
    ]


@dataclass(frozen=True)
class Pair:
    cmcr: Path
    cmtr: Path


def write_pair(folder: Path, sensor: SensorTrace | None = None) -> Pair:
    """Write the recording with names as a laboratory gives them."""
    pair = Pair(folder / "2025.04.10-Rec.cmcr", folder / "2025.04.10-Rec-.cmtr")
    values = analog_values()
    write_cmcr(
        pair.cmcr,
        analog=AnalogTrace(N_SAMPLES, lambda start, stop: values[:, start:stop]),
        sensor=sensor,
        events=DigitalEvents(
            event_id=np.array([2, 1, 2]),
            time_us=np.array([1_500_000, 250, 700_000]),
            duration_us=np.array([0, 40, 0]),
        ),
    )
    write_cmtr(pair.cmtr, units(), cmcr_path=pair.cmcr, duration_s=DURATION_S)
    return pair
