"""What goes wrong in real recordings, to be planted in simulated ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hdmea.errors import ParameterError
from hdmea.stimulus.sections import PAD_FRAMES


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of a simulated recording; by default there are none.

    Frames are images of the display in the frame clock: image 0 is the first one after the
    pulses that every reader drops. They are counted as the display showed them, with a pulse or
    without.

    Parameters
    ----------
    stop_after_s
        The recording was stopped at this time; the display went on.
    held_frames
        Images that the display showed for two intervals. It pulsed once for each, when it
        came, so that all later images come an interval later than planned.
    missed_pulses
        Images shown as planned whose pulse is not in the recording.
    start_frame
        Images of grey in the frame clock before the playlist began. Negative: the clock began
        so many images into the grey before the first movie.
    first_movie
        The first pass through the playlist began with this movie, counted from 0; passes after
        it (``repeats``) are whole.
    photodiode_delay_s
        The photodiode's light comes this much after the pulses, or before them if negative. The
        cells still see every image at its pulse.
    photodiode
        False: no light reached the photodiode; its row has only noise.
    empty_units
        Units besides the others whose every peak was rejected by the sorter.

    Raises
    ------
    ParameterError
        If a value cannot be meant. Frames beyond the last image and movies beyond the end of
        the playlist are refused when the recording is made.

    Examples
    --------
    >>> Faults(held_frames=(200,), empty_units=2).missed_pulses
    ()
    >>> Faults(held_frames=(-3,))
    Traceback (most recent call last):
        ...
    hdmea.errors.ParameterError: Faults.held_frames (-3,): frames must count from 0, each be
    there once.
    """

    stop_after_s: float | None = None
    held_frames: tuple[int, ...] = ()
    missed_pulses: tuple[int, ...] = ()
    start_frame: int = 0
    first_movie: int = 0
    photodiode_delay_s: float = 0.0
    photodiode: bool = True
    empty_units: int = 0

    def __post_init__(self) -> None:
        if self.stop_after_s is not None and not 0 < self.stop_after_s < math.inf:
            raise ParameterError(f"Faults.stop_after_s must be above 0, got {self.stop_after_s}.")
        for name in ("held_frames", "missed_pulses"):
            frames = getattr(self, name)
            if len(set(frames)) != len(frames) or any(frame < 0 for frame in frames):
                raise ParameterError(
                    f"Faults.{name} {frames}: frames must count from 0, each be there once."
                )
        if self.start_frame < -PAD_FRAMES:
            raise ParameterError(
                f"Faults.start_frame must be {-PAD_FRAMES} or more, got {self.start_frame}: the "
                f"display is grey for {PAD_FRAMES} frames before the first movie."
            )
        for name in ("first_movie", "empty_units"):
            if getattr(self, name) < 0:
                raise ParameterError(f"Faults.{name} must be 0 or more, got {getattr(self, name)}.")
        if not math.isfinite(self.photodiode_delay_s):
            raise ParameterError(
                f"Faults.photodiode_delay_s must be finite, got {self.photodiode_delay_s}."
            )


NO_FAULTS = Faults()
"""A recording as it should be."""
