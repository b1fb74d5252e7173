"""Ellipses under linear maps, such as from a movie's pixels to micrometres on the retina."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Ellipses:
    """Standard deviations along the axes and the direction of the longer one, ``(unit,)``.

    The angle is in [0, 180), counter-clockwise with x to the right and y up.
    """

    sigma_major: Float64
    sigma_minor: Float64
    angle_deg: Float64


def mapped(ellipses: Ellipses, matrix: npt.ArrayLike) -> Ellipses:
    """Ellipses as a linear map makes them.

    Parameters
    ----------
    ellipses
        NaN where they are not known.
    matrix
        ``(2, 2)``, from vectors with x to the right and **y down**, as in images, to vectors with x
        to the right and **y up**. With a NaN in it, nothing is known of the result.

    Examples
    --------
    Pixels of 10 um x 20 um: an upright ellipse of 1 x 2 pixels becomes one of 40 x 10 um.

    >>> upright = Ellipses(np.array([2.0]), np.array([1.0]), np.array([90.0]))
    >>> found = mapped(upright, [[10, 0], [0, -20]])
    >>> found.sigma_major, found.sigma_minor, found.angle_deg
    (array([40.]), array([10.]), array([90.]))
    """
    angle = np.deg2rad(ellipses.angle_deg)
    along = np.stack([np.cos(angle), -np.sin(angle)], axis=-1)
    across = np.stack([along[:, 1], -along[:, 0]], axis=-1)
    axes = np.stack(
        [ellipses.sigma_major[:, None] * along, ellipses.sigma_minor[:, None] * across], axis=-1
    )
    axes = np.asarray(matrix, dtype=np.float64) @ axes
    known = np.isfinite(axes).all(axis=(1, 2))
    directions, sigmas, _ = np.linalg.svd(np.where(known[:, None, None], axes, 0.0))
    turned = np.mod(np.rad2deg(np.arctan2(directions[:, 1, 0], directions[:, 0, 0])), 180.0)
    turned[turned == 180.0] = 0.0  # -1e-20 degrees, rounded
    return Ellipses(*(np.where(known, v, np.nan) for v in (sigmas[:, 0], sigmas[:, 1], turned)))
