"""The reference lab's measures of a light step: by hand, step by step, invariances."""

from __future__ import annotations

import numpy as np
import pytest
from hand_trials import equal_results, in_trials, trains, trials
from scipy.signal import bessel, filtfilt, peak_prominences

from hdmea.features.declaration import check
from hdmea.features.inputs import FeatureInputs
from hdmea.features.on_off import ON_OFF, OnOffParams, on_off
from hdmea.features.on_off_ref import REFERENCE_OUTPUTS

# Their step: 600 bins of 1/60 s, light on at 60, off at 360.
ON, OFF, N_BINS = 60, 360, 600
STARTS = 20.0 + 10.0 * np.arange(3)


def steps(starts=STARTS, *, on=ON, off=OFF, n_bins=N_BINS):
    events = {"light_on": on / 60, "light_off": off / 60}
    return trials(starts, n_bins / 60, events, kind="step")


def run(spikes, shown=None, **params):
    result = on_off(
        FeatureInputs(spikes, trials=steps() if shown is None else shown), OnOffParams(**params)
    )
    check(ON_OFF, result, spikes.n_units)
    return result


def binned(counts, starts=STARTS):
    """Spikes in the middle of bins from the trial's start, `counts[bin]` in every trial."""
    return in_trials(starts, *((np.repeat(np.arange(len(counts)), counts) + 0.5) / 60))


def constant(n, **bursts):
    """`n` spikes in every bin, and in those from an edge on what is given."""
    counts = np.full(N_BINS, n)
    for window, level in bursts.items():
        edge, first, last = window.split("_")
        begin = {"on": ON, "off": OFF}[edge]
        counts[begin + int(first) : begin + int(last)] = level
    return counts


def test_extremes_and_sustained_rates_by_hand():
    # 1 spike in every bin (60 Hz); a burst around bin 20 after light on, a pause around bin 15
    # after light off, and 3 spikes a bin (180 Hz) from 2 s after light on to 1 s before light off.
    # The filter, run both ways, moves nothing and keeps constant rates.
    counts = constant(1, on_16_25=4, off_10_21=0, on_150_260=3)
    found = run(trains(binned(counts)))
    values = {name: values[0] for name, values in found.values.items() if name.endswith("_ref")}
    # What the burst leaves at light on reaches into the baseline by less than this.
    assert values["base_mean_hz_ref"] == pytest.approx(60, abs=0.01)
    assert values["base_std_hz_ref"] == pytest.approx(0, abs=0.05)
    assert values["on_peak_extreme_time_s_ref"] == pytest.approx(20 / 60)
    assert 150 < values["on_peak_extreme_hz_ref"] < 190  # of 180 without the filter
    assert values["off_peak_extreme_time_s_ref"] == pytest.approx(15 / 60)
    assert -63 < values["off_peak_extreme_hz_ref"] < -50  # of -60
    assert values["on_sustained_hz_ref"] == pytest.approx(120, abs=0.01)
    assert values["off_sustained_hz_ref"] == pytest.approx(0, abs=0.01)
    on, off = values["on_peak_extreme_hz_ref"], values["off_peak_extreme_hz_ref"]
    assert values["on_off_ratio_ref"] == pytest.approx(np.tanh(on / off))
    assert values["on_trans_sus_ratio_ref"] == pytest.approx(np.tanh(on / 120), rel=1e-3)


def test_they_are_what_the_steps_give_in_the_lab_s_order():
    """Every trial filtered, then averaged; extremes among the local ones, each by itself."""
    rng = np.random.default_rng(9)
    n_trials = 4
    starts = 20.0 + 10.0 * np.arange(n_trials)
    units = []
    for k in range(40):
        rate = np.full(N_BINS, rng.uniform(0.05, 0.6))
        rate[ON + 4 : ON + 20] += rng.uniform(0, 2) * (k % 2)
        rate[OFF + 4 : OFF + 20] += rng.uniform(0, 2) * (k % 3 == 0)
        units.append(rng.poisson(rate, (n_trials, N_BINS)))
    spikes = trains(*(np.concatenate(list(map(binned, unit, starts[:, None]))) for unit in units))
    found = run(spikes, steps(starts)).values
    b, a = bessel(5, 10 / 30, "low")
    for k, unit in enumerate(units):
        trace = np.mean([filtfilt(b, a, counts * 60.0) for counts in unit], axis=0)
        mean, std = trace[:60].mean(), trace[:60].std()
        expected = {"base_mean_hz_ref": mean, "base_std_hz_ref": std}
        for edge, begin in (("on", ON), ("off", OFF)):
            height, time = extreme(trace[begin : begin + 60], mean, 2 * std)
            expected[f"{edge}_peak_extreme_hz_ref"] = height
            expected[f"{edge}_peak_extreme_time_s_ref"] = time
            expected[f"{edge}_sustained_hz_ref"] = trace[begin + 179 : begin + 239].mean() - mean
        for name, value in expected.items():
            assert found[name][k] == pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True), name


def extreme(window, centre, least):
    best = (np.nan, np.nan)
    for trace in (window, -window):
        inner = np.flatnonzero((trace[1:-1] > trace[:-2]) & (trace[1:-1] > trace[2:])) + 1
        if not inner.size:
            continue
        prominence = peak_prominences(trace, inner)[0]
        peak = inner[prominence.argmax()]
        height = window[peak] - centre
        if prominence.max() >= least and not abs(height) <= abs(best[0]):
            best = (height, peak / 60)
    return best


def test_a_bump_smaller_than_the_baseline_s_fluctuations_is_no_extreme():
    rough = constant(2, on_28_33=3)
    rough[:ON] = np.repeat([0, 4, 0, 4, 0, 4], 10)
    smooth = constant(2, on_28_33=3)
    found = run(trains(binned(rough), binned(smooth)))
    assert 2 * found.values["base_std_hz_ref"][0] > 60 * 3 > found.values["on_sustained_hz_ref"][0]
    assert found.reasons["on_peak_extreme_hz_ref"].tolist() == ["no_peak", ""]
    assert found.values["on_peak_extreme_time_s_ref"][1] == 30 / 60


def test_ratios_where_a_part_is_zero():
    # Sustained: 2 spikes a bin against none, none against 2, none at all, as before light on.
    late = {"on": "on_100_300", "off": "off_100_240"}
    units = [{late["on"]: 2}, {late["off"]: 2}, {}, {late["on"]: 2, late["off"]: 2}]
    found = run(trains(*(binned(constant(0, **unit)) for unit in units)))
    ratio = found.values["on_off_sus_ratio_ref"]
    assert ratio[[0, 1, 3]] == pytest.approx([1, 0, np.tanh(1)], abs=1e-6)
    assert found.reasons["on_off_sus_ratio_ref"].tolist() == ["", "", "no_response", ""]
    # Below the baseline: -60 against 0 is -1.
    falls = run(trains(binned(constant(1, on_100_300=0))))
    assert falls.values["off_sustained_hz_ref"] == pytest.approx([0], abs=1e-6)
    assert falls.values["on_off_sus_ratio_ref"] == pytest.approx([-1])


def test_without_a_peak_there_is_no_extreme_and_says_so():
    found = run(trains([], binned(constant(2))))
    for edge in ("on", "off"):
        for name in (f"{edge}_peak_extreme_hz_ref", f"{edge}_peak_extreme_time_s_ref"):
            assert found.reasons[name].tolist() == ["no_peak"] * 2
        assert found.values[f"{edge}_sustained_hz_ref"].tolist() == [0, 0]
    assert found.values["base_mean_hz_ref"] == pytest.approx([0, 120])
    assert found.reasons["on_off_ratio_ref"].tolist() == ["no_peak"] * 2
    assert found.reasons["on_off_sus_ratio_ref"].tolist() == ["no_response"] * 2


@pytest.mark.parametrize(
    ("geometry", "too_short"),
    [
        ({"on": 59}, [output.name for output in REFERENCE_OUTPUTS]),
        ({"off": ON + 238}, ["on_sustained", "on_trans_sus", "on_off_sus"]),
        ({"n_bins": OFF + 238}, ["off_sustained", "off_trans_sus", "on_off_sus"]),
        ({"n_bins": OFF + 59}, ["off_", "on_off_ratio", "on_off_sus"]),
        ({"off": ON + 239, "n_bins": ON + 2 * 239}, []),
    ],
)
def test_what_the_step_is_too_short_for_is_undefined(geometry, too_short):
    shown = steps(STARTS[:1], **geometry)
    rng = np.random.default_rng(1)
    spikes = trains(rng.uniform(20, 30, 2000))
    found = run(spikes, shown, baseline_s=0.5)
    cut = [
        output.name
        for output in REFERENCE_OUTPUTS
        if output.name in found.reasons and found.reasons[output.name][0] == "step_too_short"
    ]
    expected = [
        output.name for output in REFERENCE_OUTPUTS if output.name.startswith(tuple(too_short))
    ]
    assert cut == expected
    assert found.values["class"].tolist() != [""]  # ours do not need their windows


def test_a_clock_that_is_a_little_fast_or_slow_changes_no_bin():
    counts = constant(1, on_16_25=4, off_10_21=0)
    names = ("on_peak_extreme_time_s_ref", "off_peak_extreme_time_s_ref")
    for speed in (0.9995, 1.0005):
        starts = 20.0 + 10.0 * speed * np.arange(3)
        unit = in_trials(starts, *((np.repeat(np.arange(N_BINS), counts) + 0.5) / 60 * speed))
        shown = steps(starts, on=ON * speed, off=OFF * speed, n_bins=N_BINS * speed)
        values = run(trains(unit), shown).values
        assert [values[name][0] for name in names] == pytest.approx([20 / 60, 15 / 60])
        assert np.isfinite(values["off_sustained_hz_ref"]).all()


def test_units_do_not_depend_on_their_company():
    rng = np.random.default_rng(3)
    units = [rng.integers(20 * 1024, 50 * 1024, rng.integers(0, 900)) / 1024 for _ in range(70)]
    whole = run(trains(*units))
    assert whole.values["on_off_ratio_ref"].shape == (70,)
    for k in (0, 63, 64, 69):
        alone = run(trains(units[k]))
        assert equal_results(alone, whole, REFERENCE_OUTPUTS, slice(k, k + 1)) == []
    turned = run(trains(*units[::-1]))
    assert equal_results(whole, turned, REFERENCE_OUTPUTS, slice(None, None, -1)) == []
    assert run(trains()).values["on_off_ratio_ref"].shape == (0,)
