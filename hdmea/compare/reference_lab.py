"""Result files of the reference lab's pipeline as a side of a comparison: read, never written.

Two layouts are known. In the first the root has the attribute ``stage1_completed`` and there is
``stimulus/frame_time/default``; in the second there are the groups ``stimulus/frame_times`` and
``pipeline/session_info``. In both: ``metadata/acquisition_rate``; ``metadata/frame_timestamps``,
``units/unit_NNN/spike_times`` and ``stimulus/section_time/<movie>`` in samples; the STA at
``units/*/features/<movie>/sta`` or ``units/*/features/sta_<movie>/data``. The rest is not looked
at. What is missing is said; nothing is put in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array, Variable, scalar
from hdmea.compare.sides import SectionKey, Side
from hdmea.errors import RecordingFileError
from hdmea.mcs.attributes import text_attribute
from hdmea.mcs.safe_h5 import check_dataset, child, names_in, reading, require_hdf5
from hdmea.store.file_object import open_regular

Float64 = npt.NDArray[np.float64]
Node: TypeAlias = h5py.Group | h5py.Dataset

KIND: Final = "result file of the reference lab"
NEEDED: Final = f"a session file of hdmea or a {KIND}"
_MAX_BYTES: Final = 2**28  # of an array that is read whole: a train, a clock, a unit's STA
_UNIT: Final = re.compile(r"unit_(\d{1,18})")
_STA_NOTE: Final = (
    "its STAs are of trial 0 of a movie's first presentation, over 60 frames by default; "
    "compute_sta(occurrences='first', cover_range=(-60, 0)) averages the same of a movie with one "
    "trial"
)


@contextmanager
def reference_lab_side(path: Path) -> Iterator[Side]:
    """An old result file; the file is opened read-only, and trains and STAs are read when needed.

    Raises
    ------
    FileMissingError
        If there is no such file.
    RecordingFileError
        If it is of another kind, damaged, or made to mislead.
    """
    with _opened(path) as file:
        yield _side(path, file)


def dataset_id_of(path: Path) -> str:
    """Name of the recording: as the file says, else the file's name; raises as the side does."""
    with _opened(path) as file:
        return _dataset_id(path, file)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    require_hdf5(path, NEEDED)
    with reading(path):
        opened = open_regular(path)  # which disturbs nobody who has it open, nor is disturbed
    with opened as file:
        with reading(path):
            if not _is_known(file):
                # Cause: a recording, a part of one, or a file of another program was given.
                raise RecordingFileError(
                    f"{path} is HDF5 but of another kind (no session file; no attribute "
                    "stage1_completed with stimulus/frame_time/default; not both "
                    f"stimulus/frame_times and pipeline/session_info); {NEEDED} is needed"
                )
        yield file


def _is_known(file: h5py.File) -> bool:
    """Whether it has one of the two layouts."""
    if "stage1_completed" in file.attrs and _at(file, "stimulus/frame_time/default") is not None:
        return True
    return all(
        isinstance(_at(file, path), h5py.Group)
        for path in ("stimulus/frame_times", "pipeline/session_info")
    )


def _dataset_id(path: Path, file: h5py.File) -> str:
    with reading(path, "dataset_id"):
        return text_attribute(file, "dataset_id") or path.stem


def _side(path: Path, file: h5py.File) -> Side:
    with reading(path):
        rate_hz = _rate(file)
        notes = [
            f"its times are whole samples at {rate_hz:g} Hz: equal means within half a sample "
            f"({0.5e6 / rate_hz:g} us)"
        ]
        variables = {"recording/sampling_rate_hz": scalar(rate_hz, "Hz", "acquisition rate")}
        clock = _at(file, "metadata/frame_timestamps")
        if clock is None:
            notes.append("it has no metadata/frame_timestamps: the frame clock is not compared")
        else:
            times = _samples(clock, ndim=1) / rate_hz
            variables["stimulus/frame_times"] = Variable(times, "s", ("frame",), "display frames")
        keys, start_s, end_s = _sections(file, rate_hz)
        if keys:
            for name, values in (("start_s", start_s), ("end_s", end_s)):
                path_of = f"stimulus/sections/{name}"
                variables[path_of] = Variable(values, "s", ("section",), "sections")
        else:
            notes.append("it has no stimulus/section_time: sections are not compared")
        units = _Units(path, file, rate_hz)
        notes += units.notes
        stas = _stas(path, units.groups, notes)
    return Side(
        label=str(path),
        kind=KIND,
        dataset_id=_dataset_id(path, file),
        unit_ids=np.array(list(units.groups), dtype=np.int64) if units.groups else None,
        train=units.train,
        variables=variables | stas,
        sections=keys,
        resolution_s=0.5 / rate_hz,
        is_partial=True,
        notes=tuple(notes),
    )


def _rate(file: h5py.File) -> float:
    where = "metadata/acquisition_rate"
    node = _at(file, where)
    if node is None:
        # Cause: the reference lab's pipeline was stopped before it wrote the rate, or the file is
        # of another version.
        raise RecordingFileError(
            f"{file.filename} has no {where}; it is needed, as without it samples are not times"
        )
    values = _read(node, "iuf").astype(np.float64)
    if values.size != 1 or not (np.isfinite(values).all() and values.min() > 0):
        # Cause: the file was damaged or edited.
        raise RecordingFileError(
            f"{file.filename}: {where} is {values.tolist()}; one positive number (Hz) is needed"
        )
    return float(values.item())


def _sections(file: h5py.File, rate_hz: float) -> tuple[tuple[SectionKey, ...], Float64, Float64]:
    """Presentations by movie, with their begins and ends in seconds."""
    group = _at(file, "stimulus/section_time")
    keys: list[SectionKey] = []
    found = [np.zeros((0, 2))]
    for movie in names_in(group) if isinstance(group, h5py.Group) else ():
        node = child(group, movie)
        if isinstance(node, h5py.Dataset):
            rows = _samples(node, ndim=2)
            if rows.shape[1] != 2:
                # Cause: the file is of another version of the reference lab's pipeline, or was
                # edited.
                raise RecordingFileError(
                    f"{file.filename}: {node.name} has the shape {rows.shape}; (n, 2) is needed: "
                    "begin and end of each presentation"
                )
            keys += [(movie, n) for n in range(len(rows))]
            found.append(rows / rate_hz)
    start_s, end_s = np.concatenate(found).T
    return tuple(keys), start_s, end_s


class _Units:
    """The groups of the units by number, and their trains."""

    def __init__(self, path: Path, file: h5py.File, rate_hz: float) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self.groups: dict[int, h5py.Group] = {}
        self.notes: list[str] = []
        units = _at(file, "units")
        for name in names_in(units) if isinstance(units, h5py.Group) else ():
            number = _UNIT.fullmatch(name)
            group = child(units, name) if number else None
            if number is None or not isinstance(group, h5py.Group):
                continue
            if int(number[1]) in self.groups:
                # Cause: the file names a unit both with and without leading zeros, as when it was
                # put together of two.
                raise RecordingFileError(
                    f"{path} has unit number {int(number[1])} twice ({name}); each must be there "
                    "once"
                )
            self.groups[int(number[1])] = group
        self.groups = dict(sorted(self.groups.items()))
        without = [n for n, group in self.groups.items() if child(group, "spike_times") is None]
        if not self.groups:
            self.notes.append("it has no units/unit_NNN: units are not compared")
        if without:
            self.notes.append(f"no spike_times of units {_listed(without)}: found by number only")

    def train(self, row: int) -> Float64 | None:
        """Spike times of the unit in a row."""
        group = list(self.groups.values())[row]
        with reading(self._path, group.name):
            node = child(group, "spike_times")
            if node is None:
                return None
            return np.sort(_samples(node, ndim=1, kinds="iu")) / self._rate_hz


def _stas(path: Path, units: Mapping[int, h5py.Group], notes: list[str]) -> dict[str, Variable]:
    """STAs by movie, each of all units."""
    found: dict[str, dict[int, h5py.Dataset]] = {}
    for row, (number, group) in enumerate(units.items()):
        features = child(group, "features")
        for name in names_in(features) if isinstance(features, h5py.Group) else ():
            holder = child(features, name)
            if not isinstance(holder, h5py.Group):
                continue
            own = "data" if name.startswith("sta_") else "sta"
            node = child(holder, own)
            if isinstance(node, h5py.Dataset):
                of_movie = found.setdefault(name.removeprefix("sta_"), {})
                if row in of_movie:
                    # Cause: the file has STAs of two versions of the reference lab's pipeline.
                    raise RecordingFileError(
                        f"{path}: unit {number} has two STAs of {name.removeprefix('sta_')!r}; one "
                        "is needed"
                    )
                of_movie[row] = node
    numbers = list(units)
    variables = {}
    for movie, nodes in sorted(found.items()):
        missing = [numbers[row] for row in range(len(numbers)) if row not in nodes]
        if missing:
            notes.append(f"no STA of {movie} for units {_listed(missing)}: taken as undefined")
        variables[f"sta/{movie}/sta"] = Variable(
            _Stas(path, nodes, len(numbers)), "movie value", ("unit", "lag", "y", "x"), "STA"
        )
    notes.append(_STA_NOTE if found else "it has no STA: none is compared")
    return variables


class _Stas:
    """STAs of one movie by row of their unit, read when asked for; NaN where a unit has none."""

    loaded = False

    def __init__(self, path: Path, nodes: Mapping[int, h5py.Dataset], n_units: int) -> None:
        first = next(iter(nodes.values()))
        for node in nodes.values():
            _check(node, "iuf", ndim=3)
            if node.shape != first.shape:
                # Cause: units' STAs were computed with different parameters, or of other movies.
                raise RecordingFileError(
                    f"{path}: {node.name} has the shape {node.shape}, {first.name} {first.shape}; "
                    "all units must have the same"
                )
        self._path = path
        self._nodes = nodes
        self.shape: tuple[int, ...] = (n_units, *first.shape)
        self.dtype = np.dtype(np.float32 if first.dtype == np.float32 else np.float64)

    def __getitem__(self, key: Any) -> Array:
        rows = np.arange(self.shape[0])[key]
        with reading(self._path, "STA"):
            if rows.ndim == 0:
                return self._one(int(rows))
            return np.stack([self._one(int(row)) for row in rows])

    def _one(self, row: int) -> Array:
        if row not in self._nodes:
            return np.full(self.shape[1:], np.nan, self.dtype)
        values: Array = self._nodes[row][()]
        return values.astype(self.dtype)


def _at(file: h5py.File, path: str) -> Node | None:
    """What is at a path; None if nothing is. Every link on the way leads into this very file."""
    node: Node | None = file
    for name in path.split("/"):
        if not isinstance(node, h5py.Group):
            return None
        node = child(node, name)
    return node


def _samples(node: Node, ndim: int, kinds: str = "iuf") -> Float64:
    """Whole samples of the recording, as numbers that can be divided."""
    values = _read(node, kinds, ndim).astype(np.float64)
    if values.size and not (np.isfinite(values).all() and values.min() >= 0):
        # Cause: the file was damaged or edited, or holds times in place of samples.
        raise RecordingFileError(
            f"{node.file.filename}: {node.name} has values that are no samples of a recording "
            "(negative or not finite); whole numbers of 0 or more are needed"
        )
    return values


def _read(node: Node, kinds: str, ndim: int | None = None) -> Array:
    _check(node, kinds, ndim)
    values: Array = np.asarray(node[()])
    return values


def _check(node: Node, kinds: str, ndim: int | None) -> None:
    """Make sure that a node is an array of numbers that lies here and is of sensible size."""
    where = f"{node.file.filename}: {node.name}"
    if not isinstance(node, h5py.Dataset) or node.shape is None:
        # Cause: the file is of another version of the reference lab's pipeline, or was damaged.
        raise RecordingFileError(f"{where} holds no values; numbers are needed")
    if node.dtype.kind not in kinds or ndim not in (None, node.ndim):
        needed = "whole numbers" if kinds == "iu" else "numbers"
        axes = "" if ndim is None else f" with {ndim} {'axis' if ndim == 1 else 'axes'}"
        # Cause: the file is of another version of the reference lab's pipeline, or was edited.
        raise RecordingFileError(
            f"{where} is {node.dtype} of shape {node.shape}; {needed}{axes} are needed"
        )
    check_dataset(node)
    if node.size * node.dtype.itemsize > _MAX_BYTES:
        # Cause: the file was damaged, or made to overload its readers.
        raise RecordingFileError(
            f"{where} has {node.size} values, more than {_MAX_BYTES} bytes, which no recording "
            "has; take another copy of the file, or leave it out"
        )


def _listed(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown} and {len(numbers) - 10} more" if len(numbers) > 10 else shown
