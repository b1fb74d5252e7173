"""A sample of the changed batches of `make faults`: what is made again, and what is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.parts_cost import Cost, cost, too_much
from faults.reprocessing import REPROCESSING, Tally, run

pytestmark = pytest.mark.slow


@pytest.mark.timeout(600)
def test_a_changed_batch_makes_what_changed_and_reads_nothing_raw(tmp_path: Path) -> None:
    changes = ["first run", "range of the STA", "new checkpoint", "a run that fails"]
    found = run(tmp_path, "deferred", 0.1, changes)
    assert REPROCESSING.bad({"deferred": found}) == 0
    tallies = {what: Tally(**one) for what, one in found.items()}
    assert {one.recordings for one in tallies.values()} == {2}
    assert [one.made for one in tallies.values()] == [16, 2, 0, 0]
    assert tallies["first run"].raw_bytes > 0
    assert tallies["range of the STA"].read_bytes > 0


def test_parts_cost_what_changed(tmp_path: Path) -> None:
    found = cost(tmp_path, 0)
    assert too_much(found) == 0
    costs = {what: Cost(**one) for what, one in found.items()}
    assert costs["nothing"].parts_bytes == costs["nothing"].changed_bytes == 0
    assert 0 < costs["rule of curation"].parts_bytes < costs["rule of curation"].session_bytes / 10
    for what in ("first run", "range of the STA", "new feature"):
        assert costs[what].changed_bytes < costs[what].parts_bytes


def test_what_breaks_a_promise_is_bold() -> None:
    told = {"recordings": 20, "made": 21, "wrong": 1, "raw_opened": 2, "raw_bytes": 3 * 10**6}
    found = {"deferred": {"first run": told, "nothing": told}}
    assert REPROCESSING.bad(found) == 1 + 4
    page = REPROCESSING.section(found)
    assert "| first run | 20 | 21 | **1** | 0 | 2 | 3.0 | 0.0 | 0 | 0 |" in page
    assert "| nothing | 20 | 21 | **1** | 0 | **2** | 3.0 | 0.0 | 0 | 0 |" in page
    much = vars(Cost(12, 1, 1000, 20_000, 10**6))
    assert REPROCESSING.bad({"what parts cost": {"nothing": much}}) == 1
    assert "| **0.02** |" in REPROCESSING.section({"what parts cost": {"nothing": much}})
