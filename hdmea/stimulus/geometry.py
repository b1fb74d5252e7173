"""Where a movie's pixels are: on the display, on the retina, on the chip.

Points are arrays of shape ``(..., 2)``, x first.

- **Movie**: pixel numbers, x to the right, y down, as in an array ``frame[y, x]``. A whole number
  is the *middle* of a pixel, so pixel 0 reaches from -0.5 to 0.5.
- **Display**: distances from the display's top left corner, x to the right, y down, in display
  pixels. Where a library does not say how movies lie on the display, all of them cover the same
  square, and its side is the unit.
- **Retina**: micrometres from the display's middle, x to the right, **y up**, after the flips and
  then the rotation, counter-clockwise, that the optics bring.
- **Chip**: micrometres as in ``units/x_um`` and ``units/y_um``: x along columns, y along rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array, Variable, scalar, text
from hdmea.digest import sha256_json
from hdmea.errors import StimulusError, UnknownNameError

Float64 = npt.NDArray[np.float64]
Source = Literal["default", "library"]
Pair = tuple[float, float]

GROUP = "stimulus/geometry"
UNITS: dict[str, str] = {"default": "display side", "library": "display pixel"}
"""Unit of positions on the display, by where a movie's place on it comes from."""


@dataclass(frozen=True, slots=True)
class Display:
    """The display, and how its light comes to retina and chip; None where it is not known.

    Parameters
    ----------
    size_px
        Width and height in display pixels.
    um_per_pixel
        Size of a display pixel on the retina.
    flip_x, flip_y
        Whether left and right, up and down are exchanged on the way to the retina.
    rotation_deg
        Rotation after the flips, counter-clockwise.
    chip_origin_um, chip_matrix
        ``chip_um = chip_origin_um + chip_matrix @ display_px``; the origin is where the display's
        top left corner lies, the matrix is in um per display pixel.
    source
        ``library`` if the library describes the display.
    """

    size_px: tuple[int, int] | None = None
    um_per_pixel: float | None = None
    flip_x: bool = False
    flip_y: bool = False
    rotation_deg: float = 0.0
    chip_origin_um: Pair | None = None
    chip_matrix: tuple[Pair, Pair] | None = None
    source: Source = "default"


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """Where the pixels of a movie lie on the display.

    Parameters
    ----------
    movie
        Its name.
    width_px, height_px
        Pixels of the movie.
    pitch, offset
        Size of a pixel and place of the first pixel's top left corner, x and y, in display
        pixels or, by default, in sides of the square that movies cover.
    source
        ``library`` if the library says so, ``default`` if nothing is said.
    """

    movie: str
    width_px: int
    height_px: int
    pitch: Pair
    offset: Pair
    source: Source

    @classmethod
    def default(cls, movie: str, shape: tuple[int, int]) -> PixelGrid:
        """A movie of `shape` (height, width) that covers the same square as all others."""
        height, width = shape
        return cls(movie, width, height, (1 / width, 1 / height), (0.0, 0.0), "default")


@dataclass(frozen=True, slots=True)
class Geometry:
    """Display and movies: from pixels to any other place and back.

    Examples
    --------
    A pixel of 15 x 15 noise, in pixels of a 300 x 300 movie:

    >>> grids = (PixelGrid.default("noise", (15, 15)), PixelGrid.default("bar", (300, 300)))
    >>> geometry = Geometry(Display(), grids)
    >>> geometry.between("noise", "bar", [0, 14])
    array([  9.5, 289.5])
    """

    display: Display
    movies: tuple[PixelGrid, ...]

    def grid(self, movie: str) -> PixelGrid:
        """The pixels of one movie.

        Raises
        ------
        UnknownNameError
            If its pixels are not known; without a ``.npy`` they are not.
        """
        for grid in self.movies:
            if grid.movie == movie:
                return grid
        known = ", ".join(grid.movie for grid in self.movies) or "none"
        raise UnknownNameError(
            f"the pixels of movie {movie!r} are not known; add its .npy, or take one of: {known}"
        )

    def unit(self, movie: str) -> str:
        """Unit of a movie's positions on the display: ``display pixel`` or ``display side``."""
        return UNITS[self.grid(movie).source]

    def to_display(self, movie: str, pixels: npt.ArrayLike) -> Float64:
        """Positions on the display of a movie's pixels."""
        grid = self.grid(movie)
        return np.add((_points(pixels) + 0.5) * grid.pitch, grid.offset)

    def from_display(self, movie: str, positions: npt.ArrayLike) -> Float64:
        """Pixels of a movie at positions on the display."""
        grid = self.grid(movie)
        return np.subtract(_points(positions), grid.offset) / grid.pitch - 0.5

    def between(self, movie: str, other: str, pixels: npt.ArrayLike) -> Float64:
        """Pixels of `other` that lie where pixels of `movie` do.

        Raises
        ------
        StimulusError
            If only one of the two movies has a known place on the display.
        """
        one, two = self.grid(movie), self.grid(other)
        if one.source != two.source:
            said, silent = (one, two) if one.source == "library" else (two, one)
            raise StimulusError(
                f"the stimulus library says where on the display movie {said.movie!r} lies, but "
                f"not movie {silent.movie!r}: add {silent.movie} to movies: in display.yaml"
            )
        if one.source == "default":  # exact in whole pixels, which reciprocals are not
            scale = np.divide((two.width_px, two.height_px), (one.width_px, one.height_px))
            return (_points(pixels) + 0.5) * scale - 0.5
        return self.from_display(other, self.to_display(movie, pixels))

    def to_retina_um(self, movie: str, pixels: npt.ArrayLike) -> Float64:
        """Micrometres on the retina; NaN if the library does not say how large pixels are."""
        return self._on_display(movie, pixels) @ self._retina().T

    def from_retina_um(self, movie: str, positions_um: npt.ArrayLike) -> Float64:
        """Pixels of a movie at places on the retina; NaN where `to_retina_um` is."""
        from_middle = _points(positions_um) @ np.linalg.inv(self._retina()).T
        return self._from_px(movie, from_middle + self._middle())

    def to_chip_um(self, movie: str, pixels: npt.ArrayLike) -> Float64:
        """Micrometres on the chip; NaN if the library does not say how it lies."""
        origin, matrix = self._chip()
        return self._in_px(movie, pixels) @ matrix.T + origin

    def from_chip_um(self, movie: str, positions_um: npt.ArrayLike) -> Float64:
        """Pixels of a movie at places on the chip; NaN where `to_chip_um` is."""
        origin, matrix = self._chip()
        return self._from_px(movie, (_points(positions_um) - origin) @ np.linalg.inv(matrix).T)

    def pixel_um(self, movie: str) -> Pair:
        """Width and height of a movie's pixel on the retina; NaN if not known."""
        grid, um = self.grid(movie), self.display.um_per_pixel
        if um is None or grid.source == "default":
            return np.nan, np.nan
        return grid.pitch[0] * um, grid.pitch[1] * um

    def angle_on_retina_deg(self, angle_deg: npt.ArrayLike) -> Float64:
        """Direction on the retina of a direction on the display, 0 to 360.

        Both counter-clockwise from the direction to the right.
        """
        angle = np.asarray(angle_deg, dtype=np.float64)
        if self.display.flip_x:
            angle = 180 - angle
        if self.display.flip_y:
            angle = -angle
        return np.mod(angle + self.display.rotation_deg, 360)

    def angle_on_chip_deg(self, angle_deg: npt.ArrayLike) -> Float64:
        """The same on the chip, from x_um towards y_um; NaN if the library does not say."""
        angle = np.deg2rad(np.asarray(angle_deg, dtype=np.float64))
        x, y = self._chip()[1] @ np.stack([np.cos(angle), -np.sin(angle)])
        return np.asarray(np.mod(np.round(np.rad2deg(np.arctan2(y, x)), 9), 360))

    def variables(self) -> dict[str, Variable]:
        """All of it, as it is stored."""
        return {f"{GROUP}/{name}": variable for name, variable in _stored(self).items()}

    def digest(self) -> str:
        """SHA-256 (hex) over what it says."""
        return sha256_json(
            {name: variable.values.tolist() for name, variable in _stored(self).items()}
        )

    def _in_px(self, movie: str, pixels: npt.ArrayLike) -> Float64:
        """Positions in display pixels; NaN for a movie whose place is not known."""
        positions = self.to_display(movie, pixels)
        return (
            positions if self.grid(movie).source == "library" else np.full_like(positions, np.nan)
        )

    def _from_px(self, movie: str, positions: Float64) -> Float64:
        pixels = self.from_display(movie, positions)
        return pixels if self.grid(movie).source == "library" else np.full_like(pixels, np.nan)

    def _on_display(self, movie: str, pixels: npt.ArrayLike) -> Float64:
        """Display pixels from the display's middle."""
        return self._in_px(movie, pixels) - self._middle()

    def _middle(self) -> Float64:
        size = self.display.size_px
        return np.full(2, np.nan) if size is None else np.asarray(size, dtype=np.float64) / 2

    def _retina(self) -> Float64:
        """From display pixels, y down, to micrometres on the retina, y up."""
        display = self.display
        if display.um_per_pixel is None:
            return np.full((2, 2), np.nan)
        # Quarter turns exactly, as they are what rigs have.
        quarters, rest = divmod(display.rotation_deg, 90)
        cos, sin = np.cos(np.deg2rad(rest)), np.sin(np.deg2rad(rest))
        turn = np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), int(quarters % 4))
        flips = np.diag([-1.0 if display.flip_x else 1.0, 1.0 if display.flip_y else -1.0])
        matrix: Float64 = display.um_per_pixel * turn @ np.array([[cos, -sin], [sin, cos]]) @ flips
        return matrix

    def _chip(self) -> tuple[Float64, Float64]:
        display = self.display
        if display.chip_origin_um is None or display.chip_matrix is None:
            return np.full(2, np.nan), np.full((2, 2), np.nan)
        return np.array(display.chip_origin_um), np.array(display.chip_matrix)


def stored_geometry(values: Callable[[str], Array], paths: Iterable[str]) -> Geometry:
    """The geometry that a session holds.

    Parameters
    ----------
    values
        Gives the values at a path, such as a session's ``values``.
    paths
        What there is, such as a session's ``paths()``.

    Raises
    ------
    StimulusError
        If there is none.

    Examples
    --------
    >>> geometry = Geometry(Display(um_per_pixel=5.0, size_px=(8, 6)), ())
    >>> stored = {path: variable.values for path, variable in geometry.variables().items()}
    >>> stored_geometry(stored.__getitem__, stored) == geometry
    True
    """
    known = set(paths)
    if f"{GROUP}/source" not in known:
        raise StimulusError(
            "there is no geometry of the display, as sections were not made from a playlist: run "
            "add_section_time with playlist_name"
        )

    def of(name: str) -> Array:
        return values(f"{GROUP}/{name}")

    def has(name: str) -> bool:
        return f"{GROUP}/{name}" in known

    display = Display(
        size_px=(int(of("width_px")), int(of("height_px"))) if has("width_px") else None,
        um_per_pixel=float(of("um_per_display_pixel")) if has("um_per_display_pixel") else None,
        flip_x=bool(of("flip_x")),
        flip_y=bool(of("flip_y")),
        rotation_deg=float(of("rotation_deg")),
        chip_origin_um=_pair(of("chip_origin_um")) if has("chip_origin_um") else None,
        chip_matrix=_pairs(of("chip_matrix")) if has("chip_matrix") else None,
        source=_source(of("source")),
    )
    columns = [of(f"movies/{name}").tolist() for name in _COLUMNS]
    grids = tuple(
        PixelGrid(str(movie), width, height, (px, py), (ox, oy), _source(source))
        for movie, width, height, px, py, ox, oy, _, source in zip(*columns, strict=True)
    )
    return Geometry(display, grids)


_COLUMNS = (
    "movie", "width_px", "height_px",
    "pitch_x", "pitch_y", "offset_x", "offset_y", "unit", "source",
)  # fmt: skip


def _stored(geometry: Geometry) -> Mapping[str, Variable]:
    display, grids = geometry.display, geometry.movies
    found = {
        "source": text(display.source, "whether the library describes the display"),
        "flip_x": scalar(np.uint8(display.flip_x), "1", "left and right exchanged on the retina"),
        "flip_y": scalar(np.uint8(display.flip_y), "1", "up and down exchanged on the retina"),
        "rotation_deg": scalar(
            float(display.rotation_deg), "deg", "rotation after the flips, counter-clockwise"
        ),
    }
    if display.size_px is not None:
        width, height = display.size_px
        found["width_px"] = scalar(np.int64(width), "display pixel", "width of the display")
        found["height_px"] = scalar(np.int64(height), "display pixel", "height of the display")
    if display.um_per_pixel is not None:
        found["um_per_display_pixel"] = scalar(
            float(display.um_per_pixel), "um", "size of a display pixel on the retina"
        )
    if display.chip_origin_um is not None and display.chip_matrix is not None:
        found["chip_origin_um"] = Variable(
            np.array(display.chip_origin_um, dtype=np.float64), "um", ("chip_axis",),
            "where the display's top left corner lies on the chip",
        )  # fmt: skip
        found["chip_matrix"] = Variable(
            np.array(display.chip_matrix, dtype=np.float64), "um/display pixel",
            ("chip_axis", "display_axis"), "from display pixels to micrometres on the chip",
        )  # fmt: skip
    numbers = {
        "width_px": ("1", "pixels of the movie along x"),
        "height_px": ("1", "pixels of the movie along y"),
    }
    for name, (unit, description) in numbers.items():
        found[f"movies/{name}"] = _column([getattr(g, name) for g in grids], unit, description)
    for axis, name in enumerate("xy"):
        found[f"movies/pitch_{name}"] = _column(
            [float(grid.pitch[axis]) for grid in grids], "display", "size of a pixel"
        )
        found[f"movies/offset_{name}"] = _column(
            [float(grid.offset[axis]) for grid in grids], "display", "edge of the first pixel"
        )
    for name, words, description in (
        ("movie", [grid.movie for grid in grids], "movie whose pixels are known"),
        ("unit", [UNITS[grid.source] for grid in grids], "unit of pitch and offset"),
        ("source", [grid.source for grid in grids], "whether the library says where it lies"),
    ):
        found[f"movies/{name}"] = Variable(
            np.array(words, dtype=np.str_) if words else np.zeros(0, "U1"),
            "",
            ("movie",),
            description,
        )
    return found


def _column(values: list[float] | list[int], unit: str, description: str) -> Variable:
    whole = unit == "1"
    return Variable(
        np.array(values, dtype=np.int64 if whole else np.float64), unit, ("movie",), description
    )


def _points(values: npt.ArrayLike) -> Float64:
    points = np.asarray(values, dtype=np.float64)
    if points.shape[-1:] != (2,):
        # Cause: the array lies the other way round, or has a third coordinate.
        raise StimulusError(
            f"points need x and y along their last axis; their shape is {points.shape}"
        )
    return points


def _pair(values: Array) -> Pair:
    return float(values[0]), float(values[1])


def _pairs(values: Array) -> tuple[Pair, Pair]:
    return _pair(values[0]), _pair(values[1])


def _source(value: Array | str) -> Source:
    return "library" if str(value) == "library" else "default"
