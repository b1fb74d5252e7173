"""Fields by maximum likelihood: the parts against numbers by hand, the fit against known cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from hdmea.kernels.centre_surround import SURROUND_SIGMAS, field, window_of
from hdmea.kernels.covariance import SIGMA_FLOOR, axes_of, chain, covariance, root_of
from hdmea.kernels.gaussian_fit import GaussianFits, fit_gaussians
from hdmea.kernels.held_drive import HeldDrive
from hdmea.kernels.likely_field import MIN_SPIKES, LikelyFields, likely_fields
from hdmea.kernels.log_rate import LogRate
from hdmea.kernels.pixel_gaussian import PixelWindow, gaussian_map
from hdmea.kernels.receptive_field import Fields, Noise, fields
from hdmea.kernels.sta import Presentations, spike_triggered_average

# -- the parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [(2.0, 1.0, 30.0), (1.5, 1.5, 0.0), (3.0, 0.4, 170.0)])
def test_axes_become_a_point_of_the_fit_and_come_back(axes: tuple[float, float, float]) -> None:
    found = axes_of(covariance(root_of(*axes)))
    if axes[0] == axes[1]:
        found, axes = found[:2], axes[:2]
    assert found == pytest.approx(axes, rel=1e-9)


def test_no_point_is_narrower_than_the_floor() -> None:
    assert axes_of(covariance(np.zeros(3)))[:2] == pytest.approx([SIGMA_FLOOR] * 2)


def numerical(function: Any, point: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Derivatives by central differences, ``(number of the point, value)``."""
    moves = step * np.eye(point.size)
    return np.stack([(function(point + d) - function(point - d)) / (2 * step) for d in moves])


def test_derivatives_of_covariances_are_the_numerical_ones() -> None:
    root = np.array([1.3, 0.4, -0.7])
    expected = numerical(lambda x: np.array(covariance(x)), root)
    np.testing.assert_allclose(chain(root), expected.T, rtol=1e-8, atol=1e-8)


def test_a_field_is_a_gaussian_minus_a_wider_one_of_its_weight() -> None:
    window = PixelWindow(2, 1, 9, 12)
    found = field(window, np.array([6.2, 5.1, *root_of(1.8, 0.8, 25.0), 0.4]), slopes=False)
    wide = SURROUND_SIGMAS * np.sqrt(1.8 * 0.8)
    centre = gaussian_map((15, 15), 1 / (2 * np.pi * 1.8 * 0.8), 0, 6.2, 5.1, 1.8, 0.8, 25.0)
    around = gaussian_map((15, 15), 0.4 / (2 * np.pi * wide**2), 0, 6.2, 5.1, wide, wide, 0.0)
    expected = (centre - around)[window.slices].ravel()
    np.testing.assert_allclose(found[0], expected, rtol=1e-9, atol=1e-14)


def test_derivatives_of_a_field_are_the_numerical_ones() -> None:
    window, point = PixelWindow(1, 2, 9, 11), np.array([6.2, 5.1, 1.3, 0.2, 0.9, 0.4])
    expected = numerical(lambda x: field(window, x, slopes=False)[0], point)
    np.testing.assert_allclose(field(window, point)[1:], expected, atol=1e-8)


def test_the_window_holds_the_field_and_ends_with_the_movie() -> None:
    point = np.array([20.0, 3.0, *root_of(2.0, 1.0, 0.0), 0.5])
    window = window_of((60, 80), point)
    assert window.top == 0
    assert window.left > 0
    whole = field(PixelWindow(0, 0, 60, 80), point, slopes=False)[0]
    inside = field(window, point, slopes=False)[0]
    assert np.abs(inside).sum() > 0.96 * np.abs(whole).sum()


def test_a_log_rate_is_scipys_natural_spline() -> None:
    knots = np.array([-2.0, -0.5, 0.3, 1.0, 2.5])
    drive = np.linspace(-2, 2.5, 41)
    values = np.array([0.5, -1.0, 0.2, 1.5, 1.0])
    spline = CubicSpline(knots, values, bc_type="natural")
    rate = LogRate(knots)
    numbers = np.linalg.solve(rate.basis(knots)[0].T, values)
    basis, slopes = rate.basis(drive)
    np.testing.assert_allclose(numbers @ basis, spline(drive), atol=1e-9)
    np.testing.assert_allclose(numbers @ slopes, spline(drive, 1), atol=1e-9)
    # Straight on beyond the knots.
    beyond = rate.basis(np.array([2.5, 3.5, 4.5, -2.0, -3.0, -4.0]))[0]
    at = numbers @ beyond
    assert at[2] - at[1] == pytest.approx(at[1] - at[0])
    assert at[5] - at[4] == pytest.approx(at[4] - at[3])


@pytest.mark.parametrize(("lags", "grid"), [((-7, 0), 4), ((-9, -2), 3), ((-5, 4), 1), ((2, 7), 2)])
def test_a_drive_is_the_sum_over_lags_frame_by_frame(lags: tuple[int, int], grid: int) -> None:
    rng = np.random.default_rng(1)
    offsets = np.arange(*lags)
    light, filters = rng.standard_normal((2, 12)), rng.standard_normal((3, offsets.size))
    frames = np.repeat(light, grid, axis=1)
    inside = np.arange(max(0, -offsets[0]), frames.shape[1] - max(0, offsets[-1]))
    drive = HeldDrive(offsets, grid, light.shape[1])
    blocks = drive.blocks(light)
    one = np.array([[filters[0] @ row[n + offsets] for n in inside] for row in frames])
    of_filters = drive.matrices(filters)
    np.testing.assert_allclose(drive.through(blocks, of_filters[:1])[:, inside], one)
    every = np.array([[w @ frames[1, n + offsets] for n in inside] for w in filters])
    np.testing.assert_allclose(drive.through(blocks[1:], of_filters)[:, inside], every)


# -- the fit ---------------------------------------------------------------------------------------

SIZE, HOLD, N_IMAGES = 11, 4, 3000
LAGS = np.arange(-30, 0)
KERNEL = np.exp(-0.5 * ((LAGS + 5) / 1.5) ** 2) - 0.4 * np.exp(-0.5 * ((LAGS + 11) / 3) ** 2)
TRUTH = np.array([
    (5.3, 4.6, 1.4, 1.0, 30.0, 0.4),
    (4.2, 5.5, 1.6, 1.1, 120.0, 0.3),
    (5.8, 5.1, 1.1, 1.1, 0.0, 0.0),
    (5.0, 6.1, 1.7, 1.2, 75.0, 0.5),
])  # fmt: skip
"""Centre x and y, both sigmas, angle and the weight of a surround three times as wide."""


def rates(drive: np.ndarray) -> np.ndarray:
    """Spikes per frame: a threshold, both signs, the other sign, a straight line."""
    u = drive / drive.std(axis=1, keepdims=True)
    return np.stack([
        0.5 * np.maximum(u[0] - 0.5, 0),
        0.4 * np.maximum(u[1] - 0.3, 0) + 0.15 * np.maximum(-u[1] - 0.3, 0),
        0.5 * np.maximum(-u[2] - 0.5, 0),
        np.maximum(0.2 + 0.15 * u[3], 0),
    ])  # fmt: skip


class Recording:
    """A movie, the spikes of cells whose fields are known, and what their averages say."""

    def __init__(self, images: np.ndarray, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n = len(images) * HOLD
        weights = np.stack([
            gaussian_map((SIZE, SIZE), 1 / (a * b), 0, x, y, a, b, angle)
            - gaussian_map((SIZE, SIZE), w / (9 * a * b), 0, x, y, *2 * [3 * np.sqrt(a * b)], 0)
            for x, y, a, b, angle, w in TRUTH
        ])  # fmt: skip
        flat = images.reshape(len(images), -1) - images.mean()
        light = np.repeat(weights.reshape(len(TRUTH), -1) @ flat.T, HOLD, axis=1)
        drive = sum(w * np.roll(light, -lag, axis=1) for lag, w in zip(LAGS, KERNEL, strict=True))
        self.counts = rng.poisson(rates(drive))
        movie = np.repeat(images, HOLD, axis=0)
        one = (np.array([0]), np.array([0]), np.array([n]))
        self.noise = Noise(movie, Presentations(*one), LAGS)
        self.fields, self.fits = self.seen(self.counts)

    def seen(self, counts: np.ndarray) -> tuple[Fields, GaussianFits]:
        mean = spike_triggered_average([counts], self.noise.frames, (-30, 0), with_z=False).mean
        found = fields(self.noise, [counts], mean)
        return found, fit_gaussians(found.spatial_map)

    def likely(self, **changed: Any) -> LikelyFields:
        given = {"fields": self.fields, "fits": self.fits, **changed}
        return likely_fields(self.noise, self.noise.total([self.counts]), **given)


def black_or_white(n: int = N_IMAGES) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 2, (n, SIZE, SIZE)).astype(np.uint8) * np.uint8(255)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return Recording(black_or_white(), 4)


@pytest.fixture(scope="module")
def likely(recording: Recording) -> LikelyFields:
    return recording.likely()


def off(found: LikelyFields | GaussianFits) -> np.ndarray:
    return np.hypot(found.centre_x - TRUTH[:, 0], found.centre_y - TRUTH[:, 1])


def size(found: LikelyFields | GaussianFits) -> np.ndarray:
    return np.sqrt(found.sigma_major * found.sigma_minor / (TRUTH[:, 2] * TRUTH[:, 3])) - 1


def test_fields_of_cells_with_any_nonlinearity_are_found(likely: LikelyFields) -> None:
    assert likely.outcome.tolist() == ["converged"] * 4
    assert off(likely).max() < 0.1
    assert np.abs(size(likely)).max() < 0.08
    turned = (likely.angle_deg - TRUTH[:, 4] + 90) % 180 - 90
    assert np.abs(turned[[0, 1, 3]]).max() < 15
    apart = likely.surround_weight - TRUTH[:, 5]
    assert np.abs(apart / likely.surround_se).max() < 3
    assert (likely.surround_se < 0.25).all()


def test_they_are_nearer_than_those_of_the_map_which_are_too_small(
    recording: Recording, likely: LikelyFields
) -> None:
    assert np.median(off(likely)) < 0.8 * np.median(off(recording.fits))
    surrounded = TRUTH[:, 5] > 0
    assert size(recording.fits)[surrounded].mean() < -0.02
    assert abs(size(likely)[surrounded].mean()) < 0.02


def test_the_beginning_hardly_matters(recording: Recording, likely: LikelyFields) -> None:
    fits = replace(
        recording.fits,
        centre_x=recording.fits.centre_x + 0.2,
        sigma_major=1.15 * recording.fits.sigma_major,
    )
    course = np.full_like(recording.fields.temporal_filter, np.nan)
    again = recording.likely(fits=fits, fields=replace(recording.fields, temporal_filter=course))
    assert again.outcome.tolist() == ["converged"] * 4
    # A third of a standard error, of a few hundredths of a pixel, is left open.
    assert np.hypot(again.centre_x - likely.centre_x, again.centre_y - likely.centre_y).max() < 0.02
    np.testing.assert_allclose(again.sigma_major, likely.sigma_major, rtol=0.02)


def test_the_scale_and_the_level_of_the_movie_do_not_matter(
    recording: Recording, likely: LikelyFields
) -> None:
    movie = recording.noise.frames.astype(np.float32)
    for other in (movie / 64, movie / 64 - 3):
        noise = replace(recording.noise, frames=other)
        total = noise.total([recording.counts])
        again = likely_fields(noise, total, recording.fields, recording.fits)
        for name in ("centre_x", "sigma_major", "angle_deg", "surround_weight", "r2"):
            np.testing.assert_allclose(getattr(again, name), getattr(likely, name), rtol=1e-8)


def test_a_unit_does_not_depend_on_others_nor_on_blocks_of_images(
    recording: Recording, likely: LikelyFields, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [2, 0]
    total = recording.noise.total([recording.counts])[rows]
    some = [
        type(whole)(**{name: getattr(whole, name)[rows] for name in type(whole).__slots__})
        for whole in (recording.fields, recording.fits)
    ]
    apart = likely_fields(recording.noise, total, *some)
    monkeypatch.setattr("hdmea.kernels.likely_field._BLOCK_BYTES", 1 << 17)
    monkeypatch.setattr("hdmea.kernels.likely_field._KEPT_BYTES", 0)
    blocks = likely_fields(recording.noise, total, *some)
    for name in ("centre_x", "centre_y", "sigma_major", "surround_weight", "r2"):
        np.testing.assert_array_equal(getattr(apart, name), getattr(likely, name)[rows])
        np.testing.assert_allclose(getattr(blocks, name), getattr(apart, name), rtol=1e-9)


def test_of_a_blurred_movie_the_field_is_not_blurred() -> None:
    from scipy.ndimage import gaussian_filter

    images = np.random.default_rng(5).standard_normal((N_IMAGES, SIZE, SIZE))
    blurred = Recording(gaussian_filter(images, (0, 0.8, 0.8), mode="wrap"), 6)
    assert size(blurred.fits).min() > 0.05  # the map is as blurred as the movie
    found = blurred.likely()
    good = found.outcome == "converged"
    assert good.sum() >= 3
    assert np.abs(size(found)[good]).max() < 0.1


def test_r2_is_the_square_of_the_correlation_of_map_and_field(
    recording: Recording, likely: LikelyFields
) -> None:
    for unit in range(len(TRUTH)):
        axes = likely.sigma_major[unit], likely.sigma_minor[unit], likely.angle_deg[unit]
        place = likely.centre_x[unit], likely.centre_y[unit]
        point = np.array([*place, *root_of(*axes), likely.surround_weight[unit]])
        whole = field(PixelWindow(0, 0, SIZE, SIZE), point, slopes=False)[0]
        correlation = np.corrcoef(whole, recording.fields.spatial_map[unit].ravel())[0, 1]
        assert likely.r2[unit] == pytest.approx(correlation**2, rel=1e-9)


def test_few_spikes_and_maps_without_a_fit_are_left_alone(recording: Recording) -> None:
    fits = replace(recording.fits, reason=np.array(["", "map_constant", "", ""]))
    total = recording.noise.total([recording.counts])
    few = np.flatnonzero(total[0])[: MIN_SPIKES // 2]
    total[0] = 0
    total[0, few] = 1
    found = likely_fields(recording.noise, total, recording.fields, fits)
    assert found.outcome.tolist() == ["too_few_spikes", "", "converged", "converged"]
    assert np.isnan(found.centre_x[:2]).all()
    assert np.isnan(found.surround_weight[:2]).all()


def test_a_field_that_leaves_the_map_is_none(recording: Recording) -> None:
    """Spikes of a field whose centre lies before the first column."""
    rng = np.random.default_rng(7)
    weights = gaussian_map((SIZE, SIZE), 1, 0, -1.2, 5, 1.5, 1.5, 0).ravel()
    images = recording.noise.images.astype(float) - 127.5
    light = np.repeat(images @ weights, HOLD)
    drive = sum(w * np.roll(light, -lag) for lag, w in zip(LAGS, KERNEL, strict=True))
    counts = rng.poisson(0.5 * np.maximum(drive / drive.std() - 0.3, 0))[None]
    seen, fits = recording.seen(counts)
    inside = replace(
        fits, centre_x=np.full(1, -0.3), centre_y=np.full(1, 5.0), sigma_major=np.full(1, 1.5),
        sigma_minor=np.full(1, 1.2), angle_deg=np.full(1, 90.0), reason=np.array([""]),
    )  # fmt: skip
    found = likely_fields(recording.noise, recording.noise.total([counts]), seen, inside)
    assert found.outcome.tolist() == ["centre_outside_map"]
    assert np.isnan(found.centre_x[0])
