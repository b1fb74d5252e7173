"""Chirps: harmonics with scipy's chirp as the stimulus, astropy's moments and least squares."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from astropy.stats import circmoment
from peers import SAMPLING_HZ, Cells, bursts, modulated, on_samples, poisson, repeated
from scipy.signal import chirp as scipys_chirp
from scipy.stats import combine_pvalues

from hdmea.features.chirp import ChirpParams, chirp
from hdmea.features.inputs import FeatureInputs

FIRST_HZ, LAST_HZ, SWEEP_S, OVER = 0.5, 8.0, 8.0, 2
RAMP_HZ, RAMP_S = 2.0, 8.0
SWEEP_AT, RAMP_AT = 2.0, 12.0
TRIAL_S, N_TRIALS, DURATION_S = 22.0, 6, 150.0
N_CYCLES = 34  # (0.5 + 8) / 2 * 8
# Half a sample off, so that every spike is in the middle of a bin of one sample.
STARTS = (200_000 + 450_000 * np.arange(N_TRIALS) - 0.5) / SAMPLING_HZ


def frequency(since: np.ndarray) -> np.ndarray:
    return FIRST_HZ + (LAST_HZ - FIRST_HZ) * since / SWEEP_S


def light(since: np.ndarray, *, late_deg: float = 0.0) -> np.ndarray:
    """The sweep as scipy makes it: a cosine, which 90 degrees late is a sine."""
    return scipys_chirp(since, FIRST_HZ, SWEEP_S, LAST_HZ, phi=-late_deg)


@pytest.fixture(scope="module")
def following() -> Cells:
    """Follows all, prefers slow sines, rectifies, spontaneous, bursting, few spikes, none."""
    rng = np.random.default_rng(71)

    def rate(gain, rest: float, delay_s: float):
        def at(times: np.ndarray) -> np.ndarray:
            trial = np.maximum(np.searchsorted(STARTS, times) - 1, 0)
            since = times - STARTS[trial] - delay_s
            total = np.full(times.shape, float(rest))
            swept = since - SWEEP_AT
            total += (
                gain(frequency(swept))
                * light(swept, late_deg=90)
                * ((swept >= 0) & (swept < SWEEP_S))
            )
            ramped = since - RAMP_AT
            wave = ramped / RAMP_S * np.sin(2 * np.pi * RAMP_HZ * ramped)
            total += gain(RAMP_HZ) * wave * ((ramped >= 0) & (ramped < RAMP_S))
            return np.maximum(total, 0)

        return at

    trains = [
        modulated(rng, rate(lambda hz: 14 + 0 * hz, 15, 0.03), 30, DURATION_S),
        modulated(rng, rate(lambda hz: 40 / (1 + hz**2), 15, 0.05), 60, DURATION_S),
        modulated(rng, rate(lambda hz: 40 + 0 * hz, 2, 0.04), 45, DURATION_S),
        poisson(rng, 15.0, DURATION_S),
        bursts(rng, DURATION_S),
        poisson(rng, 0.2, DURATION_S),
        np.zeros(0),
    ]
    return Cells(tuple(on_samples(train, DURATION_S) for train in trains), DURATION_S)


@pytest.fixture(scope="module")
def values(following: Cells) -> dict[str, np.ndarray]:
    events = {
        f"sweep_start:{FIRST_HZ:g}-{LAST_HZ:g}hz": SWEEP_AT,
        "sweep_stop": SWEEP_AT + SWEEP_S,
        f"ramp_start:{RAMP_HZ:g}hz": RAMP_AT,
        "ramp_stop": RAMP_AT + RAMP_S,
    }
    trials = repeated("chirp", "chirp", STARTS, TRIAL_S, events)
    return chirp(
        FeatureInputs(following.hdmea, trials=trials), ChirpParams(sweep_window_cycles=OVER)
    ).values


def since(cells: Cells, unit: int, start_s: float, length_s: float) -> list[np.ndarray]:
    """Times from there in each trial."""
    times = cells.times_s[unit]
    begin = STARTS + start_s
    inside = [slice(*np.searchsorted(times, (one, one + length_s))) for one in begin]
    return [times[one] - first for one, first in zip(inside, begin, strict=True)]


def cycle(swept: np.ndarray) -> np.ndarray:
    """The integral of the frequency."""
    return FIRST_HZ * swept + (LAST_HZ - FIRST_HZ) / (2 * SWEEP_S) * swept**2


def test_the_sweep_is_demodulated_with_scipys_chirp(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    assert values["sweep_f1_hz"].shape[1] == N_CYCLES - OVER + 1
    for unit in range(len(following.samples)):
        times = np.concatenate(since(following, unit, SWEEP_AT, SWEEP_S))
        hz, at = frequency(times), cycle(times)
        waves = hz * (light(times) - 1j * light(times, late_deg=90))
        for window in range(N_CYCLES - OVER + 1):
            mine = (at >= window) & (at < window + OVER)
            scale = 1 / (N_TRIALS * OVER)
            first = 2j * scale * waves[mine].sum()
            f0 = scale * hz[mine].sum()
            assert values["sweep_f0_hz"][unit, window] == pytest.approx(f0, rel=1e-9)
            assert values["sweep_f1_hz"][unit, window] == pytest.approx(
                abs(first), rel=1e-8, abs=1e-9
            )
            phase = values["sweep_phase_deg"][unit, window]
            if not np.isnan(phase):
                assert np.exp(1j * np.radians(phase)) == pytest.approx(first / abs(first), abs=1e-8)
    assert np.isfinite(values["sweep_phase_deg"][0]).sum() > 20


def test_the_sweeps_harmonic_is_astropys_moment_of_phases_weighted_by_frequency(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit in range(5):
        times = np.concatenate(since(following, unit, SWEEP_AT, SWEEP_S))
        hz, at = frequency(times), cycle(times)
        for window in range(0, N_CYCLES - OVER + 1, 3):
            mine = (at >= window) & (at < window + OVER)
            if not mine.any():
                continue
            _, length = circmoment(2 * np.pi * at[mine], p=1, weights=hz[mine])
            f0 = values["sweep_f0_hz"][unit, window]
            found = values["sweep_f1_hz"][unit, window]
            assert found == pytest.approx(2 * f0 * length, rel=1e-8, abs=1e-9)


def test_the_sweeps_harmonic_is_weighted_least_squares_of_the_rate_in_short_bins(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    # Weighted by frequency, so that the early part of a cycle counts like the late one. Windows do
    # not end with a bin of one sample: what that leaves is well below 1 %.
    bins = (np.arange(round(SWEEP_S * SAMPLING_HZ)) + 0.5) / SAMPLING_HZ
    at, hz = cycle(bins), frequency(bins)
    for unit in (0, 1, 4):
        times = np.concatenate(since(following, unit, SWEEP_AT, SWEEP_S))
        places = np.floor(times * SAMPLING_HZ).astype(int)
        rate = np.bincount(places, minlength=bins.size) * SAMPLING_HZ / N_TRIALS
        for window in (0, 1, 7, 20, N_CYCLES - OVER):
            mine = (at >= window) & (at < window + OVER)
            waves = np.column_stack([np.sin(2 * np.pi * at[mine]), np.cos(2 * np.pi * at[mine])])
            model = sm.WLS(rate[mine], sm.add_constant(waves), weights=hz[mine])
            mean, sine, cosine = model.fit().params
            assert values["sweep_f0_hz"][unit, window] == pytest.approx(mean, rel=2e-3)
            found = values["sweep_f1_hz"][unit, window]
            assert found == pytest.approx(np.hypot(sine, cosine), rel=2e-3, abs=2e-3 * mean)


def test_an_even_rate_has_a_harmonic_only_if_the_mean_is_over_time() -> None:
    # A spike a millisecond: an even rate.
    every = np.arange(round((STARTS[0] + TRIAL_S) * SAMPLING_HZ))[::20]
    cells = Cells((every,), 40.0)
    events = {"sweep_start:0.5-8hz": SWEEP_AT, "sweep_stop": SWEEP_AT + SWEEP_S}
    trials = repeated("chirp", "chirp", STARTS[:1], TRIAL_S, events)
    values = chirp(FeatureInputs(cells.hdmea, trials=trials), ChirpParams()).values
    assert values["sweep_f0_hz"][0] == pytest.approx(1000, rel=4e-3)
    assert values["sweep_f1_hz"][0].max() < 0.01 * 1000
    times = every / SAMPLING_HZ - STARTS[0] - SWEEP_AT
    first_two = times[(times >= 0) & (cycle(np.maximum(times, 0)) < 2)]
    over_time = 2 * abs(np.exp(2j * np.pi * cycle(first_two)).mean())
    assert over_time == pytest.approx(0.23, abs=0.01)


def zar(weights: np.ndarray, phases: np.ndarray, dispersion: float) -> float:
    """Rayleigh's p as Zar (2010) has it, of n spikes that count as so many."""
    if not weights.size:
        return 1.0
    n = weights.sum() ** 2 / (weights**2).sum() / max(dispersion, 1.0)
    mean = abs((weights * np.exp(1j * phases)).sum()) / weights.sum()
    return float(np.exp(np.sqrt(1 + 4 * n + 4 * (n**2 - (n * mean) ** 2)) - (1 + 2 * n)))


def test_p_of_the_sweep_is_scipys_combination_of_rayleighs_p_of_separate_windows(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit in range(len(following.samples)):
        times = np.concatenate(since(following, unit, SWEEP_AT, SWEEP_S))
        hz, at = frequency(times), cycle(times)
        of_windows = []
        dispersion = np.nan_to_num(values["dispersion"][unit], nan=1.0)
        for window in range(N_CYCLES - OVER + 1):
            mine = (at >= window) & (at < window + OVER)
            p = zar(hz[mine], 2 * np.pi * at[mine], dispersion)
            assert values["p_sweep_f1"][unit, window] == pytest.approx(p, rel=1e-6, abs=1e-300)
            of_windows.append(p)
        combined = combine_pvalues(of_windows[::OVER], method="fisher").pvalue
        assert values["p_sweep"][unit] == pytest.approx(combined, rel=1e-6, abs=1e-300)


def test_the_ramps_harmonics_are_astropys_moments_cycle_by_cycle(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    n_cycles = round(RAMP_HZ * RAMP_S)
    assert values["ramp_f1_hz"].shape[1] == n_cycles
    assert values["ramp_contrast"] == pytest.approx((np.arange(n_cycles) + 0.5) / n_cycles)
    for unit in range(len(following.samples)):
        times = np.concatenate(since(following, unit, RAMP_AT, RAMP_S))
        at = RAMP_HZ * times
        assert values["n_spikes_ramp"][unit] == times.size
        dispersion = np.nan_to_num(values["dispersion"][unit], nan=1.0)
        p = zar(np.ones(times.size), 2 * np.pi * at, dispersion)
        assert values["p_ramp"][unit] == pytest.approx(p, rel=1e-6, abs=1e-300)
        for one in range(n_cycles):
            mine = (at >= one) & (at < one + 1)
            f0 = RAMP_HZ * mine.sum() / N_TRIALS
            length = circmoment(2 * np.pi * at[mine], p=1)[1] if mine.any() else 0.0
            assert values["ramp_f0_hz"][unit, one] == pytest.approx(f0)
            found = values["ramp_f1_hz"][unit, one]
            assert found == pytest.approx(2 * f0 * length, rel=1e-8, abs=1e-9)


def test_dispersion_is_that_of_plain_loops_over_cycles(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    for unit in range(len(following.samples)):
        found = expected = 0.0
        swept = since(following, unit, SWEEP_AT, SWEEP_S)
        ramped = since(following, unit, RAMP_AT, RAMP_S)
        parts = [
            (N_CYCLES, [(cycle(one), frequency(one)) for one in swept]),
            (
                round(RAMP_HZ * RAMP_S),
                [(RAMP_HZ * one, np.full(one.size, RAMP_HZ)) for one in ramped],
            ),
        ]
        for n_cycles, trials in parts:
            for one in range(n_cycles):
                sums, squares, n_spikes = [], 0.0, 0
                for at, hz in trials:
                    mine = (at >= one) & (at < one + 1)
                    sums.append((hz[mine] * np.exp(-2j * np.pi * at[mine])).sum())
                    squares += (hz[mine] ** 2).sum()
                    n_spikes += mine.sum()
                if n_spikes:
                    residual = np.sum(np.abs(np.array(sums) - np.mean(sums)) ** 2)
                    found += residual * n_spikes / squares
                    expected += n_spikes * (1 - 1 / N_TRIALS)
        if not expected:
            assert np.isnan(values["dispersion"][unit])
            continue
        assert values["dispersion"][unit] == pytest.approx(found / expected, rel=1e-8)


def test_the_gain_is_the_posterior_of_a_gaussian_process_over_all_bins(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    n_windows = N_CYCLES - OVER + 1
    # When half of a window's cycles are over: the root of the quadratic that `cycle` is.
    middle = np.arange(n_windows) + OVER / 2
    hz_at = frequency(np.array([
        np.roots([(LAST_HZ - FIRST_HZ) / (2 * SWEEP_S), FIRST_HZ, -one]).max() for one in middle
    ]))  # fmt: skip
    assert np.log2(values["sweep_frequency_hz"]) == pytest.approx(np.log2(hz_at), abs=1e-9)
    n_bins = 1500
    bin_s = SWEEP_S / n_bins
    at = (np.arange(n_bins) + 0.5) * bin_s
    x, octave = 2 * np.pi * cycle(at), np.log2(frequency(at))

    def alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * (one[:, None] - other) ** 2)

    # Of mean rate, sine and cosine, and those of the second harmonic, each a process of its own.
    turns = x[:, None] - x
    rates = alike(octave, octave) * (1 + np.cos(turns) + np.cos(2 * turns))
    first = alike(np.log2(hz_at), octave) * np.exp(1j * (np.pi / 2 - x))  # sin x + i cos x
    responding = np.flatnonzero(np.isfinite(values["sweep_delay_ms"]))
    assert responding.size >= 2
    n_edges = 0
    for unit in responding[:3]:
        late = 1e-3 * values["sweep_delay_ms"][unit]
        times = np.concatenate(since(following, unit, SWEEP_AT, SWEEP_S + 0.4))
        best = []
        for delay in np.arange(0, 0.3, 0.002):
            light = times[(times >= delay) & (times < SWEEP_S + delay)] - delay
            even = light.size * np.exp(-1j * x).mean()
            best.append(abs(np.exp(-2j * np.pi * cycle(light)).sum() - even))
        assert late == pytest.approx(0.002 * np.argmax(best), abs=0.009)
        light = times[(times >= late) & (times < SWEEP_S + late)] - late
        rate = np.histogram(light, np.arange(n_bins + 1) * bin_s)[0] / bin_s / N_TRIALS
        mean = rate.mean()
        expected = (mean / 2) ** 2 / 2
        noise = mean / N_TRIALS / bin_s * max(values["dispersion"][unit], 1.0)
        solved = np.linalg.solve(expected * rates + noise * np.eye(n_bins), rate - mean)
        model = expected * rates @ solved
        scale = ((rate - mean) @ model) / (model @ model)
        posterior = scale * expected * first @ solved
        gain = values["sweep_gain_hz"][unit]
        assert gain == pytest.approx(np.abs(posterior), abs=0.03 * gain.max())
        # A Gaussian as wide as the unit is said to be looks as wide as its gain does.
        octaves = np.log2(hz_at)
        for name, side in (("half_power_low_hz", -1), ("half_power_high_hz", 1)):
            width = side * (np.log2(values[name][unit]) - _vertex(octaves, gain))
            if np.isnan(width):
                continue
            shape = 2 ** (-0.5 * ((octave - octaves[gain.argmax()]) / width) ** 2) * np.sin(x)
            solved = np.linalg.solve(expected * rates + noise * np.eye(n_bins), shape)
            seen = [_half_width(octaves, one, side) for one in
                    (np.abs(expected * first @ solved), gain)]  # fmt: skip
            assert seen[0] == pytest.approx(seen[1], abs=0.04)
            assert width < seen[1]
            n_edges += 1
    assert n_edges >= 1


def _vertex(octaves: np.ndarray, gain: np.ndarray) -> float:
    """Where the parabola through the largest gain and its neighbours is largest."""
    three = slice(max(gain.argmax() - 1, 0), gain.argmax() + 2)
    if octaves[three].size < 3:
        return float(octaves[gain.argmax()])
    second, first, _ = np.polyfit(octaves[three], gain[three], 2)
    return float(-first / (2 * second))


def _half_width(octaves: np.ndarray, gain: np.ndarray, side: int) -> float:
    """Octaves from the largest gain to half power, by straight lines on a fine grid."""
    fine = np.linspace(octaves[0], octaves[-1], 200_001)
    curve = np.interp(fine, octaves, gain)
    away = side * (fine - _vertex(octaves, gain))
    return float(away[(away > 0) & (curve <= gain.max() / np.sqrt(2))].min())


def test_preferred_frequency_and_half_contrast_are_where_numpys_interpolation_says(
    values: dict[str, np.ndarray], following: Cells
) -> None:
    octaves = np.log2(values["sweep_frequency_hz"])
    for unit in np.flatnonzero(~np.isnan(values["preferred_frequency_hz"])):
        gain = values["sweep_gain_hz"][unit]
        largest = gain.max()
        # The top: where straight lines between windows are above 95 % of the largest gain.
        fine = np.linspace(octaves[0], octaves[-1], 200_001)
        top = fine[np.interp(fine, octaves, gain) >= 0.95 * largest]
        if np.ptp(top) < 1.05 * top.size * (fine[1] - fine[0]):  # it is one piece
            middle = (top[0] + top[-1]) / 2
            assert np.log2(values["preferred_frequency_hz"][unit]) == pytest.approx(
                middle, abs=1e-4
            )
    assert values["preferred_frequency_hz"][1] < 2
    # The drive is contrast x sine: half of the response at half of that to the highest quarter.
    assert values["half_contrast"][0] == pytest.approx(0.875 / 2, abs=0.12)
    contrast = values["ramp_contrast"]
    n_halves = 0
    for unit in np.flatnonzero(~np.isnan(values["half_contrast"])):
        at = RAMP_HZ * np.concatenate(since(following, unit, RAMP_AT, RAMP_S))
        harmonic = np.array([
            2 * RAMP_HZ / N_TRIALS * np.exp(-2j * np.pi * at[(at >= one) & (at < one + 1)]).sum()
            for one in range(contrast.size)
        ])  # fmt: skip
        level = abs(harmonic[-contrast.size // 4 :].mean()) / 2
        curve = np.abs(harmonic[:-1] + harmonic[1:]) / 2
        middles = (contrast[:-1] + contrast[1:]) / 2
        half = np.interp(values["half_contrast"][unit], middles, curve)
        assert half == pytest.approx(level, rel=1e-9)
        assert (curve[middles > values["half_contrast"][unit]] > level).all()
        n_halves += 1
    assert n_halves >= 2
