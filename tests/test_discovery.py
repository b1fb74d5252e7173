"""`hdmea discover`: pairs are what a sorting's link says, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdmea.batch import WorkflowConfig, discover, read_recordings
from hdmea.cli import main
from hdmea.errors import FileMissingError, ParameterError
from hdmea.mcs import links
from hdmea.mcs.child import Failure
from hdmea.mcs.links import Link, read_links
from hdmea.simulate.mcs_files import UnitTrain, write_cmtr

ONE = UnitTrain(unit_id=7, row=3, column=5, spike_times_s=np.array([0.5]))


def sorting(path: Path, made_from: str | None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = None if made_from is None else path.parent / made_from
    write_cmtr(path, [ONE], cmcr_path=raw, duration_s=2.0)
    return path


def raw(path: Path) -> Path:
    """Discovery opens no raw file: it may be 300 GB, on a tape."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_the_table_is_one_that_the_workflow_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("001", "NA", "10 µm, late"):
        raw(tmp_path / f"lab/{name}.cmcr")
        sorting(tmp_path / f"lab/{name}-.cmtr", f"{name}.cmcr")
    assert main(["discover", str(tmp_path / "lab"), "--playlist", "tiny"]) == 0
    said = capsys.readouterr()
    assert said.err == "3 recordings in the table\n"
    table = tmp_path / "recordings.tsv"
    table.write_text(said.out, encoding="utf-8")
    config = WorkflowConfig.model_validate(
        {"recordings": str(table), "stimuli": ".", "steps": {"add_section_time": {}}}
    )
    found = read_recordings(config)
    assert {name: Path(one.files["cmcr"]).name for name, one in found.items()} == {
        "001": "001.cmcr",
        "10_m_late": "10 µm, late.cmcr",
        "NA": "NA.cmcr",
    }
    assert {one.playlist for one in found.values()} == {"tiny"}


def test_the_file_beside_is_meant_and_names_that_are_there_twice_get_their_folders(
    tmp_path: Path,
) -> None:
    for day in ("day1", "day2"):
        raw(tmp_path / day / "rec.cmcr")
        sorting(tmp_path / day / "rec-.cmtr", "rec.cmcr")
    raw(tmp_path / "raw/other.cmcr")
    sorting(tmp_path / "sorted/other-.cmtr", "other.cmcr")
    found = discover(tmp_path)
    assert found.left == ()
    assert [(row.recording, Path(row.cmtr).parent.name) for row in found.rows] == [
        ("day1-rec", "day1"),
        ("day2-rec", "day2"),
        ("other", "sorted"),
    ]


def test_what_could_be_meant_in_two_ways_or_is_missing_is_told(tmp_path: Path) -> None:
    for day in ("day1", "day2"):
        raw(tmp_path / day / "rec.cmcr")
    raw(tmp_path / "twice.cmcr")
    sorting(tmp_path / "twice-.cmtr", "twice.cmcr")
    sorting(tmp_path / "twice-again.cmtr", "twice.cmcr")
    sorting(tmp_path / "rec-.cmtr", "rec.cmcr")
    sorting(tmp_path / "lost-.cmtr", "lost.cmcr")
    sorting(tmp_path / "silent-.cmtr", None)
    raw(tmp_path / "a{b}.cmcr")
    sorting(tmp_path / "a-.cmtr", "a{b}.cmcr")
    raw(tmp_path / "tab\t.cmcr")
    sorting(tmp_path / "tab-.cmtr", "tab\t.cmcr")
    (tmp_path / "broken.cmtr").write_bytes(b"\x89HDF\r\n\x1a\n")
    (tmp_path / ".hidden.cmtr").write_bytes(b"")
    found = discover(tmp_path)
    assert found.rows == ()
    said = dict(line.removeprefix(f"{tmp_path}/").split(" ", 1) for line in found.left)
    words = {
        "a{b}.cmcr": "a brace in it",
        "broken.cmtr": "cannot be read",
        "day1/rec.cmcr": "was not sorted",
        "day2/rec.cmcr": "was not sorted",
        "lost-.cmtr": "was made from lost.cmcr, which is not in the folder",
        "rec-.cmtr": "was made from rec.cmcr, which is there 2 times",
        "silent-.cmtr": "does not tell",
        "tab\t.cmcr": "characters that a table cannot hold",
        "twice.cmcr": "was sorted 2 times",
    }
    assert said.keys() == words.keys()
    assert {file: file for file in words if words[file] not in said[file]} == {}


def test_a_folder_without_recordings_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"no \.cmcr or \.cmtr file"):
        discover(tmp_path)
    with pytest.raises(FileMissingError, match="no such folder"):
        discover(tmp_path / "elsewhere")


def test_a_file_that_ends_the_child_takes_no_other_answer_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash_at_c(_: str, arguments: list[str], __: float) -> tuple[list[dict[str, Any]], Failure]:
        said: list[dict[str, Any]] = []
        for path in arguments[1:]:
            said.append({"reading": path})
            if path == "c":
                return said, Failure("it crashed (signal 11: Segmentation fault)")
            said.append({"target": f"{path}.cmcr"})
        return said, Failure()

    monkeypatch.setattr(links, "run_child", crash_at_c)
    assert read_links([Path(name) for name in "abcd"]) == [
        Link("a.cmcr"),
        Link("b.cmcr"),
        Link(None, "it crashed (signal 11: Segmentation fault)"),
        Link("d.cmcr"),
    ]
