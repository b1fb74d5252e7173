"""Fields: Gaussians against photutils and astropy, filters and maps against scikit-learn."""

from __future__ import annotations

import numpy as np
import photutils
import pytest
from astropy.convolution import discretize_model
from astropy.modeling import custom_model
from astropy.modeling.fitting import LevMarLSQFitter
from astropy.modeling.models import Gaussian2D
from packaging.version import Version
from photutils.psf import GaussianPRF
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize
from scipy.stats import norm, pearsonr
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import Ridge

from hdmea.kernels.circular_shifts import compare_with_shifts, shift_scores
from hdmea.kernels.ellipse import Ellipses, mapped
from hdmea.kernels.gaussian_fit import fit_gaussians
from hdmea.kernels.likely_field import LikelyFields, likely_fields
from hdmea.kernels.pixel_gaussian import gaussian_map
from hdmea.kernels.receptive_field import Noise, fields
from hdmea.kernels.space_time import separate
from hdmea.kernels.sta import Presentations, spike_triggered_average
from hdmea.kernels.sta_peak import p_bonferroni
from hdmea.kernels.temporal_filter import N_FOLDS, PENALTIES, peaks, temporal_filters

FWHM = 2 * np.sqrt(2 * np.log(2))
SHAPE = (17, 21)
ROWS, COLUMNS = np.indices(SHAPE)

# -- Gaussians -------------------------------------------------------------------------------------


def photutils_map(
    sigma_x: float, sigma_y: float, theta_deg: float, x: float, y: float, shape=SHAPE
) -> np.ndarray:
    rows, columns = np.indices(shape)
    model = GaussianPRF(
        flux=2 * np.pi * sigma_x * sigma_y,  # of a Gaussian of height 1
        x_0=x,
        y_0=y,
        x_fwhm=FWHM * sigma_x,
        y_fwhm=FWHM * sigma_y,
        theta=theta_deg,
    )
    return model(columns, rows)


@pytest.mark.parametrize("sigmas", [(3.0, 3.0), (4.0, 1.5), (1.0, 0.4), (0.4, 0.2)])
def test_a_gaussian_over_pixels_is_photutils_along_the_axes(sigmas: tuple[float, float]) -> None:
    major, minor = sigmas
    lying = gaussian_map(SHAPE, 1, 0, 9.3, 8.6, major, minor, 0)
    assert lying == pytest.approx(photutils_map(major, minor, 0, 9.3, 8.6), rel=1e-9, abs=1e-13)
    standing = gaussian_map(SHAPE, 1, 0, 9.3, 8.6, major, minor, 90)
    assert standing == pytest.approx(photutils_map(minor, major, 0, 9.3, 8.6), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("angle_deg", [20.0, 130.0])
def test_a_turned_gaussian_over_pixels_is_astropys_by_numerical_integration(
    angle_deg: float,
) -> None:
    # astropy counts angles from x towards y, which runs down here.
    model = Gaussian2D(1, 2.2, 1.9, 1.2, 0.6, theta=-np.deg2rad(angle_deg))
    integrated = discretize_model(model, (0, 5), (0, 4), mode="integrate")
    mine = gaussian_map((4, 5), 1, 0, 2.2, 1.9, 1.2, 0.6, angle_deg)
    assert mine == pytest.approx(integrated, abs=1e-8)
    # photutils turned the pixels with the Gaussian at first: right along the axes only.
    apart = np.abs(photutils_map(1.2, 0.6, -angle_deg, 2.2, 1.9, (4, 5)) - mine).max()
    if Version(photutils.__version__) >= Version("3.1"):  # the pin for Python 3.12 and later
        assert apart < 1e-12
    else:
        assert 5e-4 < apart < 0.05


@custom_model
def over_pixels(x, y, amplitude=1.0, offset=0.0, x_0=0.0, y_0=0.0, major=1.0, minor=1.0, angle=0.0):
    """A Gaussian at 6 x 6 points of each pixel, weighted as Gauss and Legendre do."""
    points, weights = np.polynomial.legendre.leggauss(6)
    total = np.zeros(np.shape(x))
    for dx, wx in zip(points / 2, weights / 2, strict=True):
        for dy, wy in zip(points / 2, weights / 2, strict=True):
            right, up = x + dx - x_0, -(y + dy - y_0)
            along = right * np.cos(angle) + up * np.sin(angle)
            across = up * np.cos(angle) - right * np.sin(angle)
            total += wx * wy * np.exp(-0.5 * ((along / major) ** 2 + (across / minor) ** 2))
    return offset + amplitude * total


NOISY = [
    (3.0, 0.5, 9.3, 8.6, 3.0, 1.2, 30.0),
    (-2.0, 0.0, 12.1, 7.0, 1.5, 0.8, 100.0),
    (1.0, -0.2, 7.7, 9.5, 2.5, 2.0, 160.0),
]


@pytest.mark.parametrize("truth", NOISY)
def test_fits_are_astropys_least_squares_of_a_gaussian_over_pixels(truth) -> None:
    rng = np.random.default_rng(61)
    map_ = gaussian_map(SHAPE, *truth) + rng.normal(0, 0.05, SHAPE)
    mine = fit_gaussians(map_[None])
    assert mine.reason.tolist() == [""]
    start = over_pixels(*truth[:-1], angle=np.deg2rad(truth[-1]))
    fitted = LevMarLSQFitter()(start, COLUMNS, ROWS, map_, maxiter=1000, acc=1e-12)
    *numbers, angle = fitted.parameters
    names = ("amplitude", "offset", "centre_x", "centre_y", "sigma_major", "sigma_minor")
    for name, number in zip(names, numbers, strict=True):
        assert getattr(mine, name)[0] == pytest.approx(number, rel=1e-4, abs=1e-5), name
    apart = mine.angle_deg[0] - np.rad2deg(angle)
    assert (apart + 90) % 180 - 90 == pytest.approx(0, abs=0.01)
    residual = map_ - fitted(COLUMNS, ROWS)
    assert mine.r2[0] == pytest.approx(1 - residual.var() / map_.var(), abs=1e-6)


@pytest.mark.parametrize(("sigma_x", "sigma_y"), [(3.0, 1.5), (0.8, 2.0), (0.6, 0.5)])
def test_fits_find_what_photutils_put_in(sigma_x: float, sigma_y: float) -> None:
    mine = fit_gaussians((5 - 2 * photutils_map(sigma_x, sigma_y, 0, 9.3, 8.6))[None])
    found = [getattr(mine, name)[0] for name in ("amplitude", "offset", "centre_x", "centre_y")]
    assert found == pytest.approx([-2, 5, 9.3, 8.6], rel=1e-6)
    widths = sorted((sigma_x, sigma_y))
    assert [mine.sigma_minor[0], mine.sigma_major[0]] == pytest.approx(widths, rel=1e-5)
    along = mine.angle_deg[0] - (0 if sigma_x > sigma_y else 90)
    assert (along + 90) % 180 - 90 == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_a_gaussian_in_the_middles_of_pixels_is_wider_by_the_width_of_a_pixel(sigma: float) -> None:
    # A pixel has a variance of 1/12 itself, which a fit without pixels takes for the field's.
    map_ = gaussian_map((31, 31), 1, 0, 15.2, 14.7, sigma, sigma, 0)
    y, x = np.indices(map_.shape)
    fitted = LevMarLSQFitter()(Gaussian2D(1, 15, 15, sigma, sigma), x, y, map_)
    widened = np.sqrt(sigma**2 + 1 / 12)
    assert fitted.x_stddev.value == pytest.approx(widened, rel=2e-3)
    assert fit_gaussians(map_[None]).sigma_major[0] == pytest.approx(sigma, rel=1e-5)


@pytest.mark.parametrize("angle_deg", [0.0, 25.0, 90.0, 140.0])
def test_sizes_in_micrometres_are_those_of_points_of_the_gaussian_that_were_mapped(
    angle_deg: float,
) -> None:
    rng = np.random.default_rng(66)
    turned = np.deg2rad(33)
    turn = np.array([[np.cos(turned), -np.sin(turned)], [np.sin(turned), np.cos(turned)]])
    matrix = turn @ np.diag([12.0, -20.0])  # from pixels, y down, to the retina, y up
    found = mapped(Ellipses(np.array([2.0]), np.array([0.7]), np.array([angle_deg])), matrix)
    angle = np.deg2rad(angle_deg)
    along, across = [np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]
    points = rng.standard_normal((400_000, 2)) * [2.0, 0.7] @ np.array([along, across])
    variances, axes = np.linalg.eigh(np.cov(matrix @ points.T))
    assert found.sigma_minor[0] == pytest.approx(np.sqrt(variances[0]), rel=5e-3)
    assert found.sigma_major[0] == pytest.approx(np.sqrt(variances[1]), rel=5e-3)
    apart = found.angle_deg[0] - np.rad2deg(np.arctan2(axes[1, 1], axes[0, 1]))
    assert (apart + 90) % 180 - 90 == pytest.approx(0, abs=0.5)


# -- fields from spikes ----------------------------------------------------------------------------

SPIKING = (4.3, 5.4, 1.6, 1.0, 40.0, 0.4)
"""Centre x and y, sigmas, angle and the surround's weight of the cell."""


def centre_surround(x, y, major, minor, angle_deg, weight) -> np.ndarray:
    """Weights of 11 x 11 pixels, at 36 points of each; the centre has volume 1."""
    rows, columns = np.indices((11, 11))
    wide = 3 * np.sqrt(major * minor)
    angle = np.deg2rad(angle_deg)
    centre = over_pixels.evaluate(columns, rows, 1.0, 0.0, x, y, major, minor, angle)
    around = over_pixels.evaluate(columns, rows, 1.0, 0.0, x, y, wide, wide, 0.0)
    return centre / (2 * np.pi * major * minor) - weight * around / (2 * np.pi * wide**2)


def test_fields_from_spikes_are_the_most_likely_ones_that_scipy_finds(monkeypatch) -> None:
    rng = np.random.default_rng(67)
    hold, n_lags = 4, 24
    images = rng.integers(0, 2, (1500, 11, 11)).astype(np.uint8)
    movie = images.repeat(hold, axis=0)
    contrast = images.reshape(1500, -1) - images.mean()
    lags = np.arange(-n_lags, 0)
    before = -lags[::-1]  # the filter by frames before the spike's, from 1 on
    kernel = np.exp(-0.5 * ((before - 5) / 1.5) ** 2) - 0.4 * np.exp(
        -0.5 * ((before - 11) / 3) ** 2
    )

    def drive_by(field: np.ndarray, weights: np.ndarray) -> np.ndarray:
        light = (contrast @ field.ravel()).repeat(hold)
        return np.convolve(light, np.r_[0.0, weights])[: light.size]

    truth = drive_by(centre_surround(*SPIKING), kernel)
    counts = rng.poisson(0.4 * np.maximum(truth / truth.std() - 0.3, 0))[None]
    whole = np.array([0]), np.array([0]), np.array([len(movie)])
    noise = Noise(movie, Presentations(*whole), lags)
    mean = spike_triggered_average([counts], movie, (-n_lags, 0), with_z=False).mean
    maps = fields(noise, [counts], mean)
    total = noise.total([counts])
    gaussian = fit_gaussians(maps.spatial_map)
    soon = likely_fields(noise, total, maps, gaussian)
    # To the very top, which else is not worth the steps.
    monkeypatch.setattr("hdmea.kernels.likely_field._MOVE", 1e-7)
    monkeypatch.setattr("hdmea.kernels.likely_field._MAX_STEPS", 200)
    mine = likely_fields(noise, total, maps, gaussian)
    assert [*soon.outcome, *mine.outcome] == ["converged"] * 2

    # The same model, written anew.
    used = np.flatnonzero(noise.times)
    given = maps.temporal_filter[0, ::-1]
    late = np.log(n_lags / 30 + before - 1)
    middles = np.linspace(late[0], np.log(0.8) + late[-1], 8)
    away = np.abs(late - middles[:, None]) / (middles[1] - middles[0])
    bumps = np.where(away < 2, 0.5 + 0.5 * np.cos(np.pi * away / 2), 0)
    began = drive_by(centre_surround(*SPIKING), given)[used]
    scale = began.std()
    knots = np.quantile(began / scale, [0.01, 0.1, 0.25, 0.45, 0.65, 0.82, 0.94, 0.995])

    def minus_log_likelihood(numbers: np.ndarray) -> float:
        field, added, heights = np.split(numbers, [6, 14])
        drive = drive_by(centre_surround(*field), (given + bumps.T @ added) / scale)[used]
        spline = CubicSpline(knots, heights, bc_type="natural")
        inside = np.clip(drive, knots[0], knots[-1])
        log = spline(inside) + spline(inside, 1) * (drive - inside)
        # What the truncated cubes of the basis are multiplied with, from the third derivatives.
        jumps = np.diff(spline.c[0, :-1], prepend=0.0)
        curved = jumps * (knots[-1] - knots[:-2]) * (knots[-1] - knots[0])
        prior = 0.5 * (field[5] / 0.5) ** 2 + 0.5 * (curved / 3) @ (curved / 3)
        return float(np.exp(log).sum() - counts[0, used] @ log + prior)

    heights = np.log(0.02 + 0.4 * np.maximum(knots - 0.3, 0))
    begin = np.r_[SPIKING, np.zeros(8), heights]
    options = {"gtol": 0.3, "maxiter": 300}
    best = minimize(minus_log_likelihood, begin, method="BFGS", options=options).x
    assert minus_log_likelihood(best) < minus_log_likelihood(begin) - 3
    numbers = [getattr(mine, name)[0] for name in LikelyFields.__slots__[:6]]
    assert numbers == pytest.approx(best[:6], abs=0.01)
    # Where it ends is within a standard error, of 0.03 px, 5 % and 0.08.
    numbers = [getattr(soon, name)[0] for name in LikelyFields.__slots__[:6]]
    assert numbers[:2] == pytest.approx(best[:2], abs=0.02)
    assert numbers[2:4] == pytest.approx(best[2:4], rel=0.03)
    assert numbers[5] == pytest.approx(best[5], abs=0.08)


# -- space and time --------------------------------------------------------------------------------


def test_map_course_and_separability_are_scikit_learns_singular_values() -> None:
    rng = np.random.default_rng(63)
    n_lags, image = 20, (9, 11)
    course = np.exp(-0.5 * ((np.arange(n_lags) - 13) / 2) ** 2)
    later = np.roll(course, -4)
    fields = [gaussian_map(image, a, 0, x, 4, 1.5, 1, 20) for a, x in ((3, 4), (-2, 6), (0.5, 8))]
    sta = np.stack([
        course[:, None, None] * fields[0],
        course[:, None, None] * fields[1] - 0.6 * later[:, None, None] * fields[0],
        course[:, None, None] * fields[2],
        np.zeros((n_lags, *image)),
    ])  # fmt: skip
    sta += rng.normal(0, 0.1, sta.shape)
    mine = separate(128 + sta, 128)
    for unit, average in enumerate(sta):
        table = average.reshape(n_lags, -1)
        svd = TruncatedSVD(n_components=1, algorithm="arpack", random_state=0)
        first = svd.fit_transform(table) @ svd.components_
        product = np.einsum("t,yx->tyx", mine.temporal_course[unit], mine.spatial_map[unit])
        assert product.reshape(n_lags, -1) == pytest.approx(first, abs=1e-9)
        power = np.linalg.svd(table, compute_uv=False) ** 2
        share = svd.singular_values_[0] ** 2 / power.sum()
        assert mine.separability[unit] == pytest.approx(share, rel=1e-9)
        # Signs are nobody's but ours: the course is positive where the average is largest.
        lag, y, x = np.unravel_index(np.abs(average).argmax(), average.shape)
        assert mine.polarity[unit] == np.sign(average[lag, y, x])
        assert mine.temporal_course[unit, lag] > 0


# -- temporal filters ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regression():
    """Light, spikes of three units, how often each frame was shown, and lags; images stay 4."""
    rng = np.random.default_rng(64)
    n, grid = 900, 4
    lags = np.arange(-16, 0)
    shape = np.exp(-0.5 * ((lags + 5) / 1.5) ** 2) - 0.4 * np.exp(-0.5 * ((lags + 10) / 2) ** 2)
    light = rng.standard_normal((3, n))
    frames = np.repeat(light, grid, axis=1)
    drive = sum(w * np.roll(frames, -lag, axis=1) for lag, w in zip(lags, shape, strict=True))
    rate = np.stack([np.exp(0.4 * drive[0] - 1), np.maximum(0.3 + 0.3 * drive[1], 0)])
    rate = np.vstack([rate, np.full(n * grid, 0.5)])
    times = np.full(n * grid, 2)
    times[: -lags[0]] = 0
    times[2000:2400] = 1  # a presentation was cut
    return rng.poisson(rate * times), times, light, lags, grid


def test_filters_are_scikit_learns_ridge_regression_with_the_penalty_that_predicts_best(
    regression,
) -> None:
    counts, times, light, lags, grid = regression
    mine = temporal_filters(counts, times, light, lags, grid)
    n = light.shape[1]
    used = np.flatnonzero(times)
    weight = times[used].astype(float)
    fold = np.arange(n) * 2 * N_FOLDS // n % N_FOLDS
    fold = np.repeat(fold, grid)[used]
    # Rows that must be 0 are the penalty, and there is hardly any on the weights themselves.
    curved = np.diff(np.eye(lags.size), 2, axis=0) * np.abs(lags[1:-1, None]) ** 1.5
    zeros = np.vstack([curved, np.sqrt(0.1) * np.eye(lags.size)])

    def fitted(x, y, weight, strength):
        x, y = np.vstack([x, zeros]), np.append(y, np.zeros(len(zeros)))
        weight = np.append(weight, np.full(len(zeros), strength))
        model = Ridge(alpha=1e-12, fit_intercept=False, solver="svd")
        return model.fit(x, y, sample_weight=weight)

    for unit in range(len(counts)):
        frames = np.repeat(light[unit], grid)
        seen = np.stack([frames[used + lag] for lag in lags], axis=1)
        fired = counts[unit, used] / weight
        # Around the means of all frames, for every fold.
        x = seen - np.average(seen, axis=0, weights=weight)
        y = fired - np.average(fired, weights=weight)
        scale = (weight[:, None] * x**2).sum() / lags.size
        error = []
        for strength in PENALTIES:
            missed = 0.0
            for one in range(N_FOLDS):
                of_fold = fold == one
                model = fitted(x[~of_fold], y[~of_fold], weight[~of_fold], strength * scale)
                missed += (weight[of_fold] * (y - model.predict(x))[of_fold] ** 2).sum()
            error.append(missed)
        best = int(np.argmin(error))
        assert mine.penalty[unit] == pytest.approx(PENALTIES[best])
        r2 = 1 - error[best] / (weight * y**2).sum()
        assert mine.r2[unit] == pytest.approx(r2, abs=1e-9)
        model = fitted(x, y, weight, PENALTIES[best] * scale)
        largest = np.abs(model.coef_).max()
        assert mine.weights[unit] == pytest.approx(model.coef_, abs=1e-8 * largest)
    assert (mine.r2[:2] > 0.05).all()
    assert mine.r2[2] < 0.01


def test_the_peak_is_that_of_the_parabola_through_three_lags(regression) -> None:
    counts, times, light, lags, grid = regression
    weights = temporal_filters(counts, times, light, lags, grid).weights
    lag, ratio = peaks(weights, lags)
    for unit in range(2):
        top = int(weights[unit].argmax())
        near = slice(top - 1, top + 2)
        a, b, _ = np.polyfit(lags[near], weights[unit, near], 2)
        assert lag[unit] == pytest.approx(-b / (2 * a), rel=1e-7)
        assert ratio[unit] == pytest.approx(-weights[unit].min() / weights[unit].max(), rel=1e-12)


# -- significance ----------------------------------------------------------------------------------


def test_p_over_voxels_is_scipys_normal_tail_times_their_number() -> None:
    z, n = np.array([3.0, -5.5, 7.0, 0.5, -30.0]), np.array([1, 3000, 60_000, 10, 10])
    expected = np.minimum(1, 2 * norm.sf(np.abs(z)) * n)
    assert p_bonferroni(z, n) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("hold", [1, 3])
def test_scores_of_shifted_spikes_are_pearsons_correlations_shift_by_shift(hold: int) -> None:
    rng = np.random.default_rng(65)
    n = 48
    images = rng.integers(0, 256, (n, 2, 2), dtype=np.uint8)
    movie = np.repeat(images, hold, axis=0)
    bright = np.roll(np.repeat(images[:, 0, 1], hold), 2) > 190
    counts = np.stack([rng.poisson(0.2 + 2.0 * bright), rng.poisson(0.5, n * hold)])
    excess = counts - counts.mean(axis=1, keepdims=True)
    lags, nearest = np.arange(-5, 0), 8
    mine = compare_with_shifts(shift_scores(excess, movie, hold), lags, nearest)

    frame = np.arange(n * hold)
    flat = images.reshape(n, -1).astype(float)
    smallest = -(-nearest // hold)
    for unit, train in enumerate(excess):
        largest = []
        for shift in (0, *range(smallest, n - smallest + 1)):
            moved = np.roll(train, shift * hold)
            scores = []
            for lag in lags:
                refresh = (frame + lag) % (n * hold) // hold
                d = np.bincount(refresh, weights=moved, minlength=n)
                scores.append(np.abs(pearsonr(d[:, None], flat, axis=0).statistic) * np.sqrt(n))
            largest.append(np.max(scores))
        assert mine.n_shifts == len(largest) - 1
        assert mine.largest[unit] == pytest.approx(largest[0], rel=1e-5)  # float32
        as_large = np.sum(np.array(largest[1:]) >= largest[0] * (1 - 1e-4))
        assert mine.p[unit] == pytest.approx((1 + as_large) / len(largest))
    assert mine.p[0] < 0.05
