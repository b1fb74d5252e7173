"""What Snakemake does at SIGTERM: it hears it, and passes it on to its work."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from faults.projects import ROOT, Project
from hdmea.interruption import pass_sigterm_on
from hdmea.simulate import SimulatedDataset

IN_THE_MIDST = """
import signal, sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler

finish = JobScheduler._finish_jobs  # which is called while the scheduler has its lock

def interrupted(scheduler):
    signal.raise_signal(signal.SIGTERM)
    finish(scheduler)

JobScheduler._finish_jobs = interrupted
main(sys.argv[1:])
"""
WAITS = """
import signal, subprocess, sys
from hdmea.interruption import pass_sigterm_on

signal.signal(signal.SIGTERM, lambda *_: print("waits on", flush=True))
pass_sigterm_on()
work = [sys.executable, "-c", sys.argv[1]]
done = subprocess.run(["bash", "-c", '"$@"; echo the work ended with $?', "bash", *work])
print("the shell ended with", done.returncode)
"""
WORKS = """
import signal, sys, time

def end(number, _):
    print("the work hears", number, flush=True)
    sys.exit(143)

signal.signal(signal.SIGTERM, end)
print("works", flush=True)
time.sleep(50)
"""


def test_the_work_hears_it_and_the_shell_between_does_not_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITS, WORKS],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as waiting:
        assert waiting.stdout is not None
        try:
            assert waiting.stdout.readline() == "works\n"
            waiting.terminate()
            said = waiting.stdout.read().splitlines()
        finally:
            waiting.kill()
    assert sorted(said) == [
        "the shell ended with 0",
        "the work ended with 143",
        f"the work hears {signal.SIGTERM.value}",
        "waits on",
    ]


def test_what_signals_wake_up_already_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    before = signal.set_wakeup_fd(ours.fileno())
    try:
        pass_sigterm_on()
        assert signal.set_wakeup_fd(before) == ours.fileno()
    finally:
        signal.set_wakeup_fd(before)
        ours.close()
        theirs.close()


def test_snakemake_hears_it_whatever_it_is_doing(
    tiny_dataset: SimulatedDataset, tmp_path: Path
) -> None:
    pair = tiny_dataset.recordings["demo_retina_1"]
    files = {"rec": (pair.cmcr_path, pair.cmtr_path)}
    Project(tmp_path, tiny_dataset.stimuli_path, files, {"load_recording": None}).configure()
    options = ["-s", ROOT / "workflow/Snakefile", "--workflow-profile", ROOT / "profiles/default"]
    done = subprocess.run(
        [sys.executable, "-c", IN_THE_MIDST, *map(str, options), "--cores", "1"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1, done.stderr
    assert "Will exit after finishing currently running jobs" in done.stderr
