"""Recordings that several test files share, made once per worker."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from faulty_recordings import FaultyRecordings, write_library

from faults.lab import Lab, make_lab
from hdmea.simulate import SimulatedDataset, simulate_dataset

# A shell that starts the tests in the background has them ignore Ctrl-C, with all they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDataset:
    """Two recordings of 12 units each, and the stimuli they saw: about a minute each."""
    folder: Path = tmp_path_factory.mktemp("tiny")
    return simulate_dataset(folder, recordings=2, units=12, seed=4, playlist="tiny")


@pytest.fixture(scope="session")
def places(tiny_dataset: SimulatedDataset) -> dict[str, Path]:
    """Where the files of its first recording are, as `create_session` takes them."""
    pair = tiny_dataset.recordings["demo_retina_1"]
    return {
        "cmcr_path": pair.cmcr_path,
        "cmtr_path": pair.cmtr_path,
        "stimuli_dir": tiny_dataset.stimuli_path,
    }


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A recording of two units, and what the steps make of it in both ways: what is harmed."""
    return make_lab(tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> FaultyRecordings:
    """Small recordings with one thing wrong each, made as they are asked for, and their library."""
    folder = tmp_path_factory.mktemp("faulty")
    return FaultyRecordings(write_library(folder / "stimuli"), folder)
