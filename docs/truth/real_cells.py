"""Two real direction-selective cells (Kühn and Gollisch 2019), from files to their motion filters.

The spikes and the frame clock are real, wrapped as a recording; the stimulus is the step of the
texture at every frame, a movie of 1 x 2 pixels. Beside the cells the recording has their spikes of
every minute as units of their own, so that parts of it can be compared. The oracle is a loop over
the spikes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from hdmea.session import PipelineSession
from hdmea.simulate import wrap_recording
from hdmea.steps.running import run_recording
from hdmea.stimulus.sections import PAD_FRAMES
from truth.claim import Sample
from truth.sorted_units import rules

DATA: Final = Path(__file__).parents[2] / "tests" / "data" / "ds-cells" / "ds_cells.npz"
UNITS: Final = {807: "spike_times_s_C807", 1803: "spike_times_s_C1803"}
LAGS: Final = 24
DROPPED: Final = 4
MINUTES: Final = 15
STEPS: Final[Mapping[str, Any]] = {
    # one interval of the real clock is longer than 1.5 medians: the display held a frame
    "load_recording": {"frame_clock": {"photodiode_row": None, "irregular": "held"}},
    "add_section_time": {"playlist_name": "jitter"},
    "section_spike_times": {},
    "compute_sta": {"cover_range": (-LAGS, 0)},
}
"""What is run of the project, beside features."""


def real_arrays() -> dict[str, np.ndarray]:
    """Clock, motion steps and spikes as they were published."""
    with np.load(DATA) as arrays:
        return {name: arrays[name] for name in arrays}


def wrapped(folder: Path, cells: Mapping[str, np.ndarray], units: Mapping[int, np.ndarray]) -> Path:
    """A folder as a lab has it: a pair ``salamander``, a stimulus library; the shift of the times.

    The clock goes on at its median interval before and after, for pulses that are dropped and pads.
    """
    clock = cells["frame_times_s"]
    interval = round(float(np.median(np.diff(clock))), 4)
    before, after = DROPPED + PAD_FRAMES, PAD_FRAMES
    # all times are whole tenths of a millisecond, and stay so
    shift = round((before + 1) * interval - clock[0] + 0.5, 4)
    clock = np.r_[
        clock[0] - interval * np.arange(before, 0, -1),
        clock,
        clock[-1] + interval * np.arange(1, after + 1),
    ]
    wrap_recording(
        folder,
        "salamander",
        spike_trains={unit: times + shift for unit, times in units.items()},
        frame_times_s=clock + shift,
        # alone on the chip, each of them
        places={unit: (1 + 4 * (i % 16), 1 + 4 * (i // 16)) for i, unit in enumerate(units)},
    )
    stimuli = folder / "stimuli"
    stimuli.mkdir()
    steps = cells["motion_steps"]
    np.save(stimuli / "jitter.npy", steps[:, None, :])
    (stimuli / "jitter.yaml").write_text(
        "kind: noise\n"
        f"section_kwargs: {{start_frame: 0, trial_length_frame: {len(steps)}, repeat: 1}}\n"
    )
    (stimuli / "playlist.csv").write_text("playlist_name,movie_names\njitter,\"['jitter.npy']\"\n")
    (stimuli / "movie_length.csv").write_text(f"movie_name,movie_length\njitter,{len(steps)}\n")
    return folder


def oracle(
    frames: np.ndarray, steps: np.ndarray, spikes: np.ndarray
) -> tuple[np.ndarray, int]:  # fmt: skip
    """Mean of the steps before each spike, and how many spikes there were.

    Several spikes fall on a frame's very onset; they belong to that frame, so times are compared
    as whole tenths of a millisecond.
    """
    windows = []
    onsets = np.rint(frames * 1e4).astype(int)
    end = onsets[-1] + np.median(np.diff(onsets))
    for spike in np.rint(spikes * 1e4).astype(int):
        frame = int(np.searchsorted(onsets, spike, side="right")) - 1
        if frame >= LAGS and spike < end:
            windows.append(steps[frame - LAGS : frame])
    return np.mean(windows, axis=0), len(windows)


def real_cells(seed: int) -> Sample:  # noqa: ARG001
    """What the project finds of both cells; the same for every seed, since nothing is drawn.

    Beside what is one number a cell: ``sta`` of all spikes, ``(cell, lag, 2)``, ``minute_sta`` and
    ``minute_spikes`` of each minute, ``(cell, minute, lag, 2)`` and ``(cell, minute)``.
    """
    cells = real_arrays()
    trains = {unit: cells[name] for unit, name in UNITS.items()}
    edges = cells["frame_times_s"][0] + 60.0 * np.arange(1, MINUTES)
    units = dict(trains)
    for unit, times in trains.items():
        parts = np.split(times, np.searchsorted(times, edges))
        units |= {10 * 1000 * (1 + minute) + unit: part for minute, part in enumerate(parts)}
    units = dict(sorted(units.items()))
    steps = STEPS | {
        "load_recording": STEPS["load_recording"] | {"probe": "off"},
        "extract_features": {"features": ["unit_quality", "dense_noise"]},
        "curate_units": rules(),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = wrapped(Path(name), cells, units)
        result = run_recording(
            steps,
            folder / "salamander.h5",
            cmcr_path=folder / "salamander.cmcr",
            cmtr_path=folder / "salamander-.cmtr",
            stimuli_dir=folder / "stimuli",
        )
        session = PipelineSession.load(result.hdf5_path)
        found = _found(session, list(trains))
    oracles = [
        oracle(cells["frame_times_s"], cells["motion_steps"], times) for times in trains.values()
    ]
    known = {
        "unit": np.array(list(trains)),
        "sta": np.array([sta for sta, _ in oracles]),
        "n_spikes": np.array([n for _, n in oracles]),
        "mean_step": np.tile(cells["motion_steps"].mean(axis=0), (len(trains), 1)),
        "fano_factor": _fano_factors(cells),
        "interval_s": np.full(len(trains), np.median(np.diff(cells["frame_times_s"]))),
    }
    return Sample(known, found)


def _fano_factors(cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """Variance over mean of the counts in 0.1 s, over the whole recording."""
    clock = cells["frame_times_s"]
    bins = np.arange(clock[0], clock[-1], 0.1)
    counts = [np.histogram(cells[name], bins)[0] for name in UNITS.values()]
    return np.array([some.var(ddof=1) / some.mean() for some in counts])


def _found(session: PipelineSession, units: list[int]) -> dict[str, np.ndarray]:
    rows = [session.units.index.get_loc(unit) for unit in units]
    averaged = session.values("sta/jitter/n_spikes")
    minutes = [[10 * 1000 * (1 + minute) + unit for minute in range(MINUTES)] for unit in units]
    of_minutes = [[session.units.index.get_loc(unit) for unit in some] for some in minutes]
    columns = {
        name: session.values(path)[rows]
        for name, path in {
            "included": "units/included",
            "reason": "units/exclusion_reason",
            "n_isi_violations": "features/unit_quality/n_isi_violations",
            "isi_violations_at_half": "features/unit_quality/isi_violations_at_half",
            "p_shift": "features/dense_noise/p_shift",
            "z_peak": "features/dense_noise/z_peak",
        }.items()
    }
    return columns | {
        "n_spikes": averaged[rows],
        "sta": np.array([session.sta(unit)[:, 0, :] for unit in units]),
        "minute_spikes": averaged[np.array(of_minutes)],
        "minute_sta": np.array(
            [[session.sta(unit)[:, 0, :] for unit in some] for some in minutes], dtype=np.float64
        ),
    }
