"""What drives a unit in each display frame, from what it sees of each image of a movie.

An image stays for several frames, so what a frame sees at any lag is one of a few refreshes around
its own: sums over lags become sums over those.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class HeldDrive:
    """Sums over lags of light that is held, in the frames that count.

    Parameters
    ----------
    lags
        Display frames relative to the spike's, ascending, consecutive.
    grid_frames
        Display frames of a refresh.
    used
        The frames that count, ascending; the window of each of them lies in the movie.

    Examples
    --------
    Images that stay two frames; the frame before counts twice that of now:

    >>> drive = HeldDrive(np.array([-1, 0]), 2, np.array([1, 2, 3]))
    >>> seen = drive.seen(np.array([[10.0, 20.0]]))
    >>> drive.through(seen, np.array([2.0, 1.0]))
    array([[30., 40., 60.]])
    """

    def __init__(self, lags: Int64, grid_frames: int, used: Int64) -> None:
        self.grid_frames = grid_frames
        # Frames that count are mostly without a gap: a slice is no copy.
        whole = used.size == used[-1] + 1 - used[0]
        self._used: slice | Int64 = slice(int(used[0]), int(used[-1]) + 1) if whole else used
        self._first = int(lags[0]) // grid_frames
        self._width = (int(lags[-1]) + grid_frames - 1) // grid_frames - self._first + 1
        self._place = (np.arange(grid_frames)[:, None] + lags) // grid_frames - self._first

    def seen(self, light: Float64) -> Float64:
        """Refreshes that the frames of each refresh see, ``(row, refresh, place)``.

        Parameters
        ----------
        light
            ``(row, refresh)``.
        """
        from numpy.lib.stride_tricks import sliding_window_view

        shifted = np.roll(light, -self._first, axis=1)
        places = np.arange(light.shape[1] + self._width - 1) % light.shape[1]
        return np.ascontiguousarray(sliding_window_view(shifted[:, places], self._width, axis=1))

    def through(self, seen: Float64, filters: Float64) -> Float64:
        """Drive by filters, ``(row or filter, frame that counts)``.

        Parameters
        ----------
        seen
            Of one row, or of several with one filter.
        filters
            ``(lag,)`` or ``(filter, lag)``.
        """
        filters = np.atleast_2d(filters)
        weights = np.zeros((self._width, len(filters), self.grid_frames))
        for phase, place in enumerate(self._place):
            np.add.at(weights[:, :, phase], place, filters.T)
        n_rows, n_refreshes, width = seen.shape
        found = seen.reshape(-1, width) @ weights.reshape(width, -1)
        found = found.reshape(n_rows, n_refreshes, len(filters), self.grid_frames)
        by_frame = np.moveaxis(found, 2, 1).reshape(n_rows * len(filters), -1)
        return np.asarray(by_frame[:, self._used])
