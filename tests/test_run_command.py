"""`hdmea run`: one recording, from its files to its session file."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from hdmea.batch import config_of_file, default_config, one_recording
from hdmea.cli import main
from hdmea.errors import FileMissingError, ParameterError
from hdmea.pipeline import PipelineSession, run_recording, verify

STEPS = {
    "load_recording": {"probe": "off"},
    "add_section_time": {},
    "section_spike_times": {},
    "compute_sta": {"cover_range": [-12, 0]},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: dict[str, Path]) -> Path:
    """A folder with a configuration."""
    monkeypatch.chdir(tmp_path)
    values = {
        "recordings": "none",
        "stimuli": str(places["stimuli_dir"]),
        "steps": STEPS,
        "checkpoints": ["load_recording"],
        "output_dir": "done",
    }
    Path("config.yaml").write_text(yaml.safe_dump(values))
    return tmp_path


def words(places: dict[str, Path], *more: str) -> list[str]:
    files = [str(places["cmcr_path"]), str(places["cmtr_path"])]
    return ["run", *files, "--playlist", "tiny", *more]


def test_it_gives_what_the_library_gives(
    here: Path, places: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(places, "--config", "config.yaml", "--checkpoint", "add_section_time")) == 0
    said = capsys.readouterr().out
    assert "wrote done/demo_retina_1.h5" in said
    assert "12 units" in said
    steps = STEPS | {"add_section_time": {"playlist_name": "tiny"}}
    expected = run_recording(steps, here / "expected.h5", **places)
    found = PipelineSession.load("done/demo_retina_1.h5")
    assert found.content_digest == expected.content_digest
    checkpoints = sorted(path.name for path in Path("done/checkpoints").iterdir())
    assert checkpoints == [
        "demo_retina_1.after_add_section_time.h5",
        "demo_retina_1.after_load_recording.h5",
    ]
    assert [path.name for path in Path("work/demo_retina_1").iterdir()] == ["last.h5"]

    Path("none.yaml").write_text(
        yaml.safe_dump(
            yaml.safe_load(Path("config.yaml").read_text())
            | {"steps": STEPS | {"compute_sta": {"stimulus": "no_such"}}}
        )
    )
    assert main(words(places, "--config", "none.yaml")) == 1
    assert "done/demo_retina_1.h5 is as it was" in capsys.readouterr().err
    assert verify("done/demo_retina_1.h5").content_digest == expected.content_digest


@pytest.mark.usefixtures("here")
def test_it_ends_when_it_is_asked_to_and_goes_on(places: dict[str, Path]) -> None:
    command = [sys.executable, "-m", "hdmea", *words(places, "--config", "config.yaml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not Path("work/demo_retina_1/load_recording.part.h5").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted by SIGTERM; what was done is kept" in said
    assert not Path("done/demo_retina_1.h5").exists()
    assert main(words(places, "--config", "config.yaml")) == 0
    assert verify("done/demo_retina_1.h5").is_good


@pytest.mark.usefixtures("here")
def test_names_and_output_can_be_given(places: dict[str, Path]) -> None:
    more = ["--config", "config.yaml", "--name", "cell_7", "-o", "other/x.h5"]
    assert main(words(places, *more)) == 0
    assert PipelineSession.load("other/x.h5").dataset_id == "cell_7"
    assert Path("other/checkpoints/cell_7.after_load_recording.h5").exists()


def test_without_a_configuration_all_steps_run_with_their_defaults(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDMEA_STIMULI", str(places["stimuli_dir"]))
    config = default_config()
    assert set(config.chosen_steps) >= {"extract_features", "compute_sta", "adjust_p_values"}
    recording = one_recording(config, [places["cmtr_path"]], playlist="tiny")
    assert (recording.name, recording.playlist) == ("demo_retina_1", "tiny")
    monkeypatch.delenv("HDMEA_STIMULI")
    with pytest.raises(ParameterError, match="no stimulus library is given"):
        default_config()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--playlist", "nope"], "Playlist 'nope' is not in"),
        (["--config", "none.yaml"], "configuration not found: none.yaml"),
        (["--config", "list.yaml"], "keys and values are needed"),
        (["--config", "broken.yaml"], "broken.yaml cannot be read"),
        (["--config", "code.yaml"], "code.yaml cannot be read"),
        (["--config", "config.yaml", "--stimuli", "x"], "both given"),
        (["--config", "config.yaml", "--checkpoint", "dance"], "checkpoints are asked for after"),
        (["--config", "config.yaml", "--name", "../x"], "'../x'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_read(
    more: list[str],
    said: str,
    places: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("list.yaml").write_text("- a\n")
    Path("broken.yaml").write_text("a: [b\n")
    Path("code.yaml").write_text("a: !!python/object/apply:os.system ['touch x']\n")
    if "--config" not in more:
        more = [*more, "--config", "config.yaml"]
    assert main(words(places, *more)) == 1
    assert said in capsys.readouterr().err
    assert not Path("work").exists()
    assert not Path("x").exists()


def test_files_that_are_no_recording_are_refused(here: Path, places: dict[str, Path]) -> None:
    config = config_of_file("config.yaml")
    for files in ([places["cmcr_path"]] * 2, [places["stimuli_dir"]]):
        with pytest.raises(ParameterError, match=r"one \.cmcr and one \.cmtr are a recording"):
            one_recording(config, files, playlist="tiny")
    with pytest.raises(ParameterError, match="do not exist"):
        one_recording(config, ["gone.cmcr"], playlist="tiny")
    with pytest.raises(FileMissingError):
        config_of_file(here / "gone.yaml")
    assert [path.name for path in here.iterdir()] == ["config.yaml"]
