"""How much more counts vary between trials than Poisson counts: 1 for Poisson, more in bursts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Dispersion:
    """Variance relative to that of Poisson counts, and how well it is known.

    Parameters
    ----------
    value
        One for each unit; NaN where it cannot be estimated.
    degrees_of_freedom
        Those of a variance that is known as well, for all units or one for each.
    """

    value: Float64
    degrees_of_freedom: float | Float64


def dispersion_of_changes(
    first: Int64, second: Int64, share: npt.ArrayLike, degrees_of_freedom: float | Float64
) -> Dispersion:
    """Variance of a change of rate between trials, relative to that of Poisson spikes.

    The change is the difference ``(1 - share) * first - share * second`` between two windows of
    the same trial, whose mean is 0 where both have one rate: what makes all of a trial stronger or
    weaker, as a slow drift does, is not in it. Its variance is taken between trials, around the
    mean at each place, summed over the places, and divided by what it is for Poisson spikes,
    ``(1 - share)**2 * first + share**2 * second``.

    Parameters
    ----------
    first, second
        Spikes in both windows, ``(unit, trial, place)``.
    share
        Length of the first window over that of both, for all, or ``(unit, place)``.
    degrees_of_freedom
        How well it is known: `degrees_of_freedom`.

    Returns
    -------
    Dispersion
        NaN of units without spikes, and of fewer than two trials.

    Examples
    --------
    Eight spikes in one burst, in one of two trials; and four in each of them:

    >>> first = np.array([[[8], [0]], [[4], [4]]])
    >>> dispersion_of_changes(first, np.zeros_like(first), 0.5, 1.0).value
    array([8., 0.])
    """
    n_trials = first.shape[1]
    if n_trials < 2:
        return Dispersion(np.full(len(first), np.nan), degrees_of_freedom)
    other = np.asarray(share, dtype=np.float64)
    one = 1 - other
    n_first, n_second = first.sum(axis=1), second.sum(axis=1)

    def spread(a: Int64, b: Int64) -> Int64:
        # Whole numbers are exact: the sum is the same in any order of the trials.
        sums = a.sum(axis=1) * b.sum(axis=1)
        return np.asarray(n_trials * np.einsum("utp,utp->up", a, b) - sums)

    varies = (
        one**2 * spread(first, first)
        - 2 * one * other * spread(first, second)
        + other**2 * spread(second, second)
    )
    poisson = one**2 * n_first + other**2 * n_second
    with np.errstate(invalid="ignore"):
        value = _over_places(varies) / _over_places(poisson) / (n_trials - 1)
    # Rounding may leave what does not vary below 0.
    return Dispersion(np.maximum(value, 0.0), degrees_of_freedom)


def _over_places(values: Float64) -> Float64:
    """Sum over the places, in the same order for any number of units."""
    return np.asarray(reduce(np.add, values.T))


def degrees_of_freedom(n_trials: int, first_s: Float64, second_s: Float64) -> float:
    """Those of `dispersion_of_changes`, for pairs of windows that may overlap.

    Where windows of different places overlap, their variances are not independent, and count for
    less: with the correlations r of the changes at the places i and j, of spikes at an even rate,
    ``(n_trials - 1) * n_places**2 / sum_ij r_ij**2`` (Satterthwaite's approximation).

    Parameters
    ----------
    n_trials
        Trials; none of a single one.
    first_s, second_s
        Begin and end of both windows, from one time in the trial, ``(place, 2)``.

    Examples
    --------
    >>> first = np.array([[1.0, 1.5], [2.5, 3.0]])
    >>> degrees_of_freedom(3, first, first - 0.5)
    4.0
    >>> degrees_of_freedom(3, first[[0, 0]], first[[0, 0]] - 0.5)
    2.0
    """
    length, other_length = np.diff(first_s, axis=1), np.diff(second_s, axis=1)
    share = length / (length + other_length)
    weighted = ((1 - share, first_s), (-share, second_s))
    covariance = np.zeros((len(first_s), len(first_s)))
    for weight, window in weighted:
        for other_weight, other in weighted:
            covariance += weight * other_weight.T * _overlap(window, other)
    variance = np.diagonal(covariance)
    squared = covariance**2 / np.outer(variance, variance)
    return float((n_trials - 1) * len(variance) ** 2 / squared.sum())


def _overlap(one: Float64, other: Float64) -> Float64:
    """Time that windows have in common, each of `one` with each of `other`."""
    begin = np.maximum(one[:, None, 0], other[None, :, 0])
    end = np.minimum(one[:, None, 1], other[None, :, 1])
    return np.asarray(np.maximum(0.0, end - begin))
