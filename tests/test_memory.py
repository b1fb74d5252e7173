"""What a session takes in memory, what it says of it, and what it puts on disk instead."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from faults.lab import Lab
from hdmea.arrays import Variable, on_disk
from hdmea.contribution import Recipe
from hdmea.errors import OutputWriteError, ParameterError
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    run_recording,
    section_spike_times,
    verify,
)
from hdmea.session import memory

HELPERS = '''
import gc, json, sys, threading, time
import numpy as np, psutil
import pandas  # loaded before anything is measured
from hdmea.arrays import Variable
from hdmea.contribution import Recipe
from hdmea.pipeline import *

MEMORY = psutil.Process()

def resident():
    gc.collect()
    return MEMORY.memory_info().rss

def anonymous():
    """Memory of this process that is not pages of a file."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024

def bring(session, name, variables, step=None, **recipe):
    inputs = recipe.get("inputs", {})
    session.obtain(Recipe(name, step or name, 1, {}, inputs, {}), lambda: variables)
'''


def child(script: str, *arguments: object, **environment: str) -> Any:
    """What a program of its own prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", HELPERS + script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- the estimate ----------------------------------------------------------------------------------

OF_A_SIZE = '''
folder, size_gb = sys.argv[1], float(sys.argv[2])

def column(values, unit="1", *dims):
    return Variable(values, unit, dims, "a column")

def add_all(session, n):
    """Spike times, counts and rates per frame, an STA and text, for n units."""
    spikes = np.linspace(0.0, 3600.0, n * 100_000)
    bring(session, "load_recording", {
        "units/unit_id": column(np.arange(n), "1", "unit"),
        "units/spike_times": column(spikes, "s", "spike"),
        "units/spike_times_index": column(np.arange(1, n + 1) * 100_000, "1", "unit"),
    })
    counts = np.full((n, 108_000), 3, np.uint32)
    rate = counts * np.float32(60)
    bring(session, "features.frif", {
        "features/frif/counts": column(counts, "1", "unit", "interval"),
        # a part of something larger holds all of it
        "features/frif/rate_hz": column(rate[:, :-3], "Hz", "unit", "interval"),
        "features/frif/same": column(counts, "1", "unit", "interval"),
    }, step="extract_features")
    sta = session.allocate((n, 60, 64, 64), np.float32)
    sta[...] = 0.5
    bring(session, "sta.noise", {
        "sta/noise/sta": column(sta, "1", "unit", "lag", "y", "x"),
        "sta/noise/n_spikes": column(np.arange(n), "1", "unit"),
    }, step="compute_sta")
    words = np.array(["light_on", "segment_start:0.5hz"])[np.arange(n * 2_000) % 2]
    bring(session, "add_section_time", {"stimulus/events/name": column(words, "", "event")})

def say(when):
    said[when] = [session.memory_estimate_gb if session else 0, (resident() - before) / 1e9]

said = {}
session = create_session("large", output_dir=folder, memory_budget_gb=100)
before = resident()
add_all(session, round(size_gb * 310))
say("made")
if size_gb < 1:
    session.content_digest
    path = session.save()
    say("saved")
    session = None
    say("gone")
    before = resident()
    session = PipelineSession.load(path)
    say("lazy")
    for name in session.paths():
        session.values(name)
    say("read")
print(json.dumps(said))
'''


def test_the_estimate_is_what_the_process_grows_by(tmp_path: Path) -> None:
    estimate, growth = child(OF_A_SIZE, tmp_path, 1)["made"]
    assert 0.95 < estimate < 1.05
    assert growth == pytest.approx(estimate, rel=0.1)


def test_neither_digests_nor_saving_nor_reading_double_it(tmp_path: Path) -> None:
    said = child(OF_A_SIZE, tmp_path, 0.2)
    for when in ("made", "saved", "read"):
        estimate, growth = said[when]
        # an array that two variables share is two in the file
        assert estimate == pytest.approx(0.227 if when == "read" else 0.2, rel=0.02), when
        assert growth == pytest.approx(estimate, rel=0.1), when
    assert said["lazy"][0] == 0
    for when in ("lazy", "gone"):
        assert said[when][1] < 0.02, when


# -- the warning -----------------------------------------------------------------------------------


def array_of(megabytes: float) -> Variable:
    return Variable(np.ones(int(megabytes * 1e6) // 8), "1", ("n",), "numbers")


def add(session: PipelineSession, name: str, variable: Variable) -> None:
    session.obtain(Recipe(name, name, 1, {}, {}, {}), lambda: {f"{name}/x": variable})


def test_more_than_half_of_the_free_memory_is_said_once_per_doubling(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 10_000_000)
    session = create_session("large", memory_budget_gb=1)
    add(session, "a", array_of(4))
    assert not caplog.records
    add(session, "b", array_of(2))
    (record,) = caplog.records
    assert record.name == "hdmea"
    assert record.getMessage().startswith(
        "session large holds 0.006 GB in memory, more than half of the 0.01 GB that are free"
    )
    add(session, "c", array_of(3))
    assert len(caplog.records) == 1
    add(session, "d", array_of(3))
    assert len(caplog.records) == 2

    caplog.clear()
    loaded = PipelineSession.load(session.save(tmp_path / "large.h5"))
    assert not caplog.records
    loaded.values("a/x")
    assert not caplog.records
    loaded.values("b/x")
    assert [r.getMessage()[:13] for r in caplog.records] == ["session large"]


def test_what_is_held_is_not_counted_after_each_small_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    session = create_session("small", memory_budget_gb=1)
    n_arrays, size_mb = 60, 0.05
    for number in range(n_arrays):
        add(session, f"a{number}", array_of(size_mb))
    loaded = PipelineSession.load(session.save(tmp_path / "small.h5"))
    monkeypatch.setattr(memory, "free_bytes", lambda: 4_000_000)
    counted = []
    count = loaded._held_bytes
    monkeypatch.setattr(loaded, "_held_bytes", lambda: counted.append(1) or count())
    for number in range(n_arrays):
        loaded.values(f"a{number}/x")
    assert len(counted) == 2  # in 3 MB
    assert [r.getMessage()[:13] for r in caplog.records] == ["session small"]


# -- the budget ------------------------------------------------------------------------------------


def test_the_budget_is_given_or_the_environments_or_half_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HDMEA_MEMORY_GB", raising=False)
    monkeypatch.setattr(memory, "free_bytes", lambda: 6_000_000_000)
    assert create_session("x").memory_budget_gb == 3
    monkeypatch.setenv("HDMEA_MEMORY_GB", "1.5")
    assert create_session("x").memory_budget_gb == 1.5
    assert create_session("x", memory_budget_gb=2).memory_budget_gb == 2
    for bad in ("much", "-1", "nan"):
        monkeypatch.setenv("HDMEA_MEMORY_GB", bad)
        with pytest.raises(ParameterError, match=f"HDMEA_MEMORY_GB: must be a number.*{bad}"):
            create_session("x")
    wrong: Any
    for wrong in (-1, [1]):
        with pytest.raises(ParameterError, match="memory_budget_gb: must be a number"):
            create_session("x", memory_budget_gb=wrong)


def test_limits_of_control_groups_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(folder: Path, **files: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            (folder / name.replace("__", ".")).write_text(f"{value}\n")

    own = tmp_path / "own"
    two = tmp_path / "two"
    write(two / "job", memory__max=1000, memory__current=900, memory__stat="inactive_file 300")
    write(two / "job/step", memory__max="max", memory__current=5, memory__stat="inactive_file 0")
    own.write_text("0::/job/step\n")
    assert list(memory._granted_bytes(two, own)) == [400]
    one = tmp_path / "one"
    usage = {"memory__limit_in_bytes": 700, "memory__usage_in_bytes": 650}
    write(one / "memory/job", **usage, memory__stat="inactive_file 1\ntotal_inactive_file 20")
    own.write_text("5:cpu,cpuacct:/\n4:memory:/job\n")
    assert list(memory._granted_bytes(one, own)) == [70]
    own.write_text("4:memory:/elsewhere\n0::/\n")
    assert list(memory._granted_bytes(one, own)) == []
    assert list(memory._granted_bytes(one, tmp_path / "none")) == []
    machine = types.SimpleNamespace(available=1000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: machine)
    monkeypatch.setattr(memory, "_granted_bytes", lambda: [400, 2000])
    assert memory.free_bytes() == 400
    monkeypatch.setattr(memory, "_granted_bytes", list)
    assert memory.free_bytes() == 1000


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def deleted_files(folder: Path) -> list[str]:
    """Files without a name in a folder that this process has open or mapped."""
    mapped = Path("/proc/self/maps").read_text().splitlines()
    return [line for line in mapped if str(folder) in line and line.endswith("(deleted)")]


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SPOOLED_FROM_BYTES", 1)


def whole(places: dict[str, Path], folder: Path, budget_gb: float) -> PipelineSession:
    session = create_session(**places, output_dir=folder, memory_budget_gb=budget_gb)
    load_recording(session=session, probe="off")
    add_section_time(playlist_name="tiny", session=session)
    section_spike_times(session=session)
    extract_features(features=["frif", "on_off"], session=session)
    return compute_sta(cover_range=(-20, 0), session=session)


def stored(path: Path) -> dict[str, tuple[str, bytes]]:
    found: dict[str, tuple[str, bytes]] = {}

    def visit(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith(("provenance", "manifest")):
            found[name] = (str(item.dtype), item[()].tobytes())

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


@pytest.mark.usefixtures("everything_is_large")
def test_the_content_does_not_depend_on_the_budget(places: dict[str, Path], tmp_path: Path) -> None:
    roomy = whole(places, tmp_path / "roomy", np.inf)
    tight = whole(places, tmp_path / "tight", 0)
    assert not any(on_disk(roomy[path].data) for path in roomy.paths())
    numbers = [p for p in tight.paths() if tight[p].data.dtype.kind != "U" and tight[p].nbytes]
    numbers = [p for p in numbers if tight[p].dims]
    assert all(on_disk(tight[path].data) and not tight[path].in_memory for path in numbers)
    assert tight.memory_estimate_gb < roomy.memory_estimate_gb / 10
    assert deleted_files(tmp_path / "tight")
    assert names_in(tmp_path / "tight") == []
    assert tight.content_digest == roomy.content_digest

    def views(session: PipelineSession) -> Iterator[Any]:
        unit = session.units.index[3]
        yield session.units.to_csv()
        yield session.spike_times(unit).tolist()
        yield session.sta(unit).tobytes()
        yield session.sta_z(unit).tobytes()
        yield session.features["on_off"].to_csv()
        yield session.features.array("frif", "rate_hz").tobytes()

    expected = list(views(roomy))
    assert list(views(tight)) == expected
    with pytest.raises(ValueError, match="read-only"):
        tight.values("units/spike_times")[0] = 1

    checkpoint = tight.checkpoint(tmp_path / "tight" / "checkpoint.h5")
    assert deleted_files(tmp_path / "tight")
    files = roomy.save(), tight.save()
    assert stored(files[0]) == stored(files[1]) == stored(checkpoint)
    assert verify(files[1]).is_good
    # it is read from the file now, and the space beside it is free again
    assert deleted_files(tmp_path / "tight") == []
    assert not any(on_disk(tight[path].data) for path in tight.paths())
    assert (names_in(tmp_path / "tight")) == ["checkpoint.h5", "demo_retina_1.h5"]
    assert list(views(tight)) == expected
    compute_sta(cover_range=(-4, 0), session=tight)
    compute_sta(cover_range=(-4, 0), session=roomy)
    assert tight.content_digest == roomy.content_digest
    tight.save(tmp_path / "elsewhere.h5")
    assert tight.content_digest == verify(tmp_path / "elsewhere.h5").content_digest


@pytest.mark.usefixtures("everything_is_large")
def test_a_run_keeps_to_the_environments_budget_and_leaves_nothing(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: dict[str, Any] = {
        "load_recording": {"probe": "off"},
        "add_section_time": {"playlist_name": "tiny"},
        "compute_sta": {"cover_range": (-20, 0)},
    }
    roomy = run_recording(steps, tmp_path / "a" / "out.h5", memory_budget_gb=10, **places)
    monkeypatch.setenv("HDMEA_MEMORY_GB", "0")
    monkeypatch.chdir(tmp_path)
    folders: list[Path] = []
    spooled = memory.spooled
    monkeypatch.setattr(
        memory, "spooled", lambda folder, *how: folders.append(folder) or spooled(folder, *how)
    )
    work = tmp_path / "work"
    tight = run_recording(steps, tmp_path / "b" / "out.h5", work_dir=work, **places)
    assert tight.content_digest == roomy.content_digest
    assert set(folders) == {tmp_path / "b"}
    assert len(folders) == 2  # mean and z of the STA, made on disk at once
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "work"]
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["out.h5"]
    assert [p.name for p in work.iterdir()] == ["last.h5"]
    # and so do steps on a file
    result = compute_sta(tmp_path / "b" / "out.h5", cover_range=(-4, 0))
    assert folders[-1] == tmp_path / "b"
    assert verify(result.hdf5_path).is_good


def test_what_fits_stays_in_memory_and_the_largest_goes(tmp_path: Path) -> None:
    session = create_session("x", output_dir=tmp_path, memory_budget_gb=0.01)
    made = {
        "m/a": array_of(6),
        "m/b": array_of(3),
        "m/text": Variable(np.full(300_000, "word"), "", ("n",), "words"),
    }
    session.obtain(Recipe("m", "m", 1, {}, {}, {}), lambda: made)
    assert [path for path in session.paths() if on_disk(session[path].data)] == ["m/a"]
    assert session.memory_estimate_gb == (3_000_000 + 300_000 * 16) / 1e9
    assert not on_disk(session.allocate((10,)))
    assert on_disk(session.allocate((1_000_000,)))


def test_a_full_disk_is_an_error_that_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = create_session("x", output_dir=tmp_path / "out", memory_budget_gb=0)
    with pytest.raises(OutputWriteError, match="could not be put into") as error:
        session.allocate((2**45,), np.uint8)
    assert error.value.errno == errno.ENOSPC
    assert error.value.filename == str(tmp_path / "out")
    assert "No space left on device; make room there" in str(error.value)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OutputWriteError, match=r"0\.016 GB is beyond.*out: No space left"):
        add(session, "a", array_of(16))
    assert "a/x" not in session
    assert names_in(tmp_path / "out") == []


def test_after_a_save_elsewhere_arrays_go_there(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, where a folder was meant")
    session = create_session("x", output_dir=tmp_path / "out", memory_budget_gb=0)
    with pytest.raises(OutputWriteError, match="choose another output folder"):
        add(session, "a", array_of(2))
    saved = session.save(tmp_path / "other/x.h5")
    add(session, "a", array_of(2))
    assert on_disk(session["a/x"].data)
    session.save(saved)
    assert not on_disk(session["a/x"].data)
    assert verify(saved).is_good


def test_a_kill_leaves_nothing_of_it(tmp_path: Path) -> None:
    script = """
session = create_session("x", output_dir=sys.argv[1], memory_budget_gb=0)
array = session.allocate((4_000_000,))
array[:] = 1
print("ready", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", HELPERS + script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert "(deleted)" in Path(f"/proc/{process.pid}/maps").read_text()
    assert names_in(tmp_path) == []
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    process.stdout.close()
    assert names_in(tmp_path) == []


# -- an STA that is larger than the budget ---------------------------------------------------------

LARGE_STA = """
folder, budget_gb = sys.argv[1], float(sys.argv[2])
from hdmea.stimulus.library import StimulusLibrary

session = create_session("large", output_dir=folder, stimuli_dir=folder + "/stimuli",
                         memory_budget_gb=budget_gb)
rng = np.random.default_rng(7)
n, frames = 100, 130
spikes = [np.sort(rng.random(40) * 2.0) for _ in range(n)]
bring(session, "load_recording", {
    "units/unit_id": Variable(np.arange(n), "1", ("unit",), "id"),
    "units/spike_times": Variable(np.concatenate(spikes), "s", ("spike",), "times"),
    "units/spike_times_index": Variable(np.arange(1, n + 1) * 40, "1", ("unit",), "ends"),
    "stimulus/frame_times": Variable(np.arange(frames) / 60, "s", ("frame",), "clock"),
})
digest = StimulusLibrary(folder + "/stimuli").movie("flicker").digest()
bring(session, "add_section_time", {
    "stimulus/sections/movie": Variable(np.array(["flicker"]), "", ("section",), "movie"),
    "stimulus/sections/kind": Variable(np.array(["noise"]), "", ("section",), "kind"),
    **{
        f"stimulus/sections/{name}": Variable(np.array([value]), "1", ("section",), name)
        for name, value in (("content_start_frame", 2), ("shown_start_frame", 0),
                            ("shown_stop_frame", 120), ("complete", 1))
    },
}, inputs={"movie:flicker": digest})

highest, done = 0, False
def watch():
    global highest
    while not done:
        highest = max(highest, anonymous())
        time.sleep(0.002)

# what a first, small one needs once (threads, BLAS, buffers) is there
compute_sta(cover_range=(-2, 0), session=session)
before = anonymous()
watcher = threading.Thread(target=watch)
watcher.start()
compute_sta(cover_range=(-92, 0), session=session)
result = session["sta/flicker/sta"].nbytes + session["sta/flicker/z"].nbytes
digest = session.content_digest
path = session.save()
done = True
watcher.join()
print(json.dumps({"growth": highest - before, "result": result, "digest": digest,
                  "estimate": session.memory_estimate_gb}))
"""


def test_an_sta_of_several_times_the_budget_stays_within_it(tmp_path: Path) -> None:
    stimuli = tmp_path / "stimuli"
    stimuli.mkdir()
    rng = np.random.default_rng(3)
    np.save(stimuli / "flicker.npy", rng.integers(0, 256, (120, 64, 64), dtype=np.uint8))
    (stimuli / "movie_length.csv").write_text("movie_name,movie_length\nflicker,120\n")
    rule = {"start_frame": 0, "trial_length_frame": 120, "repeat": 1}
    (stimuli / "flicker.json").write_text(json.dumps({"section_kwargs": rule, "kind": "noise"}))
    said = child(LARGE_STA, tmp_path, 0.06)
    assert said["result"] > 300_000_000
    # images and weights of the kernel, blocks that are digested and written, are within it, too
    assert said["growth"] < 60_000_000
    assert said["estimate"] < 0.001
    assert verify(tmp_path / "large.h5").content_digest == said["digest"]


def test_what_a_step_spools_lies_beside_what_it_writes(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(memory.VARIABLE, "0")
    monkeypatch.setattr(memory, "SPOOLED_FROM_BYTES", 1)
    monkeypatch.chdir(tmp_path)
    pair = {name: lab.places[name] for name in ("cmcr_path", "cmtr_path")}
    load_recording(**pair, probe="off", output_path=tmp_path / "results" / "rec.h5")
    assert [path.name for path in tmp_path.rglob("*")] == ["results", "rec.h5"]
