"""Reading ``.cmtr`` files: the units that the sorter found."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Final

import h5py
import numpy as np
import numpy.typing as npt
from h5py import h5s

from hdmea.errors import ParameterError, RecordingFileError
from hdmea.interruption import safe_point
from hdmea.mcs import typeids
from hdmea.mcs.attributes import exact_attribute, to_text
from hdmea.mcs.chip import sensor_id
from hdmea.mcs.info import RecordingInfo, read_info
from hdmea.mcs.safe_h5 import (
    UNKNOWN_KIND,
    datasets_by_type,
    datasets_of_type,
    groups_of_type,
    open_recording,
    reading,
)
from hdmea.mcs.tables import column, read_table, row_type

_BLOCK_BYTES: Final = 2**22
_PLACE: Final = ("UnitID", "RoiID", "SensorID", "Column", "Row")
_DURATION_TOLERANCE: Final = 1.01
_MOST_PEAKS_PER_S: Final = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Sorting:
    """The units of a ``.cmtr`` file, in ascending order of their numbers.

    Parameters
    ----------
    path
        The file.
    info
        Its metadata.
    link_target
        Name (without folder) of the ``.cmcr`` file it was made from; None if it has no link.
    unit_id, row, column, sensor_id
        Shape ``(unit,)``, int64; places are 1-based.
    spike_times_s
        Included peaks of all units one after the other, seconds from recording start,
        ascending within a unit.
    spike_times_index
        Shape ``(unit,)``: where each unit's train ends in ``spike_times_s``.
    n_rejected_peaks
        Shape ``(unit,)``: peaks that the sorter did not count as spikes.
    measures
        The sorter's quality measures by snake_case name, float64 ``(unit,)``; NaN where the
        file has none.
    tags
        The user's tags, one text per unit.
    """

    path: Path
    info: RecordingInfo
    link_target: str | None
    unit_id: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    column: npt.NDArray[np.int64]
    sensor_id: npt.NDArray[np.int64]
    spike_times_s: npt.NDArray[np.float64]
    spike_times_index: npt.NDArray[np.int64]
    n_rejected_peaks: npt.NDArray[np.int64]
    measures: Mapping[str, npt.NDArray[np.float64]]
    tags: tuple[str, ...]


@dataclass(slots=True)
class _Unit:
    name: str
    peaks: list[h5py.Dataset]
    unit_id: int
    row: int
    column: int
    measures: dict[str, float]
    tags: str


def read_cmtr(path: Path | str) -> Sorting:
    """Read the units of a sorted recording.

    Raises
    ------
    FileMissingError
        If there is no such file.
    RecordingFileError
        If it is damaged, of another kind, holds no sorting, contradicts itself, or has spikes
        after the recording's end.

    Examples
    --------
    >>> import tempfile
    >>> from hdmea.simulate import UnitTrain, write_cmtr
    >>> unit = UnitTrain(unit_id=7, row=3, column=5, spike_times_s=np.array([0.5, 1.25]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_cmtr(Path(folder) / "rec.cmtr", [unit], cmcr_path=None, duration_s=2.0)
    ...     sorting = read_cmtr(Path(folder) / "rec.cmtr")
    >>> sorting.unit_id, sorting.spike_times_s
    (array([7]), array([0.5 , 1.25]))
    """
    path = Path(path)
    with open_recording(path) as file, reading(path):
        info = read_info(file)
        target = link_target(file)
        sorters = groups_of_type(file, typeids.SPIKE_SORTER)
        if not sorters and groups_of_type(file, typeids.ACQUISITION):
            # Cause: the two files of a recording were given in each other's place.
            raise RecordingFileError(
                f"{path} is a raw recording (.cmcr), without sorted units. Give it as cmcr_path, "
                "and as cmtr_path the .cmtr file that CMOS-MEA-Tools made of it"
            )
        if len(sorters) != 1:
            # Cause: the file was saved before spikes were sorted, or with several sortings in it.
            raise RecordingFileError(
                f"{path} has {len(sorters)} spike sorters; one is needed: run the Spike Sorter of "
                "CMOS-MEA-Tools and save, or give the .cmtr file it wrote"
            )
        found = groups_of_type(sorters[0][1], typeids.UNIT)
        units = sorted((_read_unit(path, *one) for one in found), key=lambda unit: unit.unit_id)
        ids = [unit.unit_id for unit in units]
        if len(set(ids)) != len(ids):
            # Cause: the sorting was put together of several, by a program or by hand.
            raise RecordingFileError(
                f"{path}: two units have the same number; save it anew in CMOS-MEA-Tools"
            )
        _check_units(path, sorters[0][1], units)
        unit_id = np.array(ids, dtype=np.int64)
        peaks = [_peaks_of(path, unit, info.duration_s) for unit in units]
        # what is never written to takes no memory
        spikes_s = np.empty(sum(table.shape[0] for table in peaks), dtype=np.float64)
        index = np.zeros(len(units), dtype=np.int64)
        rejected = np.zeros(len(units), dtype=np.int64)
        end = 0
        for row, (unit, table) in enumerate(zip(units, peaks, strict=True)):
            n, rejected[row] = _included_s(path, unit, table, info.duration_s, spikes_s[end:])
            index[row] = end = end + n
    spikes_s.resize(end, refcheck=False)
    names = sorted({name for unit in units for name in unit.measures})
    rows = np.array([unit.row for unit in units], dtype=np.int64)
    columns = np.array([unit.column for unit in units], dtype=np.int64)
    return Sorting(
        path=path,
        info=info,
        link_target=target,
        unit_id=unit_id,
        row=rows,
        column=columns,
        sensor_id=np.array([sensor_id(u.row, u.column) for u in units], dtype=np.int64),
        n_rejected_peaks=rejected,
        spike_times_s=spikes_s,
        spike_times_index=index,
        measures={
            name: np.array([unit.measures.get(name, math.nan) for unit in units]) for name in names
        },
        tags=tuple(unit.tags for unit in units),
    )


def _check_units(path: Path, sorter: h5py.Group, units: list[_Unit]) -> None:
    """Compare the units with the sorter's own table of them, and with each other.

    Raises
    ------
    RecordingFileError
        If a unit is missing in one of both, or one has other measures than the rest.
    """
    lost = "Units are missing or damaged: copy the file again, or save it anew in CMOS-MEA-Tools"
    found = [unit.unit_id for unit in units]
    for name, dataset in datasets_of_type(sorter, typeids.UNITS_TABLE):
        listed = column(read_table(dataset), "UnitID", f"{path}: {name}").tolist()
        if sorted(listed) != found:
            odd = ", ".join(map(str, sorted(set(listed) ^ set(found))[:5])) or "a number twice"
            raise RecordingFileError(
                f"{path}: {name!r} lists {len(listed)} units, {len(found)} are there; they differ "
                f"in {odd}. {lost}"
            )
    measured = [unit for unit in units if unit.measures]
    for unit in measured:
        if others := sorted(set(unit.measures) ^ set(measured[0].measures)):
            raise RecordingFileError(
                f"{path}: {unit.name} and {measured[0].name} do not have the same measures: "
                f"{', '.join(others[:5])}. {lost}"
            )


def link_target(root: h5py.Group) -> str | None:
    """Name (without folder) of the ``.cmcr`` file that a ``.cmtr`` was made from, if it tells."""
    link = acquisition_link(root)
    return None if link is None else PureWindowsPath(link).name


def acquisition_link(root: h5py.Group) -> str | None:
    """Read, without following it, which file the ``Acquisition`` of a ``.cmtr`` links to."""
    link = root.get("Acquisition", getlink=True)
    return str(link.filename) if isinstance(link, h5py.ExternalLink) else None


def snake_case(name: str) -> str:
    """Spell the name of a measure in lower case.

    Examples
    --------
    >>> [snake_case(name) for name in ("SDScore", "AmplitudeSD", "IsoINN", "IsoIBg", "SNR")]
    ['sd_score', 'amplitude_sd', 'iso_inn', 'iso_ibg', 'snr']
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", "_", name)
    return re.sub(r"\W+", "_", words).lower()


def _read_unit(path: Path, name: str, group: h5py.Group) -> _Unit:
    """Read number, place and measures.

    Raises
    ------
    RecordingFileError
        If they are not told, told twice and differently, or in a way that is not known.
    """
    safe_point()
    where = f"{path}: {name}"
    told = {key: exact_attribute(group, key) for key in _PLACE}
    measures: dict[str, float] = {}
    tags = ""
    tables = datasets_by_type(group, typeids.UNIT_INFO, typeids.PEAKS)
    for _, dataset in tables[typeids.UNIT_INFO]:
        table = read_table(dataset)
        if len(table) != 1:
            raise RecordingFileError(
                f"{where}: its Unit Info has {len(table)} rows, not 1. {UNKNOWN_KIND}"
            )
        _merge_place(told, table, where)
        measures = {
            snake_case(key): float(table[key][0])
            for key in table.dtype.names or ()
            if key not in _PLACE and table.dtype[key].kind in "iufb"
        }
        if "Tags" in (table.dtype.names or ()):
            tags = to_text(table["Tags"][0])
    number, at_column, at_row = told["UnitID"], told["Column"], told["Row"]
    if number is None or at_column is None or at_row is None:
        # Cause: the file is damaged, or of a version of the format that is not known.
        raise RecordingFileError(
            f"{where} does not tell its number, column and row. {UNKNOWN_KIND}"
        )
    try:
        expected = sensor_id(int(at_row), int(at_column))
    except ParameterError as error:
        raise RecordingFileError(f"{where}: {error}. {UNKNOWN_KIND}") from error
    if told["SensorID"] not in (None, expected):
        raise RecordingFileError(
            f"{where}: SensorID {told['SensorID']:g} is not that of column {at_column:g}, row "
            f"{at_row:g} ({expected}). {UNKNOWN_KIND}"
        )
    peaks = [dataset for _, dataset in tables[typeids.PEAKS]]
    return _Unit(name, peaks, int(number), int(at_row), int(at_column), measures, tags)


def _merge_place(told: dict[str, int | float | None], table: npt.NDArray[Any], where: str) -> None:
    """Add what Unit Info says to what the group's attributes say.

    Raises
    ------
    RecordingFileError
        If the two differ, as in a file that was edited or damaged.
    """
    for key in ("UnitID", "SensorID", "Column", "Row"):
        value: int | float = column(table, key, where)[0].item()
        if told[key] not in (None, value):
            raise RecordingFileError(
                f"{where}: {key} is {told[key]} on the group but {value} in its Unit Info. "
                f"{UNKNOWN_KIND}"
            )
        told[key] = value


def _peaks_of(path: Path, unit: _Unit, duration_s: float) -> h5py.Dataset:
    """Find the table of a unit's peaks.

    Raises
    ------
    RecordingFileError
        If it is not where and what it is known to be.
    """
    where = f"{path}: {unit.name}"
    if len(unit.peaks) != 1:
        raise RecordingFileError(
            f"{where} has {len(unit.peaks)} tables of peaks, not one. {UNKNOWN_KIND}"
        )
    peaks = unit.peaks[0]
    dtype, _ = row_type(peaks)
    missing = {"Timestamp", "IncludePeak"} - set(dtype.names or ())
    if missing or peaks.ndim != 1:
        raise RecordingFileError(
            f"{where}: its Peaks ({dtype}) lack {', '.join(sorted(missing)) or 'rows'}. "
            f"{UNKNOWN_KIND}"
        )
    if peaks.shape[0] > _MOST_PEAKS_PER_S * max(duration_s, 1.0):
        raise RecordingFileError(
            f"{where} has {peaks.shape[0]} peaks in {duration_s} s, more than there are samples: "
            "the file is damaged. Copy it again from its source, or save it anew in CMOS-MEA-Tools"
        )
    return peaks


def _included_s(
    path: Path, unit: _Unit, peaks: h5py.Dataset, duration_s: float, into: npt.NDArray[np.float64]
) -> tuple[int, int]:
    """Read the included peaks into an array of seconds, ascending; how many, and how many are not.

    Raises
    ------
    RecordingFileError
        If the unit's peaks are not what they are known to be.
    """
    where = f"{path}: {unit.name}"
    n = rejected = zeros = 0
    for stamps, included in _peak_blocks(peaks):
        kept = stamps.compress(included)
        rejected += stamps.size - kept.size
        zeros += _n_zeros(stamps) - _n_zeros(kept)
        # Judged before it is made whole: what is not a number fits no range.
        if kept.size and not 0 <= kept.min() <= kept.max() <= _latest_us(duration_s):
            # Cause: the file is damaged, its duration or the unit of its time stamps is not what is
            # known of the format.
            raise RecordingFileError(
                f"{where}: spikes from {kept.min()} to {kept.max()} us, but the recording lasts "
                f"{duration_s} s. Time stamps should be microseconds from its start; send us "
                "`hdmea inspect --json --anonymous` of this file"
            )
        np.divide(kept.astype(np.int64, copy=False), 1e6, out=into[n : n + kept.size])
        n += kept.size
    if zeros > 1:
        # Cause: a disk that was full, or a copy that was broken off, left zeros where peaks should
        # be.
        raise RecordingFileError(
            f"{where}: {zeros} of its {peaks.shape[0]} peaks are nothing but zeros, so spikes are "
            "missing: the file was not written or copied to its end. Copy it again from its source "
            "and compare checksums, or save it anew in CMOS-MEA-Tools"
        )
    train = into[:n]
    if not (train[1:] >= train[:-1]).all():
        train.sort()
    return n, rejected


def _n_zeros(stamps: npt.NDArray[Any]) -> int:
    return stamps.size - int(np.count_nonzero(stamps))


def _peak_blocks(
    peaks: h5py.Dataset,
) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]]:
    n_peaks, (dtype, in_memory) = peaks.shape[0], row_type(peaks)
    at_once = max(1, _BLOCK_BYTES // dtype.itemsize)
    # As the rows lie in the file, cut-outs too: HDF5 reads these anyway, and takes five times as
    # long to pick two fields of each row. Text of any length cannot be read so.
    fields = peaks.fields(["Timestamp", "IncludePeak"]) if dtype.hasobject else None
    for start in range(0, n_peaks, at_once):
        safe_point()
        stop = min(start + at_once, n_peaks)
        if fields is not None:
            block = fields[start:stop]
        else:
            block = np.empty(stop - start, dtype)
            rows = peaks.id.get_space()
            rows.select_hyperslab((start,), (stop - start,))
            peaks.id.read(h5s.create_simple((stop - start,)), rows, block, in_memory)
        # Of rows that lie close together one column is not: copied once, it is read four times.
        yield np.ascontiguousarray(block["Timestamp"]), block["IncludePeak"] == 1


def _latest_us(duration_s: float) -> float:
    return math.inf if math.isnan(duration_s) else duration_s * _DURATION_TOLERANCE * 1e6
