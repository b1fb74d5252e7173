"""The ways in which people work, typed as they type them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hdmea.pipeline import (
    PipelineSession,
    SaveState,
    add_section_time,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    section_spike_times,
    verify,
    write_units_table,
)
from hdmea.simulate import SimulatedDataset, simulate_recording


@pytest.fixture
def here(tiny_dataset: SimulatedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one recording, ``rec``, and the environment that a user has."""
    pair = tiny_dataset.recordings["demo_retina_1"]
    (tmp_path / pair.cmcr_path.name).symlink_to(pair.cmcr_path)
    (tmp_path / pair.cmtr_path.name).symlink_to(pair.cmtr_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDMEA_STIMULI", str(tiny_dataset.stimuli_path))
    return tmp_path


CMCR, CMTR = "demo_retina_1.cmcr", "demo_retina_1-.cmtr"


@pytest.fixture(scope="module")
def expected(
    tiny_dataset: SimulatedDataset, tmp_path_factory: pytest.TempPathFactory
) -> PipelineSession:
    """The recording, processed without interruption and saved."""
    pair = tiny_dataset.recordings["demo_retina_1"]
    session = create_session(
        cmcr_path=pair.cmcr_path,
        cmtr_path=pair.cmtr_path,
        stimuli_dir=tiny_dataset.stimuli_path,
        output_dir=tmp_path_factory.mktemp("expected"),
    )
    session = load_recording(session=session, probe="off")
    session = add_section_time(playlist_name="tiny", session=session)
    session = section_spike_times(session=session)
    session = extract_features(features=["frif", "on_off"], session=session)
    session = compute_sta(cover_range=(-20, 0), session=session)
    session.save()
    return session


def test_immediate(here: Path, expected: PipelineSession) -> None:
    result = load_recording(cmcr_path=CMCR, cmtr_path=CMTR, probe="off")
    hdf5_path = result.hdf5_path
    assert hdf5_path == here / "artifacts" / "demo_retina_1.h5"
    assert result.completed_steps == {"load_recording"}
    extract_features(hdf5_path=hdf5_path, features=["frif"])
    add_section_time(hdf5_path=hdf5_path, playlist_name="tiny")
    section_spike_times(hdf5_path=hdf5_path)
    extract_features(hdf5_path=hdf5_path, features=["on_off"])
    result = compute_sta(hdf5_path=hdf5_path, cover_range=(-20, 0))
    # every step has written the whole file
    assert PipelineSession.load(hdf5_path).completed_steps == set(result.completed_steps)
    assert result.content_digest == expected.content_digest
    assert sorted(path.name for path in Path("artifacts").iterdir()) == ["demo_retina_1.h5"]


@pytest.mark.usefixtures("here")
def test_deferred_in_the_order_in_which_it_comes_to_mind(expected: PipelineSession) -> None:
    session = create_session(dataset_id="demo_retina_1")
    session = load_recording(cmcr_path=CMCR, cmtr_path=CMTR, probe="off", session=session)
    session = extract_features(features=["frif", "on_off"], session=session)
    assert session.pending == {"on_off": "add_section_time"}
    session = add_section_time(playlist_name="tiny", session=session)
    session = compute_sta(cover_range=(-20, 0), session=session)
    session = section_spike_times(session=session)
    assert session.pending == {}
    assert not Path("artifacts").exists()
    assert session.save_state is SaveState.DEFERRED
    hdf5_path = session.save()
    assert hdf5_path == Path("artifacts/demo_retina_1.h5")
    assert session.save_state is SaveState.SAVED
    assert session.content_digest == expected.content_digest


@pytest.mark.usefixtures("here")
def test_checkpoints_during_a_long_run_and_going_on_from_one(expected: PipelineSession) -> None:
    session = create_session(cmcr_path=CMCR, cmtr_path=CMTR)
    session = load_recording(session=session, probe="off")
    assert session.checkpoint("checkpoints/after_load.h5") == Path("checkpoints/after_load.h5")
    session = extract_features(features=["frif", "on_off"], session=session)
    session = add_section_time(playlist_name="tiny", session=session)
    session.checkpoint("checkpoints/after_sections.h5", checkpoint_name="sections are placed")
    session = section_spike_times(session=session)
    session = compute_sta(cover_range=(-20, 0), session=session)
    assert session.save_state is SaveState.DEFERRED
    session.save("final_output.h5")
    assert session.save_state is SaveState.SAVED
    assert verify("final_output.h5").content_digest == expected.content_digest
    del session  # the process ends here

    session = PipelineSession.load("checkpoints/after_load.h5")
    assert session.completed_steps == {"load_recording"}
    assert session.save_state is SaveState.DEFERRED
    session = add_section_time(playlist_name="tiny", session=session)
    session = section_spike_times(session=session)
    session = extract_features(features=["frif", "on_off"], session=session)
    session = compute_sta(cover_range=(-20, 0), session=session)
    assert session.save() == Path("artifacts/demo_retina_1.h5")
    assert session.content_digest == expected.content_digest

    session = PipelineSession.load("checkpoints/after_sections.h5")
    assert session.completed_steps == {"load_recording", "add_section_time", "extract_features"}
    section_spike_times(session=session)
    compute_sta(cover_range=(-20, 0), session=session)
    session.save("again.h5")
    assert session.content_digest == expected.content_digest


@pytest.mark.usefixtures("here")
def test_a_deferred_session_is_handed_to_steps_on_its_file(
    expected: PipelineSession, caplog: pytest.LogCaptureFixture
) -> None:
    session = create_session(cmcr_path=CMCR, cmtr_path=CMTR)
    load_recording(session=session, probe="off")
    extract_features(features=["frif", "on_off"], session=session)
    result = add_section_time(hdf5_path=session.hdf5_path, playlist_name="tiny")
    said = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert any("hdf5_path asked for with unsaved work" in one for one in said)
    section_spike_times(hdf5_path=result.hdf5_path)
    session = PipelineSession.load(result.hdf5_path)
    assert session.save_state is SaveState.SAVED
    session = compute_sta(cover_range=(-20, 0), session=session)
    assert session.save_state is SaveState.DEFERRED
    session.save()
    assert session.save_state is SaveState.SAVED
    assert session.content_digest == expected.content_digest


def test_a_batch_is_a_loop_and_a_table(
    tiny_dataset: SimulatedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = []
    for name, files in tiny_dataset.recordings.items():
        session = create_session(cmcr_path=files.cmcr_path, cmtr_path=files.cmtr_path)
        session = load_recording(session=session, probe="off")
        session = extract_features(features=["frif"], session=session)
        saved.append(session.save())
        assert session.dataset_id == name
        del session
    assert [path.name for path in saved] == ["demo_retina_1.h5", "demo_retina_2.h5"]
    rows = write_units_table(saved, "units.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 12


LOOP = """
import gc, json, sys
import psutil
from hdmea.pipeline import *

def one(cover_range):
    session = create_session(cmcr_path="rec.cmcr", cmtr_path="rec-.cmtr", stimuli_dir="stimuli")
    session = load_recording(session=session, probe="off")
    session = extract_features(features=["frif"], session=session)
    session = add_section_time(playlist_name="short", session=session)
    session = compute_sta(cover_range=cover_range, session=session)
    session.save()
    in_memory = session.memory_estimate_gb
    del session
    return in_memory

one((-1, 0))      # libraries that are imported at first use are in memory now
gc.disable()      # nothing waits for the collector of circles
process = psutil.Process()
before = process.memory_info().rss
said = []
for _ in range(5):
    in_memory = one((-32, 0))
    said.append([in_memory * 1e9, process.memory_info().rss])
print(json.dumps([before, said]))
"""


def test_a_loop_gives_its_memory_back_after_each_recording(tmp_path: Path) -> None:
    stimuli, movie = tmp_path / "stimuli", "perfect_dense_noise_64x64_60hz_r1_2s"
    stimuli.mkdir()
    rng = np.random.default_rng(3)
    flicker = rng.integers(0, 128, (120, 1, 1), dtype=np.uint8)
    frames = flicker + rng.integers(0, 128, (120, 64, 64), dtype=np.uint8)
    np.save(stimuli / f"{movie}.npy", frames)
    (stimuli / "movie_length.csv").write_text(f"movie_name,movie_length\n{movie},120\n")
    (stimuli / "playlist.csv").write_text(f"playlist_name,movie_names\nshort,\"['{movie}']\"\n")
    rule = {"start_frame": 0, "trial_length_frame": 120, "repeat": 1}
    (stimuli / f"{movie}.json").write_text(json.dumps({"section_kwargs": rule}))
    simulate_recording(
        tmp_path,
        "rec",
        library=stimuli,
        playlist="short",
        n_cells=100,
        seed=2,
        sampling_rate_hz=5000.0,
    )
    done = subprocess.run(
        [sys.executable, "-c", LOOP],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before, said = json.loads(done.stdout)
    assert len(said) == 5
    for in_memory, after in said:
        assert in_memory > 100_000_000
        assert after == pytest.approx(before, rel=0.1)
