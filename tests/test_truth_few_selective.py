"""Few selective cells among many: found in a small retina, and denied if they were not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from truth import best_test, retina
from truth.bars import _NOTHING_BUT_P, ALTERNATING, bars_of, few_selective, in_order
from truth.best_test import best_p
from truth.claim import Sample
from truth.claims import few_selective as claimed
from truth.even_bars import arrival_frames, even_rates
from truth.population import make_population, record
from truth.recordings import Show

from hdmea.simulate import movies

SEED = 77


def sample(p_null, p_sharp, p_one) -> Sample:
    """Cells with these p; who knows the cells finds all of them."""
    p = np.concatenate([p_null, p_sharp, p_one])
    kind = np.repeat([0, 1, 2], [len(p_null), len(p_sharp), len(p_one)])
    cells = {"sharpness": np.array([0.0, 3.0, 40.0])[kind], "one_direction": kind == 2}
    known = np.where(kind == 1, 1e-4, np.nan)
    return Sample(cells, {"p_dsi": p, "p_course": known, "p_known": known})


EVEN = (np.arange(7900) + 0.5) / 7900
BEST = np.full(30, 1e-4)


def fails(long: Sample, short: Sample) -> list[str]:
    measures = claimed.judge(named(long, short))
    return [one.what for one in measures if one.bounded and not one.holds]


def named(long: Sample, short: Sample) -> dict[str, Sample]:
    return {"few_long": long, "few_short": short}


@pytest.fixture(autouse=True)
def less_of_everything(monkeypatch) -> None:
    monkeypatch.setattr(claimed, "N_POPULATIONS", 60)
    monkeypatch.setattr(best_test, "_PERMUTATIONS", 999)


def test_perfect_p_fulfil_the_claim():
    perfect = sample(EVEN, BEST, BEST)
    assert fails(perfect, perfect) == []
    found, whole, course, known, false, small, one = (
        one.found for one in claimed.judge(named(perfect, perfect))[:7]
    )
    assert (found, whole, course, known, one) == (1, 1, 1, 1, 1)
    assert small == pytest.approx(0.001, rel=0.05)
    # of p that are spread evenly as many are found as q says
    assert false == pytest.approx(0.05 * 790 / 800, abs=0.02)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (sample(EVEN, np.r_[BEST[1:], 0.2], BEST), ["found of the selective cells, 3 trials"]),
        (
            sample(EVEN**1.3, BEST, BEST),
            ["false ones of all that are found, 3 trials",
             "p at most 0.001 of those not selective, 3 trials"],
        ),
    ],
)  # fmt: skip
def test_wrong_p_are_denied(wrong: Sample, what: list[str]):
    assert fails(sample(EVEN, BEST, BEST), wrong) == what


def test_of_one_direction_it_is_told_only_how_many_are_found():
    none = sample(EVEN, BEST, np.full(30, 1 / 64))
    assert fails(none, none) == []
    assert claimed.judge(named(none, none))[6].found == 0


def test_a_population_has_each_cell_once_and_q_values_of_its_own():
    rng = np.random.default_rng(1)
    p_null, p_few = rng.random(1580), np.r_[np.full(5, 1e-4), np.full(5, 0.5)]
    drawn = claimed.populations(p_null, p_few)
    assert drawn.found == pytest.approx(0.5, abs=0.05)
    assert drawn.whole == 0
    assert claimed.populations(np.ones(790), np.full(10, 1e-4)) == claimed.Populations(1, 1, 0)


def test_sharply_selective_cells_of_a_small_retina_are_found():
    found = few_selective("long", 30, 2, 3, SEED)
    sharp, one, null = claimed.kinds(found)
    assert (sharp.sum(), one.sum(), null.sum()) == (3, 3, 60)
    p = found.found
    assert (p["p_dsi"][sharp] < 1e-3).all()
    assert np.mean(p["p_dsi"][null] < 0.05) <= binom.ppf(0.999, 60, 0.05) / 60
    for name in ("p_course", "p_known"):
        assert (p[name][sharp] < 3e-3).all()
        assert np.isnan(p[name][~sharp]).all()


def test_p_is_the_same_if_nothing_else_is_asked_for():
    show, cells = Show.of(4, 3, 1), retina.rows_of(make_population(24, 3), slice(0, 12))
    asked = (cells, show, record(cells, show, 1), np.arange(12) < 12)
    everything, less = bars_of(*asked), bars_of(*asked, _NOTHING_BUT_P)
    np.testing.assert_array_equal(everything["p_dsi"], less["p_dsi"])
    fitted = [np.isfinite(found["dsi_fit"]).sum() for found in (everything, less)]
    assert fitted[0] > fitted[1]


def test_even_cells_have_one_course_in_all_directions_from_when_the_bar_comes():
    show = Show.of(4, 2, 1)
    cells = retina.rows_of(make_population(24, 3), slice(0, 6))
    drive = retina.drives(cells, show.light(cells))
    usual = retina.rates(cells, drive, show.direction_deg)
    even = even_rates(show)(cells, drive, show.direction_deg)
    arrive = arrival_frames(cells, show)
    onsets = np.array([onset for onset, _ in show.bar_onsets()])
    for row in range(6):
        courses = np.stack([
            even[row, onset + at - 20 : onset + at + 400]
            for onset, at in zip(onsets, np.tile(arrive[row], 2), strict=True)
        ])  # fmt: skip
        np.testing.assert_array_equal(courses, np.tile(courses[:1], (16, 1)))
        of_usual = np.mean([
            usual[row, onset + at : onset + at + 400]
            for onset, at in zip(onsets[:8], arrive[row], strict=True)
        ], axis=0)  # fmt: skip
        np.testing.assert_allclose(courses[0, 20:], of_usual)
    first = show.bar.trials.start_frame + show.bar.events[0][1]
    y, x = (int((cells[f"centre_{a}_px"][0] + 0.5) * 4) for a in "yx")
    light = show.bar.frames[first : first + 100, y, x]
    assert light[arrive[0, 0] - 1] == 0
    assert light[arrive[0, 0]] == 255


def test_who_knows_a_cell_finds_selective_ones_and_no_more_of_the_others():
    show = Show.of(4, 3, 1)
    cells = retina.rows_of(make_population(96, 5), slice(0, 30))
    tuned = {
        **cells,
        "sharpness": np.full(30, 2.0),
        "preferred_direction_deg": np.arange(30) * 12.0,
    }
    course, known = best_p(tuned, show, record(tuned, show, 2), np.ones(30, bool), 3)
    assert np.median(course) < 0.003
    assert np.median(known) <= np.median(course)
    trains = record(cells | {"sharpness": np.zeros(30)}, show, 2, rates=even_rates(show))
    for p in best_p(tuned, show, trains, np.arange(30) < 29, 3):
        assert np.isnan(p[29])
        assert np.count_nonzero(p[:29] < 0.05) <= binom.ppf(0.999, 29, 0.05)


def test_directions_in_another_order_are_the_same_passages():
    bar = movies.moving_bar(pixels=12, direction_frames=30, repeat=2)
    other = in_order(bar, ALTERNATING)
    assert [name for name, _ in other.events[:4]] == [
        f"direction:{degrees}" for degrees in (0, 180, 45, 225)
    ]
    assert other.frames.shape == bar.frames.shape
    where = dict(bar.events)
    for trial in range(2):
        first = bar.trials.start_frame + trial * bar.trials.trial_length_frames
        for name, start in other.events:
            np.testing.assert_array_equal(
                other.frames[first + start : first + start + 30],
                bar.frames[first + where[name] : first + where[name] + 30],
            )
