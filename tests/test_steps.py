"""The steps: one error in both modes, pending features, parameters, documentation."""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from mcs_recordings import write_pair

from hdmea import pipeline
from hdmea.errors import (
    HdmeaError,
    MissingDataError,
    ParameterError,
    RecordingFileError,
    StaleSessionError,
    StimulusError,
    UnknownNameError,
)
from hdmea.features.registry import FEATURES
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    adjust_p_values,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    section_spike_times,
)
from hdmea.simulate import SimulatedDataset, simulate_recording
from hdmea.simulate.sorting import MEASURES
from hdmea.steps.registry import STEPS
from hdmea.stimulus.geometry import stored_geometry
from hdmea.stimulus.library import StimulusLibrary

Call = Callable[..., Any]
NOISE = "perfect_dense_noise_15x15_15hz_r42_24s"


@pytest.fixture(scope="module")
def files(tiny_dataset: SimulatedDataset) -> dict[str, Path]:
    pair = tiny_dataset.recordings["demo_retina_1"]
    return {"cmcr_path": pair.cmcr_path, "cmtr_path": pair.cmtr_path}


@pytest.fixture(scope="module")
def bases(
    files: dict[str, Path], tiny_dataset: SimulatedDataset, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Session files: just loaded, and with sections."""
    folder = tmp_path_factory.mktemp("bases")
    session = create_session(
        **files, stimuli_dir=tiny_dataset.stimuli_path, output_dir=folder / "out"
    )
    load_recording(session=session, probe="off")
    paths = {"loaded": session.checkpoint(folder / "loaded.h5")}
    add_section_time(playlist_name="tiny", session=session)
    paths["sectioned"] = session.checkpoint(folder / "sectioned.h5")
    return paths


@pytest.fixture
def loaded(bases: dict[str, Path]) -> PipelineSession:
    return PipelineSession.load(bases["loaded"])


@pytest.fixture
def sectioned(bases: dict[str, Path]) -> PipelineSession:
    return PipelineSession.load(bases["sectioned"])


MISTAKES: list[tuple[str, Call, dict[str, Any], type[HdmeaError], str]] = [
    ("loaded", extract_features, {"features": ["frif", "nose"]}, UnknownNameError, "frif, on_off"),
    ("loaded", extract_features, {"features": "nose"}, UnknownNameError, "'nose'"),
    (
        "loaded",
        extract_features,
        {"features": ["frif"], "parameters": {"on_off": {}}},
        ParameterError,
        r"not asked for; .*: on_off",
    ),
    (
        "loaded",
        extract_features,
        {"features": ["on_off"], "parameters": {"on_off": {"window": 1}}},
        ParameterError,
        r"window: unknown, did you mean 'window_s'\? Known parameters: stimulus, .*window_s",
    ),
    (
        "sectioned",
        extract_features,
        {"features": ["on_off"], "parameters": {"on_off": {"window_s": 5}}},
        ParameterError,
        "window_s",
    ),
    ("loaded", extract_features, {"feature": ["frif"]}, ParameterError, "did you mean 'features'"),
    ("loaded", section_spike_times, {}, MissingDataError, "run add_section_time first"),
    ("loaded", compute_sta, {}, MissingDataError, "run add_section_time first"),
    ("loaded", add_section_time, {}, ParameterError, "neither playlist_name.*has: tiny"),
    ("loaded", add_section_time, {"playlist_name": "x"}, UnknownNameError, "'x'.*tiny"),
    (
        "loaded",
        add_section_time,
        {"playlist_name": "tiny", "repeats": 0},
        ParameterError,
        "repeats",
    ),
    ("loaded", add_section_time, {"playlist_name": "tiny", "repeats": 2}, StimulusError, "too few"),
    (
        "sectioned",
        compute_sta,
        {"stimulus": "x"},
        UnknownNameError,
        f"of these: {NOISE}, tiny_step",
    ),
    (
        "sectioned",
        compute_sta,
        {"cover_range": (0, -60)},
        ParameterError,
        r"cover_range: .*found \(0",
    ),
    ("sectioned", compute_sta, {"cover_range": (-9999, 0)}, ParameterError, "9999"),
    ("sectioned", compute_sta, {"cover_range": 60}, ParameterError, "cover_range"),
    ("sectioned", compute_sta, {"threads": 0}, ParameterError, "threads"),
    ("sectioned", section_spike_times, {"pre_s": -1}, ParameterError, "pre_s"),
]


@pytest.mark.parametrize(("base", "step", "values", "error", "said"), MISTAKES)
def test_a_mistake_is_the_same_error_in_both_modes_and_changes_nothing(
    base: str,
    step: Call,
    values: dict[str, Any],
    error: type[HdmeaError],
    said: str,
    bases: dict[str, Path],
    tmp_path: Path,
) -> None:
    path = tmp_path / "copy.h5"
    shutil.copy(bases[base], path)
    before = path.read_bytes()
    with pytest.raises(error, match=said) as immediate:
        step(hdf5_path=path, **values)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["copy.h5"]
    session = PipelineSession.load(bases[base])
    digest = session.content_digest
    with pytest.raises(error) as deferred:
        step(session=session, **values)
    assert str(deferred.value) == str(immediate.value)
    assert session.content_digest == digest
    assert session.pending == {}


def test_features_wait_for_sections_through_a_checkpoint(
    loaded: PipelineSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    extract_features(features=["on_off"], session=loaded, parameters={"on_off": {"class_cut": 0.2}})
    assert loaded.pending == {"on_off": "add_section_time"}
    assert loaded.completed_steps == {"load_recording"}
    with pytest.raises(MissingDataError, match="pending: it waits for add_section_time"):
        loaded.features["on_off"]
    path = loaded.save(tmp_path / "pending.h5")
    assert "pending features: on_off (waits for add_section_time)" in caplog.text
    again = PipelineSession.load(path)
    assert again.pending == loaded.pending
    add_section_time(playlist_name="tiny", session=again)
    assert again.pending == {}
    assert again.contributions["features.on_off"].recipe.parameters["class_cut"] == 0.2
    assert again.completed_steps == {"load_recording", "add_section_time", "extract_features"}


def test_another_playlist_redoes_what_was_made_from_the_first(sectioned: PipelineSession) -> None:
    extract_features(features=["frif", "on_off"], session=sectioned)
    section_spike_times(session=sectioned)
    compute_sta(cover_range=(-5, 0), session=sectioned)
    add_section_time(playlist_name="tiny", alignment="warn", session=sectioned)
    assert "compute_sta" in sectioned.completed_steps  # a harmless parameter: nothing changes
    library = sectioned.stimuli_dir
    assert library is not None
    stimuli = library.parent / "shorter"
    shutil.copytree(library, stimuli, dirs_exist_ok=True)
    (stimuli / "playlist.csv").write_text(f"playlist_name,movie_names\nshort,\"['{NOISE}.mov']\"\n")
    add_section_time(playlist_name="short", stimuli_dir=stimuli, session=sectioned)
    assert sectioned.completed_steps == {"load_recording", "add_section_time", "extract_features"}
    assert set(sectioned.features["on_off"]["on_off_index_reason"]) == {"stimulus_not_played"}
    assert any("section_spike_times was made from an older" in w for w in sectioned.warnings)


def test_an_edited_playlist_of_the_same_name_is_another(
    sectioned: PipelineSession, tmp_path: Path
) -> None:
    before = sectioned.values("stimulus/sections/movie").tolist()
    stimuli = tmp_path / "stimuli"
    shutil.copytree(sectioned.stimuli_dir, stimuli)
    (stimuli / "playlist.csv").write_text(f'playlist_name,movie_names\ntiny,"{before[::-1]}"\n')
    with pytest.raises(StimulusError, match="contradicts the playlist"):
        add_section_time(playlist_name="tiny", stimuli_dir=stimuli, session=sectioned)
    assert sectioned.values("stimulus/sections/movie").tolist() == before
    add_section_time(playlist_name="tiny", alignment="warn", session=sectioned)
    assert sectioned.values("stimulus/sections/movie").tolist() == before[::-1]
    # what was accepted with a warning is an error again when that is asked for
    with pytest.raises(StimulusError, match="contradicts the playlist"):
        add_section_time(playlist_name="tiny", session=sectioned)


def test_a_movie_that_changed_since_the_sections_is_refused(
    sectioned: PipelineSession, tmp_path: Path
) -> None:
    stimuli = tmp_path / "stimuli"
    shutil.copytree(sectioned.stimuli_dir, stimuli)
    np.save(stimuli / f"{NOISE}.npy", 255 - np.load(stimuli / f"{NOISE}.npy"))
    with pytest.raises(StimulusError, match="changed in the stimulus library"):
        compute_sta(stimuli_dir=stimuli, session=sectioned)


def test_a_changed_geometry_is_stored_anew_and_no_movie_counts_as_changed(
    sectioned: PipelineSession, tmp_path: Path
) -> None:
    stimuli = tmp_path / "stimuli"
    shutil.copytree(sectioned.stimuli_dir, stimuli)
    before = stored_geometry(sectioned.values, sectioned.paths())
    assert {grid.source for grid in before.movies} == {"default"}
    key = sectioned.contributions["add_section_time"].key
    (stimuli / "display.yaml").write_text(
        "{width_px: 600, height_px: 600, um_per_display_pixel: 2, flip_x: true,"
        f" movies: [{{pattern: {NOISE}, pitch_px: 40}}]}}"
    )
    add_section_time(playlist_name="tiny", stimuli_dir=stimuli, session=sectioned)
    after = stored_geometry(sectioned.values, sectioned.paths())
    # the middle of the middle pixel is that of the display; the next one lies to the left on the
    # retina, 40 display pixels of 2 um away
    assert after.to_retina_um(NOISE, [[7, 7], [8, 7]]).tolist() == [[0, 0], [-80, 0]]
    assert sectioned.contributions["add_section_time"].key != key
    library = StimulusLibrary(stimuli)
    assert after == library.geometry(library.playlist("tiny"))
    compute_sta(session=sectioned, cover_range=(-4, 0))
    assert f"sta/{NOISE}/sta" in sectioned


def test_a_pending_feature_that_fails_is_not_taken_for_done(loaded: PipelineSession) -> None:
    wrong = {"on_off": {"window_s": 9.0}}
    extract_features(features=["frif", "on_off"], parameters=wrong, session=loaded)
    with pytest.raises(ParameterError, match="window_s"):
        add_section_time(playlist_name="tiny", session=loaded)
    assert "because it failed" in loaded.pending["on_off"]
    assert loaded.completed_steps == {"load_recording", "add_section_time"}
    section_spike_times(session=loaded)  # other steps go on
    extract_features(features=["on_off"], session=loaded)
    assert loaded.pending == {}
    assert "extract_features" in loaded.completed_steps


def test_recordings_and_foreign_files_are_never_replaced(
    loaded: PipelineSession, files: dict[str, Path], tmp_path: Path
) -> None:
    copies = {name: tmp_path / path.name for name, path in files.items()}
    for name, path in files.items():
        shutil.copy(path, copies[name])
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = 1
    before = {path: path.read_bytes() for path in (*copies.values(), foreign)}
    for path in copies.values():
        with pytest.raises(ParameterError, match="name of a recording"):
            loaded.save(path)
        with pytest.raises(ParameterError, match="name of a recording"):
            load_recording(**copies, output_path=path, probe="off")
    with pytest.raises(FileExistsError, match="another kind"):
        loaded.save(foreign)
    assert {path: path.read_bytes() for path in before} == before


def test_trials_are_ranges_of_spikes(sectioned: PipelineSession) -> None:
    section_spike_times(pre_s=0.25, post_s=0.5, session=sectioned)
    start, stop = (sectioned.values(f"trials/{edge}_index") for edge in ("start", "stop"))
    trials = {name: sectioned.values(f"stimulus/trials/{name}") for name in ("start_s", "stop_s")}
    flat = sectioned.values("units/spike_times")
    for row, unit in enumerate(sectioned.units.index):
        times = sectioned.spike_times(unit)
        for trial, (t0, t1) in enumerate(zip(*trials.values(), strict=True)):
            expected = [t for t in times.tolist() if t0 - 0.25 <= t < t1 + 0.5]
            assert flat[start[row, trial] : stop[row, trial]].tolist() == expected


def test_sections_are_those_of_the_truth(
    sectioned: PipelineSession, tiny_dataset: SimulatedDataset
) -> None:
    with np.load(tiny_dataset.recordings["demo_retina_1"].truth_npz_path) as truth:
        np.testing.assert_array_equal(
            sectioned.values("stimulus/frame_times"), truth["frame_times_s"]
        )
        for column in ("movie", "start_frame", "end_frame", "content_start_frame"):
            np.testing.assert_array_equal(
                sectioned.values(f"stimulus/sections/{column}"), truth[f"section_{column}"]
            )
    r = sectioned.values("stimulus/alignment/r")
    assert (r > 0.99).all()
    assert (sectioned.values("stimulus/alignment/lag_frames") == 0).all()


def test_a_shifted_clock_is_found_by_the_photodiode(
    files: dict[str, Path], tiny_dataset: SimulatedDataset
) -> None:
    session = create_session(**files, stimuli_dir=tiny_dataset.stimuli_path)
    load_recording(session=session, probe="off", frame_clock={"drop_first": 6})
    with pytest.raises(StimulusError, match="lag of -2 frames"):
        add_section_time(playlist_name="tiny", session=session)
    add_section_time(playlist_name="tiny", alignment="warn", session=session)
    assert any("lag of -2 frames" in warning for warning in session.warnings)


def test_either_file_may_come_alone(files: dict[str, Path], tiny_dataset: SimulatedDataset) -> None:
    spikes = create_session(cmtr_path=files["cmtr_path"], stimuli_dir=tiny_dataset.stimuli_path)
    load_recording(session=spikes)
    assert len(spikes.units) == 12
    for step, values in (
        (add_section_time, {"playlist_name": "tiny"}),
        (extract_features, {"features": ["frif"]}),
        (extract_features, {"features": ["on_off"]}),
    ):
        with pytest.raises(MissingDataError, match="load it with cmcr_path="):
            step(session=spikes, **values)
    light = create_session(cmcr_path=files["cmcr_path"], stimuli_dir=tiny_dataset.stimuli_path)
    load_recording(session=light)
    add_section_time(playlist_name="tiny", session=light)
    for step, values in (
        (section_spike_times, {}),
        (compute_sta, {}),
        (extract_features, {"features": ["frif"]}),
    ):
        with pytest.raises(MissingDataError, match="load it with cmtr_path="):
            step(session=light, **values)


def test_a_measure_never_takes_the_place_of_a_column(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    clashing = ("NSpikes", "SpikeTimesIndex", "X_um", "Included", "Recording")
    names = dict(zip(MEASURES, clashing, strict=False))
    with h5py.File(pair.cmtr, "r+") as file:
        for name in ("Unit 1", "Unit 2", "Unit 10"):
            unit = file["Spike Sorter"][name]
            info = unit["Unit Info"][...]
            attributes = dict(unit["Unit Info"].attrs)
            info.dtype.names = tuple(names.get(name, name) for name in info.dtype.names)
            info["NSpikes"] = 77
            del unit["Unit Info"]
            unit.create_dataset("Unit Info", data=info).attrs.update(attributes)
    session = create_session(cmtr_path=pair.cmtr)
    load_recording(session=session, probe="off")
    assert session.units["n_spikes"].tolist() == [1, 0, 3]
    assert session.units["sorter_n_spikes"].tolist() == [77, 77, 77]
    assert session.values("units/spike_times_index").tolist() == [1, 1, 4]
    for name in ("spike_times_index", "x_um", "included", "recording"):
        assert f"units/sorter_{name}" in session
    assert not {"units/x_um", "units/included", "units/recording"} & set(session.paths("units/"))


def test_files_of_different_recordings_are_refused(tiny_dataset: SimulatedDataset) -> None:
    one, two = (tiny_dataset.recordings[f"demo_retina_{i}"] for i in (1, 2))
    session = create_session("mixed", cmcr_path=one.cmcr_path, cmtr_path=two.cmtr_path)
    with pytest.raises(RecordingFileError, match=r"not a pair.*demo_retina_2\.cmcr"):
        load_recording(session=session, probe="off")
    assert session.completed_steps == set()


def test_places_are_completed_and_not_contradicted(files: dict[str, Path], tmp_path: Path) -> None:
    session = create_session(cmtr_path=files["cmtr_path"])
    with pytest.raises(ParameterError, match="contradicts"):
        load_recording(cmtr_path=tmp_path / "other-.cmtr", session=session)
    load_recording(cmcr_path=str(files["cmcr_path"]), session=session, probe="off")
    assert "stimulus/frame_times" in session
    with pytest.raises(ParameterError, match="neither cmtr_path"):
        load_recording()
    with pytest.raises(FileNotFoundError, match=r"none-\.cmtr"):
        load_recording(cmtr_path=tmp_path / "none-.cmtr")
    assert list(tmp_path.iterdir()) == []


def test_the_library_comes_from_argument_session_or_environment(
    bases: dict[str, Path],
    files: dict[str, Path],
    tiny_dataset: SimulatedDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HDMEA_STIMULI", raising=False)
    session = create_session(**files)
    load_recording(session=session, probe="off")
    with pytest.raises(ParameterError, match="HDMEA_STIMULI"):
        add_section_time(playlist_name="tiny", session=session)
    monkeypatch.setenv("HDMEA_STIMULI", str(tiny_dataset.stimuli_path))
    add_section_time(playlist_name="tiny", session=session)
    assert session.content_digest == PipelineSession.load(bases["sectioned"]).content_digest


def test_session_and_file_exclude_each_other(loaded: PipelineSession, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"hdf5_path.*exclude each other.*session\.save"):
        extract_features(hdf5_path=tmp_path / "x.h5", features=["frif"], session=loaded)
    with pytest.raises(ParameterError, match="output_path"):
        extract_features(features=["frif"], session=loaded, output_path=tmp_path / "x.h5")
    with pytest.raises(ParameterError, match="needs hdf5_path="):
        extract_features(features=["frif"])
    with pytest.raises(ParameterError, match="given twice"):
        extract_features(tmp_path / "x.h5", hdf5_path=tmp_path / "x.h5")


def test_a_step_on_a_changed_file_is_refused(loaded: PipelineSession, tmp_path: Path) -> None:
    path = loaded.save(tmp_path / "a.h5")
    extract_features(hdf5_path=path, features=["frif"])
    with pytest.raises(StaleSessionError, match=r"PipelineSession\.load"):
        extract_features(features=["frif"], session=loaded)
    assert "features.frif" not in loaded.contributions


def test_two_noise_movies_in_one_session_have_an_sta_each(sectioned: PipelineSession) -> None:
    compute_sta(stimulus=NOISE, cover_range=(-4, 0), session=sectioned)
    compute_sta(stimulus="tiny_moving_bar_d8_1x", cover_range=(-6, 0), z=False, session=sectioned)
    unit = sectioned.units.index[0]
    assert sectioned.sta(unit, NOISE).shape == (4, 15, 15)
    assert sectioned.sta(unit, "tiny_moving_bar_d8_1x").shape == (6, 30, 30)
    assert sectioned.sta_z(unit).shape == (4, 15, 15)  # the only z there is


def test_a_movie_whose_images_are_correlated_has_an_sta_and_no_z(
    sectioned: PipelineSession,
) -> None:
    compute_sta(stimulus="tiny_moving_bar_d8_1x", cover_range=(-6, 0), session=sectioned)
    assert "images of tiny_moving_bar_d8_1x are correlated" in sectioned.warnings[-1]
    assert "sta/tiny_moving_bar_d8_1x/sta" in sectioned
    assert "sta/tiny_moving_bar_d8_1x/z" not in sectioned


HELP = {
    load_recording: {
        "cmcr_path": "str or Path, optional",
        "frame_clock": "dict with any of source, row, photodiode_row, height, drop_first, "
        "event_id, event_stream, csv, times_s, irregular, held_at_s, missed_at_s, "
        "display_delay_s, default {}",
        "electrode_pitch_um": "float or None, default None",
        "probe": "{'error', 'warn', 'off'}, default 'error'",
        "dataset_id": "str, optional",
    },
    add_section_time: {
        "hdf5_path": "str or Path, optional",
        "playlist_name": "str or None, default None",
        "repeats": "int, default 1",
        "stimuli_dir": "str or Path, optional",
    },
    section_spike_times: {"pre_s": "float, default 0.0"},
    adjust_p_values: {"method": "{'bh', 'by'}, default 'bh'"},
    extract_features: {
        "features": f"tuple of str, default {tuple(FEATURES)!r}",
        "parameters": "dict of str to dict of str to Any, default {}",
    },
    compute_sta: {
        "cover_range": "tuple of (int, int), default (-60, 0)",
        "stimulus": "str or None, default None",
        "z": "bool, default True",
        "session": "PipelineSession, optional",
        "output_path": "str or Path, optional",
    },
}


@pytest.mark.parametrize("step", HELP, ids=lambda step: step.__name__)
def test_help_tells_every_parameter(step: Any) -> None:
    listed = step.__doc__.partition("----------\n")[2].partition("\n\nReturns\n")[0]
    told = dict(re.findall(r"^(\w+) : (.+)\n    [A-Z].*", listed, re.MULTILINE))
    assert list(told) == list(inspect.signature(step).parameters)
    assert set(STEPS[step.__name__].parameters.model_fields) < set(told)
    assert {name: told[name] for name in HELP[step]} == HELP[step]


def test_the_examples_of_the_steps_run_as_they_stand(
    tiny_dataset: SimulatedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HDMEA_STIMULI", str(tiny_dataset.stimuli_path))
    # the names of a pair are in its files, so that "rec" is made anew
    simulate_recording(
        tmp_path, "rec", library=tiny_dataset.stimuli_path, playlist="tiny", n_cells=4, seed=2
    )
    names: dict[str, Any] = {name: getattr(pipeline, name) for name in pipeline.__all__}
    for name in STEPS:
        example = doctest.DocTestParser().get_doctest(names[name].__doc__, names, name, None, 0)
        assert example.examples
        failed, _ = doctest.DocTestRunner().run(example, clear_globs=False)
        assert failed == 0
        names = example.globs


def test_every_variable_has_words_a_unit_and_as_many_axes_as_it_says(
    sectioned: PipelineSession,
) -> None:
    extract_features(features=["frif", "on_off"], session=sectioned)
    section_spike_times(session=sectioned)
    compute_sta(cover_range=(-3, 0), session=sectioned)
    assert len(sectioned.paths()) > 90
    for path in sectioned.paths():
        variable = sectioned[path]
        assert variable.description, path
        assert len(variable.dims) == len(variable.data.shape), path
        assert bool(variable.unit) == (variable.data.dtype.kind != "U"), path
