"""The light of a recording, movie by movie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from hdmea.arrays import Array
from hdmea.errors import HdmeaError, MissingDataError
from hdmea.stimulus.alignment import frame_light, is_only_noise
from hdmea.stimulus.check.onsets import Float64
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.photodiode import Photodiode
from hdmea.stimulus.sections import lay_out_sections

_NEEDED = ("frame_times", "photodiode", "photodiode_rate_hz", "photodiode_start_s")
_SAME_LEVEL = 0.06
"""Part of the recording's whole range within which light has not changed: noise, and what is left
of a step in the first frame after it."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedLight:
    """What the photodiode saw in each display frame, and when each movie began.

    Parameters
    ----------
    name
        Name of the recording's file, and whether it is only assumed where movies are.
    frames
        Mean light of every frame of the frame clock but the last.
    starts
        First frame of the first presentation of each movie.
    """

    name: str
    frames: Float64
    starts: Mapping[str, int]

    @property
    def tolerance(self) -> float:
        """Difference that is no change of light."""
        return float(_SAME_LEVEL * np.ptp(self.frames[np.isfinite(self.frames)]))

    def of(self, movie: str, length: int) -> Float64 | None:
        """The light during a movie; None if it was not shown, or not recorded whole."""
        start = self.starts.get(movie)
        if start is None:
            return None
        light = self.frames[start : start + length]
        return light if light.size == length and np.isfinite(light).all() else None


def recorded_light(
    name: str,
    values: Callable[[str], Array],
    paths: Collection[str],
    library: StimulusLibrary,
    playlist: str,
) -> RecordedLight:
    """The light of a session in which a playlist was shown.

    The session's own sections count if they are of this playlist; else it is laid out from the
    first frame on.

    Parameters
    ----------
    name
        Name of its file.
    values
        Gives the values at a path of the session.
    paths
        The paths there are.
    library, playlist
        What was shown.

    Raises
    ------
    MissingDataError
        If there is no frame clock or no photodiode, or there is only noise on it.
    """
    missing = [path for path in _NEEDED if f"stimulus/{path}" not in paths]
    if missing:
        raise MissingDataError(
            f"{name} has no {' and no '.join(missing)}: take a session file that was loaded with "
            "its .cmcr, with frame clock and photodiode"
        )
    times, level, rate_hz, start_s = (values(f"stimulus/{path}") for path in _NEEDED)
    photodiode = Photodiode(level, rate_hz=float(rate_hz), t0_s=float(start_s))
    frames = frame_light(photodiode, times)
    if is_only_noise(frames):
        raise MissingDataError(
            f"{name}: the photodiode shows noise only, no display, so it tells no onsets; take a "
            f"recording of the same playlist whose photodiode was connected"
        )
    if "stimulus/playlist" in paths and str(values("stimulus/playlist")) == playlist:
        shown = values("stimulus/sections/movie")
        begins = values("stimulus/sections/content_start_frame")
        pairs = [(str(movie), int(begin)) for movie, begin in zip(shown, begins, strict=True)]
    else:
        pairs = _laid_out(library, playlist)
        name += ", with the playlist laid out from the clock's first frame"
    # The first presentation counts.
    return RecordedLight(name, frames, dict(reversed(pairs)))


def _laid_out(library: StimulusLibrary, playlist: str) -> list[tuple[str, int]]:
    """Movies as far as their lengths are known; what follows an unknown one has no place."""
    lengths: list[tuple[str, int]] = []
    for movie in library.movie_names(playlist):
        try:
            lengths.append((movie, library.length(movie)))
        except HdmeaError:  # said by the check of that movie
            break
    return [(one.movie, one.content_start_frame) for one in lay_out_sections(lengths)]
