"""What is planted in a faulty recording is in its files, and nothing else is changed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest
from scipy.signal import find_peaks

from hdmea.errors import ParameterError
from hdmea.mcs import open_cmcr, probe_pair, read_cmtr
from hdmea.simulate import Faults, simulate_recording, wrap_recording, write_stimulus_library

INTERVAL = 20000 / 60
"""Samples between two images."""
LENGTHS = {"baseline_127": 180, "tiny_step_3x": 940}
STEP = 180 + 541
"""First image of the step in the playlist of both movies."""
STEP_ON = [STEP + 160 + 260 * trial for trial in range(3)]
STEP_OFF = [image + 100 for image in STEP_ON]


class Recorded(NamedTuple):
    cmcr: Path
    cmtr: Path
    rows: list[dict[str, str]]
    truth: dict[str, Any]

    @property
    def analog(self) -> np.ndarray:
        with h5py.File(self.cmcr) as file:
            return file["Acquisition/Analog Data/ChannelData 1"][...]

    @property
    def pulses(self) -> np.ndarray:
        """Samples of the pulses that a reader finds and keeps."""
        sync = self.analog[1]
        return find_peaks(np.diff(sync / np.percentile(sync, 99.9)), height=0.1)[0][4:]

    @property
    def images(self) -> np.ndarray:
        """Samples at which the images came."""
        return np.rint(self.truth["frame_times_s"] * 20000).astype(int)

    @property
    def trains(self) -> list[np.ndarray]:
        sorting = read_cmtr(self.cmtr)
        return np.split(sorting.spike_times_s, sorting.spike_times_index[:-1])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey and a light step: half a minute, so that many recordings are made soon."""
    folder = tmp_path_factory.mktemp("stimuli")
    write_stimulus_library(folder, "tiny")
    (folder / "baseline_127.json").write_text(
        '{"section_kwargs": {"start_frame": 0, "trial_length_frame": 180, "repeat": 1}}'
    )
    np.save(folder / "baseline_127.npy", np.full((180, 1, 1), 127, dtype=np.uint8))
    (folder / "playlist.csv").write_text(
        "playlist_name,movie_names\nboth,\"['baseline_127.mov', 'tiny_step_3x.mov']\"\n"
    )
    (folder / "movie_length.csv").write_text(
        "movie_name,movie_length\n"
        + "".join(f"{name},{length}\n" for name, length in LENGTHS.items())
    )
    return folder


def simulate(
    folder: Path, library: Path, faults: Faults | None = None, n_cells: int = 4, **changes: Any
) -> Recorded:
    if faults is not None:
        changes["faults"] = faults
    files = simulate_recording(
        folder, "rec", library=library, playlist="both", n_cells=n_cells, seed=5, **changes
    )
    with files.truth_csv_path.open() as file:
        rows = list(csv.DictReader(file))
    with np.load(files.truth_npz_path) as arrays:
        return Recorded(files.cmcr_path, files.cmtr_path, rows, dict(arrays))


@pytest.fixture(scope="module")
def sound(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return simulate(tmp_path_factory.mktemp("sound"), library)


def test_no_faults_are_the_default(library: Path, sound: Recorded, tmp_path: Path) -> None:
    again = simulate(tmp_path, library, Faults())
    assert again.cmcr.read_bytes() == sound.cmcr.read_bytes()
    assert again.cmtr.read_bytes() == sound.cmtr.read_bytes()
    assert sound.truth["has_pulse"].all()
    assert (sound.truth["n_intervals"] == 1).all()


def test_a_held_image_stays_for_two_intervals_and_pulses_once(
    library: Path, sound: Recorded, tmp_path: Path
) -> None:
    held = (500, STEP_ON[0] - 1, STEP_OFF[1] - 1)
    late = simulate(tmp_path, library, Faults(held_frames=held))
    np.testing.assert_array_equal(late.pulses, late.images)
    assert late.truth["n_intervals"].sum() == len(late.images) + 3
    assert len(late.images) == len(sound.images)
    expected = sound.images + INTERVAL * np.searchsorted(held, np.arange(len(late.images)))
    assert np.abs(late.images - expected).max() <= 1
    for key in ("section_start_frame", "section_end_frame", "luminance"):
        np.testing.assert_array_equal(late.truth[key], sound.truth[key])
    # The light of an image that is held lasts for both intervals, and not longer.
    photodiode = late.analog[0]
    settled = 100  # samples, ten time constants of the photodiode
    for image, shown, then in (
        (STEP_ON[0] - 1, 100_000, 5_100_000),
        (STEP_OFF[1] - 1, 5_100_000, 100_000),
    ):
        until = late.images[image] + round(2 * INTERVAL)
        light = photodiode[late.images[image] + settled : until - 2]
        assert np.abs(light - shown).max() < 10_000
        assert abs(photodiode[until + settled] - then) < 10_000


def test_cells_see_what_the_display_holds(library: Path, sound: Recorded, tmp_path: Path) -> None:
    # Half a second of held grey: the first light comes as much later, for the cells, too.
    held = tuple(range(STEP - 100, STEP - 70))
    late = simulate(tmp_path, library, Faults(held_frames=held))
    on, off = (late.truth["frame_times_s"][images] for images in (STEP_ON, STEP_OFF))
    np.testing.assert_allclose(on - sound.truth["frame_times_s"][STEP_ON], 0.5, atol=1e-4)
    for train, row in zip(late.trains, late.rows, strict=True):
        after_on, after_off = (
            sum(np.count_nonzero((train >= t) & (train < t + 0.5)) for t in times)
            for times in (on, off)
        )
        stronger, weaker = (
            (after_on, after_off) if row["polarity"] == "on" else (after_off, after_on)
        )
        assert stronger > 2 * weaker
    # Held light is seen for longer: light of 200 intervals instead of 100.
    bright = simulate(
        tmp_path / "bright", library, Faults(held_frames=tuple(range(STEP_ON[0], STEP_OFF[0])))
    )
    times = bright.truth["frame_times_s"]
    assert times[STEP_OFF[0]] - times[STEP_ON[0]] == pytest.approx(200 / 60, abs=1e-4)
    assert {row["polarity"] for row in bright.rows} == {"on", "off"}
    for train, row in zip(bright.trains, bright.rows, strict=True):
        if row["polarity"] == "off":
            assert (
                np.count_nonzero((train >= times[STEP_ON[0]] + 0.3) & (train < times[STEP_OFF[0]]))
                <= 1
            )
            assert (
                np.count_nonzero((train >= times[STEP_OFF[0]]) & (train < times[STEP_OFF[0]] + 0.5))
                > 5
            )


def test_a_missed_pulse_changes_nothing_but_the_pulse(
    library: Path, sound: Recorded, tmp_path: Path
) -> None:
    missed = (0, 650, 651)
    faulty = simulate(tmp_path, library, Faults(missed_pulses=missed))
    assert faulty.cmtr.read_bytes() == sound.cmtr.read_bytes()
    np.testing.assert_array_equal(faulty.images, sound.images)
    np.testing.assert_array_equal(faulty.pulses, np.delete(sound.images, missed))
    assert np.flatnonzero(~faulty.truth["has_pulse"]).tolist() == list(missed)
    (light, sync), (sound_light, sound_sync) = faulty.analog, sound.analog
    np.testing.assert_array_equal(light, sound_light)
    changed = np.flatnonzero(sync != sound_sync)
    pulse = np.arange(1, 21)  # a millisecond
    np.testing.assert_array_equal(changed, (sound.images[list(missed)][:, None] + pulse).ravel())


def test_a_recording_stopped_early_is_the_beginning_of_the_whole(
    library: Path, sound: Recorded, tmp_path: Path
) -> None:
    stop = sound.truth["frame_times_s"][STEP_ON[1]] + 0.1234
    cut = simulate(tmp_path, library, Faults(stop_after_s=stop))
    n_samples = round(stop * 20000)
    np.testing.assert_array_equal(cut.analog, sound.analog[:, :n_samples])
    for train, whole in zip(cut.trains, sound.trains, strict=True):
        np.testing.assert_array_equal(train, whole[whole < n_samples / 20000])
    np.testing.assert_array_equal(cut.images, sound.images[sound.images < n_samples])
    np.testing.assert_array_equal(cut.pulses, cut.images)
    np.testing.assert_array_equal(cut.truth["section_end_frame"], sound.truth["section_end_frame"])
    with open_cmcr(cut.cmcr) as raw, open_cmcr(sound.cmcr) as whole_raw:
        assert raw.info.duration_s == n_samples / 20000
        times = whole_raw.digital_events.time_s
        np.testing.assert_array_equal(raw.digital_events.time_s, times[times < stop])
        assert 0 < len(raw.digital_events.time_s) < len(times)


@pytest.mark.parametrize("frames", [75, -180])
def test_a_late_playlist_comes_so_many_images_later(
    library: Path, sound: Recorded, tmp_path: Path, frames: int
) -> None:
    late = simulate(tmp_path, library, Faults(start_frame=frames))
    for edge in ("start", "end", "content_start"):
        key = f"section_{edge}_frame"
        np.testing.assert_array_equal(late.truth[key], sound.truth[key] + frames)
    assert len(late.images) == len(sound.images) + frames
    np.testing.assert_array_equal(late.pulses, late.images)
    both = min(len(late.images), len(sound.images))
    np.testing.assert_array_equal(late.images[:both], sound.images[:both])
    light = np.flatnonzero(np.diff(late.truth["luminance"]) == 1) + 1
    np.testing.assert_array_equal(light, np.array(STEP_ON) + frames)


def test_the_first_pass_may_begin_with_another_movie(library: Path, tmp_path: Path) -> None:
    recorded = simulate(tmp_path, library, Faults(first_movie=1), repeats=2)
    assert recorded.truth["section_movie"].tolist() == [
        "tiny_step_3x", "baseline_127", "tiny_step_3x",
    ]  # fmt: skip
    steps = 180 + np.array([0, 940 + 361 + 180 + 361])
    np.testing.assert_array_equal(recorded.truth["section_content_start_frame"][[0, 2]], steps)
    light = np.flatnonzero(np.diff(recorded.truth["luminance"]) == 1) + 1
    np.testing.assert_array_equal(light, (steps[:, None] + 160 + 260 * np.arange(3)).ravel())


@pytest.mark.parametrize("delay_s", [0.03, -0.02])
def test_the_photodiode_can_lag_and_lead_the_pulses(
    library: Path, sound: Recorded, tmp_path: Path, delay_s: float
) -> None:
    faulty = simulate(tmp_path, library, Faults(photodiode_delay_s=delay_s))
    (light, sync), (_, sound_sync) = faulty.analog, sound.analog
    np.testing.assert_array_equal(sync, sound_sync)
    assert faulty.cmtr.read_bytes() == sound.cmtr.read_bytes()
    for image in STEP_ON:
        onset = sound.images[image] + round(delay_s * 20000)
        assert light[onset] < 110_000
        assert light[onset + 30] > 4_500_000


def test_a_dark_photodiode_has_only_noise(library: Path, sound: Recorded, tmp_path: Path) -> None:
    faulty = simulate(tmp_path, library, Faults(photodiode=False))
    (light, sync), (_, sound_sync) = faulty.analog, sound.analog
    np.testing.assert_array_equal(sync, sound_sync)
    assert np.abs(light - 100_000).max() < 10_000
    assert 900 < light.std() < 1100


def test_empty_units_lie_among_the_others(library: Path, sound: Recorded, tmp_path: Path) -> None:
    recorded = simulate(tmp_path, library, Faults(empty_units=3))
    sorting = read_cmtr(recorded.cmtr)
    counts = np.diff(sorting.spike_times_index, prepend=0)
    assert (counts == 0).sum() == 3
    assert sorting.unit_id.tolist() == [int(row["unit_id"]) for row in recorded.rows]
    assert counts.tolist() == [int(row["n_spikes"]) for row in recorded.rows]
    assert (sorting.n_rejected_peaks[counts == 0] > 0).all()
    assert {row["gain_hz"] for row in recorded.rows if row["n_spikes"] == "0"} == {"0.0"}
    lively = [train for train in recorded.trains if len(train)]
    for train, whole in zip(lively, sound.trains, strict=True):
        np.testing.assert_array_equal(train, whole)


@pytest.mark.parametrize("n_cells", [0, 1])
def test_no_unit_and_one_unit_can_be_recorded(library: Path, tmp_path: Path, n_cells: int) -> None:
    recorded = simulate(tmp_path, library, n_cells=n_cells)
    assert read_cmtr(recorded.cmtr).unit_id.shape == (n_cells,)
    assert len(recorded.rows) == n_cells
    header = recorded.cmtr.with_name("rec.truth.csv").read_text().splitlines()[0].split(",")
    assert header[:3] == ["unit_id", "row", "column"]
    assert header[-3:] == ["direction_selective", "n_spikes", "n_rejected"]
    assert recorded.truth["temporal_filters"].shape == (n_cells, 40)
    assert recorded.truth["spike_times_index"].shape == (n_cells,)
    assert probe_pair(recorded.cmcr, recorded.cmtr).n_units == n_cells


def test_a_frame_clock_can_be_wrapped_without_units(tmp_path: Path) -> None:
    _, cmtr = wrap_recording(tmp_path, "w", spike_trains={}, frame_times_s=np.arange(30) / 60)
    sorting = read_cmtr(cmtr)
    assert sorting.unit_id.size == sorting.spike_times_s.size == 0


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"stop_after_s": 0.0}, "stop_after_s must be above 0"),
        ({"stop_after_s": float("nan")}, "stop_after_s must be above 0, got nan"),
        ({"stop_after_s": 1e4}, "would last 32.7667 s"),
        (
            {"held_frames": (3, 3)},
            r"held_frames \(3, 3\): frames must count from 0, each be there once",
        ),
        ({"missed_pulses": (-1,)}, r"missed_pulses \(-1,\)"),
        ({"held_frames": (10**6,)}, r"held_frames names \[1000000\].* must be 0 to 1841"),
        ({"start_frame": -181}, "-180 or more, got -181"),
        ({"first_movie": 2}, r"first_movie is 2, but the playlist has 2 movies: it must be 0 to 1"),
        ({"first_movie": -1}, "first_movie must be 0 or more"),
        ({"empty_units": -1}, "empty_units must be 0 or more"),
        ({"photodiode_delay_s": float("inf")}, "must be finite, got inf"),
    ],
)
def test_faults_that_cannot_be_are_refused(
    library: Path, tmp_path: Path, fault: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        simulate(tmp_path, library, Faults(**fault))
    assert list(tmp_path.iterdir()) == []
