"""How much the drawn cells' counts vary from trial to trial, by simulation of many trials."""

from __future__ import annotations

from typing import Final

import numpy as np

from truth import operating_point as point
from truth import retina
from truth.recordings import Show
from truth.retina import Columns, rows_of

STEP_FRAMES: Final = 30
"""Half a second after an edge, the response window of `on_off`."""
REST_FRAMES: Final = 6
"""0.1 s, the window of `baseline`."""
LEAD_FRAMES: Final = 15
"""Before a window, so that it does not begin with the first spike."""
REPEATS: Final = 2000
_BLOCK: Final = 26


def fano_factors(cells: Columns, seed: int = 0) -> dict[str, np.ndarray]:
    """Variance over mean of the counts in endless trials, dead time and drift included.

    ``fano_step`` of the half second after that edge of the light step to which the cell answers
    more, ``fano_rest`` of 0.1 s without a stimulus, ``step_spikes`` the mean count of the former.
    The spikes are drawn by streams of their own.
    """
    n = len(cells["kind"])
    rngs = np.random.default_rng([seed, 13]).spawn(n)
    show = Show.of(4, 1, 0)
    step, rest, counted = (np.empty(n) for _ in range(3))
    for start in range(0, n, _BLOCK):
        some = rows_of(cells, slice(start, start + _BLOCK))
        rates = retina.rates(some, retina.drives(some, show.light(some)), show.direction_deg)
        courses = np.stack(
            [
                rates[:, at - LEAD_FRAMES : at + STEP_FRAMES]
                for name in ("light_on", "light_off")
                for at in show.edges(name)
            ]
        )
        larger = courses[:, :, LEAD_FRAMES:].mean(axis=2).argmax(axis=0)
        for row, edge in enumerate(larger):
            cell = start + row
            order, rng = int(some["gamma_order"][row]), rngs[cell]
            counts = trial_counts(rng, courses[edge, row], order)
            step[cell], counted[cell] = counts.var(ddof=1) / counts.mean(), counts.mean()
            still = np.full(LEAD_FRAMES + REST_FRAMES, some["rest_hz"][row])
            counts = trial_counts(rng, still, order)
            rest[cell] = counts.var(ddof=1) / counts.mean()
    return {"fano_step": step, "fano_rest": rest, "step_spikes": counted}


def trial_counts(rng: np.random.Generator, rate_hz: np.ndarray, order: int) -> np.ndarray:
    """Spikes in each of many trials, after the lead, whose excitability drifts from one to another.

    Parameters
    ----------
    rng
        Of spikes and drift.
    rate_hz
        In each display frame of a trial, the lead first.
    order
        Of the gamma distributed intervals.
    """
    sd = point.DRIFT[0]
    drift = np.exp(sd * rng.standard_normal(REPEATS) - sd**2 / 2)
    course = (rate_hz * drift[:, None]).ravel()
    times = retina.spikes(rng, course, order, point.REFRACTORY_S)
    begin = point.FRAME_S * (np.arange(REPEATS) * rate_hz.size + LEAD_FRAMES)
    end = point.FRAME_S * (np.arange(1, REPEATS + 1) * rate_hz.size)
    return np.searchsorted(times, end) - np.searchsorted(times, begin)
