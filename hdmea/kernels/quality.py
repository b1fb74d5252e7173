"""How well a unit is isolated: refractory violations, presence, and trains found twice.

Times are compared in whole nanoseconds, so that a spike time in whole microseconds counts alike
wherever it lies in the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from hdmea.interruption import safe_point
from hdmea.kernels.spikes import SpikeTrains, n_coincident
from hdmea.pieces import side_by_side

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def isi_violations(spikes: SpikeTrains, refractory_s: float, censored_s: float = 0.0) -> Int64:
    """Intervals between successive spikes in ``[censored_s, refractory_s)``, shape ``(unit,)``.

    Examples
    --------
    >>> isi_violations(SpikeTrains(np.array([0.1, 0.101, 0.1025]), np.array([3])), 0.0015)
    array([1])
    """
    shortest, longest = _nanoseconds(censored_s), _nanoseconds(refractory_s)
    counts = np.empty(spikes.n_units, dtype=np.int64)
    for unit in range(spikes.n_units):
        intervals = np.diff(_nanoseconds(spikes.of(unit)))
        counts[unit] = np.count_nonzero((intervals >= shortest) & (intervals < longest))
    return counts


def violations_at_half(
    n_spikes: Int64, duration_s: float, refractory_s: float, censored_s: float = 0.0
) -> Float64:
    """Violations expected if half of a unit's spikes were another cell's: the most there can be.

    ``(refractory - censored) N^2 / (2 T)``, the largest value of the formula of
    `hill_contamination`.

    Examples
    --------
    >>> violations_at_half(np.array([2000]), 600.0, 0.0015)
    array([5.])
    """
    span: float = refractory_s - censored_s
    return np.asarray(span * n_spikes.astype(np.float64) ** 2 / (2 * duration_s))


def hill_contamination(n_violations: Int64 | Float64, at_half: Float64) -> Float64:
    """Fraction of a unit's spikes that are another cell's, from its refractory violations.

    Spikes of the two cells are taken to be independent, so that ``r = 2 (tau_R - tau_C) N^2 (1 -
    f) f / T`` violations are expected in N spikes and the time T [1]_; the smaller solution is
    ``f = (1 - sqrt(1 - r / r_half)) / 2`` with ``r_half`` of `violations_at_half`.

    Parameters
    ----------
    n_violations
        Violations r, shape ``(unit,)``.
    at_half
        `violations_at_half`.

    Returns
    -------
    float64 array (unit,)
        0 to 0.5; NaN where there is no solution, because there are more violations than any
        contamination explains.

    References
    ----------
    .. [1] Hill D.N., Mehta S.B., Kleinfeld D. (2011) J Neurosci 31, 8699-8705.

    Examples
    --------
    >>> hill_contamination(np.array([0, 64, 100, 101]), np.full(4, 100.0))
    array([0. , 0.2, 0.5, nan])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((1 - np.sqrt(1 - n_violations / at_half)) / 2)


def fewest_expected(n_violations: Int64, confidence: float) -> Float64:
    """Fewest violations that a unit may have been expected to have, by those that it has.

    The lower confidence limit of a Poisson count's mean [1]_: of a smaller mean so many violations
    come with a probability below ``1 - confidence``. 0 of none.

    Parameters
    ----------
    n_violations
        Violations, shape ``(unit,)``.
    confidence
        Of the limit, one-sided, 0 to 1.

    References
    ----------
    .. [1] Garwood F. (1936) Biometrika 28, 437-442.

    Examples
    --------
    >>> fewest_expected(np.array([0, 1, 10]), 0.95).round(3)
    array([0.   , 0.051, 5.425])
    """
    from scipy.special import gammaincinv

    some = np.maximum(n_violations, 1)
    return np.where(n_violations > 0, gammaincinv(some, 1 - confidence), 0.0)


def presence_ratio(spikes: SpikeTrains, duration_s: float, bin_s: float) -> Float64:
    """Fraction of bins of the recording in which a unit has a spike, shape ``(unit,)``.

    Bins begin at 0. A last bin that the recording does not fill is left out, and so are the
    spikes in it: it would miss a unit more easily than the others. NaN where no bin is whole.

    Examples
    --------
    >>> presence_ratio(SpikeTrains(np.array([5.0, 125.0, 185.0]), np.array([3])), 190.0, 60.0)
    array([0.66666667])
    """
    n_bins = int(duration_s / bin_s + 1e-9)
    if n_bins == 0:
        return np.full(spikes.n_units, np.nan)
    counts = spikes.count_in_bins(bin_s * np.arange(n_bins + 1))
    return np.asarray((counts > 0).mean(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of units that lie near each other, in columns.

    Parameters
    ----------
    smaller, larger
        Rows of the two units: the larger has more spikes, or as many and a smaller number.
    share
        Part of the smaller one's spikes that coincide with one of the larger's.
    """

    smaller: Int64
    larger: Int64
    share: Float64

    def where(self, chosen: npt.NDArray[np.bool_]) -> Pairs:
        """Only the pairs that are chosen."""
        return Pairs(self.smaller[chosen], self.larger[chosen], self.share[chosen])


def compare_near(
    spikes: SpikeTrains,
    rank: Sequence[int],
    row: Int64,
    column: Int64,
    *,
    within_s: float,
    max_distance: float,
    min_spikes: int,
    threads: int = 1,
) -> Pairs:
    """Compare every unit with the larger ones near it.

    Parameters
    ----------
    spikes
        All units.
    rank
        Rows of the units from the largest to the smallest.
    row, column
        Places on the chip, in electrodes, shape ``(unit,)``.
    within_s
        Spikes coincide if they are at most that far apart.
    max_distance
        Units are near if their electrodes are at most that far apart, in electrodes.
    min_spikes
        Fewest spikes of a unit that is compared.
    threads
        Units that are compared at a time with those near them.

    Returns
    -------
    Pairs
        By rank of the larger unit, then of the smaller.
    """
    width = int(_nanoseconds(within_s))
    compared = [unit for unit in rank if spikes.of(unit).size >= max(min_spikes, 1)]
    trains = {unit: _nanoseconds(spikes.of(unit)) for unit in compared}
    found: list[tuple[int, int, float]] = []

    def jobs() -> Iterator[tuple[int, Callable[[], list[tuple[int, float]]]]]:
        for place, unit in enumerate(compared):
            safe_point()
            smaller = np.asarray(compared[place + 1 :], dtype=np.int64)
            far = np.hypot(row[smaller] - row[unit], column[smaller] - column[unit])
            if near := smaller[far <= max_distance].tolist():
                others = {other: trains[other] for other in near}
                yield unit, partial(_shares, trains[unit], others, width)

    def done(unit: int, shares: list[tuple[int, float]]) -> None:
        found.extend((other, unit, share) for other, share in shares)

    side_by_side(jobs(), threads, done)
    return Pairs(
        np.array([other for other, _, _ in found], dtype=np.int64),
        np.array([unit for _, unit, _ in found], dtype=np.int64),
        np.array([share for _, _, share in found], dtype=np.float64),
    )


def _shares(train: Int64, others: Mapping[int, Int64], width: int) -> list[tuple[int, float]]:
    """Part of the spikes of other trains that coincide with those of one."""
    occupied, shares = _occupied(train, width), []
    for unit, other in others.items():
        # Most spikes have no partner; a look at the grid sorts them out.
        candidates = other[occupied[_cells(other, width)]]
        shares.append((unit, count_coincident(candidates, train, width) / other.size))
    return shares


def count_coincident(one: Int64, other: Int64, width: int) -> int:
    """Largest number of pairs of coincident spikes, each spike in at most one pair.

    Parameters
    ----------
    one, other
        Two sorted trains, whole numbers.
    width
        Spikes may be paired if they are at most that far apart.

    Examples
    --------
    >>> count_coincident(np.array([10, 50, 90]), np.array([12, 13, 48, 99]), 3)
    2
    """
    first = np.searchsorted(other, one - width)
    reached = np.flatnonzero(first < other.size)
    reached = reached[other[first[reached]] - one[reached] <= width]
    if not reached.size:
        return 0
    one, first = one[reached], first[reached]
    end = np.searchsorted(other, one + width, side="right")
    first = np.maximum(first, np.concatenate([[0], end[:-1]]))  # each partner once
    n_new = end - first
    before = np.cumsum(n_new) - n_new
    other = other[np.arange(n_new.sum()) + np.repeat(first - before, n_new)]
    times = np.concatenate([one, other])
    order = np.argsort(times, kind="stable")  # a merge: both are sorted
    is_other = order >= one.size
    # Clusters: runs in which no step is longer than the width. No pair reaches across.
    joined = np.diff(times[order]) <= width
    cluster = np.concatenate([[0], np.cumsum(~joined)])
    # If the trains alternate in a cluster, neighbours are paired; else its pairs are searched.
    twice = joined & (is_other[1:] == is_other[:-1])
    odd = np.zeros(cluster[-1] + 1, dtype=bool)
    odd[cluster[1:][twice]] = True
    sizes = np.bincount(cluster)
    to_search = odd[cluster]
    rest, of_other = times[order][to_search], is_other[to_search]
    number = (np.cumsum(odd) - 1)[cluster[to_search]]
    n_odd = int(odd.sum())
    ones, others = (_Walks(rest[mine], number[mine], n_odd) for mine in (~of_other, of_other))
    return int((sizes[~odd] // 2).sum()) + _n_in_clusters(ones, others, width)


class _Walks:
    """Spikes of a train by clusters, and where a walk through each of these stands."""

    def __init__(self, times: Int64, cluster: Int64, n_clusters: int) -> None:
        n_spikes = np.bincount(cluster, minlength=n_clusters)
        self.times = times
        self.end = np.cumsum(n_spikes)
        self.at = self.end - n_spikes

    def keep(self, clusters: npt.NDArray[np.bool_]) -> None:
        """Walk on through some of the clusters only."""
        self.at, self.end = self.at[clusters], self.end[clusters]

    def left(self) -> list[int]:
        """Spikes that the walks have not come to."""
        places = zip(self.at.tolist(), self.end.tolist(), strict=True)
        return [time for begin, end in places for time in self.times[begin:end].tolist()]


def _n_in_clusters(one: _Walks, other: _Walks, width: int) -> int:
    """Pairs of coincident spikes, as `n_coincident`, of trains that were cut into clusters.

    All clusters are walked through at once, while there are many of them; what is left of long
    ones one after the other.
    """
    n = 0
    while True:
        going_on = (one.at < one.end) & (other.at < other.end)
        one.keep(going_on)
        other.keep(going_on)
        if one.at.size < _FEW_CLUSTERS:
            return n + n_coincident(one.left(), other.left(), width)
        apart = one.times[one.at] - other.times[other.at]
        met = np.abs(apart) <= width
        n += int(np.count_nonzero(met))
        one.at += met | (apart < 0)
        other.at += met | (apart > 0)


def without_duplicates(
    rank: Sequence[int],
    duplicates: Pairs,
    candidates: Collection[int],
    always: Collection[int] = (),
) -> Mapping[int, int]:
    """Find the candidates that repeat another one, going from the largest to the smallest.

    A unit is left out if it is a duplicate of one that stays; so no two that stay are
    duplicates, except of those that always stay, and for each one that does not there is one that
    does.

    Parameters
    ----------
    rank
        Rows of all units from the largest to the smallest.
    duplicates
        Pairs of which one is too many.
    candidates
        Rows of the units that may stay.
    always
        Rows of candidates that stay even if they are duplicates.

    Returns
    -------
    mapping of int to int
        For each unit that is left out, the one that stays; of several the one with the largest
        share.

    Examples
    --------
    >>> chain = Pairs(np.array([1, 2]), np.array([0, 1]), np.array([0.9, 0.8]))
    >>> without_duplicates([0, 1, 2], chain, {0, 1, 2})  # 2 repeats 1, which does not stay
    {1: 0}
    >>> without_duplicates([0, 1, 2], chain, {1, 2})
    {2: 1}
    """
    copies: dict[int, list[tuple[float, int]]] = {}
    places = {unit: place for place, unit in enumerate(rank)}
    columns = (duplicates.smaller.tolist(), duplicates.larger.tolist(), duplicates.share.tolist())
    for smaller, larger, share in zip(*columns, strict=True):
        copies.setdefault(smaller, []).append((-share, places[larger]))
    stays: set[int] = set()
    instead: dict[int, int] = {}
    for unit in rank:
        if unit not in candidates:
            continue
        repeats = () if unit in always else copies.get(unit, ())
        kept = [place for _, place in sorted(repeats) if rank[place] in stays]
        if kept:
            instead[unit] = rank[kept[0]]
        else:
            stays.add(unit)
    return instead


def _nanoseconds(times_s: npt.ArrayLike) -> Int64:
    return np.rint(np.multiply(times_s, 1e9)).astype(np.int64)


_FEW_CLUSTERS = 32
_N_CELLS = 2**22
"""Time is cut into cells as wide as a coincidence; every so many of them share a place."""


def _cells(train: Int64, width: int) -> Int64:
    # A little wider: whatever the rounding, what coincides is in the same cell or the next.
    return np.asarray((train * (1 / (width + 1))).astype(np.int64) & (_N_CELLS - 1))


def _occupied(train: Int64, width: int) -> npt.NDArray[np.bool_]:
    """Places of the cells in which a spike could have a partner in the train: never too few."""
    occupied = np.zeros(_N_CELLS, dtype=np.bool_)
    cells = _cells(train, width)
    for step in (-1, 0, 1):
        occupied[(cells + step) & (_N_CELLS - 1)] = True
    return occupied
