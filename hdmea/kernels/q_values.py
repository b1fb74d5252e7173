"""q values: p values of many tests, adjusted so that few of what is found is chance."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError

Float64 = npt.NDArray[np.float64]

Method = Literal["bh", "by"]
"""``bh``: Benjamini and Hochberg (1995); ``by``: Benjamini and Yekutieli (2001)."""


def q_values(p: Float64, included: npt.NDArray[np.bool_], method: Method = "bh") -> Float64:
    """Adjust p values for their number: of those with q < 0.05 at most 5 % are chance, on average.

    All defined p values of included units are one family, whatever the other axes.

    Parameters
    ----------
    p
        p values, the unit axis first; NaN where undefined.
    included
        Whether a unit is included, shape (n_units,).
    method
        ``bh`` (independent tests, or positively dependent ones) or ``by`` (any dependence).

    Returns
    -------
    numpy.ndarray
        q values of the same shape; NaN where p is undefined or the unit is not included.

    Raises
    ------
    ParameterError
        If the method is not known, or a p value is not in 0 to 1.

    Examples
    --------
    >>> p = np.array([0.01, 0.001, 0.04, np.nan])
    >>> q_values(p, np.array([True, True, True, True])).tolist()
    [0.015, 0.003, 0.04, nan]
    >>> q_values(p, np.array([True, False, True, True])).tolist()
    [0.02, nan, 0.04, nan]
    """
    known = get_args(Method)
    if method not in known:
        raise ParameterError(f"method {method!r} is not known; known: {', '.join(known)}")
    axes = (slice(None), *[np.newaxis] * (p.ndim - 1))
    family = np.isfinite(p) & included[axes]
    q = np.full(p.shape, np.nan)
    if not family.any():
        return q
    if not ((p[family] >= 0) & (p[family] <= 1)).all():
        raise ParameterError("p values must be in 0 to 1")

    from scipy.stats import false_discovery_control

    q[family] = false_discovery_control(p[family], method=method)
    return q
