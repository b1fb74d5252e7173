"""The page of all recordings, and pictures that could not be drawn."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hdmea.batch import (
    BatchRow,
    WorkflowConfig,
    require_pictures,
    status_kept,
    write_batch_page,
)
from hdmea.errors import FileMissingError, OutputWriteError


@pytest.fixture
def config(tmp_path: Path) -> WorkflowConfig:
    values = {"recordings": "r", "stimuli": "s", "steps": {}, "output_dir": str(tmp_path)}
    return WorkflowConfig.model_validate(values)


def cells_of(page: Path) -> list[list[str]]:
    """Rows of the page's table, as a browser shows them."""
    text = page.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>")
    found = ET.fromstring(text.replace('<meta charset="utf-8">', ""))
    return [[cell.text or "" for cell in row] for row in found.iter("tr")]


def test_the_page_tells_of_every_recording(config: WorkflowConfig) -> None:
    rows = [
        BatchRow("001", "done", "", 1200, 800, 61.04, 2000.0, "2026-01-02T03:04:05"),
        BatchRow("002", "failed", 'cut.cmtr: <b>odd</b> & "cut"', run_time_s=4.0),
        BatchRow("NA", "done", "", 300, None, 30.5, 500.0),
    ]
    page = write_batch_page(config, rows)
    assert page == config.results_dir / "batch.html"
    head, *body, together = cells_of(page)
    assert head[:4] == ["recording", "state", "units", "included"]
    assert body == [
        ["001", "done", "1,200", "800", "61.0", "2,000.0", "2026-01-02 03:04:05", ""],
        ["002", "failed", "", "", "4.0", "", "", 'cut.cmtr: <b>odd</b> & "cut"'],
        ["NA", "done", "300", "", "30.5", "500.0", "", ""],
    ]
    assert together[2:6] == ["1,500", "800", "95.5", "2,000"]
    text = page.read_text(encoding="utf-8")
    assert "3 recordings: 2 done, 1 failed" in text
    assert '--part: 25%">300<' in text
    assert "http" not in text
    assert cells_of(write_batch_page(config, []))[1][2:6] == ["0", "0", "0", "0"]


def test_a_picture_that_could_not_be_drawn_is_said_with_its_reason(config: WorkflowConfig) -> None:
    for name in ("drawn", "not_drawn", "unknown"):
        (config.results_dir / f"{name}.h5").touch()
    (config.results_dir / "drawn.png").touch()
    status = config.results_dir / "logs/not_drawn/overview.json"
    with pytest.raises(OutputWriteError), status_kept(status):
        raise OutputWriteError("the disk is full")
    with pytest.raises(FileMissingError) as error:
        require_pictures(config, ["drawn", "not_drawn", "no_session", "unknown"])
    assert str(error.value).splitlines()[1:3] == [
        f"  not_drawn: the disk is full (read {status.with_suffix('.log')})",
        f"  unknown: nothing is known of it (read {config.results_dir}/logs/unknown/overview.log)",
    ]
    require_pictures(config, ["drawn", "no_session"])
