"""What a movie's light says about its kind, trials and events: a proposal, never a definition.

Steps, colours and sines are found to the frame; of a moving bar the direction is measured where
its frames are there. What cannot be told is left to fill in, and said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from hdmea.arrays import Array
from hdmea.stimulus.check.onsets import (
    Float64,
    Stretch,
    bar_motion,
    find_stretches,
    fit_sine,
    level_at,
    rest_level,
    stretches_per_trial,
)
from hdmea.stimulus.movie import Kind, TrialEvent, blocks, missing_events
from hdmea.stimulus.sections import POST_FRAMES, TrialRule

FILL_IN = "?"
"""In the name of an event: what could not be told."""

_BEFORE_FRAMES = 60
"""A trial begins this long before its first change, if the rest before it is twice as long."""
_GOOD_FIT = 0.95
_SHOWN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What is known of the light of a movie.

    Parameters
    ----------
    light
        One value per display frame of the movie.
    frames
        Its frames, shape ``(n_frames, height, width)``; None if only the light is known.
    tolerance
        Difference from the rest that is no change; 0 where the light is known exactly.
    """

    light: Float64
    frames: Array | None = None
    tolerance: float = 0.0

    @property
    def gap(self) -> int:
        """Shortest rest, in frames: a sine that passes it is at rest for less."""
        return 20 if self.tolerance else 10

    def same(self, one: Stretch, two: Stretch) -> bool:
        """Whether two stretches show the same."""
        n = min(one[1] - one[0], two[1] - two[0])
        first, second = slice(one[0], one[0] + n), slice(two[0], two[0] + n)
        apart = np.abs(self.light[first] - self.light[second])
        if (apart > 2 * self.tolerance).any():
            return False
        return self.frames is None or np.array_equal(self.frames[first], self.frames[second])

    def is_constant(self, stretch: Stretch) -> bool:
        """Whether the light stays on one level during a stretch."""
        return bool(np.ptp(self.light[slice(*stretch)]) <= 2 * self.tolerance)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Kind, trials and events, and what a reader should know of them."""

    kind: Kind
    rule: TrialRule
    events: tuple[TrialEvent, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """Stretches of a movie, and how they repeat."""

    kind: Kind
    stretches: list[Stretch]
    per_trial: int = 0
    remarks: list[str] = field(default_factory=list)


def propose(shown: Shown, kind: Kind = "unknown", rule: TrialRule | None = None) -> Proposal:
    """Propose what a library does not say.

    Parameters
    ----------
    shown
        The movie's light.
    kind
        Its kind, if that is known.
    rule
        Its trials, if they are known: events are those of the first.

    Examples
    --------
    >>> light = np.repeat([0.0, 255, 0, 255, 0], [100, 50, 100, 50, 100])
    >>> found = propose(Shown(light))
    >>> found.kind, found.rule.start_frame, found.rule.trial_length_frames, found.rule.repeat
    ('step', 50, 150, 2)
    >>> found.events
    (TrialEvent(name='light_on', frame=50), TrialEvent(name='light_off', frame=100))
    """
    found = _find(shown, kind)
    length = shown.light.size
    given = rule
    if rule is None:
        rule = _trials(found, length)
    if not found.stretches:
        if missing_events(found.kind, ()) and not found.remarks:
            found.remarks.append("no change of light was found: fill in the events")
        return Proposal(found.kind, rule, (), tuple(found.remarks))
    if given is None:
        first = found.stretches[: found.per_trial]
    else:
        end = rule.start_frame + rule.trial_length_frames
        first = [one for one in found.stretches if rule.start_frame <= one[0] < end]
    events = [
        TrialEvent(name, frame - rule.start_frame)
        for name, frame in _events(shown, found.kind, first, found.remarks)
    ]
    inside = [event for event in events if event.frame < rule.trial_length_frames]
    found.remarks += [
        f"{event.name} at frame {event.frame} is not inside the trial"
        for event in events
        if event not in inside
    ]
    return Proposal(found.kind, rule, tuple(inside), tuple(found.remarks))


def _find(shown: Shown, kind: Kind) -> _Found:
    """The stretches that belong to a kind; a kind that is not known is told by them."""
    light, tolerance = shown.light, shown.tolerance
    if kind in ("grey", "noise"):
        return _Found(kind, [])
    if np.ptp(light) <= tolerance and not _has_pictures(shown):
        return _Found("grey" if kind == "unknown" else kind, [])
    if kind == "chirp" or (kind == "unknown" and not _has_pictures(shown)):
        found = _with_rest(shown, "chirp", level_at(light, True, tolerance), shown.gap)
        if kind == "chirp" or _is_chirp(shown, found):
            return found
    rest = rest_level(light, tolerance)
    if kind == "moving_bar" or (kind == "unknown" and _has_pictures(shown)):
        found = _with_rest(shown, "moving_bar", rest, 1)
        if kind == "moving_bar" or _moves(shown, found):
            return found
        return _pictures(rest)
    found = _with_rest(shown, kind, rest, shown.gap, 2 if kind == "green_blue" else 1)
    if kind == "unknown":
        found.kind = _told_by(shown, found)
        if found.kind != "unknown":
            changes = _changes(found.stretches)
            found.remarks.append(f"the kind is told by the light alone ({changes}): check it")
    return found


def _with_rest(shown: Shown, kind: Kind, rest: float | None, gap: int, multiple: int = 1) -> _Found:
    if rest is None:
        return _Found(kind, [], 0, ["no level is held between changes: fill in the events"])
    stretches = find_stretches(shown.light, rest, shown.tolerance, gap)
    slack = 1 if shown.tolerance else 0
    n = stretches_per_trial(stretches, shown.same, multiple, slack) if stretches else 0
    return _Found(kind, stretches, n)


def _told_by(shown: Shown, found: _Found) -> Kind:
    trial = found.stretches[: found.per_trial]
    if all(map(shown.is_constant, trial)):
        if len(trial) == 1:
            return "step"
        levels = {float(np.median(shown.light[slice(*one)])) for one in trial}
        return "green_blue" if len(trial) == len(levels) == 2 else "unknown"
    fits = [fit_sine(shown.light[slice(*one)]).r2 for one in trial]
    return "freq_step" if fits and min(fits) >= _GOOD_FIT else "unknown"


def _is_chirp(shown: Shown, found: _Found) -> bool:
    """Whether trials begin with a step, and what follows it is not constant."""
    constant = [shown.is_constant(one) for one in found.stretches[: found.per_trial]]
    return len(constant) > 1 and constant[0] and not any(constant[1:])


def _has_pictures(shown: Shown) -> bool:
    """Whether any frame has pixels that differ."""
    return shown.frames is not None and any(
        bool((block != block[:, :1, :1]).any()) for _, block in blocks(shown.frames)
    )


def _moves(shown: Shown, found: _Found) -> bool:
    angles = [_direction(shown, one) for one in found.stretches[: found.per_trial]]
    return bool(angles) and None not in angles


def _pictures(rest: float | None) -> _Found:
    if rest is None:
        return _Found("noise", [], 0, ["taken for noise: pictures without a rest; check it"])
    return _Found("unknown", [], 0, ["pictures that are neither noise nor a moving bar"])


def _direction(shown: Shown, stretch: Stretch) -> float | None:
    """Direction of what moves in a stretch, if it moves evenly."""
    if shown.frames is None or stretch[0] == 0:
        return None
    motion = bar_motion(shown.frames[slice(*stretch)], shown.frames[stretch[0] - 1])
    return motion.direction_deg if motion is not None and motion.r2 >= _GOOD_FIT else None


def _trials(found: _Found, length: int) -> TrialRule:
    """Trials from the repetition of stretches, each with half a rest before its first change."""
    stretches, n = found.stretches, found.per_trial
    if not stretches:
        return TrialRule(0, length, 1)
    repeat = len(stretches) // n
    rests = [stretches[0][0]]
    if repeat > 1:
        rests.append(stretches[n][0] - stretches[n - 1][1])
    start = stretches[0][0] - min(_BEFORE_FRAMES, min(rests) // 2)
    if repeat == 1:
        return TrialRule(start, length - start, 1)
    period = stretches[n][0] - stretches[0][0]
    while start + repeat * period > length + POST_FRAMES:
        repeat -= 1
        found.remarks.append("the last trial would leave the section, and is left out")
    return TrialRule(start, period, repeat)


def _events(
    shown: Shown, kind: Kind, stretches: Sequence[Stretch], remarks: list[str]
) -> Iterator[tuple[str, int]]:
    """Names and frames of what happens in one trial."""
    match kind:
        case "step":
            yield from _step(shown, stretches, remarks)
        case "chirp":
            yield from _step(shown, stretches[:1], remarks)
            for one in stretches[1:]:
                yield from _sweeps(shown, one, remarks)
        case "green_blue":
            yield from _colours(stretches, remarks)
        case "freq_step":
            for one in stretches:
                hz, start, stop = _sine(shown, one)
                yield f"segment_start:{hz}hz", start
                yield "segment_stop", stop
        case "moving_bar":
            yield from _directions(shown, stretches, remarks)
        case _:
            remarks.append(f"the light changes in frames {_changes(stretches)} of the movie")


def _colours(stretches: Sequence[Stretch], remarks: list[str]) -> Iterator[tuple[str, int]]:
    remarks.append("luminance does not tell colours apart: green is taken to come first")
    for colour, (start, stop) in zip(("green", "blue"), stretches, strict=False):
        yield f"{colour}_on", start
        yield f"{colour}_off", stop
    if len(stretches) != 2:
        remarks.append(f"two flashes were expected in a trial, found {_changes(stretches)}")


def _sweeps(shown: Shown, stretch: Stretch, remarks: list[str]) -> Iterator[tuple[str, int]]:
    """Sweep and contrast ramp, around the level with which a chirp's trial ends."""
    light = shown.light[slice(*stretch)]
    around = level_at(light, False, shown.tolerance)
    found = [] if around is None else find_stretches(light, around, shown.tolerance, shown.gap)
    for begin, end in found:
        quarter = max(1, (end - begin) // 4)
        sizes = [np.ptp(light[begin : begin + quarter]), np.ptp(light[end - quarter : end])]
        # A sweep swings as far at its end as at its beginning.
        is_ramp = min(sizes) < max(sizes) / 2
        name, hz = ("ramp", FILL_IN) if is_ramp else ("sweep", f"{FILL_IN}-{FILL_IN}")
        yield f"{name}_start:{hz}hz", stretch[0] + begin
        yield f"{name}_stop", stretch[0] + end
    if found:
        remarks.append(f"frequencies of sweep and ramp are to be filled in where {FILL_IN} stands")
    else:
        remarks.append(f"no sweep and no ramp was found in frames {_changes([stretch])}; add them")


def _step(
    shown: Shown, stretches: Sequence[Stretch], remarks: list[str]
) -> Iterator[tuple[str, int]]:
    if len(stretches) != 1:
        remarks.append(f"one step was expected in a trial, found {_changes(stretches)}")
    for start, stop in stretches[:1]:
        level = float(np.median(shown.light[start:stop]))
        before = shown.light[start - 1] if start else shown.light[min(stop, shown.light.size - 1)]
        names = ("light_on", "light_off") if level > before else ("light_off", "light_on")
        yield names[0], start
        yield names[1], stop


def _sine(shown: Shown, stretch: Stretch) -> tuple[str, int, int]:
    """Frequency, start and stop; a sine leaves the rest, and returns to it, at its zeros."""
    start, stop = stretch
    found = fit_sine(shown.light[start:stop])
    if not found.r2 >= _GOOD_FIT:
        return FILL_IN, start, stop
    quarter = 15 / found.hz
    allowed = quarter if shown.tolerance else 1
    begin = start + round(found.start) if abs(found.start) <= allowed else start
    if shown.tolerance:
        half_cycles = round((stop - begin) / (2 * quarter))
        stop = round(begin + half_cycles * 2 * quarter)
    return f"{found.hz:g}", max(0, begin), stop


def _directions(
    shown: Shown, stretches: Sequence[Stretch], remarks: list[str]
) -> Iterator[tuple[str, int]]:
    remarks.append("a direction begins with the frame in which the bar is first seen")
    unknown = 0
    spacing = 360 / max(1, len(stretches))
    for one in stretches:
        angle = _direction(shown, one)
        if angle is None:
            unknown += 1
            yield f"direction:{FILL_IN}", one[0]
            continue
        # Equally spaced directions are meant exactly; pixels tell them to a degree or so.
        meant = round(angle / spacing) * spacing
        yield f"direction:{(meant if abs(angle - meant) < 2 else round(angle)) % 360:g}", one[0]
    if unknown:
        remarks.append(f"replace {FILL_IN} by the direction in degrees, counter-clockwise, 0 right")


def _changes(stretches: Sequence[Stretch]) -> str:
    shown = ", ".join(f"{start}-{stop}" for start, stop in stretches[:_SHOWN])
    more = f" and {len(stretches) - _SHOWN} more" if len(stretches) > _SHOWN else ""
    return (shown + more) or "none"
