"""When a bar's edges pass a pixel, from the movie's own frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

_PIXELS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """Frames at which pixels change most, ``(segment, pixel)``; NaN where no bar passes.

    Parameters
    ----------
    brighter, darker
        The first frame after the largest increase, and after the largest decrease.
    """

    brighter: Float64
    darker: Float64

    @property
    def leading(self) -> Float64:
        """The earlier of the two edges."""
        return np.minimum(self.brighter, self.darker)

    @property
    def trailing(self) -> Float64:
        """The later of the two edges."""
        return np.maximum(self.brighter, self.darker)


def edge_frames(
    frames: npt.NDArray[Any], segments: npt.ArrayLike, pixels: npt.ArrayLike
) -> Passage:
    """When the edges of a bar pass pixels: argmax and argmin of each pixel's frame difference.

    A bar passes a pixel if that becomes both brighter and darker within the segment. It does not
    matter whether the bar is the brighter or the darker part of the movie.

    Parameters
    ----------
    frames
        ``(frame, y, x)``; may be mapped from a file, of which each segment is read.
    segments
        First and one-past-last frame of each passage, ``(segment, 2)``. Only changes between two
        frames of a segment count.
    pixels
        Whole x and y of each pixel, ``(pixel, 2)``.

    Examples
    --------
    A bright bar comes to the first pixel in frame 2 and leaves it in frame 5; not to the second:

    >>> movie = np.zeros((8, 1, 2), dtype=np.uint8)
    >>> movie[2:5, 0, 0] = 255
    >>> found = edge_frames(movie, [[0, 8]], [[0, 0], [1, 0]])
    >>> found.brighter, found.darker
    (array([[ 2., nan]]), array([[ 5., nan]]))
    """
    places = np.asarray(pixels, dtype=np.int64).reshape(-1, 2)
    flat = places[:, 1] * frames.shape[2] + places[:, 0]
    parts = np.asarray(segments, dtype=np.int64).reshape(-1, 2)
    brighter = np.full((len(parts), len(places)), np.nan)
    darker = np.full_like(brighter, np.nan)
    signed = np.int16 if frames.dtype == np.uint8 else np.float64
    for row, (first, stop) in enumerate(parts.tolist()):
        if stop - first < 2:
            continue
        segment = frames[first:stop].reshape(stop - first, -1)
        for block in (slice(i, i + _PIXELS) for i in range(0, len(places), _PIXELS)):
            change = np.diff(segment.take(flat[block], axis=1).astype(signed), axis=0)
            up, down = change.argmax(axis=0), change.argmin(axis=0)
            passes = (change.max(axis=0) > 0) & (change.min(axis=0) < 0)
            brighter[row, block] = np.where(passes, first + 1.0 + up, np.nan)
            darker[row, block] = np.where(passes, first + 1.0 + down, np.nan)
    return Passage(brighter, darker)
