"""Whether a spike-triggered average is more than chance, by circular shifts of the spikes.

Spikes that are shifted along the movie keep all that is their own, bursts and slow changes of the
rate, and lose their relation to the movie. A shift by whole refreshes is nothing but another lag:
one cyclic cross-correlation of spikes and movie per pixel, by a Fourier transform, has the averages
of all shifts at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.interruption import safe_point

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

MAX_CORRELATION = 0.1
"""Of images that count as independent: between neighbours it widens z by 5 %, where the spikes of
successive refreshes are correlated by 0.5."""

# What a transform works on stays in the processor's cache.
_PIXEL_BLOCK = 64
# Single precision is right to a few 1e-6 of a score of size 1; a tie must not depend on it.
_TIE = 1e-4


@dataclass(frozen=True, slots=True)
class Refreshes:
    """How a movie's images follow each other.

    Parameters
    ----------
    hold_frames
        Display frames that an image stays; of irregular ones the longest.
    grid_frames
        All images begin at multiples of it: `hold_frames`, or less if images stay irregularly.
    """

    hold_frames: int
    grid_frames: int

    @property
    def regular(self) -> bool:
        """Whether every image stays equally long."""
        return self.hold_frames == self.grid_frames


def refreshes(starts: Int64, n_frames: int) -> Refreshes:
    """How long images stay, from the frames at which they begin.

    An image that happens to be drawn twice in a row stays a multiple of the others; that is
    regular. The last one may be cut.

    Examples
    --------
    >>> refreshes(np.array([0, 4, 8, 16, 20]), 22)
    Refreshes(hold_frames=4, grid_frames=4)
    >>> refreshes(np.array([0, 4, 9, 13]), 17)
    Refreshes(hold_frames=5, grid_frames=1)
    """
    stays = np.diff(starts)
    if not stays.size:
        return Refreshes(n_frames, n_frames)
    grid = int(np.gcd.reduce(stays))
    return Refreshes(grid if grid == stays.min() else int(stays.max()), grid)


def autocorrelation(images: npt.NDArray[Any], n_lags: int) -> Float64:
    """Correlation of an image's pixels with themselves 1, 2, ... images later, mean over pixels.

    Parameters
    ----------
    images
        ``(image, pixel)``.
    n_lags
        How many; cut to what the movie has.

    Examples
    --------
    >>> autocorrelation(np.array([[0.0], [1.0], [0.0], [1.0]]), 2)
    array([-0.75,  0.5 ])
    """
    n_images, n_pixels = images.shape
    total = np.zeros(max(0, min(n_lags, n_images - 1)))
    varying = 0
    for start in range(0, n_pixels, _PIXEL_BLOCK):
        scores = _standardised(images[:, start : start + _PIXEL_BLOCK])
        varying += int(scores.any(axis=0).sum())
        for lag in range(1, total.size + 1):
            total[lag - 1] += np.einsum("kp,kp->", scores[lag:], scores[:-lag]) / n_images
    return total / max(1, varying)


def correlated(images: npt.NDArray[Any], n_lags: int) -> bool:
    """Whether successive images are correlated: scores that take them for independent are wrong.

    They are if, at any of the first `n_lags` lags, the correlation, mean over pixels, is beyond
    `MAX_CORRELATION` and four standard errors of independent images.
    """
    chance = 4 / np.sqrt(images.size)
    return bool((np.abs(autocorrelation(images, n_lags)) > MAX_CORRELATION + chance).any())


def shift_scores(excess: Float64, movie: npt.NDArray[Any], grid_frames: int) -> Float32:
    """Largest score over the pixels, at every lag of a whole turn of the movie.

    Parameters
    ----------
    excess
        Spikes beyond the unit's mean in each frame, ``c_n - lambda n_n``, ``(unit, frame)``; it
        sums to 0 over the movie.
    movie
        ``(frame, y, x)``.
    grid_frames
        Display frames of a refresh, of which every image begins at a multiple.

    Returns
    -------
    float32 array, shape ``(unit, grid_frames, refresh)``
        Entry ``[u, r, j]`` is ``max_p |sum_k d_(k + j) x_k| / (sd_x sqrt(sum_k d_k^2))``, with
        ``x_k`` the pixel's values by refresh and ``d_k`` the sum of `excess` over the frames from
        ``k * grid_frames + r``, as long as a refresh; both go round. NaN for units without excess.

    Notes
    -----
    Memory beside the result: a few times 64 pixels x refreshes x 8 bytes. About 10 ms for a unit,
    225 pixels and 10,800 frames.
    """
    from scipy import fft

    n_units, n_frames = excess.shape
    n = -(-n_frames // grid_frames)
    spikes = _by_phase(excess, grid_frames, n)
    spread = np.sqrt(np.einsum("urk,urk->ur", spikes, spikes))[..., None]
    with np.errstate(invalid="ignore"):
        spikes = (spikes / np.where(spread == 0, np.nan, spread)).astype(np.float32)
    scores = np.zeros(spikes.shape, dtype=np.float32)
    images = movie.reshape(n_frames, -1)[::grid_frames]
    for start in range(0, images.shape[1], _PIXEL_BLOCK):
        block = _standardised(images[:, start : start + _PIXEL_BLOCK]).astype(np.float32)
        turned = fft.rfft(np.ascontiguousarray(block.T), axis=1).conj()
        for unit in range(n_units):
            safe_point()
            for phase, train in enumerate(fft.rfft(spikes[unit], axis=1)):
                found = fft.irfft(train * turned, n=n, axis=1, overwrite_x=True)
                best = scores[unit, phase]
                np.maximum(best, found.max(axis=0), out=best)
                np.maximum(best, -found.min(axis=0), out=best)
    scores[np.isnan(spikes).any(axis=2)] = np.nan
    return scores


@dataclass(frozen=True, slots=True, eq=False)
class ShiftTest:
    """Largest scores over the voxels, and how rarely shifted spikes reach them.

    Parameters
    ----------
    largest
        Largest score over lags and pixels, ``(unit,)``.
    p
        ``(1 + #{shifted >= largest}) / (n_shifts + 1)``, ``(unit,)``.
    n_shifts
        Shifts; with none, p is NaN.
    """

    largest: Float64
    p: Float64
    n_shifts: int


def compare_with_shifts(scores: Float32, lags: Int64, min_shift_frames: float) -> ShiftTest:
    """Compare the largest score over some lags with those of shifted spikes.

    Parameters
    ----------
    scores
        As of `shift_scores`.
    lags
        Display frames relative to the spike's.
    min_shift_frames
        Shifts are all multiples of a refresh that are so far from 0 and from a whole turn.

    Examples
    --------
    Two spikes, each after a bright image, which nothing else is:

    >>> movie = np.array([0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0]).reshape(12, 1, 1)
    >>> counts = np.array([[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]])
    >>> scores = shift_scores(counts - counts.mean(), movie, 1)
    >>> found = compare_with_shifts(scores, np.array([-1]), 2)
    >>> found.largest.round(3), found.p, found.n_shifts
    (array([3.464]), array([0.1]), 9)
    """
    _, grid, n = scores.shape
    nearest = max(1, int(np.ceil(min_shift_frames / grid)))
    shifts = np.r_[0, np.arange(nearest, n - nearest + 1)]
    largest = np.zeros((len(scores), shifts.size))
    for lag in np.asarray(lags).tolist():
        # Frame t sees the refresh of frame t + lag, of which it is the (t mod grid)-th follower.
        after, phase = divmod(-lag, grid)
        np.maximum(largest, scores[:, phase, (after - shifts) % n], out=largest)
    as_large = (largest[:, 1:] >= largest[:, :1] * (1 - _TIE)).sum(axis=1)
    n_shifts = shifts.size - 1
    unknown = np.isnan(largest[:, 0]) | (n_shifts == 0)
    p = np.where(unknown, np.nan, (1 + as_large) / (n_shifts + 1))
    return ShiftTest(largest[:, 0], p, n_shifts)


def _by_phase(excess: Float64, grid: int, n: int) -> Float64:
    """Sums over as many frames as a refresh has, from each of its frames on, going round."""
    n_units, n_frames = excess.shape
    whole = np.zeros((n_units, n * grid))
    whole[:, :n_frames] = excess
    phases = [np.roll(whole, -r, axis=1).reshape(n_units, n, grid).sum(axis=2) for r in range(grid)]
    return np.stack(phases, axis=1)


def _standardised(images: npt.NDArray[Any]) -> Float64:
    """Mean 0 and standard deviation 1 over the images; 0 for a pixel that never changes."""
    if not images.size:
        # Cause: an empty array was given in place of a movie.
        raise ParameterError("A movie needs at least one frame and one pixel.")
    # Measured from the first image: a pixel that never changes has a spread of exactly 0.
    centred = images.astype(np.float64) - images[0].astype(np.float64)
    centred -= centred.mean(axis=0)
    spread = centred.std(axis=0)
    return np.asarray(centred / np.where(spread > 0, spread, np.inf))
