"""Stimulus libraries in the reference lab's format: playlists, lengths, trial rules, movies."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import yaml

from hdmea.errors import UnknownNameError
from hdmea.simulate import movies
from hdmea.simulate.movies import GeneratedMovie
from hdmea.store.small_file import write_small_file, write_small_table


def _full(seed: int) -> list[GeneratedMovie]:
    return [
        movies.grey(),
        movies.dense_noise(180, seed=seed),
        movies.light_step(),
        movies.green_blue(),
        movies.frequency_steps(),
        movies.chirp(),
        movies.moving_bar(),
    ]


def _short(seed: int) -> list[GeneratedMovie]:
    return [
        movies.grey(),
        movies.dense_noise(60, seed=seed),
        movies.light_step(),
        movies.green_blue(),
        movies.frequency_steps(
            "short_freq_step_3x", segment_frames=120, break_frames=30, before_frames=15
        ),
        movies.moving_bar("short_moving_bar_d8_3x", direction_frames=120),
    ]


def _tiny(seed: int) -> list[GeneratedMovie]:
    return [
        movies.dense_noise(24, seed=seed),
        movies.light_step("tiny_step_3x", on_frames=100, off_frames=160),
        movies.moving_bar("tiny_moving_bar_d8_1x", pixels=30, direction_frames=100, repeat=1),
    ]


def _brief(seed: int) -> list[GeneratedMovie]:
    return [
        movies.grey(120),
        movies.dense_noise(20, seed=seed),
        movies.light_step("brief_step_3x", on_frames=90, off_frames=120),
        movies.green_blue("brief_green_blue_2x", on_frames=90, off_frames=90, repeat=2),
        movies.frequency_steps(
            "brief_freq_step_2x",
            frequencies_hz=(1, 2, 4, 10),
            segment_frames=120,
            break_frames=30,
            before_frames=15,
            repeat=2,
        ),
        movies.chirp(
            "brief_chirp_2x",
            step_frames=90,
            rest_frames=60,
            sweep_frames=240,
            ramp_frames=240,
            repeat=2,
        ),
        movies.moving_bar("brief_moving_bar_d8_2x", pixels=30, direction_frames=100, repeat=2),
    ]


PLAYLISTS: dict[str, Callable[[int], list[GeneratedMovie]]] = {
    "full": _full,
    "short": _short,
    "brief": _brief,
    "tiny": _tiny,
}
"""Playlists by name, each a function of the noise's seed: about 12, 4.5, 3 and 1 minutes long.

``full`` has every kind of stimulus in the reference lab's timing, ``brief`` every kind, shortened.
"""

_LAB_TIMING = (
    "baseline_",
    "perfect_dense_noise_",
    "step_up_",
    "green_blue_",
    "freq_step_",
    "chirp_",
    "moving_h_bar_",
)


def make_playlist(playlist: str = "short", *, seed: int = 42) -> list[GeneratedMovie]:
    """Generate the movies of a playlist, in the order shown.

    Raises
    ------
    UnknownNameError
        If there is no playlist of that name.

    Examples
    --------
    >>> [movie.name for movie in make_playlist("tiny")]
    ['perfect_dense_noise_15x15_15hz_r42_24s', 'tiny_step_3x', 'tiny_moving_bar_d8_1x']
    """
    if playlist not in PLAYLISTS:
        raise UnknownNameError(
            f"No simulated playlist {playlist!r}; known: {', '.join(sorted(PLAYLISTS))}."
        )
    return PLAYLISTS[playlist](seed)


def write_stimulus_library(
    folder: Path | str, playlist: str = "short", *, seed: int = 42
) -> list[GeneratedMovie]:
    """Write a playlist as a stimulus library in the reference lab's format.

    ``playlist.csv``, ``movie_length.csv`` and, per movie, ``<movie>.npy`` with ``<movie>.json``.
    A movie whose timing is not the lab's gets a ``<movie>.yaml`` with its kind and events instead.

    Parameters
    ----------
    folder
        Where to write; made if missing.
    playlist
        ``full``, ``short``, ``brief`` or ``tiny``.
    seed
        Of the noise movie; its name carries it.

    Returns
    -------
    list of GeneratedMovie
        The movies, in the order shown.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_stimulus_library(folder, "tiny")
    ...     sorted(p.name for p in Path(folder).iterdir() if "tiny" in p.name)
    ['tiny_moving_bar_d8_1x.npy', 'tiny_moving_bar_d8_1x.yaml', 'tiny_step_3x.npy', 'tiny_step_3x.yaml']
    """  # noqa: E501
    shown = make_playlist(playlist, seed=seed)
    folder = Path(folder)
    names = [f"{movie.name}.mov" for movie in shown]
    _write_csv(folder / "playlist.csv", ["playlist_name", "movie_names"], [[playlist, str(names)]])
    _write_csv(
        folder / "movie_length.csv",
        ["movie_name", "movie_length"],
        [[movie.name, movie.length_frames] for movie in shown],
    )
    for movie in shown:
        frames = io.BytesIO()
        np.save(frames, movie.frames)
        write_small_file(folder / f"{movie.name}.npy", frames.getvalue())
        _write_description(folder, movie)
    return shown


def _write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    write_small_table(path, [header, *rows], line_end="\r\n")


def _write_description(folder: Path, movie: GeneratedMovie) -> None:
    rule = movie.trials
    section = {
        "start_frame": rule.start_frame,
        "trial_length_frame": rule.trial_length_frames,
        "repeat": rule.repeat,
    }
    if movie.name.startswith(_LAB_TIMING):
        described = {"section_kwargs": section, "generate_kwargs": movie.generate_kwargs}
        text = json.dumps(described, indent=2) + "\n"
        write_small_file(folder / f"{movie.name}.json", text.encode())
    else:
        explicit = {
            "section_kwargs": section,
            "kind": movie.kind,
            "events": [{"name": name, "frame": frame} for name, frame in movie.events],
        }
        text = yaml.safe_dump(explicit, sort_keys=False)
        write_small_file(folder / f"{movie.name}.yaml", text.encode())
