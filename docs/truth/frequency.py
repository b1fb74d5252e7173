"""How large the response to a sine truly is: the model's own rate, without spikes."""

from __future__ import annotations

import numpy as np

from hdmea.simulate.movies import GREY, GeneratedMovie
from truth import operating_point as point
from truth import retina
from truth.population import BLOCK
from truth.retina import Columns, rows_of

SWEEP_HZ = np.geomspace(0.5, 8, 33)
"""Frequencies of the chirp's sweep at which the gain is computed; it is smooth between them."""
FIXED_HZ = np.array([0.5, 1, 2, 4, 10])
"""Frequencies of the movie of fixed frequencies."""
_SETTLE_S, _MEASURE_S = 8, 4


def true_first_hz(cells: Columns, frequencies_hz: np.ndarray) -> np.ndarray:
    """First harmonic of the rate in a sine of contrast 1 that goes on, Hz, ``(cell, frequency)``.

    Complex: its angle is the response's phase minus that of the sine. Of the rate in each display
    frame, after the adaptation has settled, over whole cycles.
    """
    n = len(cells["sigma_px"])
    return np.concatenate([
        np.stack([_first(rows_of(cells, slice(k, k + BLOCK)), hz) for hz in frequencies_hz], axis=1)
        for k in range(0, n, BLOCK)
    ])  # fmt: skip


def expected_spikes(
    cells: Columns, movie: GeneratedMovie, spans: list[tuple[float, float]]
) -> np.ndarray:
    """Spikes of the model without drift, ``(cell, span)``, in a trial of a full-field movie.

    Parameters
    ----------
    cells
        The truth.
    movie
        Shown after grey.
    spans
        Begin and end from the trial's start, s.
    """
    found = []
    for k in range(0, len(cells["sigma_px"]), BLOCK):
        some = rows_of(cells, slice(k, k + BLOCK))
        contrast = (movie.frames[:, 0, 0].astype(float) - GREY) / 128
        seen = retina.fields(some, point.PIXELS).sum(axis=(1, 2))[:, None] * contrast
        rates = retina.rates(some, retina.drives(some, seen), np.full(contrast.size, np.nan))
        so_far = np.cumsum(np.pad(rates, ((0, 0), (1, 0))), axis=1) * point.FRAME_S
        at = movie.trials.start_frame + np.array(spans) / point.FRAME_S
        frames = np.arange(contrast.size + 1)
        found.append(np.diff([np.interp(at, frames, row) for row in so_far], axis=2)[..., 0])
    return np.concatenate(found)


def gain_at(known_hz: np.ndarray, gain_hz: np.ndarray, frequency_hz: np.ndarray) -> np.ndarray:
    """The gain at other frequencies, on straight lines over their logarithm; ``(cell, ...)``.

    Parameters
    ----------
    known_hz, gain_hz
        Frequencies, ascending, and the gain at each, ``(cell, frequency)``.
    frequency_hz
        Of each cell, ``(cell,)`` or ``(cell, frequency)``; NaN where there is none.
    """
    pairs = zip(frequency_hz, gain_hz, strict=True)
    found = [np.interp(np.log(wanted), np.log(known_hz), gain) for wanted, gain in pairs]
    return np.array(found).reshape(np.shape(frequency_hz))


def _first(cells: Columns, hz: float) -> np.ndarray:
    cycles = max(1, round(_MEASURE_S * hz))
    n_frames = int(np.ceil((_SETTLE_S + cycles / hz) / point.FRAME_S))
    time_s = np.arange(n_frames) * point.FRAME_S
    level = np.rint(127.5 + 127.5 * np.sin(2 * np.pi * hz * time_s))
    seen = retina.fields(cells, point.PIXELS).sum(axis=(1, 2))[:, None] * (level - GREY) / 128
    rates = retina.rates(cells, retina.drives(cells, seen), np.full(n_frames, np.nan))
    # The last whole cycles: their integral, exact also where a frame lies across the beginning.
    begin = n_frames * point.FRAME_S - cycles / hz
    edges = np.maximum(np.append(time_s, n_frames * point.FRAME_S), begin)
    turns = np.exp(-2j * np.pi * hz * edges) / (-2j * np.pi * hz)
    return np.asarray(2j * (rates @ np.diff(turns)) * hz / cycles)
