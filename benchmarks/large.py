"""A session of many units as arrays: what the ways of storing it are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hdmea.arrays import Variable, Variables
from hdmea.contribution import Recipe
from hdmea.pipeline import PipelineSession, create_session

FEATURES = ("on_off", "green_blue", "freq_step", "moving_bar", "chirp", "baseline", "dense_noise")
COLUMNS = ("rate_hz", "latency_s", "index", "p_response")
N_SPIKES = 10_000
PSTH_BINS = 320
STA_SHAPE = (60, 15, 15)
"""Lags, rows, columns of pixels."""


def trains(n_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Spike times of all units, seconds, and where each train ends."""
    times = np.random.default_rng(1).uniform(0, 1800, (n_units, N_SPIKES))
    times.sort(axis=1)
    return times.ravel(), np.arange(1, n_units + 1) * N_SPIKES


def columns(n_units: int) -> dict[str, np.ndarray]:
    """Four numbers and a PSTH for each unit and feature, by feature and column."""
    rng = np.random.default_rng(2)
    found = {}
    for feature in FEATURES:
        for name in COLUMNS:
            found[f"{feature}/{name}"] = rng.normal(size=n_units)
        found[f"{feature}/psth_hz"] = rng.normal(size=(n_units, PSTH_BINS)).astype(np.float32)
    return found


def stas(n_units: int) -> np.ndarray:
    """An STA for each unit."""
    return np.random.default_rng(3).normal(size=(n_units, *STA_SHAPE)).astype(np.float32)


def contents(n_units: int) -> dict[str, Variables]:
    """The same as contributions to a session, by name."""
    times, index = trains(n_units)
    found: dict[str, Variables] = {
        "load_recording": {
            "units/unit_id": Variable(np.arange(n_units), "1", ("unit",), "number"),
            "units/spike_times": Variable(times, "s", ("spike",), "spike times"),
            "units/spike_times_index": Variable(index, "1", ("unit",), "where trains end"),
        },
        "sta.noise": {
            "sta/noise/sta": Variable(stas(n_units), "1", ("unit", "lag", "y", "x"), "STA"),
        },
    }
    for path, values in columns(n_units).items():
        feature = path.partition("/")[0]
        dims = ("unit", "bin")[: values.ndim]
        own = found.setdefault(f"features.{feature}", {})
        assert isinstance(own, dict)
        own[f"features/{path}"] = Variable(values, "1", dims, "a column")
    return found


def session_of(n_units: int, folder: Path) -> PipelineSession:
    """A session that holds it, and will be saved into the folder."""
    session = create_session("large", output_dir=folder, memory_budget_gb=100)
    for name, variables in contents(n_units).items():
        recipe = Recipe(name, name.partition(".")[0], 1, {}, {}, {})
        session.obtain(recipe, lambda variables=variables: variables)
    return session
