"""The claim about pixels that a cell does not see: its sample, and that it can be denied."""

from __future__ import annotations

import numpy as np
import pytest
from truth import operating_point as point
from truth.claim import Sample
from truth.claims.null_pixels import CLAIM, NEEDS
from truth.null_pixels import Z_EDGES, driven_apart, elsewhere, significance, with_noise
from truth.population import make_population
from truth.recordings import Show
from truth.retina import Columns

from hdmea.kernels.spikes import SpikeTrains

SEED, N_CELLS, N_MOVIES = 77, 4, 2


@pytest.fixture(scope="module")
def driven() -> tuple[Columns, Show, SpikeTrains]:
    """Five cells, two minutes of noise, and the spikes of each driven by its own."""
    cells, show = make_population(5, SEED), Show.of(120, 1, SEED)
    return cells, show, driven_apart(cells, show, SEED)


def right(n: int = 1000) -> Sample:
    """What tests that are right would say."""
    p = (np.arange(n) + 0.5) / n
    square = np.ones((n, 60))
    return Sample({}, {"p_shift": p, "p_bonferroni": 1.1 * p, "square_by_lag": square})


def denied(sample: Sample) -> list[str]:
    measures = CLAIM.judge(dict.fromkeys(NEEDS, sample))
    return [one.what for one in measures if one.bounded and not one.holds]


def test_scores_of_driven_cells_have_the_spread_of_chance_where_they_see_nothing() -> None:
    sample = elsewhere("short", N_CELLS, N_MOVIES, SEED)
    n = N_CELLS * N_MOVIES
    found = sample.found
    assert found["square_by_lag"].shape == (n, 60)
    assert np.sqrt(found["square_by_lag"].mean()) == pytest.approx(1, abs=0.03)
    assert (found["counts"].sum(axis=1) == 60 * point.PIXELS**2).all()
    middle = (Z_EDGES[1:] + Z_EDGES[:-1]) / 2
    total = found["counts"].sum(axis=0)
    assert (total @ middle**2) / total.sum() == pytest.approx(1, abs=0.06)
    for name in ("p_bonferroni", "p_shift"):
        assert np.unique(found[name]).size > n / 3
        assert (found[name] > 0.05).mean() > 0.6
    # A row for each cell and movie, cells in their order.
    first, second = sample.cells["centre_x_px"].reshape(N_MOVIES, N_CELLS)
    np.testing.assert_array_equal(first, second)
    assert np.unique(first).size == N_CELLS
    assert not np.array_equal(found["p_shift"][:N_CELLS], found["p_shift"][N_CELLS:])


def test_the_cells_are_driven_each_by_noise_of_its_own(driven) -> None:
    cells, show, trains = driven
    seconds = show.n_frames * point.FRAME_S
    assert min(trains.of(row).size for row in range(5)) > seconds  # 1 Hz
    row = int(np.where(cells["kind"] == "on", cells["sigma_px"], np.inf).argmin())
    own, other = (with_noise(show, [SEED, 62, k]) for k in (row, (row + 1) % 5))
    assert not np.array_equal(own.noise.frames, other.noise.frames)
    assert own.noise.frames.shape == show.noise.frames.shape
    seen, unseen = (significance(trains.rows(row, row + 1), one) for one in (own, other))
    assert seen["p_bonferroni"][0] < 1e-6
    assert seen["p_shift"][0] < 0.01
    assert seen["square_by_lag"].mean() > 1.1
    assert unseen["p_bonferroni"][0] > 0.01
    assert abs(unseen["square_by_lag"].mean() - 1) < 0.1


def test_scores_over_display_frames_would_be_wrong_for_such_cells(driven) -> None:
    _, show, trains = driven
    other = with_noise(show, [SEED, 3])
    inputs = other.inputs(trains)
    shown = inputs.stas[other.noise.name].presentations
    counts = shown.counts(trains, inputs.frame_times_s, other.noise.length_frames)[0]
    seen = other.noise.frames.reshape(len(other.noise.frames), -1)[60:-6].astype(float)
    beyond = counts[:, 66:] - counts[:, 66:].mean(axis=1, keepdims=True)
    scores = beyond @ (seen - seen.mean(axis=0)) / seen.std(axis=0)
    scores /= np.sqrt((beyond**2).sum(axis=1, keepdims=True))
    assert scores.std(axis=1).max() > 1.15  # each image counted four times


def test_tests_that_are_right_fulfil_the_claim() -> None:
    assert denied(right()) == []


@pytest.mark.parametrize(
    ("column", "wrong", "n"),
    [
        ("p_bonferroni", lambda p: 0.3 * p, 4),
        ("p_bonferroni", lambda p: 30 * p, 0),  # strict it may be
        ("p_shift", lambda p: p**1.5, 4),
        ("p_shift", lambda p: p**0.6, 4),
        ("p_shift", lambda p: np.full(p.size, np.nan), 4),
        ("square_by_lag", lambda square: 1.05 * square, 6),
        ("square_by_lag", lambda square: 0.95 * square, 6),
    ],
)
def test_tests_that_are_wrong_are_denied(column, wrong, n: int) -> None:
    sample = right()
    assert len(denied(sample.with_found(**{column: wrong(sample.found[column])}))) == n
