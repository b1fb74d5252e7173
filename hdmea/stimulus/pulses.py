"""The pulses of the display in a row of the recording, found in bounded memory.

The rule is the reference rig's: the row is scaled by its 99.9th percentile, pulses are the
peaks of its first difference. Rows of an hour-long recording are read in blocks, never at once;
the result does not depend on the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Blocks = Callable[[], Iterable[npt.NDArray[Any]]]
"""Starts a new pass over one row: successive 1-D blocks, of any sizes, in order."""

_QUANTILE = 99.9 / 100
_TOP_VALUES = 1 << 20  # enough for 14 hours at 20 kHz; longer rows take one more pass


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
