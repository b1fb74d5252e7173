"""The simulator's files, judged by the vendor's own reader."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from mcs_recordings import analog_values, sensor_trace, sensor_values, write_pair

from hdmea.errors import OutputWriteError, ParameterError
from hdmea.simulate.mcs_files import (
    AnalogTrace,
    DigitalEvents,
    SensorTrace,
    UnitTrain,
    write_cmcr,
    write_cmtr,
)

# Through the vendor's public names only, in a child: there, and only there, `int` is replaced.
READ_WITH_VENDOR = """
import contextlib, json, sys
from hdmea.mcs.vendor import vendor_reader
with contextlib.redirect_stdout(sys.stderr):
    McsData = vendor_reader().McsData
    raw, sorted_ = McsData(sys.argv[1]), McsData(sys.argv[2])
    streams = raw.Acquisition
    sensor = streams.Sensor_Data
    analog = streams.Analog_Data
    events = streams.Digital_Data_Events
    said = {
        "program": raw.attributes["ProgramName"],
        "duration": int(raw.attributes["LB.RecordingDuration"]),
        "date": sorted_.attributes["DateTime"],
        "analog": analog.Data[0][()].tolist(),
        "analog_tick": analog.ChannelMeta.Tick.tolist(),
        "sensor": sensor.SensorData[0][()].tolist(),
        "region": [int(sensor.SensorMeta["Region." + side][0])
                   for side in ("Left", "Top", "Right", "Bottom")],
        "factors": sensor.SensorMeta["Conversion Factors"][0].decode(),
        "regions": list(sensor.Regions), "chunks": list(analog.DataChunk),
        "events": [[int(e[name]) for name in ("EventID", "TimeStamp", "Duration")]
                   for e in events.EventData[()]],
        "event_kinds": len(events.EventEntity),
        "linked": sorted_.Acquisition.Analog_Data.Data[0].shape,
        "units": {}, "measures": sorted_.Spike_Sorter.get_unit_measures(),
        "table": sorted_.Spike_Sorter.Units["UnitID"].tolist(),
        "columns": list(sorted_.Spike_Sorter.Units.dtype.names),
    }
    for unit in sorted_.Spike_Sorter.get_units_by_id():
        peaks = unit.Peaks[()]
        said["units"][str(unit.Unit_Info["UnitID"][0])] = {
            "spikes": unit.get_peaks_timestamps().tolist() if len(peaks) else [],
            "all": peaks["Timestamp"].tolist(), "include": peaks["IncludePeak"].tolist(),
            "row": int(unit.attributes["Row"]), "column": int(unit.attributes["Column"]),
            "sensor": int(unit.attributes["SensorID"]), "info_row": int(unit.Unit_Info["Row"][0]),
            "snr": unit.get_measure("SNR") if len(peaks) else None,
        }
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What McsPyDataTools reads from a written pair."""
    pair = write_pair(tmp_path_factory.mktemp("pair"), sensor_trace(10, 20, 13, 22))
    here = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_WITH_VENDOR, pair.cmcr, pair.cmtr],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": here},
    )
    assert done.returncode == 0, done.stderr
    assert "Error opening" not in done.stderr
    return json.loads(done.stdout)


def test_vendor_reads_the_analog_stream_back(vendor: dict) -> None:
    assert np.array_equal(vendor["analog"], analog_values())
    assert vendor["analog_tick"] == [50, 50]
    assert vendor["chunks"] == ["1"] or vendor["chunks"] == [1]


def test_vendor_reads_the_sensor_stream_back(vendor: dict) -> None:
    assert np.array_equal(vendor["sensor"], sensor_values(500, 4, 3))
    assert vendor["region"] == [10, 20, 13, 22]
    # 4 columns, 3 rows, the column running fastest; a blank at the end as in real files.
    assert vendor["factors"] == (
        "1000 1000.375 1000.75 1001.125 "
        "1000.125 1000.5 1000.875 1001.25 "
        "1000.25 1000.625 1001 1001.375 "
    )


def test_vendor_reads_the_events_back(vendor: dict) -> None:
    assert vendor["events"] == [[2, 1_500_000, 0], [1, 250, 40], [2, 700_000, 0]]
    assert vendor["event_kinds"] == 2


def test_vendor_reads_metadata_and_follows_the_link(vendor: dict) -> None:
    assert vendor["program"] == "CMOS-MEA-Control"
    assert vendor["duration"] == 2_000_000
    assert vendor["date"] == "01.01.2020 12:00:00"
    assert vendor["linked"] == [2, 40_000]


def test_vendor_reads_units_and_peaks_back(vendor: dict) -> None:
    assert list(vendor["units"]) == ["1", "2", "10"]
    assert vendor["table"] == [10, 2, 1]
    ten = vendor["units"]["10"]
    assert ten["spikes"] == [100_000, 250_000, 1_999_999]
    assert ten["all"] == [50_000, 100_000, 200_000, 250_000, 1_500_000, 1_999_999]
    assert ten["include"] == [0, 1, 0, 1, 0, 1]
    assert (ten["row"], ten["info_row"], ten["column"]) == (3, 3, 4)
    assert ten["sensor"] == 65 * 3 + 3
    assert ten["snr"] > 4
    assert vendor["units"]["2"]["all"] == []
    assert vendor["units"]["1"]["spikes"] == [500_000]
    assert vendor["units"]["1"]["sensor"] == 65 * 63 + 65


def test_the_units_table_has_the_columns_of_real_files(vendor: dict) -> None:
    assert len(vendor["columns"]) == 18
    assert set(vendor["columns"][:5]) == {"UnitID", "RoiID", "SensorID", "Column", "Row"}
    assert vendor["measures"][:3] == ["SDScore", "AmplitudeSD", "RSTD"]


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = write_pair(tmp_path / "a", sensor_trace(1, 1, 2, 3))
    second = write_pair(tmp_path / "b", sensor_trace(1, 1, 2, 3))
    assert first.cmcr.read_bytes() == second.cmcr.read_bytes()
    assert first.cmtr.read_bytes() == second.cmtr.read_bytes()


def test_every_object_is_named_as_the_vendor_needs_it(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, sensor_trace(1, 1, 2, 2))
    instances = []

    def check(_: str, node: h5py.Group | h5py.Dataset) -> None:
        for key in ("ID.Type", "ID.TypeID", "ID.Instance", "ID.InstanceID"):
            assert isinstance(node.attrs[key], np.bytes_), (node.name, key)
        instances.append(node.attrs["ID.InstanceID"])
        for key, value in node.attrs.items():
            assert isinstance(value, np.bytes_) or value.shape == (1,), (node.name, key)

    for path in (pair.cmcr, pair.cmtr):
        with h5py.File(path) as file:
            check("/", file)
            file.visititems(check)
    assert len(set(instances)) == len(instances)


def test_streams_are_asked_for_in_blocks(tmp_path: Path) -> None:
    asked: list[tuple[int, int]] = []

    def block(start: int, stop: int) -> np.ndarray:
        asked.append((start, stop))
        return np.full((2, stop - start), start // 2**20, dtype=np.int32)

    n_samples = 9_000_000
    write_cmcr(tmp_path / "long.cmcr", analog=AnalogTrace(n_samples, block))
    assert max(stop - start for start, stop in asked) * 8 <= 32 * 2**20
    assert [start for start, _ in asked[1:]] == [stop for _, stop in asked[:-1]]
    assert (asked[0][0], asked[-1][1]) == (0, n_samples)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"sampling_rate_hz": 30_000.0}, "whole microseconds"),
        ({"analog": None}, "needs an analog or a sensor"),
        ({"analog": AnalogTrace(10, lambda a, b: np.zeros((2, b - a)))}, "float64"),
        ({"analog": AnalogTrace(10, lambda a, b: np.zeros((1, b - a), np.int32))}, r"\(1, 10\)"),
        ({"sensor": sensor_trace(64, 1, 66, 2)}, "not on the chip"),
        (
            {
                "sensor": SensorTrace(
                    1, 1, 2, 3, 5, lambda a, b: np.zeros((b - a, 2, 3), np.int16), np.ones((3, 2))
                )
            },
            "must agree",
        ),
    ],
)
def test_a_recording_that_cannot_be_is_refused(tmp_path: Path, change: dict, word: str) -> None:
    path = tmp_path / "a.cmcr"
    good = {"analog": AnalogTrace(10, lambda a, b: np.zeros((2, b - a), np.int32))}
    with pytest.raises(ParameterError, match=word):
        write_cmcr(path, **(good | change))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("train", "word"),
    [
        (UnitTrain(1, 1, 1, np.array([0.2, 0.1])), "ascending"),
        (UnitTrain(1, 1, 1, np.array([np.nan])), "finite"),
        (UnitTrain(1, 1, 1, np.array([0.1, 1.1])), "must lie in the recording"),
        (UnitTrain(1, 1, 1, np.array([]), np.array([-0.1])), "must lie in the recording"),
        (UnitTrain(1, 66, 1, np.array([0.1])), "not on the chip"),
        (UnitTrain(-1, 1, 1, np.array([0.1])), "unit numbers"),
        (UnitTrain(2, 1, 1, np.array([0.1])), "unit numbers"),
    ],
)
def test_units_that_cannot_be_are_refused(tmp_path: Path, train: UnitTrain, word: str) -> None:
    other = UnitTrain(2, 1, 1, np.array([0.1]))
    with pytest.raises(ParameterError, match=word):
        write_cmtr(tmp_path / "a.cmtr", [other, train], cmcr_path=None, duration_s=1.0)
    assert list(tmp_path.iterdir()) == []


def test_link_to_another_folder_is_refused(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "a.cmcr"
    with pytest.raises(ParameterError, match="different folders"):
        write_cmtr(tmp_path / "a.cmtr", [], cmcr_path=elsewhere, duration_s=1.0)


def test_a_failed_write_keeps_the_old_file_and_names_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.cmcr"
    path.write_bytes(b"old")

    def block(start: int, stop: int) -> np.ndarray:
        raise ZeroDivisionError(start, stop)

    with pytest.raises(ZeroDivisionError):
        write_cmcr(path, analog=AnalogTrace(10, block), events=None)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    below_a_file = path / "a.cmcr"
    with pytest.raises(OutputWriteError, match="could not write") as caught:
        write_cmcr(below_a_file, analog=AnalogTrace(0, block))
    assert caught.value.filename == str(below_a_file)
    assert path.read_bytes() == b"old"


def test_events_and_units_may_be_none_at_all(tmp_path: Path) -> None:
    none = np.array([], dtype=np.int64)
    analog = AnalogTrace(10, lambda a, b: np.zeros((2, b - a), np.int32))
    write_cmcr(tmp_path / "a.cmcr", analog=analog, events=DigitalEvents(none, none, none))
    write_cmtr(tmp_path / "a.cmtr", [], cmcr_path=tmp_path / "a.cmcr", duration_s=1.0)
    with h5py.File(tmp_path / "a.cmtr") as file:
        assert file["Spike Sorter/Units"].shape == (0,)
        assert file.get("Acquisition", getlink=True).filename == "a.cmcr"
