"""What is wrong when playlist, frame clock and light do not fit, and the setting that mends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hdmea.stimulus.alignment import Alignment, align_sections
from hdmea.stimulus.long_intervals import intervals_in_words
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.placing import left_out
from hdmea.stimulus.sections import Section, frames_between_starts, trial_frames
from hdmea.stimulus.shown import Shown

_SHOWN = 5
_PART = 0.15
_SAME = 0.1
_AS_LONG_FRAMES = 60
_MOST = 0.9
_MOST_LATE_FRAMES = 6  # a display; a playlist may be late by any number


def misfit(shown: Shown, sections: Sequence[Section], movies: Sequence[Movie]) -> str:
    """Why a playlist does not fit the frame clock, and the setting with which it does.

    Parameters
    ----------
    shown
        How the playlist was taken.
    sections
        All presentations that follow from it, some of which are not on the clock.
    movies
        The playlist's movies.
    """
    n_frames = shown.frame_times_s.size
    rules = {movie.name: movie.rule for movie in movies}
    first, last = sections[0], sections[-1]
    said = []
    if first.start_frame < 0:
        said.append(
            f"The playlist begins {-first.start_frame} display frames "
            f"({-first.start_frame * shown.frame_s:.1f} s) before the frame clock"
        )
    if last.end_frame >= n_frames:
        missing = last.end_frame + 1 - n_frames
        said.append(
            f"The playlist needs {last.end_frame + 1} display frames, the frame clock has "
            f"{n_frames}: {missing} too few ({missing * shown.frame_s:.1f} s)"
        )
    lost = left_out(sections, n_frames)
    told = []
    for i in lost[:_SHOWN]:
        frames = trial_frames(sections[i], rules[sections[i].movie])
        whole = int(((frames[:, 0] >= 0) & (frames[:, 1] < n_frames)).sum())
        told.append(
            f"{sections[i].movie!r} (occurrence {sections[i].occurrence}, frames "
            f"{sections[i].start_frame}-{sections[i].end_frame}; {whole} of {len(frames)} trials "
            "are)"
        )
    more = f"; and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    said.append(
        f"{len(lost)} of {len(sections)} sections are not recorded from start to end: "
        f"{'; '.join(told)}{more}"
    )
    return ". ".join([*said, *_remedies_of_a_misfit(shown, sections, movies)])


def _remedies_of_a_misfit(
    shown: Shown, sections: Sequence[Section], movies: Sequence[Movie]
) -> list[str]:
    found = _placing(shown, movies)
    if found is not None:
        return [found]
    said = []
    luminance = {movie.name: shown.luminance(movie) for movie in movies}
    compared = align_sections(shown.light, sections, luminance)
    contradicted = any(one.contradicts for one in compared)
    some_left = any(
        s.start_frame < shown.frame_times_s.size - 1 and s.end_frame > 0 for s in sections
    )
    if contradicted:
        said.append(
            "The photodiode contradicts the playlist, too, and follows no playlist of the "
            "library clearly, wherever it may begin: probably another one was shown"
        )
    elif some_left and shown.cut == "error":
        keep = shown.typed({"playlist_truncated": "keep"})
        said.append(
            f"If the recording does not hold all of it, keep the trials that are complete: {keep}"
        )
    exact = [name for name, others in shown.playlists().items() if _is_as_long(others, shown)]
    if exact:
        said.append(f"Playlists that are as long as the frame clock: {', '.join(sorted(exact))}")
    return said


def _is_as_long(movies: Sequence[Movie], shown: Shown) -> bool:
    """Whether a playlist, shown once, ends where the clock does."""
    length = sum(frames_between_starts(movie.length_frames) for movie in movies)
    return bool(movies) and abs(shown.frame_times_s.size - length) <= _AS_LONG_FRAMES


def _placing(shown: Shown, movies: Sequence[Movie]) -> str | None:
    """Words for the placing that the light shows, if that is clear and another one."""
    search = shown.search()
    if search is None:
        return None
    playlists: Mapping[str, Sequence[Movie]] = {shown.placing.playlist_name: movies}
    found = search.best(playlists, shown.placing)
    # Movies of another playlist are read only if this one leaves light unexplained.
    if not found or search.explained(found[0][0], movies) < _MOST:
        playlists = {**shown.playlists(), **playlists}
        found = search.best(playlists, shown.placing)
    if not found:
        return None
    (placing, r), *others = found
    words = shown.setting(placing, playlists[placing.playlist_name])
    earlier = shown.placing.playlist_start_frame
    shift = placing.playlist_start_frame - earlier
    if 0 < abs(shift) <= shown.n_dropped and shown.placing.changes(placing) == 1:
        pulses = shown.clock_setting(drop_first=max(0, shown.n_dropped + shift))
        said = (
            f"In all sections the light comes {_frames(abs(shift))} "
            f"{'later' if shift > 0 else 'earlier'} than the playlist says (r {r:.2f}). "
            "Probably the display gave another number of pulses before its first frame: "
            f"{pulses}. If the playlist itself began then: {words}"
        )
        return said if shift < 0 else f"{said}. If the display is late: {shown.later_by(shift)}"
    said = f"The photodiode follows the playlist (r {r:.2f}) with this setting: {words}"
    for other, _ in others:
        also = shown.setting(other, playlists[other.playlist_name])
        said += f". What was recorded cannot tell it from another playlist: {also}"
    return said


def contradiction(
    shown: Shown,
    sections: Sequence[Section],
    movies: Sequence[Movie],
    compared: Sequence[Alignment],
) -> str:
    """Why the light contradicts the sections, as far as that is clear, and the setting that mends it.

    Parameters
    ----------
    shown
        How the playlist was taken.
    sections, compared
        The presentations that were recorded, and how the light compares with each.
    movies
        The playlist's movies.

    Returns
    -------
    str
        Empty where nothing is clear.
    """  # noqa: E501
    lags = {part.lag for part in shown.parts(sections, movies) if not np.isnan(part.r)}
    return (
        _wrong_intervals(shown, sections, movies)
        # A section of which a part is off looks late by a part of a frame.
        or (_late_by_a_part(shown, compared) if len(lags) <= 1 else "")
        or _placing(shown, movies)
        or _lag_that_begins(shown, sections, compared)
    )


def _wrong_intervals(shown: Shown, sections: Sequence[Section], movies: Sequence[Movie]) -> str:
    """Long intervals of which the light after them says another thing than the clock took."""
    wrong = shown.wrong_intervals(sections, movies)
    if not shown.mended_by(wrong, sections, movies):
        return ""
    missed = [one for one in wrong if one.verdict != "missed"]
    held = [one for one in wrong if one.verdict == "missed"]
    said = []
    if missed:
        said.append(f"pulses were missed in {intervals_in_words(missed)}")
    if held:
        said.append(f"the display held a frame in {intervals_in_words(held)}")
    mended = shown.named(held=held, missed=missed)
    return f"The light shows that {' and that '.join(said)}: {mended}"


def _frames(number: int) -> str:
    return f"{number} frame{'s' if number != 1 else ''}"


def _late_by_a_part(shown: Shown, compared: Sequence[Alignment]) -> str:
    """A delay of the light that is the same everywhere, and no whole number of frames."""
    delays = np.array([one.delay_frames for one in compared if not one.reason])
    r = np.array([one.r for one in compared if not one.reason])
    if not delays.size or not np.isfinite(delays).all() or (r < 0.5).any():
        return ""
    delay = float(delays.mean())
    if np.ptp(delays) > _SAME or abs(delay - round(delay)) < _PART:
        return ""
    if abs(delay) > _MOST_LATE_FRAMES:
        return ""
    return (
        f"In all sections the light comes {abs(delay):.2f} frames "
        f"({1000 * abs(delay) * shown.frame_s:.1f} ms) {'later' if delay > 0 else 'earlier'} than "
        f"its pulses: {shown.later_by(delay)}"
    )


def _lag_that_begins(
    shown: Shown, sections: Sequence[Section], compared: Sequence[Alignment]
) -> str:
    """Between which times the clock lost frames, or gained some."""
    known = [i for i, one in enumerate(compared) if not one.reason]
    wrong = [i for i in known if compared[i].contradicts]
    good = [i for i in known if i < wrong[0]] if wrong else []
    lags = {compared[i].lag_frames for i in wrong if compared[i].r >= 0.5}
    later = [i for i in known if wrong and i > wrong[0]]
    if not good or 0 in lags or len(lags) != 1 or any(i not in wrong for i in later):
        return ""
    lag = int(lags.pop())
    times = shown.frame_times_s
    before, after = sections[good[-1]], sections[wrong[-1]]
    for i in wrong:
        if compared[i].r >= 0.5 and compared[i].lag_frames == lag:
            after = sections[i]
            break
    last = min(after.content_start_frame + after.length_frames, times.size - 1)
    between = (
        f"between {times[before.content_start_frame]:.1f} s ({before.movie!r}) and "
        f"{times[last]:.1f} s ({after.movie!r})"
    )
    if lag < 0:
        return (
            f"From one section on the light comes {_frames(-lag)} earlier than the clock says: "
            f"{between} pulses were missed where no interval shows it; a lower frame_clock.height "
            "may find them, or give the times of frames (frame_clock.source: csv)"
        )
    return (
        f"From one section on the light comes {_frames(lag)} later than the clock says: {between} "
        "the clock has pulses too many; a higher frame_clock.height may leave them out, or give "
        "the times of frames (frame_clock.source: csv)"
    )
