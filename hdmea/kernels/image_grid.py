"""Which images of a movie are seen at which lag, where images are held for several frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class ImageGrid:
    """Lags in images of the movie: new ones begin at multiples of so many `frames` only.

    Of frame n at lag tau image ``(n + tau) // frames`` is seen, so with ``tau = frames * shift +
    phase`` that of number ``(n + phase) // frames``, `shift` images on. All lags of a phase have
    the same counts.
    """

    def __init__(self, lags: Int64, first: int, stop: int, frames: int) -> None:
        self.frames = frames
        self._first, self._stop = first, stop
        shift, phase = np.divmod(lags, frames)
        self._phases, self.phase_of = np.unique(phase, return_inverse=True)
        self.shift_of = shift - shift.min()
        self.n_phases = self._phases.size
        self.n_shifts = int(self.shift_of.max()) + 1
        self._n_weights = (stop - 1 + frames - 1) // frames - first // frames + 1
        self.first_image = first // frames + int(shift.min())
        self.n_images = self._n_weights + self.n_shifts - 1

    def weights(self, counts: Int64) -> Int64:
        """Counts by image, ``(unit, frame)`` to ``(unit x phase, image)``."""
        n_units, n_frames = counts.shape
        found = np.empty((n_units, self.n_phases, self._n_weights), dtype=np.int64)
        for row, phase in enumerate(self._phases.tolist()):
            padded = np.zeros((n_units, self._n_weights * self.frames), dtype=np.int64)
            begin = self._first % self.frames + phase
            padded[:, begin : begin + n_frames] = counts
            found[:, row] = padded.reshape(n_units, -1, self.frames).sum(axis=2)
        return found.reshape(n_units * self.n_phases, -1)

    @property
    def seen(self) -> slice:
        """Those images of the movie that are seen at some lag."""
        return slice(max(self.first_image, 0), self.first_image + self.n_images)

    def padded(self, images: Float64) -> Float64:
        """The images at their places, 0 for those that are not in the movie."""
        found = np.zeros((self.n_images, images.shape[1]))
        begin = max(-self.first_image, 0)
        found[begin : begin + len(images)] = images
        return found

    def by_lag(self, sums: Float64) -> Float64:
        """``(unit x phase, shift, pixel)`` to ``(unit, lag, pixel)``."""
        by_phase = sums.reshape(-1, self.n_phases, *sums.shape[1:])
        if self.n_phases == 1 and self.shift_of.size == self.n_shifts:
            return by_phase[:, 0]
        return by_phase[:, self.phase_of, self.shift_of]
