"""Sums of images at many lags behind weights: a product for each lag, or a block FFT.

``sums[r, d] = sum_j weights[r, j] images[j + d]`` for every pixel, the core of a spike-triggered
average. The direct way is a matrix product for each lag. The block FFT cuts time into blocks,
multiplies in the frequency domain, where one product per frequency serves all lags, and goes back
for the lags that are wanted only: about a fourteenth of the work for 60 lags. Both are exact for
whole numbers, see `LaggedSums`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Precision = Literal["double", "single"]
Sums = Callable[[slice], Float64]

_ROWS_AT_ONCE = 64
_ROUNDOFF: dict[Precision, float] = {"double": 2.0**-53, "single": 2.0**-24}
# Work beside the products, per element transformed, in operations of a product of few rows:
# a transform, and the copies around it. As measured; it decides only how sums are computed.
_TRANSFORM_COST = 120
_MAX_BLOCK_IN_LAGS = 8


@dataclass(frozen=True, slots=True)
class Blocks:
    """How time is cut for the block FFT.

    Parameters
    ----------
    length
        Images in a block, the length of the transform.
    step
        Weights in a block: `length` less the lags that reach beyond it.
    number
        Blocks.
    """

    length: int
    step: int
    number: int

    @property
    def n_frequencies(self) -> int:
        """Frequencies from 0 to the highest."""
        return self.length // 2 + 1


def cheapest_blocks(n_rows: int, n_weights: int, n_lags: int) -> Blocks | None:
    """How to cut time, or None where the direct way is cheaper; by counting operations.

    The block FFT is the faster one from about 5 rows on. Measured, direct over FFT, blocks of 128
    pixels, one thread:

    ======= ==== ====== ======= ======= ======== ========
    weights lags 2 rows 10 rows 40 rows 200 rows 500 rows
    ======= ==== ====== ======= ======= ======== ========
    10,800  60   3.2    5.5     6.9     10.6     14.9
    10,800  10   0.6    1.3     1.9     3.0      3.7
    2,700   15   0.8    1.7     2.2     3.4      3.7
    900     60   0.6    3.2     2.7     3.9      4.1
    900     15   0.4    1.5     1.8     2.9      3.5
    ======= ==== ====== ======= ======= ======== ========

    Examples
    --------
    >>> cheapest_blocks(500, 10_800, 60)
    Blocks(length=216, step=157, number=69)
    >>> cheapest_blocks(2, 900, 15) is None
    True
    """
    from scipy.fft import next_fast_len

    best: Blocks | None = None
    least = 2.0 * n_rows * n_weights * n_lags
    length = n_lags
    while length < min(_MAX_BLOCK_IN_LAGS * n_lags, n_weights + n_lags):
        length = next_fast_len(length + 1, real=True)
        step = length - n_lags + 1
        blocks = Blocks(length, step, -(-n_weights // step))
        there = 8.0 * n_rows * blocks.number * blocks.n_frequencies
        back = 4.0 * n_rows * n_lags * blocks.n_frequencies
        cost = there + back + _TRANSFORM_COST * blocks.number * length
        if cost < least:
            best, least = blocks, cost
    return best


class LaggedSums:
    """Sums of images at many lags behind weights.

    Parameters
    ----------
    weights
        Whole numbers, ``(row, weight)``.
    n_lags
        Lags, from 0 on.
    precision
        ``"double"`` or ``"single"``: of the block FFT; the direct way is always in double.

    Notes
    -----
    *Error.* With the unit roundoff u (1.1e-16; in single precision 6.0e-8), n blocks of B images,
    the Euclidean norms ``|c|`` of a row of weights and ``|x|`` of a pixel, in which images count
    once for each block that they are in, a sum of the block FFT is wrong by less than

        1.5 sqrt(2) u (2 n + B + 24 log2 B + 10) |c| |x|

    From the two transforms (each has an error of less than 12 u log2 B of the norm: Higham,
    Accuracy and Stability of Numerical Algorithms, theorem 24.2, about twice its constant, since
    factors 3 and 5 are used as well), the products at each frequency (2 n terms), and the way
    back (B + 2 terms), by the inequality of Cauchy and Schwarz over blocks and Parseval's over
    frequencies; 1.5 covers terms of second order. Real errors are smaller by far, as they are
    of both signs.

    *Exactness.* Of whole numbers the sums are, so those of double precision are rounded where the
    bound is below 0.5: exact. Where it is not, the direct way is taken, which is exact as long as
    ``sum |c x|`` is below 2^53. With 8-bit images, measured from their mean, 10,800 of them and 60
    lags, the bound is below 0.5 up to ``|c|`` = 2e8: a unit with two million spikes in every
    frame. Single precision is not rounded.

    *Blocks* of rows are of fixed size, so a result does not depend on how much memory there is.

    Examples
    --------
    >>> sums = LaggedSums(np.array([[1, 0, 2]]), n_lags=2)
    >>> sums.n_images
    4
    >>> sums.of(np.array([[1.0], [10.0], [100.0], [1000.0]]))(slice(0, 1)).ravel()
    array([ 201., 2010.])
    """

    def __init__(
        self, weights: npt.NDArray[np.integer], n_lags: int, precision: Precision = "double"
    ) -> None:
        self._weights = weights
        self._n_lags = n_lags
        self._precision = precision
        self._dtype = np.float64 if precision == "double" else np.float32
        n_rows, n_weights = weights.shape
        self.n_images = n_weights + n_lags - 1
        self._blocks = cheapest_blocks(n_rows, n_weights, n_lags)
        if self._blocks is not None:
            self._norm = _largest_norm(weights)
            self._there = _transformed_weights(weights, self._blocks, self._dtype)
            self._back = _way_back(self._blocks, n_lags, self._dtype)

    def of(self, images: Float64, *, whole: bool = False) -> Sums:
        """The sums over some pixels, by rows of the weights.

        Parameters
        ----------
        images
            ``(n_images, pixel)``.
        whole
            Whether all values are whole numbers.

        Returns
        -------
        function of a slice of rows
            It gives a float64 array of shape ``(row, lag, pixel)``; new at each call.
        """
        if self._blocks is None:
            return self._directly(images)
        if self._precision == "single":
            return self._by_transform(images, self._blocks, rounded=False)
        if whole and not self.error_bound(images) < 0.5:
            return self._directly(images)
        return self._by_transform(images, self._blocks, rounded=whole)

    def error_bound(self, images: Float64) -> float:
        """What no sum over these images is wrong by, before rounding; 0 for the direct way.

        For the direct way with whole numbers, that is, below 2^53.
        """
        if self._blocks is None:
            return 0.0
        blocks = self._blocks
        overlap = -(-blocks.length // blocks.step)
        norm = np.sqrt(overlap * np.einsum("kp,kp->p", images, images).max(initial=0.0))
        terms = 2 * blocks.number + blocks.length + 24 * np.log2(blocks.length) + 10
        u = _ROUNDOFF[self._precision]
        return float(1.5 * np.sqrt(2) * u * terms * self._norm * norm)

    def _directly(self, images: Float64) -> Sums:
        n_weights = self._weights.shape[1]

        def sums(rows: slice) -> Float64:
            weights = self._weights[rows].astype(np.float64)
            found = np.empty((len(weights), self._n_lags, images.shape[1]))
            for lag in range(self._n_lags):
                np.matmul(weights, images[lag : lag + n_weights], out=found[:, lag])
            return found

        return sums

    def _by_transform(self, images: Float64, blocks: Blocks, *, rounded: bool) -> Sums:
        at = _transformed_images(images.astype(self._dtype, copy=False), blocks)
        n_pixels = images.shape[1]

        def sums(rows: slice) -> Float64:
            there = self._there[:, 2 * rows.start : 2 * rows.stop]
            # (row, real and imaginary part), frequency, pixel
            spectrum = np.empty((there.shape[1], blocks.n_frequencies, n_pixels), self._dtype)
            np.matmul(there, at, out=spectrum.transpose(1, 0, 2))
            by_row = spectrum.reshape(-1, 2 * blocks.n_frequencies, n_pixels)
            found = np.matmul(self._back, by_row)
            if rounded:
                np.rint(found, out=found)
            return np.asarray(found, dtype=np.float64)

        return sums


def _largest_norm(weights: npt.NDArray[np.integer]) -> float:
    """Largest Euclidean norm of a row, rounded up."""
    squares = (np.einsum("j,j->", row, row) for row in weights.astype(np.float64, copy=False))
    return float(np.sqrt(max(squares, default=0.0)))


def _transformed_weights(
    weights: npt.NDArray[np.integer], blocks: Blocks, dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """What transformed images are multiplied with, ``(frequency, 2 rows, 2 blocks)``.

    conj(c) x = (Cr Xr + Ci Xi) + i (Cr Xi - Ci Xr), so rows are [Cr, Ci] and [-Ci, Cr].
    """
    from scipy import fft

    n_rows, n_weights = weights.shape
    found = np.empty((blocks.n_frequencies, n_rows, 2, 2, blocks.number), dtype)
    for first in range(0, n_rows, _ROWS_AT_ONCE):
        part = weights[first : first + _ROWS_AT_ONCE]
        padded = np.zeros((len(part), blocks.number * blocks.step), dtype)
        padded[:, :n_weights] = part
        cut = padded.reshape(len(part), blocks.number, blocks.step)
        there = fft.rfft(cut, n=blocks.length, axis=2).transpose(2, 0, 1)
        rows = found[:, first : first + len(part)]
        rows[:, :, 0, 0] = rows[:, :, 1, 1] = there.real
        rows[:, :, 0, 1] = there.imag
        np.negative(there.imag, out=rows[:, :, 1, 0])
    return found.reshape(blocks.n_frequencies, 2 * n_rows, 2 * blocks.number)


def _transformed_images(images: npt.NDArray[Any], blocks: Blocks) -> npt.NDArray[Any]:
    """Real parts of all blocks, then imaginary ones, ``(frequency, 2 blocks, pixel)``."""
    from scipy import fft

    n_images, n_pixels = images.shape
    padded = np.zeros(((blocks.number - 1) * blocks.step + blocks.length, n_pixels), images.dtype)
    padded[:n_images] = images
    # blocks overlap by the lags
    windows = np.lib.stride_tricks.sliding_window_view(padded, blocks.length, axis=0)
    there = fft.rfft(windows[:: blocks.step].transpose(2, 0, 1), axis=0)
    found = np.empty((blocks.n_frequencies, 2, blocks.number, n_pixels), images.dtype)
    found[:, 0], found[:, 1] = there.real, there.imag
    return found.reshape(blocks.n_frequencies, 2 * blocks.number, n_pixels)


def _way_back(blocks: Blocks, n_lags: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The inverse transform for the wanted lags, ``(lag, 2 frequencies)``: all real parts first."""
    # the remainder keeps angles below a turn, and so exact to the last place
    turns = np.outer(np.arange(n_lags), np.arange(blocks.n_frequencies)) % blocks.length
    angles = 2 * np.pi * turns / blocks.length
    twice = np.full(blocks.n_frequencies, 2.0)
    twice[0] = 1
    if blocks.length % 2 == 0:
        twice[-1] = 1
    back = np.hstack([twice * np.cos(angles), -twice * np.sin(angles)]) / blocks.length
    return np.asarray(back, dtype=dtype)
