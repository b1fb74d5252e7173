"""A small session made by hand, every number of which is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hdmea.arrays import Variable, Variables, scalar, text
from hdmea.contribution import Recipe
from hdmea.session import PipelineSession

NOISE, STEP = "secret_noise.v2", "secret_step_2x"
UNIT_IDS = [3, 7, 11, 90817]
CLASSES = ["on", "off", "on_off", "none"]
TRIALS = [(40.0, 50.0), (50.0, 60.0)]
LIGHT = [(41.0, 46.0), (51.0, 56.0)]
SPIKES = [
    [5.0, 41.25, 42.5, 51.25, 55.0],
    [6.0, 46.5, 47.0, 56.5],
    [41.5, 46.25, 59.875, 60.0],  # the last one is at a trial's stop: in none
    [],
]
SECTIONS = [(1.0, 31.0), (38.0, 63.0)]
FRAME_S = 1 / 64
LAGS = [-4, -3, -2, -1]
PEAKS = [(7.5, 2, 1, 0), (-9.25, 3, 2, 4), (3.0, 0, 0, 0), None]
"""Value, index of the lag, y, x of each unit's largest z; none for the silent unit."""


def z_scores(n_units: int) -> np.ndarray[Any, Any]:
    z = np.random.default_rng(3).uniform(-2, 2, (n_units, 4, 3, 5)).astype(np.float32)
    for unit, peak in enumerate(PEAKS[:n_units]):
        if peak is None:
            z[unit] = np.nan
        else:
            z[unit, *peak[1:]] = peak[0]
    return z


def hand_session(
    dataset_id: str = "retina_1",
    *,
    n_units: int = 4,
    leave_out: Sequence[str] = (),
    more: Variables | None = None,
) -> PipelineSession:
    """A session with units, sections, trials, on_off and an STA; without what is left out."""
    session = PipelineSession(dataset_id, cmtr_path="/home/secret_user/secret-.cmtr")
    parents: dict[str, str] = {}
    for name, step, parameters, variables in (
        (
            "load_recording",
            "load_recording",
            {"dataset_id": dataset_id},
            _recording(n_units, dataset_id),
        ),
        ("add_section_time", "add_section_time", {"playlist_name": "secret_list"}, _stimulus()),
        ("features.on_off", "extract_features", {"window_s": 0.515625}, _on_off(n_units)),
        (f"sta.{NOISE}", "compute_sta", {"cover_range": [-4, 0]}, _sta(n_units)),
    ):
        kept = {p: v for p, v in variables.items() if not any(p.startswith(d) for d in leave_out)}
        if name == "load_recording":
            kept |= more or {}
        if kept:
            recipe = Recipe(name, step, 1, parameters, {"cmtr": "00"}, dict(parents))
            parents[name] = session.obtain(recipe, lambda kept=kept: kept).key
    return session


def _column(values: Any, unit: str = "1", axis: str = "unit") -> Variable:
    return Variable(np.asarray(values), unit, (axis,), "a column")


def _text(values: Sequence[str], axis: str = "unit") -> Variable:
    return Variable(
        np.array(values, dtype=np.str_) if values else np.zeros(0, "U1"), "", (axis,), "words"
    )


def _recording(n: int, dataset_id: str) -> Variables:
    trains = [np.array(train) for train in SPIKES[:n]]
    counts = np.array([train.size for train in trains], dtype=np.int64)
    photodiode = np.zeros(64_000, dtype=np.float32)
    photodiode[41_000:46_000] = photodiode[51_000:56_000] = 314159.0
    return {
        "recording/dataset_id": text(dataset_id, "name"),
        "recording/duration_s": scalar(64.0, "s", "length"),
        "recording/started_at": text("2031-12-24T18:00:00", "when"),
        "recording/sources/role": _text(["cmtr"], "source"),
        "recording/sources/name": _text(["secret-.cmtr"], "source"),
        "recording/sources/size": _column([123_456], "byte", "source"),
        "units/unit_id": _column(np.array(UNIT_IDS[:n], dtype=np.int64)),
        "units/row": _column(np.array([1, 65, 20, 20][:n], dtype=np.int64)),
        "units/column": _column(np.array([65, 1, 30, 31][:n], dtype=np.int64)),
        "units/n_spikes": _column(counts),
        "units/snr": _column(np.array([12.34567890123, np.nan, 0.1, 1e-300][:n])),
        "units/tags": _text(["", "secret, tag", "µ", ""][:n]),
        "units/spike_times": _column(np.concatenate([*trains, np.zeros(0)]), "s", "spike"),
        "units/spike_times_index": _column(np.cumsum(counts, dtype=np.int64)),
        "stimulus/frame_times": _column(np.arange(4096) * FRAME_S, "s", "frame"),
        "stimulus/clock/median_interval_s": scalar(FRAME_S, "s", "interval"),
        "stimulus/clock/irregular/frame": _column(np.array([640, 1280]), "1", "irregular"),
        "stimulus/clock/irregular/verdict": _text(["undecided", "held"], "irregular"),
        "stimulus/photodiode": _column(photodiode, "count", "sample"),
        "stimulus/photodiode_rate_hz": scalar(1000.0, "Hz", "rate"),
        "stimulus/photodiode_start_s": scalar(0.0, "s", "start"),
    }


def _stimulus() -> Variables:
    start, end = np.array(SECTIONS).T
    on, off = np.array(LIGHT).T
    begin, stop = np.array(TRIALS).T
    return {
        "stimulus/playlist": text("secret_list", "playlist"),
        "stimulus/sections/movie": _text([NOISE, STEP], "section"),
        "stimulus/sections/kind": _text(["noise", "step"], "section"),
        "stimulus/sections/start_s": _column(start, "s", "section"),
        "stimulus/sections/end_s": _column(end, "s", "section"),
        "stimulus/trials/section": _column(np.array([1, 1]), "1", "trial"),
        "stimulus/trials/movie": _text([STEP, STEP], "trial"),
        "stimulus/trials/kind": _text(["step", "step"], "trial"),
        "stimulus/trials/start_s": _column(begin, "s", "trial"),
        "stimulus/trials/stop_s": _column(stop, "s", "trial"),
        "stimulus/events/trial": _column([0, 0, 1, 1], "1", "event"),
        "stimulus/events/name": _text(["light_on", "light_off"] * 2, "event"),
        "stimulus/events/time_s": _column(np.stack([on, off], axis=1).ravel(), "s", "event"),
        "stimulus/alignment/r": _column(np.array([0.25, 0.998]), "1", "section"),
        "stimulus/alignment/lag_frames": _column(np.array([0.0, -2.0]), "frame", "section"),
        "stimulus/alignment/reason": _text(["", ""], "section"),
    }


def _on_off(n: int) -> Variables:
    group = "features/on_off/"
    return {
        f"{group}class": _text(CLASSES[:n]),
        f"{group}on_off_index": _column(np.array([1.0, -1.0, 0.125, np.nan][:n])),
        f"{group}on_off_index_reason": _text(["", "", "", "no_response"][:n]),
        f"{group}r_on_hz": _column(np.array([2.0, -1.0, 0.5, 0.0][:n]), "Hz"),
        f"{group}r_off_hz": _column(np.array([-0.5, 1.5, 1.0, 0.0][:n]), "Hz"),
        f"{group}n_spikes_on": _column(np.array([2, 0, 1, 0][:n], dtype=np.int64)),
        f"{group}psth_hz": Variable(np.zeros((n, 8), np.float32), "Hz", ("unit", "bin"), "psth"),
    }


def _sta(n: int) -> Variables:
    dims = ("unit", "lag", "y", "x")
    return {
        f"sta/{NOISE}/sta": Variable(z_scores(n) + np.float32(100), "movie value", dims, "sta"),
        f"sta/{NOISE}/z": Variable(z_scores(n), "1", dims, "z"),
        f"sta/{NOISE}/lags": _column(np.array(LAGS), "frame", "lag"),
        f"sta/{NOISE}/n_spikes": _column(np.array([1, 1, 0, 0][:n], dtype=np.int64)),
        f"sta/{NOISE}/n_excluded": _column(np.array([0, 2, 0, 0][:n], dtype=np.int64)),
    }
