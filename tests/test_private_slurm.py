"""The private SLURM of `make test-slurm` keeps away from what it has not started."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.private_slurm import cluster
from scripts.private_slurm.cluster import refuse_where_it_cannot_be, stop
from scripts.private_slurm.daemons import (
    Process,
    Refusal,
    note,
    path_of,
    running,
    time_of_start,
)


@pytest.fixture
def system_wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer on which there can be one, whose /etc/slurm/slurm.conf is this file."""
    path = tmp_path / "etc/slurm.conf"
    path.parent.mkdir()
    monkeypatch.setattr(cluster, "SYSTEM_WIDE", path)
    monkeypatch.setattr(cluster, "path_of", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(cluster, "running", lambda _: [])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(socket, "gethostbyname", lambda _: "127.0.0.1")
    refuse_where_it_cannot_be()
    return path


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(50)"]) as process:
        yield process
        process.kill()


def noted(folder: Path, pid: int, started: str | None = None) -> Path:
    """A folder that says what was started for it."""
    folder.mkdir()
    (folder / "slurm.conf").touch()
    known = time_of_start(pid) if started is None else started
    note(folder, Process("munged", pid, known))
    return folder


def test_stop_ends_what_was_started_and_not_what_has_its_number_now(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, system_wide: Path
) -> None:
    system_wide.symlink_to("/another/slurm.conf")
    stop(noted(tmp_path / "older", sleeper.pid, started="1"))
    assert sleeper.poll() is None
    assert system_wide.is_symlink()  # not of that folder
    folder = noted(tmp_path / "mine", sleeper.pid)
    system_wide.unlink()
    system_wide.symlink_to(folder / "slurm.conf")
    stop(folder)
    assert sleeper.wait(5) == -15
    assert not system_wide.is_symlink()


def of_another_user(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)


def without_packages(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "path_of", lambda _: "")


def seen_from_outside(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostbyname", lambda _: "192.0.2.7")


def configured(system_wide: Path, _: pytest.MonkeyPatch) -> None:
    system_wide.touch()


def linked(system_wide: Path, _: pytest.MonkeyPatch) -> None:
    other = system_wide.parent / "site.conf"
    other.touch()
    system_wide.symlink_to(other)


def a_node(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "running", lambda _: ["slurmd"])


def started_before(system_wide: Path, _: pytest.MonkeyPatch) -> None:
    folder = noted(system_wide.parent / "other", os.getpid())
    system_wide.symlink_to(folder / "slurm.conf")


@pytest.mark.parametrize(
    ("computer", "said"),
    [
        (of_another_user, "this is another user"),
        (without_packages, "munged, slurmctld, slurmd, sbatch not found: apt-get install"),
        (seen_from_outside, "is 192.0.2.7: SLURM would listen there"),
        (configured, "this computer belongs to another cluster"),
        (linked, "that is another cluster's"),
        (a_node, "slurmd running here"),
        (started_before, "a private SLURM is running in"),
    ],
)
def test_where_there_can_be_none_it_is_skipped_with_the_reason(
    computer: Callable[[Path, pytest.MonkeyPatch], None],
    said: str,
    system_wide: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    computer(system_wide, monkeypatch)
    before = system_wide.is_symlink(), system_wide.exists()
    with pytest.raises(Refusal, match=said):
        refuse_where_it_cannot_be()
    monkeypatch.setattr(cluster, "install", lambda **_: None)
    assert cluster.run_with_cluster(["echo", "it ran"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("SKIPPED, there can be no SLURM here: ")
    assert said in err
    assert (system_wide.is_symlink(), system_wide.exists()) == before


def test_what_a_killed_run_has_left_is_ended_by_the_next(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, system_wide: Path
) -> None:
    folder = noted(tmp_path / "left", sleeper.pid)
    system_wide.symlink_to(folder / "slurm.conf")
    note(folder, Process(cluster._OWNER, os.getpid(), "1"))
    cluster._stop_orphans()
    assert sleeper.wait(5) == -15
    refuse_where_it_cannot_be()


def test_what_has_ended_does_not_run_though_nobody_has_taken_notice(tmp_path: Path) -> None:
    program = tmp_path / "own-sleep"  # a name that no other process has
    program.symlink_to(path_of("sleep"))
    with subprocess.Popen([program, "50"]) as process:
        by = time.monotonic() + 20  # it has its name a moment after it has begun
        while not (names := running({program.name})) and time.monotonic() < by:
            time.sleep(0.01)
        assert names == [program.name]
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert running({program.name}) == []
