"""Receptive fields against model cells whose field and filter are known, and against chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from hdmea.errors import MissingDataError, ParameterError, StimulusError, UnknownNameError
from hdmea.features.declaration import FeatureResult, check
from hdmea.features.dense_noise import DENSE_NOISE, DenseNoiseParams, dense_noise
from hdmea.features.inputs import FeatureInputs, ShownMovie, Sta
from hdmea.kernels.gaussian_fit import fit_gaussians
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.sta import Presentations, spike_triggered_average
from hdmea.kernels.temporal_filter import peaks
from hdmea.stimulus.geometry import Display, Geometry, PixelGrid

FRAME_S = 1 / 64
BEGIN = 32  # frame of the clock at which the movie begins
PIXELS, HOLD = 11, 4


def held_noise(n_refreshes: int, *, pixels: int = PIXELS, seed: int = 42) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 2, (n_refreshes, pixels, pixels), dtype=np.uint8) * np.uint8(255)
    return np.repeat(images, HOLD, axis=0)


def temporal(peak_frames: float = 3.5, trough: float = 0.45) -> npt.NDArray[np.float64]:
    time = np.arange(40) / peak_frames
    late = time / 1.9
    shape = (time * np.exp(1 - time)) ** 5 - trough * (late * np.exp(1 - late)) ** 5
    return np.asarray(shape / np.cumsum(shape).max())


def spatial(x: float, y: float, sigma_x: float, sigma_y: float) -> npt.NDArray[np.float64]:
    edges = np.arange(PIXELS + 1) - 0.5
    across, down = (np.diff(ndtr((edges - m) / s)) for m, s in ((x, sigma_x), (y, sigma_y)))
    return np.outer(down, across)


def drive_of(
    movie: npt.NDArray[Any], field: npt.NDArray[Any], kernel: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    contrast = (movie.reshape(len(movie), -1) / 127.5 - 1) @ field.ravel()
    return np.asarray(np.convolve(contrast, kernel)[: len(movie)])


def trains(counts: Sequence[npt.NDArray[Any]]) -> SpikeTrains:
    """Spikes on a dyadic grid, within the frames, so that sums of times are exact."""
    times = [
        (BEGIN + np.repeat(np.arange(one.size), one)) * FRAME_S + FRAME_S / 2 for one in counts
    ]
    return SpikeTrains(
        np.concatenate([np.zeros(0), *times]), np.cumsum([t.size for t in times], dtype=np.int64)
    )


def inputs_of(
    spikes: SpikeTrains,
    movie: npt.NDArray[Any],
    *,
    cover: tuple[int, int] = (-40, 0),
    geometry: Geometry | None = None,
    with_z: bool = True,
    shown: tuple[int, int] | None = None,
) -> FeatureInputs:
    start, stop = shown or (0, len(movie))
    one = (np.array([BEGIN]), np.array([start]), np.array([stop]))
    presentations = Presentations(*one)
    frame_times = np.arange(BEGIN + len(movie) + 16) * FRAME_S
    made = spike_triggered_average(
        presentations.counts(spikes, frame_times, len(movie)),
        movie,
        cover,
        shown=presentations.shown,
        with_z=with_z,
    )
    return FeatureInputs(
        spikes,
        frame_times,
        stas={"noise": Sta(made.mean, made.z, made.lags, made.n_spikes, presentations)},
        movies={"noise": ShownMovie("noise", lambda: movie, *one)},
        geometry=geometry,
    )


def run(inputs: FeatureInputs, **params: Any) -> FeatureResult:
    result = dense_noise(inputs, DenseNoiseParams(**params))
    check(DENSE_NOISE, result, inputs.spikes.n_units)
    return result


# -- model cells -----------------------------------------------------------------------------------

N_CELLS = 24
MOVIE = held_noise(2400)


@pytest.fixture(scope="module")
def truth() -> dict[str, npt.NDArray[np.float64]]:
    rng = np.random.default_rng(7)
    return {
        "x": rng.uniform(3, 7, N_CELLS),
        "y": rng.uniform(3, 7, N_CELLS),
        "sigma_x": np.where(np.arange(N_CELLS) % 3 == 0, 1.6, 0.9),
        "sigma_y": np.full(N_CELLS, 0.9),
        "sign": np.where(np.arange(N_CELLS) % 2, -1.0, 1.0),
        "peak_frames": rng.uniform(3.0, 5.0, N_CELLS),
    }


@pytest.fixture(scope="module")
def cells(truth: dict[str, npt.NDArray[np.float64]]) -> FeatureInputs:
    """LN Poisson cells, and three units more: silent, one spike, one spike in every frame."""
    rng = np.random.default_rng(8)
    counts = []
    for x, y, sigma_x, sigma_y, sign, peak in zip(*truth.values(), strict=True):
        drive = drive_of(MOVIE, spatial(x, y, sigma_x, sigma_y), temporal(peak))
        counts.append(rng.poisson(np.maximum(0, 0.1 + 1.5 * sign * drive)))
    single = np.zeros(len(MOVIE), dtype=np.int64)
    single[500] = 1
    odd = [np.zeros_like(single), single, np.ones_like(single)]
    grid = PixelGrid("noise", PIXELS, PIXELS, (10.0, 20.0), (100.0, 50.0), "library")
    display = Display((400, 300), 2.0, rotation_deg=90.0)
    return inputs_of(trains([*counts, *odd]), MOVIE, geometry=Geometry(display, (grid,)))


@pytest.fixture(scope="module")
def found(cells: FeatureInputs) -> FeatureResult:
    return run(cells)


def test_centre_size_and_polarity_are_those_of_the_cells(found: FeatureResult, truth: Any) -> None:
    values = {name: array[:N_CELLS] for name, array in found.values.items() if name != "lags"}
    assert (values["p_shift"] == 1 / (1 + values["n_shifts"])).all()
    assert values["fit_outcome"].tolist() == ["converged"] * N_CELLS
    assert values["polarity"].tolist() == np.where(truth["sign"] > 0, "on", "off").tolist()
    off = np.hypot(values["centre_x_px"] - truth["x"], values["centre_y_px"] - truth["y"])
    assert np.median(off) < 0.15
    assert off.max() < 0.5
    size = np.sqrt(values["sigma_major_px"] * values["sigma_minor_px"])
    ratio = size / np.sqrt(truth["sigma_x"] * truth["sigma_y"])
    assert np.median(ratio) == pytest.approx(1, abs=0.05)
    assert np.abs(ratio - 1).max() < 0.15
    lying = truth["sigma_x"] > 1
    turned = np.abs((values["angle_deg"][lying] + 90) % 180 - 90)
    assert turned.max() < 20
    np.testing.assert_allclose(values["diameter_px"], 4 * size)
    # what the map shows at the peak has the sign of the cell
    peak = (values["peak_y_px"].astype(int), values["peak_x_px"].astype(int))
    at_peak = values["spatial_map"][np.arange(N_CELLS), *peak]
    assert np.sign(at_peak).tolist() == truth["sign"].tolist()


def test_filter_and_time_to_peak_are_those_of_the_cells(found: FeatureResult, truth: Any) -> None:
    filters = np.stack([temporal(peak)[:0:-1] for peak in truth["peak_frames"]])
    lag, ratio = peaks(filters, np.arange(-39, 0))
    delay = found.values["time_to_peak_ms"][:N_CELLS] / 1e3 / FRAME_S
    assert np.abs(delay + lag).max() < HOLD / 2
    assert np.median(np.abs(delay + lag)) < 0.3
    bias = found.values["biphasic_index"][:N_CELLS] - ratio
    assert np.median(np.abs(bias)) < 0.15
    np.testing.assert_allclose(found.values["temporal_filter"][:N_CELLS].max(axis=1), 1)
    assert (found.values["filter_r2"][:N_CELLS] > 0.02).all()
    assert found.values["hold_frames"].tolist() == [HOLD] * (N_CELLS + 3)


def test_separability_by_hand(cells: FeatureInputs) -> None:
    """Two products around the movie's mean, one three times as strong: 9 / (9 + 1)."""
    sta = cells.stas["noise"]
    around = [MOVIE[40 + lag : len(MOVIE) + lag].mean(axis=0) for lag in sta.lags]
    one, two = np.zeros((2, PIXELS, PIXELS))
    one[3:5, 5], two[3:5, 5] = (3, 3), (1, -1)
    early, late = np.zeros((2, 40, 1, 1))
    early[36:38], late[30:32] = 1, 1
    mean = np.broadcast_to(around + early * one + late * two, sta.mean.shape)
    values = run(replace(cells, stas={"noise": replace(sta, mean=mean)})).values
    np.testing.assert_allclose(values["separability"][:N_CELLS], 0.9, rtol=1e-6)
    course = np.zeros(40)
    course[36:38] = 1
    # the spikes are not those of this average: their filter says which sign it has
    sign = np.where(values["polarity"][:N_CELLS] == "on", 1.0, -1.0)
    assert sign[0] == 1
    for unit in range(N_CELLS):
        shown = values["temporal_course"][unit], values["spatial_map"][unit]
        np.testing.assert_allclose(shown[0], sign[unit] * course, atol=1e-6)
        np.testing.assert_allclose(shown[1], sign[unit] * one, atol=1e-4)


def test_micrometres_follow_pixels_that_are_not_square_and_the_rotation(
    found: FeatureResult, cells: FeatureInputs
) -> None:
    values = {name: array[:N_CELLS] for name, array in found.values.items() if name != "lags"}
    # A pixel is 20 um wide and 40 um high; a quarter turn takes right to up and up to left.
    from_middle = (100 + 10 * (values["centre_x_px"] + 0.5) - 200) * 2
    np.testing.assert_allclose(values["centre_y_um"], from_middle)
    from_middle = (50 + 20 * (values["centre_y_px"] + 0.5) - 150) * 2
    np.testing.assert_allclose(values["centre_x_um"], from_middle)
    product = values["sigma_major_px"] * values["sigma_minor_px"] * 20 * 40
    np.testing.assert_allclose(values["diameter_um"], 4 * np.sqrt(product))
    np.testing.assert_allclose(values["area_um2"], np.pi * 4 * product)
    # On the display the long axis of most is upright now, on the retina it lies.
    round_ = np.arange(N_CELLS) % 3 != 0
    assert np.abs((values["angle_retina_deg"][round_] + 90) % 180 - 90).max() < 20
    assert set(found.reasons["centre_x_chip_um"][:N_CELLS]) == {"chip_position_unknown"}
    unknown = run(replace(cells, geometry=None))
    assert unknown.reasons["diameter_um"][:N_CELLS].tolist() == ["pixel_size_unknown"] * N_CELLS
    np.testing.assert_array_equal(unknown.values["diameter_px"], found.values["diameter_px"])


def test_units_without_a_field_have_reasons_and_counts(found: FeatureResult) -> None:
    silent, single, even = N_CELLS, N_CELLS + 1, N_CELLS + 2
    assert found.values["n_spikes"][[silent, single]].tolist() == [0, 1]
    for name, reasons in {
        "z_peak": ["too_few_spikes", "", "no_variation"],
        "p_shift": ["too_few_spikes", "", "no_variation"],
        "polarity": ["too_few_spikes", "no_response", "no_variation"],
        "diameter_um": ["too_few_spikes", "no_response", "no_variation"],
        "spatial_map": ["too_few_spikes", "no_response", "no_variation"],
    }.items():
        assert found.reasons[name][[silent, single, even]].tolist() == reasons, name
    assert found.values["p_shift"][single] > 0.05


def test_peak_and_p_are_those_of_the_z_scores(found: FeatureResult, cells: FeatureInputs) -> None:
    z = cells.stas["noise"].z[:N_CELLS]
    place = np.abs(z).reshape(N_CELLS, -1).argmax(axis=1)
    lag, y, x = np.unravel_index(place, z.shape[1:])
    np.testing.assert_array_equal(found.values["peak_lag_frames"][:N_CELLS], lag - 40)
    np.testing.assert_array_equal(found.values["peak_x_px"][:N_CELLS], x)
    np.testing.assert_array_equal(found.values["peak_y_px"][:N_CELLS], y)
    peak = z.reshape(N_CELLS, -1)[np.arange(N_CELLS), place].astype(float)
    np.testing.assert_allclose(found.values["z_peak"][:N_CELLS], peak)
    expected = np.minimum(1, 2 * z[0].size * ndtr(-np.abs(peak)))
    np.testing.assert_allclose(found.values["p_bonferroni"][:N_CELLS], expected)


def test_without_stored_z_it_is_computed(found: FeatureResult, cells: FeatureInputs) -> None:
    bare = replace(cells.stas["noise"], z=None)
    again = run(replace(cells, stas={"noise": bare}))
    for name, values in found.values.items():
        np.testing.assert_array_equal(again.values[name], values, err_msg=name)


def test_blocks_of_units_are_all_the_same(
    found: FeatureResult, cells: FeatureInputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdmea.features.dense_noise._BLOCK_BYTES", 5 * 4 * 40 * PIXELS**2)
    monkeypatch.setattr("hdmea.kernels.receptive_field._TEST_BYTES", 7 * 8 * 15 * PIXELS**2)
    again = run(cells)
    for name, values in found.values.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(again.values[name], values, rtol=1e-12, err_msg=name)
        else:
            assert again.values[name].tolist() == values.tolist()


def test_centre_and_size_are_from_the_spikes_and_say_so(found: FeatureResult) -> None:
    outcome = found.values["likelihood_outcome"]
    assert outcome[:N_CELLS].tolist() == ["converged"] * N_CELLS
    assert outcome[N_CELLS:].tolist() == [""] * 3
    expected = ["too_few_spikes", "no_response", "no_variation"]
    assert found.reasons["likelihood_outcome"][N_CELLS:].tolist() == expected
    # The cells have no surround.
    weight = found.values["surround_weight"][:N_CELLS]
    known = np.isfinite(weight)
    assert known.sum() > N_CELLS / 2
    assert abs(np.median(weight[known])) < 0.15
    assert set(found.reasons["surround_weight"][:N_CELLS][~known]) <= {"surround_not_resolved"}


def test_from_few_spikes_centre_and_size_are_those_of_the_map_and_say_so() -> None:
    movie = held_noise(2400)
    drive = drive_of(movie, spatial(5, 5, 1.2, 1.2), temporal())
    counts = np.random.default_rng(21).poisson(0.25 * np.maximum(0, drive / drive.std() - 1.5))
    assert 40 < counts.sum() < 100
    result = run(inputs_of(trains([counts]), movie), alpha=0.02)
    assert result.values["fit_outcome"].tolist() == ["converged"]
    assert result.values["likelihood_outcome"].tolist() == ["too_few_spikes"]
    assert result.reasons["surround_weight"].tolist() == ["no_likelihood_fit"]
    fit = fit_gaussians(result.values["spatial_map"])
    assert result.values["centre_x_px"][0] == pytest.approx(fit.centre_x[0], abs=1e-4)
    assert result.values["sigma_major_px"][0] == pytest.approx(fit.sigma_major[0], abs=1e-3)
    assert result.values["r2"][0] == pytest.approx(fit.r2[0], abs=1e-4)


# -- chance ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unrelated() -> FeatureInputs:
    """Units that do not see the movie: half Poisson, half in bursts whose rate drifts."""
    rng = np.random.default_rng(12)
    movie = held_noise(450, pixels=6)
    rate = np.full((300, len(movie)), 0.15)
    slow = np.repeat(rng.gamma(0.5, 2.0, (150, len(movie) // 90)), 90, axis=1)
    rate[150:] = 0.05 * slow
    counts = rng.poisson(rate)
    counts[150:] *= 3
    return inputs_of(trains(list(counts)), movie, cover=(-30, 0))


def test_p_of_units_that_do_not_see_the_movie_is_uniform(unrelated: FeatureInputs) -> None:
    result = run(unrelated)
    for name in ("p_shift", "p_shift_control"):
        for rows in (slice(0, 150), slice(150, 300)):
            p = result.values[name][rows]
            for level in (0.05, 0.25, 0.5):
                low, high = binom.ppf([0.0005, 0.9995], 150, level)
                assert low <= (p <= level).sum() <= high, (name, rows, level)
    assert np.std(unrelated.stas["noise"].z[:150]) == pytest.approx(1, abs=0.02)
    poisson = result.values["p_bonferroni"][:150]
    assert (poisson < 0.05).sum() <= binom.ppf(0.9995, 150, 0.05)
    none = result.values["p_shift"] >= 0.01
    assert set(result.reasons["centre_x_px"][none]) == {"no_response"}
    assert np.isnan(result.values["temporal_filter"][none]).all()


def test_a_wrong_clock_shows_in_the_control() -> None:
    movie = held_noise(900)
    drive = drive_of(movie, spatial(5, 5, 1, 1), temporal())
    counts = np.random.default_rng(3).poisson(np.maximum(0, 0.2 + 2 * drive))
    early = np.roll(counts, -14)  # as if the frames were 14 too late
    result = run(inputs_of(trains([counts, early]), movie))
    right, wrong = result.values["p_shift_control"]
    assert right > 0.01
    assert wrong == 1 / (1 + result.values["n_shifts"][0])
    assert abs(result.values["z_peak_control"][1]) > 6


# -- movies of other kinds -------------------------------------------------------------------------


def test_of_a_movie_with_correlated_images_only_shifts_count() -> None:
    rng = np.random.default_rng(5)
    images = rng.standard_normal((900, PIXELS, PIXELS))
    for k in range(1, len(images)):
        images[k] += 0.6 * images[k - 1]
    movie = np.repeat(np.clip(127 + 40 * images, 0, 255).astype(np.float32), HOLD, axis=0)
    drive = drive_of(movie, spatial(5, 5, 1, 1), temporal())
    counts = rng.poisson(np.maximum(0, 0.2 + 2 * drive))
    result = run(inputs_of(trains([counts]), movie))
    for name in ("z_peak", "p_bonferroni", "z_peak_control"):
        assert result.reasons[name].tolist() == ["movie_correlated"]
    assert result.values["p_shift"][0] < 0.01
    assert np.hypot(result.values["centre_x_px"] - 5, result.values["centre_y_px"] - 5) < 0.3


def test_images_that_stay_irregularly_are_taken_frame_by_frame() -> None:
    rng = np.random.default_rng(6)
    images = rng.integers(0, 2, (700, PIXELS, PIXELS), dtype=np.uint8) * np.uint8(255)
    movie = np.repeat(images, rng.integers(3, 6, 700), axis=0)
    drive = drive_of(movie, spatial(4, 6, 1, 1), temporal())
    counts = rng.poisson(np.maximum(0, 0.2 + 2 * drive))
    values = run(inputs_of(trains([counts]), movie)).values
    assert values["hold_frames"].tolist() == [5]
    assert values["n_shifts"][0] > 2000
    assert values["p_shift"][0] == 1 / (1 + values["n_shifts"][0])
    assert np.hypot(values["centre_x_px"] - 4, values["centre_y_px"] - 6) < 0.3
    assert abs(values["time_to_peak_ms"][0] / 1e3 / FRAME_S - 3.3) < 1


def test_a_field_smaller_than_a_pixel_has_a_centre_and_no_size() -> None:
    movie = held_noise(900)
    drive = drive_of(movie, spatial(5, 4, 0.1, 0.1), temporal())
    counts = np.random.default_rng(9).poisson(np.maximum(0, 0.2 + drive))
    result = run(inputs_of(trains([counts]), movie))
    assert np.hypot(result.values["centre_x_px"] - 5, result.values["centre_y_px"] - 4) < 0.4
    for name in ("sigma_minor_px", "angle_deg", "diameter_px", "area_um2"):
        expected = "pixel_size_unknown" if name == "area_um2" else "below_pixel_resolution"
        assert result.reasons[name].tolist() == [expected], name


def test_a_movie_that_never_changes_is_not_called_too_short(cells: FeatureInputs) -> None:
    result = run(inputs_of(cells.spikes.rows(0, 2), np.full_like(MOVIE, 128)))
    for name in ("z_peak", "p_shift", "z_peak_control", "p_shift_control", "polarity", "r2"):
        assert result.reasons[name].tolist() == ["no_variation"] * 2


@pytest.mark.parametrize(("sign", "polarity"), [(1, "on"), (-1, "off")])
def test_the_sign_is_that_of_the_larger_lobe_of_the_filter_not_of_the_smeared_average(
    sign: int, polarity: str
) -> None:
    kernel = temporal(4.0, 0.65)
    assert 0.6 < -kernel.min() / kernel.max() < 0.8
    drive = sign * drive_of(MOVIE, spatial(5, 5, 0.9, 0.9), kernel)
    counts = np.random.default_rng(3).poisson(np.maximum(0, 0.2 + 1.5 * drive))
    values = run(inputs_of(trains([counts]), MOVIE)).values
    assert np.sign(values["z_peak"][0]) == -sign
    assert values["polarity"][0] == polarity
    assert np.sign(values["spatial_map"][0, 5, 5]) == sign
    assert np.abs(values["temporal_course"][0]).max() == 1
    assert values["temporal_filter"][0].max() == 1
    assert 0.6 < values["biphasic_index"][0] < 1
    assert abs(values["time_to_peak_ms"][0] - 3564 * FRAME_S) < 300 * FRAME_S  # of the parabola
    assert values["fit_outcome"][0] == "converged"


def test_a_filter_that_is_largest_at_the_window_s_border_has_no_time_to_peak(
    cells: FeatureInputs,
) -> None:
    result = run(inputs_of(cells.spikes.rows(0, 4), MOVIE, cover=(-2, 0)))
    assert result.reasons["time_to_peak_ms"].tolist() == ["peak_at_border"] * 4
    assert np.isnan(result.values["time_to_peak_ms"]).all()
    assert result.reasons["biphasic_index"].tolist() == ["window_cuts_filter"] * 4
    assert np.isfinite(result.values["temporal_filter"]).all()


def test_a_window_that_cuts_the_filter_gives_no_biphasic_index(
    cells: FeatureInputs, found: FeatureResult
) -> None:
    spikes = cells.spikes.rows(0, 4)
    whole = found.values["biphasic_index"][:4]
    assert np.isfinite(whole).all()
    for first in (-24, -20):
        enough = run(inputs_of(spikes, MOVIE, cover=(first, 0)))
        assert (enough.reasons["biphasic_index"] == "").all()
        np.testing.assert_allclose(enough.values["biphasic_index"], whole, atol=0.15)
    for first in (-8, -6):
        short = run(inputs_of(spikes, MOVIE, cover=(first, 0)))
        assert short.reasons["biphasic_index"].tolist() == ["window_cuts_filter"] * 4


def test_a_movie_that_is_too_short_says_so() -> None:
    movie = held_noise(40)
    counts = np.random.default_rng(10).poisson(0.5, len(movie))
    result = run(inputs_of(trains([counts, 0 * counts]), movie, cover=(-20, 0)))
    assert result.values["n_shifts"].tolist() == [0, 0]
    assert result.reasons["p_shift"].tolist() == ["movie_too_short", "too_few_spikes"]
    assert result.reasons["centre_x_px"].tolist() == ["movie_too_short", "too_few_spikes"]
    assert np.isfinite(result.values["z_peak"][0])
    few = run(inputs_of(trains([counts]), movie, cover=(-20, 0)), min_shift_s=0.0)
    assert 0 < few.values["n_shifts"][0] < 99
    assert few.reasons["polarity"].tolist() == ["movie_too_short"]


def test_a_presentation_that_was_cut_counts_as_far_as_the_sta_does() -> None:
    movie = held_noise(900)
    drive = drive_of(movie, spatial(5, 5, 1, 1), temporal())
    counts = np.random.default_rng(11).poisson(np.maximum(0, 0.2 + 2 * drive))
    inputs = inputs_of(trains([counts]), movie, shown=(400, 3000))
    values = run(inputs).values
    assert values["n_spikes"][0] == counts[440:3000].sum()
    assert values["p_shift"][0] < 0.01
    assert np.hypot(values["centre_x_px"] - 5, values["centre_y_px"] - 5) < 0.4


def test_the_scale_of_the_movie_does_not_matter() -> None:
    movie = held_noise(400)
    drive = drive_of(movie, spatial(5, 5, 1, 1), temporal())
    counts = np.random.default_rng(13).poisson(np.maximum(0, 0.3 + 2 * drive))
    plain = run(inputs_of(trains([counts]), movie.astype(np.float32)))
    scaled = run(inputs_of(trains([counts]), movie.astype(np.float32) * np.float32(1 / 64)))
    for name, values in plain.values.items():
        factor = 64 if name == "spatial_map" else 1
        if values.dtype.kind == "f":
            np.testing.assert_allclose(
                scaled.values[name] * factor, values, rtol=1e-12, err_msg=name
            )
        else:
            assert scaled.values[name].tolist() == values.tolist()


# -- what cannot be --------------------------------------------------------------------------------


def test_the_movie_is_chosen_and_what_is_missing_is_said(cells: FeatureInputs) -> None:
    sta, shown = cells.stas["noise"], cells.movies["noise"]
    two = replace(cells, stas={"a": sta, "b": sta}, movies={"a": shown, "b": shown})
    with pytest.raises(ParameterError, match=r"a, b; choose one"):
        run(two)
    with pytest.raises(UnknownNameError, match="'c' was not played"):
        run(two, stimulus="c")
    with pytest.raises(StimulusError, match=r"no noise\.npy"):
        run(replace(cells, movies={"noise": replace(shown, frames=None)}))
    smaller = replace(shown, frames=lambda: MOVIE[:, 1:])
    with pytest.raises(StimulusError, match="run compute_sta again"):
        run(replace(cells, movies={"noise": smaller}))
    with pytest.raises(MissingDataError, match="frame clock"):
        run(replace(cells, frame_times_s=None))
    none = run(replace(cells, stas={}))
    assert set(none.reasons["centre_x_px"]) == {"stimulus_not_played"}


def test_no_units_are_no_problem() -> None:
    movie = held_noise(100)
    result = run(inputs_of(trains([]), movie, cover=(-20, 0)))
    assert result.values["spatial_map"].shape == (0, PIXELS, PIXELS)
    assert result.values["temporal_filter"].shape == (0, 20)
