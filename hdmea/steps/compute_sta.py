"""Spike-triggered averages: one contribution per noise movie."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, field_validator

from hdmea.arrays import Variable, Variables, text
from hdmea.errors import MissingDataError, StimulusError, UnknownNameError
from hdmea.progress import Progress
from hdmea.session import PipelineSession
from hdmea.steps.inputs import spike_trains
from hdmea.steps.library import as_it_was_shown, stimulus_library
from hdmea.steps.sources import files_told
from hdmea.steps.step import HARMLESS, Step, StepParameters, Task

if TYPE_CHECKING:
    from hdmea.kernels.sta import Presentations
    from hdmea.stimulus.movie import Movie


class ComputeStaParameters(StepParameters):
    """Which frames before a spike are averaged, over which presentations."""

    cover_range: tuple[int, int] = Field(
        default=(-60, 0),
        description="display frames relative to the spike's, last exclusive: (-60, 0) ends "
        "with the frame before the spike's",
    )
    stimulus: str | None = Field(
        default=None, description="name of one movie; default: every noise movie"
    )
    occurrences: Literal["all", "first"] = Field(
        default="all", description="presentations of the movie that contribute"
    )
    incomplete: Literal["drop", "use"] = Field(
        default="drop",
        description="presentations of which the recording holds a part only: leave them out, or "
        "use the frames whose whole window was recorded",
    )
    z: bool = Field(default=True, description="compute z scores over stimulus refreshes as well")
    precision: Literal["double", "single"] = Field(
        default="double",
        description="of the sums: double is exact for movies of whole numbers, single takes about "
        "half the time and is wrong by rounding",
    )
    threads: int = Field(
        default=1, ge=1, description="threads to compute with", json_schema_extra=HARMLESS
    )

    @field_validator("cover_range")
    @classmethod
    def _is_a_range(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] >= value[1]:
            raise ValueError("the first frame must lie before the last, e.g. (-60, 0)")
        return value


def _tasks(session: PipelineSession, parameters: ComputeStaParameters) -> Iterable[Task]:
    movies = session.values("stimulus/sections/movie")
    kinds = session.values("stimulus/sections/kind")
    if parameters.stimulus is not None:
        if parameters.stimulus not in movies:
            # Cause: the name is mistyped, or the movie belongs to another playlist.
            raise UnknownNameError(
                f"movie {parameters.stimulus!r} was not shown in {session.dataset_id!r}; choose "
                f"one of these: {', '.join(dict.fromkeys(map(str, movies))) or 'none'}"
            )
        names = [parameters.stimulus]
    else:
        names = list(dict.fromkeys(map(str, movies[kinds == "noise"])))
    own = parameters.affecting()
    del own["stimulus"]  # the contribution's name says it
    parents = ("load_recording", "add_section_time")
    if not names:
        yield Task("sta", lambda: _not_applicable(session), own, parents)
        return
    if "stimulus/sections/content_start_frame" not in session:
        # Cause: onsets of light tell when something was shown, not which frame of which movie.
        raise MissingDataError(
            f"compute_sta needs the display frames of {', '.join(names)}, but the sections of "
            f"{session.dataset_id!r} come from light onsets, which know none; place them with "
            "playlist_name="
        )
    library = stimulus_library(session)
    for name in names:
        movie = as_it_was_shown(session, library.movie(name))
        yield Task(
            name=f"sta.{name}",
            compute=partial(_average, session, parameters, movie),
            parameters=own,
            parents=parents,
            inputs={"movie": movie.digest()},
            told={"files": files_told({"movie": movie.frames_path})},
        )


def _not_applicable(session: PipelineSession) -> Variables:
    session.warn(f"{session.dataset_id}: no noise movie was shown, so there is no STA")
    return {"sta/not_applicable": text("stimulus_not_played", "why there is no STA")}


def _average(session: PipelineSession, parameters: ComputeStaParameters, movie: Movie) -> Variables:
    from hdmea.kernels.sta import spike_triggered_average

    if movie.frames_path is None:
        # Cause: the library has the movie's timing only, not what its frames show.
        raise StimulusError(
            f"{movie.name} has no {movie.name}.npy in the stimulus library; its frames are "
            "needed for the STA: put it there"
        )
    trains = spike_trains(session, "compute_sta")
    presentations = _presentations(session, movie, parameters)
    if not presentations.shown:
        return _only_cut(session, movie, parameters)
    with_z = parameters.z and not _correlated(session, movie, presentations, parameters)
    group = f"sta/{movie.name}"
    with Progress(f"{session.dataset_id}: {group}") as progress:
        result = spike_triggered_average(
            presentations.counts(
                trains, session.values("stimulus/frame_times"), movie.length_frames
            ),
            movie.frames(),
            parameters.cover_range,
            shown=presentations.shown,
            with_z=with_z,
            precision=parameters.precision,
            threads=parameters.threads,
            empty=session.allocate,
            pieces=session.pieces,
            progress=progress,
        )
    dims = ("unit", "lag", "y", "x")
    variables = {
        f"{group}/sta": Variable(
            result.mean, "movie value", dims, "mean of the movie before a spike"
        ),
        f"{group}/lags": Variable(
            result.lags, "frame", ("lag",), "display frames relative to the spike's"
        ),
        f"{group}/n_spikes": Variable(result.n_spikes, "1", ("unit",), "spikes that were averaged"),
        f"{group}/n_excluded": Variable(
            result.n_excluded,
            "1",
            ("unit",),
            "spikes left out because their window leaves the movie",
        ),
    }
    for name, description in _PRESENTATION.items():
        variables[f"{group}/{name}"] = Variable(
            getattr(presentations, name), "frame", ("presentation",), description
        )
    if result.z is not None:
        variables[f"{group}/z"] = Variable(
            result.z, "1", dims, "z score of the STA over stimulus refreshes, per pixel and lag"
        )
    return variables


def _correlated(
    session: PipelineSession,
    movie: Movie,
    presentations: Presentations,
    parameters: ComputeStaParameters,
) -> bool:
    """Whether successive images are, so that z, which takes them for independent, is wrong."""
    from hdmea.kernels.receptive_field import Noise

    found = Noise(movie.frames(), presentations, np.arange(*parameters.cover_range)).correlated
    if found:
        session.warn(
            f"{session.dataset_id}: successive images of {movie.name} are correlated, so its STA "
            "has no z scores, which take them for independent; the feature dense_noise tests it by "
            "circular shifts"
        )
    return found


_PRESENTATION = {
    "begin_frame": "frame of the clock at which a presentation that contributes began",
    "start_frame": "first frame of the movie that was recorded of it",
    "stop_frame": "the one after its last recorded frame",
}


def _presentations(
    session: PipelineSession, movie: Movie, parameters: ComputeStaParameters
) -> Presentations:
    """The presentations that contribute."""
    from hdmea.kernels.sta import Presentations

    first, last = parameters.cover_range
    reach = max(0, -first) + max(0, last - 1)
    rows = np.flatnonzero(session.values("stimulus/sections/movie") == movie.name)
    begin, start, stop, complete = (
        session.values(f"stimulus/sections/{name}")[rows]
        for name in ("content_start_frame", "shown_start_frame", "shown_stop_frame", "complete")
    )
    usable = complete == 1
    if parameters.incomplete == "use":
        usable |= stop - start > reach
    chosen = np.flatnonzero(usable)
    if parameters.occurrences == "first":
        chosen = chosen[:1]
    return Presentations(begin[chosen], start[chosen], stop[chosen])


def _only_cut(
    session: PipelineSession, movie: Movie, parameters: ComputeStaParameters
) -> Variables:
    begin, end = (
        session.values(f"stimulus/sections/shown_{edge}_frame") for edge in ("start", "stop")
    )
    rows = session.values("stimulus/sections/movie") == movie.name
    longest = int((end - begin)[rows].max())
    use = (
        ""
        if parameters.incomplete == "use"
        else ". To use that part: in config.yaml, under compute_sta, incomplete: use; in Python, "
        "compute_sta(incomplete='use')"
    )
    session.warn(
        f"{session.dataset_id}: {movie.name} was not recorded whole ({longest} of "
        f"{movie.length_frames} frames), so there is no STA of it{use}"
    )
    return {
        f"sta/{movie.name}/not_applicable": text("presentation_cut", "why there is no STA of it")
    }


COMPUTE_STA = Step(
    name="compute_sta",
    version=5,
    parameters=ComputeStaParameters,
    tasks=_tasks,
    needs=("load_recording", "add_section_time"),
    adds=("sta",),
    places=("stimuli_dir",),
    doc="""Average the noise movie before each unit's spikes.

Stored are the raw mean (float32; exact for integer movies), the number of spikes used and left
out, the presentations that they are from, and a z score per pixel and lag over the movie's
refreshes, unless successive images are correlated. Units without spikes have NaN.
""",
    example=""">>> session = PipelineSession.load("artifacts/rec.h5")
>>> session = compute_sta(cover_range=(-30, 0), session=session)
>>> session.sta(session.units.index[0]).shape
(30, 15, 15)""",
)
