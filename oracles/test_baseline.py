"""Firing on grey: rate, CV, CV2 and Fano factor against elephant and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import quantities as pq
from elephant.statistics import cv, cv2, fanofactor, isi, mean_firing_rate
from peers import SAMPLING_HZ, Cells, repeated
from scipy.stats import variation

from hdmea.features.baseline import BaselineParams, baseline
from hdmea.features.inputs import FeatureInputs

WINDOW_S = 0.25


def run(cells: Cells, starts_s: np.ndarray, length_s: float) -> dict[str, np.ndarray]:
    trials = repeated("grey", "grey", starts_s, length_s, {})
    return baseline(
        FeatureInputs(cells.hdmea, trials=trials), BaselineParams(fano_window_s=WINDOW_S)
    ).values


# Half a sample off: no spike is on an edge.
ONE = np.array([100_000.5]) / SAMPLING_HZ
SEVERAL = (100_000.5 + 2_000_000 * np.arange(5)) / SAMPLING_HZ


def test_one_long_trial_is_as_elephant_has_it(cells: Cells) -> None:
    length_s = 600.0
    values = run(cells, ONE, length_s)
    defined = ~np.isnan(values["isi_cv"])
    assert defined.sum() == 9
    for unit in np.flatnonzero(defined):
        train = cells.elephant(unit, ONE[0], ONE[0] + length_s)
        rate = mean_firing_rate(train).rescale(pq.Hz).item()
        assert values["mean_rate_hz"][unit] == pytest.approx(rate, rel=1e-12)
        intervals = isi(train).magnitude
        n = values["n_intervals"][unit]
        assert n == intervals.size
        # elephant divides the squares by n, we by n - 1.
        assert values["isi_cv"][unit] == pytest.approx(
            cv(intervals) * np.sqrt(n / (n - 1)), rel=1e-9
        )
        assert values["isi_cv"][unit] == pytest.approx(variation(intervals, ddof=1), rel=1e-9)
        assert values["isi_cv2"][unit] == pytest.approx(cv2(intervals), rel=1e-9)


def test_intervals_of_several_trials_are_taken_together(cells: Cells) -> None:
    length_s = 50.0
    values = run(cells, SEVERAL, length_s)
    n_seen = 0
    for unit in range(len(cells.samples)):
        trials = [cells.elephant(unit, start, start + length_s) for start in SEVERAL]
        rate = np.mean([mean_firing_rate(train).rescale(pq.Hz).item() for train in trials])
        assert values["mean_rate_hz"][unit] == pytest.approx(rate, rel=1e-12)
        intervals = [isi(train).magnitude for train in trials]
        together = np.concatenate(intervals)
        assert values["n_intervals"][unit] == together.size
        if np.isnan(values["isi_cv2"][unit]):
            continue
        n_seen += 1
        assert values["isi_cv"][unit] == pytest.approx(variation(together, ddof=1), rel=1e-9)
        # Of each trial by itself, weighted by its pairs: no pair reaches into the next trial.
        pairs = [max(of_trial.size - 1, 0) for of_trial in intervals]
        each = [cv2(of_trial) * n for of_trial, n in zip(intervals, pairs, strict=True) if n]
        assert values["n_interval_pairs"][unit] == sum(pairs)
        assert values["isi_cv2"][unit] == pytest.approx(sum(each) / sum(pairs), rel=1e-9)
    assert n_seen >= 8


@pytest.mark.parametrize(("starts_s", "length_s"), [(ONE, 600.0), (SEVERAL, 50.1)])
def test_fano_factor_is_elephants_with_n_minus_1(
    cells: Cells, starts_s: np.ndarray, length_s: float
) -> None:
    values = run(cells, starts_s, length_s)
    n_seen = 0
    for unit in range(len(cells.samples)):
        times = cells.times_s[unit]
        windows = []
        for start in starts_s:
            edges = start + WINDOW_S * np.arange(int(length_s / WINDOW_S) + 1)
            windows += np.split(times, np.searchsorted(times, edges))[1:-1]
        n = len(windows)
        assert values["n_windows"][unit] == n
        if np.isnan(values["fano_factor"][unit]):
            continue
        n_seen += 1
        assert values["fano_factor"][unit] == pytest.approx(
            fanofactor(windows) * n / (n - 1), rel=1e-9
        )
    assert n_seen >= 8
    # What was put in: regular at high rate, more than Poisson in bursts.
    assert values["fano_factor"][3] < 0.95 < 1.5 < values["fano_factor"][4]
