"""Firing on grey: hand-worked numbers, known point processes, invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hand_trials import equal_results, joined, trains, trials
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.errors import MissingDataError, ParameterError, UnknownNameError
from hdmea.features.baseline import BASELINE, BaselineParams, baseline
from hdmea.features.declaration import check
from hdmea.features.inputs import FeatureInputs

LAX = {"min_intervals": 2, "min_windows": 2, "min_spikes": 1}


def grey(starts, length_s=3.0, movie="grey", kind="grey"):
    return trials(starts, length_s, {}, kind=kind, movie=movie)


def run(spikes, shown, **params):
    result = baseline(FeatureInputs(spikes, trials=shown), BaselineParams(**params))
    check(BASELINE, result, spikes.n_units)
    return result


def test_measures_by_hand():
    # Two trials of 3 s: intervals 0.5, 1, 0.5 (pairs 0.5 1, 1 0.5) and 1 (no pair). A spike
    # before, one between the trials and one at a trial's stop do not count.
    spikes = trains([9.9, 10.0, 10.5, 11.5, 12.0, 13.0, 20.5, 21.5, 23.0])
    found = run(spikes, grey([10.0, 20.0]), fano_window_s=1.0, **LAX).values
    assert found["n_spikes"].tolist() == [6]
    assert found["duration_s"].tolist() == [6.0]
    assert found["mean_rate_hz"].tolist() == [1.0]
    assert found["n_trials"].tolist() == [2]
    assert found["n_intervals"].tolist() == [4]
    # Mean 3/4, squared deviations 4 * 1/16, over 3: SD sqrt(1/12).
    assert found["isi_cv"] == pytest.approx([np.sqrt(1 / 12) / 0.75])
    assert found["n_interval_pairs"].tolist() == [2]
    assert found["isi_cv2"] == pytest.approx([2 * 0.5 / 1.5])
    # Counts 2, 1, 1 and 1, 1, 0: mean 1, squared deviations 2, over 5.
    assert found["n_windows"].tolist() == [6]
    assert found["fano_factor"] == pytest.approx([0.4])


def test_a_clock_has_no_variation():
    found = run(trains(np.arange(0, 3, 0.0625) + 0.03125), grey([0.0]), fano_window_s=0.125)
    assert found.values["isi_cv"].tolist() == [0.0]
    assert found.values["isi_cv2"].tolist() == [0.0]
    assert found.values["fano_factor"].tolist() == [0.0]


def test_cv_sees_drift_of_the_rate_and_cv2_does_not():
    # Intervals that grow from 10 to 100 ms, each a little longer than the last.
    spikes = trains(np.cumsum(np.linspace(0.01, 0.1, 50)))
    found = run(spikes, grey([0.0])).values
    assert found["isi_cv"][0] > 0.45
    assert found["isi_cv2"][0] < 0.07


@pytest.mark.parametrize(("shape", "cv", "cv2"), [(1, 1.0, 1.0), (4, 0.5, 35 / 64)])
def test_gamma_processes_have_their_measures(shape, cv, cv2):
    # For a gamma interval of shape k: CV = 1 / sqrt(k); CV2 of two independent ones is twice
    # E|2 b - 1| for b ~ Beta(k, k): 1 for k = 1, 35/64 for k = 4.
    rng = np.random.default_rng(6)
    rate = 20.0
    spikes = trains(*(np.cumsum(rng.gamma(shape, 1 / (shape * rate), 12_000)) for _ in range(4)))
    found = run(spikes, grey([1.0, 300.0], 250.0), fano_window_s=5.0).values
    assert found["mean_rate_hz"] == pytest.approx(np.full(4, rate), rel=0.05)
    assert found["isi_cv"] == pytest.approx(np.full(4, cv), rel=0.05)
    assert found["isi_cv2"] == pytest.approx(np.full(4, cv2), rel=0.05)
    # 100 windows of 100 spikes: F is CV^2, and a little more; relative SD sqrt(2 / 99).
    assert found["fano_factor"] == pytest.approx(np.full(4, cv**2), rel=0.5)
    assert found["fano_factor"].mean() == pytest.approx(cv**2, rel=0.25)


def test_poisson_cells_have_a_fano_factor_of_1_and_bursts_a_larger_one():
    rng = np.random.default_rng(7)
    single = [rng.uniform(0, 60, rng.poisson(600)) for _ in range(100)]
    bursts = [np.repeat(rng.uniform(0, 60, rng.poisson(150)), 4) for _ in range(100)]
    found = run(trains(*single, *bursts), grey([0.0], 60.0)).values["fano_factor"]
    # 600 windows: SD of one sqrt(2 / 599) = 0.06, of the mean of 100 cells 0.006.
    assert found[:100].mean() == pytest.approx(1, abs=0.03)
    assert found[100:].mean() == pytest.approx(4, abs=0.15)


def test_what_is_too_little_is_undefined_with_its_reason():
    n = 20
    trial = grey([0.0])
    silent, one, pairless, enough = (
        [],
        [1.0],
        np.linspace(0.1, 2.8, n + 1),
        np.linspace(0.1, 2.8, n + 2),
    )
    found = run(trains(silent, one, pairless, enough), trial)
    assert found.values["mean_rate_hz"] == pytest.approx([0, 1 / 3, 7, 22 / 3])
    assert found.values["n_intervals"].tolist() == [0, 0, 20, 21]
    assert found.reasons["isi_cv"].tolist() == ["too_few_spikes"] * 2 + ["", ""]
    assert found.reasons["isi_cv2"].tolist() == ["too_few_spikes"] * 3 + [""]
    assert found.reasons["fano_factor"].tolist() == ["too_few_spikes"] * 2 + ["", ""]
    long_window = run(trains(silent, enough), trial, fano_window_s=0.2)  # 15 windows
    assert long_window.reasons["fano_factor"].tolist() == ["too_few_windows"] * 2
    clock = {"shown": grey([0.0], 2.9995), "fano_window_s": 0.1}  # the last lacks 0.5 %
    assert run(trains(enough), **clock).values["n_windows"].tolist() == [30]
    assert run(trains(enough), grey([0.0], 2.95)).values["n_windows"].tolist() == [29]
    none_fits = run(trains(enough), trial, fano_window_s=4.0)
    assert none_fits.values["n_windows"].tolist() == [0]
    assert none_fits.reasons["fano_factor"].tolist() == ["too_few_windows"]


def test_spikes_at_one_time_are_no_error():
    found = run(trains(np.full(30, 1.0)), grey([0.0]), **LAX)
    assert found.values["isi_cv2"].tolist() == [0.0]
    assert found.reasons["isi_cv"].tolist() == ["no_variation"]


def test_no_units_no_grey_two_greys_and_no_trials():
    assert run(trains(), grey([0.0])).values["fano_factor"].shape == (0,)
    found = run(trains([1.0]), grey([0.0], kind="step"))
    assert found.reasons["mean_rate_hz"].tolist() == ["stimulus_not_played"]
    both = joined(grey([0.0], movie="dim"), grey([10.0], movie="mean"))
    with pytest.raises(ParameterError, match="dim, mean"):
        run(trains([1.0]), both)
    with pytest.raises(UnknownNameError, match="bright"):
        run(trains([1.0]), both, stimulus="bright")
    assert run(trains([1.0]), both, stimulus="dim").values["n_spikes"].tolist() == [1]
    with pytest.raises(MissingDataError, match="baseline needs trials"):
        baseline(FeatureInputs(trains([1.0])), BaselineParams())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.integers(-10, 1000))
def test_it_follows_shifts_order_and_batches_of_units(seed, shift):
    rng = np.random.default_rng(seed)
    starts = np.array([20.0, 30.0])
    # Times in 1/1024 s and windows of 1/8 s are exact under the shift.
    units = [rng.integers(18 * 1024, 35 * 1024, rng.integers(0, 200)) / 1024 for _ in range(5)]
    window = {"fano_window_s": 0.125}
    result = run(trains(*units), grey(starts), **window)
    moved = run(trains(*[unit + shift for unit in units[::-1]]), grey(starts + shift), **window)
    assert equal_results(result, moved, BASELINE.outputs, slice(None, None, -1)) == []
    for k, unit in enumerate(units):
        alone = run(trains(unit), grey(starts), **window)
        assert equal_results(alone, result, BASELINE.outputs, slice(k, k + 1)) == []
