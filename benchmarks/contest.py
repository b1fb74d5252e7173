"""Ways of doing the same work, run in turn: load that comes and goes disturbs them alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-oracles/bin/python"
"""The interpreter that has the peers."""
PATH = f"{ROOT}:{ROOT / 'docs'}"
"""Where ways are imported from."""
_LOOK_EVERY_S = 0.02


class ContestError(RuntimeError):
    """A way could not be run, or gave something else than the others."""


@dataclass(frozen=True)
class Way:
    """One way to do the work.

    Parameters
    ----------
    name
        On the page.
    function
        ``module:function`` as `benchmarks.way` calls it.
    case
        Its keyword arguments, JSON.
    is_peer
        Runs with the interpreter that has the peers.
    rounds
        In how many rounds it runs; all if none is told. Slow ways run in fewer.
    warm_up
        Whether it runs once before the rounds that count.
    """

    name: str
    function: str
    case: Mapping[str, Any] = field(default_factory=dict)
    is_peer: bool = False
    rounds: int | None = None
    warm_up: bool = True


@dataclass(frozen=True)
class Measured:
    """What a way took.

    Parameters
    ----------
    seconds, cpu_s
        Of each round.
    start_bytes
        Memory of its process before anything was prepared.
    before_bytes
        Memory just before the work, the least of all rounds.
    peak_bytes
        Most memory during the work, of all rounds. Pages of mapped files count.
    own_bytes
        Most memory that is not pages of files, looked at 50 times a second.
    result
        What the work gave.
    """

    seconds: Sequence[float]
    cpu_s: Sequence[float]
    start_bytes: int
    before_bytes: int
    peak_bytes: int
    own_bytes: int
    result: Any = None

    @property
    def median_s(self) -> float:
        """Median of the rounds."""
        return median(self.seconds)

    def as_json(self) -> dict[str, Any]:
        """What is stored: all but the result, which may be large."""
        stored = {name: value for name, value in vars(self).items() if name != "result"}
        return stored | {name: [float(f"{s:.4g}") for s in stored[name]] for name in _TIMES}


_TIMES = ("seconds", "cpu_s")


def contest(ways: Sequence[Way], *, rounds: int = 5, same: bool = True) -> dict[str, Measured]:
    """Run ways in turn, each once in a round.

    Parameters
    ----------
    ways
        Each has a process of its own, which prepares before the first round.
    rounds
        Rounds that count; one more goes before them.
    same
        Whether all must give the same.

    Raises
    ------
    ContestError
        If a way fails, or gives something else than the first one.
    """
    with ExitStack() as stack:
        processes = [stack.enter_context(_Process(way)) for way in ways]
        for process in processes:
            process.prepare()
        for number in range(rounds + 1):
            for process in processes:
                process.act(number)
        found = {process.way.name: process.measured() for process in processes}
    expected = found[ways[0].name].result
    for name, one in found.items():
        if same and one.result != expected:
            raise ContestError(
                f"{name} gave {one.result!r}, {ways[0].name} {expected!r}; what is compared must "
                "do the same work"
            )
    return found


def alone(way: Way, *, rounds: int = 5) -> Measured:
    """Measure one way, for its memory or against a bound that is no other way."""
    return contest([way], rounds=rounds)[way.name]


def ratio(slower: Measured, faster: Measured) -> float:
    """How many times longer one takes, of the medians."""
    return slower.median_s / faster.median_s


def _environment() -> dict[str, str]:
    # with compiled modules, as wherever it is installed
    kept = {name: said for name, said in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": PATH}


class _Process:
    """A way's process, from its start to its end."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self._answers: list[dict[str, Any]] = []
        self._own_bytes = 0

    def __enter__(self) -> _Process:
        python = PEERS if self.way.is_peer else Path(sys.executable)
        if not python.exists():
            raise ContestError(f"{python} is missing; run: make .venv-oracles/ready")
        self._told = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.way", self.way.function, json.dumps(dict(self.way.case))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            text=True,
            cwd=ROOT,
            env=_environment(),
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()  # the end of its input is its end
        self._told.close()

    def prepare(self) -> None:
        """Wait until it is ready."""
        self._start_bytes = int(self._answer()["start_bytes"])

    def act(self, number: int) -> None:
        """Let it work, in the round of this number; 0 is the one that does not count."""
        if number > (self.way.rounds or number) or (number == 0 and not self.way.warm_up):
            return
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        with _Watch(self._process.pid) as watch:
            answer = self._answer()
        if number > 0:
            self._answers.append(answer)
            self._own_bytes = max(self._own_bytes, watch.most_bytes)

    def measured(self) -> Measured:
        """What it took in the rounds that count."""
        answers = self._answers
        if any(one["result"] != answers[0]["result"] for one in answers):
            raise ContestError(f"{self.way.name} does not always give the same")
        return Measured(
            seconds=[one["seconds"] for one in answers],
            cpu_s=[one["cpu_s"] for one in answers],
            start_bytes=self._start_bytes,
            before_bytes=min(one["before_bytes"] for one in answers),
            peak_bytes=max(one["peak_bytes"] for one in answers),
            own_bytes=self._own_bytes,
            result=answers[0]["result"],
        )

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._told.seek(0)
            raise ContestError(f"{self.way.name} ended with {code}:\n{self._told.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class _Watch:
    """Looks at the own memory of a process, until it is told to stop."""

    def __init__(self, pid: int) -> None:
        self.most_bytes = 0
        self._process = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            try:
                memory = self._process.memory_info()
            except psutil.Error:  # it has ended; whoever waits for its answer says so
                return
            self.most_bytes = max(self.most_bytes, memory.rss - memory.shared)
            if self._stop.wait(_LOOK_EVERY_S):
                return
