"""What spikes and a noise movie say of receptive fields: significance, map, temporal filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.kernels.circular_shifts import (
    Refreshes,
    compare_with_shifts,
    correlated,
    refreshes,
    shift_scores,
)
from hdmea.kernels.space_time import separate
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.sta import (
    Presentations,
    eligible_counts,
    refresh_starts,
    spike_triggered_average,
)
from hdmea.kernels.sta_peak import p_bonferroni, sta_peaks
from hdmea.kernels.temporal_filter import peaks, temporal_filters

Array = npt.NDArray[Any]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

CONTROL_LAGS = 15
"""Lags after the spike, from the hold on, at which there can be no response."""
_PIXEL_BLOCK = 256
_TEST_BYTES = 1 << 27


@dataclass(frozen=True, eq=False)
class Noise:
    """A noise movie, and what was shown of it.

    Parameters
    ----------
    frames
        ``(frame, y, x)``.
    presentations
        Those that count.
    lags
        Of the averages: display frames relative to the spike's, ascending, consecutive.
    """

    frames: Array
    presentations: Presentations
    lags: Int64

    @cached_property
    def starts(self) -> Int64:
        """Frames at which an image begins."""
        return refresh_starts(self.frames)

    @cached_property
    def refreshes(self) -> Refreshes:
        """How long images stay."""
        return refreshes(self.starts, len(self.frames))

    @cached_property
    def images(self) -> Array:
        """Image of each refresh of the grid, ``(refresh, pixel)``."""
        return self.frames.reshape(len(self.frames), -1)[:: self.refreshes.grid_frames]

    @cached_property
    def correlated(self) -> bool:
        """Whether successive images are, within the window of the averages."""
        images = self.images
        if not self.refreshes.regular:
            images = self.frames.reshape(len(self.frames), -1)[self.starts]
        return correlated(images, -(-self.lags.size // self.refreshes.hold_frames))

    @cached_property
    def times(self) -> Int64:
        """How often each frame counts, ``(frame,)``."""
        nobody = np.zeros((0, len(self.frames)), dtype=np.int64)
        shown = self.presentations.shown
        return eligible_counts([nobody] * len(shown), len(self.frames), shown, self.lags)[1]

    @cached_property
    def control_lags(self) -> Int64:
        """Lags at which the image had not been shown when the spike was fired."""
        first = self.refreshes.hold_frames
        return np.arange(first, first + CONTROL_LAGS)

    @cached_property
    def has_control(self) -> bool:
        """Whether a presentation is long enough for the control lags."""
        return any(stop - start > self.control_lags[-1] for start, stop in self.presentations.shown)

    @cached_property
    def mean(self) -> Float64:
        """What averages would be without any relation to the spikes, ``(lag, y, x)``."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

        grid, n = self.refreshes.grid_frames, len(self.images)
        used = np.flatnonzero(self.times)
        weights = np.stack([
            np.bincount((used + lag) // grid, weights=self.times[used], minlength=n)
            for lag in self.lags.tolist()
        ])  # fmt: skip
        with threadpool_limits(limits=1, user_api="blas"):
            sums = [
                weights @ self.images[:, i : i + _PIXEL_BLOCK].astype(np.float64)
                for i in range(0, self.images.shape[1], _PIXEL_BLOCK)
            ]
        mean: Float64 = np.concatenate(sums, axis=1) / self.times.sum()
        return mean.reshape(len(self.lags), *self.frames.shape[1:])

    def counts(self, spikes: SpikeTrains, rows: slice, frame_times_s: Float64) -> list[Int64]:
        """Spikes of some units in each frame, ``(unit, frame)`` for each presentation."""
        trains = spikes.rows(rows.start, rows.stop)
        return self.presentations.counts(trains, frame_times_s, len(self.frames))

    def total(self, counts: Sequence[Int64]) -> Int64:
        """Spikes of all presentations in each frame that counts, ``(unit, frame)``."""
        return eligible_counts(counts, len(self.frames), self.presentations.shown, self.lags)[0]

    def seen_through(self, maps: Float64) -> Float64:
        """Sum over each refresh's image, weighted by each map; ``(unit, refresh)``."""
        from threadpoolctl import threadpool_limits

        flat = maps.reshape(len(maps), self.images.shape[1])
        light = np.zeros((len(maps), len(self.images)))
        middle = self.images.mean(axis=0, dtype=np.float64)
        with threadpool_limits(limits=1, user_api="blas"):
            for i in range(0, flat.shape[1], _PIXEL_BLOCK):
                block = slice(i, i + _PIXEL_BLOCK)
                images = self.images[:, block] - middle[block]
                # A product for each unit by itself, so that a unit does not depend on the others.
                for unit, weights in enumerate(flat[:, block]):
                    light[unit] += images @ weights
        return light


@dataclass(frozen=True, slots=True, eq=False)
class FieldTests:
    """Whether averages are more than chance, float64 columns ``(unit,)``.

    Parameters
    ----------
    p_shift
        Probability of the largest score over lags and pixels by circular shifts.
    z_peak_control, p_shift_control
        The z score of largest size, and p, of lags after the spike.
    n_shifts
        Shifts.
    """

    p_shift: Float64
    z_peak_control: Float64
    p_shift_control: Float64
    n_shifts: int


def tested(
    noise: Noise, spikes: SpikeTrains, frame_times_s: Float64, min_shift_frames: float
) -> FieldTests:
    """Test the averages of all units.

    Parameters
    ----------
    noise
        The movie.
    spikes
        Spike trains of all units.
    frame_times_s
        Frames of the clock.
    min_shift_frames
        Spikes are shifted by at least this.
    """
    # What is made of the movie is the same for all units of a block.
    blocks = unit_blocks(spikes.n_units, 8 * CONTROL_LAGS * noise.images.shape[1], _TEST_BYTES)
    parts = [
        _tested(noise, noise.counts(spikes, rows, frame_times_s), min_shift_frames)
        for rows in blocks
    ]
    p, control, p_control = (
        np.concatenate([getattr(one, name) for one in parts])
        for name in ("p_shift", "z_peak_control", "p_shift_control")
    )
    return FieldTests(p, control, p_control, parts[0].n_shifts)


def unit_blocks(n_units: int, unit_bytes: int, block_bytes: int) -> list[slice]:
    """Rows of the units in blocks, each of 1 to 64 units; one block if there are none.

    Examples
    --------
    >>> unit_blocks(5, unit_bytes=10, block_bytes=35)
    [slice(0, 3, None), slice(3, 5, None)]
    """
    step = int(np.clip(block_bytes // unit_bytes, 1, 64))
    return [slice(i, min(i + step, n_units)) for i in range(0, max(1, n_units), step)]


def _tested(noise: Noise, counts: list[Int64], min_shift_frames: float) -> FieldTests:
    control = np.full(len(counts[0]), np.nan)
    if noise.has_control:
        control = sta_peaks(_scores(noise, counts, noise.control_lags)).z
    shown = noise.presentations.shown
    total, times = eligible_counts(counts, len(noise.frames), shown, noise.lags)
    # Whole numbers: spikes beyond the mean, times the frames that count.
    excess = times.sum() * total - total.sum(axis=1, keepdims=True) * times
    by_lag = shift_scores(excess.astype(np.float64), noise.frames, noise.refreshes.grid_frames)
    causal = compare_with_shifts(by_lag, noise.lags, min_shift_frames)
    acausal = compare_with_shifts(by_lag, noise.control_lags, min_shift_frames)
    return FieldTests(causal.p, control, acausal.p, causal.n_shifts)


def largest_scores(noise: Noise, counts: list[Int64], z: Array | None) -> dict[str, Float64]:
    """Where the averages of some units stand out most.

    Parameters
    ----------
    noise
        The movie.
    counts
        Spikes in its frames, ``(unit, frame)`` for each presentation.
    z
        Scores of the averages, ``(unit, lag, y, x)``; None: they are computed.

    Returns
    -------
    dict of float64 arrays, shape ``(unit,)``
        ``z_peak`` and ``peak_lag``, ``peak_y``, ``peak_x``: the voxel of largest absolute z, and
        its indices. ``p_bonferroni``: probability of such a peak by chance, over lags and pixels.
    """
    if z is None:
        z = _scores(noise, counts, noise.lags)
    peak = sta_peaks(z)
    return {
        "z_peak": peak.z,
        "peak_lag": peak.lag,
        "peak_y": peak.y,
        "peak_x": peak.x,
        "p_bonferroni": p_bonferroni(peak.z, np.isfinite(z).sum(axis=(1, 2, 3))),
    }


def _scores(noise: Noise, counts: list[Int64], lags: Int64) -> Array:
    cover, shown = (int(lags[0]), int(lags[-1]) + 1), noise.presentations.shown
    found = spike_triggered_average(counts, noise.frames, cover, shown=shown).z
    assert found is not None
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """Spatial maps and temporal filters, float64, a row per unit.

    Parameters
    ----------
    spatial_map, temporal_course, separability, polarity
        As of `SpaceTime`; map, course and polarity turned round where the filter's larger lobe is
        not that of the average's peak.
    temporal_filter
        ``(unit, lag)``, the largest weight is 1; NaN where the regression predicts nothing.
    filter_lag, biphasic_index
        Lag of its peak, and trough over peak.
    filter_r2, filter_penalty
        As of `TemporalFilters`.
    """

    spatial_map: Float64
    temporal_course: Float64
    separability: Float64
    polarity: Float64
    temporal_filter: Float64
    filter_lag: Float64
    biphasic_index: Float64
    filter_r2: Float64
    filter_penalty: Float64


def fields(noise: Noise, counts: list[Int64], mean: Array) -> Fields:
    """Separate averages, ``(unit, lag, y, x)``, and find the filter behind each map."""
    space = separate(mean, noise.mean)
    light = noise.seen_through(space.spatial_map)
    grid = noise.refreshes.grid_frames
    filters = temporal_filters(noise.total(counts), noise.times, light, noise.lags, grid)
    # Held images smear the lobes of a filter, and the average may peak in the smaller one.
    least = filters.weights.min(axis=1, initial=np.inf)
    turned = (filters.r2 > 0) & (-least > filters.weights.max(axis=1, initial=-np.inf))
    sign = np.where(turned, -1.0, 1.0)
    raw = sign[:, None] * filters.weights
    filter_lag, biphasic_index = peaks(raw, noise.lags)
    largest = raw.max(axis=1, initial=-np.inf)
    predicts = (filters.r2 > 0) & (largest > 0)
    weights = np.where(predicts[:, None], raw / largest[:, None], np.nan)
    return Fields(
        spatial_map=sign[:, None, None] * space.spatial_map,
        temporal_course=sign[:, None] * space.temporal_course,
        separability=space.separability,
        polarity=sign * space.polarity,
        temporal_filter=weights,
        filter_lag=np.where(predicts, filter_lag, np.nan),
        biphasic_index=np.where(predicts, biphasic_index, np.nan),
        filter_r2=filters.r2,
        filter_penalty=filters.penalty,
    )
