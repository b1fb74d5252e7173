"""A sorted recording in which good units are told from rubbish.

Good units are cells at the operating point, and others that a rule could take for rubbish; they
lack spikes and have strays, as sorted units do. Rubbish is made of the spikes of such cells, or of
no cell's. All are written as a file, and go through the project's own steps, with the rules of
``config/config.yaml``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from hdmea.kernels.spikes import SpikeTrains
from hdmea.session import PipelineSession
from hdmea.simulate import wrap_recording
from hdmea.steps.running import run_recording
from truth import operating_point as point
from truth.claim import Sample
from truth.population import make_population, record
from truth.recordings import Show
from truth.retina import Columns, joined, rows_of

CONFIG: Final = Path(__file__).parents[2] / "config" / "config.yaml"

SAMPLE_S: Final = 1 / 20_000
"""The sorter's clock."""
CHIP: Final = 65
MISSED, STRAYS = (0.0, 0.1), (0.0, 0.05)
"""Parts of a good unit's spikes that are lost, and that are another cell's."""
SPARSE_HZ, SILENT_HZ = 2.0, 0.05
BURST_SPIKES, BURST_S = (2, 6), (0.002, 0.0015)
"""Of bursts: spikes, and the shortest interval with what is added to it on average."""
SYNCHRONOUS, SYNCHRONY_S = 0.3, 0.0005
"""Part of a cell's spikes that a coupled one fires too, and how far apart (SD)."""
NOISE_HZ: Final = (2.0, 20.0)
PART: Final = (1 / 6, 1 / 3)
"""Part of the spikes that are another cell's, where not all of them are."""
FAINT: Final = 1 / 11
PRESENT: Final = (0.1, 0.5)
FEW: Final = (5, 80)
BETTER_KEEPS, COPY_KEEPS = (0.9, 1.0), (0.5, 0.85)
COPY_JITTER_S, COPY_LAG_S = (0.00002, 0.0001), (-0.0002, 0.0002)

GOOD: Final = {
    "as drawn": 1.0,
    "sparse": 0.2,
    "silent at rest": 0.2,
    "bursting": 0.2,
    "coupled": 0.2,
    "found twice": 0.4,
}
RUBBISH: Final = {
    "two cells": 0.4,
    "part of another cell": 0.3,
    "copy with another cell": 0.1,
    "threshold crossings": 0.2,
    "artefacts": 0.1,
    "present in part": 0.2,
    "few spikes": 0.1,
    "copy": 0.3,
}
TOLD_ONLY: Final = {"ten to one": 0.3}
"""Units of each kind for each cell that is drawn; the last are rubbish that can hardly be seen."""
KINDS: Final = (*GOOD, *RUBBISH, *TOLD_ONLY)

_CELLS_OF: Final = {"two cells": 2, "part of another cell": 2, "ten to one": 2,
                    "threshold crossings": 0, "artefacts": 0, "copy": 0,
                    "copy with another cell": 1}  # fmt: skip
"""Recorded cells that a unit is made of, where it is not one; copies are of units found twice."""


def sorted_units(recording: str, n_cells: int, seed: int, **short: int) -> Sample:
    """Good units and rubbish of ``long`` or ``short``, and what becomes of them.

    With ``noise_s`` and ``n_trials`` another recording, for tests.
    """
    noise_s = short.get("noise_s", point.NOISE_S[recording])
    n_trials = short.get("n_trials", point.TRIALS[recording])
    # Recordings of the same cells with other noise have other spikes.
    seed_of_spikes = seed + 9000 + 1000 * n_trials
    show = Show.of(noise_s, n_trials, seed)
    rng = np.random.default_rng([seed_of_spikes, 31])
    units = _made(rng, make_population(n_cells, seed), show, seed_of_spikes)
    order = rng.permutation(len(units.trains))  # numbers tell nothing
    trains = {number + 1: units.trains[row] for number, row in enumerate(order)}
    places = {number + 1: units.places[row] for number, row in enumerate(order)}
    kinds = np.array(units.kinds)[order]
    cells = {
        "kind": kinds,
        "good": np.isin(kinds, list(GOOD)),
        "foreign": np.array(units.foreign)[order],
        "duration_s": np.full(kinds.size, units.duration_s),
    }
    return Sample(cells, curated(trains, places, units.duration_s))


def rules() -> dict[str, Any]:
    """What ``config/config.yaml`` tells `curate_units`, but for the table of people."""
    steps = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["steps"]
    return {name: value for name, value in steps["curate_units"].items() if name != "table"}


def curated(
    trains: Mapping[int, np.ndarray], places: Mapping[int, tuple[int, int]], duration_s: float
) -> dict[str, np.ndarray]:
    """What the project finds of these units, from the file on, by number of the unit."""
    steps = {
        "load_recording": {"probe": "off"},
        "extract_features": {"features": ["unit_quality"]},
        "curate_units": rules(),
    }
    with tempfile.TemporaryDirectory() as folder:
        _, cmtr = wrap_recording(
            Path(folder), "sorted", spike_trains=trains, places=places, duration_s=duration_s,
            # its pulses are not needed, and a slow clock makes a small file
            frame_times_s=np.array([0.5]), sampling_rate_hz=1000.0,
        )  # fmt: skip
        result = run_recording(steps, Path(folder) / "sorted.h5", cmtr_path=cmtr)
        session = PipelineSession.load(result.hdf5_path)
        found = {
            "included": session.values("units/included") == 1,
            "reason": session.values("units/exclusion_reason"),
            "n_spikes": session.values("units/n_spikes"),
        }
        names = ("n_isi_violations", "isi_violations_at_half", "hill_contamination",
                 "hill_contamination_low",
                 "presence_ratio", "coincident_fraction")  # fmt: skip
        quality = {name: session.values(f"features/unit_quality/{name}") for name in names}
        if session.values("units/unit_id").tolist() != sorted(trains):
            raise RuntimeError("the units of the file are not in the order of their numbers")
    return found | quality


class _Units:
    """Units, as they are made."""

    def __init__(
        self, rng: np.random.Generator, duration_s: float, neighbours: list[np.ndarray]
    ) -> None:
        self.rng, self.duration_s, self.neighbours = rng, duration_s, neighbours
        self.trains: list[np.ndarray] = []
        self.kinds: list[str] = []
        self.places: list[tuple[int, int]] = []
        self.foreign: list[float] = []

    def add(self, kind: str, times_s: np.ndarray, foreign: float, near: int | None = None) -> int:
        """Add a unit somewhere, or on an electrode next to another unit's; its row."""
        place = self.rng.integers(1, CHIP + 1, 2)
        if near is not None:
            place = np.clip(self.places[near] + self.rng.integers(-1, 2, 2), 1, CHIP)
        inside = times_s[(times_s > 0) & (times_s < self.duration_s)]
        # Two peaks in one sample are one.
        self.trains.append(SAMPLE_S * np.unique(np.rint(inside / SAMPLE_S)))
        self.kinds.append(kind)
        self.places.append((int(place[0]), int(place[1])))
        self.foreign.append(foreign)
        return len(self.trains) - 1

    def add_good(self, kind: str, times_s: np.ndarray, near: int | None = None) -> int:
        """Add a cell as a sorter finds it: some spikes are lost, some are another cell's."""
        kept = self.some(times_s, 1 - self.rng.uniform(*MISSED))
        part = self.rng.uniform(*STRAYS)
        other = self.neighbours[self.rng.integers(len(self.neighbours))]
        strays = self.some(other, part / (1 - part) * kept.size / other.size)
        return self.add(kind, np.concatenate([kept, strays]), part, near)

    def some(self, times_s: np.ndarray, part: float) -> np.ndarray:
        """Spikes chosen at random."""
        return times_s[self.rng.random(times_s.size) < part]

    def noise(self, rate_hz: float) -> np.ndarray:
        """Spikes at random times."""
        return self.rng.uniform(0, self.duration_s, self.rng.poisson(rate_hz * self.duration_s))

    def bursts(self, times_s: np.ndarray) -> np.ndarray:
        """Bursts where there were spikes, about as many spikes in all."""
        low, high = BURST_SPIKES
        starts = self.some(times_s, 2 / (low + high))
        sizes = self.rng.integers(low, high + 1, starts.size)
        shortest, more = BURST_S
        steps = shortest + self.rng.gamma(2, more / 2, sizes.sum())
        first = np.cumsum(sizes) - sizes
        steps[first] = 0
        within = np.cumsum(steps)
        return _refractory(np.repeat(starts, sizes) + within - np.repeat(within[first], sizes))

    def artefacts(self) -> np.ndarray:
        """Volleys of threshold crossings, some a second or every few."""
        starts = self.noise(self.rng.uniform(0.2, 1.0))
        sizes = self.rng.integers(3, 21, starts.size)
        return np.repeat(starts, sizes) + self.rng.uniform(0, 0.02, sizes.sum())

    def stretch(self, times_s: np.ndarray) -> np.ndarray:
        """Spikes within one part of the recording."""
        length = self.rng.uniform(*PRESENT) * self.duration_s
        start = self.rng.uniform(0, self.duration_s - length)
        return times_s[(times_s >= start) & (times_s < start + length)]


def _refractory(times_s: np.ndarray) -> np.ndarray:
    """Spikes in order, without those within the dead time after another one that stays."""
    kept: list[float] = []
    for time in np.sort(times_s).tolist():
        if not kept or time - kept[-1] >= point.REFRACTORY_S:
            kept.append(time)
    return np.array(kept)


def _made(rng: np.random.Generator, drawn: Columns, show: Show, seed: int) -> _Units:
    """All units, of the operating point's cells and spikes of their own."""
    n_cells = len(drawn["kind"])
    n_units = {k: round(n * n_cells) for k, n in (GOOD | RUBBISH | TOLD_ONLY).items()}
    n_units["found twice"] = n_units["copy"] + n_units["copy with another cell"]
    rows = {"as drawn": np.arange(n_cells)}
    for kind, n in n_units.items():
        if kind != "as drawn" and (n_of := _CELLS_OF.get(kind, 1)):
            rows[kind] = rng.integers(0, n_cells, n * n_of)
    rows["coupled"] = np.repeat(rows["coupled"][: n_units["coupled"] // 2], 2)
    tables = [drawn]
    for kind, changed in (("sparse", _sparse), ("silent at rest", _silent)):
        tables.append(changed(rows_of(drawn, rows[kind])))
        rows[kind] = np.arange(rows[kind].size) + sum(len(table["kind"]) for table in tables[:-1])
    trains = record(joined(*tables), show, seed, np.concatenate(list(rows.values())))
    ends = np.cumsum([some.size for some in rows.values()])
    spikes = {
        kind: trains.rows(int(end - some.size), int(end))
        for (kind, some), end in zip(rows.items(), ends, strict=True)
    }
    units = _Units(rng, show.n_frames * point.FRAME_S, _of(spikes["as drawn"]))
    _good(units, spikes)
    _rubbish(units, spikes, n_units)
    return units


def _sparse(cells: Columns) -> dict[str, np.ndarray]:
    thinner = SPARSE_HZ / cells["noise_hz"]
    return {**cells, **{name: thinner * cells[name] for name in ("rest_hz", "gain_hz")}}


def _silent(cells: Columns) -> dict[str, np.ndarray]:
    return {**cells, "rest_hz": np.full(len(cells["kind"]), SILENT_HZ)}


def _of(trains: SpikeTrains) -> list[np.ndarray]:
    return [trains.of(row) for row in range(trains.n_units)]


def _good(units: _Units, spikes: Mapping[str, SpikeTrains]) -> None:
    for kind in ("as drawn", "sparse", "silent at rest"):
        for times in _of(spikes[kind]):
            units.add_good(kind, times)
    for times in _of(spikes["bursting"]):
        units.add_good("bursting", units.bursts(times))
    both = _of(spikes["coupled"])
    for one, other in zip(both[::2], both[1::2], strict=True):
        shared = units.some(one, SYNCHRONOUS)
        also = shared + units.rng.normal(0, SYNCHRONY_S, shared.size)
        first = units.add_good("coupled", one)
        units.add_good("coupled", _refractory(np.concatenate([other, also])), first)


def _rubbish(
    units: _Units, spikes: Mapping[str, SpikeTrains], n_units: Mapping[str, int]
) -> None:  # fmt: skip
    rng = units.rng
    for kind in ("two cells", "part of another cell", "ten to one"):
        both = _of(spikes[kind])
        for one, other in zip(both[::2], both[1::2], strict=True):
            small, large = sorted((one, other), key=len)
            if kind != "two cells":
                part = FAINT if kind == "ten to one" else rng.uniform(*PART)
                small = units.some(small, part / (1 - part) * large.size / small.size)
            part = small.size / (small.size + large.size)
            units.add(kind, np.concatenate([small, large]), part)
    for _ in range(n_units["threshold crossings"]):
        rate_hz = np.exp(rng.uniform(*np.log(NOISE_HZ)))
        units.add("threshold crossings", units.noise(rate_hz), np.nan)
    for _ in range(n_units["artefacts"]):
        units.add("artefacts", units.artefacts(), np.nan)
    for times in _of(spikes["present in part"]):
        units.add("present in part", units.stretch(times), 0.0)
    for times in _of(spikes["few spikes"]):
        units.add("few spikes", rng.choice(times, rng.integers(*FEW), replace=False), 0.0)
    others = _of(spikes["copy with another cell"])
    for row, times in enumerate(_of(spikes["found twice"])):
        better = units.add_good("found twice", units.some(times, rng.uniform(*BETTER_KEEPS)))
        again = units.some(times, rng.uniform(*COPY_KEEPS))
        again = again + rng.uniform(*COPY_LAG_S)
        again = again + rng.normal(0, rng.uniform(*COPY_JITTER_S), again.size)
        if row < n_units["copy"]:
            units.add("copy", again, 0.0, better)
        else:
            other = others[row - n_units["copy"]]
            part = other.size / (other.size + again.size)
            units.add("copy with another cell", np.concatenate([again, other]), part, better)
