"""Where in a recording a playlist really lies, told from the light alone.

The light of every movie is looked for at every display frame; a playlist is then looked for
by its movies, in their order and at their distances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hdmea.stimulus.alignment import (
    LEAST_FRAMES,
    LEAST_R,
    MAX_LAG_FRAMES,
    align_sections,
)
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.sections import PAD_FRAMES, Section, frames_between_starts, lay_out_sections

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

CLEAR_R = 0.8
"""Mean correlation of a placing that is beyond doubt."""
_RIVAL = 0.9
_LEAST_SHARE = 0.25
_TIE = 0.02


@dataclass(frozen=True, slots=True)
class Placing:
    """How a playlist was shown; the words are those of `add_section_time`."""

    playlist_name: str
    playlist_start_frame: int = 0
    playlist_first_movie: int = 0
    repeats: int = 1

    def sections(self, movies: Sequence[Movie]) -> list[Section]:
        """The presentations of the playlist's movies."""
        return lay_out_sections(
            [(movie.name, movie.length_frames) for movie in movies],
            self.repeats,
            start_frame=self.playlist_start_frame,
            first_movie=self.playlist_first_movie,
        )

    def changes(self, other: Placing) -> int:
        """In how many settings it differs from another."""
        return sum(getattr(self, name) != getattr(other, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True, eq=False)
class MovieFit:
    """How well a movie fits the light at every place.

    Parameters
    ----------
    first
        Frame of the clock at which the movie begins in the first entry of the arrays.
    r
        Correlation of light and luminance where both are known; 0 where either is constant.
    n_frames
        Frames that were compared; 0 where the luminance is constant or they are too few.
    """

    first: int
    r: Float64
    n_frames: Float64

    @property
    def gain(self) -> Float64:
        """What a movie at each place adds to a placing's score: negative where it does not fit."""
        return np.asarray(self.n_frames * (self.r - LEAST_R))


def fit_movie(light: Float64, luminance: Float64) -> MovieFit:
    """Look for a movie everywhere, also where it begins before the light or ends after it.

    Parameters
    ----------
    light
        Mean light during each display frame, all of it known.
    luminance
        One value per display frame of the movie.

    Examples
    --------
    >>> movie = np.random.default_rng(1).uniform(size=200)
    >>> light = np.zeros(1000)
    >>> light[300:500] = movie
    >>> fit = fit_movie(light, movie)
    >>> fit.first + int(fit.gain.argmax()), round(float(fit.r.max()), 6)
    (300, 1.0)
    """
    from scipy.signal import correlate

    n, length = light.size, luminance.size
    first = 1 - length
    place = first + np.arange(n + length - 1)
    # From their means, so that no digits are lost in the sums.
    light, luminance = light - light.mean(), luminance - luminance.mean()
    from_light, to_light = np.maximum(place, 0), np.minimum(place + length, n)
    count = (to_light - from_light).astype(np.float64)

    def sums(values: Float64, start: Int64, stop: Int64) -> tuple[Float64, Float64]:
        total, squares = (np.r_[0.0, np.cumsum(v)] for v in (values, values**2))
        return total[stop] - total[start], squares[stop] - squares[start]

    sum_l, square_l = sums(light, from_light, to_light)
    sum_e, square_e = sums(luminance, from_light - place, to_light - place)
    together = correlate(light, luminance, mode="full", method="fft") - sum_l * sum_e / count
    power_l, power_e = square_l - sum_l**2 / count, square_e - sum_e**2 / count
    changes = power_e > 1e-6 * count * max(float(np.ptp(luminance)), 1e-300) ** 2
    usable = changes & (count >= min(LEAST_FRAMES, length))
    moves = usable & (power_l > 1e-9 * count * max(float(light.var()), 1e-300))
    r = np.zeros(place.size)
    r[moves] = together[moves] / np.sqrt(power_l[moves] * power_e[moves])
    return MovieFit(first, np.clip(r, -1, 1), np.where(usable, count, 0.0))


@dataclass(frozen=True, eq=False)
class LightSearch:
    """A search for playlists in one recording's light.

    Parameters
    ----------
    light
        Mean light during each display frame, NaN where unknown.
    luminance
        Gives the luminance of a movie; None: the library has no frames of it.
    mended
        Gives the light as it is once gaps of the clock are taken as some sections say; None: it
        contradicts them.
    most_lost
        Frames by which these gaps may have moved it.
    """

    light: Float64
    luminance: Callable[[Movie], Float64 | None]
    mended: Callable[[Sequence[Section], Sequence[Movie]], Float64 | None] | None = None
    most_lost: int = 0

    def best(
        self, playlists: Mapping[str, Sequence[Movie]], current: Placing
    ) -> list[tuple[Placing, float]]:
        """The placing that is clearly the right one, with its mean correlation, if there is one.

        It is clear if every section that can be compared agrees without a lag, r is `CLEAR_R` or
        more in the mean, and no other placing does nearly as well. Of placings that put the same
        light at the same frames the one nearest to `current` comes first; those of other
        playlists that are as near follow it.
        """
        found = [
            candidate
            for name, movies in playlists.items()
            for first in range(len(movies))
            for candidate in self._candidates(name, movies, first, current)
        ]
        top = max((score for _, score in found), default=0.0)
        if top <= 0:
            return []
        costs = {
            placing: self._cost(placing, playlists[placing.playlist_name], current)
            for placing, score in found
            if score >= (1 - _TIE) * top
        }
        scores = dict(found)
        ranked = sorted(costs, key=lambda one: (*costs[one], -scores[one], one.repeats))
        own = self._places(ranked[0], playlists[ranked[0].playlist_name])
        for rival, score in found:
            same = _agree(own, self._places(rival, playlists[rival.playlist_name]))
            if score > _RIVAL * top and not same:
                return []
        nearest: dict[str, Placing] = {}
        for placing in ranked:
            if costs[placing][0] == costs[ranked[0]][0]:
                nearest.setdefault(placing.playlist_name, placing)
        agreeing = (self._agreeing(one, playlists[one.playlist_name]) for one in nearest.values())
        clear = [one for one in agreeing if one is not None]
        return clear if clear and clear[0][0].playlist_name == ranked[0].playlist_name else []

    def _cost(
        self, placing: Placing, movies: Sequence[Movie], current: Placing
    ) -> tuple[int, bool]:
        """How far a placing is from the current one, and whether it loses sections at the start."""
        sections = placing.sections(movies)
        lost_before = sections[0].start_frame < 0
        first = placing.playlist_first_movie != current.playlist_first_movie
        cut = bool(left_out(sections, self.n_frames))
        return placing.changes(current) + first + cut + lost_before, lost_before

    def _agreeing(self, placing: Placing, movies: Sequence[Movie]) -> tuple[Placing, float] | None:
        """The placing, or one as near as pulses may be missed, with which all sections agree."""
        for shift in sorted(range(-self.most_lost, self.most_lost + 1), key=abs):
            moved = replace(placing, playlist_start_frame=placing.playlist_start_frame + shift)
            r = self._agreement(moved, movies)
            if r is not None and r >= CLEAR_R:
                return moved, r
        return None

    @property
    def n_frames(self) -> int:
        """Frames of the clock: the light of the last one is not known."""
        return self.light.size + 1

    def explained(self, placing: Placing, movies: Sequence[Movie]) -> float:
        """Frames of movies that can be compared in a placing, as a share of one whole pass."""
        by_name = {movie.name: movie for movie in movies}
        frames = sum(
            np.diff(section.shown(self.n_frames))[0]
            for section in placing.sections(movies)
            if self._fit(by_name[section.movie]).n_frames.any()
        )
        return float(frames) / max(1, self._tells(movies))

    def _tells(self, movies: Sequence[Movie]) -> int:
        """Frames of the movies whose luminance varies."""
        return sum(movie.length_frames for movie in movies if self._fit(movie).n_frames.any())

    def _agreement(self, placing: Placing, movies: Sequence[Movie]) -> float | None:
        """Mean correlation over the sections; None if one contradicts, or too little is told."""
        luminance = {movie.name: self.luminance(movie) for movie in movies}
        sections = placing.sections(movies)
        light = self.light if self.mended is None else self.mended(sections, movies)
        if light is None:
            return None
        compared = align_sections(light, sections, luminance)
        if any(one.contradicts for one in compared):
            return None
        known = [
            (one.r, int(np.diff(section.shown(self.n_frames))[0]))
            for one, section in zip(compared, sections, strict=True)
            if not one.reason
        ]
        told = sum(frames for _, frames in known)
        if told < _LEAST_SHARE * min(self._tells(movies), self.light.size):
            return None
        return float(np.average([r for r, _ in known], weights=[frames for _, frames in known]))

    def _candidates(
        self, name: str, movies: Sequence[Movie], first: int, current: Placing
    ) -> list[tuple[Placing, float]]:
        """The two best starts for each number of passes, with their scores."""
        whole = sum(frames_between_starts(movie.length_frames) for movie in movies)
        n = self.light.size
        starts = np.arange(-whole, n)
        after = sum(frames_between_starts(movie.length_frames) for movie in movies[first:])
        score = self._gain(movies[first:], starts)
        passes = -(-n // whole) + 1  # more cannot be on the clock
        one_pass = self._gain(movies, np.arange(-whole, n + after + passes * whole))
        candidates: list[tuple[Placing, float]] = []
        for repeats in range(1, passes + 1):
            if repeats > 1:
                shift = after + (repeats - 2) * whole
                score = score + one_pass[shift : shift + starts.size]
            best = int(score.argmax())
            near = np.abs(starts - starts[best]) <= MAX_LAG_FRAMES
            second = int(np.where(near, -np.inf, score).argmax())
            candidates += [
                (Placing(name, int(starts[at]), first, repeats), float(score[at]))
                for at in (best, second)
            ]
        # As many passes as were said may be more than the clock holds.
        said = max(current.repeats, passes)
        candidates += [(replace(one, repeats=said), gained) for one, gained in candidates[-2:]]
        return candidates

    def _gain(self, movies: Sequence[Movie], starts: Int64) -> Float64:
        """Score of the movies, one after the other, with the counter at each start."""
        total = np.zeros(starts.size)
        offset = PAD_FRAMES
        for movie in movies:
            fit = self._fit(movie)
            at = starts + offset - fit.first
            inside = (at >= 0) & (at < fit.r.size)
            total[inside] += fit.gain[at[inside]]
            offset += frames_between_starts(movie.length_frames)
        return total

    def _places(self, placing: Placing, movies: Sequence[Movie]) -> set[tuple[str, int]]:
        """The movies that can be compared, each with where it begins."""
        by_name = {movie.name: movie for movie in movies}
        places = set()
        for section in placing.sections(movies):
            fit = self._fit(by_name[section.movie])
            at = section.content_start_frame - fit.first
            if 0 <= at < fit.r.size and fit.n_frames[at]:
                places.add((section.movie, section.content_start_frame))
        return places

    def _fit(self, movie: Movie) -> MovieFit:
        if movie.name not in self._fits:
            luminance = self.luminance(movie)
            nowhere = MovieFit(0, np.zeros(1), np.zeros(1))
            self._fits[movie.name] = (
                nowhere if luminance is None else fit_movie(self._filled, luminance)
            )
        return self._fits[movie.name]

    @cached_property
    def _fits(self) -> dict[str, MovieFit]:
        return {}

    @cached_property
    def _filled(self) -> Float64:
        known = np.isfinite(self.light)
        return np.where(known, self.light, self.light[known].mean() if known.any() else 0.0)


def left_out(sections: Iterable[Section], n_frames: int) -> list[int]:
    """Numbers of the sections that are not on the clock from their start to their end."""
    return [
        i
        for i, section in enumerate(sections)
        if section.start_frame < 0 or section.end_frame >= n_frames
    ]


def _agree(one: set[tuple[str, int]], other: set[tuple[str, int]]) -> bool:
    """Whether two placings have their movies at the same frames, as far as both have them."""
    fewer, more = sorted((one, other), key=len)
    for movie in {name for name, _ in fewer}:
        wanted = np.array([frame for name, frame in fewer if name == movie])
        known = np.array(sorted(frame for name, frame in more if name == movie))
        if not known.size:
            return False
        right = np.searchsorted(known, wanted).clip(0, known.size - 1)
        near = np.minimum(np.abs(known[right] - wanted), np.abs(known[right - 1] - wanted))
        if (near > MAX_LAG_FRAMES).any():
            return False
    return True
