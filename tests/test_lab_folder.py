"""The workflow on a folder as a lab has it: odd names and files, and recordings that went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from workflow_project import Project, jobs, recordings_in

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
    SORTED: f"\t{RAW}/Ableitung 7 (rechts)-.cmtr\ttiny",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings in a folder of it, and the stimuli that they saw in another."""
    folder = tmp_path_factory.mktemp("Labor Süd")
    stimuli = folder / "Reize für alle"
    noise, *_ = write_stimulus_library(stimuli, "tiny")
    with (stimuli / "playlist.csv").open("a", encoding="utf-8") as file:
        file.write(f"nur Rauschen,\"['{noise.name}.mov']\"\n")
    for name, faults in (
        ("Ableitung 7 (rechts)", Faults()),
        ("abgebrochen", Faults(stop_after_s=40.0)),
    ):
        simulate_recording(
            folder / RAW,
            name,
            library=stimuli,
            playlist="tiny",
            n_cells=3,
            sampling_rate_hz=5000.0,
            faults=faults,
        )
    return folder


@pytest.fixture
def project(lab: Path, tmp_path: Path) -> Project:
    """The lab's recordings and stimuli, in a folder in which nothing was run."""
    for name in (RAW.partition("/")[0], "Reize für alle"):
        (tmp_path / name).symlink_to(lab / name)
    return Project(tmp_path, Path("Reize für alle"), {}, STEPS)


def listed(project: Project, rows: Mapping[str, str], **changes: Any) -> None:
    """Configure the project, with a table as somebody typed it."""
    project.configure(**changes)
    project.write_table(
        *(f"{name}\t{row}" for name, row in rows.items()), columns=["frame_clock.row"]
    )


def test_what_is_not_there_is_listed_before_anything_runs(project: Project) -> None:
    listed(
        project,
        {
            **ROWS,
            "2024-04-07": f"{RAW}/vergessen.cmcr\t{RAW}/vergessen-.cmtr\ttiny",
            "0042": f"{RAW}/abgebrochen.cmcr\t{RAW}/abgebrochen-.cmtr\talle Filme",
        },
    )
    said = project.run(code=1)
    for words in (
        "These files of recordings do not exist:\n",
        f"  2024-04-07: cmcr {RAW}/vergessen.cmcr\n",
        f"  2024-04-07: cmtr {RAW}/vergessen-.cmtr\n",
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
        STOPPED: "needs 4384 display frames",
        SORTED: f"session {SORTED!r} has no frame clock",
    }
    for name, words in failed.items():
        (line,) = (x for x in said.splitlines() if x.startswith("FAILED: ") and f" {name} " in x)
        assert words in line
        assert f"  read results/logs/{name}/process_recording.log" in said
        assert not (results / f"{name}.h5").exists()
    again = {"process_recording": 2, "draw_overview": 2, "units_table": 1, "all": 1, "total": 6}
    assert jobs(project.run("-n")) == again

    mended = {
        WHOLE: ROWS[WHOLE],
        STOPPED: ROWS[STOPPED].replace("tiny", "nur Rauschen"),
        f"# {SORTED}": ROWS[SORTED],
        TWIN: ROWS[WHOLE],
    }
    listed(project, mended)
    said = project.run("results/units.csv")
    assert f"{WHOLE} and {TWIN} are the same recording, Ableitung 7 (rechts)-.cmtr" in said
    assert "process_recording        2" in said
    for name in (WHOLE, STOPPED, TWIN):
        assert f"\n{name}: 3 units; " in said
    assert Counter(recordings_in(results / "units.csv")) == {WHOLE: 3, STOPPED: 3, TWIN: 3}
    table = (results / "units.csv").stat()
    assert "Nothing to be done" in project.run("results/units.csv")
    assert (results / "units.csv").stat() == table


def test_a_result_that_is_out_of_date_is_not_among_those_that_are_done(project: Project) -> None:
    table = "results/units.csv"
    rows = {name: ROWS[name] for name in (WHOLE, STOPPED)}
    steps = {"load_recording": STEPS["load_recording"]}
    listed(project, rows, mode="immediate", steps=steps)
    project.run(table)
    listed(project, rows | {WHOLE: f"{ROWS[WHOLE]}\t99"}, mode="immediate", steps=steps)
    said = project.run(table, code=1)
    assert (project.folder / f"results/{WHOLE}.h5").exists()
    assert f"\n{WHOLE}: 3 units; " not in said
    assert f"\n{STOPPED}: 3 units; " in said
    assert recordings_in(project.folder / table) == [STOPPED] * 3
