"""Model ganglion cells and their spikes.

A cell sees the contrast ``(level - 127) / 128`` of every movie through a difference of Gaussians
in space and a biphasic filter in time (display frames)::

    drive(t) = polarity * gain * sum_lag filter[lag] * field_contrast(t - lag)
    rate(t)  = max(0, baseline + drive(t)) * exp(direction_gain * tanh(motion(t) / 0.25))

``motion`` is a correlation-type (Hassenstein-Reichardt) detector: two Gaussian subunits sit on
either side of the field's centre along the preferred direction, first A, then B; with the same
temporal filter, ``motion = lowpass(A(t - 4) * B(t) - A(t) * B(t - 4))``. It is positive where
something moves from A to B, negative the other way, and zero for flashes of the whole field, so
a cell with ``direction_gain`` > 0 answers more to its preferred direction than to any other, for
light and dark edges alike. Spikes are a Poisson process of that rate with an absolute dead time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.simulate.movies import GREY, Frames

FILTER_FRAMES = 40
"""Length of the temporal filters; lag 0 is the frame being shown."""
CHIP_SIZE = 65
"""Rows and columns of the chip, numbered from 1."""
_MOTION_DELAY_FRAMES = 4
_MOTION_SMOOTHING_FRAMES = 6.0
_MOTION_SCALE = 0.25
_BLOCK_BYTES = 32_000_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ModelCell:
    """A ganglion cell whose properties are known.

    Parameters
    ----------
    row, column
        Place on the chip, 1..65.
    centre_u, centre_v
        Centre of the field on the display's unit square (u right, v down): in a movie of
        ``width`` pixels, pixel ``x = u * width - 0.5``.
    sigma, surround_sigma, surround_weight
        SDs of centre and surround in display sides; weight of the surround (centre 1).
    polarity
        +1 for ON, -1 for OFF.
    peak_frames, trough
        Time to the peak of the temporal filter, and its trough relative to the peak's size.
    baseline_hz, gain_hz
        Rate on grey; peak rate that a step of contrast 1 on the whole centre adds.
    refractory_s
        Absolute dead time.
    preferred_direction_deg, direction_gain
        Counter-clockwise, 0 to the right; gain 0 for a cell without direction selectivity.
    """

    row: int
    column: int
    centre_u: float
    centre_v: float
    sigma: float
    surround_sigma: float
    surround_weight: float
    polarity: int
    peak_frames: float
    trough: float
    baseline_hz: float
    gain_hz: float
    refractory_s: float
    preferred_direction_deg: float
    direction_gain: float

    @property
    def is_direction_selective(self) -> bool:
        """Whether the cell prefers a direction."""
        return self.direction_gain > 0

    def temporal_filter(self) -> Floats:
        """Weights by lag in display frames, shape ``(40,)``, without the polarity's sign.

        Scaled so that the response to a unit step peaks at 1.
        """
        time = np.arange(FILTER_FRAMES) / self.peak_frames
        late = time / 1.9
        shape = (time * np.exp(1 - time)) ** 5 - self.trough * (late * np.exp(1 - late)) ** 5
        return np.asarray(shape / np.cumsum(shape).max(), dtype=np.float64)


def make_retina(n_cells: int, seed: int) -> list[ModelCell]:
    """Make a mosaic of ON and OFF cells, about every fourth of them direction selective.

    The place on the chip follows the field's centre (column with u, row with v), a little
    scattered; no two cells share a place.

    Parameters
    ----------
    n_cells
        Number of cells, 0 to 1000.
    seed
        The same seed gives the same cells.

    Raises
    ------
    ParameterError
        If ``n_cells`` is out of range.

    Examples
    --------
    >>> cells = make_retina(8, seed=1)
    >>> [c.polarity for c in cells], sum(c.is_direction_selective for c in cells)
    ([1, -1, 1, -1, 1, -1, 1, -1], 2)
    """
    if not 0 <= n_cells <= 1000:
        raise ParameterError(f"n_cells must be 0 to 1000, got {n_cells}.")
    rng = np.random.default_rng([seed, 1])
    cells: list[ModelCell] = []
    taken: set[tuple[int, int]] = set()
    while len(cells) < n_cells:
        u, v = rng.uniform(0.15, 0.85, 2)
        column, row = (round(1 + (CHIP_SIZE - 1) * w + rng.normal(0, 0.7)) for w in (u, v))
        if (row, column) in taken:
            continue
        taken.add((row, column))
        k = len(cells)
        selective = k % 8 in (2, 5)
        sigma = rng.uniform(0.05, 0.075)
        cells.append(
            ModelCell(
                row=row,
                column=column,
                centre_u=float(u),
                centre_v=float(v),
                sigma=float(sigma),
                surround_sigma=float(sigma * rng.uniform(2.5, 3.5)),
                surround_weight=float(rng.uniform(0.25, 0.4)),
                polarity=1 if k % 2 == 0 else -1,
                peak_frames=float(rng.uniform(3.5, 5.0)),
                trough=float(rng.uniform(0.38, 0.48)),
                baseline_hz=float(rng.uniform(3.0, 8.0)),
                # The multiplicative gain of a selective cell would otherwise drive it too high.
                gain_hz=float(rng.uniform(65.0, 95.0) * (0.7 if selective else 1.0)),
                refractory_s=float(rng.uniform(0.0015, 0.002)),
                preferred_direction_deg=float(rng.uniform(0, 360)) if selective else np.nan,
                direction_gain=float(rng.uniform(1.2, 1.7)) if selective else 0.0,
            )
        )
    return cells


def silenced(cell: ModelCell) -> ModelCell:
    """Give the cell at the same place that never fires."""
    return replace(
        cell,
        baseline_hz=0.0,
        gain_hz=0.0,
        preferred_direction_deg=np.nan,
        direction_gain=0.0,
    )


def firing_rates(
    cells: Sequence[ModelCell], shown: Sequence[tuple[int, Frames]], n_frames: int
) -> Floats:
    """Rate of every cell in every display frame.

    Parameters
    ----------
    cells
        The retina.
    shown
        Per presentation the display frame it begins at and the movie, ``(frames, y, x)``; the
        display is grey elsewhere.
    n_frames
        Display frames in all.

    Returns
    -------
    ndarray
        Hz, shape ``(cells, n_frames)``.
    """
    from scipy.signal import lfilter, oaconvolve

    if not cells:
        return np.zeros((0, n_frames))
    selective = [i for i, cell in enumerate(cells) if cell.is_direction_selective]
    n_channels = len(cells) + 2 * len(selective)
    contrast = np.zeros((n_channels, n_frames), dtype=np.float64)
    seen: dict[int, Floats] = {}
    for start, frames in shown:
        if id(frames) not in seen:
            seen[id(frames)] = _field_contrast(frames, _fields(cells, *frames.shape[1:]))
        contrast[:, start : start + len(frames)] = seen[id(frames)]

    filters = np.stack([cell.temporal_filter() for cell in cells])
    owner = np.r_[np.arange(len(cells)), np.repeat(np.asarray(selective, dtype=np.intp), 2)]
    filtered = oaconvolve(contrast, filters[owner], mode="full", axes=1)[:, :n_frames]

    gain = np.array([cell.polarity * cell.gain_hz for cell in cells])
    baseline = np.array([cell.baseline_hz for cell in cells])
    rates = np.maximum(0.0, baseline[:, None] + gain[:, None] * filtered[: len(cells)])
    if selective:
        first, second = filtered[len(cells) :: 2], filtered[len(cells) + 1 :: 2]
        delay = _MOTION_DELAY_FRAMES
        motion = np.zeros_like(first)
        motion[:, delay:] = (
            first[:, :-delay] * second[:, delay:] - first[:, delay:] * second[:, :-delay]
        )
        decay = np.exp(-1 / _MOTION_SMOOTHING_FRAMES)
        motion = lfilter([1 - decay], [1, -decay], motion, axis=1)
        strength = np.array([cells[i].direction_gain for i in selective])
        rates[selective] *= np.exp(strength[:, None] * np.tanh(motion / _MOTION_SCALE))
    return np.asarray(rates, dtype=np.float64)


def draw_spikes(
    rates_hz: Floats, edges_s: Floats, refractory_s: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Spike times of one cell from its rate, in whole microseconds.

    A Poisson process of the piecewise constant rate; events within the dead time of the last
    spike kept are removed, which is exactly a Poisson process with an absolute dead time.

    Parameters
    ----------
    rates_hz
        Shape ``(n,)``, the rate between consecutive edges.
    edges_s
        Shape ``(n + 1,)``, ascending.
    refractory_s
        Absolute dead time.
    rng
        Source of chance.

    Examples
    --------
    >>> spikes = draw_spikes(np.array([50.0]), np.array([0.0, 10.0]), 0.002, np.random.default_rng(0))
    >>> 400 < len(spikes) < 520, bool(np.diff(spikes).min() >= 2000)
    (True, True)
    """  # noqa: E501
    expected = np.r_[0.0, np.cumsum(rates_hz * np.diff(edges_s))]
    where = np.sort(rng.uniform(0.0, expected[-1], rng.poisson(expected[-1])))
    candidates = np.rint(np.interp(where, expected, edges_s) * 1e6).astype(np.int64)
    dead = int(np.ceil(refractory_s * 1e6))
    kept: list[int] = []
    last = -dead
    for time in candidates.tolist():
        if time - last >= dead:
            kept.append(time)
            last = time
    return np.array(kept, dtype=np.int64)


def _fields(cells: Sequence[ModelCell], height: int, width: int) -> npt.NDArray[np.float32]:
    """Spatial weights ``(cells + 2 per selective cell, pixels)``: fields, then subunits A, B."""
    fields = [
        _gaussian(c.centre_u, c.centre_v, c.sigma, height, width)
        - c.surround_weight * _gaussian(c.centre_u, c.centre_v, c.surround_sigma, height, width)
        for c in cells
    ]
    for cell in cells:
        if cell.is_direction_selective:
            angle = np.deg2rad(cell.preferred_direction_deg)
            for side in (-0.5, 0.5):
                u = cell.centre_u + side * cell.sigma * np.cos(angle)
                v = cell.centre_v - side * cell.sigma * np.sin(angle)
                fields.append(_gaussian(u, v, cell.sigma, height, width))
    return np.stack(fields).reshape(len(fields), -1).astype(np.float32)


def _gaussian(u: float, v: float, sigma: float, height: int, width: int) -> Floats:
    """Integrate a Gaussian of weight 1 on the plane over each pixel of the display."""
    from scipy.special import ndtr

    across = np.diff(ndtr((np.arange(width + 1) / width - u) / sigma))
    down = np.diff(ndtr((np.arange(height + 1) / height - v) / sigma))
    return np.asarray(np.outer(down, across), dtype=np.float64)


def _field_contrast(frames: Frames, fields: npt.NDArray[np.float32]) -> Floats:
    """Contrast in each field at each frame, ``(fields, frames)``, in blocks of bounded size."""
    step = max(1, _BLOCK_BYTES // (4 * fields.shape[1]))
    blocks = []
    for start in range(0, len(frames), step):
        block = np.asarray(frames[start : start + step], dtype=np.float32)
        blocks.append(fields @ ((block.reshape(len(block), -1) - GREY) / 128).T)
    return np.concatenate(blocks, axis=1).astype(np.float64)
