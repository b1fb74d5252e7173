"""Exact tests of counts: taken for Poisson, or known to vary more than Poisson counts do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdmea.kernels.dispersion import Dispersion

Float64 = npt.NDArray[np.float64]

LEAST_DISPERSION = 0.01
"""A smaller one is taken for this: counts are divided by it."""


def two_sided_p(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    share: npt.ArrayLike,
    dispersion: Dispersion | None = None,
) -> Float64:
    """Exact two-sided p that two counts have one rate.

    If two Poisson counts do, then of their sum the first is binomial with probability `share`. p
    is twice the smaller tail, at most 1; without any spike it is 1.

    Counts that vary D times as much as Poisson counts tell as much as counts smaller by D. With a
    `dispersion` p is the larger of that of the counts, and that of the counts divided by D, which
    is made wider as Student's t is wider than the normal distribution, since D is an estimate.

    Parameters
    ----------
    first, second
        Counts, of shapes that fit together, in windows of the lengths ``a`` and ``b``.
    share
        ``a / (a + b)``.
    dispersion
        D of counts like these, one for each of them; where it is NaN the counts are taken for
        Poisson.

    Examples
    --------
    >>> two_sided_p([5, 0], [0, 0], share=0.5)
    array([0.0625, 1.    ])
    >>> two_sided_p([50], [20], share=0.5).round(4)
    array([0.0004])
    >>> bursts = Dispersion(np.array([4.0]), degrees_of_freedom=30.0)
    >>> two_sided_p([50], [20], share=0.5, dispersion=bursts).round(2)
    array([0.13])
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    tested = np.asarray(share, np.float64)
    p = _two_tails(one, other, tested)
    if dispersion is None:
        return p
    d = np.maximum(dispersion.value, LEAST_DISPERSION)
    wider = 2 * _as_students_t(_two_tails(one / d, other / d, tested) / 2, dispersion)
    return np.asarray(np.fmax(p, wider))


def greater_p(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    share: npt.ArrayLike,
    dispersion: Dispersion | None = None,
) -> Float64:
    """Exact one-sided p that the first of two counts has no larger rate than the second.

    Parameters
    ----------
    first, second, share, dispersion
        As of `two_sided_p`.

    Examples
    --------
    >>> greater_p([5, 0], [0, 0], share=0.5)
    array([0.03125, 1.     ])
    """
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    tested = np.asarray(share, np.float64)
    p = _at_least(one, other, tested)
    if dispersion is None:
        return p
    d = np.maximum(dispersion.value, LEAST_DISPERSION)
    wider = _as_students_t(_at_least(one / d, other / d, tested), dispersion)
    return np.asarray(np.fmax(p, wider))


def _two_tails(one: Float64, other: Float64, share: Float64) -> Float64:
    smaller = np.minimum(_at_least(one, other, share), _at_least(other, one, 1 - share))
    return np.asarray(np.minimum(1.0, 2 * smaller))


def _at_least(one: Float64, other: Float64, share: Float64) -> Float64:
    """Probability of at least `one` out of both: the binomial tail, also between whole numbers."""
    from scipy.special import betainc

    none = one == 0
    tail = betainc(np.where(none, 1.0, one), other + 1.0, share)
    return np.asarray(np.where(none, 1.0, tail))


def _as_students_t(p: Float64, dispersion: Dispersion) -> Float64:
    """One-sided p of Student's t where it is that of the normal quantile of this p."""
    from scipy.special import ndtri, stdtr

    return np.asarray(stdtr(dispersion.degrees_of_freedom, ndtri(p)))
