"""Fits of an elliptical Gaussian, integrated over each pixel, to spatial maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.interruption import safe_point
from hdmea.kernels.covariance import axes_of, chain, covariance
from hdmea.kernels.pixel_gaussian import PixelWindow

Float64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

REASONS = (
    "map_too_small",  # fewer than 3 pixels along an axis: a width has no meaning
    "map_undefined",  # fewer than MIN_PIXELS pixels are finite
    "map_constant",
    "no_better_than_constant",  # by the Bayesian information criterion
    "not_converged",
    "centre_outside_map",
    "sigma_beyond_map",  # sigma_major is longer than the longer side of the map
)
"""Why a map has no fit; of several that hold the first one."""
MIN_PIXELS = 9

_N_PARAMETERS = 7
_MAX_EVALUATIONS = 200
_FIRST_EVALUATIONS = 20
"""A fit that is no better than a constant by then is given up: noise has no end."""
_REACH = 6.5
"""Beyond so many sigma the Gaussian is below 1e-9 of its amplitude, and taken as 0."""
_LEAST_REACH = 7.0
_SCALES = (0.0, 1.0, 2.0)
_SHARE_ABOVE_HALF = (0.5 - np.log(2) * (1 + np.log(2) / 2) / 2) / (0.5 - np.log(2) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class GaussianFits:
    """Fitted Gaussians, one entry per unit; float64 where nothing else is said.

    All numbers are NaN where `reason` says why.

    Parameters
    ----------
    amplitude
        Height of the Gaussian itself (not of its mean over a pixel) above the offset, in the
        map's units; negative if the map is darker there (OFF).
    offset
        What the map is far from the centre.
    centre_x, centre_y
        Centre in pixels, as indices of the map's columns and rows: a whole number is the middle
        of a pixel, y grows downwards.
    sigma_major, sigma_minor
        Standard deviations along the longer and the shorter axis, pixels.
    angle_deg
        Direction of the longer axis in [0, 180), counter-clockwise on the image, x right and y
        up. It means nothing where both axes are equal.
    r2
        ``1 - residual / total sum of squares`` over all pixels of the map that are finite.
    converged
        Whether the fit came to a minimum, bool.
    reason
        One of `REASONS` where there is no meaningful fit, else empty, text.
    """

    amplitude: Float64
    offset: Float64
    centre_x: Float64
    centre_y: Float64
    sigma_major: Float64
    sigma_minor: Float64
    angle_deg: Float64
    r2: Float64
    converged: Flags
    reason: npt.NDArray[np.str_]


def fit_gaussians(maps: npt.NDArray[Any]) -> GaussianFits:
    """Fit a rotated elliptical Gaussian, integrated over each pixel, to the map of each unit.

    Seven parameters (amplitude, offset, centre, two sigmas, angle) by least squares
    (Levenberg-Marquardt, exact derivatives) of `hdmea.kernels.pixel_gaussian`. It starts from the
    moments of the connected pixels around the largest deviation from the median that are above
    half of it, in the map itself or smoothed by 1 or 2 pixels, whichever explains the map best.

    Parameters
    ----------
    maps
        ``(unit, y, x)``, any units; pixels that are not finite are left out.

    Returns
    -------
    GaussianFits
        A fit of a sigma below about 0.4 px says only that the field is smaller than that: the
        map then hardly depends on it. `covariance.SIGMA_FLOOR` is the smallest that comes out.

    Notes
    -----
    Of a large map the Gaussian is computed in a window around it, of 6.5 sigma at least (it
    grows until it holds the fit); all pixels beyond are compared with the offset. This is the
    fit of the whole map, within 1e-9 of the amplitude.

    The result of one unit does not depend on the others. Maps that differ by a factor or a
    constant have the same fit, within 1e-4 of what noise leaves open.

    Examples
    --------
    >>> from hdmea.kernels.pixel_gaussian import gaussian_map
    >>> map_ = gaussian_map((15, 15), -2.0, 0.5, 6.3, 8.8, 2.0, 1.0, 30.0)
    >>> fit = fit_gaussians(map_[None])
    >>> [float(v[0].round(6)) for v in (fit.amplitude, fit.offset, fit.centre_x, fit.centre_y)]
    [-2.0, 0.5, 6.3, 8.8]
    >>> [float(v[0].round(6)) for v in (fit.sigma_major, fit.sigma_minor, fit.angle_deg, fit.r2)]
    [2.0, 1.0, 30.0, 1.0]
    >>> fit_gaussians(np.ones((1, 15, 15))).reason
    array(['map_constant'], dtype='<U23')
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    n_units = len(maps)
    numbers = np.full((8, n_units), np.nan)
    converged = np.zeros(n_units, dtype=np.bool_)
    reason = np.zeros(n_units, dtype=f"<U{max(map(len, REASONS))}")
    # The sums of a large map must not depend on the number of threads.
    with threadpool_limits(limits=1, user_api="blas"):
        for unit in range(n_units):
            safe_point()
            found, converged[unit], reason[unit] = _fit(np.asarray(maps[unit], dtype=np.float64))
            numbers[:, unit] = np.nan if reason[unit] else found
    columns = dict(zip(GaussianFits.__slots__, numbers, strict=False))
    return GaussianFits(**columns, converged=converged, reason=reason)


def _around(point: Float64, map_: Float64) -> PixelWindow:
    """The pixels of the map that a Gaussian reaches, and some more."""
    s_xx, _, s_yy = covariance(point[4:])
    first, stop = [], []
    for centre, variance, n in ((point[3], s_yy, map_.shape[0]), (point[2], s_xx, map_.shape[1])):
        reach = max(_REACH * np.sqrt(variance), _LEAST_REACH) + 0.5
        first.append(int(np.clip(np.floor(centre - reach), 0, n - 1)))
        stop.append(int(np.clip(np.ceil(centre + reach), first[-1], n - 1)) + 1)
    window = PixelWindow(first[0], first[1], stop[0] - first[0], stop[1] - first[1])
    if np.count_nonzero(np.isfinite(map_[window.slices])) < MIN_PIXELS:
        return PixelWindow(0, 0, *map_.shape)
    return window


def _gain(point: Float64) -> tuple[float, float]:
    """Amplitude for a height of 1, and minus its relative change with the area's square.

    The mean over the pixel of the peak is about ``amplitude * area / (area + 1)`` with
    ``area = 2 pi sigma_major sigma_minor``.
    """
    s_xx, s_xy, s_yy = covariance(point[4:])
    square = s_xx * s_yy - s_xy * s_xy
    area = 2 * np.pi * np.sqrt(square)
    return 1 + 1 / area, 0.5 / (square * (1 + area))


class _Problem:
    """Least squares of one map in a window; the parameters are those of a `point`.

    A point is height, offset, centre x, centre y and the root of `hdmea.kernels.covariance`. The
    height is nearly that of the map: of a Gaussian smaller than a pixel the map tells the product
    of amplitude and area only.
    """

    def __init__(self, map_: Float64, window: PixelWindow) -> None:
        inside = map_[window.slices]
        beyond = map_.copy()
        beyond[window.slices] = np.nan
        far = beyond[np.isfinite(beyond)]
        self.window = window
        self.used = np.isfinite(inside)
        self.values = inside[self.used]
        self.n_far = far.size
        self.far_mean = float(far.mean()) if far.size else 0.0
        self.far_spread = float(((far - self.far_mean) ** 2).sum())
        self.limits = np.array(
            [map_.shape[1], map_.shape[0], 3 * max(map_.shape)], dtype=np.float64
        )

    def beyond_limits(self, point: Float64) -> bool:
        """Whether centre or size are so far off that no minimum there would mean anything."""
        n_columns, n_rows, longest = self.limits
        return bool(
            not np.isfinite(point).all()
            or np.abs(point[4:]).max() > longest
            or not -n_columns < point[2] < 2 * n_columns
            or not -n_rows < point[3] < 2 * n_rows
        )

    def residual(self, point: Float64) -> Float64:
        """Model minus map in the window; the last stands for all pixels beyond it."""
        if self.beyond_limits(point):
            return np.full(self.values.size + 1, 1e6)  # such a step is taken back
        mean = self.window.bell(point[2], point[3], *covariance(point[4:]), slopes=False)[0]
        model = point[1] + _gain(point)[0] * point[0] * mean[self.used]
        return np.append(model - self.values, np.sqrt(self.n_far) * (point[1] - self.far_mean))

    def jacobian(self, point: Float64) -> Float64:
        """Derivatives of `residual`, ``(residual, parameter)``."""
        x, y = point[2:4]
        s_xx, s_xy, s_yy = covariance(point[4:])
        shape = self.window.bell(x, y, s_xx, s_xy, s_yy)[:, self.used]
        gain, fall = _gain(point)
        # At a fixed height of the map the amplitude falls as the area grows.
        shape[3:] -= fall * np.array([s_yy, -2 * s_xy, s_xx])[:, None] * shape[0]
        amplitude = gain * point[0]
        slopes = np.zeros((self.values.size + 1, _N_PARAMETERS))
        slopes[:-1, 0] = gain * shape[0]
        slopes[:, 1] = 1.0
        slopes[-1, 1] = np.sqrt(self.n_far)
        slopes[:-1, 2:4] = amplitude * shape[1:3].T
        slopes[:-1, 4:] = amplitude * shape[3:].T @ chain(point[4:])
        return slopes

    def sum_of_squares(self, point: Float64) -> float:
        """Over all pixels of the map."""
        return float((self.residual(point) ** 2).sum()) + self.far_spread


def _fit(map_: Float64) -> tuple[Float64 | None, bool, str]:
    """Numbers in the order of `GaussianFits`, whether they converged, and why there are none."""
    finite = np.isfinite(map_)
    if min(map_.shape) < 3:
        return None, False, "map_too_small"
    if np.count_nonzero(finite) < MIN_PIXELS:
        return None, False, "map_undefined"
    values = map_[finite]
    offset, scale = float(np.median(values)), float(np.ptp(values))
    # A spread of a few rounding errors is none.
    if scale <= 1e-13 * float(np.abs(values).max()):
        return None, False, "map_constant"
    unit_map = np.where(finite, (map_ - offset) / scale, np.nan)
    point, problem, converged = _minimise(unit_map, _start(unit_map))
    numbers = _readable(point)
    left = problem.sum_of_squares(point)
    total = float(((unit_map[finite] - unit_map[finite].mean()) ** 2).sum())
    n_rows, n_columns = map_.shape
    reason = ""
    if not _better_than_constant(left, total, values.size):
        reason = "no_better_than_constant"
    elif not converged:
        reason = "not_converged"
    elif not (-0.5 <= numbers[2] <= n_columns - 0.5 and -0.5 <= numbers[3] <= n_rows - 0.5):
        reason = "centre_outside_map"
    elif numbers[4] > max(map_.shape):
        reason = "sigma_beyond_map"
    numbers[0] *= scale
    numbers[1] = offset + scale * numbers[1]
    return np.append(numbers, 1 - left / total), converged, reason


def _start(map_: Float64) -> Float64:
    """The best of a few points that moments give; the map has median 0.

    The map is smoothed a little or not at all: single pixels stand out in the one, wide fields
    in the other.
    """
    from scipy.ndimage import gaussian_filter

    finite = np.isfinite(map_)
    deviation = np.where(finite, map_, 0.0)
    mean = float(map_[finite].mean())
    best, explained = np.zeros(_N_PARAMETERS), -1.0
    for scale in _SCALES:
        smooth = gaussian_filter(deviation, scale, mode="constant") if scale else deviation
        x, y, *root = _moments(smooth, scale)
        point = np.array([0.0, mean, x, y, *root])
        window = PixelWindow(0, 0, *map_.shape)
        bell = window.bell(x, y, *covariance(point[4:]), slopes=False)[0][finite]
        height = bell - bell.mean()
        product, norm = float(height @ map_[finite]), float(height @ height)
        if norm > 0 and product**2 / norm > explained:
            explained = product**2 / norm
            point[0] = product / norm / _gain(point)[0]
            point[1] = mean - product / norm * bell.mean()
            best = point
    return best


def _moments(map_: Float64, scale: float) -> tuple[float, float, float, float, float]:
    """Centre and root of the covariance, from the pixels around the peak down to half of it.

    Weights are what stands above half of the peak; of a Gaussian they have 0.217 of its variance.
    """
    from scipy.ndimage import label

    peak = int(np.abs(map_).argmax())
    weight = np.maximum(map_ / map_.flat[peak] - 0.5, 0.0)
    parts, _ = label(weight > 0)
    weight[parts != parts.flat[peak]] = 0.0
    weight /= weight.sum()
    rows, columns = np.indices(map_.shape)
    x, y = float((weight * columns).sum()), float((weight * rows).sum())
    dx, dy = columns - x, rows - y
    moments = np.array([[(weight * a * b).sum() for a in (dx, dy)] for b in (dx, dy)])
    variances, axes = np.linalg.eigh(moments)
    # A pixel has a variance of 1/12 itself; a start narrower than 0.4 px would see one pixel only.
    own = variances / _SHARE_ABOVE_HALF - scale**2 - 1 / 12
    root = (axes * np.sqrt(np.maximum(own, 0.16))) @ axes.T
    return x, y, float(root[0, 0]), float(root[0, 1]), float(root[1, 1])


def _minimise(map_: Float64, start: Float64) -> tuple[Float64, _Problem, bool]:
    """The minimum, the problem in a window that holds it, and whether it is one."""
    from scipy.optimize import least_squares

    values = map_[np.isfinite(map_)]
    total = float(((values - values.mean()) ** 2).sum())
    window, evaluations = _around(start, map_), _FIRST_EVALUATIONS
    while True:
        problem = _Problem(map_, window)
        found = least_squares(
            problem.residual, start, problem.jacobian, method="lm",
            ftol=1e-8, xtol=1e-8, gtol=1e-10, max_nfev=evaluations,
        )  # fmt: skip
        needed = window.joined(_around(found.x, map_))
        left = problem.sum_of_squares(found.x)
        # One pixel alone is met ever better by ever smaller fields.
        done = found.status > 0 or left < 1e-9 * total or evaluations == _MAX_EVALUATIONS
        if needed != window:
            window = needed
        elif done or not _better_than_constant(left, total, values.size):
            return np.asarray(found.x), problem, bool(found.status > 0 or left < 1e-9 * total)
        else:
            evaluations = _MAX_EVALUATIONS


def _readable(point: Float64) -> Float64:
    """Amplitude, offset, centre, sigma of both axes and angle of a point."""
    amplitude = _gain(point)[0] * point[0]
    return np.array([amplitude, *point[1:4], *axes_of(covariance(point[4:]))])


def _better_than_constant(left: float, total: float, n: int) -> bool:
    """Bayesian information criterion: six more parameters must be worth it."""
    return left == 0 or n * np.log(total / left) > (_N_PARAMETERS - 1) * np.log(n)
