"""A chirp: gain against frequency in its sweep, and against contrast in its ramp."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from figures.canvas import BEFORE, OFF, ON, SPIKES, bare, new_figure, note
from figures.cells import fire, trains, trials_of_movie
from hdmea.features.chirp import ChirpParams, chirp
from hdmea.features.inputs import FeatureInputs

N_TRIALS = 10
SWEEP = (4.0, 12.0)
RAMP = (13.5, 21.5)
LENGTH_S = 22.5
HZ = (0.5, 10.0)
RAMP_HZ = 2.0


def draw_chirp() -> Figure:
    """The light, the rate, and what it says of frequency and of contrast."""
    params = ChirpParams()
    events = {
        "light_on": 0.5, "light_off": 2.5,
        "sweep_start:0.5-10hz": SWEEP[0], "sweep_stop": SWEEP[1],
        "ramp_start:2hz:0-1": RAMP[0], "ramp_stop": RAMP[1],
    }  # fmt: skip
    trials = trials_of_movie("chirp", N_TRIALS, LENGTH_S, events)
    spikes = fire(np.random.default_rng(2), _rate, N_TRIALS * LENGTH_S, 90)
    found = chirp(FeatureInputs(trains(spikes), trials=trials), params).values

    figure = new_figure(5.2)
    panels = figure.subplot_mosaic(
        [["light"], ["psth"], [[["gain", "contrast"]]]], height_ratios=[0.5, 1, 1.7]
    )
    axes = panels["light"]
    t = np.arange(0, LENGTH_S, 0.004)
    axes.plot(t, _light(t), color=SPIKES, lw=0.8)
    axes.set(xlim=(0, LENGTH_S), ylim=(-0.1, 1.1))
    bare(axes, "left", "bottom")
    axes.set_ylabel("light")
    axes = panels["psth"]
    coarse = 5  # the PSTH's bins are too fine for the eye
    psth = found["psth_hz"][0].reshape(-1, coarse).mean(axis=1)
    start = found["psth_bin_start_s"][::coarse]
    axes.stairs(psth, np.append(start, LENGTH_S), fill=True, color="#C9C9C9")
    for (begin, stop), colour, said in ((SWEEP, OFF, "sweep"), (RAMP, ON, "ramp")):
        for one in (panels["light"], axes):
            one.axvspan(begin, stop, color=colour, alpha=0.13, lw=0)
        note(axes, begin + 0.1, 1.2 * psth.max(), said, color=colour, va="top")
    middle = found["sweep_time_s"][0]
    first = middle - params.sweep_window_cycles / 2 / found["sweep_frequency_hz"][0]
    axes.annotate("", (first, 1.0 * psth.max()), (2 * middle - first, 1.0 * psth.max()),
                  arrowprops={"arrowstyle": "|-|,widthA=0.3,widthB=0.3", "color": OFF})  # fmt: skip
    note(axes, 2 * middle - first + 0.1, psth.max(), "sweep_window_cycles", color=OFF, va="center")
    axes.set(xlim=(0, LENGTH_S), ylim=(0, 1.22 * psth.max()), ylabel="rate (Hz)")
    axes.set_xlabel("time from the trial's start (s)")

    axes = panels["gain"]
    hz, gain = found["sweep_frequency_hz"], found["sweep_gain_hz"][0]
    axes.semilogx(hz, found["sweep_f1_hz"][0], ".", color=BEFORE, ms=5)
    axes.semilogx(hz, gain, color=OFF, lw=2)
    best = found["preferred_frequency_hz"][0]
    peak = gain.max()
    low, high = found["half_power_low_hz"][0], found["half_power_high_hz"][0]
    axes.hlines(peak / np.sqrt(2), low, high, color=ON, lw=1.8)
    axes.vlines([low, high], 0, peak / np.sqrt(2), color=ON, lw=0.9, ls="--")
    axes.vlines(best, 0, peak, color=OFF, lw=0.9, ls=":")
    note(axes, best, 1.17 * peak, f"preferred_frequency_hz = {best:.1f}", color=OFF, ha="center",
         va="bottom")  # fmt: skip
    octaves = found["bandwidth_octaves"][0]
    note(axes, np.sqrt(low * high), 0.62 * peak, f"bandwidth\n{octaves:.2f} octaves",
         color=ON, ha="center", va="top")  # fmt: skip
    ticks = [1, 2, 4, 8]
    axes.set(xticks=ticks, xticklabels=[f"{v}" for v in ticks], ylim=(0, 1.35 * peak))
    axes.minorticks_off()
    axes.set(xlabel="frequency in the sweep (Hz)", ylabel="F1 (Hz)")
    axes.set_title("dots: each window; line: sweep_gain_hz")

    axes = panels["contrast"]
    contrast, f1 = found["ramp_contrast"], found["ramp_f1_hz"][0]
    half = found["half_contrast"][0]
    axes.plot(contrast, f1, "o-", color=ON, ms=4, lw=1)
    level = float(np.interp(half, contrast, f1))
    top = f1[-(contrast.size // 4) :].mean()
    axes.axvspan(contrast[-(contrast.size // 4)] - 0.03, 1, color=BEFORE, alpha=0.22, lw=0)
    axes.vlines(half, 0, top / 2, color=SPIKES, lw=1, ls="--")
    axes.hlines(top / 2, 0, half, color=SPIKES, lw=1, ls="--")
    note(axes, half + 0.02, 0.25 * level, f"half_contrast = {half:.2f}", color=SPIKES)
    note(axes, 0.985, 0.05 * f1.max(), "highest\nquarter", ha="right")
    axes.set(xlim=(0, 1), ylim=(0, 1.1 * f1.max()), xlabel="contrast in the ramp", ylabel="F1 (Hz)")
    axes.set_title("each cycle of the ramp")
    return figure


def _phase(t: np.ndarray) -> np.ndarray:
    """Phase of the sweep at a time from its start."""
    rise = (HZ[1] - HZ[0]) / (SWEEP[1] - SWEEP[0])
    return 2 * np.pi * (HZ[0] * t + rise * t * t / 2)


def _light(t: np.ndarray) -> np.ndarray:
    in_sweep, in_ramp = ((t >= one[0]) & (t < one[1]) for one in (SWEEP, RAMP))
    contrast = np.clip((t - RAMP[0]) / (RAMP[1] - RAMP[0]), 0, 1)
    ramp = 0.5 + 0.5 * contrast * np.sin(2 * np.pi * RAMP_HZ * (t - RAMP[0]))
    light = np.where(t < SWEEP[0], ((t >= 0.5) & (t < 2.5)).astype(float), 0.5)
    light = np.where(in_sweep, 0.5 + 0.5 * np.sin(_phase(t - SWEEP[0])), light)
    return np.where(in_ramp, ramp, light)


def _rate(t: np.ndarray) -> np.ndarray:
    """A cell that prefers 3 Hz, saturates with contrast, and answers after 50 ms."""
    t = t % LENGTH_S - 0.05
    hz = HZ[0] + (HZ[1] - HZ[0]) * np.clip((t - SWEEP[0]) / (SWEEP[1] - SWEEP[0]), 0, 1)
    gain = 34 * np.exp(-0.5 * (np.log2(hz / 3) / 0.9) ** 2)
    contrast = np.clip((t - RAMP[0]) / (RAMP[1] - RAMP[0]), 0, 1)
    in_sweep, in_ramp = ((t >= one[0]) & (t < one[1]) for one in (SWEEP, RAMP))
    rate = 36.0 + 40 * np.exp(-np.abs(t - 0.5) / 0.2) * (t > 0.5)
    rate = np.where(in_sweep, 36 + gain * np.sin(_phase(t - SWEEP[0])), rate)
    ramp = 40 * contrast**2 / (contrast**2 + 0.1)
    return np.where(in_ramp, 36 + ramp * np.sin(2 * np.pi * RAMP_HZ * (t - RAMP[0])), rate)
