"""What the light says of an interval without a pulse: of many simulated ones none is wrong."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest

from hdmea.stimulus.photodiode import Photodiode, decide

FRAME_S = 1 / 60
N_FRAMES = 300
FINE_HZ = 2000
WHITE = 5_000_000.0
TYPICAL = 320.0
"""Noise of a 2 kHz sample (counts): what the simulated rig has."""

Float64 = npt.NDArray[np.float64]


def shown(kind: str, rng: np.random.Generator) -> Float64:
    """Luminance of each image, 0 to 1."""
    n = np.arange(N_FRAMES)
    noise = 0.5 + rng.normal(0, 0.033, N_FRAMES + 8)  # mean of 15 x 15 black and white pixels
    shift = int(rng.integers(0, 60))
    sine = {"sine 0.5 Hz": 120, "sine 1 Hz": 60, "sine 4 Hz": 15, "sine 10 Hz": 6}
    if kind in sine:
        return np.rint(255 * (0.5 + 0.5 * np.sin(2 * np.pi * (n + shift) / sine[kind]))) / 255
    if kind == "noise, grey, noise":
        luminance = np.repeat(noise, 4)[:N_FRAMES]
        luminance[150 - shift : 210 - shift] = 0.5
        return luminance
    return {
        "noise 15 Hz": np.repeat(noise, 4)[shift % 4 :][:N_FRAMES],
        "noise 30 Hz": np.repeat(noise, 2)[shift % 2 :][:N_FRAMES],
        "noise 60 Hz": noise[:N_FRAMES],
        "full field 15 Hz": np.repeat(np.rint(rng.random(N_FRAMES)), 4)[:N_FRAMES],
        "flicker 60 Hz": n % 2 * 1.0,
        "flicker 60 Hz, faint": 0.5 + n % 2 * 0.01,
        "step": (n + shift) // 60 % 2 * 1.0,
        "bar": np.clip(((n + shift) % 200 - 60) / 80, 0, 1),
        "grey": np.full(N_FRAMES, 0.5),
    }[kind]


KINDS = [
    "noise 15 Hz", "noise 30 Hz", "noise 60 Hz", "full field 15 Hz", "flicker 60 Hz",
    "flicker 60 Hz, faint", "sine 0.5 Hz", "sine 1 Hz", "sine 4 Hz", "sine 10 Hz", "step", "bar",
    "noise, grey, noise", "grey",
]  # fmt: skip


def decision(
    kind: str,
    truth: str,
    n_frames: int,
    *,
    noise: float = TYPICAL,
    delay_s: float = 0.0,
    tau_s: float = 0.0005,
    hum: float = 0.0,
    hum_hz: float = 100.0,
    seed: int = 0,
) -> str:
    """What is decided about an interval of `n_frames` whose truth is known."""
    rng = np.random.default_rng([seed, n_frames, *kind.encode()])
    luminance = shown(kind, rng)
    gap = int(rng.integers(130, 170))
    image = np.arange(N_FRAMES)
    if truth == "held":
        image = np.r_[image[:gap], np.full(n_frames, gap), image[gap + 1 :]]
    starts = 1 + np.arange(image.size) * FRAME_S
    has_pulse = np.ones(image.size, dtype=bool)
    has_pulse[gap + 1 : gap + n_frames] = False

    times = np.arange(int((starts[-1] + 1) * FINE_HZ)) / FINE_HZ
    onsets = starts + delay_s
    at = np.searchsorted(onsets, times, side="right")
    target = luminance[np.r_[0, image]]
    # Every frame begins where the one before had come to.
    begin = np.empty(target.size)
    begin[0] = level = target[0]
    for k in range(1, target.size):
        begin[k] = level
        level = target[k] + (level - target[k]) * np.exp(-FRAME_S / tau_s)
    since = times - np.r_[0.0, onsets][at]
    light = target[at] + (begin[at] - target[at]) * np.exp(-since / tau_s)
    light = WHITE * light + noise * rng.standard_normal(times.size)
    light += hum * np.sin(2 * np.pi * hum_hz * times + seed)
    means = light[: times.size // 2 * 2].reshape(-1, 2).mean(axis=1).astype(np.float32)
    pulses = starts[has_pulse]
    return decide(
        Photodiode(means, FINE_HZ / 2, 0.0), pulses[: gap + 1], pulses[gap + 1 :], FRAME_S
    )


@pytest.mark.parametrize(
    "rig",
    [
        {},
        {"noise": 15.0},
        {"noise": 15_000.0},
        {"noise": 150_000.0},
        {"delay_s": 0.007},
        {"delay_s": 0.026},
        {"delay_s": -0.002},
        {"tau_s": 0.003},
        {"tau_s": 0.006, "delay_s": 0.005},
        {"hum": 50_000.0},
        {"hum": 3000.0, "hum_hz": 90.0},
        {"hum": 50_000.0, "hum_hz": 10.0},
    ],
    ids=str,
)
def test_no_decision_is_wrong(rig: dict[str, float]) -> None:
    cases = list(itertools.product(KINDS, ("held", "missed"), (2, 3), range(2)))
    found = {case: decision(*case[:3], seed=case[3], **rig) for case in cases}
    assert {c: said for c, said in found.items() if said not in (c[1], "undecided")} == {}
    assert "held" in found.values()
    assert "missed" in found.values()


def test_what_the_light_tells_is_decided() -> None:
    """On the simulated rig; what cannot be told, or only by knowing the movie, is not."""
    said = {
        (kind, truth): Counter(decision(kind, truth, 2, seed=seed) for seed in range(6))[truth]
        for kind, truth in itertools.product(KINDS, ("held", "missed"))
    }
    always = {"noise 15 Hz", "noise 30 Hz", "flicker 60 Hz", "flicker 60 Hz, faint"}
    assert {kind for kind in KINDS if said[kind, "held"] == said[kind, "missed"] == 6} >= always
    assert all(said[kind, "missed"] >= 4 for kind in ("noise 60 Hz", "sine 0.5 Hz", "sine 1 Hz"))
    never = {"grey", "step"}
    assert {kind for kind in KINDS if said[kind, "held"] == said[kind, "missed"] == 0} >= never


def test_a_rhythm_that_comes_back_into_step_is_not_decided() -> None:
    # Images of 4 frames: after 5 instead of 1 the rhythm is as if nothing had been.
    for truth in ("held", "missed"):
        assert decision("noise 15 Hz", truth, 5) == "undecided"
        assert decision("noise 15 Hz", truth, 4) == truth


def test_a_stop_between_two_movies_is_not_decided() -> None:
    # The pulses stop with the first image of the grey and go on with the second movie, which may
    # begin in any phase: neither "held" nor "missed" would be true.
    for pause in range(20, 40):
        rng = np.random.default_rng(pause)
        first, second = np.repeat(rng.random((2, 37)), 4, axis=1)
        light = np.r_[first, np.full(pause, 0.5), second]
        means = 5e6 * np.repeat(light, 16) + rng.normal(0, 100, light.size * 16)
        photodiode = Photodiode(means.astype(np.float32), 960.0, 0.0)
        frames = np.arange(light.size) / 60
        assert decide(photodiode, frames[:149], frames[148 + pause :], FRAME_S) == "undecided"


def test_pulses_that_are_missing_for_a_second_are_found() -> None:
    rng = np.random.default_rng(0)
    light = np.repeat(rng.random(100), 4)
    means = 5e6 * np.repeat(light, 16) + rng.normal(0, 100, light.size * 16)
    photodiode = Photodiode(means.astype(np.float32), 960.0, 0.0)
    frames = np.arange(light.size) / 60
    assert decide(photodiode, frames[:150], frames[211:], FRAME_S) == "missed"


def test_intervals_that_are_no_frames_or_have_no_light_around_are_not_decided() -> None:
    frames = np.arange(300) / 60
    light = Photodiode(np.repeat(np.arange(300) % 2, 16).astype(np.float32), 960.0, 0.0)
    whole = frames[:150], frames[151:]
    assert decide(light, *whole, FRAME_S) == "missed"
    assert decide(light, frames[:150], frames[151:] - 0.4 * FRAME_S, FRAME_S) == "undecided"
    assert decide(light, frames[130:150], frames[151:170], FRAME_S) == "undecided"
    short = Photodiode(light.values[: 151 * 16], 960.0, 0.0)
    assert decide(short, *whole, FRAME_S) == "undecided"
    late = Photodiode(light.values[149 * 16 :], 960.0, 149 / 60)
    assert decide(late, *whole, FRAME_S) == "undecided"
    coarse = Photodiode(light.values.reshape(-1, 8).mean(axis=1), 120.0, 0.0)
    assert decide(coarse, *whole, FRAME_S) == "undecided"
    dark = Photodiode(np.zeros_like(light.values), 960.0, 0.0)
    assert decide(dark, *whole, FRAME_S) == "undecided"
