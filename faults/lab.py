"""A laboratory that is small: one recording of two units, and session files of every stage."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    adjust_p_values,
    compute_sta,
    curate_units,
    extract_features,
    load_recording,
    run_part,
    section_spike_times,
)
from hdmea.simulate import simulate_recording

MOVIES: dict[str, Any] = {
    "noise": ((0, 120, 1), "noise", {}),
    "step": ((30, 200, 2), "step", {"light_on": 60, "light_off": 130}),
}
"""Trial rule (start, length, repeats), kind, frames of the events of a trial."""
PARAMETERS: dict[str, dict[str, Any]] = {
    "load_recording": {"probe": "off"},
    "add_section_time": {"playlist_name": "both", "alignment": "warn"},
    "section_spike_times": {},
    "extract_features": {
        "features": ["on_off"],
        "parameters": {"on_off": {"window_s": 0.25, "baseline_s": 0.5}},
    },
    "curate_units": {},
    "compute_sta": {"cover_range": (-3, 0), "z": False},
    "adjust_p_values": {},
}
"""All steps in an order in which they can be run, and what they are told."""
PARTS = {
    "load_recording": (),
    "add_section_time": ("load_recording",),
    "section_spike_times": ("load_recording", "add_section_time"),
    "extract_features": ("load_recording", "add_section_time"),
    "curate_units": ("load_recording",),
    "compute_sta": ("load_recording", "add_section_time"),
    "adjust_p_values": ("load_recording", "add_section_time", "extract_features", "curate_units"),
}
"""Steps whose parts a step's part is made from."""
STEPS = {
    "add_section_time": add_section_time,
    "section_spike_times": section_spike_times,
    "extract_features": extract_features,
    "curate_units": curate_units,
    "compute_sta": compute_sta,
    "adjust_p_values": adjust_p_values,
}


@dataclass(frozen=True)
class Lab:
    """Where everything lies; made by `make_lab`."""

    folder: Path

    @property
    def places(self) -> dict[str, Path]:
        """The inputs, as `hdmea.pipeline.create_session` takes them."""
        return {
            "cmcr_path": self.folder / "rec.cmcr",
            "cmtr_path": self.folder / "rec-.cmtr",
            "stimuli_dir": self.folder / "stimuli",
        }

    def session(self, after: str) -> Path:
        """The session file after a step and all before it."""
        return self.folder / f"after_{after}.h5"

    def part(self, step: str) -> Path:
        """The part of a step."""
        return self.folder / f"{step}.part.h5"


def make_lab(folder: Path) -> Lab:
    """Simulate the recording, and process it in both ways."""
    lab = make_recording(folder)
    recording = {name: path for name, path in lab.places.items() if name != "stimuli_dir"}
    at = lab.session("load_recording")
    load_recording(**recording, **PARAMETERS["load_recording"], output_path=at)
    for name, step in STEPS.items():
        session = PipelineSession.load(at)
        session.set_places(stimuli_dir=lab.places["stimuli_dir"])
        at = step(session=session, **PARAMETERS[name]).save(lab.session(name))
    for name, needs in PARTS.items():
        places = lab.places if not needs else {"stimuli_dir": lab.places["stimuli_dir"]}
        parts = [lab.part(need) for need in needs]
        run_part(name, PARAMETERS[name], lab.part(name), parts=parts, **places)
    return lab


def make_recording(folder: Path) -> Lab:
    """Simulate the recording, and no more."""
    _write_library(folder / "stimuli")
    simulate_recording(
        folder,
        "rec",
        library=folder / "stimuli",
        playlist="both",
        n_cells=2,
        seed=3,
        sampling_rate_hz=2000.0,
    )
    return Lab(folder)


def _write_library(folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(8)
    light = np.zeros(460)
    for trial in range(2):
        light[30 + 200 * trial + 60 : 30 + 200 * trial + 130] = 255
    frames = {
        "noise": np.repeat(255 * rng.integers(0, 2, (30, 2, 2)), 4, axis=0),
        "step": light[:, None, None] * np.ones((2, 2)),
    }
    for name, ((start, length, repeat), kind, events) in MOVIES.items():
        np.save(folder / f"{name}.npy", frames[name].astype(np.uint8))
        rule = {"start_frame": start, "trial_length_frame": length, "repeat": repeat}
        happens = [{"name": event, "frame": frame} for event, frame in events.items()]
        text = json.dumps({"section_kwargs": rule, "kind": kind, "events": happens})
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")  # JSON is YAML
    lengths = "".join(f"{name},{len(frames[name])}\n" for name in MOVIES)
    (folder / "movie_length.csv").write_text(f"movie_name,movie_length\n{lengths}")
    (folder / "playlist.csv").write_text("playlist_name,movie_names\nboth,\"['noise', 'step']\"\n")


def the_lab(folder: Path) -> Lab:
    """The laboratory of a folder, made when it is first asked for."""
    lab = Lab(folder.parent / "lab")
    if not lab.folder.exists():
        lab.folder.mkdir()
        make_lab(lab.folder)
    return lab


def the_recording(folder: Path) -> Lab:
    """The recording of a folder alone, made when it is first asked for."""
    lab = Lab(folder.parent / "recording")
    return lab if lab.folder.exists() else make_recording(lab.folder)
