"""`hdmea plan`: it says what a run then does, and why; and does nothing itself."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from faults.lab import make_recording
from hdmea.batch import Forecast, config_of_file, forecast, process, read_recordings
from hdmea.cli import main
from hdmea.session import PipelineSession
from hdmea.steps.registry import STEPS
from hdmea.steps.running import run_part
from hdmea.store.verify import verify

NOISE = "noise"
STEPS_OF_CONFIG: dict[str, dict[str, Any]] = {
    "load_recording": {"probe": "off"},
    "add_section_time": {"alignment": "warn"},
    "section_spike_times": {},
    "extract_features": {
        "features": ["on_off", "unit_quality"],
        "parameters": {"on_off": {"window_s": 0.25, "baseline_s": 0.5}},
    },
    "curate_units": {},
    "compute_sta": {"cover_range": [-6, 0], "z": False},
    "adjust_p_values": {},
}
ALL = [
    "load_recording", "add_section_time", "section_spike_times", "features.on_off",
    "features.unit_quality", "curate_units", f"sta.{NOISE}", "adjust_p_values", "q_values.on_off",
]  # fmt: skip


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a recording of two units and its library are."""
    return make_recording(tmp_path_factory.mktemp("recording")).folder


class Batch:
    """A batch of one recording, whose files may be changed."""

    def __init__(self, folder: Path, recording: Path) -> None:
        shutil.copytree(recording, folder, dirs_exist_ok=True)
        self.files = {"cmcr": folder / "rec.cmcr", "cmtr": folder / "rec-.cmtr"}
        rows = ["recording\tcmcr\tcmtr\tplaylist"]
        rows.append("\t".join(["one", *(path.name for path in self.files.values()), "both"]))
        (folder / "recordings.tsv").write_text("\n".join([*rows, ""]))
        self.configure()

    def configure(self, changes: dict[str, Any] | None = None, **keys: Any) -> None:
        steps = {**STEPS_OF_CONFIG, **(changes or {})}
        values = {"recordings": "recordings.tsv", "stimuli": "stimuli", "steps": steps, **keys}
        Path("config.yaml").write_text(yaml.safe_dump(values))

    def forecast(self) -> Forecast:
        config = config_of_file("config.yaml")
        (recording,) = read_recordings(config).values()
        return forecast(config, recording)

    def run(self) -> list[str]:
        """Process it; names of what was computed."""
        config = config_of_file("config.yaml")
        (recording,) = read_recordings(config).values()
        computed: list[str] = []
        compute = PipelineSession._computed

        def watched(self: Any, recipe: Any, *rest: Any) -> Any:
            computed.append(recipe.name)
            return compute(self, recipe, *rest)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PipelineSession, "_computed", watched)
            process(config, recording)
        return computed


@pytest.fixture
def batch(tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    monkeypatch.chdir(tmp_path)
    return Batch(tmp_path, recording)


def test_before_the_first_run_all_is_to_be_made(batch: Batch) -> None:
    found = batch.forecast()
    assert [one.name for one in found.redone] == list(STEPS_OF_CONFIG)
    assert {one.why for one in found.redone} == {"not done yet"}
    (line,) = found.lines
    assert line.startswith(f"one: {len(STEPS_OF_CONFIG)} of {len(STEPS_OF_CONFIG)} to be made, ")
    assert line.endswith(" to be read: not done yet")
    raw = sum(path.stat().st_size for path in batch.files.values())
    library = sum(path.stat().st_size for path in Path("stimuli").iterdir())
    assert raw <= found.reads_bytes <= raw + 2 * library
    assert not Path("work").exists()
    assert batch.run() == ALL
    assert batch.forecast().redone == ()
    assert batch.forecast().lines == ["one: nothing to do"]


def change_bytes(batch: Batch) -> None:
    """Another title in the metadata; size and time as they were."""
    path = batch.files["cmtr"]
    before, content = path.stat(), bytearray(path.read_bytes())
    at = content.rindex(b"\0" * 64)  # room that nothing uses
    content[at + 8] = 7
    path.write_bytes(content)
    os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))


def change_movie(_: Batch) -> None:
    path = Path("stimuli", f"{NOISE}.npy")
    frames = np.load(path)
    frames[50] = 255 - frames[50]
    np.save(path, frames)


def new_version(patch: pytest.MonkeyPatch, name: str) -> None:
    step = replace(STEPS[name], version=STEPS[name].version + 1)
    patch.setitem(STEPS, name, step)  # type: ignore[index]


OF_MOVIES = [
    "add_section_time", "section_spike_times", "features.on_off", f"sta.{NOISE}", "q_values.on_off",
]  # fmt: skip
OF_FEATURES = STEPS_OF_CONFIG["extract_features"]
CHANGES: dict[str, tuple[Any, list[str], str]] = {
    "STA range": (
        {"compute_sta": {"cover_range": [-3, 0], "z": False}},
        [f"sta.{NOISE}"],
        "cover_range [-6, 0] -> [-3, 0]",
    ),
    "rule of curation": (
        {"curate_units": {"min_spikes": 20}},
        ["curate_units", "q_values.on_off"],
        "min_spikes 0 -> 20",
    ),
    "new feature": (
        {"extract_features": OF_FEATURES | {"features": ["on_off", "baseline", "unit_quality"]}},
        ["features.baseline"],
        "not done yet",
    ),
    "parameter of a feature": (
        {
            "extract_features": OF_FEATURES
            | {"parameters": {"on_off": {"window_s": 0.3, "baseline_s": 0.5}}}
        },
        ["features.on_off", "q_values.on_off"],
        "window_s 0.25 -> 0.3",
    ),
    "version": (
        lambda patch: new_version(patch, "curate_units"),
        ["curate_units", "q_values.on_off"],
        f"version {STEPS['curate_units'].version} -> {STEPS['curate_units'].version + 1}",
    ),
    "bytes of an input": (change_bytes, ALL, "another cmtr"),
    "movie": (change_movie, OF_MOVIES, f"another movie {NOISE}"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_said_is_what_is_done(
    change: str, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch.run()
    what, names, why = CHANGES[change]
    if isinstance(what, dict):
        batch.configure(what)
    elif change == "version":
        what(monkeypatch)
    else:
        what(batch)
    found = batch.forecast()
    before = sorted(Path("work").rglob("*")), Path("results/one.h5").read_bytes()
    assert (sorted(Path("work").rglob("*")), Path("results/one.h5").read_bytes()) == before
    computed = batch.run()
    redone = {one.name: one for one in found.redone}
    assert sorted(redone) == sorted(computed)
    assert set(names) <= set(computed)
    if names is not ALL:
        assert set(computed) == set(names)
        raw = sum(path.stat().st_size for path in batch.files.values())
        parts = Path("results/one.h5").stat().st_size
        assert 0 < found.reads_bytes < parts + 10_000 < raw
    assert redone[names[0]].why == why
    assert batch.forecast().redone == ()


def test_what_is_made_from_it_says_so(batch: Batch) -> None:
    batch.run()
    batch.configure({"curate_units": {"min_spikes": 20}})
    (_, q_values) = batch.forecast().redone
    assert (q_values.name, q_values.why) == ("q_values.on_off", "made from curate_units")


def test_parts_of_the_other_mode_count(batch: Batch) -> None:
    config = config_of_file("config.yaml")
    (recording,) = read_recordings(config).values()
    run_part(
        "load_recording", {"probe": "off"}, "steps/one/load_recording.h5", dataset_id="one",
        cmcr_path=recording.files["cmcr"], cmtr_path=recording.files["cmtr"],
    )  # fmt: skip
    batch.configure(mode="immediate")
    found = batch.forecast()
    assert found.kept == ("load_recording",)
    assert batch.run() == ALL[1:]


def test_a_variant_lies_beside_the_others_and_takes_what_matches(batch: Batch) -> None:
    first = batch.run()
    before = Path("results/one.h5").read_bytes()
    batch.configure({"compute_sta": {"cover_range": [-3, 0], "z": False}}, tag="short_window")
    assert [one.name for one in batch.forecast().redone] == [f"sta.{NOISE}"]
    assert batch.run() == [f"sta.{NOISE}"]
    assert Path("results/one.h5").read_bytes() == before
    assert verify("results/short_window/one.h5").is_good
    kept = sorted(path.name for path in Path("work/one").iterdir())
    assert kept == ["last.h5", "last.short_window.h5"]
    batch.configure()
    assert batch.forecast().redone == ()
    assert batch.run() == []
    assert set(first) == set(ALL)


def test_a_file_that_cannot_be_used_is_said(batch: Batch) -> None:
    batch.run()
    for path in Path("work").rglob("last.h5"):
        path.unlink()
        path.write_bytes(b"broken")
    found = batch.forecast()
    assert any("last.h5" in line for line in found.lines)
    assert len(found.redone) == len(STEPS_OF_CONFIG)


def test_the_command_says_it_for_people_and_programs(
    batch: Batch, capsys: pytest.CaptureFixture[str]
) -> None:
    batch.run()
    batch.configure({"compute_sta": {"cover_range": [-3, 0], "z": False}})
    capsys.readouterr()
    assert main(["plan", "--config", "config.yaml"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("one: 1 of 9 to be made, ")
    assert said[1] == f"  sta.{NOISE}: cover_range [-6, 0] -> [-3, 0]"
    assert said[2].startswith("1 to be made for 1 of 1 recordings, ")
    assert main(["plan", "--config", "config.yaml", "--json", "one"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["redone"]] == [f"sta.{NOISE}"]
    assert main(["plan", "--config", "config.yaml", "two"]) == 1
    assert "has no recording two; it has: one" in capsys.readouterr().err
