"""A movie: its trials, what happens in them, and its frames."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.format import open_memmap

from hdmea.errors import FileMissingError, StimulusError
from hdmea.stimulus.folder import readable
from hdmea.stimulus.sections import TrialRule
from hdmea.stimulus.segments import START_EVENTS, SegmentKind, pair_events

Kind = Literal["grey", "noise", "step", "green_blue", "freq_step", "moving_bar", "chirp", "unknown"]

_BLOCK_BYTES = 1 << 26
_NUMBER = r"-?\d+(\.\d+)?"
_ONCE: dict[Kind, tuple[str, ...]] = {
    "step": ("light_on", "light_off"),
    "green_blue": ("green_on", "green_off", "blue_on", "blue_off"),
}
_SEGMENTS: dict[Kind, tuple[SegmentKind, ...]] = {
    "freq_step": ("sine",),
    "chirp": ("sweep", "ramp"),
}
"""Kinds that need at least one of these segments."""
_NAMED: dict[Kind, tuple[str, str]] = {
    "moving_bar": (rf"direction:{_NUMBER}", "direction:<degrees>"),
}


@dataclass(frozen=True, slots=True)
class TrialEvent:
    """Something that happens in every trial, `frame` display frames after the trial's start."""

    name: str
    frame: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Which file, or which pattern, says what of a movie; empty where none does.

    Parameters
    ----------
    timing, kind, events
        A file's path inside the library, ``patterns.yaml: <pattern>`` or ``built-in: <pattern>``.
    """

    timing: str = ""
    kind: str = ""
    events: str = ""


@dataclass(frozen=True, slots=True)
class Movie:
    """One movie of a stimulus library.

    Parameters
    ----------
    name
        Name without extension.
    length_frames
        Display frames of its content.
    rule
        How the content divides into trials.
    kind
        ``grey, noise, step, green_blue, freq_step, moving_bar, chirp`` or ``unknown``.
    events
        What happens in every trial, in the order of frames.
    frames_path
        The ``.npy`` with its frames, if there is one.
    origin
        Where all this comes from; of no account when movies are compared.
    """

    name: str
    length_frames: int
    rule: TrialRule
    kind: Kind
    events: tuple[TrialEvent, ...]
    frames_path: Path | None
    origin: Origin = field(default=Origin(), compare=False)

    def frames(self) -> npt.NDArray[Any]:
        """The frames, shape ``(length_frames, height, width)``, uint8 or float, mapped read-only.

        Raises
        ------
        FileMissingError
            If the library has no frames of this movie.
        StimulusError
            If the file is damaged, holds something else than the movie, or values that are not
            finite.
        """
        frames = self._mapped()
        if frames.dtype.kind == "f":
            _check_finite(self._path(), frames)
        return frames

    def frame_shape(self) -> tuple[int, int]:
        """Height and width of its frames in pixels, from the file's header alone.

        Raises
        ------
        FileMissingError, StimulusError
            As `frames`, but for what is in the pixels.
        """
        height, width = self._mapped().shape[1:]
        return int(height), int(width)

    def _mapped(self) -> npt.NDArray[Any]:
        path = self._path()
        frames = open_frames(path)
        fits = frames.dtype == np.uint8 or frames.dtype.kind == "f"
        if not fits or frames.ndim != 3 or frames.shape[0] != self.length_frames:
            # Cause: the array is of another movie, or has its axes in another order, or one entry
            # per refresh.
            raise StimulusError(
                f"{path} holds {frames.dtype} of shape {frames.shape}; movie {self.name!r} needs "
                f"(frames, height, width) in uint8 or float with {self.length_frames} frames "
                f"(its length in movie_length.csv), one entry per display frame."
            )
        if not frames.size:
            # Cause: the array was saved empty.
            raise StimulusError(
                f"{path} has frames without pixels; it must have (frames, height, width), not "
                f"{frames.shape}."
            )
        return frames

    def luminance(self) -> npt.NDArray[np.float64]:
        """Mean over the pixels of every frame, float64, shape ``(length_frames,)``.

        Raises
        ------
        FileMissingError, StimulusError
            As `frames`.
        """
        return mean_luminance(self.frames())

    def digest(self) -> str:
        """SHA-256 (hex) over the definition and the bytes of the file with the frames."""
        definition = {
            "name": self.name,
            "length_frames": self.length_frames,
            "rule": asdict(self.rule),
            "kind": self.kind,
            "events": [asdict(event) for event in self.events],
        }
        digest = hashlib.sha256(json.dumps(definition, sort_keys=True).encode())
        if self.frames_path is not None:
            with readable(self.frames_path), self.frames_path.open("rb") as file:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
        return digest.hexdigest()

    def _path(self) -> Path:
        if self.frames_path is None:
            raise FileMissingError(
                f"The stimulus library has no {self.name}.npy, and the frames of movie "
                f"{self.name!r} are needed. Put it into the library's folder."
            )
        return self.frames_path


def missing_events(kind: Kind, events: Sequence[TrialEvent]) -> str:
    """What features of a kind need and its trials' events do not say; empty if nothing.

    Examples
    --------
    >>> missing_events("step", [TrialEvent("light_on", 60)])
    'light_off once in every trial'
    >>> missing_events("moving_bar", [TrialEvent("direction:0", 9), TrialEvent("direction:?", 99)])
    "direction:<degrees>, found 'direction:?'"
    >>> missing_events("grey", [])
    ''
    """
    names = [event.name for event in events]
    if kind in _ONCE:
        lacking = [name for name in _ONCE[kind] if names.count(name) != 1]
        return f"{', '.join(lacking)} once in every trial" if lacking else ""
    if kind in _SEGMENTS:
        return _missing_segments(_SEGMENTS[kind], events)
    if kind not in _NAMED:
        return ""
    pattern, words = _NAMED[kind]
    begin = words.partition(":")[0]
    named = [name for name in names if name.startswith(f"{begin}:")]
    wrong = [name for name in named if not re.fullmatch(pattern, name)]
    if wrong:
        return f"{words}, found {', '.join(map(repr, wrong))}"
    if not named:
        return words
    return ""


def _missing_segments(wanted: Sequence[SegmentKind], events: Sequence[TrialEvent]) -> str:
    try:
        segments = pair_events((event.name, event.frame) for event in events)
    except StimulusError as error:
        return str(error)
    if any(one.kind in wanted for one, _, _ in segments):
        return ""
    return " or ".join(START_EVENTS[kind] for kind in wanted)


def open_frames(path: Path) -> npt.NDArray[Any]:
    """Map the array of a ``.npy`` file, whatever its shape and type.

    Raises
    ------
    StimulusError
        If it is no such file.
    """
    try:
        with readable(path):
            return open_memmap(path, mode="r")
    except (ValueError, EOFError, OverflowError) as error:
        # Cause: the file is no array of numpy, was cut, or holds objects of Python.
        raise StimulusError(
            f"{path} cannot be read as a numpy array: {error}. Save it with numpy.save."
        ) from error


def mean_luminance(frames: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Mean over the pixels of every frame, float64, shape ``(n_frames,)``."""
    return np.concatenate(
        [block.mean(axis=(1, 2), dtype=np.float64) for _, block in blocks(frames)]
    )


def blocks(frames: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """The frames in pieces that fit the memory, each after the number of its first frame."""
    per_block = max(1, _BLOCK_BYTES // frames[0].nbytes)
    for first in range(0, len(frames), per_block):
        yield first, frames[first : first + per_block]


def _check_finite(path: Path, frames: npt.NDArray[Any]) -> None:
    for first, block in blocks(frames):
        finite = np.isfinite(block).all(axis=(1, 2))
        if not finite.all():
            raise StimulusError(
                f"{path}: frame {first + int(finite.argmin())} has values that are NaN or "
                f"infinite; every pixel of a movie needs a finite value."
            )
