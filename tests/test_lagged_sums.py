"""Sums at many lags, by block FFT and directly, against sums of integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.kernels import lagged_sums
from hdmea.kernels.lagged_sums import Blocks, LaggedSums, cheapest_blocks


def cut(length: int, n_weights: int, n_lags: int) -> Blocks:
    step = length - n_lags + 1
    return Blocks(length, step, -(-n_weights // step))


def with_blocks(blocks: Blocks | None, weights, n_lags, precision="double") -> LaggedSums:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lagged_sums, "cheapest_blocks", lambda *_: blocks)
        return LaggedSums(weights, n_lags, precision)


def exact(weights, images, n_lags):
    """The sums in Python integers, ``(row, lag, pixel)``."""
    n, weights, images = weights.shape[1], weights.astype(object), images.astype(object)
    return np.stack([weights @ images[lag : lag + n] for lag in range(n_lags)], axis=1)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(1, 5),
    n_weights=st.integers(1, 90),
    n_lags=st.integers(1, 25),
    more=st.integers(0, 60),
    n_pixels=st.integers(1, 4),
    largest=st.sampled_from([1, 3, 1000, 10**6]),
)
def test_of_whole_numbers_sums_are_exact(seed, n_rows, n_weights, n_lags, more, n_pixels, largest):
    """Blocks of every length, odd and prime ones too, one block or many."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(0, largest + 1, (n_rows, n_weights))
    images = rng.integers(-255, 256, (n_weights + n_lags - 1, n_pixels))
    expected = exact(weights, images, n_lags)
    for blocks in (None, cut(n_lags + more, n_weights, n_lags)):
        sums = with_blocks(blocks, weights, n_lags)
        assert sums.n_images == len(images)
        found = sums.of(images.astype(float), whole=True)(slice(0, n_rows))
        assert np.array_equal(found, expected)
        part = sums.of(images.astype(float), whole=True)(slice(n_rows // 2, n_rows))
        assert np.array_equal(part, expected[n_rows // 2 :])


# All weights and images of one sign, in step, or at one frequency: where errors add up most.
WORST = {
    "constant": lambda t: np.ones_like(t),
    "alternating": lambda t: (-1.0) ** t,
    "slow": lambda t: np.sign(np.cos(2 * np.pi * t / 50)),
    "random signs": lambda t: np.random.default_rng(4).choice([-1.0, 1.0], t.size),
}


@pytest.mark.parametrize("precision", ["double", "single"])
@pytest.mark.parametrize("course", WORST)
@pytest.mark.parametrize("count", [1, 50_000])
def test_the_error_stays_below_its_bound_where_it_is_largest(precision, course, count):
    n_weights, n_lags = 10_800, 60
    t = np.arange(n_weights + n_lags - 1)
    pattern = WORST[course](t)
    images = np.stack([127 * pattern, np.full(t.size, 127.0), 127 * WORST["random signs"](t)], 1)
    # a row that goes with the pattern, one in all frames, one with all spikes at one place
    weights = np.zeros((3, n_weights), dtype=np.int64)
    weights[0] = count * (pattern[:n_weights] > 0)
    weights[1] = count
    weights[2, 5000] = count * 1000
    blocks = cheapest_blocks(500, n_weights, n_lags)
    sums = with_blocks(blocks, weights, n_lags, precision)
    bound = sums.error_bound(images)
    right = np.stack(
        [weights.astype(float) @ images[lag : lag + n_weights] for lag in range(n_lags)], axis=1
    )  # of whole numbers below 2^53, so exact
    assert np.abs(weights).sum(axis=1).max() * 127 < 2**53
    error = np.abs(sums.of(images)(slice(0, 3)) - right).max()
    assert 0 < error < bound
    # and says something: what may be is not beyond what is by more than the signs of roundings
    assert bound < 1e5 * error
    if precision == "double":
        assert bound < 0.5
        assert np.array_equal(sums.of(images, whole=True)(slice(0, 3)), right)


def test_what_could_be_rounded_wrongly_is_summed_directly():
    n_weights, n_lags = 10_800, 60
    blocks = cheapest_blocks(500, n_weights, n_lags)
    images = np.full((n_weights + n_lags - 1, 1), 127.0)
    images[1::2] = -127
    for per_frame, within in ((1_900_000, True), (40_000_000, False)):
        weights = np.full((1, n_weights), per_frame)
        weights[0, ::3] -= 1
        sums = with_blocks(blocks, weights, n_lags)
        assert (sums.error_bound(images) < 0.5) == within
        found = sums.of(images, whole=True)(slice(0, 1))
        assert np.array_equal(found, exact(weights, images.astype(np.int64), n_lags))


def test_the_block_fft_is_taken_where_it_is_cheaper():
    assert cheapest_blocks(2, 900, 15) is None  # the transform of the images costs more
    assert cheapest_blocks(200, 10_800, 1) is None
    assert cheapest_blocks(200, 300, 60) is not None
    for n_rows, n_weights, n_lags in [(201, 10_800, 60), (2004, 2700, 15), (501, 10_800, 60)]:
        blocks = cheapest_blocks(n_rows, n_weights, n_lags)
        assert blocks is not None
        assert blocks.step + n_lags - 1 == blocks.length
        assert (blocks.number - 1) * blocks.step < n_weights <= blocks.number * blocks.step
        direct = 2 * n_rows * n_weights * n_lags
        work = 4 * n_rows * blocks.n_frequencies * (2 * blocks.number + n_lags)
        assert work < direct / (10 if n_lags == 60 else 2)


def test_single_precision_is_not_rounded_to_whole_numbers():
    rng = np.random.default_rng(8)
    weights = rng.integers(0, 30, (3, 4000))
    images = rng.integers(-128, 128, (4029, 5)).astype(float)
    sums = with_blocks(cut(100, 4000, 30), weights, 30, "single")
    found = sums.of(images, whole=True)(slice(0, 3))
    assert found.dtype == np.float64
    assert (found != np.rint(found)).any()
    assert np.abs(found - exact(weights, images.astype(np.int64), 30).astype(float)).max() < 30
