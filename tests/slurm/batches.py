"""Batches whose jobs run on the private SLURM, with a hard limit of time on all waiting."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psutil  # type: ignore[import-untyped] # ships no types
from slurm.naps import BEGUN, DONE, MEGABYTES, NAPS, NOTES, SECONDS

from faults.lab import PARAMETERS
from faults.projects import ROOT, Project
from scripts.private_slurm.cluster import stop_node

STEPS: dict[str, Any] = {
    "load_recording": PARAMETERS["load_recording"],
    "extract_features": {"features": ["frif"]},
}
"""Few: in immediate mode each of them is a job with a Snakemake of its own."""
OVER = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY"}
CLUSTER = Path(os.environ["HDMEA_SLURM"])
_LOOK_EVERY_S = 0.1


def steps_with(naps: int) -> dict[str, Any]:
    """Steps of which one takes its time: naps in a row, with a safe point after each."""
    features = {"features": list(NAPS[:naps])}
    return {"load_recording": STEPS["load_recording"], "extract_features": features}


class Nap(NamedTuple):
    """A line of the notes that naps make."""

    what: str
    name: str
    job: str


@dataclass
class Batch(Project):
    """A folder in which snakemake is started with the profile for SLURM, as it is shipped.

    But for its seconds and minutes: tests are in a hurry.
    """

    playlist: str = "both"
    prefix: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}")
    """The names of its jobs begin with it: other tests have jobs, too."""

    def __post_init__(self) -> None:
        """Snakemake is started by a program that asks more often how its jobs are."""
        self.program = [str(Path(__file__).with_name("quick_snakemake.py"))]
        self.hurry()

    def hurry(
        self,
        *,
        runtime_min: int = 10,
        lead_s: int = 120,
        partition: str = "normal",
        account: str = "",
        retries: int = 2,
    ) -> None:
        """Take the profile as it is shipped, with seconds and minutes of tests."""
        self.options = [
            "--default-resources",
            "mem_mb=1000",
            "in_turn=1",
            f"slurm_partition='{partition}'",
            f"slurm_extra='--signal=TERM@{lead_s}'",
            *([f"slurm_account='{account}'"] if account else []),
            *("--set-resources", f"process_recording:runtime={runtime_min}"),
            *("--workflow-profile", str(ROOT / "profiles/slurm")),
            *("--slurm-jobname-prefix", self.prefix),
            *("--latency-wait", "20"),
            *("--retries", str(retries)),
        ]

    def configure_naps(self, seconds: float, *, held_mb: int = 0, naps: int = len(NAPS)) -> None:
        """Write a configuration whose features take time, and memory."""
        self.environment |= {
            NOTES: str(self.folder / "naps.txt"),
            SECONDS: str(seconds),
            MEGABYTES: str(held_mb),
        }
        self.steps = steps_with(naps)
        self.configure()

    @property
    def notes(self) -> list[Nap]:
        """What was computed, and in which job."""
        file = self.folder / "naps.txt"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        return [Nap(*line.split()) for line in text.splitlines()]

    def times(self, what: str = DONE) -> Counter[str]:
        """How often each nap was begun, or done."""
        return Counter(nap.name for nap in self.notes if nap.what == what)

    def begun(self, number: int) -> bool:
        """Whether so many naps have been begun."""
        return self.times(BEGUN).total() >= number

    def jobs_with_naps(self) -> list[str]:
        """Numbers of the jobs that have begun one, in their order."""
        return list(dict.fromkeys(nap.job for nap in self.notes if nap.what == BEGUN))

    def jobs(self) -> dict[str, str]:
        """State of each job of the cluster by its number, in the order of their submission."""
        said = asked("squeue", "--noheader", "--states=all", "--format=%i %T %j")
        rows = [line.split() for line in said.splitlines()]
        mine = {number: state for number, state, name in rows if name.startswith(self.prefix)}
        return dict(sorted(mine.items(), key=lambda item: int(item[0])))

    def left(self) -> list[str]:
        """Jobs that have not ended."""
        return [number for number, state in self.jobs().items() if state not in OVER]

    def submit(self, command: str, *options: str) -> str:
        """Give the cluster a job of another kind; its number."""
        name = f"--job-name={self.prefix}"
        said = f"--output={self.folder}/%j.out"
        return asked("sbatch", "--parsable", name, said, f"--wrap={command}", *options).strip()

    def fail(self, node: str, job: str) -> None:
        """Let a node fail, with all that runs there of a job: nothing of it is asked, or told."""
        stop_node(CLUSTER, node)
        daemons = [p for p in psutil.process_iter(["name", "cmdline"]) if of_job(p, job)]
        for process in [
            *daemons,
            *(child for p in daemons for child in p.children(recursive=True)),
        ]:
            with suppress(psutil.NoSuchProcess):
                process.kill()

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Snakemake; with the block it is ended, and its jobs are cancelled."""
        try:
            with super().started(*arguments) as process:
                yield process
        except BaseException:
            self.cancel_all()
            raise

    def cancel_all(self) -> None:
        """Leave nothing to the tests that follow."""
        if left := self.left():
            asked("scancel", *left)
            wait_until(lambda: not self.left(), "jobs end after scancel")


def asked(*command: str, limit_s: float = 20) -> str:
    """What a program of SLURM says."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=True)
    return done.stdout


def wait_until(
    happened: Callable[[], object],
    what: str,
    *,
    of: subprocess.Popen[str] | None = None,
    limit_s: float = 120,
) -> None:
    """Look again and again; fail if a process ends before, or it takes too long."""
    deadline = time.monotonic() + limit_s
    while not happened():
        assert of is None or of.poll() is None, of.communicate()[0]
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:.0f} s"
        time.sleep(_LOOK_EVERY_S)


def ended(process: subprocess.Popen[str], limit_s: float) -> str:
    """What a process has said, once it has ended within the limit."""
    try:
        said, _ = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        process.kill()
        said, _ = process.communicate(timeout=20)
        raise AssertionError(f"it has not ended within {limit_s:.0f} s:\n{said}") from None
    return said


def repair(node: str) -> None:
    """Start the daemon of a node that has failed."""
    program = [sys.executable, "-m", "scripts.private_slurm", "start-node"]
    subprocess.run([*program, str(CLUSTER), node], cwd=ROOT, check=True, timeout=20)


def seconds_of(job: str) -> int:
    """How long a job has run."""
    text = asked("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%M")
    minutes, seconds = map(int, text.strip().split(":"))
    return 60 * minutes + seconds


def minutes_of(job: str) -> int:
    """For how long a job has asked."""
    text = asked("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%l")
    *hours, minutes, _ = map(int, text.strip().split(":"))
    return 60 * sum(hours) + minutes


def megabytes_of(job: str) -> int:
    """What a job has asked for."""
    text = asked("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%m")
    return int(text.strip().removesuffix("M"))


def of_job(process: psutil.Process, job: str) -> bool:
    """Whether a process is the daemon of one of the steps of a job."""
    return any(f"[{job}." in word for word in process.info["cmdline"] or []) and process.info[
        "name"
    ].startswith("slurmstepd")


def addresses(program: str) -> set[str]:
    """Where processes of a program listen."""
    return {
        connection.laddr.ip
        for process in psutil.process_iter(["name"])
        if process.info["name"].startswith(program)
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def first_process_of_step(job: str) -> psutil.Process:
    """Of a job of the cluster: the process that SLURM itself has started for `srun`."""
    for process in psutil.process_iter(["name"]):
        try:
            if process.info["name"].startswith("slurmstepd"):
                for child in process.children():
                    told = child.environ()
                    if told.get("SLURM_JOB_ID") == job and "SLURM_STEP_ID" in told:
                        return child
        except psutil.Error:  # it has ended meanwhile
            continue
    raise AssertionError(f"job {job} has no step")
