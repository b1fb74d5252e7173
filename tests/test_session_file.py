"""The session file: what is written comes back, damage is found, a failed save loses nothing."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hdmea.arrays import Variable, scalar, text
from hdmea.contribution import Contribution, Recipe
from hdmea.digest import AT_ONCE_BYTES, BLOCK_BYTES, digest_variable
from hdmea.errors import (
    FileMissingError,
    OutputExistsError,
    OutputWriteError,
    ParameterError,
    SessionFileError,
)
from hdmea.session import PipelineSession
from hdmea.store import atomic
from hdmea.store.parts import WorkFolder
from hdmea.store.reader import SessionFile
from hdmea.store.verify import verify
from hdmea.store.writer import write_session_file

HEADER = {"dataset_id": "retina", "pending": {}}


def contribution(name: str = "load_recording", **variables: Variable) -> Contribution:
    paths = {path.replace("__", "/"): variable for path, variable in variables.items()}
    return Contribution(Recipe(name, name, 1, {"a": 1}, {"cmtr": "00"}, {}), paths)


def example() -> Contribution:
    rng = np.random.default_rng(5)
    return contribution(
        units__unit_id=Variable(np.array([1, 2, 10]), "1", ("unit",), "number"),
        units__tags=Variable(np.array(["good", "", "µ-tagged"]), "", ("unit",), "tags"),
        units__snr=Variable(np.array([1.5, np.nan, -0.0]), "1", ("unit",), "measure"),
        recording__dataset_id=text("retina", "name"),
        recording__duration_s=scalar(12.5, "s", "length"),
        sta__noise__sta=Variable(
            rng.normal(size=(3, 4, 5, 5)).astype(np.float32), "1", ("unit", "lag", "y", "x"), "sta"
        ),
    )


def save(path: Path, *contributions: Contribution, **options: object) -> str:
    written = write_session_file(path, contributions or [example()], HEADER, **options)  # type: ignore[arg-type]
    return written.content


def test_everything_comes_back_with_type_unit_axes_and_words(tmp_path: Path) -> None:
    original = example()
    save(tmp_path / "a.h5", original)
    with SessionFile(tmp_path / "a.h5") as file:
        (loaded,) = file.contributions().values()
        assert loaded.recipe == original.recipe
        assert loaded.variables.keys() == original.variables.keys()
        for path, expected in original.variables.items():
            found = loaded.variables[path]
            np.testing.assert_array_equal(found.values, expected.values)
            assert found.values.dtype.kind == expected.values.dtype.kind
            assert (found.unit, found.dims, found.description) == (
                expected.unit,
                expected.dims,
                expected.description,
            )
        assert (
            loaded.variables["units/snr"].values.tobytes()
            == original.variables["units/snr"].values.tobytes()
        )


TYPES = st.sampled_from(["<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", "<f4", "<f8"])
TEXT = hnp.arrays(
    np.dtype("U6"),
    hnp.array_shapes(max_dims=2, min_side=0, max_side=4),
    elements=st.text(
        st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=6
    ),
)
NUMBERS = TYPES.flatmap(
    lambda t: hnp.arrays(
        np.dtype(t), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    )
)


@settings(max_examples=60, deadline=None)
@given(values=NUMBERS | TEXT)
def test_any_array_comes_back_bit_for_bit(
    values: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.h5"
    dims = tuple(f"axis{i}" for i in range(values.ndim))
    save(path, contribution(x__values=Variable(values, "", dims, "anything")))
    with SessionFile(path) as file:
        found = file.contributions()["load_recording"].variables["x/values"].values
        assert found.shape == values.shape
        if values.dtype.kind == "U":
            assert found.tolist() == values.tolist()
        else:
            assert found.dtype == values.dtype
            assert found.tobytes() == np.ascontiguousarray(values).tobytes()


@pytest.mark.parametrize(
    "values",
    [np.array([True]), np.array([1j]), np.array([object()]), np.array(["a\0b"]), np.array([b"x"])],
)
def test_what_the_format_does_not_hold_is_refused_and_nothing_is_left(
    values: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match="x/values"):
        save(tmp_path / "a.h5", contribution(x__values=Variable(values, "1", ("unit",), "odd")))
    assert list(tmp_path.iterdir()) == []


def test_two_contributions_cannot_bring_one_variable(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="both 'load_recording' and 'other'"):
        save(
            tmp_path / "a.h5", example(), contribution("other", units__unit_id=scalar(1, "1", "x"))
        )


def test_content_digest_ignores_order_words_and_runs_but_no_value(tmp_path: Path) -> None:
    base = save(tmp_path / "a.h5", example(), contribution("b", b__x=scalar(1, "1", "x")))
    other_words = contribution("b", b__x=scalar(1, "1", "the same, told otherwise"))
    told = Contribution(other_words.recipe, other_words.variables, {"host": "elsewhere"})
    assert save(tmp_path / "b.h5", told, example()) == base
    assert save(tmp_path / "c.h5", example(), contribution("b", b__x=scalar(2, "1", "x"))) != base
    assert save(tmp_path / "d.h5", example(), contribution("b", b__x=scalar(1, "s", "x"))) != base
    assert save(tmp_path / "e.h5", example(), contribution("b", b__x=scalar(1.0, "1", "x"))) != base


def test_digests_of_large_arrays_do_not_depend_on_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = np.arange(5 * AT_ONCE_BYTES // 8 + 3)
    variable = Variable(values, "1", ("n",), "numbers")
    rows = BLOCK_BYTES // 8
    alone = tuple(
        hashlib.sha256(values[at : at + rows]).digest() for at in range(0, values.size, rows)
    )
    assert digest_variable(variable).blocks == alone
    monkeypatch.setattr("hdmea.digest._THREADS_FROM_BYTES", 0)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    assert digest_variable(variable).blocks == alone
    save(tmp_path / "a.h5", contribution(x__values=variable))
    with SessionFile(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file.read("x/values"), values)
    # a limit of memory that leaves no room for threads is no error
    monkeypatch.setattr("threading.Thread.start", _no_thread)
    assert digest_variable(variable).blocks == alone


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_what_was_not_read_before_a_file_is_closed_can_no_longer_be(tmp_path: Path) -> None:
    save(tmp_path / "a.h5")
    with SessionFile(tmp_path / "a.h5") as file:
        data = file.variable("units/unit_id").data
    with pytest.raises(SessionFileError, match=r"units/unit_id cannot be read"):
        data[0]


def test_a_slice_reads_and_checks_only_its_blocks(tmp_path: Path) -> None:
    rows = BLOCK_BYTES // 8
    values = np.arange(3 * rows + 7, dtype=np.int64)
    save(tmp_path / "a.h5", contribution(x__values=Variable(values, "1", ("n",), "numbers")))
    raw = bytearray((tmp_path / "a.h5").read_bytes())
    place = raw.find(np.int64(2 * rows + 5).tobytes())
    raw[place] ^= 1
    (tmp_path / "a.h5").write_bytes(raw)
    with SessionFile(tmp_path / "a.h5") as file:
        data = file.variable("x/values").data
        np.testing.assert_array_equal(data[rows - 3 : rows + 3], values[rows - 3 : rows + 3])
        assert data[-1] == values[-1]
        assert not data.loaded
        with pytest.raises(SessionFileError, match=f"x/values, rows {2 * rows} onwards"):
            data[2 * rows]
    assert [path for path, _ in verify(tmp_path / "a.h5").damaged] == ["x/values"]


def test_all_bytes_that_are_no_values_have_a_digest(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    save(path)
    places: list[tuple[int, int]] = []

    def note(_: str, node: h5py.Group | h5py.Dataset) -> None:
        if isinstance(node, h5py.Dataset) and node.size:
            places.append((node.id.get_offset(), node.nbytes))

    with h5py.File(path) as file:
        file.visititems(note)
        stored = file["manifest/structure_sha256"][...].tobytes()
    rest = bytearray(path.read_bytes())
    for place, length in sorted(places, reverse=True):
        del rest[place : place + length]
    assert hashlib.sha256(rest).digest() == stored
    before = path.read_bytes()
    with h5py.File(path, "r+"):  # as a viewer does
        pass
    assert path.read_bytes() == before
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(SessionFileError, match="bytes that hold no values are not what was saved"):
        SessionFile(path)


def test_no_flipped_bit_or_truncation_goes_unnoticed(tmp_path: Path) -> None:
    save(tmp_path / "good.h5")
    raw = (tmp_path / "good.h5").read_bytes()
    rng = np.random.default_rng(11)
    for place in rng.integers(0, len(raw), 300):
        damaged = bytearray(raw)
        damaged[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "bad.h5").write_bytes(damaged)
        with suppress(SessionFileError):
            assert not verify(tmp_path / "bad.h5").is_good
    for length in rng.integers(0, len(raw), 20):
        (tmp_path / "bad.h5").write_bytes(raw[:length])
        with pytest.raises(SessionFileError, match=r"bad\.h5"):
            verify(tmp_path / "bad.h5")


def test_foreign_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"none\.h5"):
        SessionFile(tmp_path / "none.h5")
    with pytest.raises(FileNotFoundError):
        SessionFile(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(SessionFileError, match=r"text\.h5 cannot be opened as HDF5"):
        SessionFile(tmp_path / "text.h5")
    h5py.File(tmp_path / "other.h5", "w").close()
    with pytest.raises(SessionFileError, match="not a session file"):
        SessionFile(tmp_path / "other.h5")
    os.mkfifo(tmp_path / "fifo.h5")
    with pytest.raises(SessionFileError, match="not a regular file"):
        SessionFile(tmp_path / "fifo.h5")


@pytest.mark.parametrize("kind", ["external", "soft", "virtual", "storage", "extra", "filtered"])
def test_a_file_that_points_elsewhere_or_holds_more_is_refused(kind: str, tmp_path: Path) -> None:
    save(tmp_path / "a.h5")
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["x"] = np.array([1, 2, 3])
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        if kind == "extra":
            file["units/more"] = np.zeros(3)
        else:
            del file["units/unit_id"]
        if kind == "external":
            file["units/unit_id"] = h5py.ExternalLink("secret.h5", "x")
        elif kind == "soft":
            file["units/unit_id"] = h5py.SoftLink("/units/snr")
        elif kind == "virtual":
            layout = h5py.VirtualLayout((3,), np.int64)
            layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "x", (3,))
            file.create_virtual_dataset("units/unit_id", layout)
        elif kind == "storage":
            file.create_dataset(
                "units/unit_id", (3,), np.int64, external=[(str(tmp_path / "secret.h5"), 0, 24)]
            )
        elif kind == "filtered":
            file.create_dataset("units/unit_id", data=np.array([1, 2, 10]), compression="gzip")
    with pytest.raises(SessionFileError):
        SessionFile(tmp_path / "a.h5")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("call", ["pwrite", "fsync", "replace"])
@pytest.mark.parametrize("forever", [True, False])
def test_a_failing_disk_is_told_and_the_old_file_stays(
    call: str, number: int, forever: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    save(path)
    before = path.read_bytes()
    calls = 0
    target = (Path, "replace") if call == "replace" else (os, call)
    real = getattr(*target)

    def failing(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 3 or (forever and calls > 3) or call != "pwrite":
            raise OSError(number, os.strerror(number))
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(*target, failing)
        with pytest.raises(OutputWriteError, match=r"a\.h5") as error:
            save(path, example(), contribution("more", more__x=scalar(1, "1", "x")))
    assert error.value.errno == number
    assert error.value.filename == str(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_too_little_room_is_told_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})()
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OutputWriteError) as error:
        save(tmp_path / "a.h5")
    assert error.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_without_overwriting_an_existing_file_stays(tmp_path: Path) -> None:
    save(tmp_path / "a.h5", overwrite=False)
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(OutputExistsError):
        save(tmp_path / "a.h5", contribution(x__y=scalar(1, "1", "x")), overwrite=False)
    with pytest.raises(FileExistsError), atomic.atomic_hdf5(tmp_path / "b.h5", overwrite=False):
        (tmp_path / "b.h5").write_text("a racer was faster")
    assert (tmp_path / "a.h5").read_bytes() == before
    assert (tmp_path / "b.h5").read_text() == "a racer was faster"


def test_strays_of_dead_writers_are_swept_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    host = socket.gethostname().replace(".", "-")
    dead = tmp_path / f".a.h5.{host}.{2**22 + 1}.00ff00ff.partial"
    living = tmp_path / f".a.h5.{host}.{os.getppid()}.00ff00ff.partial"
    elsewhere = tmp_path / ".a.h5.other-host.1.00ff00ff.partial"
    for stray in (dead, living, elsewhere):
        stray.write_text("half")
    save(tmp_path / "a.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [living.name, elsewhere.name, "a.h5"]
    )


def test_a_replaced_file_can_still_be_read_by_who_opened_it(tmp_path: Path) -> None:
    save(tmp_path / "a.h5")
    old = SessionFile(tmp_path / "a.h5").contributions()["load_recording"]
    save(tmp_path / "a.h5", contribution(x__y=scalar(1, "1", "x")))
    np.testing.assert_array_equal(
        old.variables["sta/noise/sta"].values, example().variables["sta/noise/sta"].values
    )


HELD = """
import sys, threading
from hdmea.store.reader import SessionFile
file = SessionFile(sys.argv[1])
threading.Thread(target=lambda: threading.Event().wait(file.entries and 60), daemon=True).start()
"""


def test_a_file_that_is_still_open_when_the_interpreter_ends_does_not_crash_it(
    tmp_path: Path,
) -> None:
    save(tmp_path / "a.h5")
    command = [sys.executable, "-c", HELD, tmp_path / "a.h5"]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_work_folder_gives_back_equal_keys_only_and_recomputes_damage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    work = WorkFolder(tmp_path / "work")
    kept = example()
    path = work.keep(kept, HEADER)
    assert work.find(kept.name, "another key") is None
    found = work.find(kept.name, kept.key)
    assert found is not None
    assert found.roots() == kept.roots()
    raw = bytearray(path.read_bytes())
    values = kept.variables["sta/noise/sta"].values.tobytes()
    raw[raw.find(values) + 9] ^= 4
    path.write_bytes(raw)
    assert work.find(kept.name, kept.key) is None
    assert "computed again" in caplog.text


def test_a_finished_result_replaces_its_parts_by_a_link(tmp_path: Path) -> None:
    work = WorkFolder(tmp_path / "work")
    kept = example()
    work.keep(kept, HEADER)
    save(tmp_path / "result.h5", kept)
    work.finish(tmp_path / "result.h5")
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["last.h5"]
    assert (tmp_path / "work" / "last.h5").samefile(tmp_path / "result.h5")
    (tmp_path / "result.h5").unlink()
    found = work.find(kept.name, kept.key)
    assert found is not None
    assert digest_variable(found.variables["units/snr"]).root == kept.roots()["units/snr"]


def test_publishing_a_link_twice_leaves_no_stray(tmp_path: Path) -> None:
    save(tmp_path / "result.h5")
    for _ in range(2):
        atomic.publish_link(tmp_path / "result.h5", tmp_path / "last.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["last.h5", "result.h5"]


def test_columns_of_other_lengths_are_neither_saved_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = PipelineSession("retina")
    made = {
        "units/row": Variable(np.zeros(3), "1", ("unit",), "row"),
        "features/mine/depth": Variable(np.zeros(2), "um", ("unit",), "depth"),
    }
    session.obtain(Recipe("mine", "load_recording", 1, {}, {}, {}), lambda: made)
    told = "features/mine/depth has 2 along its axis unit, units/row has 3"
    with pytest.raises(ParameterError, match=told):
        session.save(tmp_path / "rec.h5")
    with monkeypatch.context() as patch:
        patch.setattr("hdmea.store.writer.odd_axes", lambda _: "")
        path = session.save(tmp_path / "rec.h5")
    with pytest.raises(SessionFileError, match=told):
        PipelineSession.load(path)
    with pytest.raises(SessionFileError, match=f"{path}: {told}"):
        verify(path)
