"""Sections, trials and events from the light itself, where there is no playlist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hdmea.errors import StimulusError
from hdmea.stimulus.movie import Kind
from hdmea.stimulus.photodiode import Photodiode
from hdmea.stimulus.timeline import Column, Timeline

Float64 = npt.NDArray[np.float64]

_RANGE = (0.1, 99.9)
_RUN = 3.0
_SHOWN = 8


class LightOnsets(BaseModel):
    """A stimulus that begins where the light goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    movie: str = Field(min_length=1, description="name of the stimulus, in place of a movie's")
    duration_s: float = Field(gt=0, description="time from an onset to the end of its trial")
    kind: Kind = Field("step", description="kind of stimulus")
    threshold: float = Field(
        0.6,
        gt=0,
        le=1,
        description="smallest rise of the light that is an onset, as a fraction of the "
        "photodiode's range (0.1st to 99.9th percentile)",
    )
    min_distance_s: float = Field(
        0.5, gt=0, description="of onsets that are closer, the one with the largest rise counts"
    )
    before_s: float = Field(1.0, ge=0, description="time from a trial's start to its onset")
    n_expected: int | None = Field(
        None, ge=1, description="number of onsets that must be found; null: any"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Switches:
    """When the light went on and off, seconds."""

    on_s: Float64
    off_s: Float64


def find_switches(photodiode: Photodiode, params: LightOnsets) -> Switches:
    """When the light went on and off, to a fraction of a value of the photodiode.

    A rise is the difference of the values after and before one, so that a switch inside a
    value counts in full. Onsets are its peaks of at least `threshold` of the photodiode's range,
    `min_distance_s` apart; the value itself tells where in it the light changed.

    Parameters
    ----------
    photodiode
        The light level.
    params
        See `LightOnsets`.

    Raises
    ------
    StimulusError
        If the light is constant.

    Examples
    --------
    >>> light = np.r_[np.zeros(1000), 0.25, np.ones(999), np.zeros(1000)]
    >>> photodiode = Photodiode(light.astype(np.float32), rate_hz=1000.0, t0_s=0.0)
    >>> found = find_switches(photodiode, LightOnsets(movie="flash", duration_s=2))
    >>> found.on_s, found.off_s
    (array([1.00075]), array([2.]))
    """
    light = photodiode.values.astype(np.float64)
    low, high = np.percentile(light, _RANGE) if light.size else (0.0, 0.0)
    if high <= low:
        raise StimulusError(
            "The photodiode is constant, so no light onset can be found: check "
            "frame_clock: {photodiode_row: ...}, or give a playlist_name."
        )
    distance = max(1, round(params.min_distance_s * photodiode.rate_hz))
    least = params.threshold * (high - low)
    on, off = (_edges(sign * light, least, distance) for sign in (1.0, -1.0))
    t0_s, rate_hz = photodiode.t0_s, photodiode.rate_hz
    return Switches(t0_s + on / rate_hz, t0_s + off / rate_hz)


def _edges(light: Float64, least: float, distance: int) -> Float64:
    """Places of the rises of at least `least`, in samples."""
    from scipy.signal import find_peaks

    rise = np.zeros(light.size)
    rise[1:-1] = light[2:] - light[:-2]
    at = find_peaks(rise, height=least, distance=distance)[0]
    # The share of the sample that still had the light before.
    share = (light[at + 1] - light[at]) / rise[at]
    return np.asarray(at + np.clip(share, 0, 1), dtype=np.float64)


def light_timeline(
    switches: Switches, start_s: float, stop_s: float, params: LightOnsets
) -> tuple[Timeline, list[float]]:
    """One trial per onset, one section per run of them.

    A run ends where the next onset is more than three times the median distance away.

    Parameters
    ----------
    switches
        When the light went on and off.
    start_s, stop_s
        Start and end of the photodiode's recording; trials that leave it are left out.
    params
        See `LightOnsets`.

    Returns
    -------
    Timeline
        Without frames: the light does not know them.
    list of float
        Onsets whose trials are left out.

    Raises
    ------
    StimulusError
        If trials overlap.
    """
    on = switches.on_s
    trial_s = params.before_s + params.duration_s
    if on.size > 1 and np.diff(on).min() < trial_s - 1e-3:
        at = int(np.diff(on).argmin())
        raise StimulusError(
            f"The light goes on at {on[at]:.3f} s and again at {on[at + 1]:.3f} s, but trials of "
            f"{params.movie!r} are {trial_s:g} s long (light_onsets.before_s {params.before_s:g} "
            f"+ duration_s {params.duration_s:g}) and would overlap. Choose a shorter duration_s, "
            f"or a longer min_distance_s (now {params.min_distance_s:g}) or higher threshold (now "
            f"{params.threshold:g}) if these are not both onsets."
        )
    inside = (on - params.before_s >= start_s) & (on + params.duration_s <= stop_s)
    left_out = on[~inside].tolist()
    on = on[inside]
    gaps = np.diff(on)
    run = np.zeros(on.size, dtype=np.int64)
    run[1:] = np.cumsum(gaps > _RUN * np.median(gaps)) if gaps.size else 0
    first, last = (
        np.searchsorted(run, np.unique(run)),
        np.searchsorted(run, np.unique(run), "right"),
    )
    begin, end = on - params.before_s, on + params.duration_s

    events: list[tuple[int, str, float]] = []
    for trial, onset in enumerate(on):
        events.append((trial, "light_on", float(onset)))
        off = switches.off_s[(switches.off_s > onset) & (switches.off_s < end[trial])]
        events += [(trial, "light_off", float(off[0]))] if off.size else []
    return Timeline(
        (), _tables(params, run, first, begin, end, begin[first], end[last - 1], events)
    ), left_out


def _tables(
    params: LightOnsets,
    run: npt.NDArray[np.int64],
    first: npt.NDArray[np.int64],
    begin: Float64,
    end: Float64,
    section_start: Float64,
    section_end: Float64,
    events: Sequence[tuple[int, str, float]],
) -> dict[str, tuple[Column, ...]]:
    def same(word: str, n: int) -> npt.NDArray[np.str_]:
        return np.array([word] * n, dtype=np.str_)

    n_sections, n_trials = section_start.size, begin.size
    number = np.arange(n_trials, dtype=np.int64) - first[run]
    return {
        "sections": (
            Column("movie", same(params.movie, n_sections), "", "stimulus that was shown"),
            Column("kind", same(params.kind, n_sections), "", "kind of stimulus"),
            Column("occurrence", np.arange(n_sections), "1", "presentations before it"),
            Column("complete", np.ones(n_sections, np.uint8), "1", "1: all of it was recorded"),
            Column("start_s", section_start, "s", "start of the first trial"),
            Column("end_s", section_end, "s", "end of the last trial, exclusive"),
        ),
        "trials": (
            Column("section", run, "1", "row of the trial's section"),
            Column("movie", same(params.movie, n_trials), "", "stimulus that was shown"),
            Column("kind", same(params.kind, n_trials), "", "kind of stimulus"),
            Column("number", number, "1", "trials before it in its section"),
            Column("start_s", begin, "s", "start of the trial"),
            Column("stop_s", end, "s", "end of the trial, exclusive"),
        ),
        "events": (
            Column("trial", np.array([e[0] for e in events], np.int64), "1", "row of its trial"),
            Column("name", np.array([e[1] for e in events], np.str_), "", "what happened"),
            Column("time_s", np.array([e[2] for e in events], np.float64), "s", "when it happened"),
        ),
    }
