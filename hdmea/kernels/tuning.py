"""Direction and orientation tuning: vector sums, and their significance by permutation.

Angles are degrees, counter-clockwise. A response is a mean count per direction, not negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

DIRECTION, ORIENTATION = 1, 2
"""Harmonics of the two vector sums."""
_NOTHING = 1e-9
"""Vector sums below this part of the whole are rounding."""
_BALANCE = 0.01
_SPREAD_DEG = 1.0
# Units and permutations in a block: what is computed of them stays in the processor's cache.
_UNITS = 64
_PERMUTATIONS = 256


@dataclass(frozen=True, slots=True, eq=False)
class Tuning:
    """Indices and angles of all units, one entry per unit; NaN where nothing is left to sum.

    Parameters
    ----------
    dsi, osi
        Length of the vector sum over the sum, 0 to 1.
    over_max
        Length of the first vector sum over the largest response.
    direction_deg, orientation_deg
        Angle of the first sum, 0 to 360; half the angle of the second, 0 to 180. NaN also where
        the sum is zero.
    pref_null
        Contrast of the shown direction nearest to the preferred one and its opposite. NaN also
        where that was not shown, or neither has a response.
    """

    dsi: Float64
    osi: Float64
    over_max: Float64
    direction_deg: Float64
    orientation_deg: Float64
    pref_null: Float64


@dataclass(frozen=True, slots=True, eq=False)
class PermutationTest:
    """Tuning against that of permuted labels, one entry per unit.

    Parameters
    ----------
    p_dsi, p_osi
        ``(1 + #{permuted >= observed}) / (n_permutations + 1)``, of the vector sums of scores.
    dsi_null
        Mean DSI of the permutations.
    """

    p_dsi: Float64
    p_osi: Float64
    dsi_null: Float64


def is_balanced(directions_deg: npt.ArrayLike, harmonic: int) -> bool:
    """Whether equal responses to these directions have a vector sum of zero (to 1 %).

    Examples
    --------
    >>> is_balanced([0, 90, 180, 270], DIRECTION), is_balanced([0, 180], ORIENTATION)
    (True, False)
    """
    waves = np.exp(1j * harmonic * np.deg2rad(np.asarray(directions_deg, dtype=np.float64)))
    return bool(abs(waves.mean()) <= _BALANCE) if waves.size else False


def tuning(response: npt.ArrayLike, directions_deg: npt.ArrayLike) -> Tuning:
    """Direction and orientation selectivity by vector sums.

    ``dsi = |sum v e^(i theta)| / sum v`` and ``osi = |sum v e^(2 i theta)| / sum v`` [1]_.

    Parameters
    ----------
    response
        v, not negative, ``(unit, direction)``.
    directions_deg
        Every direction once, ascending.

    References
    ----------
    .. [1] Mazurek M., Kager M., Van Hooser S.D. (2014) Front Neural Circuits 8, 92.

    Examples
    --------
    >>> found = tuning([[3.0, 1.0, 0.0, 1.0]], [0, 90, 180, 270])
    >>> found.dsi, found.direction_deg, found.pref_null
    (array([0.6]), array([0.]), array([1.]))
    """
    v = np.asarray(response, dtype=np.float64)
    theta = np.asarray(directions_deg, dtype=np.float64)
    total = v.sum(axis=1)
    total = np.where(total > 0, total, np.nan)
    length, angle = {}, {}
    for harmonic in (DIRECTION, ORIENTATION):
        radians = harmonic * np.deg2rad(theta)
        x, y = (v * np.cos(radians)).sum(axis=1), (v * np.sin(radians)).sum(axis=1)
        length[harmonic] = np.hypot(x, y)
        turned = np.mod(np.rad2deg(np.arctan2(y, x)) / harmonic, 360 / harmonic)
        # rounding just below a whole turn
        turned = np.where(turned >= 360 / harmonic, 0.0, turned)
        angle[harmonic] = np.where(length[harmonic] > _NOTHING * total, turned, np.nan)
    return Tuning(
        dsi=np.minimum(length[DIRECTION] / total, 1.0),
        osi=np.minimum(length[ORIENTATION] / total, 1.0),
        over_max=length[DIRECTION] / np.where(np.isnan(total), np.nan, v.max(axis=1, initial=0)),
        direction_deg=angle[DIRECTION],
        orientation_deg=angle[ORIENTATION],
        pref_null=_pref_null(v, theta, angle[DIRECTION]),
    )


def _pref_null(v: Float64, theta: Float64, preferred_deg: Float64) -> Float64:
    found = np.full(len(v), np.nan)
    known = np.flatnonzero(~np.isnan(preferred_deg))
    if not known.size:
        return found
    away = _apart(preferred_deg[known, None], theta)
    # of two directions equally near the first, whatever the rounding
    preferred = (away <= away.min(axis=1, keepdims=True) + _NOTHING).argmax(axis=1)
    from_opposite = _apart(theta[preferred, None] + 180, theta)
    null = from_opposite.argmin(axis=1)
    shown = from_opposite.min(axis=1) <= _SPREAD_DEG
    r_pref, r_null = v[known, preferred], v[known, null]
    defined = shown & (r_pref + r_null > 0)
    rows = known[defined]
    found[rows] = ((r_pref - r_null)[defined]) / ((r_pref + r_null)[defined])
    return found


def _apart(one: npt.ArrayLike, other: npt.ArrayLike) -> Float64:
    """Angle between two directions, 0 to 180."""
    turn: Float64 = np.mod(np.subtract(one, other, dtype=np.float64), 360)
    return np.minimum(turn, 360 - turn)


def permuted_labels(
    labels: npt.ArrayLike, n_trials: int, n_permutations: int, seed: int
) -> npt.NDArray[np.int16]:
    """Labels of all trials, put in random order, ``(permutation, trial, label)``.

    Every label is there as often as it was shown, but not in every trial.

    Examples
    --------
    >>> labels = permuted_labels([0, 1, 2], n_trials=2, n_permutations=4, seed=0)
    >>> labels.shape, np.bincount(labels[0].ravel())
    ((4, 2, 3), array([2, 2, 2]))
    """
    shown = np.tile(np.asarray(labels, dtype=np.int16), n_trials)
    return _permuted(tuple(shown.tolist()), n_permutations, seed).reshape(
        n_permutations, n_trials, -1
    )


@lru_cache(maxsize=2)  # blocks of units ask for the same ones
def _permuted(shown: tuple[int, ...], n_permutations: int, seed: int) -> npt.NDArray[np.int16]:
    labels = np.broadcast_to(np.array(shown, dtype=np.int16), (n_permutations, len(shown)))
    drawn = np.random.default_rng(seed).permuted(labels, axis=1)
    drawn.flags.writeable = False
    return drawn


def permutation_test(
    scores: npt.ArrayLike,
    counts: npt.NDArray[np.integer],
    labels: npt.ArrayLike,
    directions_deg: npt.ArrayLike,
    spontaneous: npt.ArrayLike,
    permuted: npt.NDArray[np.integer],
) -> PermutationTest:
    """How often tuning as strong as observed comes of labels that say nothing.

    p is of ``|sum_d s_d e^(i h theta_d)|``, with s the mean score of a direction, h 1 or 2. Scores
    are counts, or counts that weigh spikes by how much they tell, whatever the label
    (`hdmea.kernels.response_weights`). Nothing is subtracted or clipped, so that the sum over the
    directions is the same in every permutation; a clipped table of which little is left points
    anywhere.

    Labels change places among all presentations. Each direction was shown in each trial, so that a
    rate that differs between trials is no tuning; it makes permuted tables vary more, and p larger.
    (Within trials a permutation has too few places to put responses: of three that all lie in one
    of 8 directions, one in 64 puts them together again.)
    For `dsi_null` the mean counts of every permuted table are taken anew, the spontaneous count
    subtracted, the rest clipped at 0, and the index computed; where nothing is left it counts as
    0. All units are tested with the same permutations, as products with selection matrices. Sums
    of counts are exact, and vector sums count as equal within more than their rounding, so that
    blocks make no difference.

    Parameters
    ----------
    scores
        How strong each response is, not negative, ``(unit, trial, label)``.
    counts
        Spikes, ``(unit, trial, label)``.
    labels
        Which of `directions_deg` each of a trial's counts belongs to, ``(label,)``.
    directions_deg
        Every direction once.
    spontaneous
        Count expected without a stimulus, one per unit.
    permuted
        From `permuted_labels`.

    Examples
    --------
    >>> labels = [0, 1, 2, 3]
    >>> counts = np.array([[[9, 1, 0, 1]] * 3, [[2, 2, 2, 2]] * 3])
    >>> shuffled = permuted_labels(labels, n_trials=3, n_permutations=999, seed=0)
    >>> test = permutation_test(counts, counts, labels, [0, 90, 180, 270], [0.5] * 2, shuffled)
    >>> bool(test.p_dsi[0] < 0.1), float(test.p_dsi[1])
    (True, 1.0)
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    label = np.asarray(labels, dtype=np.int16)
    theta = np.deg2rad(np.asarray(directions_deg, dtype=np.float64))
    n_units, n_trials, n_labels = counts.shape
    n_permutations = len(permuted)
    flat = counts.reshape(n_units, n_trials * n_labels).astype(np.float64)
    scored = np.asarray(scores, dtype=np.float64).reshape(flat.shape)
    base = np.broadcast_to(np.asarray(spontaneous, dtype=np.float64), (n_units,))
    repeats = n_trials * np.bincount(label, minlength=theta.size).astype(np.float64)
    waves = np.stack(
        [part(h * theta) for h in (DIRECTION, ORIENTATION) for part in (np.cos, np.sin)]
    )
    nothing = _NOTHING * scored.sum(axis=1)

    def lengths(chosen: Float64, rows: slice) -> Float64:
        """Vector sums of mean scores, both harmonics, ``(2, unit, permutation)``."""
        turned = (waves / repeats @ chosen).reshape(flat.shape[1], -1)
        x1, y1, x2, y2 = np.moveaxis((scored[rows] @ turned).reshape(-1, 4, chosen.shape[2]), 1, 0)
        return np.stack([np.hypot(x1, y1), np.hypot(x2, y2)])

    def dsi(chosen: Float64, rows: slice) -> Float64:
        """DSI above rest, ``(unit, permutation)``; 0 where nothing is."""
        response = flat[rows] @ chosen.reshape(flat.shape[1], -1)
        response = response.reshape(-1, *chosen.shape[1:])
        response /= repeats[:, None]
        response -= base[rows, None, None]
        np.maximum(response, 0, out=response)
        total = response.sum(axis=1)
        x, y = np.moveaxis(waves[:2] @ response, 1, 0)
        ratio: Float64 = np.divide(np.hypot(x, y), total, out=np.zeros_like(total), where=total > 0)
        return ratio

    at_least = np.zeros((2, n_units), dtype=np.int64)
    null_sum = np.zeros(n_units)
    with threadpool_limits(limits=1, user_api="blas"):
        true_labels = np.broadcast_to(label, (1, n_trials, n_labels))
        observed = lengths(_chosen(true_labels, theta.size), slice(0, n_units))
        observed -= nothing[:, None]
        for first in range(0, n_permutations if n_units else 0, _PERMUTATIONS):
            chosen = _chosen(permuted[first : first + _PERMUTATIONS], theta.size)
            for start in range(0, n_units, _UNITS):
                rows = slice(start, start + _UNITS)
                at_least[:, rows] += (lengths(chosen, rows) >= observed[:, rows]).sum(axis=2)
                null_sum[rows] += dsi(chosen, rows).sum(axis=1)
    p = (1 + at_least) / (n_permutations + 1)
    return PermutationTest(p[0], p[1], dsi_null=null_sum / n_permutations)


def _chosen(labels: npt.NDArray[np.integer], n_directions: int) -> Float64:
    """1 where a trial's count gets a direction, ``(trial x label, direction, permutation)``."""
    flat = labels.reshape(len(labels), -1).T
    chosen: Float64 = (flat[:, None] == np.arange(n_directions)[:, None]).astype(np.float64)
    return chosen
