"""Pixel-integrated Gaussians against a fine integration, statistics and symmetry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.kernels.covariance import SIGMA_FLOOR
from hdmea.kernels.gaussian_fit import REASONS, fit_gaussians
from hdmea.kernels.pixel_gaussian import PixelWindow, gaussian_map

NAMES = ("amplitude", "offset", "centre_x", "centre_y", "sigma_major", "sigma_minor", "angle_deg")


def rotated(x, y, amplitude, offset, centre_x, centre_y, major, minor, angle_deg):
    """A Gaussian at points; y counts downwards, the angle upwards."""
    angle, right, up = np.deg2rad(angle_deg), x - centre_x, centre_y - y
    along = right * np.cos(angle) + up * np.sin(angle)
    across = up * np.cos(angle) - right * np.sin(angle)
    return offset + amplitude * np.exp(-0.5 * ((along / major) ** 2 + (across / minor) ** 2))


def finely(shape, *parameters, order=32):
    """Mean over each pixel of 32 x 32 Gauss-Legendre points of the formula word for word."""
    nodes, weights = (part / 2 for part in np.polynomial.legendre.leggauss(order))
    y, x = (np.arange(n)[:, None] + nodes for n in shape)
    values = rotated(x[None, :, None, :], y[:, None, :, None], *parameters)
    return values @ weights @ weights


def numbers(fits):
    return np.array([getattr(fits, name) for name in NAMES]).T


def angle_apart(one, other):
    return np.abs((np.asarray(one) - other + 90) % 180 - 90)


def draw(rng, n, shape=(15, 15), sigma=(0.4, 3.0), aspect=(1.1, 3.0), most=4.0):
    minor = rng.uniform(*sigma, n)
    return np.stack([
        rng.choice([-1, 1], n) * rng.uniform(0.5, 30, n), rng.normal(0, 10, n),
        rng.uniform(3, shape[1] - 4, n), rng.uniform(3, shape[0] - 4, n),
        np.minimum(minor * rng.uniform(*aspect, n), max(most, sigma[1])), minor,
        rng.uniform(0, 180, n),
    ], axis=1)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    minor=st.floats(0.4, 5), aspect=st.floats(1, 5), angle=st.floats(0, 180),
    x=st.floats(4, 8), y=st.floats(3, 9),
)  # fmt: skip
def test_the_mean_over_a_pixel_is_exact_from_two_fifths_of_a_pixel_on(minor, aspect, angle, x, y):
    parameters = (-2.0, 0.25, x, y, minor * aspect, minor, angle)
    expected = finely((12, 13), *parameters)
    found = gaussian_map((12, 13), *parameters)
    assert np.abs(found - expected).max() < 1e-12
    seen = np.abs(expected - 0.25) > 2e-5
    np.testing.assert_allclose((found - 0.25)[seen], (expected - 0.25)[seen], rtol=1e-9)


@pytest.mark.parametrize(("sigma", "error"), [(0.1, 1e-4), (0.2, 1e-9), (0.4, 1e-12)])
def test_the_error_of_the_quadrature_is_what_is_said(sigma, error):
    for angle in range(0, 180, 30):
        for x, y in ((2.0, 2.0), (2.37, 1.61), (2.5, 1.5)):
            parameters = (1.0, 0.0, x, y, 3 * sigma, sigma, angle)
            # 32 points along a pixel are not enough for 0.1 px themselves
            expected = finely((5, 5), *parameters, order=80)
            assert np.abs(gaussian_map((5, 5), *parameters) - expected).max() < error


def test_the_slopes_are_those_of_the_mean():
    window = PixelWindow(2, 3, 7, 6)
    point = np.array([5.3, 4.6, 2.0, -0.7, 1.1])  # centre and covariances
    slopes = window.bell(*point)[1:]
    for i in range(5):
        step = 1e-5 * np.eye(5)[i]
        above, below = (window.bell(*(point + s), slopes=False)[0] for s in (step, -step))
        np.testing.assert_allclose(slopes[i], (above - below) / 2e-5, atol=2e-10)


@pytest.mark.parametrize("minor", [0.4, 0.55, 0.8, 1.3, 2.2])
@pytest.mark.parametrize("aspect", [1.0, 1.5, 3.0, 5.0])
def test_exact_maps_give_all_seven_parameters(minor, aspect):
    rng = np.random.default_rng(int(100 * minor + aspect))
    major = min(minor * aspect, 5.0)
    size = 15 if major < 2.5 else 25
    truth = draw(rng, 4, (size, size + 2))
    truth[:, 4:6] = major, minor
    truth[:, 6] = rng.choice([0.0, 17.0, 45.0, 90.0, 133.0, 179.5], 4)
    fits = fit_gaussians(np.array([finely((size, size + 2), *one) for one in truth]))
    assert (fits.reason == "").all()
    assert fits.converged.all()
    np.testing.assert_allclose(fits.r2, 1, atol=1e-12)
    np.testing.assert_allclose(numbers(fits)[:, :6], truth[:, :6], rtol=1e-6, atol=1e-6)
    if major > minor:
        assert angle_apart(fits.angle_deg, truth[:, 6]).max() < 1e-6
    assert ((fits.angle_deg >= 0) & (fits.angle_deg < 180)).all()


def test_from_noisy_maps_the_fit_is_as_good_as_any_can_be():
    truth = np.array([2.0, 1.0, 7.2, 6.7, 1.6, 0.8, 25.0])
    noise = 0.08
    rng = np.random.default_rng(2)
    maps = finely((15, 15), *truth) + rng.normal(0, noise, (300, 15, 15))
    found = numbers(fit_gaussians(maps))
    # The bound of Cramer and Rao, from numeric slopes of the independent formula.
    steps = 1e-5 * np.eye(7)
    slopes = np.array([
        (finely((15, 15), *(truth + s)) - finely((15, 15), *(truth - s))).ravel() / 2e-5
        for s in steps
    ])  # fmt: skip
    bound = noise * np.sqrt(np.diag(np.linalg.inv(slopes @ slopes.T)))
    # 300 fits know the mean to bound / 17 and the spread to 4 %.
    assert np.abs((found.mean(axis=0) - truth) / bound).max() < 0.25
    ratio = found.std(axis=0, ddof=1) / bound
    assert ratio.min() > 0.85
    assert ratio.max() < 1.15


def test_a_fit_to_the_middles_of_pixels_would_be_too_wide_and_this_one_is_not():
    from scipy.optimize import curve_fit

    y, x = np.indices((15, 15))
    for sigma in (0.7, 1.0, 2.0):
        truth = (1.0, 0.0, 7.0, 7.0, sigma, sigma, 0.0)
        map_ = finely((15, 15), *truth)

        def of_points(places, amplitude, wide):
            return rotated(*places, amplitude, 0.0, 7.0, 7.0, wide, wide, 0.0)

        places = np.array([x.ravel(), y.ravel()])
        (_, wide), _ = curve_fit(of_points, places, map_.ravel(), p0=(1.0, sigma))
        assert wide**2 == pytest.approx(sigma**2 + 1 / 12, abs=0.01)
        fits = fit_gaussians(map_[None])
        assert fits.sigma_major[0] == pytest.approx(sigma, abs=1e-6)
        assert fits.sigma_minor[0] == pytest.approx(sigma, abs=1e-6)


@pytest.fixture(scope="module")
def noisy():
    rng = np.random.default_rng(5)
    maps = np.array([finely((15, 13), *one, order=16) for one in draw(rng, 24, (15, 13))])
    return maps + np.ptp(maps, axis=(1, 2), keepdims=True) * rng.normal(0, 0.08, maps.shape)


def test_units_do_not_influence_each_other(noisy):
    together = fit_gaussians(noisy)
    order = np.random.default_rng(0).permutation(len(noisy))
    mixed = fit_gaussians(noisy[order])
    parts = [fit_gaussians(noisy[:5]), fit_gaussians(noisy[5:])]
    for name in (*NAMES, "r2", "converged", "reason"):
        whole = getattr(together, name)
        assert np.array_equal(whole[order], getattr(mixed, name))
        assert np.array_equal(whole, np.concatenate([getattr(part, name) for part in parts]))
    assert (together.reason == "").sum() >= 22


def test_factor_and_constant_change_amplitude_and_offset_only(noisy):
    plain, scaled = numbers(fit_gaussians(noisy)), numbers(fit_gaussians(1000 - 37 * noisy))
    expected = plain.copy()
    expected[:, 0] *= -37
    expected[:, 1] = 1000 - 37 * plain[:, 1]
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-4)


def test_shifted_mirrored_and_transposed_maps_have_shifted_mirrored_and_transposed_fits(noisy):
    n_rows, n_columns = noisy.shape[1:]
    plain = numbers(fit_gaussians(noisy))
    x, y, angle = plain[:, 2], plain[:, 3], plain[:, 6]
    cases = [
        (noisy[:, :, ::-1], n_columns - 1 - x, y, -angle),
        (noisy[:, ::-1], x, n_rows - 1 - y, -angle),
        (noisy.swapaxes(1, 2), y, x, -90 - angle),
        (np.roll(np.pad(noisy, ((0, 0), (2, 2), (2, 2)), constant_values=np.nan), 1, axis=2),
         x + 3, y + 2, angle),
    ]  # fmt: skip
    for maps, x_new, y_new, angle_new in cases:
        found = numbers(fit_gaussians(maps))
        expected = np.column_stack([plain[:, :2], x_new, y_new, plain[:, 4:6]])
        np.testing.assert_allclose(found[:, :6], expected, rtol=1e-4, atol=1e-4)
        long = plain[:, 4] > 1.05 * plain[:, 5]
        assert angle_apart(found[:, 6], angle_new)[long].max() < 0.01


def test_a_large_map_has_the_fit_of_its_window_and_its_offset(monkeypatch):
    rng = np.random.default_rng(8)
    truth = np.array([
        [3.0, 1.0, 20.3, 41.6, 3.0, 2.0, 60.0], [-2.0, 0.0, 1.2, 58.0, 4.0, 1.0, 10.0],
        [2.0, 0.0, 30.0, 30.0, 14.0, 8.0, 100.0],
    ])  # fmt: skip
    maps = np.array([finely((60, 60), *one, order=6) for one in truth])
    maps += rng.normal(0, 0.2, maps.shape)
    maps[0, 5, 5] = np.nan
    windowed = fit_gaussians(maps)
    monkeypatch.setattr("hdmea.kernels.gaussian_fit._LEAST_REACH", 100.0)
    whole = fit_gaussians(maps)
    np.testing.assert_allclose(numbers(windowed), numbers(whole), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(windowed.r2, whole.r2, atol=1e-9)
    np.testing.assert_allclose(numbers(whole)[:, 2:6], truth[:, 2:6], atol=0.6)


def test_maps_without_a_field_have_a_reason_and_no_numbers():
    rng = np.random.default_rng(3)
    y, x = np.indices((15, 15)).astype(float)
    maps = np.array([
        np.full((15, 15), np.nan), np.full((15, 15), 7.1), rng.normal(size=(15, 15)), x + 0.1 * y,
    ])  # fmt: skip
    fits = fit_gaussians(maps)
    assert fits.reason.tolist()[:3] == ["map_undefined", "map_constant", "no_better_than_constant"]
    assert fits.reason[3] in ("centre_outside_map", "sigma_beyond_map", "not_converged")
    assert set(fits.reason) <= set(REASONS)
    assert np.isnan(numbers(fits)).all()
    assert np.isnan(fits.r2).all()


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ((5.0, 0.0, -2.0, 7.0, 2.0, 2.0, 0.0), "centre_outside_map"),
        ((5.0, 0.0, 7.0, 17.0, 3.0, 2.0, 90.0), "centre_outside_map"),
        ((5.0, 0.0, 7.0, 7.0, 20.0, 2.0, 30.0), "sigma_beyond_map"),
        ((5.0, 0.0, -0.45, 7.0, 2.0, 1.0, 0.0), ""),
    ],
)
def test_a_fit_that_means_nothing_is_none(parameters, reason):
    fits = fit_gaussians(finely((15, 15), *parameters)[None])
    assert fits.reason.tolist() == [reason]
    assert np.isnan(fits.sigma_major[0]) == bool(reason)


@pytest.mark.parametrize("shape", [(1, 20), (20, 2), (2, 2), (0, 5)])
def test_a_map_of_less_than_three_pixels_along_an_axis_has_no_fit(shape):
    maps = np.random.default_rng(0).normal(size=(2, *shape))
    assert fit_gaussians(maps).reason.tolist() == ["map_too_small"] * 2


def test_no_units_have_no_fits():
    fits = fit_gaussians(np.zeros((0, 15, 15)))
    assert fits.amplitude.shape == fits.reason.shape == (0,)


@pytest.mark.parametrize(("y", "x"), [(7, 7), (0, 0), (14, 3)])
def test_one_pixel_gives_a_size_below_the_resolution(y, x):
    map_ = np.zeros((15, 15))
    map_[y, x] = -3.0
    fits = fit_gaussians(map_[None])
    assert fits.reason.tolist() == [""]
    assert SIGMA_FLOOR <= fits.sigma_minor[0] <= fits.sigma_major[0] < 0.4
    assert (fits.centre_x[0], fits.centre_y[0]) == pytest.approx((x, y), abs=0.5)
    assert fits.amplitude[0] < 0


def test_missing_pixels_are_left_out():
    truth = np.array([2.0, 1.0, 7.2, 6.7, 1.6, 0.8, 25.0])
    map_ = finely((15, 15), *truth)
    map_[np.random.default_rng(1).random(map_.shape) < 0.3] = np.nan
    map_[0, 0] = np.inf
    np.testing.assert_allclose(numbers(fit_gaussians(map_[None]))[0], truth, rtol=1e-6)


def test_of_two_bumps_the_larger_is_fitted():
    large = finely((30, 30), 3.0, 0.0, 8.0, 9.0, 2.0, 1.5, 0.0)
    small = finely((30, 30), 1.0, 0.0, 22.0, 21.0, 1.5, 1.5, 0.0)
    fits = fit_gaussians((large + small)[None])
    assert (fits.centre_x[0], fits.centre_y[0]) == pytest.approx((8.0, 9.0), abs=0.01)
    assert (fits.sigma_major[0], fits.sigma_minor[0]) == pytest.approx((2.0, 1.5), abs=0.03)
