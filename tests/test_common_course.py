"""One course of the rate for all frequencies: exact courses, an independent fit, what it is for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import least_squares

from hdmea.kernels.common_course import CommonCourse, common_course

Float64 = npt.NDArray[np.float64]

SECONDS = 3 * np.array([2.0, 3.0, 3.5, 3.75, 3.9])
SIZE = np.array([0.5, 0.8, 1.0, 0.75, 0.13])
PHASE = np.array([0.1, -0.3, -0.8, -1.6, -3.0])
X = 2 * np.pi * (np.arange(64) + 0.5) / 64


def harmonics(rate: npt.ArrayLike) -> tuple[Float64, ...]:
    """Mean and two harmonics of rates in bins of a cycle, ``(..., bin)``."""
    first, second = (2 * (rate * np.exp(-1j * k * X)).mean(axis=-1) for k in (1, 2))
    return np.mean(rate, axis=-1), first, second


def fitted(rate: Float64, seconds: Float64 = SECONDS) -> CommonCourse:
    return common_course(*harmonics(rate), seconds, np.ones(len(rate)))


def drawn(rate: Float64, n: int, rng: np.random.Generator) -> Float64:
    """Rates of Poisson spikes."""
    time = (SECONDS / X.size)[:, None]
    return rng.poisson(np.broadcast_to(rate * time, (n, *rate.shape))) / time


def soft(u: npt.ArrayLike) -> Float64:
    return np.asarray(2 * np.logaddexp(0, np.asarray(u) / 2))


DRIVE = SIZE[:, None] * 60 * np.sin(X + PHASE[:, None])
ON_OFF = soft(3 + DRIVE) + soft(2 - 0.6 * DRIVE)
OTHER_SIZE = np.array([0.2, 0.5, 0.9, 1.0, 0.5])
SIDES_DIFFER = soft(3 + DRIVE) + soft(2 - 0.6 * (OTHER_SIZE / SIZE)[:, None] * DRIVE)


@pytest.mark.parametrize("both_halves", [0.2, 1.0])
def test_a_course_that_is_the_same_at_all_frequencies_is_found_exactly(both_halves: float) -> None:
    y = X + PHASE[:, None]
    course = 6 * np.cos(y + 0.4) + both_halves * 12 * np.cos(2 * y - 1) + 10
    found = fitted((20 + SIZE[:, None] * course)[None], 1e4 * SECONDS)
    np.testing.assert_allclose(found.gain_hz[0], 6 * SIZE, rtol=1e-5)
    assert found.weight.tolist() == [1]


def test_it_is_the_least_squares_fit_that_another_program_finds() -> None:
    rng = np.random.default_rng(3)
    rates = drawn(ON_OFF, 6, rng)
    means, firsts, seconds_ = harmonics(rates)
    found = common_course(means, firsts, seconds_, SECONDS, np.full(6, 1e6))  # noise: weight 1
    assert found.weight.tolist() == [1] * 6
    for mean, first, second, gain in zip(means, firsts, seconds_, found.gain_hz, strict=True):
        error = np.sqrt((mean + 1 / SECONDS) / SECONDS)
        start = np.r_[
            mean.min(), np.ptp(mean), np.abs(first).max(), 0, second.real[2], second.imag[2],
            np.delete(mean / mean[2], 2), np.angle(first) - np.angle(first[2]),
        ]  # fmt: skip

        def left(k, mean=mean, first=first, second=second, error=error):  # type: ignore[no-untyped-def]
            size, phase = np.insert(k[6:10], 2, 1.0), k[10:]
            waves = [
                (one - size * complex(*k[at : at + 2]) * np.exp(1j * n * phase)) / error
                for n, (one, at) in enumerate(((first, 2), (second, 4)), start=1)
            ]
            constant = (mean - k[0] - k[1] * size) / error
            prior = k[1] * np.sqrt((size**2).mean()) / mean.mean()
            halves = [part / np.sqrt(2) for w in waves for part in (w.real, w.imag)]
            # the phase at one frequency is the course's
            return np.concatenate([constant, *halves, [prior, phase[2] - np.angle(first[2])]])

        best = min(
            (least_squares(left, start * s) for s in (1.0, 0.8, 1.2)), key=lambda one: one.cost
        )
        k, size = best.x, np.insert(best.x[6:10], 2, 1.0)
        found = [
            weighted(moments, k, s, mean.mean())
            for *moments, s in zip(
                mean, first * np.exp(-1j * k[10:]), second * np.exp(-2j * k[10:]), size, strict=True
            )
        ]
        np.testing.assert_allclose(gain, np.array(found) * np.hypot(*k[2:4]), rtol=0.01)


def weighted(moments: list[complex], k: Float64, size: float, mean_rate: float) -> float:
    """The size by whitened least squares, rest and course given, of moments without their phase."""
    mean, first, second = moments
    y = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    waves = np.array([y**0, np.cos(y), -np.sin(y), np.cos(2 * y), -np.sin(2 * y)])
    seen = np.array([mean - k[0], first.real, first.imag, second.real, second.imag]).real
    for _ in range(3):
        rate = np.maximum(k[0] + size * k[1:6] @ waves, 0) + mean_rate / 2
        of_spikes = waves * np.array([1, 2, 2, 2, 2])[:, None]
        whiten = np.linalg.inv(np.linalg.cholesky((of_spikes * rate) @ of_spikes.T / y.size))
        size = np.linalg.lstsq((whiten @ k[1:6])[:, None], whiten @ seen)[0][0]
    return float(size)


def test_gains_of_cells_that_answer_to_both_halves_have_two_thirds_of_the_error() -> None:
    rates = drawn(ON_OFF, 400, np.random.default_rng(4))
    true = np.abs(harmonics(ON_OFF)[1])
    alone, found = np.abs(harmonics(rates)[1]), fitted(rates)
    square = [((one - true) ** 2).mean(axis=0).sum() for one in (alone, found.gain_hz)]
    assert square[1] < 0.45 * square[0]
    assert np.mean(found.weight == 1) > 0.6


def test_gains_of_a_course_that_changes_are_hardly_worse_than_those_of_each_frequency() -> None:
    rates = drawn(SIDES_DIFFER, 400, np.random.default_rng(5))
    true = np.abs(harmonics(SIDES_DIFFER)[1])
    alone, found = np.abs(harmonics(rates)[1]), fitted(rates)
    square = [((one - true) ** 2).mean(axis=0).sum() for one in (alone, found.gain_hz)]
    assert square[1] < 1.15 * square[0]
    assert np.median(found.weight) < 0.3
    exact = fitted(SIDES_DIFFER[None], 1e4 * SECONDS)
    np.testing.assert_allclose(exact.gain_hz[0], true, rtol=2e-3)


def test_of_three_frequencies_each_has_its_own_amplitude() -> None:
    rates = drawn(ON_OFF, 3, np.random.default_rng(6))[:, :3]
    found = fitted(rates, SECONDS[:3])
    np.testing.assert_allclose(found.gain_hz, np.abs(harmonics(rates)[1]), rtol=1e-12)
    assert found.weight.tolist() == [0] * 3


def test_bursts_leave_more_to_the_common_course() -> None:
    rates = drawn(SIDES_DIFFER, 50, np.random.default_rng(7))
    weights = [
        common_course(*harmonics(rates), SECONDS, np.full(50, dispersion)).weight
        for dispersion in (0.5, 1.0, 4.0, np.nan)
    ]
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[3], weights[1])
    assert (weights[2] >= weights[1]).all()
    np.testing.assert_allclose(weights[2], np.minimum(4 * weights[1], 1))


def test_a_unit_does_not_depend_on_the_others() -> None:
    rates = drawn(ON_OFF, 13, np.random.default_rng(8))
    rates[5] = 0  # silent
    rates[6, 1:] = 0
    rates[7] = rates[7, :1]  # the same at all frequencies
    together = fitted(rates)
    assert np.isfinite(together.gain_hz).all()
    assert (together.gain_hz >= 0).all()
    assert (together.gain_hz[5] == 0).all()
    for unit in range(13):
        alone = fitted(rates[unit : unit + 1])
        np.testing.assert_array_equal(alone.gain_hz[0], together.gain_hz[unit])
        np.testing.assert_array_equal(alone.weight[0], together.weight[unit])
