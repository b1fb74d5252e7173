"""Fano factors that the page tells of the drawn cells, against exact ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson
from truth import operating_point as point
from truth.irregularity import LEAD_FRAMES, REPEATS, fano_factors, trial_counts
from truth.population import make_population


def exact_fano(mean: float, order: int) -> float:
    """Of gamma intervals from any time on: every order-th spike of a Poisson process, any first."""
    fast = np.arange(400)
    chance = poisson.pmf(fast, mean * order)[:, None] / order
    counts = (fast[:, None] + np.arange(order)) // order
    first = (chance * counts).sum()
    return float((chance * counts**2).sum() / first - first)


def test_every_other_spike_of_a_poisson_process_by_hand() -> None:
    assert exact_fano(3.0, 1) == pytest.approx(1)
    assert exact_fano(1e-4, 2) == pytest.approx(1, abs=1e-3)  # rarely a spike: 0 or 1
    assert exact_fano(50.0, 3) == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("order", point.GAMMA_ORDERS)
@pytest.mark.parametrize("rate_hz", [4.0, 40.0])
def test_counts_vary_as_gamma_intervals_and_the_drift_say(
    order: int, rate_hz: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(point, "REFRACTORY_S", 0.0)
    rng = np.random.default_rng([order, int(rate_hz)])
    counts = trial_counts(rng, np.full(LEAD_FRAMES + 30, rate_hz), order)
    mean = 0.5 * rate_hz
    assert counts.size == REPEATS
    assert counts.mean() == pytest.approx(mean, rel=0.05)
    # a drift of 10 % adds a hundredth of the mean
    expected = exact_fano(mean, order) + 0.01 * mean
    assert counts.var() / counts.mean() == pytest.approx(expected, rel=0.13)


def test_drawn_cells_vary_less_the_more_regular_they_are_and_are_drawn_as_before() -> None:
    cells = make_population(24, 3)
    found = fano_factors(cells)
    regular = cells["gamma_order"]
    mean = 0.1 * cells["rest_hz"]
    expected = [exact_fano(m, k) + 0.01 * m for m, k in zip(mean, regular, strict=True)]
    # 2,000 counts: 4 % (SD), more where there are few spikes; the dead time takes some
    np.testing.assert_allclose(found["fano_rest"], expected, rtol=0.17)
    middle = [np.median(found["fano_step"][regular == order]) for order in point.GAMMA_ORDERS]
    assert 0.8 < middle[0] < 1.15
    assert 0.35 < max(middle[1:]) < 0.85 * middle[0]
    again = make_population(24, 3)
    assert all(np.array_equal(cells[name], again[name]) for name in ("gain_hz", "gamma_order"))
    # half a second after the better edge
    assert (found["step_spikes"] > 0.5 * cells["rest_hz"]).all()
