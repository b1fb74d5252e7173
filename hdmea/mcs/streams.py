"""The streams of a raw recording; values are read from the file when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.interruption import safe_point
from hdmea.mcs.safe_h5 import reading

LEAST_HOLE = 500
"""Half a page of a disk, in samples of four bytes; noise is never 0 as often in a row."""

Integers = npt.NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class AnalogStream:
    """One sweep of an analog stream; values are read when asked for.

    Parameters
    ----------
    name
        The stream's name in the file.
    rate_hz
        From the stream's own ``Tick``.
    t0_s
        Time of the first sample from recording start.
    n_samples, n_channels
        Size.
    labels
        The channels' labels in the file, in the order of the channels.
    """

    name: str
    rate_hz: float
    t0_s: float
    n_samples: int
    n_channels: int
    labels: tuple[str, ...]
    _path: Path
    _data: h5py.Dataset

    def block(self, channel: int, start: int, stop: int) -> Integers:
        """Read the samples ``[start, stop)`` of a channel (0-based) as counts, shape ``(n,)``.

        Raises
        ------
        ParameterError
            If channel or samples are not in the stream.
        RecordingFileError
            If the data cannot be read.
        """
        if not 0 <= channel < self.n_channels:
            raise ParameterError(
                f"{self.name} has {self.n_channels} channels, counted from 0; ask for one of them, "
                f"not for channel {channel}"
            )
        _check_range(self.name, start, stop, self.n_samples)
        with reading(self._path, self.name):
            values: Integers = self._data[channel, start:stop]
        return values

    def holes(self, channel: int) -> list[tuple[int, int]]:
        """Samples ``[start, stop)`` of a channel that were never written, as far as one can tell.

        These are `LEAST_HOLE` and more samples of nothing but 0, where 0 is rare otherwise: what
        remains in a file that was not written or copied whole. A row that rests at 0 has no holes.
        """
        runs: list[tuple[int, int]] = []
        n_zeros = at = 0
        for block in self.blocks(channel):
            changes = np.flatnonzero(np.diff(block == 0, prepend=False, append=False))
            starts, stops = changes[::2], changes[1::2]
            n_zeros += int(np.sum(stops - starts))
            # what touches the block's borders may go on in its neighbours
            long = (stops - starts >= LEAST_HOLE) | (starts == 0) | (stops == block.size)
            for start, stop in zip(starts[long].tolist(), stops[long].tolist(), strict=True):
                if runs and runs[-1][1] == at + start:
                    start = runs.pop()[0] - at
                runs.append((at + start, at + stop))
            at += block.size
        runs = [(start, stop) for start, stop in runs if stop - start >= LEAST_HOLE]
        missing = sum(stop - start for start, stop in runs)
        is_rare = n_zeros - missing < (self.n_samples - missing) / 100
        return runs if is_rare else []

    def blocks(self, channel: int, size: int = 2**20) -> Iterator[Integers]:
        """Read a channel in successive blocks of at most ``size`` samples."""
        for start in range(0, self.n_samples, size):
            safe_point()
            yield self.block(channel, start, min(start + size, self.n_samples))


@dataclass(frozen=True, slots=True, eq=False)
class SensorStream:
    """One region and sweep of the sensor stream; values are read when asked for.

    Parameters
    ----------
    name
        The dataset's name in the file.
    shape
        ``(samples, columns, rows)``.
    left, top, right, bottom
        First and last column and row on the chip, 1-based and inclusive.
    tick_us
        Sample interval.
    t0_s
        Time of the first sample from recording start.
    uv_per_count
        Shape ``(columns, rows)``; see `hdmea.mcs.chip.parse_conversion_factors` for what is
        not known about their order.
    """

    name: str
    shape: tuple[int, int, int]
    left: int
    top: int
    right: int
    bottom: int
    tick_us: float
    t0_s: float
    uv_per_count: npt.NDArray[np.float64]
    _path: Path
    _data: h5py.Dataset

    @property
    def rate_hz(self) -> float:
        """Samples per second."""
        return 1e6 / self.tick_us

    def counts(self, start: int, stop: int) -> Integers:
        """Read the samples ``[start, stop)`` as stored, shape ``(n, columns, rows)``."""
        _check_range(self.name, start, stop, self.shape[0])
        with reading(self._path, self.name):
            values: Integers = self._data[start:stop]
        return values

    def uv(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Read the samples ``[start, stop)`` in microvolts, shape ``(n, columns, rows)``."""
        counts = self.counts(start, stop).astype(np.float32)
        counts *= self.uv_per_count.astype(np.float32)
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class DigitalEvents:
    """Events of the digital port, by time; one array per column.

    ``event_id`` int64, ``time_s`` and ``duration_s`` float64 from recording start, ``label``
    of the kind and name of the ``stream`` it comes from.
    """

    event_id: npt.NDArray[np.int64]
    time_s: npt.NDArray[np.float64]
    duration_s: npt.NDArray[np.float64]
    label: npt.NDArray[np.str_]
    stream: npt.NDArray[np.str_]


def _check_range(name: str, start: int, stop: int, n_samples: int) -> None:
    if not 0 <= start <= stop <= n_samples:
        raise ParameterError(
            f"samples [{start}, {stop}) are not in {name}; ask for some of its {n_samples} samples"
        )
