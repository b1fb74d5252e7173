"""Recordings and batches for the tests on SLURM, which `make test-slurm` starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from feature_package import write_installed
from slurm.batches import STEPS, Batch, steps_with
from slurm.naps import NAPS

from faults.lab import make_recording
from faults.projects import ROOT
from hdmea.pipeline import run_recording
from hdmea.simulate import simulate_recording

RECORDINGS = tuple(f"rec_{number}" for number in range(6))


class Recordings:
    """Six of two units each, the stimuli they saw, and what comes of them without a cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stimuli = folder, folder / "stimuli"
        make_recording(folder)
        self.files = {name: self._simulated(seed, name) for seed, name in enumerate(RECORDINGS)}
        self.digest = cache(self._digest)

    def _simulated(self, seed: int, name: str) -> tuple[Path, Path]:
        made = simulate_recording(
            self.folder,
            name,
            library=self.stimuli,
            playlist="both",
            n_cells=2,
            seed=seed,
            sampling_rate_hz=2000.0,
        )
        return made.cmcr_path, made.cmtr_path

    def _digest(self, name: str, *, naps: int = 0) -> str:
        """Content digest of what this process makes of a recording."""
        cmcr, cmtr = self.files[name]
        folder = self.folder / f"{name}.{naps}"
        folder.mkdir()
        done = run_recording(
            steps_with(naps) if naps else STEPS,
            folder / "here.h5",
            dataset_id=name,
            cmcr_path=cmcr,
            cmtr_path=cmtr,
            stimuli_dir=self.stimuli,
        )
        return done.content_digest


@pytest.fixture(scope="session")
def napping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a package of features that take time is installed, for this process and for jobs."""
    site = tmp_path_factory.mktemp("site")
    text = Path(__file__).with_name("naps.py").read_text(encoding="utf-8")
    entries = {name: f"hdmea_naps:{name}" for name in NAPS}
    write_installed(site, "hdmea-naps", entries, hdmea_naps=text)
    sys.path.insert(0, str(site))
    return site


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory, napping: Path) -> Recordings:
    """Made once in each process of pytest."""
    assert napping
    return Recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def batch(tmp_path: Path, recordings: Recordings, napping: Path) -> Iterator[Batch]:
    """A batch of all recordings; no job is left when the test has ended."""
    made = Batch(tmp_path, recordings.stimuli, dict(recordings.files), STEPS)
    made.environment["PYTHONPATH"] = os.pathsep.join([str(napping), str(ROOT)])
    yield made
    made.cancel_all()


@pytest.fixture
def slow_batch(batch: Batch) -> Batch:
    """A batch of one recording that takes a while."""
    batch.files = {"rec_0": batch.files["rec_0"]}
    batch.hurry(partition="roomy")  # it need not wait for the jobs of others
    return batch
