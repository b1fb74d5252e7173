"""Runs that are asked to end: where they end, what is kept, and what the next run does again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import numpy as np
import pytest

from hdmea.contribution import Recipe
from hdmea.errors import FileMissingError
from hdmea.features import blocks
from hdmea.interruption import (
    RunInterrupted,
    is_asked_to_end,
    safe_point,
    stopping_at_safe_points,
)
from hdmea.kernels import pixel_blocks
from hdmea.mcs import child, known_digest
from hdmea.pieces import Pieces
from hdmea.pipeline import assemble, run_part, run_recording
from hdmea.store import parts as kept_parts
from hdmea.store.parts import WorkFolder

STEPS: dict[str, dict[str, Any]] = {
    "load_recording": {"probe": "off"},
    "add_section_time": {"playlist_name": "tiny"},
    "section_spike_times": {},
    "extract_features": {
        "features": ["on_off", "unit_quality"],
        "parameters": {"on_off": {"window_s": 0.25, "baseline_s": 0.5}},
    },
    "curate_units": {},
    "compute_sta": {"cover_range": (-6, 0)},
}
NOISE = "perfect_dense_noise_15x15_15hz_r42_24s"
# pieces: 6 blocks of pixels, 3 blocks of units of on_off, all units of unit_quality
PIECES = [f"sta.{NOISE}.pixels_{start}_{min(start + 40, 225)}" for start in range(0, 225, 40)]
PIECES += [f"features.on_off.units_{start}_{start + 4}" for start in (0, 4, 8)]
PIECES += ["features.unit_quality.units_0_12"]
SAFE_POINTS = len(PIECES) + 7  # and one after each contribution


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "UNITS_PER_BLOCK", 4)
    monkeypatch.setattr(pixel_blocks, "PIXELS_PER_BLOCK", 40)


@pytest.fixture(scope="module")
def undisturbed(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "UNITS_PER_BLOCK", 4)
        patch.setattr(pixel_blocks, "PIXELS_PER_BLOCK", 40)
        output = tmp_path_factory.mktemp("undisturbed") / "out.h5"
        return run_recording(STEPS, output, **places).content_digest


class Watch:
    """What is computed, and a signal that comes just before one of the safe points."""

    def __init__(self, patch: pytest.MonkeyPatch, number: int, stop_at: int | None = None) -> None:
        self.computed: list[str] = []
        self.safe_points = 0
        done, keep = Pieces.done, WorkFolder.keep

        def come(name: str) -> None:
            self.safe_points += 1
            self.computed.append(name)
            if self.safe_points == stop_at:
                os.kill(os.getpid(), number)

        def patched_done(pieces: Any, name: str, made: Any) -> None:
            come(pieces._recipe_of(name).name)
            done_of_work(pieces, name, made)

        def patched_keep(work: WorkFolder, contribution: Any, header: Any) -> Path | None:
            come(contribution.name)
            return keep(work, contribution, header)

        done_of_work = kept_parts._KeptPieces.done
        assert done is not done_of_work
        patch.setattr(kept_parts._KeptPieces, "done", patched_done)
        patch.setattr(WorkFolder, "keep", patched_keep)


# -- at every safe point ---------------------------------------------------------------------------


@pytest.mark.parametrize("stop_at", [1, 4, 8, 9, 13, SAFE_POINTS])  # all: `make faults`
def test_a_run_that_ends_at_a_safe_point_loses_nothing_and_repeats_nothing(
    stop_at: int, undisturbed: str, places: dict[str, Path], tmp_path: Path
) -> None:
    number = random.Random(stop_at).choice([signal.SIGTERM, signal.SIGINT])
    output, work = tmp_path / "out.h5", tmp_path / "work"
    with pytest.MonkeyPatch.context() as patch:
        first = Watch(patch, number, stop_at)
        with pytest.raises(RunInterrupted) as ended:
            run_recording(STEPS, output, work_dir=work, **places)
    assert ended.value.exit_code == 128 + number
    assert first.safe_points == stop_at
    assert not output.exists()
    assert not (work / ".lock").exists()
    with pytest.MonkeyPatch.context() as patch:
        second = Watch(patch, number)
        result = run_recording(STEPS, output, work_dir=work, **places)
    assert result.content_digest == undisturbed
    assert not set(first.computed) & set(second.computed)
    assert set(PIECES) < set(first.computed + second.computed)
    assert first.safe_points + second.safe_points == SAFE_POINTS
    assert [path.name for path in work.iterdir()] == ["last.h5"]


def test_blocks_of_units_side_by_side_are_the_same_and_none_is_lost(
    undisturbed: str, places: dict[str, Path], tmp_path: Path
) -> None:
    features = STEPS["extract_features"] | {"threads": 2}
    steps, work = STEPS | {"extract_features": features}, tmp_path / "work"
    with pytest.MonkeyPatch.context() as patch:
        first = Watch(patch, signal.SIGTERM, stop_at=4)  # the first block of on_off
        with pytest.raises(RunInterrupted):
            run_recording(steps, tmp_path / "out.h5", work_dir=work, **places)
    # what both threads were at is finished
    assert {"features.on_off.units_0_4", "features.on_off.units_4_8"} <= set(first.computed)
    with pytest.MonkeyPatch.context() as patch:
        second = Watch(patch, signal.SIGTERM)
        result = run_recording(steps, tmp_path / "out.h5", work_dir=work, **places)
    assert result.content_digest == undisturbed
    assert not set(first.computed) & set(second.computed)


@pytest.mark.parametrize(
    "where",
    [
        "hdmea.mcs.digest.require_regular",
        "hdmea.mcs.cmtr._included_s",
        "hdmea.mcs.streams.AnalogStream.block",
        "hdmea.kernels.quality._occupied",
    ],
)
def test_long_reading_and_comparing_ends_before_the_next_block(
    where: str, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, steps = 0, {"load_recording": {"probe": "off"}}
    steps |= {"extract_features": {"features": ["unit_quality"]}}
    original = resolve_name(where)

    def asked(*values: Any) -> Any:
        nonlocal calls
        calls += 1
        os.kill(os.getpid(), signal.SIGTERM)
        return original(*values)

    monkeypatch.setattr(where, asked)
    with pytest.raises(RunInterrupted):
        run_recording(steps, tmp_path / "out.h5", work_dir=tmp_path / "work", **places)
    assert calls == 1
    assert not (tmp_path / "out.h5").exists()


def test_the_wait_for_the_probe_of_a_recording_can_be_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child, "_LOOK_EVERY_S", 0.01)
    ended: list[int | None] = []
    kill = subprocess.Popen.kill
    monkeypatch.setattr(
        subprocess.Popen, "kill", lambda self: (ended.append(self.returncode), kill(self))
    )

    def wait() -> None:
        with stopping_at_safe_points():
            os.kill(os.getpid(), signal.SIGTERM)
            child.run_child("timeit", ["-n", "1", "-s", "import time", "time.sleep(100)"], 90)

    with pytest.raises(RunInterrupted):
        wait()
    assert ended == [None]  # it was still at work


def test_parts_that_are_interrupted_go_on_too(
    undisturbed: str, places: dict[str, Path], tmp_path: Path
) -> None:
    work, parts, computed = tmp_path / "work", [], []
    for name, values in STEPS.items():
        part = tmp_path / f"{name}.h5"
        for _ in range(20):
            creation = places if name == "load_recording" else {
                "stimuli_dir": places["stimuli_dir"]
            }  # fmt: skip
            with pytest.MonkeyPatch.context() as patch:
                watch = Watch(patch, signal.SIGTERM, stop_at=2)
                try:
                    run_part(name, values, part, parts=parts, work_dir=work, **creation)
                except RunInterrupted:
                    assert not part.exists()
                else:
                    break
                finally:
                    computed += watch.computed
        parts.append(part)
    assert assemble(parts, tmp_path / "out.h5", work_dir=work).content_digest == undisturbed
    assert sorted(computed) == sorted({*computed})
    assert set(PIECES) < set(computed)
    assert [path.name for path in work.iterdir()] == ["last.h5"]


def test_what_was_kept_of_other_parameters_is_not_used(
    places: dict[str, Path], tmp_path: Path
) -> None:
    work, steps = tmp_path / "work", STEPS | {"compute_sta": {"cover_range": (-6, 0), "z": False}}
    with pytest.MonkeyPatch.context() as patch:
        Watch(patch, signal.SIGTERM, SAFE_POINTS - 3)  # within the STA
        with pytest.raises(RunInterrupted):
            run_recording(steps, tmp_path / "out.h5", work_dir=work, **places)
    assert list(work.glob(f"sta.{NOISE}.*.piece.h5"))
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch, signal.SIGTERM)
        run_recording(STEPS, tmp_path / "out.h5", work_dir=work, **places)
    assert watch.computed == [name for name in PIECES if name.startswith("sta")] + [f"sta.{NOISE}"]


def test_a_damaged_piece_is_said_and_computed_again(
    undisturbed: str,
    places: dict[str, Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = tmp_path / "work"
    with pytest.MonkeyPatch.context() as patch:
        Watch(patch, signal.SIGTERM, SAFE_POINTS - 3)
        with pytest.raises(RunInterrupted):
            run_recording(STEPS, tmp_path / "out.h5", work_dir=work, **places)
    (piece,) = work.glob("*.piece.h5")
    content = bytearray(piece.read_bytes())
    content[len(content) // 2] ^= 1
    piece.write_bytes(content)
    result = run_recording(STEPS, tmp_path / "out.h5", work_dir=work, **places)
    assert result.content_digest == undisturbed
    assert "is computed again" in caplog.text


def test_after_a_kill_only_the_last_minute_is_computed_again(
    undisturbed: str, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    monkeypatch.setattr(kept_parts, "KEPT_EVERY_S", 0.0)
    child = os.fork()
    if child == 0:  # ended within the STA, after its third block was kept
        with pytest.MonkeyPatch.context() as patch:
            Watch(patch, signal.SIGKILL, SAFE_POINTS - 3)
            run_recording(STEPS, tmp_path / "out.h5", work_dir=work, **places)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert len(list(work.glob("*.piece.h5"))) == 3
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch, signal.SIGTERM)
        result = run_recording(STEPS, tmp_path / "out.h5", work_dir=work, **places)
    assert result.content_digest == undisturbed
    assert watch.computed == [*PIECES[3:6], f"sta.{NOISE}"]


# -- what is there already -------------------------------------------------------------------------


def test_a_recording_that_nobody_touched_is_not_read_again(
    undisturbed: str, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_recording(STEPS, tmp_path / "out.h5", work_dir=tmp_path / "work", **places)
    monkeypatch.setattr("hdmea.mcs.digest.file_digest", lambda path: pytest.fail(f"{path} read"))
    monkeypatch.setattr("hdmea.mcs.read_cmtr", lambda path: pytest.fail(f"{path} read"))
    steps = STEPS | {"compute_sta": {"cover_range": (-3, 0)}}
    changed = run_recording(steps, tmp_path / "out.h5", work_dir=tmp_path / "work", **places)
    assert changed.content_digest != undisturbed
    monkeypatch.undo()
    fresh = run_recording(steps, tmp_path / "fresh.h5", **places)
    assert changed.content_digest == fresh.content_digest


def test_known_digests_are_of_files_that_are_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "rec.cmcr"
    path.write_bytes(b"abc")
    first = known_digest(path)
    assert known_digest(path, "not read", first.stamp._asdict()).sha256 == "not read"
    assert known_digest(path, "not read", {}).sha256 == first.sha256
    path.write_bytes(b"abd")  # same size; and the same time:
    os.utime(path, ns=(first.stamp.mtime_ns, first.stamp.mtime_ns))
    changed = known_digest(path, first.sha256, first.stamp._asdict())
    assert changed.stamp.mtime_ns == first.stamp.mtime_ns
    assert changed.sha256 != first.sha256
    with pytest.raises(FileMissingError):
        known_digest(tmp_path / "none", first.sha256, first.stamp._asdict())


def test_each_mode_takes_what_the_other_has_left(
    undisturbed: str, places: dict[str, Path], tmp_path: Path
) -> None:
    work, parts = tmp_path / "work", []
    run_recording(STEPS, tmp_path / "out.h5", work_dir=work, **places)
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch, signal.SIGTERM)
        for name, values in STEPS.items():
            creation = places if name == "load_recording" else {}
            part = run_part(
                name, values, tmp_path / f"{name}.h5", parts=parts, work_dir=work, **creation
            )
            parts.append(part)
        assert assemble(parts, tmp_path / "b.h5").content_digest == undisturbed
        (work / "last.h5").unlink()
        again = run_recording(STEPS, tmp_path / "c.h5", work_dir=work, parts=parts, **places)
        assert again.content_digest == undisturbed
    assert watch.computed == []


# -- signals ---------------------------------------------------------------------------------------


def test_without_being_asked_a_safe_point_does_nothing() -> None:
    with stopping_at_safe_points():
        safe_point()
        assert not is_asked_to_end()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_at_the_next_safe_point_with_its_code(number: int, code: int) -> None:
    before = signal.getsignal(number)

    def work() -> None:
        with stopping_at_safe_points():
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGTERM)  # a second one changes nothing
            assert is_asked_to_end()
            safe_point()

    with pytest.raises(RunInterrupted, match=signal.Signals(number).name) as ended:
        work()
    assert ended.value.exit_code == code
    assert signal.getsignal(number) is before
    assert not is_asked_to_end()


def test_a_second_ctrl_c_ends_at_once() -> None:
    def work() -> None:
        with stopping_at_safe_points():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("the second one was not heard")

    with pytest.raises(KeyboardInterrupt) as ended:
        work()
    assert not isinstance(ended.value, RunInterrupted)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping_at_safe_points():
            os.kill(os.getpid(), signal.SIGINT)
            safe_point()
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_a_thread_nothing_is_changed() -> None:
    found = []

    def work() -> None:
        with stopping_at_safe_points():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


# -- pieces ----------------------------------------------------------------------------------------


def test_pieces_come_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_parts, "KEPT_EVERY_S", -1.0)
    work, recipe = WorkFolder(tmp_path), Recipe("sta.a", "compute_sta", 1, {}, {}, {})
    header = {"dataset_id": "x", "output_dir": "y", "places": {}, "warnings": []}
    made = {
        "value of a": np.array([[1.5, np.nan], [np.inf, -0.0]], np.float32),
        "reason": np.array(["", "none µ", "too_few"]),
        "empty": np.zeros((0, 3)),
        "number": np.array(7),
    }
    work.pieces(recipe, header).done("1", made)
    again = work.pieces(recipe, header)
    found = again.stored("1")
    assert found is not None
    assert found.keys() == made.keys()
    for name, values in made.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    assert again.stored("2") is None
    other = Recipe("sta.a", "compute_sta", 2, {}, {}, {})
    assert work.pieces(other, header).stored("1") is None
    longer = Recipe("sta.a.b", "compute_sta", 1, {}, {}, {})
    assert work.pieces(longer, header).stored("1") is None
