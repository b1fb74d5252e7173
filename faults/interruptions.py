"""Runs that are asked to end, or killed, until one comes to its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from faults.interrupted import Tally
from faults.interrupted_workflows import OF_WORKFLOWS, ended_again_and_again
from faults.lab import PARAMETERS, Lab, the_recording
from faults.topic import Found, Topic, number, table
from hdmea.pipeline import run_recording, verify
from hdmea.store import parts
from hdmea.store.parts import WorkFolder

RUNS = 100
PARTS = {
    "SIGTERM at a safe point": signal.SIGTERM,
    "Ctrl-C at a safe point": signal.SIGINT,
    "SIGTERM at random": signal.SIGTERM,
    "Ctrl-C at random": signal.SIGINT,
    "kill at random": signal.SIGKILL,
    **OF_WORKFLOWS,
}
_MOST_TRIES = 200
_SAYS = """
A whole run with a work folder is ended again and again, each time by a signal that comes just
before a safe point, or at a moment drawn from the whole time that a run takes, and started again
until one comes to its end. *runs ended*: how many were. *repeated*: pieces and contributions that
had been finished and were computed once more, which only a kill may cause, of pieces those of its
last minute. *other content*: the result's digest is not that of a run that nobody disturbed;
*wrong code*: a run that was asked to end did not end with 143 or 130; *left*: something other than
the last result stayed in the work folder.

The last four are runs of the workflow, one in ten of them in immediate mode, ended at a moment of
the time in which there are jobs. "Kill of a job" kills one process of a job, the shell or the
program in it, whose result Snakemake then removes; "kill of Snakemake" that alone, whose jobs go on
while the next run begins; the signals come to Snakemake and to all its jobs, as Ctrl-C in a
terminal does. *Finished* are then contributions that were in a file when a run had ended, and
*wrong code* is another one of Snakemake than 0, 1 where a job was ended, and that of the signal
where it came to Snakemake, which does not listen to any while it starts and ends.
"""


class _Room:
    """Where a recording is processed."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.output, self.work, self.log = folder / "rec.h5", folder / "work", folder / "log"

    def process(self) -> None:
        run_recording(PARAMETERS, self.output, work_dir=self.work, **self.lab.places)

    def forked(self, before: Callable[[], object], after_s: float | None, signum: int) -> int:
        """Process in a fork, which is sent a signal after a while; its exit code."""
        child = os.fork()
        if child == 0:
            code = 1
            with suppress(BaseException):
                try:
                    before()
                    self.process()
                    code = 0
                except KeyboardInterrupt as interrupted:
                    code = getattr(interrupted, "exit_code", 130)
            os._exit(code)
        if after_s is not None:
            time.sleep(after_s)
            with suppress(ProcessLookupError):
                os.kill(child, signum)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def watched(self, stop_at: int | None, signum: int) -> None:
        """Note what is finished; send a signal just before one of the safe points."""
        done, keep, count = parts._KeptPieces.done, WorkFolder.keep, 0

        def come(name: str) -> None:
            nonlocal count
            count += 1
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(name) + "\n")
            if count == stop_at:
                os.kill(os.getpid(), signum)

        def noted_done(pieces: Any, name: str, made: Any) -> None:
            come(pieces._recipe_of(name).name)
            done(pieces, name, made)

        def noted_keep(work: WorkFolder, made: Any, header: Any) -> Path | None:
            come(made.name)
            return keep(work, made, header)

        parts._KeptPieces.done, WorkFolder.keep = noted_done, noted_keep  # type: ignore[method-assign]

    def reset(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()

    def finished(self) -> list[str]:
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]


def run(folder: Path, part: str, share: float) -> dict[str, int]:
    """Disturb runs until so many results are there."""
    if part in OF_WORKFLOWS:
        results = max(1, round(RUNS * share))
        return asdict(ended_again_and_again(the_recording(folder), folder / part, part, results))
    room, signum = _Room(the_recording(folder), folder / "room"), PARTS[part]
    tally, rng = Tally(), np.random.default_rng(list(PARTS).index(part))
    room.reset()
    started = time.monotonic()
    if code := room.forked(lambda: room.watched(None, signum), None, signum):
        raise RuntimeError(f"a run that nobody disturbs ends with {code}")
    takes_s, expected = time.monotonic() - started, verify(room.output).content_digest
    n_points = len(room.finished())
    asked = {0, 128 + signum} if signum != signal.SIGKILL else {0, -signum}
    for _ in range(max(1, round(RUNS * share))):
        room.reset()
        for _ in range(_MOST_TRIES):
            if part.endswith("at random"):
                stop_at, after_s = None, float(rng.uniform(0, takes_s))
            else:
                stop_at, after_s = int(rng.integers(1, n_points + 1)), None
            code = room.forked(lambda at=stop_at: room.watched(at, signum), after_s, signum)
            tally.ended += code != 0
            # before Python and hdmea hear signals they end the process as they always do
            tally.wrong_code += code not in asked | {-signum}
            if code == 0:
                break
        tally.results += 1
        found = Counter(room.finished())
        tally.finished += len(found)
        tally.repeated += found.total() - len(found)
        tally.other_content += verify(room.output).content_digest != expected
        tally.left += [path.name for path in room.work.iterdir()] != ["last.h5"]
    return asdict(tally)


def section(found: Found) -> str:
    """A row for each way of ending runs."""
    head = ["how they ended", "results", "runs ended", "finished", "repeated"]
    rows = [_row(name, Tally(**one)) for name, one in found.items()]
    return table([*head, "other content", "wrong code", "left"], rows)


def bad(found: Found) -> int:
    """Broken promises."""
    return sum(_bad(name, Tally(**one)) for name, one in found.items())


def _may_repeat(name: str) -> bool:
    return name.startswith("kill")


def _bad(name: str, tally: Tally) -> int:
    repeated = 0 if _may_repeat(name) else tally.repeated
    return repeated + tally.other_content + tally.wrong_code + tally.left


def _row(name: str, tally: Tally) -> list[str]:
    return [
        name,
        *(number(count) for count in (tally.results, tally.ended, tally.finished)),
        number(tally.repeated, must_be_0=not _may_repeat(name)),
        *(number(n, must_be_0=True) for n in (tally.other_content, tally.wrong_code, tally.left)),
    ]


INTERRUPTIONS = Topic("interruptions", "Interrupted runs", _SAYS, tuple(PARTS), run, section, bad)
