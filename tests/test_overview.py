"""The overview draws what the session holds, and says what it lacks."""

from __future__ import annotations

import builtins
import itertools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import matplotlib.text
import matplotlib.transforms
import numpy as np
import pytest
from hand_session import (
    FRAME_S,
    LAGS,
    LIGHT,
    NOISE,
    SECTIONS,
    SPIKES,
    TRIALS,
    hand_session,
    z_scores,
)
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from hdmea.arrays import Variable
from hdmea.errors import FileMissingError, ParameterError
from hdmea.report.alignment import envelope
from hdmea.report.examples import choose_examples
from hdmea.report.overview import draw_overview, overview_figure
from hdmea.report.palette import KIND_COLOURS, POLARITY_COLOURS, STYLE
from hdmea.session import PipelineSession


@pytest.fixture(scope="module", autouse=True)
def _as_in_the_picture() -> Iterator[None]:
    with mpl.style.context(["default", STYLE]):
        yield


@pytest.fixture(scope="module")
def figure() -> Figure:
    return overview_figure(hand_session())


def axes_named(figure: Figure, name: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_label() == name)


def with_gid(axes: Axes, gid: str) -> list[Any]:
    return [a for a in axes.get_children() if str(a.get_gid() or "").startswith(gid)]


def words(figure: Figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(mpl.text.Text) if t.get_text() and t.get_visible()]


def changed(path: str, values: Any, **options: Any) -> PipelineSession:
    """The hand-made session with other values of one variable of load_recording."""
    old = hand_session()[path]
    new = Variable(np.asarray(values), old.unit, old.dims, old.description)
    return hand_session(leave_out=[path], more={path: new}, **options)


def test_sections_are_spans_at_their_times(figure: Figure) -> None:
    spans = with_gid(axes_named(figure, "alignment"), "section")
    assert [(s.get_x(), s.get_x() + s.get_width()) for s in spans] == SECTIONS
    assert [to_hex(s.get_facecolor()).upper() for s in spans] == [
        KIND_COLOURS["noise"], KIND_COLOURS["step"],
    ]  # fmt: skip
    labels = [t.get_text() for t in with_gid(axes_named(figure, "alignment"), "label")]
    assert labels == ["noise\nr 0.25, lag 0", "light step\nr 1.00, lag -2 frames"]


def test_what_contradicts_the_playlist_stands_out(figure: Figure) -> None:
    low_r, lagging = with_gid(axes_named(figure, "alignment"), "label")
    assert low_r.get_color() == lagging.get_color() != "black"
    fine = hand_session(leave_out=["stimulus/alignment"])
    for label in with_gid(axes_named(overview_figure(fine), "alignment"), "label"):
        assert label.get_color() == "black"
        assert label.get_text().endswith("not checked")


def test_irregular_frames_are_marked_at_their_times(figure: Figure) -> None:
    axes = axes_named(figure, "alignment")
    (marks,) = with_gid(axes, "irregular frames")
    assert marks.get_xdata().tolist() == [640 * FRAME_S, 1280 * FRAME_S]
    (said,) = with_gid(axes, "frame clock")
    assert said.get_text() == (
        "frame clock: 4096 frames of 15.62 ms, irregular (marked): 1 held, 1 undecided"
    )


def test_the_photodiode_is_drawn_with_its_extremes(figure: Figure) -> None:
    axes = axes_named(figure, "alignment")
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 0
    assert band[:, 1].max() == np.float32(314159)
    bright = band[band[:, 1] > 1000][:, 0]
    assert bright.min() == pytest.approx(41, abs=0.05)
    assert bright.max() == pytest.approx(56, abs=0.05)
    assert axes.get_xlim() == (0, 64)


def test_an_envelope_misses_no_extreme() -> None:
    values = np.random.default_rng(2).normal(size=1009)
    place, low, high = envelope(values, 100)
    assert place.size == 100
    assert (low.min(), high.max()) == (values.min(), values.max())
    assert all(low[i] == values[a:b].min() for i, (a, b) in enumerate(itertools.pairwise(
        np.linspace(0, 1009, 101).astype(int)
    )))  # fmt: skip
    np.testing.assert_array_equal(envelope(values[:5], 100)[1], values[:5])


def test_every_unit_is_a_point_at_its_place_in_its_colour(figure: Figure) -> None:
    found = {}
    for points in axes_named(figure, "chip").collections:
        for (x, y), size in zip(points.get_offsets().data, points.get_sizes(), strict=True):
            found[round(x), round(y)] = (to_hex(points.get_facecolor()[0]).upper(), size)
    assert {place: colour for place, (colour, _) in found.items()} == {
        (65, 1): POLARITY_COLOURS["on"],
        (1, 65): POLARITY_COLOURS["off"],
        (30, 20): POLARITY_COLOURS["on_off"],
        (31, 20): POLARITY_COLOURS["none"],
    }
    sizes = [found[place][1] for place in ((31, 20), (30, 20), (65, 1))]
    assert sizes == sorted(sizes)
    assert (sizes[1] - sizes[0]) / (sizes[2] - sizes[0]) == pytest.approx(4 / 5)
    legend = axes_named(figure, "chip").get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == [
        "ON 1",
        "OFF 1",
        "ON-OFF 1",
        "no response 1",
    ]


def test_units_of_one_electrode_stay_apart() -> None:
    session = changed("units/column", np.full(4, 30), n_units=4)
    points = np.concatenate(
        [c.get_offsets().data for c in axes_named(overview_figure(session), "chip").collections]
    )
    assert len({tuple(point) for point in points.round(3)}) == 4


@pytest.mark.parametrize(("letter", "unit"), [("A", 0), ("B", 1), ("C", 2)])
def test_rasters_hold_the_spikes_of_each_trial(figure: Figure, letter: str, unit: int) -> None:
    axes = axes_named(figure, f"raster {letter}")
    rows = [c for c in axes.collections if hasattr(c, "get_positions")]
    expected = [
        [t - on for t in SPIKES[unit] if start <= t < stop]
        for (start, stop), (on, _) in zip(TRIALS, LIGHT, strict=True)
    ]
    assert [list(row.get_positions()) for row in rows] == expected
    assert [row.get_lineoffset() for row in rows] == [1, 2]
    (light,) = with_gid(axes, "light")
    assert (light.get_x(), light.get_width()) == (0, 5)
    rate = axes_named(figure, f"rate {letter}").lines[0]
    # smoothing with reflected edges keeps the number of spikes: area = spikes per trial
    assert rate.get_ydata().sum() * 0.01 == pytest.approx(sum(map(len, expected)) / 2)
    assert axes.get_xlim() == axes_named(figure, f"rate {letter}").get_xlim() == (-1, 9)


@pytest.mark.parametrize(("letter", "unit", "peak"), [("A", 0, (2, 1, 0)), ("B", 1, (3, 2, 4))])
def test_the_sta_is_shown_at_its_peak(
    figure: Figure, letter: str, unit: int, peak: tuple[int, int, int]
) -> None:
    z = z_scores(4)[unit]
    lag, y, x = peak
    image = axes_named(figure, f"sta {letter}").images[0]
    np.testing.assert_array_equal(np.asarray(image.get_array()), z[lag])
    assert image.get_clim() == (-abs(z[peak]), abs(z[peak]))
    mark = axes_named(figure, f"sta {letter}").lines[0]
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (x, y)
    axes = axes_named(figure, f"course {letter}")
    course, dot = axes.lines[-2:]
    np.testing.assert_allclose(course.get_xdata(), np.array(LAGS) * FRAME_S * 1000)
    np.testing.assert_array_equal(course.get_ydata(), z[:, y, x])
    assert dot.get_xdata()[0] == pytest.approx(LAGS[lag] * FRAME_S * 1000)
    assert [line.get_ydata()[0] for line in with_gid(axes, "chance")] == pytest.approx(
        [-3.7648, 3.7648], abs=1e-4
    )


def test_examples_are_an_on_an_off_and_another() -> None:
    assert choose_examples(hand_session()) == [0, 1, 2]
    assert choose_examples(hand_session(), wanted=4) == [0, 1, 2, 3]
    # without classes by the STA's peak: 9.25, 7.5, 3.0, none
    assert choose_examples(hand_session(leave_out=["features/"])) == [1, 0, 2]
    # without both by the number of spikes (5, 4, 4, 0), then by the unit's number
    assert choose_examples(hand_session(leave_out=["features/", "sta/"])) == [0, 1, 2]
    assert choose_examples(hand_session(n_units=1)) == [0]
    assert choose_examples(hand_session(n_units=0)) == []
    twice_on = ["off", "on", "on", "none"]
    group = "features/on_off/class"
    more = {group: Variable(np.array(twice_on), "", ("unit",), "class")}
    session = hand_session(leave_out=[group], more=more)
    # ON: row 1 has 0/2 + 9.25/9.25, row 2 has 1/2 + 3/9.25
    assert choose_examples(session) == [1, 0, 2]


def test_head_tells_recording_numbers_and_versions() -> None:
    session = hand_session()
    session.warnings.append("the light was dim")
    said = words(overview_figure(session))
    assert "retina_1" in said
    assert "4 units, 13 spikes, playlist secret_list" in said
    (made,) = (text for text in said if text.startswith("content "))
    assert session.content_digest[:12] in made
    assert "features.on_off 1" in made
    assert "the light was dim" in said
    assert any(text.startswith("A   unit 3, ON, ON-OFF index 1.00, 5 spikes") for text in said)


LACKING = {
    "photodiode": (["stimulus/photodiode"], 4, "no photodiode was recorded"),
    "alignment": (["stimulus/alignment"], 4, "not checked"),
    "clock": (["stimulus/frame_times", "stimulus/clock"], 4, "no frame clock"),
    "cmcr": (["stimulus/"], 4, "no trials are known"),
    "sections": (
        ["stimulus/sections", "stimulus/trials", "stimulus/events", "stimulus/alignment"], 4,
        "no sections are known: add_section_time has not run",
    ),
    "sta": (["sta/"], 4, "no STA"),
    "z": ([f"sta/{NOISE}/z"], 4, "4 units on the chip"),
    "features": (["features/"], 4, "not classified 4"),
    "everything": (["stimulus/", "sta/", "features/"], 4, "Examples: the units with most spikes."),
    "units": (["units/", "sta/", "features/"], 0, "no units to show"),
    "no unit": ([], 0, "no units to show"),
    "one unit": ([], 1, "1 unit on the chip"),
}  # fmt: skip


@pytest.mark.parametrize("case", LACKING)
def test_what_is_missing_is_said(case: str) -> None:
    leave_out, n_units, expected = LACKING[case]
    figure = overview_figure(hand_session(leave_out=leave_out, n_units=n_units))
    figure.canvas.draw()
    assert any(expected in text for text in words(figure))


def test_no_light_step_is_said() -> None:
    kinds = {
        path: Variable(np.array(["noise", "noise"]), "", ("trial",), "kind")
        for path in ("stimulus/trials/kind",)
    }
    session = hand_session(leave_out=[*kinds], more=kinds)
    figure = overview_figure(session)
    assert words(figure).count("no light step was shown") == 3
    assert not axes_named(figure, "rate A").get_visible()


def test_units_without_spikes_are_said_to_have_none() -> None:
    silent = {
        "units/n_spikes": Variable(np.zeros(4, np.int64), "1", ("unit",), "n"),
        "units/spike_times": Variable(np.zeros(0), "s", ("spike",), "times"),
        "units/spike_times_index": Variable(np.zeros(4, np.int64), "1", ("unit",), "ends"),
        f"sta/{NOISE}/z": Variable(
            np.full((4, 4, 3, 5), np.nan, np.float32), "1", ("unit", "lag", "y", "x"), "z"
        ),
    }
    said = words(overview_figure(hand_session(leave_out=[*silent], more=silent)))
    assert said.count("no spikes") == 3
    assert said.count("no STA:\ntoo few spikes") == 3


@pytest.mark.parametrize("repeats", [1, 4, 30])
def test_no_labels_overlap_however_many_sections(repeats: int) -> None:
    n = 2 * repeats
    edges = np.linspace(0.5, 63.5, n + 1)
    more = {
        "stimulus/sections/movie": Variable(np.array(["m"] * n), "", ("section",), "m"),
        "stimulus/sections/kind": Variable(
            np.array(["grey", "chirp"] * repeats), "", ("section",), "k"
        ),
        "stimulus/sections/start_s": Variable(edges[:-1], "s", ("section",), "s"),
        "stimulus/sections/end_s": Variable(edges[1:] - 0.1, "s", ("section",), "e"),
        "stimulus/alignment/r": Variable(np.full(n, 0.9), "1", ("section",), "r"),
        "stimulus/alignment/lag_frames": Variable(np.zeros(n), "frame", ("section",), "l"),
    }
    figure = overview_figure(hand_session(leave_out=[*more], more=more))
    axes = axes_named(figure, "alignment")
    assert len(with_gid(axes, "section")) == n
    boxes = [label.get_window_extent() for label in with_gid(axes, "label")]
    assert boxes
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)
    left_out = n - len(boxes)
    legend = axes.get_legend()
    assert (legend is None) == (left_out == 0)
    if legend is not None:
        assert legend.get_title().get_text() == f"{left_out} sections without label"


def test_no_text_covers_another_or_leaves_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = overview_figure(hand_session())
    drawn: list[mpl.text.Text] = []
    draw = mpl.text.Text.draw

    def noted(text: mpl.text.Text, *args: Any, **options: Any) -> None:
        if text.get_visible() and text.get_text().strip():
            drawn.append(text)
        draw(text, *args, **options)

    monkeypatch.setattr(mpl.text.Text, "draw", noted)
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in drawn]
    assert len(boxes) > 60
    for said, box in boxes:
        assert box.x0 >= 0, said
        assert box.x1 <= figure.bbox.x1, said
        assert box.y0 >= 0, said
        assert box.y1 <= figure.bbox.y1, said
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        shared = mpl.transforms.Bbox.intersection(a, b)
        assert shared is None or shared.width < 1 or shared.height < 1, (one, other)


def test_the_same_session_gives_the_same_small_file(tmp_path: Path) -> None:
    saved = hand_session().save(tmp_path / "a.h5")
    one = draw_overview(saved, tmp_path / "one.png").read_bytes()
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.dpi": 30}):
        two = draw_overview(str(saved), str(tmp_path / "sub" / "two.png")).read_bytes()
    assert one == two
    assert len(one) < 500_000
    width, height = struct.unpack(">II", one[16:24])
    assert (width, height) == (1430, 1144)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.h5", "one.png", "sub"]


def test_names_with_dollar_signs_are_names(tmp_path: Path) -> None:
    name = Variable(np.asarray(r"$\frac{"), "", (), "playlist")
    session = hand_session(leave_out=["stimulus/playlist"], more={"stimulus/playlist": name})
    draw_overview(session.save(tmp_path / "a.h5"), tmp_path / "a.png")


def test_what_cannot_be_drawn_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileMissingError, match=r"none\.h5"):
        draw_overview(tmp_path / "none.h5", tmp_path / "a.png")
    real = builtins.__import__

    def without_matplotlib(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    saved = hand_session().save(tmp_path / "a.h5")
    with pytest.raises(ParameterError, match=r"pip install 'hdmea\[report\]'"):
        draw_overview(saved, tmp_path / "a.png")
