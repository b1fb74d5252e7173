"""Reading ``.cmcr`` files: the raw streams of a recording, block by block."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import h5py
import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError, RecordingFileError
from hdmea.mcs import typeids
from hdmea.mcs.attributes import number_attribute, text_attribute, to_text
from hdmea.mcs.chip import parse_conversion_factors
from hdmea.mcs.info import RecordingInfo, read_info
from hdmea.mcs.safe_h5 import (
    UNKNOWN_KIND,
    datasets_of_type,
    groups_of_type,
    open_recording,
    reading,
)
from hdmea.mcs.streams import AnalogStream, DigitalEvents, SensorStream
from hdmea.mcs.tables import column, read_table

_CHANNEL_SUBTYPES: Final = ("Auxiliary", "Digital", "StgWaveform")


class CmcrFile:
    """An open ``.cmcr`` file; a context manager. Made by `open_cmcr`.

    Raises
    ------
    RecordingFileError
        If what is asked for is damaged, or of a version of the format that is not known.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._file = open_recording(self.path)
        try:
            self._acquisition = self._find_acquisition()
            self.info = self._read_info()
        except RecordingFileError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its streams cannot be read any more."""
        self._file.close()

    info: RecordingInfo
    """Metadata; a duration the root does not tell is that of the longest stream."""

    @cached_property
    def analog(self) -> tuple[AnalogStream, ...]:
        """The auxiliary analog streams (photodiode, frame sync), one per sweep."""
        return tuple(self._channel_streams("Auxiliary"))

    @cached_property
    def sensors(self) -> tuple[SensorStream, ...]:
        """The sensor streams, one per region and sweep."""
        with reading(self.path, "the sensor stream"):
            return tuple(
                self._sensor(data_name, data, meta)
                for name, group in groups_of_type(self._acquisition, typeids.SENSOR_STREAM)
                for meta in [self._meta(name, group, typeids.SENSOR_META)]
                for data_name, data in datasets_of_type(group, typeids.SENSOR_DATA)
            )

    @property
    def sensor(self) -> SensorStream | None:
        """The sensor stream, None if the recording has none.

        Raises
        ------
        RecordingFileError
            If there are several regions or sweeps; `sensors` has them all.
        """
        if len(self.sensors) > 1:
            raise RecordingFileError(
                f"{self.path} has {len(self.sensors)} sensor regions or sweeps "
                f"({', '.join(one.name for one in self.sensors)}); choose one of `sensors`"
            )
        return self.sensors[0] if self.sensors else None

    @cached_property
    def digital_events(self) -> DigitalEvents:
        """Events of all digital-port event streams together, by time."""
        ids: list[int] = []
        times: list[float] = []
        durations: list[float] = []
        labels: list[str] = []
        streams: list[str] = []
        with reading(self.path, "the digital events"):
            for name, group in groups_of_type(self._acquisition, typeids.EVENT_STREAM):
                if self._subtype(name, group) != "DigitalPort":
                    continue
                meta = self._meta(name, group, typeids.EVENT_META)
                where = f"{self.path}: {name}"
                kinds = column(meta, "EventID", where).tolist()
                texts = [to_text(label) for label in column(meta, "Label", where)]
                label_of = dict(zip(kinds, texts, strict=True))
                for _, data in datasets_of_type(group, typeids.EVENT_DATA):
                    table = read_table(data)
                    here = column(table, "EventID", where).tolist()
                    ids += here
                    times += (column(table, "TimeStamp", where) / 1e6).tolist()
                    durations += (column(table, "Duration", where) / 1e6).tolist()
                    labels += [label_of.get(kind, "") for kind in here]
                    streams += [name] * len(here)
        order = np.argsort(np.array(times), kind="stable")
        return DigitalEvents(
            event_id=np.array(ids, dtype=np.int64)[order],
            time_s=np.array(times, dtype=np.float64)[order],
            duration_s=np.array(durations, dtype=np.float64)[order],
            label=np.array(labels, dtype=np.str_)[order],
            stream=np.array(streams, dtype=np.str_)[order],
        )

    def _find_acquisition(self) -> h5py.Group:
        with reading(self.path):
            found = groups_of_type(self._file, typeids.ACQUISITION)
        if len(found) == 1:
            return found[0][1]
        if not found and (sorters := groups_of_type(self._file, typeids.SPIKE_SORTER)):
            # Cause: the two files of a recording were given in each other's place.
            raise RecordingFileError(
                f"{self.path} is a sorted recording (.cmtr): it has a {sorters[0][0]!r} and only a "
                "link to the raw data. Give it as cmtr_path, and as cmcr_path the .cmcr file"
            )
        # Cause: the file is not a recording of CMOS-MEA-Control, or its recording was never begun.
        raise RecordingFileError(
            f"{self.path} has {len(found)} acquisitions; a .cmcr file with one is needed"
        )

    def _read_info(self) -> RecordingInfo:
        with reading(self.path):
            info = read_info(self._file)
        if not math.isnan(info.duration_s):
            return info
        ends = [one.t0_s + one.n_samples / one.rate_hz for one in self.analog]
        ends += [one.t0_s + one.shape[0] / one.rate_hz for one in self.sensors]
        return replace(info, duration_s=max(ends, default=math.nan))

    def _subtype(self, name: str, group: h5py.Group) -> str:
        found = text_attribute(group, "SubType")
        if not found:
            raise RecordingFileError(
                f"{self.path}: stream {name!r} does not tell its SubType. The file is damaged: "
                "copy it again from its source and compare checksums"
            )
        return found

    def _meta(self, name: str, group: h5py.Group, wanted: str) -> npt.NDArray[Any]:
        found = datasets_of_type(group, wanted)
        if len(found) != 1:
            raise RecordingFileError(
                f"{self.path}: stream {name!r} has {len(found)} tables of metadata, not one. "
                f"{UNKNOWN_KIND}"
            )
        return read_table(found[0][1])

    def _channel_streams(self, subtype: str) -> Iterator[AnalogStream]:
        with reading(self.path, "the analog streams"):
            streams = groups_of_type(self._acquisition, typeids.CHANNEL_STREAM)
            found = {name: self._subtype(name, group) for name, group in streams}
            odd = [one for one in found.values() if one not in _CHANNEL_SUBTYPES]
            if odd and subtype not in found.values():
                raise RecordingFileError(
                    f"{self.path} has no stream of SubType {subtype!r}, but one of {odd[0]!r}, "
                    f"which is not known; known are {', '.join(_CHANNEL_SUBTYPES)}. If it is not "
                    "damaged (copy it again and compare checksums), send us `hdmea inspect --json "
                    "--anonymous` of it"
                )
            for name, group in streams:
                if found[name] != subtype:
                    continue
                meta = self._meta(name, group, typeids.CHANNEL_META)
                for data_name, data in datasets_of_type(group, typeids.CHANNEL_DATA):
                    yield self._analog(name, data_name, data, meta)

    def _analog(
        self, name: str, data_name: str, data: h5py.Dataset, meta: npt.NDArray[Any]
    ) -> AnalogStream:
        where = f"{self.path}: {name}/{data_name}"
        if data.ndim != 2 or data.dtype.kind not in "iu":
            raise RecordingFileError(
                f"{where} is {data.dtype} {data.shape}; integers (channels, samples) are needed. "
                f"{UNKNOWN_KIND}"
            )
        (group_id,) = _numbers_in(data_name, 1, where)
        rows = meta[column(meta, "GroupID", where) == group_id]
        if len(rows) != data.shape[0]:
            raise RecordingFileError(
                f"{where} has {data.shape[0]} channels, its metadata describe {len(rows)}. "
                f"{UNKNOWN_KIND}"
            )
        return AnalogStream(
            name=name,
            rate_hz=1e6 / _tick(rows, where),
            t0_s=self._start_s(data),
            n_samples=data.shape[1],
            n_channels=data.shape[0],
            labels=tuple(to_text(label) for label in column(rows, "Label", where)),
            _path=self.path,
            _data=data,
        )

    def _sensor(self, name: str, data: h5py.Dataset, meta: npt.NDArray[Any]) -> SensorStream:
        where = f"{self.path}: {name}"
        region_id, group_id = _numbers_in(name, 2, where)
        rows = meta[
            (column(meta, "RegionID", where) == region_id)
            & (column(meta, "GroupID", where) == group_id)
        ]
        if len(rows) != 1:
            # Cause: the file is damaged, or of a version of the format that is not known.
            raise RecordingFileError(
                f"{where} is described by {len(rows)} rows of metadata, not 1. {UNKNOWN_KIND}"
            )
        left, top, right, bottom = (
            int(column(rows, f"Region.{side}", where)[0])
            for side in ("Left", "Top", "Right", "Bottom")
        )
        size = (right - left + 1, bottom - top + 1)
        if data.ndim != 3 or data.shape[1:] != size or data.dtype.kind not in "iu":
            raise RecordingFileError(
                f"{where} is {data.dtype} {data.shape}; integers (samples, columns, rows) of a "
                f"region of {size[0]} columns and {size[1]} rows are needed. {UNKNOWN_KIND}"
            )
        try:
            factors = parse_conversion_factors(
                to_text(column(rows, "Conversion Factors", where)[0]), *size
            )
        except ParameterError as error:
            raise RecordingFileError(f"{where}: {error}. {UNKNOWN_KIND}") from error
        volt = 10.0 ** int(column(rows, "Exponent", where)[0])
        return SensorStream(
            name=name,
            shape=data.shape,
            left=left,
            top=top,
            right=right,
            bottom=bottom,
            tick_us=_tick(rows, where),
            t0_s=self._start_s(data),
            uv_per_count=factors * volt * 1e6,
            _path=self.path,
            _data=data,
        )

    def _start_s(self, data: h5py.Dataset) -> float:
        """Start of a dataset: its own ``From``, else that of the acquisition."""
        start_us = number_attribute(data, "From")
        if start_us is None:
            start_us = number_attribute(self._acquisition, "From")
        return (start_us or 0.0) / 1e6


def open_cmcr(path: Path | str) -> CmcrFile:
    """Open a raw recording.

    Raises
    ------
    FileMissingError
        If there is no such file.
    RecordingFileError
        If it is damaged or of another kind.

    Examples
    --------
    >>> import tempfile
    >>> from hdmea.simulate import AnalogTrace, write_cmcr
    >>> light = AnalogTrace(100, lambda start, stop: np.full((2, stop - start), 7, np.int32))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_cmcr(Path(folder) / "rec.cmcr", analog=light)
    ...     with open_cmcr(Path(folder) / "rec.cmcr") as recording:
    ...         recording.analog[0].block(0, start=10, stop=13)
    array([7, 7, 7], dtype=int32)
    """
    return CmcrFile(path)


def _numbers_in(name: str, count: int, where: str) -> list[int]:
    """Give region and sweep number, which the format keeps in the dataset's name only."""
    numbers = [int(word) for word in re.findall(r"\d+", name)]
    if len(numbers) != count:
        # Cause: the file is damaged, or of a version of the format that is not known.
        raise RecordingFileError(
            f"{where}: its name should end in {count} number(s). {UNKNOWN_KIND}"
        )
    return numbers


def _tick(rows: npt.NDArray[Any], where: str) -> float:
    ticks = np.unique(column(rows, "Tick", where))
    if len(ticks) != 1 or not ticks[0] > 0:
        # Cause: the file is damaged, or of a version of the format that is not known.
        raise RecordingFileError(
            f"{where}: sample intervals (Tick) of {ticks.tolist()} us; one above zero is needed. "
            f"{UNKNOWN_KIND}"
        )
    return float(ticks[0])
