"""Another workflow takes this one in, with renamed rules and a configuration of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from faults.projects import ROOT
from hdmea.batch import config_of_file
from hdmea.cli import main
from hdmea.errors import ParameterError
from hdmea.pipeline import run_recording, verify
from hdmea.simulate import SimulatedDataset

STEPS: dict[str, Any] = {
    "load_recording": {"probe": "off"},
    "extract_features": {"features": ["frif"]},
}
HOST = """
configfile: "lab.yaml"

module hdmea:
    snakefile: "clone/workflow/Snakefile"
    config: config["analysis"]

use rule * from hdmea as hdmea_*

rule mine:
    default_target: True
    input: "out/units.csv", "out/one.h5"
    output: "mine.txt"
    shell: "wc -l < {input[0]} > {output}; echo {config[says]} >> {output}"
"""


@pytest.fixture
def host(tiny_dataset: SimulatedDataset, tmp_path: Path) -> Path:
    """A workflow beside a clone, in a folder that is not the clone's."""
    for name in ("workflow", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name)
    shutil.copy(ROOT / "environment.yml", tmp_path / "clone")
    pair = next(iter(tiny_dataset.recordings.values()))
    rows = ["recording\tcmcr\tcmtr", f"one\t{pair.cmcr_path}\t{pair.cmtr_path}", ""]
    (tmp_path / "table.tsv").write_text("\n".join(rows))
    own = {"recordings": "table.tsv", "stimuli": str(tiny_dataset.stimuli_path), "steps": STEPS}
    places = {"output_dir": "out", "steps_dir": "parts", "work_dir": "work"}
    (tmp_path / "lab.yaml").write_text(yaml.safe_dump({"says": "hello", "analysis": own | places}))
    (tmp_path / "Snakefile").write_text(HOST)
    return tmp_path


def snakemake(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["deferred", "immediate"])
def test_results_are_inputs_of_the_other_workflow(
    host: Path,
    tiny_dataset: SimulatedDataset,
    mode: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = yaml.safe_load((host / "lab.yaml").read_text())
    values["analysis"]["mode"] = mode
    (host / "lab.yaml").write_text(yaml.safe_dump(values))
    said = snakemake(host)
    assert ("hdmea_process_recording" if mode == "deferred" else "hdmea_assemble") in said
    assert (host / "mine.txt").read_text().split() == ["13", "hello"]
    pair = next(iter(tiny_dataset.recordings.values()))
    alone = host / "alone.h5"
    run_recording(
        STEPS, alone, dataset_id="one", cmcr_path=pair.cmcr_path, cmtr_path=pair.cmtr_path
    )
    assert verify(host / "out/one.h5").content_digest == verify(alone).content_digest

    monkeypatch.chdir(host)
    assert main(["batch", "--config", "lab.yaml#analysis"]) == 0
    assert capsys.readouterr().out == "1 recording: 1 done; see out/batch.tsv\n"


def test_a_key_that_is_not_there_is_said_with_those_that_are(host: Path) -> None:
    with pytest.raises(ParameterError, match="has no key 'hdmea'; it has analysis, says"):
        config_of_file(host / "lab.yaml#hdmea")
    odd = host / "odd#name.yaml"
    shutil.copy(host / "lab.yaml", odd)
    with pytest.raises(ParameterError, match="says: unknown"):
        config_of_file(odd)
