"""Libraries as labs have them: other programs' files, patterns; each works or says why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hdmea.errors import HdmeaError, StimulusError, UnknownNameError
from hdmea.stimulus.library import StimulusLibrary
from hdmea.stimulus.movie import Movie, Origin, TrialEvent
from hdmea.stimulus.sections import TrialRule

PLAYLIST = "playlist_name,movie_names\nfriday,\"['a.mov', 'my b.mov']\"\n"
LENGTHS = "movie_name,movie_length\na,20\nmy b,30\n"
RULE = '{"section_kwargs": {"start_frame": 2, "trial_length_frame": 4, "repeat": 2}}'
TIMING = "section_kwargs: {start_frame: 2, trial_length_frame: 4, repeat: 2}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    library = tmp_path / "library"
    library.mkdir()
    (library / "playlist.csv").write_text(PLAYLIST)
    (library / "movie_length.csv").write_text(LENGTHS)
    for name in ("a", "my b"):
        (library / f"{name}.json").write_text(RULE)
    np.save(library / "a.npy", np.zeros((20, 2, 3), np.uint8))
    return library


def lists(folder: Path, text: str) -> None:
    (folder / "playlist.csv").write_text(text)


def lengths(folder: Path, text: str) -> None:
    (folder / "movie_length.csv").write_text(text)


def with_bom(folder: Path) -> None:
    for path in folder.glob("*.[cj]s*"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def with_crlf(folder: Path) -> None:
    for path in folder.glob("*.[cj]s*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def in_capitals(folder: Path) -> None:
    lists(folder, PLAYLIST.replace(".mov", ".MOV"))
    (folder / "a.npy").rename(folder / "a.NPY")
    (folder / "a.json").rename(folder / "a.JSON")
    (folder / "playlist.csv").rename(folder / "Playlist.CSV")
    (folder / "movie_length.csv").rename(folder / "MOVIE_LENGTH.csv")


def in_subfolders(folder: Path) -> None:
    for path in list(folder.iterdir()):
        inside = folder / path.suffix[1:] / "x"
        inside.mkdir(parents=True, exist_ok=True)
        path.rename(inside / path.name)


def behind_a_link(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir()
    for path in list(folder.glob("a.*")):
        path.rename(elsewhere / path.name)
    (folder / "shared").symlink_to(elsewhere)
    (folder / "again").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(folder)


def as_a_link(folder: Path) -> None:
    folder.rename(folder.parent / "real")
    folder.symlink_to(folder.parent / "real")


def as_yml(folder: Path) -> None:
    (folder / "a.json").unlink()
    (folder / "a.yml").write_text(TIMING)


WORKS: dict[str, Callable[[Path], object]] = {
    "as it should be": lambda folder: folder,
    "byte order mark": with_bom,
    "CRLF": with_crlf,
    "capitals": in_capitals,
    "subfolders": in_subfolders,
    "a folder behind two links, and one back": behind_a_link,
    "the library itself a link": as_a_link,
    "yml": as_yml,
    "with and without extension, agreeing": lambda f: lengths(f, LENGTHS + "a.mov,20\na,20\n"),
    "lengths as floats": lambda f: lengths(f, LENGTHS.replace("20", "20.0").replace("30", "3e1")),
    "rules as floats": lambda f: (f / "a.json").write_text(
        RULE.replace("4", "4.0").replace(": 2}", ': "2.0"}')
    ),
    "empty lines and columns": lambda f: lengths(
        f, LENGTHS.replace("\n", ",,\n") + "\n,,\n  \n"
    ),
    "blanks around cells": lambda f: lengths(f, LENGTHS.replace(",", " , ")),
    "more columns": lambda f: lengths(f, "movie_length,who,movie_name\n20,x,a\n30,y,my b\n"),
    "trailing commas": lambda f: lists(f, PLAYLIST.replace("']", "',]").replace("\n", ",,\n")),
    "a tuple": lambda f: lists(f, PLAYLIST.replace("[", "(").replace("]", ")")),
    "paths of Windows": lambda f: lists(
        f, PLAYLIST.replace("a.mov", r"C:\new\a.mov").replace("my b", r"D:\\temp.x\\my b")
    ),
    "paths": lambda f: lengths(f, "movie_name,movie_length\nx/y.z/a.mov,20\n./my b,30\n"),
    "the same playlist twice": lambda f: lists(f, PLAYLIST + PLAYLIST.partition("\n")[2]),
}  # fmt: skip


@pytest.mark.parametrize("how", WORKS)
def test_odd_but_clear_libraries_are_read_alike(folder: Path, how: str) -> None:
    WORKS[how](folder)
    library = StimulusLibrary(folder)
    one, two = library.playlist("friday")
    assert (one.name, one.length_frames, one.rule) == ("a", 20, TrialRule(2, 4, 2))
    assert (two.name, two.length_frames, two.rule) == ("my b", 30, TrialRule(2, 4, 2))
    assert one.frame_shape() == (2, 3)
    assert two.frames_path is None


FAILS: dict[str, tuple[Callable[[Path], object], str]] = {
    "semicolons": (
        lambda f: lengths(f, LENGTHS.replace(",", ";")),
        r"movie_length\.csv: columns movie_name.*separated by semicolons; save it with commas",
    ),
    "tabs": (lambda f: lists(f, PLAYLIST.replace(",", "\t", 1)), "separated by tabs"),
    "not UTF-8": (
        lambda f: (f / "movie_length.csv").write_bytes(LENGTHS.encode() + b"gr\xfcn,3\n"),
        "Save it as 'CSV UTF-8'",
    ),
    "with and without extension, differing": (
        lambda f: lengths(f, LENGTHS + "a.mov,21\n"),
        r"movie_length\.csv, row 4: 'a' is given twice, as '20' and as '21'",
    ),
    "decimal commas": (
        lambda f: lengths(f, LENGTHS.replace("20", "20,5")),
        "row 2 has 3 cells under 2 columns.*needs double quotes",
    ),
    "a list without quotes": (
        lambda f: lists(f, PLAYLIST.replace('"', "")),
        r"playlist\.csv, row 2 has 3 cells under 2 columns.*needs double quotes",
    ),
    "no length": (lambda f: lengths(f, LENGTHS.replace("a,20", "a")), "row 2: movie_length is mis"),
    "an empty length": (lambda f: lengths(f, LENGTHS.replace("20", "")), "'a' is ''; a number"),
    "no name": (lambda f: lengths(f, LENGTHS + ",30"), "row 4: movie_name is missing"),
    "half a frame": (lambda f: lengths(f, LENGTHS.replace("20", "20.5")), "is '20.5'; a number"),
    "no number": (lambda f: lengths(f, LENGTHS.replace("20", "nan")), "is 'nan'; a number"),
    "an empty list": (
        lambda f: lists(f, "playlist_name,movie_names\nfriday,[]\n"),
        "playlist 'friday' is empty",
    ),
    "an empty cell": (
        lambda f: lists(f, "playlist_name,movie_names\nfriday,\n"),
        "playlist 'friday' is empty",
    ),
    "an empty name": (lambda f: lists(f, PLAYLIST.replace("a.mov", ".mov")), "a list of movie"),
    "one name only": (
        lambda f: lists(f, "playlist_name,movie_names\nfriday,a.mov\n"),
        "holds 'a.mov'; a list",
    ),
    "other capitals": (
        lambda f: lists(f, PLAYLIST.replace("a.mov", "A.mov")),
        "known movies: a, my b. Did you mean 'a'",
    ),
    "JSON with comments": (
        lambda f: (f / "a.json").write_text("{\n  // trials\n" + RULE[1:]),
        r"a\.json cannot be read: .*in '// trials': JSON knows no comments",
    ),
    "an empty JSON": (lambda f: (f / "a.json").write_text(""), r"a\.json cannot be read"),
    "yes for a number": (
        lambda f: (f / "a.json").write_text(RULE.replace(": 2}", ": true}")),
        r"a\.json: section_kwargs\.repeat: a whole number is needed",
    ),
    "JSON and YAML": (lambda f: (f / "a.yaml").write_text(TIMING), "both define it"),
    "two files in folders": (
        lambda f: ((f / "old").mkdir(), (f / "old/a.json").write_text(RULE)),
        r"a\.json is in the stimulus library more than once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", FAILS)
def test_what_is_not_clear_is_an_error_that_says_why(folder: Path, how: str) -> None:
    change, why = FAILS[how]
    change(folder)
    with pytest.raises(HdmeaError, match=f"(?s){why}"):
        StimulusLibrary(folder).playlist("friday")


def test_a_wrong_row_spoils_no_other(folder: Path) -> None:
    lengths(folder, LENGTHS + "my b,31\n")
    lists(folder, PLAYLIST + "empty,[]\nwrong,[1]\n")
    library = StimulusLibrary(folder)
    assert library.movie("a").length_frames == 20
    assert library.movie_names("empty") == ()
    assert library.movie_names("friday") == ("a", "my b")
    with pytest.raises(StimulusError, match="twice"):
        library.movie("my b")


def test_a_mistyped_playlist_is_told_the_nearest(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"it has: friday\. Did you mean 'friday'"):
        StimulusLibrary(folder).playlist("Fryday")


# -- names by pattern ------------------------------------------------------------------------------

PATTERNS = """
- pattern: flash_*_long
  kind: step
  section_kwargs: {start_frame: 0, trial_length_frame: 10, repeat: 2}
  events: [{name: light_off, frame: 6}, {name: light_on, frame: 1}]
- pattern: flash_*
  kind: step
  trial_length_frame: 4
  events: [{name: light_on, frame: 2}, {name: light_off, frame: 3}]
- pattern: step_up_*
  kind: unknown
"""


def movie(folder: Path, name: str) -> Movie:
    lengths(folder, f"movie_name,movie_length\n{name},1800\n")
    return StimulusLibrary(folder).movie(name)


def test_a_movie_without_a_file_resolves_by_its_name(folder: Path) -> None:
    (folder / "patterns.yaml").write_text(PATTERNS)
    found = movie(folder, "flash_red_long")
    assert (found.kind, found.rule) == ("step", TrialRule(0, 10, 2))
    assert found.events == (TrialEvent("light_on", 1), TrialEvent("light_off", 6))
    assert found.origin == Origin(*["patterns.yaml: flash_*_long"] * 3)


def test_files_come_before_patterns_and_the_librarys_before_the_packages(folder: Path) -> None:
    (folder / "patterns.yaml").write_text(PATTERNS)
    (folder / "flash_b.json").write_text(RULE)
    found = movie(folder, "flash_b")
    assert found.rule == TrialRule(2, 4, 2)
    assert [event.frame for event in found.events] == [2, 3]
    assert found.origin == Origin("flash_b.json", *["patterns.yaml: flash_*"] * 2)

    (folder / "step_up_9.json").write_text(RULE)
    assert movie(folder, "step_up_9").kind == "unknown"
    (folder / "patterns.yaml").unlink()
    found = movie(folder, "step_up_9")
    assert (found.kind, found.events) == ("step", ())
    assert found.origin == Origin("step_up_9.json", "built-in: step_up_*", "")

    (folder / "step_up_9.json").unlink()
    (folder / "step_up_9.yaml").write_text(TIMING + "\nevents: [{name: x, frame: 0}]")
    assert movie(folder, "step_up_9").origin == Origin(
        "step_up_9.yaml", "built-in: step_up_*", "step_up_9.yaml"
    )


def test_a_pattern_without_trials_leaves_the_movie_without(folder: Path) -> None:
    (folder / "patterns.yaml").write_text(PATTERNS)
    with pytest.raises(StimulusError, match=r"no trial rule.*first entry of patterns\.yaml"):
        movie(folder, "flash_c")


def test_the_digest_says_what_a_movie_is_not_who_says_so(folder: Path) -> None:
    (folder / "patterns.yaml").write_text(PATTERNS)
    by_pattern = movie(folder, "flash_x_long").digest()
    (folder / "flash_x_long.json").write_text(
        json.dumps({"section_kwargs": {"start_frame": 0, "trial_length_frame": 10.0, "repeat": 2}})
    )
    assert movie(folder, "flash_x_long").digest() == by_pattern
    (folder / "patterns.yaml").unlink()
    (folder / "flash_x_long.json").unlink()
    (folder / "flash_x_long.yaml").write_text(
        "section_kwargs: {start_frame: 0, trial_length_frame: 10, repeat: 2, group_gap: 0}\n"
        "kind: step\nevents: [{name: light_on, frame: 1}, {name: light_off, frame: 6}]\n"
        "geometry: {pitch_px: 3, offset_px: [0, 0]}\n"
    )
    assert movie(folder, "flash_x_long").digest() == by_pattern


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("pattern: x", "a list of entries is needed, each with pattern and kind; found dict"),
        ("- {pattern: x}", r"entry 1 \('x'\): kind: is required"),
        ("- {pattern: x, kind: grey}\n- {kind: grey}", "entry 2: pattern: is required"),
        ("- {pattern: x, kind: green}", r"entry 1 \('x'\): kind: .*'grey'"),
        ("- [x]", "entry 1: must be names with values"),
        (
            "- {pattern: x, kind: step, events: [{name: light_on, frame: 1}]}",
            r"entry 1 \('x'\): events: hold for trials of one length",
        ),
        (
            "- {pattern: x, kind: step, trial_length_frame: 5, events: [{name: up, frame: 5}]}",
            "events: 'up' at frame 5 is not inside the trial, which has 5 frames",
        ),
        (
            "- {pattern: x, kind: step, trial_length_frame: 5, section_kwargs: "
            "{start_frame: 0, trial_length_frame: 6, repeat: 1}}",
            "trial_length_frame: 5, but section_kwargs says 6",
        ),
        ("- {pattern: x, kind: grey, geometry: {pitch: 1}}", "geometry.pitch: unknown, did you m"),
    ],
)
def test_a_wrong_pattern_names_file_entry_and_key(folder: Path, content: str, wrong: str) -> None:
    (folder / "patterns.yaml").write_text(content)
    with pytest.raises(StimulusError, match=rf"patterns\.yaml.*{wrong}"):
        movie(folder, "a")
