"""Ways of reading the units of a sorted recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hdmea.mcs.cmtr import read_cmtr
from hdmea.mcs.vendor import vendor_reader
from hdmea.simulate import UnitTrain, write_cmtr

SORTED = "sorted.cmtr"
DURATION_S = 3600.0
REJECTED_OF = 10
"""One peak in so many is none of the unit's spikes."""


def write(folder: str, n_units: int, n_peaks: int) -> Callable[[], int]:
    """Write the file; its bytes."""

    def act() -> int:
        rng = np.random.default_rng(4)
        units = []
        for unit in range(n_units):
            times = np.sort(rng.uniform(0, DURATION_S, n_peaks))
            rejected = np.zeros(n_peaks, dtype=bool)
            rejected[::REJECTED_OF] = True
            place = {"row": unit // 65 % 65 + 1, "column": unit % 65 + 1}
            units.append(
                UnitTrain(
                    unit_id=unit + 1,
                    **place,
                    spike_times_s=times[~rejected],
                    rejected_times_s=times[rejected],
                )
            )
        path = Path(folder) / SORTED
        write_cmtr(path, units, cmcr_path=None, duration_s=DURATION_S)
        return path.stat().st_size

    return act


def hdmea(folder: str) -> Callable[[], list[float]]:
    """`hdmea.mcs.cmtr.read_cmtr`."""

    def act() -> list[float]:
        sorting = read_cmtr(Path(folder) / SORTED)
        trains = np.split(sorting.spike_times_s, sorting.spike_times_index[:-1])
        return _told(trains, 1e6)

    return act


def vendor(folder: str) -> Callable[[], list[float]]:
    """McsPyDataTools: its objects of units, and from each the time stamps of its spikes."""
    reader = vendor_reader()

    def act() -> list[float]:
        root = reader.McsData(str(Path(folder) / SORTED))
        units = root.Spike_Sorter.get_units_by_id()
        return _told([unit.get_peaks_timestamps() for unit in units], 1.0)

    return act


def _told(trains: list[np.ndarray], scale: float) -> list[float]:
    """Spikes, and the first and last of every hundredth unit in microseconds."""
    ends = [round(float(time) * scale) for train in trains[::100] for time in train[[0, -1]]]
    return [sum(train.size for train in trains), *ends]
