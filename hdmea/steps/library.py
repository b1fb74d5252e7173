"""Where a session's stimulus library is."""

from __future__ import annotations

import os

from hdmea.errors import ParameterError
from hdmea.session import PipelineSession
from hdmea.stimulus.library import StimulusLibrary

VARIABLE = "HDMEA_STIMULI"


def stimulus_library(session: PipelineSession) -> StimulusLibrary:
    """The library in the session's ``stimuli_dir``, else in the environment's ``HDMEA_STIMULI``.

    Raises
    ------
    ParameterError
        If neither says where it is.
    """
    remembered, general = session.stimuli_dir, os.environ.get(VARIABLE)
    # a file remembers where the library was when it was made, which may be another machine
    folder = remembered if remembered and (remembered.is_dir() or not general) else general
    if not folder:
        raise ParameterError(
            "it is not said where the stimulus library is; give stimuli_dir= or set the "
            "environment "
            f"variable {VARIABLE} to its folder"
        )
    return StimulusLibrary(folder)
