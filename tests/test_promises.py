"""What steps and session promise, sentence by sentence, where no other test says it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict

from hdmea import pipeline
from hdmea.errors import OutputExistsError, ParameterError, StimulusError
from hdmea.features.declaration import Feature, Output
from hdmea.features.registry import FEATURES
from hdmea.pipeline import (
    PipelineSession,
    SaveState,
    add_section_time,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    section_spike_times,
)
from hdmea.steps.registry import STEPS
from hdmea.store.reader import SessionFile


@pytest.fixture(scope="module")
def files(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints after loading and after sections, and a session file with all steps."""
    folder = tmp_path_factory.mktemp("promises")
    session = create_session(**places, output_dir=folder)
    load_recording(session=session, probe="off")
    made = {"loaded": session.checkpoint(folder / "loaded.h5")}
    add_section_time(playlist_name="tiny", session=session)
    made["sectioned"] = session.checkpoint(folder / "sectioned.h5")
    section_spike_times(session=session, pre_s=0.25)
    extract_features(session=session)
    compute_sta(cover_range=(-3, 0), z=False, session=session)
    return made | {"whole": session.save()}


class Nothing(BaseModel, extra="forbid"):
    model_config = ConfigDict(extra="forbid")


# -- steps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STEPS)
def test_every_step_refuses_a_parameter_that_it_does_not_know(name: str, tmp_path: Path) -> None:
    step = getattr(pipeline, name)
    known = list(STEPS[name].parameters.model_fields)
    with pytest.raises(ParameterError, match=f"{name}: .*bogus_s: unknown") as of_file:
        step(tmp_path / "none.h5", bogus_s=1)
    with pytest.raises(ParameterError) as in_memory:
        step(session=create_session("x"), bogus_s=1)
    assert str(of_file.value) == str(in_memory.value)
    assert all(parameter in str(of_file.value) for parameter in known)


def test_the_deferred_form_gives_back_the_session_that_it_was_given(
    files: dict[str, Path],
) -> None:
    session = PipelineSession.load(files["loaded"])
    assert extract_features(features=["frif"], session=session) is session
    assert add_section_time(playlist_name="tiny", session=session) is session
    assert section_spike_times(session=session) is session
    assert compute_sta(cover_range=(-2, 0), session=session) is session


def test_the_record_of_a_step_is_its_declaration(files: dict[str, Path]) -> None:
    with SessionFile(files["whole"]) as file:
        columns = {name: file.read(f"provenance/{name}") for name in ("step", "version", "name")}
        parameters = [json.loads(str(one)) for one in file.read("provenance/parameters")]
    rows = list(zip(columns["name"], columns["step"], columns["version"], parameters, strict=True))
    assert {str(step) for _, step, _, _ in rows} == set(STEPS) - {"curate_units", "adjust_p_values"}
    given: dict[str, Any] = {
        "section_spike_times": {"pre_s": 0.25},
        "compute_sta": {"cover_range": [-3, 0], "z": False},
    }
    for name, step, version, own in rows:
        if str(name).startswith("features."):
            feature = FEATURES[str(name).removeprefix("features.")]
            assert (version, own) == (feature.version, feature.params().model_dump(mode="json"))
        elif step in given:
            declared = STEPS[step].parse(given[step]).affecting()
            assert version == STEPS[step].version
            assert own == {key: value for key, value in declared.items() if key != "stimulus"}
            assert given[step].items() <= own.items()


def test_an_exception_in_the_units_fails_the_step_and_is_not_met_again(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def divides(*_: object) -> Any:
        return 1 // 0

    columns = (Output("size", "1", "for tests"),)
    for name, needs in (("odd", {"spikes"}), ("late", {"spikes", "trials"})):
        feature = Feature(name, 1, Nothing, frozenset(needs), None, columns, divides, "x")
        monkeypatch.setitem(FEATURES, name, feature)
    path = tmp_path / "copy.h5"
    shutil.copy(files["loaded"], path)
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        extract_features(path, features=["odd"])
    assert path.read_bytes() == before
    session = PipelineSession.load(path)
    with pytest.raises(ZeroDivisionError):
        extract_features(features=["odd"], session=session)
    assert "odd" not in session.features
    assert "extract_features" not in session.completed_steps
    extract_features(features=["late"], session=session)
    with pytest.raises(ZeroDivisionError):
        add_section_time(playlist_name="tiny", session=session)
    # the step is done, the feature is not; it is not tried again until somebody asks
    assert session.completed_steps == {"load_recording", "add_section_time"}
    assert "because it failed" in session.pending["late"]
    section_spike_times(session=session)
    with pytest.raises(ZeroDivisionError):
        extract_features(features=["late"], session=session)


def test_a_stimulus_that_was_not_shown_is_an_error_only_where_it_is_required(
    files: dict[str, Path], places: dict[str, Path], tmp_path: Path
) -> None:
    stimuli = tmp_path / "stimuli"
    shutil.copytree(places["stimuli_dir"], stimuli)
    (stimuli / "playlist.csv").write_text(
        "playlist_name,movie_names\nbars,\"['tiny_moving_bar_d8_1x']\"\n"
    )
    shown: dict[str, Any] = {
        "playlist_name": "bars",
        "stimuli_dir": stimuli,
        "alignment": "warn",
    }
    session = PipelineSession.load(files["loaded"])
    extract_features(features=["on_off"], session=session)
    with pytest.raises(StimulusError, match="asks for step, which was not shown; shown were: mov"):
        add_section_time(**shown, require_stimuli=["moving_bar", "step"], session=session)
    assert session.completed_steps == {"load_recording"}
    add_section_time(**shown, require_stimuli=["moving_bar"], session=session)
    assert set(session.features["on_off"]["on_off_index_reason"]) == {"stimulus_not_played"}
    assert "extract_features" in session.completed_steps
    assert any("feature on_off is not applicable" in warning for warning in session.warnings)
    digest = session.content_digest
    with pytest.raises(StimulusError, match="asks for chirp"):  # also of sections that are there
        add_section_time(**shown, require_stimuli=["chirp"], session=session)
    assert session.content_digest == digest
    with pytest.raises(ParameterError, match="require_stimuli"):
        add_section_time(**shown, require_stimuli=["dots"], session=session)


# -- session ---------------------------------------------------------------------------------------


def test_texts_and_paths_are_alike(places: dict[str, Path], tmp_path: Path) -> None:
    as_text = {name: str(path) for name, path in places.items()}
    one = create_session(**places, output_dir=tmp_path / "a")
    two = create_session(**as_text, output_dir=str(tmp_path / "b"))
    load_recording(session=one, probe="off")
    load_recording(**{n: as_text[n] for n in ("cmcr_path", "cmtr_path")}, session=two, probe="off")
    for name in places:
        assert getattr(one, name) == getattr(two, name)
    files = one.save(str(tmp_path / "one.h5")), two.checkpoint(str(tmp_path / "two.h5"))
    assert all(isinstance(path, Path) for path in files)
    digests = {PipelineSession.load(str(path)).content_digest for path in files}
    assert digests == {one.content_digest}
    result = extract_features(str(files[0]), features="frif", output_path=str(tmp_path / "c.h5"))
    assert result.hdf5_path == tmp_path / "c.h5"


def test_a_file_name_that_is_no_id_is_an_error_that_shows_how_to_give_one() -> None:
    with pytest.raises(ParameterError, match=r"'my rec' cannot be .*dataset_id=\"retina_1\""):
        create_session(cmtr_path="my rec-.cmtr")
    assert create_session("retina_1", cmtr_path="my rec-.cmtr").dataset_id == "retina_1"
    assert create_session(cmcr_path="a.cmcr", cmtr_path="b-.cmtr").dataset_id == "b"
    assert create_session("x").default_path == Path("artifacts/x.h5")


def test_what_is_loaded_has_the_same_types_and_the_same_bytes(
    files: dict[str, Path], places: dict[str, Path]
) -> None:
    fresh = create_session(**places)
    load_recording(session=fresh, probe="off")
    add_section_time(playlist_name="tiny", session=fresh)
    section_spike_times(session=fresh, pre_s=0.25)
    extract_features(session=fresh)
    compute_sta(cover_range=(-3, 0), z=False, session=fresh)
    loaded = PipelineSession.load(files["whole"])
    assert loaded.paths() == fresh.paths()
    for path in fresh.paths():
        made, read = fresh[path], loaded[path]
        assert read.values.dtype == made.values.dtype, path
        assert read.values.shape == made.values.shape, path
        assert read.values.tobytes() == made.values.tobytes(), path
        assert type(read.values) is type(made.values), path
        assert (read.unit, read.dims, read.description) == (
            made.unit,
            made.dims,
            made.description,
        ), path
    assert loaded.completed_steps == fresh.completed_steps
    assert loaded.warnings == fresh.warnings
    assert loaded.pending == fresh.pending
    assert list(loaded.contributions) == list(fresh.contributions)


def test_completed_steps_is_a_set_of_words(files: dict[str, Path]) -> None:
    loaded = PipelineSession.load(files["loaded"])
    assert type(loaded.completed_steps) is set
    assert loaded.completed_steps == {"load_recording"}
    loaded.completed_steps.add("nothing")  # a copy: nobody can say that a step is done
    assert loaded.completed_steps == {"load_recording"}


def test_a_checkpoint_changes_nothing_whatever_the_state(
    files: dict[str, Path], tmp_path: Path
) -> None:
    own = tmp_path / "own.h5"
    shutil.copy(files["whole"], own)
    session = PipelineSession.load(own)
    before = own.read_bytes()
    session.checkpoint(tmp_path / "c.h5", checkpoint_name="a word")
    assert session.save_state is SaveState.SAVED
    assert session.hdf5_path == own
    section_spike_times(session=session)
    session.checkpoint(tmp_path / "c.h5")
    assert session.save_state is SaveState.DEFERRED
    with pytest.raises(OutputExistsError, match="session's own file"):
        session.checkpoint(own)
    assert own.read_bytes() == before
    session.save()
    assert PipelineSession.load(own).content_digest == session.content_digest


def test_a_session_goes_on_after_a_save(files: dict[str, Path], tmp_path: Path) -> None:
    session = PipelineSession.load(files["sectioned"])
    states = []
    for step in (extract_features, section_spike_times):
        step(session=session)
        states.append(session.save_state)
        session.save(tmp_path / "x.h5")
        states.append(session.save_state)
    assert states == [SaveState.DEFERRED, SaveState.SAVED] * 2
    section_spike_times(session=session)  # the same again adds nothing
    assert session.save_state is SaveState.SAVED
    assert session.spike_times(session.units.index[0]).size > 0


def test_a_session_shows_what_it_is(files: dict[str, Path], tmp_path: Path) -> None:
    session = PipelineSession.load(files["loaded"])
    extract_features(features=["on_off"], session=session)
    shown = repr(session)
    for said in (
        "demo_retina_1",
        "deferred",
        "12",
        "load_recording",
        "on_off (waits for add_section_time)",
        "GB",
    ):
        assert said in shown, said
    page = session._repr_html_()
    assert page.startswith("<table>")
    assert "on_off (waits for add_section_time)" in page
    # looking reads and writes nothing
    assert session.memory_estimate_gb < 0.001
    assert session.save_state is SaveState.DEFERRED
    session.warn("x < y & z")
    again = PipelineSession.load(session.save(tmp_path / "x.h5"))
    assert again.warnings[-1] == "x < y & z"
    assert "saved" in repr(again)
    assert np.array_equal(again.units.index, session.units.index)
