"""Damaged and mistaken recordings end in one error that says what to do, or in the right data."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
from mcs_recordings import sensor_trace

from faults.watched import watched
from hdmea.cli import main
from hdmea.errors import FileMissingError, MissingDataError, RecordingFileError
from hdmea.mcs import AnalogStream, inspect_file, inspection, open_cmcr
from hdmea.pipeline import PipelineSession, add_section_time, create_session, load_recording
from hdmea.simulate import wrap_recording, write_cmcr, write_stimulus_library

ANALOG = "Acquisition/Analog Data"
ROW = f"{ANALOG}/ChannelData 1"
PEAKS = "Spike Sorter/Unit 1/Peaks"
N_SPIKES = 3000
DURATION_S = 6.0


class Pair(NamedTuple):
    cmcr: Path | None
    cmtr: Path | None


Change = Callable[[Path, Path], Pair | None]
"""Does something to a .cmcr and its .cmtr; what is to be loaded, if not these."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    rng = np.random.default_rng(0)
    times = np.sort(rng.choice(np.arange(1, int(5.9e6)), N_SPIKES, replace=False)) / 1e6
    return Pair(
        *wrap_recording(
            tmp_path_factory.mktemp("sound"),
            "rec",
            spike_trains={1: times, 4: np.array([1.0, 2.0])},
            frame_times_s=0.5 + np.arange(270) / 60,
            luminance=rng.uniform(0, 1, 270),
            duration_s=DURATION_S,
        )
    )


@pytest.fixture
def pair(sound: Pair, tmp_path: Path) -> Pair:
    copies = (shutil.copy(path, tmp_path / path.name) for path in sound if path is not None)
    return Pair(*map(Path, copies))


@pytest.mark.parametrize(("place", "bit"), [(1, 1), (8, 1), (10, 128), (16, 2), (17, 1)])
def test_numbers_that_are_stored_as_nobody_stores_them_are_refused_and_crash_nothing(
    place: int, bit: int, pair: Pair
) -> None:
    assert pair.cmtr is not None
    content = bytearray(pair.cmtr.read_bytes())
    column = content.index(b"Skewness\0")
    number = content.index(b"\x11\x20\x3f\x00", column)  # how HDF5 describes a float64
    content[number + place] ^= bit
    pair.cmtr.write_bytes(content)

    def load() -> dict[str, str]:
        load_recording(cmcr_path=pair.cmcr, cmtr_path=pair.cmtr, dataset_id="rec", probe="off")
        return {}

    end = watched(load)
    assert end.said["kind"] == "RecordingFileError"
    assert (
        "Unit Info: the numbers of Skewness are stored as no program writes" in end.said["message"]
    )


def load(pair: Pair, probe: str = "off", **settings: str) -> PipelineSession:
    session = create_session(cmcr_path=pair.cmcr, cmtr_path=pair.cmtr, dataset_id="rec")
    return load_recording(session=session, probe=probe, **settings)


def replace(group: h5py.Group, name: str, data: np.ndarray) -> None:
    attributes = dict(group[name].attrs)
    del group[name]
    group.create_dataset(name, data=data).attrs.update(attributes)


# --- what may happen to a file -------------------------------------------------------------


def cut(role: str, share: float) -> Change:
    def change(cmcr: Path, cmtr: Path) -> None:
        path = {"cmcr": cmcr, "cmtr": cmtr}[role]
        os.truncate(path, int(path.stat().st_size * share))

    return change


def cut_and_lengthened(role: str, share: float) -> Change:
    """As it is left by a copy that reserves the room first: the tail is a hole of zeros."""

    def change(cmcr: Path, cmtr: Path) -> None:
        path = {"cmcr": cmcr, "cmtr": cmtr}[role]
        size = path.stat().st_size
        os.truncate(path, int(size * share))
        os.truncate(path, size)

    return change


def zeros_in(role: str, dataset: str, share: float, until: float = 1.0) -> Change:
    """As `cut_and_lengthened`, where the hole lies in the data alone."""

    def change(cmcr: Path, cmtr: Path) -> None:
        path = {"cmcr": cmcr, "cmtr": cmtr}[role]
        with h5py.File(path) as file:
            offset, n_bytes = file[dataset].id.get_offset(), file[dataset].nbytes
        with path.open("r+b") as file:
            file.seek(offset + int(share * n_bytes))
            file.write(bytes(int(until * n_bytes) - int(share * n_bytes)))

    return change


def fewer_samples(cmcr: Path, _: Path) -> None:
    """The length of the rows is half of itself, in the two places where the file tells it."""
    content = cmcr.read_bytes()
    length = (120_000).to_bytes(8, "little")
    assert 1 <= content.count(length) <= 2
    cmcr.write_bytes(content.replace(length, (60_000).to_bytes(8, "little")))


def in_file(role: str, edit: Callable[[h5py.File], None]) -> Change:
    def change(cmcr: Path, cmtr: Path) -> None:
        with h5py.File({"cmcr": cmcr, "cmtr": cmtr}[role], "r+") as file:
            edit(file)

    return change


def shorter_analog(file: h5py.File) -> None:
    replace(file[ANALOG], "ChannelData 1", file[ROW][:, :60_000])


def without_tick(file: h5py.File) -> None:
    meta = file[f"{ANALOG}/ChannelMeta"][...]
    names = [name for name in meta.dtype.names if name != "Tick"]
    fewer = np.zeros(meta.shape, dtype=[(name, meta.dtype[name]) for name in names])
    for name in names:
        fewer[name] = meta[name]
    replace(file[ANALOG], "ChannelMeta", fewer)


def zero_tick(file: h5py.File) -> None:
    meta = file[f"{ANALOG}/ChannelMeta"][...]
    meta["Tick"] = 0
    replace(file[ANALOG], "ChannelMeta", meta)


def stamp(row: int, value: float, dtype: str = "<i8") -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        old = file[PEAKS][...]
        types = {name: old.dtype[name] for name in old.dtype.names} | {"Timestamp": dtype}
        peaks = old.astype(list(types.items()))
        peaks["Timestamp"][row] = value
        replace(file["Spike Sorter/Unit 1"], "Peaks", peaks)

    return edit


def version(number: int | None) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file.attrs["FileVersion"]
        if number is not None:
            file.attrs["FileVersion"] = np.array([number])

    return edit


def export(file: h5py.File) -> None:
    file.attrs["McsHdf5ProtocolType"] = np.bytes_("RawData")


def attribute(path: str, name: str, value: str | None) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        del file[path].attrs[name]
        if value is not None:
            file[path].attrs[name] = np.bytes_(value)

    return edit


def without_unit(file: h5py.File) -> None:
    del file["Spike Sorter/Unit 4"]


def other_measure(file: h5py.File) -> None:
    info = file["Spike Sorter/Unit 4/Unit Info"][...]
    info.dtype.names = tuple(name.replace("RSTD", "RSTE") for name in info.dtype.names)
    replace(file["Spike Sorter/Unit 4"], "Unit Info", info)


def without_sorter(file: h5py.File) -> None:
    del file["Spike Sorter"]


def without_analog(file: h5py.File) -> None:
    del file[ANALOG]


def renamed(cmcr: Path, cmtr: Path) -> Pair:
    return Pair(cmcr.rename(cmcr.with_name("other.cmcr")), cmtr)


def wrong(cmcr: Path, cmtr: Path) -> Pair:
    """A raw recording of another name and length."""
    other, _ = wrap_recording(
        cmcr.parent / "other",
        "other",
        spike_trains={1: np.array([0.5])},
        frame_times_s=0.1 + np.arange(30) / 60,
        duration_s=2.0,
    )
    return Pair(other, cmtr)


def text(cmcr: Path, cmtr: Path) -> None:
    _ = cmtr
    cmcr.write_text("see the other disk")


def empty(cmcr: Path, cmtr: Path) -> None:
    _ = cmcr
    cmtr.write_bytes(b"")


def missing(cmcr: Path, cmtr: Path) -> None:
    _ = cmtr
    cmcr.unlink()


DAMAGED = r"(cannot be read|stores) .*(copy it again|written to its end)"
FAULTS: dict[str, tuple[Change, str]] = {
    "cmcr cut at the start": (cut("cmcr", 0.001), rf"rec\.cmcr.* {DAMAGED}"),
    "cmcr cut early": (cut("cmcr", 0.1), rf"rec\.cmcr.* {DAMAGED}"),
    "cmcr cut late": (cut("cmcr", 0.999), rf"rec\.cmcr.* {DAMAGED}"),
    "cmtr cut at the start": (cut("cmtr", 0.01), rf"rec-\.cmtr.* {DAMAGED}"),
    "cmtr cut in the middle": (cut("cmtr", 0.5), rf"rec-\.cmtr.* {DAMAGED}"),
    "cmtr cut late": (cut("cmtr", 0.999), rf"rec-\.cmtr.* {DAMAGED}"),
    "cmcr with a hole to the start": (
        cut_and_lengthened("cmcr", 0),
        r"rec\.cmcr begins with zeros: its copy was not finished",
    ),
    "cmcr with a hole": (cut_and_lengthened("cmcr", 0.5), rf"rec\.cmcr.* {DAMAGED}"),
    "cmtr with a hole": (cut_and_lengthened("cmtr", 0.5), rf"rec-\.cmtr.* {DAMAGED}"),
    # Row 1 is the second half of the data.
    "pulses end in zeros": (
        zeros_in("cmcr", ROW, 0.8),
        r"row 1 \('Frame sync'\) of stream 'Analog Data' in rec\.cmcr is nothing but 0 from "
        r"3\.600 s to 6\.000 s, as it is nowhere else: .* copy it again and compare",
    ),
    "photodiode ends in zeros": (
        zeros_in("cmcr", ROW, 0.4, 0.5),
        r"row 0 \('Photodiode'\).* 0 from 4\.800 s to 6\.000 s",
    ),
    "peaks end in zeros": (
        zeros_in("cmtr", PEAKS, 0.75),
        r"rec-\.cmtr: Unit 1: 750 of its 3000 peaks are nothing but zeros.* Copy it again",
    ),
    "analog stream too short": (
        in_file("cmcr", shorter_analog),
        r"not a pair: durations differ.*6\.000 s.*'Analog Data' ends at 3\.000 s\. Give whole "
        r"files .*pair_check='warn'",
    ),
    "renamed cmcr": (
        renamed,
        r"not a pair: rec-\.cmtr was made from rec\.cmcr, but other\.cmcr was given.*pair_check",
    ),
    "wrong pair": (wrong, r"but other\.cmcr was given; durations differ: .*6\.000 s, .*2\.000 s"),
    "photodiode with a hole": (
        zeros_in("cmcr", ROW, 0.2, 0.21),
        r"row 0 \('Photodiode'\).* 0 from 2\.400 s to 2\.520 s, as it is nowhere else.* copy it",
    ),
    "no type id": (
        in_file("cmcr", attribute(ANALOG, "ID.TypeID", None)),
        r"rec\.cmcr: /Acquisition/Analog Data has no type id; .*copy it again",
    ),
    "damaged type id": (
        in_file("cmtr", attribute("Spike Sorter/Unit 4", "ID.TypeID", "0e5a97df-9de0-4a22")),
        r"rec-\.cmtr: /Spike Sorter/Unit 4 calls itself SingleUnit, but has the type id "
        r"'0e5a97df-9de0-4a22'; .*copy it again",
    ),
    "no SubType": (
        in_file("cmcr", attribute(ANALOG, "SubType", None)),
        r"rec\.cmcr: stream 'Analog Data' does not tell its SubType\. .*copy it again",
    ),
    "damaged SubType": (
        in_file("cmcr", attribute(ANALOG, "SubType", "Auxiliaxy")),
        r"rec\.cmcr has no stream of SubType 'Auxiliary', but one of 'Auxiliaxy', which is not "
        r"known; known are Auxiliary, Digital, StgWaveform\..*copy it again",
    ),
    "fewer units than are listed": (
        in_file("cmtr", without_unit),
        r"rec-\.cmtr: 'Units' lists 2 units, 1 are there; they differ in 4\. .*copy the file again",
    ),
    "damaged name of a measure": (
        in_file("cmtr", other_measure),
        r"rec-\.cmtr: Unit 4 and Unit 1 do not have the same measures: rstd, rste\. .*copy the",
    ),
    "fewer samples than are stored": (
        fewer_samples,
        r"rec\.cmcr: .*ChannelData 1 declares 480000 bytes .* but stores 960000\. .*copy it again",
    ),
    "no Tick": (in_file("cmcr", without_tick), r"rec\.cmcr.* no column 'Tick'; it has ChannelID"),
    "zero Tick": (
        in_file("cmcr", zero_tick),
        r"rec\.cmcr.*\(Tick\) of \[0\] us; one above zero is needed.*copy it again.*hdmea inspect",
    ),
    "time stamp after the end": (
        in_file("cmtr", stamp(-1, 6_070_000)),
        r"rec-\.cmtr: Unit 1: spikes from .* to 6070000 us, but the recording lasts 6\.0 s.*"
        r"hdmea inspect",
    ),
    "negative time stamp": (
        in_file("cmtr", stamp(0, -1)),
        r"rec-\.cmtr: Unit 1: spikes from -1 to .*inspect",
    ),
    "time stamp that is no number": (
        in_file("cmtr", stamp(5, np.nan, "<f8")),
        r"rec-\.cmtr: Unit 1: spikes from nan to nan us.*inspect",
    ),
    "no FileVersion": (
        in_file("cmcr", version(None)),
        r"rec\.cmcr tells no FileVersion, .*copy it again",
    ),
    "FileVersion 0": (in_file("cmtr", version(0)), r"rec-\.cmtr tells FileVersion 0, .*copy it"),
    "swapped files": (
        lambda cmcr, cmtr: Pair(cmtr, cmcr),
        r"(rec-\.cmtr is a sorted .* as cmtr_path|rec\.cmcr is a raw .* as cmcr_path)",
    ),
    "cmcr as cmtr": (
        lambda cmcr, _: Pair(None, cmcr),
        r"rec\.cmcr is a raw recording \(\.cmcr\), without sorted units\. Give it as cmcr_path",
    ),
    "cmtr as cmcr": (
        lambda _, cmtr: Pair(cmtr, None),
        r"rec-\.cmtr is a sorted recording \(\.cmtr\).* Give it as cmtr_path",
    ),
    "DataManager export": (
        in_file("cmcr", export),
        r"rec\.cmcr is an export of the Multi Channel DataManager.* give the \.cmcr",
    ),
    "empty cmtr": (empty, r"rec-\.cmtr is empty \(0 bytes\).*\.cmtr file is needed"),
    "text file": (text, r"rec\.cmcr is not an HDF5 file; a \.cmcr or \.cmtr file is needed"),
    "folder": (
        lambda cmcr, cmtr: Pair(cmcr.parent, cmtr),
        r"is a folder; a \.cmcr or \.cmtr file is needed",
    ),
    "missing cmcr": (missing, r"rec\.cmcr: no such file"),
    "no sorter": (
        in_file("cmtr", without_sorter),
        r"rec-\.cmtr has 0 spike sorters.* run the Spike Sorter of CMOS-MEA-Tools",
    ),
}
WITH_PROBE = (
    "cmcr cut early", "peaks end in zeros", "wrong pair", "no FileVersion", "swapped files",
    "no sorter",
)  # fmt: skip
"""Those seen by the process of the probe first; it takes a second or two each time."""


@pytest.mark.parametrize(
    ("fault", "probe"), [*((f, "off") for f in FAULTS), *((f, "error") for f in WITH_PROBE)]
)
def test_each_fault_is_one_error_that_says_what_to_do(pair: Pair, fault: str, probe: str) -> None:
    change, words = FAULTS[fault]
    assert pair.cmcr is not None
    assert pair.cmtr is not None
    given = change(pair.cmcr, pair.cmtr) or pair
    with pytest.raises((RecordingFileError, FileMissingError), match=words) as caught:
        load(given, probe)
    message = str(caught.value)
    assert len(message) < 700
    assert "\n" not in message
    assert str(pair.cmtr.parent) in message


def test_a_file_that_may_not_be_read_is_said_to_be_so(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    # root may read everything, so the system's answer is given in its place
    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(RecordingFileError, match=r"may not be read: permission denied.*owner"):
        load(pair)


def test_what_contradicts_itself_can_be_accepted(pair: Pair) -> None:
    assert pair.cmcr is not None
    assert pair.cmtr is not None
    FAULTS["pulses end in zeros"][0](pair.cmcr, pair.cmtr)
    session = load(pair, pair_check="warn")
    # The frames that are there are right: those before the hole.
    frames = session.values("stimulus/frame_times")
    np.testing.assert_allclose(frames, (0.5 + np.arange(270) / 60)[4:186], atol=26e-6)
    (warning,) = session.warnings
    assert "pair check: row 1 ('Frame sync')" in warning


def test_a_cmcr_alone_must_be_as_long_as_it_says(pair: Pair) -> None:
    assert pair.cmcr is not None
    assert pair.cmtr is not None
    alone = Pair(pair.cmcr, None)
    load(alone)
    in_file("cmcr", shorter_analog)(pair.cmcr, pair.cmtr)
    with pytest.raises(RecordingFileError, match=r"rec\.cmcr contradicts itself: durations differ"):
        load(alone)


def test_a_row_that_rests_at_zero_is_no_damage(pair: Pair) -> None:
    with h5py.File(pair.cmcr, "r+") as file:
        analog = file[ROW][...]
        analog[1] = np.where(analog[1] > 500_000, analog[1], 0)  # as of a digital line
        replace(file[ANALOG], "ChannelData 1", analog)
    session = load(pair)
    assert session.warnings == []
    assert session.values("stimulus/frame_times").size == 266
    with open_cmcr(pair.cmcr) as recording:
        assert recording.analog[0].holes(1) == []


def test_holes_are_found_exactly_wherever_they_are(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    cases = [
        [(90_000, 120_000)],  # to the end
        [(0, 700)],
        [(9_900, 10_400), (50_000, 75_001)],  # across the borders of the blocks that are read
        [(40_000, 40_499)],  # too short to be told from noise
        [(0, 120_000)],  # nothing was ever written, or it rests at 0
    ]
    blocks = AnalogStream.blocks
    monkeypatch.setattr(AnalogStream, "blocks", lambda self, channel: blocks(self, channel, 10_000))
    for zeros in cases:
        analog = rng.integers(1, 5, (2, 120_000)).astype(np.int32)
        analog[:, ::200] = 0  # rare, and no hole
        for start, stop in zeros:
            analog[0, start - 1] = analog[0, stop % 120_000] = 1
            analog[0, start:stop] = 0
        with h5py.File(pair.cmcr, "r+") as file:
            file[ROW][...] = analog
        with open_cmcr(pair.cmcr) as recording:
            expected = [(a, b) for a, b in zeros if 500 <= b - a < 120_000]
            assert recording.analog[0].holes(0) == expected
            assert recording.analog[0].holes(1) == []


def test_units_without_an_analog_stream_are_loaded_and_sections_say_why_not(
    pair: Pair, tmp_path: Path
) -> None:
    with h5py.File(pair.cmcr, "r+") as file:
        without_analog(file)
    session = load(pair)
    assert session.values("units/n_spikes").tolist() == [N_SPIKES, 2]
    write_stimulus_library(tmp_path / "stimuli", "tiny")
    with pytest.raises(MissingDataError, match=r"rec\.cmcr has no analog stream"):
        add_section_time(playlist_name="tiny", stimuli_dir=tmp_path / "stimuli", session=session)


@pytest.mark.parametrize(("number", "warned"), [(2, False), (3, True)])
def test_later_versions_of_the_format_are_read_and_unknown_ones_are_said(
    pair: Pair, number: int, warned: bool
) -> None:
    for path in pair:
        with h5py.File(path, "r+") as file:
            version(number)(file)
    session = load(pair, probe="error")
    assert session.values("units/n_spikes").tolist() == [N_SPIKES, 2]
    said = [
        f"{name} has FileVersion 3, but 1 and 2 are known" for name in ("rec.cmcr", "rec-.cmtr")
    ]
    assert [warning.partition(" here")[0] for warning in session.warnings] == said * warned


def test_what_a_whole_file_would_tell_is_missed(pair: Pair) -> None:
    in_file("cmcr", attribute("/", "ProgramName", None))(*pair)
    in_file("cmtr", attribute("/", "DateTime", "31.02.2020 12:00:00"))(*pair)
    assert [warning.partition(", as every")[0] for warning in load(pair).warnings] == [
        "rec.cmcr does not tell its ProgramName",
        "rec-.cmtr does not tell its DateTime",
    ]


def test_several_sweeps_and_regions_are_no_contradiction_and_the_first_sweep_is_used(
    pair: Pair, tmp_path: Path
) -> None:
    sensors = tmp_path / "sensors.cmcr"
    write_cmcr(sensors, analog=None, sensor=sensor_trace(3, 3, 4, 6))
    with h5py.File(pair.cmcr, "r+") as file, h5py.File(sensors) as other:
        other.copy("Acquisition/Sensor Data", file["Acquisition"])
        group = file["Acquisition/Sensor Data"]
        region = group["SensorMeta"][...]
        later, elsewhere = region.copy(), region.copy()
        later["GroupID"], elsewhere["RegionID"] = 2, 12
        replace(group, "SensorMeta", np.concatenate([region, later, elsewhere]))
        for n, name in enumerate(("SensorData 1 2", "SensorData 12 1")):
            group.copy("SensorData 1 1", name)
            group[name].attrs["ID.Instance"] = np.bytes_(name)
            group[name].attrs["ID.InstanceID"] = np.bytes_(
                f"6f2d8a52-5c0e-5d0a-9a53-0d4a6e0c7b6{n}"
            )
    with h5py.File(pair.cmcr, "r+") as file:
        group = file[ANALOG]
        rows, analog = group["ChannelMeta"][...], group["ChannelData 1"][...]
        more = rows.copy()
        more["GroupID"] = 2
        replace(group, "ChannelMeta", np.concatenate([rows, more]))
        replace(group, "ChannelData 1", analog[:, :60_000])
        second = group.create_dataset("ChannelData 2", data=analog[:, 60_000:])
        second.attrs.update(
            dict(group["ChannelData 1"].attrs)
            | {
                "From": np.array([3_000_000]),
                "ID.Instance": np.bytes_("ChannelData 2"),
                "ID.InstanceID": np.bytes_("6f2d8a52-5c0e-5d0a-9a53-0d4a6e0c7b55"),
            }
        )
    session = load(pair, probe="error")
    frames = session.values("stimulus/frame_times")
    np.testing.assert_allclose(frames, (0.5 + np.arange(150) / 60)[4:], atol=26e-6)
    assert session.warnings == [
        "rec.cmcr has 2 analog streams or sweeps; the first, 'Analog Data', is used"
    ]
    with open_cmcr(pair.cmcr) as recording:
        assert [sensor.name for sensor in recording.sensors] == [
            "SensorData 1 1", "SensorData 1 2", "SensorData 12 1",
        ]  # fmt: skip


# --- hdmea inspect -------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["cmcr cut early", "cmtr with a hole", "text file"])
def test_inspect_says_in_a_line_what_is_wrong(
    pair: Pair, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, words = FAULTS[fault]
    assert pair.cmcr is not None
    assert pair.cmtr is not None
    change(pair.cmcr, pair.cmtr)
    path = pair.cmtr if "cmtr" in fault else pair.cmcr
    code = main(["inspect", str(path)])
    out, err = capsys.readouterr()
    if code == 0:  # enough is left to describe it
        assert "NOT UNDERSTOOD" in out
        assert "copy it again" in out
    else:
        assert code == 1
        assert err.count("\n") == 1
        assert re.search(words, err)


def test_inspect_describes_in_a_process_of_its_own_what_the_reader_would(pair: Pair) -> None:
    from hdmea.mcs import describe

    for path, anonymous in zip(pair, (True, False), strict=True):
        assert inspect_file(path, anonymous=anonymous) == describe(path, anonymous=anonymous)
    with pytest.raises(FileMissingError, match=r"none\.cmtr: no such file"):
        inspect_file(pair.cmtr.with_name("none.cmtr"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed .*Segmentation fault"),
        ("import time; time.sleep(60)", r"was not read within 0\.5 s"),
        ("pass", "nothing came of it"),
    ],
)
def test_a_file_that_crashes_or_hangs_the_description_is_named(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (tmp_path / "stand_in.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(inspection, "_MODULE", "stand_in")
    deadline_s = 0.5 if "sleep" in source else None
    with pytest.raises(RecordingFileError, match=rf"rec\.cmcr .*{words}.*copy it again"):
        inspect_file(pair.cmcr, deadline_s=deadline_s)
