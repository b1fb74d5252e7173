"""The workflow, its jobs or Snakemake alone, ended until a run comes to its end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil  # type: ignore[import-untyped] # ships no types

from faults.interrupted import Tally
from faults.lab import PARAMETERS, Lab
from faults.projects import Project
from hdmea.errors import HdmeaError
from hdmea.pipeline import verify
from hdmea.store.reader import SessionFile

OF_A_JOB, OF_SNAKEMAKE = "kill of a job", "kill of Snakemake"
OF_WORKFLOWS = {
    OF_A_JOB: signal.SIGKILL,
    OF_SNAKEMAKE: signal.SIGKILL,
    "SIGTERM to a workflow": signal.SIGTERM,
    "Ctrl-C of a workflow": signal.SIGINT,
}
"""What is sent. Whom a kill meets its name says; the others go to Snakemake and all its jobs."""
_ONE_IN_IMMEDIATE = 10
"""Of so many results one is made in immediate mode, which takes several times as long."""
_RECORDING = "rec"
_RESULT = f"results/{_RECORDING}.h5"
_LIMIT_S = 300.0
_MOST_TRIES, _SLOWER_AFTER = 100, 10
_LOOK_EVERY_S = 0.005


def ended_again_and_again(lab: Lab, folder: Path, part: str, results: int) -> Tally:
    """Let workflows make a result each, while they or something of them is ended."""
    tally, rng = Tally(), np.random.default_rng(results)
    modes = {"immediate": results // _ONE_IN_IMMEDIATE}
    modes["deferred"] = results - modes["immediate"]
    for mode, count in modes.items():
        if not count:
            continue
        room = _Room(lab, folder / mode, mode)
        room.reset()
        code, takes_s = room.run(None, part, rng)
        if code:
            raise RuntimeError(f"a run that nobody disturbs ends with {code}")
        expected = verify(room.folder / _RESULT).content_digest
        for _ in range(count):
            room.reset()
            _until_one_ends(room, part, takes_s, tally, rng)
            room.wait_for_orphans()
            held = room.held()
            found = verify(room.folder / _RESULT)
            tally.results += 1
            tally.finished += len(room.kept)
            tally.repeated += sum(held.get(name) != run for name, run in room.kept.items())
            tally.other_content += not found.is_good or found.content_digest != expected
            tally.left += [path.name for path in room.work.iterdir()] != ["last.h5"]
    return tally


def _until_one_ends(
    room: _Room, part: str, takes_s: float, tally: Tally, rng: np.random.Generator
) -> None:
    asked = {0}
    if part != OF_SNAKEMAKE:
        asked.add(1)  # a job has failed
    if part != OF_A_JOB:
        asked.add(-OF_WORKFLOWS[part])  # also of a signal when Snakemake does not listen any more
    for tries in range(_MOST_TRIES):
        # a computer that has become slower since must not end every run before its work begins
        longest_s = takes_s * (1 + tries / _SLOWER_AFTER)
        code, _ = room.run(float(rng.uniform(0, longest_s)), part, rng)
        tally.ended += code != 0
        tally.wrong_code += code not in asked
        if code == 0:
            return
        room.note()
    said = "\n".join(main.communicate()[0] for main in room.started[-2:])
    raise RuntimeError(f"of {_MOST_TRIES} runs none came to its end; the last said:\n{said}")


class _Room:
    """A project of one recording."""

    def __init__(self, lab: Lab, folder: Path, mode: str) -> None:
        self.folder, self.work = folder, folder / "work" / _RECORDING
        self.started: list[subprocess.Popen[str]] = []
        self.kept: dict[str, Any] = {}
        steps: dict[str, Any] = PARAMETERS | {
            "add_section_time": {"alignment": "warn"},
            "compute_sta": {"cover_range": [-3, 0], "z": False},
        }
        pair = (lab.places["cmcr_path"], lab.places["cmtr_path"])
        folder.mkdir(parents=True)
        self._project = Project(
            folder, lab.places["stimuli_dir"], {_RECORDING: pair}, steps, "both"
        )
        self._project.configure(mode=mode)

    def reset(self) -> None:
        """Nothing is done yet."""
        for name in ("results", "work", "steps", ".snakemake"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        self.kept = {}

    def run(
        self, end_after_s: float | None, part: str, rng: np.random.Generator
    ) -> tuple[int, float]:
        """Run the workflow, and end what the part says so long after its first job began.

        Returns
        -------
        code : int
            Of Snakemake.
        took_s : float
            From the first job's begin.
        """
        with self._project.started("--nolock", _RESULT) as main:
            self.started.append(main)
            until_s = time.monotonic() + _LIMIT_S
            while main.poll() is None and not _jobs_of(main.pid):
                _wait(until_s)
            began_s = time.monotonic()
            sent = end_after_s is None
            while main.poll() is None:
                _wait(until_s)
                if not sent and time.monotonic() - began_s >= (end_after_s or 0.0):
                    sent = True
                    with suppress(ProcessLookupError):
                        _send(part, main.pid, rng)
            return main.returncode, time.monotonic() - began_s

    def note(self) -> None:
        """Remember what is finished, and by which run."""
        for name, run in self.held().items():
            self.kept.setdefault(name, run)

    def held(self) -> dict[str, Any]:
        """Contributions that are there, and what is told of the run that made each."""
        found: dict[str, Any] = {}
        patterns = (
            f"results/{_RECORDING}.h5",
            f"work/{_RECORDING}/*.h5",
            f"steps/{_RECORDING}/*.h5",
        )
        for path in (path for pattern in patterns for path in self.folder.glob(pattern)):
            with suppress(HdmeaError, FileNotFoundError):  # an orphan replaces them
                for name, made in SessionFile(path).contributions().items():
                    if made.run:  # pieces of one have none, and go when it is whole
                        found.setdefault(name, made.run)
        return found

    def wait_for_orphans(self) -> None:
        """Let what still runs come to its end."""
        until_s, sessions = time.monotonic() + _LIMIT_S, {main.pid for main in self.started}
        while any(_session(pid) in sessions for pid in psutil.pids()):
            _wait(until_s)
        for main in self.started:  # until then orphans may say something
            main.communicate()
        self.started = []


def _send(part: str, main: int, rng: np.random.Generator) -> None:
    """Send the part's signal to whom it is for; to nobody if that is a job and there is none."""
    if part == OF_A_JOB:
        if jobs := _jobs_of(main):
            os.kill(jobs[int(rng.integers(len(jobs)))], OF_WORKFLOWS[part])
    elif part == OF_SNAKEMAKE:
        os.kill(main, OF_WORKFLOWS[part])
    else:
        os.killpg(main, OF_WORKFLOWS[part])


def _jobs_of(main: int) -> list[int]:
    """Processes of the jobs that Snakemake has begun."""

    def scripts() -> Iterator[int]:
        for one in psutil.Process(main).children(recursive=True):
            with suppress(psutil.Error):
                if any(".snakemake/scripts" in word for word in one.cmdline()):
                    yield one.pid

    try:
        return list(scripts())
    except psutil.NoSuchProcess:
        return []


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _wait(until_s: float) -> None:
    if time.monotonic() > until_s:
        raise RuntimeError(f"it has not ended within {_LIMIT_S:g} s")
    time.sleep(_LOOK_EVERY_S)
