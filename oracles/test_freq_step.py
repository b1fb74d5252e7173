"""Harmonics: least squares and FFT of fine bins, and the statistics of directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from astropy.stats import circmoment, rayleightest
from elephant.phase_analysis import mean_phase_vector
from peers import SAMPLING_HZ, Cells, bursts, modulated, on_samples, poisson, repeated
from statsmodels.stats.multitest import multipletests

from hdmea.features.freq_step import FreqStepParams, freq_step
from hdmea.features.inputs import FeatureInputs
from hdmea.kernels.harmonics import p_of_phase_locking

FREQUENCIES = (0.5, 1.0, 2.0, 5.0, 10.0)
BEFORE_S, LENGTH_S, BREAK_S = 1.0, 4.0, 1.0
TRIAL_S, N_TRIALS, DURATION_S = 27.0, 4, 130.0
# Half a sample off, so that every spike is in the middle of a bin of one sample.
STARTS = (200_000 + 560_000 * np.arange(N_TRIALS) - 0.5) / SAMPLING_HZ
SEGMENTS = [BEFORE_S + k * (LENGTH_S + BREAK_S) for k in range(len(FREQUENCIES))]


@pytest.fixture(scope="module")
def following() -> Cells:
    """Follows all, follows slow ones late, twice per cycle, spontaneous, bursting, few, none."""
    rng = np.random.default_rng(41)

    def rate(gains: tuple[float, ...], harmonic: int, delay_s: float):
        def at(times: np.ndarray) -> np.ndarray:
            trial = np.maximum(np.searchsorted(STARTS, times) - 1, 0)
            total = np.full(times.shape, 12.0)
            for start, hz, gain in zip(SEGMENTS, FREQUENCIES, gains, strict=True):
                since = times - STARTS[trial] - start
                wave = np.sin(2 * np.pi * harmonic * hz * (since - delay_s))
                total += gain * wave * ((since >= 0) & (since < LENGTH_S))
            return np.maximum(total, 0)

        return at

    trains = [
        modulated(rng, rate((11,) * 5, 1, 0.04), 23, DURATION_S),
        modulated(rng, rate((13, 10, 7, 3, 2), 1, 0.08), 32, DURATION_S),
        modulated(rng, rate((10,) * 5, 2, 0.03), 22, DURATION_S),
        poisson(rng, 15.0, DURATION_S),
        bursts(rng, DURATION_S),
        poisson(rng, 0.2, DURATION_S),
        np.zeros(0),
    ]
    return Cells(tuple(on_samples(train, DURATION_S) for train in trains), DURATION_S)


@pytest.fixture(scope="module")
def values(following: Cells) -> dict[str, np.ndarray]:
    events = {}
    for start, hz in zip(SEGMENTS, FREQUENCIES, strict=True):
        events |= {f"segment_start:{hz:g}hz": start}
    trials = repeated("sines", "freq_step", STARTS, TRIAL_S, events)
    # All segments end with the same event.
    stops = (STARTS[:, None] + np.array(SEGMENTS) + LENGTH_S).ravel()
    trials = type(trials)(
        **{
            name: getattr(trials, name) for name in ("movie", "kind", "number", "start_s", "stop_s")
        },
        event_trial=np.r_[trials.event_trial, np.repeat(np.arange(N_TRIALS), len(SEGMENTS))],
        event_name=np.r_[trials.event_name, np.full(stops.size, "segment_stop")],
        event_time_s=np.r_[trials.event_time_s, stops],
    )
    return freq_step(FeatureInputs(following.hdmea, trials=trials), FreqStepParams()).values


def whole_cycles(cells: Cells, unit: int, segment: int) -> tuple[list[np.ndarray], float]:
    """Times from the start of the second cycle, per trial, and how long the cycles are."""
    skipped_s = 1 / FREQUENCIES[segment]
    start = STARTS + SEGMENTS[segment] + skipped_s
    length_s = LENGTH_S - skipped_s
    times = cells.times_s[unit]
    inside = [slice(*np.searchsorted(times, (begin, begin + length_s))) for begin in start]
    return [times[one] - begin for one, begin in zip(inside, start, strict=True)], length_s


def each(cells: Cells):
    for unit in range(len(cells.samples)):
        for segment, hz in enumerate(FREQUENCIES):
            times, length_s = whole_cycles(cells, unit, segment)
            yield unit, segment, hz, times, length_s


def test_harmonics_are_statsmodels_least_squares_of_the_rate_in_bins_of_a_sample(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    for segment, hz in enumerate(FREQUENCIES):
        n_bins = round((LENGTH_S - 1 / hz) * SAMPLING_HZ)
        x = 2 * np.pi * hz * (np.arange(n_bins) + 0.5) / SAMPLING_HZ
        waves = np.column_stack(
            [np.ones(n_bins), np.sin(x), np.cos(x), np.sin(2 * x), np.cos(2 * x)]
        )
        for unit in (0, 2, 4, 6):
            times, _ = whole_cycles(following, unit, segment)
            places = np.floor(np.concatenate(times) * SAMPLING_HZ).astype(int)
            rate = np.bincount(places, minlength=n_bins) * SAMPLING_HZ / N_TRIALS
            mean, sine, cosine, *second = sm.OLS(rate, waves).fit().params
            found = [values[name][unit, segment] for name in ("f0_hz", "f1_hz", "f2_hz")]
            fitted = [mean, np.hypot(sine, cosine), np.hypot(*second)]
            assert found == pytest.approx(fitted, rel=1e-8, abs=1e-8)
            phase = values["phase_deg"][unit, segment]
            if not np.isnan(phase):
                # a sin x + b cos x = |.| sin(x + atan2(b, a))
                assert phase == pytest.approx(np.degrees(np.arctan2(cosine, sine)), abs=1e-6)
    assert np.isfinite(values["phase_deg"][0]).all()


def test_harmonics_are_the_fft_at_the_stimulus_frequency_and_twice_of_it(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit, segment, hz, times, length_s in each(following):
        n_bins, n_cycles = round(length_s * SAMPLING_HZ), round(length_s * hz)
        assert values["n_cycles"][segment] == n_cycles
        places = np.floor(np.concatenate(times) * SAMPLING_HZ).astype(int)
        spectrum = np.fft.rfft(np.bincount(places, minlength=n_bins)) / (N_TRIALS * length_s)
        for name, k, factor in (("f0_hz", 0, 1), ("f1_hz", 1, 2), ("f2_hz", 2, 2)):
            amplitude = factor * abs(spectrum[k * n_cycles])
            assert values[name][unit, segment] == pytest.approx(amplitude, rel=1e-9, abs=1e-9)


def test_harmonics_are_astropys_and_elephants_mean_directions_of_the_phases(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit, segment, hz, times, _ in each(following):
        phases = 2 * np.pi * hz * np.concatenate(times)
        if not phases.size:
            continue
        rate = values["f0_hz"][unit, segment]
        for k, name in ((1, "f1_hz"), (2, "f2_hz")):
            _, length = circmoment(phases, p=k)
            assert values[name][unit, segment] == pytest.approx(
                2 * rate * length, rel=1e-8, abs=1e-9
            )
        direction, length = mean_phase_vector(phases)
        assert values["f1_hz"][unit, segment] == pytest.approx(
            2 * rate * length, rel=1e-8, abs=1e-9
        )
        phase = values["phase_deg"][unit, segment]
        if not np.isnan(phase):
            # Spikes that come at the peak of the sine, a quarter of a cycle in, have the phase 0.
            apart = np.radians(phase) - (np.pi / 2 - direction)
            assert np.exp(1j * apart) == pytest.approx(1, abs=1e-8)
            ratio = values["f1_over_f0"][unit, segment]
            assert ratio == pytest.approx(2 * length, rel=1e-8)


def test_r2_is_statsmodels_of_the_psth_over_all_cycles(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit, segment, hz, times, length_s in each(following):
        n_bins = 16 * round(length_s * hz)
        counts, _ = np.histogram(np.concatenate(times), n_bins, (0, length_s))
        if not counts.any():
            assert np.isnan(values["r2"][unit, segment])
            continue
        x = 2 * np.pi * (np.arange(n_bins) + 0.5) / 16
        waves = np.column_stack([np.sin(x), np.cos(x), np.sin(2 * x), np.cos(2 * x)])
        fitted = sm.OLS(counts, sm.add_constant(waves)).fit()
        assert values["r2"][unit, segment] == pytest.approx(fitted.rsquared, rel=1e-8)


def test_p_is_close_to_astropys_rayleigh_test() -> None:
    # Both approximate the same distribution, astropy by a series that ends, and from 50 values
    # on by its first term.
    rng = np.random.default_rng(42)
    compared = 0
    for n in (10, 20, 40, 60, 200, 1000):
        for strength in (0, 0.5, 1, 2):
            phases = rng.vonmises(0, strength / np.sqrt(n), n)
            theirs = float(rayleightest(phases))
            weight = np.array([float(n)])
            first = np.array([np.exp(-1j * phases).sum()])
            mine = p_of_phase_locking(first, weight, weight, np.array([1.0]))[0]
            if theirs > 1e-3:
                compared += 1
                assert mine == pytest.approx(theirs, rel=0.05)
    assert compared > 15


def test_p_is_the_share_of_random_phases_that_are_as_concentrated() -> None:
    rng = np.random.default_rng(43)
    n_spikes = np.array([5, 10, 30, 200])
    none = np.ones(n_spikes.size)
    for p_wanted in (0.3, 0.05, 0.01):
        # R at which that p is reached, for each number of spikes.
        grid = np.linspace(0, 1, 20_001)[:, None] * n_spikes
        size = n_spikes * np.ones(grid.shape)
        p = p_of_phase_locking(grid.astype(complex), size, size, none)
        r = grid[(p > p_wanted).sum(axis=0), np.arange(n_spikes.size)]
        for n, limit in zip(n_spikes, r, strict=True):
            phases = rng.uniform(0, 2 * np.pi, (20_000, n))
            share = (np.abs(np.exp(1j * phases).sum(axis=1)) >= limit).mean()
            assert share == pytest.approx(
                p_wanted, abs=5 * np.sqrt(p_wanted / 20_000) + 0.05 * p_wanted
            )


@pytest.mark.parametrize(("harmonic", "name"), [(1, "dispersion"), (2, "dispersion_f2")])
def test_dispersion_is_that_of_plain_loops_over_cycles_and_trials(
    harmonic: int, name: str, values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit in range(len(following.samples)):
        found = expected = 0.0
        for segment, hz in enumerate(FREQUENCIES):
            times, length_s = whole_cycles(following, unit, segment)
            n_cycles = round(length_s * hz)
            sums: list[Any] = []
            for trial in times:
                for cycle in range(n_cycles):
                    mine = trial[(trial * hz >= cycle) & (trial * hz < cycle + 1)]
                    sums.append(np.exp(-2j * np.pi * harmonic * hz * mine).sum())
            found += np.sum(np.abs(np.array(sums) - np.mean(sums)) ** 2)
            n_spikes = sum(trial.size for trial in times)
            expected += n_spikes * (1 - 1 / len(sums))
        if np.isnan(values[name][unit]):
            assert expected < 20
            continue
        assert values[name][unit] == pytest.approx(found / expected, rel=1e-8)


@pytest.mark.parametrize(
    ("harmonic", "p", "dispersion"), [(1, "p_f1", "dispersion"), (2, "p_f2", "dispersion_f2")]
)
def test_p_of_both_harmonics_is_zars_of_the_multiplied_phases(
    harmonic: int, p: str, dispersion: str, values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit in range(len(following.samples)):
        for segment, hz in enumerate(FREQUENCIES):
            times = np.concatenate(whole_cycles(following, unit, segment)[0])
            scale = np.fmax(values[dispersion][unit], 1.0)
            n = times.size / scale
            length = abs(np.exp(2j * np.pi * harmonic * hz * times).sum()) / scale
            zar = np.exp(np.sqrt(1 + 4 * n + 4 * (n**2 - length**2)) - (1 + 2 * n))
            assert values[p][unit, segment] == pytest.approx(zar, rel=1e-6, abs=1e-300)


def test_p_of_a_unit_is_statsmodels_sidak_of_both_harmonics_and_bonferroni_of_frequencies(
    values: dict[str, np.ndarray],
) -> None:
    for unit, best in enumerate(values["p_best"]):
        # Of p = 1 it takes a logarithm of 0.
        both = np.minimum([values["p_f1"][unit], values["p_f2"][unit]], 1 - 1e-12).T
        either = [multipletests(pair, method="sidak")[1].min() for pair in both]
        corrected = multipletests(either, method="bonferroni")[1]
        assert best == pytest.approx(corrected.min(), rel=1e-9)


def test_half_power_is_where_numpys_interpolation_says(values: dict[str, np.ndarray]) -> None:
    octaves = np.log2(FREQUENCIES)
    n_edges = 0
    for unit in np.flatnonzero(~np.isnan(values["preferred_frequency_hz"])):
        gain = values["gain_hz"][unit]
        preferred = np.log2(values["preferred_frequency_hz"][unit])
        level = np.interp(preferred, octaves, gain) / np.sqrt(2)
        for name in ("half_power_low_hz", "half_power_high_hz"):
            edge = np.log2(values[name][unit])
            if not np.isnan(edge):
                n_edges += 1
                assert np.interp(edge, octaves, gain) == pytest.approx(level, rel=1e-9)
                between = (octaves - preferred) * (octaves - edge) < 0
                assert (gain[between] > level).all()
    assert n_edges >= 1
