"""Sines of fixed frequencies: the response folded on a cycle, its harmonics, and the tuning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import BEFORE, OFF, ON, SPIKES, new_figure, note
from figures.cells import by_trial, fire, trains, trials_of_movie
from hdmea.features.freq_step import FreqStepParams, freq_step
from hdmea.features.inputs import FeatureInputs, Trials

N_TRIALS = 6


def draw_freq_step() -> Figure:
    """The trial, one cycle of each frequency with the fitted sine, and gain over frequency."""
    params = FreqStepParams()
    frequencies = (1, 2, 4, 8, 15)
    gains, delay_s = (14.0, 19.0, 25.0, 15.0, 5.0), 0.045
    starts = 0.5 + 3.5 * np.arange(len(frequencies))
    segment_s, length_s = 3.0, 3.5 * len(frequencies) + 0.5
    events = {}
    for start, hz in zip(starts, frequencies, strict=True):
        events |= {f"segment_start:{hz}hz": start}
    trials = _with_stops(events, starts + segment_s, length_s)

    def rate(t: np.ndarray) -> np.ndarray:
        t = t % length_s
        total = np.full(t.shape, 22.0)
        for start, hz, gain in zip(starts, frequencies, gains, strict=True):
            since = t - start - delay_s
            shape = np.sin(2 * np.pi * hz * since) + 0.25 * np.sin(4 * np.pi * hz * since)
            total += np.where((since > 0) & (t < start + segment_s), gain * shape, 0)
        return np.maximum(total, 0)

    spikes = fire(np.random.default_rng(6), rate, N_TRIALS * length_s, 60)
    found = freq_step(FeatureInputs(trains(spikes), trials=trials), params).values

    figure = new_figure(5.0)
    cycles = [f"{hz}" for hz in frequencies]
    panels = figure.subplot_mosaic(
        [["trial"], [[cycles]], [[["tuning", "phase"]]]], height_ratios=[0.8, 1.1, 1.3]
    )
    axes = panels["trial"]
    coarse = 5  # the PSTH's bins are too fine for the eye
    start = found["psth_bin_start_s"][::coarse]
    psth = found["psth_hz"][0].reshape(-1, coarse).mean(axis=1)
    axes.stairs(psth, np.append(start, length_s), fill=True, color="#C9C9C9")
    top = 1.15 * psth.max()
    for begin, hz in zip(starts, frequencies, strict=True):
        t = np.linspace(0, segment_s, 600)
        axes.plot(begin + t, top * (1.25 + 0.17 * np.sin(2 * np.pi * hz * t)), color=SPIKES, lw=0.8)
        skipped = params.skip_cycles / hz
        axes.axvspan(begin, begin + skipped, color=BEFORE, alpha=0.3, lw=0)
        axes.axvspan(begin + skipped, begin + segment_s, color=OFF, alpha=0.15, lw=0)
    axes.set(xlim=(0, length_s), ylim=(0, 1.5 * top), ylabel="rate (Hz)")
    axes.set_title("A trial: light above, rate below; skip_cycles grey, whole cycles blue")
    axes.set_xlabel("time from the trial's start (s)")

    rows = by_trial(spikes, trials)
    x = np.linspace(0, 2 * np.pi, 121)
    for i, (name, hz) in enumerate(zip(cycles, frequencies, strict=True)):
        axes = panels[name]
        first = starts[i] + params.skip_cycles / hz
        k = int(found["n_cycles"][i])
        inside = [(row - first) for row in rows]
        phase = np.concatenate([t[(t >= 0) & (t < k / hz)] * hz % 1 for t in inside])
        counts = np.histogram(phase, params.bins_per_cycle, (0, 1))[0]
        seconds = N_TRIALS * k / hz / params.bins_per_cycle
        axes.stairs(counts / seconds, np.linspace(0, 1, params.bins_per_cycle + 1), fill=True,
                    color="#C9C9C9")  # fmt: skip
        f0, f1, lag = (found[key][0, i] for key in ("f0_hz", "f1_hz", "phase_deg"))
        fit = f0 + f1 * np.sin(x + np.deg2rad(lag)) if np.isfinite(lag) else np.full(x.shape, f0)
        axes.plot(x / (2 * np.pi), fit, color=OFF, lw=2)
        axes.axhline(f0, color=SPIKES, lw=0.8, ls=":")
        axes.set(xlim=(0, 1), ylim=(0, 62), xticks=[0, 0.5, 1], xticklabels=["0", "½", "1"])
        axes.set_title(f"{hz} Hz: F1 {f1:.1f}")
        if np.isnan(lag):
            note(axes, 0.03, 59, "no_response", va="top")
        if i:
            axes.tick_params(labelleft=False)
        else:
            axes.set_ylabel("rate (Hz)")
            note(axes, 0.97, f0 + 1, "F0", ha="right", va="bottom", color=SPIKES)
    panels[cycles[2]].set_xlabel("cycle of the light; line: F0 + F1 sin(x + phase)")

    axes = panels["tuning"]
    gain, hz = found["gain_hz"][0], found["frequency_hz"]
    best = found["preferred_frequency_hz"][0]
    axes.semilogx(hz, found["f1_hz"][0], "o", color=OFF, ms=7, mfc="none")
    axes.semilogx(hz, gain, ".-", color=OFF, ms=7)
    peak = gain[hz == best][0]
    low, high = found["half_power_low_hz"][0], found["half_power_high_hz"][0]
    axes.hlines(peak / np.sqrt(2), low, high, color=ON, lw=1.8)
    axes.vlines([low, high], 0, peak / np.sqrt(2), color=ON, lw=0.9, ls="--")
    axes.vlines(best, 0, peak, color=OFF, lw=0.9, ls=":")
    note(axes, np.sqrt(low * high), peak / np.sqrt(2) - 0.6,
         f"gain / √2\n{found['bandwidth_octaves'][0]:.2f} octaves",
         color=ON, ha="center", va="top")  # fmt: skip
    note(axes, best, 1.05 * peak, f"preferred_frequency_hz = {best:g}", color=OFF, ha="center")
    axes.set(xticks=hz, xticklabels=[f"{v:g}" for v in hz], ylim=(0, 1.25 * peak))
    axes.minorticks_off()
    axes.set(xlabel="frequency (Hz)", ylabel="gain_hz (Hz)")
    axes = panels["phase"]
    lag = np.rad2deg(np.unwrap(np.deg2rad(found["phase_deg"][0])))
    axes.plot(hz, lag, "o", color=OFF, ms=5)
    line = np.array([0, hz[-1]])
    axes.plot(line, -360 * delay_s * line, color=BEFORE, lw=1)
    note(axes, 6.2, -360 * delay_s * 6.2 + 8, f"a delay of {1000 * delay_s:.0f} ms, simulated")
    axes.set(xlabel="frequency (Hz)", ylabel="phase (deg)", xlim=(0, hz[-1] + 1))
    axes.set_title("phase_deg (without its jumps of 360)")
    return figure


def _with_stops(events: dict[str, float], stops: np.ndarray, length_s: float) -> Trials:
    """Trials in which every segment also ends: an event of the same name each time."""
    trials = trials_of_movie("freq_step", N_TRIALS, length_s, events)
    at = (trials.start_s[:, None] + stops).ravel()
    return replace(
        trials,
        event_trial=np.concatenate(
            [trials.event_trial, np.repeat(np.arange(N_TRIALS), stops.size)]
        ),
        event_name=np.concatenate([trials.event_name, np.array(["segment_stop"] * at.size)]),
        event_time_s=np.concatenate([trials.event_time_s, at]),
    )
