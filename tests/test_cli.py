"""The command line: what it says, what it returns, and what it does not import."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hand_session import NOISE, STEP, UNIT_IDS, hand_session

from hdmea import __version__
from hdmea.arrays import Variable
from hdmea.cli import main
from hdmea.simulate import SimulatedDataset
from hdmea.store.describe import describe_session, is_session_file


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return hand_session().save(tmp_path / "retina_1.h5")


def damage(path: Path, needle: bytes) -> None:
    raw = bytearray(path.read_bytes())
    place = raw.find(needle)
    assert place > 0
    raw[place] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["inspect", "--help"], ["nonsense"]])
def test_asking_for_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from hdmea.cli import main\n"
        "try:\n"
        f"    main({words!r})\n"
        "except SystemExit as leaving:\n"
        "    print('left with', leaving.code)\n"
        "heavy = {'numpy', 'h5py', 'scipy', 'pandas', 'matplotlib', 'pydantic', 'McsPy'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "heavy: []" in done.stdout
    assert f"left with {2 if words == ['nonsense'] else 0}" in done.stdout


def test_module_and_command_are_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hdmea", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"hdmea {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["inspect"],
        ["table", "a.h5"],
        ["picture", "a.h5"],
        ["verify"],
        ["simulate"],
        ["compare", "a"],
    ],
)
def test_wrong_usage_leaves_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert leaving.value.code == 2
    assert "usage: hdmea" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["inspect", "{}"], ["verify", "{}"], ["summary", "{}"], ["picture", "{}", "-o", "p.png"]],
)
def test_an_expected_error_is_one_readable_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.h5")
    assert main([word.format(missing) for word in words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"hdmea {words[0]}: ")
    assert missing in err
    assert "Traceback" not in err
    assert err.count("\n") == 1


def test_inspect_states_the_sessions_numbers(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(saved), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    session = hand_session()
    assert told["kind"] == "hdmea session"
    assert told["dataset_id"] == "retina_1"
    assert told["content_digest"] == session.content_digest
    assert told["recording"]["duration_s"] == 64.0
    assert told["recording"]["sources"] == [
        {"role": "cmtr", "name": "secret-.cmtr", "size": 123456}
    ]
    assert told["units"] == {"n_units": 4, "unit_ids": UNIT_IDS, "n_spikes": 13}
    assert told["sections"] == [
        {
            "movie": NOISE, "kind": "noise", "start_s": 1.0, "end_s": 31.0, "n_trials": 0,
            "alignment": {"r": 0.25, "lag_frames": 0.0, "reason": ""},
        },
        {
            "movie": STEP, "kind": "step", "start_s": 38.0, "end_s": 63.0, "n_trials": 2,
            "alignment": {"r": 0.998, "lag_frames": -2.0, "reason": ""},
        },
    ]  # fmt: skip
    assert told["features"]["on_off"]["undefined"] == {"on_off_index": {"no_response": 1}}
    assert set(told["features"]["on_off"]["outputs"]) == {
        "class", "n_spikes_on", "on_off_index", "psth_hz", "r_off_hz", "r_on_hz",
    }  # fmt: skip
    assert told["sta"] == {
        NOISE: {
            "shape": [4, 4, 3, 5], "first_lag": -4, "last_lag": -1,
            "n_spikes": 2, "n_excluded": 2, "with_z": True,
        }
    }  # fmt: skip
    assert [(s["step"], s["version"]) for s in told["steps"]] == [
        ("load_recording", 1), ("add_section_time", 1), ("extract_features", 1), ("compute_sta", 1),
    ]  # fmt: skip
    assert told["steps"][3]["parameters"] == {"cover_range": [-4, 0]}
    by_path = {one["path"]: one for one in told["variables"]}
    assert set(by_path) == set(session.paths())
    assert by_path["units/spike_times"]["shape"] == [13]
    assert by_path["units/spike_times"]["unit"] == "s"


def test_inspect_in_plain_words(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(saved)]) == 0
    words = capsys.readouterr().out
    for sentence in (
        "retina_1.h5: hdmea session of retina_1",
        hand_session().content_digest,
        "64.000 s, started 2031-12-24T18:00:00",
        "4 units, numbers 3 to 90817",
        "13 spikes",
        f"38.000 to    63.000 s  step        {STEP}, 2 trials\n    photodiode r = 0.998 at lag -2",
        f"{NOISE}, 0 trials\n    photodiode r = 0.250 at lag 0 frames\n",
        "on_off_index undefined: no_response in 1 units",
        "lags -4 to -1 frames",
        "add_section_time, version 1",
        "playlist_name='secret_list'",
    ):
        assert sentence in words


def test_inspect_tells_why_a_section_was_not_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = "stimulus/alignment/"
    session = hand_session(
        leave_out=[group],
        more={
            f"{group}r": Variable(np.array([np.nan, 0.5]), "1", ("section",), "r"),
            f"{group}lag_frames": Variable(np.array([np.nan, 1.0]), "frame", ("section",), "lag"),
            f"{group}reason": Variable(np.array(["no_movie_file", ""]), "", ("section",), "why"),
        },
    )
    path = session.save(tmp_path / "a.h5")
    assert main(["inspect", str(path)]) == 0
    words = capsys.readouterr().out
    assert f"{NOISE}, 0 trials\n    photodiode not compared: no_movie_file\n" in words
    assert f"{STEP}, 2 trials\n    photodiode r = 0.500 at lag 1 frames\n" in words
    assert describe_session(path)["sections"][0]["alignment"] == {
        "r": None, "lag_frames": None, "reason": "no_movie_file",
    }  # fmt: skip
    bare = hand_session(leave_out=[group, "stimulus/trials/"]).save(tmp_path / "bare.h5")
    assert main(["inspect", str(bare)]) == 0
    assert f"{STEP}, 0 trials\n    photodiode not compared: not in this" in capsys.readouterr().out


def test_inspect_tells_pending_features_and_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = hand_session(leave_out=["features/"])
    session.request_feature("on_off", {}, "add_section_time")
    session.warnings.append("the light was dim")
    assert main(["inspect", str(session.checkpoint(tmp_path / "c.h5"))]) == 0
    words = capsys.readouterr().out
    assert "c.h5: hdmea checkpoint of retina_1" in words
    assert "PENDING: on_off waits for add_section_time" in words
    assert "WARNING: the light was dim" in words


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_anonymous_sessions_tell_structure_only(
    form: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = hand_session("monkey_7").save(tmp_path / "lab_file.h5")
    assert main(["inspect", str(saved), "--anonymous", *form]) == 0
    words = capsys.readouterr().out
    for private in (
        "monkey", "lab_file", "secret", NOISE, STEP, "2031", "no_response", "µ", str(tmp_path),
        "90817", "12.345", "314159", "0.515625", "-9.25", "64.0", "123456", "55.0",
    ):  # fmt: skip
        assert private not in words
    for told in (
        "sta/stimulus_1/z",
        "units/snr",
        "features/on_off/psth_hz",
        "float32",
        "compute_sta",
    ):
        assert told in words
    if form:
        shapes = {
            one["path"]: (one["shape"], one["dtype"], one["unit"])
            for one in json.loads(words)["variables"]
        }
        assert shapes["sta/stimulus_1/z"] == ([4, 4, 3, 5], "float32", "1")
        assert shapes["units/spike_times"] == ([13], "float64", "s")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_anonymous_recordings_tell_structure_only(
    form: list[str], tiny_dataset: SimulatedDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    for files in tiny_dataset.recordings.values():
        for path in (files.cmcr_path, files.cmtr_path):
            assert main(["inspect", str(path), "--anonymous", *form]) == 0
            words = capsys.readouterr().out
            assert "Analog" in words or "SpikeSorter" in words or "ChannelStream" in words
            assert "demo_retina" not in words
            assert re.search(r"\d{2}\.\d{2}\.\d{4}|\d{4}-\d{2}-\d{2}", words) is None


def test_inspect_knows_files_by_their_content(
    tiny_dataset: SimulatedDataset, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tiny_dataset.recordings["demo_retina_1"]
    disguised = {
        "a.dat": (saved, "hdmea session"),
        "b.h5": (files.cmcr_path, "raw recording (.cmcr)"),
        "c": (files.cmtr_path, "sorted recording (.cmtr)"),
    }
    for name, (original, kind) in disguised.items():
        shutil.copy(original, tmp_path / name)
        assert main(["inspect", str(tmp_path / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kind"] == kind
    (tmp_path / "text.h5").write_text("hello")
    assert main(["inspect", str(tmp_path / "text.h5")]) == 1
    assert "text.h5 is not an HDF5 file" in capsys.readouterr().err


def test_a_damaged_session_is_told_as_one(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(saved, hand_session().values("units/unit_id").tobytes())
    assert is_session_file(saved)
    assert main(["inspect", str(saved)]) == 1
    assert "retina_1.h5 is damaged: units/unit_id" in capsys.readouterr().err


def test_verify_names_what_is_damaged(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = hand_session("other").save(tmp_path / "other.h5")
    assert main(["verify", str(saved), str(other)]) == 0
    assert capsys.readouterr().out.count(": good (") == 2
    damage(saved, hand_session().values("units/spike_times").tobytes())
    assert main(["verify", str(saved), str(other)]) == 1
    bad, good = capsys.readouterr().out.splitlines()
    assert bad == f"{saved}: DAMAGED: units/spike_times"
    assert good.startswith(f"{other}: good (")
    other.write_bytes(other.read_bytes()[:5000])
    assert main(["verify", str(other)]) == 1
    assert f"{other}: DAMAGED: " in capsys.readouterr().out


def test_summary_takes_folders_and_goes_on_after_a_bad_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("b", "a", "c"):
        hand_session(name).save(tmp_path / f"{name}.h5")
    assert main(["summary", str(tmp_path)]) == 0
    assert [line[:11] for line in capsys.readouterr().out.splitlines()] == [
        "a: 4 units;", "b: 4 units;", "c: 4 units;",
    ]  # fmt: skip
    (tmp_path / "b.h5").write_bytes(b"no")
    assert main(["summary", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert [line[:2] for line in out.splitlines()] == ["a:", "c:"]
    assert "b.h5 cannot be opened" in err
    (tmp_path / "nothing").mkdir()
    assert main(["summary", str(tmp_path / "nothing")]) == 1
    assert "without session files" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["verify", "summary"])
def test_a_missing_file_does_not_hide_the_others(
    command: str, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = hand_session("other").save(tmp_path / "other.h5")
    missing = tmp_path / "none.h5"
    assert main([command, str(saved), str(missing), str(other)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert err.startswith(f"hdmea {command}: ")
    assert str(missing) in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["inspect", "verify", "summary", "table", "picture"])
def test_an_error_of_the_system_is_one_line(
    command: str,
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr("hdmea.store.opening._open", fails)
    output = ["-o", str(tmp_path / "out")] if command in ("table", "picture") else []
    assert main([command, str(saved), *output]) == 1
    assert capsys.readouterr() == ("", f"hdmea {command}: {saved}: Input/output error\n")


@pytest.mark.parametrize("command", ["table", "picture"])
def test_table_and_picture_never_replace_a_session_file(
    command: str, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = saved.read_bytes()
    assert main([command, str(saved), "-o", str(saved)]) == 1
    assert f"{saved} is an HDF5 file" in capsys.readouterr().err
    assert saved.read_bytes() == content
    assert list(saved.parent.iterdir()) == [saved]


def test_table_and_picture_are_written(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, picture = tmp_path / "new" / "units.csv", tmp_path / "new" / "retina.png"
    assert main(["table", str(saved), "-o", str(table)]) == 0
    assert main(["picture", str(saved), "-o", str(picture)]) == 0
    assert capsys.readouterr().out == f"wrote {table}\nwrote {picture}\n"
    assert len(table.read_text().splitlines()) == 5
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_simulate_says_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["simulate", str(tmp_path / "demo"), "--recordings", "1", "--units", "2"]
    assert main([*words, "--playlist", "tiny", "--seed", "5"]) == 0
    said = capsys.readouterr().out
    for path in re.findall(r"^  (/\S+?)[,:] ", said, flags=re.MULTILINE):
        assert Path(path).exists()
    assert f"{tmp_path}/demo/recordings.tsv: the table" in said
    assert "2 units, playlist tiny (1 of 1)" in said
    assert main([*words, "--playlist", "none"]) == 1
    assert "No simulated playlist 'none'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"), [(["--seed", "-1"], "--seed must be 0 or more"), ([], "is a file")]
)
def test_a_simulation_that_cannot_be_is_refused_in_a_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "demo"
    if not words:
        target.touch()
    assert main(["simulate", str(target), *words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_nobody_reading_is_no_error(saved: Path) -> None:
    command = [sys.executable, "-m", "hdmea", "inspect", str(saved), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


@pytest.mark.slow
def test_ctrl_c_ends_it_in_a_line(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "hdmea",
        "simulate",
        str(tmp_path / "demo"),
        "--recordings",
        "50",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert "simulating 50 recordings" in child.stdout.readline()
        # Python itself ends otherwise when it is interrupted while it imports
        assert "demo_retina_1" in child.stdout.readline()
        child.send_signal(signal.SIGINT)
        assert child.stderr.read() == "hdmea simulate: interrupted\n"
        child.stdout.read()
    assert child.returncode == 130


def test_parts_can_be_inspected(tmp_path: Path) -> None:
    session = hand_session()
    part = session.save_part(tmp_path / "sta.h5", [f"sta.{NOISE}"])
    told = describe_session(part)
    assert told["kind"] == "hdmea part"
    assert told["units"]["n_units"] == 0
    assert list(told["sta"]) == [NOISE]
