"""Batches on a real SLURM: the same content as without, whatever happens to jobs on their way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest
from slurm.batches import (
    Batch,
    addresses,
    asked,
    ended,
    first_process_of_step,
    megabytes_of,
    minutes_of,
    repair,
    seconds_of,
    wait_until,
)
from slurm.conftest import RECORDINGS, Recordings
from slurm.naps import BEGUN, NAPS

from hdmea.batch.resources import LEAST_MIN

pytestmark = pytest.mark.timeout(400)

REC, RESULT, BAD = "rec_0", "results/rec_0.h5", "rec_5"
RESULTS = [f"results/{name}.h5" for name in RECORDINGS]
ONCE = dict.fromkeys(NAPS, 1)


# -- batches ---------------------------------------------------------------------------------------


def test_six_recordings_in_immediate_mode_are_six_jobs(
    batch: Batch, recordings: Recordings
) -> None:
    batch.configure(mode="immediate")
    batch.run(*RESULTS, limit_s=300)
    assert list(map(batch.digest, RESULTS)) == list(map(recordings.digest, RECORDINGS))
    assert list(batch.jobs().values()) == ["COMPLETED"] * 6
    in_turn = ["load_recording", "features.frif", "assemble"]
    assert minutes_of(next(iter(batch.jobs()))) == LEAST_MIN * len(in_turn)


def test_of_six_recordings_one_is_bad_and_then_mended(batch: Batch, recordings: Recordings) -> None:
    cmcr, cmtr = batch.files[BAD]
    cut = batch.folder / "cut.cmtr"
    cut.write_bytes(cmtr.read_bytes()[: cmtr.stat().st_size // 2])
    batch.files[BAD] = (cmcr, cut)
    batch.configure()
    said = batch.run("--retries", "0", "results/units.csv", code=1, limit_s=300)
    assert "cut.cmtr" in said
    assert "6 recordings: 5 done, 1 failed" in said
    assert sorted(batch.jobs().values()) == ["COMPLETED"] * 5 + ["FAILED"]
    good = [name for name in RECORDINGS if name != BAD]
    assert [batch.digest(f"results/{name}.h5") for name in good] == list(
        map(recordings.digest, good)
    )
    assert (batch.folder / "results/rec_0.png").exists()

    batch.files[BAD] = (cmcr, cmtr)
    batch.configure()
    batch.run("results/units.csv", limit_s=200)
    assert batch.digest(f"results/{BAD}.h5") == recordings.digest(BAD)
    table = (batch.folder / "results/units.csv").read_text(encoding="utf-8")
    assert [name for name in RECORDINGS if name not in table] == []
    assert len(batch.jobs()) == 6 + 2  # the recording, and the table


# -- jobs that are ended ---------------------------------------------------------------------------


def test_jobs_that_are_asked_to_end_or_cancelled_are_continued(
    slow_batch: Batch, recordings: Recordings
) -> None:
    """First as most clusters ask, which signal nobody but the first process of a step."""
    slow_batch.configure_naps(2.0)
    with slow_batch.started(RESULT) as snakemake:
        wait_until(lambda: slow_batch.begun(2), "a nap", of=snakemake)
        (first,) = slow_batch.jobs_with_naps()
        first_process_of_step(first).terminate()
        wait_until(lambda: len(slow_batch.jobs_with_naps()) == 2, "a second job", of=snakemake)
        second = slow_batch.jobs_with_naps()[1]
        wait_until(lambda: slow_batch.begun(5), "a nap of it", of=snakemake)
        asked("scancel", second)
        said = ended(snakemake, 120)
    assert snakemake.returncode == 0, said
    assert slow_batch.jobs()[first] == "FAILED"
    assert slow_batch.jobs()[second] == "CANCELLED"
    assert len(slow_batch.jobs_with_naps()) == 3
    assert slow_batch.times() == ONCE
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=len(NAPS))


def test_a_job_ends_before_its_time_is_up_and_is_continued(
    slow_batch: Batch, recordings: Recordings
) -> None:
    slow_batch.configure_naps(8.5)
    slow_batch.hurry(runtime_min=2, lead_s=55, retries=5, partition="roomy")
    said = slow_batch.run(RESULT, limit_s=330)
    first = slow_batch.jobs_with_naps()[0]
    assert slow_batch.jobs()[first] == "FAILED", said  # not TIMEOUT: it ended by itself
    assert seconds_of(first) < 120
    assert list(slow_batch.jobs().values())[-1] == "COMPLETED"
    assert len(slow_batch.jobs_with_naps()) > 1
    assert slow_batch.times() == ONCE
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=len(NAPS))


@pytest.mark.parametrize("partition", ["cheap", "abrupt"])
def test_a_preempted_job_makes_room_and_is_continued(
    partition: str, slow_batch: Batch, recordings: Recordings
) -> None:
    slow_batch.configure_naps(2.0)
    slow_batch.hurry(partition=partition)
    with slow_batch.started(RESULT) as snakemake:
        wait_until(lambda: slow_batch.begun(2), "a nap", of=snakemake)
        urgent = slow_batch.submit("true", "--partition=urgent", "--exclusive")
        said = ended(snakemake, 150)
    assert snakemake.returncode == 0, said
    first = slow_batch.jobs_with_naps()[0]
    assert slow_batch.jobs()[urgent] == "COMPLETED"
    assert seconds_of(first) < 60
    begun = slow_batch.times(BEGUN)
    assert slow_batch.times() == ONCE
    assert begun.total() <= len(NAPS) + (partition == "abrupt")  # the nap that it was in
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=len(NAPS))


def test_a_job_that_takes_more_memory_than_it_has_gets_more(
    slow_batch: Batch, recordings: Recordings
) -> None:
    slow_batch.configure_naps(3.0, held_mb=500, naps=1)
    slow_batch.run(RESULT, limit_s=200)
    states = slow_batch.jobs()
    first, *_, last = states
    assert states[first] in {"FAILED", "OUT_OF_MEMORY"}
    assert states[last] == "COMPLETED"
    assert megabytes_of(last) > megabytes_of(first)
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=1)


def test_a_node_fails_and_another_one_goes_on(slow_batch: Batch, recordings: Recordings) -> None:
    slow_batch.configure_naps(2.0)
    slow_batch.hurry(partition="frail")
    with slow_batch.started(RESULT) as snakemake:
        wait_until(lambda: slow_batch.begun(3), "a nap", of=snakemake)
        (job,) = slow_batch.jobs_with_naps()
        node = asked("squeue", "--noheader", f"--jobs={job}", "--format=%N").strip()
        try:
            slow_batch.fail(node, job)
            said = ended(snakemake, 200)
        finally:
            repair(node)
    assert snakemake.returncode == 0, said
    assert sum(slow_batch.times(BEGUN).values()) <= len(NAPS) + 1
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=len(NAPS))


def test_a_cluster_that_does_not_answer_for_a_while_is_asked_again(
    slow_batch: Batch, recordings: Recordings
) -> None:
    deaf, programs = slow_batch.folder / "deaf", slow_batch.folder / "programs"
    programs.mkdir()
    squeue = programs / "squeue"
    squeue.write_text(f'#!/bin/sh\n[ -e {deaf} ] && exit 1\nexec {shutil.which("squeue")} "$@"\n')
    squeue.chmod(0o755)
    slow_batch.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    slow_batch.configure_naps(2.0)
    with slow_batch.started(RESULT) as snakemake:
        wait_until(lambda: slow_batch.begun(2), "a nap", of=snakemake)
        deaf.touch()
        wait_until(lambda: not slow_batch.left(), "the job ends", of=snakemake)
        deaf.unlink()
        said = ended(snakemake, 60)
    assert snakemake.returncode == 0, said
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=len(NAPS))


# -- snakemake that is ended -----------------------------------------------------------------------


def test_ctrl_c_leaves_no_job_and_a_killed_snakemake_is_continued(
    slow_batch: Batch, recordings: Recordings
) -> None:
    slow_batch.configure_naps(2.0)
    slow_batch.environment["HDMEA_ASK_EVERY_S"] = "300"  # it ends while it waits to ask again
    with slow_batch.started(RESULT) as snakemake:
        wait_until(lambda: slow_batch.begun(5), "a nap", of=snakemake)
        os.killpg(snakemake.pid, signal.SIGINT)  # as a terminal does
        ended(snakemake, 60)
    del slow_batch.environment["HDMEA_ASK_EVERY_S"]
    wait_until(lambda: not slow_batch.left(), "no job is left after Ctrl-C", limit_s=30)
    kept = slow_batch.times().total()
    assert 1 <= kept < len(NAPS)
    assert slow_batch.times(BEGUN) == slow_batch.times()  # ended where nothing is lost

    with slow_batch.started("--nolock", RESULT) as snakemake:
        wait_until(lambda: slow_batch.begun(kept + 2), "a further nap", of=snakemake)
        snakemake.kill()
        ended(snakemake, 20)
        assert len(slow_batch.left()) == 1  # the cluster knows nothing of that, and goes on
        slow_batch.run("--nolock", RESULT, limit_s=150)
    assert slow_batch.times() == ONCE
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=len(NAPS))


# -- the cluster itself ----------------------------------------------------------------------------


def test_what_slurm_refuses_is_told(slow_batch: Batch) -> None:
    slow_batch.configure()
    slow_batch.hurry(partition="nowhere", retries=0)
    said = slow_batch.run(RESULT, code=1, limit_s=60)
    assert f"{RESULT}: SLURM sbatch failed. The error message was" in said
    assert "invalid partition specified: nowhere" in said


def test_there_is_no_accounting_and_nothing_listens_beyond_the_loopback(slow_batch: Batch) -> None:
    said = subprocess.run(["sacct"], capture_output=True, text=True, timeout=20, check=False)
    assert said.returncode != 0
    assert "accounting" in said.stderr
    slow_batch.submit("srun sleep 20")
    wait_until(lambda: addresses("srun"), "a job step")
    found = {name: addresses(name) for name in ("slurmctld", "slurmd", "slurmstepd", "srun")}
    assert found["slurmctld"]
    assert found["slurmd"]
    assert {address for of_name in found.values() for address in of_name} == {"127.0.0.1"}
