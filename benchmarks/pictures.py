"""Pictures that several topics share."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def bars(contests: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A panel for each contest, a bar for each way; a dot for each round."""
    from figures.canvas import BEFORE, ON, SPIKES, bare, new_figure

    rows = sum(len(one) for one in contests.values())
    figure = new_figure(0.6 + 0.32 * rows + 0.55 * len(contests))
    panels = figure.subplots(
        len(contests), squeeze=False, height_ratios=[len(one) for one in contests.values()]
    )[:, 0]
    for axes, (title, ways) in zip(panels, contests.items(), strict=True):
        for row, (name, one) in enumerate(ways.items()):
            seconds = one["seconds"]
            axes.barh(row, median(seconds), 0.62, color=ON if name == "hdmea" else BEFORE)
            axes.plot(seconds, [row] * len(seconds), ".", color=SPIKES, ms=3)
        axes.set_yticks(range(len(ways)), list(ways))
        axes.invert_yaxis()
        axes.set_title(title)
        axes.set_xlim(0)
        bare(axes, "top", "right")
    panels[-1].set_xlabel("seconds, median; dots: rounds")
    return figure
