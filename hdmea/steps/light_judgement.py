"""What the light says of a playlist's sections: stored with them, and judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Variable, Variables
from hdmea.errors import StimulusError
from hdmea.session import PipelineSession
from hdmea.stimulus.alignment import Alignment
from hdmea.stimulus.diagnosis import contradiction
from hdmea.stimulus.long_intervals import LongInterval, intervals_in_words
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.sections import Section, trial_frames
from hdmea.stimulus.shown import Shown

_SHOWN = 8
_NEARLY_HALF = 0.35
"""Part of a frame from which a delay may be taken for a whole one."""


def accept_missed(
    session: PipelineSession,
    shown: Shown,
    sections: Sequence[Section],
    movies: Sequence[Movie],
    variables: Variables,
    mode: Literal["error", "warn"],
) -> None:
    """Judge long intervals in which pulses were missed; parameters as for `accept_light`.

    They are to go by only if all sections then agree with the light.

    Raises
    ------
    StimulusError
        If pulses were missed and `mode` is ``error``; with the setting that inserts the frames.
    """
    missed = _intervals(shown, variables, "missed")
    if not shown.mended_by(missed, sections, movies):
        return
    message = (
        f"{session.dataset_id}: the light of the movies after it shows that pulses were missed in "
        f"{intervals_in_words(missed)}, so that all later frames are counted too low. Set: "
        f"{shown.named(missed=missed)}"
    )
    if mode == "error":
        # Cause: the device that records frame pulses missed some, and the movies after them show by
        # their light how many.
        raise StimulusError(message)
    session.warn(message)


def accept_light(
    session: PipelineSession,
    shown: Shown,
    sections: Sequence[Section],
    movies: Sequence[Movie],
    variables: Variables,
    mode: Literal["error", "warn"],
) -> None:
    """Judge how the light compares with the sections: refuse it, or warn of it.

    Parameters
    ----------
    session
        The recording.
    shown
        How the playlist was taken.
    sections, movies
        The presentations that were recorded, and their movies.
    variables
        What was found, as it is stored.
    mode
        Whether a contradiction is an error or a warning. That the meaning of an interval is open
        is an error in any case.

    Raises
    ------
    StimulusError
        With the setting that mends it, where that can be told.
    """
    where = session.dataset_id
    compared = _compared(variables, shown.frame_s)
    last = max(_last_frames(sections, movies), default=0)
    open_ = [one for one in _intervals(shown, variables, "undecided") if one.frame < last]
    told = [
        f"section {i} ({section.movie}): r = {one.r:.2f} at a lag of {one.lag_frames:.0f} frames"
        for i, (section, one) in enumerate(zip(sections, compared, strict=True))
        if one.contradicts
    ] or _shifted_parts(shown, sections, movies)
    if told:
        more = f"; and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        told = told[:_SHOWN]
        message = f"{where}: the photodiode contradicts the playlist in {'; '.join(told)}{more}"
        if mode == "warn":
            session.warn(message)
        elif why := contradiction(shown, sections, movies, compared):
            # Cause: another playlist was shown, it was started elsewhere, or frames are counted
            # wrongly; what fits better is named.
            raise StimulusError(f"{message}. {why}")
        elif not open_:
            # Cause: another playlist was shown, the photodiode was not at the display, or frames
            # are counted wrongly.
            raise StimulusError(
                f"{message}. Check playlist and frame clock, or accept it with alignment='warn'"
            )
    if open_:
        # Cause: an interval of the frame clock is too long, and neither the light nor later movies
        # tell whether the display held its frame or a pulse was missed.
        raise StimulusError(
            f"{where}: whether the display held a frame or pulses were missed is told neither by "
            f"the photodiode there nor by movies after it in {intervals_in_words(open_)}. If the "
            f"display held them, set: {shown.named(held=open_)}. If pulses were missed, set: "
            f"{shown.named(missed=open_)}"
        )


def _shifted_parts(shown: Shown, sections: Sequence[Section], movies: Sequence[Movie]) -> list[str]:
    """Parts of the clock between long intervals that are off though whole sections agree."""
    return [
        f"the part from {shown.frame_times_s[part.start_frame]:.3f} s up to the next long interval "
        f"of the clock, where the light comes {abs(part.lag)} "
        f"frame{'s' if abs(part.lag) != 1 else ''} {'later' if part.lag > 0 else 'earlier'}"
        for part in shown.parts(sections, movies)
        if part.lag
    ]


def warn_of_untold(
    session: PipelineSession,
    shown: Shown,
    sections: Sequence[Section],
    movies: Sequence[Movie],
    variables: Variables,
) -> None:
    """Warn of times between long intervals that could as well be some frames off.

    Between two intervals of which one was held and the other missed no light tells which is
    which; and none before the first where the playlist began, if that was told from the light
    after it. Parameters as for `accept_light`.
    """
    where, intervals = session.dataset_id, shown.long_intervals
    parts = shown.parts(sections, movies)
    if not parts:
        return
    missed = _intervals(shown, variables, "missed")
    taken = ["missed" if one in missed or one.verdict == "missed" else "held" for one in intervals]
    found = np.concatenate(
        [
            variables[f"stimulus/{name}"].values
            for name in (
                *("sections/start_s", "sections/end_s", "trials/start_s", "trials/stop_s"),
                "events/time_s",
            )
        ]
    )
    told = [k for k, part in enumerate(parts) if part.tells]
    for low, high in zip([-1, *told], [*told, len(parts)], strict=True):
        # The intervals between two parts that tell; of the last ones nothing tells.
        group = [i for i in range(max(low, 0), high) if intervals[i : i + 1]]
        group = [i for i in group if intervals[i].decided_by != "photodiode"]
        if not group or high == len(parts):
            continue
        first, last = intervals[group[0]], intervals[group[-1]]
        names = intervals_in_words([intervals[i] for i in group])
        if low < 0 and shown.start_was_told:
            if (found <= last.start_s).any():
                session.warn(
                    f"{where}: no light before {names} tells where the playlist began: if it is "
                    f"not {' and '.join(sorted({taken[i] for i in group}))}, playlist_start_frame "
                    "(or frame_clock.drop_first) is as many frames off, and so are times of "
                    "sections and trials before it"
                )
            continue
        between = (found > first.start_s) & (found <= last.start_s)
        if len({taken[i] for i in group}) > 1 and between.any():
            session.warn(
                f"{where}: in which of these pulses were missed, and in which the display "
                f"held a frame, is not told by the light: {names}. Times of sections, "
                "trials and events between them may be as many frames off"
            )


def warn_of_delay(session: PipelineSession, shown: Shown, variables: Variables) -> None:
    """Warn of light that is nearly half a frame off everywhere: a frame more is as near."""
    delays = variables["stimulus/alignment/delay_s"].values / shown.frame_s
    delays = delays[np.isfinite(delays)]
    if (
        not delays.size
        or np.abs(delays).min() < _NEARLY_HALF
        or np.unique(np.sign(delays)).size > 1
    ):
        return
    delay = float(np.median(delays))
    session.warn(
        f"{session.dataset_id}: in all sections the light comes {abs(delay):.2f} frames "
        f"({1000 * abs(delay) * shown.frame_s:.1f} ms) {'later' if delay > 0 else 'earlier'} than "
        f"the frame times, so that times are as much off, or a frame: {shown.later_by(delay)}"
    )


def _compared(variables: Variables, frame_s: float) -> list[Alignment]:
    columns = (
        variables[f"stimulus/alignment/{name}"].values.tolist()
        for name in ("r", "lag_frames", "contrast", "delay_s", "reason")
    )
    return [
        Alignment(r, lag, contrast, delay / frame_s, reason)
        for r, lag, contrast, delay, reason in zip(*columns, strict=True)
    ]


def _intervals(shown: Shown, variables: Variables, verdict: str) -> list[LongInterval]:
    """Intervals of which the movies gave a verdict."""
    frames, verdicts = (
        variables[f"stimulus/alignment/undecided/{name}"].values.tolist()
        for name in ("frame", "verdict")
    )
    chosen = {frame for frame, one in zip(frames, verdicts, strict=True) if one == verdict}
    return [one for one in shown.long_intervals if one.frame in chosen]


def _last_frames(sections: Sequence[Section], movies: Sequence[Movie]) -> list[int]:
    """Last frame of each section's movie or trials."""
    rules = {movie.name: movie.rule for movie in movies}
    return [
        max(
            section.content_start_frame + section.length_frames,
            int(trial_frames(section, rules[section.movie])[:, 1].max()),
        )
        for section in sections
    ]


def undecided_variables(
    frames: Sequence[int], verdicts: Sequence[str], r: npt.NDArray[np.float64]
) -> Variables:
    """Verdicts of the movies on intervals that nothing else decides.

    Parameters
    ----------
    frames
        Frame that begins each.
    verdicts
        ``held``, ``missed`` or ``undecided``.
    r
        Correlation of light and movies after it if held, and if missed, ``(interval, 2)``.
    """
    group = "stimulus/alignment/undecided"
    dims = ("undecided",)
    return {
        f"{group}/frame": Variable(
            np.array(frames, dtype=np.int64), "frame", dims, "frame that begins the interval"
        ),
        f"{group}/verdict": Variable(
            np.array(verdicts, dtype=np.str_), "", dims, "held, missed or undecided"
        ),
        f"{group}/r_held": Variable(
            r[:, 0].copy(), "1", dims, "correlation after it if the frame was held"
        ),
        f"{group}/r_missed": Variable(
            r[:, 1].copy(), "1", dims, "correlation after it if pulses were missed"
        ),
    }


def alignment_variables(compared: Sequence[Alignment], frame_s: float) -> Variables:
    """How the light compares with each section, as it is stored."""

    def column(values: Sequence[float], unit: str, meaning: str) -> Variable:
        return Variable(np.array(values, dtype=np.float64), unit, ("section",), meaning)

    return {
        "stimulus/alignment/r": column(
            [one.r for one in compared], "1", "correlation of photodiode and movie luminance"
        ),
        "stimulus/alignment/lag_frames": column(
            [one.lag_frames for one in compared], "frame", "lag of the best correlation"
        ),
        "stimulus/alignment/delay_s": column(
            [one.delay_frames * frame_s for one in compared],
            "s",
            "how much later the light came than the frame times, parts of a frame included",
        ),
        "stimulus/alignment/contrast": column(
            [one.contrast for one in compared],
            "count",
            "swing of the photodiode that follows the movie",
        ),
        "stimulus/alignment/reason": Variable(
            np.array([one.reason for one in compared], dtype=np.str_),
            "",
            ("section",),
            "why a section could not be checked",
        ),
    }
