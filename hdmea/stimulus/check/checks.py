"""Whether all of a stimulus library resolves, and a draft for what is missing.

One movie's problem does not hide another's: each is looked at by itself, and every error becomes
a line of the report.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from hdmea.arrays import Array
from hdmea.errors import FileMissingError, HdmeaError, StimulusError, UnknownNameError
from hdmea.stimulus.check.draft import definition_draft, length_draft, merged, pattern_draft
from hdmea.stimulus.check.proposal import Proposal, Shown, propose
from hdmea.stimulus.check.recorded import RecordedLight
from hdmea.stimulus.check.report import LibraryCheck, MovieCheck
from hdmea.stimulus.definition import Definition
from hdmea.stimulus.folder import LENGTHS, PATTERNS
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.movie import Movie, mean_luminance, missing_events, open_frames
from hdmea.stimulus.sections import TrialRule

_SEE_ABOVE = "see above"


def check_library(
    library: StimulusLibrary, playlist: str | None = None, light: RecordedLight | None = None
) -> LibraryCheck:
    """Look at every movie of a playlist, or of all playlists and all other movies there are.

    Parameters
    ----------
    library
        The library.
    playlist
        The playlist; default all, and the movies that no playlist shows.
    light
        The light of a recording, from which onsets are proposed for movies without frames.

    Raises
    ------
    UnknownNameError
        If there is no such playlist.
    """
    report = LibraryCheck(library.folder)
    _check_playlists(library, playlist, report)
    probes: list[Callable[[], object]] = [
        lambda: library.pattern(""),
        lambda: library.geometry(()),
        lambda: library.listed_movies,
    ]
    for probe in probes:
        try:
            probe()
        except HdmeaError as error:
            report.problems.append(str(error))
    shown = dict.fromkeys(movie for movies in report.playlists.values() for movie in movies)
    names = list(shown)
    if playlist is None:
        with_frames = [stem for stem in library.files.stems(".npy") if "." not in stem]
        with suppress(HdmeaError):  # said above
            names += library.listed_movies
        names = list(dict.fromkeys([*names, *with_frames]))
        with suppress(HdmeaError):
            report.notes += [
                f"{entry} is the name of no movie" for entry in library.idle_patterns(names)
            ]
    for name in names:
        _MovieChecker(library, report, name, light).run()
    report.drafts = merged(report.drafts)
    return report


def _check_playlists(library: StimulusLibrary, playlist: str | None, report: LibraryCheck) -> None:
    try:
        names = library.playlist_names if playlist is None else (playlist,)
    except HdmeaError as error:
        report.problems.append(str(error))
        return
    for name in names:
        try:
            movies = library.movie_names(name)
        except UnknownNameError:
            raise
        except HdmeaError as error:
            report.problems.append(str(error))
            continue
        report.playlists[name] = movies
        if not movies:
            report.problems.append(f"playlist {name!r} is empty; it names no movie.")


class _MovieChecker:
    """Looks at one movie."""

    def __init__(
        self,
        library: StimulusLibrary,
        report: LibraryCheck,
        name: str,
        light: RecordedLight | None,
    ) -> None:
        self.library, self.report, self.light = library, report, light
        self.movie = MovieCheck(
            name, [one for one, movies in report.playlists.items() if name in movies]
        )
        self.listed, self.undefined = True, False

    def run(self) -> None:
        report, movie = self.report, self.movie
        report.movies.append(movie)
        frames = self._frames()
        self._length(frames)
        definition = self._definition()
        self._frames_fit(frames)
        lacking = missing_events(movie.kind, movie.events) if movie.rule is not None else ""
        if lacking:
            movie.problems.append(f"events MISSING: {lacking}")
        if self.undefined:
            movie.problems.append(
                f"trials MISSING: no {movie.name}.json, no {movie.name}.yaml, and no entry of "
                f"{PATTERNS} with section_kwargs has its name"
            )
        untold = movie.rule is not None and not movie.kind_from
        if untold:
            movie.notes.append(
                f"kind: nothing says it, so no feature uses it; say it in {movie.name}.yaml or "
                f"{PATTERNS}"
            )
        if lacking or self.undefined or untold:
            self._draft(frames, definition, needed=not untold)
        if not self.listed and movie.length_frames is not None:
            self._draft_length()
            movie.problems.insert(0, f"length MISSING in {LENGTHS}")
        if not self.listed and not movie.playlists:  # a file that may be no movie at all
            movie.notes = [*movie.problems, *movie.notes]
            movie.problems = []

    def _said(self, error: HdmeaError) -> str:
        """An error's words; those of the whole library once."""
        said = str(error)
        return _SEE_ABOVE if said in self.report.problems else said

    def _frames(self) -> Array | None:
        try:
            path = self.library.files.find(f"{self.movie.name}.npy")
            return None if path is None else open_frames(path)
        except HdmeaError as error:
            self.movie.problems.append(self._said(error))
            return None

    def _length(self, frames: Array | None) -> None:
        try:
            self.movie.length_frames = self.library.length(self.movie.name)
        except (UnknownNameError, FileMissingError) as error:
            self.listed = False
            if frames is not None and frames.ndim == 3 and len(frames):
                self.movie.length_frames = len(frames)
            else:
                self.movie.problems.append(self._said(error))
        except StimulusError as error:
            self.movie.problems.append(self._said(error))

    def _definition(self) -> Definition | None:
        """What the movie's own file says, and with it what the whole library says."""
        movie, library = self.movie, self.library
        try:
            definition, _ = library.definition(movie.name)
            entry, where = library.pattern(movie.name)
        except HdmeaError as error:
            movie.problems.append(self._said(error))
            return None
        if entry is not None:
            movie.kind, movie.kind_from = entry.kind, where
        has_rule = definition is not None or (
            entry is not None and entry.section_kwargs is not None
        )
        self.undefined = not has_rule
        if has_rule and movie.length_frames is not None:
            try:
                found = library.resolve(movie.name, movie.length_frames)
            except HdmeaError as error:
                movie.problems.append(self._said(error))
                return definition
            movie.rule, movie.kind, movie.events = found.rule, found.kind, found.events
            movie.timing_from, movie.kind_from = found.origin.timing, found.origin.kind
            movie.events_from = found.origin.events
        return definition

    def _frames_fit(self, frames: Array | None) -> None:
        """Whether the frames are those of the movie, and where they lie."""
        movie, library = self.movie, self.library
        if frames is None:
            if any(f"{movie.name}.npy" in problem for problem in movie.problems):
                return
            costs = "its sections cannot be compared with the photodiode"
            if movie.kind == "noise":
                movie.problems.append(f"frames MISSING: no STA, and {costs}")
            else:
                bar = ", and when its edges pass a pixel is not known"
                movie.notes.append(f"frames: none; {costs}{bar * (movie.kind == 'moving_bar')}")
            return
        movie.frames_shape, movie.frames_dtype = frames.shape, str(frames.dtype)
        if movie.length_frames is None:
            return
        path = library.files.find(f"{movie.name}.npy")
        whole = TrialRule(0, movie.length_frames, 1)
        shown = Movie(movie.name, movie.length_frames, whole, movie.kind, (), path)
        try:
            shown.frames()
        except HdmeaError as error:
            movie.problems.append(self._said(error))
            return
        try:
            geometry = library.geometry([shown])
        except HdmeaError as error:
            movie.problems.append(self._said(error))
            return
        grid = geometry.grid(movie.name)
        if grid.source == "default":
            movie.geometry = "default: covers the same square as all others"
            return
        (pitch_x, pitch_y), (left, top) = grid.pitch, grid.offset
        um_x, um_y = geometry.pixel_um(movie.name)
        um = "" if np.isnan(um_x) else f" ({um_x:g} x {um_y:g} um)"
        movie.geometry = (
            f"pixels of {pitch_x:g} x {pitch_y:g} display pixels{um} from ({left:g}, {top:g})"
        )

    def _draft(self, frames: Array | None, definition: Definition | None, needed: bool) -> None:
        movie = self.movie
        proposed = self._propose(frames)
        if proposed is None:
            if needed:
                movie.notes.append(
                    "draft: none; neither its frames nor a recording of its light are there"
                )
            return
        proposal, source = proposed
        if not needed and proposal.kind == "unknown":
            return
        if definition is not None and movie.timing_from.lower().endswith(".json"):
            exists = self.library.files.find(PATTERNS) is not None
            draft = pattern_draft(movie.name, proposal, source, exists)
        else:
            draft = definition_draft(movie.name, proposal, source, definition)
        self.report.drafts.append(draft)
        still = missing_events(proposal.kind, proposal.events)
        if still:
            movie.notes.append(f"draft: to be completed by {still}")

    def _propose(self, frames: Array | None) -> tuple[Proposal, str] | None:
        movie = self.movie
        length = movie.length_frames
        if length is None:
            return None
        if frames is not None and movie.geometry:  # they were found to be the movie's
            # Means of equal frames may differ by rounding where pixels are floats.
            shown = Shown(mean_luminance(frames).round(9), frames)
            return propose(shown, movie.kind, movie.rule), f"the frames of {movie.name}.npy"
        recorded = self.light.of(movie.name, length) if self.light is not None else None
        if recorded is not None and self.light is not None:
            shown = Shown(recorded, None, self.light.tolerance)
            source = f"the photodiode of {self.light.name}"
            return propose(shown, movie.kind, movie.rule), source
        if movie.kind in ("grey", "noise"):
            return Proposal(movie.kind, TrialRule(0, length, 1)), "its kind and length"
        return None

    def _draft_length(self) -> None:
        movie, path = self.movie, self.library.files.find(LENGTHS)
        columns = self.library.length_columns if path is not None else None
        ends = path is None or path.read_bytes().endswith((b"\n", b"\r"))
        self.report.drafts.append(length_draft(movie.name, movie.length_frames, columns, ends))
