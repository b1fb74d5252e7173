"""Cells at the operating point, with all that is true of them and can be asked of a feature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hdmea.kernels.spikes import SpikeTrains
from truth import operating_point as point
from truth import retina
from truth.recordings import Show
from truth.retina import Columns, joined, rows_of

BLOCK = 26
_RESPONSE_FRAMES, _BASELINE_FRAMES = 30, 60
"""Of `on_off`: half a second after an edge, a second before it."""


def make_population(n_cells: int, seed: int) -> dict[str, np.ndarray]:
    """Draw cells, each anew until it lies at the operating point; the same for the same seed.

    Beside the properties of `retina.draw_cells`: ``noise_hz``, mean rate in the noise;
    ``bar_spikes``, spikes above rest in the best direction; ``bar_burst``, the most of them within
    half a second; ``true_index``, `on_off_index` of the
    rates; ``step_d_prime``, the larger change of both edges over its standard deviation, of one
    trial of Poisson spikes; ``dsi`` of the responses; ``time_to_peak_ms`` and ``biphasic_index`` of
    the drive after a flash.
    """
    rng = np.random.default_rng([seed, 11])
    kinds = rng.permutation(_kinds(n_cells))
    return drawn_at_operating_point(rng, kinds, Show.of(60, 1, seed))


def drawn_at_operating_point(
    rng: np.random.Generator,
    kinds: np.ndarray,
    test: Show,
    *,
    sharpness: np.ndarray | None = None,
    brisk: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Cells of these kinds, or with this sharpness of tuning, each drawn until it is there.

    Those that are to be `brisk` have the spikes that the operating point asks for in the best
    direction of the bar within half a second of it.
    """
    at_once = np.zeros(kinds.size, dtype=bool) if brisk is None else brisk

    def draw(rows: np.ndarray) -> dict[str, np.ndarray]:
        cells = retina.draw_cells(rng, kinds[rows])
        if sharpness is not None:
            cells["sharpness"] = sharpness[rows]
        return _known(cells, test)

    cells = draw(np.arange(kinds.size))
    while (
        wrong := np.flatnonzero(
            ~at_operating_point(cells) | (at_once & (cells["bar_burst"] < point.MIN_BAR_SPIKES))
        )
    ).size:
        for name, values in draw(wrong).items():
            cells[name][wrong] = values
    return cells


def at_operating_point(cells: Columns) -> np.ndarray:
    """Which cells fire neither too little nor too much."""
    low, high = point.MEAN_RATE_HZ
    rate = cells["noise_hz"]
    return (rate >= low) & (rate <= high) & (cells["bar_spikes"] >= point.MIN_BAR_SPIKES)


def record(
    cells: Columns,
    show: Show,
    seed: int,
    rows: np.ndarray | None = None,
    *,
    drifts: bool = True,
    rates: Callable[[Columns, np.ndarray, np.ndarray], np.ndarray] = retina.rates,
) -> SpikeTrains:
    """Spikes of all cells in a recording; without drift, or of other rates, if that is asked.

    With `rows` a train for each entry, of the cell in that row; some cells may have several, which
    see the same and differ in their chance and drift.
    """
    rows = np.arange(len(cells["sigma_px"])) if rows is None else rows
    trains = [np.empty(0)] * rows.size
    streams = np.random.default_rng([seed, 12]).spawn(rows.size)
    for start in range(0, len(cells["sigma_px"]), BLOCK):
        some = rows_of(cells, slice(start, start + BLOCK))
        courses = rates(some, retina.drives(some, show.light(some)), show.direction_deg)
        for train in np.flatnonzero((rows >= start) & (rows < start + BLOCK)):
            row, rng = rows[train] - start, streams[train]
            drift = retina.drift(rng, courses.shape[1])
            course = courses[row] * drift if drifts else courses[row]
            order = int(some["gamma_order"][row])
            trains[train] = retina.spikes(rng, course, order, point.REFRACTORY_S)
    return SpikeTrains(np.concatenate(trains), np.cumsum([train.size for train in trains]))


def _kinds(n_cells: int) -> np.ndarray:
    share = np.cumsum(list(point.MIXTURE.values())) * n_cells
    return np.array(list(point.MIXTURE))[np.searchsorted(share, np.arange(n_cells), side="right")]


def _known(cells: Columns, show: Show) -> dict[str, np.ndarray]:
    """Cells with what is expected of them."""
    return joined(*(
        _expected(rows_of(cells, slice(start, start + BLOCK)), show)
        for start in range(0, len(cells["sigma_px"]), BLOCK)
    ))  # fmt: skip


def _expected(cells: Columns, show: Show) -> dict[str, np.ndarray]:
    rates = retina.rates(cells, retina.drives(cells, show.light(cells)), show.direction_deg)
    noise = slice(show.starts["noise"], show.starts["noise"] + show.noise.length_frames)
    above = np.maximum(rates - cells["rest_hz"][:, None], 0) * point.FRAME_S
    passages = np.stack([
        above[:, onset : onset + show.direction_frames] for onset, _ in show.bar_onsets(1)
    ])  # fmt: skip
    by_direction = passages.sum(axis=2)
    so_far = np.cumsum(passages, axis=2)
    burst = (so_far[:, :, _RESPONSE_FRAMES:] - so_far[:, :, :-_RESPONSE_FRAMES]).max(axis=(0, 2))
    change, d_prime = {}, {}
    for name in ("light_on", "light_off"):
        at = show.edges(name)[0]
        after = rates[:, at : at + _RESPONSE_FRAMES].mean(axis=1)
        before = rates[:, at - _BASELINE_FRAMES : at].mean(axis=1)
        change[name] = after - before
        variance = after / _RESPONSE_FRAMES + before / _BASELINE_FRAMES
        d_prime[name] = change[name] * np.sqrt(point.FRAME_S / variance)
    on, off = (np.maximum(change[name], 0) for name in change)
    with np.errstate(invalid="ignore"):
        index = (on - off) / (on + off)
    kernel = retina.whole_filters(cells)
    directions = np.deg2rad(np.arange(0, 360, 45))[:, None]
    turn = directions - np.deg2rad(np.nan_to_num(cells["preferred_direction_deg"]))
    tuning = np.exp(cells["sharpness"] * (np.cos(turn) - 1))
    return {
        **cells,
        "noise_hz": rates[:, noise].mean(axis=1),
        "bar_spikes": by_direction.max(axis=0),
        "bar_burst": burst,
        "true_index": index,
        "step_d_prime": np.maximum(d_prime["light_on"], d_prime["light_off"]),
        "dsi": np.abs((tuning * np.exp(1j * directions)).sum(axis=0)) / tuning.sum(axis=0),
        "time_to_peak_ms": 1e3 * point.FRAME_S * cells["peak_frames"],
        "biphasic_index": -kernel.min(axis=1) / kernel.max(axis=1),
    }
