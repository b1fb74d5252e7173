"""Stimulus movies: what the display shows, one array entry per display frame.

Every movie covers the same square display, whatever its resolution. A generator's defaults
are the timing of the reference lab's movie of that kind; shorter ones are made by its parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.stimulus.sections import TrialRule

FRAME_RATE_HZ = 60
"""Display frames per second that the movies are made for."""
GREY = 127
"""Level of the display between movies."""
WHITE = 255

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class GeneratedMovie:
    """A movie, how its content divides into trials, and what happens inside a trial.

    Parameters
    ----------
    name
        File stem in a stimulus library.
    frames
        uint8, shape ``(frames, height, width)``.
    kind
        Word for the stimulus: ``grey``, ``noise``, ``step``, ...
    trials
        Start, length and number of the trials (display frames from the movie's first frame).
    events
        ``(name, frame)`` inside each trial, display frames from the trial's start.
    generate_kwargs
        How it was made, for the library's JSON file.
    """

    name: str
    frames: Frames
    kind: str
    trials: TrialRule
    events: tuple[tuple[str, int], ...] = ()
    generate_kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def length_frames(self) -> int:
        """Number of display frames."""
        return int(self.frames.shape[0])


def _full_field(levels: npt.ArrayLike) -> Frames:
    """One pixel that covers the display."""
    rounded = np.clip(np.rint(np.asarray(levels, dtype=np.float64)), 0, WHITE)
    return rounded.astype(np.uint8)[:, None, None]


def grey(duration_frames: int = 180, level: int = GREY) -> GeneratedMovie:
    """Show a constant full field.

    Examples
    --------
    >>> grey().name, grey().frames.shape
    ('baseline_127', (180, 1, 1))
    """
    return GeneratedMovie(
        name=f"baseline_{level}",
        frames=_full_field(np.full(duration_frames, level)),
        kind="grey",
        trials=TrialRule(0, duration_frames, 1),
        generate_kwargs={"level": level},
    )


def dense_noise(
    duration_s: int = 180, *, pixels: int = 15, refresh_hz: int = 15, seed: int = 42
) -> GeneratedMovie:
    """Binary dense noise: every pixel black or white, drawn anew at each refresh.

    Examples
    --------
    >>> movie = dense_noise(180)
    >>> movie.name, movie.frames.shape
    ('perfect_dense_noise_15x15_15hz_r42_3min', (10800, 15, 15))
    >>> bool((movie.frames[0] == movie.frames[3]).all()), np.unique(movie.frames).tolist()
    (True, [0, 255])
    """
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 2, (duration_s * refresh_hz, pixels, pixels), dtype=np.uint8) * WHITE
    frames = np.repeat(images.astype(np.uint8), FRAME_RATE_HZ // refresh_hz, axis=0)
    length = f"{duration_s // 60}min" if duration_s % 60 == 0 else f"{duration_s}s"
    return GeneratedMovie(
        name=f"perfect_dense_noise_{pixels}x{pixels}_{refresh_hz}hz_r{seed}_{length}",
        frames=frames,
        kind="noise",
        trials=TrialRule(0, len(frames), 1),
        generate_kwargs={"pixels": pixels, "refresh_hz": refresh_hz, "seed": seed},
    )


def light_step(
    name: str = "step_up_5s_5i_b0_3x",
    *,
    on_frames: int = 300,
    off_frames: int = 300,
    before_frames: int = 60,
    repeat: int = 3,
) -> GeneratedMovie:
    """Dark, then ``repeat`` times light and dark again; a trial begins before the light.

    Examples
    --------
    >>> step = light_step()
    >>> step.trials, step.events
    (TrialRule(start_frame=240, trial_length_frames=600, repeat=3, group_count=1, group_gap_frames=0), (('light_on', 60), ('light_off', 360)))
    """  # noqa: E501
    cycle = np.r_[np.full(on_frames, WHITE), np.zeros(off_frames)]
    return GeneratedMovie(
        name=name,
        frames=_full_field(np.r_[np.zeros(off_frames), np.tile(cycle, repeat)]),
        kind="step",
        trials=TrialRule(off_frames - before_frames, on_frames + off_frames, repeat),
        events=(("light_on", before_frames), ("light_off", before_frames + on_frames)),
        generate_kwargs={"on_frames": on_frames, "gap_frames": off_frames, "background": 0},
    )


def green_blue(
    name: str = "green_blue_3s_3i_3x",
    *,
    on_frames: int = 180,
    off_frames: int = 180,
    before_frames: int = 60,
    repeat: int = 3,
    green_level: int = 200,
    blue_level: int = 150,
) -> GeneratedMovie:
    """Green light, dark, blue light, dark; as luminance only, the movie has one channel.

    Examples
    --------
    >>> green_blue().events
    (('green_on', 60), ('green_off', 240), ('blue_on', 420), ('blue_off', 600))
    """
    dark = np.zeros(off_frames)
    cycle = np.r_[np.full(on_frames, green_level), dark, np.full(on_frames, blue_level), dark]
    period = on_frames + off_frames
    return GeneratedMovie(
        name=name,
        frames=_full_field(np.r_[dark, np.tile(cycle, repeat)]),
        kind="green_blue",
        trials=TrialRule(off_frames - before_frames, 2 * period, repeat),
        events=(
            ("green_on", before_frames),
            ("green_off", before_frames + on_frames),
            ("blue_on", before_frames + period),
            ("blue_off", before_frames + period + on_frames),
        ),
        generate_kwargs={"green_level": green_level, "blue_level": blue_level},
    )


def frequency_steps(
    name: str = "freq_step_5st_3x",
    *,
    frequencies_hz: Sequence[float] = (0.5, 1, 2, 4, 10),
    segment_frames: int = 240,
    break_frames: int = 60,
    before_frames: int = 30,
    repeat: int = 3,
) -> GeneratedMovie:
    """Full-field sine waves around grey, one frequency after the other, grey between them.

    Examples
    --------
    >>> frequency_steps().events[:4]
    (('segment_start:0.5hz', 30), ('segment_stop', 270), ('segment_start:1hz', 330), ('segment_stop', 570))
    """  # noqa: E501
    time_s = np.arange(segment_frames) / FRAME_RATE_HZ
    rest = np.full(break_frames, GREY)
    levels: list[npt.NDArray[Any]] = []
    events: list[tuple[str, int]] = []
    for k, hz in enumerate(frequencies_hz):
        levels += [127.5 + 127.5 * np.sin(2 * np.pi * hz * time_s), rest]
        start = before_frames + k * (segment_frames + break_frames)
        events += [(f"segment_start:{hz:g}hz", start), ("segment_stop", start + segment_frames)]
    cycle = np.concatenate(levels)
    return GeneratedMovie(
        name=name,
        frames=_full_field(np.r_[rest, np.tile(cycle, repeat)]),
        kind="freq_step",
        trials=TrialRule(break_frames - before_frames, len(cycle), repeat),
        events=tuple(events),
        generate_kwargs={"frequencies_hz": [float(hz) for hz in frequencies_hz]},
    )


def chirp(
    name: str = "chirp_3x",
    *,
    step_frames: int = 180,
    rest_frames: int = 120,
    sweep_frames: int = 480,
    sweep_hz: tuple[float, float] = (0.5, 8),
    ramp_frames: int = 480,
    ramp_hz: float = 2,
    repeat: int = 3,
) -> GeneratedMovie:
    """Full-field chirp in the manner of Baden et al. (2016).

    Per trial: dark, a light step, dark again, then around grey a sine of rising frequency and one
    of rising contrast, with rests before and after. With t in seconds from the beginning of each::

        sweep: 127.5 (1 + sin(2 pi (f0 t + (f1 - f0) t^2 / (2 T))))     frequency f0 to f1
        ramp:  127.5 (1 + (t / T) sin(2 pi f t))                        contrast 0 to 1

    Parameters
    ----------
    name
        Name of the movie.
    step_frames
        Display frames of light, and of dark after it.
    rest_frames
        Of dark before the light, and of grey before the sweep, between sweep and ramp, and at
        the end.
    sweep_frames, sweep_hz
        Length of the sweep, and its first and last frequency.
    ramp_frames, ramp_hz
        Length of the contrast ramp, and its frequency.
    repeat
        Trials.

    Examples
    --------
    >>> movie = chirp()
    >>> movie.trials.trial_length_frames, movie.events[:2]
    (1800, (('light_on', 120), ('light_off', 300)))
    >>> movie.events[2:]
    (('sweep_start:0.5-8hz', 600), ('sweep_stop', 1080), ('ramp_start:2hz', 1200), ('ramp_stop', 1680))
    """  # noqa: E501
    first_hz, last_hz = sweep_hz
    time_s = np.arange(sweep_frames) / FRAME_RATE_HZ
    sweep_s = sweep_frames / FRAME_RATE_HZ
    cycles = first_hz * time_s + (last_hz - first_hz) / (2 * sweep_s) * time_s**2
    ramp_s = np.arange(ramp_frames) / FRAME_RATE_HZ
    ramp = ramp_s / (ramp_frames / FRAME_RATE_HZ) * np.sin(2 * np.pi * ramp_hz * ramp_s)
    rest = np.full(rest_frames, GREY)
    cycle = np.concatenate(
        [
            np.zeros(rest_frames),
            np.full(step_frames, WHITE),
            np.zeros(step_frames),
            rest,
            127.5 + 127.5 * np.sin(2 * np.pi * cycles),
            rest,
            127.5 + 127.5 * ramp,
            rest,
        ]
    )
    sweep_start = 2 * rest_frames + 2 * step_frames
    ramp_start = sweep_start + sweep_frames + rest_frames
    return GeneratedMovie(
        name=name,
        frames=_full_field(np.tile(cycle, repeat)),
        kind="chirp",
        trials=TrialRule(0, len(cycle), repeat),
        events=(
            ("light_on", rest_frames),
            ("light_off", rest_frames + step_frames),
            (f"sweep_start:{first_hz:g}-{last_hz:g}hz", sweep_start),
            ("sweep_stop", sweep_start + sweep_frames),
            (f"ramp_start:{ramp_hz:g}hz", ramp_start),
            ("ramp_stop", ramp_start + ramp_frames),
        ),
        generate_kwargs={
            "sweep_hz": [float(first_hz), float(last_hz)],
            "ramp_hz": float(ramp_hz),
        },
    )


def moving_bar(
    name: str = "moving_h_bar_s5_d8_3x",
    *,
    pixels: int = 60,
    width: float = 1 / 6,
    speed_per_frame: float = 1 / 60,
    directions: int = 8,
    direction_frames: int = 550,
    pre_frames: int = 120,
    before_frames: int = 60,
    repeat: int = 3,
) -> GeneratedMovie:
    """Move a white bar over a dark display in equally spaced directions.

    Direction 0 moves right, angles run counter-clockwise (90 moves up). The bar is as long as
    the display is wide, so that it passes every cell. The movie ends with ``before_frames`` dark
    frames, so that the last trial is whole.

    Parameters
    ----------
    name
        Name of the movie.
    pixels
        Pixels along one side.
    width, speed_per_frame
        In fractions of the display's side; the reference lab's 50 and 5 of 300 pixels.
    directions, direction_frames
        Number of directions and display frames given to each.
    pre_frames, before_frames
        Dark frames before the first direction, and how many of them belong to the trial.
    repeat
        Trials.

    Examples
    --------
    >>> bar = moving_bar(repeat=1)
    >>> bar.events[:2], bar.trials.trial_length_frames
    ((('direction:0', 60), ('direction:45', 610)), 4520)
    >>> x = [np.flatnonzero(bar.frames[120 + j, 30] == 255).mean() for j in (20, 40)]
    >>> bool(x[1] > x[0])
    True
    """
    centres = (np.arange(pixels) + 0.5) / pixels - 0.5
    cycle = np.zeros((pre_frames + directions * direction_frames, pixels, pixels), np.uint8)
    events: list[tuple[str, int]] = []
    for k in range(directions):
        degrees = 360 * k / directions
        # Rows run downwards, angles counter-clockwise.
        dx, dy = np.cos(np.deg2rad(degrees)), -np.sin(np.deg2rad(degrees))
        along = centres[None, :] * dx + centres[:, None] * dy
        edge = speed_per_frame * np.arange(direction_frames) - 0.5 * (abs(dx) + abs(dy))
        behind = edge[:, None, None] - along
        start = pre_frames + k * direction_frames
        cycle[start : start + direction_frames][(behind >= 0) & (behind < width)] = WHITE
        events.append((f"direction:{degrees:g}", before_frames + k * direction_frames))
    return GeneratedMovie(
        name=name,
        frames=np.concatenate([cycle] * repeat + [cycle[:before_frames]]),
        kind="moving_bar",
        trials=TrialRule(pre_frames - before_frames, len(cycle), repeat),
        events=tuple(events),
        generate_kwargs={"pixels": pixels, "bar_width": width, "speed_per_frame": speed_per_frame},
    )
