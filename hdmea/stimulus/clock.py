"""The frame clock: the time of every display frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.intervals import Intervals, Irregular
from hdmea.stimulus.photodiode import Photodiode

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FrameClock:
    """The time of every display frame and how it was found.

    Parameters
    ----------
    times_s
        Frame times, float64, shape ``(n_frames,)``, seconds from the start of the recording.
    median_interval_s
        Median time between two pulses.
    n_pulses
        Pulses found (or times given), before any was dropped.
    n_dropped
        Pulses dropped at the beginning.
    irregular
        Intervals that are not regular, and what was decided.
    """

    times_s: Float64
    median_interval_s: float
    n_pulses: int
    n_dropped: int
    irregular: Irregular


def given_clock(times_s: npt.ArrayLike, display_delay_s: float = 0.0) -> FrameClock:
    """The clock of frame times that were given; its intervals are not judged.

    Parameters
    ----------
    times_s
        Seconds from the start of the recording.
    display_delay_s
        Added to every time.

    Raises
    ------
    StimulusError
        If there are fewer than two times, or one is not finite or not after the one before; the
        row is named, counted from 1.

    Examples
    --------
    >>> given_clock([0.5, 0.75, 1.0], display_delay_s=1.0).times_s
    array([1.5 , 1.75, 2.  ])
    """
    times = np.asarray(times_s, dtype=np.float64)
    if times.ndim != 1 or times.size < 2:
        # Cause: one number, or a table, was given in place of a list.
        raise StimulusError(
            f"frame times of shape {times.shape} are given; a list of at least two is needed"
        )
    for row in np.flatnonzero(~np.isfinite(times))[:1]:
        # Cause: a time is missing in the list.
        raise StimulusError(f"frame time {row + 1} is {times[row]}; every one must be a number")
    for row in np.flatnonzero(np.diff(times) <= 0)[:1] + 1:
        # Cause: times of several recordings are in one list, or it is not sorted.
        raise StimulusError(
            f"frame time {row + 1} is {times[row]} s, not after the one before it, "
            f"{times[row - 1]} s; frame times must ascend"
        )
    return FrameClock(
        times_s=times + display_delay_s,
        median_interval_s=float(np.median(np.diff(times))),
        n_pulses=times.size,
        n_dropped=0,
        irregular=Irregular.none(),
    )


def frame_clock(
    pulses_s: npt.ArrayLike,
    params: FrameClockParams,
    photodiode: Photodiode | None = None,
    remedies: Callable[[], str] = str,
) -> FrameClock:
    """Frame times from the times of pulses or events.

    Parameters
    ----------
    pulses_s
        Time of every pulse from the start of the recording, ascending.
    params
        See `FrameClockParams`.
    photodiode
        Decides about irregular intervals where ``params.irregular`` says so; without it they
        are undecided.
    remedies
        Says what else the recording has; asked for when the pulses cannot be the display's.

    Raises
    ------
    StimulusError
        If fewer than two frames remain, a pulse is too many, very many intervals are irregular,
        one is and ``params.irregular == "error"``, or a time of ``held_at_s`` or ``missed_at_s``
        lies in none.

    Examples
    --------
    >>> pulses = np.array([0, 10, 20, 30, 40, 60, 70]) / 1000
    >>> clock = frame_clock(pulses, FrameClockParams(drop_first=2, irregular="missed"))
    >>> clock.times_s, round(clock.median_interval_s, 9)
    (array([0.02, 0.03, 0.04, 0.05, 0.06, 0.07]), 0.01)
    >>> clock.irregular.frame, clock.irregular.verdict
    (array([2]), ('missed',))
    """
    pulses = np.asarray(pulses_s, dtype=np.float64)
    times = pulses[params.drop_first :] + params.display_delay_s
    if times.size < 2:
        # Cause: another row or event was taken for the frame clock, or the recording ended at once.
        raise StimulusError(
            f"The frame clock ({params.where}) has {pulses.size} pulses, and the first "
            f"{params.drop_first} are dropped: at least two frames are needed."
            f" {remedies()}".rstrip()
        )
    for i in np.flatnonzero(np.diff(times) <= 0)[:1]:
        # Cause: pulses are given by hand, or by events, and two have the same time.
        raise StimulusError(
            f"The frame clock ({params.where}) has a pulse at {times[i]:.6f} s and the next one "
            f"at {times[i + 1]:.6f} s: frames must follow each other."
        )
    intervals = Intervals(times, params)
    verdicts = intervals.verdicts(photodiode, remedies)
    extra = np.zeros(times.size, dtype=np.int64)
    for i, (verdict, _) in verdicts.items():
        if verdict == "missed":
            extra[i] = intervals.n_frames(i) - 1
    frame_of = np.arange(times.size) + np.cumsum(extra) - extra
    n_frames = int(frame_of[-1]) + 1
    rows = np.array(list(verdicts), dtype=np.int64)
    return FrameClock(
        times_s=np.interp(np.arange(n_frames), frame_of, times),
        median_interval_s=intervals.median,
        n_pulses=int(pulses.size),
        n_dropped=params.drop_first,
        irregular=Irregular(
            frame=frame_of[rows],
            start_s=times[rows],
            n_frames=np.array([intervals.n_frames(i) for i in verdicts], dtype=np.int64),
            verdict=tuple(verdict for verdict, _ in verdicts.values()),
            decided_by=tuple(by for _, by in verdicts.values()),
        ),
    )
