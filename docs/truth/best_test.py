"""Whether a cell is selective, by who knows more of it than any program can."""

from __future__ import annotations

import numpy as np

from hdmea.kernels.spikes import SpikeTrains
from truth import retina
from truth.recordings import Show
from truth.retina import Columns, rows_of

_FRAMES = 200
"""From the onset of a direction on, in which the bar passes and its after-effects die away."""
_CANDIDATES = np.deg2rad(np.arange(0, 360, 15.0))
_PERMUTATIONS = 9999
_AT_A_TIME = 500


def best_p(
    cells: Columns, show: Show, trains: SpikeTrains, wanted: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """p by permutation of the directions among all presentations, of the cells that are wanted.

    The first is of the vector sum of counts in which a spike weighs, in each frame, by the true
    part of the response in the mean rate over all directions, ``r / (b + r)``, with the true rate b
    without response, the second of the largest likelihood ratio over preferred directions, of
    rates that are known but for that: rest, course, gain and sharpness are the true ones.
    """
    rng = np.random.default_rng([seed, 51])
    onsets, degrees = np.array(show.bar_onsets()).T
    theta = np.deg2rad(degrees[: len(show.bar.events)])
    n_slots = theta.size
    label = np.arange(onsets.size) % n_slots
    drawn = rng.permuted(np.broadcast_to(label, (_PERMUTATIONS, label.size)), axis=1)
    orders = np.concatenate([label[None], drawn])
    edges_s = (onsets[:, None] + np.arange(_FRAMES + 1)) / 60
    by_course, by_all = np.full((2, trains.n_units), np.nan)
    rows = np.flatnonzero(wanted)
    some = rows_of(cells, rows)
    course = sum(retina.side_rates(some, retina.drives(some, show.light(some))))
    for row, rate in zip(rows.tolist(), course, strict=True):
        cell = rows_of(cells, slice(row, row + 1))
        above = (rate - cell["rest_hz"][0]) / 60
        above = np.stack([above[at : at + _FRAMES] for at in onsets.astype(int)])
        untuned = cell["rest_hz"][0] / 60 + np.minimum(above, 0) + 1e-6
        response = np.maximum(above, 0)
        counts = np.diff(np.searchsorted(trains.of(row), edges_s), axis=1)
        sharp = cell["sharpness"][0]
        turn = theta - np.deg2rad(cell["preferred_direction_deg"][0])
        mean = np.exp(sharp * (np.cos(turn) - 1)).mean() * response
        score = (counts * mean / (untuned + mean)).sum(axis=1)
        by_course[row] = _p(np.abs((score * np.exp(1j * theta[orders])).sum(axis=1)))
        # presentation, direction that it may have had, preferred direction
        tuning = np.exp(sharp * (np.cos(theta[:, None] - _CANDIDATES) - 1))
        gained = np.log1p(tuning[..., None] * (response / untuned)[:, None, None])
        likely = np.einsum("jt,jdct->jdc", counts, gained)
        likely -= tuning * response.sum(axis=1)[:, None, None]
        best = [
            likely[np.arange(label.size), some].sum(axis=1).max(axis=1)
            for some in np.array_split(orders, len(orders) // _AT_A_TIME)
        ]
        by_all[row] = _p(np.concatenate(best))
    return by_course, by_all


def _p(statistic: np.ndarray) -> float:
    """Part of the statistics that are at least the first, which is the observed one."""
    return float((statistic >= statistic[0] - 1e-9 * abs(statistic[0])).mean())
