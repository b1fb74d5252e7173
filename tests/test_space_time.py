"""The first component of a spike-triggered average, against numpy and averages made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hdmea.kernels.space_time import separate

COURSE = np.array([0.0, 0.1, -0.3, -0.5, 0.8, 1.0, 0.2])
MAP = np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 4.0, 2.0, 0.0], [0.0, 1.0, -0.5, 0.0]])


def product(course, map_):
    return course[:, None, None] * map_


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_product_is_separated_exactly(sign):
    sta = product(COURSE, sign * MAP)
    mean = np.random.default_rng(0).uniform(50, 200, MAP.shape)
    found = separate((sta + mean)[None], mean)
    np.testing.assert_allclose(found.spatial_map[0], sign * MAP, atol=1e-12)
    np.testing.assert_allclose(found.temporal_course[0], COURSE, atol=1e-12)
    assert found.separability[0] == pytest.approx(1, abs=1e-12)
    assert found.separability[0] <= 1
    assert found.polarity[0] == sign


def test_the_peak_decides_the_sign_also_where_it_is_a_trough_in_time():
    # A biphasic course whose largest value is negative: light that goes off, then the sign of
    # the map at that lag is the cell's.
    found = separate(product(-COURSE, MAP)[None])
    assert found.polarity[0] == -1
    np.testing.assert_allclose(found.temporal_course[0], COURSE, atol=1e-12)
    np.testing.assert_allclose(found.spatial_map[0], -MAP, atol=1e-12)


def test_of_two_components_the_stronger_is_taken_and_separability_is_its_share():
    # Orthogonal courses and maps: the singular values are 3 and 1 by hand.
    first, second = np.eye(5)[1], np.eye(5)[3]
    centre, surround = np.zeros((2, 3, 3))
    centre[1, 1] = 3.0
    surround[0, 0] = -1.0
    found = separate((product(first, centre) + product(second, surround))[None])
    assert found.separability[0] == pytest.approx(9 / 10, rel=1e-12)
    np.testing.assert_allclose(found.spatial_map[0], centre, atol=1e-12)
    np.testing.assert_allclose(found.temporal_course[0], first, atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 12, 5, 7), (4, 30, 3, 2), (3, 1, 4, 4), (3, 8, 1, 1)])
def test_it_is_the_first_component_that_numpy_finds(shape):
    rng = np.random.default_rng(4)
    mean = rng.normal(size=shape[1:])
    sta = (rng.normal(size=shape) + 2 * rng.normal(size=shape[1:])).astype(np.float32)
    found = separate(sta, mean)
    for unit in range(shape[0]):
        centred = (sta[unit] - mean).reshape(shape[1], -1)
        left, strength, right = np.linalg.svd(centred, full_matrices=False)
        first = strength[0] * np.outer(left[:, 0], right[0])
        again = np.outer(found.temporal_course[unit], found.spatial_map[unit])
        np.testing.assert_allclose(again, first, atol=1e-10)
        share = strength[0] ** 2 / (strength**2).sum()
        assert found.separability[unit] == pytest.approx(share, rel=1e-12)
        lag, _ = np.unravel_index(np.abs(centred).argmax(), centred.shape)
        assert found.temporal_course[unit, lag] > 0
        assert np.abs(found.temporal_course[unit]).max() == pytest.approx(1, abs=1e-15)
        assert found.polarity[unit] == np.sign(centred.flat[np.abs(centred).argmax()])


def test_units_and_blocks_do_not_influence_each_other(monkeypatch):
    sta = np.random.default_rng(6).normal(size=(9, 10, 6, 5)).astype(np.float32)
    sta[4] = np.nan
    whole = separate(sta, 0.25)
    order = np.random.default_rng(0).permutation(9)
    mixed = separate(sta[order], 0.25)
    monkeypatch.setattr("hdmea.kernels.space_time._BLOCK_BYTES", 15_000)
    blocks = separate(sta, 0.25)
    for name in ("spatial_map", "temporal_course", "separability", "polarity"):
        one = getattr(whole, name)
        assert np.array_equal(one[order], getattr(mixed, name), equal_nan=True)
        assert np.array_equal(one, getattr(blocks, name), equal_nan=True)


def test_scale_changes_the_map_only():
    sta = np.random.default_rng(7).normal(size=(3, 8, 4, 4))
    plain, scaled = separate(sta), separate(-5 * sta)
    np.testing.assert_allclose(scaled.spatial_map, -5 * plain.spatial_map, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(scaled.temporal_course, plain.temporal_course, atol=1e-9)
    np.testing.assert_allclose(scaled.separability, plain.separability, rtol=1e-12)
    assert (scaled.polarity == -plain.polarity).all()


def test_undefined_averages_and_averages_of_nothing_are_nan():
    sta = np.ones((3, *product(COURSE, MAP).shape))
    sta[0] = np.nan
    sta[2] += product(COURSE, MAP)
    found = separate(sta, 1.0)
    for name in ("spatial_map", "temporal_course", "separability", "polarity"):
        assert np.isnan(getattr(found, name)[:2]).all()
        assert np.isfinite(getattr(found, name)[2]).all()
    assert separate(sta[:0], 1.0).spatial_map.shape == (0, *MAP.shape)


def test_a_pixel_that_is_undefined_is_left_out():
    sta = product(COURSE, MAP)
    sta[2, 0, 0] = np.nan
    found = separate(sta[None])
    expected = MAP.copy()
    expected[0, 0] = np.nan
    np.testing.assert_allclose(found.spatial_map[0], expected, atol=1e-12)
    assert found.separability[0] == pytest.approx(1, abs=1e-12)
