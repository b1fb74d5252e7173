"""The demo's recordings through the workflow in one mode, and computed without a workflow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.contest import ROOT
from hdmea import pipeline
from hdmea.batch.config import read_config
from hdmea.batch.plan import all_steps
from hdmea.batch.recordings import read_recordings
from hdmea.pipeline import PipelineSession, create_session
from hdmea.simulate import simulate_dataset

MADE = ("results", "steps", "work")


def simulate(folder: str, recordings: int, units: int) -> Callable[[], int]:
    """Simulate the recordings."""

    def act() -> int:
        made = simulate_dataset(Path(folder) / "demo", recordings=recordings, units=units)
        shutil.copytree(ROOT / "config", Path(folder) / "config")
        return len(made.recordings)

    return act


def workflow(folder: str, mode: str) -> Callable[[], dict[str, str]]:
    """Snakemake from an empty folder, on one core; digests of what it made."""
    here = Path(folder) / mode
    program = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile")]
    options = ["--workflow-profile", str(ROOT / "profiles/default"), "--cores", "1"]
    values = [f"{name}={place}" for name, place in _places(folder).items()]

    def act() -> dict[str, str]:
        shutil.rmtree(here, ignore_errors=True)  # of the round before
        here.mkdir()
        shutil.copytree(Path(folder) / "config", here / "config")
        subprocess.run(
            [*program, *options, "--config", f"mode={mode}", *values],
            cwd=here,
            check=True,
            stdout=sys.stderr,
        )
        return {
            path.stem: PipelineSession.load(path).content_digest
            for path in sorted((here / "results").glob("*.h5"))
        }

    return act


def computing(folder: str) -> Callable[[], dict[str, str]]:
    """All steps of all recordings in this process, nothing saved; digests of the sessions."""
    os.chdir(folder)
    values = yaml.safe_load(Path("config/config.yaml").read_text()) | _places(folder)
    config = read_config(values)
    recordings = read_recordings(config)

    def act() -> dict[str, str]:
        found = {}
        for name, recording in recordings.items():
            session = create_session(
                name, stimuli_dir=config.stimuli,
                **{f"{role}_path": path for role, path in recording.files.items()},
            )  # fmt: skip
            for step, parameters in all_steps(config, recording).items():
                getattr(pipeline, step)(session=session, **parameters)
            found[name] = session.content_digest
        return found

    return act


def _places(folder: str) -> dict[str, str]:
    demo = Path(folder) / "demo"
    return {"recordings": str(demo / "recordings.tsv"), "stimuli": str(demo / "stimuli")}
