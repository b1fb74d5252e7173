"""What jobs say of themselves, and the table of all recordings that is made of it."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hdmea.arrays import scalar
from hdmea.batch import (
    BatchRow,
    Status,
    WorkflowConfig,
    batch_rows,
    batch_table,
    status_kept,
    status_path,
    work_key,
    write_batch_table,
)
from hdmea.contribution import Recipe
from hdmea.errors import (
    OutputWriteError,
    ParameterError,
    RecordingFileError,
    RecordingNotReadError,
    UnreadableRecordingError,
)
from hdmea.interruption import RunInterrupted
from hdmea.pipeline import PipelineSession, create_session
from hdmea.store.lock import Owner

GONE: dict[str, Any] = asdict(Owner.here()) | {"started": 1.0}
"""A process whose number another one has now."""


@pytest.fixture
def config(tmp_path: Path) -> WorkflowConfig:
    values = {"recordings": "r", "stimuli": "s", "steps": {}, "output_dir": str(tmp_path)}
    return WorkflowConfig.model_validate(values)


def log_of(config: WorkflowConfig, recording: str, job: str) -> Path:
    path = config.results_dir / f"logs/{recording}/{job}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def row_of(config: WorkflowConfig, recording: str, **options: Any) -> BatchRow:
    (row,) = batch_rows(config, [recording], **options)
    return row


def made(config: WorkflowConfig, recording: str) -> PipelineSession:
    session = create_session(recording)
    session.save(config.results_dir / f"{recording}.h5")
    return session


def fail(path: Path, error: BaseException, key: str = "") -> None:
    with pytest.raises(type(error)), status_kept(path, key):
        raise error


def test_a_recording_is_what_its_jobs_say(config: WorkflowConfig) -> None:
    assert row_of(config, "none") == BatchRow("none", "not begun")

    with status_kept(status_path(log_of(config, "ok", "process_recording"))):
        session = made(config, "ok")
    row = row_of(config, "ok")
    assert (row.state, row.units, row.content_digest) == ("done", 0, session.content_digest)
    assert row.run_time_s is not None
    assert row.peak_memory_mb is not None
    assert row.peak_memory_mb > 30
    assert row.versions.startswith("hdmea ")
    assert abs(time.mktime(time.strptime(row.ended_at, "%Y-%m-%dT%H:%M:%S")) - time.time()) < 100

    fail(status_path(log_of(config, "bad", "load_recording")), ParameterError("no\nway \x1b[2J"))
    assert row_of(config, "bad").line == r"bad: failed: load_recording: no\nway \x1b[2J"

    fail(status_path(log_of(config, "ended", "sta")), RunInterrupted(signal.SIGTERM))
    assert row_of(config, "ended").state == "interrupted"


def test_a_job_without_a_last_word_was_killed_unless_it_lives(config: WorkflowConfig) -> None:
    path = status_path(log_of(config, "rec", "sta"))
    with status_kept(path):
        alive = Status.read(path)
        assert alive is not None
        # as a process looks to another one: this one knows which of its locks it holds
        child = os.fork()
        if child == 0:
            os._exit(0 if row_of(config, "rec").state == "running" else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert row_of(config, "rec", all_ended=True).state == "killed"
    path.write_text(json.dumps(asdict(Status("running", GONE))))
    row = row_of(config, "rec")
    assert row.state == "killed"
    assert row.reason.startswith("sta: process ")
    assert str(path.with_suffix(".log")) in row.reason


def test_a_failure_before_the_result_is_past_one_after_it_is_not(config: WorkflowConfig) -> None:
    chirp = status_path(log_of(config, "rec", "features.chirp"))
    fail(chirp, ParameterError("no sweep"))
    made(config, "rec")
    later = time.time() + 5
    os.utime(config.results_dir / "rec.h5", (later, later))
    assert row_of(config, "rec").state == "done"

    picture = status_path(log_of(config, "rec", "overview"))
    fail(picture, ParameterError("no colour"))
    row = row_of(config, "rec")
    assert (row.state, row.reason) == ("failed", "overview: no colour")
    assert row.content_digest

    os.utime(config.results_dir / "rec.h5", (1, 1))
    row = row_of(config, "rec")
    assert row.reason == (
        f"features.chirp: no sweep; last time's result is {config.results_dir / 'rec.h5'}"
    )
    assert not row.content_digest


def test_a_result_that_cannot_be_read_is_no_success(config: WorkflowConfig) -> None:
    made(config, "rec")
    path = config.results_dir / "rec.h5"
    path.write_bytes(path.read_bytes()[:3000])
    row = row_of(config, "rec")
    assert row.state == "failed"
    assert str(path) in row.reason


def test_a_result_is_opened_again_only_if_it_is_another_file(
    config: WorkflowConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    look = batch_table._content
    monkeypatch.setattr(batch_table, "_content", lambda path: opened.append(path) or look(path))
    made(config, "rec")
    path = config.results_dir / "rec.h5"
    row = row_of(config, "rec")
    assert (row, len(opened)) == (row_of(config, "rec"), 1)

    session = create_session("rec")
    session.obtain(Recipe("a", "a", 1, {}, {}, {}), lambda: {"a/x": scalar(1.0, "s", "a number")})
    session.save(path)
    again = row_of(config, "rec")
    assert (again.content_digest, len(opened)) == (session.content_digest, 2)
    assert again.content_digest != row.content_digest

    (kept,) = (config.results_dir / ".seen").iterdir()
    for lost in ("{", "[]", '{"stamp": 1}'):
        kept.write_text(lost)
        assert row_of(config, "rec") == again
    assert len(opened) == 5


def test_who_may_not_write_looks_again(
    config: WorkflowConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(config, "rec")

    def refuse(*_: object) -> None:
        raise OutputWriteError("it cannot be written")

    monkeypatch.setattr(sys.modules["hdmea.batch.seen"], "write_small_file", refuse)
    assert row_of(config, "rec").state == row_of(config, "rec").state == "done"


def test_the_table_has_a_row_for_each_and_cells_are_empty_where_nothing_is_known(
    config: WorkflowConfig,
) -> None:
    made(config, "rec")
    path = write_batch_table(config, batch_rows(config, ["rec", "none"]))
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["recording"], row["state"], row["units"]) for row in rows] == [
        ("rec", "done", "0"),
        ("none", "not begun", ""),
    ]


def test_what_is_wrong_with_a_file_is_said_at_once_the_second_time(tmp_path: Path) -> None:
    recording, path = tmp_path / "rec.cmtr", tmp_path / "load_recording.json"
    recording.write_bytes(b"damaged")
    key = work_key({"version": 1}, [str(recording)])
    fail(path, RecordingFileError("rec.cmtr is damaged"), key)
    for _ in range(2):
        with (
            pytest.raises(RecordingFileError, match=r"^rec\.cmtr is damaged\nThis was found on"),
            status_kept(path, key),
        ):
            raise AssertionError("it was read again")

    other = work_key({"version": 2}, [str(recording)])
    recording.write_bytes(b"whole")
    mended = work_key({"version": 1}, [str(recording)])
    assert len({key, other, mended}) == 3
    for now in (other, mended, ""):
        fail(path, RecordingFileError("rec.cmtr is damaged"), key)
        path.write_bytes(path.read_bytes())
        with status_kept(path, now):
            pass
        found = Status.read(path)
        assert found is not None
        assert found.state == "done"


@pytest.mark.parametrize(
    "error",
    [
        RecordingNotReadError("permission denied"),
        UnreadableRecordingError("not read within 60 s"),
        OutputWriteError("disk full"),
        MemoryError(),
        RunInterrupted(signal.SIGTERM),
    ],
)
def test_what_may_go_well_the_next_time_is_tried_again(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "job.json"
    fail(path, error, "key")
    with status_kept(path, "key"):
        pass


def test_a_done_job_stays_done_where_that_cannot_be_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, _: bytes) -> Path:
        raise OutputWriteError(f"{path}: no space left")

    with status_kept(tmp_path / "job.json"):
        monkeypatch.setattr("hdmea.batch.status.write_small_file", full)
    assert "no space left" in caplog.text
