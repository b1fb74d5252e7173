"""Plants faults, one after the other, each in a fork of a process that has done all the rest.

``python -m faults.driver`` runs with the shim; `faults.planting` starts it and reads what it says.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from faults.judge import FAILED, SAVED, End, Tally, hidden, judge, state_of
from faults.kinds import FAULTS, SIZE_LIMIT, Fault
from faults.lab import Lab
from faults.scenarios import SCENARIOS, Scenario
from faults.shim import Shim
from hdmea.errors import OutputExistsError
from hdmea.store.atomic import sweep

DEADLINE_S = 600
NEXT_RUNS = 6
"""How many kills of a kind are followed by a whole next run; after the others it only sweeps."""


class Bench:
    """One scenario in a folder, ready to be run with faults."""

    def __init__(self, scenario: Scenario, lab: Lab, folder: Path) -> None:
        self.scenario, self.lab, self.folder = scenario, lab, folder
        self.sources = {name: of(lab) for name, of in scenario.start.items()}
        self.shim = Shim(folder)
        self.reset()
        self.before = state_of(folder, scenario.finals)
        self.act = scenario.prepare(lab, folder)
        self.shim.disarm()
        started = time.monotonic()
        end = forked(self.act)
        self.duration_s = time.monotonic() - started
        if end.code != SAVED:
            raise RuntimeError(f"{scenario.name} fails without any fault: {dict(end.error)}")
        self.calls = self.shim.seen
        self.after = state_of(folder, scenario.finals)
        self.largest = max(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    def reset(self) -> None:
        """Make the folder as it is before the run."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name, source in self.sources.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, self.folder / name)

    def plant(self, fault: Fault, point: int, *, next_run: bool) -> Tally:
        """Run with a fault at one call and count what it did; nothing where it was not met."""
        self.reset()
        if fault.is_of_a_call:
            self.shim.arm(fault, point)
            end = forked(self.act)
            struck, struck_removing = bool(self.shim.struck), self.shim.struck_removing
            self.shim.disarm()
        else:
            end = forked(self.act, self._around(fault, point))
            struck, struck_removing = end.code != SAVED, False
        if not struck:
            return Tally()
        tally = judge(
            end, fault, self.folder, self.scenario.finals, self.before, self.after,
            struck_removing=struck_removing,
        )  # fmt: skip
        left = hidden(self.folder)
        if next_run:
            tally.not_resumed = int(not self._succeeds())
        for folder in {path.parent for path in left}:
            sweep(folder)
        if end.code < 0 or struck_removing:
            still = [path for path in left if path.exists()]
            tally.strays += len(still)
            tally.swept = len(left) - len(still)
        if tally.bad:
            told = {"scenario": self.scenario.name, "fault": fault.name, "point": point}
            say(told | {"bad": tally.bad, "code": end.code, "error": dict(end.error)})
        return tally

    def _around(self, fault: Fault, point: int) -> Around:
        """What happens to a run from outside; calls only say how far it has come."""
        share = (point - 0.5) / self.calls
        if fault.action == SIZE_LIMIT:
            size = int(share * self.largest)
            return Around(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        # as long as it takes, and some more: no two runs take the same time
        return Around(kill_after_s=1.1 * self.duration_s * share)

    def _succeeds(self) -> bool:
        """Whether the next run gives the new file, and leaves nothing."""
        end = forked(lambda: self.scenario.prepare(self.lab, self.folder)())
        is_there = not self.scenario.again and end.error.get("kind") == OutputExistsError.__name__
        found, left = state_of(self.folder, self.scenario.finals), hidden(self.folder)
        succeeds = (end.code == SAVED or is_there) and found == self.after and not left
        if not succeeds:
            say({"next run": end.code, "error": dict(end.error), "left": [p.name for p in left]})
        return succeeds


class Around(NamedTuple):
    """What is done to a forked run: by itself before it begins, and from outside."""

    before: Callable[[], object] = lambda: None
    kill_after_s: float | None = None


def forked(act: Callable[[], object], around: Around = Around()) -> End:  # noqa: B008 (immutable)
    """Run in a fork; how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        around.before()
        _run(act, writing)
    os.close(writing)
    if around.kill_after_s is not None:
        time.sleep(around.kill_after_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return End(code, json.loads(said) if said else {})


def _run(act: Callable[[], object], writing: int) -> None:
    """Run to the end of this process, whatever happens."""
    signal.alarm(DEADLINE_S)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    code = FAILED
    try:
        act()
        code = SAVED
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is what we look for)
        said = {
            "kind": type(error).__name__,
            "message": str(error),
            "errno": getattr(error, "errno", None),
            "filename": getattr(error, "filename", None),
            "trace": traceback.format_exc(limit=-4),
        }
        os.write(writing, json.dumps(said).encode())
    os._exit(code)


def points_of(calls: int, every: int, offset: int) -> range:
    """Numbers of the calls that get a fault: one of each ``every``, the last one always near."""
    return range(1 + offset % every, calls + 1, every)


def say(told: Mapping[str, Any]) -> None:
    """Tell a line to whoever started the driver."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main(lab: Path, folder: Path, name: str, faults: list[str], share: float) -> None:
    """Plant faults into a scenario, each at this share of the calls that its weight says."""
    logging.disable()
    scenario = SCENARIOS[name]
    bench = Bench(scenario, Lab(lab), folder)
    every = min(bench.calls, max(1, round(scenario.weight / share)))
    for number, fault in enumerate(faults):
        tally = Tally()
        chosen = points_of(bench.calls, every, number * every // len(faults))
        runs = max(1, len(chosen) // NEXT_RUNS)
        for count, point in enumerate(chosen):
            next_run = FAULTS[fault].ends_process and count % runs == 0
            tally.add(bench.plant(FAULTS[fault], point, next_run=next_run))
        say({"fault": fault, "calls": bench.calls, "tally": asdict(tally)})


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]),
        json.loads(sys.argv[5]),
    )  # fmt: skip
