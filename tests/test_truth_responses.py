"""What the page claims of responses to light holds of a few cells, and can be denied."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from truth import light_steps, retina
from truth import operating_point as point
from truth.claim import Measure, Sample
from truth.claims.responses import CLAIM, EDGES, LEVELS, SURE_D_PRIME


@pytest.fixture(scope="module")
def small() -> Sample:
    return light_steps.light_steps(60, 60, 77)


def judged(sample: Sample) -> list[Measure]:
    return CLAIM.judge({"light_steps": sample})


def fails(sample: Sample) -> set[str]:
    return {one.what for one in judged(sample) if one.bounded and not one.holds}


def rightly_spread(sample: Sample) -> Sample:
    """The cells, with p spread evenly over those that do not respond, and all others found."""
    cells, p = sample.cells, {}
    for edge in EDGES:
        p[f"p_{edge}"] = np.zeros(cells["driven"].size)
        for kind in light_steps.KINDS:
            for n_trials in point.TRIALS.values():
                still = (cells["kind"] == kind) & (cells["n_trials"] == n_trials)
                still &= ~cells["driven"]
                p[f"p_{edge}"][still] = (np.arange(still.sum()) + 0.5) / still.sum()
    return sample.with_found(**p)


def test_few_cells_are_judged_as_many_within_wider_bounds(small: Sample) -> None:
    for one in judged(small):
        assert one.n >= 4, one
        if one.what.startswith("false positives"):
            level = float(one.what.split()[3].rstrip(","))
            assert binomtest(round(one.found * one.n), one.n, level, "greater").pvalue > 1e-4, one
        if one.what.startswith("found, d' ≥"):
            assert binomtest(round(one.found * one.n), one.n, 0.95, "less").pvalue > 1e-4, one
        if one.what.startswith("over that of the reference"):
            assert one.found > 0.5, one
        if "if taken for Poisson" in one.what:
            assert one.found > 0.04, one
        if one.what.startswith("median dispersion"):
            assert one.found == pytest.approx(0.95, abs=0.15), one


def test_perfect_p_fulfil_the_claim(small: Sample) -> None:
    assert fails(rightly_spread(small)) == set()


@pytest.mark.parametrize("kind", light_steps.KINDS)
def test_p_that_are_too_small_for_one_kind_are_denied(kind: str, small: Sample) -> None:
    perfect = rightly_spread(small)
    of_kind = perfect.cells["kind"] == kind
    wrong = {
        f"p_{edge}": np.where(of_kind, perfect.found[f"p_{edge}"] ** 3, perfect.found[f"p_{edge}"])
        for edge in EDGES
    }
    said = {"poisson": "Poisson"}.get(kind, kind)
    assert fails(perfect.with_found(**wrong)) == {
        f"false positives at {level}, {said}, {n_trials} trials"
        for level in LEVELS
        for n_trials in point.TRIALS.values()
    }


@pytest.mark.parametrize(
    ("every", "least", "n_denied"),
    [(4, SURE_D_PRIME, 4), (4, point.D_PRIME, 8), (1000, point.D_PRIME, 0)],
)
def test_responses_that_are_missed_are_denied(
    every: int, least: float, n_denied: int, small: Sample
) -> None:
    perfect = rightly_spread(small)
    cells = perfect.cells
    d_prime = np.maximum(*(cells[f"d_prime_{edge}"] for edge in EDGES))
    some = cells["driven"] & (d_prime >= least)
    # of those that can be found, one of every so many
    missed = np.zeros(some.size, dtype=bool)
    for group in ("bursting", "others"):
        for n_trials in point.TRIALS.values():
            for sure in (True, False):
                mine = some & (cells["n_trials"] == n_trials)
                mine &= (cells["kind"] == "bursting") == (group == "bursting")
                mine &= (d_prime >= SURE_D_PRIME) == sure
                for edge in EDGES:
                    best = np.array([cells[f"d_prime_{one}"] for one in EDGES]).argmax(axis=0)
                    here = mine & (np.array(EDGES)[best] == edge)
                    known = perfect.found[f"p_known_{edge}"] < LEVELS[1]
                    missed[np.flatnonzero(here & known)[every - 1 :: every]] = True
                    if every < 10:
                        missed[np.flatnonzero(here & known)[:2]] = True
    wrong = {f"p_{edge}": np.where(missed, 0.5, perfect.found[f"p_{edge}"]) for edge in EDGES}
    denied = fails(perfect.with_found(**wrong))
    assert len(denied) == n_denied, denied


@pytest.mark.parametrize("fano", [2.0, 5.0])
def test_bursts_have_the_rate_and_the_fano_factor_that_they_are_told(fano: float) -> None:
    rng = np.random.default_rng(3)
    seconds = 4000
    rate = np.tile(np.r_[np.full(30, 4.0), np.full(30, 8.0)], seconds)
    times = light_steps.bursts(rng, rate, fano)
    assert (np.diff(times) >= 0).all()
    assert times.size / seconds == pytest.approx(6.0, rel=4 * np.sqrt(fano / 6 / seconds))
    counts = np.bincount((2 * times).astype(int), minlength=2 * seconds)
    for half, hz in ((counts[::2], 4.0), (counts[1::2], 8.0)):
        assert half.mean() == pytest.approx(hz / 2, rel=0.1)
        # bursts that a window's edge cuts make it a little smaller
        assert 0.85 * fano < half.var() / half.mean() < 1.1 * fano
    intervals = np.diff(times)
    low, high = light_steps.BURST_INTERVAL_S
    assert ((intervals >= low) & (intervals <= high)).mean() > (fano - 1) / (fano + 1) * 0.8


def test_d_prime_is_that_of_simulated_changes() -> None:
    rng = np.random.default_rng(4)
    edges = np.array([120, 720, 1320])
    rates = np.full((1, 1800), 5.0)
    for at in edges:
        rates[0, at : at + 30] = 25.0
    for fano, draw in (
        (1.0, lambda: retina.spikes(rng, rates[0], 1, 0.0)),
        (4.0, lambda: light_steps.bursts(rng, rates[0], 4.0)),
    ):
        changes = []
        for _ in range(400):
            frames = draw() / point.FRAME_S
            after = sum(((frames >= at) & (frames < at + 30)).sum() for at in edges)
            before = sum(((frames >= at - 60) & (frames < at)).sum() for at in edges)
            changes.append(after / 1.5 - before / 3)
        told = light_steps.d_prime_of(rates, edges, np.array([fano]))[0]
        assert np.mean(changes) / np.std(changes) == pytest.approx(told, rel=0.15)


def test_the_reference_is_the_exact_test_of_counts_over_their_fano_factor() -> None:
    k, m = np.array([12, 0, 40]), np.array([6, 9, 20])
    found = light_steps.known_p(k, m, np.array([1.0, 3.0, 4.0]))
    for p, n, other in zip(found, (12, 0, 10), (6, 3, 5), strict=True):
        tails = [binomtest(n, n + other, 1 / 3, side).pvalue for side in ("less", "greater")]
        assert p == pytest.approx(min(1, 2 * min(tails)))
