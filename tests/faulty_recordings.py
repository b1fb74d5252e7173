"""Small recordings with one thing wrong each, and what an error says of how to mend it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdmea.batch.columns import with_cells
from hdmea.pipeline import PipelineSession, add_section_time, create_session, load_recording
from hdmea.simulate import Faults, SimulatedRecording, simulate_recording
from hdmea.steps.registry import STEPS

RATE_HZ = 2000.0
MOVIES = {
    # name: trial rule (start, length, repeat), kind, events of every trial
    "noise": ((0, 500, 1), "noise", {}),
    "step": ((20, 150, 3), "step", {"light_on": 60, "light_off": 120}),
    "ramps": ((0, 100, 4), "unknown", {}),
    "grey": ((0, 60, 1), "grey", {}),
}
FLASH = {"movie": "flash", "duration_s": 1.5, "before_s": 0.9}
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


class FaultyRecordings:
    """Recordings of two units by their faults, each made once."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.library, self.folder = library, folder
        self._made: dict[str, SimulatedRecording] = {}

    def files(
        self, *, playlist: str = "friday", repeats: int = 1, **faults: Any
    ) -> SimulatedRecording:
        """A recording of a playlist with faults."""
        key = repr((playlist, repeats, sorted(faults.items())))
        if key not in self._made:
            self._made[key] = simulate_recording(
                self.folder / str(len(self._made)),
                "rec",
                library=self.library,
                playlist=playlist,
                repeats=repeats,
                n_cells=2,
                seed=3,
                sampling_rate_hz=RATE_HZ,
                faults=Faults(**faults),
            )
        return self._made[key]

    def loaded(
        self, files: SimulatedRecording, library: Path | None = None, **values: Any
    ) -> PipelineSession:
        """A recording in a session, without the vendor's probe."""
        session = create_session(
            cmcr_path=files.cmcr_path,
            cmtr_path=files.cmtr_path,
            stimuli_dir=library or self.library,
        )
        load_recording(session=session, probe="off", **values)
        return session

    def mended(
        self, message: str, files: SimulatedRecording, which: int = 0, **typed: dict[str, Any]
    ) -> PipelineSession:
        """The session, made anew with what a message says to type; its cells say the same.

        What was typed before is given by step; by default the playlist friday.
        """
        step, values = remedies(message)[which]
        all_typed = {"load_recording": {}, "add_section_time": {"playlist_name": "friday"}} | typed
        said = cells(message)[which]
        playlist = {"playlist_name": said.pop("playlist")} if "playlist" in said else {}
        by_cells = with_cells(all_typed[step], step, said) | playlist
        all_typed[step] = all_typed[step] | values
        assert STEPS[step].parse(by_cells) == STEPS[step].parse(all_typed[step])
        session = self.loaded(files, **all_typed["load_recording"])
        add_section_time(session=session, **all_typed["add_section_time"])
        return session


def assert_true(session: PipelineSession, files: SimulatedRecording) -> None:
    """Sections, trials and events of a session are those that were shown and recorded whole."""
    with np.load(files.truth_npz_path) as truth:
        times = truth["frame_times_s"]
        movies = truth["section_movie"].tolist()
        content = truth["section_content_start_frame"].tolist()
    sections, trials, events = [], [], []
    for movie, begin in zip(movies, content, strict=True):
        (start, length, repeat), kind, happens = MOVIES[movie]
        if begin - 60 >= times.size - 1:
            continue
        sections.append((movie, kind, times[max(0, begin - 60)]))
        for n in range(repeat):
            first = begin + start + n * length
            if first >= 0 and first + length < times.size:
                trials.append((movie, times[first], times[first + length]))
                events += [(name, times[first + frame]) for name, frame in happens.items()]

    def rows(table: str, *columns: str) -> list[tuple[Any, ...]]:
        values = (session.values(f"stimulus/{table}/{name}").tolist() for name in columns)
        return list(zip(*values, strict=True))

    def at(time: float) -> Any:
        return pytest.approx(time, abs=1e-3)  # an inserted frame has the time of its neighbours

    assert rows("sections", "movie", "kind", "start_s") == [
        (movie, kind, at(start)) for movie, kind, start in sections
    ]
    assert rows("trials", "movie", "start_s", "stop_s") == [
        (movie, at(start), at(stop)) for movie, start, stop in trials
    ]
    assert rows("events", "name", "time_s") == [(name, at(time)) for name, time in events]


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
