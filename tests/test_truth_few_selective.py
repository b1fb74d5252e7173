"""Few selective cells among many: found in a small retina, and denied if they were not."""

from __future__ import annotations

import numpy as np
import pytest
from truth.bars import ALTERNATING, few_selective, in_order
from truth.claim import Sample
from truth.claims import few_selective as claimed

from hdmea.kernels.q_values import q_values
from hdmea.simulate import movies

SEED = 77


def sample(p_null, p_sharp, p_one) -> Sample:
    """Cells with these p, and q values as the sample has them."""
    p = np.concatenate([p_null, p_sharp, p_one])
    kind = np.repeat([0, 1, 2], [len(p_null), len(p_sharp), len(p_one)])
    with_one = q_values(p, kind != 1)
    q = np.where(kind == 2, with_one, q_values(p, kind != 2))
    cells = {"sharpness": np.array([0.0, 3.0, 40.0])[kind], "one_direction": kind == 2}
    found = {"p_dsi": p, "q_dsi": q, "q_dsi_one": with_one, "q_dsi_raw": q}
    return Sample(cells, found)


EVEN = np.linspace(0.002, 1, 790)
BEST = np.full(10, 1e-4)


def fails(long: Sample, short: Sample) -> list[str]:
    measures = claimed.judge(named(long, short))
    return [one.what for one in measures if one.bounded and not one.holds]


def named(long: Sample, short: Sample) -> dict[str, Sample]:
    """The samples, those without drift perfect."""
    perfect = sample(EVEN, BEST, BEST)
    return {"few_long": long, "few_short": short} | dict.fromkeys(claimed.STILL, perfect)


def test_perfect_p_fulfil_the_claim():
    perfect = sample(EVEN, BEST, BEST)
    assert fails(perfect, perfect) == []
    shares = [one.found for one in claimed.judge(named(perfect, perfect))]
    assert shares == [1, 0, 1, 1] * 4


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (sample(EVEN, np.r_[BEST[1:], 0.2], BEST), "found of the selective cells, 3 trials"),
        (sample(EVEN**4, BEST, BEST), "false ones of all that are found, 3 trials"),
    ],
)
def test_wrong_p_are_denied(wrong: Sample, what: str):
    assert fails(sample(EVEN, BEST, BEST), wrong) == [what]


def test_of_one_direction_it_is_told_only_how_many_are_found():
    none = sample(EVEN, BEST, np.full(10, 1 / 64))
    assert fails(none, none) == []
    assert claimed.judge(named(none, none))[3].found == 0


def test_sharply_selective_cells_of_a_small_retina_are_found():
    found = few_selective("long", 40, 4, SEED)
    sharp, one, null = claimed.kinds(found)
    assert (sharp.sum(), one.sum(), null.sum()) == (4, 4, 40)
    assert (found.cells["bar_spikes"] >= 10).all()
    assert (found.cells["bar_burst"][~null] >= 10).all()
    assert (found.found["q_dsi"][sharp] < 0.05).all()
    assert np.mean(found.found["q_dsi"][null] < 0.05) <= 0.1
    np.testing.assert_allclose(found.cells["preferred_direction_deg"][one] % 45, 0)


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
