"""Sections from a playlist and the frame clock, checked against the light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Variables, text
from hdmea.errors import HdmeaError, StimulusError, UnknownNameError
from hdmea.session import PipelineSession
from hdmea.steps import session_display
from hdmea.steps.light_judgement import (
    accept_light,
    accept_missed,
    alignment_variables,
    undecided_variables,
    warn_of_delay,
    warn_of_untold,
)
from hdmea.steps.light_sections import table_variables
from hdmea.steps.section_parameters import AddSectionTimeParameters
from hdmea.stimulus.alignment import Alignment, align_sections, frame_light
from hdmea.stimulus.diagnosis import misfit
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.long_intervals import expected_light, judge_intervals
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.placing import CLEAR_R, Placing, left_out
from hdmea.stimulus.sections import Section, trial_frames
from hdmea.stimulus.shown import Shown
from hdmea.stimulus.timeline import build_timeline

Float64 = npt.NDArray[np.float64]


class PlaylistShown:
    """A playlist as the parameters say that it was shown in a recording.

    Parameters
    ----------
    session
        The recording.
    library
        Where its movies are.
    parameters
        Which playlist, and how.

    Raises
    ------
    UnknownNameError
        If the playlist, or the movie with which it began, is not in the library.
    StimulusError
        If a file of the library cannot be used.
    """

    def __init__(
        self,
        session: PipelineSession,
        library: StimulusLibrary,
        parameters: AddSectionTimeParameters,
    ) -> None:
        name = str(parameters.playlist_name)
        self.session, self.library, self.parameters = session, library, parameters
        self.movies: tuple[Movie, ...] = library.playlist(name)
        self.placing = Placing(
            playlist_name=name,
            playlist_start_frame=parameters.playlist_start_frame,
            playlist_first_movie=_number(parameters.playlist_first_movie, self.movies, name),
            repeats=parameters.repeats,
        )
        self._luminance: dict[str, Float64 | None] = {}

    def variables(self) -> Variables:
        """Compute the sections, trials and events, and how the light compares with them.

        Raises
        ------
        MissingDataError
            If there is no frame clock.
        StimulusError
            If nothing of the playlist is on it.
        """
        timeline = build_timeline(self._sections, self.movies, self._frame_times)
        if not timeline.sections:
            raise StimulusError(self._misfit())
        compared = align_sections(self._light, timeline.sections, self._of_all())
        if any(one.reason == "only_noise" for one in compared):
            self.session.warn(
                f"{self.session.dataset_id}: the row of the photodiode holds only noise, so the "
                "playlist is compared with nothing; if the photodiode is on another row: "
                "frame_clock: {photodiode_row: ...}, if there was none: "
                f"{self._shown.clock_setting(photodiode_row=None)}"
            )
        self._warn_of_further_passes(compared)
        return {
            "stimulus/playlist": text(self.placing.playlist_name, "playlist that was shown"),
            **table_variables(timeline),
            **alignment_variables(compared, self._shown.frame_s),
            **self._judged_intervals(),
        }

    def accept(self, variables: Variables) -> None:
        """Judge what was found, also when it was found earlier: refuse it, or warn of it.

        Raises
        ------
        StimulusError
            If the recording does not hold all of the playlist, the meaning of a long interval of
            the clock is open, or the light contradicts the playlist, and this is not accepted.
        """
        sections = build_timeline(self._sections, self.movies, self._frame_times).sections
        mode = self.parameters.alignment
        # Missed pulses first: they may be all that keeps the playlist from fitting.
        accept_missed(self.session, self._shown, sections, self.movies, variables, mode)
        lost = left_out(self._sections, self._frame_times.size)
        if lost and self.parameters.playlist_truncated == "error":
            raise StimulusError(self._misfit())
        accept_light(self.session, self._shown, sections, self.movies, variables, mode)
        warn_of_untold(self.session, self._shown, sections, self.movies, variables)
        warn_of_delay(self.session, self._shown, variables)
        if lost:
            n_trials = sum(len(trial_frames(s, self._rules[s.movie])) for s in self._sections)
            n_kept = variables["stimulus/trials/number"].values.size
            self.session.warn(
                f"{self.session.dataset_id}: the recording does not hold all of playlist "
                f"{self.placing.playlist_name!r}: {len(lost)} of {len(self._sections)} sections "
                f"are cut or missing, and {n_kept} of {n_trials} trials are kept"
            )

    # -- what is known ---------------------------------------------------------------------------

    @cached_property
    def _frame_times(self) -> Float64:
        return session_display.frame_times(self.session)

    @cached_property
    def _light(self) -> Float64 | None:
        photodiode = session_display.photodiode(self.session)
        return None if photodiode is None else frame_light(photodiode, self._frame_times)

    @cached_property
    def _sections(self) -> list[Section]:
        return self.placing.sections(self.movies)

    @property
    def _rules(self) -> dict[str, Any]:
        return {movie.name: movie.rule for movie in self.movies}

    @property
    def _shown(self) -> Shown:
        # not kept: it knows methods of this object, and a circle would hold the session in memory
        clock = "stimulus/clock/n_dropped"
        return Shown(
            placing=self.placing,
            cut=self.parameters.playlist_truncated,
            playlists=self._readable_playlists,
            luminance=self._luminance_of,
            frame_times_s=self._frame_times,
            light=self._light,
            long_intervals=session_display.long_intervals(self.session),
            frame_clock=session_display.clock_as_given(self.session),
            n_dropped=int(self.session.values(clock)) if clock in self.session else 0,
        )

    def _luminance_of(self, movie: Movie) -> Float64 | None:
        if movie.name not in self._luminance:
            try:
                found = None if movie.frames_path is None else movie.luminance()
            except HdmeaError:
                if movie in self.movies:
                    raise
                found = None  # of another playlist: it cannot be the remedy, no more
            self._luminance[movie.name] = found
        return self._luminance[movie.name]

    def _of_all(self) -> dict[str, Float64 | None]:
        return {movie.name: self._luminance_of(movie) for movie in self.movies}

    def _readable_playlists(self) -> dict[str, Sequence[Movie]]:
        """The library's playlists, without those that are not finished."""
        found: dict[str, Sequence[Movie]] = {}
        for name in self.library.playlist_names:
            try:
                found[name] = self.library.playlist(name)
            except HdmeaError:  # a playlist that cannot be read cannot be the remedy
                continue
        return found

    # -- what is computed ------------------------------------------------------------------------

    def _warn_of_further_passes(self, compared: Sequence[Alignment]) -> None:
        """Say that the playlist goes on where the parameters end, if the light does."""
        if self._light is None or any(one.contradicts for one in compared):
            return
        passes = self.placing
        while True:
            longer = replace(passes, repeats=passes.repeats + 1)
            more = longer.sections(self.movies)[len(passes.sections(self.movies)) :]
            if more[-1].end_frame >= self._frame_times.size:
                break
            found = align_sections(self._light, more, self._of_all())
            told = [one for one in found if not one.reason]
            if not told or any(one.contradicts for one in told):
                break
            if np.mean([one.r for one in told]) < CLEAR_R:
                break
            passes = longer
        if passes != self.placing:
            self.session.warn(
                f"{self.session.dataset_id}: the light follows playlist "
                f"{passes.playlist_name!r} {passes.repeats} times, of which {self.placing.repeats} "
                f"are used. To use all: {self._shown.setting(passes, self.movies)}"
            )

    def _judged_intervals(self) -> Variables:
        """What the movies say of long intervals that nothing else decides."""
        undecided = [one for one in self._shown.long_intervals if one.verdict == "undecided"]
        if self._light is None:
            verdict, r = ["undecided"] * len(undecided), np.full((len(undecided), 2), np.nan)
        else:
            judged = judge_intervals(
                self._light,
                expected_light(self._sections, self._of_all(), self._frame_times.size),
                [one.frame for one in undecided],
                [one.n_frames - 1 for one in undecided],
            )
            verdict = [one.verdict for one in judged]
            r = np.array([(one.r_held, one.r_missed) for one in judged]).reshape(-1, 2)
        return undecided_variables([one.frame for one in undecided], verdict, r)

    # -- what is judged --------------------------------------------------------------------------

    def _misfit(self) -> str:
        return f"{self.session.dataset_id}: {misfit(self._shown, self._sections, self.movies)}"


def _number(first: int | str | None, movies: Sequence[Movie], playlist: str) -> int:
    """Number of the movie with which the first pass began."""
    names = [movie.name for movie in movies]
    said = f"playlist {playlist!r} shows " + ", ".join(f"{i} {n}" for i, n in enumerate(names))
    if first is None:
        return 0
    if isinstance(first, str) and first in names:
        if names.count(first) > 1:
            # Cause: the playlist shows the movie more than once, so that its name does not tell
            # where it was begun.
            raise UnknownNameError(
                f"playlist_first_movie {first!r} is shown {names.count(first)} times; give its "
                f"number: {said}"
            )
        return names.index(first)
    try:
        number = int(first)
    except ValueError:
        number = -1
    if not 0 <= number < len(names):
        # Cause: the name is mistyped, or the number is beyond the playlist; movies count from 0.
        raise UnknownNameError(
            f"playlist_first_movie {first!r} is not in the playlist; choose a name or a number: "
            f"{said}"
        )
    return number
