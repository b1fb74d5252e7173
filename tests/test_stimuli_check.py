"""The check of a library: every problem is found, no problem hides another, drafts are right."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from hdmea.cli import main
from hdmea.errors import MissingDataError
from hdmea.pipeline import load_recording
from hdmea.simulate import GeneratedMovie, simulate_recording, write_stimulus_library
from hdmea.simulate.movies import frequency_steps, light_step, moving_bar
from hdmea.stimulus.check.checks import check_library
from hdmea.stimulus.check.draft import Draft
from hdmea.stimulus.check.onsets import bar_motion, fit_sine
from hdmea.stimulus.check.proposal import Shown, propose
from hdmea.stimulus.check.recorded import recorded_light
from hdmea.stimulus.check.report import LibraryCheck, MovieCheck
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.movie import TrialEvent, missing_events
from hdmea.stimulus.sections import TrialRule

EXACT = {"step", "green_blue", "freq_step", "chirp"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[GeneratedMovie]]:
    folder = tmp_path_factory.mktemp("whole") / "stimuli"
    return folder, write_stimulus_library(folder, "brief")


@pytest.fixture
def library(whole: tuple[Path, list[GeneratedMovie]], tmp_path: Path) -> Path:
    """A copy of a library with one movie of every kind, in which nothing is missing."""
    return Path(shutil.copytree(whole[0], tmp_path / "stimuli"))


def of_kind(whole: tuple[Path, list[GeneratedMovie]], kind: str) -> GeneratedMovie:
    return next(movie for movie in whole[1] if movie.kind == kind)


def check(folder: Path, playlist: str | None = None) -> LibraryCheck:
    return check_library(StimulusLibrary(folder), playlist)


def movie_of(report: LibraryCheck, name: str) -> MovieCheck:
    return next(movie for movie in report.movies if movie.name == name)


def save(folder: Path, draft: Draft) -> None:
    """Do with a draft what it says."""
    path = folder / draft.file
    if draft.how == "save as":
        path.write_text(draft.text)
    elif draft.how == "add at the end of":
        path.write_text(path.read_text() + draft.text)
    else:
        path.write_text(draft.text + path.read_text())


def fill_in_frequencies(folder: Path, truth: GeneratedMovie) -> None:
    """What a draft of a chirp leaves to who knows the movie."""
    path = folder / f"{truth.name}.yaml"
    starts = [name for name, _ in truth.events if name.startswith(("sweep_start", "ramp_start"))]
    text = path.read_text()
    for name in starts:
        word = name.partition(":")[0]
        text, n = re.subn(rf"{word}:[?-]+hz", name, text)
        assert n == 1
    path.write_text(text)


def forget(folder: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        for path in folder.glob(f"*{suffix}"):
            path.unlink()


def onsets(rule: TrialRule, events: object) -> dict[int, str]:
    """Names of events by frame of the movie."""
    return {rule.start_frame + frame: name for name, frame in events}  # type: ignore[attr-defined]


# -- the check -------------------------------------------------------------------------------------


def test_a_whole_library_resolves_and_every_movie_is_told(
    whole: tuple[Path, list[GeneratedMovie]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stimuli", "check", str(whole[0])]) == 0
    said = capsys.readouterr().out
    assert "7 of 7 movies resolve; everything resolves" in said
    assert "draft" not in said
    assert main(["stimuli", "check", str(whole[0]), "--playlist", "brief", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["is_good"]
    for told, movie in zip(report["movies"], whole[1], strict=True):
        rule = movie.trials
        assert (told["name"], told["kind"], told["length_frames"], told["playlists"]) == (
            movie.name, movie.kind, movie.length_frames, ["brief"],
        )  # fmt: skip
        assert told["length_s"] == movie.length_frames / 60
        assert (told["rule"]["start_frame"], told["rule"]["repeat"]) == (
            rule.start_frame, rule.repeat,
        )  # fmt: skip
        assert [(e["name"], e["frame"]) for e in told["events"]] == list(movie.events)
        assert tuple(told["frames_shape"]) == movie.frames.shape
        assert told["geometry"].startswith("default")
        assert told["timing_from"] in {f"{movie.name}.json", f"{movie.name}.yaml"}


def test_what_is_missing_is_an_exit_code_and_a_line(
    library: Path, whole: tuple[Path, list[GeneratedMovie]], capsys: pytest.CaptureFixture[str]
) -> None:
    step, noise = of_kind(whole, "step").name, of_kind(whole, "noise").name
    (library / f"{step}.yaml").unlink()
    (library / f"{noise}.npy").unlink()
    assert main(["stimuli", "check", str(library)]) == 1
    said = capsys.readouterr().out
    assert "5 of 7 movies resolve; NOT everything resolves" in said
    assert f"trials MISSING: no {step}.json, no {step}.yaml" in said
    assert "frames MISSING: no STA" in said
    text = said.partition(f"--- draft: save as {step}.yaml ---\n")[2].partition("\n----")[0]
    (library / f"{step}.yaml").write_text(text)
    assert main(["stimuli", "check", str(library)]) == 1
    assert "6 of 7 movies" in capsys.readouterr().out


def test_an_array_that_nothing_uses_is_no_movie_that_resolves(
    library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(library / "leftover.npy", np.zeros((90, 1, 1), dtype=np.uint8))
    assert main(["stimuli", "check", str(library)]) == 0
    said = capsys.readouterr().out
    assert "7 of 7 movies resolve; everything resolves" in said
    assert "not counted, since nothing uses them (see their notes): leftover" in said


def cut(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        frames = np.load(folder / f"{name}.npy")
        np.save(folder / f"{name}.npy", frames[:-1])

    return change


def rule_of(name: str, **values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / f"{name}.yaml"
        said = yaml.safe_load(path.read_text())
        said["section_kwargs"] |= values
        path.write_text(yaml.safe_dump(said))

    return change


def replaced(filename: str, old: str, new: str) -> Callable[[Path], object]:
    return lambda f: (f / filename).write_text((f / filename).read_text().replace(old, new))


STEP, BAR = "brief_step_3x", "brief_moving_bar_d8_2x"
WRONG: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "frames and length": (cut(STEP), STEP, r"\(749, 1, 1\); .* with 750 frames"),
    "trials leave the section": (rule_of(STEP, repeat=4), STEP, "they would leave its section"),
    "JSON and YAML": (lambda f: (f / f"{STEP}.json").write_text("{}"), STEP, "both define it"),
    "an unknown key": (rule_of(STEP, repaet=3), STEP, "repaet: unknown, did you mean 'repeat'"),
    "an event less": (replaced(f"{STEP}.yaml", "light_off", "x"), STEP, "MISSING: light_off once"),
    "an angle that is none": (
        replaced(f"{BAR}.yaml", "direction:45", "direction:up"), BAR, "found 'direction:up'",
    ),
    "a length that is none": (
        replaced("movie_length.csv", f"{STEP},750", f"{STEP},long"), STEP, "is 'long'; a number",
    ),
    "a movie twice": (
        replaced("movie_length.csv", f"{STEP},750", f"{STEP},750\n{STEP}.mov,751"), STEP,
        "given twice",
    ),
    "damaged frames": (
        lambda f: (f / f"{STEP}.npy").write_bytes(b"no"), STEP, "cannot be read as a numpy array",
    ),
    "an unknown movie": (
        replaced("playlist.csv", STEP, "brief_stop_3x"), "brief_stop_3x",
        rf"known movies: .*{STEP}.*Did you mean '{STEP}'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", WRONG)
def test_one_movies_problem_is_told_and_hides_no_other(library: Path, how: str) -> None:
    change, name, why = WRONG[how]
    change(library)
    report = check(library, "brief")
    assert not report.is_good
    bad = [movie for movie in report.movies if movie.problems]
    assert [movie.name for movie in bad] == [name]
    with pytest.raises(AssertionError, match=f"(?s){why}"):
        raise AssertionError("\n".join(bad[0].problems))
    assert len(report.movies) == 7


def test_what_concerns_the_whole_library_is_told_once(library: Path) -> None:
    (library / "patterns.yaml").write_text("- {pattern: x}")
    (library / "display.yaml").write_text("width_px: 3")
    with (library / "playlist.csv").open("a") as file:
        file.write("empty,[]\nbad,nonsense\n")
    report = check(library)
    told = "\n".join(report.problems)
    for why in (
        "entry 1 ('x'): kind: is required",
        "height_px belong",
        "'empty' is empty",
        "'bad'",
    ):
        assert told.count(why) == 1
    assert report.playlists["brief"] == tuple(movie.name for movie in report.movies)
    assert {problem for movie in report.movies for problem in movie.problems} == {"see above"}
    assert len(report.drafts) == 0


def test_arrays_that_are_no_movies_and_idle_patterns_are_notes(library: Path) -> None:
    np.save(library / "mask.npy", np.zeros((4, 4)))
    np.save(library / "spare.npy", np.repeat([0, 255, 0], 50).astype(np.uint8)[:, None, None])
    (library / "patterns.yaml").write_text("- {pattern: brif_*, kind: step}")
    (library / "display.yaml").write_text(
        "movies: [{pattern: brief_s*, pitch_px: 9, offset_px: [0, 0]}, {pattern: x, pitch_px: 1}]"
    )
    report = check(library)
    assert report.is_good
    assert report.notes == [
        "patterns.yaml: brif_* is the name of no movie",
        "display.yaml: x is the name of no movie",
    ]
    assert "'mask' is not in" in movie_of(report, "mask").notes[0]
    assert movie_of(report, "spare").notes[0] == "length MISSING in movie_length.csv"
    assert [draft.file for draft in report.drafts] == ["spare.yaml", "movie_length.csv"]
    for draft in report.drafts:
        save(library, draft)
    assert movie_of(check(library), "spare").kind == "step"


def test_only_the_playlist_asked_for_is_judged(library: Path) -> None:
    with (library / "playlist.csv").open("a") as file:
        file.write("good,['brief_step_3x.mov']\nbad,['nowhere.mov']\n")
    assert check(library, "good").is_good
    report = check(library)
    assert [m.name for m in report.movies if m.problems] == ["nowhere"]
    assert movie_of(report, STEP).playlists == ["brief", "good"]
    assert main(["stimuli", "check", str(library), "--playlist", "god"]) == 1


def test_a_movie_of_no_known_kind_is_a_note_and_a_draft(library: Path) -> None:
    described = yaml.safe_load((library / f"{STEP}.yaml").read_text())
    (library / f"{STEP}.yaml").unlink()
    (library / f"{STEP}.json").write_text(
        json.dumps({"section_kwargs": described["section_kwargs"]})
    )
    report = check(library)
    assert report.is_good
    assert "kind: nothing says it" in movie_of(report, STEP).notes[0]
    (draft,) = report.drafts
    save(library, draft)
    movie = movie_of(check(library), STEP)
    assert (movie.kind, movie.kind_from) == ("step", f"patterns.yaml: {STEP}")
    assert [(e.name, e.frame) for e in movie.events] == [
        (e["name"], e["frame"]) for e in described["events"]
    ]


@pytest.mark.parametrize(
    ("kind", "names", "missing"),
    [
        ("step", ["light_on", "light_off"], ""),
        ("step", ["light_on", "light_off", "light_on"], "light_on once"),
        ("green_blue", ["green_on", "blue_on"], "green_off, blue_off once"),
        ("chirp", ["light_on", "light_off"], "sweep_start:<hz>-<hz>hz[:log] or ramp_start:<hz>hz"),
        ("chirp", ["light_on", "light_off", "sweep_stop"], "one sweep_start before each"),
        ("chirp", ["light_on", "ramp_start:2hz", "ramp_stop"], "one light_off for each light_on"),
        ("chirp", ["ramp_start:2hz", "ramp_stop"], ""),
        ("chirp", ["sweep_start:?-?hz", "sweep_stop"], "sweep_start:<hz>-<hz>hz[:log], found"),
        ("freq_step", [], "segment_start:<hz>hz"),
        ("freq_step", ["segment_start:?hz", "segment_stop"], "segment_start:<hz>hz, found"),
        ("freq_step", ["segment_stop"], "one segment_start before each"),
        ("freq_step", ["segment_start:0.5hz", "segment_stop"], ""),
        ("freq_step", ["segment_start:1hz"], "one segment_stop for each"),
        ("moving_bar", ["direction:22.5", "direction:-45"], ""),
        ("moving_bar", [], "direction:<degrees>"),
        ("noise", [], ""),
    ],
)
def test_events_that_features_need_are_known(kind: str, names: list[str], missing: str) -> None:
    events = [TrialEvent(name, frame) for frame, name in enumerate(names)]
    found = missing_events(kind, events)  # type: ignore[arg-type]
    assert found.startswith(missing)
    assert bool(found) == bool(missing)


# -- drafts ----------------------------------------------------------------------------------------


def test_drafts_saved_as_printed_make_the_library_whole(
    library: Path, whole: tuple[Path, list[GeneratedMovie]]
) -> None:
    """Of movies of every kind, of which there is nothing but their frames and a playlist."""
    forget(library, ".yaml", ".json")
    (library / "movie_length.csv").unlink()
    report = check(library)
    assert len(report.movies) == 7
    assert all(movie.problems for movie in report.movies)
    for draft in report.drafts:
        save(library, draft)
    chirp = next(movie for movie in whole[1] if movie.kind == "chirp")
    (left,) = [movie for movie in check(library).movies if movie.problems]
    assert left.name == chirp.name
    assert left.problems[0].startswith("events MISSING: sweep_start:<hz>-<hz>hz")
    assert "found 'sweep_start:?-?hz'" in left.problems[0]
    fill_in_frequencies(library, chirp)
    again = check(library)
    assert again.is_good
    assert again.drafts == []
    for movie, truth in zip(StimulusLibrary(library).playlist("brief"), whole[1], strict=True):
        assert (movie.kind, movie.length_frames) == (truth.kind, truth.length_frames)
        found = onsets(movie.rule, [(e.name, e.frame) for e in movie.events])
        expected = onsets(truth.trials, truth.events)
        period, repeat = truth.trials.trial_length_frames, truth.trials.repeat
        assert (movie.rule.trial_length_frames, movie.rule.repeat) == (period, repeat)
        if truth.kind in EXACT:
            assert found == expected
        elif truth.kind == "moving_bar":
            assert list(found.values()) == list(expected.values())
            late = np.subtract(list(found), list(expected))
            assert late.min() >= 0  # a bar enters, and is seen a little later
            assert late.max() <= 3


@pytest.mark.parametrize("end", ["\n", ""])
def test_a_length_is_drafted_in_the_files_own_columns(library: Path, end: str) -> None:
    lines = [
        f"{cells[1]},x,{cells[0]}"
        for line in (library / "movie_length.csv").read_text().splitlines()
        if not (cells := line.split(","))[0].startswith((STEP, BAR))
    ]
    (library / "movie_length.csv").write_text("\n".join(lines) + end)
    report = check(library)
    assert [m.name for m in report.movies if m.problems] == [STEP, BAR]
    assert movie_of(report, STEP).problems == ["length MISSING in movie_length.csv"]
    (draft,) = report.drafts
    save(library, draft)
    assert check(library).is_good


def test_the_labs_files_stay_as_they_are_and_patterns_are_drafted(library: Path) -> None:
    """The lab's JSON cannot say events, and two files may not say the trials."""
    events = {}
    for name in (STEP, BAR):
        described = yaml.safe_load((library / f"{name}.yaml").read_text())
        events[name] = [(event["name"], event["frame"]) for event in described["events"]]
        (library / f"{name}.yaml").unlink()
        text = json.dumps({"section_kwargs": described["section_kwargs"]})
        (library / f"{name}.json").write_text(text)
    old = "- {pattern: brief_*, kind: moving_bar}\n"
    for before, how in (("", "save as"), (old, "add at the beginning of")):
        if before:
            (library / "patterns.yaml").write_text(before)
        (draft,) = check(library).drafts
        assert (draft.file, draft.how) == ("patterns.yaml", how)
    (library / "patterns.yaml").write_text("")
    forget(library, "patterns.yaml")
    (draft,) = check(library).drafts
    save(library, draft)
    report = check(library)
    assert report.is_good
    assert report.drafts == []
    assert [(e.name, e.frame) for e in movie_of(report, STEP).events] == events[STEP]
    frames = np.subtract([e.frame for e in movie_of(report, BAR).events],
                         [frame for _, frame in events[BAR]])  # fmt: skip
    assert frames.min() >= 0
    assert frames.max() <= 3


def test_a_drafted_pattern_comes_before_those_that_are_there(library: Path) -> None:
    (library / "patterns.yaml").write_text(f"- {{pattern: {STEP}, kind: step}}\n")
    described = yaml.safe_load((library / f"{STEP}.yaml").read_text())
    (library / f"{STEP}.yaml").unlink()
    (library / f"{STEP}.json").write_text(
        json.dumps({"section_kwargs": described["section_kwargs"]})
    )
    report = check(library)
    assert movie_of(report, STEP).problems == [
        "events MISSING: light_on, light_off once in every trial"
    ]
    (draft,) = report.drafts
    assert draft.how == "add at the beginning of"
    save(library, draft)
    assert check(library).is_good


def test_what_a_yaml_says_of_pixels_is_kept(library: Path) -> None:
    path = library / f"{STEP}.yaml"
    described = yaml.safe_load(path.read_text())
    del described["events"]
    described["geometry"] = {"pitch_px": 12.5, "offset_px": [3, 4]}
    path.write_text(yaml.safe_dump(described))
    (draft,) = check(library).drafts
    save(library, draft)
    again = check(library)
    assert again.is_good
    assert movie_of(again, STEP).geometry == "pixels of 12.5 x 12.5 display pixels from (3, 4)"
    assert yaml.safe_load(draft.text)["section_kwargs"] == described["section_kwargs"]


def test_without_frames_and_light_only_trials_that_need_neither_are_drafted(library: Path) -> None:
    forget(library, ".yaml", ".json", ".npy")
    report = check(library)
    assert sorted(draft.movie for draft in report.drafts) == [
        "baseline_127", "perfect_dense_noise_15x15_15hz_r42_20s",
    ]  # fmt: skip
    assert any("draft: none" in note for note in movie_of(report, STEP).notes)
    for draft in report.drafts:
        save(library, draft)
    again = check(library)
    assert movie_of(again, "baseline_127").problems == []


def test_a_direction_that_cannot_be_measured_is_left_to_fill_in(tmp_path: Path) -> None:
    movie = moving_bar("moving_blob", pixels=20, direction_frames=100, directions=4, repeat=1)
    frames = movie.frames.copy()
    third = frames[movie.trials.start_frame + movie.events[2][1] :][:100]
    third[:] = 0
    third[5:35, 5:9, 5:9] = 255  # it stands where it appears
    (tmp_path / "movie_length.csv").write_text(
        f"movie_name,movie_length\nmoving_blob,{len(frames)}\n"
    )
    (tmp_path / "patterns.yaml").write_text("- {pattern: moving_*, kind: moving_bar}")
    np.save(tmp_path / "moving_blob.npy", frames)
    (draft,) = check(tmp_path).drafts
    said = yaml.safe_load(draft.text)
    assert [event["name"] for event in said["events"]] == [
        "direction:0", "direction:90", "direction:?", "direction:270",
    ]  # fmt: skip
    assert "# replace ? by the direction in degrees" in draft.text
    save(tmp_path, draft)
    (problem,) = movie_of(check(tmp_path), "moving_blob").problems
    assert "direction:<degrees>, found 'direction:?'" in problem
    (tmp_path / draft.file).write_text(draft.text.replace("direction:?", "direction:180"))
    (movie,) = check(tmp_path).movies
    assert movie.problems == []


# -- from the light of a recording -----------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(
    whole: tuple[Path, list[GeneratedMovie]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    files = simulate_recording(
        folder, "rec", library=whole[0], playlist="brief", n_cells=1, seed=1,
        sampling_rate_hz=2500.0,
    )  # fmt: skip
    load_recording(files.cmcr_path, output_path=folder / "rec.h5", probe="off")
    return folder / "rec.h5"


def test_onsets_come_from_the_photodiode_where_there_are_no_frames(
    recorded: Path,
    library: Path,
    whole: tuple[Path, list[GeneratedMovie]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    forget(library, ".yaml", ".json", ".npy")
    words = ["stimuli", "check", str(library), "--playlist", "brief", "--photodiode", str(recorded)]
    assert main([*words, "--json"]) == 1
    for draft in json.loads(capsys.readouterr().out)["drafts"]:
        said = "from the photodiode of rec.h5, with the playlist laid out from the clock's first"
        assert said in draft["text"]
        save(library, Draft(**draft))
    for truth in whole[1]:
        if truth.kind == "chirp":
            fill_in_frequencies(library, truth)
    found = StimulusLibrary(library)
    for truth in whole[1]:
        movie = found.movie(truth.name)
        if truth.kind in EXACT - {"chirp"}:
            assert movie.kind == truth.kind
            assert onsets(movie.rule, [(e.name, e.frame) for e in movie.events]) == onsets(
                truth.trials, truth.events
            )
    main(words)
    assert capsys.readouterr().out.count("PROBLEM") == 1  # the noise has no frames


def test_sections_of_a_session_say_where_its_movies_are(library: Path) -> None:
    times = np.arange(3001) / 60
    light = np.zeros(30000)
    light[15000:] = 7
    stored = {
        "stimulus/frame_times": times,
        "stimulus/photodiode": light,
        "stimulus/photodiode_rate_hz": np.array(600.0),
        "stimulus/photodiode_start_s": np.array(0.0),
        "stimulus/playlist": np.array("friday"),
        "stimulus/sections/movie": np.array(["a", "b", "a"]),
        "stimulus/sections/content_start_frame": np.array([1490, 2900, 1600]),
    }
    (library / "playlist.csv").write_text(
        f"playlist_name,movie_names\nfriday,[]\nmonday,\"['{STEP}', 'new', '{BAR}']\"\n"
    )
    found = recorded_light("r", stored.__getitem__, stored, StimulusLibrary(library), "friday")
    assert found.starts == {"a": 1490, "b": 2900}
    assert found.tolerance == pytest.approx(0.06 * 7)
    a = found.of("a", 20)
    assert a is not None
    assert a.tolist() == pytest.approx([0] * 10 + [7] * 10)
    assert found.of("b", 200) is None  # longer than what was recorded
    assert found.of("c", 1) is None
    stored["stimulus/photodiode"] = np.random.default_rng(1).normal(size=30000)
    with pytest.raises(MissingDataError, match="r: the photodiode shows noise only"):
        recorded_light("r", stored.__getitem__, stored, StimulusLibrary(library), "friday")
    stored["stimulus/photodiode"] = light
    # another playlist is laid out from the first frame, as far as its lengths are known
    found = recorded_light("r", stored.__getitem__, stored, StimulusLibrary(library), "monday")
    assert found.starts == {STEP: 180}


def test_a_file_without_light_is_refused(
    recorded: Path, whole: tuple[Path, list[GeneratedMovie]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["stimuli", "check", str(whole[0]), "--photodiode", str(recorded)]
    assert main(words) == 1
    assert "--photodiode needs --playlist" in capsys.readouterr().err
    dark = recorded.with_name("dark.h5")
    load_recording(
        recorded.with_name("rec.cmcr"),
        output_path=dark, probe="off", frame_clock={"photodiode_row": None},
    )  # fmt: skip
    assert main([*words[:-1], str(dark), "--playlist", "brief"]) == 1
    assert "dark.h5 has no photodiode" in capsys.readouterr().err


# -- what the light tells --------------------------------------------------------------------------


@pytest.mark.parametrize(("directions", "pixels"), [(8, 60), (12, 60), (16, 40), (8, 30), (5, 50)])
def test_the_direction_of_a_bar_is_measured(directions: int, pixels: int) -> None:
    movie = moving_bar(pixels=pixels, directions=directions, direction_frames=110, repeat=1)
    frames = movie.frames
    for k in range(directions):
        start = movie.trials.start_frame + movie.events[k][1]
        motion = bar_motion(frames[start : start + 109], frames[start - 1])
        assert motion is not None
        apart = (motion.direction_deg - 360 * k / directions + 180) % 360 - 180
        assert abs(apart) < 0.5
        assert motion.speed == pytest.approx(pixels / 60, rel=0.02)
        assert motion.r2 > 0.99
    found = propose(Shown(frames.mean(axis=(1, 2)), frames))
    assert [event.name for event in found.events] == [name for name, _ in movie.events]


def test_a_movie_in_which_the_light_never_changes_is_said_to_be_so(tmp_path: Path) -> None:
    """A drifting grating: pictures, no bar, and as bright as the rest but for rounding."""
    phase = np.arange(40)[None, None, :] / 20 - np.arange(90)[:, None, None] / 30
    frames = np.full((150, 10, 40), 127.5)
    frames[30:120] += 127.5 * np.sin(2 * np.pi * phase)
    assert np.ptp(frames.mean(axis=(1, 2))) > 0
    np.save(tmp_path / "grating.npy", frames)
    (tmp_path / "movie_length.csv").write_text("movie_name,movie_length\ngrating,150\n")
    (draft,) = check(tmp_path).drafts
    assert yaml.safe_load(draft.text)["kind"] == "unknown"
    (tmp_path / "patterns.yaml").write_text("- {pattern: grat*, kind: moving_bar}")
    report = check(tmp_path)
    assert "# no change of light was found: fill in the events" in report.drafts[0].text
    assert "draft: to be completed by direction:<degrees>" in report.movies[0].notes


def test_noise_moves_nowhere() -> None:
    frames = np.random.default_rng(0).integers(0, 2, (60, 12, 12)) * 255
    motion = bar_motion(frames, np.zeros((12, 12)))
    assert motion is None or motion.r2 < 0.5


@pytest.mark.parametrize("hz", [0.25, 0.7, 1.5, 3.0, 7.5, 12.0, 20.0])
def test_a_sine_is_found_with_frequency_and_begin(hz: float) -> None:
    frames = np.arange(240)
    light = np.rint(127.5 + 100 * np.sin(2 * np.pi * hz * (frames + 1) / 60))
    found = fit_sine(light)
    assert found.hz == pytest.approx(hz, rel=0.005)
    half_cycle = 30 / hz
    assert abs((found.start + 1 + half_cycle / 2) % half_cycle - half_cycle / 2) < 0.2
    assert abs(found.start) <= half_cycle / 2 + 1e-6
    assert found.r2 > 0.99


def test_a_sine_whose_first_frame_is_grey_begins_with_that_frame() -> None:
    movie = frequency_steps(segment_frames=120, frequencies_hz=(1, 3))
    light = movie.frames.mean(axis=(1, 2))
    light[light == 127] = 128  # so that the sine's first value is that of the rest
    assert onsets_of(light) == onsets(movie.trials, movie.events)


def onsets_of(light: np.ndarray) -> dict[int, str]:
    found = propose(Shown(light))
    return onsets(found.rule, [(event.name, event.frame) for event in found.events])


@pytest.mark.parametrize(
    ("levels", "lengths", "expected"),
    [
        # dark flashes
        ([255, 0, 255, 0, 255], [90, 30, 90, 30, 90], {90: "light_off", 120: "light_on"}),
        # no rest before the first flash
        ([255, 0, 255, 0], [50, 70, 50, 70], {0: "light_on", 50: "light_off"}),
        # one trial only
        ([127, 255, 127], [40, 20, 40], {40: "light_on", 60: "light_off"}),
    ],
)
def test_steps_of_any_form_are_found(
    levels: list[int], lengths: list[int], expected: dict[int, str]
) -> None:
    assert onsets_of(np.repeat(np.array(levels, dtype=float), lengths)) == expected


def test_trials_that_are_known_are_kept_and_events_are_those_of_the_first() -> None:
    movie = light_step("any", on_frames=90, off_frames=120, repeat=3)
    rule = TrialRule(movie.trials.start_frame + 210, 210, 2)
    found = propose(Shown(movie.frames.mean(axis=(1, 2))), "step", rule)
    assert found.rule == rule
    assert found.events == (TrialEvent("light_on", 60), TrialEvent("light_off", 150))
