"""A tuning curve with one lobe, fitted to counts by maximum likelihood.

Of the spikes in a response window many are of the rate at rest, which differ from count to count.
Where in the window the response lies is the same in all directions, and is learned from all of
them together; what lies elsewhere says little of the tuning, and is given little weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_ITERATIONS = 200
_SHARPEST = 20.0
"""Largest k: a neighbour 45 degrees away has 0.3 % of the response then."""
_STEP = 1.0
_TINY = 1e-12
_UNITS = 256


@dataclass(frozen=True, slots=True, eq=False)
class TuningCurve:
    """Curves of all units, one entry per unit; NaN where no spike is left for a response.

    Parameters
    ----------
    dsi
        ``|sum g e^(i theta)| / sum g`` of the curve g over the directions shown.
    direction_deg
        Where the curve is largest, 0 to 360; NaN also where it is flat.
    response
        g, spikes of the response per presentation, ``(unit, direction)``.
    rest
        Spikes at rest in a window.
    course
        Share of the response in each bin of the window, ``(unit, bin)``.
    p_shape
        Of likelihoods of this curve and of one with a value for each direction of its own, by the
        distribution of chi squared. NaN with fewer than 4 directions.
    """

    dsi: Float64
    direction_deg: Float64
    response: Float64
    rest: Float64
    course: Float64
    p_shape: Float64


def fit_tuning_curve(
    counts: npt.ArrayLike,
    directions_deg: npt.ArrayLike,
    n_shown: npt.ArrayLike,
    rest_spikes: npt.ArrayLike,
    rest_windows: npt.ArrayLike,
) -> TuningCurve:
    """Fit rest, course of the response, and a von Mises curve over directions.

    Spikes in bin t of direction d are Poisson with mean
    ``n_shown[d] * (b / n_bins + g(theta_d) * s(t))``, where ``sum s = 1``, ``s >= 0``,
    ``b >= 0`` and ``g(theta) = A exp(k (cos(theta - theta_0) - 1))`` with ``A, k >= 0`` [1]_; those
    at rest are Poisson with mean ``rest_windows * b``. All of it is fitted together by
    expectation-maximization: each spike is divided between rest and response as the curves of
    the last round say, and the curves are fitted to the parts. Without spikes at rest the fitted
    `dsi` is that of the counts, whatever the shape of the lobe: sums of vectors are sufficient.

    Parameters
    ----------
    counts
        Spikes in equal bins of the response window, over all presentations,
        ``(unit, direction, bin)``.
    directions_deg
        Every direction once.
    n_shown
        Presentations of each direction.
    rest_spikes
        Spikes at rest, one per unit.
    rest_windows
        Time in which they were counted, in windows, one per unit.

    References
    ----------
    .. [1] Swindale N.V. (1998) Biol Cybern 78, 45-56.

    Examples
    --------
    Half of the spikes are at rest; the response is in the second bin:

    >>> counts = [[[4, 16], [4, 8], [4, 4], [4, 8]]]
    >>> found = fit_tuning_curve(counts, [0, 90, 180, 270], [1] * 4, [80], [10])
    >>> found.rest.round(1), found.course.round(2), found.response[0].round(0)
    (array([8.]), array([[0., 1.]]), array([12.,  4.,  1.,  4.]))
    >>> found.dsi.round(1), found.direction_deg.round(0)
    (array([0.5]), array([0.]))
    """
    n = np.asarray(counts, dtype=np.float64)
    theta = np.deg2rad(np.asarray(directions_deg, dtype=np.float64))
    shown = np.asarray(n_shown, dtype=np.float64)
    at_rest, windows = (np.asarray(x, dtype=np.float64) for x in (rest_spikes, rest_windows))
    n_units, n_directions, n_bins = n.shape
    waves = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    response = np.empty((n_units, n_directions))
    rest, p_shape = np.empty(n_units), np.full(n_units, np.nan)
    course, peak = np.empty((n_units, n_bins)), np.empty((n_units, 2))
    for first in range(0, n_units, _UNITS):
        rows = slice(first, first + _UNITS)
        data = _Counts(n[rows], shown, at_rest[rows], windows[rows])
        lobe, free = _Lobe(waves, shown), _Free(shown)
        fitted = _fitted(data, lobe)
        response[rows], course[rows], rest[rows] = fitted.g, fitted.s, fitted.b
        peak[rows] = lobe.k
        if n_directions > _Lobe.N_PARAMETERS:
            p_shape[rows] = _p_of(
                2 * (_fitted(data, free).log_likelihood(data) - fitted.log_likelihood(data)),
                n_directions - _Lobe.N_PARAMETERS,
            )
    total = response.sum(axis=1)
    nothing = total <= _TINY * (1 + n.sum(axis=(1, 2)))
    with np.errstate(invalid="ignore"):
        x, y = ((response * wave).sum(axis=1) / total for wave in waves.T)
    dsi = np.where(nothing, np.nan, np.minimum(np.hypot(x, y), 1.0))
    angle = np.mod(np.rad2deg(np.arctan2(peak[:, 1], peak[:, 0])), 360)
    angle = np.where(angle >= 360, 0.0, angle)
    flat = np.hypot(peak[:, 0], peak[:, 1]) <= 1e-9
    return TuningCurve(
        dsi=dsi,
        direction_deg=np.where(nothing | flat, np.nan, angle),
        response=response,
        rest=rest,
        course=course,
        p_shape=np.where(nothing, np.nan, p_shape),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Counts:
    n: Float64
    shown: Float64
    rest_spikes: Float64
    rest_windows: Float64


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """Responses, their course, and spikes at rest in a window."""

    g: Float64
    s: Float64
    b: Float64

    def log_likelihood(self, data: _Counts) -> Float64:
        mean = self.b[:, None, None] / data.n.shape[2] + self.g[:, :, None] * self.s[:, None, :]
        mean = np.maximum(mean * data.shown[:, None], _TINY)
        at_rest = np.maximum(self.b * data.rest_windows, _TINY)
        total: Float64 = (data.n * np.log(mean) - mean).sum(axis=(1, 2))
        return total + data.rest_spikes * np.log(at_rest) - at_rest


def _fitted(data: _Counts, curve: _Lobe | _Free) -> _Fitted:
    """Expectation-maximization, from what is above rest in each direction and in each bin."""
    n, shown = data.n, data.shown
    n_bins = n.shape[2]
    in_windows = shown.sum() + data.rest_windows
    spikes = n.sum(axis=(1, 2))
    b = np.where(
        data.rest_windows > 0, data.rest_spikes / np.maximum(data.rest_windows, _TINY), 0.0
    )
    b = np.maximum(b, 1e-3 * (1 + spikes) / in_windows)
    s = np.maximum(n.sum(axis=1) / shown.sum() - b[:, None] / n_bins, 0)
    s += (1e-2 * s.mean(axis=1) + 1e-6)[:, None]
    s /= s.sum(axis=1, keepdims=True)
    g = np.maximum(n.sum(axis=2) / shown - b[:, None], (0.1 * spikes / shown.sum())[:, None])
    for _ in range(_ITERATIONS):
        response = g[:, :, None] * s[:, None, :]
        mean = np.maximum(response + b[:, None, None] / n_bins, _TINY)
        part = n * (response / mean)
        g = curve.maximized(part.sum(axis=2))
        by_bin = part.sum(axis=1)
        in_response = by_bin.sum(axis=1)
        s = np.where(
            in_response[:, None] > _TINY, by_bin / np.maximum(in_response, _TINY)[:, None], s
        )
        b = (data.rest_spikes + spikes - in_response) / in_windows
    return _Fitted(g, s, b)


class _Free:
    """A response for each direction."""

    def __init__(self, shown: Float64) -> None:
        self._shown = shown

    def maximized(self, spikes: Float64) -> Float64:
        """Responses for these spikes, ``(unit, direction)``."""
        return spikes / self._shown


class _Lobe:
    """A von Mises curve, ``A exp(k . u)`` of unit vectors u: the log likelihood is concave in k."""

    N_PARAMETERS = 3

    def __init__(self, waves: Float64, shown: Float64) -> None:
        self._waves, self._shown = waves, shown
        self.k = np.zeros((0, 2))

    def maximized(self, spikes: Float64) -> Float64:
        """Responses for these spikes, ``(unit, direction)``, a Newton step nearer to the largest.

        The next round goes on from here, so that one step in each is enough.
        """
        total = spikes.sum(axis=1)
        if len(self.k) != len(spikes):
            self.k = np.zeros((len(spikes), 2))
        share = self._shares()
        x, y = self._waves.T
        at_least = np.maximum(total, _TINY)
        to_x = (spikes * x).sum(axis=1) / at_least - (share * x).sum(axis=1)
        to_y = (spikes * y).sum(axis=1) / at_least - (share * y).sum(axis=1)
        dx = x - (share * x).sum(axis=1, keepdims=True)
        dy = y - (share * y).sum(axis=1, keepdims=True)
        # as good as singular where one direction has all, or all lie on a line
        xx, yy = ((share * d * d).sum(axis=1) + 1e-6 for d in (dx, dy))
        xy = (share * dx * dy).sum(axis=1)
        determinant = xx * yy - xy**2
        step = np.stack([yy * to_x - xy * to_y, xx * to_y - xy * to_x], axis=1)
        step /= determinant[:, None]
        step *= np.minimum(1, _STEP / np.maximum(np.hypot(*step.T), _TINY))[:, None]
        k = self.k + np.where((total > _TINY)[:, None], step, 0)
        self.k = k * np.minimum(1, _SHARPEST / np.maximum(np.hypot(*k.T), _TINY))[:, None]
        response: Float64 = self._shares() * total[:, None] / self._shown
        return response

    def _shares(self) -> Float64:
        """Part of the spikes that each direction gets."""
        x, y = self._waves.T
        drive = self.k[:, :1] * x + self.k[:, 1:] * y
        weight = self._shown * np.exp(drive - drive.max(axis=1, keepdims=True))
        share: Float64 = weight / weight.sum(axis=1, keepdims=True)
        return share


def _p_of(statistic: Float64, degrees: int) -> Float64:
    from scipy.stats import chi2

    p: Float64 = chi2.sf(np.maximum(statistic, 0), degrees)
    return p
