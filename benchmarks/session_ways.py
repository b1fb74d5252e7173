"""Ways of keeping a session of many units on disk. Those that read need files of those that write.

Every file is synced before it gets its name, and its folder after that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from benchmarks import large
from hdmea.pipeline import PipelineSession

SESSION, PLAIN, GROUPS = "session.h5", "plain.bin", "groups.h5"


def save_session(folder: str, n_units: int) -> Callable[[], None]:
    """`PipelineSession.save`, with digests of all values."""
    session = large.session_of(n_units, Path(folder))

    def save() -> None:
        for contribution in session.contributions.values():
            contribution._digests.clear()  # those of new results are not known either
        session.save(Path(folder) / SESSION)

    return save


def save_plain(folder: str, n_units: int) -> Callable[[], None]:
    """Write the same arrays by numpy, one after the other, into one file."""
    arrays = _arrays(n_units)

    def save() -> None:
        with _published(Path(folder) / PLAIN) as partial, partial.open("wb") as file:
            for values in arrays:
                values.tofile(file)

    return save


def save_groups(folder: str, n_units: int) -> Callable[[], None]:
    """A group for each unit, in it a dataset for each number and array, by h5py."""
    times, index = large.trains(n_units)
    columns, stas = large.columns(n_units), large.stas(n_units)

    def save() -> None:
        with _published(Path(folder) / GROUPS) as partial, h5py.File(partial, "w") as file:
            for unit, spikes in enumerate(np.split(times, index[:-1])):
                group = file.create_group(_name(unit))
                group["spike_times"] = spikes
                group["sta"] = stas[unit]
                for path, values in columns.items():
                    group[f"features/{path}"] = values[unit]

    return save


def load_session(folder: str) -> Callable[[], list[float]]:
    """Open the file and read everything, all digests checked."""

    def load() -> list[float]:
        session = PipelineSession.load(Path(folder) / SESSION)
        for name in session.paths():
            session.values(name)
        return _told(session.values("units/spike_times"), session.values("sta/noise/sta"))

    return load


def load_plain(folder: str, n_units: int) -> Callable[[], list[float]]:
    """Read the same arrays by numpy."""
    places = [(values.dtype, values.shape) for values in _arrays(n_units)]

    def load() -> list[float]:
        with (Path(folder) / PLAIN).open("rb") as file:
            times, _, stas, *_ = [
                np.fromfile(file, dtype, int(np.prod(shape))).reshape(shape)
                for dtype, shape in places
            ]
        return _told(times, stas)

    return load


def load_groups(folder: str) -> Callable[[], list[float]]:
    """Read group after group; trains and STAs are put together as hdmea has them."""

    def load() -> list[float]:
        times, stas = [], []
        with h5py.File(Path(folder) / GROUPS, "r") as file:
            for group in file["units"].values():
                times.append(group["spike_times"][...])
                stas.append(group["sta"][...])
                for feature in group["features"].values():
                    for dataset in feature.values():
                        dataset[()]
        return _told(np.concatenate(times), np.stack(stas))

    return load


def open_session(folder: str) -> Callable[[], None]:
    """Open the file: its structure is checked, no values are read."""

    def load() -> None:
        PipelineSession.load(Path(folder) / SESSION)

    return load


def unit_of_session(folder: str, unit: int, times: int) -> Callable[[], float]:
    """Read all features of one unit from a file that was opened before, and not read from."""
    opened = [PipelineSession.load(Path(folder) / SESSION) for _ in range(times)]

    def read() -> float:
        session = opened.pop()
        return _added([session[path].data[unit] for path in session.paths("features/")])

    return read


def unit_of_groups(folder: str, unit: int, times: int) -> Callable[[], float]:
    """The same where each unit has a group."""
    opened = [h5py.File(Path(folder) / GROUPS, "r") for _ in range(times)]

    def read() -> float:
        features = opened.pop()[_name(unit)]["features"]
        return _added([dataset[()] for one in features.values() for dataset in one.values()])

    return read


def _name(unit: int) -> str:
    return f"units/{unit:06d}"


def _arrays(n_units: int) -> list[np.ndarray]:
    return [*large.trains(n_units), large.stas(n_units), *large.columns(n_units).values()]


def _added(values: Sequence[np.ndarray]) -> float:
    return float(sum(float(np.sum(one)) for one in values))


def _told(times: np.ndarray, stas: np.ndarray) -> list[float]:
    """What shows that the right values were read."""
    return [times.size, float(times[::997].sum()), stas.size, float(stas.ravel()[::997].sum())]


@contextmanager
def _published(path: Path) -> Iterator[Path]:
    """Give the name to write to; then sync, rename, and sync the folder."""
    partial = path.with_suffix(".partial")
    yield partial
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
