"""A folder of simulated recordings with their stimulus library, ready for the workflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from hdmea.errors import ParameterError
from hdmea.simulate.mcs_files import FIXED_START
from hdmea.simulate.playlists import write_stimulus_library
from hdmea.simulate.recording import SimulatedRecording, simulate_recording
from hdmea.store.small_file import write_small_table


@dataclass(frozen=True, slots=True)
class SimulatedDataset:
    """A simulated dataset.

    Parameters
    ----------
    stimuli_path
        Folder of the stimulus library.
    table_path
        ``recordings.tsv``; its paths begin with the folder as it was given.
    recordings
        Files by the recording's name.
    """

    stimuli_path: Path
    table_path: Path
    recordings: dict[str, SimulatedRecording]


def simulate_dataset(
    folder: Path | str,
    *,
    recordings: int = 3,
    units: int = 48,
    seed: int = 0,
    playlist: str = "short",
    progress: Callable[[str], None] | None = None,
) -> SimulatedDataset:
    """Write recordings of different model retinas, the stimuli they saw, and a table of them.

    Parameters
    ----------
    folder
        Gets ``stimuli/``, ``recordings/`` and ``recordings.tsv`` with the columns ``recording``,
        ``cmcr``, ``cmtr``, ``playlist``; its paths begin with ``folder`` as given, so that
        the workflow finds them from where the simulation was started.
    recordings, units
        How many recordings, and units in each.
    seed
        The same seed gives the same dataset.
    playlist
        ``full``, ``short``, ``brief`` or ``tiny``.
    progress
        Told in a line about every recording that is done.

    Returns
    -------
    SimulatedDataset
        What was written.

    Raises
    ------
    ParameterError
        If there is to be no recording, or ``units`` is out of range.
    UnknownNameError
        If there is no playlist of that name.
    OutputWriteError
        If a file cannot be written.
    """
    if recordings < 1:
        raise ParameterError(f"recordings must be 1 or more, got {recordings}.")
    folder = Path(folder)
    stimuli = folder / "stimuli"
    write_stimulus_library(stimuli, playlist)
    written: dict[str, SimulatedRecording] = {}
    for number in range(1, recordings + 1):
        name = f"demo_retina_{number}"
        written[name] = simulate_recording(
            folder / "recordings",
            name,
            library=stimuli,
            playlist=playlist,
            n_cells=units,
            # Seeds of neighbouring datasets must not share recordings, as seed + number would.
            seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]),
            clock_jitter_s=20e-6,
            started_at=FIXED_START + timedelta(hours=number),
        )
        if progress is not None:
            progress(f"{name}: {units} units, playlist {playlist} ({number} of {recordings})")
    pairs = {name: (files.cmcr_path, files.cmtr_path) for name, files in written.items()}
    rows = [[name, *(p.as_posix() for p in pair), playlist] for name, pair in pairs.items()]
    header = ["recording", "cmcr", "cmtr", "playlist"]
    table = write_small_table(folder / "recordings.tsv", [header, *rows], delimiter="\t")
    return SimulatedDataset(stimuli_path=stimuli, table_path=table, recordings=written)
