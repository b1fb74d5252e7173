"""Result files as the reference lab's pipeline wrote them, in both of its layouts, by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from hdmea.simulate import SimulatedRecording

WINDOW = 60


@dataclass
class OldResult:
    """What such a file holds; a test changes what it likes before it is written."""

    rate_hz: float
    frames: np.ndarray
    spikes: dict[int, np.ndarray]
    sections: dict[str, np.ndarray]
    stas: dict[str, dict[int, np.ndarray]] = field(default_factory=dict)
    dataset_id: str = ""

    def write(self, path: Path, layout: int = 1) -> Path:
        with h5py.File(path, "w") as file:
            if layout == 1:
                file.attrs["stage1_completed"] = True
                file["stimulus/frame_time/default"] = self.frames
                file["metadata/acquisition_rate"] = self.rate_hz
            else:
                file.create_group("pipeline/session_info").attrs["saved"] = "yes"
                file["stimulus/frame_times/default"] = self.frames
                file["metadata/acquisition_rate"] = np.array([self.rate_hz])
            if self.dataset_id:
                file.attrs["dataset_id"] = self.dataset_id
            file["metadata/frame_timestamps"] = self.frames
            for movie, times in self.sections.items():
                file[f"stimulus/section_time/{movie}"] = times
            for number, samples in self.spikes.items():
                unit = file.create_group(f"units/unit_{number:03d}")
                unit.create_dataset("spike_times", data=samples, compression="gzip")
                unit["firing_rate_10hz"] = np.zeros(3)
                for movie, of_units in self.stas.items():
                    place = f"{movie}/sta" if layout == 1 else f"sta_{movie}/data"
                    unit[f"features/{place}"] = of_units[number]
        return path


def old_result_of_truth(files: SimulatedRecording, stimuli: Path, rate_hz: float) -> OldResult:
    """What the reference lab's pipeline makes of a simulated recording, from its truth alone."""
    truth = np.load(files.truth_npz_path)
    frames = np.rint(truth["frame_times_s"] * rate_hz).astype(np.uint64)
    starts = np.r_[0, truth["spike_times_index"][:-1]]
    times = {
        int(number): truth["spike_times_s"][start:stop]
        for number, start, stop in zip(
            truth["unit_id"], starts, truth["spike_times_index"], strict=True
        )
    }
    sections = {
        str(movie): frames[[[start, end]]].astype(np.uint64)
        for movie, start, end in zip(
            truth["section_movie"],
            truth["section_start_frame"],
            truth["section_end_frame"],
            strict=True,
        )
    }
    noise = next(movie for movie in sections if "noise" in movie)
    begin = int(truth["section_content_start_frame"][truth["section_movie"] == noise][0])
    movie = np.load(stimuli / f"{noise}.npy")
    stas = {n: _sta(t, truth["frame_times_s"], begin, movie) for n, t in times.items()}
    spikes = {n: np.rint(t * rate_hz).astype(np.uint64) for n, t in times.items()}
    return OldResult(rate_hz, frames, spikes, sections, {noise: stas})


def _sta(times: np.ndarray, frame_times: np.ndarray, begin: int, movie: np.ndarray) -> np.ndarray:
    """The window before each spike, one after the other, and their mean."""
    frame = np.searchsorted(frame_times, times, side="right") - 1 - begin
    inside = frame[(frame >= WINDOW) & (frame < len(movie))]
    total = np.zeros((WINDOW, *movie.shape[1:]), dtype=np.uint64)
    for n in inside:
        total += movie[n - WINDOW : n]
    with np.errstate(invalid="ignore"):
        return (total / inside.size).astype(np.float32)
