"""Which parts a recording is made of, what each needs, and what its result depends on.

The workflow's rules are this, written as files: nobody else knows the dependencies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from hdmea.batch.columns import file_digests, without_paths
from hdmea.batch.config import WorkflowConfig
from hdmea.batch.recordings import Recording, names_in_table, require_files
from hdmea.errors import FileMissingError, HdmeaError, ParameterError
from hdmea.features.registry import get_feature, package_of
from hdmea.steps.curate_units import CurateUnitsParameters
from hdmea.steps.curation_table import (
    CuratedUnit,
    curation_digest,
    read_curation,
    unknown_recordings,
)
from hdmea.steps.extract_features import BROUGHT_BY, ExtractFeaturesParameters
from hdmea.steps.registry import STEPS
from hdmea.steps.step import StepParameters
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.movie import Movie
from hdmea.tsv import few

_FILE_NAMES = {
    "add_section_time": "sections",
    "section_spike_times": "spikes",
    "curate_units": "curation",
    "compute_sta": "sta",
    "adjust_p_values": "q_values",
}


@dataclass(frozen=True)
class Part:
    """What one job of immediate mode makes.

    Parameters
    ----------
    name
        Name of its file: ``load_recording``, ``sections``, ``spikes``, ``features.<f>``,
        ``curation``, ``sta``, ``q_values``.
    step
        The step that makes it.
    values
        The step's parameters in the configuration, without those that only the table has.
    needs
        Names of the parts it is made from.
    version
        Version of its definition; for a feature, the step's and the feature's.
    package
        The other package that a feature is of; None: hdmea.
    """

    name: str
    step: str
    values: Mapping[str, Any]
    needs: tuple[str, ...]
    version: tuple[int, ...]
    package: str | None = None

    def parameters(self, recording: Recording) -> dict[str, Any]:
        """The step's parameters for a recording."""
        own = recording.parameters.get(self.step)
        if own is None:
            return dict(self.values)
        values = own.model_dump(mode="json")
        if isinstance(own, ExtractFeaturesParameters):  # one feature is one part
            (name,) = self.values["features"]
            given = values["parameters"]
            return {
                "features": [name],
                "parameters": {name: given[name]} if name in given else {},
            }
        return values

    @cached_property
    def _of_all_recordings(self) -> tuple[StepParameters, dict[str, Any]]:
        """The parameters, and the definition without files: once for thousands."""
        parameters = STEPS[self.step].parse(dict(self.values))
        return parameters, self._definition(parameters)

    def definition(
        self, recording: Recording, stamps: Mapping[str, Sequence[int]] | None = None
    ) -> dict[str, Any]:
        """Versions, parameters and files that affect the result: when they change, it is made anew.

        Parameters
        ----------
        recording
            Of which.
        stamps
            Those of its own files, as `hdmea.batch.past.Past` tells them.

        Raises
        ------
        FileMissingError
            If there is no file that a parameter names.
        """
        step = STEPS[self.step]
        if self.step in recording.parameters:
            parameters = step.parse(self.parameters(recording))
            made = self._definition(parameters)
        else:
            parameters, made = self._of_all_recordings
            if not step.creates and not isinstance(parameters, CurateUnitsParameters):
                return made
        files: dict[str, Any] = {
            **file_digests(recording.input_files(self.step)),
            **_curation(parameters, recording.name),
            **((stamps or {}) if step.creates else {}),
        }
        return made | {"files": files} if files else made

    def _definition(self, parameters: StepParameters) -> dict[str, Any]:
        return {
            "version": self.version,
            "parameters": without_paths(self.step, parameters.affecting()),
            "files": {},
        } | ({} if self.package is None else {"package": self.package})


def parts_of(config: WorkflowConfig) -> dict[str, Part]:
    """The parts that every recording is made of, by name, in an order in which they can be made.

    Examples
    --------
    >>> from hdmea.batch.config import read_config
    >>> steps = {"extract_features": {"features": ["frif"]}, "add_section_time": {}}
    >>> parts = parts_of(read_config({"recordings": "r", "stimuli": "s", "steps": steps}))
    >>> {part.name: part.needs for part in parts.values()}
    {'load_recording': (), 'sections': ('load_recording',), 'features.frif': ('load_recording',)}
    """
    parts: dict[str, Part] = {}
    for step in config.chosen_steps:
        values = config.parameters(step)
        needs = tuple(_FILE_NAMES.get(need, need) for need in STEPS[step].needs)
        needs += tuple(f"features.{name}" for name in config.used_features(step))
        if step == "extract_features":
            made = [_feature(name, values, needs) for name in config.features]
        else:
            name = _FILE_NAMES.get(step, step)
            made = [Part(name, step, values, needs, (STEPS[step].version,))]
        parts |= {part.name: part for part in made}
    ordered: dict[str, Part] = {}

    def put(part: Part) -> None:
        """A part after those that it needs; it is read with those that they were made from."""
        if part.name not in ordered:
            for need in part.needs:
                put(parts[need])
            read = {far for need in part.needs for far in (need, *ordered[need].needs)}
            ordered[part.name] = replace(part, needs=tuple(n for n in ordered if n in read))

    for part in parts.values():
        put(part)
    return ordered


def parts_until(config: WorkflowConfig, step: str) -> tuple[str, ...]:
    """Names of the parts that are there once a step is done, all that they need among them."""
    chosen = config.chosen_steps
    done = chosen[: chosen.index(step) + 1]
    parts = parts_of(config)
    return tuple(
        part.name
        for part in parts.values()
        if part.step in done and all(parts[need].step in done for need in part.needs)
    )


def all_steps(config: WorkflowConfig, recording: Recording) -> dict[str, dict[str, Any]]:
    """Parameters of each step, in the order in which they run, for one recording."""
    own = {step: found.model_dump(mode="json") for step, found in recording.parameters.items()}
    return {step: config.parameters(step) for step in config.chosen_steps} | own


def movie_digests(config: WorkflowConfig, playlist: str) -> list[list[str]]:
    """Name and digest of every movie of a playlist, in the order shown, and of their geometry.

    What is made from them is made anew when a movie changes, or its place on the display, and when
    the playlist shows them in another order or another number of times.
    """
    library = StimulusLibrary(config.stimuli)
    movies = library.playlist(playlist)
    digests = {movie.name: movie.digest() for movie in dict.fromkeys(movies)}
    shown = [[movie.name, digests[movie.name]] for movie in movies]
    return [*shown, ["geometry", library.geometry(movies).digest()]]


def require_inputs(config: WorkflowConfig, recordings: Mapping[str, Recording]) -> None:
    """Make sure that files, playlists and movies of all recordings are there before any job runs.

    Raises
    ------
    ParameterError
        Listing everything that is not.
    """
    problems: list[str] = []
    try:
        require_files(recordings)
    except FileMissingError as error:
        problems.append(str(error))
    problems += _playlist_problems(config, recordings)
    problems += _curation_problems(config, recordings)
    if problems:
        # Cause: files, playlists, movies or curated units that the recordings need are not there,
        # or say two things; all are listed.
        raise ParameterError("\n".join(problems))


def _untold(config: WorkflowConfig, recordings: Mapping[str, Recording]) -> Iterable[str]:
    """What is wrong where it is not clear what was shown: nothing is said, or two things are."""
    unclear = [
        recording
        for recording in recordings.values()
        if recording.shown is not None and not recording.shown.tell_what_was_shown
    ]
    if nothing := [recording.name for recording in unclear if recording.playlist is None]:
        try:
            known = ", ".join(sorted(StimulusLibrary(config.stimuli).playlist_names)) or "none"
        except HdmeaError as error:
            known = str(error)
        yield (
            f"{few(nothing)}: column playlist is empty; playlists: {known}. Where there was none, "
            "columns light_onsets.movie and light_onsets.duration_s place sections by the light"
        )
    if both := [recording.name for recording in unclear if recording.playlist is not None]:
        yield (
            f"{few(both)}: playlist and light_onsets are both given; leave one out. Light onsets "
            "of some recordings belong into their cells, not into the configuration"
        )


def _curation(parameters: StepParameters, recording: str) -> dict[str, str]:
    """Digest of what a curation table says of a recording: rows of others do not count."""
    table = parameters.table if isinstance(parameters, CurateUnitsParameters) else None
    if table is None:
        return {}
    state = Path(table).stat() if Path(table).exists() else None
    curated = _curated(table, None if state is None else (state.st_mtime_ns, state.st_size))
    digest = curation_digest(curated.get(recording, []))
    return {} if digest is None else {"table": digest}


@lru_cache(maxsize=2)
def _curated(table: str, _state: tuple[int, int] | None) -> dict[str, list[CuratedUnit]]:
    """The table, read once for all recordings as long as it is in this state."""
    return read_curation(table)


def unread_curation(config: WorkflowConfig) -> list[str]:
    """A line if people have curated units in a table that the configuration does not name.

    It is looked for as ``units.tsv`` beside the table of recordings, where it is shipped.
    """
    table = Path(config.recordings).with_name("units.tsv")
    if _curation_table(config) is not None or not table.is_file():
        return []
    try:
        n = sum(map(len, read_curation(table).values()))
    except HdmeaError as error:
        return [f"{table} is not read, since curate_units does not name it; and {error}"]
    if n == 0:  # as it is shipped
        return []
    rows = f"{n} row{'s' if n != 1 else ''}"
    return [f"{table} has {rows} but is not read; to read it, curate_units: {{table: {table}}}"]


def _curation_table(config: WorkflowConfig) -> str | None:
    if "curate_units" not in config.chosen_steps:
        return None
    table: str | None = config.parameters("curate_units")["table"]
    return table


def _curation_problems(config: WorkflowConfig, recordings: Mapping[str, Recording]) -> list[str]:
    """What is wrong with the curation table; which units there are is known only to the jobs."""
    table = _curation_table(config)
    if table is None:
        return []
    listed = names_in_table(config)
    try:
        if not listed:  # a recording without a table, of whose rows alone something is known
            read_curation(table)
            return []
        return unknown_recordings(table, [*listed, *recordings])
    except HdmeaError as error:
        return [str(error)]


def _playlist_problems(config: WorkflowConfig, recordings: Mapping[str, Recording]) -> list[str]:
    users: dict[str, list[str]] = {}
    for recording in recordings.values():
        if recording.playlist is not None:
            users.setdefault(recording.playlist, []).append(recording.name)
    problems = list(_untold(config, recordings))
    for playlist, names in users.items():
        whose = few(names)
        try:
            movies = StimulusLibrary(config.stimuli).playlist(playlist)
        except HdmeaError as error:
            problems.append(f"{whose}: {error}")
        else:
            problems += [
                f"{whose}: compute_sta needs the frames of movie {name!r}, but there is no "
                f"{name}.npy in {config.stimuli}"
                for name in _movies_without_frames(config, movies)
            ]
    return problems


def _playlists(config: WorkflowConfig) -> str:
    try:
        return ", ".join(sorted(StimulusLibrary(config.stimuli).playlist_names)) or "none"
    except HdmeaError as error:
        return str(error)


def _movies_without_frames(config: WorkflowConfig, movies: Iterable[Movie]) -> Iterable[str]:
    """Names of the movies that `compute_sta` averages, if it is chosen, and that have no frames."""
    if "compute_sta" not in config.chosen_steps:
        return ()
    chosen = config.parameters("compute_sta")["stimulus"]
    averaged = [m for m in movies if (m.kind == "noise" if chosen is None else m.name == chosen)]
    return dict.fromkeys(movie.name for movie in averaged if movie.frames_path is None)


def _feature(name: str, of_all: Mapping[str, Any], needs: tuple[str, ...]) -> Part:
    feature, parameters = get_feature(name), of_all["parameters"]
    values = {
        **of_all,
        "features": [name],
        "parameters": {name: parameters[name]} if name in parameters else {},
    }
    steps = dict.fromkeys(step for need, step in BROUGHT_BY.items() if need in feature.needs)
    also = (
        *(_FILE_NAMES[step] for step in steps),
        *(f"features.{other}" for other in feature.needed_features),
    )
    version = (STEPS["extract_features"].version, feature.version)
    package = package_of(name)
    return Part(f"features.{name}", "extract_features", values, needs + also, version, package)
