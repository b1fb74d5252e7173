"""Batches at a site that keeps accounts: jobs belong to one, and SLURM remembers them."""

from __future__ import annotations

import pytest
from slurm.batches import Batch, asked, ended, wait_until
from slurm.conftest import RECORDINGS, Recordings
from slurm.naps import BEGUN, NAPS

from scripts.private_slurm.accounting import ACCOUNT

pytestmark = pytest.mark.timeout(300)

REC, RESULT = "rec_0", "results/rec_0.h5"
FEW = RECORDINGS[:3]


def remembered(job: str) -> tuple[str, str]:
    """Account and state of a job, as accounting knows them."""
    format_ = "--format=Account%20,State%20"
    said = asked("sacct", "--noheader", "--allocations", f"--jobs={job}", format_)
    account, state, *_ = said.split()
    return account, state


@pytest.mark.parametrize("status_command", ["squeue", "sacct"])
def test_jobs_belong_to_an_account(
    status_command: str, batch: Batch, recordings: Recordings
) -> None:
    batch.files = {name: batch.files[name] for name in FEW}
    batch.configure()
    results = [f"results/{name}.h5" for name in FEW]
    batch.run("--slurm-status-command", status_command, *results, limit_s=200)
    assert list(map(batch.digest, results)) == list(map(recordings.digest, FEW))
    jobs = batch.jobs()
    assert len(jobs) == len(FEW)
    for job in jobs:
        wait_until(lambda job=job: remembered(job) == (ACCOUNT, "COMPLETED"), f"{job} is over")


@pytest.mark.parametrize("status_command", ["squeue", "sacct"])
def test_a_cancelled_job_is_continued(
    status_command: str, slow_batch: Batch, recordings: Recordings
) -> None:
    slow_batch.configure_naps(2.0)
    slow_batch.hurry(partition="roomy", account=ACCOUNT)
    with slow_batch.started("--slurm-status-command", status_command, RESULT) as snakemake:
        wait_until(lambda: slow_batch.begun(2), "a nap", of=snakemake)
        (first,) = slow_batch.jobs_with_naps()
        asked("scancel", first)
        said = ended(snakemake, 120)
    assert snakemake.returncode == 0, said
    assert remembered(first) == (ACCOUNT, "CANCELLED")
    assert sum(slow_batch.times(BEGUN).values()) <= len(NAPS) + 1
    assert slow_batch.digest(RESULT) == recordings.digest(REC, naps=len(NAPS))


def test_an_account_that_there_is_not_is_named(slow_batch: Batch) -> None:
    slow_batch.configure()
    slow_batch.hurry(account="nobody", retries=0)
    said = slow_batch.run(RESULT, code=1, limit_s=60)
    invalid = "The given account nobody appears to be invalid. Available accounts: lab"
    assert f"{RESULT}: It could not be submitted: {invalid}\n" in said
    assert "process_recording.log is empty: its job has not begun, or was ended at once" in said
    assert slow_batch.jobs() == {}
