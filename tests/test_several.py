"""Several processes at one path: a sample of the reads and races of `make faults`."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from faults import crowd, several
from faults.scenarios import small_session
from hdmea.batch import be_the_only_run
from hdmea.store import atomic
from hdmea.store.atomic import atomic_hdf5, sole_writer


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", several.PARTS)
def test_readers_see_whole_files_only_and_one_of_many_wins(part: str, tmp_path: Path) -> None:
    found = several.run(tmp_path, part, share=0.012)
    assert several.bad({part: found}) == 0, found
    if part == "races":
        assert (found["races"], found["won"], found["refused"]) == (4, 4, 12)
    else:
        assert found["reads"] == 12
        assert found["saves"] > 0


def test_a_torn_file_and_two_winners_would_be_counted() -> None:
    assert several.bad({"races": {"races": 4, "won": 5, "not_one": 1, "torn": 0}}) == 1
    assert several.bad({"reads, locks on": {"reads": 4, "broken": 2, "strays": 1}}) == 3
    page = several.section({"races": {"races": 4, "won": 5, "not_one": 1}})
    assert "| races | 0 | 0 | 0 | 4 | 5 | 0 | 0 | 0 | **1** |" in page
    assert several.section({}) == ""


def test_what_does_not_fit_its_length_is_seen(tmp_path: Path) -> None:
    small_session(12).save(tmp_path / "a.h5")
    ways = (crowd._loaded, crowd._lazily, crowd._verified, crowd._plainly)
    assert all(way(tmp_path / "a.h5") for way in ways)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["sta/noise/sta"][0, 0] = 0
    assert not crowd._plainly(tmp_path / "a.h5")


def _read(path: Path, answer: multiprocessing.Queue[str]) -> None:
    try:
        with h5py.File(path, "r", locking=True) as file:
            answer.put(str(file.attrs["kind"]))
    except OSError as error:
        answer.put(str(error))


def test_other_programs_can_read_with_locks_while_a_file_is_written_and_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    answers: multiprocessing.Queue[str] = multiprocessing.get_context("fork").Queue()

    def read_now() -> str:
        process = multiprocessing.get_context("fork").Process(target=_read, args=(path, answers))
        process.start()
        process.join(30)
        return answers.get(timeout=30)

    def synced(_: Path) -> None:  # the file has its name, and is still open in the writer
        seen.append(read_now())

    seen: list[str] = []
    monkeypatch.setattr(atomic, "sync_name", synced)
    with atomic_hdf5(path) as (file, _):
        file.attrs["kind"] = "first"
    with sole_writer(path):
        seen.append(read_now())
    assert seen == ["first", "first"]


HOLDS = """
import sys, time
from pathlib import Path
from hdmea.batch import be_the_only_run
be_the_only_run([sys.argv[1]], print)
Path(sys.argv[1], "held").touch()
while not Path(sys.argv[1], "go").exists():
    time.sleep(0.01)
"""


def test_a_run_waits_until_another_one_with_its_results_has_ended(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "results")
    first = subprocess.Popen([sys.executable, "-c", HOLDS, tmp_path / "results"])
    deadline = time.monotonic() + 60
    while not (tmp_path / "results/held").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    said: list[str] = []

    def tell(line: str) -> None:
        said.append(line)
        assert first.poll() is None
        (tmp_path / "results/go").touch()

    be_the_only_run([tmp_path / "link", tmp_path / "steps"], tell)
    assert first.wait(timeout=60) == 0
    assert len(said) == 1
    assert f"writes into {tmp_path / 'results'}: process {first.pid} on " in said[0]
    assert f"process {os.getpid()} on " in (tmp_path / "steps/.run.lock").read_text()
    be_the_only_run([tmp_path / "results"], tell)  # already ours
    assert len(said) == 1
