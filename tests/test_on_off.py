"""Light steps: hand-made trains, exact tests, invariances."""

from __future__ import annotations

import dataclasses

import hand_trials
import numpy as np
import pytest
from hand_trials import equal_results, joined, trains, trials
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import binom

from hdmea.errors import ParameterError, StimulusError, UnknownNameError
from hdmea.features.declaration import check
from hdmea.features.inputs import FeatureInputs
from hdmea.features.on_off import ON_OFF, OnOffParams, on_off
from hdmea.kernels.spikes import SpikeTrains

ON, OFF, LENGTH = 1.0, 6.0, 10.0


def steps(starts, *, movie="step", kind="step", on=ON, off=OFF):
    return trials(starts, LENGTH, {"light_on": on, "light_off": off}, kind=kind, movie=movie)


STARTS = 20.0 + LENGTH * np.arange(3)


def run(spikes, shown=None, **params):
    inputs = FeatureInputs(spikes, trials=steps(STARTS) if shown is None else shown)
    result = on_off(inputs, OnOffParams(**params))
    check(ON_OFF, result, spikes.n_units)
    return result


def in_trials(*times):
    """The same spikes, given from a trial's start, in every trial."""
    return hand_trials.in_trials(STARTS, *times)


# Responses at 0.1 s after the edge, 8 spikes a trial; spontaneous spikes 0.5 s before light on.
BURST = 0.105 + 0.001 * np.arange(8)
ON_CELL = in_trials(0.5, *(ON + BURST))
OFF_CELL = in_trials(0.5, *(OFF + BURST))
BOTH = in_trials(*(ON + BURST), *(OFF + BURST))
SUPPRESSED = in_trials(*(0.05 * np.arange(20) + 0.01))  # 20 spikes before light on, none after


def test_responses_by_hand():
    values = run(trains(ON_CELL, OFF_CELL, BOTH)).values
    assert values["r_on_hz"] == pytest.approx([8 / 0.5 - 1, -1, 16])
    assert values["r_off_hz"] == pytest.approx([0, 16, 16])
    assert values["on_off_index"] == pytest.approx([1, -1, 0])
    assert values["class"].tolist() == ["on", "off", "on_off"]
    assert values["n_spikes_on"].tolist() == [24, 0, 24]
    assert values["n_spikes_on_baseline"].tolist() == [3, 3, 0]
    assert values["n_spikes_off"].tolist() == [0, 24, 24]
    assert values["n_trials"].tolist() == [3, 3, 3]


def test_the_index_between_and_its_cut():
    # 20 against 8 spikes a trial: (40 - 16) / (40 + 16) = 3 / 7
    unit = in_trials(*(ON + 0.01 * np.arange(20) + 0.005), *(OFF + BURST))
    assert run(trains(unit)).values["on_off_index"] == pytest.approx([3 / 7])
    assert run(trains(unit)).values["class"].tolist() == ["on"]
    assert run(trains(unit), class_cut=0.5).values["class"].tolist() == ["on_off"]


def test_the_off_baseline_is_before_offset_so_after_discharge_is_no_off_response():
    # Fires at 20 Hz from light on until well after light off.
    unit = in_trials(*(ON + 0.01 + 0.05 * np.arange(140)))
    result = run(trains(unit))
    assert result.values["r_on_hz"] == pytest.approx([20])
    assert result.values["r_off_hz"] == pytest.approx([0])
    assert result.values["class"].tolist() == ["on"]


@pytest.mark.parametrize(("n_response", "n_baseline"), [(0, 0), (5, 0), (0, 30), (12, 3), (1, 2)])
def test_p_of_a_single_trial_is_twice_the_smaller_binomial_tail(n_response, n_baseline):
    unit = (
        STARTS[0]
        + np.r_[ON + np.linspace(0, 0.499, n_response), ON - np.linspace(0.001, 1, n_baseline)]
    )
    share = 0.5 / 1.5
    k = np.arange(n_response + n_baseline + 1)
    pmf = binom.pmf(k, n_response + n_baseline, share)
    tails = pmf[k <= n_response].sum(), pmf[k >= n_response].sum()
    result = run(trains(unit), steps(STARTS[:1]))
    assert result.values["p_on"] == pytest.approx([min(1, 2 * min(tails))])
    assert result.values["p_off"].tolist() == [1.0]
    # A single trial does not tell how much counts vary, and says so.
    assert np.isnan(result.values["dispersion_on"]).all()
    assert result.reasons["dispersion_on"].tolist() == ["too_few_trials"]


def test_p_of_silent_differences_is_not_too_small():
    rng = np.random.default_rng(8)
    units = [rng.uniform(0, 60, rng.poisson(300)) for _ in range(1500)]
    values = run(trains(*units)).values
    # An exact test may be conservative, never liberal: 0.05 and 4 SD above it.
    for edge in ("on", "off"):
        share = (values[f"p_{edge}"] < 0.05).mean()
        assert 0.02 < share < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 1500)
    assert np.isnan(values["on_off_index"]).mean() > 0.97


def test_cells_that_do_not_respond_have_no_index_and_say_so():
    silent, single = [], STARTS[:1] + ON + 0.1
    four = np.r_[in_trials(ON + 0.1), STARTS[0] + ON + 0.2]
    result = run(trains(silent, single, four, SUPPRESSED))
    assert np.isnan(result.values["on_off_index"]).all()
    assert np.isnan(result.values["latency_to_peak_on_ms"]).all()
    for name in ("on_off_index", "on_off_index_peak", "transience_on", "latency_to_peak_off_ms"):
        assert result.reasons[name].tolist() == ["no_response"] * 4
    assert result.values["class"].tolist() == ["none", "none", "none", "suppressed"]
    # Rates and counts are true values, also where they are 0.
    assert result.values["r_on_hz"] == pytest.approx([0, 2 / 3, 8 / 3, -20])
    assert result.values["p_on"][2] < 0.05  # 4 spikes against none, and still too few
    assert result.reasons["qi"].tolist() == ["too_few_spikes", "", "", ""]
    assert result.reasons["dispersion_on"].tolist() == ["too_few_spikes", "", "", ""]


def test_five_spikes_are_enough_where_they_are_significant():
    five = np.r_[in_trials(ON + 0.1), STARTS[:2] + ON + 0.2]
    assert run(trains(five)).values["class"].tolist() == ["on"]  # p = 2 / 3^5 = 0.0082
    assert run(trains(five), alpha=0.008).values["class"].tolist() == ["none"]
    assert run(trains(five), min_spikes=6).values["class"].tolist() == ["none"]


def test_a_burst_in_one_trial_is_no_response_and_the_same_spikes_in_all_are():
    burst = STARTS[1] + ON + BURST[:6]
    spread = in_trials(*(ON + BURST[:2]))
    values = run(trains(burst, spread)).values
    assert values["n_spikes_on"].tolist() == [6, 6]
    assert values["class"].tolist() == ["none", "on"]
    # One burst of 6 varies 6 times as much as 6 spikes: p is that of one spike, and wider.
    assert values["dispersion_on"] == pytest.approx([6, 0])
    assert values["p_on"][0] > 2 / 3
    assert values["p_on"][1] == pytest.approx(2 / 3**6)


def test_dispersion_is_the_variance_of_changes_by_hand():
    # Two trials; windows of 0.5 s against 1 s before them. Beside the edge's own place only those
    # every 0.25 s from it in which the spikes lie count for anything, here by brute force.
    starts = STARTS[:2]
    rng = np.random.default_rng(4)
    unit = np.sort(rng.uniform(20, 40, 90))
    values = run(trains(unit), steps(starts)).values
    for edge, at, other in (("on", ON, OFF), ("off", OFF, ON)):
        varies = poisson = 0.0
        for place in np.arange(0, LENGTH, 0.25):
            if place < 1.0 or place + 0.5 > LENGTH or other - 0.5 < place < other + 1.5:
                continue
            n = [
                [((unit >= s + a) & (unit < s + b)).sum() for a, b in ((-1, 0), (0, 0.5))]
                for s in starts + place
            ]
            change = [after * 2 / 3 - before / 3 for before, after in n]
            varies += np.var(change, ddof=1)
            poisson += np.mean([after * 4 / 9 + before / 9 for before, after in n])
        assert values[f"dispersion_{edge}"] == pytest.approx([varies / poisson]), at


def test_a_drift_from_trial_to_trial_is_no_dispersion_and_costs_nothing():
    rng = np.random.default_rng(5)
    starts = 20.0 + LENGTH * np.arange(5)
    units = [
        np.concatenate([
            rng.uniform(start, start + LENGTH, rng.poisson(LENGTH * rate))
            for start, rate in zip(starts, (4, 8, 16, 32, 64), strict=True)
        ])
        for _ in range(60)
    ]  # fmt: skip
    # The counts of a window vary 19 times as much as Poisson counts, their changes do not.
    values = run(trains(*units), steps(starts)).values
    assert np.median(values["dispersion_on"]) == pytest.approx(1, abs=0.15)


def test_bursts_do_not_respond_by_chance_and_respond_when_they_do():
    rng = np.random.default_rng(6)

    def bursting(hz_of_bursts, at, length):
        first = at + rng.uniform(0, length, rng.poisson(hz_of_bursts * length))
        return (first[:, None] + 0.008 * np.arange(4)).ravel()  # Fano factor 4

    rest = [bursting(2.5, 0, 60) for _ in range(600)]
    driven = [
        np.concatenate([bursting(2.5, 0, 60), *(bursting(30, s + ON, 0.45) for s in STARTS)])
        for _ in range(100)
    ]
    values = run(trains(*rest, *driven)).values
    assert np.median(values["dispersion_on"][:600]) == pytest.approx(4, rel=0.1)
    for edge in ("on", "off"):
        assert (values[f"p_{edge}"][:600] < 0.01).sum() <= binom.ppf(0.995, 600, 0.01)
    # taken for Poisson, a quarter would be
    n, m = (values[f"n_spikes_on{of}"][:600] for of in ("", "_baseline"))
    poisson = 2 * np.minimum(binom.cdf(n, n + m, 1 / 3), binom.sf(n - 1, n + m, 1 / 3))
    assert (poisson < 0.01).mean() > 0.15
    assert (values["p_on"][600:] < 0.01).mean() > 0.95


def test_peak_sustained_latency_and_transience_by_hand():
    # Each trial: 4 spikes in the bin 120-130 ms after light on, one at each of 475, 525 and
    # 545 ms: 0.35-0.45 s after the peak's bin are 470-570 ms. Then 2 spikes in 0.5-1.5 s more.
    after = np.r_[0.121, 0.123, 0.125, 0.127, 0.475, 0.525, 0.545, 0.9, 1.49, 1.51]
    values = run(trains(in_trials(*(ON + after)))).values
    assert values["peak_rate_on_hz"] == pytest.approx([4 / 0.01])
    assert values["latency_to_peak_on_ms"] == pytest.approx([125])
    assert values["transience_on"] == pytest.approx([1 - (3 / 0.1) / (4 / 0.01)])
    assert values["sustained_rate_on_hz"] == pytest.approx([4])  # 525, 545, 900, 1490 ms
    assert values["on_off_index_peak"] == pytest.approx([1])
    assert values["peak_rate_off_hz"] == pytest.approx([0])


def test_the_peak_index_compares_peaks_above_baseline():
    unit = in_trials(0.5, *(ON + BURST), *(OFF + 0.105 + 0.02 * np.arange(8)))
    # Of the burst, 5 spikes are in 100-110 ms, 3 in the next bin; 1 in each bin after light off.
    on, off = 500 - 1, 100
    values = run(trains(unit)).values
    assert values["on_off_index_peak"] == pytest.approx([(on - off) / (on + off)])


def test_the_psth_is_the_mean_of_the_trials_without_smoothing():
    values = run(trains([21.0 + 0.005, 31.0 + 0.005, 20.0, 50.0]), psth_bin_s=0.5).values
    assert values["psth_hz"].shape == (1, 20)
    expected = np.zeros(20)
    expected[0], expected[2] = 1 / 1.5, 2 / 1.5
    assert values["psth_hz"][0] == pytest.approx(expected)
    assert values["psth_bin_start_s"] == pytest.approx(0.5 * np.arange(20))


def test_quality_is_1_for_equal_trials_and_at_its_floor_for_one_trial_of_three():
    same = ON_CELL
    only_one = STARTS[1] + ON + BURST
    values = run(trains(same, only_one)).values
    # Response in one of R trials: Var(x / R) / (Var(x) / R) = 1 / R.
    assert values["qi"] == pytest.approx([1, 1 / 3])
    assert values["qi_corrected"] == pytest.approx([1, 0], abs=1e-12)


def test_quality_equals_the_formula_on_random_trains():
    from scipy.ndimage import gaussian_filter1d

    rng = np.random.default_rng(3)
    unit = np.sort(rng.uniform(20, 50, 400))
    binned = np.array([
        np.histogram(unit, start + 0.01 * np.arange(1001))[0] for start in STARTS
    ])  # fmt: skip
    rates = gaussian_filter1d(binned / 0.01, 5.0, axis=1, mode="reflect")
    expected = rates.mean(axis=0).var() / rates.var(axis=1).mean()
    assert run(trains(unit)).values["qi"] == pytest.approx([expected])


def test_one_trial_has_responses_and_no_quality():
    result = run(trains(ON_CELL[:9], []), steps(STARTS[:1]))
    assert result.values["class"].tolist() == ["on", "none"]
    assert result.reasons["qi"].tolist() == ["too_few_trials"] * 2
    assert result.reasons["qi_corrected"].tolist() == ["too_few_trials"] * 2


def test_a_recording_without_units_is_an_empty_table():
    result = run(SpikeTrains(np.empty(0), np.empty(0, dtype=np.int64)))
    assert result.values["class"].shape == (0,)
    assert result.values["psth_hz"].shape == (0, 1000)


def test_several_steps_need_a_choice():
    both = joined(steps(STARTS, movie="a"), steps(STARTS + 100, movie="b"))
    unit = trains(np.r_[ON_CELL, OFF_CELL + 100])
    with pytest.raises(ParameterError, match="a, b"):
        run(unit, both)
    assert run(unit, both, stimulus="a").values["class"].tolist() == ["on"]
    assert run(unit, both, stimulus="b").values["class"].tolist() == ["off"]
    with pytest.raises(UnknownNameError, match=r"'c' was not played.*: a, b"):
        run(unit, both, stimulus="c")


def test_trials_of_other_kinds_do_not_count():
    trials = steps(STARTS, kind="chirp")
    for chosen in (None, "step"):
        found = run(trains(ON_CELL), trials, stimulus=chosen)
        assert found.reasons["p_on"].tolist() == ["stimulus_not_played"]
        assert np.isnan(found.values["r_on_hz"]).all()


def test_edges_too_near_for_the_windows_are_an_error_that_says_what_to_set():
    short = steps(STARTS, off=ON + 1.0)
    with pytest.raises(ParameterError, match=r"1\.000 s apart.*baseline_s: 0\.5"):
        run(trains(ON_CELL), short)
    assert run(trains(ON_CELL), short, baseline_s=0.5).values["class"].tolist() == ["on"]


def test_steps_without_events_are_an_error_that_says_where_to_give_them():
    trials = steps(STARTS)
    cut = dataclasses.replace(
        trials,
        event_trial=trials.event_trial[:-1],
        event_name=trials.event_name[:-1],
        event_time_s=trials.event_time_s[:-1],
    )
    with pytest.raises(StimulusError, match=r"'light_off'.*step\.yaml"):
        run(trains(ON_CELL), cut)
    with pytest.raises(StimulusError, match="not after"):
        run(trains(ON_CELL), steps(STARTS, on=OFF, off=ON))


@pytest.mark.parametrize(
    "wrong",
    [
        {"windows_s": 1},
        {"psth_bin_s": 1e-5},
        {"qi_sigma_s": 11},
        *({name: np.inf} for name in ("window_s", "baseline_s", "psth_bin_s", "qi_sigma_s")),
        *({name: np.nan} for name in ("window_s", "baseline_s", "alpha", "class_cut")),
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        OnOffParams(**wrong)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.integers(-10, 1000))
def test_it_follows_shifts_and_the_order_of_units(seed, shift):
    rng = np.random.default_rng(seed)
    # Times in 1/1024 s are exact under the shift; bins of 1/128 s keep every edge exact, too.
    units = [rng.integers(0, 60 * 1024, rng.integers(0, 400)) / 1024 for _ in range(5)]
    units[0] = np.r_[units[0], np.round(ON_CELL * 1024) / 1024]
    bins = {"psth_bin_s": 1 / 128}
    result = run(trains(*units), **bins)
    moved = run(trains(*[u + shift for u in units[::-1]]), steps(STARTS + shift), **bins)
    assert equal_results(result, moved, ON_OFF.outputs, slice(None, None, -1)) == []


def test_bins_that_no_response_window_holds_are_refused():
    with pytest.raises(ParameterError, match=r"psth_bin_s 0.6 is longer than window_s 0.5"):
        run(trains(ON_CELL), psth_bin_s=0.6)


def test_a_peak_lies_in_the_response_window_also_where_bins_do_not_fill_it():
    # 0.5 s hold one bin of 0.3 s; the second one would reach to 0.6 s.
    late = in_trials(*(ON + 0.5 + BURST / 2), *(ON + BURST))
    values = run(trains(late), psth_bin_s=0.3).values
    assert values["peak_rate_on_hz"] == pytest.approx([8 / 0.3])
    assert values["latency_to_peak_on_ms"] == pytest.approx([150])


def test_equal_counts_in_all_bins_have_no_quality_and_are_not_too_few():
    clock = STARTS[0] + 0.005 + 0.01 * np.arange(3 * 1000)
    result = run(trains(clock, []))
    assert result.reasons["qi"].tolist() == ["no_variation", "too_few_spikes"]
    assert result.reasons["qi_corrected"].tolist() == ["no_variation", "too_few_spikes"]
