"""Frequency tuning of simulated retinas: the true gain, what is claimed of it, what is denied."""

from __future__ import annotations

import numpy as np
import pytest
from truth import retina
from truth.claim import Sample
from truth.claims import frequency
from truth.frequency import FIXED_HZ, SWEEP_HZ, gain_at, true_first_hz
from truth.population import make_population
from truth.repeated import repeated

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
            f"sweep_gain_hz_{n}": 0.8 * gain_at(SWEEP_HZ, np.abs(sweep), hz),
            f"fixed_gain_hz_{n}": np.abs(fixed),
            f"fixed_p_best_{n}": np.zeros(CELLS),
            f"fixed_phase_deg_{n}": np.degrees(np.angle(fixed)),
        }
    return small.with_found(**found)


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
    assert len(found) == 12
    for what, value in found.items():
        assert value >= (0.98 if "median" in what or "others" in what else 0.75), what
    assert frequency.CLAIM.judge({"repeated": small})[0].n >= 20


def test_perfect_estimates_fulfil_the_claim(perfect: Sample) -> None:
    assert fails(perfect) == set()
    assert list(judged(perfect).values()) == pytest.approx([1.0] * 12)


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


def test_who_is_told_the_phase_takes_less_than_the_size(perfect: Sample) -> None:
    # Half of the cells fire at 10 Hz as much as they like, a quarter of a cycle off.
    gain, phase = perfect.found["fixed_gain_hz_3"].copy(), perfect.found["fixed_phase_deg_3"].copy()
    gain[:, 4] = 1e3
    phase[:, 4] += 90
    other = perfect.with_found(fixed_gain_hz_3=gain, fixed_phase_deg_3=phase)
    assert judged(other)["the same, told the true phase, 3 trials"] == 1
