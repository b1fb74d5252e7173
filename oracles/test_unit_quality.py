"""Violations, contamination, presence and coincidences against SpikeInterface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from peers import SAMPLING_HZ, Cells, bursts, on_samples, poisson
from spikeinterface.comparison.comparisontools import count_matching_events, make_matching_events
from spikeinterface.metrics import (
    compute_isi_violations,
    compute_presence_ratios,
    compute_refrac_period_violations,
)
from statsmodels.stats.rates import confint_poisson

from hdmea.features.inputs import FeatureInputs, Units
from hdmea.features.unit_quality import UnitQualityParams, unit_quality

REFRACTORY_S = 0.0015


def run(cells: Cells, **params: Any) -> dict[str, np.ndarray]:
    n = len(cells.samples)
    units = Units(np.arange(n), np.ones(n, dtype=np.int64), np.ones(n, dtype=np.int64))
    inputs = FeatureInputs(cells.hdmea, units=units, duration_s=cells.duration_s)
    return unit_quality(inputs, UnitQualityParams(**params)).values


def column(by_unit: dict[int, float]) -> np.ndarray:
    return np.array([by_unit[unit] for unit in sorted(by_unit)], dtype=float)


def silent(cells: Cells) -> np.ndarray:
    return np.array([train.size == 0 for train in cells.samples])


# -- refractory violations -------------------------------------------------------------------------


def test_violations_are_spikeinterfaces_where_no_interval_is_exactly_refractory(
    cells: Cells,
) -> None:
    between = REFRACTORY_S - 0.5 / SAMPLING_HZ
    mine = run(cells, refractory_period_s=between)["n_isi_violations"]
    _, count = compute_isi_violations(cells.spikeinterface, isi_threshold_ms=between * 1000)
    fired = ~silent(cells)
    assert np.array_equal(mine[fired], column(count)[fired])
    assert mine[7] > 100
    # What it cannot count it marks with -1, and we count: none.
    assert column(count)[~fired].tolist() == [-1]
    assert mine[~fired].tolist() == [0]


def test_an_interval_of_exactly_the_refractory_period_is_none_in_nanoseconds() -> None:
    # SpikeInterface compares differences of seconds, in floating point: whether 30 samples at
    # 20 kHz are less than 1.5 ms depends on where they lie in the recording.
    train = on_samples(np.repeat(np.arange(1.0, 601.0), 2) + np.tile([1e-6, 0.001501], 600), 620)
    assert (np.diff(train)[::2] == 30).all()
    exact = Cells((train,), 620.0)
    assert run(exact)["n_isi_violations"].tolist() == [0]
    _, count = compute_isi_violations(exact.spikeinterface, isi_threshold_ms=1.5)
    assert 0 < count[0] < 600


def test_spikeinterfaces_ratio_is_hills_formula_without_one_minus_f(cells: Cells) -> None:
    between = REFRACTORY_S - 0.5 / SAMPLING_HZ
    f = run(cells, refractory_period_s=between)["hill_contamination"]
    ratio = column(
        compute_isi_violations(
            cells.spikeinterface, isi_threshold_ms=between * 1000
        ).isi_violations_ratio
    )
    solved = np.isfinite(f)
    assert solved.sum() >= 5
    assert (f[solved] > 0.02).sum() >= 2
    assert ratio[solved] == pytest.approx((f * (1 - f))[solved], rel=1e-9)
    # More than a quarter has no solution: the unit fires as if it had no refractory period.
    several = np.array([train.size > 1 for train in cells.samples])
    assert (ratio[several & ~solved] > 0.25).all()
    assert (several & ~solved).sum() >= 1


def test_llobets_contamination_is_hills_of_many_cells_instead_of_one(cells: Cells) -> None:
    # `rp_contamination` takes what contaminates for spikes of many cells, which also violate each
    # other: C (2 - C) = r T / (tau N^2), where Hill has 2 f (1 - f). It counts every pair of
    # spikes, also over a third between them, and intervals up to the period, its end included.
    between = REFRACTORY_S - 0.5 / SAMPLING_HZ
    values = run(cells, refractory_period_s=between)
    f, mine = values["hill_contamination"], values["n_isi_violations"]
    found = compute_refrac_period_violations(
        cells.spikeinterface, refractory_period_ms=1000 * 29 / SAMPLING_HZ
    )
    theirs, contamination = column(found.rp_violations), column(found.rp_contamination)
    fired = ~silent(cells)
    assert (theirs[fired] >= mine[fired]).all()
    same = np.isfinite(f) & (theirs == mine) & (mine > 0)
    assert same.sum() >= 1
    # Their period is 29 samples long, ours 29.5: the formula is held against its own.
    per_period = 29 / 29.5
    expected = (contamination * (2 - contamination))[same] * per_period
    assert 2 * (f * (1 - f))[same] == pytest.approx(expected, rel=1e-9)
    assert (contamination[same] < 2 * f[same]).all()


def test_the_lower_limit_is_statsmodels_of_a_poisson_count(cells: Cells) -> None:
    values = run(cells)
    low, half = values["hill_contamination_low"], values["isi_violations_at_half"]
    solved = np.isfinite(low)
    assert (low[solved] > 0).sum() >= 2
    # theirs has two sides of 5 % each
    limit = np.array([
        confint_poisson(r, 1.0, method="exact-c", alpha=0.1)[0] if r else 0.0
        for r in values["n_isi_violations"].tolist()
    ])  # fmt: skip
    expected = 4 * (half * low * (1 - low))[solved]
    assert expected == pytest.approx(limit[solved], rel=1e-9)
    several = np.array([train.size > 1 for train in cells.samples])
    assert (limit > half)[several & ~solved].all()


# -- presence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("bin_s", [60.0, 10.0, 7.0])
def test_presence_is_spikeinterfaces(cells: Cells, bin_s: float) -> None:
    # Both leave out the last bin, which the recording does not fill (630 s are 10.5 minutes).
    mine = run(cells, presence_bin_s=bin_s)["presence_ratio"]
    theirs = column(compute_presence_ratios(cells.spikeinterface, bin_duration_s=bin_s))
    fired = ~silent(cells)
    assert mine[fired] == pytest.approx(theirs[fired], abs=1e-12)
    assert 0 < mine[8] < 0.5
    # A unit that never fires is never there: 0 is a true value, SpikeInterface has none.
    assert mine[~fired].tolist() == [0.0]
    assert np.isnan(theirs[~fired]).all()


# -- coincidences ----------------------------------------------------------------------------------

WIDTH = 6  # samples: 0.3 ms


@pytest.fixture(scope="module")
def overlapping() -> Cells:
    """A cell, 70 % of its spikes again up to 0.3 ms off, a third cell, and two bursting alike."""
    rng = np.random.default_rng(8)
    one = on_samples(poisson(rng, 20.0, 300.0), 300.0)
    again = one[rng.uniform(size=one.size) < 0.7]
    again = np.unique(again + rng.integers(-WIDTH, WIDTH + 1, again.size))
    other = on_samples(poisson(rng, 15.0, 300.0), 300.0)
    burst = on_samples(bursts(rng, 300.0), 300.0)
    burst = burst[np.diff(burst, prepend=-99) > 30]  # bursts that ran into each other
    also = np.unique(burst + rng.integers(-8, 9, burst.size))[:-40]
    return Cells((one, again, other, burst, also), 300.0)


def test_coincidences_are_spikeinterfaces_matching_events_of_refractory_trains(
    overlapping: Cells,
) -> None:
    values = run(overlapping, duplicate_fraction=0.01)
    smaller, larger = values["duplicate_pair_unit"], values["duplicate_pair_of"]
    n_spikes = np.array([train.size for train in overlapping.samples])
    share = values["duplicate_pair_fraction"]
    pairs = list(zip(smaller.tolist(), larger.tolist(), share.tolist(), strict=True))
    assert {(1, 0), (4, 3)} <= {pair[:2] for pair in pairs}
    for small, large, part in pairs:
        counted = count_matching_events(
            overlapping.samples[large], overlapping.samples[small], delta=WIDTH
        )
        assert round(part * n_spikes[small]) == counted
    assert values["duplicate_of"][1] == 0


def test_a_spike_is_used_once_and_not_for_every_partner() -> None:
    # Two spikes of one train around one of the other, closer than any cell fires: one pair. A chain
    # of four is one run to SpikeInterface's count, and two pairs; its list of pairs has all three.
    one = np.array([1000, 2000, 2008, *range(10_000, 100_000, 5_000)])
    other = np.array([995, 1005, 2004, 2012, *range(12_000, 100_000, 5_000)])
    values = run(Cells((one, other), 10.0), duplicate_fraction=0.001)
    assert values["duplicate_pair_fraction"] * min(one.size, other.size) == pytest.approx([3])
    assert count_matching_events(one, other, delta=WIDTH) == 2
    assert len(make_matching_events(one, other, WIDTH)) == 5
