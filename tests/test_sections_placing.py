"""Where a playlist lies, told from the light alone: against how it was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from hdmea.stimulus.movie import Movie
from hdmea.stimulus.placing import LightSearch, Placing, fit_movie
from hdmea.stimulus.sections import TrialRule

RNG = np.random.default_rng(12)
LIGHT = {
    "grey": np.full(100, 127.0),
    "noise": np.repeat(RNG.uniform(0, 255, 100), 4),
    "step": np.r_[np.zeros(100), np.full(120, 255.0), np.zeros(80)],
    "sine": 127 + 120 * np.sin(np.arange(500) / 20),
    "other": np.repeat(RNG.uniform(0, 255, 150), 2),
}
MOVIES = {
    name: Movie(name, values.size, TrialRule(0, values.size, 1), "unknown", (), None)
    for name, values in LIGHT.items()
}
PLAYLISTS = {
    "a": ["grey", "noise", "step", "sine"],
    "b": ["sine", "step", "noise"],
    "one": ["noise"],
}


def movies(name: str) -> list[Movie]:
    return [MOVIES[movie] for movie in PLAYLISTS[name]]


def light_of(placing: Placing, n_frames: int | None = None, noise: float = 5.0) -> Any:
    """Light of a display that shows a playlist so, from frame 0 of the clock on."""
    sections = placing.sections(movies(placing.playlist_name))
    light = np.full(n_frames or sections[-1].end_frame + 60, 127.0)
    for section in sections:
        start = section.content_start_frame
        first, last = max(0, start), min(light.size, start + section.length_frames)
        if first < last:
            light[first:last] = LIGHT[section.movie][first - start : last - start]
    return 1000 * light + np.random.default_rng(3).normal(0, 1000 * noise, light.size)


def found(
    light: Any, current: Placing, names: Sequence[str] = ("a", "b", "one")
) -> tuple[Placing, float] | None:
    """The best placing; None where none is clear."""
    playlists: Mapping[str, Sequence[Movie]] = {name: movies(name) for name in names}
    best = LightSearch(light, lambda movie: LIGHT[movie.name]).best(playlists, current)
    return best[0] if best else None


@pytest.mark.parametrize("seed", range(15))
def test_a_playlist_is_found_wherever_and_however_it_was_shown(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = Placing(
        str(rng.choice(["a", "b"])), int(rng.integers(-300, 900)), int(rng.integers(0, 3)),
        int(rng.integers(1, 4)),
    )  # fmt: skip
    light = light_of(true)
    placing, r = found(light, Placing("a")) or (None, 0)
    # To begin after a movie that tells nothing, or is before the clock, is the same.
    assert placing is not None
    assert placed(placing, light.size) == placed(true, light.size)
    assert r > 0.95


def placed(placing: Placing, n_frames: int) -> list[tuple[str, int]]:
    """The movies on the clock whose light varies, with where they begin."""
    return [
        (section.movie, section.content_start_frame)
        for section in placing.sections(movies(placing.playlist_name))
        if section.movie != "grey" and np.diff(section.shown(n_frames)) > 0
    ]


@pytest.mark.parametrize("n_frames", [1100, 1500, 2400])
def test_a_recording_that_stopped_is_placed_by_what_it_holds(n_frames: int) -> None:
    true = Placing("a", 120)
    assert found(light_of(true, n_frames), Placing("a")) == (true, pytest.approx(1, abs=0.02))


def test_a_fraction_of_a_second_of_one_movie_is_no_evidence() -> None:
    light = light_of(Placing("a", 120), 840)  # 79 frames of the noise
    assert found(light, Placing("a")) is None


def test_as_few_settings_as_possible_are_changed() -> None:
    # Shown twice, and said to be shown five times: as much as there is.
    light = light_of(Placing("b", 40, 0, 2))
    assert found(light, Placing("b", 40, 0, 5))[0] == Placing("b", 40, 0, 2)
    # Many passes, one setting wrong.
    many = Placing("one", 25, 0, 30)
    assert found(light_of(many), Placing("one", 0, 0, 30), ["one"])[0] == many


def test_two_places_that_do_as_well_are_no_answer() -> None:
    light = np.r_[light_of(Placing("one")), light_of(Placing("b"))[:700], light_of(Placing("one"))]
    assert found(light, Placing("one"), ["one"]) is None


def test_light_of_something_else_is_placed_nowhere() -> None:
    other = np.r_[np.full(200, 127.0), LIGHT["other"], np.full(400, 127.0), LIGHT["other"][::-1]]
    for noise in (0.0, 5.0):
        light = other + np.random.default_rng(1).normal(0, noise, other.size)
        assert found(light, Placing("a")) is None
    assert found(np.full(3000, 5.0), Placing("a")) is None
    assert found(np.random.default_rng(2).normal(size=3000), Placing("a")) is None


@pytest.mark.parametrize("start", [-150, 0, 333, 850])
def test_a_fit_is_the_correlation_over_what_overlaps(start: int) -> None:
    light = np.random.default_rng(5).normal(7, 3, 1000)
    movie = LIGHT["noise"]
    fit = fit_movie(light, movie)
    first, last = max(0, start), min(light.size, start + movie.size)
    expected = np.corrcoef(light[first:last], movie[first - start : last - start])[0, 1]
    assert fit.r[start - fit.first] == pytest.approx(expected, abs=1e-9)
    assert fit.n_frames[start - fit.first] == last - first


def test_constant_light_and_constant_movies_do_not_fit() -> None:
    light = np.r_[np.full(500, 3.0), LIGHT["noise"]]
    fit = fit_movie(light, LIGHT["noise"])
    assert fit.r[50 - fit.first] == 0  # constant light there: a movie that does not fit
    assert fit.gain[50 - fit.first] < 0
    assert fit.gain[500 - fit.first] == pytest.approx(0.5 * 400)
    assert not fit_movie(light, LIGHT["grey"]).gain.any()
