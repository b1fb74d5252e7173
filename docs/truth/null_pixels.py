"""What the tests of the STA say of pixels that a cell does not see, though noise drives it.

The display is thought to be larger than the movie: each cell is driven by noise on the part that it
sees, and analysed with noise on a part that it does not see, which is independent of the former and
has the same rhythm. So all pixels are null ones by construction, however far the surround reaches.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hdmea.features.dense_noise import DenseNoiseParams, dense_noise
from hdmea.kernels.spikes import SpikeTrains
from hdmea.simulate import movies
from truth import operating_point as point
from truth.claim import Sample
from truth.population import make_population, record
from truth.recordings import Show
from truth.retina import Columns, rows_of

Z_EDGES = np.linspace(-6, 6, 121)
"""Bins in which scores are counted; those beyond are in the outer ones."""
N_MOVIES = 2
"""That each cell is analysed with."""


def elsewhere(name: str, n_cells: int, n_movies: int, seed: int) -> Sample:
    """Cells at the operating point with noise that they do not see, a row for each test.

    Of tests that are right no two rows depend on each other: those of a cell are of independent
    movies, those of a movie of cells that were driven by other noise, each cell by its own.

    Parameters
    ----------
    name
        How long the noise is, ``long`` or ``short`` (`operating_point.NOISE_S`).
    n_cells, n_movies
        Each cell is analysed with each movie.
    seed
        Of cells, spikes and movies.
    """
    seconds = point.NOISE_S[name]
    show = Show.of(seconds, 1, seed)
    cells = make_population(n_cells, seed)
    trains = driven_apart(cells, show, seed)
    found = [significance(trains, with_noise(show, [seed, 61, k])) for k in range(n_movies)]
    tests = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    return Sample(rows_of(cells, np.tile(np.arange(n_cells), n_movies)), tests)


def with_noise(show: Show, seed: list[int]) -> Show:
    """The recording with other noise."""
    one = int(np.random.default_rng(seed).integers(2**31))
    seconds = show.noise.length_frames // movies.FRAME_RATE_HZ
    return replace(show, noise=movies.dense_noise(seconds, pixels=point.PIXELS, seed=one))


def driven_apart(cells: Columns, show: Show, seed: int) -> SpikeTrains:
    """Spikes of cells of which each saw noise of its own."""
    trains = []
    for row in range(len(cells["sigma_px"])):
        own = with_noise(show, [seed, 62, row])
        cell = rows_of(cells, slice(row, row + 1))
        trains.append(record(cell, own, seed + 10_000 * (row + 1)).of(0))
    return SpikeTrains(np.concatenate(trains), np.cumsum([train.size for train in trains]))


def significance(trains: SpikeTrains, show: Show) -> dict[str, np.ndarray]:
    """What `dense_noise` says of significance, and how z scores are spread, by cell."""
    inputs = show.inputs(trains)
    found = dense_noise(inputs, DenseNoiseParams()).values
    z = inputs.stas[show.noise.name].z
    assert z is not None
    flat = z.reshape(len(z), -1).astype(np.float64)
    bins = np.clip(np.digitize(flat, Z_EDGES) - 1, 0, Z_EDGES.size - 2)
    squares = (z.astype(np.float64) ** 2).mean(axis=(2, 3))
    tests = {name: found[name] for name in ("p_bonferroni", "p_shift")}
    return tests | {
        "square_by_lag": squares,
        "counts": np.stack([np.bincount(row, minlength=Z_EDGES.size - 1) for row in bins]),
    }
