"""Centre and surround: a Gaussian minus a round, wider one around the same place.

The model of Rodieck (1965), in the pixels of a window. The centre is any ellipse; the surround is
round and `SURROUND_SIGMAS` times as wide as the centre's geometric mean: spikes hardly tell it from
one that is a little wider or narrower. The centre's volume is 1: how strong it is belongs to the
nonlinearity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdmea.kernels.covariance import chain, covariance
from hdmea.kernels.pixel_gaussian import PixelWindow

Float64 = npt.NDArray[np.float64]

SURROUND_SIGMAS = 3.0
"""Width of the surround over that of the centre."""
N_POINT = 6
"""Numbers of a point: centre x and y, root of the covariance (xx, xy, yy), surround's weight."""
_CENTRE_REACH, _SURROUND_REACH = 5.0, 2.5


def window_of(shape: tuple[int, int], point: Float64) -> PixelWindow:
    """The pixels of a movie that centre and surround reach.

    What lies beyond holds 1e-5 of the centre and 5 % of the surround.

    Examples
    --------
    >>> window_of((40, 9), np.array([4.0, 20.0, 1.0, 0.0, 1.0, 0.3]))
    PixelWindow(top=12, left=0, n_rows=17, n_columns=9)
    """
    s_xx, s_xy, s_yy = covariance(point[2:5])
    surround = _SURROUND_REACH * SURROUND_SIGMAS * (s_xx * s_yy - s_xy**2) ** 0.25
    edges = []
    for n, at, variance in ((shape[0], point[1], s_yy), (shape[1], point[0], s_xx)):
        reach = max(_CENTRE_REACH * np.sqrt(variance), surround) + 1.0
        first = int(np.clip(np.ceil(at - reach), 0, n - 1))
        edges.append((first, int(np.clip(np.floor(at + reach), first, n - 1)) - first + 1))
    (top, n_rows), (left, n_columns) = edges
    return PixelWindow(top, left, n_rows, n_columns)


def field(window: PixelWindow, point: Float64, *, slopes: bool = True) -> Float64:
    """Weights of the pixels, and their derivatives by the point.

    Parameters
    ----------
    window
        The pixels.
    point
        Centre x and y, root of the centre's covariance (`hdmea.kernels.covariance`), volume of
        the surround over that of the centre.
    slopes
        Whether derivatives are wanted.

    Returns
    -------
    float64 array, shape ``(7, pixel)``, or ``(1, pixel)``
        Means over each pixel of a centre of volume 1 minus its surround, and derivatives.

    Examples
    --------
    Both have their volume on an endless field:

    >>> from hdmea.kernels.covariance import root_of
    >>> point = np.array([30.2, 29.9, *root_of(2.0, 1.0, 20.0), 0.4])
    >>> float(field(PixelWindow(0, 0, 61, 61), point)[0].sum().round(6))
    0.6
    """
    x, y, *root, weight = point.tolist()
    s_xx, s_xy, s_yy = covariance(point[2:5])
    square = s_xx * s_yy - s_xy * s_xy
    variance = SURROUND_SIGMAS**2 * np.sqrt(square)
    n_pixels = window.n_rows * window.n_columns
    centre = window.bell(x, y, s_xx, s_xy, s_yy, slopes=slopes).reshape(-1, n_pixels)
    around = window.round_bell(x, y, variance, slopes=slopes).reshape(-1, n_pixels)
    centre /= 2 * np.pi * np.sqrt(square)
    around /= 2 * np.pi * variance
    out = np.empty((1 + N_POINT if slopes else 1, centre.shape[1]))
    out[0] = centre[0] - weight * around[0]
    if slopes:
        out[1:3] = centre[1:3] - weight * around[1:3]
        # The logarithm of the area by the covariances, which is also that of the variance around.
        by_area = np.array([s_yy, -2 * s_xy, s_xx])[:, None] / (2 * square)
        wider = variance * around[3] - around[0]
        by_covariance = centre[3:] - by_area * (centre[0] + weight * wider)
        out[3:6] = chain(np.array(root)).T @ by_covariance
        out[6] = -around[0]
    return out
