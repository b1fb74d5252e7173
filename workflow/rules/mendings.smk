# Where Snakemake 9.27 waits for ever or looks at everything again and again, or its plugin for SLURM
# 2.8.0 waits for ever or leaves jobs behind. A version that is built otherwise stays as it is.

import asyncio
import subprocess
import sys
import time
from contextlib import suppress

from hdmea.batch import in_a_thread


def where_some_wait(look_again):
    """Look again at what is ready a second later only if more was ready than may begin in a second.

    Snakemake looks again a second after it has looked, and also whenever a job has ended: each job
    makes it look once more in every second, at the files of all that is ready, until it does little
    else.
    """

    def looked(scheduler, delay):
        with suppress(AttributeError):  # there is no limit, or it is built otherwise
            limit, dag = scheduler.job_rate_limiter, scheduler.workflow.dag
            all_began = len(limit._jobs) < limit.max_jobs
            if all_began and not dag.has_unfinished_queue_input_jobs():
                return
        look_again(scheduler, delay)

    return looked


with suppress(ImportError, AttributeError):
    from snakemake.scheduling.job_scheduler import JobScheduler

    if JobScheduler.exit_gracefully.__module__ == JobScheduler.__module__:
        # At SIGTERM it waits for a lock, for ever if what it does at that moment has it.
        JobScheduler.exit_gracefully = in_a_thread(JobScheduler.exit_gracefully)
        JobScheduler._schedule_reevalutation = where_some_wait(
            JobScheduler._schedule_reevalutation
        )


def told(run_job):
    """What goes wrong with the submission of a group, such as an account that there is not.

    To tell it, the plugin asks a group what only single jobs have. That fails, nobody hears of it,
    and Snakemake waits for a job that there is not.
    """

    def submitted(executor, job):
        try:
            run_job(executor, job)
        except Exception as error:
            why = f"It could not be submitted: {error.__context__ or error}"
            executor._report_job_error_threadsafe(SLURM.SubmittedJobInfo(job), why)

    return submitted


def saying_why(print_job_error):
    """Say why a job of the cluster has failed: of a group Snakemake tells nothing, for it is quiet."""

    def printed(executor, job_info, msg=None, **kwargs):
        job = job_info.job
        what = next(iter(job.output), job.name)
        why = " ".join((msg or "").partition("sbatch call:")[0].split())
        if why:
            executor.logger.error(f"{what}: {why}")
        print_job_error(executor, job_info, msg, **kwargs)

    return printed


def cancelling_all(cancel_jobs):
    """Cancel also jobs that the plugin does not know: while it asks SLURM, it knows of none."""

    def cancelled(executor, active_jobs):
        cancel_jobs(executor, active_jobs)
        with suppress(OSError, subprocess.TimeoutExpired):
            of_this_run = ["scancel", f"--name={executor.run_uuid}"]
            subprocess.run(of_this_run, capture_output=True, timeout=60)

    return cancelled


def waking_up(sleep):
    """Sleep until the next question to SLURM, which can take minutes, or until all is over."""

    async def slept(executor):
        until = time.monotonic() + executor.next_seconds_between_status_checks
        while executor.wait and time.monotonic() < until:
            await asyncio.sleep(0.5)

    return slept


def states_of_jobs(query_job_status):
    """The states of jobs, in a word each; none while SLURM does not answer.

    sacct says by whom a job was cancelled, and that is no state to the plugin. If SLURM does not
    answer, it forgets all jobs, and Snakemake waits for them: it is to ask again later.
    """

    async def asked(*args):
        states, took_s = await query_job_status(*args)
        states = {job: said.split()[0] for job, said in (states or {}).items() if said}
        return states, took_s or 0.0

    return asked


SLURM = sys.modules.get("snakemake_executor_plugin_slurm")
with suppress(AttributeError):
    if SLURM and SLURM.Executor.run_job.__module__ == SLURM.__name__:
        SLURM.Executor.run_job = told(SLURM.Executor.run_job)
        SLURM.Executor.print_job_error = saying_why(SLURM.Executor.print_job_error)
        SLURM.Executor.cancel_jobs = cancelling_all(SLURM.Executor.cancel_jobs)
        SLURM.Executor.sleep = waking_up(SLURM.Executor.sleep)
        SLURM.query_job_status = states_of_jobs(SLURM.query_job_status)
