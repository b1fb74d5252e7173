"""What a recording says about itself, the same in ``.cmcr`` and ``.cmtr`` files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import h5py

from hdmea.errors import RecordingFileError
from hdmea.mcs.attributes import number_attribute, text_attribute

_NAMED_ELSEWHERE: Final = {
    "FileVersion", "DateTime", "ProgramName", "ProgramVersion", "LB.RecordingDuration",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """Metadata of a file's root.

    Parameters
    ----------
    duration_s
        Length of the recording; NaN if the file does not tell.
    started_at
        Local time of the instrument, ISO 8601 without zone; empty if the file does not tell.
    program, program_version
        The software that wrote the file.
    file_version
        Version of the format.
    instrument
        All other attributes of the root, by their names in the file.
    untold
        Attributes of every recording's root that this one lacks, or that cannot be read.
    """

    duration_s: float
    started_at: str
    program: str
    program_version: str
    file_version: int
    instrument: Mapping[str, str | float]
    untold: tuple[str, ...] = ()


def read_info(root: h5py.Group) -> RecordingInfo:
    """Read the attributes of a file's root.

    Raises
    ------
    RecordingFileError
        If it tells no version of the format: the vendor's programs write 1 or more, and the
        vendor's reader opens nothing else.
    """
    version = number_attribute(root, "FileVersion")
    if version is None or not version >= 1:
        told = "no FileVersion" if version is None else f"FileVersion {version:g}"
        raise RecordingFileError(
            f"{root.file.filename} tells {told}, but what CMOS-MEA-Control and CMOS-MEA-Tools "
            "write tells 1 or more: copy it again from its source, or save it anew there"
        )
    duration_us = number_attribute(root, "LB.RecordingDuration")
    instrument: dict[str, str | float] = {}
    for name in sorted(root.attrs):
        if name in _NAMED_ELSEWHERE or name.startswith("ID."):
            continue
        number = number_attribute(root, name)
        value = text_attribute(root, name) if number is None else number
        if value != "":
            instrument[name] = value
    words = {
        "DateTime": _iso(text_attribute(root, "DateTime")),
        "ProgramName": text_attribute(root, "ProgramName"),
        "ProgramVersion": text_attribute(root, "ProgramVersion"),
    }
    return RecordingInfo(
        duration_s=float("nan") if duration_us is None else duration_us / 1e6,
        started_at=words["DateTime"],
        program=words["ProgramName"],
        program_version=words["ProgramVersion"],
        file_version=int(version),
        instrument=instrument,
        untold=tuple(name for name, value in words.items() if not value)
        + (("LB.RecordingDuration",) if duration_us is None else ()),
    )


def _iso(text: str) -> str:
    """Turn ``dd.MM.yyyy HH:mm:ss`` into ISO 8601; other text is no date we know."""
    try:
        # The format keeps the instrument's local time and no zone.
        return datetime.strptime(text, "%d.%m.%Y %H:%M:%S").isoformat()  # noqa: DTZ007
    except ValueError:
        return ""
