"""The session as its users read it: state, saving, loading, refusing, remembering."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hdmea.arrays import Variable, Variables
from hdmea.contribution import Recipe
from hdmea.errors import (
    FileMissingError,
    MissingDataError,
    OutputExistsError,
    ParameterError,
    SessionFileError,
    StaleSessionError,
    UnknownNameError,
)
from hdmea.pipeline import PipelineSession, SaveState, create_session

TRAINS = {2: [0.5, 1.0, 4.0], 10: [], 31: [2.0]}


def loaded(spikes: dict[int, list[float]] = TRAINS) -> Variables:
    counts = [len(train) for train in spikes.values()]
    return {
        "units/unit_id": Variable(np.array(list(spikes), dtype=np.int64), "1", ("unit",), "id"),
        "units/row": Variable(np.arange(len(spikes)), "1", ("unit",), "row"),
        "units/spike_times": Variable(
            np.array([time for train in spikes.values() for time in train], dtype=np.float64),
            "s",
            ("spike",),
            "times",
        ),
        "units/spike_times_index": Variable(
            np.cumsum(counts, dtype=np.int64), "1", ("unit",), "ends"
        ),
    }


def add(session: PipelineSession, name: str, variables: Variables, **recipe: Any) -> None:
    defaults: dict[str, Any] = {"step": name, "version": 1, "parameters": {}, "inputs": {}}
    defaults["parents"] = {
        parent: session.contributions[parent].key for parent in recipe.pop("parents", ())
    }
    session.obtain(Recipe(name, **(defaults | recipe)), lambda: variables)


@pytest.fixture
def session(tmp_path: Path) -> PipelineSession:
    session = create_session("retina", output_dir=tmp_path / "out")
    add(session, "load_recording", loaded())
    sta = np.arange(3 * 2 * 2 * 2, dtype=np.float32).reshape(3, 2, 2, 2)
    add(
        session,
        "sta.noise",
        {"sta/noise/sta": Variable(sta, "1", ("unit", "lag", "y", "x"), "mean")},
        step="compute_sta",
        parents=("load_recording",),
    )
    add(
        session,
        "features.size",
        {
            "features/size/size": Variable(np.array([1.0, np.nan, 3.0]), "um", ("unit",), "size"),
            "features/size/size_reason": Variable(
                np.array(["", "no_fit", ""]), "", ("unit",), "why"
            ),
            "features/size/curve": Variable(np.ones((3, 4)), "1", ("unit", "bin"), "curve"),
        },
        step="extract_features",
        parents=("load_recording",),
    )
    return session


@pytest.fixture(params=["in memory", "from file"])
def either(request: pytest.FixtureRequest, session: PipelineSession) -> PipelineSession:
    return session if request.param == "in memory" else PipelineSession.load(session.save())


def test_accessors_are_the_same_in_memory_and_from_a_file(either: PipelineSession) -> None:
    assert either.units.index.tolist() == [2, 10, 31]
    assert either.units.index.name == "unit_id"
    assert either.units.columns.tolist() == ["row"]
    assert {unit: either.spike_times(unit).tolist() for unit in either.units.index} == TRAINS
    assert either.sta(10).tolist() == [[[8, 9], [10, 11]], [[12, 13], [14, 15]]]
    assert either.sta(10, "noise").dtype == np.float32
    table = either.features["size"]
    assert table.columns.tolist() == ["size", "size_reason"]
    assert table.loc[31, "size"] == 3
    assert table.loc[10, "size_reason"] == "no_fit"
    assert either.features.array("size", "curve").shape == (3, 4)
    assert list(either.features) == ["size"]


def test_what_is_unknown_is_an_error_that_lists_what_is_known(either: PipelineSession) -> None:
    with pytest.raises(UnknownNameError, match=r"unit 3 is not in 'retina'.*2, 10, 31"):
        either.spike_times(3)
    with pytest.raises(KeyError, match="no STA of stimulus 'bars'; there are: noise"):
        either.sta(2, "bars")
    with pytest.raises(
        UnknownNameError, match=r"'chirp' is not in 'retina'; extract it, or .*: size"
    ):
        either.features["chirp"]
    with pytest.raises(UnknownNameError, match=r"no output 'x'; it has: curve, size"):
        either.features.array("size", "x")
    with pytest.raises(MissingDataError, match=r"no 'stimulus/frame_times'"):
        either["stimulus/frame_times"]


def test_a_slip_in_a_path_is_told_and_a_missing_step_is_not_taken_for_one(
    either: PipelineSession,
) -> None:
    with pytest.raises(MissingDataError, match=r"Did you mean 'units/spike_times'\?$"):
        either["units/spiketimes"]
    with pytest.raises(MissingDataError) as missing:
        either["units/exclusion_reason"]
    assert "Did you mean" not in str(missing.value)


def test_several_stas_need_a_name(session: PipelineSession) -> None:
    more = {
        "sta/other/sta": Variable(
            np.zeros((3, 1, 1, 1), np.float32), "1", ("unit", "lag", "y", "x"), ""
        )
    }
    add(session, "sta.other", more, step="compute_sta", parents=("load_recording",))
    with pytest.raises(ParameterError, match="name one: noise, other"):
        session.sta(2)
    assert session.sta(2, "other").shape == (1, 1, 1)


def test_values_in_a_session_cannot_be_changed_behind_its_back(either: PipelineSession) -> None:
    for path in either.paths():
        with pytest.raises(ValueError, match="read-only"):
            either.values(path)[...] = 0


def test_an_empty_session_says_what_is_missing() -> None:
    session = create_session("retina")
    with pytest.raises(MissingDataError, match="none yet"):
        session.units  # noqa: B018
    with pytest.raises(MissingDataError, match="run compute_sta first"):
        session.sta(1)
    assert session.completed_steps == set()
    assert "not loaded" in repr(session)


def test_save_and_state(session: PipelineSession, caplog: pytest.LogCaptureFixture) -> None:
    assert session.save_state is SaveState.DEFERRED
    path = session.save()
    assert path == session.output_dir / "retina.h5"
    assert session.save_state is SaveState.SAVED
    assert not caplog.records
    add(session, "more", {"more/x": Variable(np.zeros(1), "1", ("n",), "")})
    assert session.save_state is SaveState.DEFERRED
    for _ in range(2):
        caplog.clear()
        session.save()
        assert [r.getMessage() for r in caplog.records] == [f"overwriting {path}"]
        assert caplog.records[0].name == "hdmea"
        assert caplog.records[0].levelno == logging.WARNING


def test_overwriting_another_recording_names_it(
    session: PipelineSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = session.save(tmp_path / "x.h5")
    other = create_session("monkey")
    add(other, "load_recording", loaded())
    other.save(path)
    assert f"overwriting {path}, which holds another recording: retina" in caplog.text
    with pytest.raises(OutputExistsError, match=r"x\.h5"):
        other.save(path, overwrite=False)
    with pytest.raises(FileExistsError):
        session.checkpoint(tmp_path / "x.h5", overwrite=False)
    (tmp_path / "text.h5").write_text("notes")
    session.save(tmp_path / "text.h5")
    assert "not a readable session file" in caplog.text


def test_a_checkpoint_changes_nothing_and_is_never_saved_onto(
    session: PipelineSession, tmp_path: Path
) -> None:
    checkpoint = session.checkpoint(tmp_path / "c" / "first.h5", checkpoint_name="first")
    assert session.save_state is SaveState.DEFERRED
    loaded = PipelineSession.load(checkpoint)
    assert loaded.save_state is SaveState.DEFERRED
    assert loaded.completed_steps == session.completed_steps
    assert loaded.content_digest == session.content_digest
    before = checkpoint.read_bytes()
    assert loaded.save() == tmp_path / "out" / "retina.h5"
    assert checkpoint.read_bytes() == before


def test_the_digest_does_not_know_names_of_checkpoints_nor_places(
    session: PipelineSession, tmp_path: Path
) -> None:
    a = PipelineSession.load(session.checkpoint(tmp_path / "a.h5", checkpoint_name="a"))
    b = PipelineSession.load(session.save(tmp_path / "b.h5"))
    assert a.content_digest == b.content_digest == session.content_digest


def test_asking_for_the_path_saves_unsaved_work_and_says_so(
    session: PipelineSession, caplog: pytest.LogCaptureFixture
) -> None:
    repr(session)
    session._repr_html_()
    assert not session.output_dir.exists()
    path = session.hdf5_path
    assert path.exists()
    assert "unsaved work" in caplog.text
    caplog.clear()
    assert session.hdf5_path == path
    assert not caplog.records


def test_a_file_changed_by_somebody_else_stops_the_session(
    session: PipelineSession, tmp_path: Path
) -> None:
    path = session.save()
    other = PipelineSession.load(path)
    add(other, "more", {"more/x": Variable(np.zeros(1), "1", ("n",), "")})
    other.save()
    with pytest.raises(StaleSessionError, match=r"PipelineSession.load"):
        session.save()
    with pytest.raises(StaleSessionError):
        session.require_current()
    path.write_text("something else")
    with pytest.raises(StaleSessionError):
        session.save()
    assert session.save(tmp_path / "elsewhere.h5").exists()
    session.require_current()


def test_lazy_arrays_count_only_when_read(session: PipelineSession) -> None:
    everything = session.memory_estimate_gb
    assert everything == sum(session[p].nbytes for p in session.paths()) / 1e9
    loaded = PipelineSession.load(session.save())
    assert loaded.memory_estimate_gb == 0
    loaded.sta(10)
    assert loaded.memory_estimate_gb < everything / 2
    for path in loaded.paths():
        loaded.values(path)
    # text is as wide in memory as its longest may be
    assert loaded.memory_estimate_gb == pytest.approx(everything, abs=1e-7)


def test_saving_a_lazy_session_onto_itself_keeps_everything(session: PipelineSession) -> None:
    path = session.save()
    again = PipelineSession.load(path)
    again.save()
    assert PipelineSession.load(path).content_digest == session.content_digest


def test_a_file_can_be_open_elsewhere_at_the_same_time(session: PipelineSession) -> None:
    path = session.save()
    with h5py.File(path) as theirs:
        ours = PipelineSession.load(path)
        assert ours.spike_times(2).tolist() == TRAINS[2]
        assert theirs["units/unit_id"][:].tolist() == list(TRAINS)
    with h5py.File(path) as theirs:
        assert theirs["units/row"][:].tolist() == [0, 1, 2]


def test_write_back_writes_only_what_is_unsaved_and_never_warns(
    session: PipelineSession, caplog: pytest.LogCaptureFixture
) -> None:
    path = session.save()
    before = path.stat()
    assert session.write_back() == path
    assert path.stat() == before
    add(session, "more", {"more/x": Variable(np.zeros(1), "1", ("n",), "")})
    session.write_back()
    assert not caplog.records
    assert "more/x" in PipelineSession.load(path)


def test_columns_come_in_the_order_in_which_they_were_made(either: PipelineSession) -> None:
    columns = {name: Variable(np.zeros(3), "1", ("unit",), name) for name in ("z", "a", "m")}
    add(
        either,
        "features.odd",
        {f"features/odd/{name}": variable for name, variable in columns.items()},
        step="extract_features",
    )
    assert either.features["odd"].columns.tolist() == ["z", "a", "m"]
    again = PipelineSession.load(either.save())
    assert again.features["odd"].columns.tolist() == ["z", "a", "m"]


def test_places_are_found_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    session = create_session("retina", cmtr_path="rec/a-.cmtr", stimuli_dir="stimuli")
    add(session, "load_recording", loaded())
    path = session.save().absolute()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = PipelineSession.load(path)
    assert again.cmtr_path == tmp_path / "rec" / "a-.cmtr"
    assert again.stimuli_dir == tmp_path / "stimuli"
    assert again.content_digest == session.content_digest


def test_a_session_loaded_from_its_file_is_saved_there(
    session: PipelineSession, tmp_path: Path
) -> None:
    first, second = session.save(), session.save(tmp_path / "out" / "wide.h5")
    before = first.read_bytes()
    again = PipelineSession.load(second)
    add(again, "more", {"more/x": Variable(np.zeros(1), "1", ("n",), "")})
    assert again.save() == second
    assert first.read_bytes() == before


def test_a_session_knows_its_file_from_any_folder(
    session: PipelineSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.save()
    monkeypatch.chdir(tmp_path)
    ours = PipelineSession.load("out/retina.h5")
    theirs = PipelineSession.load("out/retina.h5")
    add(theirs, "more", {"more/x": Variable(np.zeros(1), "1", ("n",), "")})
    theirs.save()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(StaleSessionError):
        ours.require_current()
    assert ours.hdf5_path == tmp_path / "out" / "retina.h5"


def test_a_link_stays_a_link_and_its_target_is_written(
    session: PipelineSession, tmp_path: Path
) -> None:
    target = session.save(tmp_path / "data" / "retina.h5")
    link = tmp_path / "retina.h5"
    link.symlink_to(target)
    linked = PipelineSession.load(link)
    add(linked, "more", {"more/x": Variable(np.zeros(1), "1", ("n",), "")})
    linked.save()
    assert link.is_symlink()
    assert "more/x" in PipelineSession.load(target)


def test_missing_foreign_and_part_files(session: PipelineSession, tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"none\.h5"):
        PipelineSession.load(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(SessionFileError, match=r"text\.h5"):
        PipelineSession.load(tmp_path / "text.h5")
    part = session.save_part(tmp_path / "p.h5", ["load_recording"])
    with pytest.raises(SessionFileError, match="assemble the parts"):
        PipelineSession.load(part)


def test_parts_that_do_not_belong_together_are_refused(
    session: PipelineSession, tmp_path: Path
) -> None:
    sta = session.save_part(tmp_path / "sta.h5", ["sta.noise"])
    load = session.save_part(tmp_path / "load.h5", ["load_recording"])
    assert PipelineSession.from_parts([load, sta]).completed_steps == {
        "load_recording",
        "compute_sta",
    }
    with pytest.raises(
        SessionFileError, match=r"'sta.noise' was made from another 'load_recording'"
    ):
        PipelineSession.from_parts([sta])
    changed = create_session("retina")
    add(changed, "load_recording", loaded({1: [1.0], 2: [], 3: []}), version=2)
    other = changed.save_part(tmp_path / "other.h5", ["load_recording"])
    with pytest.raises(
        SessionFileError, match=r"'sta.noise' was made from another 'load_recording'"
    ):
        PipelineSession.from_parts([other, sta])
    monkey = create_session("monkey")
    add(monkey, "load_recording", loaded())
    with pytest.raises(SessionFileError, match="belongs to 'monkey'"):
        PipelineSession.from_parts([load, monkey.save_part(tmp_path / "m.h5", ["load_recording"])])


def test_a_parent_of_equal_key_and_other_content_is_noticed(
    session: PipelineSession, tmp_path: Path
) -> None:
    sta = session.save_part(tmp_path / "sta.h5", ["sta.noise"])
    other = create_session("retina")
    add(other, "load_recording", loaded({2: [0.5, 1.0, 4.5], 10: [], 31: [2.0]}))
    assert other.contributions["load_recording"].key == session.contributions["load_recording"].key
    load = other.save_part(tmp_path / "load.h5", ["load_recording"])
    with pytest.raises(SessionFileError, match=r"'sta\.noise' was made from another"):
        PipelineSession.from_parts([load, sta])


def test_a_changed_parent_takes_its_children_with_it(session: PipelineSession) -> None:
    add(session, "load_recording", loaded({5: [1.0]}), version=2)
    assert session.units.index.tolist() == [5]
    assert list(session.contributions) == ["load_recording"]
    assert session.completed_steps == {"load_recording"}
    # a feature that was asked for is asked for still
    assert list(session.pending) == ["size"]
    assert any("sta.noise was made from an older load_recording" in w for w in session.warnings)


def test_the_same_recipe_is_not_computed_twice(session: PipelineSession) -> None:
    def never() -> Variables:
        raise AssertionError("computed again")

    session.obtain(session.contributions["load_recording"].recipe, never)


@pytest.mark.parametrize(
    ("cmcr", "cmtr", "expected"),
    [
        (
            "a/2025.04.10-11.12.57-Rec.cmcr",
            "b/2025.04.10-11.12.57-Rec-.cmtr",
            "2025.04.10-11.12.57-Rec",
        ),
        ("a/x.cmcr", None, "x"),
        (None, Path("y_appended_GZ_checked.cmtr"), "y_appended_GZ_checked"),
    ],
)
def test_ids_come_from_the_names_of_files(cmcr: Any, cmtr: Any, expected: str) -> None:
    assert create_session(cmcr_path=cmcr, cmtr_path=cmtr).dataset_id == expected


@pytest.mark.parametrize(
    "bad", ["", "../x", "a/b", "a b", "-a", ".a", "a..b", "x" * 129, "$(touch X)", "é", "a\n"]
)
def test_an_id_that_cannot_be_a_file_name_is_refused(bad: str) -> None:
    with pytest.raises(ParameterError, match="dataset_id="):
        create_session(bad)


def test_no_name_at_all_is_refused() -> None:
    with pytest.raises(ParameterError, match=r'e\.g\. dataset_id="retina_1"'):
        create_session()


def test_places_complete_and_do_not_contradict(tmp_path: Path) -> None:
    session = create_session(cmtr_path=tmp_path / "a-.cmtr")
    session.set_places(
        cmcr_path=str(tmp_path / "a.cmcr"), cmtr_path=tmp_path / "x" / ".." / "a-.cmtr"
    )
    assert session.cmcr_path == tmp_path / "a.cmcr"
    with pytest.raises(ParameterError, match=r"b-\.cmtr.*contradicts.*a-\.cmtr"):
        session.set_places(cmtr_path=tmp_path / "b-.cmtr")


def test_no_units_and_no_spikes(tmp_path: Path) -> None:
    session = create_session("empty", output_dir=tmp_path)
    add(session, "load_recording", loaded({}))
    again = PipelineSession.load(session.save())
    assert len(again.units) == 0
    assert again.units.index.dtype == np.int64
    assert again.content_digest == session.content_digest


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_goes_its_own_way(
    session: PipelineSession, tmp_path: Path, copied: Callable[[PipelineSession], PipelineSession]
) -> None:
    session.request_feature("on_off", {}, "add_section_time")
    path = session.save(tmp_path / "one.h5")
    before = session.content_digest
    other = copied(session)
    assert other.content_digest == before
    assert other.values("units/spike_times") is session.values("units/spike_times")
    other.warn("only the copy's")
    other.withdraw_feature("on_off")
    add(other, "more", {"more/x": Variable(np.zeros(2), "1", ("x",), "x")})
    assert (session.save_state, other.save_state) == (SaveState.SAVED, SaveState.DEFERRED)
    assert "more/x" not in session
    assert session.pending == {"on_off": "add_section_time"}
    assert "only the copy's" not in session.warnings
    assert session.content_digest == before
    with pytest.raises(ValueError, match="read-only"):
        other.values("units/spike_times")[0] = 99
    # both know the file that they began from: whoever writes second is told
    other.save(path)
    session.request_feature("frif", {}, "load_recording")
    with pytest.raises(StaleSessionError):
        session.save(path)


def test_a_session_is_not_pickled(session: PipelineSession) -> None:
    with pytest.raises(ParameterError, match=r"'retina'.*PipelineSession\.load"):
        pickle.dumps(session)
