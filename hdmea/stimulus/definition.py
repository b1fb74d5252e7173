"""What the files of a stimulus library say, checked: a movie's own file, and names by pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from hdmea.errors import StimulusError
from hdmea.stimulus.folder import parse_yaml, read_described
from hdmea.stimulus.geometry import Display, PixelGrid
from hdmea.stimulus.movie import Kind, TrialEvent
from hdmea.stimulus.sections import TrialRule
from hdmea.validation import problems

BUILT_IN = "built-in"
"""Where a kind or an event comes from if the package says it."""


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a whole number is needed, not yes or no")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
Pair = tuple[float, float]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class SectionKwargs(_Said):
    """How a movie's content divides into trials, in the reference lab's words."""

    start_frame: Whole = Field(ge=0)
    trial_length_frame: Whole = Field(gt=0)
    repeat: Whole = Field(ge=1)
    group_count: Whole = Field(1, ge=1)
    group_gap: Whole = Field(0, ge=0)

    def rule(self) -> TrialRule:
        """The same in the words of `hdmea.stimulus.sections`."""
        return TrialRule(
            start_frame=self.start_frame,
            trial_length_frames=self.trial_length_frame,
            repeat=self.repeat,
            group_count=self.group_count,
            group_gap_frames=self.group_gap,
        )


class Event(_Said):
    """Something that happens in every trial."""

    name: str = Field(min_length=1)
    frame: Whole = Field(ge=0)


class Pixels(_Said):
    """Where a movie's pixels lie on the display."""

    pitch_px: float | Pair | None = None
    pitch_um: float | Pair | None = None
    offset_px: Pair | None = None
    offset_um: Pair | None = None

    @model_validator(mode="after")
    def _say_each_once(self) -> Pixels:
        if (self.pitch_px is None) == (self.pitch_um is None):
            raise ValueError("one of pitch_px and pitch_um is needed")
        if self.offset_px is not None and self.offset_um is not None:
            raise ValueError("only one of offset_px and offset_um can be given")
        if min(_two(self.pitch_px or self.pitch_um or 0.0)) <= 0:
            raise ValueError("the pitch of pixels must be more than 0")
        return self

    def grid(self, movie: str, shape: tuple[int, int], display: Display) -> PixelGrid:
        """The pixels of a movie of `shape` (height, width) on a display.

        Raises
        ------
        StimulusError
            If the display's own measures are needed and not said.
        """
        pitch = _in_pixels(self.pitch_px, self.pitch_um, display, "pitch_um")
        offset = _in_pixels(self.offset_px, self.offset_um, display, "offset_um")
        height, width = shape
        if pitch is None:  # not reached: one of the two is there
            # Cause: a definition without a pitch came past its checks.
            raise StimulusError(f"Movie {movie!r} has no pixel pitch; give pitch_px or pitch_um.")
        if offset is None:
            if display.size_px is None:
                raise StimulusError(
                    f"Where the pixels of movie {movie!r} begin is not said: give offset_px, or "
                    f"width_px and height_px in display.yaml for a movie in the display's middle."
                )
            offset = (
                (display.size_px[0] - width * pitch[0]) / 2,
                (display.size_px[1] - height * pitch[1]) / 2,
            )
        return PixelGrid(movie, width, height, pitch, offset, "library")


class Definition(_Said):
    """A movie's own file."""

    section_kwargs: SectionKwargs
    kind: Kind | None = None
    events: tuple[Event, ...] | None = None
    geometry: Pixels | None = None


class NamePattern(_Said):
    """What movies are whose names match a pattern."""

    pattern: str = Field(min_length=1)
    kind: Kind
    trial_length_frame: Whole | None = Field(None, gt=0)
    events: tuple[Event, ...] = ()
    section_kwargs: SectionKwargs | None = None
    geometry: Pixels | None = None

    @model_validator(mode="after")
    def _fit(self) -> NamePattern:
        said = self.section_kwargs.trial_length_frame if self.section_kwargs else None
        if said and self.trial_length_frame and said != self.trial_length_frame:
            raise ValueError(
                f"trial_length_frame: {self.trial_length_frame}, but section_kwargs says {said}"
            )
        length = self.trial_length
        if self.events and length is None:
            raise ValueError("events: hold for trials of one length; say trial_length_frame, too")
        for event in self.events:
            if length is not None and event.frame >= length:
                raise ValueError(
                    f"events: {event.name!r} at frame {event.frame} is not inside the trial, "
                    f"which has {length} frames"
                )
        return self

    @property
    def trial_length(self) -> int | None:
        """Length of the trials for which the events hold."""
        if self.trial_length_frame is not None or self.section_kwargs is None:
            return self.trial_length_frame
        return self.section_kwargs.trial_length_frame

    def matches(self, movie: str) -> bool:
        """Whether a movie's name is meant; capitals count."""
        return fnmatchcase(movie, self.pattern)


class PixelsByName(Pixels):
    """Where the pixels of movies lie whose names match a pattern."""

    pattern: str = Field(min_length=1)


class Chip(_Said):
    """From the display to the chip: ``chip_um = origin_um + matrix_um_per_px @ display_px``."""

    origin_um: Pair
    matrix_um_per_px: tuple[Pair, Pair]

    @model_validator(mode="after")
    def _invertible(self) -> Chip:
        (a, b), (c, d) = self.matrix_um_per_px
        if abs(a * d - b * c) < 1e-12:
            raise ValueError("matrix_um_per_px: maps the display to a line; its determinant is 0")
        return self


class DisplayDefinition(_Said):
    """The file ``display.yaml``."""

    width_px: Whole | None = Field(None, gt=0)
    height_px: Whole | None = Field(None, gt=0)
    um_per_display_pixel: float | None = Field(None, gt=0)
    flip_x: bool = False
    flip_y: bool = False
    rotation_deg: float = 0.0
    chip: Chip | None = None
    movies: tuple[PixelsByName, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> DisplayDefinition:
        if (self.width_px is None) != (self.height_px is None):
            raise ValueError("width_px and height_px belong together")
        if self.um_per_display_pixel is not None and self.width_px is None:
            raise ValueError(
                "um_per_display_pixel: positions in um are counted from the display's middle; "
                "say width_px and height_px, too"
            )
        return self

    def display(self) -> Display:
        """The display as `hdmea.stimulus.geometry` knows it."""
        size = None
        if self.width_px is not None and self.height_px is not None:
            size = (self.width_px, self.height_px)
        return Display(
            size_px=size,
            um_per_pixel=self.um_per_display_pixel,
            flip_x=self.flip_x,
            flip_y=self.flip_y,
            rotation_deg=self.rotation_deg,
            chip_origin_um=self.chip.origin_um if self.chip else None,
            chip_matrix=self.chip.matrix_um_per_px if self.chip else None,
            source="library",
        )

    def pixels_of(self, movie: str) -> Pixels | None:
        """The first entry that means a movie."""
        return next((one for one in self.movies if fnmatchcase(movie, one.pattern)), None)


def read_definition(path: Path) -> Definition:
    """Read a movie's own file, ``.json`` or ``.yaml``.

    Raises
    ------
    StimulusError
        Naming file and key.
    """
    content = read_described(path)
    # The reference lab's JSON files carry more than hdmea reads, e.g. generate_kwargs.
    if path.suffix.lower() == ".json" and isinstance(content, dict):
        content = {key: content[key] for key in ("section_kwargs",) if key in content}
    return _checked(Definition, content, str(path))


def read_display(path: Path) -> DisplayDefinition:
    """Read ``display.yaml``.

    Raises
    ------
    StimulusError
        Naming file and key.
    """
    return _checked(DisplayDefinition, read_described(path), str(path))


def read_patterns(path: Path) -> tuple[NamePattern, ...]:
    """Read ``patterns.yaml``.

    Raises
    ------
    StimulusError
        Naming file, entry and key.
    """
    return _patterns(read_described(path), str(path))


@cache
def built_in_patterns() -> tuple[NamePattern, ...]:
    """What the package knows of movies by name."""
    text = resources.files("hdmea.stimulus").joinpath("conventions.yaml").read_text("utf-8")
    return _patterns(parse_yaml(text), "conventions.yaml")


def trial_events(events: Iterable[Event]) -> tuple[TrialEvent, ...]:
    """Events in the order of their frames."""
    found = [TrialEvent(event.name, event.frame) for event in events]
    return tuple(sorted(found, key=lambda event: event.frame))


_M = TypeVar("_M", bound=BaseModel)


def _checked(model: type[_M], content: Any, where: str) -> _M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # Cause: a key is unknown, missing, or has a value that cannot be used.
        raise StimulusError(f"{where}: {'; '.join(problems(error, model))}.") from error


def _patterns(content: Any, where: str) -> tuple[NamePattern, ...]:
    if not isinstance(content, list):
        # Cause: the file is empty, or has names where each entry should begin with a hyphen.
        raise StimulusError(
            f"{where}: a list of entries is needed, each with pattern and kind; found "
            f"{type(content).__name__}."
        )
    found = []
    for number, entry in enumerate(content, start=1):
        name = entry.get("pattern") if isinstance(entry, Mapping) else None
        which = f"entry {number}" + (f" ({name!r})" if name else "")
        found.append(_checked(NamePattern, entry, f"{where}, {which}"))
    return tuple(found)


def _two(value: float | Pair) -> Pair:
    return value if isinstance(value, tuple) else (value, value)


def _in_pixels(
    pixels: float | Pair | None, um: float | Pair | None, display: Display, key: str
) -> Pair | None:
    if pixels is not None:
        return _two(pixels)
    if um is None:
        return None
    if display.um_per_pixel is None:
        # Cause: a size is given in um, and how large the display's pixels are on the retina is not
        # said.
        raise StimulusError(
            f"{key} needs um_per_display_pixel in display.yaml: give it, or the value in pixels."
        )
    x, y = _two(um)
    return x / display.um_per_pixel, y / display.um_per_pixel
