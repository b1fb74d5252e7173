"""Two real direction-selective ganglion cells (Kühn and Gollisch), from files to STA.

The spikes and the frame clock are real, wrapped as a .cmcr/.cmtr pair; the stimulus is the step
of the texture at every frame, a movie of 1 x 2 pixels. The oracle is a loop over the spikes. What
is claimed of them in docs/truth.md is judged here, too, and can be denied.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from truth.claim import Sample
from truth.claims import real
from truth.real_cells import STEPS, UNITS, oracle, real_arrays, real_cells, wrapped

from faults.projects import Project
from hdmea.pipeline import PipelineSession, run_recording
from hdmea.stimulus.sections import PAD_FRAMES

ALSO: dict[str, Any] = {"extract_features": {"features": ["frif", "on_off"]}}


@pytest.fixture(scope="module")
def cells() -> dict[str, npt.NDArray[np.float64]]:
    return real_arrays()


@pytest.fixture(scope="module")
def lab(
    cells: dict[str, npt.NDArray[np.float64]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder as a lab has it: a pair, a stimulus library, a table."""
    trains = {unit: cells[name] for unit, name in UNITS.items()}
    return wrapped(tmp_path_factory.mktemp("real"), cells, trains)


def check(session: PipelineSession, cells: dict[str, npt.NDArray[np.float64]]) -> None:
    for unit, name in UNITS.items():
        expected, n_spikes = oracle(cells["frame_times_s"], cells["motion_steps"], cells[name])
        row = session.units.index.get_loc(unit)
        assert session.values("sta/jitter/n_spikes")[row] == n_spikes > 3000
        sta = session.sta(unit)
        assert sta.dtype == np.float32
        np.testing.assert_allclose(sta[:, 0, :], expected, rtol=0, atol=1e-7)
        z = session.sta_z(unit)
        assert np.abs(z).max() > 6
        # what comes before a spike tells, what comes long before does not
        assert np.abs(z[:8]).max() < 5


def test_the_library_finds_the_motion_filters(
    lab: Path, cells: dict[str, npt.NDArray[np.float64]], tmp_path: Path
) -> None:
    result = run_recording(
        {**STEPS, **ALSO},
        tmp_path / "salamander.h5",
        cmcr_path=lab / "salamander.cmcr",
        cmtr_path=lab / "salamander-.cmtr",
        stimuli_dir=lab / "stimuli",
    )
    session = PipelineSession.load(result.hdf5_path)
    check(session, cells)
    assert session.values("stimulus/clock/irregular/frame").tolist() == [PAD_FRAMES + 23633]
    # no light step was shown: not applicable, never a failure
    assert set(session.features["on_off"]["on_off_index_reason"]) == {"stimulus_not_played"}
    assert any("no stimulus of kind 'step'" in warning for warning in session.warnings)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_workflow_gives_the_same_in_both_modes(
    lab: Path, cells: dict[str, npt.NDArray[np.float64]], tmp_path: Path
) -> None:
    pair = (lab / "salamander.cmcr", lab / "salamander-.cmtr")
    steps: dict[str, Any] = {**STEPS, **ALSO, "add_section_time": None}
    project = Project(tmp_path, lab / "stimuli", {"salamander": pair}, steps, playlist="jitter")
    digests = {}
    for mode in ("deferred", "immediate"):
        project.configure(mode=mode, output_dir=mode)
        project.run()
        digests[mode] = project.digest(f"{mode}/salamander.h5")
        check(PipelineSession.load(tmp_path / mode / "salamander.h5"), cells)
    assert digests["deferred"] == digests["immediate"]


# -- what docs/truth.md claims of them -------------------------------------------------------------


@pytest.fixture(scope="module")
def sample() -> Sample:
    return real_cells(1)


def fails(sample: Sample) -> set[str]:
    return {m.what for m in real.CLAIM.judge({"real": sample}) if m.bounded and not m.holds}


def test_the_claim_holds_and_the_numbers_are_of_all_spikes(sample: Sample) -> None:
    assert fails(sample) == set()
    # what comes before the 24th frame, or after the last, is in no average
    assert (sample.found["minute_spikes"].sum(axis=1) == sample.found["n_spikes"]).all()
    whole = (
        real.motion_filter(sample, real.all_minutes(sample)) + sample.cells["mean_step"][:, None, :]
    )
    np.testing.assert_allclose(whole, sample.found["sta"], atol=1e-6)


@pytest.mark.parametrize(
    ("column", "wrong", "denied"),
    [
        ("sta", lambda x: np.roll(x, 1, axis=1), "STA, largest difference from the oracle"),
        ("n_spikes", lambda x: x - 1, "spikes averaged, difference"),
        ("p_shift", lambda x: np.add(x, [0, 0.02]), "larger p_shift"),
        ("included", lambda x: x * [1, 0], "included by the rules"),
        ("minute_sta", lambda x: x[::-1, ::-1].mean(axis=(0, 1)) + 0 * x,
         "splits in which halves tell the cells apart"),
        ("minute_sta", lambda x: np.random.default_rng(2).normal(x.mean(), 0.1, x.shape),
         "splits in which halves tell the cells apart"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_denied(column: str, wrong: Any, denied: str, sample: Sample) -> None:
    assert fails(sample.with_found(**{column: wrong(sample.found[column])})) == {denied}


def test_the_direction_of_a_filter_is_that_of_its_largest_weights() -> None:
    course = np.exp(-0.5 * ((np.arange(24) - 16) / 3) ** 2) - 0.3 * (np.arange(24) == 8)
    for angle in (0.0, 63.0, -150.0, 179.0):
        axis = [np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]
        assert real.apart_deg(real.direction_deg(course[:, None] * axis), angle) < 1e-9
    assert real.apart_deg(np.array([179.0, 10.0]), np.array([-179.0, 350.0])).tolist() == [2, 20]
