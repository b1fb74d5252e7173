"""Exact tests of counts that are taken for Poisson."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


def two_sided_p(first: npt.ArrayLike, second: npt.ArrayLike, share: float) -> Float64:
    """Exact two-sided p that two Poisson counts have one rate.

    If they do, then of their sum the first is binomial with probability `share`. p is twice the
    smaller tail, at most 1; without any spike it is 1.

    Parameters
    ----------
    first, second
        Counts, of any shape, in windows of the lengths ``a`` and ``b``.
    share
        ``a / (a + b)``.

    Examples
    --------
    >>> two_sided_p([5, 0], [0, 0], share=0.5)
    array([0.0625, 1.    ])
    """
    from scipy.special import bdtr, bdtrc

    one = np.asarray(first, dtype=np.float64)
    total = np.asarray(first) + np.asarray(second)
    at_most = bdtr(one, total, share)
    at_least = bdtrc(one - 1.0, total, share)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(at_most, at_least)))


def greater_p(first: npt.ArrayLike, second: npt.ArrayLike, share: npt.ArrayLike) -> Float64:
    """Exact one-sided p that the first of two Poisson counts has no larger rate than the second.

    Parameters
    ----------
    first, second
        Counts, of shapes that fit together, in windows of the lengths ``a`` and ``b``.
    share
        ``a / (a + b)``.

    Examples
    --------
    >>> greater_p([5, 0], [0, 0], share=0.5)
    array([0.03125, 1.     ])
    """
    from scipy.special import bdtrc

    one = np.asarray(first, dtype=np.float64)
    total = np.asarray(first) + np.asarray(second)
    p = bdtrc(one - 1.0, total, np.asarray(share, dtype=np.float64))
    return p.astype(np.float64)
