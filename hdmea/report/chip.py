"""The chip panel: where the units lie, and how they respond to light."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hdmea.export.readings import POLARITIES, included, n_units, polarity, units_said
from hdmea.report.palette import POLARITY_COLOURS, POLARITY_MARKERS, QUIET, UNKNOWN
from hdmea.session import PipelineSession

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ELECTRODES = 65
_NOT_CLASSIFIED = "not classified"
_EXCLUDED = "excluded"


def draw_chip(axes: Axes, session: PipelineSession, letters: Mapping[int, str]) -> None:
    """Units at their electrodes, by polarity and number of spikes; excluded ones pale.

    Parameters
    ----------
    axes
        Where to draw.
    session
        The recording.
    letters
        Letter of each unit that is shown in detail, by its row in the table of units.
    """
    axes.set_aspect("equal")
    axes.set_xlim(-1, _ELECTRODES + 2)
    axes.set_ylim(_ELECTRODES + 2, -1)
    ticks = [1, 20, 40, _ELECTRODES]
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xlabel("electrode column")
    axes.set_ylabel("electrode row")
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    n = n_units(session)
    axes.set_title(f"{units_said(session)} on the chip", loc="left")
    if n == 0:
        axes.text(0.5, 0.5, "no units", transform=axes.transAxes, ha="center", color=QUIET)
        return
    column, row = spread(session.values("units/column"), session.values("units/row"))
    spikes = session.values("units/n_spikes")
    most = max(1, int(spikes.max()))
    area = 14 + 120 * spikes / most
    found = polarity(session)
    classes = found if found is not None else np.full(n, _NOT_CLASSIFIED)
    classes = np.where(included(session), classes, _EXCLUDED)
    order = [*POLARITIES, *classes[classes != _EXCLUDED].tolist(), _EXCLUDED]
    for name in sorted(set(classes.tolist()), key=order.index):
        of_class = classes == name
        axes.scatter(
            column[of_class], row[of_class], s=area[of_class],
            c=POLARITY_COLOURS.get(name, UNKNOWN), marker=POLARITY_MARKERS.get(name, "o"),
            alpha=0.25 if name == _EXCLUDED else 0.8, edgecolors="white", linewidths=0.5,
            label=f"{POLARITIES.get(name, name)} {int(of_class.sum())}",
        )  # fmt: skip
    for unit, letter in letters.items():
        axes.annotate(
            letter, (column[unit], row[unit]), xytext=(9, 9), textcoords="offset points",
            fontsize=10, fontweight="bold", ha="center", va="center",
            bbox={"boxstyle": "circle,pad=0.15", "facecolor": "white", "linewidth": 0.8},
            arrowprops={"arrowstyle": "-", "linewidth": 0.8},
        )  # fmt: skip
    legend = axes.legend(
        loc="upper left", bbox_to_anchor=(0.0, -0.13), ncols=3, frameon=False,
        handletextpad=0.2, columnspacing=1.2, borderaxespad=0,
        title=f"by response to the light step; area: spikes (most {most})",
        title_fontsize=8, alignment="left",
    )  # fmt: skip
    for handle in legend.legend_handles:
        if handle is not None:
            handle.set(sizes=[50])


def spread(
    column: npt.NDArray[np.int64], row: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Places to draw at: units of one electrode stand in a small circle around it.

    Examples
    --------
    >>> spread(np.array([5, 9, 5]), np.array([5, 9, 5]))[0].tolist()
    [5.8, 9.0, 4.2]
    """
    x, y = column.astype(np.float64), row.astype(np.float64)
    places = list(zip(column.tolist(), row.tolist(), strict=True))
    together, nth = Counter(places), Counter[tuple[int, int]]()
    for unit, place in enumerate(places):
        if together[place] > 1:
            angle = 2 * np.pi * nth[place] / together[place]
            radius = min(0.4 * together[place], 1.6)
            x[unit] += radius * np.cos(angle)
            y[unit] += radius * np.sin(angle)
            nth[place] += 1
    return x, y
