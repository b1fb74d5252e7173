"""What drives a unit in each display frame, from what it sees of each image of a movie.

An image stays for several frames, so what a frame sees at any lag is one of a few refreshes around
its own: sums over lags become sums over those. Refreshes are taken in blocks: what all frames of a
block are driven by is a product of the refreshes that the block sees and a matrix, the same for
every block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_BLOCK_IN_WIDTHS = 2
"""Longer blocks copy fewer refreshes twice, and multiply with more zeros."""


class HeldDrive:
    """Sums over lags of light that is held, in the frames of all refreshes.

    Parameters
    ----------
    lags
        Display frames relative to the spike's, ascending, consecutive.
    grid_frames
        Display frames of a refresh.
    n_refreshes
        Refreshes of the movie.

    Attributes
    ----------
    n_frames
        Frames that have a drive: those of the refreshes, and some more that fill the last block.
        Where the window of a frame leaves the movie its drive is of darkness there.

    Examples
    --------
    Images that stay two frames; the frame before counts twice that of now:

    >>> drive = HeldDrive(np.array([-1, 0]), 2, 2)
    >>> blocks = drive.blocks(np.array([[10.0, 20.0]]))
    >>> drive.through(blocks, drive.matrices(np.array([[2.0, 1.0]])))[:, 1:4]
    array([[30., 40., 60.]])
    """

    def __init__(self, lags: Int64, grid_frames: int, n_refreshes: int) -> None:
        self._first = int(lags[0]) // grid_frames
        place = (np.arange(grid_frames)[:, None] + lags) // grid_frames - self._first
        width = int(place.max()) + 1
        self._step = _BLOCK_IN_WIDTHS * width
        self._span = self._step + width - 1
        self._n_blocks = -(-n_refreshes // self._step)
        self._n_refreshes = n_refreshes
        self.n_frames = self._n_blocks * self._step * grid_frames
        # Which lags see the same refresh, for each frame of one: (lag, frame and place).
        frame = np.arange(grid_frames)[:, None]
        self._sums = np.zeros((lags.size, grid_frames * width))
        self._sums[np.arange(lags.size), frame * width + place] = 1.0
        # Where a filter's sums stand in the matrix of a block, for each refresh of it.
        of = np.arange(self._step)[:, None, None]
        self._place = (of + np.arange(width)) * self._step * grid_frames + of * grid_frames + frame
        self._matrix = self._span, self._step * grid_frames

    def blocks(self, light: Float64) -> Float64:
        """Refreshes that the frames of each block see, ``(row, block, place)``.

        Parameters
        ----------
        light
            ``(row, refresh)``.
        """
        from numpy.lib.stride_tricks import sliding_window_view

        padded = np.zeros((len(light), self._n_blocks * self._step + self._span - self._step))
        begin = min(max(-self._first, 0), padded.shape[1])
        seen = light[:, max(self._first, 0) :][:, : padded.shape[1] - begin]
        padded[:, begin : begin + seen.shape[1]] = seen
        windows = sliding_window_view(padded, self._span, axis=1)[:, :: self._step]
        return np.ascontiguousarray(windows)

    def matrices(self, filters: Float64) -> Float64:
        """What turns a block into the drive of its frames, for each filter, ``(filter, lag)``."""
        sums = filters @ self._sums
        found = np.zeros((len(filters), self._matrix[0] * self._matrix[1]))
        by_frame = sums.reshape(len(filters), 1, *self._place.shape[1:])
        found[:, self._place] = by_frame
        return found.reshape(len(filters), *self._matrix)

    def through(self, blocks: Float64, matrices: Float64, out: Float64 | None = None) -> Float64:
        """Drive by filters, ``(row or filter, frame)``.

        Parameters
        ----------
        blocks
            Of one row, or of several with one filter.
        matrices
            Of one filter, or of several with one row.
        out
            Where to put it.
        """
        n_rows = max(len(blocks), len(matrices))
        if out is None:
            out = np.empty((n_rows, self.n_frames))
        np.matmul(blocks, matrices, out=out.reshape(n_rows, self._n_blocks, -1))
        return out
