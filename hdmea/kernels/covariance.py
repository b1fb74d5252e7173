"""Covariances of elliptical Gaussians: from free numbers, for a fit, and to axes and an angle.

A fit moves through the elements xx, xy, yy of a symmetric matrix; its square, and a floor, is the
covariance. So every point is an ellipse, and a circle is a point like any other, which with two
standard deviations and an angle it would not be.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

SIGMA_FLOOR = 0.1
"""Smallest sigma that is fitted, px: below it a map holds one pixel, whatever sigma is."""


def covariance(root: Float64) -> tuple[float, float, float]:
    """Covariances xx, xy, yy of a point of a fit; rows run down.

    Examples
    --------
    >>> covariance(np.array([2.0, 0.0, 1.0]))
    (4.01, 0.0, 1.01)
    """
    b_xx, b_xy, b_yy = map(float, root)
    floor = SIGMA_FLOOR**2
    return floor + b_xx**2 + b_xy**2, b_xy * (b_xx + b_yy), floor + b_yy**2 + b_xy**2


def chain(root: Float64) -> Float64:
    """Derivatives of `covariance`, ``(covariance, element of the root)``."""
    b_xx, b_xy, b_yy = root
    return np.array([
        [2 * b_xx, 2 * b_xy, 0.0],
        [b_xy, b_xx + b_yy, b_xy],
        [0.0, 2 * b_xy, 2 * b_yy],
    ])  # fmt: skip


def root_of(sigma_major: float, sigma_minor: float, angle_deg: float) -> Float64:
    """The point of a fit at which an ellipse lies; axes at the floor or below it are left above.

    Examples
    --------
    >>> axes_of(covariance(root_of(2.0, 1.0, 30.0))).round(9)
    array([ 2.,  1., 30.])
    """
    own = np.sqrt(np.maximum(np.array([sigma_major, sigma_minor]) ** 2 - SIGMA_FLOOR**2, 1e-4))
    angle = np.deg2rad(angle_deg)
    along = np.array([np.cos(angle), -np.sin(angle)])  # rows run down, angles count upwards
    across = np.array([along[1], -along[0]])
    root = own[0] * np.outer(along, along) + own[1] * np.outer(across, across)
    return np.array([root[0, 0], root[0, 1], root[1, 1]])


def axes_of(covariances: tuple[float, float, float]) -> Float64:
    """Standard deviations along the longer and the shorter axis, and the angle of the longer one.

    Degrees in [0, 180), counter-clockwise on the image.
    """
    s_xx, s_xy, s_yy = covariances
    middle, half = (s_xx + s_yy) / 2, (s_xx - s_yy) / 2
    major = np.sqrt(middle + np.hypot(half, s_xy))
    minor = np.sqrt(s_xx * s_yy - s_xy * s_xy) / major
    angle = np.rad2deg(np.arctan2(-s_xy, half)) / 2 % 180.0  # rows run down, angles count upwards
    return np.array([major, minor, angle if angle < 180.0 else 0.0])
