"""Cells that no direction of a bar excites more than another: equal by construction.

A round cell of `retina` without selectivity does not have equal counts in equal windows of all
directions: the bar comes to it over more of its surround from one side than from the other, the
first direction follows on grey and the others on dark, pixels round when an edge is at the centre,
and a long field takes longer to cross one way. So the course of its rate is averaged over the
directions, from when the bar is at its centre, and given to all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hdmea.simulate.movies import WHITE
from truth import operating_point as point
from truth import retina
from truth.recordings import Show
from truth.retina import Columns

Rates = Callable[[Columns, np.ndarray, np.ndarray], np.ndarray]


def arrival_frames(cells: Columns, show: Show) -> np.ndarray:
    """Frame in which the bar comes to the pixel at the field's centre, ``(cell, direction)``.

    Counted from the first frame of the direction.
    """
    pixels = show.bar.frames.shape[1]
    x, y = (
        np.floor((cells[f"centre_{axis}_px"] + 0.5) * pixels / point.PIXELS).astype(int)
        for axis in "xy"
    )
    first = show.bar.trials.start_frame
    return np.stack(
        [
            (
                show.bar.frames[first + frame : first + frame + show.direction_frames, y, x]
                == WHITE
            ).argmax(axis=0)
            for _, frame in show.bar.events
        ],
        axis=1,
    )


def even_rates(show: Show) -> Rates:
    """Rates for `population.record` of cells that answer to all directions alike."""
    onsets = np.array([onset for onset, _ in show.bar_onsets()])
    n_directions = len(show.bar.events)

    def rates(cells: Columns, drive: np.ndarray, direction_deg: np.ndarray) -> np.ndarray:
        usual = retina.rates(cells, drive, direction_deg)
        rest = cells["rest_hz"][:, None]
        arrive = arrival_frames(cells, show)
        # what there is of all directions, from so many frames before the bar comes
        before = arrive.min(axis=1)
        length = show.direction_frames - (arrive - before[:, None]).max(axis=1)
        out = usual.copy()
        for row in range(len(usual)):
            begin = onsets[:n_directions] + arrive[row] - before[row]
            course = np.mean([usual[row, at : at + length[row]] for at in begin], axis=0)
            for slot, onset in enumerate(onsets):
                out[row, onset : onset + show.direction_frames] = rest[row]
                at = onset + arrive[row, slot % n_directions] - before[row]
                out[row, at : at + length[row]] = course
        return out

    return rates
