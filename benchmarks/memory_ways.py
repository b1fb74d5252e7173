"""Work whose memory is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import large
from hdmea.pipeline import PipelineSession, add_section_time, create_session, load_recording
from hdmea.simulate import AnalogTrace, UnitTrain, write_cmcr, write_cmtr, write_stimulus_library

RATE_HZ = 20_000.0
FRAME_HZ = 60.0
SAVED = "large.h5"


def save(folder: str, n_units: int) -> Callable[[], int]:
    """Save a session that is in memory; its size."""
    session = large.session_of(n_units, Path(folder))

    def act() -> int:
        session.save(Path(folder) / SAVED)
        return sum(session[path].nbytes for path in session.paths())

    return act


def load(folder: str) -> Callable[[], int]:
    """Load all of it into memory; its size."""

    def act() -> int:
        session = PipelineSession.load(Path(folder) / SAVED, memory_budget_gb=100)
        return sum(session.values(path).nbytes for path in session.paths())

    return act


def record(folder: str, minutes: float) -> Callable[[], int]:
    """Write a recording of two analog channels, a pulse for each frame; bytes of the channels."""
    n_samples = round(60 * minutes * RATE_HZ)

    def block(start: int, stop: int) -> np.ndarray:
        samples = np.arange(start, stop)
        first_of_frame = np.floor(samples * FRAME_HZ / RATE_HZ)
        is_pulse = samples - np.ceil(first_of_frame * RATE_HZ / FRAME_HZ) < RATE_HZ / FRAME_HZ / 10
        counts = np.zeros((2, stop - start), np.int32)
        counts[1] = 1_000_000 * is_pulse
        return counts

    def act() -> int:
        place = Path(folder)
        write_stimulus_library(place / "stimuli", "tiny")
        write_cmcr(
            place / "rec.cmcr", sampling_rate_hz=RATE_HZ, analog=AnalogTrace(n_samples, block)
        )
        unit = UnitTrain(1, 1, 1, np.arange(1.0, 30.0))
        write_cmtr(
            place / "rec.cmtr", [unit], cmcr_path=place / "rec.cmcr", duration_s=60 * minutes,
            sampling_rate_hz=RATE_HZ,
        )  # fmt: skip
        return 8 * n_samples

    return act


def read_analog(folder: str) -> Callable[[], int]:
    """`load_recording` and `add_section_time`: frames of all of the recording, and the light."""
    place = Path(folder)

    def act() -> int:
        session = create_session(
            cmcr_path=place / "rec.cmcr",
            cmtr_path=place / "rec.cmtr",
            stimuli_dir=place / "stimuli",
            output_dir=place,
        )
        load_recording(session=session, probe="off")
        add_section_time(playlist_name="tiny", alignment="warn", session=session)
        return int(session.values("stimulus/frame_times").size)

    return act
