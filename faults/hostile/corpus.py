"""All hostile cases, tried in rooms of their own.

``python -m faults.hostile.corpus FOLDER LAB`` tries the cases that stdin lists and writes a line of
JSON about each trial; a process of its own, since it forks and sets where HDF5 looks for plugins.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faults.hostile.cases import NO_FILES, NOTHING, Case, Room
from faults.hostile.hdf5 import Place, hdf5_cases
from faults.hostile.sessions import content_cases
from faults.hostile.texts import text_cases
from faults.hostile.trial import tried
from faults.hostile.ways import CMCR, CMTR, GOOD, ONLY_TELL, SESSION, STIMULI, WAYS
from faults.lab import Lab
from hdmea.mcs import typeids

OLD = "old.h5"
TABLE, CURATION, CONFIGURATION, ID = "recordings.tsv", "units.tsv", "config.yaml", "id"
_USED = (
    "hdmea.compare.comparing", "hdmea.compare.report", "hdmea.export.summary",
    "hdmea.export.tables", "hdmea.report.overview", "hdmea.steps.sources", "hdmea.store.describe",
    "hdmea.store.verify", "hdmea.stimulus.check.report", "hdmea.stimulus.check.checks",
    "matplotlib.pyplot", "pandas", "scipy.stats", "yaml",
)  # fmt: skip
"""What commands import when they need it; a fork has it already."""


@dataclass(frozen=True)
class Trial:
    """What came of one way with one case."""

    case: str
    kind: str
    way: str
    word: str
    is_good: bool
    cpu_s: float
    said: str


def corpus(lab: Lab) -> list[Case]:
    """Every case."""
    places = {
        "session file": Place(SESSION, "units/unit_id", "units"),
        ".cmcr": _place_in(lab.folder / CMCR, CMCR, typeids.CHANNEL_DATA),
        ".cmtr": _place_in(lab.folder / CMTR, CMTR, typeids.PEAKS),
        "old result": Place(OLD, "units/unit_001/spike_times", "units"),
    }
    cases = [case for kind, place in places.items() for case in hdf5_cases(kind, place)]
    cases += [
        Case(what, kind, _no_file(place.file, do), must_be_refused=True)
        for kind, place in places.items()
        for what, do in NO_FILES.items()
    ]
    good = {kind: place.file for kind, place in places.items()}
    good |= {"library": f"{STIMULI}/playlist.csv", "table": TABLE, "id": ID}
    good |= {"curation": CURATION, "configuration": CONFIGURATION}
    cases += [Case(NOTHING, kind, _given(name), is_good=True) for kind, name in good.items()]
    return [*cases, *content_cases(), *text_cases()]


def _given(name: str) -> Callable[[Room], Path]:
    return lambda room: room.inputs / name


def _no_file(name: str, do: Any) -> Any:
    def make(room: Room) -> Path:
        do(room.inputs / name)
        return room.inputs / name

    return make


def _place_in(path: Path, name: str, wanted: str) -> Place:
    """The first dataset of a type, and the group it is in."""
    found: list[str] = []

    def look(place: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.size:
            said = node.attrs.get("ID.TypeID", b"")
            if (said.decode() if isinstance(said, bytes) else str(said)).lower() == wanted:
                found.append(place)

    with h5py.File(path, "r") as file:
        file.visititems(look)
    return Place(name, found[0], found[0].rpartition("/")[0])


def try_all(cases: Iterable[Case], lab: Lab, folder: Path) -> Iterator[Trial]:
    """Make every case, and do with it what users do."""
    good, room = folder / "good", Room(folder / "room")
    _write_good(lab, good)
    os.environ["HDF5_PLUGIN_PATH"] = str(room.bait)
    h5py.h5pl.prepend(str(room.bait).encode())
    for case in cases:
        path = None
        for name, way in WAYS[case.kind].items():
            if path is None:
                shutil.rmtree(room.folder, ignore_errors=True)
                room.make()
                shutil.copytree(good, room.inputs, dirs_exist_ok=True)
                path = case.make(room)
            end = tried(case, path, room, way, gives_data=name not in ONLY_TELL)
            said = "" if end.is_good else end.said[-2000:]
            yield Trial(case.name, case.kind, name, end.word, end.is_good, end.cpu_s, said)
            if not end.is_good:  # who knows what it left
                path = None
            shutil.rmtree(room.results)
            room.results.mkdir()


def _write_good(lab: Lab, folder: Path) -> None:
    """The files of which hostile ones are made."""
    folder.mkdir()
    for name in (CMCR, CMTR):
        shutil.copy(lab.folder / name, folder / name)
    shutil.copytree(lab.folder / STIMULI, folder / STIMULI)
    for name in (SESSION, GOOD):
        shutil.copy(lab.session("adjust_p_values"), folder / name)
    texts = {
        TABLE: f"recording\tcmcr\tcmtr\tplaylist\nrec\t{CMCR}\t{CMTR}\tboth\n",
        CURATION: "recording\tunit_id\tuse\nother\t1\tno\n",
        CONFIGURATION: f"recordings: {TABLE}\nstimuli: {STIMULI}\nsteps: {{compute_sta: {{}}, "
        "add_section_time: {}}\n",
        ID: "rec",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    with h5py.File(folder / OLD, "w") as file:
        file.attrs["stage1_completed"] = True
        frames = np.arange(0, 20_000, 33)
        file["stimulus/frame_time/default"] = frames
        file["metadata/frame_timestamps"] = frames
        file["metadata/acquisition_rate"] = 2000.0
        file["stimulus/section_time/step"] = frames[:2].reshape(1, 2)
        for number in (1, 2):
            samples = 100 * np.arange(50) + number
            file.create_dataset(f"units/unit_{number:03d}/spike_times", data=samples)


def main(folder: Path, lab: Path, chosen: list[list[str]]) -> None:
    """Try cases, given by kind and name, and write what came of them."""
    logging.getLogger("hdmea").setLevel(logging.ERROR)
    for name in _USED:
        import_module(name)
    cases = [case for case in corpus(Lab(lab)) if [case.kind, case.name] in chosen]
    for trial in try_all(cases, Lab(lab), folder):
        sys.stdout.write(json.dumps(asdict(trial)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.load(sys.stdin))
