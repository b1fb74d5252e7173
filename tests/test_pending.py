"""Features that wait: for sections, for the STA, for each other; in every way of working."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from hdmea.batch import parts_of, read_config
from hdmea.batch.plan import parts_until
from hdmea.errors import MissingDataError, ParameterError, UnknownNameError
from hdmea.features.declaration import Feature, FeatureResult, Output, reasons_where
from hdmea.features.inputs import FeatureInputs
from hdmea.features.registry import FEATURES, in_order
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    assemble,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    run_part,
    run_recording,
)
from hdmea.steps.extract_features import ExtractFeaturesParameters

NOISE = "perfect_dense_noise_15x15_15hz_r42_24s"
BARS = "tiny_moving_bar_d8_1x"
ASKED = ["twice", "frif", "peak", "on_off"]
WAITING = {"peak": "compute_sta", "twice": "features.peak", "on_off": "add_section_time"}


class Nothing(BaseModel, extra="forbid"):
    """No parameters."""


def peak(inputs: FeatureInputs, _: Nothing) -> FeatureResult:
    """Largest z score of each unit, over all movies."""
    largest = np.stack(
        [
            [np.abs(sta.z[row]).max() for row in range(inputs.spikes.n_units)]
            for sta in inputs.stas.values()
            if sta.z is not None
        ]
    ).max(axis=0)
    largest = largest.astype(np.float64)
    return FeatureResult(
        {"peak": largest}, {"peak": reasons_where({"no_spikes": np.isnan(largest)})}
    )


def twice(inputs: FeatureInputs, _: Nothing) -> FeatureResult:
    """Double of `peak`."""
    one = inputs.features["peak"]
    return FeatureResult({"twice": 2 * one["peak"]}, {"twice": one["peak_reason"]})


def feature(name: str, needs: set[str], compute: Callable[..., Any] = peak) -> Feature:
    column = Output(name, "1", "for tests", reasons=("no_spikes",))
    return Feature(
        name, 1, Nothing, frozenset({"spikes"} | needs), None, (column,), compute, "For tests."
    )


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEATURES, "twice", feature("twice", {"features.peak"}, twice))
    monkeypatch.setitem(FEATURES, "peak", feature("peak", {"sta"}))


@pytest.fixture(scope="module")
def loaded_file(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = create_session(**places, output_dir=tmp_path_factory.mktemp("out"))
    load_recording(session=session, probe="off")
    return session.checkpoint(tmp_path_factory.mktemp("pending") / "loaded.h5")


@pytest.fixture
def session(loaded_file: Path) -> PipelineSession:
    return PipelineSession.load(loaded_file)


def largest_z(session: PipelineSession) -> list[float]:
    return [float(np.abs(session.sta_z(unit, NOISE)).max()) for unit in session.units.index]


def rest_of_the_steps(session: PipelineSession) -> None:
    add_section_time(playlist_name="tiny", session=session)
    compute_sta(cover_range=(-10, 0), session=session)


@pytest.fixture(scope="module")
def straight(loaded_file: Path) -> Callable[[], PipelineSession]:
    @cache
    def made() -> PipelineSession:
        """The session in the order in which nothing ever waits."""
        session = PipelineSession.load(loaded_file)
        rest_of_the_steps(session)
        for name in ("frif", "on_off", "peak", "twice"):
            extract_features(features=[name], session=session)
            assert not session.pending
        return session

    return made


def test_in_memory_each_is_computed_when_what_it_needs_arrives(
    session: PipelineSession, straight: Callable[[], PipelineSession], tmp_path: Path
) -> None:
    session = extract_features(features=ASKED, session=session)
    assert session.pending == WAITING
    assert session.completed_steps == {"load_recording"}
    again = PipelineSession.load(session.checkpoint(tmp_path / "waiting.h5"))
    assert again.pending == WAITING
    for one in (session, again):
        add_section_time(playlist_name="tiny", session=one)
        assert one.pending == {name: WAITING[name] for name in ("peak", "twice")}
        assert "on_off" in one.features
        assert "extract_features" not in one.completed_steps
        compute_sta(cover_range=(-10, 0), session=one)
        assert one.pending == {}
        assert "extract_features" in one.completed_steps
        assert one.content_digest == straight().content_digest
    assert session.features["peak"]["peak"].tolist() == largest_z(session)
    assert session.features["twice"]["twice"].tolist() == [2 * z for z in largest_z(session)]


def test_in_files_each_is_computed_when_what_it_needs_arrives(
    loaded_file: Path, straight: Callable[[], PipelineSession], tmp_path: Path
) -> None:
    path = tmp_path / "rec.h5"
    result = extract_features(loaded_file, features=ASKED, output_path=path)
    assert result.pending == WAITING
    assert result.completed_steps == {"load_recording"}
    assert add_section_time(path, playlist_name="tiny").pending.keys() == {"peak", "twice"}
    result = compute_sta(path, cover_range=(-10, 0))
    assert result.pending == {}
    assert "extract_features" in result.completed_steps
    assert result.content_digest == straight().content_digest


def test_in_one_run_and_in_parts(
    places: dict[str, Path], straight: Callable[[], PipelineSession], tmp_path: Path
) -> None:
    steps: dict[str, Any] = {
        "load_recording": {"probe": "off"},
        "extract_features": {"features": ASKED},
        "add_section_time": {"playlist_name": "tiny"},
        "compute_sta": {"cover_range": (-10, 0)},
    }
    expected = straight().content_digest
    whole = run_recording(steps, tmp_path / "a.h5", work_dir=tmp_path / "work", **places)
    assert whole.content_digest == expected
    without = {name: values for name, values in steps.items() if name != "compute_sta"}
    with pytest.raises(MissingDataError, match=r"peak waits for compute_sta; .*features\.peak"):
        run_recording(without, tmp_path / "b.h5", **places)

    made = steps | {"extract_features": {"features": ["frif"]}}
    config = read_config(
        {"recordings": "r", "stimuli": "s", "steps": {**made, "add_section_time": {}}}
    )
    asked = ExtractFeaturesParameters(features=ASKED)
    chosen = config.steps.model_copy(update={"extract_features": asked})
    config = config.model_copy(update={"steps": chosen})
    parts = parts_of(config)
    sections = ("load_recording", "sections")
    assert {name: part.needs for name, part in parts.items() if "features" in name} == {
        "features.twice": (*sections, "sta", "features.peak"),
        "features.frif": ("load_recording",),
        "features.peak": (*sections, "sta"),
        "features.on_off": sections,
    }
    assert "features.peak" not in parts_until(config, "extract_features")
    assert parts_until(config, "compute_sta") == tuple(parts)
    files: dict[str, Path] = {}
    of_table = {"add_section_time": {"playlist_name": "tiny"}}
    for name, part in parts.items():
        files[name] = run_part(
            part.step,
            {**part.values, **of_table.get(part.step, {})},
            tmp_path / f"{name}.h5",
            parts=[files[need] for need in part.needs],
            **(places if name == "load_recording" else {}),
        )
    assert assemble(files.values(), tmp_path / "c.h5").content_digest == expected


def playlist_of(places: dict[str, Path], folder: Path, *movies: str) -> Path:
    """A copy of the library with a playlist ``other``."""
    stimuli = folder / "stimuli"
    shutil.copytree(places["stimuli_dir"], stimuli)
    (stimuli / "playlist.csv").write_text(f'playlist_name,movie_names\nother,"{list(movies)}"\n')
    return stimuli


def test_another_sta_redoes_what_was_made_from_the_first(
    session: PipelineSession, places: dict[str, Path], tmp_path: Path
) -> None:
    extract_features(features=["twice", "peak"], session=session)
    rest_of_the_steps(session)
    before = session.features["twice"]["twice"].tolist()
    compute_sta(cover_range=(-2, 0), session=session)
    assert session.pending == {}
    assert session.features["peak"]["peak"].tolist() == largest_z(session)
    assert session.features["twice"]["twice"].tolist() != before
    assert any("features.twice was made from an older" in warning for warning in session.warnings)
    # what the STA was made from is gone, so that all of it waits again
    other = playlist_of(places, tmp_path, NOISE, BARS)
    add_section_time(playlist_name="other", alignment="warn", stimuli_dir=other, session=session)
    assert session.pending == {"peak": "compute_sta", "twice": "features.peak"}


def test_the_sta_of_another_movie_counts_whenever_it_comes(session: PipelineSession) -> None:
    add_section_time(playlist_name="tiny", session=session)
    compute_sta(stimulus=NOISE, cover_range=(-4, 0), session=session)
    extract_features(features=["peak", "twice"], session=session)
    with_one = session.content_digest
    compute_sta(stimulus=BARS, cover_range=(-4, 0), session=session)
    assert any("made before the STA of another movie" in warning for warning in session.warnings)
    assert session.pending == {}
    assert session.content_digest != with_one
    parents = session.contributions["features.peak"].recipe.parents
    assert {f"sta.{NOISE}", f"sta.{BARS}"} < set(parents)
    digest = session.content_digest
    extract_features(features=["peak", "twice"], session=session)
    assert session.content_digest == digest


def test_without_noise_it_is_not_applicable(
    session: PipelineSession, places: dict[str, Path], tmp_path: Path
) -> None:
    stimuli = playlist_of(places, tmp_path, BARS)
    extract_features(features=["peak", "twice"], session=session)
    add_section_time(playlist_name="other", alignment="warn", stimuli_dir=stimuli, session=session)
    compute_sta(session=session)
    assert session.pending == {}
    assert set(session.features["peak"]["peak_reason"]) == {"stimulus_not_played"}
    assert set(session.features["twice"]["twice_reason"]) == {"stimulus_not_played"}


def test_what_no_step_can_bring_is_an_error_at_once(places: dict[str, Path]) -> None:
    session = create_session(cmtr_path=places["cmtr_path"])
    load_recording(session=session, probe="off")
    for name in ("peak", "twice"):
        with pytest.raises(MissingDataError, match="feature peak needs the frame clock"):
            extract_features(features=[name], session=session)
    assert session.pending == {}


def test_who_waits_for_one_that_failed_waits_on(
    session: PipelineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> FeatureResult:
        raise ParameterError("the z scores are odd")

    monkeypatch.setitem(FEATURES, "peak", feature("peak", {"sta"}, fails))
    extract_features(features=["peak", "twice"], session=session)
    add_section_time(playlist_name="tiny", session=session)
    with pytest.raises(ParameterError, match="z scores are odd"):
        compute_sta(cover_range=(-4, 0), session=session)
    assert "because it failed" in session.pending["peak"]
    assert session.pending["twice"] == "features.peak"
    monkeypatch.setitem(FEATURES, "peak", feature("peak", {"sta"}))
    extract_features(features=["peak"], session=session)
    assert session.pending == {}
    assert "twice" in session.features


def test_a_circle_and_unknown_needs_are_named(
    session: PipelineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_order(["twice", "frif", "peak"]) == ["peak", "twice", "frif"]
    monkeypatch.setitem(FEATURES, "peak", feature("peak", {"features.twice"}))
    with pytest.raises(ParameterError, match="in a circle: twice -> peak -> twice"):
        extract_features(features=["twice"], session=session)
    monkeypatch.setitem(FEATURES, "peak", feature("peak", {"features.nose"}))
    with pytest.raises(UnknownNameError, match=r"'nose' is not known; known: frif"):
        extract_features(features=["twice"], session=session)
    assert session.pending == {}
    with pytest.raises(ParameterError, match=r"needs moon; known are spikes, .*sta, movies"):
        feature("peak", {"moon"})


def test_the_features_that_come_with_the_library_are_made_from_what_they_always_were(
    straight: Callable[[], PipelineSession],
) -> None:
    made = straight().contributions
    assert list(made["features.frif"].recipe.parents) == ["load_recording"]
    assert list(made["features.on_off"].recipe.parents) == ["add_section_time", "load_recording"]


def brightest_image(inputs: FeatureInputs, _: Nothing) -> FeatureResult:
    """When the brightest image of the bar movie was first shown, and where its light lay."""
    movie, geometry = inputs.movies[BARS], inputs.geometry
    assert movie.frames is not None
    assert geometry is not None
    assert inputs.frame_times_s is not None
    images = movie.frames()
    assert images.shape[0] == movie.stop_frame[0]
    image = int(images.mean(axis=(1, 2)).argmax())
    time_s = inputs.frame_times_s[movie.begin_frame[0] + image]
    assert geometry.between(BARS, NOISE, [0, 0]).tolist() == [-0.25, -0.25]
    return FeatureResult({"brightest": np.full(inputs.spikes.n_units, time_s)})


def test_a_feature_sees_the_movies_that_were_shown(
    session: PipelineSession, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = {"movies", "frame_clock"}
    monkeypatch.setitem(FEATURES, "brightest", feature("brightest", needs, brightest_image))
    extract_features(features=["brightest"], session=session)
    assert session.pending == {"brightest": "add_section_time"}
    add_section_time(playlist_name="tiny", session=session)
    assert session.pending == {}
    shown = np.load(places["stimuli_dir"] / f"{BARS}.npy")
    row = session.values("stimulus/sections/movie").tolist().index(BARS)
    begin = session.values("stimulus/sections/content_start_frame")[row]
    image = shown.reshape(len(shown), -1).sum(axis=1, dtype=np.int64).argmax()
    expected = session.values("stimulus/frame_times")[begin + image]
    assert set(session.features["brightest"]["brightest"]) == {expected}
    parents = session.contributions["features.brightest"].recipe.parents
    assert set(parents) == {"load_recording", "add_section_time"}
