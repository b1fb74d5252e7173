"""Two real direction-selective ganglion cells (Kühn and Gollisch), from files to STA.

The spikes and the frame clock are real, wrapped as a .cmcr/.cmtr pair; the stimulus is the step
of the texture at every frame, a movie of 1 x 2 pixels. The oracle is a loop over the spikes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from workflow_project import Project

from hdmea.pipeline import PipelineSession, run_recording
from hdmea.simulate import wrap_recording
from hdmea.stimulus.sections import PAD_FRAMES

CELLS = Path(__file__).parents[2] / "shared" / "real" / "ds-cells" / "ds_cells.npz"
UNITS = {807: "spike_times_s_C807", 1803: "spike_times_s_C1803"}
LAGS = 24
DROPPED = 4
STEPS: dict[str, Any] = {
    # one interval of the real clock is longer than 1.5 medians: the display held a frame
    "load_recording": {"frame_clock": {"photodiode_row": None, "irregular": "held"}},
    "add_section_time": {"playlist_name": "jitter"},
    "section_spike_times": {},
    "extract_features": {"features": ["frif", "on_off"]},
    "compute_sta": {"cover_range": (-LAGS, 0)},
}

pytestmark = pytest.mark.skipif(
    not CELLS.exists(), reason=f"the real cells are not here: {CELLS.name} beside the checkout"
)


@pytest.fixture(scope="module")
def cells() -> dict[str, npt.NDArray[np.float64]]:
    with np.load(CELLS) as arrays:
        return {name: arrays[name] for name in arrays}


@pytest.fixture(scope="module")
def lab(
    cells: dict[str, npt.NDArray[np.float64]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder as a lab has it: a pair, a stimulus library, a table."""
    folder = tmp_path_factory.mktemp("real")
    clock = cells["frame_times_s"]
    interval = round(float(np.median(np.diff(clock))), 4)
    before, after = DROPPED + PAD_FRAMES, PAD_FRAMES
    # all times are whole tenths of a millisecond, and stay so
    shift = round((before + 1) * interval - clock[0] + 0.5, 4)
    clock = np.r_[
        clock[0] - interval * np.arange(before, 0, -1),
        clock,
        clock[-1] + interval * np.arange(1, after + 1),
    ]
    wrap_recording(
        folder,
        "salamander",
        spike_trains={unit: cells[name] + shift for unit, name in UNITS.items()},
        frame_times_s=clock + shift,
    )
    stimuli = folder / "stimuli"
    stimuli.mkdir()
    steps = cells["motion_steps"]
    np.save(stimuli / "jitter.npy", steps[:, None, :])
    (stimuli / "jitter.yaml").write_text(
        "kind: noise\n"
        f"section_kwargs: {{start_frame: 0, trial_length_frame: {len(steps)}, repeat: 1}}\n"
    )
    (stimuli / "playlist.csv").write_text("playlist_name,movie_names\njitter,\"['jitter.npy']\"\n")
    (stimuli / "movie_length.csv").write_text(f"movie_name,movie_length\njitter,{len(steps)}\n")
    return folder


def oracle(
    frames: npt.NDArray[np.float64], steps: npt.NDArray[np.float64], spikes: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], int]:
    """Mean of the steps before each spike, and how many spikes there were.

    Several spikes fall on a frame's very onset; they belong to that frame, so times are compared
    as whole tenths of a millisecond.
    """
    windows = []
    onsets = np.rint(frames * 1e4).astype(int)
    end = onsets[-1] + np.median(np.diff(onsets))
    for spike in np.rint(spikes * 1e4).astype(int):
        frame = int(np.searchsorted(onsets, spike, side="right")) - 1
        if frame >= LAGS and spike < end:
            windows.append(steps[frame - LAGS : frame])
    return np.mean(windows, axis=0), len(windows)


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
        STEPS,
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
    steps: dict[str, Any] = {**STEPS, "add_section_time": None}
    project = Project(tmp_path, lab / "stimuli", {"salamander": pair}, steps, playlist="jitter")
    digests = {}
    for mode in ("deferred", "immediate"):
        project.configure(mode=mode, output_dir=mode)
        project.run()
        digests[mode] = project.digest(f"{mode}/salamander.h5")
        check(PipelineSession.load(tmp_path / mode / "salamander.h5"), cells)
    assert digests["deferred"] == digests["immediate"]
