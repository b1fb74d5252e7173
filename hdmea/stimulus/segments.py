"""Segments of a temporal stimulus: what its light does between which events of every trial.

A segment begins and ends with an event: a sine of one frequency, a sweep of frequencies, a ramp of
contrast, or light. Where a sine is in its cycles is told by the segment's own times in each trial,
so that frame times that jitter, or a display that is slower than its name, move nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hdmea.errors import StimulusError

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

SegmentKind = Literal["sine", "sweep", "ramp", "light"]

START_EVENTS: dict[SegmentKind, str] = {
    "sine": "segment_start:<hz>hz",
    "sweep": "sweep_start:<hz>-<hz>hz[:log]",
    "ramp": "ramp_start:<hz>hz[:<contrast>-<contrast>]",
    "light": "light_on",
}
"""How the event is called with which a segment of each kind begins."""
STOP_EVENTS: dict[SegmentKind, str] = {
    "sine": "segment_stop",
    "sweep": "sweep_stop",
    "ramp": "ramp_stop",
    "light": "light_off",
}

WHOLE = 0.002
"""A segment holds a whole number of cycles if frequency x length is this near to it (relative)."""
_SAME_LENGTH = 0.1
_ROUNDING = 1e-6
_NUMBER = r"(\d+(?:\.\d+)?)"
_NAMES: dict[SegmentKind, re.Pattern[str]] = {
    "sine": re.compile(rf"segment_start:{_NUMBER}hz"),
    "sweep": re.compile(rf"sweep_start:{_NUMBER}-{_NUMBER}hz(:log)?"),
    "ramp": re.compile(rf"ramp_start:{_NUMBER}hz(?::{_NUMBER}-{_NUMBER})?"),
    "light": re.compile("light_on"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """What the light does in a segment, as its first event says; light is equal to light.

    Parameters
    ----------
    kind
        ``sine``, ``sweep`` (of frequency), ``ramp`` (of contrast) or ``light``.
    first_hz, last_hz
        Frequency at its start and end; NaN for light.
    first_contrast, last_contrast
        Contrast at its start and end.
    logarithmic
        Whether the frequency of a sweep rises by equal factors, not by equal steps, in equal times.
    """

    kind: SegmentKind
    first_hz: float = np.nan
    last_hz: float = np.nan
    first_contrast: float = 1.0
    last_contrast: float = 1.0
    logarithmic: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Segment) and self._comparable == other._comparable

    def __hash__(self) -> int:
        return hash(self._comparable)

    @property
    def _comparable(self) -> tuple[object, ...]:
        """Its values, none for NaN, which is equal to nothing."""
        return tuple(None if value != value else value for value in astuple(self))

    @property
    def mean_hz(self) -> float:
        """Cycles per second over the whole segment."""
        first, last = self.first_hz, self.last_hz
        if self.logarithmic:
            return float((last - first) / np.log(last / first))
        return (first + last) / 2

    def frequency_hz(self, part: Float64) -> Float64:
        """Frequency when this part of the segment is over, from 0 to 1."""
        if self.logarithmic:
            return self.first_hz * (self.last_hz / self.first_hz) ** part
        return self.first_hz + (self.last_hz - self.first_hz) * part

    def contrast(self, part: Float64) -> Float64:
        """Contrast when this part of the segment is over, from 0 to 1."""
        return self.first_contrast + (self.last_contrast - self.first_contrast) * part

    def cycles(self, part: Float64) -> Float64:
        """Which part of its cycles is over when this part of its time is.

        Examples
        --------
        >>> Segment("sweep", 1, 3).cycles(np.array([0.0, 0.5, 1.0]))
        array([0.   , 0.375, 1.   ])
        """
        if self.logarithmic:
            factor = self.last_hz / self.first_hz
            return np.asarray(np.expm1(part * np.log(factor)) / (factor - 1))
        rise = (self.last_hz - self.first_hz) / 2
        return (self.first_hz * part + rise * part**2) / self.mean_hz

    def part_at(self, cycles: Float64) -> Float64:
        """Which part of its time is over when this part of its cycles is: inverse of `cycles`.

        Examples
        --------
        >>> Segment("sweep", 1, 3).part_at(np.array([0.0, 0.375, 1.0]))
        array([0. , 0.5, 1. ])
        """
        if self.logarithmic:
            factor = self.last_hz / self.first_hz
            return np.asarray(np.log1p(cycles * (factor - 1)) / np.log(factor))
        at = self.mean_hz * cycles
        rise = self.last_hz - self.first_hz
        return np.asarray(2 * at / (self.first_hz + np.sqrt(self.first_hz**2 + 2 * rise * at)))


@dataclass(frozen=True, slots=True, eq=False)
class ShownSegment:
    """A segment, and when it was shown.

    Parameters
    ----------
    segment
        What it is.
    start_s, stop_s
        One entry per trial, half-open.
    """

    segment: Segment
    start_s: Float64
    stop_s: Float64

    @property
    def n_cycles(self) -> float:
        """Cycles in it, the same in every trial; a whole number if it is near one.

        Movies are made for a whole number of frames per second, displays are a little faster or
        slower: 4 s of 10 Hz last 4.004 s at 59.94 frames per second, and are still 40 cycles.

        Examples
        --------
        >>> ShownSegment(Segment("sine", 10, 10), np.array([1.0]), np.array([5.004])).n_cycles
        40.0
        """
        cycles = self.segment.mean_hz * float(np.median(self.stop_s - self.start_s))
        whole = float(np.rint(cycles))
        return whole if whole and abs(cycles - whole) <= WHOLE * whole else cycles

    @property
    def whole_cycles(self) -> int:
        """Whole cycles in it."""
        return int(self.n_cycles + _ROUNDING)

    def clock(self) -> Callable[[Int64, Float64], tuple[Float64, Float64]]:
        """Where it is in its cycles: cycles since its start, and cycles per second.

        Of moments, given by the number of their trial and their time, one entry per moment.

        Examples
        --------
        >>> one = ShownSegment(Segment("sweep", 1, 3), np.array([0.0, 9.0]), np.array([2.0, 11.0]))
        >>> one.clock()(np.array([0, 1]), np.array([1.0, 11.0]))
        (array([1.5, 4. ]), array([2., 3.]))
        """
        segment, start, duration = self.segment, self.start_s, self.stop_s - self.start_s
        n_cycles = self.n_cycles
        per_part = n_cycles / segment.mean_hz / duration

        def at(trial: Int64, time_s: Float64) -> tuple[Float64, Float64]:
            part = (time_s - start[trial]) / duration[trial]
            return n_cycles * segment.cycles(part), segment.frequency_hz(part) * per_part[trial]

        return at


def read_start(name: str) -> Segment | None:
    """The segment that begins with an event of this name; None if none does.

    Raises
    ------
    StimulusError
        If the name is meant to begin one, and cannot be understood.

    Examples
    --------
    >>> segment = read_start("sweep_start:0.5-8hz")
    >>> segment.kind, segment.first_hz, segment.last_hz, segment.logarithmic
    ('sweep', 0.5, 8.0, False)
    >>> read_start("ramp_start:2hz:0.1-1").first_contrast
    0.1
    >>> read_start("direction:45") is None
    True
    >>> read_start("segment_start:2")
    Traceback (most recent call last):
    hdmea.errors.StimulusError: segment_start:<hz>hz, found 'segment_start:2'
    """
    for kind, pattern in _NAMES.items():
        words = START_EVENTS[kind]
        if name.partition(":")[0] != words.partition(":")[0]:
            continue
        found = pattern.fullmatch(name)
        segment = _segment(kind, found.groups()) if found else None
        if segment is None:
            raise StimulusError(f"{words}, found {name!r}{_ALLOWED.get(kind, '')}")
        return segment
    return None


_ALLOWED: dict[SegmentKind, str] = {
    "sweep": " (two frequencies above 0 that differ)",
    "ramp": " (contrasts from 0 to 1 that differ)",
}


def _segment(kind: SegmentKind, words: tuple[str | None, ...]) -> Segment | None:
    numbers = [float(word) for word in words if word and word != ":log"]
    match kind, numbers:
        case "light", _:
            return Segment(kind)
        case "sine", [hz] if hz > 0:
            return Segment(kind, hz, hz)
        case "sweep", [first, last] if 0 < first != last > 0:
            return Segment(kind, first, last, logarithmic=":log" in words)
        case "ramp", [hz] if hz > 0:
            return Segment(kind, hz, hz, first_contrast=0.0)
        case "ramp", [hz, first, last] if hz > 0 and first != last and max(first, last) <= 1:
            return Segment(kind, hz, hz, first, last)
    return None


def pair_events(events: Iterable[tuple[str, float]]) -> list[tuple[Segment, float, float]]:
    """The segments of one trial, each with its start and stop, in the order of their starts.

    Parameters
    ----------
    events
        Name and time of each, in any order and unit; names that begin or end no segment do not
        count.

    Raises
    ------
    StimulusError
        If an event has no partner, comes out of order, or has a name that cannot be understood;
        it says which events are needed.

    Examples
    --------
    >>> [(segment, *times)] = pair_events([("segment_start:2hz", 30), ("segment_stop", 270)])
    >>> segment.first_hz, times
    (2.0, [30, 270])
    >>> pair_events([("segment_start:2hz", 30)])
    Traceback (most recent call last):
    hdmea.errors.StimulusError: one segment_stop for each segment_start, found none after
    segment_start:2hz
    """
    stops = {stop: kind for kind, stop in STOP_EVENTS.items()}
    # Where one segment ends and the next begins in the same frame, the end comes first.
    ordered = sorted(events, key=lambda event: (event[1], event[0] not in stops))
    found: list[tuple[Segment, float, float]] = []
    opened: tuple[Segment, str, float] | None = None
    for name, time in ordered:
        if name in stops:
            if opened is None or opened[0].kind != stops[name] or not opened[2] < time:
                start = START_EVENTS[stops[name]].partition(":")[0]
                raise StimulusError(f"one {start} before each {name}, found none")
            found.append((opened[0], opened[2], time))
            opened = None
        elif (segment := read_start(name)) is not None:
            if opened is not None:
                raise _unclosed(opened[0], opened[1], f"{name} comes before it")
            opened = (segment, name, time)
    if opened is not None:
        raise _unclosed(opened[0], opened[1], f"found none after {opened[1]}")
    return found


def _unclosed(segment: Segment, name: str, found: str) -> StimulusError:
    start = name.partition(":")[0]
    return StimulusError(f"one {STOP_EVENTS[segment.kind]} for each {start}, {found}")


def shown_segments(
    movie: str, n_trials: int, trial: Int64, name: Sequence[str], time_s: Float64
) -> list[ShownSegment]:
    """The segments of a movie's trials, which must be the same in all of them.

    Parameters
    ----------
    movie
        Its name, for the errors.
    n_trials
        Number of trials.
    trial, name, time_s
        Trial (from 0), name and time of every event.

    Raises
    ------
    StimulusError
        If events of a trial have no partner or cannot be understood, or trials differ in their
        segments or, by more than a tenth, in a segment's length.

    Examples
    --------
    >>> names = ["segment_start:2hz", "segment_stop"] * 2
    >>> times = np.array([1.0, 3.0, 11.0, 13.0])
    >>> [one] = shown_segments("sines", 2, np.array([0, 0, 1, 1]), names, times)
    >>> one.segment.kind, one.start_s, one.n_cycles
    ('sine', array([ 1., 11.]), 4.0)
    """
    mend = f"Give the events of its trials in {movie}.yaml of the stimulus library."
    events: list[list[tuple[str, float]]] = [[] for _ in range(n_trials)]
    for row, what, when in zip(trial.tolist(), name, time_s.tolist(), strict=True):
        events[row].append((str(what), when))
    trials = []
    for number, mine in enumerate(events):
        try:
            trials.append(pair_events(mine))
        except StimulusError as error:
            raise StimulusError(
                f"movie {movie!r}, trial {number}: its events need {error}. {mend}"
            ) from error
    for number, one in enumerate(trials[1:], start=1):
        if [segment for segment, _, _ in one] != [segment for segment, _, _ in trials[0]]:
            raise StimulusError(
                f"movie {movie!r}: trial {number} has other segments than trial 0: "
                f"{_listed(one)}; {_listed(trials[0])}. {mend}"
            )
    shown = []
    for k, (segment, _, _) in enumerate(trials[0] if trials else []):
        start, stop = (np.array([one[k][at] for one in trials], dtype=np.float64) for at in (1, 2))
        usual = float(np.median(stop - start))
        odd = np.flatnonzero(np.abs(stop - start - usual) > _SAME_LENGTH * usual)
        if odd.size:
            raise StimulusError(
                f"movie {movie!r}: {_listed([trials[0][k]])} lasts {usual:.3f} s in most trials, "
                f"and {float((stop - start)[odd[0]]):.3f} s in trial {odd[0]}; all trials must "
                f"show the same. {mend}"
            )
        shown.append(ShownSegment(segment, start, stop))
    return shown


def _listed(segments: Iterable[tuple[Segment, float, float]]) -> str:
    names = []
    for segment, _, _ in segments:
        hz = {segment.first_hz: 1, segment.last_hz: 1} if segment.kind != "light" else {}
        names.append(" ".join([segment.kind, "-".join(f"{one:g}" for one in hz)]).strip())
    return ", ".join(names) or "none"
