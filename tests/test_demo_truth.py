"""The demo's recordings against the model cells that they were made from."""

from __future__ import annotations

import csv
from typing import Any, NamedTuple

import numpy as np
import pytest

from hdmea.kernels.sta_peak import sta_peaks, z_threshold
from hdmea.pipeline import PipelineSession, run_recording
from hdmea.simulate import simulate_dataset
from hdmea.stimulus.library import StimulusLibrary

LAGS = 60
DEMO_SEED = 1  # what `hdmea simulate demo` takes


class Analysed(NamedTuple):
    session: PipelineSession
    cells: dict[int, dict[str, str]]
    frame_times: Any
    movie: Any


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    folder = tmp_path_factory.mktemp("demo")
    dataset = simulate_dataset(folder, recordings=1, units=48, seed=DEMO_SEED, playlist="short")
    (files,) = dataset.recordings.values()
    result = run_recording(
        {
            "load_recording": {},
            "add_section_time": {"playlist_name": "short"},
            "section_spike_times": {},
            "extract_features": {"features": ["frif", "on_off", "dense_noise", "moving_bar"]},
            "compute_sta": {"cover_range": (-LAGS, 0)},
        },
        folder / "out.h5",
        cmcr_path=files.cmcr_path,
        cmtr_path=files.cmtr_path,
        stimuli_dir=dataset.stimuli_path,
    )
    with files.truth_csv_path.open(newline="") as table:
        cells = {int(row["unit_id"]): row for row in csv.DictReader(table)}
    with np.load(files.truth_npz_path) as truth:
        frame_times = truth["frame_times_s"]
    library = StimulusLibrary(dataset.stimuli_path)
    (noise,) = (movie for movie in library.playlist("short") if movie.kind == "noise")
    return Analysed(PipelineSession.load(result.hdf5_path), cells, frame_times, noise.frames())


def test_every_unit_and_spike_is_there(analysed: Analysed) -> None:
    units = analysed.session.units
    assert units.index.tolist() == sorted(analysed.cells)
    for name in ("row", "column", "n_spikes"):
        truth = [int(analysed.cells[unit][name]) for unit in units.index]
        assert units[name].tolist() == truth
    np.testing.assert_array_equal(
        analysed.session.values("stimulus/frame_times"), analysed.frame_times
    )


def test_polarity_by_light_step_and_by_sta_is_the_cells(analysed: Analysed) -> None:
    session = analysed.session
    truth = [analysed.cells[unit]["polarity"] for unit in session.units.index]
    on_off = session.features["on_off"]
    clear = on_off["class"] != "none"
    assert clear.sum() >= 46
    assert on_off["class"][clear].tolist() == [p for p, c in zip(truth, clear, strict=True) if c]
    z = session.values(_sta_path(session, "z"))
    peaks = sta_peaks(z)
    significant = np.abs(peaks.z) > z_threshold(z[0].size)
    assert significant.sum() >= 46
    by_sta = np.where(peaks.z > 0, "on", "off")
    assert by_sta[significant].tolist() == np.array(truth)[significant].tolist()


def test_the_stas_peak_lies_where_the_cells_field_is(analysed: Analysed) -> None:
    session = analysed.session
    z = session.values(_sta_path(session, "z"))
    peaks = sta_peaks(z)
    n_pixels = z.shape[-1]
    errors = []
    for row, unit in enumerate(session.units.index):
        around = np.abs(z[row, int(peaks.lag[row])])
        near = np.hypot(
            *(np.indices(around.shape) - np.array([peaks.y, peaks.x])[:, row, None, None])
        )
        weight = np.where((near <= 2) & (around > 3), around, 0)
        y, x = (np.indices(around.shape) * weight).sum(axis=(1, 2)) / weight.sum()
        cell = analysed.cells[unit]
        true_x, true_y = (float(cell[f"centre_{axis}"]) * n_pixels - 0.5 for axis in "uv")
        errors.append(np.hypot(x - true_x, y - true_y))
    assert np.median(errors) < 0.3
    assert np.max(errors) < 1.0


def test_direction_selective_cells_are_found_with_their_direction(analysed: Analysed) -> None:
    bars = analysed.session.features["moving_bar"]
    cells = [analysed.cells[unit] for unit in analysed.session.units.index]
    selective = np.array([cell["direction_selective"] == "1" for cell in cells])
    true = np.array([float(cell["preferred_direction_deg"] or "nan") for cell in cells])
    assert selective.sum() == 12
    assert (bars["window_source"] == "field").mean() > 0.9
    error = (bars["preferred_direction_deg"] - true + 180) % 360 - 180
    assert error[selective].abs().median() < 8
    assert error[selective].abs().max() < 25
    assert (bars["p_dsi"][selective] < 0.01).all()
    assert bars["dsi"][selective].min() > 0.3
    assert bars["dsi"][~selective].max() < 0.2
    assert (bars["p_dsi"][~selective] < 0.01).sum() <= 3


def test_the_raw_sta_is_exact_bit_for_bit(analysed: Analysed) -> None:
    """An oracle of whole numbers: sums in Python's own integers, one spike at a time."""
    session, movie = analysed.session, analysed.movie.astype(np.int64)
    start = 180 + (180 + 2 * 180 + 1)  # the noise comes second, after 180 frames of grey
    frames = analysed.frame_times[start : start + len(movie) + 1]
    for unit in session.units.index[::8]:
        spikes = session.spike_times(unit)
        total = np.zeros((LAGS, *movie.shape[1:]), dtype=np.int64)
        used = excluded = 0
        for spike in spikes[(spikes >= frames[0]) & (spikes < frames[-1])]:
            frame = int(np.searchsorted(frames, spike, side="right")) - 1
            if frame < LAGS:
                excluded += 1
                continue
            total += movie[frame - LAGS : frame]
            used += 1
        np.testing.assert_array_equal(session.sta(unit), (total / used).astype(np.float32))
        row = session.units.index.get_loc(unit)
        assert session.values(_sta_path(session, "n_spikes"))[row] == used > 100
        assert session.values(_sta_path(session, "n_excluded"))[row] == excluded


def test_trials_of_the_light_step_are_where_the_light_is(analysed: Analysed) -> None:
    session = analysed.session
    trials = {
        name: session.values(f"stimulus/trials/{name}")
        for name in ("kind", "start_frame", "start_s")
    }
    steps = np.flatnonzero(trials["kind"] == "step")
    # baseline, noise, step: each movie is followed and preceded by 180 frames, plus one
    content = 180 + (180 + 361) + (3600 + 361)
    assert trials["start_frame"][steps].tolist() == [content + 240 + 600 * n for n in range(3)]
    events = {
        name: session.values(f"stimulus/events/{name}") for name in ("trial", "name", "time_s")
    }
    light = session.values("stimulus/photodiode")
    rate = float(session.values("stimulus/photodiode_rate_hz"))
    bright, dark = light.max(), light.min()
    for trial in steps:
        (on,) = events["time_s"][(events["trial"] == trial) & (events["name"] == "light_on")]
        (off,) = events["time_s"][(events["trial"] == trial) & (events["name"] == "light_off")]
        assert off - on == pytest.approx(5, abs=0.01)
        inside = light[int((on + 0.05) * rate) : int((off - 0.05) * rate)]
        outside = light[int((off + 0.05) * rate) : int((off + 0.5) * rate)]
        assert inside.min() > 0.9 * bright
        assert outside.max() < dark + 0.1 * bright


def _sta_path(session: PipelineSession, name: str) -> str:
    (path,) = (path for path in session.paths("sta/") if path.endswith(f"/{name}"))
    return path
