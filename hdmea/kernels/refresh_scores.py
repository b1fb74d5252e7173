"""z scores of a spike-triggered average over the refreshes of its stimulus."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

# Below this part of the mean square a variance is computed again from differences.
_CANCELLED = 1e-6


class RefreshScores:
    """What z needs beside the sums over spikes, for all lags.

    Per lag, ``C_k`` spikes have their lagged frame in refresh ``k`` and ``n_k`` of the used frames
    have it there; ``d_k = C_k - lambda n_k`` with ``lambda = sum C / sum n``.

    Parameters
    ----------
    used
        Spikes of the used frames, ``(unit, frame)``, from frame `first` of the movie on.
    eligible
        How often each of these frames is used, ``(frame,)``.
    first
        Frame of the movie of the first.
    starts
        Frames at which a new image begins.
    lags
        Display frames, ``(lag,)``.
    grid_frames, first_image, n_images
        Which frames are looked at: all multiples of `grid_frames` from the one of number
        `first_image` on; a new image begins only there. Numbers may lie outside of the movie.
    """

    def __init__(
        self,
        used: Int64,
        eligible: Int64,
        first: int,
        starts: Int64,
        lags: Int64,
        *,
        grid_frames: int,
        first_image: int,
        n_images: int,
    ) -> None:
        self.n_used = int(eligible.sum())
        self.n_spikes = used.sum(axis=1)
        self._shown = np.zeros((lags.size, n_images))
        spread = np.empty((len(used), lags.size))
        # lags that differ by the hold cut the spikes alike
        known: dict[bytes, tuple[Int64, Float64]] = {}
        for row, lag in enumerate(lags.tolist()):
            begin = first + lag
            place = int(np.searchsorted(starts, begin, side="right")) - 1
            stop = int(np.searchsorted(starts, begin + eligible.size))
            offsets = np.maximum(starts[place:stop] - begin, 0)
            cut = offsets.tobytes()
            if cut not in known:
                frames_of = np.add.reduceat(eligible, offsets)
                known[cut] = frames_of, self._spread(used, frames_of, offsets)
            frames_of, spread[:, row] = known[cut]
            # between presentations that were cut at different ends some are not used
            images = (begin + offsets[frames_of > 0]) // grid_frames - first_image
            self._shown[row, images] = 1
        spread[spread == 0] = np.nan
        self._per_spread = 1 / spread

    def _spread(self, used: Int64, frames_of: Int64, offsets: Int64) -> Float64:
        """sqrt(sum_k d_k^2) times `n_used`, ``(unit,)``."""
        spikes_of = np.add.reduceat(used, offsets, axis=1)
        # d_k times n_used: whole numbers, so that z is free of cancellation
        excess = (self.n_used * spikes_of - self.n_spikes[:, None] * frames_of).astype(np.float64)
        return np.asarray(np.sqrt(np.einsum("uk,uk->u", excess, excess)))

    def deviations(self, images: Float64) -> Float64:
        """Standard deviation of each pixel over the refreshes used; NaN where it never changes.

        Parameters
        ----------
        images
            ``(n_images, pixel)``, measured from a value near their mean.

        Returns
        -------
        float64 array, shape ``(lag, pixel)``
        """
        n = self._shown.sum(axis=1)[:, None]
        sums, squares = self._shown @ images, self._shown @ images**2
        # n^2 times the variance; of whole numbers exact
        variance = n * squares - sums**2
        cancelled = variance < _CANCELLED * n * squares
        for lag in np.flatnonzero(cancelled.any(axis=1)).tolist():
            seen = images[self._shown[lag] > 0][:, cancelled[lag]]
            # from the first image: a pixel that never changes has a spread of exactly 0
            variance[lag, cancelled[lag]] = n[lag] ** 2 * (seen - seen[0]).var(axis=0)
        variance[variance <= 0] = np.nan
        return np.asarray(np.sqrt(variance) / n)

    def scores(self, sums: Float64, null: Float64, per_deviation: Float64, units: slice) -> Float64:
        """z of some units, ``sum_k d_k (x_k - mean x) / (sd_x sqrt(sum_k d_k^2))``.

        Parameters
        ----------
        sums
            Over spikes, ``(unit, lag, pixel)``.
        null
            Over the used frames, ``(lag, pixel)``.
        per_deviation
            1 / `deviations`.
        units
            Which ones.
        """
        # sum_k d_k = 0, so mean x drops out of the numerator
        z = self.n_used * sums
        z -= self.n_spikes[units, None, None] * null
        z *= self._per_spread[units, :, None]
        z *= per_deviation
        return z
