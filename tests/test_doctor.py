"""`hdmea doctor`: what it says of a computer, disk or cluster that lacks something."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdmea.batch import Finding, config_of_file, doctor, examine, read_recordings
from hdmea.cli import main
from hdmea.errors import RecordingFileError
from hdmea.mcs import ProbeReport
from hdmea.simulate import SimulatedDataset

USAGE = namedtuple("USAGE", "total used free")


@pytest.fixture
def config(tiny_dataset: SimulatedDataset, tmp_path: Path) -> Path:
    values = {
        "recordings": str(tiny_dataset.table_path),
        "stimuli": str(tiny_dataset.stimuli_path),
        "steps": {},
        **{key: str(tmp_path / key) for key in ("output_dir", "steps_dir", "work_dir")},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Without the child process, which other tests start, and without this computer's cluster."""
    report = ProbeReport("0.4.3", 1, 1, None)
    monkeypatch.setattr(doctor, "probe_pair", lambda *_: report)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return monkeypatch


def found_of(path: Path) -> list[Finding]:
    config = config_of_file(path)
    return list(examine(Path("sample"), config, read_recordings(config).values()))


def the_one(found: list[Finding], words: str) -> Finding:
    (one,) = (finding for finding in found if words in finding.said)
    return one


def command(folder: Path, name: str, does: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


def test_a_computer_that_can_do_the_batch(
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # whether there is a cluster here is no matter
    assert main(["doctor", "--config", str(config)]) == 0
    said = capsys.readouterr().out
    assert "McsPyDataTools 0.4.3 works in its own process" in said
    assert "ok   2 recordings: files, playlists and movies there" in said
    assert f"ok   {tmp_path}/output_dir/: hard links work" in said
    assert not [line for line in said.splitlines() if line.startswith("bad")]
    assert list(tmp_path.iterdir()) == [config]


def test_a_configuration_that_is_wrong_is_one_of_the_findings(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text().replace("steps: {}", "steps: {no_step: {}}"))
    assert main(["doctor", "--config", str(config)]) == 1
    said = capsys.readouterr().out
    assert said.startswith("bad  The configuration cannot be used:")
    assert "McsPyDataTools 0.4.3 works" in said


def test_what_a_disk_lacks_is_said_with_what_it_costs(
    config: Path, quick: pytest.MonkeyPatch
) -> None:
    def no_links(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    quick.setattr(Path, "hardlink_to", no_links)
    quick.setattr(doctor.fcntl, "flock", no_locks)
    found = found_of(config)
    links, locks = the_one(found, "work_dir/: no hard"), the_one(found, "work_dir/: no file locks")
    assert (links.state, locks.state) == ("note", "note")
    assert "computes a recording anew" in links.remedy

    quick.setattr(doctor.fcntl, "flock", lambda *_: None)
    assert the_one(found_of(config), "work_dir/: file locks are granted to all").state == "note"

    def read_only(*_: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    quick.setattr(os, "fsync", read_only)
    found = found_of(config)
    assert the_one(found, "output_dir/ cannot be written to: Read-only").state == "bad"


def test_too_little_room_and_memory_are_said_before_anything_runs(
    config: Path, quick: pytest.MonkeyPatch
) -> None:
    quick.setattr(shutil, "disk_usage", lambda _: USAGE(10, 9, 1))
    quick.setattr(
        doctor.psutil, "virtual_memory", lambda: type("", (), {"total": 200e6, "available": 100e6})
    )
    found = found_of(config)
    assert the_one(found, "free; 2 recordings without").state == "bad"
    memory = the_one(found, "the largest job")
    assert memory.state == "bad"
    quick.setattr(
        doctor.psutil, "virtual_memory", lambda: type("", (), {"total": 600e6, "available": 100e6})
    )
    quick.setattr(os, "sched_getaffinity", lambda _: range(4))
    memory = the_one(found_of(config), "the largest job")
    assert (memory.state, memory.remedy) == (
        "note",
        "Say so to snakemake: --resources mem_mb=600",
    )


def test_a_reader_that_does_not_work_is_bad(config: Path, quick: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RecordingFileError("No module named McsPy")

    quick.setattr(doctor, "probe_pair", broken)
    found = the_one(found_of(config), "No module named McsPy")
    assert found.state == "bad"
    assert "probe: off" in found.remedy


@pytest.mark.parametrize(
    ("squeue", "sacct", "state", "said"),
    [
        ("exit 0", "exit 0", "ok", "SLURM answers, squeue and sacct"),
        ("exit 0", "exit 1", "note", "keeps no accounts"),
        ("exit 1", "exit 1", "bad", "squeue does not answer"),
        ("exec /bin/sleep 5", "exit 0", "bad", "squeue does not answer"),
    ],
)
def test_how_slurm_answers(
    tmp_path: Path, quick: pytest.MonkeyPatch, squeue: str, sacct: str, state: str, said: str
) -> None:
    quick.setattr(doctor, "_ANSWER_S", 0.5)
    for name, does in (("sbatch", "exit 0"), ("squeue", squeue), ("sacct", sacct)):
        command(tmp_path, name, does)
    *_, cluster = examine(Path("sample"))
    assert cluster.state == state
    assert said in cluster.said
