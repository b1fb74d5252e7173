"""What could be known of a cell's tuning at best: maximum likelihood, all but the tuning known."""

from __future__ import annotations

import numpy as np

from hdmea.kernels.spikes import SpikeTrains
from truth import retina
from truth.recordings import Show
from truth.retina import Columns, rows_of

_FRAMES = 200
"""From the onset of a direction on, in which the bar passes and its after-effects die away."""


def best_dsi(cells: Columns, show: Show, trains: SpikeTrains) -> np.ndarray:
    """DSI of the most likely gain, sharpness and preferred direction of selective cells.

    Rate at rest, and for each direction how the response goes on in time, are the true ones; so is
    the shape of the tuning curve. NaN for cells that are not selective.
    """
    from scipy.optimize import minimize

    dsi = np.full(trains.n_units, np.nan)
    once = Show.of(4, 1, 0)
    onsets, degrees = np.array(show.bar_onsets()).T
    first_onsets = np.array(once.bar_onsets(1))[:, 0].astype(int)
    theta = np.deg2rad(degrees[: first_onsets.size])
    x, y = np.cos(theta), np.sin(theta)
    edges_s = (onsets[:, None] + np.arange(_FRAMES + 1)) / 60
    for row in np.flatnonzero(cells["sharpness"] > 0).tolist():
        cell = rows_of(cells, slice(row, row + 1))
        drive = retina.drives(cell, once.light(cell))
        above = (sum(retina.side_rates(cell, drive)) - cell["rest_hz"])[0]
        above = np.stack([above[at : at + _FRAMES] for at in first_onsets]) / 60
        untuned = cell["rest_hz"][0] / 60 + np.minimum(above, 0) + 1e-6
        tuned = np.maximum(above, 0)
        found = np.searchsorted(trains.of(row), edges_s)
        counts = np.diff(found, axis=1).reshape(-1, theta.size, _FRAMES)
        n_trials, n = len(counts), counts.sum(axis=0)

        def unlikely(
            k: np.ndarray, n=n, tuned=tuned, untuned=untuned, n_trials=n_trials
        ) -> tuple[float, np.ndarray]:
            response = np.exp(k[0] + k[1] * x + k[2] * y)[:, None] * tuned
            rate = untuned + response
            slope = (response * (n_trials - n / rate)).sum(axis=1)
            value = (n_trials * rate - n * np.log(rate)).sum()
            return float(value), np.array([slope.sum(), slope @ x, slope @ y])

        best = minimize(
            unlikely, np.zeros(3), jac=True, method="L-BFGS-B", bounds=[(-20, 8)] + [(-9, 9)] * 2
        )
        curve = np.exp(best.x[1] * x + best.x[2] * y)
        dsi[row] = np.hypot((curve * x).sum(), (curve * y).sum()) / curve.sum()
    return dsi
