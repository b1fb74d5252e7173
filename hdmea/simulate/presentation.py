"""What the display showed in a recording, when, and with which pulses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.simulate.display import GREY_LUMINANCE
from hdmea.simulate.faults import Faults
from hdmea.simulate.movies import WHITE
from hdmea.stimulus.movie import Movie
from hdmea.stimulus.sections import PAD_FRAMES, Section, lay_out_sections

LEAD_PULSES = 4
"""Sync pulses before the first frame of the frame clock, which every reader drops."""
LEAD_S = 1.0
"""Seconds recorded before the first pulse and after the last frame."""

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Presentation:
    """A playlist as the display showed it.

    The display has an interval of time for each refresh; an image takes one of them, or two
    where it was held.

    Parameters
    ----------
    sections
        Presentations of the movies, in images of the frame clock.
    luminance
        Mean luminance of each image, 0 to 1, shape ``(image,)``.
    n_intervals
        Intervals that each image takes, shape ``(image,)``.
    has_pulse
        Whether each image's pulse is in the recording, shape ``(image,)``.
    interval_samples
        Sample at which each interval begins; ``LEAD_PULSES`` intervals of grey come first.
    end_s
        When the last interval ends.
    """

    sections: tuple[Section, ...]
    luminance: npt.NDArray[np.float64]
    n_intervals: Int64
    has_pulse: npt.NDArray[np.bool_]
    interval_samples: Int64
    end_s: float

    @property
    def image_samples(self) -> Int64:
        """Sample at which each image comes, shape ``(image,)``."""
        return self.interval_samples[LEAD_PULSES + self._first_interval()]

    def by_interval(
        self, frames_of: Mapping[str, npt.NDArray[Any]]
    ) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Give each section's movie as the cells see it: where it begins, a frame per interval.

        Intervals are counted from that of image 0.
        """
        first = self._first_interval()
        for section in self.sections:
            frames = frames_of[section.movie]
            shown = slice(
                section.content_start_frame, section.content_start_frame + section.length_frames
            )
            held = self.n_intervals[shown]
            if held.max() > 1:
                frames = np.repeat(frames, held, axis=0)
            yield int(first[section.content_start_frame]), frames

    def _first_interval(self) -> Int64:
        return np.asarray(np.cumsum(self.n_intervals) - self.n_intervals, dtype=np.int64)


def present(
    movies: Sequence[Movie],
    *,
    repeats: int,
    faults: Faults,
    frame_rate_hz: float,
    sampling_rate_hz: float,
    clock_jitter_s: float,
    seed: int,
) -> Presentation:
    """Show movies, with the display's share of the faults.

    Raises
    ------
    ParameterError
        If a fault names an image or a movie that is not shown, or nothing is shown.
    """
    if repeats < 1:
        raise ParameterError(f"repeats must be 1 or more, got {repeats}.")
    if faults.first_movie >= len(movies):
        raise ParameterError(
            f"Faults.first_movie is {faults.first_movie}, but the playlist has {len(movies)} "
            f"movies: it must be 0 to {len(movies) - 1}."
        )
    passes = [*movies[faults.first_movie :], *list(movies) * (repeats - 1)]
    planned = lay_out_sections([(movie.name, movie.length_frames) for movie in passes])
    sections = tuple(_later(section, faults.start_frame) for section in planned)
    last = sections[-1]
    n_images = last.content_start_frame + last.length_frames + PAD_FRAMES + 1

    luminance_of = {movie.name: movie.luminance() / WHITE for movie in movies}
    luminance = np.full(n_images, GREY_LUMINANCE)
    for section in sections:
        start = section.content_start_frame
        luminance[start : start + section.length_frames] = luminance_of[section.movie]

    n_intervals = np.ones(n_images, dtype=np.int64)
    n_intervals[_images("held_frames", faults.held_frames, n_images)] = 2
    has_pulse = np.ones(n_images, dtype=np.bool_)
    has_pulse[_images("missed_pulses", faults.missed_pulses, n_images)] = False

    even_s = LEAD_S + np.arange(LEAD_PULSES + int(n_intervals.sum())) / frame_rate_hz
    jitter = np.random.default_rng([seed, 3]).normal(0.0, 1.0, even_s.size)
    samples = np.rint((even_s + clock_jitter_s * jitter) * sampling_rate_hz).astype(np.int64)
    return Presentation(
        sections=sections,
        luminance=luminance,
        n_intervals=n_intervals,
        has_pulse=has_pulse,
        interval_samples=samples,
        end_s=float(even_s[-1] + 1 / frame_rate_hz),
    )


def _later(section: Section, frames: int) -> Section:
    return replace(
        section,
        start_frame=section.start_frame + frames,
        end_frame=section.end_frame + frames,
        content_start_frame=section.content_start_frame + frames,
    )


def _images(fault: str, images: tuple[int, ...], n_images: int) -> list[int]:
    beyond = [image for image in images if image >= n_images]
    if beyond:
        raise ParameterError(
            f"Faults.{fault} names {beyond}, but the display shows {n_images} images: they must be "
            f"0 to {n_images - 1}."
        )
    return list(images)
