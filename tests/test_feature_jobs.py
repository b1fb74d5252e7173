"""Features as the workflow's parts, that of an installed package among them.

The package is the one that docs/own-features.md shows, installed by pip; the runs are Snakemake's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_package import documented, install, write_documented, write_installed

from faults.projects import COUNTING, ROOT, Project, jobs
from hdmea.batch import parts_of, read_config
from hdmea.batch.recordings import Recording
from hdmea.features.registry import FEATURES
from hdmea.pipeline import PipelineSession, create_session, load_recording
from hdmea.simulate import SimulatedDataset, simulate_recording, write_stimulus_library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

REC = "rec"
RESULT = f"results/{REC}.h5"
CHANGED = next(name for name in ("chirp", "on_off") if name in FEATURES)
"""The feature whose parameter is changed."""
CHAIN = [name for name in ("dense_noise", "moving_bar") if name in FEATURES]
"""Features of which the second needs the first."""

LATER = """
from pydantic import BaseModel
from hdmea.features.declaration import Feature, FeatureResult, Output

class Nothing(BaseModel, extra="forbid"):
    pass

def later(inputs, params):
    first = inputs.features["first_spike"]
    return FeatureResult(
        {"later_ms": first["latency_ms"] + 1}, {"later_ms": first["latency_ms_reason"]})

LATER = Feature("later", 1, Nothing, frozenset({"spikes", "features.first_spike"}), None,
    (Output("later_ms", "ms", "a millisecond later", reasons=("too_few_spikes",)),),
    later, "For tests.")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the documented package is installed, and one whose feature needs the first's."""
    folder = tmp_path_factory.mktemp("package")
    install(write_documented(folder), folder / "site")
    write_installed(folder / "site", "later", {"later": "later:LATER"}, later=LATER)
    return folder / "site"


@pytest.fixture
def installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages are there for this process and for those that it starts."""
    site = shutil.copytree(site, tmp_path / "site")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
    return site


# -- the documented package ------------------------------------------------------------------------


def test_the_documented_feature_takes_less_than_thirty_lines() -> None:
    module = documented("hdmea-first-spike/hdmea_first_spike.py")
    assert len([line for line in module.splitlines() if line.strip()]) < 30


@pytest.mark.usefixtures("installed")
def test_the_installed_feature_works_by_name_in_both_modes(
    tiny_dataset: SimulatedDataset, tmp_path: Path
) -> None:
    pair = tiny_dataset.recordings["demo_retina_1"]
    places = {"cmcr_path": pair.cmcr_path, "cmtr_path": pair.cmtr_path}
    session = create_session(**places, stimuli_dir=tiny_dataset.stimuli_path)
    load_recording(session=session, probe="off")
    path = session.save(tmp_path / "rec.h5")
    code = f"""
from hdmea.pipeline import PipelineSession, add_section_time, extract_features
session = PipelineSession.load({str(path)!r})
asked = {{"features": ["first_spike", "later"]}}
asked["parameters"] = {{"first_spike": {{"window_s": 0.25}}}}
extract_features(**asked, session=session)  # waits
assert set(session.pending) == {{"first_spike", "later"}}, session.pending
add_section_time(playlist_name="tiny", session=session)
result = add_section_time({str(path)!r}, playlist_name="tiny")
result = extract_features({str(path)!r}, **asked)
assert result.content_digest == session.content_digest
assert session.contributions["features.first_spike"].run["package"] == "hdmea-first-spike 1.0"
"""
    table = tmp_path / "units.csv"
    for program in (["-c", code], ["-m", "hdmea", "table", str(path), "-o", str(table)]):
        said = subprocess.run(
            [sys.executable, *program], capture_output=True, text=True, timeout=60, check=False
        )
        assert said.returncode == 0, said.stderr
    header = table.read_text().splitlines()[0].split(",")
    assert {"first_spike.latency_ms", "first_spike.latency_ms_reason"} < set(header)
    session = PipelineSession.load(path)
    found = session.features["first_spike"]["latency_ms"].to_numpy()
    np.testing.assert_allclose(found, first_spikes_ms(session, window_s=0.25))
    assert np.isfinite(found).any()


def first_spikes_ms(session: PipelineSession, window_s: float) -> list[float]:
    """The same, walked through spike by spike."""
    value = session.values
    names, when = value("stimulus/events/name"), value("stimulus/events/time_s")
    kinds = value("stimulus/trials/kind")[value("stimulus/events/trial")]
    edges = when[(names == "light_on") & (kinds == "step")].tolist()
    medians = []
    for unit in session.units.index:
        train = session.spike_times(unit).tolist()
        waits = [
            min((t - edge for t in train if edge <= t < edge + window_s), default=float("inf"))
            for edge in edges
        ]
        median = float(np.median(waits))
        medians.append(1000 * median if np.isfinite(median) else float("nan"))
    return medians


# -- as parts --------------------------------------------------------------------------------------


def with_a_parameter() -> list[str]:
    return [name for name, feature in FEATURES.items() if feature.params.model_fields]


def another(feature: str) -> dict[str, Any]:
    """A value of one parameter that is not its default."""
    model = FEATURES[feature].params
    for name, info in model.model_fields.items():
        if type(info.default) in (int, float):
            for value in (info.default * 2, info.default / 2, info.default + 1):
                try:
                    made = model.model_validate({name: type(info.default)(value)})
                except ValueError:
                    continue
                if made != model():
                    return {name: type(info.default)(value)}
    pytest.fail(f"{feature} has no number as a parameter")


@pytest.mark.parametrize("changed", with_a_parameter())
def test_a_changed_parameter_changes_the_definition_of_its_part_alone(changed: str) -> None:
    def definitions(parameters: dict[str, Any]) -> dict[str, Any]:
        asked = {"features": list(FEATURES), "parameters": parameters}
        steps = {"add_section_time": {}, "compute_sta": {}, "extract_features": asked}
        config = read_config({"recordings": "r", "stimuli": "s", "steps": steps})
        return {n: p.definition(Recording("r", {}, {})) for n, p in parts_of(config).items()}

    before, after = definitions({}), definitions({changed: another(changed)})
    assert {name for name in before if after[name] != before[name]} == {f"features.{changed}"}


@pytest.fixture
def project(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    write_stimulus_library(tmp_path / "stimuli", "brief")
    files = simulate_recording(
        tmp_path,
        REC,
        library=tmp_path / "stimuli",
        playlist="brief",
        n_cells=8,
        seed=1,
        sampling_rate_hz=5000.0,
    )
    paths = [str(COUNTING), str(installed), str(ROOT)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("TOLD_READS", str(tmp_path / "reads"))
    pair = {REC: (files.cmcr_path, files.cmtr_path)}
    return Project(tmp_path, tmp_path / "stimuli", pair, {}, playlist="brief")


def steps(**parameters: dict[str, Any]) -> dict[str, Any]:
    asked = {"features": [CHANGED, *CHAIN, "first_spike", "later"], "parameters": parameters}
    return {
        "load_recording": {"probe": "off"},
        "add_section_time": None,
        "compute_sta": {"cover_range": [-20, 0]},
        "extract_features": asked,
    }


def planned(project: Project, **parameters: dict[str, Any]) -> tuple[set[str], dict[str, int]]:
    """Features whose jobs would run with these parameters, and the number of all jobs by rule."""
    project.configure(mode="immediate", steps=steps(**parameters))
    said = project.run("-n", "--quiet", "host", "--", RESULT)
    return set(re.findall(r"wildcards: .*feature=(\w+)", said)), dict(jobs(said))


def test_a_changed_feature_redoes_its_job_and_what_is_made_of_it(
    project: Project, installed: Path
) -> None:
    project.configure(mode="immediate", steps=steps())
    said = project.run(RESULT)
    done = re.findall(r"extract_feature (\w+): started", said)
    assert sorted(done) == sorted([CHANGED, *CHAIN, "first_spike", "later"])
    session = PipelineSession.load(project.folder / RESULT)
    found = session.features["first_spike"]["latency_ms"].to_numpy()
    np.testing.assert_allclose(found, first_spikes_ms(session, window_s=0.5))
    assert np.isfinite(found).any()

    changes = {CHANGED: another(CHANGED)}
    one = {"extract_feature": 1, "assemble": 1, "total": 2}
    assert planned(project, **changes) == ({CHANGED}, one)
    assert_reads_what_it_needs(project, session)

    # what needs a feature is redone with it; a new definition counts as a parameter does
    changes |= {name: another(name) for name in CHAIN[:1]}
    module = installed / "hdmea_first_spike.py"
    module.write_text(module.read_text().replace("version=1", "version=2"))
    n = len({*CHAIN, "first_spike", "later"})
    several = {"extract_feature": n, "assemble": 1, "total": n + 1}
    assert planned(project, **changes) == ({*CHAIN, "first_spike", "later"}, several)


def reads_of_jobs(told: Path) -> list[dict[str, int]]:
    """Bytes read of each file, for each job that makes a part."""
    lines = map(json.loads, told.read_text().splitlines())
    return [read for program, read in lines if program.endswith("make_part.py")]


def assert_reads_what_it_needs(project: Project, session: PipelineSession) -> None:
    """The job of the changed feature: spikes and sections, nothing raw, no STA, little else."""
    told = project.folder / "reads"
    raw = {str(path) for path in project.files[REC]}
    assert any(raw <= read.keys() for read in reads_of_jobs(told))  # what loads it is seen to
    told.unlink()
    part = f"steps/{REC}/features.{CHANGED}.h5"
    project.run(part)
    (of_job,) = reads_of_jobs(told)
    # its own output is hidden while it is written and sealed
    read = {Path(path).stem: n for path, n in of_job.items() if Path(path).name[0] != "."}
    structure = 150_000  # what says where the arrays are, their digests, and what holds no values
    assert read.pop("last") < 5 * structure  # whether the last result has it, with all its parts
    assert read.keys() == {"load_recording", "sections"}
    needs = ["units/spike_times", "units/spike_times_index"]
    if "frame_clock" in FEATURES[CHANGED].needs:
        needs.append("stimulus/frame_times")
    n_bytes = sum(session.values(path).nbytes for path in needs)
    size = {name: (project.folder / f"steps/{REC}/{name}.h5").stat().st_size for name in read}
    assert n_bytes < read["load_recording"] < n_bytes + structure < size["load_recording"] / 2
    assert read["sections"] < size["sections"] + structure
