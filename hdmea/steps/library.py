"""Where a session's stimulus library is, and whether it still holds what was shown."""

from __future__ import annotations

import os
from pathlib import Path

from hdmea.errors import ParameterError, StimulusError
from hdmea.session import PipelineSession
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.movie import Movie

VARIABLE = "HDMEA_STIMULI"


def stimulus_library(session: PipelineSession) -> StimulusLibrary:
    """The library in the session's ``stimuli_dir``, else in the environment's ``HDMEA_STIMULI``.

    Raises
    ------
    ParameterError
        If neither says where it is.
    """
    folder = library_folder(session)
    if folder is None:
        raise ParameterError(
            "it is not said where the stimulus library is; give stimuli_dir= or set the "
            "environment "
            f"variable {VARIABLE} to its folder"
        )
    return StimulusLibrary(folder)


def library_folder(session: PipelineSession) -> Path | None:
    """The folder of the stimulus library; None if nobody says where it is."""
    remembered, general = session.stimuli_dir, os.environ.get(VARIABLE)
    # a file remembers where the library was when it was made, which may be another machine
    if remembered and (remembered.is_dir() or not general):
        return remembered
    return Path(general) if general else None


def as_it_was_shown(session: PipelineSession, movie: Movie) -> Movie:
    """The movie, if it is still the one with which the sections were placed and checked.

    Raises
    ------
    StimulusError
        If it was changed since.
    """
    placed = session.contributions["add_section_time"].recipe.inputs
    if placed.get(f"movie:{movie.name}") != movie.digest():
        raise StimulusError(
            f"movie {movie.name} was changed in the stimulus library since the sections of "
            f"{session.dataset_id!r} were placed; run add_section_time again"
        )
    return movie
