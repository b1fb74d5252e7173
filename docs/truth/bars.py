"""Samples of moving bars alone: no selectivity, no response, few selective cells, other lobes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hdmea.features.moving_bar import MovingBarParams, moving_bar
from hdmea.kernels.spikes import SpikeTrains
from hdmea.simulate.movies import GeneratedMovie
from truth import operating_point as point
from truth import retina
from truth.best_test import best_p
from truth.claim import Sample
from truth.even_bars import even_rates
from truth.light_steps import FANO, bursts
from truth.population import drawn_at_operating_point, record
from truth.recordings import Show
from truth.retina import Columns, draw_cells, joined, rows_of

ALTERNATING = (0, 4, 1, 5, 2, 6, 3, 7)
"""An order of 8 directions in which each is followed by its opposite, or by one beside it."""
ONE_DIRECTION = 40.0
"""Sharpness at which a neighbour, 45 degrees away, has less than 1 in 100,000 of the response."""
BAR_KINDS = ("regular", "poisson", "bursting")
_NOISE_S = 4
"""As little noise as there can be: fields are the true ones here."""
_NOTHING_BUT_P = MovingBarParams(alpha=1e-12, psth_bin_s=1.0)
"""p of selectivity is the same with these: few curves are fitted, and PSTHs are short."""
_FIELD = ("centre_x_px", "centre_y_px", "sigma_major_px", "sigma_minor_px", "angle_deg")


def chance(
    n_null: int, n_sparse: int, seed: int, *, drifts: bool = True, alternating: bool = False
) -> Sample:
    """Cells without selectivity, and sparse ones, for the claim about chance; 3 trials."""
    rng = np.random.default_rng([seed, 21])
    n = n_null + n_sparse
    kinds = rng.choice([k for k in point.MIXTURE if k != "selective"], n)
    cells = draw_cells(rng, kinds)
    sparse = np.arange(n) >= n_null
    thinner = rng.uniform(0.01, 0.1, n)
    for name in ("rest_hz", "gain_hz"):
        cells[name] = np.where(sparse, cells[name] * thinner, cells[name])
    show = Show.of(_NOISE_S, point.TRIALS["short"], seed)
    if alternating:
        show = replace(show, bar=in_order(show.bar, ALTERNATING))
    has_field = rng.random(n) < 0.5
    trains = record(cells, show, seed + 5000, drifts=drifts, rates=even_rates(show))
    bars = bars_of(cells, show, trains, has_field)
    found = {name: bars[name] for name in ("p_dsi", "dsi", "window_source")}
    return Sample(cells, found | {"spikes_per_bar": bars["mean_count"].mean(axis=1)})


def few_selective(name: str, n_null: int, n_times: int, n_selective: int, seed: int) -> Sample:
    """Cells at the operating point to draw populations from, in which few are selective.

    Those without selectivity answer to all directions alike (`even_bars`), and are recorded so many
    times each. Of the others half are as sharply tuned as cells of the operating point are at most,
    and answer briskly; half, marked ``one_direction``, answer to one of the shown directions alone.
    ``p_course`` and ``p_known`` are those of `best_test`.
    """
    rng = np.random.default_rng([seed, 31])
    show = Show.of(_NOISE_S, point.TRIALS[name], seed)
    null = rng.choice([kind for kind in point.MIXTURE if kind != "selective"], n_null)
    cells = drawn_at_operating_point(rng, null, Show.of(60, 1, seed))
    rows = np.tile(np.arange(n_null), n_times)
    trains = record(cells, show, seed + 7000, rows, rates=even_rates(show))
    of_null = _tested(rows_of(cells, rows), show, trains)

    kinds = np.full(2 * n_selective, "selective")
    sharpest = np.full(kinds.size, point.SHARPNESS[1])
    one = np.arange(kinds.size) >= n_selective
    cells = drawn_at_operating_point(
        rng, kinds, Show.of(60, 1, seed), sharpness=sharpest, brisk=kinds == "selective"
    )
    shown = 45.0 * rng.integers(0, 8, kinds.size)
    cells["sharpness"] = np.where(one, ONE_DIRECTION, sharpest)
    cells["preferred_direction_deg"] = np.where(one, shown, cells["preferred_direction_deg"])
    trains = record(cells, show, seed + 8000)
    selective = _tested(cells, show, trains)
    course, known = best_p(cells, show, trains, ~one, seed)
    selective = selective.with_found(p_course=course, p_known=known)
    nan = np.full(rows.size, np.nan)
    of_null = of_null.with_found(p_course=nan, p_known=nan)
    return Sample(
        joined(of_null.cells, selective.cells) | {"one_direction": np.r_[nan == 0, one]},
        joined(of_null.found, selective.found),
    )


def _tested(cells: Columns, show: Show, trains: SpikeTrains) -> Sample:
    everywhere = np.ones(trains.n_units, dtype=bool)
    bars = bars_of(cells, show, trains, everywhere, _NOTHING_BUT_P)
    return Sample({"sharpness": cells["sharpness"]}, {"p_dsi": bars["p_dsi"]})


def still_bars(n_cells: int, seed: int) -> Sample:
    """Cells that do not see the bar and fire regularly, as Poisson, or in bursts; 3 trials.

    So many of each kind; half of them with a field.
    """
    rng = np.random.default_rng([seed, 61])
    kinds = np.repeat(BAR_KINDS, n_cells)
    cells = draw_cells(rng, np.full(kinds.size, "on"))
    show = Show.of(_NOISE_S, point.TRIALS["short"], seed)
    trains = []
    for kind, rest_hz in zip(kinds, cells["rest_hz"], strict=True):
        rate = rest_hz * retina.drift(rng, show.n_frames)
        trains.append(
            bursts(rng, rate, rng.uniform(*FANO))
            if kind == "bursting"
            else retina.spikes(rng, rate, 3 if kind == "regular" else 1, point.REFRACTORY_S)
        )
    spikes = SpikeTrains(np.concatenate(trains), np.cumsum([train.size for train in trains]))
    has_field = np.arange(kinds.size) % 2 == 0
    p = bars_of(cells, show, spikes, has_field)["p_response"]
    return Sample({"kind": kinds, "has_field": has_field}, {"p_response": p})


def other_lobes(n_cells: int, seed: int) -> Sample:
    """Selective cells at the operating point whose tuning is no von Mises curve; 3 trials.

    Half of them have a lobe with a flat top, ``1 / (1 + exp(8 (cos w - cos a)))``, half the upper
    part of a cosine, ``max(0, cos a - c)``, of any width.
    """
    rng = np.random.default_rng([seed, 41])
    cells = drawn_at_operating_point(
        rng, np.full(n_cells, "selective"), Show.of(60, 1, seed), sharpness=np.full(n_cells, 1e-3)
    )
    cells["flat"] = np.arange(n_cells) % 2 == 0
    cells["width"] = rng.uniform(0.15, 0.95, n_cells)
    theta = np.deg2rad(np.arange(0, 360, 45.0))
    curve = lobes(cells, theta - np.deg2rad(cells["preferred_direction_deg"])[:, None])
    cells["dsi"] = np.abs(curve @ np.exp(1j * theta)) / curve.sum(axis=1)
    show = Show.of(_NOISE_S, point.TRIALS["short"], seed)
    trains = record(cells, show, seed + 9000, rates=_rates_of_lobes)
    bars = bars_of(cells, show, trains, np.ones(n_cells, dtype=bool))
    return Sample(cells, {name: bars[name] for name in ("dsi", "dsi_fit", "p_fit")})


def lobes(cells: Columns, turn: np.ndarray) -> np.ndarray:
    """Part of the response at so many radians from the preferred direction, ``(cell, ...)``."""
    cosine, width = np.cos(turn), cells["width"][:, None]
    flat = 1 / (1 + np.exp(-8 * (cosine - np.cos(np.pi * width))))
    floor = 2 * (1 - width) - 1
    upper = np.maximum(cosine - floor, 0) / (1 - floor)
    return np.where(cells["flat"][:, None], flat, upper)


def _rates_of_lobes(cells: Columns, drive: np.ndarray, direction_deg: np.ndarray) -> np.ndarray:
    rest = cells["rest_hz"][:, None]
    above = sum(retina.side_rates(cells, drive)) - rest
    turn = np.deg2rad(direction_deg - cells["preferred_direction_deg"][:, None])
    tuned = np.where(np.isnan(turn), 1.0, lobes(cells, np.nan_to_num(turn)))
    return rest + tuned * np.maximum(above, 0) + np.minimum(above, 0)


def in_order(movie: GeneratedMovie, order: Sequence[int]) -> GeneratedMovie:
    """The moving bar with its directions in another order, the same in each trial."""
    starts = [frame for _, frame in movie.events]
    length = starts[1] - starts[0]
    frames = movie.frames.copy()
    for trial in range(movie.trials.repeat):
        first = movie.trials.start_frame + trial * movie.trials.trial_length_frames
        for slot, taken in enumerate(order):
            to, of = (first + starts[k] for k in (slot, taken))
            frames[to : to + length] = movie.frames[of : of + length]
    events = tuple(
        (movie.events[taken][0], start) for taken, start in zip(order, starts, strict=True)
    )
    return replace(movie, frames=frames, events=events)


def bars_of(
    cells: Columns,
    show: Show,
    trains: SpikeTrains,
    has_field: np.ndarray,
    params: MovingBarParams | None = None,
) -> dict[str, np.ndarray]:
    """What `moving_bar` finds, with the true fields of those that have one."""
    fields = {name: np.where(has_field, cells[name], np.nan) for name in _FIELD}
    noise = fields | {"movie": np.full(has_field.size, show.noise.name)}
    inputs = replace(show.inputs(trains), features={"dense_noise": noise})
    return dict(moving_bar(inputs, params or MovingBarParams()).values)
