"""How a playlist was shown in a recording and how it was taken: what a diagnosis goes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.stimulus.alignment import align_sections
from hdmea.stimulus.long_intervals import (
    LongInterval,
    Part,
    compare_parts,
    expected_light,
    judge_intervals,
    mend_light,
)
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.placing import LightSearch, Placing, left_out
from hdmea.stimulus.remedies import setting
from hdmea.stimulus.sections import Section

Float64 = npt.NDArray[np.float64]

_MANY = 60
_MOST_LOST = 5


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """All that is known of how a playlist was shown, and how it was taken.

    Parameters
    ----------
    placing
        How it was taken to be shown.
    cut
        What to do with sections that are cut: ``error`` or ``keep``.
    playlists
        Gives the movies of every playlist of the library that can be read.
    luminance
        Gives the luminance of a movie; None: the library has no frames of it.
    frame_times_s
        The frame clock, seconds.
    light
        Mean light during each of its frames; None: no photodiode.
    long_intervals
        Intervals of the clock that are longer than a frame.
    frame_clock
        Parameters of the frame clock that were given.
    n_dropped
        Pulses that were dropped before frame 0.
    """

    placing: Placing
    cut: str
    playlists: Callable[[], Mapping[str, Sequence[Movie]]]
    luminance: Callable[[Movie], Float64 | None]
    frame_times_s: Float64
    light: Float64 | None
    long_intervals: Sequence[LongInterval]
    frame_clock: Mapping[str, Any]
    n_dropped: int

    @property
    def frame_s(self) -> float:
        """Usual frame interval, seconds: over many frames, as pulses lie at whole samples."""
        times = self.frame_times_s
        many = min(_MANY, times.size - 1)
        return float(np.median(times[many:] - times[:-many])) / many

    @property
    def start_was_told(self) -> bool:
        """Whether settings say that the playlist did not begin with the clock as usual."""
        placing = self.placing
        began = bool(placing.playlist_start_frame or placing.playlist_first_movie)
        return began or "drop_first" in self.frame_clock

    def search(self) -> LightSearch | None:
        """A search in the light, if there is any."""
        if self.light is None or not np.isfinite(self.light).any():
            return None
        lost = sum(one.n_frames - 1 for one in self.long_intervals)
        return LightSearch(self.light, self.luminance, self._mended, min(lost, _MOST_LOST))

    def _mended(self, sections: Sequence[Section], movies: Sequence[Movie]) -> Float64 | None:
        """The light once the clock takes its long intervals as these sections say.

        None if a part between two of them is off even then.
        """
        assert self.light is not None
        wrong = self.wrong_intervals(sections, movies)
        if any(part.lag for part in self.parts(sections, movies, wrong)):
            return None
        return mend_light(self.light, wrong)

    def parts(
        self,
        sections: Sequence[Section],
        movies: Sequence[Movie],
        wrong: Sequence[LongInterval] = (),
    ) -> list[Part]:
        """How the parts of the clock between long intervals lie to the light.

        Parameters
        ----------
        sections, movies
            What was shown.
        wrong
            Intervals of the clock that are the other thing than it took.
        """
        if self.light is None or not self.long_intervals:
            return []
        luminance = {movie.name: self.luminance(movie) for movie in movies}
        return compare_parts(
            self.light,
            expected_light(sections, luminance, self.frame_times_s.size),
            [one.frame for one in self.long_intervals],
            [one.pulses_if_wrong if one in wrong else 0 for one in self.long_intervals],
            min(sum(one.n_frames - 1 for one in self.long_intervals), _MOST_LOST),
        )

    def wrong_intervals(
        self, sections: Sequence[Section], movies: Sequence[Movie]
    ) -> list[LongInterval]:
        """Long intervals of which the light after them says another thing than the clock took."""
        if self.light is None or not self.long_intervals:
            return []
        luminance = {movie.name: self.luminance(movie) for movie in movies}
        judged = judge_intervals(
            self.light,
            expected_light(sections, luminance, self.frame_times_s.size),
            [one.frame for one in self.long_intervals],
            [one.pulses_if_wrong for one in self.long_intervals],
        )
        pairs = zip(self.long_intervals, judged, strict=True)
        return [one for one, judgement in pairs if judgement.verdict == "missed"]

    def mended_by(
        self,
        wrong: Sequence[LongInterval],
        sections: Sequence[Section],
        movies: Sequence[Movie],
    ) -> bool:
        """Whether all sections agree with the light once the clock takes intervals otherwise."""
        if self.light is None or not wrong:
            return False
        luminance = {movie.name: self.luminance(movie) for movie in movies}
        compared = align_sections(mend_light(self.light, wrong), sections, luminance)
        if any(one.contradicts for one in compared):
            return False
        return not any(part.lag for part in self.parts(sections, movies, wrong))

    def setting(self, placing: Placing, movies: Sequence[Movie]) -> str:
        """Words for the settings by which a placing differs from how it was taken."""
        values: dict[str, Any] = {
            name: getattr(placing, name)
            for name in Placing.__slots__
            if getattr(placing, name) != getattr(self.placing, name)
        }
        if left_out(placing.sections(movies), self.frame_times_s.size) and self.cut == "error":
            values["playlist_truncated"] = "keep"
        return self.typed(values)

    def typed(self, values: Mapping[str, Any]) -> str:
        """Words for settings of `add_section_time`, with what was set already."""
        nothing = Placing("")
        given = {
            name: getattr(self.placing, name)
            for name in Placing.__slots__
            if getattr(self.placing, name) != getattr(nothing, name)
        }
        if self.cut != "error":
            given["playlist_truncated"] = self.cut
        return setting("add_section_time", values, given)

    def clock_setting(self, **values: Any) -> str:
        """Words for settings of the frame clock, besides those that were given."""
        return setting(
            "load_recording", {"frame_clock": values}, {"frame_clock": dict(self.frame_clock)}
        )

    def named(
        self, *, held: Sequence[LongInterval] = (), missed: Sequence[LongInterval] = ()
    ) -> str:
        """Words for settings that name intervals, besides those that were named already."""
        values = {}
        for name, these, others in (("held_at_s", held, missed), ("missed_at_s", missed, held)):
            before = tuple(self.frame_clock.get(name, ()))
            kept = [time for time in before if not any(self._within(time, one) for one in others)]
            named = tuple(sorted({*kept, *(self._middle(one) for one in these)}))
            if named != before:
                values[name] = named
        return self.clock_setting(**values)

    def _middle(self, interval: LongInterval) -> float:
        """A time in the middle of an interval, seconds, to the millisecond."""
        return round(interval.start_s + 0.5 * interval.n_frames * self.frame_s, 3)

    def _within(self, time_s: float, interval: LongInterval) -> bool:
        return 0 <= time_s - interval.start_s < interval.n_frames * self.frame_s

    def later_by(self, frames: float) -> str:
        """Words for a delay of the display that is longer by some frames."""
        before = float(self.frame_clock.get("display_delay_s", 0.0))
        return self.clock_setting(display_delay_s=round(before + frames * self.frame_s, 5))
