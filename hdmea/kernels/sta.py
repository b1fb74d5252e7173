"""Spike-triggered average: exact mean, and z scores over stimulus refreshes.

Sums over spikes for all lags at once (`hdmea.kernels.lagged_sums`), for one block of pixels after
the other. Frames that show the same image belong to one *refresh*; spikes are counted per refresh,
so held noise costs sums over refreshes, not frames, and z knows how often the stimulus really
changed. Blocks are of fixed size and BLAS runs on one thread, so the result does not depend on
`threads`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.kernels.circular_shifts import refreshes
from hdmea.kernels.image_grid import ImageGrid
from hdmea.kernels.lagged_sums import LaggedSums, Precision
from hdmea.kernels.pixel_blocks import in_blocks
from hdmea.kernels.refresh_scores import RefreshScores
from hdmea.kernels.spikes import SpikeTrains
from hdmea.pieces import Pieces

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

# Part of the definition of the result for float movies (rounding), hence not a parameter.
_ROWS_AT_ONCE = 64
_SCAN_BYTES = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class StaResult:
    """Spike-triggered averages of all units for one movie.

    Parameters
    ----------
    mean
        Mean movie around the spikes, float32, ``(unit, lag, y, x)``; NaN for units without
        spikes.
    z
        z score of each pixel and lag, float32, as `mean`; NaN where it is undefined (no spikes,
        a pixel that never changes); None if not asked for.
    lags
        Lags in display frames, int64; negative: before the spike's frame.
    n_spikes
        Spikes used, int64, ``(unit,)``.
    n_excluded
        Spikes during the movie whose window leaves it, int64, ``(unit,)``.
    """

    mean: Float32
    z: Float32 | None
    lags: Int64
    n_spikes: Int64
    n_excluded: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Presentations:
    """When a movie was shown, int64 columns of shape ``(presentation,)``.

    Parameters
    ----------
    begin_frame
        Frame of the clock at which its first image was due; below 0 if before the clock's first.
    start_frame, stop_frame
        Images ``[start, stop)`` of the movie were recorded.

    Examples
    --------
    The second one was cut after two of four images:

    >>> shown = Presentations(np.array([1, 6]), np.array([0, 0]), np.array([4, 2]))
    >>> trains = SpikeTrains(np.array([1.5, 4.5, 7.5, 9.5]), np.array([4]))
    >>> shown.counts(trains, np.arange(11.0), 4)
    [array([[1, 0, 0, 1]]), array([[0, 1, 0, 0]])]
    """

    begin_frame: Int64
    start_frame: Int64
    stop_frame: Int64

    @property
    def shown(self) -> list[tuple[int, int]]:
        """Frames ``(start, stop)`` of the movie that were recorded, of each presentation."""
        return list(zip(self.start_frame.tolist(), self.stop_frame.tolist(), strict=True))

    def counts(self, trains: SpikeTrains, frame_times_s: Float64, n_frames: int) -> list[Int64]:
        """Spikes in each of the movie's frames, ``(unit, n_frames)`` for each presentation."""
        found = []
        for begin, (start, stop) in zip(self.begin_frame.tolist(), self.shown, strict=True):
            recorded = trains.count_in_bins(frame_times_s[begin + start : begin + stop + 1])
            counts = np.zeros((trains.n_units, n_frames), dtype=np.int64)
            counts[:, start:stop] = recorded
            found.append(counts)
        return found


def refresh_starts(movie: npt.NDArray[Any]) -> Int64:
    """Frames at which a new image begins: frame 0, and every frame where any pixel changes.

    Examples
    --------
    >>> movie = np.array([5, 5, 5, 7, 7, 5]).reshape(6, 1, 1)
    >>> refresh_starts(movie)
    array([0, 3, 5])
    """
    pixels = movie.reshape(movie.shape[0], -1)
    step = max(1, _SCAN_BYTES // max(1, pixels[:1].nbytes))
    changed = [
        (pixels[i + 1 : i + 1 + step] != pixels[i : i + step][: len(pixels) - i - 1]).any(axis=1)
        for i in range(0, len(pixels) - 1, step)
    ]
    return np.flatnonzero(np.concatenate([np.array([True]), *changed])).astype(np.int64)


def spike_triggered_average(
    counts: Sequence[npt.NDArray[np.integer]] | npt.NDArray[np.integer],
    movie: npt.NDArray[Any],
    cover_range: tuple[int, int],
    *,
    shown: Sequence[tuple[int, int]] | None = None,
    with_z: bool = True,
    precision: Precision = "double",
    threads: int = 1,
    empty: Callable[[tuple[int, ...], npt.DTypeLike], npt.NDArray[Any]] = np.empty,
    pieces: Pieces | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> StaResult:
    """Average the movie around every spike.

    ``mean(tau) = sum_n c_n s_(n + tau) / sum_n c_n``, ``c_n`` spikes in frame ``n`` of the
    movie, over the frames whose whole window ``n + tau`` lies in the movie.

    z is taken over refreshes ``k``, the runs of frames with the same image ``x_k``. Per lag,
    ``C_k`` spikes have their lagged frame in refresh ``k``, ``n_k`` of the used frames have it
    there; ``lambda = sum C / sum n``, ``d_k = C_k - lambda n_k``, and
    ``z = sum_k d_k (x_k - mean x) / (sd_x sqrt(sum_k d_k^2))`` with mean and (population)
    standard deviation of each pixel over the refreshes used. Without a relation between spikes
    and movie its standard deviation is 1, if successive images are independent.

    Parameters
    ----------
    counts
        Spikes per frame of the movie, one ``(unit, frame)`` array per presentation.
    movie
        ``(frame, y, x)``, uint8 or float.
    cover_range
        First and last lag in display frames, last exclusive: ``(-60, 0)`` ends with the frame
        before the spike's.
    shown
        First and one-past-last frame of each presentation that was recorded; default: all of
        the movie. A presentation gives only frames whose whole window lies in what was recorded.
    with_z
        Also compute z.
    precision
        ``"double"``: exact sums, if all values of the movie are whole numbers. ``"single"``: in
        about half the time, with the error below.
    threads
        Threads over blocks of pixels; the result is the same bit for bit.
    empty
        Makes the arrays of the result, from shape and type; all of them are written.
    pieces
        What an earlier run has left, and what this one may leave: a piece for each block of pixels.
    progress
        Called with the part of the work that is done, 0 to 1, now and then.

    Returns
    -------
    StaResult
        Movies of whole numbers, in double precision: `mean` is exactly ``float32(sum / n)``, the
        sum exact, the quotient in float64.

    Raises
    ------
    ParameterError
        If the range is empty or longer than the movie, or counts and movie differ in length.

    Notes
    -----
    *Error.* The mean of a movie that is not of whole numbers, or in single precision, is wrong by
    less than the rounding to float32 and ``LaggedSums.error_bound`` over the number of spikes,
    with images measured from the pixel's mean. The latter is below
    ``e sd_x sqrt(n_frames sum c^2) / sum c`` with the pixel's standard deviation, and for 10,800
    frames and 60 lags e = 2e-13, in single precision 1e-4.

    *Memory* beside the result: the counts four times, three times their size for the transform,
    and for each thread about 128 pixels x frames x 80 bytes.

    *Time* grows with units x pixels x frames, not with spikes. Held images are summed once: spikes
    are counted by refresh and by phase, the place of the lagged frame in its refresh.

    Examples
    --------
    >>> movie = np.array([10, 20, 30, 40], dtype=np.uint8).reshape(4, 1, 1)
    >>> sta = spike_triggered_average([np.array([[1, 0, 2, 1]])], movie, (-1, 0), with_z=False)
    >>> sta.mean.ravel(), sta.n_spikes, sta.n_excluded
    (array([23.333334], dtype=float32), array([3]), array([1]))
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    n_frames = movie.shape[0]
    lags = _lags(cover_range, n_frames)
    total, eligible = eligible_counts(counts, n_frames, shown, lags)
    places = np.flatnonzero(eligible)
    first, stop = int(places[0]), int(places[-1]) + 1
    used, eligible = total[:, first:stop], eligible[first:stop]
    n_all = np.sum([presentation.sum(axis=1) for presentation in counts], axis=0, dtype=np.int64)

    starts = refresh_starts(movie)
    grid = ImageGrid(lags, first, stop, refreshes(starts, n_frames).grid_frames)
    scores = (
        RefreshScores(
            used,
            eligible,
            first,
            starts,
            lags,
            grid_frames=grid.frames,
            first_image=grid.first_image,
            n_images=grid.n_images,
        )
        if with_z
        else None
    )
    # The first row gives, in the same product, what the sum would be without any relation.
    weights = grid.weights(np.concatenate([eligible[None], used]))
    n_spikes = used.sum(axis=1)
    sums = LaggedSums(weights, grid.n_shifts, precision)
    pixels = movie.reshape(n_frames, -1)
    flat = (total.shape[0], lags.size, pixels.shape[1])
    mean = empty(flat, np.float32)
    z = empty(flat, np.float32) if with_z else None
    work = _Work(grid, sums, scores, n_spikes, mean, z)
    with threadpool_limits(limits=1, user_api="blas"):
        in_blocks(work, pixels[:: grid.frames][grid.seen], threads, pieces or Pieces(), progress)
    shape = (total.shape[0], lags.size, *movie.shape[1:])
    return StaResult(
        mean=mean.reshape(shape),
        z=None if z is None else z.reshape(shape),
        lags=lags,
        n_spikes=n_spikes,
        n_excluded=n_all - n_spikes,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What all blocks of pixels share."""

    grid: ImageGrid
    sums: LaggedSums
    scores: RefreshScores | None
    n_spikes: Int64
    mean: Float32
    z: Float32 | None

    def write(self, images: npt.NDArray[Any], block: slice) -> None:
        """Mean and z of a block of pixels."""
        values = images.astype(np.float64)
        whole = images.dtype.kind in "biu" or bool((values == np.rint(values)).all())
        # From the first image: a pixel that never changes becomes exactly 0.
        centre = values[0] + (values - values[0]).mean(axis=0)
        if whole:
            centre = np.rint(centre)
        placed = self.grid.padded(values - centre)
        sums_of, n_phases = self.sums.of(placed, whole=whole), self.grid.n_phases
        if self.scores is not None:
            null = self.grid.by_lag(sums_of(slice(0, n_phases)))[0]
            per_deviation = 1 / self.scores.deviations(placed)
        step = max(1, _ROWS_AT_ONCE // n_phases)
        for begin in range(0, len(self.mean), step):
            units = slice(begin, begin + step)
            rows = slice((1 + begin) * n_phases, (1 + begin + step) * n_phases)
            sums = self.grid.by_lag(sums_of(rows))
            if self.z is not None and self.scores is not None:
                self.z[units, :, block] = self.scores.scores(sums, null, per_deviation, units)
            n = self.n_spikes[units, None, None].astype(np.float64)
            sums += centre * n
            with np.errstate(invalid="ignore"):
                sums /= n
            self.mean[units, :, block] = sums

    def piece(self, block: slice) -> dict[str, Float32]:
        """The part of the results that a block is."""
        made = {"mean": self.mean[:, :, block]}
        return made if self.z is None else made | {"z": self.z[:, :, block]}


def eligible_counts(
    counts: Sequence[npt.NDArray[np.integer]] | npt.NDArray[np.integer],
    n_frames: int,
    shown: Sequence[tuple[int, int]] | None,
    lags: Int64,
) -> tuple[Int64, Int64]:
    """Counts of eligible frames summed over presentations, and how often each frame is eligible.

    A frame of a presentation is eligible if its whole window, all `lags` of it, was shown. How
    often is relative (divided by its greatest common divisor), so that whole presentations weigh 1
    each, however many there are.

    Parameters
    ----------
    counts, shown
        As of `spike_triggered_average`.
    n_frames
        Frames of the movie.
    lags
        Ascending, display frames.

    Returns
    -------
    counts : int64 array, shape ``(unit, frame)``
    times : int64 array, shape ``(frame,)``

    Raises
    ------
    ParameterError
        If counts, movie and what was shown do not fit, or no frame is eligible.
    """
    if len(counts) == 0:
        raise ParameterError("A spike-triggered average needs at least one presentation.")
    if shown is None:
        shown = [(0, n_frames)] * len(counts)
    total = np.zeros(counts[0].shape, dtype=np.int64)
    times = np.zeros(n_frames, dtype=np.int64)
    for presentation, (start, stop) in zip(counts, shown, strict=True):
        if presentation.shape != total.shape or presentation.shape[1:] != (n_frames,):
            raise ParameterError(
                f"Spike counts of shape {presentation.shape} do not fit a movie of {n_frames} "
                f"frames: every presentation needs (units, {n_frames})."
            )
        if not 0 <= start <= stop <= n_frames:
            raise ParameterError(
                f"Frames {start} to {stop} of a movie of {n_frames} frames were shown: frames must "
                "lie in the movie."
            )
        # Frames whose whole window was shown.
        inside = slice(start + max(0, -int(lags[0])), max(0, stop - max(0, int(lags[-1]))))
        total[:, inside] += presentation[:, inside]
        times[inside] += 1
    if not times.any():
        raise ParameterError(
            f"No frame has its whole window, lags {lags[0]} to {lags[-1]}, in what was shown; "
            "choose fewer."
        )
    return total, times // np.gcd.reduce(times)


def _lags(cover_range: tuple[int, int], n_frames: int) -> Int64:
    first, last = cover_range
    if first >= last:
        raise ParameterError(
            f"cover_range {cover_range} is empty: it must be (first, last) in display frames, last "
            f"exclusive, such as (-60, 0)."
        )
    if max(0, -first) + max(0, last - 1) >= n_frames:
        raise ParameterError(
            f"cover_range {cover_range} does not fit into a movie of {n_frames} frames: no frame "
            f"has its whole window inside. Choose a shorter one."
        )
    return np.arange(first, last, dtype=np.int64)
