"""A unit's temporal filter per display frame, from a stimulus whose images are held.

The average before the spikes of a held image is the filter smeared by the hold. A regression of
the spikes on the light knows that neighbouring frames had the same light, and undoes it, as far as
the spikes tell: where they do not tell, the filter is left smooth, the smoother the longer ago, and
as much as spikes that the regression has not seen are predicted best by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

PENALTIES = 10.0 ** np.arange(-8, 0.25, 0.5)
"""Strengths that are tried, relative to the mean square of the light."""
SIZE = 0.1
"""Of the weights' size beside their curvature at the first frame, so that all have a penalty."""
N_FOLDS = 5
"""Parts of the time that are predicted from the others."""
CUT_WEIGHT, CUT_PART = 0.25, 6
"""A window cuts a filter with larger weights than this part of the peak in its earliest sixth."""
_BLOCKS_PER_FOLD = 2
_BLOCK_BYTES = 1 << 25
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class TemporalFilters:
    """Filters of all units, float64; NaN for units whose spikes or light do not vary.

    Parameters
    ----------
    weights
        ``(unit, lag)``: spikes in a frame for a unit of light, at each lag.
    penalty
        The strength that predicted best, of `PENALTIES`, ``(unit,)``.
    r2
        Part of the variance of the spikes per frame that is predicted where the regression has not
        seen them, ``(unit,)``; not above 0: there is nothing that the filter explains.
    """

    weights: Float64
    penalty: Float64
    r2: Float64


def temporal_filters(
    counts: Int64, times: Int64, light: Float64, lags: Int64, grid_frames: int
) -> TemporalFilters:
    """Regress spikes on the light that each unit saw, by display frames before the spikes.

    ``c_n = n_n (a + sum_lag w_lag s_(n + lag))`` by least squares over the frames, each weighted
    by ``n_n``, and a penalty ``strength * T * roughness``, where T is the sum of squares of the
    light, mean over the lags. The strength is the one with the smallest error of prediction: the
    time is cut into 10 blocks, every fifth is predicted from the others.

    Parameters
    ----------
    counts
        Spikes in each frame, ``(unit, frame)``, 0 where `times` is.
    times
        How often each frame was shown, ``(frame,)``; 0 for a frame whose window was not.
    light
        What each unit saw of each refresh, such as the movie through its spatial map,
        ``(unit, refresh)``.
    lags
        Display frames relative to the spike's, ascending.
    grid_frames
        Display frames of a refresh.

    Examples
    --------
    Images that stay two frames; a cell that fires for light of the frame before, not for others:

    >>> rng = np.random.default_rng(1)
    >>> light = rng.standard_normal((1, 2000))
    >>> counts = rng.poisson(1 + 0.3 * np.clip(np.roll(np.repeat(light, 2, axis=1), 1), -3, 3))
    >>> counts[:, :3] = 0
    >>> times = np.r_[0, 0, 0, np.ones(3997, dtype=int)]
    >>> found = temporal_filters(counts, times, light, np.array([-3, -2, -1, 0]), 2)
    >>> found.weights.round(1) + 0
    array([[0. , 0. , 0.3, 0. ]])
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    n_units = len(counts)
    weights = np.full((n_units, lags.size), np.nan)
    penalty, r2 = np.full((2, n_units), np.nan)
    rough = roughness(lags)
    with threadpool_limits(limits=1, user_api="blas"):
        step = max(1, _BLOCK_BYTES // (8 * light.shape[1] * (lags.size // grid_frames + 3)))
        for start in range(0, n_units, step):
            rows = np.arange(start, min(start + step, n_units))
            sums = _sums(counts[rows], times, light[rows], lags, grid_frames)
            rows, sums = rows[sums.varying], sums.of(sums.varying)
            if rows.size:
                weights[rows], penalty[rows], r2[rows] = sums.best(rough)
    return TemporalFilters(weights, penalty, r2)


def roughness(lags: Int64) -> Float64:
    """How rough weights w are, ``w @ roughness(lags) @ w``.

    ``sum_lag |lag|^3 (w_(lag - 1) - 2 w_lag + w_(lag + 1))^2 + 0.1 sum_lag w_lag^2``, the first sum
    over lags with two neighbours; lag 0 counts as 1. The longer ago the light was, the slower
    filters change. With this power a filter that is slower by a factor, and else the same, is as
    rough: the sum is that of squared curvatures over the logarithm of the lag, but for the slope.

    Parameters
    ----------
    lags
        Ascending, consecutive.

    Examples
    --------
    >>> roughness(np.array([-3, -2, -1])).round(1)
    array([[  8.1, -16. ,   8. ],
           [-16. ,  32.1, -16. ],
           [  8. , -16. ,   8.1]])
    """
    bend = np.diff(np.eye(lags.size), 2, axis=0)
    ago = np.maximum(np.abs(lags[1:-1]), 1).astype(np.float64)
    return np.asarray(bend.T @ (ago[:, None] ** 3 * bend) + SIZE * np.eye(lags.size))


@dataclass(frozen=True, slots=True, eq=False)
class _Sums:
    """Sums of squares and products over the frames of each fold, around the means of all frames.

    Of light and light ``(fold, unit, lag, lag)``, light and spikes ``(fold, unit, lag)``, spikes
    and spikes ``(fold, unit)``.
    """

    light: Float64
    both: Float64
    spikes: Float64

    @property
    def varying(self) -> npt.NDArray[np.bool_]:
        """Units whose spikes and light differ from frame to frame."""
        trace = self.light.sum(axis=0).trace(axis1=1, axis2=2)
        return np.asarray((trace > 0) & (self.spikes.sum(axis=0) > 0))

    def of(self, units: npt.NDArray[np.bool_]) -> _Sums:
        """The sums of some of the units."""
        return _Sums(self.light[:, units], self.both[:, units], self.spikes[:, units])

    def best(self, rough: Float64) -> tuple[Float64, Float64, Float64]:
        """Weights, the strength that predicts best, and the part of the variance it predicts."""
        light, both = self.light.sum(axis=0), self.both.sum(axis=0)
        scale = light.trace(axis1=1, axis2=2) / light.shape[-1]
        penalties = scale[:, None] * PENALTIES
        # In u, with w = turn.T u, the penalty is the size of u, and one decomposition serves all.
        turn = np.linalg.inv(np.linalg.cholesky(rough))
        error = np.zeros_like(penalties)
        for fold in range(N_FOLDS):
            power, vectors = np.linalg.eigh(turn @ (light - self.light[fold]) @ turn.T)
            vectors = turn.T @ vectors
            seen = vectors.swapaxes(1, 2) @ (both - self.both[fold])[..., None]
            weights = vectors @ (seen / (power[..., None] + penalties[:, None]))
            error += self.spikes[fold][:, None]
            error += np.einsum("ulr,ulr->ur", weights, self.light[fold] @ weights)
            error -= 2 * np.einsum("ulr,ul->ur", weights, self.both[fold])
        rows, chosen = np.arange(len(error)), error.argmin(axis=1)
        added = penalties[rows, chosen, None, None] * rough
        found = np.linalg.solve(light + added, both[..., None])[..., 0]
        r2 = 1 - error[rows, chosen] / self.spikes.sum(axis=0)
        return found, PENALTIES[chosen], r2


def _sums(counts: Int64, times: Int64, light: Float64, lags: Int64, grid: int) -> _Sums:
    n_units, n = light.shape
    shown = np.zeros((n, grid))
    shown.reshape(-1)[: times.size] = times
    spikes = np.zeros((n_units, n, grid))
    spikes.reshape(n_units, -1)[:, : times.size] = counts
    n_columns = lags.size + 1
    squares = np.zeros((N_FOLDS, n_units, n_columns, n_columns))
    products = np.zeros((N_FOLDS, n_units, n_columns))
    # What a frame sees at any lag is one of a few refreshes around its own: a row each, and ones.
    first = int(lags[0]) // grid
    width = (int(lags[-1]) + grid - 1) // grid - first + 1
    seen = np.ones((n_units, width + 1, n))
    for row in range(width):
        seen[:, row] = np.roll(light, -(first + row), axis=1)
    n_blocks = N_FOLDS * _BLOCKS_PER_FOLD
    blocks = np.arange(n) * n_blocks // n
    cuts = np.searchsorted(blocks, np.arange(n_blocks + 1))
    for phase in range(grid):
        # Frames at the same place in their refresh see the same refreshes at each lag.
        place = np.append((phase + lags) // grid - first, width)
        # Phases that were shown equally often have the same sums of light.
        if phase == 0 or (shown[:, phase] != shown[:, phase - 1]).any():
            sums = np.zeros((N_FOLDS, n_units, width + 1, width + 1))
            for block in range(n_blocks):
                mine = slice(cuts[block], cuts[block + 1])
                part = seen[..., mine]
                sums[block % N_FOLDS] += (part * shown[mine, phase]) @ part.swapaxes(1, 2)
        with_spikes = np.zeros((N_FOLDS, n_units, width + 1))
        for block in range(n_blocks):
            mine = slice(cuts[block], cuts[block + 1])
            with_spikes[block % N_FOLDS] += np.einsum(
                "uck,uk->uc", seen[..., mine], spikes[:, mine, phase]
            )
        squares += sums[..., place[:, None], place]
        products += with_spikes[..., place]
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.where(shown > 0, spikes**2 / shown, 0.0).sum(axis=2)
    of_fold = blocks % N_FOLDS == np.arange(N_FOLDS)[:, None]
    return _centred(squares, products, np.einsum("un,fn->fu", power, of_fold.astype(np.float64)))


def _centred(squares: Float64, products: Float64, power: Float64) -> _Sums:
    """Sums around the means; the last column of the products is that of ones."""
    total, n = squares.sum(axis=0), squares[..., -1, -1]
    mean = total[:, :-1, -1] / total[:, -1:, -1]
    rate = products.sum(axis=0)[:, -1] / total[:, -1, -1]
    sums = squares[..., :-1, -1]
    crossed = mean[..., :, None] * sums[..., None, :]
    of_light = squares[..., :-1, :-1] - crossed - crossed.swapaxes(-1, -2)
    of_light += n[..., None, None] * mean[:, :, None] * mean[:, None, :]
    of_both = products[..., :-1] - mean * products[..., -1:]
    of_both -= rate[:, None] * (sums - n[..., None] * mean)
    of_spikes = power - 2 * rate * products[..., -1] + n * rate**2
    # What is the same in all frames differs from its mean by rounding only.
    of_spikes = np.where(of_spikes > _ROUNDING * power, of_spikes, 0.0)
    even = of_light.sum(axis=0).trace(axis1=1, axis2=2) <= _ROUNDING * (
        total.trace(axis1=1, axis2=2) - total[:, -1, -1]
    )
    of_light[:, even] = 0.0
    return _Sums(of_light, of_both, of_spikes)


def peaks(weights: npt.NDArray[Any], lags: Int64) -> tuple[Float64, Float64]:
    """Where filters are largest, and the ratio of their trough to it.

    Parameters
    ----------
    weights
        ``(unit, lag)``, positive at the peak.
    lags
        Ascending, consecutive.

    Returns
    -------
    lag : float64 array, shape ``(unit,)``
        Lag of the largest weight, between lags by the parabola through it and its neighbours; NaN
        at the first and at the last lag, where the weights may be larger beyond.
    ratio : float64 array, shape ``(unit,)``
        ``-min / max`` of the weights, 0 without a negative one. Both are NaN where no weight is
        positive.

    Examples
    --------
    >>> lag, ratio = peaks(np.array([[0.0, -1.0, 0.0, 3.0, 4.0, 3.0, 0.0]]), np.arange(-7, 0))
    >>> lag, ratio
    (array([-3.]), array([0.25]))
    """
    values = np.asarray(weights, dtype=np.float64)
    n_lags = values.shape[1]
    known = np.isfinite(values).all(axis=1) & (values.max(axis=1, initial=-np.inf) > 0)
    values = np.where(known[:, None], values, 0.0)
    rows, place = np.arange(len(values)), values.argmax(axis=1)
    before, at, after = (values[rows, np.clip(place + step, 0, n_lags - 1)] for step in (-1, 0, 1))
    bend = 2 * at - before - after
    inside = (place > 0) & (place < n_lags - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.where(bend > 0, 0.5 * (after - before) / bend, 0.0)
        ratio = np.abs(values.min(axis=1, initial=0.0)) / at
    lag = lags[place] + between
    return np.where(known & inside, lag, np.nan), np.where(known, ratio, np.nan)


def cut_by_window(weights: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Filters that have not died away at the earliest lags, so that more may lie before them.

    Parameters
    ----------
    weights
        ``(unit, lag)``, the earliest lag first, 1 at the peak; those that are NaN are not cut.

    Returns
    -------
    bool array, shape ``(unit,)``
        Whether a weight in the earliest sixth of the lags, and at least in two, is beyond 0.25.

    Examples
    --------
    >>> cut_by_window(np.array([[0.0, 0.1, -0.4, 1.0], [0.0, -0.4, 1.0, 0.0]]))
    array([False,  True])
    """
    n_earliest = max(2, -(-weights.shape[1] // CUT_PART))
    return np.asarray((np.abs(weights[:, :n_earliest]) > CUT_WEIGHT).any(axis=1))
