"""Recordings written as ``.cmcr`` and ``.cmtr`` files that the vendor's own reader opens.

Same input, same bytes: identifiers are derived from names, nothing carries a clock. Streams
are asked for block by block, so that memory stays bounded whatever the length.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.mcs import typeids
from hdmea.mcs.chip import format_conversion_factors, sensor_id
from hdmea.simulate.sorting import MEASURES, PEAK_THRESHOLD, UnitTrain, measures, peak_table
from hdmea.store.atomic import atomic_hdf5

FIXED_START: Final = datetime(2020, 1, 1, 12, tzinfo=UTC)
"""Start of a recording whose start was not given. The format keeps no time zone."""

_NAMESPACE: Final = uuid.UUID("6f2d8a52-5c0e-5d0a-9a53-0d4a6e0c7b11")
_TEXT: Final = h5py.string_dtype("utf-8")
_BLOCK_BYTES: Final = 32 * 2**20

_CHANNEL_META: Final = np.dtype(
    [
        ("ChannelID", "<i4"), ("GroupID", "<i4"), ("Label", _TEXT), ("Unit", _TEXT),
        ("Exponent", "<i4"), ("Tick", "<i8"), ("ConversionFactor", "<i8"), ("ADCBits", "<i4"),
    ]
)  # fmt: skip
_SENSOR_META: Final = np.dtype(
    [
        ("RegionID", "<i4"), ("GroupID", "<i4"), ("Label", _TEXT), ("Unit", _TEXT),
        ("Exponent", "<i4"), ("ADCBits", "<i4"), ("Tick", "<i8"),
        ("Region.Left", "<i4"), ("Region.Top", "<i4"),
        ("Region.Right", "<i4"), ("Region.Bottom", "<i4"), ("Conversion Factors", _TEXT),
    ]
)  # fmt: skip
_EVENT_DATA: Final = np.dtype(
    [("EventID", "<i4"), ("TimeStamp", "<i8"), ("Duration", "<i8"), ("Info", _TEXT)]
)
_EVENT_META: Final = np.dtype([("EventID", "<i4"), ("Label", _TEXT), ("SourceChannelIDs", _TEXT)])
_UNIT_INFO: Final = np.dtype(
    [(name, "<i4") for name in ("UnitID", "RoiID", "SensorID", "Column", "Row")]
    + [(name, "<f8") for name in MEASURES]
    + [("Tags", _TEXT)]
)


@dataclass(frozen=True, slots=True, eq=False)
class AnalogTrace:
    """The auxiliary analog stream: photodiode and frame sync.

    Parameters
    ----------
    n_samples
        Length at the recording's sampling rate.
    block
        ``block(start, stop)`` gives the samples ``[start, stop)`` as int32 counts, shape
        ``(2, stop - start)``: row 0 photodiode, row 1 frame sync. Asked for in order.
    """

    n_samples: int
    block: Callable[[int, int], npt.NDArray[np.int32]]


@dataclass(frozen=True, slots=True, eq=False)
class SensorTrace:
    """The sensor stream of one rectangular region of the chip.

    Parameters
    ----------
    left, top, right, bottom
        First and last column and row, 1-based and inclusive.
    n_samples
        Length at the recording's sampling rate.
    block
        ``block(start, stop)`` gives int16 counts, shape ``(stop - start, columns, rows)``.
        Asked for in order.
    conversion_factors
        nV per count, shape ``(columns, rows)``.
    """

    left: int
    top: int
    right: int
    bottom: int
    n_samples: int
    block: Callable[[int, int], npt.NDArray[np.int16]]
    conversion_factors: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DigitalEvents:
    """Events on the digital port: number of the kind, start and duration in microseconds."""

    event_id: npt.NDArray[np.int64]
    time_us: npt.NDArray[np.int64]
    duration_us: npt.NDArray[np.int64]


def write_cmcr(
    path: Path | str,
    *,
    sampling_rate_hz: float = 20000.0,
    analog: AnalogTrace | None,
    sensor: SensorTrace | None = None,
    events: DigitalEvents | None = None,
    started_at: datetime = FIXED_START,
) -> None:
    """Write a raw recording; an existing file of that name is replaced.

    Raises
    ------
    ParameterError
        If there is no stream, a rate is no whole number of microseconds per sample, a region
        leaves the chip, or a block has another shape or type than announced.
    OutputWriteError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> silence = AnalogTrace(1000, lambda start, stop: np.zeros((2, stop - start), np.int32))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_cmcr(Path(folder) / "a.cmcr", analog=silence)
    """
    path = Path(path)
    tick = _tick_us(sampling_rate_hz)
    lengths = [stream.n_samples for stream in (analog, sensor) if stream is not None]
    if not lengths:
        # Cause: neither was given.
        raise ParameterError(f"{path.name}: a recording needs an analog or a sensor stream")
    duration_us = max(lengths) * tick
    with _new_file(path, "CMOS-MEA-Control", "2.0.0.0", duration_us, started_at) as root:
        acquisition = _group(root, "Acquisition", typeids.ACQUISITION)
        _numbers(acquisition, From=0, To=duration_us)
        if sensor is not None:
            _write_sensor(acquisition, sensor, tick)
        if analog is not None:
            _write_analog(acquisition, analog, tick)
        if events is not None:
            _write_events(acquisition, events)


def write_cmtr(
    path: Path | str,
    units: Sequence[UnitTrain],
    *,
    cmcr_path: Path | str | None,
    duration_s: float,
    sampling_rate_hz: float = 20000.0,
    started_at: datetime = FIXED_START,
) -> None:
    """Write the sorted units of a recording; an existing file of that name is replaced.

    Parameters
    ----------
    path
        The ``.cmtr`` file.
    units
        Any order, any numbers; the file sorts its names as text, as real ones do.
    cmcr_path
        The raw recording that the file's ``Acquisition`` links to, in the same folder; it need
        not exist yet.
    duration_s
        Length of the recording.

    Raises
    ------
    ParameterError
        If a number occurs twice, a train is not ascending or leaves the recording, a unit is
        not on the chip, or the raw recording is to lie in another folder.
    OutputWriteError
        If the file cannot be written.
    """
    path = Path(path)
    if cmcr_path is not None and Path(cmcr_path).resolve().parent != path.resolve().parent:
        raise ParameterError(
            f"{path} and {cmcr_path} are in different folders: the link between a .cmtr and its "
            ".cmcr is a bare file name, write both into one folder"
        )
    numbers = [unit.unit_id for unit in units]
    if len(set(numbers)) != len(numbers) or any(not 0 <= number < 2**31 for number in numbers):
        raise ParameterError(f"{path.name}: unit numbers must differ and fit the format's int32")
    tick = _tick_us(sampling_rate_hz)
    duration_us = round(duration_s * 1e6)
    with _new_file(path, "CMOS-MEA-Tools", "2.4.0.0", duration_us, started_at) as root:
        if cmcr_path is not None:
            root["Acquisition"] = h5py.ExternalLink(Path(cmcr_path).name, "/Acquisition")
        sorter = _group(root, "Spike Sorter", typeids.SPIKE_SORTER)
        table = np.zeros(len(units), dtype=_UNIT_INFO)
        for index, unit in enumerate(units):
            peaks = peak_table(unit, duration_us)
            info = _unit_info(unit, index + 1, peaks)
            table[index] = info[0]
            group = _group(sorter, f"Unit {unit.unit_id}", typeids.UNIT)
            for name in ("UnitID", "SensorID", "Row", "Column"):
                group.attrs[name] = info[name]
            dataset = _dataset(group, "Peaks", typeids.PEAKS, peaks)
            _numbers(dataset, Tick=tick)
            dataset.attrs["AmplitudeThreshold"] = np.array([PEAK_THRESHOLD])
            _dataset(group, "Unit Info", typeids.UNIT_INFO, info)
        _dataset(sorter, "Units", typeids.UNITS_TABLE, table)


def _tick_us(sampling_rate_hz: float) -> int:
    tick = round(1e6 / sampling_rate_hz)
    if tick < 1 or abs(tick * sampling_rate_hz - 1e6) > 1e-6:
        # Cause: the rate is not one that the vendor's devices have.
        raise ParameterError(
            f"sampling_rate_hz={sampling_rate_hz}: the format keeps whole microseconds per "
            "sample; use e.g. 20000, 10000 or 5000"
        )
    return tick


@contextmanager
def _new_file(
    path: Path, program: str, version: str, duration_us: int, started_at: datetime
) -> Iterator[h5py.Group]:
    """Give a root group with its attributes; the file gets its name once it is whole."""
    with atomic_hdf5(path) as (file, _):
        root = file["/"]
        # The vendor's software writes the original name here; so the bytes depend on the
        # file's name alone, not on its folder.
        _identify(root, typeids.ROOT, path.name)
        _numbers(root, FileVersion=1)
        root.attrs["DateTime"] = np.bytes_(started_at.strftime("%d.%m.%Y %H:%M:%S"))
        root.attrs["ProgramName"] = np.bytes_(program)
        root.attrs["ProgramVersion"] = np.bytes_(version)
        root.attrs["LB.RecordingDuration"] = np.array([duration_us], dtype=np.int64)
        yield root


def _identify(node: h5py.Group | h5py.Dataset, type_id: str, name: str) -> None:
    """Set the four attributes of every object, fixed-length: the vendor reads no other text."""
    root_name = name if type_id == typeids.ROOT else node.file.attrs["ID.Instance"].decode()
    instance_id = uuid.uuid5(_NAMESPACE, f"{root_name}:{node.name}")
    node.attrs["ID.Type"] = np.bytes_(typeids.NAMES[type_id])
    node.attrs["ID.TypeID"] = np.bytes_(type_id)
    node.attrs["ID.Instance"] = np.bytes_(name.encode())
    node.attrs["ID.InstanceID"] = np.bytes_(str(instance_id))


def _numbers(node: h5py.Group | h5py.Dataset, **values: int) -> None:
    for name, value in values.items():
        node.attrs[name] = np.array([value], dtype=np.int64)


def _group(parent: h5py.Group, name: str, type_id: str) -> h5py.Group:
    group = parent.create_group(name)
    _identify(group, type_id, name)
    return group


def _stream(acquisition: h5py.Group, name: str, type_id: str, subtype: str) -> h5py.Group:
    group = _group(acquisition, name, type_id)
    group.attrs["SubType"] = np.bytes_(subtype)
    return group


def _dataset(parent: h5py.Group, name: str, type_id: str, data: npt.NDArray[Any]) -> h5py.Dataset:
    dataset = parent.create_dataset(name, data=data)
    _identify(dataset, type_id, name)
    return dataset


def _fill(
    dataset: h5py.Dataset, n_samples: int, axis: int, block: Callable[[int, int], npt.NDArray[Any]]
) -> None:
    """Write blocks along one axis; each must be exactly what was announced."""
    bytes_per_sample = dataset.dtype.itemsize * int(np.prod(np.delete(dataset.shape, axis)))
    step = max(1, _BLOCK_BYTES // bytes_per_sample)
    for start in range(0, n_samples, step):
        stop = min(start + step, n_samples)
        data = block(start, stop)
        shape = (*dataset.shape[:axis], stop - start, *dataset.shape[axis + 1 :])
        if data.shape != shape or data.dtype != dataset.dtype:
            # Cause: the function that makes the values makes others than it announced.
            raise ParameterError(
                f"{dataset.name}: block({start}, {stop}) must give {dataset.dtype} {shape}, not "
                f"{data.dtype} {data.shape}"
            )
        where = [slice(None)] * dataset.ndim
        where[axis] = slice(start, stop)
        dataset[tuple(where)] = data


def _write_analog(acquisition: h5py.Group, analog: AnalogTrace, tick: int) -> None:
    group = _stream(acquisition, "Analog Data", typeids.CHANNEL_STREAM, "Auxiliary")
    data = group.create_dataset("ChannelData 1", (2, analog.n_samples), dtype="<i4")
    _identify(data, typeids.CHANNEL_DATA, "ChannelData 1")
    _numbers(data, From=0, To=analog.n_samples * tick, GroupID=1)
    _fill(data, analog.n_samples, 1, analog.block)
    meta = np.array(
        [
            (channel, 1, label, "V", -9, tick, 100, 24)
            for channel, label in enumerate(("Photodiode", "Frame sync"), start=1)
        ],
        dtype=_CHANNEL_META,
    )
    _dataset(group, "ChannelMeta", typeids.CHANNEL_META, meta)


def _write_sensor(acquisition: h5py.Group, sensor: SensorTrace, tick: int) -> None:
    sensor_id(sensor.top, sensor.left)  # both corners must be on the chip
    sensor_id(sensor.bottom, sensor.right)
    columns, rows = sensor.right - sensor.left + 1, sensor.bottom - sensor.top + 1
    if columns < 1 or rows < 1 or sensor.conversion_factors.shape != (columns, rows):
        # Cause: the factors are those of another region.
        raise ParameterError(
            f"sensor region of {columns} columns and {rows} rows with conversion factors of "
            f"shape {sensor.conversion_factors.shape}: they must agree"
        )
    group = _stream(acquisition, "Sensor Data", typeids.SENSOR_STREAM, "CMosSensor")
    shape = (sensor.n_samples, columns, rows)
    data = group.create_dataset("SensorData 1 1", shape, dtype="<i2")
    _identify(data, typeids.SENSOR_DATA, "SensorData 1 1")
    _numbers(data, From=0, To=sensor.n_samples * tick, RegionID=1, GroupID=1)
    _fill(data, sensor.n_samples, 0, sensor.block)
    region = (sensor.left, sensor.top, sensor.right, sensor.bottom)
    factors = format_conversion_factors(sensor.conversion_factors)
    meta = np.array([(1, 1, "ROI 1", "V", -9, 14, tick, *region, factors)], dtype=_SENSOR_META)
    _dataset(group, "SensorMeta", typeids.SENSOR_META, meta)


def _write_events(acquisition: h5py.Group, events: DigitalEvents) -> None:
    group = _stream(acquisition, "Digital Data Events", typeids.EVENT_STREAM, "DigitalPort")
    data = np.zeros(len(events.event_id), dtype=_EVENT_DATA)
    data["EventID"] = events.event_id
    data["TimeStamp"] = events.time_us
    data["Duration"] = events.duration_us
    data["Info"] = ""
    _dataset(group, "EventData", typeids.EVENT_DATA, data)
    kinds = np.unique(events.event_id)
    meta = np.array([(kind, f"Digital Event {kind}", "1") for kind in kinds], dtype=_EVENT_META)
    _dataset(group, "EventMeta", typeids.EVENT_META, meta)


def _unit_info(unit: UnitTrain, roi_id: int, peaks: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make the row of a unit, shape (1,)."""
    place = (unit.unit_id, roi_id, sensor_id(unit.row, unit.column), unit.column, unit.row)
    return np.array([(*place, *measures(peaks).values(), "")], dtype=_UNIT_INFO)
