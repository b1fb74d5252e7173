"""When a moving bar is where a unit looks: windows in which its spikes are counted.

Where the unit's field is known, the movie's own frames say when the bar's edges pass its centre;
else windows lie around the peaks of the response, at the times at which a bar that passes one place
would bring them, if the movie tells. All windows of a unit have the same length,
since a direction with a longer one would seem to be preferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.features.bar_shown import ShownBars, edge_times
from hdmea.features.inputs import FeatureInputs
from hdmea.kernels.windows import cross_validated_peaks, passage_peaks

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Text = npt.NDArray[np.str_]

FIELD_SIGMAS = 2
"""The field's border, for how long an edge takes to cross it, in standard deviations."""
_BORDER = np.deg2rad(22.5 * np.arange(16))
_PLACES = 24
"""Places along each side of the movie at which a bar may pass a unit without a field."""
_UNITS = 256


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
        ``field``, ``passage`` or ``psth``, one per unit.
    """

    whole: Windows
    on: Windows
    off: Windows
    source: Text


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
    after it. Else `psth_window_s` around the peaks of the other trials' PSTHs, moved into the time
    of the direction: where the movie has frames, around those of a bar that passes one place, the
    same in all directions, up to the longest passage and `after_s` after its leading edge came
    there; else around the peak of each direction.

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
    source = _place_by_peaks(
        by_field, inputs, shown, has_field, after_s, psth_window_s, psth_bin_s, psth_sigma_s
    )
    return _all_windows(by_field, has_field, source)


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
    on_at, off_at = edge_times(inputs, shown, frames, places)
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


def _apart(start_s: Float64, length_s: Float64, shown: ShownBars) -> Flags:
    """Whether windows lie inside their trials and do not overlap; not where one is NaN."""
    starts = np.sort(start_s, axis=2)
    stops = starts + length_s[:, None, None]
    inside = (starts[..., 0] >= shown.start_s) & (stops[..., -1] <= shown.stop_s)
    apart = (stops[..., :-1] <= starts[..., 1:]).all(axis=2) & inside
    return np.asarray(apart.all(axis=1))


def _place_by_peaks(
    found: _Found,
    inputs: FeatureInputs,
    shown: ShownBars,
    has_field: Flags,
    after_s: float,
    window_s: float,
    bin_s: float,
    sigma_s: float,
) -> Text:
    """Windows of units without a field, around the PSTHs' peaks; what places the windows."""
    source = np.where(has_field, "field", "psth").astype("<U7")
    rows = np.flatnonzero(~has_field)
    duration = float((shown.until_s - shown.onset_s).min())
    if len(shown.start_s) < 2:
        found.too_few[rows] = True
    elif duration < window_s:
        found.too_long[rows] = True
    elif rows.size:
        asked = (inputs.spikes, rows, shown.onset_s, duration, bin_s, sigma_s)
        leading, longest = _passages(inputs, shown)
        peaks = passage_peaks(*asked, leading - shown.onset_s[..., None], longest + after_s)
        if np.isnan(peaks).any():
            peaks = cross_validated_peaks(*asked)
        else:
            source[rows] = "passage"
        begin = np.clip(peaks - window_s / 2, 0, duration - window_s)
        found.start["whole"][rows] = shown.onset_s + begin
        found.length["whole"][rows] = window_s
    return source


def _passages(inputs: FeatureInputs, shown: ShownBars) -> tuple[Float64, float]:
    """When the bar comes to places all over its movie, ``(trial, slot, place)``; the longest stay.

    Places are there that it passes in all directions, the nearest to the middle first; none if the
    movie has no frames.
    """
    bar = inputs.movies.get(shown.movie)
    if bar is None or bar.frames is None:
        return np.empty((*shown.onset_s.shape, 0)), 0.0
    frames = bar.frames()
    y, x = (np.unique(np.floor((np.arange(_PLACES) + 0.5) / _PLACES * n)) for n in frames.shape[1:])
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.int64)
    middle = (np.array(frames.shape[:0:-1]) - 1) / 2
    places = places[np.hypot(*(places - middle).T).argsort(kind="stable")]
    on, off = edge_times(inputs, shown, frames, places)
    leading, stay = np.minimum(on, off), np.abs(on - off)
    passed = ~np.isnan(leading).any(axis=(0, 1))
    return leading[..., passed], float(stay[..., passed].max(initial=0.0))


def _all_windows(found: _Found, has_field: Flags, source: Text) -> BarWindows:
    """What was found, and why the rest was not."""
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
        source=source,
    )
