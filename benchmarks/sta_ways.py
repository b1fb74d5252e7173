"""Ways of averaging a noise movie before spikes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from hdmea.pipeline import PipelineSession

FRAME_S = 1 / 64
"""A binary fraction, so that every way puts a spike into the same frame."""
COVER = (-59, 1)
N_LAGS = COVER[1] - COVER[0]
N_COMPARED = 5
"""Units whose averages must be the same to the bit; the slowest way computes no more."""


def movie(side: int, n_frames: int, hold: int) -> npt.NDArray[np.uint8]:
    """Noise of 256 grey levels, a new image every `hold` frames."""
    rng = np.random.default_rng(1)
    shape = (-(-n_frames // hold), side, side)
    return rng.integers(0, 256, shape, dtype=np.uint8).repeat(hold, axis=0)[:n_frames]


def trains(n_units: int, n_spikes: int, n_frames: int) -> list[npt.NDArray[np.float64]]:
    """Spike times whose windows lie in the movie, seconds from its start."""
    rng = np.random.default_rng(2)
    frames = rng.integers(N_LAGS + 2, n_frames - 2, (n_units, n_spikes))
    return list((np.sort(frames, axis=1) + 0.5) * FRAME_S)


def _edges(n_frames: int) -> npt.NDArray[np.float64]:
    return np.arange(n_frames + 1) * FRAME_S


def _same(mean: npt.NDArray[np.float32]) -> str:
    """What the averages of the units that are compared have in common, ``(unit, lag, y, x)``."""
    compared = np.ascontiguousarray(mean[:N_COMPARED], dtype=np.float32)
    return hashlib.sha256(compared).hexdigest()


def hdmea(
    side: int,
    n_units: int,
    n_spikes: int,
    n_frames: int,
    *,
    hold: int = 1,
    threads: int = 2,
    with_z: bool = False,
    precision: str = "double",
) -> Callable[[], str | None]:
    """`spike_triggered_average` from spike times."""
    from hdmea.kernels.spikes import SpikeTrains
    from hdmea.kernels.sta import Presentations, spike_triggered_average

    shown, spikes = movie(side, n_frames, hold), trains(n_units, n_spikes, n_frames)
    packed = SpikeTrains(np.concatenate(spikes), np.cumsum([train.size for train in spikes]))
    once = Presentations(*np.array([[0], [0], [n_frames]]))

    def act() -> str | None:
        found = spike_triggered_average(
            once.counts(packed, _edges(n_frames), n_frames),
            shown,
            COVER,
            with_z=with_z,
            precision=precision,  # type: ignore[arg-type]
            threads=threads,
        )
        # single precision is not the same to the bit
        return _same(found.mean) if precision == "double" else None

    return act


def product_per_lag(
    side: int, n_units: int, n_spikes: int, n_frames: int, *, dtype: str
) -> Callable[[], str]:
    """One product of counts and frames for each lag, with all cores."""
    shown, spikes = movie(side, n_frames, 1), trains(n_units, n_spikes, n_frames)

    def act() -> str:
        counts = np.stack([np.histogram(train, _edges(n_frames))[0] for train in spikes])
        counts = counts.astype(dtype)
        frames = shown.reshape(n_frames, -1).astype(dtype)
        mean = np.empty((n_units, N_LAGS, frames.shape[1]), np.float32)
        first, stop = -COVER[0], n_frames
        used = counts[:, first:stop]
        n = used.sum(axis=1, dtype=np.float64)[:, None]
        for row, lag in enumerate(range(*COVER)):
            mean[:, row] = (used @ frames[first + lag : stop + lag]) / n
        return _same(mean)

    return act


def spike_by_spike(
    side: int, n_units: int, n_spikes: int, n_frames: int, *, n_done: int
) -> Callable[[], str]:
    """The window of each frame with spikes, times their number, added up: pyret's way.

    As `pyret.filtertools.sta` of pyret 0.6.0 does it, for `n_done` of the units.
    """
    shown, spikes = movie(side, n_frames, 1), trains(n_units, n_spikes, n_frames)
    before, after = -COVER[0], COVER[1]

    def act() -> str:
        mean = np.empty((n_done, N_LAGS, side, side), np.float32)
        for unit, train in enumerate(spikes[:n_done]):
            counts = np.histogram(train, _edges(n_frames))[0]
            windows = (
                counts[frame] * shown[frame - before : frame + after].astype("float64")
                for frame in np.flatnonzero(counts)
            )
            mean[unit] = reduce(np.add, windows) / train.size
        return _same(mean)

    return act


def pynapple(side: int, n_units: int, n_spikes: int, n_frames: int) -> Callable[[], str]:
    """`pynapple.compute_event_triggered_average`."""
    import pynapple as nap  # type: ignore[import-not-found]

    shown, spikes = movie(side, n_frames, 1), trains(n_units, n_spikes, n_frames)
    whole = nap.IntervalSet(0, n_frames * FRAME_S)
    middles = (np.arange(n_frames) + 0.5) * FRAME_S
    group = nap.TsGroup(
        {unit: nap.Ts(train) for unit, train in enumerate(spikes)}, time_support=whole
    )

    def act() -> str:
        frames = nap.TsdTensor(middles, shown.astype(float), time_support=whole)
        average = nap.compute_event_triggered_average(
            frames,
            group,
            FRAME_S,
            window=(-COVER[0] * FRAME_S, (COVER[1] - 1) * FRAME_S),
            epochs=whole,
        )
        return _same(np.moveaxis(average.values, 0, 1).astype(np.float32))

    return act


def peak(dtype: str) -> Callable[[], None]:
    """A product of large square matrices with all cores."""
    rng = np.random.default_rng(3)
    one = rng.random((4000, 4000)).astype(dtype)
    out = np.empty_like(one)

    def act() -> None:
        np.matmul(one, one, out=out)

    return act


def session(
    folder: str, n_units: int, n_spikes: int, n_frames: int, rows: int, columns: int
) -> Callable[[], dict[str, float]]:
    """`compute_sta` on a session with a budget of 1 GB for its arrays, then `save`."""
    from hdmea.arrays import Variable
    from hdmea.contribution import Recipe
    from hdmea.pipeline import compute_sta, create_session
    from hdmea.stimulus.library import StimulusLibrary

    place = Path(folder)
    stimuli = place / "stimuli"
    stimuli.mkdir()
    _write_movie(stimuli / "noise.npy", (n_frames, rows, columns))
    (stimuli / "movie_length.csv").write_text(f"movie_name,movie_length\nnoise,{n_frames}\n")
    rule = {"start_frame": 0, "trial_length_frame": n_frames, "repeat": 1}
    (stimuli / "noise.json").write_text(json.dumps({"section_kwargs": rule, "kind": "noise"}))
    begun = create_session("large", output_dir=place, stimuli_dir=stimuli, memory_budget_gb=1.0)
    index = np.arange(1, n_units + 1) * n_spikes
    times = np.concatenate(trains(n_units, n_spikes, n_frames))
    recorded = {
        "units/unit_id": Variable(np.arange(n_units), "1", ("unit",), "number"),
        "units/spike_times": Variable(times, "s", ("spike",), "spike times"),
        "units/spike_times_index": Variable(index, "1", ("unit",), "where trains end"),
        "stimulus/frame_times": Variable(_edges(n_frames), "s", ("frame",), "clock"),
    }
    shown = {
        "movie": np.array(["noise"]), "kind": np.array(["noise"]),
        "content_start_frame": np.array([0]), "shown_start_frame": np.array([0]),
        "shown_stop_frame": np.array([n_frames]), "complete": np.array([1]),
    }  # fmt: skip
    sections = {
        f"stimulus/sections/{name}": Variable(
            values, "" if values.dtype.kind == "U" else "1", ("section",), name
        )
        for name, values in shown.items()
    }
    digest = StimulusLibrary(stimuli).movie("noise").digest()
    for name, inputs, made in (
        ("load_recording", {}, recorded),
        ("add_section_time", {"movie:noise": digest}, sections),
    ):
        begun.obtain(Recipe(name, name, 1, {}, inputs, {}), lambda made=made: made)

    def act() -> dict[str, float]:
        started = time.perf_counter()
        compute_sta(cover_range=COVER, z=False, threads=os.cpu_count() or 1, session=begun)
        computed_s = time.perf_counter() - started
        saved = begun.save()
        return {
            "computed_s": computed_s,
            "result_bytes": begun["sta/noise/sta"].nbytes,
            "file_bytes": saved.stat().st_size,
            "wrong": _wrong(begun, stimuli / "noise.npy"),
        }

    return act


def _write_movie(path: Path, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    frames = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    for first in range(0, len(frames), 200):
        frames[first : first + 200] = rng.integers(
            0, 256, frames[first : first + 200].shape, dtype=np.uint8
        )
    frames.flush()


def _wrong(saved: PipelineSession, movie: Path) -> int:
    """Values that differ from the mean of integers, of a few units, lags and pixels of the file."""
    frames = np.load(movie, mmap_mode="r")
    n, wrong = len(saved.units), 0
    for unit in (0, n // 2, n - 1):
        average = saved.sta(saved.units.index[unit])
        when = np.floor(saved.spike_times(saved.units.index[unit]) / FRAME_S).astype(np.int64)
        for y in (0, frames.shape[1] - 1):
            for row, lag in enumerate(range(*COVER)):
                sums = frames[when + lag, y].sum(axis=0, dtype=np.int64)
                wrong += int((average[row, y] != (sums / when.size).astype(np.float32)).sum())
    return wrong
