"""The sensor stream: noise, and the waveform of every spike around the unit's electrode.

A unit's footprint, in microvolts at a sensor ``d`` pitches from the unit's electrode, ``s`` of
them along its axon and ``p`` across it, at the time ``t`` from the spike::

    w(t)  = -exp(-t^2 / (2 (0.12 ms)^2)) + 0.35 exp(-(t - 0.4 ms)^2 / (2 (0.25 ms)^2))
    soma  = A exp(-d / 1.3) w(t)
    axon  = 0.3 A exp(-s / 4) exp(-p / 0.8) w(t - 0.05 ms * s)      for 0 < s <= 6, else 0

with ``A`` of 80 to 160 uV: the trough is deepest at the unit's electrode at the time of the
spike, and along the axon it comes later and is smaller. A footprint reaches 8 pitches to each
side and from 1 ms before the spike to 2.5 ms after it; beyond it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.mcs.chip import sensor_id
from hdmea.simulate.mcs_files import SensorTrace
from hdmea.simulate.sorting import UnitTrain

REACH = 8
"""Pitches from a unit's electrode to the edge of its footprint."""
_BEFORE_S, _AFTER_S = 0.001, 0.0025
_AXON_PITCHES, _AXON_DELAY_S = 6, 0.00005
_CHUNK = 1024

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SensorRegion:
    """A rectangle of the chip whose sensors are recorded.

    Parameters
    ----------
    left, top, right, bottom
        First and last column and row, 1-based and inclusive; by default the whole chip, which
        takes 169 MB a second at 20 kHz.
    noise_uv
        SD of the white noise of every sensor.

    Raises
    ------
    ParameterError
        If it is no rectangle on the chip, or the noise is not positive or zero.

    Examples
    --------
    >>> SensorRegion(20, 30, 35, 40).size
    (16, 11)
    """

    left: int = 1
    top: int = 1
    right: int = 65
    bottom: int = 65
    noise_uv: float = 8.0

    def __post_init__(self) -> None:
        sensor_id(self.top, self.left)
        sensor_id(self.bottom, self.right)
        if min(self.size) < 1:
            raise ParameterError(
                f"A region from column {self.left} to {self.right} and row {self.top} to "
                f"{self.bottom} has no sensors; left and top must not be beyond right and bottom."
            )
        if not 0 <= self.noise_uv < np.inf:
            raise ParameterError(f"SensorRegion.noise_uv must be 0 or more, got {self.noise_uv}.")

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self.right - self.left + 1, self.bottom - self.top + 1


@dataclass(frozen=True, slots=True, eq=False)
class Footprints:
    """What the spikes of each unit look like on the sensors around it.

    Parameters
    ----------
    uv
        Microvolts, shape ``(unit, sample, 2 REACH + 1, 2 REACH + 1)``: columns, then rows, with
        the unit's electrode in the middle.
    first_sample
        Sample of the first of them from the spike's own, which is the sample nearest to it.
    """

    uv: Float32
    first_sample: int


def make_footprints(n_units: int, sampling_rate_hz: float, seed: int) -> Footprints:
    """Draw amplitudes and axons, and give the footprints they make.

    Examples
    --------
    >>> footprints = make_footprints(2, 20000.0, seed=1)
    >>> footprints.uv.shape, footprints.first_sample
    ((2, 71, 17, 17), -20)
    >>> trough = footprints.uv.min(axis=(2, 3)).argmin(axis=1) + footprints.first_sample
    >>> trough.tolist()
    [0, 0]
    """
    rng = np.random.default_rng([seed, 5])
    amplitude = rng.uniform(80.0, 160.0, n_units)
    angle = rng.uniform(0.0, 2 * np.pi, n_units)
    first = -round(_BEFORE_S * sampling_rate_hz)
    time_s = np.arange(first, round(_AFTER_S * sampling_rate_hz) + 1) / sampling_rate_hz
    offset = np.arange(-REACH, REACH + 1)
    dx, dy = offset[:, None], offset[None, :]
    uv = np.empty((n_units, time_s.size, offset.size, offset.size), dtype=np.float32)
    for k in range(n_units):
        along = dx * np.cos(angle[k]) + dy * np.sin(angle[k])
        across = np.abs(dy * np.cos(angle[k]) - dx * np.sin(angle[k]))
        on_axon = (along > 0) & (along <= _AXON_PITCHES)
        soma = np.exp(-np.hypot(dx, dy) / 1.3)
        axon = np.where(on_axon, 0.3 * np.exp(-along / 4 - across / 0.8), 0.0)
        later = time_s[:, None, None] - _AXON_DELAY_S * along
        uv[k] = amplitude[k] * (soma * _waveform(time_s)[:, None, None] + axon * _waveform(later))
    return Footprints(uv, first)


def sensor_trace(
    region: SensorRegion,
    units: Sequence[UnitTrain],
    footprints: Footprints,
    *,
    n_samples: int,
    sampling_rate_hz: float,
    seed: int,
) -> SensorTrace:
    """Make the counts of a region's sensors, block by block on demand.

    Conversion factors are drawn from 700 to 1300 nV per count, a different one for every
    sensor. A block's values do not depend on how the trace is cut into blocks.

    Parameters
    ----------
    region
        The sensors.
    units
        The spikes; those of units outside the region reach into it.
    footprints
        In the order of the units.
    n_samples, sampling_rate_hz
        Of the trace.
    seed
        Of noise and conversion factors.
    """
    columns, rows = region.size
    rng = np.random.default_rng([seed, 6])
    factors_nv = np.round(rng.uniform(700.0, 1300.0, (columns, rows)), 3)
    counts_per_uv = (1000.0 / factors_nv).astype(np.float32)
    n_lags = footprints.uv.shape[1]
    spikes = [np.rint(unit.spike_times_s * sampling_rate_hz).astype(np.int64) for unit in units]

    @lru_cache(maxsize=1)  # blocks are asked for in order and need not end where a chunk does
    def chunk(number: int) -> npt.NDArray[np.int16]:
        noise = np.random.default_rng([seed, 7, number])
        uv = noise.standard_normal((_CHUNK, columns, rows), dtype=np.float32)
        uv *= np.float32(region.noise_uv)
        for unit, own, footprint in zip(units, spikes, footprints.uv, strict=True):
            column, row = unit.column - region.left, unit.row - region.top
            inside_x, box_x = _overlap(column - REACH, footprint.shape[1], columns)
            inside_y, box_y = _overlap(row - REACH, footprint.shape[2], rows)
            begins = own + footprints.first_sample - number * _CHUNK
            near = slice(*np.searchsorted(begins, [1 - n_lags, _CHUNK]))
            for begin in begins[near].tolist():
                inside_t, box_t = _overlap(begin, n_lags, _CHUNK)
                uv[inside_t, inside_x, inside_y] += footprint[box_t, box_x, box_y]
        limits = np.iinfo(np.int16)
        counts = np.clip(np.rint(uv * counts_per_uv), limits.min, limits.max)
        return np.asarray(counts, dtype=np.int16)

    def block(start: int, stop: int) -> npt.NDArray[np.int16]:
        out = np.empty((stop - start, columns, rows), dtype=np.int16)
        for number in range(start // _CHUNK, -(-stop // _CHUNK)):
            inside, part = _overlap(number * _CHUNK - start, _CHUNK, stop - start)
            out[inside] = chunk(number)[part]
        return out

    return SensorTrace(
        left=region.left,
        top=region.top,
        right=region.right,
        bottom=region.bottom,
        n_samples=n_samples,
        block=block,
        conversion_factors=factors_nv,
    )


def _waveform(time_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    trough = np.exp(-0.5 * (time_s / 0.00012) ** 2)
    after = np.exp(-0.5 * ((time_s - 0.0004) / 0.00025) ** 2)
    return np.asarray(0.35 * after - trough, dtype=np.float64)


def _overlap(begin: int, length: int, size: int) -> tuple[slice, slice]:
    """Where ``[begin, begin + length)`` lies in ``[0, size)``, and which part of it does."""
    first, last = max(begin, 0), max(min(begin + length, size), 0)
    last = max(first, last)
    return slice(first, last), slice(first - begin, last - begin)
