"""`hdmea clean`: what lies in work folders, how old, how large, whose; and its removal."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
import yaml

from hdmea.batch import leftovers, remove
from hdmea.cli import main
from hdmea.errors import OutputWriteError, ParameterError
from hdmea.store.lock import sole_worker

DAY_S = 86400.0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Work of three recordings: done, ended three days ago within a part, and killed."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.h5").write_bytes(b"x" * 10**6)
    folder = tmp_path / "work"
    for name in ("a", "b", "c/features.frif"):
        (folder / name).mkdir(parents=True)
    (folder / "a/last.h5").hardlink_to(tmp_path / "results/a.h5")
    (folder / "b/load_recording.part.h5").write_bytes(b"x" * 2 * 10**6)
    (folder / "b/sta.noise.-3.piece.h5").write_bytes(b"x" * 10**6)
    (folder / "c/features.frif/.lock.host.4.00ff00ff.partial").write_bytes(b"x")
    for path in [*folder.rglob("*"), tmp_path / "results/a.h5"]:
        at = time.time() - 3 * DAY_S
        if "b" in path.parts:
            os.utime(path, (at, at))
    return folder


def test_what_is_there_is_told(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean", "--work", str(work)]) == 0
    said, me = capsys.readouterr().out.splitlines(), work.owner()
    assert said == [
        f"b: 1 part of an unfinished run, 1 file with pieces; 3.0 MB, 3.0 days old, of {me}",
        f"a: the last result; 0.0 MB, 0.0 days old, of {me}",
        f"c: nothing; 0.0 MB, 0.0 days old, of {me}",
        f"3 recordings, 3.0 MB in {work}",
    ]
    assert len(list(work.rglob("*.h5"))) == 3


def test_what_is_named_is_removed_and_nothing_else(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean", "--work", str(work), "--older-than", "2", "--remove"]) == 0
    assert "removed b: " in capsys.readouterr().out
    assert sorted(path.name for path in work.iterdir()) == ["a", "c"]
    assert main(["clean", "--work", str(work), "c", "a", "--remove"]) == 0
    assert list(work.iterdir()) == []
    assert (work.parent / "results/a.h5").stat().st_nlink == 1


def test_what_is_used_stays(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sole_worker(work / "b"):
        assert main(["clean", "--work", str(work), "--remove"]) == 1
        said = capsys.readouterr().out
        assert "kept b: 1 part of an unfinished run, 1 file with pieces; 3.0 MB" in said
        assert f"process {os.getpid()} on " in said
        assert [path.name for path in work.iterdir()] == ["b"]
        (found,) = leftovers(work)
        with pytest.raises(ParameterError, match="is being worked in by process"):
            remove(found)
    assert main(["clean", "--work", str(work), "--remove"]) == 0


def test_what_runs_do_not_make_is_not_touched(work: Path) -> None:
    """Somebody's own folder, or a link to one, is no work folder."""
    own = work / "own"
    own.mkdir()
    (own / "thesis.tex").touch()
    (own / "x.part.h5").touch()
    (work / "link").symlink_to(work.parent / "results", target_is_directory=True)
    assert [one.recording for one in leftovers(work)] == ["b", "a", "c"]
    assert main(["clean", "--work", str(work), "--remove"]) == 0
    assert sorted(path.name for path in work.iterdir()) == ["link", "own"]
    assert (work.parent / "results/a.h5").exists()


def test_what_cannot_be_removed_is_named(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    (found,) = leftovers(work, ["b"])
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputWriteError, match="cannot be removed: Permission denied") as raised:
        remove(found)
    assert raised.value.errno == errno.EACCES
    assert raised.value.filename == str(work / "b/load_recording.part.h5")


def test_unknown_recordings_and_missing_folders_are_said(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean", "--work", str(work), "d"]) == 1
    assert "holds nothing of d; it has: a, b, c" in capsys.readouterr().err
    assert main(["clean", "--work", str(work / "none")]) == 0
    assert "0 recordings" in capsys.readouterr().out


def test_the_configuration_says_where(
    work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work.parent)
    values = {
        "recordings": "r",
        "stimuli": "s",
        "work_dir": "work",
        "steps": {"load_recording": {}},
    }
    Path("config.yaml").write_text(yaml.safe_dump(values))
    assert main(["clean", "--config", "config.yaml"]) == 0
    assert "3 recordings, 3.0 MB in work" in capsys.readouterr().out
    Path("config.yaml").write_text(yaml.safe_dump(values | {"work_dir": None}))
    assert main(["clean", "--config", "config.yaml"]) == 1
    assert "nothing is kept" in capsys.readouterr().err
