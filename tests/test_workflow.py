"""The workflow through Snakemake's command line: both modes, kills, changes, and what it refuses.

Whole runs are expensive, so a test follows one run and says all that must be true of it.
"""

from __future__ import annotations

import base64
import os
import re
import signal
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from faults.projects import Project, jobs, recordings_in
from hdmea.batch import Status, parts_of, read_config
from hdmea.pipeline import PipelineSession, run_recording, verify
from hdmea.simulate import SimulatedDataset
from hdmea.store.reader import SessionFile

SOME = ["on_off", "dense_noise", "moving_bar"]  # each is a job
STEPS: dict[str, Any] = {
    "load_recording": {"probe": "off"},  # what the probe does is tested elsewhere
    "add_section_time": None,
    "section_spike_times": None,
    "extract_features": {"features": SOME, "parameters": {"on_off": {"baseline_s": 0.5}}},
    "curate_units": {"min_spikes": 1},
    "compute_sta": {"cover_range": [-12, 0]},
    "adjust_p_values": None,
}
ONE, TWO = "demo_retina_1", "demo_retina_2"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def project(tmp_path: Path, tiny_dataset: SimulatedDataset) -> Project:
    files = {
        name: (recording.cmcr_path, recording.cmtr_path)
        for name, recording in tiny_dataset.recordings.items()
    }
    return Project(tmp_path, tiny_dataset.stimuli_path, files, STEPS)


@pytest.fixture(scope="module")
def library_digest(tiny_dataset: SimulatedDataset, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Content digest of what the library alone makes of a recording, up to a step."""

    @cache
    def digests(name: str) -> dict[str, str]:
        files, folder = tiny_dataset.recordings[name], tmp_path_factory.mktemp("library")
        after = {step: folder / f"{step}.h5" for step in STEPS}
        result = run_recording(
            {name: values or {} for name, values in STEPS.items()}
            | {"add_section_time": {"playlist_name": "tiny"}},
            folder / "session.h5",
            dataset_id=name,
            cmcr_path=files.cmcr_path,
            cmtr_path=files.cmtr_path,
            stimuli_dir=tiny_dataset.stimuli_path,
            checkpoints=after,
        )
        found = {step: verify(path).content_digest for step, path in after.items()}
        assert found["adjust_p_values"] == result.content_digest
        return found

    def of(name: str, last: str = "adjust_p_values") -> str:
        return digests(name)[last]

    return of


def test_deferred_batch_in_which_one_recording_is_bad(
    project: Project, library_digest: Any
) -> None:
    cmcr, cmtr = project.files[ONE]
    cut = project.folder / "cut.cmtr"
    cut.write_bytes(cmtr.read_bytes()[: cmtr.stat().st_size // 2])
    project.files["bad"] = (cmcr, cut)
    project.configure(checkpoints=["add_section_time"])
    said = project.run(code=1)

    for name in (ONE, TWO):
        assert project.digest(f"results/{name}.h5") == library_digest(name)
        checkpoint = f"results/checkpoints/{name}.after_add_section_time.h5"
        assert project.digest(checkpoint) == library_digest(name, "add_section_time")
        assert (project.folder / f"results/{name}.png").read_bytes().startswith(b"\x89PNG")
        log = (project.folder / f"results/logs/{name}/process_recording.log").read_text()
        assert log.rstrip().endswith("DONE")
        assert f"\n{name}: " in said
    assert not (project.folder / "results/bad.h5").exists()
    assert Counter(recordings_in(project.folder / "results/units.csv")) == {ONE: 12, TWO: 12}
    assert "results/units.csv has 2 of 3 recordings" in said

    log = (project.folder / "results/logs/bad/process_recording.log").read_text()
    last = log.splitlines()[-1]
    assert "ERROR" in last
    assert "cut.cmtr" in last
    assert "Traceback" not in log
    assert f"FAILED: {last}" in said
    assert "read results/logs/bad/process_recording.log" in said
    assert "\n3 recordings: 2 done, 1 failed; see results/batch.tsv\n" in said
    assert (
        "start snakemake again: only what is missing is done. Or leave them out: exclude: [bad]"
        in said
    )
    table = (project.folder / "results/batch.tsv").read_text().splitlines()
    batch = {cells[0]: cells[1:] for line in table if (cells := line.split("\t"))}
    assert [batch[name][0] for name in (ONE, TWO, "bad")] == ["done", "done", "failed"]
    assert batch[ONE][-1] == library_digest(ONE)
    assert "cut.cmtr" in batch["bad"][1]
    known = Status.read(project.folder / "results/logs/bad/process_recording.json")
    assert known is not None
    assert known.lasting
    assert known.key

    del project.files["bad"]
    project.configure(checkpoints=["add_section_time"])
    last = {"units_table": 1, "batch_page": 1, "all": 1, "total": 3}
    assert jobs(project.run("-n")) == last

    result = project.folder / f"results/{TWO}.h5"
    result.write_bytes(result.read_bytes()[:5000])
    said = project.run("--forcerun", "draw_overview", "--", f"results/{ONE}.png")
    assert f"\n{ONE}: " in said
    assert f"\n{TWO}: CANNOT BE READ: " in said


def test_a_picture_that_cannot_be_drawn_fails_alone(project: Project) -> None:
    del project.files[TWO]
    project.configure(steps={"load_recording": STEPS["load_recording"]})
    broken = project.folder / "broken/matplotlib"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no fonts')")
    project.environment["PYTHONPATH"] = f"{broken.parent}:{os.environ.get('PYTHONPATH', '')}"
    said = project.run(code=1)
    made = project.digest(f"results/{ONE}.h5")
    assert "The pictures of these recordings could not be drawn:" in said
    assert f"{ONE}: no fonts (read results/logs/{ONE}/overview.log)" in said
    assert (
        f"{ONE}\tfailed\toverview: no fonts" in (project.folder / "results/batch.tsv").read_text()
    )
    assert "overview: no fonts" in (project.folder / "results/batch.html").read_text()
    assert recordings_in(project.folder / "results/units.csv") == [ONE] * 12

    del project.environment["PYTHONPATH"]
    drawn = {"draw_overview": 1, "batch_page": 1, "all": 1, "total": 3}
    assert jobs(project.run("-n")) == drawn
    project.run()
    assert (project.folder / f"results/{ONE}.png").exists()
    assert project.digest(f"results/{ONE}.h5") == made
    page = (project.folder / "results/batch.html").read_bytes()
    assert b"failed" not in page

    nobody = "http://127.0.0.1:9"  # where nobody answers: nothing is loaded for the report
    project.environment |= {"http_proxy": nobody, "https_proxy": nobody}
    project.run("--report", "report.html", "--config", "pictures_in_report=True")
    report = (project.folder / "report.html").read_text()
    for taken in ("batch.html", "units.csv", "units_columns.csv", f"{ONE}.png"):
        content = base64.b64encode((project.folder / f"results/{taken}").read_bytes()).decode()
        assert content in report, taken
    assert "Every column of the table of units" in report


def test_immediate_run_killed_resumed_and_changed(project: Project, library_digest: Any) -> None:
    del project.files[TWO]
    project.configure(mode="immediate", checkpoints=["section_spike_times"])
    loaded = project.folder / f"steps/{ONE}/load_recording.h5"
    project.run_until(f"steps/{ONE}/sections.h5")
    first_load = loaded.stat().st_mtime_ns
    project.run("--nolock")  # what --unlock does, in a run of its own
    assert loaded.stat().st_mtime_ns == first_load
    assert project.digest(f"results/{ONE}.h5") == library_digest(ONE)
    checkpoint = f"results/checkpoints/{ONE}.after_section_spike_times.h5"
    assert project.digest(checkpoint) == library_digest(ONE, "section_spike_times")
    assert PipelineSession.load(project.folder / checkpoint).completed_steps == {
        "load_recording",
        "add_section_time",
        "section_spike_times",
    }
    assert recordings_in(project.folder / "results/units.csv") == [ONE] * 12

    changed = STEPS | {"compute_sta": {"cover_range": [-13, 0]}, "load_recording": None}
    project.configure(mode="immediate", checkpoints=["section_spike_times"], steps=changed)
    for path in project.files[ONE]:
        path.touch()
    config = read_config({"recordings": "r", "stimuli": "s", "steps": changed})
    redone = [part for part in parts_of(config).values() if "sta" in (part.name, *part.needs)]
    rules = [part.step.replace("features", "feature") for part in redone]
    rules += ["assemble", "draw_overview", "units_table", "batch_page", "all"]
    assert jobs(project.run("-n")) == {**Counter(rules), "total": len(rules)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_end_goes_on_and_does_nothing_twice(
    number: signal.Signals, project: Project, library_digest: Any
) -> None:
    del project.files[TWO]
    project.configure()
    target, work = f"results/{ONE}.h5", project.folder / "work" / ONE
    said = project.run_until(f"work/{ONE}/load_recording.part.h5", target, number=number)
    assert f"interrupted by {number.name}" in said
    assert not (work / ".lock").exists()
    done = {path.name: path.stat().st_mtime_ns for path in work.glob("*.part.h5")}
    assert "load_recording.part.h5" in done
    runs = {
        name: made.run
        for path in work.glob("*.part.h5")
        for name, made in SessionFile(path).contributions().items()
    }
    project.run("--nolock", target)
    assert project.digest(target) == library_digest(ONE)
    result = PipelineSession.load(project.folder / target).contributions
    assert {name: result[name].run for name in runs} == runs


def test_parts_are_deleted_where_they_are_not_kept(project: Project, library_digest: Any) -> None:
    del project.files[TWO]
    steps = {"load_recording": STEPS["load_recording"]}
    project.configure(mode="immediate", keep_steps=False, steps=steps)
    project.run(f"results/{ONE}.h5")
    assert project.digest(f"results/{ONE}.h5") == library_digest(ONE, "load_recording")
    assert list((project.folder / "steps" / ONE).glob("*.h5")) == []


def test_a_cell_of_one_recording_redoes_that_one_and_what_depends_on_it(project: Project) -> None:
    steps = {"load_recording": STEPS["load_recording"], "add_section_time": None}
    project.configure(mode="immediate", steps=steps)
    results, deferred = (
        [f"{folder}/{name}.h5" for name in (ONE, TWO)] for folder in ("results", "deferred")
    )
    project.run(*results)
    no_change = {"probe": "warn", "alignment": "warn", "repeats": "1"}
    project.cells = {ONE: {"electrode_pitch_um": "20"}, TWO: no_change}
    project.configure(mode="immediate", steps=steps)
    assert jobs(project.run("-n", *results)) == {
        "load_recording": 1,
        "add_section_time": 1,
        "assemble": 1,
        "total": 3,
    }
    project.run(*results)
    pitched, other = (PipelineSession.load(project.folder / path) for path in results)
    assert "units/x_um" not in other
    assert (pitched.values("units/x_um") == 20.0 * (pitched.values("units/column") - 1)).all()

    project.configure(steps=steps, output_dir="deferred")
    project.run(*deferred)
    assert list(map(project.digest, deferred)) == list(map(project.digest, results))
    project.cells = {ONE: {"electrode_pitch_um": "20.0"}, TWO: no_change | {"repeats": "2"}}
    project.configure(steps=steps, output_dir="deferred")
    assert jobs(project.run("-n", *deferred)) == {"process_recording": 1, "total": 1}


def test_a_variant_in_the_other_mode_takes_over_what_matches(project: Project) -> None:
    del project.files[TWO]
    project.steps = {name: STEPS[name] for name in ("load_recording", "add_section_time")}
    project.steps |= {"section_spike_times": None, "compute_sta": {"cover_range": [-12, 0]}}
    project.configure(mode="deferred")
    project.run(f"results/{ONE}.h5")
    first = project.digest(f"results/{ONE}.h5")
    project.steps |= {"compute_sta": {"cover_range": [-13, 0]}}
    project.configure(mode="immediate", tag="longer")
    said = project.run("-n", f"results/longer/{ONE}.h5")
    assert f"\n{ONE}: 1 of 4 to be made, " in said
    assert re.search(r"\n  sta\.\w+: cover_range \[-12, 0\] -> \[-13, 0\]\n", said)
    project.run(f"results/longer/{ONE}.h5")
    assert project.digest(f"results/{ONE}.h5") == first
    runs = [
        {name: made.run for name, made in session.contributions.items()}
        for file in (f"results/{ONE}.h5", f"results/longer/{ONE}.h5")
        if (session := PipelineSession.load(project.folder / file))
    ]
    changed = {name for name in runs[0] if runs[0][name] != runs[1][name]}
    assert len(runs[0]) == 4
    assert [name.partition(".")[0] for name in changed] == ["sta"]
