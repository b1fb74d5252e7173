"""A sample of the interrupted runs of `make faults`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from faults.interrupted import Tally
from faults.interrupted_workflows import OF_SNAKEMAKE
from faults.interruptions import INTERRUPTIONS
from faults.safe_points import SAFE_POINTS, measured
from hdmea.kernels import quality


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the topic; beside it is the recording, made once."""
    topic = tmp_path_factory.mktemp("interruptions") / "topic"
    topic.mkdir()
    return topic


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["Ctrl-C at a safe point", "SIGTERM at random", "kill at random"])
def test_a_run_that_is_ended_again_and_again_gives_the_undisturbed_result(
    part: str, folder: Path
) -> None:
    found = INTERRUPTIONS.run(folder, part, 0.01)
    assert INTERRUPTIONS.bad({part: found}) == 0
    assert found["results"] == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_jobs_outlive_snakemake_and_do_no_harm(folder: Path) -> None:
    found = INTERRUPTIONS.run(folder, OF_SNAKEMAKE, 0.01)
    assert INTERRUPTIONS.bad({OF_SNAKEMAKE: found}) == 0
    assert found["results"] == 1


def test_the_page_says_in_bold_what_must_not_be() -> None:
    told = {"results": 3, "ended": 9, "finished": 30, "repeated": 2, "other_content": 1}
    found = {name: vars(Tally(**told)) for name in ("SIGTERM at random", "kill at random")}
    assert INTERRUPTIONS.bad(found) == 4
    page = INTERRUPTIONS.section(found)
    assert "| SIGTERM at random | 3 | 9 | 30 | **2** | **1** | 0 | 0 |" in page
    assert "| kill at random | 3 | 9 | 30 | 2 | **1** | 0 | 0 |" in page


def test_the_longest_time_between_safe_points_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*values: Any) -> Any:
        until_s = time.process_time() + 0.3
        while time.process_time() < until_s:
            pass
        return occupied(*values)

    occupied = quality._occupied  # of each of four units, between two safe points
    monkeypatch.setattr(quality, "_occupied", slow)
    steps = {
        "load_recording": {"probe": "off"},
        "extract_features": {
            "features": ["unit_quality"],
            "parameters": {"unit_quality": {"max_distance_electrodes": 100.0}},
        },
        "compute_sta": {"cover_range": [-2, 0]},
    }
    found = measured(tmp_path, 4, "tiny", **steps)
    seen = found["features.unit_quality"]
    assert 0.3 < seen["longest_cpu_s"] < 0.9 < seen["all_cpu_s"]
    assert seen["safe_points"] >= 4
    assert SAFE_POINTS.bad({"x": found}) == 0
    seen["longest_cpu_s"] = 10.01
    assert SAFE_POINTS.bad({"x": found}) == 1
    assert "| **10.0** |" in SAFE_POINTS.section({"x": found})
