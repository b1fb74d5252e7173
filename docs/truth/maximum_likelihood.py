"""The best that can be made of the spikes in noise: fields by maximum likelihood.

The field has the seven parameters of the fit in `dense_noise` (height, offset, centre, two standard
deviations, angle). All else is given: the temporal filter, the rate at rest, the gain and the
nonlinearity, which no experimenter knows, and the truth to begin with. So nothing that
starts from the spikes alone can be much better.
"""

from __future__ import annotations

import numpy as np

from hdmea.kernels.pixel_gaussian import PixelWindow
from truth import operating_point as point
from truth import retina
from truth.recordings import Show
from truth.retina import Columns, rows_of

_LEAST_HZ = 0.05
"""Less than that no model knows of a rate."""
_STEPS = 12
_WINDOW = PixelWindow(0, 0, point.PIXELS, point.PIXELS)


def most_likely(
    cells: Columns, show: Show, counts: np.ndarray, wanted: np.ndarray
) -> dict[str, np.ndarray]:
    """Centre and size of the wanted cells' fields, NaN for the others.

    Parameters
    ----------
    cells, show
        The truth, and what was shown.
    counts
        Spikes in each frame of the noise, ``(cell, frame)``.
    wanted
        Which cells.
    """
    found = np.full((3, len(counts)), np.nan)
    for row in np.flatnonzero(wanted):
        cell = rows_of(cells, slice(row, row + 1))
        found[:, row] = _fit(cell, show, counts[row])
    return dict(zip(("ml_x_px", "ml_y_px", "ml_sigma_px"), found, strict=True))


def _fit(cell: Columns, show: Show, counts: np.ndarray) -> np.ndarray:
    """Centre x and y, and geometric mean of both standard deviations, by Fisher scoring."""
    at = _truth(cell)
    best, slope, information = _likelihood(at, cell, show, counts)
    damping = 1e-3
    for _ in range(_STEPS):
        scaled = information + damping * np.diag(np.diag(information))
        tried = at + np.linalg.solve(scaled, slope)
        inside = (
            np.isfinite(tried).all() and tried[4] * tried[6] > tried[5] ** 2 and tried[4] > 0.05
        )
        found = _likelihood(tried, cell, show, counts) if inside else None
        if found is None or not found[0] > best:
            damping *= 10
            continue
        gained = found[0] - best
        at, (best, slope, information), damping = tried, found, damping / 10
        if gained < 1e-3:
            break
    _, _, x, y, s_xx, s_xy, s_yy = at
    return np.array([x, y, (s_xx * s_yy - s_xy**2) ** 0.25])


def _truth(cell: Columns) -> np.ndarray:
    """Height, offset, x, y, and the covariances xx, xy, yy; y downwards."""
    major, minor = cell["sigma_major_px"][0], cell["sigma_minor_px"][0]
    angle = np.deg2rad(cell["angle_deg"][0])
    along, across = (np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))
    covariance = major**2 * np.outer(along, along) + minor**2 * np.outer(across, across)
    height = 1 / (2 * np.pi * major * minor)
    x, y = cell["centre_x_px"][0], cell["centre_y_px"][0]
    return np.array([height, 0, x, y, *covariance[[0, 0, 1], [0, 1, 1]]])


def _likelihood(
    at: np.ndarray, cell: Columns, show: Show, counts: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Logarithm of the likelihood, its slope, and the information."""
    bell = _WINDOW.bell(*at[2:])
    maps = np.stack([bell[0], np.ones_like(bell[0]), *at[0] * bell[1:]]).reshape(7, -1)
    light = np.repeat(maps.astype(np.float32) @ show.images.T, show.hold_frames, axis=1).astype(
        np.float64
    )
    seven = {name: np.repeat(values, 7) for name, values in cell.items()}
    by_parameter = retina.drives(seven, light)
    drive = at[0] * by_parameter[:1] + at[1] * by_parameter[1:2]
    rate = sum(retina.side_rates(cell, drive))[0]
    step = 1e-4
    above, below = (sum(retina.side_rates(cell, drive + d))[0] for d in (step, -step))
    slopes = by_parameter * (above - below) / (2 * step) * point.FRAME_S
    mean = np.maximum(rate, _LEAST_HZ) * point.FRAME_S
    value = float((counts * np.log(mean) - mean).sum())
    return value, slopes @ (counts / mean - 1), (slopes / mean) @ slopes.T
