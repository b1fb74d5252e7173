"""The spike-triggered average against oracles that go spike by spike."""

from __future__ import annotations

import signal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.errors import ParameterError
from hdmea.interruption import RunInterrupted
from hdmea.kernels import lagged_sums, sta
from hdmea.kernels.sta import refresh_starts, spike_triggered_average
from hdmea.pieces import Pieces


def by_spike(counts, movie, lags):
    """Exact sums over spikes in Python integers; the mean rounded once to float64, then float32."""
    n_units, n_frames = counts.shape
    mean = np.full((n_units, len(lags), *movie.shape[1:]), np.nan, np.float32)
    used = [0] * n_units
    for unit in range(n_units):
        inside = [
            frame
            for frame in range(n_frames)
            if all(0 <= frame + lag < n_frames for lag in lags)
            for _ in range(counts[unit, frame])
        ]
        used[unit] = len(inside)
        for row, lag in enumerate(lags):
            for y, x in np.ndindex(*movie.shape[1:]):
                if inside:
                    total = sum(int(movie[frame + lag, y, x]) for frame in inside)
                    mean[unit, row, y, x] = np.float32(float(Fraction(total, len(inside))))
    return mean, used


def by_formula(counts, movie, lag, first, stop):
    """z at one lag, the definition word for word, one refresh at a time."""
    starts = [t for t in range(len(movie)) if t == 0 or (movie[t] != movie[t - 1]).any()]
    refresh_of = np.searchsorted(starts, np.arange(len(movie)), side="right") - 1
    eligible = range(first, stop)
    refreshes = sorted({int(refresh_of[n + lag]) for n in eligible})
    n_k = np.array([sum(refresh_of[n + lag] == k for n in eligible) for k in refreshes])
    x = np.array([movie[starts[k]] for k in refreshes], dtype=float)
    z = np.full((len(counts), *movie.shape[1:]), np.nan)
    for unit, train in enumerate(counts):
        c = np.array([sum(train[n] for n in eligible if refresh_of[n + lag] == k)
                      for k in refreshes])  # fmt: skip
        d = c - c.sum() / n_k.sum() * n_k
        for pixel in np.ndindex(*movie.shape[1:]):
            values = x[(slice(None), *pixel)]
            scale = values.std() * np.sqrt((d**2).sum())
            if np.ptp(values) and (c * n_k.sum() != c.sum() * n_k).any():
                z[(unit, *pixel)] = (d * (values - values.mean())).sum() / scale
    return z


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_frames=st.integers(1, 30),
    hold=st.integers(1, 4),
    first=st.integers(-8, 5),
    width=st.integers(1, 8),
    n_presentations=st.integers(1, 3),
)
def test_uint8_equals_the_exact_mean_bit_for_bit(
    seed, n_frames, hold, first, width, n_presentations
):
    rng = np.random.default_rng(seed)
    movie = rng.integers(0, 256, (n_frames, 2, 3), dtype=np.uint8)[np.arange(n_frames) // hold]
    counts = rng.poisson(0.3, (n_presentations, 4, n_frames))
    counts[:, 0] = 0
    lags = list(range(first, first + width))
    if max(0, -lags[0]) + max(0, lags[-1]) >= n_frames:
        with pytest.raises(ParameterError, match="does not fit"):
            spike_triggered_average(counts, movie, (first, first + width))
        return
    found = spike_triggered_average(list(counts), movie, (first, first + width))
    mean, used = by_spike(counts.sum(axis=0), movie, lags)
    assert np.array_equal(found.mean, mean, equal_nan=True)
    assert found.lags.tolist() == lags
    assert found.n_spikes.tolist() == used
    assert (found.n_spikes + found.n_excluded).tolist() == counts.sum(axis=(0, 2)).tolist()
    begin, stop = max(0, -lags[0]), n_frames - max(0, lags[-1])
    for row, lag in enumerate(lags):
        expected = by_formula(counts.sum(axis=0), movie, lag, begin, stop)
        np.testing.assert_allclose(found.z[:, row], expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    hold=st.integers(1, 4),
    first=st.integers(-6, 3),
    width=st.integers(1, 6),
    cuts=st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), min_size=1, max_size=3),
)
def test_of_presentations_that_were_cut_only_frames_with_their_whole_window_count(
    seed, hold, first, width, cuts
):
    """Against the same sums over (presentation, frame), one after the other."""
    rng = np.random.default_rng(seed)
    movie = rng.integers(0, 256, (24, 2, 2), dtype=np.uint8)[np.arange(24) // hold]
    shown = [(min(cut), max(cut)) for cut in cuts]
    counts = rng.poisson(0.5, (len(shown), 3, 24))
    lags = range(first, first + width)
    used = [
        (p, n)
        for p, (start, stop) in enumerate(shown)
        for n in range(start, stop)
        if all(start <= n + lag < stop for lag in lags)
    ]
    if not used:
        with pytest.raises(ParameterError, match="No frame has its whole window"):
            spike_triggered_average(list(counts), movie, (first, first + width), shown=shown)
        return
    found = spike_triggered_average(list(counts), movie, (first, first + width), shown=shown)
    refresh_of = np.cumsum([t > 0 and (movie[t] != movie[t - 1]).any() for t in range(24)])
    n_spikes = [sum(int(counts[p, unit, n]) for p, n in used) for unit in range(3)]
    assert found.n_spikes.tolist() == n_spikes
    assert (found.n_spikes + found.n_excluded).tolist() == counts.sum(axis=(0, 2)).tolist()
    for row, lag in enumerate(lags):
        refreshes = sorted({int(refresh_of[n + lag]) for _, n in used})
        x = np.array([movie[int(np.argmax(refresh_of == k))] for k in refreshes], dtype=float)
        n_k = np.array([sum(refresh_of[n + lag] == k for _, n in used) for k in refreshes])
        for unit in range(3):
            c = np.array([
                sum(counts[p, unit, n] for p, n in used if refresh_of[n + lag] == k)
                for k in refreshes
            ])  # fmt: skip
            if c.sum():
                mean = sum(counts[p, unit, n] * movie[n + lag].astype(float) for p, n in used)
                np.testing.assert_allclose(found.mean[unit, row], mean / c.sum(), rtol=1e-6)
            d = c - c.sum() / n_k.sum() * n_k
            for y, pixel in np.ndindex(2, 2):
                values = x[:, y, pixel]
                if np.ptp(values) and (c * n_k.sum() != c.sum() * n_k).any():
                    z = (d * (values - values.mean())).sum() / values.std() / np.sqrt((d**2).sum())
                    assert found.z[unit, row, y, pixel] == pytest.approx(z, rel=1e-5, abs=1e-5)
                else:
                    assert np.isnan(found.z[unit, row, y, pixel])


def test_whole_presentations_give_the_same_however_their_number_is_told():
    rng = np.random.default_rng(3)
    movie = rng.integers(0, 256, (60, 3, 3), dtype=np.uint8)
    counts = rng.poisson(0.5, (3, 2, 60))
    plain = spike_triggered_average(list(counts), movie, (-5, 2))
    told = spike_triggered_average(list(counts), movie, (-5, 2), shown=[(0, 60)] * 3)
    summed = spike_triggered_average([counts.sum(axis=0)], movie, (-5, 2))
    for other in (told, summed):
        assert np.array_equal(plain.mean, other.mean)
        assert np.array_equal(plain.z, other.z)
    with pytest.raises(ParameterError, match="Frames 0 to 61"):
        spike_triggered_average(list(counts), movie, (-5, 2), shown=[(0, 61)] * 3)


def test_a_large_sum_stays_exact():
    rng = np.random.default_rng(5)
    movie = rng.integers(0, 256, (4000, 20, 30), dtype=np.uint8)
    counts = rng.integers(0, 100_000, (3, 4000))
    found = spike_triggered_average([counts], movie, (-2, 1), with_z=False, threads=2)
    assert found.z is None
    for row, lag in enumerate((-2, -1, 0)):
        c = counts[:, 2:].astype(np.uint64)
        frames = movie[2 + lag : 4000 + lag].reshape(3998, -1).astype(np.uint64)
        total = np.einsum("ut,tp->up", c, frames)
        expected = (total.astype(float) / c.sum(axis=1)[:, None].astype(float)).astype(np.float32)
        assert np.array_equal(found.mean[:, row].reshape(3, -1), expected)


def test_z_by_hand():
    # Three refreshes of two frames, pixel values 0, 3, 6; spikes 1, 0, 2 and 0, 1, 0.
    movie = np.repeat([0, 3, 6], 2).astype(np.uint8).reshape(6, 1, 1)
    counts = np.array([[1, 0, 0, 0, 1, 1], [0, 0, 0, 1, 0, 0]])
    found = spike_triggered_average([counts], movie, (0, 1))
    # d = (0, -1, 1): z = (0 * -3 + -1 * 0 + 1 * 3) / (sqrt(6) * sqrt(2)); unit 1: d = +-(1/3, 2/3)
    assert found.z[:, 0, 0, 0].tolist() == pytest.approx([3 / np.sqrt(12), 0.0])
    assert found.mean[:, 0, 0, 0].tolist() == [4.0, 3.0]


def test_z_has_unit_spread_where_there_is_nothing_with_held_noise():
    rng = np.random.default_rng(11)
    movie = (255 * rng.integers(0, 2, (900, 12, 12)).astype(np.uint8)).repeat(4, axis=0)
    # One unit fires at random, one is driven by pixel (0, 0), one fires in bursts.
    rate = np.stack([
        np.full(3600, 0.2),
        np.where(movie[:, 0, 0] > 0, 0.5, 0.02),
        np.where(np.arange(3600) % 450 < 60, 2.0, 0.05),
    ])  # fmt: skip
    found = spike_triggered_average([rng.poisson(rate)], movie, (-20, 0))
    null = found.z[:, ::4, 1:, 1:].reshape(3, -1)
    # 5 * 121 values, so the SD itself is known to 3 %.
    assert null.std(axis=1) == pytest.approx([1, 1, 1], abs=0.09)
    assert np.abs(null.mean(axis=1)).max() < 0.15
    driven = found.z[1, :, 0, 0]
    assert driven[-1] > 15


def test_an_impulse_comes_out_where_it_was():
    movie = np.zeros((50, 4, 5), dtype=np.uint8)
    movie[20, 1, 3] = 200
    counts = np.zeros((1, 50), dtype=int)
    counts[0, 25] = 1
    mean = spike_triggered_average([counts], movie, (-10, 3)).mean
    assert np.argwhere(mean[0]).tolist() == [[5, 1, 3]]  # lag -5
    assert mean[0, 5, 1, 3] == 200


def test_no_spikes_and_unchanging_pixels_are_nan():
    movie = np.random.default_rng(0).normal(size=(100, 2, 2))
    movie[:, 1, 1] = 0.1
    counts = np.zeros((2, 100), dtype=int)
    counts[1, 10::7] = 1
    counts[0, 2] = 3  # its window leaves the movie
    found = spike_triggered_average([counts], movie, (-5, 0))
    assert np.isnan(found.mean[0]).all()
    assert np.isnan(found.z[0]).all()
    assert (found.n_spikes.tolist(), found.n_excluded.tolist()) == ([0, 13], [3, 0])
    assert np.isnan(found.z[1, :, 1, 1]).all()
    assert np.isfinite(found.z[1, :, 0]).all()
    np.testing.assert_allclose(found.mean[1, :, 1, 1], 0.1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_threads_do_not_change_a_bit(dtype):
    rng = np.random.default_rng(9)
    movie = rng.uniform(0, 255, (300, 30, 31)).astype(dtype)
    counts = rng.poisson(0.4, (7, 300))
    one = spike_triggered_average([counts], movie, (-12, 3), threads=1)
    two = spike_triggered_average([counts], movie, (-12, 3), threads=3)
    assert one.mean.tobytes() == two.mean.tobytes()
    assert one.z.tobytes() == two.z.tobytes()


def test_float_movies_are_right_within_rounding():
    rng = np.random.default_rng(10)
    movie = (1000 + rng.normal(size=(200, 4, 4))).astype(np.float32)
    counts = rng.poisson(0.3, (3, 200))
    found = spike_triggered_average([counts], movie, (-3, 2))
    for row, lag in enumerate(range(-3, 2)):
        frames = np.arange(3, 199)
        expected = np.tensordot(counts[:, frames], movie[frames + lag].astype(float), 1)
        expected /= counts[:, frames].sum(axis=1)[:, None, None]
        np.testing.assert_allclose(found.mean[:, row], expected, rtol=1e-7)
        expected_z = by_formula(counts, movie, lag, 3, 199)
        np.testing.assert_allclose(found.z[:, row], expected_z, rtol=1e-5, atol=1e-6)


def test_units_do_not_influence_each_other():
    rng = np.random.default_rng(12)
    movie = rng.integers(0, 256, (120, 3, 3), dtype=np.uint8)
    counts = rng.poisson(0.4, (5, 120))
    order = rng.permutation(5)
    found = spike_triggered_average([counts], movie, (-6, 0))
    mixed = spike_triggered_average([counts[order]], movie, (-6, 0))
    assert np.array_equal(found.mean[order], mixed.mean)
    np.testing.assert_allclose(found.z[order], mixed.z, rtol=1e-6)


@pytest.mark.parametrize("cover_range", [(0, 0), (-3, -5), (-10, 1), (-5, 6), (0, 11)])
def test_a_range_that_cannot_be_is_an_error(cover_range):
    with pytest.raises(ParameterError, match="cover_range"):
        spike_triggered_average([np.zeros((1, 10), int)], np.zeros((10, 1, 1)), cover_range)


def test_counts_and_movie_must_fit():
    movie = np.zeros((10, 1, 1), np.uint8)
    with pytest.raises(ParameterError, match=r"\(2, 9\)"):
        spike_triggered_average([np.zeros((2, 9), int)], movie, (-1, 0))
    with pytest.raises(ParameterError, match="one presentation"):
        spike_triggered_average([], movie, (-1, 0))


def test_refreshes_are_found_across_blocks(monkeypatch):
    monkeypatch.setattr("hdmea.kernels.sta._SCAN_BYTES", 12)
    rng = np.random.default_rng(13)
    movie = rng.integers(0, 2, (60, 2, 2), dtype=np.uint8)
    expected = [t for t in range(60) if t == 0 or (movie[t] != movie[t - 1]).any()]
    assert refresh_starts(movie).tolist() == expected
    assert refresh_starts(movie[:1]).tolist() == [0]


@pytest.mark.parametrize("hold", [1, 3, 4])
@pytest.mark.parametrize("cover_range", [(-20, 0), (-7, 30), (2, 25)])
@pytest.mark.parametrize("regular", [True, False])
def test_the_block_fft_gives_the_same_as_a_product_for_each_lag(
    hold, cover_range, regular, monkeypatch
):
    rng = np.random.default_rng([hold, regular])
    order = np.arange(700) // hold
    if not regular:  # images that are drawn again, and held longer
        order -= rng.integers(0, 2, 700).cumsum() // 9
    movie = rng.integers(0, 256, (701, 11, 12), dtype=np.uint8)[order]
    counts = rng.poisson(0.4, (3, 40, 700))
    shown = [(0, 700), (30, 333), (401, 700)][-2:] if cover_range[0] > 0 else None
    counts = list(counts[-2:] if shown else counts)
    cut = []

    def always(_, n_weights, n_lags):
        length = 2 * n_lags + 3
        cut.append(lagged_sums.Blocks(length, n_lags + 4, -(-n_weights // (n_lags + 4))))
        return cut[-1]

    monkeypatch.setattr(lagged_sums, "cheapest_blocks", always)
    by_fft = spike_triggered_average(counts, movie, cover_range, shown=shown)
    single = spike_triggered_average(counts, movie, cover_range, shown=shown, precision="single")
    assert cut[0].number > 4
    monkeypatch.setattr(lagged_sums, "cheapest_blocks", lambda *_: None)
    directly = spike_triggered_average(counts, movie, cover_range, shown=shown)
    assert by_fft.mean.tobytes() == directly.mean.tobytes()
    assert by_fft.z.tobytes() == directly.z.tobytes()
    np.testing.assert_allclose(single.mean, directly.mean, rtol=1e-5)
    np.testing.assert_allclose(single.z, directly.z, atol=1e-5)


def test_z_is_undefined_for_a_pixel_that_changes_only_outside_of_the_window():
    rng = np.random.default_rng(14)
    movie = rng.normal(size=(60, 1, 3))
    movie[:, 0, 1] = 1e6  # and tiny changes where the first lag, not the last, sees them
    movie[:3, 0, 1] += [0.01, 0.02, 0.03]
    movie[57:, 0, 2] = 50
    movie[:57, 0, 2] = 0.1
    counts = rng.poisson(1.0, (2, 60))
    found = spike_triggered_average([counts], movie, (-5, 0))
    for row, lag in enumerate(range(-5, 0)):
        expected = by_formula(counts, movie, lag, 5, 60)
        np.testing.assert_allclose(found.z[:, row], expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(found.z[:, :, 0, 1]).tolist() == [[False] * 3 + [True] * 2] * 2
    assert np.isnan(found.z[:, :, 0, 2]).tolist() == [[True] * 3 + [False] * 2] * 2


class Kept(Pieces):
    """Pieces in a dictionary; the run is to end after some."""

    def __init__(self, stop_at=None):
        self.made, self.stop_at = {}, stop_at

    def stored(self, name):
        return self.made.get(name)

    def done(self, name, made):
        self.made[name] = {what: values.copy() for what, values in made.items()}
        if self.stop_at is not None and len(self.made) >= self.stop_at:
            raise RunInterrupted(signal.SIGTERM)


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_of_an_interrupted_run_are_kept_and_taken(threads, monkeypatch):
    rng = np.random.default_rng(15)
    movie = rng.integers(0, 256, (300, 30, 31), dtype=np.uint8)
    counts = rng.poisson(0.4, (7, 300))
    undisturbed = spike_triggered_average([counts], movie, (-12, 3))
    blocks = [f"pixels_{start}_{min(start + 128, 930)}" for start in range(0, 930, 128)]
    pieces, said = Kept(stop_at=3), []
    with pytest.raises(RunInterrupted):
        spike_triggered_average([counts], movie, (-12, 3), threads=threads, pieces=pieces)
    # those that threads were at are finished
    n_done = 3 if threads == 1 else 3 + threads
    assert list(pieces.made) == blocks[:n_done]
    pieces.stop_at = None
    write, written = sta._Work.write, []
    monkeypatch.setattr(
        sta._Work, "write", lambda work, *how: written.append(how[1]) or write(work, *how)
    )
    again = spike_triggered_average(
        [counts], movie, (-12, 3), threads=threads, pieces=pieces, progress=said.append
    )
    assert again.mean.tobytes() == undisturbed.mean.tobytes()
    assert again.z.tobytes() == undisturbed.z.tobytes()
    assert sorted(block.start for block in written) == list(range(128 * n_done, 930, 128))
    assert said == [min(start + 128, 930) / 930 for start in range(128 * n_done, 930, 128)]


def test_an_error_in_a_block_is_raised_and_nothing_more_is_begun(monkeypatch):
    movie = np.random.default_rng(16).integers(0, 256, (40, 40, 40), dtype=np.uint8)
    begun = []

    def fail(_, images, block):
        begun.append(block)
        raise ZeroDivisionError(images.shape)

    monkeypatch.setattr(sta._Work, "write", fail)
    with pytest.raises(ZeroDivisionError):
        spike_triggered_average([np.ones((1, 40), int)], movie, (-2, 0), threads=2)
    assert len(begun) <= 4
