"""What is shown to the cells, and recordings of it as the features take them: arrays, no files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hdmea.features.inputs import FeatureInputs, ShownMovie, Sta, Trials
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.sta import Presentations, spike_triggered_average
from hdmea.simulate import movies
from hdmea.simulate.movies import GREY, GeneratedMovie
from hdmea.stimulus.geometry import Display, Geometry, PixelGrid
from truth import operating_point as point
from truth import retina
from truth.retina import Columns

GAP_FRAMES = 120
COVER = (-60, 0)
"""Lags of the averages, the default of compute_sta."""


class Played:
    """Movies, one after the other with grey between them; at most one of a kind."""

    shown: tuple[GeneratedMovie, ...]
    bar: GeneratedMovie

    @cached_property
    def starts(self) -> dict[str, int]:
        """Display frame at which each kind of movie begins."""
        lengths = [movie.length_frames + GAP_FRAMES for movie in self.shown]
        begin = GAP_FRAMES + np.cumsum([0, *lengths])
        return {m.kind: int(at) for m, at in zip(self.shown, begin[:-1], strict=True)}

    @cached_property
    def n_frames(self) -> int:
        """Display frames in all."""
        return GAP_FRAMES + sum(movie.length_frames + GAP_FRAMES for movie in self.shown)

    @cached_property
    def direction_deg(self) -> np.ndarray:
        """Where the bar moves to in each frame; NaN where there is none."""
        out = np.full(self.n_frames, np.nan)
        for onset, direction in self.bar_onsets():
            out[onset : onset + self.direction_frames] = direction
        return out

    @property
    def direction_frames(self) -> int:
        """Frames of one direction."""
        return self.bar.events[1][1] - self.bar.events[0][1]

    def bar_onsets(self, n_trials: int | None = None) -> list[tuple[int, float]]:
        """Frame and direction of each passage of the bar, in all trials or the first ones."""
        rule = self.bar.trials
        first = self.starts["moving_bar"] + rule.start_frame
        return [
            (first + k * rule.trial_length_frames + frame, float(name.partition(":")[2]))
            for k in range(rule.repeat if n_trials is None else n_trials)
            for name, frame in self.bar.events
        ]

    def light(self, cells: Columns) -> np.ndarray:
        """Contrast summed over each field in each frame, ``(cell, frame)``."""
        out = np.zeros((len(cells["sigma_px"]), self.n_frames))
        on_noise = retina.fields(cells, point.PIXELS)
        for movie in self.shown:
            if movie.frames[0].size == 1:
                seen = on_noise.sum(axis=(1, 2))[:, None] * _contrast(movie.frames).T
            elif movie.kind == "moving_bar":
                cycle = movie.trials.trial_length_frames
                once = _contrast(movie.frames[:cycle])
                seen = _flat(retina.fields(cells, movie.frames.shape[1])) @ once.T
                seen = np.tile(seen, (1, movie.trials.repeat + 1))[:, : movie.length_frames]
            else:
                hold = hold_frames(movie)
                seen = _flat(on_noise) @ _contrast(movie.frames[::hold]).T
                seen = np.repeat(seen, hold, axis=1)
            start = self.starts[movie.kind]
            out[:, start : start + seen.shape[1]] = seen
        return out

    def trials(self) -> Trials:
        """Trials and events of all movies."""
        rows = []
        for movie in self.shown:
            rule = movie.trials
            for number in range(rule.repeat):
                start = self.starts[movie.kind] + rule.start_frame
                start += number * rule.trial_length_frames
                rows.append((movie, number, start, start + rule.trial_length_frames))
        events = [
            (row, name, start + frame)
            for row, (movie, _, start, _) in enumerate(rows)
            for name, frame in movie.events
        ]
        return Trials(
            movie=np.array([movie.name for movie, *_ in rows]),
            kind=np.array([movie.kind for movie, *_ in rows]),
            number=np.array([number for _, number, *_ in rows]),
            start_s=point.FRAME_S * np.array([start for *_, start, _ in rows]),
            stop_s=point.FRAME_S * np.array([stop for *_, stop in rows]),
            event_trial=np.array([row for row, *_ in events]),
            event_name=np.array([name for _, name, _ in events]),
            event_time_s=point.FRAME_S * np.array([frame for *_, frame in events]),
        )

    def inputs(self, trains: SpikeTrains) -> FeatureInputs:
        """All that the features get to see of the recording, but for noise and other features."""
        zero = np.array([0])

        def shown(movie: GeneratedMovie) -> ShownMovie:
            begin = np.array([self.starts[movie.kind]])
            return ShownMovie(
                movie.kind, lambda: movie.frames, begin, zero, np.array([movie.length_frames])
            )

        grids = tuple(PixelGrid.default(m.name, m.frames.shape[1:]) for m in self.shown)
        return FeatureInputs(
            trains,
            frame_times_s=point.FRAME_S * np.arange(self.n_frames + 1),
            trials=self.trials(),
            movies={m.name: shown(m) for m in self.shown},
            geometry=Geometry(Display(), grids),
        )


@dataclass(frozen=True, eq=False)
class Show(Played):
    """Noise, light step and moving bar."""

    noise: GeneratedMovie
    step: GeneratedMovie
    bar: GeneratedMovie

    @classmethod
    def of(cls, noise_s: int, n_trials: int, seed: int) -> Show:
        """The movies of a recording; the noise is another one for each seed."""
        return cls(
            movies.dense_noise(noise_s, pixels=point.PIXELS, seed=seed),
            movies.light_step(repeat=n_trials),
            movies.moving_bar(repeat=n_trials),
        )

    @property
    def shown(self) -> tuple[GeneratedMovie, ...]:
        """The movies in their order."""
        return self.noise, self.step, self.bar

    @property
    def hold_frames(self) -> int:
        """Display frames that an image of the noise stays."""
        return hold_frames(self.noise)

    @cached_property
    def images(self) -> np.ndarray:
        """Contrast of the noise's images, ``(image, pixel)``."""
        return _contrast(self.noise.frames[:: self.hold_frames])

    def edges(self, name: str) -> list[int]:
        """Frames of ``light_on`` or ``light_off`` in all trials."""
        rule = self.step.trials
        first = self.starts["step"] + rule.start_frame + dict(self.step.events)[name]
        return [first + k * rule.trial_length_frames for k in range(rule.repeat)]

    def inputs(self, trains: SpikeTrains) -> FeatureInputs:
        """All that the features get to see of the recording, but for other features."""
        known = super().inputs(trains)
        noise = Presentations(
            np.array([self.starts["noise"]]), np.array([0]), np.array([self.noise.length_frames])
        )
        counts = noise.counts(trains, known.frame_times_s, self.noise.length_frames)
        made = spike_triggered_average(counts, self.noise.frames, COVER)
        sta = Sta(made.mean, made.z, made.lags, made.n_spikes, noise)
        return replace(known, stas={self.noise.name: sta})


@dataclass(frozen=True, eq=False)
class Repeated(Played):
    """All movies that are shown in trials, each as often."""

    full_field: tuple[GeneratedMovie, ...]
    bar: GeneratedMovie

    @classmethod
    def of(cls, n_trials: int) -> Repeated:
        """Light step, both colours, chirp, fixed frequencies, and moving bar."""
        made = movies.light_step, movies.green_blue, movies.chirp, movies.frequency_steps
        full_field = tuple(movie(repeat=n_trials) for movie in made)
        return cls(full_field, movies.moving_bar(repeat=n_trials))

    @property
    def shown(self) -> tuple[GeneratedMovie, ...]:
        """The movies in their order."""
        return *self.full_field, self.bar


def hold_frames(noise: GeneratedMovie) -> int:
    """Display frames that an image of the noise stays."""
    return movies.FRAME_RATE_HZ // int(noise.generate_kwargs["refresh_hz"])


def _contrast(frames: np.ndarray) -> np.ndarray:
    """Contrast of each pixel, ``(frame, pixel)``."""
    return (frames.reshape(len(frames), -1).astype(np.float32) - GREY) / 128


def _flat(fields: np.ndarray) -> np.ndarray:
    return fields.reshape(len(fields), -1).astype(np.float32)
