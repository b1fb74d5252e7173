"""Who works in a folder: one at a time, after a dead one the next."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from hdmea.errors import OutputWriteError
from hdmea.interruption import RunInterrupted, stopping_at_safe_points
from hdmea.pipeline import run_recording
from hdmea.store import lock
from hdmea.store.lock import LOCK, Owner, is_at_work, sole_worker

HOLD = """
import sys, time
from pathlib import Path
from hdmea.store.lock import sole_worker
with sole_worker(Path(sys.argv[1])):
    print("here", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def held(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """Another process that works there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=30)


def put(folder: Path, owner: Owner, touched_s_ago: float = 0.0) -> Path:
    """A lock that somebody else has left."""
    path = folder / LOCK
    path.write_text(json.dumps(asdict(owner)))
    at = time.time() - touched_s_ago
    os.utime(path, (at, at))
    return path


def test_the_lock_says_who_works_and_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    with sole_worker(tmp_path / "work"):
        owner = Owner.of(tmp_path / "work" / LOCK)
        assert owner is not None
        assert (owner.pid, owner.job) == (os.getpid(), "4711")
        assert str(owner) == f"process {os.getpid()} on {owner.host}, job 4711"
        assert is_at_work(tmp_path / "work" / LOCK, owner)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_second_process_waits_and_says_for_whom(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = held(tmp_path, 1.0)
    with sole_worker(tmp_path):
        assert process.wait(timeout=30) == 0
    assert f"being worked in by process {process.pid} on" in caplog.text
    process.communicate()


def test_who_waits_can_be_asked_to_end(tmp_path: Path) -> None:
    process = held(tmp_path, 60)

    def work() -> None:
        with stopping_at_safe_points():
            os.kill(os.getpid(), signal.SIGTERM)
            with sole_worker(tmp_path):
                pytest.fail("two work there")

    try:
        with pytest.raises(RunInterrupted):
            work()
        assert Owner.of(tmp_path / LOCK).pid == process.pid  # type: ignore[union-attr]
    finally:
        ended(process)


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    process = held(tmp_path, 60)
    ended(process)
    assert (tmp_path / LOCK).exists()
    with sole_worker(tmp_path):
        assert Owner.of(tmp_path / LOCK).pid == os.getpid()  # type: ignore[union-attr]
    assert list(tmp_path.iterdir()) == []


def test_a_later_process_with_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path: Path) -> None:
    me = Owner.here()
    path = put(tmp_path, replace(me, started=me.started - 1000))
    assert not is_at_work(path, replace(me, started=me.started - 1000))
    with sole_worker(tmp_path):
        pass


def test_of_another_host_counts_when_it_was_seen_last(tmp_path: Path) -> None:
    owner = replace(Owner.here(), host="elsewhere", pid=1)
    assert is_at_work(put(tmp_path, owner, lock.DEAD_AFTER_S - 60), owner)
    assert not is_at_work(put(tmp_path, owner, lock.DEAD_AFTER_S + 60), owner)
    with sole_worker(tmp_path):
        assert Owner.of(tmp_path / LOCK).pid == os.getpid()  # type: ignore[union-attr]


def test_a_process_that_works_long_is_seen_to_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "TOUCHED_EVERY_S", 0.05)
    with sole_worker(tmp_path):
        os.utime(tmp_path / LOCK, (0, 0))
        deadline = time.monotonic() + 20
        while (tmp_path / LOCK).stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_lock_that_says_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    for content in (b"", b"[1, 2]", b'{"pid": 3}'):
        (tmp_path / LOCK).write_bytes(content)
        with sole_worker(tmp_path):
            assert Owner.of(tmp_path / LOCK) is not None


def test_a_lock_that_was_just_taken_is_not_taken_for_the_dead_one_before(tmp_path: Path) -> None:
    dead = replace(Owner.here(), started=0.0)
    living = Owner.here()
    path = put(tmp_path, living)
    assert not lock._remove_of_dead(path, dead)
    assert Owner.of(path) == living


RACE = """
import sys, time, random
from pathlib import Path
from hdmea.store.lock import sole_worker
folder = Path(sys.argv[1])
for _ in range(15):
    with sole_worker(folder):
        inside = folder / "inside"
        inside.touch(exist_ok=False)
        time.sleep(random.random() / 200)
        inside.unlink()
"""


def test_of_many_processes_one_at_a_time_works(
    tmp_path: Path,
) -> None:
    put(tmp_path, replace(Owner.here(), started=0.0))  # all of them find a dead one's lock
    script = RACE.replace(
        "import sys", "from hdmea.store import lock; lock._LOOK_EVERY_S = 0.005\nimport sys", 1
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        _, said = process.communicate(timeout=100)
        assert process.returncode == 0, said.decode()
    assert list(tmp_path.iterdir()) == []


def test_two_runs_of_one_recording_give_one_result(places: dict[str, Path], tmp_path: Path) -> None:
    """The orphan of a killed workflow still runs when the next one begins."""
    steps = {"load_recording": {"probe": "off"}, "extract_features": {"features": ["unit_quality"]}}
    script = (
        "from hdmea.pipeline import run_recording\n"
        f"run_recording({steps!r}, {str(tmp_path / 'out.h5')!r}, "
        f"work_dir={str(tmp_path / 'work')!r}, "
        f"**{ {name: str(path) for name, path in places.items()}!r})"
    )
    others = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]
    mine = run_recording(steps, tmp_path / "out.h5", work_dir=tmp_path / "work", **places)
    assert [other.wait(timeout=100) for other in others] == [0, 0]
    again = run_recording(steps, tmp_path / "other.h5", **places)
    assert mine.content_digest == again.content_digest
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["last.h5"]


def test_a_lock_that_this_process_could_not_give_back_does_not_make_it_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch, sole_worker(tmp_path):
        patch.setattr(Path, "unlink", fails)
    assert (tmp_path / LOCK).exists()
    with sole_worker(tmp_path):
        owner = Owner.of(tmp_path / LOCK)
        assert owner is not None
        assert is_at_work(tmp_path / LOCK, owner)  # for another thread
    assert list(tmp_path.iterdir()) == []


def test_a_dead_lock_that_cannot_be_moved_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = put(tmp_path, replace(Owner.here(), pid=2**22 + 1))
    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputWriteError, match="Input/output error"), sole_worker(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == [path]
