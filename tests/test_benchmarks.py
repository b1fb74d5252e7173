"""What measures docs/benchmarks.md: ways in turn, their memory, and the page. No seconds here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import contest as contests
from benchmarks import page
from benchmarks.contest import ContestError, Way, alone, contest
from benchmarks.page import PAGE, RAN, rendered, stored
from benchmarks.topic import Claim, Topic, table
from benchmarks.topics import TOPICS

MB = 2**20


HERE = "bench_ways"


@pytest.fixture(autouse=True)
def _ways_here(monkeypatch: pytest.MonkeyPatch) -> None:
    folders = f"{contests.ROOT}:{Path(__file__).parent}:{contests.ROOT / 'docs'}"
    monkeypatch.setattr(contests, "PATH", folders)


def test_ways_run_in_turn_and_the_first_round_does_not_count(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    ways = [
        Way(name, f"{HERE}:noting", {"path": str(notes), "name": name}, **more)
        for name, more in {"a": {}, "b": {"rounds": 1}, "c": {"warm_up": False}}.items()
    ]
    found = contest(ways, rounds=2)
    assert notes.read_text() == "ab" + "abc" + "ac"
    assert {name: len(one.seconds) for name, one in found.items()} == {"a": 2, "b": 1, "c": 2}


def test_memory_is_told_of_the_start_of_what_is_kept_and_at_most() -> None:
    found = alone(Way("a", f"{HERE}:taking", {"n_bytes": 60 * MB, "kept_bytes": 30 * MB}), rounds=1)
    assert 28 * MB < found.before_bytes - found.start_bytes < 40 * MB
    assert 58 * MB < found.peak_bytes - found.before_bytes < 70 * MB
    assert 85 * MB < found.own_bytes < found.peak_bytes


def test_what_gives_something_else_or_fails_is_not_compared() -> None:
    ways = [Way(str(value), f"{HERE}:giving", {"value": value}) for value in (1, 2)]
    with pytest.raises(ContestError, match="2 gave 2, 1 1; what is compared must do the same"):
        contest(ways, rounds=1)
    with pytest.raises(ContestError, match=r"a ended with 1:\n.*(?s:.*)no such file"):
        alone(Way("a", f"{HERE}:failing"))


def test_peers_that_are_not_installed_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(contests, "PEERS", tmp_path / "python")
    with pytest.raises(ContestError, match=r"run: make \.venv-oracles/ready"):
        alone(Way("a", f"{HERE}:giving", {"value": 1}, is_peer=True))


# -- the page --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "holds", "bound"),
    [
        (Claim("x", 3.0, at_least=3, unit="x"), True, ">= 3x"),
        (Claim("x", 2.9, at_least=3), False, ">= 3"),
        (Claim("x", 1.2, at_most=1.1, unit=" GB"), False, "<= 1.1 GB"),
        (Claim("x", 1.2), None, ""),
        (Claim("x", float("nan"), at_most=1.0), False, "<= 1"),
    ],
)
def test_a_claim_holds_within_its_bounds_only(claim: Claim, holds: bool, bound: str) -> None:
    assert (claim.holds, claim.bound) == (holds, bound)


def test_the_page_tells_what_was_measured_last() -> None:
    found = {name: stored(topic) for name, topic in TOPICS.items()}
    assert PAGE.read_text(encoding="utf-8") == rendered(found), "run: python -m benchmarks --page"


def test_a_share_is_measured_stored_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Topic(
        "made",
        "What is made",
        "Says.",
        ("one", "other"),
        lambda folder, part, share: {"is empty": not [*folder.iterdir()], "of": [part, share]},
        lambda found: [Claim(part, 2.5, at_least=3, unit="x") for part in found],
        lambda found: table(["part"], [[part] for part in found]),
    )
    kept = {}
    for module in (program, page):
        monkeypatch.setattr(module, "TOPICS", {"made": made})
    monkeypatch.setattr(program, "store", lambda topic, found: kept.update({topic.name: found}))
    program.measure(["made:one"], 0.01)
    ran = kept["made"]["one"].pop(RAN)
    assert kept == {"made": {"one": {"is empty": True, "of": ["one", 0.01]}}}
    assert json.loads(json.dumps(ran)) == ran
    kept["made"]["one"][RAN] = ran
    told = rendered(kept)
    assert "| [made](#what-is-made) | one | >= 3x | 2.5x | **no** |" in told
    assert "A share of the full size only: one (0.01)." in told
    assert "Not measured yet: other." in told
    assert ran["machine"]["processor"] in told


def test_unknown_topics_and_parts_are_named_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"no topic 'speed'; there are .*session"):
        list(program.chosen(["speed"]))
    with pytest.raises(ValueError, match="session has no part 'x'; it has\n  save"):
        list(program.chosen(["session:x"]))
