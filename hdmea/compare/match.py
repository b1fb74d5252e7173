"""Which unit of one result is which of the other: by number, checked by spike times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

_MOST_NEAR = 20_000_000  # spikes of real retinas are far from that synchronous

Float64 = npt.NDArray[np.float64]
Train = Callable[[int], Float64 | None]
"""Spike times (s, ascending) of the unit in a row; None where they are not known."""

COINCIDENT_S = 0.001
"""Two spikes so near count as one that both results have."""
SAME_TRAIN = 0.8
"""A train is the same if more than this part of both trains' spikes coincide."""
FEWEST_SPIKES = 5
"""Shorter trains are not matched by spike times alone: a few spikes coincide by chance."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A unit that both have.

    Parameters
    ----------
    a, b
        Its rows.
    by
        How it was found.
    coincidence
        Part of the spikes that coincide, of the train with the smaller part; NaN if not known.
    """

    a: int
    b: int
    by: Literal["number", "spike_times"]
    coincidence: float

    @property
    def is_other_train(self) -> bool:
        """Whether the number is the same, but not the unit, as its spikes tell."""
        return self.by == "number" and self.coincidence <= SAME_TRAIN


@dataclass(frozen=True, slots=True)
class UnitMatch:
    """Units that both have, in the order of A, and rows of those that one has only."""

    pairs: tuple[Pair, ...]
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]


def coincidence(a: Float64, b: Float64, within_s: float = COINCIDENT_S) -> float:
    """Part of the spikes with a spike of the other train near by; the smaller of both parts.

    Examples
    --------
    >>> coincidence(np.array([1.0, 2.0]), np.array([1.0005, 2.0, 3.0, 4.0]))
    0.5
    """
    if not (a.size and b.size):
        return float(a.size == b.size)
    return min(_part_near(a, b, within_s), _part_near(b, a, within_s))


def match_units(
    numbers_a: Sequence[int], numbers_b: Sequence[int], train_a: Train, train_b: Train
) -> UnitMatch:
    """Match the units of two results, one to one.

    First by number, if the trains are the same or not known. Then what is left, whatever its
    number, by spike times: the pair that coincides most first. Last what is left of the same
    number; its trains are others, which `Pair.is_other_train` says.

    Parameters
    ----------
    numbers_a, numbers_b
        Number of the unit in each row.
    train_a, train_b
        Spike times of the unit in a row.

    Examples
    --------
    >>> trains = [np.arange(10.0), np.arange(10.0) + 0.3, np.arange(10.0) + 0.7]
    >>> found = match_units([1, 2], [2, 7, 9], lambda i: trains[i], lambda i: trains[1 - i])
    >>> [(pair.a, pair.b, pair.by) for pair in found.pairs], found.only_b
    ([(0, 1, 'spike_times'), (1, 0, 'number')], (2,))
    """
    row_b = {int(number): row for row, number in enumerate(numbers_b)}
    pairs: list[Pair] = []
    others: list[Pair] = []
    for a, number in enumerate(map(int, numbers_a)):
        if number in row_b:
            b = row_b[number]
            pair = Pair(a, b, "number", _known_coincidence(train_a(a), train_b(b)))
            (others if pair.is_other_train else pairs).append(pair)
    free_a = _left(len(numbers_a), [pair.a for pair in pairs])
    free_b = _left(len(numbers_b), [pair.b for pair in pairs])
    for pair in (*_by_spike_times(free_a, free_b, train_a, train_b), *others):
        if pair.a in free_a and pair.b in free_b:
            pairs.append(pair)
            free_a.remove(pair.a)
            free_b.remove(pair.b)
    return UnitMatch(
        tuple(sorted(pairs, key=lambda pair: pair.a)), tuple(sorted(free_a)), tuple(sorted(free_b))
    )


def _by_spike_times(
    rows_a: set[int], rows_b: set[int], train_a: Train, train_b: Train
) -> Iterator[Pair]:
    """Every pair whose trains are the same, the best first."""
    long_b = list(_long_trains(rows_b, train_b))
    if not long_b:
        return
    sizes = np.array([other.size for _, other in long_b])
    pool = np.concatenate([other for _, other in long_b])
    order = np.argsort(pool, kind="stable")
    pool, owners = pool[order], np.repeat(np.arange(sizes.size), sizes)[order]
    found = []
    for a, one in _long_trains(rows_a, train_a):
        # All spikes of B near those of the unit are counted at once: trains of which fewer are near
        # cannot be the same, and of thousands of pairs hardly one is left to be looked at.
        near = _n_near(one, pool, owners, sizes)
        for k in np.flatnonzero(near > SAME_TRAIN * np.maximum(sizes, one.size)):
            b, other = long_b[k]
            part = coincidence(one, other)
            if part > SAME_TRAIN:
                found.append(Pair(a, b, "spike_times", part))
    yield from sorted(found, key=lambda pair: (-pair.coincidence, pair.a, pair.b))


def _n_near(
    times: Float64, pool: Float64, owners: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """How many spikes of each owner in the pool lie near any of the times, or more."""
    margin = COINCIDENT_S + 1e-9  # the limits of the window are rounded, differences are not
    first = np.searchsorted(pool, times - margin)
    n = np.searchsorted(pool, times + margin, side="right") - first
    if n.sum() > _MOST_NEAR:
        return np.maximum(sizes, times.size)
    begin = np.cumsum(n) - n
    places = np.repeat(first - begin, n) + np.arange(n.sum())
    return np.bincount(owners[places], minlength=sizes.size)


def _long_trains(rows: set[int], train: Train) -> Iterator[tuple[int, Float64]]:
    for row in sorted(rows):
        times = train(row)
        if times is not None and times.size >= FEWEST_SPIKES:
            yield row, times


def _known_coincidence(a: Float64 | None, b: Float64 | None) -> float:
    return math.nan if a is None or b is None else coincidence(a, b)


def _part_near(times: Float64, others: Float64, within_s: float) -> float:
    right = np.searchsorted(others, times)
    before = times - others[np.maximum(right - 1, 0)]
    after = others[np.minimum(right, others.size - 1)] - times
    return float(np.mean(np.minimum(np.abs(before), np.abs(after)) <= within_s))


def _left(n: int, taken: Sequence[int]) -> set[int]:
    return set(range(n)) - set(taken)
