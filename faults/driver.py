"""Does harm, once after the other, each to a fork of a process that has done all the rest.

``python -m faults.driver`` runs with the shim or is traced; `faults.planting` starts it and reads
what it says.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from faults.forks import Act, Forked, forked
from faults.harms import (
    FullFileSystem,
    Harm,
    KillAtRandom,
    MemoryLimit,
    NotAllowedError,
    ReadOnly,
    SizeLimit,
    mounted,
)
from faults.judge import FAILED, SAVED, End, Tally, hidden, judge, state_of
from faults.kinds import EVERY_FAULT, FAULTS, FULL, KILL_AT_RANDOM, MEMORY_LIMIT, SIZE_LIMIT, Fault
from faults.lab import Lab
from faults.scenarios import SCENARIOS, Scenario, small_session
from faults.shim import Shim
from faults.strace import Strace
from hdmea.errors import OutputExistsError
from hdmea.store.atomic import sweep
from hdmea.store.lock import LOCK

NEXT_RUNS = 4
"""After how many faults of a kind a whole next run or second try follows, spread over all."""
MANY, SELDOM = 40, 5
"""After each harm to a whole run, or if that is done more often than so many times, each so
manieth."""
MISSED = 3
_SLOWER = 1.1
"""Kills come within so many durations of a run: no two runs take the same time."""


class Planter(Protocol):
    """The shim, strace, or nothing."""

    @property
    def seen(self) -> int:
        """File-changing calls of the undisturbed run."""

    def look_at(self, act: Act) -> End:
        """Run undisturbed, and count the calls."""

    def can(self, fault: Fault) -> bool:
        """Whether it can plant such faults."""

    def harm(self, fault: Fault, point: int) -> Harm:
        """The fault at the call of this number, from 1."""


class NoPlanter:
    """For harm to whole runs, which needs none."""

    @property
    def seen(self) -> int:
        """Nobody counts."""
        return 0

    def look_at(self, act: Act) -> End:
        """Run undisturbed."""
        return forked(act)

    def can(self, fault: Fault) -> bool:  # noqa: ARG002 (none)
        """No."""
        return False

    def harm(self, fault: Fault, point: int) -> Harm:
        """Nothing can be asked for."""
        raise NotAllowedError(f"{fault.name} at call {point} needs the shim or strace")


class Bench:
    """One scenario in a folder, ready to be run with faults.

    Parameters
    ----------
    scenario, lab
        What is run, and what it starts from.
    folder
        Made, and made anew for each fault.
    planter
        What plants faults at calls.
    """

    def __init__(self, scenario: Scenario, lab: Lab, folder: Path, planter: Planter) -> None:
        self.scenario, self.lab, self.folder, self.planter = scenario, lab, folder, planter
        self.sources = {name: of(lab) for name, of in scenario.start.items()}
        self.reset()
        self.before = state_of(folder, scenario.finals)
        self.act = scenario.prepare(lab, folder)
        gc.collect()
        gc.freeze()  # so that forks share what is there
        started = time.monotonic()
        end = self.planter.look_at(self.act)
        self.duration_s = time.monotonic() - started
        if end.code != SAVED:
            raise RuntimeError(f"{scenario.name} fails without any fault: {dict(end.error)}")
        self.calls = self.planter.seen
        self.after = state_of(folder, scenario.finals)
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
        self.largest, self.everything = max(sizes), sum(sizes)

    def reset(self) -> None:
        """Make the folder as it is before the run; itself it stays: a file system may be there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        for name, source in self.sources.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, self.folder / name)

    def do(self, fault: Fault, harm: Harm, *, go_on: bool) -> Tally:
        """Run with a harm and count what it did; nothing where it was not met.

        ``go_on``: afterwards a next run, or a second try of the same process, must succeed.
        """
        self.reset()
        run = Forked(self.act, harm.within)
        try:
            harm.prepare()
            harm.attach(run.pid)
            end = run.act(harm.meanwhile)
            met = harm.met(end)
            harm.heal()
            if not met and state_of(self.folder, self.scenario.finals) == self.after:
                return Tally()  # and not where something went wrong without a word
            tally, left = self._judged(end, fault, harm), hidden(self.folder)
            if go_on and end.code == FAILED:
                tally.retries, tally.not_retried = 1, int(not self._is_done(run.act()))
        finally:
            run.leave()
        if go_on and end.code < SAVED:
            next_run = forked(lambda: self.scenario.prepare(self.lab, self.folder)())
            tally.next_runs, tally.not_resumed = 1, int(not self._is_done(next_run))
        for folder in {path.parent for path in left}:
            sweep(folder)
        if end.code < SAVED or harm.struck_removing:
            still = [path for path in left if path.exists()]
            tally.strays += len(still)
            tally.swept += len(left) - len(still)
        if tally.bad:
            told = {"scenario": self.scenario.name, "fault": fault.name, "harm": vars(harm)}
            say(told | {"bad": tally.bad, "code": end.code, "error": dict(end.error)})
        return tally

    def look(self, fault: Fault) -> Tally:
        """Stop a run before each of its calls: what is there then is what a kill would leave."""
        self.reset()
        harm, found = self.planter.harm(fault, 1), Tally()
        run = Forked(self.act)
        try:
            harm.prepare()
            for _ in run.stops():
                tally = self._judged(End(-signal.SIGKILL, {}), FAULTS["kill"], harm)
                found.add(tally)
                if tally.bad:
                    say({"scenario": self.scenario.name, "stop": found.faults, "bad": tally.bad})
            if run.end().code != SAVED or found.faults != self.calls:
                raise RuntimeError(f"{self.scenario.name} is another one when it is looked at")
        finally:
            harm.heal()  # or this process would stop, too
            run.leave()
        return found

    def _judged(self, end: End, fault: Fault, harm: Harm) -> Tally:
        return judge(
            end, fault, self.folder, self.scenario.finals, self.before, self.after,
            struck_removing=harm.struck_removing,
        )  # fmt: skip

    def _is_done(self, end: End) -> bool:
        """Whether another run or try has given the new file, and left nothing."""
        is_there = not self.scenario.again and end.error.get("kind") == OutputExistsError.__name__
        found = state_of(self.folder, self.scenario.finals)
        left = [*hidden(self.folder), *self.folder.rglob(LOCK)]
        is_done = (end.code == SAVED or is_there) and found == self.after and not left
        if not is_done:
            say({"then": end.code, "error": dict(end.error), "left": [p.name for p in left]})
        return is_done

    def around(self, fault: Fault, share: float) -> Harm:
        """A harm to the whole run, this share of the way from nothing to where it harms no more."""
        if fault.action == KILL_AT_RANDOM:
            return KillAtRandom(_SLOWER * self.duration_s * share)
        if fault.action == SIZE_LIMIT:
            return SizeLimit(int(share * self.largest))
        if fault.action == MEMORY_LIMIT:
            return MemoryLimit(share)
        if fault.action == FULL:
            return FullFileSystem(self.folder, int(share * self.everything))
        return ReadOnly(self.folder)


def points_of(calls: int, every: int, offset: int) -> range:
    """Numbers of the calls that get a fault: one of each ``every``, the last one always near."""
    return range(1 + offset % every, calls + 1, every)


def say(told: Mapping[str, Any]) -> None:
    """Tell a line to whoever started the driver."""
    sys.stdout.write(json.dumps(told, default=str) + "\n")
    sys.stdout.flush()


def seldom(asked: Mapping[str, Any]) -> int:
    """Of how many harms to whole runs one is followed by another run."""
    return SELDOM if asked["times"] > MANY else 1


def around(bench: Bench, fault: Fault, times: int) -> list[Harm]:
    """So many harms to the whole run, spread over it; of random kills more, as some come late."""
    even = (np.arange(times) + 0.5) / max(1, times)
    moments = np.random.default_rng(times).uniform(size=MISSED * times)
    parts = moments if fault.action == KILL_AT_RANDOM else even
    return [bench.around(fault, float(part)) for part in parts]


def at_calls(bench: Bench, fault: Fault, every: int, offset: int) -> list[Harm]:
    """The fault at one of each ``every`` calls."""
    if not bench.planter.can(fault):
        return []
    points = points_of(bench.calls, every, offset)
    return [bench.planter.harm(fault, point) for point in points]


@contextmanager
def room(fault: Fault, folder: Path) -> Iterator[None]:
    """What a fault needs to be there."""
    with ExitStack() as stack:
        if fault.action == FULL:
            stack.enter_context(mounted(folder))
        yield


def main(lab: Path, folder: Path, name: str, asked: Mapping[str, Any]) -> None:
    """Do harm to a scenario; see `faults.planting.plant`."""
    logging.disable()
    with tempfile.TemporaryDirectory() as spare:
        # What is imported at its first use another user may have no right to read.
        small_session(1).save(Path(spare) / "rec.h5")
    planter: Planter = NoPlanter()
    if asked["planter"] == "shim":
        planter = Shim(folder)
    elif asked["planter"] == "strace":
        planter = Strace(folder, lab / "strace.log")
    bench = Bench(SCENARIOS[name], Lab(lab), folder, planter)
    say({"calls": bench.calls})
    for number, (named, one_in) in enumerate(asked["faults"].items()):
        fault, tally = EVERY_FAULT[named], Tally()
        every = max(1, min(bench.calls, round(one_in / asked["share"])))
        try:
            with room(fault, folder):
                if fault.is_of_a_call:
                    offset = number * every // len(asked["faults"])
                    todo = at_calls(bench, fault, every, offset)
                else:
                    todo = around(bench, fault, asked["times"])
                if fault.is_a_look and bench.planter.can(fault):
                    tally, todo = bench.look(fault), []
                then = max(1, len(todo) // NEXT_RUNS) if fault.is_of_a_call else seldom(asked)
                for count, harm in enumerate(todo):
                    if fault.is_of_a_call or tally.faults < asked["times"]:
                        tally.add(bench.do(fault, harm, go_on=count % then == 0))
        except NotAllowedError as error:
            say({"fault": named, "skipped": str(error)})
            continue
        say({"fault": named, "tally": asdict(tally)})


if __name__ == "__main__":
    os.umask(0o022)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]))
