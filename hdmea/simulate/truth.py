"""What is true of a simulated recording, written beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.simulate.retina import FILTER_FRAMES, ModelCell
from hdmea.simulate.sensor import Footprints
from hdmea.simulate.sorting import UnitTrain
from hdmea.stimulus.sections import Section
from hdmea.store.small_file import write_small_file, write_small_table


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Everything that a reader of the recording should find.

    Parameters
    ----------
    cells, units
        The model cells and, in the same order, their sorted units.
    sections
        Presentations of the movies, in images as the display counts them; also those after the
        recording's end.
    frame_times_s
        When each image came, with a pulse or without, exactly as the pulses' peaks lie; without
        the images whose pulses are dropped, and those after the recording's end.
    luminance
        Mean luminance of each of these images, 0 to 1.
    has_pulse
        Whether its pulse is in the recording.
    n_intervals
        Intervals of the display for which it was shown: 2 where it was held.
    footprints
        Of the units' spikes in the sensor stream, if there is one.
    """

    cells: Sequence[ModelCell]
    units: Sequence[UnitTrain]
    sections: Sequence[Section]
    frame_times_s: npt.NDArray[np.float64]
    luminance: npt.NDArray[np.float64]
    has_pulse: npt.NDArray[np.bool_]
    n_intervals: npt.NDArray[np.int64]
    footprints: Footprints | None = None


def write_truth(truth: Truth, csv_path: Path, npz_path: Path) -> None:
    """Write a table with a row per unit, and the arrays.

    The table has ``unit_id``, ``polarity`` (``on``, ``off``), ``direction_selective`` (0, 1),
    ``n_spikes``, ``n_rejected`` and the fields of :class:`~hdmea.simulate.retina.ModelCell`. The
    arrays: ``frame_times_s``, ``luminance``, ``has_pulse``, ``n_intervals`` (one entry per image),
    ``section_movie``, ``section_start_frame``, ``section_end_frame``,
    ``section_content_start_frame``, ``unit_id``, ``temporal_filters`` (unit, lag),
    ``spike_times_s`` with ``spike_times_index`` (cumulative end). With a sensor stream also
    ``footprint_uv`` and ``footprint_first_sample``, see `hdmea.simulate.sensor.Footprints`.
    """
    columns = ["unit_id", *(each.name for each in fields(ModelCell))]
    columns += ["direction_selective", "n_spikes", "n_rejected"]
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
    cells = [[row[column] for column in columns] for row in rows]
    write_small_table(csv_path, [columns, *cells], line_end="\r\n")
    arrays: dict[str, Any] = {
        "frame_times_s": truth.frame_times_s,
        "luminance": truth.luminance,
        "has_pulse": truth.has_pulse,
        "n_intervals": truth.n_intervals,
        "section_movie": np.array([s.movie for s in truth.sections]),
        "section_start_frame": np.array([s.start_frame for s in truth.sections]),
        "section_end_frame": np.array([s.end_frame for s in truth.sections]),
        "section_content_start_frame": np.array([s.content_start_frame for s in truth.sections]),
        "unit_id": np.array([unit.unit_id for unit in truth.units], dtype=np.int64),
        "temporal_filters": np.array([cell.temporal_filter() for cell in truth.cells]).reshape(
            -1, FILTER_FRAMES
        ),
        "spike_times_s": np.concatenate([np.empty(0), *(u.spike_times_s for u in truth.units)]),
        "spike_times_index": np.cumsum(
            [unit.spike_times_s.size for unit in truth.units], dtype=np.int64
        ),
    }
    if truth.footprints is not None:
        arrays["footprint_uv"] = truth.footprints.uv
        arrays["footprint_first_sample"] = truth.footprints.first_sample
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_small_file(npz_path, packed.getvalue())
