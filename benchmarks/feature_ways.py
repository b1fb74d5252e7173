"""Ways of finding spikes in trials, and all features, of many units."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from pathlib import Path

import numpy as np

from hdmea.arrays import Variable
from hdmea.contribution import Recipe
from hdmea.features.registry import FEATURES
from hdmea.kernels import spikes
from hdmea.kernels.spikes import SpikeTrains
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    section_spike_times,
)
from hdmea.simulate import simulate_recording, write_stimulus_library

RECORDED = "sectioned.h5"
JITTER_S = 0.002
THREADS = 2
"""As many as the machine of the bounds has cores."""
SIDE = 65
N_ELECTRODES = SIDE**2


def record(folder: str, n_cells: int, repeats: int) -> Callable[[], int]:
    """Simulate cells that see every kind of stimulus, and find the trials."""

    def act() -> int:
        place = Path(folder)
        write_stimulus_library(place / "stimuli", "full")
        files = simulate_recording(
            place, "rec", library=place / "stimuli", playlist="full", n_cells=n_cells, seed=3,
            repeats=repeats, sampling_rate_hz=5000.0,
        )  # fmt: skip
        session = create_session(
            cmcr_path=files.cmcr_path,
            cmtr_path=files.cmtr_path,
            stimuli_dir=place / "stimuli",
            output_dir=place,
        )
        load_recording(session=session, probe="off")
        add_section_time(playlist_name="full", repeats=repeats, session=session)
        session.save(place / RECORDED)
        return int(session.values("stimulus/trials/stop_s").size)

    return act


def many(folder: str, n_units: int, n_spikes: int) -> PipelineSession:
    """The recording with so many units; each fires as one of the simulated cells, but more often.

    Its spikes are drawn from the cell's, each as often as it comes, and shifted by normal
    deviates of `JITTER_S`: the cell's rate stays what it is, times a factor.
    """
    recorded = PipelineSession.load(Path(folder) / RECORDED)
    rng = np.random.default_rng(5)
    cells = np.split(
        recorded.values("units/spike_times"), recorded.values("units/spike_times_index")[:-1]
    )
    cells = [train for train in cells if train.size]
    last = max(train[-1] for train in cells)
    times = np.empty((n_units, n_spikes))
    for unit in range(n_units):
        train = rng.choice(cells[unit % len(cells)], n_spikes)
        times[unit] = np.sort(np.clip(train + rng.normal(0, JITTER_S, n_spikes), 0, last))
    session = create_session("many", output_dir=folder, memory_budget_gb=100)
    session.set_places(stimuli_dir=Path(folder) / "stimuli")
    for contribution in recorded.contributions.values():
        variables = dict(contribution.variables)
        for path, variable in variables.items():
            if variable.dims[:1] == ("unit",):
                rows = np.arange(n_units) % variable.data.shape[0]
                variables[path] = Variable(
                    variable.values[rows], variable.unit, variable.dims, variable.description
                )
        if contribution.name == "load_recording":
            told = variables["units/spike_times"]
            variables["units/spike_times"] = Variable(
                times.ravel(), told.unit, told.dims, told.description
            )
            # units lie on electrodes of their own, as those of a retina do
            at = rng.permutation(N_ELECTRODES)[:n_units]
            own = {
                "units/unit_id": np.arange(n_units),
                "units/row": at % SIDE + 1,
                "units/column": at // SIDE + 1,
                "units/sensor_id": at + 1,
                "units/spike_times_index": np.arange(1, n_units + 1) * n_spikes,
            }
            for path, values in own.items():
                told = variables[path]
                variables[path] = Variable(values, told.unit, told.dims, told.description)
        recipe = contribution.recipe
        session.obtain(
            Recipe(
                recipe.name, recipe.step, recipe.version, recipe.parameters, recipe.inputs,
                {name: session.contributions[name].key for name in recipe.parents},
            ),
            lambda variables=variables: variables,
        )  # fmt: skip
    return session


def _trials(session: PipelineSession) -> tuple[SpikeTrains, np.ndarray, np.ndarray]:
    trains = SpikeTrains(
        session.values("units/spike_times"), session.values("units/spike_times_index")
    )
    return (
        trains,
        session.values("stimulus/trials/start_s"),
        session.values("stimulus/trials/stop_s"),
    )


def sections(folder: str, n_units: int, n_spikes: int) -> Callable[[], int]:
    """`section_spike_times` of a session whose trains were looked at by an earlier step."""
    session = many(folder, n_units, n_spikes)
    _trials(session)

    def act() -> int:
        found = section_spike_times(session=copy(session))
        stop, start = (found.values(f"trials/{edge}_index") for edge in ("stop", "start"))
        return int(stop.sum() - start.sum())

    return act


def first_sections(folder: str, n_units: int, n_spikes: int) -> Callable[[], int]:
    """`section_spike_times` as the first step of a session that looks at its trains."""
    act = sections(folder, n_units, n_spikes)

    def first() -> int:
        spikes._known.clear()
        return act()

    return first


def masks(folder: str, n_units: int, n_spikes: int) -> Callable[[], int]:
    """Compare all spikes of a unit with the edges of each trial, and take those between."""
    trains, starts, stops = _trials(many(folder, n_units, n_spikes))

    def act() -> int:
        n = 0
        for unit in range(trains.n_units):
            train = trains.of(unit)
            for start, stop in zip(starts, stops, strict=True):
                n += train[(train >= start) & (train < stop)].size
        return n

    return act


def features(folder: str, n_units: int, n_spikes: int) -> Callable[[], dict[str, float]]:
    """`extract_features`, one after the other; processor seconds of each."""
    session = many(folder, n_units, n_spikes)
    section_spike_times(session=session)
    compute_sta(session=session)

    def act() -> dict[str, float]:
        found, took = copy(session), {}
        for name in FEATURES:
            start = time.process_time()
            extract_features(session=found, features=[name], threads=THREADS)
            took[name] = round(time.process_time() - start, 2)
        if found.pending:
            raise RuntimeError(f"these wait: {dict(found.pending)}")
        return took

    return act
