"""Counting in bins of trials: by searching every edge, also for spikes just at an edge."""

from __future__ import annotations

import numpy as np
import pytest
from hand_trials import trains
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.kernels import psth
from hdmea.kernels.psth import psth_counts, trial_counts, trial_responses


def searched(train, starts, bin_s, n_bins):
    return np.array([
        np.diff(np.searchsorted(train, start + bin_s * np.arange(n_bins + 1))) for start in starts
    ])  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    starts=st.lists(st.floats(0, 1e5), min_size=1, max_size=4),
    bin_s=st.floats(1e-4, 3.0),
    n_bins=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
)
def test_spikes_at_an_edge_are_in_the_bin_that_it_begins(starts, bin_s, n_bins, seed):
    # All edges, the floats just before and after them, and spikes anywhere; trials may overlap.
    edges = np.concatenate([start + bin_s * np.arange(n_bins + 1) for start in starts])
    rng = np.random.default_rng(seed)
    anywhere = rng.uniform(edges.min() - bin_s, edges.max() + bin_s, 100)
    spikes = trains(
        np.r_[edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)], [], anywhere
    )
    for unit, counts in enumerate(trial_counts(spikes, starts, bin_s, n_bins)):
        expected = searched(spikes.of(unit), starts, bin_s, n_bins)
        np.testing.assert_array_equal(counts, expected)
    np.testing.assert_array_equal(
        psth_counts(spikes, starts, bin_s, n_bins)[2], expected.sum(axis=0)
    )


def test_many_spikes_are_counted_in_pieces_that_change_nothing(monkeypatch):
    rng = np.random.default_rng(5)
    starts = 3.0 + 1.7 * np.arange(12)
    spikes = trains(rng.uniform(0, 30, 3000), rng.uniform(5, 6, 500))
    expected = [searched(spikes.of(unit), starts, 0.01, 170) for unit in range(2)]
    for at_a_time in (1, 150, 151, 10**6):
        monkeypatch.setattr(psth, "_SPIKES_AT_A_TIME", at_a_time)
        for counts, wanted in zip(trial_counts(spikes, starts, 0.01, 170), expected, strict=True):
            np.testing.assert_array_equal(counts, wanted)


@pytest.mark.parametrize(
    ("n_bins", "sigma_s"), [(2, 0.05), (7, 0.05), (101, 0.05), (300, 0.002), (50, 1.0)]
)
def test_quality_is_that_of_smoothed_trials_however_long_and_smooth(n_bins, sigma_s):
    from scipy.ndimage import gaussian_filter1d

    rng = np.random.default_rng(7)
    starts = 2.0 + 4.0 * np.arange(5)
    spikes = trains(rng.uniform(0, 25, 4000), rng.uniform(2, 2.01, 30))
    found = trial_responses(spikes, starts, 0.01, n_bins, sigma_s)
    for unit, binned in enumerate(trial_counts(spikes, starts, 0.01, n_bins)):
        smooth = gaussian_filter1d(binned.astype(float), sigma_s / 0.01, mode="reflect")
        expected = smooth.mean(axis=0).var() / smooth.var(axis=1).mean()
        assert found.quality[unit] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n_bins", [1, 3, 64])
def test_trials_that_are_even_throughout_have_no_quality(n_bins):
    starts = np.array([1.0, 9.0])
    middles = (starts[:, None] + (np.arange(n_bins) + 0.5) / 64).ravel()
    found = trial_responses(trains(middles, []), starts, 1 / 64, n_bins, 0.05)
    assert found.counts.tolist() == [[2] * n_bins, [0] * n_bins]
    assert np.isnan(found.quality).all()
