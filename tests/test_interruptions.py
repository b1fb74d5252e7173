"""A sample of the interrupted runs of `make faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.interrupted import Tally
from faults.interruptions import INTERRUPTIONS


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", ["Ctrl-C at a safe point", "SIGTERM at random", "kill at random"])
def test_a_run_that_is_ended_again_and_again_gives_the_undisturbed_result(
    part: str, tmp_path: Path
) -> None:
    (tmp_path / "topic").mkdir()
    found = INTERRUPTIONS.run(tmp_path / "topic", part, 0.02)
    assert INTERRUPTIONS.bad({part: found}) == 0
    assert found["results"] == 2


def test_the_page_says_in_bold_what_must_not_be() -> None:
    told = {"results": 3, "ended": 9, "finished": 30, "repeated": 2, "other_content": 1}
    found = {name: vars(Tally(**told)) for name in ("SIGTERM at random", "kill at random")}
    assert INTERRUPTIONS.bad(found) == 4
    page = INTERRUPTIONS.section(found)
    assert "| SIGTERM at random | 3 | 9 | 30 | **2** | **1** | 0 | 0 |" in page
    assert "| kill at random | 3 | 9 | 30 | 2 | **1** | 0 | 0 |" in page
