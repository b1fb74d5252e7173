"""What features get to see of a recording, as plain arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array, LazyArray
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.sta import Presentations
from hdmea.stimulus.geometry import Geometry

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Text = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """All trials of all presentations, and what happens in them, in columns.

    Parameters
    ----------
    movie, kind, number
        One entry per trial: movie, kind of stimulus, trials before it in its presentation.
    start_s, stop_s
        Trials are ``[start, stop)``.
    event_trial, event_name, event_time_s
        One entry per event: row of its trial, what happened, when.
    """

    movie: Text
    kind: Text
    number: Int64
    start_s: Float64
    stop_s: Float64
    event_trial: Int64
    event_name: Text
    event_time_s: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Sta:
    """Spike-triggered averages of all units for one movie.

    Parameters
    ----------
    mean, z
        ``(unit, lag, y, x)``; z is None where it was not computed. They may be in a file still:
        ``mean[row]`` reads one unit.
    lags
        Display frames relative to the spike's.
    n_spikes
        Spikes averaged, one per unit; where it is 0, mean and z are NaN.
    presentations
        The presentations of the movie that they are from.
    """

    mean: Array | LazyArray
    z: Array | LazyArray | None
    lags: Int64
    n_spikes: Int64
    presentations: Presentations


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Who and where the units are, in columns: the sorter's number, the electrode from 1."""

    unit_id: Int64
    row: Int64
    column: Int64


@dataclass(frozen=True, slots=True, eq=False)
class ShownMovie:
    """A movie that was shown, and when.

    Parameters
    ----------
    kind
        Kind of stimulus.
    frames
        Gives its frames, ``(frame, y, x)``, uint8 or float, mapped from a file; None if the
        stimulus library has none.
    begin_frame
        One entry per presentation: the frame of the clock at which its first image was due. It
        may lie before the clock's first frame, where the beginning was not recorded.
    start_frame, stop_frame
        One entry per presentation: images ``[start, stop)`` of the movie were recorded.
    """

    kind: str
    frames: Callable[[], Array] | None
    begin_frame: Int64
    start_frame: Int64
    stop_frame: Int64


@dataclass(frozen=True, slots=True, eq=False)
class FeatureInputs:
    """What a feature may use; what it does not declare in `Feature.needs` is None or empty.

    Parameters
    ----------
    spikes
        Spike trains of all units.
    frame_times_s
        Time of every display frame (``frame_clock``).
    trials
        Trials and events (``trials``).
    stas
        Spike-triggered averages by movie (``sta``).
    features
        Arrays of other features by feature and output (``features.<name>``), reasons included.
    units
        Numbers and places of the units (``units``).
    duration_s
        Length of the recording (``duration``); None also where the file does not say.
    movies
        Movies that were shown, by name, in the order of their first presentation (``movies``).
    geometry
        Where their pixels are (``movies``); None where sections come from the light alone.
    threads
        How many a feature that looks at all units at once may compute with. The result must not
        depend on it.
    """

    spikes: SpikeTrains
    frame_times_s: Float64 | None = None
    trials: Trials | None = None
    stas: Mapping[str, Sta] = field(default_factory=dict)
    features: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    units: Units | None = None
    duration_s: float | None = None
    movies: Mapping[str, ShownMovie] = field(default_factory=dict)
    geometry: Geometry | None = None
    threads: int = 1
