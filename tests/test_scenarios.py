"""The workflow in this process: a folder of tests/workflow each, with what is expected of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.cli import args_to_api, parse_args

from faults.projects import ROOT, jobs
from hdmea.simulate import SimulatedDataset

SCENARIOS = sorted(path.parent for path in (ROOT / "tests/workflow").glob("*/config.yaml"))
KEYS = {
    *("command", "empty_files", "fails", "jobs", "leaves"),
    *("lines_at_most", "made", "not_said", "said", "then"),
}
"""What an expectation may say; without a command it is about a dry run."""

pytestmark = [
    pytest.mark.timeout(100),
    # Snakemake leaves a file of its own open when it reads environment.yml.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def prepare(scenario: Path, folder: Path, dataset: SimulatedDataset) -> dict[str, Any]:
    """Copy a scenario's files with the recordings' paths in them; what is expected."""
    names = ("one", "two")
    paths = {
        name: f"{pair.cmcr_path}\t{pair.cmtr_path}"
        for name, pair in zip(names, dataset.recordings.values(), strict=True)
    }
    for path in scenario.iterdir():
        text = path.read_text(encoding="utf-8").replace("{stimuli}", str(dataset.stimuli_path))
        for name, pair in paths.items():
            text = text.replace(f"{{{name}}}", pair)
        (folder / path.name).write_text(text, encoding="utf-8")
    (folder / "config").mkdir()
    shutil.move(folder / "config.yaml", folder / "config/config.yaml")
    expected: dict[str, Any] = yaml.safe_load((folder / "expected.yaml").read_text())
    for name, size in expected.get("empty_files", {}).items():
        with (folder / name).open("wb") as file:
            file.truncate(size)
    return expected


def run(folder: Path, words: list[str], capfd: pytest.CaptureFixture[str]) -> tuple[bool, str]:
    """Snakemake in this process: whether all went well, and what it said."""
    program = ["-s", str(ROOT / "workflow/Snakefile"), "--cores", "2"]
    program += ["--workflow-profile", str(ROOT / "profiles/default")]
    # in a folder of ours, not in one that Snakemake leaves to the end of the process
    program += ["--runtime-source-cache-path", str(folder / ".snakemake/sources")]
    parser, arguments = parse_args([*program, *words])
    is_fine = bool(args_to_api(arguments, parser))
    captured = capfd.readouterr()
    return is_fine, captured.out + captured.err


def with_total(expected: dict[str, int]) -> dict[str, int]:
    """As `jobs` gives it back."""
    return {**expected, "total": sum(expected.values())} if expected else {}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.name)
def test_scenario(
    scenario: Path,
    tiny_dataset: SimulatedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    expected = prepare(scenario, tmp_path, tiny_dataset)
    assert expected.keys() <= KEYS
    before = {path.name for path in tmp_path.iterdir()}
    monkeypatch.chdir(tmp_path)
    is_fine, said = run(tmp_path, expected.get("command", ["-n"]), capfd)
    assert is_fine != expected.get("fails", False), said
    assert [words for words in expected.get("said", ()) if words not in said] == [], said
    assert [words for words in expected.get("not_said", ()) if words in said] == []
    if "jobs" in expected:
        assert jobs(said) == with_total(expected["jobs"])
    if "lines_at_most" in expected:
        assert len(said.splitlines()) <= expected["lines_at_most"], said
    if "leaves" in expected:
        left = {path.name for path in tmp_path.iterdir()} - before - {".snakemake"}
        assert left == set(expected["leaves"])
    assert [name for name in expected.get("made", ()) if not (tmp_path / name).is_file()] == []
    for then in expected.get("then", ()):
        is_fine, said = run(tmp_path, then["command"], capfd)
        assert is_fine, said
        assert jobs(said) == with_total(then["jobs"])


def test_scenarios_are_told_from_each_other() -> None:
    assert len(SCENARIOS) > 10
    for scenario in SCENARIOS:
        assert re.match(r"# .+\.\n", (scenario / "config.yaml").read_text()), scenario.name
