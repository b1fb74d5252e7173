"""The same content whatever the way: immediate, deferred, in parts, resumed, with more threads."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdmea.errors import MissingDataError
from hdmea.pipeline import (
    PipelineSession,
    SaveState,
    add_section_time,
    assemble,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    run_part,
    run_recording,
    section_spike_times,
    verify,
)
from hdmea.simulate import SimulatedDataset

# The probe changes no result (one test below asserts it) and takes a second per run.
STEPS: dict[str, dict[str, Any]] = {
    "load_recording": {"probe": "off"},
    "add_section_time": {"playlist_name": "tiny"},
    "section_spike_times": {},
    "extract_features": {"features": ["frif", "on_off"]},
    "compute_sta": {"cover_range": (-30, 0)},
}


@pytest.fixture(scope="module")
def places(tiny_dataset: SimulatedDataset) -> dict[str, Path]:
    files = tiny_dataset.recordings["demo_retina_1"]
    return {
        "cmcr_path": files.cmcr_path,
        "cmtr_path": files.cmtr_path,
        "stimuli_dir": tiny_dataset.stimuli_path,
    }


@pytest.fixture(scope="module")
def deferred(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> PipelineSession:
    """Typed as a user would, in the order of the README: features before sections."""
    session = create_session(**places, output_dir=tmp_path_factory.mktemp("deferred"))
    session = load_recording(
        cmcr_path=places["cmcr_path"], cmtr_path=places["cmtr_path"], session=session
    )
    session = extract_features(features=["frif", "on_off"], session=session)
    assert session.pending == {"on_off": "add_section_time"}
    assert session.completed_steps == {"load_recording"}
    session = add_section_time(playlist_name="tiny", session=session)
    assert session.completed_steps == {"load_recording", "extract_features", "add_section_time"}
    session = section_spike_times(session=session)
    session = compute_sta(cover_range=(-30, 0), session=session)
    assert session.save_state is SaveState.DEFERRED
    path = session.save()
    assert session.save_state is SaveState.SAVED
    assert path == session.output_dir / "demo_retina_1.h5"
    return session


def test_immediate_gives_the_same_content(
    places: dict[str, Path], deferred: PipelineSession, tmp_path: Path
) -> None:
    recording = {name: places[name] for name in ("cmcr_path", "cmtr_path")}
    result = load_recording(**recording, output_dir=tmp_path)
    assert result.hdf5_path == tmp_path / "demo_retina_1.h5"
    result = extract_features(hdf5_path=result.hdf5_path, features=["frif", "on_off"])
    assert result.pending == {"on_off": "add_section_time"}
    stimuli = {"stimuli_dir": places["stimuli_dir"]}
    add_section_time(hdf5_path=result.hdf5_path, playlist_name="tiny", **stimuli)
    # the library's place is remembered by the file
    compute_sta(hdf5_path=result.hdf5_path, cover_range=(-30, 0))
    result = section_spike_times(result.hdf5_path)
    assert result.pending == {}
    assert result.content_digest == deferred.content_digest
    assert verify(result.hdf5_path).is_good


def test_loading_again_costs_nothing_of_what_came_later(
    places: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = {name: places[name] for name in ("cmcr_path", "cmtr_path")}
    path = load_recording(**recording, output_dir=tmp_path, probe="off").hdf5_path
    done = extract_features(path, features=["frif"])
    before = path.read_bytes()
    again = load_recording(**recording, output_dir=tmp_path, probe="off")
    assert again == done
    assert path.read_bytes() == before
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    # another result is another matter: replaced, and said
    other = load_recording(**recording, output_dir=tmp_path, probe="off", electrode_pitch_um=16)
    assert other.completed_steps == {"load_recording"}
    assert f"overwriting {path}" in caplog.text


def test_output_path_leaves_the_input_as_it_was(deferred: PipelineSession, tmp_path: Path) -> None:
    before = deferred.hdf5_path.read_bytes()
    result = compute_sta(
        hdf5_path=deferred.hdf5_path, cover_range=(-10, 0), output_path=tmp_path / "other.h5"
    )
    assert result.hdf5_path == tmp_path / "other.h5"
    assert deferred.hdf5_path.read_bytes() == before
    (lags,) = [p for p in PipelineSession.load(result.hdf5_path).paths("sta/") if "lags" in p]
    assert PipelineSession.load(result.hdf5_path).values(lags).tolist() == list(range(-10, 0))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_do_not_matter(
    threads: int, places: dict[str, Path], deferred: PipelineSession, tmp_path: Path
) -> None:
    steps = STEPS | {"compute_sta": {"cover_range": (-30, 0), "threads": threads}}
    result = run_recording(steps, tmp_path / "out.h5", **places)
    assert result.content_digest == deferred.content_digest


def test_a_checkpoint_goes_on_where_it_was(
    places: dict[str, Path], deferred: PipelineSession, tmp_path: Path
) -> None:
    session = create_session(**places, output_dir=tmp_path / "out")
    load_recording(session=session)
    extract_features(features=["frif", "on_off"], session=session)
    checkpoint = session.checkpoint(tmp_path / "checkpoints" / "after_load.h5")
    assert session.save_state is SaveState.DEFERRED
    del session
    loaded = PipelineSession.load(checkpoint)
    assert loaded.completed_steps == {"load_recording"}
    assert loaded.pending == {"on_off": "add_section_time"}
    add_section_time(playlist_name="tiny", session=loaded)
    section_spike_times(session=loaded)
    compute_sta(cover_range=(-30, 0), session=loaded)
    saved = loaded.save()
    assert saved == tmp_path / "out" / "demo_retina_1.h5"
    assert loaded.content_digest == deferred.content_digest
    assert PipelineSession.load(saved).content_digest == deferred.content_digest


def test_parts_assembled_give_the_same_content(
    places: dict[str, Path], deferred: PipelineSession, tmp_path: Path
) -> None:
    load = run_part("load_recording", STEPS["load_recording"], tmp_path / "load.h5", **places)
    sections = run_part(
        "add_section_time", STEPS["add_section_time"], tmp_path / "sections.h5", parts=[load]
    )
    both = [load, sections]
    parts = [
        *both,
        run_part("compute_sta", STEPS["compute_sta"], tmp_path / "sta.h5", parts=both),
        run_part("section_spike_times", {}, tmp_path / "spikes.h5", parts=both),
        run_part("extract_features", {"features": ["on_off"]}, tmp_path / "on_off.h5", parts=both),
        run_part("extract_features", {"features": ["frif"]}, tmp_path / "frif.h5", parts=[load]),
    ]
    result = assemble(parts, tmp_path / "all.h5")
    assert result.content_digest == deferred.content_digest
    with pytest.raises(MissingDataError, match="on_off waits for add_section_time"):
        run_part("extract_features", {"features": ["on_off"]}, tmp_path / "x.h5", parts=[load])
    other = run_part(
        "add_section_time",
        STEPS["add_section_time"] | {"repeats": 1, "alignment": "warn"},
        tmp_path / "same.h5",
        parts=[load],
    )
    # a harmless parameter gives the same part
    swapped = assemble([load, other, *parts[2:]], tmp_path / "all2.h5")
    assert swapped.content_digest == deferred.content_digest


def names_of_computed(patch: pytest.MonkeyPatch) -> list[str]:
    """Names of the contributions that are computed from now on, not found."""
    computed: list[str] = []
    original = PipelineSession.obtain

    def spying(self: PipelineSession, recipe: Any, compute: Any, *accept: Any) -> Any:
        return original(self, recipe, lambda: computed.append(recipe.name) or compute(), *accept)

    patch.setattr(PipelineSession, "obtain", spying)
    return computed


RUN_AND_DIE = """
import os, signal, sys
from hdmea.pipeline import run_recording
from hdmea.session.session import PipelineSession
stop_after = int(sys.argv[1])
keep = PipelineSession.obtain
made = 0
def obtain(self, recipe, *how):
    global made
    found = keep(self, recipe, *how)
    made += 1
    if made == stop_after:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
PipelineSession.obtain = obtain
print("ready", flush=True)
run_recording({steps!r}, {output!r}, work_dir={work!r}, **{places!r})
"""


def run_and_die(output: Path, work: Path, places: dict[str, Path]) -> str:
    """Program that processes a recording and kills itself after as many contributions as told."""
    as_text = {name: str(path) for name, path in places.items()}
    return RUN_AND_DIE.format(steps=STEPS, output=str(output), work=str(work), places=as_text)


@pytest.mark.parametrize("contributions_made", [1, 2, 3, 4, 5, 6])
def test_a_killed_run_goes_on_and_gives_the_same_content(
    contributions_made: int,
    places: dict[str, Path],
    deferred: PipelineSession,
    tmp_path: Path,
) -> None:
    output, work = tmp_path / "out.h5", tmp_path / "work"
    script = run_and_die(output, work, places)
    died = subprocess.run([sys.executable, "-c", script, str(contributions_made)], timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert not output.exists()
    kept = sorted(path.name for path in work.glob("*.part.h5"))
    assert len(kept) == contributions_made

    with pytest.MonkeyPatch.context() as patch:
        computed = names_of_computed(patch)
        result = run_recording(STEPS, output, work_dir=work, **places)
    assert result.content_digest == deferred.content_digest
    assert len(computed) == 6 - contributions_made
    assert sorted(path.name for path in work.iterdir()) == ["last.h5"]


def test_kills_at_random_moments_lose_at_most_a_step(
    places: dict[str, Path], deferred: PipelineSession, tmp_path: Path
) -> None:
    output, work = tmp_path / "out.h5", tmp_path / "work"
    rng = np.random.default_rng(3)
    codes = []
    for wait_s in rng.uniform(0, 0.4, 8):
        process = subprocess.Popen(
            [sys.executable, "-c", run_and_die(output, work, places), "99"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"  # what follows is the work itself
        time.sleep(wait_s)
        process.kill()
        codes.append(process.wait(timeout=30))
        process.stdout.close()
    assert -signal.SIGKILL in codes
    assert set(codes) <= {-signal.SIGKILL, 0}
    result = run_recording(STEPS, output, work_dir=work, **places)
    assert result.content_digest == deferred.content_digest
    assert not list(tmp_path.rglob("*.partial"))


def test_a_changed_parameter_recomputes_only_what_depends_on_it(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, work = tmp_path / "out.h5", tmp_path / "work"
    run_recording(STEPS, output, work_dir=work, **places)
    computed = names_of_computed(monkeypatch)
    steps = STEPS | {"compute_sta": {"cover_range": (-12, 0)}}
    changed = run_recording(steps, output, work_dir=work, **places)
    assert computed == ["sta.perfect_dense_noise_15x15_15hz_r42_24s"]
    fresh = run_recording(steps, tmp_path / "fresh.h5", **places)
    assert changed.content_digest == fresh.content_digest


def test_the_probe_changes_no_result(
    places: dict[str, Path], deferred: PipelineSession, tmp_path: Path
) -> None:
    steps = STEPS | {"load_recording": {"probe": "error"}}
    result = run_recording(steps, tmp_path / "out.h5", **places)
    assert result.content_digest == deferred.content_digest


def test_warnings_are_the_same_however_a_result_was_made(
    places: dict[str, Path], tmp_path: Path
) -> None:
    only_steps = tmp_path / "stimuli"
    shutil.copytree(places["stimuli_dir"], only_steps)
    (only_steps / "playlist.csv").write_text(
        "playlist_name,movie_names\ntiny,\"['tiny_step_3x', 'tiny_moving_bar_d8_1x']\"\n"
    )
    wrong = places | {"stimuli_dir": only_steps}
    steps = STEPS | {"add_section_time": {"playlist_name": "tiny", "alignment": "warn"}}
    fresh = run_recording(steps, tmp_path / "a.h5", work_dir=tmp_path / "work", **wrong)
    assert len(fresh.warnings) == 2
    assert "contradicts the playlist" in fresh.warnings[0]
    assert "no noise movie" in fresh.warnings[1]
    resumed = run_recording(steps, tmp_path / "b.h5", work_dir=tmp_path / "work", **wrong)
    parts: list[Path] = []
    for name, values in steps.items():
        creation = wrong if name == "load_recording" else {}
        part = run_part(name, values, tmp_path / f"{name}.h5", parts=parts, **creation)
        parts.append(part)
    assembled = assemble(parts, tmp_path / "c.h5")
    assert resumed.warnings == assembled.warnings == fresh.warnings
    assert resumed.content_digest == assembled.content_digest == fresh.content_digest


ONE_OF_TWO = """
import sys, time
from hdmea import pipeline
from hdmea.errors import StaleSessionError
from hdmea.session import session
write = session.write_session_file
def slowly(*arguments, **options):
    time.sleep(0.5)
    return write(*arguments, **options)
session.write_session_file = slowly
try:
    if sys.argv[2] == "compute_sta":
        pipeline.compute_sta(sys.argv[1], cover_range=(-4, 0))
    else:
        pipeline.section_spike_times(sys.argv[1], post_s=0.25)
except StaleSessionError:
    sys.exit(3)
"""


def test_two_steps_at_once_on_one_file_never_lose_a_result(
    deferred: PipelineSession, tmp_path: Path
) -> None:
    path = deferred.save(tmp_path / "shared.h5")
    steps = ("section_spike_times", "compute_sta")
    running = [
        subprocess.Popen([sys.executable, "-c", ONE_OF_TWO, str(path), step]) for step in steps
    ]
    codes = [process.wait(timeout=60) for process in running]
    assert set(codes) <= {0, 3}
    assert 0 in codes
    assert verify(path).is_good
    session = PipelineSession.load(path)
    done = [
        float(session.values("trials/post_s")) == 0.25,
        session.sta(session.units.index[0]).shape[0] == 4,
    ]
    assert [code == 0 for code in codes] == done


def test_progress_is_shown_where_it_is_asked_for(
    places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_recording(STEPS, tmp_path / "quiet.h5", **places)
    assert capsys.readouterr().err == ""
    run_recording(STEPS, tmp_path / "told.h5", progress=True, **places)
    assert "demo_retina_1: 100%" in capsys.readouterr().err


def test_inputs_are_never_changed(places: dict[str, Path], tmp_path: Path) -> None:
    files = [places["cmcr_path"], places["cmtr_path"], *places["stimuli_dir"].iterdir()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
    run_recording(STEPS, tmp_path / "out.h5", **places)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files} == before
