"""Small recordings with one thing wrong each, and what an error says of how to mend it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from hdmea.pipeline import PipelineSession, create_session, load_recording
from hdmea.simulate import Faults, SimulatedRecording, simulate_recording

RATE_HZ = 5000.0
MOVIES = {
    # name: trial rule (start, length, repeat), kind, events of every trial
    "noise": ((0, 500, 1), "noise", {}),
    "step": ((20, 150, 3), "step", {"light_on": 60, "light_off": 120}),
    "ramps": ((0, 100, 4), "unknown", {}),
    "grey": ((0, 60, 1), "grey", {}),
}
PLAYLISTS = {
    "friday": ["noise", "step", "ramps"],
    "monday": ["ramps", "grey", "step"],
    "twice": ["noise", "step", "noise"],
    "short": ["step", "grey"],
    "empty": [],
    "unfinished": ["noise", "nowhere"],
}


def write_library(folder: Path) -> Path:
    """Four movies of 4 x 4 pixels and the playlists that show them."""
    rng = np.random.default_rng(8)
    light = np.zeros(490)
    for trial in range(3):
        light[20 + 150 * trial + 60 : 20 + 150 * trial + 120] = 255
    frames = {
        "noise": np.repeat(255 * rng.integers(0, 2, (125, 4, 4)), 4, axis=0),
        "step": light[:, None, None] * np.ones((4, 4)),
        "ramps": np.r_[np.linspace(0, 200, 170), np.linspace(90, 20, 130), np.full(100, 70)][
            :, None, None
        ]
        * np.ones((4, 4)),
        "grey": np.full((60, 4, 4), 127),
    }
    folder.mkdir(parents=True)
    for name, ((start, length, repeat), kind, events) in MOVIES.items():
        np.save(folder / f"{name}.npy", frames[name].astype(np.uint8))
        definition = {
            "section_kwargs": {
                "start_frame": start,
                "trial_length_frame": length,
                "repeat": repeat,
            },
            "kind": kind,
            "events": [{"name": event, "frame": frame} for event, frame in events.items()],
        }
        (folder / f"{name}.yaml").write_text(json.dumps(definition))  # JSON is YAML
    lengths = "".join(f"{name},{len(frames[name])}\n" for name in MOVIES)
    (folder / "movie_length.csv").write_text(f"movie_name,movie_length\n{lengths}")
    rows = "".join(f'{name},"{movies}"\n' for name, movies in PLAYLISTS.items())
    (folder / "playlist.csv").write_text(f"playlist_name,movie_names\n{rows}")
    return folder


def record(
    library: Path, folder: Path, *, playlist: str = "friday", repeats: int = 1, **faults: Any
) -> SimulatedRecording:
    """A recording of two units with faults."""
    return simulate_recording(
        folder,
        "rec",
        library=library,
        playlist=playlist,
        repeats=repeats,
        n_cells=2,
        seed=3,
        sampling_rate_hz=RATE_HZ,
        faults=Faults(**faults),
    )


def loaded(files: SimulatedRecording, library: Path, **values: Any) -> PipelineSession:
    """The recording in a session, without the vendor's probe."""
    session = create_session(
        cmcr_path=files.cmcr_path, cmtr_path=files.cmtr_path, stimuli_dir=library
    )
    load_recording(session=session, probe="off", **values)
    return session


def remedies(message: str) -> list[tuple[str, dict[str, Any]]]:
    """Calls that a message says to type, in its order: the step, and its arguments."""
    found = []
    for start in re.finditer(r"(add_section_time|load_recording)\(", message):
        depth, end = 1, start.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(message[end], 0)
            end += 1
        found.append((start[1], eval(f"dict({message[start.end() : end - 1]})")))
    return found


def cells(message: str) -> list[dict[str, str]]:
    """Cells of the table of recordings that a message says to fill, by column, in its order."""
    return [
        dict(re.findall(r"column ([\w.]+): (.*?)(?=, column |$)", said))
        for said in re.findall(r"in recordings\.tsv, (.*?); in Python", message)
    ]
