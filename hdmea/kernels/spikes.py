"""Spike trains of many units in one flat array, and counting in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import ref

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SpikeTrains:
    """Spike times of all units, one train after the other.

    Parameters
    ----------
    times_s
        Spike times, seconds, sorted within each train.
    index
        Where each train ends in `times_s`, int64, shape ``(n_units,)``.

    Raises
    ------
    ParameterError
        If index and times do not fit together, or a train is not sorted.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.1, 0.5, 0.2]), np.array([2, 3]))
    >>> trains.of(1)
    array([0.2])
    >>> trains.count_in_windows([0.0, 0.1], [0.5, 1.0])
    array([[1, 2],
           [1, 1]])
    """

    times_s: Float64
    index: Int64

    def __post_init__(self) -> None:
        if _is_known(self.times_s, self.index):
            return
        ends = np.r_[0, self.index]
        if ends[-1] != self.times_s.size or (np.diff(ends) < 0).any():
            raise ParameterError(
                f"The spike index does not fit: it must not decrease and must end at the number "
                f"of spikes ({self.times_s.size}); it ends at {ends[-1]}."
            )
        # of a hundred million spikes: nothing but one comparison is made
        ascending = self.times_s[1:] >= self.times_s[:-1]
        if not ascending.all():
            unsorted = np.setdiff1d(np.flatnonzero(~ascending) + 1, self.index)
            if unsorted.size:
                unit = int(np.searchsorted(self.index, unsorted[0], side="right"))
                raise ParameterError(f"The spike times of the train in row {unit} must be sorted.")
        _keep_known(self.times_s, self.index)

    @property
    def n_units(self) -> int:
        """Number of trains."""
        return int(self.index.size)

    def of(self, unit: int) -> Float64:
        """Spike times of the train in row `unit` (a view)."""
        start = self.index[unit - 1] if unit else 0
        return self.times_s[start : self.index[unit]]

    def rows(self, start: int, stop: int) -> SpikeTrains:
        """The trains in rows ``[start, stop)``, their times as a view.

        Examples
        --------
        >>> SpikeTrains(np.array([0.1, 0.5, 0.2]), np.array([2, 3])).rows(1, 2).times_s
        array([0.2])
        """
        first = int(self.index[start - 1]) if start else 0
        ends = self.index[start:stop] - first
        some = object.__new__(SpikeTrains)  # of trains that are sorted: not looked at again
        object.__setattr__(some, "times_s", self.times_s[first : first + ends[-1:].sum()])
        object.__setattr__(some, "index", ends)
        return some

    def count_in_windows(self, start_s: npt.ArrayLike, stop_s: npt.ArrayLike) -> Int64:
        """Spikes of each unit in each half-open window, shape ``(unit, window)``."""
        start, stop = self.index_ranges(start_s, stop_s)
        return stop - start

    def index_ranges(self, start_s: npt.ArrayLike, stop_s: npt.ArrayLike) -> tuple[Int64, Int64]:
        """First and one-past-last spike of each window, as positions in the flat array.

        Parameters
        ----------
        start_s, stop_s
            Half-open windows ``[start, stop)``, shape ``(n_windows,)``; they may overlap.

        Returns
        -------
        start_index, stop_index : int64 arrays, shape ``(unit, window)``
        """
        start_s = np.asarray(start_s, dtype=np.float64)
        stop_s = np.asarray(stop_s, dtype=np.float64)
        if start_s.shape != stop_s.shape or start_s.ndim != 1 or not (start_s <= stop_s).all():
            raise ParameterError("Windows must have as many starts as stops, none after its stop.")
        # Edges in ascending order, each once: neighbours are found in the same memory.
        edges, place = np.unique(np.concatenate([start_s, stop_s]), return_inverse=True)
        first = np.empty((self.n_units, edges.size), dtype=np.int64)
        offset = 0
        for unit in range(self.n_units):
            np.add(self.of(unit).searchsorted(edges), offset, out=first[unit])
            offset = self.index[unit]
        return first[:, place[: start_s.size]], first[:, place[start_s.size :]]

    def count_in_bins(
        self, edges_s: npt.ArrayLike, dtype: npt.DTypeLike = np.int64
    ) -> npt.NDArray[np.integer]:
        """Spikes of each unit between consecutive edges, shape ``(unit, n_edges - 1)``.

        Bins are half-open, ``[edge, next edge)``; spikes outside all of them are not counted.
        """
        edges = np.asarray(edges_s, dtype=np.float64)
        if edges.ndim != 1 or edges.size < 1 or not (np.diff(edges) >= 0).all():
            raise ParameterError("Bin edges must be one-dimensional and must not decrease.")
        counts = np.empty((self.n_units, edges.size - 1), dtype=dtype)
        cells: _Cells | None = None
        for unit in range(self.n_units):
            train = self.of(unit)
            inside = train[slice(*train.searchsorted(edges[[0, -1]]))]
            # The fewer are looked for among the more.
            if edges.size < inside.size:
                counts[unit] = np.diff(np.searchsorted(inside, edges))
            else:
                cells = cells or _Cells(edges)
                counts[unit] = cells.counts(inside)
        return counts


class _Cells:
    """Time in equal cells, and how many of some edges lie before each: a place to look at first.

    Whatever the rounding, an edge in an earlier cell than a spike is before it, and one in a later
    cell is after it; those in its own cell are compared with it.
    """

    _MOST_IN_ONE = 4
    """With more edges in a cell, as of a clock that stood still, they are searched instead."""

    def __init__(self, edges: Float64) -> None:
        self._edges = edges
        length = edges[-1] - edges[0]
        self._per_s = 2 * edges.size / length if length > 0 else 0.0
        n_in = np.bincount(self._cell_of(edges))
        self._most = int(n_in.max())
        self._before = np.cumsum(n_in) - n_in

    def _cell_of(self, times_s: Float64) -> Int64:
        place: Int64 = ((times_s - self._edges[0]) * self._per_s).astype(np.int64)
        return place

    def counts(self, inside: Float64) -> Int64:
        """Spikes between each edge and the next, of those from the first edge on to the last."""
        edges = self._edges
        if self._most > self._MOST_IN_ONE:
            after = np.searchsorted(edges, inside, side="right")
        else:
            after = self._before[self._cell_of(inside)]
            for _ in range(self._most):  # no spike lies beyond the last edge
                after += edges[after] <= inside
        return np.bincount(after, minlength=edges.size)[1:]


_known: dict[int, tuple[ref[Float64], ref[Int64]]] = {}
"""Times and indices that fit and are sorted, by the identity of the times."""


def _is_known(times_s: Float64, index: Int64) -> bool:
    """Whether these very arrays, which nobody can change, were looked at before."""
    known = _known.get(id(times_s))
    return known is not None and known[0]() is times_s and known[1]() is index


def _keep_known(times_s: Float64, index: Int64) -> None:
    """Remember arrays of a session, of which each step makes trains anew."""
    if not (times_s.flags.writeable or index.flags.writeable):
        key = id(times_s)
        _known[key] = ref(times_s, lambda _: _known.pop(key, None)), ref(index)


def n_coincident(one: Sequence[float], other: Sequence[float], within: float) -> int:
    """Most pairs of spikes of two ascending trains that are at most `within` apart.

    Each spike is used once. Lists are fastest; they are walked through.

    Examples
    --------
    >>> n_coincident([10, 20, 30], [11, 12, 29], within=2)
    2
    """
    n = i = j = 0
    # of two spikes too far apart the earlier finds no partner; the earliest pair leaves most
    while i < len(one) and j < len(other):
        if abs(one[i] - other[j]) <= within:
            n, i, j = n + 1, i + 1, j + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return n
