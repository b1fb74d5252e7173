"""Frequency tuning of simulated retinas: the true gain, what is claimed of it, what is denied."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import pytest
from truth import retina
from truth.claim import Sample
from truth.claims import frequency
from truth.frequency import FIXED_HZ, SWEEP_HZ, expected_spikes, gain_at, true_first_hz
from truth.population import make_population, record
from truth.recordings import Repeated
from truth.repeated import repeated

from hdmea.simulate import movies
from hdmea.simulate.movies import GeneratedMovie

CELLS, TRIALS = 40, (3, 5)


@pytest.fixture(scope="module")
def small() -> Sample:
    return repeated(CELLS, 78, n_trials=TRIALS)


@pytest.fixture(scope="module")
def perfect(small: Sample) -> Sample:
    """What features without any error would find."""
    sweep, fixed = small.cells["true_sweep_hz"], small.cells["true_fixed_hz"]
    found = {}
    for n in TRIALS:
        hz = small.found[f"sweep_hz_{n}"]
        found |= {
            f"sweep_preferred_hz_{n}": SWEEP_HZ[np.abs(sweep).argmax(axis=1)],
            f"fixed_preferred_hz_{n}": FIXED_HZ[np.abs(fixed).argmax(axis=1)],
            f"sweep_high_hz_{n}": upper_half_power(np.abs(sweep)),
            f"sweep_gain_hz_{n}": 0.8 * gain_at(SWEEP_HZ, np.abs(sweep), hz),
            f"fixed_gain_hz_{n}": np.abs(fixed),
            f"fixed_p_best_{n}": np.zeros(CELLS),
            f"fixed_f1_hz_{n}": np.abs(fixed),
            f"fixed_told_hz_{n}": np.abs(fixed),
        }
    return small.with_found(**found)


def upper_half_power(gain: np.ndarray) -> np.ndarray:
    """Where each curve first falls to 1 / sqrt 2 above its largest value, on a fine grid."""
    fine = np.linspace(*np.log2(SWEEP_HZ[[0, -1]]), 40_001)
    found = []
    for row in gain:
        curve = np.interp(fine, np.log2(SWEEP_HZ), row)
        after = (fine > fine[curve.argmax()]) & (curve <= row.max() / np.sqrt(2))
        found.append(2 ** fine[after].min() if after.any() else np.nan)
    return np.array(found)


def judged(sample: Sample) -> dict[str, float]:
    return {one.what: one.found for one in frequency.CLAIM.judge({"repeated": sample})}


def fails(sample: Sample) -> set[str]:
    measures = frequency.CLAIM.judge({"repeated": sample})
    return {one.what for one in measures if one.bounded and not one.holds}


def test_the_true_gain_of_a_linear_cell_is_that_of_its_filter() -> None:
    cells = make_population(8, 3)
    # At rest so far above 0 that it never gets there.
    cells = cells | {"rest_hz": np.full(8, 400.0), "weight_off": np.zeros(8)}
    cells |= {"weight_on": np.ones(8)}
    hz = np.array([0.7, 3.0, 9.0])
    lag = np.arange(retina.FILTER_FRAMES) / 60
    filtered = retina.temporal_filters(cells) @ np.exp(-2j * np.pi * lag[:, None] * hz)
    keep = np.exp(-1 / 60)
    adapts = 1 - (1 - keep) / (1 - keep * np.exp(-2j * np.pi * hz / 60))
    held = np.sinc(hz / 60) * np.exp(-1j * np.pi * hz / 60)
    field = retina.fields(cells, 15).sum(axis=(1, 2))[:, None]
    expected = cells["gain_hz"][:, None] * field * filtered * adapts * held * 127.5 / 128
    found = true_first_hz(cells, hz)
    assert np.abs(found - expected).max() < 0.01 * np.abs(expected).max()


def test_cells_whose_sides_cancel_have_no_gain_and_do_not_count(small: Sample) -> None:
    balanced = small.cells["kind"] == "balanced"
    gain = np.abs(small.cells["true_sweep_hz"]).max(axis=1)
    assert balanced.sum() >= 3
    assert gain[balanced].max() < 0.05 * np.median(gain[~balanced])
    assert not frequency.signed(small, 5)[balanced].any()


def test_a_small_retina_is_recovered_within_wider_bounds(small: Sample) -> None:
    found = judged(small)
    assert len(found) == 18
    for what, value in found.items():
        if "octaves" in what:
            assert abs(value) < 0.15, what
            continue
        assert value >= (0.98 if "median" in what or "others" in what else 0.75), what
    assert frequency.CLAIM.judge({"repeated": small})[0].n >= 20


def test_perfect_estimates_fulfil_the_claim(perfect: Sample) -> None:
    assert fails(perfect) == set()
    for what, value in judged(perfect).items():
        assert value == pytest.approx(0 if "octaves" in what else 1, abs=1e-3), what


@pytest.mark.parametrize(
    ("column", "wrong", "denied"),
    [
        ("sweep_preferred_hz", lambda x: 2 * x, "≥ 95 % of the gain, sweep"),
        ("sweep_preferred_hz", lambda x: np.where(np.arange(x.size) % 5, x, np.nan),
         "≥ 95 % of the gain, sweep"),
        ("fixed_preferred_hz", lambda x: np.where(np.arange(x.size) % 5, x, 10.0),
         "≥ 95 % of the gain, fixed"),
        ("sweep_gain_hz", lambda x: x * np.linspace(1, 3, x.shape[1]), "median r over the sweep"),
        ("sweep_gain_hz", lambda x: np.full(x.shape, np.nan), "median r over the sweep"),
        ("sweep_gain_hz", lambda x: np.ones(x.shape), "median r over the sweep"),
    ],
)  # fmt: skip
def test_wrong_estimates_are_denied(column: str, wrong, denied: str, perfect: Sample) -> None:
    for n in TRIALS:
        name = f"{column}_{n}"
        spoilt = perfect.with_found(**{name: wrong(perfect.found[name])})
        assert fails(spoilt) == {f"{denied}, {n} trials"}


def test_a_curve_of_few_frequencies_is_no_curve(perfect: Sample) -> None:
    few = {
        f"{name}_3": perfect.found[f"{name}_3"][:, ::4] for name in ("sweep_hz", "sweep_gain_hz")
    }
    assert fails(perfect.with_found(**few)) == {"median r over the sweep, 3 trials"}


def test_the_upper_half_power_is_compared_in_octaves(perfect: Sample) -> None:
    high = perfect.found["sweep_high_hz_5"] * 2**0.25
    high[::2] = np.nan
    found = judged(perfect.with_found(sweep_high_hz_5=high))
    assert found["upper half power, bias (octaves), 5 trials"] == pytest.approx(0.25, abs=1e-3)
    assert found["the same, median error (octaves), 5 trials"] == pytest.approx(0.25, abs=1e-3)
    assert found["upper half power, bias (octaves), 3 trials"] == pytest.approx(0, abs=1e-3)


def test_rows_without_a_bound_are_of_f1_alone_and_of_who_knows_the_courses(perfect: Sample) -> None:
    rows = (
        "the same, of F1 of each frequency alone",
        "the same, had the courses of the rate been known",
    )
    for column, row in zip(("fixed_f1_hz_3", "fixed_told_hz_3"), rows, strict=True):
        size = perfect.found[column].copy()
        size[:, 4] = 1e3  # nobody's best frequency
        found = judged(perfect.with_found(**{column: size}))
        assert found[f"{row}, 3 trials"] == 0
        assert sum(value < 0.9 for what, value in found.items() if "octaves" not in what) == 1


def test_who_knows_the_courses_counts_the_spikes_of_the_cycles_that_count() -> None:
    cells = make_population(6, 3)
    movie = movies.frequency_steps(repeat=1)
    still = replace(movie, frames=np.full_like(movie.frames, movies.GREY))
    spans = [(2.5, 4.5), (0.25, 1.0)]
    resting = expected_spikes(cells, still, spans)
    np.testing.assert_allclose(resting, cells["rest_hz"][:, None] * [2.0, 0.75], rtol=1e-9)
    show = Fixed((movie,), movies.moving_bar(repeat=1))
    start = show.trials().start_s[0]
    many = np.zeros((6, 2))
    for seed in range(30):
        trains = record(cells, show, seed, drifts=False)
        for unit in range(6):
            at = np.searchsorted(trains.of(unit), start + np.array(spans))
            many[unit] += np.diff(at, axis=1)[:, 0]
    expected = 30 * expected_spikes(cells, movie, spans)
    assert np.abs(many - expected).max() < 4 * np.sqrt(expected.max())


class Fixed(Repeated):
    """The movie of fixed frequencies alone."""

    @property
    def shown(self) -> tuple[GeneratedMovie, ...]:
        return self.full_field

    @cached_property
    def direction_deg(self) -> np.ndarray:
        return np.full(self.n_frames, np.nan)
