"""What is claimed of inclusion holds in a small recording, and would be denied if it were wrong."""

from __future__ import annotations

import numpy as np
import pytest
from truth import sorted_units
from truth.claim import Sample
from truth.claims import inclusion
from truth.claims.inclusion import CLAIM, PLANTED, RECORDINGS
from truth.sorted_units import GOOD, KINDS, RUBBISH, TOLD_ONLY

from hdmea.kernels.spikes import n_coincident
from hdmea.steps.curate_units import CurateUnitsParameters

N_CELLS, SEED = 20, 78


@pytest.fixture(scope="module")
def small() -> Sample:
    return sorted_units.sorted_units("short", N_CELLS, SEED, noise_s=120, n_trials=1)


@pytest.fixture(scope="module")
def perfect() -> dict[str, Sample]:
    """A hundred units of each kind, all of them judged right."""
    kinds = np.repeat(KINDS, 100)
    good = np.isin(kinds, list(GOOD))
    found = {
        "included": good,
        "hill_contamination": np.zeros(kinds.size),
        "hill_contamination_low": np.where(np.isin(kinds, list(TOLD_ONLY)), 0.05, 0.01),
    }
    return dict.fromkeys(RECORDINGS, Sample({"kind": kinds, "good": good}, found))


def fails(samples: dict[str, Sample]) -> set[str]:
    return {one.what for one in CLAIM.judge(samples) if one.bounded and not one.holds}


def test_a_small_recording_is_sorted_out(small: Sample) -> None:
    found = dict.fromkeys(RECORDINGS, small)
    measures = CLAIM.judge(found)[: len(CLAIM.judge(found)) // 2]
    for one, least in zip(measures, (0.94, 0.7, 0.8, 0.75, 0.75, 0.6, 0.6, 0, 0), strict=True):
        assert one.n >= 5, one
        assert least <= one.found <= 1, one


def test_every_kind_is_there_and_most_is_known_of_it(small: Sample) -> None:
    cells, found = small.cells, small.found
    for kind, n in (GOOD | RUBBISH | TOLD_ONLY).items():
        assert abs((cells["kind"] == kind).sum() - n * N_CELLS) <= 1
    assert (cells["foreign"][cells["good"]] <= 0.05).all()
    merged = np.isin(cells["kind"], ("two cells", "part of another cell"))
    assert (cells["foreign"][merged] > 0.1).all()
    # as many violations as Hill's formula says of cells that fire independently, or, as these see
    # the same light, more
    part, half = cells["foreign"][merged], found["isi_violations_at_half"][merged]
    ratio = found["n_isi_violations"][merged].sum() / (4 * half * part * (1 - part)).sum()
    assert 0.8 < ratio < 2.5
    of_copies = found["coincident_fraction"][cells["kind"] == "copy"]
    assert (of_copies > 0.6).all()
    assert np.nanmax(found["coincident_fraction"][cells["kind"] == "coupled"]) < 0.4


def test_the_rules_are_those_of_the_configuration() -> None:
    rules = sorted_units.rules()
    assert {"max_hill_contamination", "exclude_duplicates"} <= set(rules)
    assert "table" not in rules
    CurateUnitsParameters(**rules)


def test_units_are_what_their_kind_says() -> None:
    rng = np.random.default_rng(4)
    units = sorted_units._Units(rng, 100.0, [np.arange(0.5, 100, 0.11)])
    times = np.arange(0.1, 100, 0.05)
    bursts = units.bursts(times)
    assert 0.8 < bursts.size / times.size < 1.2
    assert 0.0015 <= np.diff(bursts).min() < 0.003
    assert (np.diff(bursts) < 0.01).mean() > 0.4
    stretch = units.stretch(times)
    assert 5 < np.ptp(stretch) < 50
    assert np.diff(units.artefacts()).min() < 0  # volleys that overlap are in order only in a unit
    row = units.add_good("sparse", times)
    next_to = units.add_good("sparse", times, row)
    assert max(abs(a - b) for a, b in zip(*(units.places[r] for r in (row, next_to)))) <= 1  # noqa: B905
    train = units.trains[row]
    assert (np.diff(train) > 0).all()
    ticks = train / sorted_units.SAMPLE_S
    np.testing.assert_allclose(ticks, np.rint(ticks), atol=1e-6)
    own = n_coincident(train.tolist(), times.tolist(), 0.0001)
    assert 0.89 * times.size < own <= times.size
    assert train.size - own <= 0.06 * train.size


def test_perfect_inclusion_fulfils_the_claim(perfect: dict[str, Sample]) -> None:
    assert fails(perfect) == set()


@pytest.mark.parametrize(
    ("kinds", "part", "denied"),
    [
        (tuple(GOOD), 0.03, {"good kept", "of two copies, the better kept"}),
        (("found twice",), 0.03, {"of two copies, the better kept"}),
        (PLANTED["merged"], 0.06, {"merged excluded"}),
        (PLANTED["noise"], 0.06, {"noise excluded"}),
        (PLANTED["duplicates"], 0.06, {"duplicates excluded"}),
        (tuple(RUBBISH), 0.06, {"rubbish excluded", *(f"{what} excluded" for what in PLANTED)}),
        (tuple(TOLD_ONLY), 1.0, set()),
    ],
    ids=["good", "better", "merged", "noise", "duplicates", "rubbish", "told only"],
)
def test_wrong_inclusion_is_denied(kinds, part, denied, perfect: dict[str, Sample]) -> None:
    sample = perfect["sorted_long"]
    kind = sample.cells["kind"]
    wrong = np.isin(kind, kinds) & (np.arange(kind.size) % 100 < 100 * part)
    spoilt = sample.with_found(included=sample.found["included"] ^ wrong)
    found = fails(dict.fromkeys(RECORDINGS, spoilt))
    assert found == {f"{what}, {noise}" for what in denied for noise in RECORDINGS.values()}


def test_the_sharpest_limit_may_lose_two_good_ones_in_a_hundred(perfect: dict[str, Sample]) -> None:
    sample = perfect["sorted_long"]
    assert inclusion.sharpest(sample) == 1
    low = sample.found["hill_contamination_low"].copy()
    low[sample.cells["good"] & (np.arange(low.size) % 100 == 0)] = np.nan  # at least half
    assert inclusion.sharpest(sample.with_found(hill_contamination_low=low)) == 1
    low[sample.cells["good"] & (np.arange(low.size) % 100 < 3)] = 0.06
    assert inclusion.sharpest(sample.with_found(hill_contamination_low=low)) == 0
