"""Frame clock and photodiode of written recordings: every source, and what may be wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import yaml
from mcs_recordings import sensor_trace

from hdmea.errors import FileMissingError, HdmeaError, ParameterError, StimulusError
from hdmea.pipeline import PipelineSession, create_session, load_recording
from hdmea.simulate.display import display_trace
from hdmea.simulate.mcs_files import DigitalEvents, write_cmcr, write_cmtr

RATE_HZ = 10_000
FRAME = RATE_HZ / 60
N_FRAMES = 720
LEAD = 5000


def noise_15hz(n: int = N_FRAMES) -> npt.NDArray[np.float64]:
    """Luminance of noise that is refreshed every fourth frame."""
    return np.repeat(np.random.default_rng(2).uniform(0, 1, n // 4), 4)


def write(
    folder: Path,
    *,
    luminance: npt.NDArray[np.float64] | None = None,
    held: tuple[int, ...] = (),
    missed: tuple[int, ...] = (),
    doubled: tuple[int, ...] = (),
    events: DigitalEvents | None = None,
    delay_s: float = 0.0,
) -> tuple[Path, npt.NDArray[np.int64]]:
    """A recording, and the sample of each image.

    Images in `held` are shown for two intervals, those in `missed` have no pulse, those in
    `doubled` have a second one a quarter of a frame later.
    """
    luminance = noise_15hz() if luminance is None else luminance
    n = luminance.size
    images = np.rint(LEAD + FRAME * (np.arange(n) + np.searchsorted(held, np.arange(n)))).astype(
        int
    )
    shown = np.sort(np.r_[images, images[list(doubled)] + 45])
    path = folder / "rec.cmcr"
    trace = display_trace(
        shown,
        luminance[np.searchsorted(images, shown, side="right") - 1],
        n_samples=int(images[-1]) + LEAD,
        sampling_rate_hz=RATE_HZ,
        seed=1,
        has_pulse=~np.isin(shown, images[list(missed)]),
        light_delay_s=delay_s,
    )
    write_cmcr(path, sampling_rate_hz=RATE_HZ, analog=trace, events=events)
    return path, images


def load(path: Path, **frame_clock: Any) -> PipelineSession:
    session = create_session("rec", **{f"{path.suffix[1:]}_path": path})
    return load_recording(session=session, probe="off", frame_clock=frame_clock)


def table(session: PipelineSession) -> list[tuple[int, int, str, str]]:
    columns = ("frame", "n_frames", "verdict", "decided_by")
    values = [session.values(f"stimulus/clock/irregular/{name}").tolist() for name in columns]
    return list(zip(*values, strict=True))


def settings_in(error: pytest.ExceptionInfo[HdmeaError]) -> list[dict[str, Any]]:
    """The settings that a message tells to type."""
    return [
        yaml.safe_load(text) for text in re.findall(r"frame_clock: ({[^}]*})", str(error.value))
    ]


def events_at(samples: npt.NDArray[np.int64], event_id: int) -> DigitalEvents:
    n = samples.size
    return DigitalEvents(
        np.full(n, event_id), samples * (1_000_000 // RATE_HZ), np.zeros(n, dtype=np.int64)
    )


def joined(*parts: DigitalEvents) -> DigitalEvents:
    columns = ("event_id", "time_us", "duration_us")
    return DigitalEvents(*(np.concatenate([getattr(p, c) for p in parts]) for c in columns))


# -- sources ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, npt.NDArray[np.int64]]:
    """A recording with frames told twice: by pulses and by events 7; events 2 are others."""
    n = np.arange(N_FRAMES)
    images = np.rint(LEAD + FRAME * n).astype(np.int64)
    events = joined(events_at(images, 7), events_at(images[:3], 2))
    return write(tmp_path_factory.mktemp("sound"), events=events)


def test_equal_times_are_equal_content_whatever_their_source(
    sound: tuple[Path, npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    path, images = sound
    times = images / RATE_HZ
    (tmp_path / "a.csv").write_text(
        "\ufeffframe;frame_time_s\n" + "".join(f"{i};{float(t)!r}\n" for i, t in enumerate(times)),
        encoding="utf-8",
    )
    (tmp_path / "b.txt").write_text("\n".join(repr(float(t)) for t in times) + "\n\n")
    sessions = {
        "analog": load(path, drop_first=0),
        "digital": load(path, source="digital", event_id=7, drop_first=0),
        "headed": load(path, source="csv", csv=str(tmp_path / "a.csv")),
        "bare": load(path, source="csv", csv=tmp_path / "b.txt"),
        "array": load(path, source="array", times_s=times),
    }
    expected = sessions["analog"]
    own = {"stimulus/clock/source"}
    for name, session in sessions.items():
        assert session.paths() == expected.paths(), name
        for variable in set(expected.paths()) - own:
            values = session.values(variable)
            assert values.dtype == expected.values(variable).dtype, (name, variable)
            np.testing.assert_array_equal(values, expected.values(variable), err_msg=name)
    assert np.array_equal(expected.values("stimulus/frame_times"), times)
    assert {n: str(s.values("stimulus/clock/source")) for n, s in sessions.items()} == {
        "analog": "analog", "digital": "digital", "headed": "given", "bare": "given",
        "array": "given",
    }  # fmt: skip
    # where given times come from is no part of the content; which they are is
    given = {sessions[name].content_digest for name in ("headed", "bare", "array")}
    assert len(given) == 1
    other = load(path, source="array", times_s=np.r_[times[:-1], times[-1] + 1e-9])
    assert other.content_digest not in given
    assert (
        other.contributions["load_recording"].key
        != sessions["array"].contributions["load_recording"].key
        == sessions["headed"].contributions["load_recording"].key
    )


def test_pulses_and_events_are_dropped_at_the_beginning_given_times_are_not(
    sound: tuple[Path, npt.NDArray[np.int64]],
) -> None:
    path, images = sound
    for clock in ({}, {"source": "digital", "event_id": 7}):
        session = load(path, **clock)
        np.testing.assert_array_equal(session.values("stimulus/frame_times"), images[4:] / RATE_HZ)
        assert int(session.values("stimulus/clock/n_dropped")) == 4
        assert int(session.values("stimulus/clock/n_pulses")) == N_FRAMES
    given = load(path, source="array", times_s=[1.0, 2.0, 9.0], display_delay_s=0.25)
    assert given.values("stimulus/frame_times").tolist() == [1.25, 2.25, 9.25]
    assert int(given.values("stimulus/clock/n_dropped")) == 0
    assert table(given) == []  # their intervals are not judged


def test_a_relative_file_is_relative_to_the_working_directory(
    sound: tuple[Path, npt.NDArray[np.int64]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clock.csv").write_text("1\n2\n3\n")
    with pytest.raises(
        FileMissingError, match=r"no file .*clock\.csv; correct the path \(a relative"
    ):
        load(sound[0], source="csv", csv="clock.csv")
    monkeypatch.chdir(tmp_path)
    session = load(sound[0], source="csv", csv="clock.csv")
    assert session.values("stimulus/frame_times").tolist() == [1.0, 2.0, 3.0]


def test_a_clock_can_be_given_without_a_raw_file(tmp_path: Path) -> None:
    path = tmp_path / "rec.cmtr"
    write_cmtr(path, [], cmcr_path=None, duration_s=4.0)
    session = load(path, source="array", times_s=[1.0, 2.0, 4.0])
    assert session.values("stimulus/frame_times").tolist() == [1.0, 2.0, 4.0]
    assert "stimulus/photodiode" not in session
    assert "stimulus/frame_times" not in load(path)
    assert "stimulus/frame_times" not in load(path, source="digital")
    none = load(path, source="none")
    assert "source: none" in str(none.values("stimulus/clock/missing"))


def test_times_that_are_not_seconds_are_found(sound: tuple[Path, npt.NDArray[np.int64]]) -> None:
    with pytest.raises(StimulusError, match=r"3000 s, but the recording has 12\.9833 s; they must"):
        load(sound[0], source="array", times_s=[1000.0, 2000.0, 3000.0])


def test_without_a_clock_the_photodiode_is_loaded(
    sound: tuple[Path, npt.NDArray[np.int64]],
) -> None:
    session = load(sound[0], source="none")
    assert str(session.values("stimulus/clock/missing")) == "frame_clock: {source: none} was set"
    assert "stimulus/frame_times" not in session
    np.testing.assert_array_equal(
        session.values("stimulus/photodiode"), load(sound[0]).values("stimulus/photodiode")
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("frame,time\n1,2\n", "has the columns frame, time; a column frame_time_s"),
        ("1,5\n2,5\n", "has the columns 1, 5"),  # a decimal comma
        ("frame_time_s\n1.0\ntwo\n", "line 3: found 'two', a time in seconds"),
        ("frame,frame_time_s\n1,0.5\n2\n", "line 3: found nothing, a time in seconds"),
        ("1.0\n\n3.0\n2.0\n", r"frame time 3 is 2\.0 s, not after the one before it, 3\.0 s"),
        ("1.0\nnan\n3.0\n", "frame time 2 is nan"),
        ("1.0\n", "at least two"),
        ("", "at least two"),
        (b"\xff\xfe\x00", "is not a text file"),
    ],
)
def test_files_of_times_that_cannot_be_used_are_refused(
    sound: tuple[Path, npt.NDArray[np.int64]], tmp_path: Path, content: str | bytes, message: str
) -> None:
    path = tmp_path / "clock.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StimulusError, match=rf"clock\.csv.*{message}"):
        load(sound[0], source="csv", csv=path)


def test_unknown_events_are_an_error_that_lists_those_that_are_there(
    sound: tuple[Path, npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    with pytest.raises(StimulusError, match="no digital events 1;") as caught:
        load(sound[0], source="digital")
    assert "3 events" in str(caught.value)
    assert "720 events, 100 % evenly spaced" in str(caught.value)
    first, frames = settings_in(caught)
    assert first == {"source": "digital", "event_id": 2}
    assert load(sound[0], **frames).values("stimulus/frame_times").size == N_FRAMES - 4
    with pytest.raises(StimulusError, match="no digital events 7 of stream 'Digital'"):
        load(sound[0], source="digital", event_id=7, event_stream="Digital")
    named = load(sound[0], source="digital", event_id=7, event_stream="Digital Data Events")
    assert named.values("stimulus/frame_times").size == N_FRAMES - 4
    path, _ = write(tmp_path)
    with pytest.raises(StimulusError, match="no digital events at all"):
        load(path, source="digital")


def test_events_of_several_streams_need_the_name_of_one(
    sound: tuple[Path, npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    path = Path(shutil.copy(sound[0], tmp_path))
    with h5py.File(path, "r+") as file:
        file.copy("Acquisition/Digital Data Events", "Acquisition/EventTool @ Digital Data")
    with pytest.raises(StimulusError, match="events 7 in several streams") as caught:
        load(path, source="digital", event_id=7)
    frames = [one for one in settings_in(caught) if one["event_id"] == 7]
    assert [one["event_stream"] for one in frames] == [
        "Digital Data Events", "EventTool @ Digital Data",
    ]  # fmt: skip
    for setting in frames:
        assert load(path, **setting).values("stimulus/frame_times").size == N_FRAMES - 4


def test_without_analog_stream_events_and_given_times_still_are_a_clock(
    sound: tuple[Path, npt.NDArray[np.int64]], tmp_path: Path
) -> None:
    path = tmp_path / "rec.cmcr"
    write_cmcr(
        path,
        analog=None,
        sensor=sensor_trace(1, 1, 2, 2, n_samples=300_000),
        events=events_at(sound[1], 1),
    )
    analog = load(path)
    said = str(analog.values("stimulus/clock/missing"))
    assert said.startswith("rec.cmcr has no analog stream, but digital events: ")
    (setting,) = (yaml.safe_load(text) for text in re.findall(r"frame_clock: ({[^}]*})", said))
    for clock in (setting, {"source": "array", "times_s": sound[1][4:] / RATE_HZ}):
        session = load(path, **clock)
        np.testing.assert_array_equal(
            session.values("stimulus/frame_times"), sound[1][4:] / RATE_HZ
        )
        assert "stimulus/photodiode" not in session


def test_a_row_without_pulses_is_an_error_whose_settings_work(
    sound: tuple[Path, npt.NDArray[np.int64]],
) -> None:
    path, _ = sound
    with pytest.raises(StimulusError, match="has 0 pulses") as caught:
        load(path, height=50.0)
    said = settings_in(caught)
    assert {"row": 0} in said
    assert {"height": "..."} in said
    assert {"source": "csv", "csv": "..."} in said
    (frames,) = (one for one in said if one.get("event_id") == 7)
    assert load(path, **frames).values("stimulus/frame_times").size == N_FRAMES - 4
    assert {"source": "none"} in said
    assert "stimulus/photodiode" in load(path, source="none")


def test_the_wrong_row_is_an_error_whose_settings_work(
    sound: tuple[Path, npt.NDArray[np.int64]],
) -> None:
    path, _ = sound
    with pytest.raises(StimulusError, match=r"rec\.cmcr: .*probably not the frame") as caught:
        load(path, row=0, height=0.002)
    assert re.search(r"'Frame sync', 720 pulses, 100 % evenly spaced", str(caught.value))
    (right,) = (one for one in settings_in(caught) if one.get("row") == 1)
    assert load(path, height=0.002, **right).values("stimulus/frame_times").size == N_FRAMES - 4


def test_rows_and_parameters_that_are_not_there_are_refused(
    sound: tuple[Path, npt.NDArray[np.int64]],
) -> None:
    for name in ("row", "photodiode_row"):
        with pytest.raises(HdmeaError, match=rf"frame_clock\.{name} is 2.*1 \('Frame sync'\)"):
            load(sound[0], **{name: 2})
    with pytest.raises(ParameterError, match="csv is for source: csv, but source is analog") as e:
        load(sound[0], csv="clock.csv")
    assert "found" not in str(e.value)
    with pytest.raises(ParameterError, match="set source: array") as e:
        load(sound[0], times_s=tuple(range(10_000)))
    assert len(str(e.value)) < 1000


# -- intervals without a pulse ---------------------------------------------------------------------

HELD, MISSED = (200, 430), (331, 572)
"""Images; the first 4 are dropped."""


@pytest.mark.parametrize(
    ("held", "missed"), [((), ()), (HELD, ()), ((), MISSED), (HELD, MISSED), ((), (332, 333))]
)
@pytest.mark.parametrize("delay_s", [0.0, 0.012])
def test_the_light_tells_held_frames_from_missed_pulses(
    tmp_path: Path, held: tuple[int, ...], missed: tuple[int, ...], delay_s: float
) -> None:
    path, images = write(tmp_path, held=held, missed=missed, delay_s=delay_s)
    session = load(path)
    times = session.values("stimulus/frame_times") * RATE_HZ
    expected = images[4:]
    assert times.shape == expected.shape
    has_pulse = ~np.isin(np.arange(4, N_FRAMES), missed)
    # to the sample, but for rounding of a division and a product
    assert np.abs(times - expected)[has_pulse].max() < 1e-6
    # images come at whole samples, and so do the two pulses between which a frame is inserted
    assert np.abs(times - expected).max() <= 1
    gaps = [missed[:1]] if missed == (332, 333) else [(image,) for image in missed]
    verdicts = [(image - 4, 2, "held", "photodiode") for image in held]
    verdicts += [
        (gap[0] - 5, 3 if missed == (332, 333) else 2, "missed", "photodiode") for gap in gaps
    ]
    assert table(session) == sorted(verdicts)
    start_s = session.values("stimulus/clock/irregular/start_s")
    np.testing.assert_array_equal(
        start_s,
        session.values("stimulus/frame_times")[session.values("stimulus/clock/irregular/frame")],
    )
    assert int(session.values("stimulus/clock/n_pulses")) == N_FRAMES - len(missed)
    said = [warning for warning in session.warnings if "irregular" in warning]
    assert len(said) == bool(held or missed)
    for verdict, n in (("held", len(held)), ("missed", len(gaps))):
        if n:
            assert f"{n} {verdict} (by photodiode)" in said[0]


def test_static_light_decides_nothing_and_says_so(tmp_path: Path) -> None:
    path, images = write(tmp_path, luminance=np.full(N_FRAMES, 0.5), held=(200,), missed=(400,))
    session = load(path)
    assert table(session) == [(196, 2, "undecided", ""), (395, 2, "undecided", "")]
    assert session.values("stimulus/frame_times").size == N_FRAMES - 5  # counted as held
    (said,) = (warning for warning in session.warnings if "irregular" in warning)
    assert "2 irregular intervals: 2 undecided; undecided ones count as held until" in said

    with pytest.raises(StimulusError) as caught:
        load(path, irregular="error")
    _, missed, photodiode = settings_in(caught)
    (first, second) = missed["missed_at_s"]
    told = load(path, irregular="error", held_at_s=[first], missed_at_s=[second])
    assert table(told) == [(196, 2, "held", "parameter"), (395, 2, "missed", "parameter")]
    times = told.values("stimulus/frame_times") * RATE_HZ
    assert np.abs(times - images[4:]).max() <= 1
    assert table(load(path, **photodiode)) == table(session)
    no_light = load(path, photodiode_row=None)
    assert table(no_light) == table(session)


def test_a_false_pulse_is_an_error_until_it_is_accepted(tmp_path: Path) -> None:
    path, images = write(tmp_path, doubled=(300,))
    with pytest.raises(StimulusError, match=r"pulses too many: frame 296 .* 0\.27 medians") as e:
        load(path)
    (accept,) = (one for one in settings_in(e) if "held_at_s" in one)
    session = load(path, **accept)
    assert table(session) == [(296, 0, "short", "parameter")]
    assert session.values("stimulus/frame_times").size == images.size - 4 + 1


def test_the_verdicts_are_part_of_the_key(tmp_path: Path) -> None:
    path, _ = write(tmp_path, luminance=np.full(N_FRAMES, 0.5), missed=(400,))
    keys = {
        load(path, **clock).contributions["load_recording"].key
        for clock in ({}, {"irregular": "held"}, {"irregular": "missed"})
    }
    assert len(keys) == 3
