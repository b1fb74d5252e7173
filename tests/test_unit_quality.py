"""Unit quality: numbers worked by hand, planted contamination, other ways to count the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import brentq
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.stats import poisson

from hdmea.errors import MissingDataError
from hdmea.features.declaration import FeatureResult, check
from hdmea.features.inputs import FeatureInputs, Units
from hdmea.features.unit_quality import UNIT_QUALITY, UnitQualityParams, unit_quality
from hdmea.kernels import quality
from hdmea.kernels.quality import Pairs, count_coincident, fewest_expected, without_duplicates
from hdmea.kernels.spikes import SpikeTrains

MS = 1e-3


def run(
    trains: Sequence[Any],
    *,
    unit_id: Sequence[int] | None = None,
    places: Sequence[tuple[int, int]] | None = None,
    duration_s: float | None = 600.0,
    **params: Any,
) -> FeatureResult:
    """The feature of trains that lie, unless said otherwise, on one electrode."""
    n = len(trains)
    places = [(1, 1)] * n if places is None else places
    units = Units(
        np.arange(1, n + 1) if unit_id is None else np.array(unit_id),
        np.array([row for row, _ in places], dtype=np.int64),
        np.array([column for _, column in places], dtype=np.int64),
    )
    flat = np.concatenate([np.zeros(0), *(np.asarray(t, dtype=float) for t in trains)])
    spikes = SpikeTrains(flat, np.cumsum([len(t) for t in trains], dtype=np.int64))
    inputs = FeatureInputs(spikes, units=units, duration_s=duration_s)
    result = unit_quality(inputs, UnitQualityParams(**params))
    check(UNIT_QUALITY, result, n)
    return result


def told(result: FeatureResult, name: str) -> list[Any]:
    """Values of an output, the reason in place of what is undefined."""
    return [
        reason or value
        for value, reason in zip(
            result.values[name].tolist(), result.reasons[name].tolist(), strict=True
        )
    ]


# -- by hand ---------------------------------------------------------------------------------------


def test_violations_by_hand() -> None:
    # intervals: 1.499 ms (too short), 1.5 ms (not shorter than 1.5 ms), 0 ms (too short), 97 ms
    times = np.array([100.0, 101.499, 102.999, 102.999, 200.0]) * MS
    result = run([times, times + 17.0, times[:1], []])
    assert result.values["n_isi_violations"].tolist() == [2, 2, 0, 0]
    assert told(result, "isi_violation_fraction") == [0.5, 0.5, *["too_few_spikes"] * 2]
    censored = run([times], censored_period_s=0.0005)
    assert censored.values["n_isi_violations"].tolist() == [1]


def test_hill_ratio_by_hand() -> None:
    # 2,000 spikes in 600 s: 2 x 1.5 ms x 2,000^2 x (1 - f) f / 600 s = 20 (1 - f) f violations;
    # none: f = 0. 3.2 = 20 x 0.8 x 0.2 is no whole number, but 5 = 20 / 4: f = 0.5. 6: no f.
    n = 2000
    trains = []
    for violations in (0, 3, 5, 6):
        times = np.arange(n) * 0.3
        times[1 : 2 * violations : 2] = times[0 : 2 * violations : 2] + MS
        trains.append(times)
    result = run(trains)
    assert result.values["n_isi_violations"].tolist() == [0, 3, 5, 6]
    assert result.values["isi_violations_at_half"] == pytest.approx([5.0] * 4, rel=1e-12)
    found = told(result, "hill_contamination")
    assert found[0] == 0
    assert found[1] == pytest.approx(0.5 - 0.5 * 0.4**0.5, rel=1e-12)
    assert found[2:] == [0.5, "at_least_half"]
    # half the window, so half of what can be explained
    narrow = run(trains, censored_period_s=0.00075)
    assert narrow.values["isi_violations_at_half"] == pytest.approx([2.5] * 4, rel=1e-12)
    assert told(narrow, "hill_contamination") == [0.0, *["at_least_half"] * 3]


def test_what_violations_show_is_less_than_what_they_are() -> None:
    # 2,000 spikes in 600 s, 5 violations at f = 0.5; a mean of 0.355361 brings 2 violations and
    # more in 5 % of cases: exp(-m) (1 + m) = 0.95
    trains = [np.arange(n) * 0.3 for n in (2000, 2000, 2000, 1)]
    for times, violations in zip(trains, (0, 2, 12, 0), strict=True):
        times[1 : 2 * violations : 2] = times[0 : 2 * violations : 2] + MS
    found = told(run(trains), "hill_contamination_low")
    assert found[0] == 0
    assert found[1] == pytest.approx((1 - np.sqrt(1 - 0.355361 / 5)) / 2, rel=1e-5)
    assert found[2:] == ["at_least_half", "too_few_spikes"]
    surer = run(trains, contamination_confidence=0.99)
    # 1 - (1 + m) exp(-m) = 0.01 at m = 0.148555
    assert told(surer, "hill_contamination_low")[1] == pytest.approx(
        (1 - np.sqrt(1 - 0.148555 / 5)) / 2, rel=1e-5
    )


@given(st.integers(1, 400), st.floats(0.6, 0.999))
def test_fewer_violations_could_hardly_be_expected(n: int, confidence: float) -> None:
    fewest = fewest_expected(np.array([n]), confidence)[0]
    assert poisson.sf(n - 1, fewest) == pytest.approx(1 - confidence, rel=1e-9)


@pytest.mark.parametrize("violations", [1, 7, 20])
def test_hill_ratio_solves_the_published_equation(violations: int) -> None:
    n, duration = 5000, 900.0
    times = np.arange(n) * 0.18
    times[1 : 2 * violations : 2] = times[0 : 2 * violations : 2] + MS
    f = run([times], duration_s=duration).values["hill_contamination"][0]
    root = brentq(
        lambda x: 2 * 1.5 * MS * n**2 * (1 - x) * x / duration - violations, 0, 0.5, xtol=1e-14
    )
    assert f == pytest.approx(root, rel=1e-9)


def test_presence_by_hand() -> None:
    # 190 s are three whole minutes; the spike in the last 10 s counts nowhere
    result = run([[5.0, 6.0, 125.0, 185.0], [60.0], [59.999999], [185.0], []], duration_s=190.0)
    assert result.values["presence_ratio"].tolist() == [2 / 3, 1 / 3, 1 / 3, 0, 0]
    whole = run([[59.0, 60.0, 119.0]], duration_s=120.0)
    assert whole.values["presence_ratio"].tolist() == [1]
    short = run([[5.0, 6.0], []], duration_s=59.9)
    assert told(short, "presence_ratio") == ["recording_too_short"] * 2
    assert run([[5.0]], duration_s=59.9, presence_bin_s=10.0).values["presence_ratio"] == [1 / 5]


def test_without_a_duration_only_what_needs_it_is_undefined() -> None:
    result = run([[1.0, 1.001], [2.0]], duration_s=None)
    for name in (
        "hill_contamination", "hill_contamination_low", "isi_violations_at_half", "presence_ratio",
    ):  # fmt: skip
        assert told(result, name) == ["duration_unknown"] * 2
    assert told(result, "isi_violation_fraction") == [1.0, "too_few_spikes"]


CELL = np.arange(40) * 0.25 + 1


def test_a_duplicate_is_the_smaller_of_two_that_lie_near() -> None:
    copy = CELL[:21] + 0.0003
    far, near = (1, 5), (3, 3)  # 4 and 2.8 electrodes away
    result = run([copy, CELL, copy, copy], unit_id=[7, 9, 4, 2], places=[near, (1, 1), far, (1, 1)])
    # from the largest: 9, then 2, 4, 7 of equal size; 4 has only the smaller 7 nearby
    assert told(result, "duplicate_of") == [9.0, "no_duplicate", "no_duplicate", 9.0]
    assert told(result, "coincident_fraction") == [
        1.0, "no_larger_neighbour", "no_larger_neighbour", 1.0,
    ]  # fmt: skip
    pairs = zip(
        result.values["duplicate_pair_unit"], result.values["duplicate_pair_of"], strict=True
    )
    assert sorted(pairs) == [(2, 9), (7, 2), (7, 4), (7, 9)]


def test_more_than_half_must_coincide_within_the_window() -> None:
    own = CELL[20:] + 0.1  # spikes of its own
    half = np.sort(np.concatenate([CELL[:10], own[:10]]))
    more = np.sort(np.concatenate([CELL[:11], own[:9]]))
    late = CELL[:20] + 0.000301
    result = run([CELL, half, more, late], places=[(1, 1), (1, 2), (2, 1), (1, 3)])
    assert told(result, "duplicate_of")[:2] == ["no_duplicate"] * 2
    assert told(run([CELL, half]), "coincident_fraction")[1] == 0.5
    assert told(run([CELL, more]), "duplicate_of") == ["no_duplicate", 1.0]
    assert told(run([CELL, late]), "duplicate_of") == ["no_duplicate"] * 2
    assert told(run([CELL, late], coincidence_s=0.000301), "duplicate_of")[1] == 1.0
    assert told(run([CELL, half], duplicate_fraction=0.49), "duplicate_of")[1] == 1.0


def test_each_spike_coincides_once() -> None:
    # 30 spikes in pairs 0.1 ms apart, around 15 spikes of the other: 15 coincide, not 30
    other = np.sort(np.concatenate([CELL[:15] - 0.00005, CELL[:15] + 0.00005]))
    assert told(run([CELL, other]), "coincident_fraction") == ["no_larger_neighbour", 0.5]


def test_equal_units_leave_the_one_with_the_smaller_number() -> None:
    assert told(run([CELL, CELL, CELL], unit_id=[8, 3, 5]), "duplicate_of") == [
        3.0, "no_duplicate", 3.0,
    ]  # fmt: skip


def test_units_with_few_spikes_are_not_compared() -> None:
    result = run([CELL, CELL[:9], CELL[:10], []])
    assert told(result, "duplicate_of") == ["no_duplicate", "too_few_spikes", 1.0, "too_few_spikes"]
    assert told(result, "coincident_fraction")[1] == "too_few_spikes"
    assert told(run([CELL, CELL[:9]], duplicate_min_spikes=9), "duplicate_of")[1] == 1.0


def test_chains_end_at_a_unit_that_stays() -> None:
    a = np.arange(100) * 0.25 + 1
    b = np.sort(np.concatenate([a[:40], a[40:60] + 0.1]))  # 40 of its 60 are in a
    c = np.sort(np.concatenate([b[20:60], a[:10] + 0.2]))[:50]
    shared_with_a = np.isin(np.round(c, 9), np.round(a, 9)).sum()
    assert shared_with_a < 25  # c repeats b, not a
    assert told(run([a, b, c]), "duplicate_of") == ["no_duplicate", 1.0, "no_duplicate"]
    assert told(run([b, c]), "duplicate_of") == ["no_duplicate", 1.0]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 9),
    pairs=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(51, 100))),
    chosen=st.sets(st.integers(0, 8)),
)
def test_no_two_that_stay_are_duplicates(
    n: int, pairs: list[tuple[int, int, int]], chosen: set[int]
) -> None:
    known = {(max(a, b), min(a, b)): share for a, b, share in pairs if a != b and max(a, b) < n}
    columns = np.array([(a, b) for a, b in known], dtype=np.int64).reshape(-1, 2).T
    duplicates = Pairs(*columns, np.array(list(known.values())) / 100)
    candidates = {unit for unit in chosen if unit < n}
    left_out = without_duplicates(range(n), duplicates, candidates)
    stay = candidates - set(left_out)
    assert set(left_out) <= candidates
    assert not any(a in stay and b in stay for a, b in known)
    for unit, kept in left_out.items():
        assert kept in stay
        assert known[unit, kept] == max(
            share for (a, b), share in known.items() if a == unit and b in stay
        )


# -- planted contamination -------------------------------------------------------------------------


def with_dead_time(rng: np.random.Generator, n: int, duration_s: float, dead_s: float) -> Any:
    """About n spikes of a Poisson train with a dead time, in whole microseconds, stationary."""
    rate = n / (duration_s - n * dead_s)
    warm_up = 1.0
    intervals = dead_s + rng.exponential(1 / rate, int(1.2 * n + 500))
    times = np.cumsum(intervals) - warm_up
    times = times[(times >= 0) & (times < duration_s)]
    return np.rint(times * 1e6) * 1e-6


@pytest.mark.parametrize("planted", [0.0, 0.05, 0.1, 0.2, 0.3])
def test_the_hill_ratio_finds_the_planted_contamination(planted: float) -> None:
    """Two cells with a dead time of 2 ms merged; a violation needs a spike of each.

    The count has a standard deviation of about the root of what is expected; 4.5 of these, over
    all runs, fail by chance in less than one of 1,000 cases. The bound is the planted fraction
    that would be expected to give so many more, or fewer, violations.
    """
    rng = np.random.default_rng(5)
    duration, n, runs = 1800.0, 60_000, 20
    units, truth = [], []
    for _ in range(runs):
        own = with_dead_time(rng, round((1 - planted) * n), duration, 2 * MS)
        foreign = with_dead_time(rng, round(planted * n), duration, 2 * MS) if planted else own[:0]
        units.append(np.sort(np.concatenate([own, foreign])))
        truth.append(foreign.size / units[-1].size)
    # electrodes far apart: they are strangers
    places = [(1 + 10 * (i % 5), 1 + 10 * (i // 5)) for i in range(runs)]
    result = run(units, duration_s=duration, places=places)
    f, r = result.values["hill_contamination"], result.values["n_isi_violations"]

    true = np.array(truth)
    pairs = 2 * 1.5 * MS * np.array([unit.size for unit in units]) ** 2 / duration
    expected = pairs * true * (1 - true)
    for sign in (-1, 1):
        limit = expected + sign * 4.5 * np.sqrt(expected)
        bound = 0.5 - np.sqrt(0.25 - limit / pairs)
        assert (sign * f <= sign * bound + 1e-12).all()
    # no bias either: the mean over runs is narrower by their root
    one_sd = np.sqrt(expected) / (pairs * (1 - 2 * true))
    assert abs((f - true).mean()) <= 4.5 * (one_sd / np.sqrt(runs)).mean()
    if planted:
        assert r.min() > 100  # there was something to see
        # the plain fraction is another number by far, which is why it has another name
        assert (result.values["isi_violation_fraction"] < 0.5 * f).all()
    else:
        assert (f == 0).all()


@pytest.mark.parametrize(("n", "planted"), [(600, 0.1), (2000, 0.1), (8000, 0.05), (8000, 0.2)])
def test_the_truth_is_rarely_less_than_the_violations_show(n: int, planted: float) -> None:
    """In at most 5 % of units; 600 units, of which 5 % are 30 (SD 5.3)."""
    rng = np.random.default_rng(n)
    duration = 600.0
    units = []
    for _ in range(600):
        own = with_dead_time(rng, round((1 - planted) * n), duration, 2 * MS)
        foreign = with_dead_time(rng, round(planted * n), duration, 2 * MS)
        units.append(np.sort(np.concatenate([own, foreign])))
    places = [(100 * i, 1) for i in range(600)]
    low = told(run(units, duration_s=duration, places=places), "hill_contamination_low")
    wrong = sum(value == "at_least_half" or value > planted for value in low)
    assert wrong <= 30 + 3 * 5.3


# -- the same, counted otherwise -------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(
    one=st.lists(st.integers(0, 120), max_size=25),
    other=st.lists(st.integers(0, 120), max_size=25),
    width=st.integers(1, 9),
)
def test_coincidences_are_a_largest_matching(one: list[int], other: list[int], width: int) -> None:
    a, b = np.sort(np.array(one, dtype=np.int64)), np.sort(np.array(other, dtype=np.int64))
    expected = 0
    if a.size and b.size:
        reach = csr_array(np.abs(a[:, None] - b[None, :]) <= width)
        expected = int((maximum_bipartite_matching(reach) >= 0).sum())
    assert count_coincident(a, b, width) == count_coincident(b, a, width) == expected
    with mock.patch.object(quality, "_FEW_CLUSTERS", 1):  # all at once, however few
        assert count_coincident(a, b, width) == count_coincident(b, a, width) == expected


def random_units(seed: int, n_units: int = 14) -> tuple[list[Any], list[tuple[int, int]]]:
    """Bursting units in whole microseconds, some of them copies with misses and jitter."""
    rng = np.random.default_rng(seed)
    trains = []
    for unit in range(n_units):
        if unit >= 8:
            source = trains[rng.integers(0, unit)]
            kept = source[rng.random(source.size) < rng.uniform(0.3, 1)]
            own = rng.uniform(0, 300, rng.integers(0, 60))
            times = np.concatenate([kept + rng.uniform(-4e-4, 4e-4, kept.size), own])
        else:
            times = rng.uniform(0, 300, rng.integers(0, 150))
            times = (times[:, None] + rng.uniform(0, 0.003, (times.size, 3))).ravel()
        trains.append(np.sort(np.rint(times.clip(0, 300) * 1e6)) * 1e-6)
    places = [(int(r), int(c)) for r, c in rng.integers(1, 5, (n_units, 2))]
    return trains, places


def brute_force(trains: Any, places: Any, duration_us: int) -> list[dict[str, Any]]:
    """Every number once more, from whole microseconds, spike by spike."""
    units = [[round(t * 1e6) for t in train] for train in trains]
    order = sorted(range(len(units)), key=lambda u: (-len(units[u]), u))
    expected: list[dict[str, Any]] = [{} for _ in units]
    kept: list[int] = []
    for place, unit in enumerate(order):
        train, said = units[unit], expected[unit]
        gaps = [b - a for a, b in itertools.pairwise(train)]
        said["n_isi_violations"] = sum(gap < 1500 for gap in gaps)
        minutes = {t // 60_000_000 for t in train if t < duration_us // 60_000_000 * 60_000_000}
        said["presence_ratio"] = len(minutes) / (duration_us // 60_000_000)
        shares = {}
        for other in order[:place]:
            apart = (places[unit][0] - places[other][0]) ** 2
            apart += (places[unit][1] - places[other][1]) ** 2
            if apart <= 9 and len(train) >= 10:
                reach = np.abs(np.subtract.outer(train, units[other])) <= 300
                match = maximum_bipartite_matching(csr_array(reach))
                shares[other] = int((match >= 0).sum()) / len(train)
        said["coincident_fraction"] = max(shares.values(), default=None)
        same = [other for other in kept if shares.get(other, 0) > 0.5]
        if same:
            best = max(shares[other] for other in same)
            said["duplicate_of"] = next(o + 1 for o in same if shares[o] == best)
        else:
            said["duplicate_of"] = None
            kept.append(unit)
    return expected


@pytest.mark.parametrize("seed", range(6))
def test_all_numbers_are_those_of_a_slow_search(seed: int) -> None:
    trains, places = random_units(seed)
    result = run(trains, places=places, duration_s=310.0)
    expected = brute_force(trains, places, 310_000_000)
    for name in ("n_isi_violations", "presence_ratio", "coincident_fraction", "duplicate_of"):
        found = [None if v != v else v for v in result.values[name].tolist()]
        assert found == [said[name] for said in expected], name
    assert any(said["duplicate_of"] for said in expected)
    assert any(said["n_isi_violations"] for said in expected)


# -- what must not matter --------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), shift_us=st.integers(0, 3_600_000_000), data=st.data())
def test_order_of_units_and_shift_in_time_change_nothing(
    seed: int, shift_us: int, data: st.DataObject
) -> None:
    trains, places = random_units(seed, 10)
    ids = list(range(1, 11))
    order = data.draw(st.permutations(range(10)))
    plain = run(trains, places=places, unit_id=ids)
    moved = run(
        [np.rint(trains[u] * 1e6 + shift_us) * 1e-6 for u in order],
        places=[places[u] for u in order],
        unit_id=[ids[u] for u in order],
    )
    for output in UNIT_QUALITY.outputs:
        name = output.name
        if name == "presence_ratio":  # of the bins of the recording
            continue
        one, other = plain.values[name], moved.values[name]
        if output.dims == ("unit",):
            np.testing.assert_array_equal(one[list(order)], other, err_msg=name)
            if name in plain.reasons:
                assert plain.reasons[name][list(order)].tolist() == moved.reasons[name].tolist()
        else:
            assert sorted(one.tolist()) == sorted(other.tolist()), name


# -- the rest --------------------------------------------------------------------------------------


def test_a_recording_without_units_has_all_outputs() -> None:
    result = run([])
    assert all(len(values) == 0 for values in result.values.values())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError, match="shorter than refractory_period_s"):
        UnitQualityParams(censored_period_s=0.0015)
    with pytest.raises(MissingDataError, match="places"):
        unit_quality(
            FeatureInputs(SpikeTrains(np.zeros(0), np.zeros(0, np.int64))), UnitQualityParams()
        )


def test_threads_do_not_change_what_is_compared() -> None:
    rng = np.random.default_rng(8)
    trains = [np.sort(rng.uniform(0, 60, 2000)) for _ in range(20)]
    spikes = SpikeTrains(np.concatenate(trains), 2000 * np.arange(1, 21))
    row, column = np.divmod(np.arange(20), 5)
    one, three = (
        quality.compare_near(
            spikes, range(20), row, column,
            within_s=0.0003, max_distance=2, min_spikes=1, threads=threads,
        )
        for threads in (1, 3)
    )  # fmt: skip
    assert one.share.size > 50
    for name in ("smaller", "larger", "share"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))
