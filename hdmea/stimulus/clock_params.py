"""The parameters of the frame clock, and which of them each source of it has."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_OF_PULSES = ("drop_first", "irregular", "held_at_s", "missed_at_s")
_APPLIES = {
    "analog": ("row", "height", *_OF_PULSES),
    "digital": ("event_id", "event_stream", *_OF_PULSES),
    "csv": ("csv",),
    "array": ("times_s",),
    "none": (),
}
"""Parameters that only some sources have; the others apply to all."""


class FrameClockParams(BaseModel):
    """How the time of every display frame is found in a recording."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    source: Literal["analog", "digital", "csv", "array", "none"] = Field(
        "analog",
        description="Where the frames come from: 'analog', pulses in a row of the analog stream; "
        "'digital', events of the digital port; 'csv', a file of frame times; 'array', times_s; "
        "'none', there is no frame clock.",
    )
    row: int = Field(1, ge=0, description="Row of the analog stream with one pulse per frame.")
    photodiode_row: int | None = Field(
        0, ge=0, description="Row of the analog stream with the light level; null: none recorded."
    )
    height: float = Field(
        0.1,
        gt=0,
        description="Smallest rise from one sample to the next that is a pulse, as a fraction of "
        "the row's 99.9th percentile.",
    )
    drop_first: int = Field(
        4,
        ge=0,
        description="Pulses or events dropped at the beginning; frame 0 is the first one kept.",
    )
    event_id: int = Field(1, description="Number of the digital event that is a frame.")
    event_stream: str | None = Field(
        None, description="Name of its event stream, where several have such events."
    )
    csv: str | None = Field(
        None,
        min_length=1,
        description="File of frame times: a column frame_time_s, or one column without header; "
        "seconds from the start of the recording. A relative path is relative to the working "
        "directory.",
        json_schema_extra={"input_file": True},
    )
    times_s: tuple[float, ...] | None = Field(
        None, description="Frame times, seconds from the start of the recording, ascending."
    )
    irregular: Literal["photodiode", "held", "missed", "error"] = Field(
        "photodiode",
        description="What an interval outside 0.5-1.5 of the median is: 'held', the display held "
        "a frame, frames count as they are; 'missed', a pulse is missing, frames are inserted; "
        "'photodiode', the light decides for each; 'error' stops and shows where.",
    )
    held_at_s: tuple[float, ...] = Field(
        (), description="A time inside each interval in which the display held a frame (s)."
    )
    missed_at_s: tuple[float, ...] = Field(
        (), description="A time inside each interval in which pulses were missed (s)."
    )
    display_delay_s: float = Field(
        0.0, description="Time from a pulse to its light on the retina, added to every frame (s)."
    )

    @field_validator("times_s", mode="before")
    @classmethod
    def _arrays_are_sequences(cls, value: Any) -> Any:
        return value.tolist() if isinstance(value, np.ndarray) else value

    @field_validator("csv", mode="before")
    @classmethod
    def _paths_are_text(cls, value: Any) -> Any:
        return str(value) if hasattr(value, "__fspath__") else value

    @model_validator(mode="after")
    def _fits_its_source(self) -> Self:
        for name in ("csv", "times_s"):
            if name in _APPLIES[self.source] and getattr(self, name) is None:
                raise ValueError(f"source: {self.source} needs {name}")
        idle = self.idle(self.source)
        for name, info in type(self).model_fields.items():
            if name in idle and getattr(self, name) != info.default:
                sources = [source for source, names in _APPLIES.items() if name in names]
                raise ValueError(
                    f"{name} is for source: {' or '.join(sources)}, but source is {self.source}; "
                    f"set source: {sources[0]}, or leave {name} out"
                )
        return self

    @classmethod
    def idle(cls, source: str) -> frozenset[str]:
        """Names of the parameters that a source does not have; none for one that is unknown.

        A recording may have its clock from elsewhere than the others: these are then left out of
        what is configured for all.

        Examples
        --------
        >>> sorted(FrameClockParams.idle("digital"))
        ['csv', 'height', 'row', 'times_s']
        """
        names = {name for of_source in _APPLIES.values() for name in of_source}
        return frozenset(names - set(_APPLIES.get(source, names)))

    def affecting(self) -> dict[str, Any]:
        """The parameters that affect the result, as plain values; of given times not where from.

        Examples
        --------
        >>> FrameClockParams(source="array", times_s=(1.0, 1.5)).affecting()
        {'source': 'given', 'photodiode_row': 0, 'display_delay_s': 0.0}
        """
        kept = self.model_dump(mode="json", exclude=set(self.idle(self.source)))
        if self.source in ("csv", "array"):
            kept["source"] = "given"
            del kept[self.source if self.source == "csv" else "times_s"]
        return kept

    @property
    def where(self) -> str:
        """The pulses' place, for messages."""
        return f"event {self.event_id}" if self.source == "digital" else f"analog row {self.row}"
