"""What is left, and what is said, when a save does not come to its end."""

from __future__ import annotations

import errno
import logging
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hand_session import hand_session

from hdmea.arrays import Variable, scalar
from hdmea.contribution import Recipe
from hdmea.errors import OutputExistsError, OutputWriteError
from hdmea.session import PipelineSession, SaveState
from hdmea.store import atomic, writer
from hdmea.store.parts import WorkFolder
from hdmea.store.small_file import write_small_file
from hdmea.store.verify import verify


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return hand_session(n_units=2).save(tmp_path / "rec.h5")


def dead_stray(folder: Path, name: str = "rec.h5") -> Path:
    """What a writer has left that was killed."""
    host = socket.gethostname().replace(".", "-")
    stray = folder / f".{name}.{host}.{2**22 + 1}.00ff00ff.partial"
    stray.write_text("half")
    return stray


def fails(number: int, times: int = 10**9) -> Callable[..., Any]:
    """A system call that fails so many times, and does nothing after that."""
    left = [times]

    def call(*_: object, **__: object) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise OSError(number, os.strerror(number))

    return call


def more(session: PipelineSession) -> None:
    """Something that is not saved yet."""
    recipe = Recipe("sta.more", "compute_sta", 1, {}, {}, {})
    session.obtain(recipe, lambda: {"sta/more": scalar(1, "1", "one more")})


@pytest.mark.parametrize("call", [3, 40])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_hdf5_writes_is_raised_as_what_it_is(
    call: int, number: signal.Signals, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, calls, pwrite = saved.read_bytes(), 0, os.pwrite

    def interrupted(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == call:
            signal.raise_signal(number)
        return pwrite(*arguments)

    def ends(*_: object) -> None:
        raise SystemExit(143)

    own = signal.signal(signal.SIGTERM, ends)
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwrite", interrupted)
            with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
                hand_session(n_units=4).save(saved)
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    finally:
        signal.signal(signal.SIGTERM, own)
    assert calls == call
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_an_interrupt_elsewhere_is_raised_at_once(saved: Path) -> None:
    before, went_on = saved.read_bytes(), False

    def write() -> None:
        nonlocal went_on
        with atomic.atomic_hdf5(saved) as (file, _):
            file["x"] = 1
            signal.raise_signal(signal.SIGINT)
            went_on = True

    with pytest.raises(KeyboardInterrupt):
        write()
    assert not went_on
    assert saved.read_bytes() == before


def test_what_the_disk_no_longer_takes_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = PipelineSession("large")
    large = Variable(np.ones((12, 2**18)), "1", ("unit", "lag"), "of many blocks")
    session.obtain(Recipe("sta.x", "compute_sta", 1, {}, {}, {}), lambda: {"sta/x": large})
    assert len(session.contributions["sta.x"].digest("sta/x").blocks) > 5
    written = []
    monkeypatch.setattr(writer, "_typed", lambda block, _: written.append(block.shape) or block)
    monkeypatch.setattr(os, "pwrite", fails(errno.ENOSPC))
    with pytest.raises(OutputWriteError, match="No space left on device"):
        session.save(tmp_path / "rec.h5")
    assert len(written) == 1
    assert list(tmp_path.iterdir()) == []


def test_without_memory_nothing_is_asked_of_hdf5_which_would_crash(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, session = saved.read_bytes(), hand_session(n_units=4)
    with monkeypatch.context() as patch:
        patch.setattr(mmap, "mmap", fails(errno.ENOMEM))
        patch.setattr("h5py.File", fails(errno.EIO))
        for act in (lambda: session.save(saved), lambda: PipelineSession.load(saved)):
            with pytest.raises(MemoryError, match="less than 16 MiB of memory are left"):
                act()
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
    session.save(saved)


def test_a_disk_that_does_not_even_remove_hides_no_error(
    saved: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fails(errno.EIO))
        patch.setattr(Path, "unlink", fails(errno.EIO))
        with pytest.raises(OutputWriteError, match=f"could not write {saved}: ") as error:
            hand_session(n_units=4).save(saved)
    assert (error.value.errno, error.value.filename) == (errno.EIO, str(saved))
    (stray,) = [path for path in saved.parent.iterdir() if path != saved]
    assert f"{stray} stays (Input/output error); a later save sweeps it" in caplog.text
    assert verify(saved).is_good
    with atomic.partial_file(saved) as being_written:  # by another thread, say
        being_written.touch()
        hand_session(n_units=4).save(saved)
        assert set(saved.parent.iterdir()) == {saved, being_written}


def test_a_folder_that_cannot_be_synced_is_told_and_the_save_can_be_repeated(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = PipelineSession.load(saved)
    more(session)
    fsync = os.fsync

    def of_folder(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", of_folder)
        with pytest.raises(OutputWriteError, match="is written and whole, but may be") as error:
            session.save()
    assert (error.value.errno, error.value.filename) == (errno.EIO, str(saved))
    assert session.save_state is SaveState.DEFERRED
    assert verify(saved).content_digest == session.content_digest
    session.save()  # not refused as somebody else's change
    assert session.save_state is SaveState.SAVED
    assert list(saved.parent.iterdir()) == [saved]


def test_a_save_can_be_repeated_after_ctrl_c_at_its_very_end(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = PipelineSession.load(saved)
    more(session)

    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "sync_name", interrupted)  # the file has its name by then
        with pytest.raises(KeyboardInterrupt):
            session.save()
    session.save()
    assert verify(saved).content_digest == session.content_digest


@pytest.mark.parametrize("target", ["replace", "link"])
def test_a_link_that_fails_leaves_nothing(
    target: str, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path if target == "replace" else os, target, fails(errno.EMLINK))
        with pytest.raises(OutputWriteError, match=r"last\.h5: Too many links"):
            atomic.publish_link(saved, saved.with_name("last.h5"))
    assert list(saved.parent.iterdir()) == [saved]


def test_parts_that_cannot_be_removed_do_not_fail_a_run_that_is_saved(
    saved: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hdmea")
    session = PipelineSession.load(saved)
    work = WorkFolder(saved.parent / "work")
    for contribution in session.contributions.values():
        work.keep(contribution, {"dataset_id": "retina_1", "pending": {}})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fails(errno.EIO))
        work.finish(saved)
    assert f"parts stay in {work.folder}" in caplog.text
    work.finish(saved)
    assert [path.name for path in work.folder.iterdir()] == ["last.h5"]


def test_every_writer_sweeps_what_killed_ones_have_left(saved: Path, tmp_path: Path) -> None:
    stray = dead_stray(tmp_path)
    with pytest.raises(OutputExistsError):
        hand_session().save(saved, overwrite=False)
    assert not stray.exists()
    stray = dead_stray(tmp_path, "units.csv")
    write_small_file(tmp_path / "units.csv", b"unit\n")
    assert not stray.exists()
    stray = dead_stray(tmp_path)
    atomic.publish_link(saved, tmp_path / "last.h5")
    assert not stray.exists()


def test_a_save_imports_nothing_for_which_there_may_be_no_memory_left(tmp_path: Path) -> None:
    code = (
        "import sys; from hdmea.session import PipelineSession; session = PipelineSession('rec');"
        "before = set(sys.modules); session.save(sys.argv[1]); print(set(sys.modules) - before)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "rec.h5")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ).stdout
    assert said == "set()\n"
