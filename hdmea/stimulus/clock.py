"""The frame clock: from the pulses of the display to the time of every display frame.

The rule is the reference rig's: the pulse row is scaled by its 99.9th percentile, frames are
the peaks of its first difference, the first few peaks are dropped. Rows of an hour-long
recording are read in blocks, never at once; the result does not depend on the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hdmea.errors import StimulusError

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Blocks = Callable[[], Iterable[npt.NDArray[Any]]]
"""Starts a new pass over one row: successive 1-D blocks, of any sizes, in order."""

_QUANTILE = 99.9 / 100
_TOP_VALUES = 1 << 20  # enough for 14 hours at 20 kHz; longer rows take one more pass
_SHOWN = 5


class FrameClockParams(BaseModel):
    """How the time of every display frame is found in a recording."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: Literal["analog"] = Field(
        "analog", description="Where the frame pulses are: a row of the recording's analog stream."
    )
    row: int = Field(1, ge=0, description="Row of the analog stream with one pulse per frame.")
    photodiode_row: int | None = Field(
        0, ge=0, description="Row of the analog stream with the light level; null: none recorded."
    )
    height: float = Field(
        0.1,
        gt=0,
        description="Smallest rise from one sample to the next that is a pulse, as a fraction of "
        "the row's 99.9th percentile.",
    )
    drop_first: int = Field(
        4, ge=0, description="Pulses dropped at the beginning; frame 0 is the first one kept."
    )
    irregular: Literal["error", "keep"] = Field(
        "error",
        description="What to do with an interval outside 0.5-1.5 of the median, which is either "
        "a frame that the display held or a pulse that was missed (the photodiode is not "
        "consulted): 'error' stops and shows where; 'keep' says that the display held the "
        "frame, so that frames count as they are.",
    )
    display_delay_s: float = Field(
        0.0, description="Time from a pulse to its light on the retina, added to every frame (s)."
    )


@dataclass(frozen=True, slots=True, eq=False)
class FrameClock:
    """The time of every display frame and how it was found.

    Parameters
    ----------
    times_s
        Frame times, float64, shape ``(n_frames,)``, seconds from the start of the recording.
    median_interval_s
        Median time between two frames.
    n_pulses
        Pulses found, before any was dropped.
    n_dropped
        Pulses dropped at the beginning.
    irregular
        Frames whose interval to the next is outside 0.5-1.5 of the median, int64.
    """

    times_s: Float64
    median_interval_s: float
    n_pulses: int
    n_dropped: int
    irregular: Int64


def detect_pulses(blocks: Blocks, height: float = 0.1) -> Int64:
    """Samples at which the pulses of a row rise, in bounded memory.

    ``x = row / percentile(row, 99.9)`` if that is positive, else ``x = row``; pulses are the
    local maxima of ``diff(x)`` that reach `height` (a plateau counts once, at its middle,
    rounded down), exactly as ``scipy.signal.find_peaks(diff(x), height)`` on the whole row.

    Parameters
    ----------
    blocks
        Starts a pass over the row; called twice.
    height
        Smallest step of `x` that is a pulse.

    Returns
    -------
    int64 array
        Index of the sample before each rise.

    Raises
    ------
    StimulusError
        If the row holds values that are not finite.

    Examples
    --------
    >>> row = np.array([0, 0, 9, 9, 0, 0, 8, 9, 0])
    >>> detect_pulses(lambda: [row[:4], row[4:]])
    array([1, 5])
    """
    scale = _upper_percentile(blocks)
    found: list[Int64] = []
    # Runs of equal steps; the last two runs of a block wait for what follows them, so that a
    # peak or plateau across a border, however long, is seen whole and costs no memory.
    values, starts = np.empty(0), np.empty(0, dtype=np.int64)
    position = 0
    for steps in _steps(blocks(), scale):
        first = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1]])
        new_values, new_starts = steps[first], first + position
        if values.size and values[-1] == new_values[0]:
            new_values, new_starts = new_values[1:], new_starts[1:]
        values, starts = np.r_[values, new_values], np.r_[starts, new_starts]
        inner = values[1:-1]
        peak = (inner > values[:-2]) & (inner > values[2:]) & (inner >= height)
        found.append((starts[1:-1][peak] + starts[2:][peak] - 1) // 2)
        values, starts = values[-2:], starts[-2:]
        position += steps.size
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def frame_clock(
    pulse_samples: npt.ArrayLike, rate_hz: float, t0_s: float, params: FrameClockParams
) -> FrameClock:
    """Frame times from the samples of the pulses.

    Parameters
    ----------
    pulse_samples
        Sample index of every pulse, increasing.
    rate_hz
        Sampling rate of the row.
    t0_s
        Time of the row's first sample from the start of the recording.
    params
        See `FrameClockParams`.

    Raises
    ------
    StimulusError
        If fewer than two frames remain, or an interval is irregular and
        ``params.irregular == "error"``.

    Examples
    --------
    >>> clock = frame_clock([10, 20, 30, 40, 50], 1000.0, 0.0, FrameClockParams(drop_first=2))
    >>> clock.times_s, clock.median_interval_s
    (array([0.03, 0.04, 0.05]), 0.01)
    """
    pulses = np.asarray(pulse_samples, dtype=np.int64)
    kept = pulses[params.drop_first :]
    if kept.size < 2:
        raise StimulusError(
            f"The frame clock (analog row {params.row}) has {pulses.size} pulses, and the first "
            f"{params.drop_first} are dropped: at least two frames are needed. Check "
            f"frame_clock: {{row: ..., height: ...}}; no pulses at all means that the display "
            f"was not connected to this row."
        )
    intervals = np.diff(kept)
    median = float(np.median(intervals))
    irregular = np.flatnonzero((intervals < 0.5 * median) | (intervals > 1.5 * median))
    times = t0_s + kept / rate_hz + params.display_delay_s
    if irregular.size and params.irregular == "error":
        shown = "; ".join(
            f"frame {i} at {times[i]:.3f} s: {intervals[i] / median:.2f} medians"
            for i in irregular[:_SHOWN]
        )
        more = f"; and {irregular.size - _SHOWN} more" if irregular.size > _SHOWN else ""
        raise StimulusError(
            f"The frame clock (analog row {params.row}) has {irregular.size} of {intervals.size} "
            f"intervals outside 0.5-1.5 of the median ({1000 * median / rate_hz:.2f} ms): "
            f"{shown}{more}. Either the display held a frame there, and nothing is wrong, or a "
            f"pulse was missed, and all later frames are one too early. If the display held "
            f"them, set frame_clock: {{irregular: keep}}; if pulses are missed, a lower "
            f"frame_clock: {{height: ...}} (now {params.height:g}) may find them."
        )
    return FrameClock(
        times_s=times,
        median_interval_s=median / rate_hz,
        n_pulses=int(pulses.size),
        n_dropped=params.drop_first,
        irregular=irregular.astype(np.int64),
    )


def block_means(
    blocks: Iterable[npt.NDArray[Any]], n_samples: int, rate_hz: float, target_hz: float = 1000.0
) -> tuple[npt.NDArray[np.float32], float]:
    """A row averaged down to about `target_hz`.

    Every value is the mean of the same whole number of samples, ``round(rate / target)`` (at
    least 1), so the rate that comes out is `target_hz` only where it divides `rate_hz`; it is
    returned. Samples that do not fill a last mean are left out.

    Parameters
    ----------
    blocks
        One pass over the row: successive 1-D blocks.
    n_samples
        Samples in the row.
    rate_hz
        Sampling rate of the row.
    target_hz
        Wanted rate.

    Returns
    -------
    means : float32 array
        Value ``i`` covers the samples ``[i * k, (i + 1) * k)``.
    rate_hz : float
        The rate of `means`, exactly ``rate_hz / k``.

    Raises
    ------
    StimulusError
        If the blocks hold another number of samples than `n_samples`.

    Examples
    --------
    >>> block_means([np.arange(5), np.arange(5, 9)], 9, rate_hz=4000.0, target_hz=1000.0)
    (array([1.5, 5.5], dtype=float32), 1000.0)
    """
    factor = max(1, round(rate_hz / target_hz))
    means = np.empty(n_samples // factor, dtype=np.float32)
    rest = np.empty(0)
    done = seen = 0
    for block in blocks:
        seen += block.size
        if seen > n_samples:
            break
        rest = np.r_[rest, block.astype(np.float64)]
        n = rest.size // factor
        means[done : done + n] = rest[: n * factor].reshape(n, factor).mean(axis=1)
        done += n
        rest = rest[n * factor :]
    if seen != n_samples:
        found = f"more than {n_samples}" if seen > n_samples else str(seen)
        raise StimulusError(f"A row of {n_samples} samples was announced, {found} were read.")
    return means, rate_hz / factor


def _upper_percentile(blocks: Blocks) -> float:
    """The 99.9th percentile as numpy computes it (linear), 1.0 where it is not positive."""
    capacity = _TOP_VALUES
    while True:
        n, top = _largest(blocks(), capacity)
        if n == 0:
            return 1.0
        rank = (n - 1) * _QUANTILE
        lower = int(rank)
        if n - lower <= top.size:
            break
        capacity = n - lower
    pair = top[top.size - (n - lower) :][:2]
    percentile = float(np.quantile(pair, rank - lower)) if pair.size == 2 else float(pair[0])
    return percentile if percentile > 0 else 1.0


def _largest(blocks: Iterable[npt.NDArray[Any]], capacity: int) -> tuple[int, Float64]:
    """Number of values and the `capacity` largest of them, ascending."""
    n, waiting = 0, 0
    threshold = -np.inf
    pieces: list[Float64] = []
    for block in _finite(blocks):
        n += block.size
        piece = block[block > threshold]
        pieces.append(piece)
        waiting += piece.size
        if waiting > 2 * capacity:
            kept = np.concatenate(pieces)
            kept = np.partition(kept, kept.size - capacity)[kept.size - capacity :]
            threshold, pieces, waiting = float(kept[0]), [kept], capacity
    top = np.sort(np.concatenate(pieces)) if pieces else np.empty(0)
    return n, top[-capacity:]


def _steps(blocks: Iterable[npt.NDArray[Any]], scale: float) -> Iterator[Float64]:
    """Successive pieces of ``diff(row / scale)``, none of them empty."""
    last = np.empty(0)
    for block in _finite(blocks):
        x = np.r_[last, block / scale]
        if x.size > 1:
            yield np.diff(x)
        last = x[-1:]


def _finite(blocks: Iterable[npt.NDArray[Any]]) -> Iterator[Float64]:
    for block in blocks:
        values = block.astype(np.float64)
        if not np.isfinite(values).all():
            raise StimulusError(
                "The row of the frame pulses holds values that are not finite; "
                "choose another row: frame_clock: {row: ...}."
            )
        yield values
