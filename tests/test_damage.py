"""A sample of the damage of `make faults`, and whether it would see what it looks for."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from faults import damage, damaged_recordings, damaged_sessions
from faults.damage_kinds import DAMAGES, PAGE, damaged
from faults.lab import Lab
from faults.topics import TOPICS
from faults.watched import watched
from hdmea.errors import RecordingFileError, SessionFileError
from hdmea.store.verify import Verification


@pytest.fixture(scope="module")
def folder(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the topic finds its lab."""
    made = tmp_path_factory.mktemp("damage")
    (made / "lab").symlink_to(lab.folder)
    (made / "copies").mkdir()
    return made


@pytest.fixture(scope="module")
def recording(folder: Path, lab: Lab) -> Path:
    """Where its recording is."""
    damaged_recordings.make_recording(folder / "recording", lab.places["stimuli_dir"])
    return folder / "recording"


# -- a sample --------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", ["session file", "part", "`.cmtr`"])
@pytest.mark.usefixtures("recording")
def test_no_damaged_file_is_taken_for_a_good_one(part: str, folder: Path) -> None:
    found = {part: damage.run(folder, part, share=0.001)}
    assert damage.bad(found) == 0, found
    assert sum(tally["files"] for tally in found[part].values()) >= len(DAMAGES)
    refused = sum(tally.get("refused", 0) for tally in found[part].values())
    assert refused >= 2  # those that are cut, or end in zeros


# -- what would be found ---------------------------------------------------------------------------


def test_each_damage_is_what_it_says() -> None:
    rng = np.random.default_rng(3)
    whole = rng.integers(1, 256, 3 * PAGE, dtype=np.uint8).tobytes()
    place = PAGE + 100
    changed = {name: damaged(whole, one, place, rng) for name, one in DAMAGES.items()}
    assert changed["cut"] == whole[:place]
    assert changed["zeros to the end"] == whole[:place] + bytes(len(whole) - place)
    assert changed["page of zeros"] == whole[:PAGE] + bytes(PAGE) + whole[2 * PAGE :]
    assert changed["longer"].startswith(whole)
    assert len(changed["longer"]) > len(whole)
    other = changed["another page"]
    assert other[PAGE : 2 * PAGE] in (whole[:PAGE], whole[2 * PAGE :], whole[PAGE : 2 * PAGE])
    assert other[:PAGE] + other[2 * PAGE :] == whole[:PAGE] + whole[2 * PAGE :]
    for name, n_bits in (("flipped bit", {1}), ("changed byte", set(range(1, 9)))):
        differing = int.from_bytes(whole) ^ int.from_bytes(changed[name])
        assert differing.bit_count() in n_bits
        assert (8 * len(whole) - differing.bit_length()) // 8 == place


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (lambda: {"a": 1}, (0, {"a": 1}, 0, False, False)),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), (-signal.SIGSEGV, {}, 0, True, False)),
        (lambda: signal.pause(), (-signal.SIGALRM, {}, 0, False, True)),
        (lambda: os.write(2, b"a\nb\n"), (0, 4, 2, False, False)),
    ],
)
def test_how_a_fork_ends_is_told(act: Callable[[], Any], expected: tuple[object, ...]) -> None:
    end = watched(act, deadline_s=1)
    assert (end.code, end.said, end.lines, end.crashed, end.hung) == expected


def test_an_exception_in_a_fork_is_told_with_its_classes() -> None:
    end = watched(lambda: {}["none"])
    assert (end.code, end.said["kind"], end.said["message"]) == (1, "KeyError", "'none'")
    assert "LookupError" in end.said["kinds"]


def fails(kind: type[Exception], words: str) -> Callable[..., Any]:
    def act(*_: object, **__: object) -> Any:
        raise kind(words)

    return act


def ends(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("module", "name", "stand_in", "wrong"),
    [
        ("damaged_sessions", "_read", lambda _: {"end": "good"}, "good"),
        ("damaged_sessions", "_read", fails(KeyError, "x"), "untyped"),
        ("damaged_sessions", "_read", ends, "crashed"),
        ("damaged_sessions", "verify", lambda p: Verification(p, "", 1, ()), "verified"),
        ("damaged_sessions", "verify", lambda p: Verification(p, "", 1, (("a", "b"),)), "unnamed"),
        ("damaged_sessions", "verify", fails(SessionFileError, "somewhere"), "verified"),
        ("damaged_recordings", "load_recording", fails(KeyError, "x"), "untyped"),
        ("damaged_recordings", "load_recording", fails(RecordingFileError, "x"), "unnamed"),
        ("damaged_recordings", "load_recording", ends, "crashed"),
        ("damaged_recordings", "load_recording", lambda session, **_: session, "silent"),
    ],
)
def test_what_breaks_a_promise_is_counted(
    module: str,
    name: str,
    stand_in: Any,
    wrong: str,
    folder: Path,
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"faults.{module}.DAMAGES", {"cut": DAMAGES["cut"]})
    monkeypatch.setattr("faults.damage.DAMAGES", {"cut": DAMAGES["cut"]})
    if module == "damaged_sessions":
        monkeypatch.setattr(f"faults.{module}.{name}", stand_in)
        found, columns = damage.run(folder, "part", share=0.001), damaged_sessions.BAD
        assert damage.bad({"part": found}) == found["cut"][wrong]
    else:
        real, calls = damaged_recordings._loaded, []

        def first_as_it_is(*given: Any) -> Any:
            """The whole file is loaded first."""
            calls.append(given)
            if len(calls) == 1:
                return real(*given) | {"data": "another"}
            monkeypatch.setattr(f"faults.{module}.{name}", stand_in)
            return real(*given)

        monkeypatch.setattr(damaged_recordings, "_loaded", first_as_it_is)
        found = damaged_recordings.damage_recordings(
            recording, recording.parent / "copies", "rec-.cmtr", 1, seed=1, probe="off"
        )
        columns = damaged_recordings.BAD
        assert damage.bad({"`.cmtr`": found}) == found["cut"][wrong]
    assert {key for key in columns if found["cut"].get(key)} == {wrong}


def test_bytes_of_values_are_told_from_those_that_say_where_they_are(recording: Path) -> None:
    path = recording / "rec-.cmtr"
    found, content = damaged_recordings.value_bytes(path), path.read_bytes()
    with h5py.File(path) as file:
        unit = next(name for name in file["Spike Sorter"] if name.startswith("Unit "))
        peaks = file[f"Spike Sorter/{unit}/Peaks"]
        place, length = peaks.id.get_offset(), peaks.nbytes
        kind = file[f"Spike Sorter/{unit}"].attrs["ID.TypeID"]
    assert found[place : place + length].all()
    assert found[content.index(b"01.01.2020")]
    assert not found[content.index(kind)]
    assert not found[:8].any()


def test_the_page_tells_what_was_damaged_and_how_it_ended() -> None:
    assert TOPICS["damage"] is damage.DAMAGE
    tallies = {name: {"files": 2, "refused": 1, "good": 1} for name in DAMAGES}
    page = damage.section({"part": tallies})
    assert "| part | 14 | 7 | 0 | **7** |" in page
    read = {name: {"files": 1, "right": 1, "slowest_s": 2.5} for name in DAMAGES}
    assert "took 2.5 s of the processor" in damage.section({"`.cmcr`": read})
    assert damage.section({}) == ""
