"""The rate of a neuron as a smooth function of what drives it, any shape, never negative."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_PLACES = np.array([0.01, 0.1, 0.25, 0.45, 0.65, 0.82, 0.94, 0.995])
"""Knots, as parts of the drives that are below: closer where rates are high."""


@dataclass(frozen=True, slots=True, eq=False)
class LogRate:
    """A natural cubic spline, linear beyond the outer knots: the logarithm of the rate.

    A cell that rises for light and for dark is as good as one that rises for one of them.

    Parameters
    ----------
    knots
        Ascending, all different.
    """

    knots: Float64

    @classmethod
    def over(cls, drive: Float64) -> LogRate:
        """Knots where the drives are; fewer if those have few values.

        Examples
        --------
        >>> LogRate.over(np.array([0.0, 1.0, 0.0, 1.0])).knots
        array([0., 1.])
        """
        ordered = np.sort(drive)
        return cls(np.unique(ordered[(_PLACES * (ordered.size - 1)).astype(np.int64)]))

    def basis(self, drive: Float64) -> tuple[Float64, Float64]:
        """Functions at each drive, ``(function, drive)``, and their derivatives.

        One function for each knot: 1, the drive itself, and the truncated cubes that make a
        natural spline (Hastie, Tibshirani & Friedman 2009, section 5.2.1). The last ones are made
        of parts of the knots' range, so that they change with the scale of the drive as it does.

        Examples
        --------
        >>> values, slopes = LogRate(np.array([0.0, 1.0, 2.0])).basis(np.array([-1.0, 0.5, 5.0]))
        >>> values[2].round(4), slopes[2].round(4)
        (array([0.    , 0.0312, 6.    ]), array([0.    , 0.1875, 1.5   ]))
        """
        knots = self.knots
        values, slopes = np.empty((2, knots.size, drive.size))
        values[0], values[1:2], slopes[0], slopes[1:2] = 1.0, drive, 0.0, 1.0
        if knots.size < 3:
            return values, slopes
        cubes, squares = values[2:], slopes[2:]
        np.subtract(drive, knots[:-2, None], out=cubes)
        np.maximum(cubes, 0.0, out=cubes)
        np.multiply(cubes, cubes, out=squares)
        cubes *= squares
        width = (knots[-1] - knots[:-1, None]) * (knots[-1] - knots[0])
        cubes *= 1 / width[:-1]
        squares *= 3 / width[:-1]
        # What makes them straight beyond the last knot begins at the last but one: few are there.
        high = np.flatnonzero(drive > knots[-2])
        last, end = drive[high] - knots[-2], np.maximum(drive[high] - knots[-1], 0.0)
        # Squares are the derivatives of cubes, but for a factor.
        for of_knots, power, factor in ((cubes, 3, 1.0), (squares, 2, 3.0)):
            of_last, of_end = factor * last**power, factor * end**power
            of_knots[:, high] -= of_end / width[:-1] + (of_last - of_end) / width[-1]
        return values, slopes
