"""Receptive fields from the spikes themselves, by maximum likelihood.

The fit of a Gaussian to a map of averages does not use what the nonlinearity of a cell tells: one
with a threshold says much by when it is silent. Here field, filter and nonlinearity are fitted to
the spikes of each frame together, beginning with the fit to the map, which is near the truth: from
a consistent beginning a few steps of Fisher scoring are as good as any estimate can be (van der
Vaart 1998, section 5.7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.interruption import safe_point
from hdmea.kernels.centre_surround import N_POINT, field, window_of
from hdmea.kernels.covariance import axes_of, covariance, root_of
from hdmea.kernels.gaussian_fit import GaussianFits
from hdmea.kernels.held_drive import HeldDrive
from hdmea.kernels.log_rate import LogRate
from hdmea.kernels.pixel_gaussian import PixelWindow
from hdmea.kernels.receptive_field import Fields, Noise

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

OUTCOMES = (
    "converged",
    "too_few_spikes",  # fewer than MIN_SPIKES
    "not_converged",
    "centre_outside_map",
    "sigma_beyond_map",  # sigma_major is longer than the longer side of the map
)
"""Of a fit to spikes: converged, or why there is none."""
MIN_SPIKES = 100
"""From fewer the fit is not known to be better than that to the map."""
N_BUMPS = 8
"""Smooth functions of the lag that are added to the temporal filter."""

_MAX_STEPS = 12
_MOVE = 0.1
"""A step that moves the field by less than 0.3 standard errors (squared) is the last one."""
_MOST_LAST_STEP = 0.5
"""Pixels: where nothing is known, a standard error is no measure."""
_MOST_DAMPING = 1e4
_NEAR = 2.0
"""A spline to begin with is near enough if a step gains less in the logarithm of likelihood."""
_SURROUND_SD, _START_WEIGHT = 0.5, 0.3
_CURVED_SD = 3.0
_MOST_LOG = 100.0
_BLOCK_BYTES, _KEPT_BYTES = 1 << 24, 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class LikelyFields:
    """Fields by maximum likelihood, one entry per unit; NaN where `outcome` says why.

    Parameters
    ----------
    centre_x, centre_y, sigma_major, sigma_minor, angle_deg
        Of the centre, as of `hdmea.kernels.gaussian_fit.GaussianFits`.
    surround_weight, surround_se
        Volume of the surround over that of the centre, and its standard error.
    r2
        Part of the variance of the unit's map that the field explains, centre and surround: the
        square of their correlation over all pixels.
    outcome
        One of `OUTCOMES`; empty where there is no fit to the map to begin with.
    """

    centre_x: Float64
    centre_y: Float64
    sigma_major: Float64
    sigma_minor: Float64
    angle_deg: Float64
    surround_weight: Float64
    surround_se: Float64
    r2: Float64
    outcome: npt.NDArray[np.str_]


def likely_fields(
    noise: Noise, counts: npt.NDArray[Any], fields: Fields, fits: GaussianFits
) -> LikelyFields:
    """Fit centre, surround, filter and nonlinearity of each unit to its spikes.

    The rate in frame n is ``exp(g(u_n))`` in each presentation that showed it, with the drive

        u_n = sum_lag w_lag sum_pixels field * image(n + lag)

    The field is that of `hdmea.kernels.centre_surround` (6 numbers), w the temporal filter plus
    `N_BUMPS` smooth functions of the lag, g a natural cubic spline (`LogRate`). All are moved at
    once by Fisher scoring of the Poisson likelihood, damped (Levenberg-Marquardt) so that it never
    falls, up to the first step that moves the field by less than a third of its standard error.

    Parameters
    ----------
    noise
        The movie.
    counts
        Spikes of all presentations in each frame, ``(unit, frame)``, 0 in frames that do not count.
    fields, fits
        Maps and filters of the units, and the Gaussians of those maps, to begin with. A unit
        whose filter is unknown begins with the course of its average.

    Notes
    -----
    Weak priors keep what the spikes do not tell: the surround's weight has a standard deviation
    of 0.5 around 0, each curved function of the spline of 3 around 0.

    Of a large movie only the pixels around the map's Gaussian count, `window_of`. The result of one
    unit does not depend on the others, nor on the scale of the movie.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    n_units = len(counts)
    numbers = np.full((8, n_units), np.nan)
    outcome = np.zeros(n_units, dtype=f"<U{max(map(len, OUTCOMES))}")
    with threadpool_limits(limits=1, user_api="blas"):
        shown = _Shown(noise)
        for unit in np.flatnonzero(fits.reason == ""):
            safe_point()
            if counts[unit].sum() < MIN_SPIKES:
                outcome[unit] = "too_few_spikes"
                continue
            start = np.array([
                fits.centre_x[unit], fits.centre_y[unit],
                *root_of(fits.sigma_major[unit], fits.sigma_minor[unit], fits.angle_deg[unit]),
                _START_WEIGHT,
            ])  # fmt: skip
            filter_ = fields.temporal_filter[unit]
            if not np.isfinite(filter_).all():
                filter_ = fields.temporal_course[unit]
            cell = _Cell(shown, counts[unit], start, filter_)
            found = cell.most_likely()
            outcome[unit] = _outcome(found, noise.frames.shape[1:])
            if found is not None and outcome[unit] == "converged":
                r2 = _explained(fields.spatial_map[unit], cell.window, found[0])
                numbers[:, unit] = *_readable(found[0]), found[1], r2
    columns = dict(zip(LikelyFields.__slots__, numbers, strict=False))
    return LikelyFields(**columns, outcome=outcome)


def _readable(point: Float64) -> Float64:
    """Numbers in the order of `LikelyFields`."""
    return np.array([point[0], point[1], *axes_of(covariance(point[2:5])), point[5]])


def _outcome(found: tuple[Float64, float] | None, shape: tuple[int, int]) -> str:
    if found is None:
        return "not_converged"
    (x, y, sigma_major, *_), (n_rows, n_columns) = _readable(found[0]), shape
    if not (-0.5 <= x <= n_columns - 0.5 and -0.5 <= y <= n_rows - 0.5):
        return "centre_outside_map"
    return "sigma_beyond_map" if sigma_major > max(shape) else "converged"


def _explained(map_: Float64, window: PixelWindow, point: Float64) -> float:
    weights = np.zeros(map_.shape)
    weights[window.slices] = field(window, point, slopes=False).reshape(window.n_rows, -1)
    known = np.isfinite(map_)
    x, y = (values[known] - values[known].mean() for values in (weights, map_))
    return float((x @ y) ** 2 / ((x @ x) * (y @ y)))


class _Shown:
    """What is the same for all units: images, and the frames that count."""

    def __init__(self, noise: Noise) -> None:
        grid = noise.refreshes.grid_frames
        self.images, self.shape = noise.frames, noise.frames.shape[1:]
        self.starts = noise.starts
        self.image_of = np.searchsorted(self.starts, np.arange(len(noise.images)) * grid, "right")
        self.image_of -= 1
        self.used = np.flatnonzero(noise.times)
        self.drive = HeldDrive(noise.lags, grid, len(noise.images))
        self.times = self.by_frame(noise.times)
        self.bumps = _bumps(noise.lags.size)
        self.bump_matrices = self.drive.matrices(self.bumps)
        # All pixels at once, if they are few: most windows hold most of them.
        self.every: Float64 | None = None
        if 8 * self.starts.size * math.prod(self.shape) <= _KEPT_BYTES:
            images = self.images[self.starts].reshape(self.starts.size, -1)
            self.every = np.ascontiguousarray(images.T, dtype=np.float64)

    def by_frame(self, values: npt.NDArray[Any]) -> Float64:
        """Values of the frames that count, 0 of all others that have a drive."""
        found = np.zeros(self.drive.n_frames)
        found[self.used] = values[self.used]
        return found


def _bumps(n_lags: int) -> Float64:
    """Raised cosines over the lags, wider before, ``(bump, lag)``; they sum to a constant."""
    n = min(N_BUMPS, n_lags)
    before = np.log(n_lags / 30 + np.arange(n_lags)[::-1])
    middles = np.linspace(before[-1], np.log(0.8) + before[0], n)
    step = middles[1] - middles[0] if n > 1 else 1.0
    place = (before - middles[:, None]) / (2 * step)
    return np.where(np.abs(place) < 1, (1 + np.cos(np.pi * place)) / 2, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """A point with all that follows from it: light, drive, and how likely the spikes are."""

    point: Float64
    filter: Float64
    matrix: Float64
    spline: Float64
    blocks: Float64
    basis: Float64
    slopes: Float64
    expected: Float64
    likelihood: float


class _Cell:
    """The spikes of a unit, and how likely they are."""

    def __init__(
        self, shown: _Shown, counts: npt.NDArray[Any], start: Float64, filter_: Float64
    ) -> None:
        self.shown, self.counts = shown, shown.by_frame(counts)
        self.window = window_of(shown.shape, start)
        self.start = start
        self.light = _Light(shown, self.window)
        light = self.light(field(self.window, start, slopes=False))
        # Neither the scale of the movie nor that of the filter, which is also the spline's, counts.
        self.light.scale = 1 / light.std()
        blocks = shown.drive.blocks(self.light.scale * light)
        drive = shown.drive.through(blocks, shown.drive.matrices(filter_[None]))[0, shown.used]
        self.filter = filter_ / drive.std()
        self.rate = LogRate.over(drive / drive.std())
        self.penalty = np.zeros(N_POINT + len(shown.bumps) + self.rate.knots.size)
        self.penalty[N_POINT - 1] = 1 / _SURROUND_SD**2
        self.penalty[N_POINT + len(shown.bumps) + 2 :] = 1 / _CURVED_SD**2

    def most_likely(self) -> tuple[Float64, float] | None:
        """The most likely point, and the standard error of the last number; None without one."""
        at, damping = self._with_spline(), 1e-6
        for _ in range(_MAX_STEPS):
            score, information = self._score(at)
            if not np.isfinite(information).all():
                return None
            step = _step(information, score, damping)
            known, move = _information_of_field(information), step[:N_POINT]
            small = damping < 1e-2 and np.abs(move).max() < _MOST_LAST_STEP
            if small and move @ known @ move < _MOVE:
                variances = np.linalg.pinv(known, hermitian=True)
                return at.point + move, float(np.sqrt(variances[-1, -1]))
            while (tried := self._moved(at, step)) is None or tried.likelihood < at.likelihood:
                if damping > _MOST_DAMPING:
                    return None
                damping = max(100 * damping, 1e-3)
                step = _step(information, score, damping)
            at, damping = tried, damping / 10
        return None

    def _with_spline(self) -> _State:
        """The start, with the spline that fits it best."""
        size = self.rate.knots.size
        at = self._at(self.start, self.filter, np.zeros(size))
        at = self._state(at, self._near_spline(at.basis[1, self.shown.used]))
        penalty = self.penalty[-size:]
        for _ in range(_MAX_STEPS):
            score = at.basis @ (self.counts - at.expected) - penalty * at.spline
            by = at.basis * np.sqrt(at.expected)
            information = by @ by.T + np.diag(penalty)
            step = _step(information, score, 1e-6)
            gain = score @ step
            # Uphill all the way to one summit: a step that leads beyond it is only too long.
            while (tried := self._state(at, at.spline + step)).likelihood < at.likelihood:
                step /= 4
            at = tried
            if gain < _NEAR:
                break
        return at

    def _near_spline(self, drive: Float64) -> Float64:
        """The spline through the rates around each knot, by the frames that are nearest to it."""
        knots, used = self.rate.knots, self.shown.used
        nearest = np.searchsorted((knots[1:] + knots[:-1]) / 2, drive)
        counts, times = (
            np.bincount(nearest, values[used], knots.size)
            for values in (self.counts, self.shown.times)
        )
        # A frame of the mean rate more, so that no rate is 0.
        rate = (counts + counts.sum() / times.sum()) / (times + 1)
        return np.asarray(np.linalg.solve(self.rate.basis(knots)[0].T, np.log(rate)))

    def _at(self, point: Float64, filter_: Float64, spline: Float64) -> _State:
        drive = self.shown.drive
        # The light of the field's derivatives is had with that of the field: images are read once.
        blocks = drive.blocks(self.light(field(self.window, point)))
        matrix = drive.matrices(filter_[None])
        basis, slopes = self.rate.basis(drive.through(blocks[:1], matrix)[0])
        bare = _State(point, filter_, matrix, spline, blocks, basis, slopes, self.counts, 0.0)
        return self._state(bare, spline)

    def _state(self, at: _State, spline: Float64) -> _State:
        """The same point with another spline."""
        log = np.minimum(spline @ at.basis, _MOST_LOG)
        expected = self.shown.times * np.exp(log)
        return replace(
            at, spline=spline, expected=expected,
            likelihood=float(self.counts @ log - expected.sum()) - self._prior(at.point, spline),
        )  # fmt: skip

    def _prior(self, point: Float64, spline: Float64) -> float:
        curved = self.penalty[-spline.size :] @ spline**2
        return float(0.5 * (self.penalty[N_POINT - 1] * point[-1] ** 2 + curved))

    def _moved(self, at: _State, step: Float64) -> _State | None:
        """Where a step leads to; None if that is nowhere."""
        n_bumps = len(self.shown.bumps)
        point = at.point + step[:N_POINT]
        longest = 3 * max(self.shown.shape)
        if not np.isfinite(step).all() or np.abs(point[:5]).max() > longest or abs(point[5]) > 10:
            return None
        filter_ = at.filter + step[N_POINT : N_POINT + n_bumps] @ self.shown.bumps
        return self._at(point, filter_, at.spline + step[N_POINT + n_bumps :])

    def _score(self, at: _State) -> tuple[Float64, Float64]:
        """Slope of the logarithm of the likelihood, and the information."""
        drive, n_drives = self.shown.drive, N_POINT + len(self.shown.bumps)
        by = np.empty((self.penalty.size, self.counts.size))
        drive.through(at.blocks[1:], at.matrix, out=by[:N_POINT])
        drive.through(at.blocks[:1], self.shown.bump_matrices, out=by[N_POINT:n_drives])
        steep, left = at.spline @ at.slopes, self.counts - at.expected
        score = np.concatenate([by[:n_drives] @ (steep * left), at.basis @ left])
        score[N_POINT - 1] -= self.penalty[N_POINT - 1] * at.point[-1]
        score[n_drives:] -= self.penalty[n_drives:] * at.spline
        root = np.sqrt(at.expected)
        by[:n_drives] *= steep * root
        np.multiply(at.basis, root, out=by[n_drives:])
        information: Float64 = by @ by.T
        information += np.diag(self.penalty)
        return score, information


def _information_of_field(information: Float64) -> Float64:
    """What is known of the field while filter and nonlinearity are not."""
    fields, others = slice(N_POINT), slice(N_POINT, None)
    shared = information[others, fields]
    explained = np.linalg.lstsq(information[others, others], shared)[0]
    return np.asarray(information[fields, fields] - shared.T @ explained)


def _step(information: Float64, score: Float64, damping: float) -> Float64:
    diagonal = information.diagonal()
    # A bump at lags at which nothing is known has no information: it stays.
    least = 1e-12 * diagonal.max()
    return np.asarray(np.linalg.solve(information + np.diag(damping * diagonal + least), score))


class _Light:
    """Sums over the images in a window, weighted by maps."""

    def __init__(self, shown: _Shown, window: PixelWindow) -> None:
        self.shown, self.window, self.scale = shown, window, 1.0
        n_pixels, n_images = window.n_rows * window.n_columns, shown.starts.size
        step = max(1, _BLOCK_BYTES // (8 * n_pixels))
        self.blocks = [slice(i, i + step) for i in range(0, n_images, step)]
        self.images: list[Float64] = []
        if shown.every is not None:
            self.blocks, self.images = [slice(0, n_images)], [_of_window(shown, window)]
        elif 8 * n_pixels * n_images <= _KEPT_BYTES:
            self.images = [self._images(block) for block in self.blocks]

    def _images(self, block: slice) -> Float64:
        rows, columns = self.window.slices
        images = self.shown.images[self.shown.starts[block], rows, columns]
        return images.reshape(len(images), -1).T.astype(np.float64)

    def __call__(self, maps: Float64) -> Float64:
        """Light, ``(map, refresh)``, from ``(map, pixel of the window)``."""
        light = np.empty((len(maps), self.shown.starts.size))
        for i, block in enumerate(self.blocks):
            images = self.images[i] if self.images else self._images(block)
            light[:, block] = (self.scale * maps) @ images
        # The level of the movie is that of the spline.
        light -= light.mean(axis=1, keepdims=True)
        return light[:, self.shown.image_of]


def _of_window(shown: _Shown, window: PixelWindow) -> Float64:
    """All images in a window, ``(pixel, image)``."""
    assert shown.every is not None
    if (window.n_rows, window.n_columns) == shown.shape:
        return shown.every
    of_pixels = shown.every.reshape(*shown.shape, -1)[window.slices]
    return np.ascontiguousarray(of_pixels).reshape(window.n_rows * window.n_columns, -1)
