"""Reading .cmcr and .cmtr files: values, places, times, and what is refused."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from mcs_recordings import (
    Pair,
    analog_values,
    sensor_trace,
    sensor_values,
    write_pair,
)

from hdmea.errors import FileMissingError, ParameterError, RecordingFileError
from hdmea.mcs import (
    check_pair,
    describe,
    digest,
    file_digest,
    file_stamp,
    open_cmcr,
    read_cmtr,
    render,
    typeids,
)
from hdmea.mcs.tree import MAX_DEPTH
from hdmea.simulate.mcs_files import (
    AnalogTrace,
    UnitTrain,
    write_cmcr,
    write_cmtr,
)

UNIT_10 = "Spike Sorter/Unit 10"
ANALOG = "Acquisition/Analog Data"
SENSOR = "Acquisition/Sensor Data"


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return write_pair(tmp_path, sensor_trace(10, 20, 13, 22))


def replace(group: h5py.Group, name: str, data: np.ndarray, **options: object) -> h5py.Dataset:
    """Put other data under a name, with the attributes of the old."""
    attributes = dict(group[name].attrs)
    del group[name]
    dataset = group.create_dataset(name, data=data, **options)
    dataset.attrs.update(attributes)
    return dataset


# --- units ---------------------------------------------------------------------------------


def test_units_come_by_number_with_included_peaks_only(pair: Pair) -> None:
    sorting = read_cmtr(pair.cmtr)
    assert sorting.unit_id.tolist() == [1, 2, 10]  # as text: 1, 10, 2
    assert sorting.spike_times_index.tolist() == [1, 1, 4]
    assert sorting.spike_times_s.tolist() == [0.5, 0.1, 0.25, 1.999999]
    assert sorting.n_rejected_peaks.tolist() == [0, 0, 3]
    assert sorting.row.tolist() == [65, 1, 3]
    assert sorting.column.tolist() == [64, 1, 4]
    assert sorting.sensor_id.tolist() == [65 * 63 + 65, 1, 65 * 3 + 3]
    assert sorting.link_target == "2025.04.10-Rec.cmcr"
    assert sorting.info.duration_s == 2.0
    assert sorting.info.started_at == "2020-01-01T12:00:00"
    assert (sorting.info.program, sorting.info.program_version) == ("CMOS-MEA-Tools", "2.4.0.0")
    assert sorting.tags == ("", "", "")
    assert sorting.measures["noise_std"].tolist() == [1.0, 1.0, 1.0]
    assert len(sorting.measures) == 12
    assert math.isnan(sorting.measures["snr"][1])  # no spikes, no signal


def test_the_cmcr_need_not_be_there(pair: Pair) -> None:
    pair.cmcr.unlink()
    assert read_cmtr(pair.cmtr).link_target == "2025.04.10-Rec.cmcr"


@pytest.mark.parametrize("link", ["C:\\data\\x.cmcr", "../elsewhere/x.cmcr", "x.cmcr"])
def test_of_the_link_only_the_file_name_is_told(pair: Pair, link: str) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        del file["Acquisition"]
        file["Acquisition"] = h5py.ExternalLink(link, "/Acquisition")
    assert read_cmtr(pair.cmtr).link_target == "x.cmcr"


def test_names_do_not_matter_type_ids_do(pair: Pair) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        file.move(UNIT_10, "Spike Sorter/Einheit A")
        file.move("Spike Sorter/Einheit A/Peaks", "Spike Sorter/Einheit A/Spitzen")
        file.move("Spike Sorter", "Sortierer")
    with h5py.File(pair.cmcr, "r+") as file:
        file.move("Acquisition/Digital Data Events", "Acquisition/EventTool @ Digital Data")
        file.move(ANALOG, "Acquisition/Aux 2")
        namesake = file.create_group("Acquisition/Analog Data")
        namesake.attrs["ID.TypeID"] = np.bytes_("11111111-2222-3333-4444-555555555555")
    assert read_cmtr(pair.cmtr).unit_id.tolist() == [1, 2, 10]
    with open_cmcr(pair.cmcr) as recording:
        assert [stream.name for stream in recording.analog] == ["Aux 2"]
        assert len(recording.digital_events.event_id) == 3


@pytest.mark.parametrize("flag", ["u1", "i4", "?"])
def test_peaks_may_have_cut_outs_and_other_flag_types(pair: Pair, flag: str) -> None:
    dtype = [("Timestamp", "<i8"), ("PeakAmplitude", "<f8"), ("IncludePeak", flag)]
    peaks = np.zeros(4, dtype=[*dtype, ("1", "<f8"), ("2", "<f8")])
    peaks["Timestamp"] = [10, 20, 30, 40]
    peaks["IncludePeak"] = [0, 1, 0, 1]
    with h5py.File(pair.cmtr, "r+") as file:
        replace(file[UNIT_10], "Peaks", peaks, chunks=(2,), compression="gzip")
    assert read_cmtr(pair.cmtr).spike_times_s[1:].tolist() == [20e-6, 40e-6]


def test_trains_come_ascending_whatever_the_order_in_the_file(pair: Pair) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        peaks = file[UNIT_10]["Peaks"]
        peaks[...] = peaks[...][::-1]
    assert read_cmtr(pair.cmtr).spike_times_s.tolist() == [0.5, 0.1, 0.25, 1.999999]


def test_long_trains_are_read_in_little_more_than_their_own_memory(tmp_path: Path) -> None:
    times = np.arange(3_000_000) * 1e-3
    write_cmtr(tmp_path / "a.cmtr", [UnitTrain(1, 1, 1, times)], cmcr_path=None, duration_s=3000.0)
    tracemalloc.start()
    sorting = read_cmtr(tmp_path / "a.cmtr")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(sorting.spike_times_s, np.rint(times * 1e6) / 1e6)
    assert peak < 1.6 * times.nbytes


def test_place_without_unit_info_comes_from_the_group(pair: Pair) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        del file[UNIT_10]["Unit Info"]
    sorting = read_cmtr(pair.cmtr)
    assert (sorting.row[2], sorting.column[2]) == (3, 4)
    assert math.isnan(sorting.measures["snr"][2])


def _set_info(**values: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        info = file[UNIT_10]["Unit Info"][...]
        for name, value in values.items():
            info[name] = value
        file[UNIT_10]["Unit Info"][...] = info

    return change


def _set_attribute(**values: int) -> Callable[[h5py.File], None]:
    return lambda file: file[UNIT_10].attrs.update({k: np.array([v]) for k, v in values.items()})


def _nanoseconds(file: h5py.File) -> None:
    peaks = file[UNIT_10]["Peaks"][...]
    peaks["Timestamp"] *= 1000
    file[UNIT_10]["Peaks"][...] = peaks


def _same_number(file: h5py.File) -> None:
    _set_info(UnitID=1)(file)
    _set_attribute(UnitID=1)(file)


def _no_flag(file: h5py.File) -> None:
    replace(file[UNIT_10], "Peaks", np.zeros(3, dtype=[("Timestamp", "<i8"), ("x", "<f8")]))


def _both_sensors(file: h5py.File) -> None:
    _set_info(SensorID=7)(file)
    _set_attribute(SensorID=7)(file)


def _two_infos(file: h5py.File) -> None:
    info = file[UNIT_10]["Unit Info"][...]
    replace(file[UNIT_10], "Unit Info", np.concatenate([info, info]))


def _no_place(file: h5py.File) -> None:
    del file[UNIT_10]["Unit Info"], file[UNIT_10].attrs["Row"]


def _both_places(file: h5py.File) -> None:
    _set_info(Row=66, SensorID=66)(file)
    _set_attribute(Row=66, SensorID=66)(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set_info(Row=5), "Unit 10: Row is 3 on the group but 5"),
        (_set_attribute(UnitID=11), "Unit 10: UnitID is 11 on the group but 10"),
        (_both_places, "row 66"),
        (_same_number, "two units have the same number"),
        (_nanoseconds, "Unit 10: spikes from 100000000 to .* lasts 2.0 s"),
        (_no_flag, "Unit 10: its Peaks .* lack IncludePeak"),
        (lambda file: file[UNIT_10].pop("Peaks"), "Unit 10 has 0 tables of peaks"),
        (lambda file: file.pop("Spike Sorter"), "0 spike sorters"),
        (_both_sensors, "SensorID 7 is not that of column 4, row 3"),
        (_two_infos, "its Unit Info has 2 rows"),
        (_no_place, "does not tell its number, column and row"),
        (lambda file: replace(file[UNIT_10], "Unit Info", np.zeros(1)), "named columns is needed"),
    ],
)
def test_a_sorting_that_contradicts_itself_is_refused(
    pair: Pair, change: Callable[[h5py.File], None], words: str
) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        change(file)
    with pytest.raises(RecordingFileError, match=words) as caught:
        read_cmtr(pair.cmtr)
    assert str(pair.cmtr) in str(caught.value)


def test_numbers_of_units_are_exact(pair: Pair) -> None:
    number = 2**53 + 1  # as a float it would be 2**53
    with h5py.File(pair.cmtr, "r+") as file:
        info = file[UNIT_10]["Unit Info"][...]
        table = file["Spike Sorter/Units"][...]
        types = [(n, "<i8" if n == "UnitID" else info.dtype[n]) for n in info.dtype.names]
        wide, all_wide = info.astype(types), table.astype(types)
        wide["UnitID"] = number
        all_wide["UnitID"][table["UnitID"] == 10] = number
        replace(file[UNIT_10], "Unit Info", wide)
        replace(file["Spike Sorter"], "Units", all_wide)
        file[UNIT_10].attrs["UnitID"] = np.array([number])
    assert read_cmtr(pair.cmtr).unit_id.tolist() == [1, 2, number]
    with h5py.File(pair.cmtr, "r+") as file:
        file[UNIT_10].attrs["UnitID"] = np.array([number - 1])
    with pytest.raises(RecordingFileError, match=f"{number - 1} on the group but {number}"):
        read_cmtr(pair.cmtr)


# --- raw streams ---------------------------------------------------------------------------


def test_analog_blocks_equal_what_was_written(pair: Pair) -> None:
    values = analog_values()
    with open_cmcr(pair.cmcr) as recording:
        (stream,) = recording.analog
        assert (stream.n_channels, stream.n_samples) == (2, 40_000)
        assert (stream.rate_hz, stream.t0_s) == (20_000.0, 0.0)
        assert stream.labels == ("Photodiode", "Frame sync")
        assert np.array_equal(stream.block(1, 39_990, 40_000), values[1, 39_990:])
        blocks = list(stream.blocks(0, size=17_000))
        assert [len(block) for block in blocks] == [17_000, 17_000, 6_000]
        assert np.array_equal(np.concatenate(blocks), values[0])
        assert blocks[0].dtype == np.int32
        with pytest.raises(ParameterError, match="channel 2"):
            stream.block(2, 0, 1)
        with pytest.raises(ParameterError, match="40000 samples"):
            stream.block(0, 0, 40_001)
    assert recording.info.duration_s == 2.0


def test_rate_is_from_tick_and_time_zero_from_the_data(tmp_path: Path) -> None:
    path = tmp_path / "slow.cmcr"
    silence = AnalogTrace(10_000, lambda a, b: np.zeros((2, b - a), np.int32))
    write_cmcr(path, sampling_rate_hz=5000.0, analog=silence)
    with h5py.File(path, "r+") as file:
        file["Acquisition"].attrs["From"] = np.array([700_000])
        file[f"{ANALOG}/ChannelData 1"].attrs["From"] = np.array([250_000])
        file.attrs["LB.RecordingDuration"] = np.array([123])  # not where the rate comes from
    with open_cmcr(path) as recording:
        assert (recording.analog[0].rate_hz, recording.analog[0].t0_s) == (5000.0, 0.25)
    with h5py.File(path, "r+") as file:
        del file[f"{ANALOG}/ChannelData 1"].attrs["From"]
        del file.attrs["LB.RecordingDuration"]
    with open_cmcr(path) as recording:
        assert recording.analog[0].t0_s == 0.7
        assert recording.info.duration_s == pytest.approx(2.7)


def test_two_sweeps_are_two_streams(pair: Pair) -> None:
    later = np.arange(20, dtype=np.int32).reshape(2, 10)
    with h5py.File(pair.cmcr, "r+") as file:
        group = file[ANALOG]
        rows = group["ChannelMeta"][...]
        more = rows.copy()
        more["GroupID"] = 12
        more["Tick"] = 100
        replace(group, "ChannelMeta", np.concatenate([rows, more]))
        second = group.create_dataset("ChannelData 12", data=later)
        second.attrs.update(dict(group["ChannelData 1"].attrs) | {"From": np.array([5_000_000])})
    with open_cmcr(pair.cmcr) as recording:
        first, second = recording.analog
        assert (first.rate_hz, second.rate_hz) == (20_000.0, 10_000.0)
        assert (second.t0_s, second.block(1, 0, 10).tolist()) == (5.0, later[1].tolist())


def test_sensor_blocks_in_microvolts(pair: Pair) -> None:
    counts = sensor_values(500, 4, 3)
    # nV per count at column c, row r, as the trace defines them
    factors = 1000.0 + np.arange(12).reshape(4, 3) / 8
    with open_cmcr(pair.cmcr) as recording:
        sensor = recording.sensor
        assert sensor is not None
        assert sensor.shape == (500, 4, 3)
        assert (sensor.left, sensor.top, sensor.right, sensor.bottom) == (10, 20, 13, 22)
        assert np.array_equal(sensor.counts(490, 500), counts[490:])
        microvolts = sensor.uv(100, 110)
        assert microvolts.dtype == np.float32
        np.testing.assert_allclose(microvolts, counts[100:110] * factors / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    "regions",
    [((1, 1, 1, 65), (1, 65, 65, 65)), ((30, 2, 31, 2), (65, 65, 65, 65))],
)
def test_two_regions_of_any_geometry(
    tmp_path: Path, regions: tuple[tuple[int, int, int, int], ...]
) -> None:
    path = tmp_path / "a.cmcr"
    write_cmcr(path, analog=None, sensor=sensor_trace(*regions[0], n_samples=40))
    write_cmcr(tmp_path / "b.cmcr", analog=None, sensor=sensor_trace(*regions[1], n_samples=30))
    with h5py.File(path, "r+") as file, h5py.File(tmp_path / "b.cmcr") as other:
        rows = other[SENSOR]["SensorMeta"][...]
        rows["RegionID"] = 12
        both = np.concatenate([file[SENSOR]["SensorMeta"][...], rows])
        replace(file[SENSOR], "SensorMeta", both.astype(rows.dtype))
        other.copy(f"{SENSOR}/SensorData 1 1", file[SENSOR], "SensorData 12 1")
    with open_cmcr(path) as recording:
        assert len(recording.sensors) == 2
        for sensor, region, n_samples in zip(recording.sensors, regions, (40, 30), strict=True):
            left, top, right, bottom = region
            size = (right - left + 1, bottom - top + 1)
            assert (sensor.left, sensor.top, sensor.right, sensor.bottom) == region
            assert np.array_equal(sensor.counts(0, n_samples), sensor_values(n_samples, *size))
            expected = 1 + np.arange(size[0] * size[1]).reshape(size) / 8000
            np.testing.assert_allclose(sensor.uv_per_count, expected, rtol=1e-12)
        with pytest.raises(RecordingFileError, match="choose one"):
            _ = recording.sensor


def test_a_recording_without_sensor_stream_or_events(tmp_path: Path) -> None:
    silence = AnalogTrace(10, lambda a, b: np.zeros((2, b - a), np.int32))
    write_cmcr(tmp_path / "a.cmcr", analog=silence)
    with open_cmcr(tmp_path / "a.cmcr") as recording:
        assert recording.sensor is None
        assert recording.digital_events.event_id.shape == (0,)


def test_digital_events_by_time(pair: Pair) -> None:
    with open_cmcr(pair.cmcr) as recording:
        events = recording.digital_events
    assert events.event_id.tolist() == [1, 2, 2]
    assert events.time_s.tolist() == [250e-6, 0.7, 1.5]
    assert events.duration_s.tolist() == [40e-6, 0.0, 0.0]
    assert events.label.tolist() == ["Digital Event 1", "Digital Event 2", "Digital Event 2"]
    assert set(events.stream.tolist()) == {"Digital Data Events"}


def test_text_may_be_of_fixed_length_and_data_chunked(pair: Pair) -> None:
    with h5py.File(pair.cmcr, "r+") as file:
        group = file[ANALOG]
        rows = group["ChannelMeta"][...]
        fixed = np.zeros(2, dtype=[("GroupID", "<u2"), ("Label", "S20"), ("Tick", "<f8")])
        for name in ("GroupID", "Label", "Tick"):
            fixed[name] = rows[name]
        replace(group, "ChannelMeta", fixed)
        values = group["ChannelData 1"][...]
        replace(group, "ChannelData 1", values, chunks=(1, 999), compression="gzip", shuffle=True)
    with open_cmcr(pair.cmcr) as recording:
        assert recording.analog[0].labels == ("Photodiode", "Frame sync")
        assert np.array_equal(recording.analog[0].block(1, 500, 1500), analog_values()[1, 500:1500])


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("Region.Right", 12, "4 columns|3 columns and 3 rows"),
        ("Conversion Factors", "1 2 3", "3 conversion factors"),
        ("Conversion Factors", "x " * 12, "must be numbers"),
        ("Tick", 0, "one above zero"),
        ("RegionID", 2, "described by 0 rows"),
    ],
)
def test_sensor_metadata_that_do_not_fit_are_refused(
    pair: Pair, field: str, value: object, words: str
) -> None:
    with h5py.File(pair.cmcr, "r+") as file:
        rows = file[SENSOR]["SensorMeta"][...]
        rows[field] = value
        file[SENSOR]["SensorMeta"][...] = rows
    with (
        open_cmcr(pair.cmcr) as recording,
        pytest.raises(RecordingFileError, match=words) as caught,
    ):
        _ = recording.sensors
    assert str(pair.cmcr) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda group: group.pop("ChannelMeta"), "'Analog Data' has 0 tables of metadata"),
        (lambda group: replace(group, "ChannelData 1", np.zeros(9)), "float64 .* integers"),
        (lambda group: replace(group, "ChannelData 1", np.zeros((3, 9), int)), "has 3 channels"),
        (lambda group: group.move("ChannelData 1", "ChannelData"), r"end in 1 number\(s\)"),
    ],
)
def test_analog_streams_that_are_not_as_announced_are_refused(
    pair: Pair, change: Callable[[h5py.Group], None], words: str
) -> None:
    with h5py.File(pair.cmcr, "r+") as file:
        change(file[ANALOG])
    with open_cmcr(pair.cmcr) as recording, pytest.raises(RecordingFileError, match=words) as found:
        _ = recording.analog
    assert str(pair.cmcr) in str(found.value)


# --- pairs ---------------------------------------------------------------------------------


def test_a_pair_that_belongs_together(pair: Pair) -> None:
    with open_cmcr(pair.cmcr) as recording:
        assert check_pair(read_cmtr(pair.cmtr), recording) == []


def test_a_wrong_pair_is_told_by_the_link_not_by_the_name(pair: Pair) -> None:
    other = pair.cmcr.rename(pair.cmcr.with_name("2025.04.10-Rec-.cmcr"))  # same stem as .cmtr
    with open_cmcr(other) as recording:
        (told,) = check_pair(read_cmtr(pair.cmtr), recording)
    assert "made from 2025.04.10-Rec.cmcr" in told
    assert "2025.04.10-Rec-.cmcr was given" in told


def test_a_link_to_the_recording_is_named_like_its_target_too(pair: Pair, tmp_path: Path) -> None:
    link = tmp_path / "link.cmcr"
    link.symlink_to(pair.cmcr)
    with open_cmcr(link) as recording:
        assert check_pair(read_cmtr(pair.cmtr), recording) == []
    elsewhere = tmp_path / "store" / "0815.bin"
    elsewhere.parent.mkdir()
    pair.cmcr.rename(elsewhere)
    pair.cmcr.symlink_to(elsewhere)
    with open_cmcr(pair.cmcr) as recording:
        assert check_pair(read_cmtr(pair.cmtr), recording) == []
    with open_cmcr(elsewhere) as recording:
        (told,) = check_pair(read_cmtr(pair.cmtr), recording)
    assert "0815.bin was given" in told


def test_durations_that_differ_and_a_missing_link_are_told(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "b.cmtr"
    write_cmtr(path, [], cmcr_path=None, duration_s=1.9)
    with open_cmcr(pair.cmcr) as recording:
        no_link, durations = check_pair(read_cmtr(path), recording)
    assert "does not tell" in no_link
    assert "b.cmtr says 1.900 s" in durations
    assert "2.000 s" in durations


# --- what is refused -----------------------------------------------------------------------


def test_files_of_other_kinds_are_refused_with_a_reason(pair: Pair, tmp_path: Path) -> None:
    text, plain, export, pipe = (tmp_path / name for name in ("a.txt", "b.h5", "c.h5", "pipe"))
    text.write_text("not a recording")
    with h5py.File(plain, "w") as file:
        file["x"] = 1
    with h5py.File(export, "w") as file:
        file.attrs["McsHdf5ProtocolType"] = np.bytes_("RawData")
    os.mkfifo(pipe)
    for path, words in [
        (text, "not an HDF5 file"),
        (plain, "no CMOS-MEA file"),
        (export, "DataManager"),
        (pipe, "named pipe"),
        (tmp_path, "a folder"),
    ]:
        for read in (open_cmcr, read_cmtr, describe):
            with pytest.raises(RecordingFileError, match=words) as caught:
                read(path)
            assert str(path) in str(caught.value)
    for read in (open_cmcr, read_cmtr, describe, file_digest):
        with pytest.raises(FileMissingError, match=r"none\.cmcr"):
            read(tmp_path / "none.cmcr")
    with pytest.raises(
        RecordingFileError, match=r"is a sorted recording \(\.cmtr\).*Give it as cmtr_path"
    ):
        open_cmcr(pair.cmtr)
    with pytest.raises(RecordingFileError, match=r"is a raw recording \(\.cmcr\).*as cmcr_path"):
        read_cmtr(pair.cmcr)
    with h5py.File(pair.cmcr, "r+") as file:
        del file["Acquisition"]
    with pytest.raises(RecordingFileError, match=r"has 0 acquisitions; a \.cmcr file with one"):
        open_cmcr(pair.cmcr)
    # The system refuses the path itself, and to read what it opened.
    with pytest.raises(RecordingFileError, match="cannot be opened: File name too long"):
        open_cmcr(tmp_path / ("x" * 300))
    with pytest.raises(RecordingFileError, match=r"/proc/self/mem cannot be read: .*Input/output"):
        file_digest(Path("/proc/self/mem"))


def test_more_than_any_recording_has_is_refused(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdmea.mcs.tables.MAX_TABLE_BYTES", 10)
    with pytest.raises(RecordingFileError, match="has 1 rows, more than a table may have"):
        read_cmtr(pair.cmtr)
    monkeypatch.setattr("hdmea.mcs.safe_h5.MAX_CHILDREN", 1)
    with pytest.raises(RecordingFileError, match="more than the 1 any recording has"):
        read_cmtr(pair.cmtr)


@pytest.mark.parametrize("what", ["the file", "its folder"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    # root may read everything, so the system's answer is given in its place
    def denied(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    for name in ("open",) if what == "the file" else ("stat", "open"):
        monkeypatch.setattr(Path, name, denied)
    for read in (open_cmcr, read_cmtr, describe, file_digest):
        with pytest.raises(RecordingFileError, match="permission denied") as caught:
            read(pair.cmcr)
        assert str(pair.cmcr) in str(caught.value)
        assert "damaged" not in str(caught.value)


def test_truncated_files_are_found(pair: Pair) -> None:
    for path, read in ((pair.cmcr, open_cmcr), (pair.cmtr, read_cmtr)):
        whole = path.read_bytes()
        for length in np.linspace(0, len(whole) - 1, 23, dtype=int).tolist():
            path.write_bytes(whole[:length])
            with pytest.raises(RecordingFileError, match=path.name):
                read(path)


def _external_link(file: h5py.File, elsewhere: Path) -> None:
    file.move(ANALOG, "kept")
    with h5py.File(elsewhere, "w") as other:
        file.copy("kept", other, "stream")
    file[ANALOG] = h5py.ExternalLink(str(elsewhere), "/stream")


def _soft_link(file: h5py.File, elsewhere: Path) -> None:
    _ = elsewhere
    file.move(ANALOG, "kept")
    file[ANALOG] = h5py.SoftLink("/kept")


@pytest.mark.parametrize("change", [_external_link, _soft_link])
def test_links_are_not_followed_and_nothing_is_left_out_in_silence(
    pair: Pair, tmp_path: Path, change: Callable
) -> None:
    with h5py.File(pair.cmcr, "r+") as file:
        change(file, tmp_path / "elsewhere.h5")
    with (
        open_cmcr(pair.cmcr) as recording,
        pytest.raises(RecordingFileError, match="Analog Data is a link to another place"),
    ):
        _ = recording.analog
    with h5py.File(pair.cmtr, "r+") as file:
        file.move(UNIT_10, "kept")
        file[UNIT_10] = h5py.SoftLink("/kept")
    with pytest.raises(RecordingFileError, match="Unit 10 is a link to another place"):
        read_cmtr(pair.cmtr)


def _external_storage(group: h5py.Group, folder: Path) -> h5py.Dataset:
    secret = folder / "secret"
    secret.write_bytes(bytes(8000))
    return group.create_dataset(
        "ChannelData 1", (2, 1000), "<i4", external=[(str(secret), 0, 8000)]
    )


def _virtual(group: h5py.Group, folder: Path) -> h5py.Dataset:
    layout = h5py.VirtualLayout((2, 1000), "<i4")
    layout[:] = h5py.VirtualSource(str(folder / "missing.h5"), "x", (2, 1000))
    return group.create_virtual_dataset("ChannelData 1", layout)


def _bomb(group: h5py.Group, folder: Path) -> h5py.Dataset:
    _ = folder
    return group.create_dataset("ChannelData 1", (2, 10**14), "<i4", chunks=(1, 1000))


def _unwritten_tail(group: h5py.Group, folder: Path) -> h5py.Dataset:
    _ = folder
    dataset = group.create_dataset("ChannelData 1", (2, 10_000), "<i4", chunks=(2, 100))
    dataset[:, :5000] = 1
    return dataset


def _foreign_filter(group: h5py.Group, folder: Path) -> h5py.Dataset:
    _ = folder
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((2, 100))
    creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((2, 1000))
    return h5py.Dataset(
        h5py.h5d.create(group.id, b"ChannelData 1", h5py.h5t.STD_I32LE, space, creation)
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_external_storage, "keeps its data in other files"),
        (_virtual, "keeps its data in other files"),
        (_bomb, "declares 800000000000000 bytes"),
        (_unwritten_tail, "not written to its end"),
        (_foreign_filter, "filter 32015"),
    ],
)
def test_data_that_are_not_in_the_file_are_refused(
    pair: Pair, tmp_path: Path, make: Callable, words: str
) -> None:
    with h5py.File(pair.cmcr, "r+") as file:
        attributes = dict(file[ANALOG]["ChannelData 1"].attrs)
        del file[ANALOG]["ChannelData 1"]
        make(file[ANALOG], tmp_path).attrs.update(attributes)
    with (
        open_cmcr(pair.cmcr) as recording,
        pytest.raises(RecordingFileError, match=words) as caught,
    ):
        _ = recording.analog
    assert str(pair.cmcr) in str(caught.value)


def test_reading_changes_nothing(pair: Pair) -> None:
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in (pair.cmcr, pair.cmtr)]
    for path in (pair.cmcr, pair.cmtr):
        path.chmod(0o444)
    with open_cmcr(pair.cmcr) as recording:
        recording.analog[0].block(0, 0, 10)
    read_cmtr(pair.cmtr)
    describe(pair.cmtr)
    after = [(path.read_bytes(), path.stat().st_mtime_ns) for path in (pair.cmcr, pair.cmtr)]
    assert after == before


# --- digest and description ----------------------------------------------------------------


def test_digest_of_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.cmcr"
    path.write_bytes(b"abc" * 1000)
    sha256 = hashlib.sha256(b"abc" * 1000).hexdigest()
    assert file_digest(path) == (3000, sha256, "full", file_stamp(path))
    with pytest.raises(RecordingFileError, match="is a folder; a"):
        file_digest(tmp_path)


def test_digest_of_a_large_file_samples_both_ends_and_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest, "_SAMPLE_BYTES", 4)
    monkeypatch.setattr(digest, "_N_SAMPLES", 3)
    path = tmp_path / "a.cmcr"

    def sampled(content: bytes) -> str:
        path.write_bytes(content)
        size, sha256, method, _ = file_digest(path, full_limit_bytes=10)
        assert (size, method) == (len(content), "sampled")
        return sha256

    plain = bytes(range(20))
    # three samples of four bytes from 0, 8 and 16
    assert (
        sampled(plain) == hashlib.sha256(b"20" + plain[:4] + plain[8:12] + plain[16:]).hexdigest()
    )
    changed = [b"x" + plain[1:], plain[:-1] + b"x", plain[:8] + b"x" + plain[9:], plain + b"x"]
    assert len({sampled(content) for content in [plain, *changed]}) == 5
    assert sampled(plain[:5] + b"x" + plain[6:]) == sampled(plain)  # between the samples


def test_description_in_plain_words(pair: Pair) -> None:
    raw, sorted_ = describe(pair.cmcr), describe(pair.cmtr)
    json.dumps([raw, sorted_], allow_nan=False)
    assert raw["contents"]["analog"][0]["rate_hz"] == 20_000.0
    assert raw["contents"]["sensors"][0]["rows"] == [20, 22]
    assert sorted_["contents"]["unit_ids"] == [1, 2, 10]
    assert sorted_["contents"]["n_spikes"] == 4
    text = render(raw)
    assert "analog 'Analog Data': Photodiode, Frame sync; 40000 samples at 20000 Hz" in text
    assert "ChannelData 1  2 x 40000: int32" in text
    text = render(sorted_)
    assert "3 units, numbers 1 to 10" in text
    assert "made from 2025.04.10-Rec.cmcr" in text
    assert "Unit 1/  (and 2 more of this type)" in text


def test_anonymous_description_has_structure_and_nothing_else(pair: Pair) -> None:
    for path in (pair.cmcr, pair.cmtr):
        with h5py.File(path, "r+") as file:
            file.attrs["LB.User"] = np.bytes_("Jane Doe")
            file.attrs["ID.Instance"] = np.bytes_("C:\\Jane\\secret.cmcr")
            file["patient Doe"] = np.arange(3)
            if path == pair.cmcr:
                file.move(ANALOG, "Acquisition/Doe's diode")
        described = describe(path, anonymous=True)
        text = json.dumps(described, allow_nan=False) + render(described)
        for secret in ("Doe", "Jane", "secret", "2025.04.10", "2020", "diode", str(path.parent)):
            assert secret not in text
        for name in ("LB.User", "ProgramVersion", "DateTime"):
            assert name in described["objects"][0]["attributes"]
    names = [one["name"] for one in described["objects"]]
    assert "/SpikeSorter 1/SingleUnit 3/Peaks 1" in names
    (peaks, *_) = (one for one in described["objects"] if one["name"].endswith("Peaks 1"))
    assert peaks["dtype"] == {
        "Timestamp": "int64",
        "PeakAmplitude": "float64",
        "IncludePeak": "uint8",
    }


def test_a_file_the_reader_refuses_is_described_with_the_reason(pair: Pair) -> None:
    with h5py.File(pair.cmtr, "r+") as file:
        _nanoseconds(file)
    described = describe(pair.cmtr)
    assert not described["understood"]
    assert "microseconds" in described["problem"]
    assert "NOT UNDERSTOOD" in render(described)
    assert "problem" not in describe(pair.cmtr, anonymous=True)


def test_depth_and_cycles_do_not_hang_the_description(tmp_path: Path) -> None:
    path = tmp_path / "deep.cmcr"
    with h5py.File(path, "w") as file:
        file.attrs["ID.TypeID"] = np.bytes_(typeids.ROOT)
        group = file
        for _ in range(2 * MAX_DEPTH):
            group = group.create_group("g")
        file["g/cycle"] = file["/"]
    names = [one["name"] for one in describe(path)["objects"]]
    assert max(name.count("/") for name in names) <= MAX_DEPTH + 1
    assert "/g/cycle" in names
