"""Green and blue light: hand-made trains, known truth, invariances."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hand_trials import equal_results, in_trials, joined, trains, trials
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.errors import MissingDataError, ParameterError, StimulusError
from hdmea.features.declaration import check
from hdmea.features.green_blue import GREEN_BLUE, GreenBlueParams, green_blue
from hdmea.features.inputs import FeatureInputs
from hdmea.features.on_off import OnOffParams, on_off

EVENTS = {"green_on": 1.0, "green_off": 4.0, "blue_on": 7.0, "blue_off": 10.0}
LENGTH = 12.0
STARTS = 20.0 + LENGTH * np.arange(3)
SHOWN = trials(STARTS, LENGTH, EVENTS, kind="green_blue")


def run(spikes, shown=SHOWN, **params):
    result = green_blue(FeatureInputs(spikes, trials=shown), GreenBlueParams(**params))
    check(GREEN_BLUE, result, spikes.n_units)
    return result


def after(event, n):
    """`n` spikes a trial, 0.1 s after an event."""
    return in_trials(STARTS, *(EVENTS[event] + 0.1 + 0.001 * np.arange(n)))


def test_chromatic_indices_by_hand():
    green = after("green_on", 6)
    more_green = np.r_[after("green_on", 6), after("blue_on", 2), after("blue_off", 4)]
    both_off = np.r_[after("green_off", 5), after("blue_off", 5)]
    found = run(trains(green, more_green, both_off))
    values = found.values
    assert values["r_green_on_hz"] == pytest.approx([12, 12, 0])
    assert values["r_blue_on_hz"] == pytest.approx([0, 4, 0])
    assert values["chromatic_index_on"] == pytest.approx([1, 0.5, np.nan], nan_ok=True)
    assert values["chromatic_index_off"] == pytest.approx([np.nan, -1, 0], nan_ok=True)
    assert found.reasons["chromatic_index_on"].tolist() == ["", "", "no_response"]
    assert found.reasons["chromatic_index_off"].tolist() == ["no_response", "", ""]
    assert values["n_spikes_blue_off"].tolist() == [0, 12, 15]
    assert values["n_trials"].tolist() == [3, 3, 3]
    assert values["psth_hz"].shape == (3, 1200)
    assert values["qi"] == pytest.approx([1, 1, 1])


def test_a_colour_that_lowers_the_rate_counts_as_no_response_to_it():
    # 10 spikes in the second before blue light, none after it; green light adds 6.
    unit = np.r_[after("green_on", 6), in_trials(STARTS, *(6.05 + 0.09 * np.arange(10)))]
    found = run(trains(unit)).values
    assert found["r_blue_on_hz"] == pytest.approx([-10])
    assert found["p_blue_on"][0] < 0.01
    assert found["chromatic_index_on"] == pytest.approx([1])


def test_every_edge_is_that_of_the_light_step():
    rng = np.random.default_rng(4)
    spikes = trains(*(rng.uniform(15, 60, n) for n in (0, 40, 900)), after("blue_off", 9))
    ours = run(spikes)
    for colour in ("green", "blue"):
        light = {f"light_{edge}": EVENTS[f"{colour}_{edge}"] for edge in ("on", "off")}
        step = trials(STARTS, LENGTH, light, kind="step")
        theirs = on_off(FeatureInputs(spikes, trials=step), OnOffParams())
        for edge in ("on", "off"):
            name = f"{colour}_{edge}"
            for ours_name, theirs_name in (
                (f"r_{name}_hz", f"r_{edge}_hz"),
                (f"n_spikes_{name}_baseline", f"n_spikes_{edge}_baseline"),
                (f"latency_to_peak_{name}_ms", f"latency_to_peak_{edge}_ms"),
                (f"transience_{name}", f"transience_{edge}"),
                (f"sustained_rate_{name}_hz", f"sustained_rate_{edge}_hz"),
            ):
                np.testing.assert_array_equal(ours.values[ours_name], theirs.values[theirs_name])
        np.testing.assert_array_equal(ours.values["qi"], theirs.values["qi"])


def test_p_of_an_edge_is_that_of_the_light_step_where_neither_knows_how_much_changes_vary():
    rng = np.random.default_rng(4)
    spikes = trains(*(rng.uniform(15, 60, n) for n in (0, 40, 900)), after("blue_off", 9))
    ours = run(spikes, trials(STARTS[:1], LENGTH, EVENTS, kind="green_blue"))
    light = {"light_on": EVENTS["green_on"], "light_off": EVENTS["green_off"]}
    step = trials(STARTS[:1], LENGTH, light, kind="step")
    theirs = on_off(FeatureInputs(spikes, trials=step), OnOffParams())
    for edge in ("on", "off"):
        assert ours.reasons[f"dispersion_green_{edge}"].tolist() == ["too_few_trials"] * 4
        p = theirs.values[f"p_{edge}"]
        np.testing.assert_array_equal(ours.values[f"p_green_{edge}"], p)


def test_a_response_to_one_colour_is_not_dispersion_of_the_others():
    # Blue light on: 30, 0 and 0 spikes; 5 regular spikes a trial after green light on.
    unit = np.r_[after("green_on", 5), STARTS[0] + EVENTS["blue_on"] + 0.1 + 0.01 * np.arange(30)]
    values = run(trains(unit)).values
    assert values["dispersion_green_on"] == pytest.approx([0])
    assert values["dispersion_blue_on"][0] > 20
    assert values["p_green_on"] == pytest.approx([2 / 3**15])
    assert values["p_blue_on"][0] > 0.1


def test_known_rates_are_found():
    # Poisson: 5 Hz, and for 0.5 s after green on 45, after blue on 15, after blue off 25 Hz.
    rng = np.random.default_rng(1)
    starts = 10.0 + LENGTH * np.arange(200)
    rate = {"green_on": 40.0, "blue_on": 10.0, "blue_off": 20.0}
    added = [
        rng.uniform(start + EVENTS[name], start + EVENTS[name] + 0.5, rng.poisson(hz * 0.5))
        for start in starts
        for name, hz in rate.items()
    ]
    unit = np.concatenate([rng.uniform(0, 2420, 5 * 2420), *added])
    values = run(trains(unit), trials(starts, LENGTH, EVENTS, kind="green_blue")).values
    # Counting errors: 200 trials of 0.5 s hold 4500 spikes at 45 Hz, SD of the rate 0.7 Hz.
    for name in EVENTS:
        assert values[f"r_{name}_hz"] == pytest.approx([rate.get(name, 0.0)], abs=3)
    assert values["chromatic_index_on"] == pytest.approx([0.6], abs=0.06)
    assert values["chromatic_index_off"] == pytest.approx([-1.0], abs=0.15)


def test_cells_that_do_not_respond_have_no_index():
    rng = np.random.default_rng(2)
    noise = [rng.uniform(15, 60, rng.poisson(300)) for _ in range(400)]
    values = run(trains([], after("green_on", 1), *noise)).values
    # Two tests of 0.01, of which half are increases: 1 % of noise has an index by chance.
    for edge in ("on", "off"):
        index = values[f"chromatic_index_{edge}"]
        assert np.isnan(index[:2]).all()
        assert np.isfinite(index).mean() < 0.03


def test_blue_light_may_come_first():
    swapped = dict(
        zip(["blue_on", "blue_off", "green_on", "green_off"], EVENTS.values(), strict=True)
    )
    shown = trials(STARTS, LENGTH, swapped, kind="green_blue")
    values = run(trains(after("green_on", 6)), shown).values
    assert values["chromatic_index_on"] == pytest.approx([-1])


@pytest.mark.parametrize(
    ("events", "error", "message"),
    [
        ({**EVENTS, "blue_on": 3.0}, StimulusError, "blue_on is not after green_off"),
        ({**EVENTS, "green_off": 0.5}, StimulusError, "green_off is not after green_on"),
        ({**EVENTS, "blue_on": 5.0}, ParameterError, r"1\.000 s apart.*baseline_s: 0\.5"),
        ({"green_on": 1.0, "green_off": 4.0}, StimulusError, r"'blue_on'.*green_blue\.yaml"),
    ],
)
def test_events_that_cannot_be_measured_are_errors(events, error, message):
    with pytest.raises(error, match=message):
        run(trains([]), trials(STARTS, LENGTH, events, kind="green_blue"))


def test_a_bin_longer_than_the_window_and_missing_trials_are_errors():
    with pytest.raises(ParameterError, match=r"green_blue: psth_bin_s 0\.6 is longer"):
        run(trains([]), psth_bin_s=0.6)
    with pytest.raises(MissingDataError, match="green_blue needs trials"):
        green_blue(FeatureInputs(trains([])), GreenBlueParams())


def test_what_was_not_shown_is_not_applicable_and_of_two_movies_one_is_chosen():
    found = run(trains(after("green_on", 6)), dataclasses.replace(SHOWN, kind=np.full(3, "step")))
    assert found.reasons["chromatic_index_on"].tolist() == ["stimulus_not_played"]
    assert found.values["n_spikes_green_on"].tolist() == [0]

    late = trials(STARTS + 100, LENGTH, EVENTS, kind="green_blue", movie="late")
    both = joined(SHOWN, late)
    unit = trains(np.r_[after("green_on", 6), after("blue_on", 6) + 100])
    with pytest.raises(ParameterError, match="green_blue, late"):
        run(unit, both)
    chosen = [run(unit, both, stimulus=movie) for movie in ("green_blue", "late")]
    assert [one.values["chromatic_index_on"].item() for one in chosen] == [1, -1]


def test_no_units_and_one_trial():
    nobody = run(trains())
    assert nobody.values["chromatic_index_on"].shape == (0,)
    once = run(
        trains(after("green_on", 6), []), trials(STARTS[:1], LENGTH, EVENTS, kind="green_blue")
    )
    assert once.values["chromatic_index_on"][0] == 1
    assert once.reasons["qi"].tolist() == ["too_few_trials"] * 2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.integers(-10, 1000))
def test_it_follows_shifts_order_and_batches_of_units(seed, shift):
    rng = np.random.default_rng(seed)
    # Times in 1/1024 s are exact under the shift; bins of 1/128 s keep every edge exact, too.
    units = [rng.integers(0, 60 * 1024, rng.integers(0, 400)) / 1024 for _ in range(5)]
    units[0] = np.r_[units[0], np.round(after("blue_on", 8) * 1024) / 1024]
    bins = {"psth_bin_s": 1 / 128}
    result = run(trains(*units), **bins)
    shown = trials(STARTS + shift, LENGTH, EVENTS, kind="green_blue")
    moved = run(trains(*[unit + shift for unit in units[::-1]]), shown, **bins)
    assert equal_results(result, moved, GREEN_BLUE.outputs, slice(None, None, -1)) == []
    columns = [output for output in GREEN_BLUE.outputs if output.dims[0] == "unit"]
    for k, unit in enumerate(units):
        alone = run(trains(unit), **bins)
        assert equal_results(alone, result, columns, slice(k, k + 1)) == []
