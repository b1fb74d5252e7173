"""The trials of a moving bar, and when its edges pass a pixel in each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.features.played import trials_of
from hdmea.stimulus.passage import edge_frames

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

KIND = "moving_bar"
EVENT = "direction:"


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


def edge_times(
    inputs: FeatureInputs, shown: ShownBars, frames: npt.NDArray[np.generic], places: Int64
) -> tuple[Float64, Float64]:
    """When pixels of the bar's movie become bright and dark, seconds, ``(trial, slot, pixel)``.

    Parameters
    ----------
    inputs
        With the frame clock and the movie.
    shown
        The trials.
    frames
        The movie's.
    places
        Whole x and y of each pixel, ``(pixel, 2)``.
    """
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
