"""How figures look, where they lie, and how it is known whether a file is still what is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from hdmea.report.palette import QUIET, STYLE

ON, OFF, BOTH = "#D55E00", "#0072B2", "#009E73"
GREEN, BLUE = "#009E73", "#0072B2"
BEFORE = "#9A9A9A"
SPIKES = "#303030"
DPI = 100
_DIGEST = "Numbers"
_DIGITS = 3
"""Significant digits that count: a figure shows no more, and libraries differ in the last ones."""


def new_figure(height: float) -> Figure:
    """A figure as wide as a page, 8 inches."""
    figure = Figure(figsize=(8.0, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.05)
    return figure


def bare(axes: Axes, *sides: str) -> None:
    """Leave out sides of the frame, with their ticks."""
    for side in sides:
        axes.spines[side].set_visible(False)
    if "left" in sides:
        axes.set_yticks([])
    if "bottom" in sides:
        axes.tick_params(bottom=False, labelbottom=False)


def plain_numbers(axes: Axes) -> None:
    """Write 0.01 at the ticks of logarithmic axes: powers would need mathematics in text."""
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")


def raster(axes: Axes, rows: list[np.ndarray], **kwargs: Any) -> None:
    """A row of ticks for each train, the first on top."""
    style = {"colors": SPIKES, "linewidths": 0.8, "linelengths": 0.8} | kwargs
    axes.eventplot(rows, lineoffsets=np.arange(len(rows)), **style)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def note(axes: Axes, x: float, y: float, said: str, **kwargs: Any) -> None:
    """A few words in the figure."""
    axes.text(x, y, said, **({"fontsize": 8.5, "color": QUIET} | kwargs))


def draw(function: Callable[[], Figure]) -> Figure:
    """A figure in the common style."""
    with rc_context(STYLE | {"axes.titlelocation": "left"}):
        return function()


def path_of(name: str) -> Path:
    """The picture of a feature."""
    return Path(__file__).with_name(f"{name}.png")


def save(figure: Figure, path: Path) -> None:
    """Write a picture that knows what it shows; the same figure gives the same file."""
    with rc_context(STYLE):
        figure.savefig(
            path, dpi=DPI, metadata={"Software": None, _DIGEST: digest(figure)},
            pil_kwargs={"optimize": True},
        )  # fmt: skip


def saved_digest(path: Path) -> str:
    """`digest` of the figure that was saved."""
    from PIL import Image

    with Image.open(path) as image:
        return str(image.info.get(_DIGEST))


def digest(figure: Figure) -> str:
    """Digest of all that is drawn in the panels: numbers to three digits, and words."""
    total = hashlib.sha256()
    for axes in figure.axes:
        for said in (axes.get_title("left"), axes.get_xlabel(), axes.get_ylabel()):
            total.update(said.encode())
        for artist in (axes, *axes.get_children()):
            for numbers in _drawn(artist):
                total.update(_rounded(numbers).encode())
    return total.hexdigest()[:16]


def _drawn(artist: Artist) -> Iterator[Any]:
    match artist:
        case Axes():
            yield artist.dataLim.get_points()
        case Line2D():
            yield artist.get_xydata()
        case Text():
            yield artist.get_text()
        case AxesImage():
            yield artist.get_array()
        case Collection():
            yield artist.get_offsets()
            yield from (path.vertices for path in artist.get_paths())
        case Patch():
            yield artist.get_path().vertices
            yield artist.get_patch_transform().get_matrix()


def _rounded(drawn: Any) -> str:
    if isinstance(drawn, str):
        return drawn
    values = np.ma.filled(np.ma.asarray(drawn, dtype=float), np.nan).ravel()
    # What is nothing beside the rest is rounding.
    size = np.nanmax(np.abs(values), initial=0.0)
    return " ".join(f"{v:.{_DIGITS - 1}e}" if abs(v) > 1e-9 * size else "0" for v in values)
