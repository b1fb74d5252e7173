"""What can be said of how a recording's stimuli were shown."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hdmea.steps.step import HARMLESS, StepParameters
from hdmea.stimulus.light_onsets import LightOnsets
from hdmea.stimulus.movie import Kind


class AddSectionTimeParameters(StepParameters):
    """Which playlist was shown and how, or how the light tells what was."""

    playlist_name: str | None = Field(
        default=None, description="name of the playlist in the stimulus library"
    )
    repeats: int = Field(
        default=1, ge=1, le=10_000, description="how often the whole playlist was shown"
    )
    playlist_truncated: Literal["error", "keep"] = Field(
        default="error",
        description="what to do when the recording does not hold all of the playlist: stop, or "
        "keep the trials that it holds",
        json_schema_extra=HARMLESS,
    )
    playlist_start_frame: int = Field(
        default=0,
        description="frame of the clock at which the playlist began; negative: so many frames "
        "before the clock",
    )
    playlist_first_movie: int | str | None = Field(
        default=None,
        description="movie with which the first pass began, by its number from 0 or its name",
    )
    alignment: Literal["error", "warn"] = Field(
        default="error",
        description="what to do when the photodiode contradicts the playlist in a section",
        json_schema_extra=HARMLESS,
    )
    light_onsets: LightOnsets | None = Field(
        default=None,
        description="instead of a playlist: a stimulus whose trials begin where the light goes on",
    )
    require_stimuli: tuple[Kind, ...] = Field(
        default=(),
        description="kinds of stimulus that must have been shown; without them features of that "
        "kind are not applicable, which is no error",
        json_schema_extra=HARMLESS,
    )

    @property
    def tell_what_was_shown(self) -> bool:
        """Whether there is either a playlist or light onsets, not both."""
        return (self.playlist_name is None) != (self.light_onsets is None)
