"""A sample of the hostile files of `make faults`, and whether what tries them sees what they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.hostile import trial
from faults.hostile.cases import MARK, NOTHING, Case, Room
from faults.hostile.corpus import corpus
from faults.hostile.topic import HOSTILE, as_json, bad, section, tried_in_a_process
from faults.hostile.tracing import has_strace, hooked, of_hook, of_strace, strace
from faults.hostile.trial import Given, say, tried
from faults.hostile.watch import Watch
from faults.hostile.ways import WAYS
from faults.lab import Lab, make_lab
from hdmea.errors import HdmeaError, ParameterError, StimulusError
from hdmea.pipeline import PipelineSession
from hdmea.stimulus.library import StimulusLibrary
from hdmea.terminal import in_a_line, shown
from hdmea.validation import require_small

SAMPLE = [
    # some of what misled hdmea before it was tried
    (".cmcr", "external links beside whole data"),
    (".cmcr", "a virtual dataset that grows"),
    (".cmtr", "an external link to a group"),
    ("session file", "many words where one is read"),
    ("old result", "a name with control characters"),
    ("content", "parameters of 100,000 lists in each other"),
    ("library", "YAML that doubles thirty times"),
    ("library", "100,000 signs before a movie"),
    ("library", "a movie of 9e15 trials"),
    # what is good, and must be read
    *((kind, NOTHING) for kind in (".cmcr", "old result", "library", "table")),
    # and one of each of the other kinds
    ("table", "a name with shell code"),
    ("curation", "a pipe"),
    ("configuration", "YAML that holds itself"),
    ("id", "a name that leaves the folder"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return make_lab(tmp_path_factory.mktemp("lab"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_sample_is_refused_or_harmless(lab: Lab, tmp_path: Path) -> None:
    cases = [(case.kind, case.name) for case in corpus(lab)]
    assert len(set(cases)) == len(cases)
    assert len({name for _, name in cases}) >= 100
    assert {kind for kind, _ in SAMPLE} == {kind for kind, _ in cases} == set(WAYS)
    trials = tried_in_a_process(lab, tmp_path / "corpus", SAMPLE)
    assert [one for one in trials if not one["is_good"]] == []
    assert {(one["kind"], one["case"]) for one in trials} == set(SAMPLE)


# -- whether it would be seen ----------------------------------------------------------------------


def opens(given: Given) -> None:
    (given.room.bait / "secret").read_bytes()


def writes(given: Given) -> None:
    (given.room.bait / "new").touch()


def replaces(given: Given) -> None:
    given.path.write_text("other", encoding="utf-8")


def leaves_the_folder(given: Given) -> None:
    (given.room.folder / "stray").touch()


def runs_code(_: Given) -> None:
    os.system(f"touch {MARK}")


def crashes(_: Given) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def loops(_: Given) -> None:
    while True:
        pass


def takes_all_memory(_: Given) -> None:
    bytearray(2 * trial.MEMORY_BYTES)


def moves_the_cursor(given: Given) -> None:
    say(f"{given.path.name}: \x1b[2J")


def speaks_no_encoding(given: Given) -> None:
    say(f"{given.path.name}: \udcff")


def refuses_without_a_name(_: Given) -> None:
    raise ParameterError("something is wrong")


def refuses(given: Given) -> None:
    raise ParameterError(f"{given.path.name} is wrong")


@pytest.mark.parametrize(
    ("way", "word"),
    [
        (opens, "READ ELSEWHERE"),
        (writes, "WROTE ELSEWHERE"),
        (replaces, "CHANGED INPUTS"),
        (leaves_the_folder, "CHANGED INPUTS"),
        (runs_code, "RAN CODE"),
        (crashes, "CRASHED"),
        (loops, "HUNG"),
        (takes_all_memory, "UNKNOWN ERROR"),
        (moves_the_cursor, "UNREADABLE"),
        (speaks_no_encoding, "UNKNOWN ERROR"),
        (refuses_without_a_name, "FILE NOT NAMED"),
        (refuses, "refused"),
        (lambda given: say(given.path), "READ AS GOOD"),
    ],
)
def test_what_breaks_a_promise_is_seen(
    way: Callable[[Given], None], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "CPU_S", 1)
    room = Room(tmp_path / "room")
    room.make()
    (room.bait / "secret").write_text("secret", encoding="utf-8")
    path = room.inputs / "given"
    path.write_text("hostile", encoding="utf-8")
    case = Case("a case", "session file", lambda _: path, must_be_refused=True)
    end = tried(case, path, room, way)
    assert end.word == word
    assert end.is_good == (word == "refused")


def test_who_refuses_everything_is_seen(tmp_path: Path) -> None:
    room = Room(tmp_path / "room")
    room.make()
    path = room.inputs / "given"
    path.touch()
    good = Case(NOTHING, "session file", lambda _: path, is_good=True)
    assert tried(good, path, room, refuses).word == "REFUSED A GOOD FILE"
    assert tried(good, path, room, lambda given: say(given.path)).is_good


def test_a_watch_tells_who_touches_what(tmp_path: Path) -> None:
    with Watch(tmp_path) as watch:
        (tmp_path / "a").write_text("x", encoding="utf-8")
        assert watch.seen()[:2] == ["made a", "opened a"]
        assert watch.seen() == []
        (tmp_path / "a").unlink()
        assert watch.seen() == ["removed a"]


@pytest.mark.parametrize("who", ["audit hook", "strace"])
def test_what_a_program_and_its_children_touch_is_told(who: str, tmp_path: Path) -> None:
    if who == "strace" and not has_strace():
        pytest.skip("strace is not here")
    project, told = tmp_path / "project $(x)", tmp_path / "told"
    project.mkdir()
    for name in ("secret é", "old"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    inner = "open('inside', 'w').close(); import os; os.rename('../old', '../new')"
    outer = (
        "import subprocess, sys; open('../secret é').read(); "
        f"subprocess.run([sys.executable, '-c', {inner!r}])"
    )
    done = subprocess.run(
        [*(strace(told) if who == "strace" else []), sys.executable, "-c", outer],
        cwd=project, env=os.environ | (hooked(told) if who == "audit hook" else {}), check=True,
    )  # fmt: skip
    assert done.returncode == 0
    seen = of_hook(told) if who == "audit hook" else of_strace(told, project)
    assert str(tmp_path / "secret é") in seen.read
    assert seen.outside(seen.written, [project, Path("/dev"), Path(sys.prefix)]) == [
        str(tmp_path / "new"),
        str(tmp_path / "old"),
    ]
    assert str(project / "inside") in seen.written
    assert os.path.realpath(sys.executable) in seen.run


def test_the_page_tells_what_broke_a_promise() -> None:
    trials = [
        {"kind": "session file", "case": "a link", "way": way, "word": word, "cpu_s": 0.5}
        for way, word in (("load", "refused"), ("verify", "CRASHED"))
    ]
    whole = {
        "ids refused": 7, "recordings made": 2, "recordings refused": 1, "bait touched": [],
        "ran code": [], "seen": {
            "strace": {
                "calls": 9000, "files read": 80, "paths written": 7, "read outside": ["/root/x"],
                "written outside": [], "programs": ["python"],
            }
        },
    }  # fmt: skip
    found = {"session file": as_json(trials), "whole run": whole}
    assert bad(found) == 2
    told = section(found)
    assert "| session file | 1 | 2 | 1 | 0 | **1** | 0.5 |" in told
    assert "| a link | **crashed** |" in told
    assert "| strace | 9,000 | 80 | 7 | **1** | 0 | python |" in told
    assert "session file" in HOSTILE.parts


# -- what was mended -------------------------------------------------------------------------------


def test_messages_do_nothing_to_a_terminal() -> None:
    said = str(ParameterError("\x1b[2J\x9b \u202e\udcff\u2028 ünï\n  line"))
    assert said == "\\x1b[2J\\x9b \\u202e\\udcff\\u2028 ünï\n  line"
    assert shown("plain") == "plain"
    assert in_a_line("a\tb\r\nc") == "a\\tb\\r\\nc"


def test_values_that_hold_themselves_are_told_from_large_ones() -> None:
    require_small({"a": [list(range(1000)) for _ in range(900)]})
    circle: list[object] = []
    circle.append({"again": circle})
    with pytest.raises(ValueError, match="more than 1000000 values"):
        require_small(circle)
    with pytest.raises(ValueError, match="more than 1000000 values"):
        require_small([[0] * 1000] * 1001)


def test_a_library_with_a_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdmea.stimulus.folder._MAX_FOLDERS", 5)
    library = tmp_path / "library"
    library.mkdir()
    for number in range(10):
        (tmp_path / str(number)).mkdir()
    (library / "out").symlink_to(tmp_path)
    with pytest.raises(StimulusError, match=r"more than 5 folders, among them .*/library/out"):
        StimulusLibrary(library)


def test_where_a_checkpoint_is_saved_by_default_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = PipelineSession("rec", output_dir=tmp_path / "elsewhere").checkpoint(tmp_path / "c.h5")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    PipelineSession.load(made).save()
    assert f"saving to {tmp_path}/elsewhere/rec.h5, as the checkpoint" in caplog.text
    caplog.clear()
    monkeypatch.chdir(tmp_path)
    PipelineSession.load(made).save()
    assert "as the checkpoint" not in caplog.text


def test_every_error_is_shown_alike() -> None:
    for kind in HdmeaError.__subclasses__():
        assert str(kind("\x07")) == "\\x07"
