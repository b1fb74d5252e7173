"""What jobs ask of the computer: more with larger files and on each try, never too little."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hdmea.batch import job_memory_mb, job_runtime_min, larger_than_computer
from hdmea.batch.resources import COSTS, LEAST_MB, LEAST_MIN

RULES = Path(__file__).parents[1] / "workflow/rules"


def test_every_rule_about_a_recording_says_what_it_needs() -> None:
    text = "".join(
        (RULES / f"{name}.smk").read_text() for name in ("deferred", "immediate", "results")
    )
    rules = dict(re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", text, re.MULTILINE | re.DOTALL))
    asking = {rule for rule in rules if f'mem_mb=memory_mb("{rule}")' in rules[rule]}
    assert asking == {rule for rule in rules if f'runtime=runtime_min("{rule}")' in rules[rule]}
    assert asking == set(COSTS)
    assert set(rules) - asking == {"units_table", "batch_page", "refuse_result"}


@pytest.mark.parametrize("rule", COSTS)
def test_larger_files_and_further_tries_ask_for_more(rule: str) -> None:
    sizes = [0, 10**6, 10**8, 10**10]
    memory = [job_memory_mb(rule, [size]) for size in sizes]
    minutes = [job_runtime_min(rule, [size]) for size in sizes]
    assert memory[0] == LEAST_MB
    assert minutes[0] == LEAST_MIN
    assert memory == sorted(memory)
    assert memory[-1] > memory[0]
    assert minutes == sorted(minutes)
    assert minutes[-1] > minutes[0]
    assert job_memory_mb(rule, [4 * 10**9, 6 * 10**9]) == memory[-1]
    for attempt in (2, 3):
        assert job_memory_mb(rule, [10**8], attempt=attempt) == attempt * memory[2]
        assert job_runtime_min(rule, [10**8], attempt=attempt) == attempt * minutes[2]


@pytest.mark.parametrize(("cmtr_mb", "took_mb"), [(0.66, 245), (2.62, 279), (15.6, 558)])
def test_what_was_measured_is_asked_for_with_a_margin(cmtr_mb: float, took_mb: float) -> None:
    asked = job_memory_mb("process_recording", [int(cmtr_mb * 1e6)])
    assert 1.8 * took_mb < asked < 3 * took_mb


def test_a_job_that_is_larger_than_the_computer_is_said() -> None:
    (line,) = larger_than_computer({"fits": 1000, "does not": 3000}, 2000)
    assert line.startswith(
        "does not: its largest job asks for 3.0 GB of memory, and this computer has 2.0"
    )
    assert line.endswith("leave it out (exclude: [does not])")
    assert larger_than_computer({"fits": 1}) == []
