"""Sections, trials and what happens in them: from a playlist and the frame clock, or the light."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hdmea.arrays import Variables
from hdmea.errors import HdmeaError, ParameterError, StimulusError
from hdmea.session import PipelineSession
from hdmea.steps.library import stimulus_library
from hdmea.steps.light_sections import accept_onsets, onset_sections
from hdmea.steps.playlist_sections import PlaylistShown
from hdmea.steps.section_parameters import AddSectionTimeParameters
from hdmea.steps.sources import files_told
from hdmea.steps.step import Step, Task


def _tasks(session: PipelineSession, parameters: AddSectionTimeParameters) -> Iterable[Task]:
    if not parameters.tell_what_was_shown:
        # Cause: neither `playlist_name` nor `light_onsets` is given, or both are: what was shown
        # must be told in one way.
        raise ParameterError(_which_of_both(session, parameters))
    if parameters.light_onsets is not None:
        onsets = parameters.light_onsets
        yield Task(
            name="add_section_time",
            compute=lambda: onset_sections(session, onsets),
            accept=_all_shown(
                session, parameters, lambda variables: accept_onsets(variables, onsets)
            ),
            parameters={"light_onsets": onsets.model_dump(mode="json", exclude={"n_expected"})},
            parents=("load_recording",),
        )
        return
    library = stimulus_library(session)
    shown = PlaylistShown(session, library, parameters)
    geometry = library.geometry(shown.movies)
    yield Task(
        name="add_section_time",
        compute=lambda: {**shown.variables(), **geometry.variables()},
        accept=_all_shown(session, parameters, shown.accept),
        # the name of a playlist does not say what is in it, and in which order
        parameters=parameters.affecting()
        | {"movies": [movie.name for movie in shown.movies]}
        | {"playlist_first_movie": shown.placing.playlist_first_movie},
        parents=("load_recording",),
        inputs={f"movie:{movie.name}": movie.digest() for movie in shown.movies}
        | {"geometry": geometry.digest()},
        told={"files": files_told({f"movie:{m.name}": m.frames_path for m in shown.movies})},
    )


def _all_shown(
    session: PipelineSession,
    parameters: AddSectionTimeParameters,
    accept: Callable[[Variables], None],
) -> Callable[[Variables], None]:
    """Judge sections, and whether every kind of stimulus that is required was shown."""

    def judge(variables: Variables) -> None:
        accept(variables)
        shown = list(dict.fromkeys(map(str, variables["stimulus/sections/kind"].values)))
        missing = [kind for kind in parameters.require_stimuli if kind not in shown]
        if missing:
            # Cause: the playlist has no movie of that kind, or the recording ended before it.
            raise StimulusError(
                f"{session.dataset_id}: require_stimuli asks for {', '.join(missing)}, which was "
                f"not shown; shown were: {', '.join(shown) or 'none'}. Check the playlist, or "
                "leave the kind out of require_stimuli"
            )

    return judge


def _which_of_both(session: PipelineSession, parameters: AddSectionTimeParameters) -> str:
    try:
        known = ", ".join(sorted(stimulus_library(session).playlist_names)) or "none"
        playlists = f"the stimulus library has: {known}"
    except HdmeaError as error:
        playlists = f"its names cannot be told: {error}"
    if parameters.playlist_name is not None:
        return (
            f"add_section_time: playlist_name ({parameters.playlist_name!r}) and light_onsets are "
            "both given; sections come from a playlist or from the light, leave one out"
        )
    return (
        "add_section_time: neither playlist_name nor light_onsets is given; say which playlist "
        f"was shown ({playlists}), or light_onsets={{'movie': ..., 'duration_s': ...}} where "
        "there was none"
    )


ADD_SECTION_TIME = Step(
    name="add_section_time",
    version=3,
    parameters=AddSectionTimeParameters,
    tasks=_tasks,
    needs=("load_recording",),
    adds=("stimulus",),
    places=("stimuli_dir",),
    doc="""Place what was shown in time: a playlist's movies, or light onsets.

Every section of a playlist is checked against the photodiode where there is one. An unknown
movie, or a playlist that does not fit the recording, is an error that says the setting with
which it fits, where that can be told.
""",
    example=""">>> result = add_section_time("artifacts/rec.h5", playlist_name="tiny")
>>> PipelineSession.load(result.hdf5_path).values("stimulus/sections/kind").tolist()
['noise', 'step', 'moving_bar']""",
)
