"""Where pixels are: worked by hand, there and back, and as a library says it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdmea.errors import StimulusError, UnknownNameError
from hdmea.stimulus.geometry import Display, Geometry, PixelGrid, stored_geometry
from hdmea.stimulus.library import StimulusLibrary

DEFAULT = Geometry(
    Display(), (PixelGrid.default("noise", (15, 15)), PixelGrid.default("bar", (300, 300)))
)
RIG = Display(
    size_px=(100, 60),
    um_per_pixel=2.0,
    flip_y=True,
    rotation_deg=90.0,
    chip_origin_um=(100.0, 2000.0),
    chip_matrix=((0.0, 5.0), (-4.0, 0.5)),
    source="library",
)
# 4 x 3 pixels of 10 x 20 display pixels; the first one's corner at (30, -10)
PLACED = Geometry(
    RIG,
    (
        PixelGrid("a", 4, 3, (10.0, 20.0), (30.0, -10.0), "library"),
        PixelGrid("b", 50, 50, (2.0, 2.0), (0.0, 0.0), "library"),
        PixelGrid.default("c", (5, 5)),
    ),
)


def test_by_default_movies_cover_the_same_square() -> None:
    pixels = np.stack([np.arange(15.0), np.arange(15.0)[::-1]], axis=-1)
    assert (DEFAULT.between("noise", "bar", pixels) == (pixels + 0.5) * 20 - 0.5).all()
    assert (DEFAULT.between("bar", "noise", (pixels + 0.5) * 20 - 0.5) == pixels).all()
    assert DEFAULT.unit("noise") == "display side"
    assert DEFAULT.to_display("noise", [[-0.5, 14.5], [7, 7]]).tolist() == [[0, 1], [0.5, 0.5]]


def test_display_retina_and_chip_are_as_worked_by_hand() -> None:
    # middle of pixel (1, 2): 30 + 1.5 * 10 = 45, -10 + 2.5 * 20 = 40
    assert PLACED.to_display("a", [1, 2]).tolist() == [45, 40]
    assert PLACED.between("a", "b", [1, 2]).tolist() == [22, 19.5]
    # from the middle (50, 30): 5 to the left, 10 down; up after the flip; a quarter turn to the
    # left brings (-5, 10) to (-10, -5); 2 um per pixel
    assert PLACED.to_retina_um("a", [1, 2]).tolist() == [-20, -10]
    # 100 + 5 * 40, 2000 - 4 * 45 + 0.5 * 40
    assert PLACED.to_chip_um("a", [1, 2]).tolist() == [300, 1840]
    assert PLACED.pixel_um("a") == (20, 40)


def test_directions_on_the_chip_follow_its_matrix() -> None:
    # right on the display is (0, -4) on the chip, up on it (-5, -0.5)
    turned = PLACED.angle_on_chip_deg(np.array([0.0, 90.0, 180.0]))
    assert turned == pytest.approx([270, 180 + np.rad2deg(np.arctan(0.1)), 90])
    unknown = Geometry(Display((10, 10), 3.0, source="library"), ())
    assert np.isnan(unknown.angle_on_chip_deg(45))


@pytest.mark.parametrize(
    ("flip_x", "flip_y", "rotation", "angle", "expected"),
    [
        (False, False, 0, 45, 45),
        (True, False, 0, 0, 180),
        (True, False, 0, 90, 90),
        (False, True, 0, 90, 270),
        (False, True, 90, 0, 90),
        (True, True, 0, 30, 210),
        (True, False, 30, 45, 165),
    ],
)
def test_directions_turn_as_points_do(
    flip_x: bool, flip_y: bool, rotation: float, angle: float, expected: float
) -> None:
    display = Display((10, 10), 3.0, flip_x, flip_y, rotation, source="library")
    geometry = Geometry(display, (PixelGrid("m", 10, 10, (1, 1), (0, 0), "library"),))
    assert geometry.angle_on_retina_deg(angle) == pytest.approx(expected)
    # a step in that direction: angles have y up, pixels down
    step = np.array([np.cos(np.deg2rad(angle)), -np.sin(np.deg2rad(angle))])
    start, end = geometry.to_retina_um("m", np.add(4.5, [[0, 0], step]))
    assert start.tolist() == [0, 0]
    assert np.rad2deg(np.arctan2(end[1], end[0])) % 360 == pytest.approx(expected)


def test_without_micrometres_there_are_none() -> None:
    only_pixels = Geometry(Display((10, 10), source="library"), PLACED.movies)
    for geometry, movie in ((DEFAULT, "bar"), (only_pixels, "a"), (PLACED, "c")):
        assert np.isnan(geometry.to_retina_um(movie, [[1, 2], [3, 4]])).all()
        assert np.isnan(geometry.from_retina_um(movie, [1, 2])).all()
        assert np.isnan(geometry.to_chip_um(movie, [1, 2])).all()
        assert np.isnan(geometry.from_chip_um(movie, [1, 2])).all()
        assert np.isnan(geometry.pixel_um(movie)).all()


def test_a_place_that_is_known_is_not_compared_with_one_that_is_not() -> None:
    with pytest.raises(StimulusError, match=r"movie 'a' lies, but not movie 'c': add c to"):
        PLACED.between("c", "a", [0, 0])
    with pytest.raises(UnknownNameError, match="take one of: noise, bar"):
        DEFAULT.to_display("step", [0, 0])
    with pytest.raises(StimulusError, match=r"shape is \(2, 3\)"):
        DEFAULT.to_display("bar", np.zeros((2, 3)))


number = st.floats(-1e3, 1e3)
size = st.floats(0.01, 100)


@settings(max_examples=60, deadline=None)
@given(
    pixels=st.lists(st.tuples(number, number), min_size=1, max_size=3),
    pitch=st.tuples(size, size),
    offset=st.tuples(number, number),
    um=size,
    flips=st.tuples(st.booleans(), st.booleans()),
    rotation=st.floats(-720, 720),
    turn=st.floats(0, 360),
)
def test_every_way_leads_back(
    pixels: list[tuple[float, float]],
    pitch: tuple[float, float],
    offset: tuple[float, float],
    um: float,
    flips: tuple[bool, bool],
    rotation: float,
    turn: float,
) -> None:
    cos, sin = um * np.cos(np.deg2rad(turn)), um * np.sin(np.deg2rad(turn))
    matrix = ((cos, sin), (-sin, cos))
    display = Display((800, 600), um, *flips, rotation, offset, matrix, "library")
    grids = (
        PixelGrid("m", 10, 20, pitch, offset, "library"),
        PixelGrid("other", 7, 7, (3.0, 4.0), (1.0, 2.0), "library"),
    )
    geometry = Geometry(display, grids)
    for there, back in (
        (geometry.to_display, geometry.from_display),
        (geometry.to_retina_um, geometry.from_retina_um),
        (geometry.to_chip_um, geometry.from_chip_um),
    ):
        assert back("m", there("m", pixels)) == pytest.approx(np.array(pixels), abs=1e-6)
    elsewhere = geometry.between("m", "other", pixels)
    assert geometry.between("other", "m", elsewhere) == pytest.approx(np.array(pixels), abs=1e-6)


@pytest.mark.parametrize("geometry", [DEFAULT, PLACED, Geometry(Display(), ())])
def test_what_is_stored_says_the_same(geometry: Geometry) -> None:
    stored = {path: variable.values for path, variable in geometry.variables().items()}
    assert stored_geometry(stored.__getitem__, stored) == geometry
    assert stored_geometry(stored.__getitem__, stored).digest() == geometry.digest()
    with pytest.raises(StimulusError, match="run add_section_time with playlist_name"):
        stored_geometry(stored.__getitem__, ["stimulus/sections/movie"])


def test_the_digest_depends_on_all_that_is_said() -> None:
    grid = PixelGrid("m", 10, 10, (1, 1), (0, 0), "library")
    variants = [
        Geometry(Display(), ()),
        DEFAULT,
        Geometry(RIG, ()),
        Geometry(Display(flip_x=True), (grid,)),
        Geometry(Display(), (grid,)),
        Geometry(Display(source="library"), (grid,)),
        Geometry(Display(), (PixelGrid("m", 10, 10, (1, 1), (0, 1), "library"),)),
        Geometry(Display(rotation_deg=1), (grid,)),
        Geometry(Display((10, 10)), (grid,)),
        Geometry(Display((10, 10), 1.0), (grid,)),
    ]
    assert len({geometry.digest() for geometry in variants}) == len(variants)


# -- as a library says it --------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path: Path) -> Path:
    shapes = {"noise": (15, 15), "bar": (300, 300), "wide": (4, 6), "bare": (2, 2), "gone": None}
    lines = ["movie_name,movie_length"]
    for name, shape in shapes.items():
        lines.append(f"{name},4")
        (tmp_path / f"{name}.yaml").write_text(
            "section_kwargs: {start_frame: 0, trial_length_frame: 4, repeat: 1}\n"
        )
        if shape is not None:
            np.save(tmp_path / f"{name}.npy", np.zeros((4, *shape), np.uint8))
    (tmp_path / "movie_length.csv").write_text("\n".join(lines))
    return tmp_path


def geometry_of(folder: Path) -> Geometry:
    library = StimulusLibrary(folder)
    return library.geometry([library.movie(name) for name in library.listed_movies])


def test_where_nothing_is_said_it_is_stored_that_it_is_a_default(library: Path) -> None:
    geometry = geometry_of(library)
    assert [grid.movie for grid in geometry.movies] == ["noise", "bar", "wide", "bare"]
    assert {grid.source for grid in geometry.movies} == {"default"}
    assert geometry.display == Display()
    assert geometry.between("bar", "wide", [299.5, 299.5]).tolist() == [5.5, 3.5]


def test_a_library_says_where_its_movies_lie(library: Path) -> None:
    (library / "display.yaml").write_text(
        """
width_px: 800
height_px: 600
um_per_display_pixel: 2.5
flip_x: true
rotation_deg: 180
chip: {origin_um: [10, 20], matrix_um_per_px: [[2.5, 0], [0, 2.5]]}
movies:
  - {pattern: noise, pitch_px: 40}            # in the middle: 600 pixels
  - {pattern: "*a*", pitch_um: [5, 2.5], offset_um: [250, 0]}
"""
    )
    (library / "patterns.yaml").write_text(
        "- {pattern: wide, kind: unknown, geometry: {pitch_px: 8, offset_px: [1, 2]}}\n"
        "- {pattern: '*', kind: unknown, geometry: {pitch_px: 1}}\n"
    )
    with (library / "bare.yaml").open("a") as file:
        file.write("geometry: {pitch_px: 7, offset_px: [3, 4]}")
    geometry = geometry_of(library)
    assert {grid.movie: (grid.pitch, grid.offset) for grid in geometry.movies} == {
        "noise": ((40, 40), (100, 0)),
        "bar": ((2, 1), (100, 0)),
        "wide": ((8, 8), (1, 2)),
        "bare": ((7, 7), (3, 4)),
    }
    assert geometry.display == Display(
        (800, 600), 2.5, True, False, 180.0, (10, 20), ((2.5, 0), (0, 2.5)), "library"
    )
    assert geometry.pixel_um("noise") == (100, 100)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("width_px: 800", "width_px and height_px belong together"),
        ("um_per_display_pixel: 3", "counted from the display's middle; say width_px"),
        ("flipx: true", "flipx: unknown, did you mean 'flip_x'"),
        ("width_px: true\nheight_px: 3", "width_px: a whole number is needed, not yes or no"),
        ("movies: [{pattern: bar}]", r"movies.0: one of pitch_px and pitch_um"),
        ("movies: [{pattern: bar, pitch_px: 0}]", "movies.0: .*more than 0"),
        ("movies: [{pattern: bar, pitch_px: 2}]", "'bar' begin is not said: give offset_px"),
        ("movies: [{pattern: bar, pitch_um: 2}]", "pitch_um needs um_per_display_pixel"),
        (
            "chip: {origin_um: [0, 0], matrix_um_per_px: [[1, 2], [2, 4]]}",
            "its determinant is 0",
        ),
        ("rotation_deg: .nan", "rotation_deg: .*finite"),
    ],
)
def test_a_wrong_display_names_file_and_key(library: Path, content: str, wrong: str) -> None:
    (library / "display.yaml").write_text(content)
    with pytest.raises(StimulusError, match=rf"display\.yaml.*{wrong}"):
        geometry_of(library)
