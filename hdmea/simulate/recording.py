"""A recording of the model retina, or of given spikes, as a .cmcr/.cmtr pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError, StimulusError
from hdmea.simulate.display import GREY_LUMINANCE, display_trace, light_switches
from hdmea.simulate.mcs_files import FIXED_START, DigitalEvents, write_cmcr, write_cmtr
from hdmea.simulate.movies import WHITE
from hdmea.simulate.retina import CHIP_SIZE, draw_spikes, firing_rates, make_retina
from hdmea.simulate.sorting import UnitTrain
from hdmea.simulate.truth import Truth, write_truth
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.sections import PAD_FRAMES, lay_out_sections

LEAD_PULSES = 4
"""Sync pulses before the first frame of the frame clock, which every reader drops."""
LEAD_S = 1.0
"""Seconds recorded before the first pulse and after the last frame."""


@dataclass(frozen=True, slots=True)
class SimulatedRecording:
    """Files of a simulated recording.

    Parameters
    ----------
    cmcr_path, cmtr_path
        The pair.
    truth_csv_path
        A row per unit: the model cell's parameters and its number of spikes.
    truth_npz_path
        Frame times, sections, temporal filters and spike times.
    """

    cmcr_path: Path
    cmtr_path: Path
    truth_csv_path: Path
    truth_npz_path: Path


def simulate_recording(
    folder: Path | str,
    name: str,
    *,
    library: Path | str,
    playlist: str,
    n_cells: int = 48,
    seed: int = 0,
    frame_rate_hz: float = 60.0,
    sampling_rate_hz: float = 20000.0,
    repeats: int = 1,
    clock_jitter_s: float = 0.0,
    started_at: datetime = FIXED_START,
) -> SimulatedRecording:
    """Show a playlist to a model retina and write what the rig and the sorter would have stored.

    Parameters
    ----------
    folder
        Where ``<name>.cmcr``, ``<name>-.cmtr``, ``<name>.truth.csv`` and ``<name>.truth.npz``
        go; made if missing.
    name
        Name of the recording.
    library, playlist
        Folder of the stimulus library, and which of its playlists is shown.
    n_cells
        Ganglion cells.
    seed
        Of cells, spikes, unit numbers and noise.
    frame_rate_hz, sampling_rate_hz
        Of the display and of the recording.
    repeats
        How often the whole playlist is shown.
    clock_jitter_s
        SD of the frame times around an even clock.
    started_at
        Start of the recording, for its metadata.

    Returns
    -------
    SimulatedRecording
        The files.

    Raises
    ------
    FileMissingError, UnknownNameError, StimulusError
        If the library does not have what the playlist shows, or cannot be used.
    ParameterError
        If frame rate, jitter and sampling rate leave no room for the sync pulses.
    """
    movies = StimulusLibrary(library).playlist(playlist)
    if not movies:
        raise StimulusError(f"Playlist {playlist!r} of {library} shows no movie.")
    frames_of = {movie.name: movie.frames() for movie in movies}
    luminance_of = {movie.name: movie.luminance() / WHITE for movie in movies}
    sections = lay_out_sections([(movie.name, movie.length_frames) for movie in movies], repeats)
    last = sections[-1]
    n_frames = last.content_start_frame + last.length_frames + PAD_FRAMES + 1

    even_s = LEAD_S + np.arange(LEAD_PULSES + n_frames) / frame_rate_hz
    jitter = np.random.default_rng([seed, 3]).normal(0.0, 1.0, even_s.size)
    pulse_samples = np.rint((even_s + clock_jitter_s * jitter) * sampling_rate_hz).astype(np.int64)
    pulse_times_s = pulse_samples / sampling_rate_hz
    end_s = float(even_s[-1] + 1 / frame_rate_hz)
    n_samples = int(np.ceil((end_s + LEAD_S) * sampling_rate_hz))
    duration_s = n_samples / sampling_rate_hz

    luminance = np.full(n_frames, GREY_LUMINANCE)
    for section in sections:
        content = slice(
            section.content_start_frame, section.content_start_frame + section.length_frames
        )
        luminance[content] = luminance_of[section.movie]

    cells = make_retina(n_cells, seed)
    presented = [(section.content_start_frame, frames_of[section.movie]) for section in sections]
    rates = firing_rates(cells, presented, n_frames)
    # Grey before the first kept frame and after the last: the cells rest at their baseline.
    rates = np.pad(rates, ((0, 0), (LEAD_PULSES + 1, 1)), mode="edge")
    edges_s = np.r_[0.0, pulse_times_s, end_s, duration_s]
    rng = np.random.default_rng([seed, 2])
    numbers = _numbers_with_gaps(n_cells, rng)
    units = []
    for number, cell, rate, own in zip(numbers, cells, rates, rng.spawn(n_cells), strict=True):
        spikes = draw_spikes(rate, edges_s, cell.refractory_s, own)
        rejected = np.setdiff1d(own.integers(0, int(duration_s * 1e6), own.integers(3, 9)), spikes)
        units.append(UnitTrain(number, cell.row, cell.column, spikes / 1e6, rejected / 1e6))

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = _paths(folder, name)
    write_cmcr(
        paths.cmcr_path,
        sampling_rate_hz=sampling_rate_hz,
        analog=display_trace(
            pulse_samples,
            np.pad(luminance, (LEAD_PULSES, 0), mode="edge"),
            n_samples=n_samples,
            sampling_rate_hz=sampling_rate_hz,
            seed=seed,
        ),
        events=_light_events(luminance, pulse_times_s[LEAD_PULSES:]),
        started_at=started_at,
    )
    write_cmtr(
        paths.cmtr_path,
        units,
        cmcr_path=paths.cmcr_path,
        duration_s=duration_s,
        sampling_rate_hz=sampling_rate_hz,
        started_at=started_at,
    )
    truth = Truth(cells, units, sections, pulse_times_s[LEAD_PULSES:], luminance)
    write_truth(truth, paths.truth_csv_path, paths.truth_npz_path)
    return paths


def wrap_recording(
    folder: Path | str,
    name: str,
    *,
    spike_trains: Mapping[int, npt.NDArray[np.float64]],
    frame_times_s: npt.NDArray[np.float64],
    duration_s: float | None = None,
    luminance: npt.NDArray[np.float64] | None = None,
    places: Mapping[int, tuple[int, int]] | None = None,
    sampling_rate_hz: float = 20000.0,
    seed: int = 0,
    started_at: datetime = FIXED_START,
) -> tuple[Path, Path]:
    """Write given spikes and a given frame clock as a .cmcr/.cmtr pair.

    Pulses sit at whole samples, spikes at whole microseconds: times come back to within half a
    sample (25 us at 20 kHz) and 0.5 us. Pulses that a reader drops and frames of the pads are the
    caller's to put into ``frame_times_s``.

    Parameters
    ----------
    folder
        Where ``<name>.cmcr`` and ``<name>-.cmtr`` go; made if missing.
    name
        Name of the recording.
    spike_trains
        Spike times by unit number, float64 s from the recording's start, ascending.
    frame_times_s
        A sync pulse is written at each, float64 s, ascending.
    duration_s
        Length of the recording; by default a second more than the last frame or spike.
    luminance
        Per frame, 0 to 1; without it the photodiode's row is dark.
    places
        ``(row, column)`` on the chip by unit number; without it the units stand in a row.
    sampling_rate_hz
        Of the recording.
    seed
        Of the analog noise.
    started_at
        Start of the recording, for its metadata.

    Returns
    -------
    tuple of Path
        The ``.cmcr`` and the ``.cmtr`` file.

    Raises
    ------
    ParameterError
        If there is no frame or no unit, a unit has no place, or times leave the recording or do
        not ascend.
    """
    frame_times_s = np.asarray(frame_times_s, dtype=np.float64)
    if frame_times_s.size == 0 or not spike_trains:
        raise ParameterError(
            f"{name}: {frame_times_s.size} frames and {len(spike_trains)} units; both are needed."
        )
    if duration_s is None:
        ends = [float(times[-1]) for times in spike_trains.values() if len(times)]
        duration_s = max([float(frame_times_s[-1]), *ends]) + LEAD_S
    if luminance is None:
        luminance = np.zeros(frame_times_s.size)
    if places is None:
        places = _places_in_rows(list(spike_trains))
    if missing := sorted(set(spike_trains) - set(places)):
        raise ParameterError(f"{name}: units {missing} have spikes but no place on the chip.")

    n_samples = int(np.ceil(duration_s * sampling_rate_hz))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = _paths(folder, name)
    write_cmcr(
        paths.cmcr_path,
        sampling_rate_hz=sampling_rate_hz,
        analog=display_trace(
            np.rint(frame_times_s * sampling_rate_hz).astype(np.int64),
            luminance,
            n_samples=n_samples,
            sampling_rate_hz=sampling_rate_hz,
            seed=seed,
            before=float(luminance[0]),
        ),
        started_at=started_at,
    )
    write_cmtr(
        paths.cmtr_path,
        [
            UnitTrain(number, *places[number], np.asarray(times, dtype=np.float64))
            for number, times in spike_trains.items()
        ],
        cmcr_path=paths.cmcr_path,
        duration_s=n_samples / sampling_rate_hz,
        sampling_rate_hz=sampling_rate_hz,
        started_at=started_at,
    )
    return paths.cmcr_path, paths.cmtr_path


def _paths(folder: Path, name: str) -> SimulatedRecording:
    """Files of a recording; the sorter's carries a trailing hyphen as real ones do."""
    return SimulatedRecording(
        cmcr_path=folder / f"{name}.cmcr",
        cmtr_path=folder / f"{name}-.cmtr",
        truth_csv_path=folder / f"{name}.truth.csv",
        truth_npz_path=folder / f"{name}.truth.npz",
    )


def _light_events(
    luminance: npt.NDArray[np.float64], frame_times_s: npt.NDArray[np.float64]
) -> DigitalEvents:
    """Event 1 where the light goes on, event 2 where it goes off."""
    on, off = light_switches(luminance)
    frames = np.r_[on, off]
    order = np.argsort(frames, kind="stable")
    return DigitalEvents(
        event_id=np.r_[np.ones_like(on), np.full_like(off, 2)][order],
        time_us=np.rint(frame_times_s[frames[order]] * 1e6).astype(np.int64),
        duration_us=np.zeros(frames.size, dtype=np.int64),
    )


def _numbers_with_gaps(n_units: int, rng: np.random.Generator) -> list[int]:
    """Draw unit numbers as they are left after curation: ascending, some missing."""
    numbers = rng.choice(np.arange(1, int(1.3 * n_units) + 3), n_units, replace=False)
    return [int(number) for number in np.sort(numbers)]


def _places_in_rows(numbers: list[int]) -> dict[int, tuple[int, int]]:
    return {
        number: (1 + k // CHIP_SIZE, 1 + k % CHIP_SIZE) for k, number in enumerate(sorted(numbers))
    }
