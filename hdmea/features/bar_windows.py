"""When a moving bar is where a unit looks: windows in which its spikes are counted.

Where the unit's field is known, the movie's own frames say when the bar's edges pass its centre;
else windows lie around the peaks of the response. All windows of a unit have the same length,
since a direction with a longer one would seem to be preferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.features.played import trials_of
from hdmea.kernels.windows import cross_validated_peaks
from hdmea.stimulus.passage import edge_frames

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Text = npt.NDArray[np.str_]

KIND = "moving_bar"
EVENT = "direction:"
FIELD_SIGMAS = 2
"""The field's border, for how long an edge takes to cross it, in standard deviations."""
_BORDER = np.deg2rad(22.5 * np.arange(16))
_UNITS = 256


@dataclass(frozen=True, slots=True, eq=False)
class ShownBars:
    """All trials of a moving bar; a *slot* is one of the directions that a trial shows.

    Parameters
    ----------
    movie
        Its name.
    start_s, stop_s
        Of each trial, ``(trial,)``.
    onset_s, until_s
        When the time of each direction begins, and when the next one's does, or the trial ends,
        ``(trial, slot)``.
    directions_deg
        Every direction once, ascending, counter-clockwise, 0 to the right.
    slot_direction
        Position in `directions_deg`, ``(slot,)``, ascending.
    """

    movie: str
    start_s: Float64
    stop_s: Float64
    onset_s: Float64
    until_s: Float64
    directions_deg: Float64
    slot_direction: Int64


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Half-open windows of equal length for each unit.

    Parameters
    ----------
    start_s
        ``(unit, trial, slot)``; NaN where there are none.
    length_s
        ``(unit,)``; NaN where there are none.
    missing
        Why a unit has none, ``(unit,)`` for each reason.
    """

    start_s: Float64
    length_s: Float64
    missing: Mapping[str, Flags]

    @property
    def known(self) -> Flags:
        """Units that have windows."""
        return ~np.isnan(self.length_s)


@dataclass(frozen=True, slots=True, eq=False)
class BarWindows:
    """Windows of all units.

    Parameters
    ----------
    whole
        Around the whole passage of the bar.
    on, off
        Around its bright and its dark edge by themselves.
    source
        ``field`` or ``psth``, one per unit.
    """

    whole: Windows
    on: Windows
    off: Windows
    source: Text


def shown_bars(trials: Trials, feature: str, stimulus: str | None) -> ShownBars | None:
    """The trials of the moving bar that was chosen; None if none was played.

    Raises
    ------
    ParameterError, UnknownNameError
        As `hdmea.features.played.trials_of`.
    StimulusError
        If a trial shows other directions than the first one, none, or one that is no number.
    """
    rows = trials_of(trials, feature, KIND, stimulus)
    if rows.size == 0:
        return None
    movie = str(trials.movie[rows[0]])
    is_direction = np.char.startswith(trials.event_name, EVENT)
    degrees, onsets, untils = [], [], []
    for row in rows:
        mine = np.flatnonzero(is_direction & (trials.event_trial == row))
        angle = np.array([_degrees(movie, str(name)) for name in trials.event_name[mine]])
        time = trials.event_time_s[mine]
        order = np.lexsort((time, angle))
        in_time = np.append(np.sort(time), trials.stop_s[row])
        degrees.append(angle[order])
        onsets.append(time[order])
        untils.append(in_time[np.searchsorted(in_time, time[order], side="right")])
    if not degrees[0].size or any(not np.array_equal(one, degrees[0]) for one in degrees):
        raise StimulusError(
            f"{feature}: every trial of movie {movie!r} needs the same events "
            f"{EVENT}<degrees>, at least one. Give its events (frames from the trial's start) in "
            f"{movie}.yaml of the stimulus library"
        )
    directions, slot_direction = np.unique(degrees[0], return_inverse=True)
    return ShownBars(
        movie=movie,
        start_s=trials.start_s[rows],
        stop_s=trials.stop_s[rows],
        onset_s=np.stack(onsets),
        until_s=np.stack(untils),
        directions_deg=directions,
        slot_direction=slot_direction.astype(np.int64),
    )


def _degrees(movie: str, name: str) -> float:
    try:
        return float(name.removeprefix(EVENT)) % 360
    except ValueError as error:
        raise StimulusError(
            f"movie {movie!r}: event {name!r} names no direction; it needs {EVENT}<degrees>, "
            f"such as {EVENT}45. Correct it in the stimulus library"
        ) from error


def bar_windows(
    inputs: FeatureInputs,
    shown: ShownBars,
    *,
    after_s: float,
    psth_window_s: float,
    psth_bin_s: float,
    psth_sigma_s: float,
) -> BarWindows:
    """Windows of all units.

    Where the field's centre is known and the bar movie has frames: from the leading edge at the
    centre, as long as from there to the trailing edge at most, over all trials and directions of
    the unit, plus `after_s`. The windows of an edge by itself begin when it enters the field and
    end `after_s` after it leaves it, on the assumption that it takes as long before the centre as
    after it. Else `psth_window_s` around the peak of each direction's PSTH of the other trials,
    moved into the time of the direction.

    Parameters
    ----------
    inputs
        Spikes, frame clock, movies, geometry and ``dense_noise``.
    shown
        The trials.
    after_s, psth_window_s
        As above.
    psth_bin_s, psth_sigma_s
        Bin of the PSTH and standard deviation of its smoothing; they only place the window.

    Raises
    ------
    StimulusError
        If the library says where one of noise and bar lies on the display, and of the other not.
    """
    n_units = inputs.spikes.n_units
    by_field = _Found(n_units, shown.onset_s.shape)
    points, has_field = _field_points(inputs, shown.movie)
    for first in range(0, n_units, _UNITS):
        rows = first + np.flatnonzero(has_field[first : first + _UNITS])
        if rows.size:
            _place_by_field(by_field, inputs, shown, rows, points[rows], after_s)
    return _with_psth(by_field, inputs, shown, has_field, psth_window_s, psth_bin_s, psth_sigma_s)


class _Found:
    """What is found of each unit, block by block."""

    def __init__(self, n_units: int, shape: tuple[int, ...]) -> None:
        self.start = {name: np.full((n_units, *shape), np.nan) for name in ("whole", "on", "off")}
        self.length = {name: np.full(n_units, np.nan) for name in ("whole", "edge")}
        self.outside, self.not_crossed, self.too_long, self.too_few, self.no_size = (
            np.zeros(n_units, dtype=bool) for _ in range(5)
        )


def _field_points(inputs: FeatureInputs, movie: str) -> tuple[Float64, Flags]:
    """Centre and border of all fields, pixels of the bar movie, and whether a field is known."""
    n_units = inputs.spikes.n_units
    points = np.full((n_units, 1 + _BORDER.size, 2), np.nan)
    noise = inputs.features["dense_noise"]
    geometry, bar = inputs.geometry, inputs.movies.get(movie)
    if geometry is None or bar is None or bar.frames is None:
        return points, np.zeros(n_units, dtype=bool)
    with_pixels = {grid.movie for grid in geometry.movies}
    centre = np.column_stack([noise["centre_x_px"], noise["centre_y_px"]])
    turned = np.deg2rad(noise["angle_deg"])[:, None]
    along = FIELD_SIGMAS * noise["sigma_major_px"][:, None] * np.cos(_BORDER)
    across = FIELD_SIGMAS * noise["sigma_minor_px"][:, None] * np.sin(_BORDER)
    # angles have y up, pixels y down
    border_x = along * np.cos(turned) - across * np.sin(turned)
    border_y = -(along * np.sin(turned) + across * np.cos(turned))
    field = centre[:, None] + np.concatenate(
        [np.zeros((n_units, 1, 2)), np.stack([border_x, border_y], axis=2)], axis=1
    )
    for name in np.unique(noise["movie"]).tolist():
        if name in with_pixels and movie in with_pixels:
            rows = (noise["movie"] == name) & np.isfinite(centre).all(axis=1)
            points[rows] = geometry.between(name, movie, field[rows])
    return points, np.asarray(np.isfinite(points[:, 0]).all(axis=1))


def _place_by_field(
    found: _Found,
    inputs: FeatureInputs,
    shown: ShownBars,
    rows: Int64,
    points: Float64,
    after_s: float,
) -> None:
    """Windows of the units in `rows`, from the bar's edges at the points of their fields."""
    bar = inputs.movies[shown.movie]
    assert bar.frames is not None
    frames = bar.frames()
    pixels = np.floor(points + 0.5)
    in_movie = (pixels >= 0) & (pixels < (frames.shape[2], frames.shape[1]))
    inside = np.asarray(in_movie.all(axis=2))
    places, of_point = np.unique(pixels[inside].astype(np.int64), axis=0, return_inverse=True)
    on_at, off_at = _edge_times(inputs, shown, frames, places)
    times = np.full((2, *shown.onset_s.shape, *inside.shape), np.nan)
    times[..., inside] = np.stack([on_at, off_at])[..., of_point.ravel()]
    # edge, unit, trial, slot, point
    times = np.moveaxis(times, 3, 1)
    on, off = centre = times[..., 0]

    leading = np.minimum(on, off)
    length = (np.maximum(on, off) - leading).max(axis=(1, 2)) + after_s
    found.outside[rows] = ~inside[:, 0]
    crossed = ~np.isnan(length)
    found.not_crossed[rows] = inside[:, 0] & ~crossed
    fits = _apart(leading, length, shown)
    found.too_long[rows] = crossed & ~fits
    found.start["whole"][rows] = leading
    found.length["whole"][rows] = np.where(fits, length, np.nan)

    # an ellipse is as far before its centre as behind it: one point of two opposite ones will do
    away = np.abs(times[..., 1:] - centre[..., None])
    half = np.max(away, axis=(0, 2, 3, 4), initial=-np.inf, where=~np.isnan(away))
    no_size = ~np.isfinite(half)
    found.no_size[rows] = no_size
    half = np.where(no_size, np.nan, half)
    edge_length = 2 * half + after_s
    starts = centre - half[:, None, None]
    separate = _apart(np.concatenate([*starts], axis=2), edge_length, shown)
    found.start["on"][rows], found.start["off"][rows] = starts
    found.length["edge"][rows] = np.where(separate & fits, edge_length, np.nan)


def _edge_times(
    inputs: FeatureInputs, shown: ShownBars, frames: npt.NDArray[np.generic], places: Int64
) -> tuple[Float64, Float64]:
    """When pixels become bright and dark, seconds, ``(trial, slot, pixel)``."""
    assert inputs.frame_times_s is not None
    clock = inputs.frame_times_s
    first, stop = _nearest(clock, shown.onset_s), _nearest(clock, shown.until_s)
    begins = np.sort(inputs.movies[shown.movie].begin_frame)
    begin = begins[np.maximum(np.searchsorted(begins, first, side="right") - 1, 0)]
    segments = np.stack([first - begin, np.minimum(stop - begin, len(frames))], axis=-1)
    different, which = np.unique(segments.reshape(-1, 2), axis=0, return_inverse=True)
    passage = edge_frames(frames, different, places)
    shape = (*shown.onset_s.shape, len(places))
    on, off = (
        _time_of(clock, edge[which.ravel()].reshape(shape) + begin[..., None])
        for edge in (passage.brighter, passage.darker)
    )
    return on, off


def _nearest(clock: Float64, times_s: Float64) -> Int64:
    """The display frame that is nearest to each time."""
    after = np.clip(np.searchsorted(clock, times_s), 1, clock.size - 1)
    nearer_before = times_s - clock[after - 1] < clock[after] - times_s
    return (after - nearer_before).astype(np.int64)


def _time_of(clock: Float64, frame: Float64) -> Float64:
    known = ~np.isnan(frame)
    times = np.full(frame.shape, np.nan)
    times[known] = clock[frame[known].astype(np.int64)]
    return times


def _apart(start_s: Float64, length_s: Float64, shown: ShownBars) -> Flags:
    """Whether windows lie inside their trials and do not overlap; not where one is NaN."""
    starts = np.sort(start_s, axis=2)
    stops = starts + length_s[:, None, None]
    inside = (starts[..., 0] >= shown.start_s) & (stops[..., -1] <= shown.stop_s)
    apart = (stops[..., :-1] <= starts[..., 1:]).all(axis=2) & inside
    return np.asarray(apart.all(axis=1))


def _with_psth(
    found: _Found,
    inputs: FeatureInputs,
    shown: ShownBars,
    has_field: Flags,
    window_s: float,
    bin_s: float,
    sigma_s: float,
) -> BarWindows:
    """The windows that were found, and for units without a field those around the PSTH's peaks."""
    rows = np.flatnonzero(~has_field)
    duration = float((shown.until_s - shown.onset_s).min())
    if len(shown.start_s) < 2:
        found.too_few[rows] = True
    elif duration < window_s:
        found.too_long[rows] = True
    else:
        peaks = cross_validated_peaks(inputs.spikes, rows, shown.onset_s, duration, bin_s, sigma_s)
        begin = np.clip(peaks - window_s / 2, 0, duration - window_s)
        found.start["whole"][rows] = shown.onset_s + begin
        found.length["whole"][rows] = window_s
    whole = {
        "outside_movie": found.outside,
        "not_crossed": found.not_crossed,
        "window_too_long": found.too_long,
        "too_few_trials": found.too_few,
    }
    edges = {"no_field": ~has_field, **whole, "field_size_unknown": found.no_size}
    edges["edges_overlap"] = np.isnan(found.length["edge"])

    def windows(name: str, length: str, missing: Mapping[str, Flags]) -> Windows:
        undefined = np.isnan(found.length[length])[:, None, None]
        start = np.where(undefined, np.nan, found.start[name])
        return Windows(start, found.length[length], missing)

    return BarWindows(
        whole=windows("whole", "whole", whole),
        on=windows("on", "edge", edges),
        off=windows("off", "edge", edges),
        source=np.where(has_field, "field", "psth"),
    )
