"""Result files of the reference lab against ours: truth agrees, planted differences are found."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from reference_lab_files import OldResult, old_result_of_truth

from hdmea.cli import main
from hdmea.compare.report import as_text
from hdmea.compare.result import Difference, RecordingComparison
from hdmea.errors import FileMissingError, RecordingFileError
from hdmea.pipeline import compare, run_recording
from hdmea.simulate import SimulatedDataset

STEPS = {
    "load_recording": {"probe": "off"},
    "add_section_time": {"playlist_name": "tiny"},
    "compute_sta": {"cover_range": (-60, 0), "occurrences": "first"},
}
STEP = "tiny_step_3x"
RATE_HZ = 20000.0


@pytest.fixture(scope="module")
def ours(tiny_dataset: SimulatedDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = tiny_dataset.recordings["demo_retina_2"]
    output = tmp_path_factory.mktemp("ours") / "demo_retina_2.h5"
    return run_recording(
        STEPS,
        output,
        cmcr_path=files.cmcr_path,
        cmtr_path=files.cmtr_path,
        stimuli_dir=tiny_dataset.stimuli_path,
    ).hdf5_path


@pytest.fixture(scope="module")
def truth(tiny_dataset: SimulatedDataset) -> OldResult:
    files = tiny_dataset.recordings["demo_retina_2"]
    return old_result_of_truth(files, tiny_dataset.stimuli_path, RATE_HZ)


@pytest.fixture
def old(truth: OldResult) -> OldResult:
    return copy.deepcopy(truth)


@pytest.fixture
def noise(truth: OldResult) -> str:
    (movie,) = truth.stas
    return movie


def compared(ours: Path, old: OldResult, folder: Path, layout: int = 1) -> RecordingComparison:
    (found,) = compare(ours, old.write(folder / "demo_retina_2.h5", layout)).recordings
    return found


def only(found: RecordingComparison) -> Difference:
    (one,) = found.differences
    return one


@pytest.mark.parametrize("layout", [1, 2])
def test_the_truth_in_either_layout_is_equal_to_ours(
    layout: int, ours: Path, old: OldResult, noise: str, tmp_path: Path
) -> None:
    found = compared(ours, old, tmp_path, layout)
    assert found.equal
    assert found.compared == (
        "units/unit_id",
        "units/spike_times",
        "recording/sampling_rate_hz",
        f"sta/{noise}/sta",
        "stimulus/frame_times",
        "stimulus/sections/end_s",
        "stimulus/sections/start_s",
    )
    assert found.units == {"a": 12, "b": 12, "by_number": 12, "by_spike_times": 0}
    assert any("equal means within half a sample (25 us)" in note for note in found.notes)


@pytest.mark.parametrize("swapped", [False, True])
def test_either_side_may_be_old_and_nothing_is_written(
    swapped: bool, ours: Path, old: OldResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = old.write(tmp_path / "an_old_one.h5")
    before = [hashlib.sha256(p.read_bytes()).digest() for p in (ours, path)]
    stamps = [p.stat().st_mtime_ns for p in (ours, path)]
    path.chmod(0o400)
    pair = [str(path), str(ours)] if swapped else [str(ours), str(path)]
    with h5py.File(path, "r"):  # in other hands, too
        assert main(["compare", *pair]) == 0
    said = capsys.readouterr().out
    assert "result file of the reference lab of an_old_one" in said
    assert "not compared, for only one side can have them: " in said
    assert said.endswith("equal\n")
    assert [hashlib.sha256(p.read_bytes()).digest() for p in (ours, path)] == before
    assert [p.stat().st_mtime_ns for p in (ours, path)] == stamps
    assert list(tmp_path.iterdir()) == [path]


def test_half_a_sample_is_equal_and_a_whole_one_is_not(
    ours: Path, old: OldResult, tmp_path: Path
) -> None:
    number = next(n for n, samples in old.spikes.items() if samples.size > 50)
    exact = old.spikes[number].astype(np.int64)
    for shift, differing in ((0, 0), (1, 2)):
        samples = exact.copy()
        samples[7] += shift
        old.spikes[number] = samples.astype(np.uint64)
        found = compared(ours, old, tmp_path)
        assert sum(d.n_differing for d in found.differences) == differing
    assert only(found).what == "units/spike_times"
    assert only(found).rows == (number,)
    assert only(found).said == "1 in A only, 1 in B only, in 1 of 12 units"


def test_units_renumbered_and_missing_are_found(
    ours: Path, old: OldResult, noise: str, tmp_path: Path
) -> None:
    first, second, *_ = old.spikes
    for table in (old.spikes, old.stas[noise]):
        table[900] = table.pop(first)
        del table[second]
    found = compared(ours, old, tmp_path)
    assert [(d.kind, d.rows) for d in found.differences] == [
        ("renumbered", (first,)),
        ("only_in_a", (second,)),
    ]
    assert "its number is 900 in B" in found.differences[0].said
    assert found.units == {"a": 12, "b": 11, "by_number": 10, "by_spike_times": 1}


def test_a_section_shifted_by_a_frame_is_found(ours: Path, old: OldResult, tmp_path: Path) -> None:
    frame = np.uint64(round(RATE_HZ / 60))
    old.sections[STEP][0, 0] += frame
    one = only(compared(ours, old, tmp_path))
    assert (one.what, one.n, one.n_differing) == ("stimulus/sections/start_s", 3, 1)
    assert one.rows == (f"{STEP}, presentation 1",)
    assert one.largest_abs == pytest.approx(1 / 60, abs=1e-4)


def test_a_section_of_one_side_is_named(ours: Path, old: OldResult, tmp_path: Path) -> None:
    old.sections["never_shown"] = np.array([[5, 6], [7, 8]])
    one = only(compared(ours, old, tmp_path))
    assert (one.what, one.kind) == ("stimulus/sections", "only_in_b")
    assert one.rows == ("never_shown, presentation 1", "never_shown, presentation 2")


def test_a_changed_pixel_of_an_sta_is_found(
    ours: Path, old: OldResult, noise: str, tmp_path: Path
) -> None:
    number = list(old.spikes)[4]
    old.stas[noise][number][3, 2, 1] += 0.5
    one = only(compared(ours, old, tmp_path, layout=2))
    assert (one.what, one.n_differing, one.rows) == (f"sta/{noise}/sta", 1, (number,))
    assert one.largest_abs == pytest.approx(0.5, rel=1e-4)
    assert one.n == 12 * 60 * 15 * 15


def test_an_sta_of_another_shape_is_told_with_the_reason(
    ours: Path, old: OldResult, noise: str, tmp_path: Path
) -> None:
    old.stas[noise] = {n: sta[-30:] for n, sta in old.stas[noise].items()}
    found = compared(ours, old, tmp_path)
    assert only(found).said == (
        "unit x lag x y x x: 12 x 60 x 15 x 15 in A, 12 x 30 x 15 x 15 in B; values are not "
        "compared"
    )
    assert any("over 60 frames by default" in note for note in found.notes)
    old.stas = {"another_movie": old.stas[noise]}
    assert only(compared(ours, old, tmp_path)).kind == "only_in_b"


def test_pulses_that_were_not_dropped_are_told(ours: Path, old: OldResult, tmp_path: Path) -> None:
    begin = int(old.frames[0])
    lead = np.array([begin - 1332, begin - 999, begin - 666, begin - 333], dtype=np.uint64)
    old.frames = np.r_[lead, old.frames]
    one = only(compared(ours, old, tmp_path))
    assert (one.what, one.kind) == ("stimulus/frame_times", "length")
    assert one.said.endswith("but without its first 4 frames B is the same")


def test_what_is_missing_is_said_and_nothing_put_in_its_place(
    ours: Path, old: OldResult, noise: str, tmp_path: Path
) -> None:
    silent = next(iter(old.spikes))
    path = old.write(tmp_path / "old.h5")
    with h5py.File(path, "a") as file:
        del file["metadata/frame_timestamps"]
        del file["stimulus/section_time"]
        del file[f"units/unit_{silent:03d}/spike_times"]
        del file[f"units/unit_{silent:03d}/features/{noise}"]
        file["units/notes"] = "not a unit"
        file["units/unit_x/spike_times"] = "nor this"
    (found,) = compare(ours, path).recordings
    told = "\n".join(found.notes)
    for words in (
        "no metadata/frame_timestamps: the frame clock is not compared",
        "no stimulus/section_time: sections are not compared",
        f"no spike_times of units {silent}: found by number only",
        f"no STA of {noise} for units {silent}: taken as undefined",
    ):
        assert words in told
    one = only(found)  # our unit has an STA
    assert (one.what, one.rows, one.n_nan) == (f"sta/{noise}/sta", (silent,), 60 * 15 * 15)
    assert found.units["by_number"] == 12


def test_the_name_in_the_file_goes_before_the_files_name(
    ours: Path, old: OldResult, tmp_path: Path
) -> None:
    old.dataset_id = "demo_retina_2"
    old.write(tmp_path / "any_name.h5")
    (found,) = compare(ours.parent, tmp_path).recordings
    assert found.equal
    old.dataset_id = "\x1b[2Jother"
    old.write(tmp_path / "any_name.h5")
    assert "\x1b" not in as_text(compare(ours.parent, tmp_path))
    assert "\x1b" not in as_text(compare(ours, tmp_path / "any_name.h5"))


# -- damaged and hostile files ---------------------------------------------------------------------


def replace(path: str, **made: object) -> Callable[[h5py.File], None]:
    """Put another dataset in the place of one."""

    def put(file: h5py.File) -> None:
        if path in file:
            del file[path]
        file.create_dataset(path, **made)

    return put


def remove(path: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(path)


def link(path: str, to: object) -> Callable[[h5py.File], None]:
    def put(file: h5py.File) -> None:
        del file[path]
        file[path] = to

    return put


def in_another_file(file: h5py.File) -> None:
    train = file["units/unit_001/spike_times"].shape
    del file["units/unit_001/spike_times"]
    file.create_dataset(
        "units/unit_001/spike_times",
        train,
        np.uint64,
        external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)],
    )


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((5,), np.uint64)
    layout[:] = h5py.VirtualSource("elsewhere.h5", "data", (5,))
    del file["units/unit_001/spike_times"]
    file.create_virtual_dataset("units/unit_001/spike_times", layout)


def twice(file: h5py.File) -> None:
    file["units/unit_1/spike_times"] = np.array([1], np.uint64)


def two_stas(file: h5py.File) -> None:
    file["units/unit_001/features/sta_noise/data"] = np.zeros((60, 3, 3), np.float32)


def stas_unlike(file: h5py.File) -> None:
    file["units/unit_002/features/noise/sta"] = np.zeros((60, 4, 4), np.float32)


TRAIN, STA = "units/unit_001/spike_times", "units/unit_001/features/noise/sta"
RATE, CLOCK = "metadata/acquisition_rate", "metadata/frame_timestamps"
HOSTILE: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "no rate": (remove(RATE), "has no metadata/acquisition_rate"),
    "two rates": (replace(RATE, data=[1.0, 2.0]), "one positive number"),
    "rate of 0": (replace(RATE, data=0.0), "one positive number"),
    "rate as text": (replace(RATE, data="20000"), "numbers are needed"),
    "neither layout": (remove("stimulus/frame_time"), "HDF5 but of another kind"),
    "spikes in seconds": (replace(TRAIN, data=[0.5, 1.0]), "whole numbers"),
    "spikes in a table": (replace(TRAIN, data=np.zeros((3, 2), np.uint64)), "1 axis are needed"),
    "negative samples": (replace(TRAIN, data=np.array([-5, 3])), "no samples of a recording"),
    "train in a group": (link(TRAIN, np.zeros(0)), "whole numbers"),
    "no values": (replace(TRAIN, data=h5py.Empty("u8")), "holds no values"),
    "endless clock": (replace(CLOCK, data=[0.0, np.inf]), "no samples of a recording"),
    "sections of three": (
        replace("stimulus/section_time/noise", data=np.zeros((1, 3))), "(n, 2) is needed",
    ),
    "flat sta": (replace(STA, data=np.zeros((60, 9))), "3 axes are needed"),
    "two stas": (two_stas, "unit 1 has two STAs of 'noise'"),
    "stas unlike": (stas_unlike, "all units must have the same"),
    "a type": (link("units/unit_001", np.dtype("f8")), "is neither a group nor a dataset"),
    "number twice": (twice, "unit number 1 twice"),
    "soft link": (link(TRAIN, h5py.SoftLink("/metadata/frame_timestamps")), "link to another"),
    "external link": (link("units", h5py.ExternalLink("/etc/x.h5", "/")), "link to another"),
    "other file": (in_another_file, "in other files"),
    "virtual": (virtual, "in other files"),
    "bomb of nothing": (replace(TRAIN, shape=(2**40,), dtype="u8", chunks=(2**16,)), "declares"),
    "foreign filter": (
        replace(TRAIN, shape=(10,), dtype="u8", chunks=(10,), compression=32001,
                allow_unknown_filter=True),
        "compressed by filter 32001",
    ),
}  # fmt: skip


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An old file with one unit, of which each test spoils something."""
    sta = {"noise": {1: np.zeros((60, 3, 3), np.float32)}}
    sections = {"noise": np.array([[2, 40]], np.uint64)}
    frames = np.arange(50, dtype=np.uint64)
    spikes = {1: np.arange(0, 50, 5, dtype=np.uint64)}
    return OldResult(100.0, frames, spikes, sections, sta).write(tmp_path / "small.h5")


@pytest.mark.parametrize("what", HOSTILE)
def test_spoiled_files_are_typed_errors(what: str, small: Path, tmp_path: Path) -> None:
    spoil, said = HOSTILE[what]
    good = small.with_name("good.h5")
    good.write_bytes(small.read_bytes())
    assert compare(good, small).equal
    with h5py.File(small, "a") as file:
        spoil(file)
    with pytest.raises(RecordingFileError) as raised:
        compare(good, small)
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value)
    assert main(["compare", str(good), str(small)]) == 2


def test_damaged_bytes_never_end_otherwise_than_in_an_answer_or_a_typed_error(
    small: Path, tmp_path: Path
) -> None:
    good = small.read_bytes()
    (tmp_path / "good.h5").write_bytes(good)
    rng = np.random.default_rng(3)
    refused = 0
    for trial in range(100):
        raw = bytearray(good)
        if trial % 3:
            for place in rng.integers(0, len(raw), 4):
                raw[place] = rng.integers(0, 256)
        else:
            del raw[rng.integers(0, len(raw)) :]
        small.write_bytes(raw)
        try:
            compare(tmp_path / "good.h5", small)
        except RecordingFileError as error:
            refused += "small.h5" in str(error)
    assert refused > 30


def test_arrays_beyond_any_recording_are_refused(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdmea.compare.reference_lab._MAX_BYTES", 300)
    with pytest.raises(RecordingFileError, match="frame_timestamps has 50 values, more than 300"):
        compare(small, small)


def test_files_of_no_kind_are_refused(small: Path, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.h5")
    with pytest.raises(RecordingFileError, match="is a named pipe; a session file of hdmea or"):
        compare(small, tmp_path / "pipe.h5")
    with pytest.raises(FileMissingError):
        compare(small, tmp_path / "none.h5")
