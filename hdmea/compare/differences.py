"""How far two arrays are apart, added up block by block: pure numbers, no files."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array
from hdmea.errors import ParameterError
from hdmea.kernels.spikes import n_coincident

Flags = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

_SAMPLED = 1 << 20  # differences that are kept for a median; evenly taken where there are more


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two numbers may be: ``|a - b| <= atol + rtol max(|a|, |b|)``.

    Where a value is a float32, `rtol` is at least one unit in its last place (1.2e-7), unless it
    is 0: a computation that is right to 1e-9 can round either way.

    Raises
    ------
    ParameterError
        If a tolerance is negative or not finite.

    Examples
    --------
    >>> near = Tolerance(rtol=1e-9)
    >>> near.differ(np.array([1.0, 1.0, np.nan]), np.array([1.0 + 1e-12, 1.1, np.nan]))
    array([False,  True, False])
    >>> EXACT.differ(np.array([1.0]), np.array([1.0 + 1e-12]))
    array([ True])
    """

    rtol: float = 0.0
    atol: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("rtol", self.rtol), ("atol", self.atol)):
            if not (math.isfinite(value) and value >= 0):
                raise ParameterError(f"{name} must be a number of 0 or more, got {value!r}")

    def differ(self, a: Array, b: Array) -> Flags:
        """Where two arrays of numbers, of one shape, differ; NaN equals NaN."""
        differ: Flags = np.asarray(a != b) & ~_both_nan(a, b)
        if self.rtol == self.atol == 0 or not differ.any():
            return differ
        rtol = self.rtol and max(self.rtol, *(_unit_in_last_place(x) for x in (a, b)))
        # infinite or undefined on one side only: different, whatever the tolerance
        finite = differ & np.isfinite(a) & np.isfinite(b)
        x, y = a[finite].astype(np.float64), b[finite].astype(np.float64)
        differ[finite] = np.abs(x - y) > self.atol + rtol * np.maximum(np.abs(x), np.abs(y))
        return differ


EXACT = Tolerance()


class Tally:
    """Counts and sizes of the differences of two arrays, given in blocks.

    Parameters
    ----------
    tolerance
        What counts as a difference of numbers; text is always compared exactly.

    Examples
    --------
    >>> tally = Tally(EXACT)
    >>> tally.add(np.array([1.0, 2.0, 3.0, np.nan]), np.array([1.0, 2.5, 3.25, 0.0]))
    array([False,  True,  True,  True])
    >>> tally.n, tally.n_differing, tally.n_nan, tally.largest_abs, tally.median_abs
    (4, 3, 1, 0.5, 0.375)
    """

    def __init__(self, tolerance: Tolerance) -> None:
        self.tolerance = tolerance
        self.n = 0
        self.n_differing = 0
        self.n_nan = 0
        self.changes: Counter[tuple[str, str]] = Counter()
        self._largest = [math.nan, math.nan]
        self._kept: list[Float64] = []
        self._stride = 1

    def add(self, a: Array, b: Array) -> Flags:
        """Take in a block of both; gives the flags of its rows (first axis) that differ."""
        a, b = np.atleast_1d(a), np.atleast_1d(b)
        if "U" in (a.dtype.kind, b.dtype.kind):
            differ = self._add_text(_as_text(a), _as_text(b))
        else:
            differ = self._add_numbers(*_one_precision(a, b))
        self.n += a.size
        self.n_differing += int(differ.sum())
        rows: Flags = np.asarray(differ.reshape(differ.shape[0], -1).any(axis=1))
        return rows

    @property
    def largest_abs(self) -> float:
        """Largest difference; NaN if none is between two numbers."""
        return self._largest[0]

    @property
    def largest_rel(self) -> float:
        """Largest difference as a fraction of the larger value (by size)."""
        return self._largest[1]

    @property
    def median_abs(self) -> float:
        """Median of the differences that are more than the tolerance."""
        return self._median(0)

    @property
    def median_rel(self) -> float:
        """Median of these differences as fractions of the larger value."""
        return self._median(1)

    def _add_text(self, a: Array, b: Array) -> Flags:
        differ: Flags = np.asarray(a != b)
        self.changes.update(zip(a[differ].tolist(), b[differ].tolist(), strict=True))
        return differ

    def _add_numbers(self, a: Array, b: Array) -> Flags:
        differ = self.tolerance.differ(a, b)
        x, y = a[differ].astype(np.float64), b[differ].astype(np.float64)
        numbers = ~(np.isnan(x) | np.isnan(y))
        self.n_nan += int((~numbers).sum())
        x, y = x[numbers], y[numbers]
        if x.size:
            with np.errstate(invalid="ignore", over="ignore"):
                apart = np.abs(x - y)
                relative = apart / np.maximum(np.abs(x), np.abs(y))
            relative[np.isinf(apart)] = np.inf
            sizes = np.stack([apart, relative])
            self._largest = np.fmax(self._largest, sizes.max(axis=1)).tolist()
            self._keep(sizes)
        return differ

    def _keep(self, sizes: Float64) -> None:
        """Keep every one, or evenly taken ones, so that a median takes bounded memory."""
        self._kept.append(sizes[:, :: self._stride].copy())  # a view would keep all of it
        while sum(kept.shape[1] for kept in self._kept) > _SAMPLED:
            self._kept = [np.concatenate(self._kept, axis=1)[:, ::2].copy()]
            self._stride *= 2

    def _median(self, which: int) -> float:
        if not self._kept:
            return math.nan
        return float(np.median(np.concatenate([kept[which] for kept in self._kept])))


def n_without_partner(a: Float64, b: Float64, within: float) -> tuple[int, int]:
    """How many times of each ascending train have no partner in the other, each used once.

    Examples
    --------
    >>> n_without_partner(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 3.0, 4.0]), 0.0)
    (1, 2)
    """
    if a.size == b.size and bool(np.all(np.abs(a - b) <= within)):
        return 0, 0
    partners = n_coincident(a.tolist(), b.tolist(), within)
    return a.size - partners, b.size - partners


def _both_nan(a: Array, b: Array) -> Flags:
    both: Flags = np.asarray((a != a) & (b != b))  # NaN alone is not itself
    return both


def _unit_in_last_place(values: Array) -> float:
    return float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else 0.0


def _one_precision(a: Array, b: Array) -> tuple[Array, Array]:
    """A float64 beside a float32 is rounded to float32: more of it, the other cannot tell."""
    if a.dtype.kind == b.dtype.kind == "f" and a.dtype.itemsize != b.dtype.itemsize:
        narrow = min(a.dtype, b.dtype, key=lambda dtype: dtype.itemsize)
        with np.errstate(over="ignore"):
            return a.astype(narrow), b.astype(narrow)
    return a, b


def _as_text(values: Array) -> Array:
    """Text as it is; numbers as a table writes them, NaN as nothing."""
    if values.dtype.kind == "U":
        return values
    flat = ["" if value != value else str(value) for value in values.ravel().tolist()]
    return np.array(flat, dtype=np.str_).reshape(values.shape)
