"""Sections from a playlist and the frame clock, checked against the light."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Variable, Variables, text
from hdmea.errors import HdmeaError, StimulusError, UnknownNameError
from hdmea.session import PipelineSession
from hdmea.steps import session_display
from hdmea.steps.light_sections import table_variables
from hdmea.stimulus.alignment import Alignment, align_sections, frame_light
from hdmea.stimulus.diagnosis import (
    LongInterval,
    Shown,
    contradiction,
    inside,
    intervals_in_words,
    misfit,
)
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.long_intervals import expected_light, judge_intervals
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.placing import CLEAR_R, Placing, left_out
from hdmea.stimulus.sections import Section, trial_frames
from hdmea.stimulus.timeline import build_timeline

if TYPE_CHECKING:
    from hdmea.steps.add_section_time import AddSectionTimeParameters

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
            **_alignment_variables(compared, self._shown.frame_s),
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
        lost = left_out(self._sections, self._frame_times.size)
        if lost and self.parameters.playlist_truncated == "error":
            raise StimulusError(self._misfit())
        self._accept_intervals(variables)
        self._accept_alignment(variables)
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

    @cached_property
    def _shown(self) -> Shown:
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

    @property
    def _undecided(self) -> list[LongInterval]:
        return [one for one in self._shown.long_intervals if one.verdict == "undecided"]

    def _luminance_of(self, movie: Movie) -> Float64 | None:
        if movie.name not in self._luminance:
            self._luminance[movie.name] = None if movie.frames_path is None else movie.luminance()
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
        undecided = self._undecided
        judged = []
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
        group = "stimulus/alignment/undecided"
        dims = ("undecided",)
        frame = np.array([one.frame for one in undecided], dtype=np.int64)
        return {
            f"{group}/frame": Variable(frame, "frame", dims, "frame that begins the interval"),
            f"{group}/verdict": Variable(
                np.array(verdict, dtype=np.str_), "", dims, "held, missed or undecided"
            ),
            f"{group}/r_held": Variable(
                r[:, 0].copy(), "1", dims, "correlation after it if the frame was held"
            ),
            f"{group}/r_missed": Variable(
                r[:, 1].copy(), "1", dims, "correlation after it if pulses were missed"
            ),
        }

    # -- what is judged --------------------------------------------------------------------------

    def _misfit(self) -> str:
        return f"{self.session.dataset_id}: {misfit(self._shown, self._sections, self.movies)}"

    def _accept_intervals(self, variables: Variables) -> None:
        undecided = self._undecided
        verdicts = variables["stimulus/alignment/undecided/verdict"].values.tolist()
        by_verdict: dict[str, list[LongInterval]] = {"missed": [], "undecided": []}
        for one, verdict in zip(undecided, verdicts, strict=True):
            by_verdict.setdefault(verdict, []).append(one)
        where = self.session.dataset_id
        if missed := by_verdict["missed"]:
            times = inside(missed, self._shown.frame_s)
            message = (
                f"{where}: the light of the movies after it shows that pulses were missed in "
                f"{intervals_in_words(missed)}, so that all later frames are counted too low: "
                f"{self._shown.clock_setting(missed_at_s=times)}"
            )
            if self.parameters.alignment == "error":
                raise StimulusError(message)
            self.session.warn(message)
        last = max(self._last_frame_that_matters(), default=0)
        if open_ := [one for one in by_verdict["undecided"] if one.frame < last]:
            times = inside(open_, self._shown.frame_s)
            raise StimulusError(
                f"{where}: whether the display held a frame or pulses were missed is told neither "
                f"by the photodiode there nor by movies after it in {intervals_in_words(open_)}. "
                f"If the display held them: {self._shown.clock_setting(held_at_s=times)}. If "
                f"pulses were missed: {self._shown.clock_setting(missed_at_s=times)}"
            )

    def _last_frame_that_matters(self) -> list[int]:
        """Last frame of each section's movie or trials."""
        return [
            max(
                section.content_start_frame + section.length_frames,
                *trial_frames(section, self._rules[section.movie])[:, 1].tolist(),
            )
            for section in self._sections
        ]

    def _accept_alignment(self, variables: Variables) -> None:
        """Refuse, or warn of, sections that the photodiode contradicts."""
        r, lag, delay, reason = (
            variables[f"stimulus/alignment/{name}"].values
            for name in ("r", "lag_frames", "delay_s", "reason")
        )
        delay = delay / self._shown.frame_s
        compared = [
            Alignment(float(row[0]), float(row[1]), np.nan, float(row[2]), str(row[3]))
            for row in zip(r, lag, delay, reason, strict=True)
        ]
        sections = build_timeline(self._sections, self.movies, self._frame_times).sections
        contradictions = [
            f"section {i} ({sections[i].movie}): r = {one.r:.2f} at a lag of "
            f"{one.lag_frames:.0f} frames"
            for i, one in enumerate(compared)
            if one.contradicts
        ]
        if not contradictions:
            return
        message = (
            f"{self.session.dataset_id}: the photodiode contradicts the playlist in "
            f"{'; '.join(contradictions)}"
        )
        if self.parameters.alignment == "error":
            why = contradiction(self._shown, sections, self.movies, compared)
            raise StimulusError(
                f"{message}. {why}"
                if why
                else f"{message}. Check playlist and frame clock, or accept it with "
                "alignment='warn'"
            )
        self.session.warn(message)


def _number(first: int | str | None, movies: Sequence[Movie], playlist: str) -> int:
    """Number of the movie with which the first pass began."""
    names = [movie.name for movie in movies]
    said = f"playlist {playlist!r} shows " + ", ".join(f"{i} {n}" for i, n in enumerate(names))
    if first is None:
        return 0
    if isinstance(first, str) and first in names:
        if names.count(first) > 1:
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
        raise UnknownNameError(f"playlist_first_movie {first!r} is not in the playlist: {said}")
    return number


def _alignment_variables(compared: Sequence[Alignment], frame_s: float) -> Variables:
    def column(values: Sequence[float], unit: str, meaning: str) -> Variable:
        return Variable(np.array(values, dtype=np.float64), unit, ("section",), meaning)

    return {
        "stimulus/alignment/r": column(
            [one.r for one in compared], "1", "correlation of photodiode and movie luminance"
        ),
        "stimulus/alignment/lag_frames": column(
            [one.lag_frames for one in compared], "frame", "lag of the best correlation"
        ),
        "stimulus/alignment/delay_s": column(
            [one.delay_frames * frame_s for one in compared],
            "s",
            "how much later the light came than the frame times, parts of a frame included",
        ),
        "stimulus/alignment/contrast": column(
            [one.contrast for one in compared],
            "count",
            "swing of the photodiode that follows the movie",
        ),
        "stimulus/alignment/reason": Variable(
            np.array([one.reason for one in compared], dtype=np.str_),
            "",
            ("section",),
            "why a section could not be checked",
        ),
    }
