"""Inputs that changed and results that were tampered with, whatever their times say."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import h5py
import pytest

from faults.projects import Project, jobs, recordings_in
from hdmea.batch import made, past
from hdmea.batch.config import WorkflowConfig, read_config
from hdmea.batch.past import Past
from hdmea.batch.recordings import Recording, require_past
from hdmea.cli import main
from hdmea.errors import ParameterError, RecordingFileError
from hdmea.mcs import digest, file_stamp
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    create_session,
    curate_units,
    load_recording,
    run_part,
    run_recording,
    verify_inputs,
)
from hdmea.simulate import SimulatedDataset
from hdmea.steps import load_recording as loading

DAY_NS = 86400 * 10**9


@pytest.fixture
def inputs(tiny_dataset: SimulatedDataset, tmp_path: Path) -> Path:
    """A folder with copies of a sorted file and of the stimuli, which a test may change."""
    folder = tmp_path / "inputs"
    shutil.copytree(tiny_dataset.stimuli_path, folder / "stimuli")
    shutil.copy(tiny_dataset.recordings["demo_retina_1"].cmtr_path, folder / "rec-.cmtr")
    (folder / "times.csv").write_text("\n".join(str(0.1 * i) for i in range(600)))
    (folder / "units.tsv").write_text("recording\tunit_id\tuse\nother\t1\tno\n")
    return folder


def change(path: Path, at: int | None = None) -> None:
    """Change a byte of a file in place, and set its times back; its size stays."""
    before = path.stat()
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2 if at is None else at] ^= 1
    with path.open("r+b") as file:
        file.write(raw)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def change_a_spike(path: Path) -> None:
    """Move a spike by a microsecond, or back; size and time of the file stay."""
    before = path.stat()
    with h5py.File(path, "r+") as file:
        found: list[h5py.Dataset] = []
        file.visititems(
            lambda name, one: found.append(one) if name.endswith("Peaks") and one.size else None
        )
        peaks = found[0][...]
        first = int(peaks["IncludePeak"].argmax())
        peaks["Timestamp"][first] ^= 1
        found[0][...] = peaks
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def copy_over(path: Path) -> None:
    """Put a copy of a file in its place, as moving data to another disk does."""
    other = path.with_name("copy")
    shutil.copy(path, other)
    other.replace(path)


# -- verify_inputs ---------------------------------------------------------------------------------


@pytest.fixture
def session(inputs: Path, tmp_path: Path) -> PipelineSession:
    made = create_session(
        "rec", cmtr_path=inputs / "rec-.cmtr", stimuli_dir=inputs / "stimuli", output_dir=tmp_path
    )
    clock = {"source": "csv", "csv": str(inputs / "times.csv")}
    load_recording(session=made, probe="off", frame_clock=clock)
    unit_id = int(made.values("units/unit_id")[0])
    (inputs / "units.tsv").write_text(
        f"recording\tunit_id\tuse\nrec\t{unit_id}\tno\nother\t1\tno\n"
    )
    curate_units(session=made, table=inputs / "units.tsv")
    made.save()
    return made


def states(session: PipelineSession, **places: Any) -> dict[str, str]:
    return {source.role: source.state for source in verify_inputs(session, **places)}


def test_inputs_that_nobody_touched_are_the_same(session: PipelineSession) -> None:
    found = {source.role: source for source in verify_inputs(session)}
    assert {role: one.state for role, one in found.items()} == {
        "cmtr": "same",
        "frame_times": "same",
        "table": "same",
    }
    assert session.cmtr_path is not None
    assert found["cmtr"].size == found["cmtr"].found_size == session.cmtr_path.stat().st_size
    told = session.contributions["load_recording"].run["files"]
    assert told["cmtr"]["path"] == str(session.cmtr_path)
    assert tuple(told["cmtr"][name] for name in digest.FileStamp._fields) == file_stamp(
        session.cmtr_path
    )


def test_a_changed_input_is_found_though_size_and_time_are_as_they_were(
    session: PipelineSession, inputs: Path
) -> None:
    change(inputs / "rec-.cmtr")
    assert states(session) == {"cmtr": "changed", "frame_times": "same", "table": "same"}
    times = (inputs / "times.csv").read_text()
    (inputs / "times.csv").write_text(times.replace("0.1\n", "0.11\n", 1))
    assert states(session)["frame_times"] == "changed"
    (inputs / "times.csv").write_text("frame_time_s\n" + times)  # the same times
    assert states(session)["frame_times"] == "same"


def test_rows_of_other_recordings_do_not_count(session: PipelineSession, inputs: Path) -> None:
    table = inputs / "units.tsv"
    table.write_text(table.read_text() + "other\t2\tno\n")
    assert states(session)["table"] == "same"
    table.write_text(table.read_text().replace("no\nother", "yes\nother", 1))
    assert states(session)["table"] == "changed"


def test_missing_inputs_are_found_where_they_were_moved(
    session: PipelineSession, inputs: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "archive/2026"
    moved.parent.mkdir()
    inputs.rename(moved)
    missing = [source for source in verify_inputs(session) if source.role == "cmtr"]
    assert [source.state for source in missing] == ["missing"]
    assert "no such file" in missing[0].remark
    assert set(states(session, moved_to=[moved.parent]).values()) == {"same"}
    change(moved / "rec-.cmtr")
    assert states(session, moved_to=[moved.parent])["cmtr"] == "changed"
    with pytest.raises(ParameterError, match="nowhere: no such folder; give one"):
        verify_inputs(session, moved_to=["nowhere"])


def test_playlist_movies_and_geometry_are_compared(
    places: dict[str, Path], inputs: Path, tmp_path: Path
) -> None:
    session = create_session(**places | {"stimuli_dir": inputs / "stimuli"}, output_dir=tmp_path)
    load_recording(session=session, probe="off")
    add_section_time(playlist_name="tiny", session=session)
    roles = ["cmcr", "cmtr", "playlist:tiny", "geometry"]
    found = states(session)
    movies = [role for role in found if role.startswith("movie:")]
    assert sorted(found) == sorted(roles + movies)
    assert (len(movies), set(found.values())) == (3, {"same"})
    change(inputs / f"stimuli/{movies[0].removeprefix('movie:')}.npy", at=-1)
    assert [role for role, state in states(session).items() if state != "same"] == [movies[0]]
    listed = inputs / "stimuli/playlist.csv"
    first, second = (movie.removeprefix("movie:") for movie in movies[:2])
    listed.write_text(
        listed.read_text().replace(first, "X").replace(second, first).replace("X", second)
    )
    assert states(session)["playlist:tiny"] == "changed"
    assert set(states(session, stimuli_dir=places["stimuli_dir"]).values()) == {"same"}
    shutil.rmtree(inputs / "stimuli")
    assert states(session)["geometry"] == "missing"


@pytest.mark.usefixtures("session")
def test_command_says_each_input_and_its_exit_code(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = str(tmp_path / "rec.h5")
    assert main(["verify", "--inputs", saved]) == 0
    size = (inputs / "rec-.cmtr").stat().st_size
    assert f"  cmtr: same, {size} bytes, sha256 " in capsys.readouterr().out
    change(inputs / "rec-.cmtr")
    assert main(["verify", saved]) == 0
    assert main(["verify", "--inputs", saved]) == 1
    assert f"  cmtr: CHANGED, {inputs / 'rec-.cmtr'} has {size} bytes" in capsys.readouterr().out
    (inputs / "rec-.cmtr").unlink()
    assert main(["verify", "--inputs", saved]) == 1
    assert "  cmtr: MISSING" in capsys.readouterr().out
    assert main(["verify", "--moved-to", str(tmp_path), saved]) == 1
    assert "add --inputs" in capsys.readouterr().err


def test_of_a_large_file_samples_are_compared_and_that_is_said(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digest.file_digest, "__defaults__", (1000,))
    monkeypatch.setattr(digest, "_SAMPLE_BYTES", 100)
    monkeypatch.setattr(digest, "_N_SAMPLES", 3)
    session = create_session("rec", cmtr_path=inputs / "rec-.cmtr", output_dir=tmp_path)
    load_recording(session=session, probe="off")
    assert session.values("recording/sources/method").tolist() == ["sampled"]
    change(inputs / "rec-.cmtr", at=-1)
    (source,) = verify_inputs(session)
    assert (source.state, source.remark) == ("changed", "samples of it were compared")


def test_a_file_that_is_written_to_while_it_is_loaded_is_an_error(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = loading._load  # type: ignore[attr-defined]

    def load_and_write(*arguments: Any) -> Any:
        loaded = load(*arguments)
        with (inputs / "rec-.cmtr").open("ab") as file:
            file.write(b"more")
        return loaded

    monkeypatch.setattr("hdmea.steps.load_recording._load", load_and_write)
    with pytest.raises(RecordingFileError, match=r"rec-\.cmtr was changed while it was read"):
        load_recording(
            session=create_session(cmtr_path=inputs / "rec-.cmtr", dataset_id="r"), probe="off"
        )


# -- what the workflow notices ---------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> WorkflowConfig:
    return read_config(
        {
            "recordings": "r.tsv",
            "stimuli": "s",
            "output_dir": str(tmp_path / "results"),
            "steps_dir": str(tmp_path / "steps"),
            "steps": {"load_recording": {"probe": "off"}},
        }
    )


@pytest.fixture
def recording(inputs: Path) -> Recording:
    return Recording("rec", {"cmtr": str(inputs / "rec-.cmtr")}, {})


def make(config: WorkflowConfig, recording: Recording) -> Path:
    """Its result, as the job makes it."""
    target = Path(config.output_dir, "rec.h5")
    files = {f"{role}_path": path for role, path in recording.files.items()}
    steps: dict[str, Any] = {"load_recording": {"probe": "off"}}
    run_recording(steps, target, dataset_id="rec", **files)  # type: ignore[arg-type]
    return target


def test_a_job_depends_on_the_content_of_its_inputs_and_on_nothing_else_of_them(
    config: WorkflowConfig, recording: Recording
) -> None:
    path = Path(recording.files["cmtr"])
    content = path.read_bytes()
    first = Past(config).stamps(recording)
    assert not Path(config.output_dir).exists()  # nothing is written before there are results
    make(config, recording)
    assert Past(config).stamps(recording) == first
    path.touch()
    copy_over(path)
    assert Past(config).stamps(recording) == first
    assert Past(config).changed([recording]) == []
    make(config, recording)  # for another reason, from the copy
    assert Past(config).stamps(recording) == first

    change_a_spike(path)
    second = Past(config).stamps(recording)
    assert second != first
    (said,) = Past(config).changed([recording])
    assert str(path) in said
    make(config, recording)
    assert Past(config).stamps(recording) == second
    assert Past(config).changed([recording]) == []
    Path(config.output_dir, "rec.h5").unlink()
    copy_over(path)
    assert Past(config).stamps(recording) == second
    make(config, recording)
    path.write_bytes(content)
    assert Past(config).stamps(recording) == first


def test_what_was_read_once_is_not_read_again(
    config: WorkflowConfig, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(config, recording)
    copy_over(Path(recording.files["cmtr"]))
    Past(config).stamps(recording)
    Past(config).require_whole([recording])

    def reads(*_: object) -> None:
        pytest.fail("a file was read")

    monkeypatch.setattr(past, "file_digest", reads)
    monkeypatch.setattr(past, "_read_result", reads)
    begun = time.perf_counter()
    for _ in range(100):
        again = Past(config)
        again.stamps(recording)
        again.require_whole([recording])
    assert time.perf_counter() - begun < 5


def test_what_is_remembered_of_many_is_not_written_for_each(
    config: WorkflowConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = []
    for number in range(20):
        name = f"r{number}"
        files = {role: str(tmp_path / f"{name}.{role}") for role in ("cmcr", "cmtr")}
        for path in [*files.values(), config.results_dir / f"{name}.h5"]:
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_text(name)
        many.append(Recording(name, files, {}))

    def made_from(_: Path, name: str) -> past.Result:
        stamps = {role: list(file_stamp(tmp_path / f"{name}.{role}")) for role in ("cmcr", "cmtr")}
        return past.Result("", {role: (f"{role} of {name}", stamps[role]) for role in stamps})

    written = []
    write = past.write_small_file
    monkeypatch.setattr(past, "_read_result", made_from)
    monkeypatch.setattr(past, "_WRITING_SHARE", 1e-9)
    monkeypatch.setattr(past, "write_small_file", lambda *told: written.append(1) or write(*told))
    new = Past(config)
    new.spoilt(many)
    new.changed(many)
    assert len(written) == 3  # the first, and what followed

    def reads(*_: object) -> None:
        pytest.fail("a file was read")

    monkeypatch.setattr(past, "_read_result", reads)
    monkeypatch.setattr(past, "file_digest", reads)
    again = Past(config)
    assert (again.spoilt(many), again.changed(many)) == ({}, [])
    assert len(written) == 3


@pytest.mark.parametrize("cache", ["", "{", "[]", '{"inputs": 3}'])
def test_what_is_remembered_may_be_lost(
    config: WorkflowConfig, recording: Recording, cache: str
) -> None:
    make(config, recording)
    first = Past(config).stamps(recording)
    Path(config.output_dir, ".checked.json").write_text(cache)
    assert Past(config).stamps(recording) == first
    change(Path(recording.files["cmtr"]))
    assert Past(config).stamps(recording) != first


def test_a_result_that_was_tampered_with_is_refused_and_named(
    config: WorkflowConfig, recording: Recording
) -> None:
    result = make(config, recording)
    Past(config).require_whole([recording])
    change(result)
    with pytest.raises(ParameterError, match=f"rm {result}") as error:
        Past(config).require_whole([recording])
    assert "damaged" in str(error.value)
    result.unlink()
    Past(config).require_whole([recording])


@pytest.mark.parametrize("tag", [None, "narrow"])
def test_a_picture_and_a_table_that_were_tampered_with_are_named(
    tag: str | None, config: WorkflowConfig, recording: Recording
) -> None:
    others = Path(config.output_dir) / "rec.png"  # of the results without the tag
    config = config.model_copy(update={"tag": tag})
    folder = Path(config.output_dir, tag or "")
    folder.mkdir(parents=True)
    if tag:
        with made(others):
            others.write_bytes(b"of another run")
        change(others)
    picture, table = folder / "rec.png", folder / "units.csv"
    for path in (picture, table):
        path.write_bytes(b"not noted: not known")
        assert Past(config).spoilt([recording]) == {}
        with made(path):
            path.write_bytes(b"as it was written")
        assert Past(config).spoilt([recording]) == {}
    change(picture)
    with pytest.raises(ParameterError, match=f"rm {picture}$"):
        Past(config).require_whole([recording])
    change(table)
    with pytest.raises(ParameterError, match=f"rm {picture} {table}$"):
        Past(config).require_whole([recording], table=True)
    picture.unlink()
    assert list(Past(config).spoilt([recording])) == ["units.csv"]
    Past(config).require_whole([recording])
    with suppress(ZeroDivisionError), made(table):
        table.write_bytes(b"cut o")
        _ = 1 / 0
    assert Past(config).spoilt([recording]) == {}


def test_a_result_of_another_recording_is_refused(
    config: WorkflowConfig, recording: Recording
) -> None:
    result = make(config, recording)
    result.rename(result.with_name("other.h5"))
    with pytest.raises(ParameterError, match="it holds another recording, 'rec'"):
        Past(config).require_whole([Recording("other", recording.files, {})])


def test_parts_of_immediate_mode_are_looked_at_too(
    config: WorkflowConfig, recording: Recording
) -> None:
    config = config.model_copy(update={"mode": "immediate"})
    part = Path(config.steps_dir, "rec/load_recording.h5")
    first = Past(config).stamps(recording)
    run_part(
        "load_recording",
        {"probe": "off"},
        part,
        dataset_id="rec",
        cmtr_path=recording.files["cmtr"],
    )
    assert Past(config).stamps(recording) == first
    change(Path(recording.files["cmtr"]))
    assert Past(config).stamps(recording) != first
    change(part)
    with pytest.raises(ParameterError, match=f"rm {part}"):
        Past(config).require_whole([recording])


@pytest.mark.parametrize(("ahead_s", "said"), [(3 * 86400, "3 days"), (90, "90 s"), (-1, "")])
def test_inputs_from_the_future_are_named_with_the_remedy(
    recording: Recording, ahead_s: float, said: str
) -> None:
    path = recording.files["cmtr"]
    os.utime(path, (time.time() + ahead_s,) * 2)
    if not said:
        require_past([recording])
        return
    with pytest.raises(ParameterError, match=f"rec: {path}, by {said}") as error:
        require_past([recording])
    assert str(error.value).endswith(f"touch {path}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_result_that_was_tampered_with_fails_alone(
    tiny_dataset: SimulatedDataset, tmp_path: Path
) -> None:
    files = {
        name: (pair.cmcr_path, pair.cmtr_path) for name, pair in tiny_dataset.recordings.items()
    }
    one, two = files
    steps: dict[str, Any] = {"load_recording": {"probe": "off"}}
    project = Project(tmp_path, tiny_dataset.stimuli_path, files, steps, playlist="")
    project.configure()
    result = tmp_path / f"results/{one}.h5"
    cmcr, cmtr = files[one]
    run_recording(steps, result, dataset_id=one, cmcr_path=cmcr, cmtr_path=cmtr)
    change(result)
    tampered = result.read_bytes()
    said = project.run(code=1)
    assert re.search(rf"FAILED: .* {one} refuse_result: ERROR These results are not what", said)
    assert f"rm results/{one}.h5" in said
    assert result.read_bytes() == tampered
    assert project.digest(f"results/{two}.h5")
    assert (tmp_path / f"results/{two}.png").exists()
    assert not (tmp_path / f"results/{one}.png").exists()
    assert recordings_in(tmp_path / "results/units.csv") == [two] * 12
    assert "results/units.csv has 1 of 2 recordings" in said
    result.unlink()
    project.run()
    assert set(recordings_in(tmp_path / "results/units.csv")) == {one, two}
    assert not list((tmp_path / "results/.refused").glob("*"))
    change(tmp_path / "results/units.csv")
    assert jobs(project.run("-n")) == {"refuse_result": 1, "all": 1, "total": 2}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_snakemake_notices_what_its_times_do_not_tell(
    tiny_dataset: SimulatedDataset, inputs: Path, tmp_path: Path
) -> None:
    pair = tiny_dataset.recordings["demo_retina_1"]
    sorted_file = inputs / "demo_retina_1-.cmtr"
    (inputs / "rec-.cmtr").rename(sorted_file)
    project = Project(
        tmp_path,
        tiny_dataset.stimuli_path,
        {"rec": (pair.cmcr_path, sorted_file)},
        {"load_recording": {"probe": "off"}},
        playlist="",
    )
    project.configure()
    target = "results/rec.h5"
    plan: Sequence[str] = ("-n", target)

    os.utime(sorted_file, ns=(time.time_ns() + DAY_NS,) * 2)
    said = project.run(*plan, code=1)
    assert f"touch {sorted_file}" in said
    sorted_file.touch()
    project.run(target)
    first = project.digest(target)
    spikes = PipelineSession.load(tmp_path / target).values("units/spike_times")
    change_a_spike(sorted_file)
    project.run(target)
    assert project.digest(target) != first
    changed = PipelineSession.load(tmp_path / target).values("units/spike_times")
    assert (changed != spikes).sum() == 1
    copy_over(sorted_file)
    assert jobs(project.run(*plan)) == {}

    change(tmp_path / target)
    os.utime(tmp_path / target, ns=(time.time_ns() - DAY_NS,) * 2)
    said = project.run(*plan, code=1)
    assert f"rm {target}" in said
