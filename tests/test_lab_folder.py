"""The workflow on a folder as a lab has it: odd names and files, and recordings that went wrong."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faults.projects import Project, jobs, recordings_in
from hdmea.pipeline import load_recording
from hdmea.simulate import Faults, simulate_recording, write_stimulus_library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STEPS: dict[str, Any] = {
    "load_recording": {"probe": "off"},  # what the probe does is tested elsewhere
    "add_section_time": None,
    "extract_features": {"features": ["on_off"]},
}
RAW = "Mäuse 2024/linkes Auge"
WHOLE, STOPPED, SORTED, TWIN = "007", "1e3", "NA", "007_again"
ROWS = {
    WHOLE: f"{RAW}/Ableitung 7 (rechts).cmcr\t{RAW}/Ableitung 7 (rechts)-.cmtr\ttiny",
    STOPPED: f"{RAW}/abgebrochen.cmcr\t{RAW}/abgebrochen-.cmtr\ttiny",
    SORTED: f"\t{RAW}/nur sortiert-.cmtr\ttiny",
}
COLUMNS = ("playlist_truncated", "frame_clock.source", "frame_clock.csv", "frame_clock.row")
TIMES = "Zeiten der Bilder.csv"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings in a folder of it, and the stimuli that they saw in another."""
    folder = tmp_path_factory.mktemp("Labor Süd")
    stimuli = folder / "Reize für alle"
    noise, *_ = write_stimulus_library(stimuli, "tiny")
    with (stimuli / "playlist.csv").open("a", encoding="utf-8") as file:
        file.write(f"nur Rauschen,\"['{noise.name}.mov']\"\n")
    for seed, (name, faults) in enumerate(
        {
            "Ableitung 7 (rechts)": Faults(),
            "abgebrochen": Faults(stop_after_s=40.0),
            "nur sortiert": Faults(),
        }.items()
    ):
        files = simulate_recording(
            folder / RAW,
            name,
            library=stimuli,
            playlist="tiny",
            n_cells=3,
            seed=seed,
            sampling_rate_hz=5000.0,
            faults=faults,
        )
    with np.load(files.truth_npz_path) as truth:
        np.savetxt(folder / TIMES, truth["frame_times_s"], fmt="%.6f")
    return folder


@pytest.fixture
def project(lab: Path, tmp_path: Path) -> Project:
    """The lab's recordings and stimuli, in a folder in which nothing was run."""
    for name in (RAW.partition("/")[0], "Reize für alle"):
        (tmp_path / name).symlink_to(lab / name)
    shutil.copy(lab / TIMES, tmp_path)
    return Project(tmp_path, Path("Reize für alle"), {}, STEPS)


def listed(project: Project, rows: Mapping[str, str], **changes: Any) -> None:
    """Configure the project, with a table as somebody typed it."""
    project.configure(**changes)
    project.write_table(*(f"{name}\t{row}" for name, row in rows.items()), columns=COLUMNS)


def test_what_is_not_there_is_listed_before_anything_runs(project: Project) -> None:
    listed(
        project,
        {
            **ROWS,
            "2024-04-07": f"{RAW}/vergessen.cmcr\t{RAW}/vergessen-.cmtr\ttiny",
            "0042": f"{RAW}/abgebrochen.cmcr\t{RAW}/abgebrochen-.cmtr\talle Filme",
            SORTED: f"{ROWS[SORTED]}\t\tcsv\tverlegt.csv",
        },
    )
    said = project.run(code=1)
    for words in (
        "These files of recordings do not exist; correct their paths:\n",
        f"  2024-04-07: cmcr {RAW}/vergessen.cmcr\n",
        f"  2024-04-07: cmtr {RAW}/vergessen-.cmtr\n",
        f"  {SORTED}: frame_clock.csv verlegt.csv\n",
        "0042: Playlist 'alle Filme' is not in",
        "nur Rauschen, tiny",
    ):
        assert words in said
    assert not (project.folder / "results").exists()


def test_a_recording_that_went_wrong_fails_alone_and_is_mended_by_a_cell(project: Project) -> None:
    results = project.folder / "results"
    listed(project, ROWS)
    said = project.run(code=1)
    assert f"\n{WHOLE}: 3 units; " in said
    assert "\nresults/units.csv has 1 of 3 recordings\n" in said
    assert recordings_in(results / "units.csv") == [WHOLE] * 3
    failed = {
        STOPPED: "in recordings.tsv, column playlist_truncated: keep",
        SORTED: f"session {SORTED!r} has no frame clock",
    }
    for name, words in failed.items():
        (line,) = (x for x in said.splitlines() if x.startswith("FAILED: ") and f" {name} " in x)
        assert words in line
        assert f"  read results/logs/{name}/process_recording.log" in said
        assert not (results / f"{name}.h5").exists()
    assert "\n  in recordings.tsv: column frame_clock.source: csv, column frame_clock.csv\n" in said

    mended = {
        WHOLE: ROWS[WHOLE],
        STOPPED: f"{ROWS[STOPPED]}\tkeep",
        SORTED: f"{ROWS[SORTED]}\t\tcsv\t{TIMES}",
        TWIN: ROWS[WHOLE],
        "# 4711": "not yet recorded",
    }
    listed(project, mended)
    said = project.run("results/units.csv")
    assert f"{WHOLE}, {TWIN} are the same recording, Ableitung 7 (rechts)-.cmtr" in said
    everyone = (WHOLE, STOPPED, SORTED, TWIN)
    assert [name for name in everyone if f"\n{name}: 3 units; " not in said] == []
    assert f" {WHOLE} process_recording: started" not in said
    assert Counter(recordings_in(results / "units.csv")) == dict.fromkeys(everyone, 3)
    table = (results / "units.csv").stat()
    assert "Nothing to be done" in project.run("results/units.csv")
    assert (results / "units.csv").stat() == table
    (project.folder / TIMES).write_text(f"{(project.folder / TIMES).read_text()}80.0\n")
    once_more = {"process_recording": 1, "units_table": 1, "total": 2}
    assert jobs(project.run("-n", "results/units.csv")) == once_more


def test_a_result_that_is_out_of_date_is_not_among_those_that_are_done(project: Project) -> None:
    """Immediate mode keeps the last session file when a step before it fails."""
    table = "results/units.csv"
    rows = {name: ROWS[name] for name in (WHOLE, STOPPED)}
    for name, row in rows.items():
        cmcr, cmtr, _ = (project.folder / path for path in row.split("\t"))
        load_recording(
            cmcr, cmtr, dataset_id=name, output_dir=project.folder / "results", probe="off"
        )
    steps = {"load_recording": STEPS["load_recording"]}
    wrong_row = {WHOLE: f"{ROWS[WHOLE]}\t\t\t\t99"}
    listed(project, rows | wrong_row, mode="immediate", steps=steps)
    said = project.run("--forcerun", "load_recording", "--", table, code=1)
    assert "frame_clock.row is 99, but the analog stream has 2 rows" in said
    assert (project.folder / f"results/{WHOLE}.h5").exists()
    assert f"\n{WHOLE}: 3 units; " not in said
    assert f"\n{STOPPED}: 3 units; " in said
    assert recordings_in(project.folder / table) == [STOPPED] * 3
