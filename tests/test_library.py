"""Stimulus libraries as folders: the reference lab's files unchanged, ours checked."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from hdmea.errors import FileMissingError, StimulusError, UnknownNameError
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.movie import TrialEvent
from hdmea.stimulus.sections import TrialRule, lay_out_sections
from hdmea.stimulus.timeline import build_timeline

STEP = "step_up_5s_5i_b0_3x"
STEP_RULE = {"start_frame": 240, "trial_length_frame": 600, "repeat": 3}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "playlist.csv").write_text(
        "playlist_name, movie_names\n"
        f"set_demo,\"['baseline_127.mov', 'a.v2.mov', '{STEP}.mov']\"\n"
        "unfinished,\"['nowhere.mov']\"\n"
    )
    (tmp_path / "movie_length.csv").write_text(
        f"movie_name,movie_length\nbaseline_127,180\na,20\n{STEP},2040\n"
    )
    write_json(tmp_path, "baseline_127", start_frame=0, trial_length_frame=180, repeat=1)
    write_json(tmp_path, "a", start_frame=2, trial_length_frame=4, repeat=2)
    write_json(tmp_path, STEP, **STEP_RULE)
    return tmp_path


def write_json(folder, name, **section):
    described = {"section_kwargs": section, "generate_kwargs": {"free": ["form"]}}
    (folder / f"{name}.json").write_text(json.dumps(described))


def test_the_labs_files_are_read_as_they_are(folder):
    library = StimulusLibrary(folder)
    assert library.playlists == {
        "set_demo": ("baseline_127", "a", STEP),
        "unfinished": ("nowhere",),
    }
    grey, a, step = library.playlist("set_demo")
    assert (grey.name, grey.length_frames, grey.kind, grey.events) == (
        "baseline_127", 180, "grey", ()
    )  # fmt: skip
    assert (a.kind, a.rule) == ("unknown", TrialRule(2, 4, 2))
    assert step.kind == "step"
    assert step.events == (TrialEvent("light_on", 60), TrialEvent("light_off", 360))


@pytest.mark.parametrize(
    ("name", "kind", "length", "events"),
    [
        ("perfect_dense_noise_15x15_15hz_r42_3min", "noise", 10800, {}),
        ("green_blue_3s_3i_3x", "green_blue", 720,
         {60: "green_on", 240: "green_off", 420: "blue_on", 600: "blue_off"}),
        ("freq_step_5st_3x", "freq_step", 1500,
         {30: "segment_start:0.5hz", 270: "segment_stop", 330: "segment_start:1hz",
          570: "segment_stop", 630: "segment_start:2hz", 870: "segment_stop",
          930: "segment_start:4hz", 1170: "segment_stop", 1230: "segment_start:10hz",
          1470: "segment_stop"}),
        ("moving_h_bar_s5_d8_3x", "moving_bar", 4520,
         {60 + 550 * k: f"direction:{45 * k}" for k in range(8)}),
    ],
)  # fmt: skip
def test_conventions_say_what_happens_in_the_labs_trials(tmp_path, name, kind, length, events):
    (tmp_path / "movie_length.csv").write_text(f"movie_name,movie_length\n{name}.mov,{length}\n")
    write_json(tmp_path, name, start_frame=0, trial_length_frame=length, repeat=1)
    movie = StimulusLibrary(tmp_path).movie(name)
    assert movie.kind == kind
    assert {event.frame: event.name for event in movie.events} == events


def test_a_movie_of_a_known_name_with_other_trials_gets_no_events(folder):
    (folder / f"{STEP}.json").unlink()
    write_json(folder, STEP, **{**STEP_RULE, "trial_length_frame": 300})
    movie = StimulusLibrary(folder).movie(STEP)
    assert (movie.kind, movie.events) == ("step", ())


def test_yaml_says_kind_and_events_itself(folder):
    (folder / "a.json").unlink()
    (folder / "a.yaml").write_text(
        "section_kwargs: {start_frame: 0, trial_length_frame: 5, repeat: 1, group_count: 2,"
        " group_gap: 10}\nkind: step\nevents: [{name: light_off, frame: 4}, "
        "{name: light_on, frame: 1}]\n"
    )
    movie = StimulusLibrary(folder).movie("a")
    assert movie.kind == "step"
    assert [(e.name, e.frame) for e in movie.events] == [("light_on", 1), ("light_off", 4)]
    assert movie.rule == TrialRule(0, 5, 1, group_count=2, group_gap_frames=10)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (
            "section_kwargs: {start_frame: 0, trial_length_frame: 5, repeat: 0}",
            r"repeat: .* \(found 0\)",
        ),
        (
            "section_kwargs: {start_frame: 0, trial_length_frame: 5}",
            "section_kwargs.repeat: is required",
        ),
        (
            "section_kwargs: {start_frame: 0, trial_length_frame: 5, repeat: 1}\nkinds: x",
            "kinds: unknown, did you mean 'kind'",
        ),
        ("section_kwargs: {start_frame: 0, trial_length_frame: 5, repeat: 1}\nkind: x", "kind"),
        ("section_kwargs: [", "cannot be read"),
        ("!!python/object/apply:os.getcwd []", "cannot be read"),
        (
            "section_kwargs: {start_frame: 0, trial_length_frame: 5, repeat: 1}\n"
            "events: [{name: late, frame: 5}]",
            "'late' at frame 5",
        ),
    ],
)
def test_a_wrong_definition_names_the_file_and_the_key(folder, content, wrong):
    (folder / "a.json").unlink()
    (folder / "a.yaml").write_text(content)
    with pytest.raises(StimulusError, match=wrong) as caught:
        StimulusLibrary(folder).movie("a")
    assert "a.yaml" in str(caught.value)


def test_trials_that_leave_the_section_are_an_error(folder):
    # length 20; the section goes on for 120 frames of grey
    write_json(
        folder, "a", start_frame=121, trial_length_frame=5, repeat=1, group_count=3, group_gap=2
    )
    assert StimulusLibrary(folder).movie("a").rule.n_trials == 3  # 121 + 3 * 5 + 2 * 2 = 140
    write_json(
        folder, "a", start_frame=122, trial_length_frame=5, repeat=1, group_count=3, group_gap=2
    )
    with pytest.raises(StimulusError, match="end at frame 141"):
        StimulusLibrary(folder).movie("a")
    write_json(folder, "a", start_frame=0, trial_length_frame=5, repeat=10**9)
    with pytest.raises(StimulusError, match=r"has 1000000000 trials, more .*; look at repeat"):
        StimulusLibrary(folder).movie("a")


def test_the_labs_bar_movie_whose_last_trial_ends_in_the_grey_is_accepted(tmp_path):
    name = "moving_h_bar_s5_d8_3x"
    (tmp_path / "movie_length.csv").write_text(f"movie_name,movie_length\n{name}.mov,13560\n")
    write_json(tmp_path, name, start_frame=60, trial_length_frame=4520, repeat=3)
    movie = StimulusLibrary(tmp_path).movie(name)
    sections = lay_out_sections([(movie.name, movie.length_frames)])
    timeline = build_timeline(sections, [movie], np.arange(14000) / 60)
    stop = {column.name: column.values for column in timeline.columns("trials")}["stop_frame"]
    assert stop.tolist() == [180 + 60 + 4520 * n for n in (1, 2, 3)]
    assert stop[-1] <= timeline.sections[0].end_frame


def test_only_the_playlist_in_use_must_resolve(folder):
    library = StimulusLibrary(folder)
    assert len(library.playlist("set_demo")) == 3
    with pytest.raises(UnknownNameError, match=f"'nowhere'.*known movies: a, baseline_127, {STEP}"):
        library.playlist("unfinished")
    with pytest.raises(UnknownNameError, match=r"'set'.*set_demo, unfinished"):
        library.playlist("set")


def test_a_playlist_is_data_never_code(folder):
    (folder / "playlist.csv").write_text(
        "playlist_name,movie_names\nbad,__import__('os').getcwd()\ngood,['a.mov']\n"
    )
    library = StimulusLibrary(folder)
    assert [movie.name for movie in library.playlist("good")] == ["a"]
    with pytest.raises(StimulusError, match="playlist 'bad'"):
        library.playlist("bad")


def test_files_may_lie_in_subfolders_but_only_once(folder):
    (folder / "lists").mkdir()
    (folder / "playlist.csv").rename(folder / "lists" / "playlist.csv")
    (folder / "x").mkdir()
    (folder / "a.json").rename(folder / "x" / "a.json")
    assert StimulusLibrary(folder).playlist("set_demo")[1].name == "a"
    write_json(folder / "lists", "a", **STEP_RULE)
    with pytest.raises(StimulusError) as caught:
        StimulusLibrary(folder).movie("a")
    assert str(folder / "x" / "a.json") in str(caught.value)
    assert str(folder / "lists" / "a.json") in str(caught.value)


def test_what_is_missing_is_named(folder):
    with pytest.raises(FileMissingError, match="nope"):
        StimulusLibrary(folder / "nope")
    (folder / "a.json").unlink()
    with pytest.raises(StimulusError, match=r"a\.json or a\.yaml"):
        StimulusLibrary(folder).movie("a")
    (folder / "movie_length.csv").unlink()
    with pytest.raises(FileMissingError, match=r"movie_length\.csv"):
        StimulusLibrary(folder).movie("a")


def test_frames_are_mapped_and_their_luminance_is_the_mean(folder):
    frames = np.random.default_rng(0).integers(0, 256, (20, 3, 4), dtype=np.uint8)
    np.save(folder / "a.npy", frames)
    movie = StimulusLibrary(folder).movie("a")
    mapped = movie.frames()
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    assert np.array_equal(mapped, frames)
    assert movie.luminance().tolist() == [int(frame.sum()) / 12 for frame in frames]


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((19, 2, 2), np.uint8),
        np.zeros((20, 2), np.uint8),
        np.zeros((20, 2, 2), np.int16),
        np.full((20, 2, 2), None),
        np.zeros((20, 0, 2), np.uint8),
        np.zeros((20, 2, 0), np.float32),
    ],
)
def test_frames_that_are_not_the_movie_are_refused(folder, frames):
    np.save(folder / "a.npy", frames, allow_pickle=True)
    with pytest.raises(StimulusError, match=r"a\.npy"):
        StimulusLibrary(folder).movie("a").frames()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("block_bytes", [1, 100, 1 << 20])
def test_frames_that_are_not_finite_are_refused(folder, monkeypatch, value, block_bytes):
    monkeypatch.setattr("hdmea.stimulus.movie._BLOCK_BYTES", block_bytes)
    frames = np.zeros((20, 2, 2), np.float32)
    np.save(folder / "a.npy", frames)
    movie = StimulusLibrary(folder).movie("a")
    assert np.array_equal(movie.frames(), frames)
    frames[17:, 1, 0] = value
    np.save(folder / "a.npy", frames)
    for read in (movie.frames, movie.luminance):
        with pytest.raises(StimulusError, match=r"a\.npy: frame 17 has"):
            read()


def test_a_cut_file_and_no_file_are_told_apart(folder):
    np.save(folder / "a.npy", np.zeros((20, 8, 8), np.uint8))
    whole = (folder / "a.npy").read_bytes()
    (folder / "a.npy").write_bytes(whole[:500])
    with pytest.raises(StimulusError, match="cannot be read"):
        StimulusLibrary(folder).movie("a").frames()
    (folder / "a.npy").unlink()
    with pytest.raises(FileMissingError, match=r"a\.npy"):
        StimulusLibrary(folder).movie("a").frames()


def denied(path, *_, **__):
    """The system's answer where a user may not read; root, who may, never hears it."""
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def test_what_may_not_be_read_is_named(folder, monkeypatch):
    np.save(folder / "a.npy", np.zeros((20, 2, 2), np.uint8))
    movie = StimulusLibrary(folder).movie("a")
    unread = StimulusLibrary(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", denied)
        patch.setattr("hdmea.stimulus.movie.open_memmap", denied)
        for read in (movie.digest, movie.frames):
            with pytest.raises(StimulusError, match=r"a\.npy may not be read: permission denied"):
                read()
        with pytest.raises(StimulusError, match=r"playlist\.csv may not be read"):
            unread.playlist("set_demo")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", denied)
        with pytest.raises(StimulusError, match=r"a\.json may not be read"):
            unread.movie("a")


def test_a_folder_that_may_not_be_read_is_not_passed_over(folder, monkeypatch):
    locked = folder / "sub"
    locked.mkdir()
    scan = os.scandir

    def scandir(path):
        return denied(path) if Path(path) == locked else scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StimulusError, match="sub may not be read: permission denied"):
        StimulusLibrary(folder)


def test_the_digest_changes_with_definition_and_bytes_only(folder):
    np.save(folder / "a.npy", np.zeros((20, 2, 2), np.uint8))
    first = StimulusLibrary(folder).movie("a").digest()
    (folder / "sub").mkdir()
    for name in ("a.npy", "a.json"):
        (folder / name).rename(folder / "sub" / name)
    assert StimulusLibrary(folder).movie("a").digest() == first
    frames = np.zeros((20, 2, 2), np.uint8)
    frames[19, 1, 1] = 1
    np.save(folder / "sub" / "a.npy", frames)
    second = StimulusLibrary(folder).movie("a").digest()
    write_json(folder / "sub", "a", start_frame=3, trial_length_frame=4, repeat=2)
    third = StimulusLibrary(folder).movie("a").digest()
    assert len({first, second, third}) == 3
