"""The workflow's configuration, its table of recordings, and the plan made from both."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from hdmea.batch.__main__ import main
from hdmea.batch.config import config_schema, read_config
from hdmea.batch.plan import movie_digests, parts_of, parts_until
from hdmea.batch.recordings import recordings_schema
from hdmea.errors import ParameterError
from hdmea.features.registry import FEATURES, with_p_values
from hdmea.simulate import SimulatedDataset
from hdmea.steps.registry import STEPS

ROOT = Path(__file__).parents[1]
PLACES = {"recordings": "recordings.tsv", "stimuli": "stimuli"}
NOISE, STEP = "perfect_dense_noise_15x15_15hz_r42_24s", "tiny_step_3x"


def configuration(**changes: Any) -> dict[str, Any]:
    steps = dict.fromkeys(STEPS)
    return {**PLACES, "steps": steps, **changes}


# -- schema ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "schema"), [("config", config_schema), ("recordings", recordings_schema)]
)
def test_published_schemas_are_those_of_the_models(
    name: str, schema: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    published = (ROOT / f"workflow/schemas/{name}.schema.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(published) == yaml.safe_load(yaml.safe_dump(schema()))
    main([name])
    assert capsys.readouterr().out == published, "run `make schemas`"


def test_the_page_of_options_is_that_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    published = (ROOT / "config/OPTIONS.md").read_text(encoding="utf-8")
    main(["options"])
    assert capsys.readouterr().out == published, "run `make schemas`"
    assert '| `mode` | `deferred`, `immediate` | `"deferred"` | deferred: a job per' in published
    assert "| `light_onsets.movie` | text" in published
    assert "| `recordings` | text | needed | table of the recordings" in published


def test_schema_describes_every_parameter_of_every_step_and_feature() -> None:
    definitions = config_schema()["$defs"]
    for name, step in STEPS.items():
        model = definitions["Steps"]["properties"][name]["$ref"].rpartition("/")[2]
        properties = definitions[model]["properties"]
        from_table = {"playlist_name"} if name == "add_section_time" else set()
        assert set(properties) == set(step.parameters.model_fields) - from_table
        assert definitions[model]["additionalProperties"] is False
        assert all("description" in said for said in properties.values())
    for name, feature in FEATURES.items():
        model = definitions["FeatureParameters"]["properties"][name]["$ref"].rpartition("/")[2]
        assert set(definitions[model]["properties"]) == set(feature.params.model_fields)


@pytest.mark.parametrize(
    ("values", "said_by_model"),
    [
        (configuration(mode="fast"), "mode: Input should be 'deferred' or 'immediate'"),
        (configuration(config_version=2), "config_version: this hdmea knows versions up to 1"),
        (configuration(config_version=0), "config_version: there was none before 1"),
        (configuration(modus="deferred"), "modus: unknown, did you mean 'mode'?"),
        (
            configuration(steps={"compute_sta": {"cover_rage": [-9, 0]}, "add_section_time": None}),
            "steps.compute_sta.cover_rage: unknown, did you mean 'cover_range'?",
        ),
        (
            configuration(steps={"add_section_time": {"playlist_name": "p"}}),
            "steps.add_section_time.playlist_name: unknown",
        ),
        (configuration(steps={"load": None}), f"steps.load: unknown; known: {', '.join(STEPS)}"),
        (
            configuration(steps={"extract_features": {"features": ["on_of"]}}),
            "steps.extract_features.features.0: Feature 'on_of' is not known; known: frif, on_off",
        ),
        (
            configuration(
                steps={
                    "extract_features": {
                        "features": ["frif"],
                        "parameters": {"on_off": {"windows": 1}},
                    }
                }
            ),
            "steps.extract_features.parameters.on_off.windows: unknown, did you mean 'window_s'?",
        ),
        (configuration(checkpoints=["sta"]), "checkpoints.0: Input should be"),
        (configuration(output_dir="results/{x}"), "output_dir: String should match"),
        ({"recordings": "r.tsv"}, "stimuli: is required"),
    ],
)
def test_models_and_schema_refuse_alike(values: dict[str, Any], said_by_model: str) -> None:
    with pytest.raises(ParameterError) as refused:
        read_config(values)
    assert said_by_model in str(refused.value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, config_schema())


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(ParameterError) as refused:
        read_config({"mode": "fast", "modus": 1, "steps": {}})
    assert len(str(refused.value).splitlines()) == 1 + 4


@pytest.mark.parametrize(
    ("steps", "checkpoints", "said"),
    [
        ({"compute_sta": None}, [], "compute_sta needs add_section_time, which is left out"),
        ({"extract_features": None}, [], "feature on_off needs trials"),
        (
            {"add_section_time": None},
            ["compute_sta"],
            "after compute_sta, which is left out",
        ),
    ],
)
def test_steps_that_do_not_fit_together(
    steps: dict[str, Any], checkpoints: list[str], said: str
) -> None:
    with pytest.raises(ParameterError, match=said):
        read_config(configuration(steps=steps, checkpoints=checkpoints))


def test_texts_from_the_command_line_are_understood() -> None:
    # Snakemake gives numbers inside --config "steps={...}" and null as text
    steps = {
        "add_section_time": {"repeats": "2"},
        "compute_sta": {"cover_range": ["-9", "0"], "z": "false"},
    }
    config = read_config(configuration(keep_steps="false", work_dir="null", steps=steps))
    assert config.keep_steps is False
    assert config.work_dir is None
    assert config.parameters("add_section_time")["repeats"] == 2
    assert config.parameters("compute_sta")["cover_range"] == [-9, 0]
    assert config.parameters("compute_sta")["z"] is False
    jsonschema.validate(config.model_dump(mode="json", exclude_none=True), config_schema())


def test_demo_configuration_is_good() -> None:
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(values, config_schema())
    assert read_config(values).chosen_steps == tuple(STEPS)


# -- plan -----------------------------------------------------------------------------------------


def test_parts_follow_declared_needs() -> None:
    parts = parts_of(read_config(configuration()))
    assert {name: part.needs for name, part in parts.items()} == {
        "load_recording": (),
        "sections": ("load_recording",),
        "spikes": ("load_recording", "sections"),
        "features.frif": ("load_recording",),
        "features.on_off": ("load_recording", "sections"),
        "features.green_blue": ("load_recording", "sections"),
        "features.dense_noise": ("load_recording", "sections", "sta"),
        "features.moving_bar": ("load_recording", "sections", "sta", "features.dense_noise"),
        "features.chirp": ("load_recording", "sections"),
        "features.freq_step": ("load_recording", "sections"),
        "features.baseline": ("load_recording", "sections"),
        "features.unit_quality": ("load_recording",),
        "curation": ("load_recording",),
        "sta": ("load_recording", "sections"),
        "q_values": parts["q_values"].needs,
    }
    # the closure of what its features need, and of nothing else, in the order of the parts
    of_q = {"curation", *(f"features.{name}" for name in with_p_values(FEATURES))}
    of_q |= {far for need in of_q for far in parts[need].needs}
    assert parts["q_values"].needs == tuple(name for name in parts if name in of_q)


def test_steps_left_out_are_not_run_and_loading_always_is() -> None:
    config = read_config(configuration(steps={"add_section_time": None}))
    assert list(parts_of(config)) == ["load_recording", "sections"]


def test_parts_until_a_step_hold_all_before_it() -> None:
    config = read_config(configuration())
    assert parts_until(config, "load_recording") == ("load_recording",)
    assert parts_until(config, "section_spike_times") == ("load_recording", "sections", "spikes")
    assert parts_until(config, "compute_sta") == tuple(parts_of(config))[:-1]
    assert parts_until(config, "adjust_p_values") == tuple(parts_of(config))


def test_an_edited_movie_changes_its_digest(tiny_dataset: SimulatedDataset, tmp_path: Path) -> None:
    stimuli = tmp_path / "stimuli"
    stimuli.mkdir()
    for path in tiny_dataset.stimuli_path.iterdir():
        (stimuli / path.name).write_bytes(path.read_bytes())
    config = read_config(configuration(stimuli=str(stimuli)))
    before = movie_digests(config, "tiny")
    edited = before[0][0]
    frames = bytearray((stimuli / f"{edited}.npy").read_bytes())
    frames[-1] ^= 1
    (stimuli / f"{edited}.npy").write_bytes(frames)
    after = movie_digests(config, "tiny")
    assert changed(before, after) == {edited}
    (stimuli / "display.yaml").write_text("flip_x: true")
    assert changed(after, movie_digests(config, "tiny")) == {"geometry"}


def changed(before: list[list[str]], after: list[list[str]]) -> set[str]:
    return {old[0] for old, new in zip(before, after, strict=True) if old != new}


def test_an_edited_playlist_changes_its_digests(
    tiny_dataset: SimulatedDataset, tmp_path: Path
) -> None:
    stimuli = tmp_path / "stimuli"
    shutil.copytree(tiny_dataset.stimuli_path, stimuli)
    config = read_config(configuration(stimuli=str(stimuli)))

    def shown(*movies: str) -> list[list[str]]:
        listed = repr([f"{movie}.mov" for movie in movies])
        (stimuli / "playlist.csv").write_text(f'playlist_name,movie_names\nedited,"{listed}"\n')
        return movie_digests(config, "edited")

    noise, step, (last, _) = shown(NOISE, STEP)
    assert (noise[0], step[0], last) == (NOISE, STEP, "geometry")
    assert shown(STEP, NOISE)[:-1] == [step, noise]
    assert shown(NOISE, STEP, STEP)[:-1] == [noise, step, step]
