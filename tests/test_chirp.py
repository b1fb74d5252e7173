"""Chirps: exact spikes, cells of known filter and known nonlinearity, chance, invariances."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from temporal_trials import regular, trains, trials_with

from hdmea.errors import MissingDataError, ParameterError, StimulusError, UnknownNameError
from hdmea.features.chirp import CHIRP, ChirpParams, chirp
from hdmea.features.declaration import FeatureResult, check
from hdmea.features.freq_step import FreqStepParams, freq_step
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.kernels.half_power import Peak, before_smoothing, middle_of_top
from hdmea.kernels.spikes import SpikeTrains
from hdmea.simulate import movies
from hdmea.simulate.retina import FILTER_FRAMES, ModelCell, firing_rates
from hdmea.stimulus.segments import Segment

Float64 = npt.NDArray[np.float64]

TRIAL = 30.0
STARTS = 16.0 + 32 * np.arange(3)
SWEEP, RAMP = 10.0, 20.0
"""Start of the two in a trial; both last 8 s."""
EVENTS = [
    ("light_on", 2.0), ("light_off", 5.0),
    ("sweep_start:0.5-8hz", SWEEP), ("sweep_stop", SWEEP + 8),
    ("ramp_start:2hz", RAMP), ("ramp_stop", RAMP + 8),
]  # fmt: skip
SWEEP_CYCLES, RAMP_CYCLES = 34, 16


def chirps(
    starts: npt.ArrayLike = STARTS,
    events: list[tuple[str, float]] = EVENTS,
    *,
    movie: str = "chirp_3x",
    kind: str = "chirp",
) -> Trials:
    return trials_with(events, starts, TRIAL, movie=movie, kind=kind)


def run(spikes: SpikeTrains, trials: Trials | None = None, **params: Any) -> FeatureResult:
    inputs = FeatureInputs(spikes, trials=chirps() if trials is None else trials)
    result = chirp(inputs, ChirpParams(**params))
    check(CHIRP, result, spikes.n_units)
    return result


def sweep_time(cycle: Float64) -> Float64:
    """When so many cycles of the sweep are over: the root of 0.5 t + 7.5 t^2 / 16 = cycle."""
    return SWEEP + (-0.5 + np.sqrt(0.25 + 4 * 7.5 / 16 * cycle)) / (2 * 7.5 / 16)


def in_trials(times: npt.ArrayLike, starts: Float64 = STARTS) -> Float64:
    return (starts[:, None] + np.asarray(times)).ravel()


def ramp_unit(spikes_per_cycle: npt.ArrayLike) -> Float64:
    """So many spikes at the peak of every cycle of the ramp, and two in the dark."""
    peaks = RAMP + 0.125 + 0.5 * np.arange(RAMP_CYCLES)
    return in_trials(np.r_[0.5, 1.5, np.repeat(peaks, np.asarray(spikes_per_cycle))])


# -- by hand ---------------------------------------------------------------------------------------


def test_a_spike_at_each_peak_of_the_sweep_follows_its_frequency() -> None:
    # One spike a cycle is a rate of f, and a comb has F1 = 2 F0. Mean frequency of the window,
    # weighted by cycles: that of the two spikes.
    at = sweep_time(0.25 + np.arange(SWEEP_CYCLES))
    values = run(trains(in_trials(at))).values
    hz = 0.5 + 7.5 * (at - SWEEP) / 8
    assert values["sweep_f0_hz"][0] == pytest.approx((hz[:-1] + hz[1:]) / 2, rel=1e-12)
    assert values["sweep_f1_hz"][0] == pytest.approx(hz[:-1] + hz[1:], rel=1e-12)
    middle = sweep_time(1.0 + np.arange(SWEEP_CYCLES - 1))
    assert values["sweep_time_s"] == pytest.approx(middle, rel=1e-12)
    assert values["sweep_frequency_hz"] == pytest.approx(
        0.5 + 7.5 * (middle - SWEEP) / 8, rel=1e-12
    )
    assert values["n_spikes_sweep"].tolist() == [3 * SWEEP_CYCLES]
    significant = values["p_sweep_f1"][0] < 0.01
    assert significant.all()
    assert values["sweep_phase_deg"][0] == pytest.approx(0, abs=1e-9)


def test_windows_of_the_sweep_have_as_many_cycles_as_is_said() -> None:
    unit = trains(in_trials(sweep_time(np.r_[3.25, 3.25, 4.75])))
    values = run(unit, sweep_window_cycles=1).values
    assert values["sweep_f1_hz"].shape == (1, SWEEP_CYCLES)
    assert np.flatnonzero(values["sweep_f1_hz"][0]).tolist() == [3, 4]
    three = run(unit, sweep_window_cycles=3).values["sweep_f1_hz"][0]
    hz = 0.5 + 7.5 * (sweep_time(np.array([3.25, 4.75])) - SWEEP) / 8
    # Two spikes at the peak against one at the trough.
    assert three[2] == pytest.approx(2 / 3 * (2 * hz[0] - hz[1]))
    assert run(unit, sweep_window_cycles=34).values["sweep_f1_hz"].shape == (1, 1)
    assert run(unit, sweep_window_cycles=34).reasons["preferred_frequency_hz"].tolist() == [
        "too_few_frequencies"
    ]
    with pytest.raises(ParameterError, match="34 whole cycles, less than sweep_window_cycles 35"):
        run(unit, sweep_window_cycles=35)


def test_an_even_rate_has_no_harmonic_in_a_sweep() -> None:
    # A mean over time would leak: 2 |mean exp(-i phi)| of the first two cycles is 0.23.
    even = regular(lambda t: t / TRIAL * 60_000, 60_000, TRIAL)
    values = run(trains(in_trials(even, STARTS[:1])), chirps(STARTS[:1])).values
    assert values["sweep_f0_hz"][0] == pytest.approx(2000, rel=2e-3)
    assert values["sweep_f1_hz"][0].max() < 2000 * 4e-3
    t = np.linspace(0, sweep_time(np.array(2.0)) - SWEEP, 100_001)
    leak = 2 * abs(np.exp(-2j * np.pi * (0.5 * t + 7.5 / 16 * t**2)).mean())
    assert leak == pytest.approx(0.23, abs=0.01)


def test_the_ramp_is_told_cycle_by_cycle() -> None:
    values = run(trains(ramp_unit(np.arange(16)))).values
    # n spikes in each cycle of 0.5 s: 2 n Hz, and twice that as a comb
    assert values["ramp_f0_hz"][0] == pytest.approx(2 * np.arange(16), abs=1e-12)
    assert values["ramp_f1_hz"][0] == pytest.approx(4 * np.arange(16), abs=1e-12)
    assert values["ramp_contrast"] == pytest.approx((np.arange(16) + 0.5) / 16)
    assert values["ramp_time_s"] == pytest.approx(RAMP + 0.25 + 0.5 * np.arange(16))
    assert values["n_spikes_ramp"].tolist() == [3 * 120]
    # Half of 13.5, the mean of the last four, is 6.75; cycles k and k + 1 have the mean k + 1/2.
    assert values["half_contrast"] == pytest.approx([(6.75 + 0.5) / 16])


@pytest.mark.parametrize(
    ("spikes_per_cycle", "half"),
    [
        ([0] * 6 + [8] * 10, 6 / 16),  # half of 8 is the mean of cycles 5 and 6
        ([0] * 3 + [12] + [4] * 6 + [3] * 6, 2.25 / 16),  # half of 3, not of the largest
        ([0, 9, 1, 3, 5, 7] + [10] * 10, 4.5 / 16),  # down from the highest, not up from the first
        ([5] * 8 + [9] * 8, None),
    ],
)
def test_half_contrast_by_hand(spikes_per_cycle: list[int], half: float | None) -> None:
    result = run(trains(ramp_unit(spikes_per_cycle)))
    if half is None:
        assert result.reasons["half_contrast"].tolist() == ["not_reached"]
        assert np.isnan(result.values["half_contrast"]).all()
    else:
        assert result.values["half_contrast"] == pytest.approx([half])
        assert result.reasons["half_contrast"].tolist() == [""]


def test_half_contrast_is_of_cycles_by_themselves_if_wanted() -> None:
    unit = trains(ramp_unit([0, 9, 1, 2, 4, 7] + [10] * 10))
    values = run(unit, ramp_window_cycles=1).values
    # 5 is between 4 and 7, cycles 4 and 5
    assert values["half_contrast"] == pytest.approx([(4.5 + 1 / 3) / 16])
    assert run(unit, ramp_window_cycles=99).reasons["half_contrast"].tolist() == ["not_reached"]


def test_ramps_may_fall_and_begin_anywhere() -> None:
    events = [("ramp_start:2hz:1-0.2", RAMP), ("ramp_stop", RAMP + 8)]
    result = run(trains(ramp_unit([8] * 10 + [0] * 6)), chirps(events=events))
    contrast = 1 - 0.8 * (np.arange(16) + 0.5) / 16
    assert result.values["ramp_contrast"] == pytest.approx(contrast)
    assert result.values["half_contrast"] == pytest.approx([(contrast[9] + contrast[10]) / 2])
    assert result.reasons["p_sweep"].tolist() == ["no_sweep"]
    assert result.reasons["bandwidth_octaves"].tolist() == ["no_sweep"]
    assert result.values["sweep_f1_hz"].shape == (1, 0)


def test_sweeps_may_fall_and_be_logarithmic() -> None:
    events = [("sweep_start:8-0.5hz:log", SWEEP), ("sweep_stop", SWEEP + 8)]
    # f = 8 / 16^(t/8): cycles = 8 * 8 / ln 16 * (1 - 16^(-t/8)), 21.6 in all
    scale = 64 / np.log(16)
    at = SWEEP - 8 * np.log(1 - (0.25 + np.arange(21)) / scale) / np.log(16)
    result = run(trains(in_trials(at)), chirps(events=events))
    hz = 8 / 16 ** ((at - SWEEP) / 8)
    assert result.values["sweep_f1_hz"][0] == pytest.approx(hz[:-1] + hz[1:], rel=1e-9)
    assert (np.diff(result.values["sweep_frequency_hz"]) < 0).all()
    assert result.values["sweep_phase_deg"][0] == pytest.approx(0, abs=1e-6)
    assert result.reasons["p_ramp"].tolist() == ["no_ramp"]
    assert result.reasons["half_contrast"].tolist() == ["no_ramp"]
    assert result.values["ramp_contrast"].shape == (0,)


# -- known truth -----------------------------------------------------------------------------------


FULL = ModelCell(
    row=1, column=1, centre_u=0.5, centre_v=0.5, sigma=0.05, surround_sigma=0.08,
    surround_weight=0.25, polarity=1, peak_frames=4.2, trough=0.45, baseline_hz=300.0,
    gain_hz=80.0, refractory_s=0.0, preferred_direction_deg=np.nan, direction_gain=0.0,
)  # fmt: skip
"""A cell whose field lies on the display, so that a full field drives it by 1 - 0.25."""


MANY = 200


def gain(hz: Float64, rise_hz_per_s: float = 0.0) -> npt.NDArray[np.complex128]:
    """First harmonic of the cell's rate for a sine of contrast 1: its filter, held by frames.

    Where the frequency rises, the light that a lag ago was shown had less of it.
    """
    lag_s = np.arange(FILTER_FRAMES) / 60
    cycles = hz[:, None] * lag_s - rise_hz_per_s / 2 * lag_s**2
    filtered = np.exp(-2j * np.pi * cycles) @ FULL.temporal_filter()
    held = np.sinc(hz / 60) * np.exp(-1j * np.pi * hz / 60)
    return FULL.gain_hz * 0.75 * (127.5 / 128) * filtered * held


def played(movie: movies.GeneratedMovie) -> tuple[SpikeTrains, Trials]:
    """Evenly spaced spikes of the cell's rate in one trial after a rest, `MANY` for one."""
    before = 60
    rate = firing_rates([FULL], [(before, movie.frames)], before + movie.length_frames)[0]
    expected = np.r_[0, np.cumsum(rate / 60)]
    n = int(expected[-1] * MANY)
    edges = np.arange(expected.size) / 60
    spikes = np.interp((np.arange(n) + 0.5) / MANY, expected, edges)
    start = (before + movie.trials.start_frame) / 60
    events = [(name, frame / 60) for name, frame in movie.events]
    length = movie.trials.trial_length_frames / 60
    return trains(spikes), trials_with(events, [start], length, movie=movie.name, kind=movie.kind)


def test_the_gain_at_fixed_frequencies_is_that_of_the_cells_filter() -> None:
    movie = movies.frequency_steps(frequencies_hz=(0.5, 1, 2, 4, 8, 12), repeat=1)
    spikes, trials = played(movie)
    # The filter is 0.67 s long: 8 cycles of 12 Hz.
    params = FreqStepParams(skip_cycles=8, psth_bin_s=0.1)
    values = freq_step(FeatureInputs(spikes, trials=trials), params).values
    found = values["f1_hz"][0] / MANY * np.exp(1j * np.radians(values["phase_deg"][0]))
    expected = gain(values["frequency_hz"])
    assert np.abs(found - expected).max() < 0.003 * np.abs(expected).max()
    assert values["f0_hz"][0] / MANY == pytest.approx(300 + 80 * 0.75 * 0.5 / 128, rel=0.002)
    assert values["f2_hz"].max() / MANY < 0.003 * np.abs(expected).max()
    assert values["r2"][0, :4] == pytest.approx(1, abs=0.02)


def test_the_gain_over_the_sweep_is_that_of_the_cells_filter() -> None:
    spikes, trials = played(movies.chirp(repeat=1))
    values = run(spikes, trials, psth_bin_s=0.1).values
    found = values["sweep_f1_hz"][0] / MANY * np.exp(1j * np.radians(values["sweep_phase_deg"][0]))
    # The mean over the two cycles of a window, at the frequency of each of their moments.
    cycles = (np.arange(33)[:, None] + 2 * (np.arange(200) + 0.5) / 200) / 34
    segment = Segment("sweep", 0.5, 8)
    hz = segment.frequency_hz(segment.part_at(cycles))
    expected = gain(hz.ravel(), 7.5 / 8).reshape(hz.shape).mean(axis=1)
    largest = np.abs(expected).max()
    # The first window has the filter's memory of the grey before it.
    assert np.abs(found - expected)[0] < 0.05 * largest
    assert np.abs(found - expected)[1:].max() < 0.03 * largest
    # The smooth curve is that of a sine that goes on, without the sweep's rise.
    curve, hz = values["sweep_gain_hz"][0] / MANY, values["sweep_frequency_hz"]
    assert np.abs(curve - np.abs(gain(hz))).max() < 0.02 * largest
    group = -np.diff(np.unwrap(np.angle(gain(hz)))) / np.diff(hz) / 2 / np.pi
    assert 1e3 * group.min() < values["sweep_delay_ms"][0] < 1e3 * group.max()
    # The ramp is linear: 2 Hz, contrast as told.
    ramp = values["ramp_f1_hz"][0] / MANY
    at_2_hz = abs(gain(np.array([2.0]))[0])
    assert ramp == pytest.approx(at_2_hz * values["ramp_contrast"], abs=0.02 * at_2_hz)
    assert values["half_contrast"] == pytest.approx([0.5 * 0.875], abs=0.01)


def poisson(rate: Callable[[Float64], Float64], top: float, rng: np.random.Generator) -> Float64:
    times = np.sort(rng.uniform(0, 120, rng.poisson(top * 120)))
    in_trial = (times - STARTS[0]) % 32
    return times[rng.uniform(0, top, times.size) < rate(in_trial)]


def test_tuning_of_poisson_cells_is_found_in_noise() -> None:
    rng = np.random.default_rng(10)

    def rate(t: Float64) -> Float64:
        since = np.clip(t - SWEEP, 0, 8)
        hz = 0.5 + 7.5 * since / 8
        size = 18 * np.exp(-0.5 * (np.log2(hz / 3) / 0.7) ** 2)
        return 20 + size * np.sin(2 * np.pi * (0.5 * since + 7.5 / 16 * since**2))

    result = run(trains(*[poisson(rate, 40, rng) for _ in range(80)]), psth_bin_s=1.0)
    values = result.values
    assert np.isfinite(values["preferred_frequency_hz"]).mean() > 0.9
    assert np.nanmedian(values["preferred_frequency_hz"]) == pytest.approx(3, abs=0.4)
    # A Gaussian falls to 1 / sqrt 2 at 0.83 SD to both sides. The curve is wider.
    width = 2 * 0.7 * np.sqrt(np.log(2))
    assert np.nanmedian(values["bandwidth_octaves"]) == pytest.approx(width, abs=0.1)
    assert np.isfinite(values["bandwidth_octaves"]).mean() > 0.7
    curve = values["sweep_gain_hz"].mean(axis=0)
    assert Peak.of(np.log2(values["sweep_frequency_hz"]), curve).above > 1.05 * width / 2
    # Curves that are hardly smooth have narrow peaks of noise anywhere.
    rough = run(
        trains(*[poisson(rate, 40, rng) for _ in range(80)]),
        psth_bin_s=1.0,
        sweep_smoothing_octaves=0.1,
    ).values
    assert np.nanmedian(rough["bandwidth_octaves"]) < 0.4 * width
    # Where there is no modulation little is left of noise, and no delay.
    chance = run(trains(*[poisson(lambda t: t * 0 + 20, 20, rng) for _ in range(80)]),
                 psth_bin_s=1.0)  # fmt: skip
    assert np.median(chance.values["sweep_gain_hz"]) < 0.5 * np.median(chance.values["sweep_f1_hz"])
    assert (chance.reasons["sweep_delay_ms"] == "no_response").mean() > 0.95


@pytest.mark.parametrize("hz", [2.5, 3.0, 4.0, 5.0])
def test_a_response_at_one_frequency_is_narrower_than_can_be_told(hz: float) -> None:
    unit = swept(lambda x, f: 2000 + 2000 * np.sin(x) * (np.abs(np.log2(f / hz)) < 0.1), 0.0)
    result = run(unit, chirps(STARTS[:1]), psth_bin_s=0.1)
    assert result.values["preferred_frequency_hz"][0] == pytest.approx(hz, rel=0.1)
    assert result.reasons["bandwidth_octaves"].tolist() == ["below_resolution"]


def test_the_width_of_a_smooth_curve_is_that_of_the_response_by_hand() -> None:
    true = np.array([0.1, 0.2, 0.4, 0.8])
    seen = np.array([0.4, 0.42, 0.5, np.nan])
    assert np.isnan(before_smoothing(0.39, true, seen))
    assert before_smoothing(0.4, true, seen) == 0.1
    assert before_smoothing(0.46, true, seen) == pytest.approx(0.3)
    # beyond the widest that is seen: 0.1 less, as that
    assert before_smoothing(1.0, true, seen) == pytest.approx(0.9)
    for nothing in (
        before_smoothing(1.0, true, true * np.nan),
        before_smoothing(np.nan, true, seen),
    ):
        assert np.isnan(nothing)


def swept(rate: Callable[[Float64, Float64], Float64], late_s: float) -> SpikeTrains:
    """Even spikes in one sweep of a rate that depends on phase and frequency a while ago."""
    fine = np.arange(0, 8.5, 1e-4)
    light = np.clip(fine - late_s, 0, 8)
    hz, x = 0.5 + 7.5 * light / 8, 2 * np.pi * (0.5 * light + 7.5 / 16 * light**2)
    shown = (fine >= late_s) & (fine < 8 + late_s)
    expected = np.cumsum(np.where(shown, rate(x, hz), 2000.0)) * 1e-4
    n = int(expected[-1])
    return trains(STARTS[0] + SWEEP + np.interp(np.arange(n) + 0.5, expected, fine))


@pytest.mark.parametrize("late_s", [0.0, 0.06, 0.18])
def test_late_responses_belong_to_the_light_that_they_answer(late_s: float) -> None:
    def size(hz: Float64) -> Float64:
        return 1000 * np.exp(-0.5 * (np.log2(hz / 4) / 0.6) ** 2)

    unit = swept(lambda x, hz: 2000 + size(hz) * np.sin(x - 0.4), late_s)
    values = run(unit, chirps(STARTS[:1]), psth_bin_s=0.1).values
    hz = values["sweep_frequency_hz"]
    assert values["sweep_delay_ms"][0] == pytest.approx(1e3 * late_s, abs=12)
    assert np.abs(values["sweep_gain_hz"][0] - size(hz)).max() < 0.05 * 1000
    assert values["preferred_frequency_hz"][0] == pytest.approx(4, abs=0.2)


def test_the_preferred_frequency_is_the_middle_of_the_top_by_hand() -> None:
    # Falls to 0.95 half an octave below the peak at 2 Hz and 1 octave above it; at the border of
    # the sweep; and one point only.
    gain = np.array([[9.0, 10.0, 9.5, 1.0], [1, 9, 9.2, 10], [0, 1, 10, 1]])
    found = [middle_of_top(np.arange(4.0), one) for one in gain]
    # 9.5 is 5/8 of the way from 9.2 to 10.
    np.testing.assert_allclose(found, [1.25, (3 + 2.375) / 2, 2], rtol=1e-12)


def test_what_follows_both_halves_of_a_cycle_does_not_count_as_a_first_harmonic() -> None:
    # Twice the frequency, the more the slower, and a mean rate that rises: a window of two fast
    # cycles takes some of it for a first harmonic.
    def rate(x: Float64, hz: Float64) -> Float64:
        return 2000 + 100 * hz + 2000 / hz**2 * np.sin(2 * x) + 200 * np.sin(x)

    values = run(swept(rate, 0.08), chirps(STARTS[:1]), psth_bin_s=0.1).values
    assert abs(values["sweep_f1_hz"][0, 0] - 200) > 100
    assert values["sweep_gain_hz"][0] == pytest.approx(np.full(33, 200.0), abs=35)


def test_half_contrasts_of_poisson_cells_are_found() -> None:
    rng = np.random.default_rng(8)
    half, n = 0.3, 60

    def rate(t: Float64) -> Float64:
        contrast = np.clip((t - RAMP) / 8, 0, 1)
        saturating = contrast**3 / (contrast**3 + half**3)
        return 40 + 38 * saturating * np.sin(4 * np.pi * t)

    values = run(trains(*[poisson(rate, 80, rng) for _ in range(n)]), psth_bin_s=1.0).values
    found = values["half_contrast"]
    assert np.isfinite(found).all()
    assert np.median(found) == pytest.approx(half, abs=0.03)
    assert (np.abs(found - half) < 0.15).mean() > 0.9


def test_chance_makes_no_responses() -> None:
    rng = np.random.default_rng(9)
    n = 300
    for rate_hz in (2.0, 20.0):
        units = [poisson(lambda t, hz=rate_hz: t * 0 + hz, rate_hz, rng) for _ in range(n)]
        result = run(trains(*units), psth_bin_s=1.0)
        values = result.values
        for name in ("p_ramp", "p_sweep"):
            for alpha in (0.05, 0.01):
                assert (values[name] < alpha).sum() <= binom.ppf(1 - 1e-5, n, alpha)
        assert (values["p_ramp"] < 0.05).sum() >= binom.ppf(1e-5, n, 0.045)
        assert values["dispersion"].mean() == pytest.approx(1, abs=0.03)
        assert (result.reasons["preferred_frequency_hz"] == "no_response").mean() > 0.95
    # Every window by itself, where there are spikes enough.
    share = (values["p_sweep_f1"] < 0.05).mean(axis=0)
    assert 0.03 < share.mean() < 0.055


# -- what is not there -----------------------------------------------------------------------------


def test_silent_units_one_trial_and_no_units_work() -> None:
    result = run(trains([], [16.5, 50.0]))
    for name in ("preferred_frequency_hz", "half_power_low_hz", "half_contrast", "sweep_phase_deg",
                 "sweep_delay_ms"):  # fmt: skip
        assert result.reasons[name].tolist() == ["no_response"] * 2
    assert result.values["p_sweep"].tolist() == result.values["p_ramp"].tolist() == [1, 1]
    assert result.values["n_spikes_sweep"].tolist() == [0, 0]
    assert result.reasons["dispersion"].tolist() == ["too_few_spikes"] * 2
    assert result.reasons["qi"].tolist() == ["too_few_spikes", ""]
    one = run(trains(ramp_unit([9] * 16)[: 2 + 144]), chirps(STARTS[:1]))
    assert one.reasons["dispersion"].tolist() == ["too_few_trials"]
    assert one.reasons["qi"].tolist() == ["too_few_trials"]
    assert one.values["p_ramp"][0] < 1e-10
    empty = run(SpikeTrains(np.empty(0), np.empty(0, dtype=np.int64)))
    assert empty.values["sweep_f1_hz"].shape == (0, 33)
    assert empty.values["ramp_f1_hz"].shape == (0, 16)


def test_another_stimulus_or_none_is_no_failure() -> None:
    for trials in (chirps(kind="freq_step"), chirps([])):
        result = run(trains([20.0]), trials)
        assert result.reasons["p_sweep"].tolist() == ["stimulus_not_played"]
        assert result.reasons["half_contrast"].tolist() == ["stimulus_not_played"]
    with pytest.raises(MissingDataError, match="add_section_time"):
        chirp(FeatureInputs(trains([20.0])), ChirpParams())


def test_two_chirps_need_a_choice() -> None:
    a, b = chirps(movie="a"), chirps(STARTS + 200, EVENTS[:4], movie="b")
    b = dataclasses.replace(b, event_trial=b.event_trial + 3)
    both = Trials(**{
        field.name: np.concatenate([getattr(a, field.name), getattr(b, field.name)])
        for field in dataclasses.fields(Trials)
    })  # fmt: skip
    unit = trains([20.0])
    with pytest.raises(ParameterError, match="a, b; choose one"):
        run(unit, both)
    assert run(unit, both, stimulus="b").reasons["p_ramp"].tolist() == ["no_ramp"]
    with pytest.raises(UnknownNameError, match="'c' was not played"):
        run(unit, both, stimulus="c")


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (EVENTS[:2], r"no trial has an event sweep_start.*or ramp_start.*chirp_3x\.yaml"),
        (EVENTS[:3], "one sweep_stop for each sweep_start"),
        ([("sweep_start:0.5-8", 1.0), ("sweep_stop", 2.0)], "sweep_start:<hz>-<hz>hz"),
        ([*EVENTS, ("ramp_start:1hz", 28.5), ("ramp_stop", 29.9)], "a trial has 2 ramps"),
        ([("ramp_start:0.5hz", 1.0), ("ramp_stop", 2.0)], "its ramp lasts less than a cycle"),
    ],
)
def test_events_that_make_no_chirp_are_an_error(events: list[tuple[str, float]], said: str) -> None:
    with pytest.raises(StimulusError, match=said):
        run(trains([20.0]), chirps(events=events))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sweep_window_cycles": 0},
        {"sweep_smoothing_octaves": 0},
        {"sweep_longest_delay_s": 2.1},
        {"alpha": 1},
        {"window": 1},
    ],
)
def test_parameters_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ChirpParams(**wrong)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), shift=st.integers(-16, 1000))
def test_it_follows_shifts_the_order_of_units_and_batches(seed: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    # Times in 1/1024 s are exact under the shift; bins of 1/128 s keep every edge exact, too.
    units = [rng.integers(0, 120 * 1024, rng.integers(0, 900)) / 1024 for _ in range(4)]
    locked = sweep_time(0.25 + np.arange(SWEEP_CYCLES))
    units[0] = np.r_[units[0], in_trials(np.round(locked * 1024) / 1024), ramp_unit([2] * 16)]
    result = run(trains(*units), psth_bin_s=1 / 128)
    moved = run(
        trains(*[u + shift for u in units[::-1]]), chirps(STARTS + shift), psth_bin_s=1 / 128
    )
    alone = run(trains(units[1]), psth_bin_s=1 / 128)
    for output in CHIRP.outputs:
        before, after = result.values[output.name], moved.values[output.name]
        if output.dims[0] == "unit":
            after = after[::-1]
            assert np.array_equal(before[1:2], alone.values[output.name], equal_nan=True)
        assert np.array_equal(before, after, equal_nan=True), output.name
