"""How often Snakemake looks at what is ready, and that nothing waits for ever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from faults.projects import ROOT

N_JOBS = 20
WORKFLOW = f"""
include: "{ROOT}/workflow/rules/mendings.smk"

rule all:
    input: expand("{{i}}.txt", i=range({N_JOBS}))

rule one:
    output: "{{i}}.txt"
    shell: "sleep 0.2; touch {{output}}"
"""


def said_by_all_jobs(folder: Path, *options: str) -> str:
    """Run all jobs; what Snakemake says, with a line whenever it chooses among those ready."""
    (folder / "Snakefile").write_text(WORKFLOW)
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--verbose", *options],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(folder.glob("*.txt"))) == N_JOBS
    return done.stderr


def test_what_is_ready_is_looked_at_when_a_job_has_ended_only(tmp_path: Path) -> None:
    said = said_by_all_jobs(tmp_path)
    assert 0 < said.count("Ready jobs") <= N_JOBS + 1  # and once for the rule of all


def test_jobs_that_wait_for_the_limit_of_jobs_begin_later(tmp_path: Path) -> None:
    said = said_by_all_jobs(tmp_path, "--max-jobs-per-timespan", "5/1s")
    assert "Job rate limit reached" in said
