"""A recording of the model retina, or of given spikes, as a .cmcr/.cmtr pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.simulate.display import GREY_LUMINANCE, display_trace, light_switches
from hdmea.simulate.faults import NO_FAULTS, Faults
from hdmea.simulate.mcs_files import (
    FIXED_START,
    AnalogTrace,
    DigitalEvents,
    write_cmcr,
    write_cmtr,
)
from hdmea.simulate.presentation import LEAD_PULSES, LEAD_S, present
from hdmea.simulate.retina import CHIP_SIZE, draw_spikes, firing_rates, make_retina, silenced
from hdmea.simulate.sensor import SensorRegion, make_footprints, sensor_trace
from hdmea.simulate.sorting import UnitTrain
from hdmea.simulate.truth import Truth, write_truth
from hdmea.stimulus.library import StimulusLibrary


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
    faults: Faults = NO_FAULTS,
    sensor: SensorRegion | None = None,
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
        Ganglion cells; there may be none.
    seed
        Of cells, spikes, unit numbers and noise.
    frame_rate_hz, sampling_rate_hz
        Of the display and of the recording.
    repeats
        How often the whole playlist is shown.
    clock_jitter_s
        SD of the frame times around an even clock.
    faults
        What goes wrong; by default nothing.
    sensor
        Sensors that are recorded, with the waveforms of the units' spikes; by default none. The
        waveforms are in the truth.
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
        If frame rate, jitter and sampling rate leave no room for the sync pulses, or a fault
        names what is not shown.

    Examples
    --------
    >>> import tempfile
    >>> from hdmea.simulate import Faults, write_stimulus_library
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write_stimulus_library(folder, "tiny")
    ...     files = simulate_recording(
    ...         folder,
    ...         "rec",
    ...         library=folder,
    ...         playlist="tiny",
    ...         n_cells=1,
    ...         faults=Faults(held_frames=(700,), stop_after_s=20.0),
    ...     )
    ...     with np.load(files.truth_npz_path) as truth:
    ...         interval_s = np.diff(truth["frame_times_s"])
    >>> int(interval_s.argmax()), float(interval_s.max().round(4))
    (700, 0.0333)
    """
    movies = StimulusLibrary(library).playlist(playlist)
    frames_of = {movie.name: movie.frames() for movie in movies}
    show = present(
        movies,
        repeats=repeats,
        faults=faults,
        frame_rate_hz=frame_rate_hz,
        sampling_rate_hz=sampling_rate_hz,
        clock_jitter_s=clock_jitter_s,
        seed=seed,
    )
    whole = int(np.ceil((show.end_s + LEAD_S) * sampling_rate_hz))
    n_samples = _stopped(whole, faults.stop_after_s, sampling_rate_hz)
    duration_s = n_samples / sampling_rate_hz

    cells = make_retina(n_cells + faults.empty_units, seed)
    cells[n_cells:] = [silenced(cell) for cell in cells[n_cells:]]
    rates = firing_rates(cells, list(show.by_interval(frames_of)), int(show.n_intervals.sum()))
    # Grey before the first kept frame and after the last: the cells rest at their baseline.
    rates = np.pad(rates, ((0, 0), (LEAD_PULSES + 1, 1)), mode="edge")
    whole_s = whole / sampling_rate_hz
    edges_s = np.r_[0.0, show.interval_samples / sampling_rate_hz, show.end_s, whole_s]
    rng = np.random.default_rng([seed, 2])
    numbers = _numbers_with_gaps(n_cells, faults.empty_units, rng)
    units: list[UnitTrain] = []
    for number, cell, rate, own in zip(numbers, cells, rates, rng.spawn(len(cells)), strict=True):
        spikes = draw_spikes(rate, edges_s, cell.refractory_s, own)
        rejected = np.setdiff1d(own.integers(0, int(whole_s * 1e6), own.integers(3, 9)), spikes)
        trains = (times[times < duration_s * 1e6] / 1e6 for times in (spikes, rejected))
        units.append(UnitTrain(number, cell.row, cell.column, *trains))
    order = np.argsort(numbers)
    cells, units = [cells[i] for i in order], [units[i] for i in order]

    folder = Path(folder)
    paths = _paths(folder, name)
    lead = show.interval_samples[:LEAD_PULSES]
    lit = show.luminance if faults.photodiode else np.zeros_like(show.luminance)
    trace = display_trace(
        np.r_[lead, show.image_samples],
        np.pad(lit, (LEAD_PULSES, 0), mode="edge"),
        n_samples=whole,
        sampling_rate_hz=sampling_rate_hz,
        seed=seed,
        before=GREY_LUMINANCE if faults.photodiode else 0.0,
        has_pulse=np.r_[np.ones(LEAD_PULSES, dtype=np.bool_), show.has_pulse],
        light_delay_s=faults.photodiode_delay_s,
    )
    footprints = stream = None
    if sensor is not None:
        footprints = make_footprints(len(units), sampling_rate_hz, seed)
        stream = sensor_trace(
            sensor,
            units,
            footprints,
            n_samples=n_samples,
            sampling_rate_hz=sampling_rate_hz,
            seed=seed,
        )
    # Seen by a reader only if the sample after its rise is there, too.
    seen = show.image_samples < n_samples - 2
    image_times_s = show.image_samples[seen] / sampling_rate_hz
    write_cmcr(
        paths.cmcr_path,
        sampling_rate_hz=sampling_rate_hz,
        analog=AnalogTrace(n_samples, trace.block),
        sensor=stream,
        events=_light_events(show.luminance[seen], image_times_s),
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
    truth = Truth(
        cells,
        units,
        show.sections,
        frame_times_s=image_times_s,
        luminance=show.luminance[seen],
        has_pulse=show.has_pulse[seen],
        n_intervals=show.n_intervals[seen],
        footprints=footprints,
    )
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
        Spike times by unit number, float64 s from the recording's start, ascending; there may
        be no unit.
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
        If there is no frame, a unit has no place, or times leave the recording or do
        not ascend.
    """
    frame_times_s = np.asarray(frame_times_s, dtype=np.float64)
    if frame_times_s.size == 0:
        raise ParameterError(f"{name}: frame_times_s is empty; at least one frame is needed.")
    if duration_s is None:
        ends = [float(times[-1]) for times in spike_trains.values() if len(times)]
        duration_s = max([float(frame_times_s[-1]), *ends]) + LEAD_S
    if luminance is None:
        luminance = np.zeros(frame_times_s.size)
    if places is None:
        places = _places_in_rows(list(spike_trains))
    if missing := sorted(set(spike_trains) - set(places)):
        # Cause: the units' places were given for fewer units than have spikes.
        raise ParameterError(
            f"{name}: units {missing} have spikes but no place on the chip; give each one."
        )

    n_samples = int(np.ceil(duration_s * sampling_rate_hz))
    folder = Path(folder)
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


def _stopped(n_samples: int, stop_after_s: float | None, sampling_rate_hz: float) -> int:
    """Give the number of samples that are recorded of a whole show."""
    if stop_after_s is None:
        return n_samples
    stop = round(stop_after_s * sampling_rate_hz)
    if not 1 <= stop < n_samples:
        # Cause: the recording is over before the time at which it is to be stopped.
        raise ParameterError(
            f"Faults.stop_after_s is {stop_after_s}, but the recording would last "
            f"{n_samples / sampling_rate_hz} s: it must stop within that time."
        )
    return stop


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


def _numbers_with_gaps(n_cells: int, n_empty: int, rng: np.random.Generator) -> list[int]:
    """Draw unit numbers as they are left after curation: ascending, some missing.

    Numbers of empty units come last and lie anywhere among the others.
    """
    n_units = n_cells + n_empty
    numbers = np.sort(rng.choice(np.arange(1, int(1.3 * n_units) + 3), n_units, replace=False))
    empty = rng.choice(numbers, n_empty, replace=False)
    return [int(number) for number in (*np.setdiff1d(numbers, empty), *np.sort(empty))]


def _places_in_rows(numbers: list[int]) -> dict[int, tuple[int, int]]:
    return {
        number: (1 + k // CHIP_SIZE, 1 + k % CHIP_SIZE) for k, number in enumerate(sorted(numbers))
    }
