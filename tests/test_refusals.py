"""Calls that cannot be meant are refused, with words that say what could be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hdmea.arrays import Variable
from hdmea.batch import read_config
from hdmea.contribution import Contribution, Recipe
from hdmea.errors import (
    FileMissingError,
    HdmeaError,
    MissingDataError,
    ParameterError,
    RecordingFileError,
    SessionFileError,
    StimulusError,
    UnknownNameError,
)
from hdmea.features.frif import FrifParams, frif
from hdmea.features.inputs import FeatureInputs
from hdmea.features.on_off import OnOffParams, on_off
from hdmea.kernels.circular_shifts import autocorrelation
from hdmea.kernels.spikes import SpikeTrains
from hdmea.mcs.tree import require_own
from hdmea.pipeline import (
    PipelineSession,
    create_session,
    extract_features,
    load_recording,
    run_recording,
)
from hdmea.session.ledger import Ledger
from hdmea.simulate.display import display_trace
from hdmea.steps.registry import get_step
from hdmea.stimulus.folder import LibraryFolder
from hdmea.store.opening import current_digest
from hdmea.store.reader import SessionFile
from hdmea.store.writer import write_session_file

TRAINS = SpikeTrains(np.array([0.1, 0.5, 0.2]), np.array([2, 3]))
CALLS: dict[str, tuple[Callable[[], object], type[HdmeaError], str]] = {
    "an index that ends elsewhere": (
        lambda: SpikeTrains(np.array([0.1]), np.array([2])),
        ParameterError,
        r"must end at the number of spikes \(1\); it ends at 2",
    ),
    "a train that goes back": (
        lambda: SpikeTrains(np.array([0.1, 0.5, 0.3]), np.array([1, 3])),
        ParameterError,
        "train in row 1 must be sorted",
    ),
    "a window that ends before it starts": (
        lambda: TRAINS.count_in_windows([1.0], [0.5]),
        ParameterError,
        "none after its stop",
    ),
    "bins that go back": (
        lambda: TRAINS.count_in_bins([0.0, 2.0, 1.0]),
        ParameterError,
        "edges must be one-dimensional and must not decrease",
    ),
    "a movie without frames": (
        lambda: autocorrelation(np.zeros((0, 3)), 2),
        ParameterError,
        "at least one frame and one pixel",
    ),
    "no frame clock": (
        lambda: frif(FeatureInputs(TRAINS, None), FrifParams()),
        MissingDataError,
        "frif needs the frame clock, which comes with the .cmcr",
    ),
    "no trials": (
        lambda: on_off(FeatureInputs(TRAINS, None), OnOffParams()),
        MissingDataError,
        "on_off needs trials; add_section_time brings them",
    ),
    "a display without luminance": (
        lambda: display_trace(
            np.array([1, 2]), np.zeros(1), n_samples=9, sampling_rate_hz=2e4, seed=0
        ),
        ParameterError,
        "one luminance per frame",
    ),
    "no parts": (
        lambda: PipelineSession.from_parts([]),
        ParameterError,
        "no parts are given; name at least the part of load_recording",
    ),
    "a place that no session has": (
        lambda: PipelineSession("rec").set_places(movie="x"),
        ParameterError,
        "'movie' is no place of a session; known: cmcr_path",
    ),
    "an empty path": (
        lambda: PipelineSession("rec").set_places(cmtr_path=""),
        ParameterError,
        "cmtr_path is empty; give a path, or leave it out",
    ),
    "a step that does not exist": (
        lambda: get_step("sort"),
        UnknownNameError,
        "no step 'sort'; known: load_recording, ",
    ),
    "arguments by position": (
        lambda: extract_features("a.h5", ["frif"]),
        ParameterError,
        "extract_features takes .*by position; name the others",
    ),
    "no files": (
        lambda: load_recording(session=create_session("rec")),
        MissingDataError,
        "'rec' has no files; give cmcr_path=, cmtr_path= or both",
    ),
    "a checkpoint after a step that is not run": (
        lambda: run_recording(
            {"load_recording": {}}, "a.h5", cmcr_path="a.cmcr", checkpoints={"compute_sta": "b.h5"}
        ),
        ParameterError,
        "after compute_sta, but must be after steps that run: load_recording",
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_what_cannot_be_meant_is_refused_in_words(call: str) -> None:
    made, kind, words = CALLS[call]
    with pytest.raises(kind, match=words):
        made()


def _brought(name: str, *dims: str) -> Contribution:
    recipe = Recipe(name, "toy", 1, {}, {}, {})
    return Contribution(recipe, {"toy/a": Variable(np.zeros(3), "1", dims, "a toy")})


def test_variables_that_cannot_be_stored_as_they_are_told_are_refused(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.add(_brought("one", "unit"))
    with pytest.raises(ParameterError, match="both 'one' and 'two' bring 'toy/a'; name one"):
        ledger.add(_brought("two", "unit"))
    with pytest.raises(ParameterError, match=r"1 axes of shape .*: one name per axis is needed"):
        write_session_file(tmp_path / "a.h5", [_brought("one", "unit", "bin")], {}, kind="part")
    assert list(tmp_path.iterdir()) == []


def test_a_session_file_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = PipelineSession("rec").save(tmp_path / "rec.h5")

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("hdmea.store.opening.opened", denied)
    with pytest.raises(SessionFileError, match=r"rec\.h5 may not be read: Permission denied\. Ask"):
        SessionFile(path)


def test_what_leads_out_of_a_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = h5py.VirtualLayout((3,), float)
    layout[:] = h5py.VirtualSource("b.h5", "x", (3,))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["in/side"] = h5py.ExternalLink("b.h5", "/x")
        with pytest.raises(RecordingFileError, match=r"a\.h5: /in/side is a link to another file"):
            require_own(file)
        require_own(file, but_for=["/in/side"])
        file.create_virtual_dataset("in/elsewhere", layout)
        with pytest.raises(RecordingFileError, match="/in/elsewhere keeps its data in other files"):
            require_own(file, but_for=["/in/side"])
        del file["in/elsewhere"]
        monkeypatch.setattr("hdmea.mcs.tree.MAX_DEPTH", 0)
        with pytest.raises(RecordingFileError, match="/in is too deep, or one group too many"):
            require_own(file)


def test_settings_that_stand_for_each_other_without_end_are_refused() -> None:
    endless: dict[str, Any] = {}
    endless["steps"] = endless
    with pytest.raises(ParameterError, match="configuration cannot be used: "):
        read_config(endless)


def test_a_library_that_the_system_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(StimulusError, match=r"xxx cannot be read: File name too long\. Make sure"):
        LibraryFolder(tmp_path / ("x" * 300))


def _changed(path: Path, **attributes: Any) -> Path:
    with h5py.File(path, "r+") as file:
        file.attrs.update(attributes)
    return path


def test_a_session_file_of_another_version_or_kind_is_refused(tmp_path: Path) -> None:
    path = PipelineSession("rec").save(tmp_path / "rec.h5")
    with pytest.raises(
        SessionFileError, match=r"has format version 99; this hdmea reads version \d"
    ):
        SessionFile(_changed(path, format_version=99))
    with pytest.raises(SessionFileError, match="is not a session file of hdmea; give one"):
        current_digest(_changed(path, manifest_digest=7))
    with pytest.raises(FileMissingError, match=r"session file not found: .*; correct the path"):
        current_digest(tmp_path / "none.h5")
