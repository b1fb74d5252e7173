"""Lay a playlist along the recording's frame clock: sections, trials, and what happens in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from hdmea.arrays import Array, Variable, Variables, text
from hdmea.errors import MissingDataError, StimulusError
from hdmea.session import PipelineSession
from hdmea.steps.library import stimulus_library
from hdmea.steps.step import HARMLESS, Step, StepParameters, Task
from hdmea.stimulus.alignment import LEAST_R, align
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.timeline import Timeline, build_timeline


class AddSectionTimeParameters(StepParameters):
    """Which playlist was shown."""

    playlist_name: str = Field(description="name of the playlist in the stimulus library")
    repeats: int = Field(
        default=1, ge=1, le=10_000, description="how often the whole playlist was shown"
    )
    alignment: Literal["error", "warn"] = Field(
        default="error",
        description="what to do when the photodiode contradicts the playlist in a section",
        json_schema_extra=HARMLESS,
    )


def _tasks(session: PipelineSession, parameters: AddSectionTimeParameters) -> Iterable[Task]:
    library = stimulus_library(session)
    movies = library.playlist(parameters.playlist_name)
    geometry = library.geometry(movies)
    yield Task(
        name="add_section_time",
        compute=lambda: {**_sections(session, parameters, movies), **geometry.variables()},
        accept=lambda variables: _judge(session, variables, parameters.alignment),
        # the name of a playlist does not say what is in it, and in which order
        parameters=parameters.affecting() | {"movies": [movie.name for movie in movies]},
        parents=("load_recording",),
        inputs={f"movie:{movie.name}": movie.digest() for movie in movies}
        | {"geometry": geometry.digest()},
    )


def _sections(
    session: PipelineSession, parameters: AddSectionTimeParameters, movies: Sequence[Movie]
) -> Variables:
    if "stimulus/frame_times" not in session:
        raise MissingDataError(
            f"session {session.dataset_id!r} has no frame clock, so no section can be placed: "
            f"{no_clock_reason(session)}"
        )
    timeline = build_timeline(movies, session.values("stimulus/frame_times"), parameters.repeats)
    variables: dict[str, Variable] = {
        "stimulus/playlist": text(parameters.playlist_name, "playlist that was shown")
    }
    for table, axis in (("sections", "section"), ("trials", "trial"), ("events", "event")):
        for column in timeline.columns(table):
            variables[f"stimulus/{table}/{column.name}"] = Variable(
                column.values, column.unit, (axis,), column.description
            )
    variables |= _alignment(session, timeline, movies)
    return variables


def no_clock_reason(session: PipelineSession) -> str:
    """Why a session has no frame clock."""
    if "stimulus/clock/missing" in session:
        return str(session.values("stimulus/clock/missing"))
    return "it was loaded without a .cmcr file; load it with cmcr_path="


def _alignment(session: PipelineSession, timeline: Timeline, movies: Sequence[Movie]) -> Variables:
    """Compare the photodiode with what the movies say, section by section."""
    n = len(timeline.sections)
    r, lag, contrast = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    reason: list[str] = [""] * n
    by_name = {movie.name: movie for movie in movies}
    luminance: dict[str, Array] = {
        name: movie.luminance() for name, movie in by_name.items() if movie.frames_path is not None
    }
    for i, section in enumerate(timeline.sections):
        if "stimulus/photodiode" not in session:
            reason[i] = "no_photodiode"
        elif section.movie not in luminance:
            reason[i] = "no_movie_file"
        else:
            found = align(
                session.values("stimulus/photodiode"),
                float(session.values("stimulus/photodiode_rate_hz")),
                float(session.values("stimulus/photodiode_start_s")),
                session.values("stimulus/frame_times"),
                section.content_start_frame,
                luminance[section.movie],
            )
            r[i], lag[i], contrast[i], reason[i] = (
                found.r,
                found.lag_frames,
                found.contrast,
                found.reason,
            )
    return {
        "stimulus/alignment/r": Variable(
            r, "1", ("section",), "correlation of photodiode and movie luminance"
        ),
        "stimulus/alignment/lag_frames": Variable(
            lag, "frame", ("section",), "lag of the best correlation"
        ),
        "stimulus/alignment/contrast": Variable(
            contrast, "count", ("section",), "swing of the photodiode that follows the movie"
        ),
        "stimulus/alignment/reason": Variable(
            np.array(reason, dtype=np.str_) if reason else np.zeros(0, "U1"),
            "",
            ("section",),
            "why a section could not be checked",
        ),
    }


def _judge(session: PipelineSession, variables: Variables, mode: str) -> None:
    """Refuse, or warn of, sections that the photodiode contradicts."""
    r, lag, reason, movie = (
        variables[f"stimulus/{path}"].values
        for path in ("alignment/r", "alignment/lag_frames", "alignment/reason", "sections/movie")
    )
    contradictions = [
        f"section {i} ({movie[i]}): r = {r[i]:.2f} at a lag of {lag[i]:.0f} frames"
        for i in np.flatnonzero((reason == "") & ~((lag == 0) & (r >= LEAST_R)))
    ]
    if not contradictions:
        return
    message = (
        f"{session.dataset_id}: the photodiode contradicts the playlist in "
        f"{'; '.join(contradictions)}"
    )
    if mode == "error":
        raise StimulusError(
            f"{message}. Check playlist and frame clock, or accept it with alignment='warn'"
        )
    session.warn(message)


ADD_SECTION_TIME = Step(
    name="add_section_time",
    version=2,
    parameters=AddSectionTimeParameters,
    tasks=_tasks,
    needs=("load_recording",),
    adds=("stimulus",),
    places=("stimuli_dir",),
    doc="""Place the movies of a playlist in time.

Every section is checked against the photodiode where there is one. An unknown movie, or a
playlist that does not fit the recording, is an error: skipping it would shift all that follows.
""",
    example=""">>> result = add_section_time("artifacts/rec.h5", playlist_name="tiny")
>>> PipelineSession.load(result.hdf5_path).values("stimulus/sections/kind").tolist()
['noise', 'step', 'moving_bar']""",
)
