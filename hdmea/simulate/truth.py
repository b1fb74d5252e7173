"""What is true of a simulated recording, written beside it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdmea.simulate.retina import ModelCell
from hdmea.simulate.sorting import UnitTrain
from hdmea.stimulus.sections import Section


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Everything that a reader of the recording should find.

    Parameters
    ----------
    cells, units
        The model cells and, in the same order, their sorted units.
    sections
        Presentations of the movies, in frames of the frame clock.
    frame_times_s
        Frame clock without the pulses that are dropped, exactly as the pulses' peaks lie.
    luminance
        Mean luminance of the display in each of these frames, 0 to 1.
    """

    cells: Sequence[ModelCell]
    units: Sequence[UnitTrain]
    sections: Sequence[Section]
    frame_times_s: npt.NDArray[np.float64]
    luminance: npt.NDArray[np.float64]


def write_truth(truth: Truth, csv_path: Path, npz_path: Path) -> None:
    """Write a table with a row per unit, and the arrays.

    The table has ``unit_id``, ``polarity`` (``on``, ``off``), ``direction_selective`` (0, 1),
    ``n_spikes``, ``n_rejected`` and the fields of :class:`~hdmea.simulate.retina.ModelCell`. The
    arrays: ``frame_times_s``, ``luminance``, ``section_movie``, ``section_start_frame``,
    ``section_end_frame``, ``section_content_start_frame``, ``unit_id``, ``temporal_filters``
    (unit, lag), ``spike_times_s`` with ``spike_times_index`` (cumulative end).
    """
    rows = [
        {
            "unit_id": unit.unit_id,
            **asdict(cell),
            "polarity": "on" if cell.polarity > 0 else "off",
            "direction_selective": int(cell.is_direction_selective),
            "n_spikes": unit.spike_times_s.size,
            "n_rejected": unit.rejected_times_s.size,
        }
        for cell, unit in zip(truth.cells, truth.units, strict=True)
    ]
    with csv_path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    np.savez_compressed(
        npz_path,
        frame_times_s=truth.frame_times_s,
        luminance=truth.luminance,
        section_movie=np.array([s.movie for s in truth.sections]),
        section_start_frame=np.array([s.start_frame for s in truth.sections]),
        section_end_frame=np.array([s.end_frame for s in truth.sections]),
        section_content_start_frame=np.array([s.content_start_frame for s in truth.sections]),
        unit_id=np.array([unit.unit_id for unit in truth.units], dtype=np.int64),
        temporal_filters=np.stack([cell.temporal_filter() for cell in truth.cells]),
        spike_times_s=np.concatenate([unit.spike_times_s for unit in truth.units]),
        spike_times_index=np.cumsum([unit.spike_times_s.size for unit in truth.units]),
    )
