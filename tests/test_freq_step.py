"""Sines of fixed frequencies: exact spikes, known rates, chance, invariances."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from temporal_trials import regular, trains, trials_with

from hdmea.errors import MissingDataError, ParameterError, StimulusError, UnknownNameError
from hdmea.features.declaration import FeatureResult, check
from hdmea.features.freq_step import FREQ_STEP, FreqStepParams, freq_step
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.kernels.harmonics import (
    components,
    cycle_sums,
    falls_to,
    variance_explained,
)
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]

FREQUENCIES = (0.5, 1.0, 2.0, 4.0, 10.0)
BEFORE, LENGTH, BREAK = 0.5, 4.0, 1.0
TRIAL = 25.0
STARTS = 10.0 + TRIAL * np.arange(3)


def sines(
    starts: npt.ArrayLike = STARTS,
    frequencies: tuple[float, ...] = FREQUENCIES,
    *,
    length: float = LENGTH,
    movie: str = "sines",
    kind: str = "freq_step",
) -> Trials:
    events: list[tuple[str, float]] = []
    for k, hz in enumerate(frequencies):
        start = BEFORE + k * (length + BREAK)
        events += [(f"segment_start:{hz:g}hz", start), ("segment_stop", start + length)]
    total = len(frequencies) * (length + BREAK)
    return trials_with(events, starts, total, movie=movie, kind=kind)


def run(spikes: SpikeTrains, trials: Trials | None = None, **params: Any) -> FeatureResult:
    inputs = FeatureInputs(spikes, trials=sines() if trials is None else trials)
    result = freq_step(inputs, FreqStepParams(**params))
    check(FREQ_STEP, result, spikes.n_units)
    return result


def in_segment(k: int, times: npt.ArrayLike, starts: Float64 = STARTS) -> Float64:
    """The same times, from the start of a segment, in every trial."""
    return (starts[:, None] + BEFORE + k * (LENGTH + BREAK) + np.asarray(times)).ravel()


def poisson(rate_hz: Any, highest_hz: float, rng: np.random.Generator) -> Float64:
    """Poisson spikes of a rate that depends on time in the trial, over all trials."""
    end = STARTS[-1] + TRIAL + 10
    times = np.sort(rng.uniform(0, end, rng.poisson(highest_hz * end)))
    inside = (times >= STARTS[0]) & (times < STARTS[-1] + TRIAL)
    rate = np.where(inside, rate_hz((times - STARTS[0]) % TRIAL), 0.0)
    return times[rng.uniform(0, highest_hz, times.size) < rate]


# -- by hand ---------------------------------------------------------------------------------------


def test_spikes_at_the_peak_of_every_cycle_have_phase_0_and_twice_the_rate() -> None:
    # At 2 Hz a spike at each peak of the sine, 0.125 s into each cycle: 2 spikes/s; F1 = 2 F0,
    # and the second harmonic of a comb is as large.
    values = run(trains(in_segment(2, 0.125 + 0.5 * np.arange(8)))).values
    assert values["f0_hz"][0] == pytest.approx([0, 0, 2, 0, 0], abs=1e-12)
    assert values["f1_hz"][0] == pytest.approx([0, 0, 4, 0, 0], abs=1e-12)
    assert values["f2_hz"][0] == pytest.approx([0, 0, 4, 0, 0], abs=1e-12)
    assert values["phase_deg"][0, 2] == pytest.approx(0, abs=1e-9)
    assert values["f1_over_f0"][0, 2] == pytest.approx(2)
    assert values["n_cycles"].tolist() == [1, 3, 7, 15, 39]
    assert values["n_spikes"].tolist() == [[0, 0, 3 * 7, 0, 0]]


@pytest.mark.parametrize(
    ("late_s", "phase_deg"), [(0.05, -36), (-0.05, 36), (0.25, 180), (0.125, -90)]
)
def test_a_late_response_has_a_negative_phase(late_s: float, phase_deg: float) -> None:
    at = late_s + 0.125 + 0.5 * np.arange(8)
    found = run(trains(in_segment(2, at))).values["phase_deg"][0, 2]
    assert np.cos(np.radians(found - phase_deg)) == pytest.approx(1)
    assert -180 <= found <= 180


def test_two_spikes_a_quarter_apart_in_each_cycle() -> None:
    # exp(-i 90 deg) + exp(-i 180 deg) has the length sqrt 2, between the two; doubled: opposite.
    at = np.r_[0.125 + 0.5 * np.arange(8), 0.25 + 0.5 * np.arange(8)]
    values = run(trains(in_segment(2, at))).values
    assert values["f0_hz"][0, 2] == pytest.approx(4)
    assert values["f1_hz"][0, 2] == pytest.approx(4 * np.sqrt(2))
    assert values["f2_hz"][0, 2] == pytest.approx(0, abs=1e-12)
    assert values["phase_deg"][0, 2] == pytest.approx(-45)


@pytest.mark.parametrize("k", range(5))
def test_a_rate_that_is_known_exactly_is_found_exactly(k: int) -> None:
    hz = FREQUENCIES[k]
    mean, first, second, phase = 40.0, 30.0, 8.0, 0.7

    def integral(t: Float64) -> Float64:
        x = 2 * np.pi * hz * t
        waves = first * (np.cos(phase) - np.cos(x + phase)) + second / 2 * np.sin(2 * x)
        return mean * t + waves / (2 * np.pi * hz)

    # Spikes at equal steps of the rate's integral: sums over them are its integrals, since the
    # midpoint rule is exact for waves.
    n = 20_000
    scale = n / integral(np.array(LENGTH))
    spikes = in_segment(k, regular(lambda t: scale * integral(t), n, LENGTH), STARTS[:1])
    values = run(trains(spikes), sines(STARTS[:1]), skip_cycles=0).values
    assert values["f0_hz"][0, k] / scale == pytest.approx(mean, rel=1e-9)
    assert values["f1_hz"][0, k] / scale == pytest.approx(first, rel=1e-9)
    assert values["f2_hz"][0, k] / scale == pytest.approx(second, rel=1e-9)
    assert values["phase_deg"][0, k] == pytest.approx(np.degrees(phase), abs=1e-7)


def test_an_answer_to_both_halves_of_a_cycle_is_a_response_without_a_first_harmonic() -> None:
    # At 2 Hz a spike at each peak and one at each trough: F1 cancels, F2 is twice the rate of 4.
    both = in_segment(2, 0.125 + 0.25 * np.arange(16))
    result = run(trains(both, in_segment(2, 0.125 + 0.5 * np.arange(8)), []))
    values, reasons = result.values, result.reasons
    assert values["f1_hz"][0, 2] == pytest.approx(0, abs=1e-12)
    assert values["f2_hz"][0, 2] == pytest.approx(8)
    assert values["p_f1"][0].tolist() == pytest.approx([1.0] * 5)
    # 42 spikes that agree: exp(sqrt(1 + 4 * 42) - (1 + 2 * 42)); either harmonic, 5 frequencies
    p = np.exp(13 - 85)
    assert values["p_f2"][0, 2] == pytest.approx(p)
    assert values["p_best"][0] == pytest.approx(2 * 5 * p)
    assert values["preferred_frequency_f2_hz"].tolist()[:2] == [2, 2]
    for name in ("preferred_frequency_hz", "bandwidth_octaves", "phase_deg", "f1_over_f0"):
        assert np.isnan(values[name][0]).all()
        assert reasons[name][0] == "second_harmonic_only"
        assert reasons[name][2] == "no_response"
    # A comb has both, and its phase is told where it responds.
    assert values["preferred_frequency_hz"][1] == 2
    assert reasons["phase_deg"][1] == "no_response"
    assert reasons["preferred_frequency_f2_hz"].tolist() == ["", "", "no_response"]


def test_whole_cycles_are_skipped_and_at_least_one_is_kept() -> None:
    first, later = 0.1 + np.zeros(1), 0.6 + 0.5 * np.arange(7)
    unit = trains(in_segment(2, np.r_[first, later]))
    for skip, kept in ((0, 8), (1, 7), (5, 3), (7, 1), (99, 1)):
        values = run(unit, skip_cycles=skip).values
        assert values["n_cycles"][2] == kept
        assert values["n_spikes"][0, 2] == 3 * kept
        assert values["f0_hz"][0, 2] == pytest.approx(2)


def test_what_lies_outside_the_whole_cycles_does_not_count() -> None:
    # 1.7 s of 2 Hz: three cycles and a rest, of which one is skipped.
    trials = sines(frequencies=(2.0,), length=1.7)
    inside = STARTS[:, None] + BEFORE + np.array([0.5, 1.0, 1.499])
    outside = STARTS[:, None] + BEFORE + np.array([-0.001, 0.499, 1.501, 1.6, 1.71])
    values = run(trains(inside.ravel(), outside.ravel()), trials).values
    assert values["n_spikes"].tolist() == [[9], [0]]
    assert values["n_cycles"].tolist() == [2]


def test_r2_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(2)
    bins = rng.poisson(3 + 2 * np.sin(2 * np.pi * np.arange(48) / 16), (4, 48)).reshape(4, 3, 16)
    x = 2 * np.pi * np.arange(48) / 16
    design = np.stack([np.ones(48), np.sin(x), np.cos(x), np.sin(2 * x), np.cos(2 * x)], axis=1)
    for unit, one in zip(bins.reshape(4, 48), variance_explained(bins), strict=True):
        _, residual, *_ = np.linalg.lstsq(design, unit, rcond=None)
        assert one == pytest.approx(1 - residual[0] / ((unit - unit.mean()) ** 2).sum())


def test_sums_over_spikes_are_least_squares_of_short_bins() -> None:
    rng = np.random.default_rng(7)
    unit = in_segment(2, rng.uniform(0, LENGTH, 80), STARTS[:1])
    sums = cycle_sums(
        trains(unit), STARTS[:1], STARTS[:1] + 20, lambda _, t: ((t - 20.5) * 2, t * 0 + 2), 1, 7
    )
    mean, first, second = components(sums)
    edges = 20.5 + 0.5 + np.arange(3501) * 1e-3
    x = 4 * np.pi * (edges[:-1] + 0.5e-3 - 20.5)
    design = np.stack([np.ones(3500), np.sin(x), np.cos(x), np.sin(2 * x), np.cos(2 * x)], axis=1)
    fit, *_ = np.linalg.lstsq(design, np.histogram(unit, edges)[0] / 1e-3, rcond=None)
    assert mean[0] == pytest.approx(fit[0], rel=1e-9)
    # A spike lies up to half a bin from its middle.
    assert abs(first[0] - (fit[1] + 1j * fit[2])) < 4 * np.pi * 0.5e-3 * 2 * mean[0]
    # of the phase since the brightest moment: cos 2x has the other sign
    assert abs(second[0] - (-fit[4] + 1j * fit[3])) < 8 * np.pi * 0.5e-3 * 2 * mean[0]


@pytest.mark.parametrize(
    ("f1", "preferred", "low", "high"),
    [
        # 1 / sqrt 2 of 16 is 11.31: between 8 and 16 at (11.31 - 8) / 8 of an octave
        (
            (4, 8, 16, 8, 4),
            2,
            2 ** ((16 / np.sqrt(2) - 8) / 8),
            2 ** (2 - (16 / np.sqrt(2) - 8) / 8),
        ),
        ((16, 8, 4, 2, 1), 0.5, np.nan, 0.5 * 2 ** (1 - (16 / np.sqrt(2) - 8) / 8)),
        ((14, 15, 16, 15, 15), 2, np.nan, np.nan),
    ],
)
def test_preferred_frequency_and_half_power_by_hand(
    f1: tuple[int, ...], preferred: float, low: float, high: float
) -> None:
    # n spikes at the peak of every cycle: F1 = 2 n f. Divided by f they are as wanted.
    octaves = (0.5, 1.0, 2.0, 4.0, 8.0)
    trials = sines(frequencies=octaves)
    unit = []
    for k, hz in enumerate(octaves):
        for cycle in range(int(hz * LENGTH)):
            n = round(f1[k] * 8 / hz)
            unit.append(in_segment(k, (cycle + 0.25) / hz + 1e-9 * np.arange(n)))
    result = run(trains(np.concatenate(unit)), trials)
    values = {name: result.values[name][0] for name in (
        "preferred_frequency_hz", "half_power_low_hz", "half_power_high_hz", "bandwidth_octaves"
    )}  # fmt: skip
    assert result.values["f1_hz"][0] == pytest.approx(16 * np.array(f1))
    expected = [preferred, low, high, np.log2(high / low)]
    # All agree with one course, but for the prior on how the mean changes.
    assert list(values.values()) == pytest.approx(expected, rel=1e-3, nan_ok=True)
    for name, value in values.items():
        assert result.reasons[name][0] == ("not_reached" if np.isnan(value) else "")


def test_a_curve_that_is_flat_at_its_peak_falls_later() -> None:
    x, y = np.arange(5.0), np.array([4.0, 8.0, 8.0, 2.0, 8.0])
    assert falls_to(5.0, x, y, 1, upwards=True) == pytest.approx(2.5)
    assert falls_to(5.0, x, y, 1, upwards=False) == pytest.approx(0.25)


def test_one_frequency_has_no_preference_and_equal_ones_are_averaged() -> None:
    locked = in_segment(0, 0.125 + 0.5 * np.arange(8))
    one = run(trains(locked), sines(frequencies=(2.0,)))
    assert one.reasons["preferred_frequency_hz"].tolist() == ["too_few_frequencies"]
    assert one.values["p_best"][0] < 1e-6
    assert one.values["gain_hz"] == pytest.approx(one.values["f1_hz"])
    assert one.values["common_course_weight"].tolist() == [0]
    # 2 Hz twice, with a response to the first only: 4 Hz, half as much each, is preferred.
    at_4 = in_segment(1, 0.0625 + 0.25 * np.arange(16))
    both = run(trains(np.r_[locked, at_4]), sines(frequencies=(2.0, 4.0, 2.0)))
    assert both.values["f1_hz"][0] == pytest.approx([4, 8, 0], abs=1e-9)
    assert both.values["preferred_frequency_hz"].tolist() == [4]
    assert both.values["half_power_low_hz"][0] == pytest.approx(
        2 ** (2 - (8 - 8 / np.sqrt(2)) / 6)  # from 8 at 4 Hz to 2, the mean of 4 and 0, at 2 Hz
    )


# -- known truth -----------------------------------------------------------------------------------


def test_known_rates_are_found_within_their_standard_error() -> None:
    rng = np.random.default_rng(4)
    phase = np.array([0.3, -0.5, -1.0, -2.0, 2.5])
    size = np.array([12.0, 14.0, 16.0, 12.0, 10.0])

    def rate(t: Float64) -> Float64:
        k = np.minimum((t // (LENGTH + BREAK)).astype(int), 4)
        since = t - BEFORE - k * (LENGTH + BREAK)
        return 20 + size[k] * np.sin(2 * np.pi * np.array(FREQUENCIES)[k] * since + phase[k])

    n = 150
    values = run(trains(*[poisson(rate, 40, rng) for _ in range(n)]), psth_bin_s=1.0).values
    seconds = 3 * values["n_cycles"] / FREQUENCIES
    # Of Poisson spikes: F0 has the variance F0 / T, both parts of F1 have 2 F0 / T.
    f1 = values["f1_hz"] * np.exp(1j * np.radians(values["phase_deg"]))
    seen = values["p_f1"] < 0.01
    assert seen.mean() > 0.98
    error = np.sqrt(20 / seconds)
    for k in range(5):
        z = (values["f0_hz"][:, k] - 20) / error[k]
        assert abs(z.mean()) < 4 / np.sqrt(n)
        assert 0.75 < z.std() < 1.25
    all_seen = seen.all(axis=0)
    assert all_seen[1:4].all()
    for k in np.flatnonzero(all_seen):
        along = f1[:, k] * np.exp(-1j * phase[k]) - size[k]
        for part in (along.real, along.imag):
            assert abs(part.mean()) < 4 * np.sqrt(2) * error[k] / np.sqrt(n)
            assert 0.75 < part.std() / (np.sqrt(2) * error[k]) < 1.25
    assert values["dispersion"].mean() == pytest.approx(1, abs=0.02)


def within(share: float, p: float, n: int) -> bool:
    """Whether a share of n false positives may have the probability p; at one in 1e5 it may not."""
    return bool(binom.ppf(1e-5, n, p) <= round(share * n) <= binom.ppf(1 - 1e-5, n, p))


@pytest.mark.parametrize("rate_hz", [1.0, 4.0, 30.0])
def test_p_of_poisson_spikes_is_right(rate_hz: float) -> None:
    rng = np.random.default_rng(5)
    n = 500
    values = run(
        trains(*[poisson(lambda t: t * 0 + rate_hz, rate_hz, rng) for _ in range(n)])
    ).values
    enough = values["n_spikes"].mean(axis=0) > 8
    for alpha in (0.05, 0.01):
        for name in ("p_f1", "p_f2"):
            shares = (values[name] < alpha).mean(axis=0)
            # More cannot be: a dispersion beyond 1 only makes p larger.
            assert all(round(share * n) <= binom.ppf(1 - 1e-5, n, alpha) for share in shares)
            assert all(within(share, 0.9 * alpha, n) for share in shares[enough])
    assert (values["p_best"] < 0.01).mean() < 0.01 + 4 * np.sqrt(0.01 / n)
    for name in ("preferred_frequency_hz", "preferred_frequency_f2_hz"):
        assert np.isnan(values[name]).mean() > 0.97


def test_noisy_cells_of_both_halves_of_a_cycle_respond() -> None:
    rng = np.random.default_rng(15)
    half = 5 + np.maximum(0, 25 * np.sin(np.linspace(0, 4 * np.pi, 4001)))

    def rate(t: Float64) -> Float64:
        k = np.minimum((t // (LENGTH + BREAK)).astype(int), 4)
        since = t - BEFORE - k * (LENGTH + BREAK)
        shown = (since >= 0) & (since < LENGTH) & (k < 4)
        twice = np.interp(np.array(FREQUENCIES)[k] * since % 1, np.linspace(0, 1, 4001), half)
        return np.where(shown, twice + (k == 1) * 20 * (twice - 5) / 25, 5)

    result = run(trains(*[poisson(rate, 60, rng) for _ in range(100)]), psth_bin_s=1.0)
    values = result.values
    assert (values["p_best"] < 0.01).all()
    assert (result.reasons["preferred_frequency_hz"] == "second_harmonic_only").mean() > 0.9
    assert (values["preferred_frequency_f2_hz"] == 1).mean() > 0.9  # where it is largest
    assert values["dispersion_f2"].mean() == pytest.approx(1, abs=0.03)


def test_bursts_and_dead_times_do_not_make_responses() -> None:
    rng = np.random.default_rng(6)
    n, end = 300, STARTS[-1] + TRIAL
    bursting, dead = [], []
    for _ in range(n):
        at = np.sort(rng.uniform(0, end, rng.poisson(4 * end)))
        bursting.append((at[:, None] + 0.003 * np.arange(4)).ravel())
        dead.append(np.cumsum(0.002 + rng.exponential(1 / 40 - 0.002, 40 * 90)))
    for units, dispersion in ((bursting, 3.9), (dead, 0.85)):
        values = run(trains(*units), psth_bin_s=1.0).values
        assert values["dispersion"].mean() == pytest.approx(dispersion, abs=0.15)
        assert values["dispersion_f2"].mean() == pytest.approx(dispersion, abs=0.2)
        assert (values["p_f1"] < 0.01).mean() < 0.025
        assert (values["p_f2"] < 0.01).mean() < 0.025
        assert (values["p_best"] < 0.01).mean() < 0.03


# -- what is not there -----------------------------------------------------------------------------


def test_silent_units_and_noise_have_reasons_and_counts() -> None:
    rng = np.random.default_rng(1)
    noise = poisson(lambda t: t * 0 + 5, 5, rng)
    result = run(trains([], noise, [30.0, 31.0]))
    values, reasons = result.values, result.reasons
    assert values["n_spikes"][0].tolist() == [0] * 5
    assert values["f0_hz"][0].tolist() == values["f1_hz"][0].tolist() == [0] * 5
    assert values["p_f1"][0].tolist() == [1] * 5
    assert values["p_best"].tolist()[0] == 1
    for name in ("phase_deg", "f1_over_f0", "preferred_frequency_hz", "bandwidth_octaves"):
        assert reasons[name].tolist() == ["no_response"] * 3
        assert np.isnan(values[name]).all()
    assert reasons["r2"].tolist() == ["no_variation", "", "no_variation"]
    assert reasons["dispersion"].tolist() == ["too_few_spikes", "", ""]
    assert reasons["qi"].tolist() == ["too_few_spikes", "", ""]


def test_few_spikes_are_no_response_however_well_they_are_locked() -> None:
    four = STARTS[0] + BEFORE + 2 * (LENGTH + BREAK) + 0.625 + 0.5 * np.arange(4)
    five = np.r_[four, STARTS[1] + BEFORE + 2 * (LENGTH + BREAK) + 0.625]
    values = run(trains(four, five), alpha=0.05).values
    assert np.isnan(values["phase_deg"][:, 2]).tolist() == [True, False]
    lowered = run(trains(four), alpha=0.05, min_spikes=4).values
    assert lowered["phase_deg"][0, 2] == pytest.approx(0, abs=1e-9)


def test_one_trial_and_no_units_work() -> None:
    rng = np.random.default_rng(3)
    trials = sines(STARTS[:1])
    result = run(trains(in_segment(2, 0.125 + 0.5 * np.arange(8), STARTS[:1]), []), trials)
    assert result.values["preferred_frequency_hz"][0] == 2
    assert result.reasons["qi"].tolist() == ["too_few_trials"] * 2
    empty = run(SpikeTrains(np.empty(0), np.empty(0, dtype=np.int64)))
    assert empty.values["f1_hz"].shape == (0, 5)
    assert empty.values["psth_hz"].shape == (0, 2500)
    # Nothing to compare a cycle with: the spikes are taken for Poisson.
    single = sines(STARTS[:1], (1.0,), length=1.0)
    found = run(trains(STARTS[0] + BEFORE + rng.uniform(0.2, 0.3, 9)), single)
    assert found.reasons["dispersion"].tolist() == ["too_few_spikes"]
    assert found.values["p_best"][0] < 0.001


def test_another_stimulus_or_none_is_no_failure() -> None:
    unit = trains(in_segment(2, [0.1, 0.2]))
    for trials in (sines(kind="chirp"), sines([])):
        result = run(unit, trials)
        assert result.reasons["p_best"].tolist() == ["stimulus_not_played"]
        assert result.values["f1_hz"].shape == (1, 0)
    with pytest.raises(MissingDataError, match="add_section_time"):
        freq_step(FeatureInputs(unit), FreqStepParams())


def both_movies() -> Trials:
    a, b = sines(movie="a"), sines(STARTS + 200, (1.0, 2.0), movie="b")
    b = dataclasses.replace(b, event_trial=b.event_trial + 3)
    return Trials(**{
        field.name: np.concatenate([getattr(a, field.name), getattr(b, field.name)])
        for field in dataclasses.fields(Trials)
    })  # fmt: skip


def test_two_movies_need_a_choice() -> None:
    unit = trains(in_segment(2, 0.125 + 0.5 * np.arange(8)))
    with pytest.raises(ParameterError, match="a, b; choose one"):
        run(unit, both_movies())
    assert run(unit, both_movies(), stimulus="a").values["n_spikes"].sum() == 21
    assert run(unit, both_movies(), stimulus="b").values["frequency_hz"].tolist() == [1, 2]
    with pytest.raises(UnknownNameError, match="'c' was not played"):
        run(unit, both_movies(), stimulus="c")


def test_presentations_are_trials_alike() -> None:
    rows = np.random.default_rng(0).permutation(30)
    trials = sines()
    shuffled = dataclasses.replace(
        trials,
        event_trial=trials.event_trial[rows],
        event_name=trials.event_name[rows],
        event_time_s=trials.event_time_s[rows],
    )
    unit = trains(in_segment(2, 0.125 + 0.5 * np.arange(8)))
    assert run(unit, shuffled).values["f1_hz"].tolist() == run(unit).values["f1_hz"].tolist()
    assert run(unit).values["n_trials"].tolist() == [3]


def test_events_that_make_no_segments_are_an_error_that_says_where_to_give_them() -> None:
    trials = sines()
    unit = trains([20.0])
    without = dataclasses.replace(
        trials,
        event_trial=trials.event_trial[:-1],
        event_name=trials.event_name[:-1],
        event_time_s=trials.event_time_s[:-1],
    )
    with pytest.raises(StimulusError, match=r"trial 2.*segment_stop for each.*sines\.yaml"):
        run(unit, without)
    empty = dataclasses.replace(
        trials, event_trial=np.empty(0, int), event_name=np.empty(0, "U1"), event_time_s=np.empty(0)
    )
    with pytest.raises(StimulusError, match=r"no trial has an event segment_start:<hz>hz"):
        run(unit, empty)
    with pytest.raises(StimulusError, match=r"0\.5 Hz lasts 1\.500 s, less than a cycle"):
        run(unit, sines(length=1.5))
    with pytest.raises(ParameterError, match=r"freq_step: psth_bin_s is 30"):
        run(unit, psth_bin_s=30)


def test_a_display_that_is_slower_than_its_name_changes_no_phase() -> None:
    slow = 60 / 59.94
    trials = sines()
    slower = dataclasses.replace(
        trials,
        start_s=trials.start_s * slow,
        stop_s=trials.stop_s * slow,
        event_time_s=trials.event_time_s * slow,
    )
    unit = in_segment(4, 0.04 + 0.1 * np.arange(40))
    as_named, found = run(trains(unit)).values, run(trains(unit * slow), slower).values
    assert found["phase_deg"][0, 4] == pytest.approx(as_named["phase_deg"][0, 4], abs=1e-6)
    assert found["f1_hz"][0, 4] == pytest.approx(as_named["f1_hz"][0, 4] / slow)
    assert found["frequency_hz"].tolist() == list(FREQUENCIES)


@pytest.mark.parametrize(
    "wrong",
    [{"skip_cycles": -1}, {"bins_per_cycle": 4}, {"alpha": 0}, {"min_spikes": 0}, {"cycles": 1}],
)
def test_parameters_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FreqStepParams(**wrong)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.integers(-9, 1000))
def test_it_follows_shifts_the_order_of_units_and_batches(seed: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    # Times in 1/1024 s are exact under the shift; bins of 1/128 s keep every edge exact, too.
    units = [rng.integers(0, 100 * 1024, rng.integers(0, 900)) / 1024 for _ in range(4)]
    units[0] = np.r_[units[0], in_segment(2, 0.125 + 0.5 * np.arange(8))]
    result = run(trains(*units), psth_bin_s=1 / 128)
    moved = run(
        trains(*[u + shift for u in units[::-1]]), sines(STARTS + shift), psth_bin_s=1 / 128
    )
    alone = run(trains(units[1]), psth_bin_s=1 / 128)
    for output in FREQ_STEP.outputs:
        before, after = result.values[output.name], moved.values[output.name]
        if output.dims[0] == "unit":
            after = after[::-1]
            assert np.array_equal(before[1:2], alone.values[output.name], equal_nan=True)
        assert np.array_equal(before, after, equal_nan=True), output.name
