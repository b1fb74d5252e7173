"""From a playlist to sections and trials, in display frames.

The rule of the reference rig: every movie is padded on both sides, and a section reaches a
little into the pads. All arithmetic is in display frames, counted from the first frame of the
frame clock; only the clock turns frames into seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PRE_FRAMES = 60
"""Frames of a section before its movie's own content."""
POST_FRAMES = 120
"""Frames of a section after its movie's own content."""
PAD_FRAMES = 180
"""Frames of grey that the display shows before and after every movie."""


@dataclass(frozen=True, slots=True)
class TrialRule:
    """How a movie's content divides into trials (display frames)."""

    start_frame: int
    trial_length_frames: int
    repeat: int
    group_count: int = 1
    group_gap_frames: int = 0

    @property
    def n_trials(self) -> int:
        """Trials in one presentation."""
        return self.group_count * self.repeat


@dataclass(frozen=True, slots=True)
class Section:
    """One presentation of one movie, in display frames of the frame clock."""

    movie: str
    occurrence: int
    start_frame: int
    end_frame: int
    content_start_frame: int
    length_frames: int

    def shown(self, n_frames: int) -> tuple[int, int]:
        """First and one-past-last frame of the movie that lie on a clock of `n_frames` frames.

        A frame lies on the clock if its time and that of the frame after it are known.

        Examples
        --------
        >>> lay_out_sections([("a", 600)])[0].shown(401)
        (0, 220)
        """
        start = min(max(-self.content_start_frame, 0), self.length_frames)
        stop = min(n_frames - 1 - self.content_start_frame, self.length_frames)
        return start, max(start, stop)


def lay_out_sections(
    movies: Sequence[tuple[str, int]],
    repeats: int = 1,
    *,
    start_frame: int = 0,
    first_movie: int = 0,
) -> list[Section]:
    """Lay the movies of a playlist one after the other.

    With a running counter ``c = start_frame``: ``start = c + PAD - PRE``,
    ``end = c + PAD + POST + length + 1``, the content begins at ``c + PAD``, then
    ``c += 2 PAD + length + 1``.

    Parameters
    ----------
    movies
        Name and length (frames) of each movie, in the playlist's order.
    repeats
        How often the list is shown.
    start_frame
        Frame of the clock at which the counter begins; negative: before the clock did.
    first_movie
        Number of the movie with which the first pass begins, from 0; later passes are whole.

    Examples
    --------
    >>> sections = lay_out_sections([("a", 600), ("b", 1200), ("c", 900)])
    >>> [(section.start_frame, section.end_frame) for section in sections]
    [(120, 901), (1081, 2462), (2642, 3723)]
    >>> late = lay_out_sections([("a", 600), ("b", 1200)], 2, start_frame=50, first_movie=1)
    >>> [(section.movie, section.occurrence, section.start_frame) for section in late]
    [('b', 0, 170), ('a', 0, 1731), ('b', 1, 2692)]
    """
    sections: list[Section] = []
    seen: dict[str, int] = {}
    counter = start_frame
    for name, length in (list(movies) * repeats)[first_movie:]:
        occurrence = seen.get(name, 0)
        seen[name] = occurrence + 1
        content = counter + PAD_FRAMES
        sections.append(
            Section(
                movie=name,
                occurrence=occurrence,
                start_frame=content - PRE_FRAMES,
                end_frame=content + length + POST_FRAMES + 1,
                content_start_frame=content,
                length_frames=length,
            )
        )
        counter += frames_between_starts(length)
    return sections


def frames_between_starts(length_frames: int) -> int:
    """Display frames from one movie's start to the next one's, for a movie of this length."""
    return 2 * PAD_FRAMES + length_frames + 1


def trial_frames(section: Section, rule: TrialRule) -> npt.NDArray[np.int64]:
    """Start and stop frame of each trial of a section, shape ``(n_trials, 2)``, half-open.

    ``start = content_start + rule.start_frame + n * length + (n // repeat) * group_gap``.

    Examples
    --------
    >>> section = lay_out_sections([("step", 2040)])[0]
    >>> rule = TrialRule(start_frame=240, trial_length_frames=600, repeat=3)
    >>> trial_frames(section, rule).tolist()
    [[420, 1020], [1020, 1620], [1620, 2220]]
    """
    n = np.arange(rule.n_trials, dtype=np.int64)
    start = (
        section.content_start_frame
        + rule.start_frame
        + n * rule.trial_length_frames
        + (n // rule.repeat) * rule.group_gap_frames
    )
    return np.stack([start, start + rule.trial_length_frames], axis=1)
