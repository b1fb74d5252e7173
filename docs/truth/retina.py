"""Cells whose every property is known, and their rates and spikes.

They share no code with the features: fields are summed over a fine grid, and selectivity for
directions acts on the response itself. A population is a table, one array per column. With

    seen(t)  = sum_lag filter[lag] * sum_pixels field * contrast(t - lag)
    drive(t) = seen(t) - low_pass(seen)(t)
    f(u)     = s * log(1 + exp(u / s))

a cell has an ON side and an OFF side, each with a weight and its share of the rate at rest,

    rate = f(u_on + gain * weight_on * drive) + f(u_off - gain * weight_off * drive)

of which f(u_on) + f(u_off) is the rate at rest. What the rate is above rest is multiplied by
``exp(sharpness * (cos(direction - preferred) - 1))`` while a bar moves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.signal import lfilter, oaconvolve

from truth import operating_point as point

Columns = Mapping[str, np.ndarray]

FILTER_FRAMES = 48
_FINE = 9
"""Points along a side of a pixel at which a field is summed."""


def draw_cells(rng: np.random.Generator, kinds: np.ndarray) -> dict[str, np.ndarray]:
    """Cells of these kinds (`operating_point.MIXTURE`), one row each."""
    n = kinds.size
    sigma, aspect = rng.uniform(*point.SIGMA_PX, n), rng.uniform(*point.ASPECT, n)
    edge = 2 * sigma * np.sqrt(aspect)
    weaker = np.zeros(n)
    for kind, (low, high) in point.WEAKER_SIDE.items():
        weaker = np.where(kinds == kind, rng.uniform(low, high, n), weaker)
    is_on = np.where(np.isin(kinds, ("on", "off")), kinds == "on", rng.random(n) < 0.5)
    selective = kinds == "selective"
    return {
        "kind": kinds,
        "centre_x_px": rng.uniform(edge, point.PIXELS - edge) - 0.5,
        "centre_y_px": rng.uniform(edge, point.PIXELS - edge) - 0.5,
        "sigma_px": sigma,
        "sigma_major_px": sigma * np.sqrt(aspect),
        "sigma_minor_px": sigma / np.sqrt(aspect),
        "angle_deg": rng.uniform(0, 180, n),
        "surround_sigma_px": sigma * rng.uniform(*point.SURROUND_SIGMAS, n),
        "surround_weight": rng.uniform(*point.SURROUND_WEIGHT, n),
        "peak_frames": rng.uniform(*point.PEAK_FRAMES, n),
        "trough": rng.uniform(*point.TROUGH, n),
        "weight_on": np.where(is_on, 1.0, weaker),
        "weight_off": np.where(is_on, weaker, 1.0),
        "rest_hz": rng.uniform(*point.REST_HZ, n),
        "gain_hz": rng.uniform(*point.GAIN_HZ, n),
        "sharpness": np.where(selective, rng.uniform(*point.SHARPNESS, n), 0.0),
        "preferred_direction_deg": np.where(selective, rng.uniform(0, 360, n), np.nan),
        "gamma_order": rng.choice(point.GAMMA_ORDERS, n),
    }


def rows_of(columns: Columns, rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """Some rows of a table."""
    return {name: values[rows] for name, values in columns.items()}


def joined(*tables: Columns) -> dict[str, np.ndarray]:
    """Tables with the same columns, one below the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def fields(cells: Columns, pixels: int) -> np.ndarray:
    """Weights of a display's pixels, ``(cell, y, x)``; the centre's sum to 1 on an endless one.

    Parameters
    ----------
    cells
        With places and sizes in pixels of the noise.
    pixels
        Pixels along a side of the movie.
    """
    fine = max(2, round(_FINE * point.PIXELS / pixels))
    at = (np.arange(pixels * fine) + 0.5) / (pixels * fine) * point.PIXELS - 0.5
    step = at[1] - at[0]
    out = np.empty((len(cells["sigma_px"]), pixels, pixels))
    for row in range(len(out)):
        cell = {name: values[row] for name, values in cells.items()}
        x, y = at[None, :] - cell["centre_x_px"], at[:, None] - cell["centre_y_px"]
        angle = np.deg2rad(cell["angle_deg"])
        along = (x * np.cos(angle) - y * np.sin(angle)) / cell["sigma_major_px"]
        across = (x * np.sin(angle) + y * np.cos(angle)) / cell["sigma_minor_px"]
        centre = np.exp(-0.5 * (along**2 + across**2)) / cell["sigma_px"] ** 2
        wide = cell["surround_sigma_px"]
        around = np.exp(-0.5 * (x**2 + y**2) / wide**2) / wide**2
        density = (centre - cell["surround_weight"] * around) / (2 * np.pi) * step**2
        out[row] = density.reshape(pixels, fine, pixels, fine).sum(axis=(1, 3))
    return out


def temporal_filters(cells: Columns) -> np.ndarray:
    """Weights by lag in display frames from 0 on, ``(cell, lag)``; a unit step gives 1 at most."""
    fine = np.linspace(0, 3, 3001)
    share = np.linspace(0, 1.5, 151)[:, None]
    shapes = _shape(fine, share)
    ratio = -np.minimum(_shape(np.linspace(0, 12, 3001), share).min(axis=1), 0) / shapes.max(axis=1)
    out = []
    for peak, trough in zip(cells["peak_frames"], cells["trough"], strict=True):
        late = np.interp(trough, ratio, share[:, 0])
        at_peak = fine[_shape(fine, late).argmax()]
        weights = _shape(np.arange(FILTER_FRAMES) * at_peak / peak, late)
        out.append(weights / np.cumsum(weights).max())
    return np.array(out)


def _shape(t: np.ndarray, late: np.ndarray | float) -> np.ndarray:
    """A fast lobe minus a slow one, which is 1.9 times later."""
    slow = t / 1.9
    return (t * np.exp(1 - t)) ** 5 - late * (slow * np.exp(1 - slow)) ** 5


def drives(cells: Columns, light: np.ndarray) -> np.ndarray:
    """Drive from the light in each field in each display frame, ``(cell, frame)``."""
    seen = oaconvolve(light, temporal_filters(cells), mode="full", axes=1)[:, : light.shape[1]]
    keep = np.exp(-point.FRAME_S / point.ADAPTATION_S)
    return seen - lfilter([1 - keep], [1, -keep], seen, axis=1)


def whole_filters(cells: Columns) -> np.ndarray:
    """What a flash of one frame makes of the drive, by lag, ``(cell, lag)``."""
    flash = np.zeros((len(cells["sigma_px"]), 2 * FILTER_FRAMES))
    flash[:, 0] = 1
    return drives(cells, flash)


def rates(cells: Columns, drive: np.ndarray, direction_deg: np.ndarray) -> np.ndarray:
    """Rate in Hz in each display frame, ``(cell, frame)``.

    Parameters
    ----------
    cells, drive
        As above.
    direction_deg
        Where a bar moves to in each frame; NaN where none does.
    """
    rest = cells["rest_hz"][:, None]
    above = sum(side_rates(cells, drive)) - rest
    turn = np.deg2rad(direction_deg - np.nan_to_num(cells["preferred_direction_deg"])[:, None])
    tuning = np.exp(cells["sharpness"][:, None] * (np.nan_to_num(np.cos(turn), nan=1.0) - 1))
    return rest + tuning * np.maximum(above, 0) + np.minimum(above, 0)


def side_rates(cells: Columns, drive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the ON and the OFF side of each cell give to its rate."""
    both = cells["weight_on"] + cells["weight_off"]
    found = []
    for weight, sign in ((cells["weight_on"], 1.0), (cells["weight_off"], -1.0)):
        with np.errstate(divide="ignore"):  # a side without weight is silent: log(0)
            rest = _inverse_rectified(cells["rest_hz"] * weight / both)[:, None]
        found.append(_rectified(rest + sign * (cells["gain_hz"] * weight)[:, None] * drive))
    return found[0], found[1]


def _rectified(u: np.ndarray) -> np.ndarray:
    return point.SOFTNESS_HZ * np.logaddexp(0, u / point.SOFTNESS_HZ)


def _inverse_rectified(rate: np.ndarray) -> np.ndarray:
    return point.SOFTNESS_HZ * np.log(np.expm1(rate / point.SOFTNESS_HZ))


def drift(rng: np.random.Generator, n_frames: int) -> np.ndarray:
    """Slow changes of a cell's excitability, a factor for each frame."""
    sd, tau_s = point.DRIFT
    keep = np.exp(-1 / tau_s)
    seconds = int(n_frames * point.FRAME_S) + 2
    steps = rng.standard_normal(seconds) * np.sqrt(1 - keep**2)
    steps[0] = rng.standard_normal()
    course = lfilter([1], [1, -keep], steps)
    log = np.interp(np.arange(n_frames) * point.FRAME_S, np.arange(seconds), course)
    return np.exp(sd * log - sd**2 / 2)


def spikes(
    rng: np.random.Generator, rate_hz: np.ndarray, order: int, refractory_s: float
) -> np.ndarray:
    """Spike times of one cell, whose rate is constant within a frame; s.

    Intervals are gamma distributed in the time in which the rate is 1; order 1 is a Poisson
    process. Spikes within the dead time after another one are left out.
    """
    expected = np.r_[0.0, np.cumsum(rate_hz * point.FRAME_S)]
    before = 20  # intervals before the beginning, so that it is not at a spike
    n = int(expected[-1] + 8 * np.sqrt(expected[-1] + 1)) + 2 * before
    when = np.cumsum(rng.gamma(order, 1 / order, n)) - before + rng.random()
    when = when[(when >= 0) & (when < expected[-1])]
    times = np.interp(when, expected, np.arange(expected.size) * point.FRAME_S)
    while (short := np.diff(times, prepend=-np.inf) < refractory_s).any():
        # Of a run of short intervals only the first spike after its beginning is too early.
        times = times[~(short & ~np.r_[False, short[:-1]])]
    return times
