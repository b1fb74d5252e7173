"""The table of recordings: files, playlists, and parameters that are a recording's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, Field

from hdmea.batch.columns import COLUMNS, OF_A_RECORDING, columns_of
from hdmea.batch.config import WorkflowConfig, read_config
from hdmea.batch.plan import all_steps, parts_of, require_inputs
from hdmea.batch.recordings import (
    Recording,
    read_recordings,
    recordings_schema,
    require_files,
    same_files,
)
from hdmea.errors import FileMissingError, ParameterError
from hdmea.features.registry import FEATURES
from hdmea.simulate import SimulatedDataset
from hdmea.steps.registry import STEPS

ROOT = Path(__file__).parents[1]
ALL_STEPS: dict[str, Any] = dict.fromkeys(STEPS)
FILES = "recording\tcmcr\tcmtr\tplaylist"
NOISE, STEP = "perfect_dense_noise_15x15_15hz_r42_24s", "tiny_step_3x"


def configuration(
    folder: Path, *rows: str, header: str = FILES, steps: dict[str, Any] = ALL_STEPS, **also: Any
) -> WorkflowConfig:
    """A configuration whose table has these rows."""
    table = folder / "recordings.tsv"
    table.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_config({"recordings": str(table), "stimuli": "stimuli", "steps": steps} | also)


def recordings_of(folder: Path, *rows: str, **options: Any) -> dict[str, Recording]:
    return read_recordings(configuration(folder, *rows, **options))


def refused(folder: Path, *rows: str, **options: Any) -> list[str]:
    """The lines that say why a table cannot be used."""
    with pytest.raises(ParameterError) as error:
        recordings_of(folder, *rows, **options)
    return [line.strip() for line in str(error.value).splitlines()]


def pair_of(dataset: SimulatedDataset, name: str = "demo_retina_1") -> tuple[Path, Path]:
    return dataset.recordings[name].cmcr_path, dataset.recordings[name].cmtr_path


# -- rows -----------------------------------------------------------------------------------------


def test_demo_recordings_are_those_that_are_simulated(tiny_dataset: SimulatedDataset) -> None:
    values = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    table = read_recordings(read_config(values | {"recordings": str(ROOT / values["recordings"])}))
    simulated = read_recordings(read_config(values | {"recordings": str(tiny_dataset.table_path)}))
    folder = tiny_dataset.table_path.parent
    assert list(table) == [f"demo_retina_{i}" for i in (1, 2, 3)]
    for name, recording in simulated.items():
        assert table[name].files == {
            role: f"demo/{Path(path).relative_to(folder)}" for role, path in recording.files.items()
        }


def test_names_stay_text(tmp_path: Path) -> None:
    found = recordings_of(tmp_path, "001\ta.cmcr\ta.cmtr\tp", "# a remark", "", "NA\t\tb.cmtr\t1e3")
    assert list(found) == ["001", "NA"]
    assert found["001"].files == {"cmcr": "a.cmcr", "cmtr": "a.cmtr"}
    assert found["NA"].files == {"cmtr": "b.cmtr"}
    assert found["NA"].playlist == "1e3"


def test_some_recordings_of_a_table_are_chosen(tmp_path: Path) -> None:
    rows = ("a\ta.cmcr", "b\tb.cmcr", "c\t{wrong}", "a2\ta.cmcr")
    chosen = {"only": "a"}, {"only": ["b", "a"]}, {"exclude": ["c", "a2"]}
    found = [list(recordings_of(tmp_path, *rows, **options)) for options in chosen]
    assert found == [["a"], ["a", "b"], ["a", "b"]]
    said = refused(tmp_path, *rows, only=["a", "d"], exclude=["e", "c"])
    assert said[1:] == [
        "only: it has no recording 'd'; it has a, b, c, a2",
        "exclude: it has no recording 'e'; it has a, b, c, a2",
    ]
    said = refused(tmp_path, *rows, only=["a"], exclude=["a"])
    assert said[1:] == ["only and exclude leave none of its recordings"]


def test_what_spreadsheets_add_to_a_table_does_no_harm(tmp_path: Path) -> None:
    table = tmp_path / "recordings.tsv"
    config = configuration(tmp_path)
    table.write_bytes(f"\ufeff{FILES}\t\t\r\n001\t a b.cmcr \t\tp\t\t\r\n\t\t\r\n".encode())
    (found,) = read_recordings(config).values()
    assert (found.name, found.files, found.playlist) == ("001", {"cmcr": "a b.cmcr"}, "p")


def test_everything_wrong_with_the_rows_is_listed(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        "good\ta.cmcr\ta.cmtr\tp",
        "good\tb.cmcr\tb.cmtr\tp",
        "$(touch X)\ta\tb\tp",
        "../up\ta\tb\tp",
        "empty\t\t\tp",
        "braces\tdata/{x}.cmcr\t\tp",
        "r" + 20 * "01" + "\ta\tb\tp",
        "r" + 19 * "01" + "\ta\tb\tp",  # as often as Snakemake allows
    )
    begun = [
        "line 4: recording: '$(touch X)' cannot be",
        "line 5: recording: '../up' cannot be",
        "line 6: neither cmcr nor cmtr is given",
        "line 7: cmcr: 'data/{x}.cmcr' has a brace",
        f"line 8: recording: 'r{20 * '01'}' ends with '01' 20 times or more",
        "'good' is listed 2 times: lines 2, 3",
    ]
    assert len(said) == 1 + len(begun)
    assert [start for start, line in zip(begun, said[1:], strict=True) if start not in line] == []


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (
            "recording\tcmcr\tsorted",
            ["a\tb\tc"],
            "'sorted': unknown Known columns: recording, cmcr",
        ),
        ("recording\tcmcr\tcmtf", ["a\tb\tc"], "'cmtf': unknown, did you mean 'cmtr'?"),
        ("recording\trepeat\tframe_clock.rwo", [], "'frame_clock.rwo': unknown, did you mean"),
        ("recording,cmcr,cmtr,playlist", ["a,b,c,d"], "separated by tabs"),
        ("recording\trecording", ["a\tb"], "'recording': is there 2 times"),
        ("cmcr\tcmtr", ["a\tb"], "they must be recording"),
        ("recording\tcmcr", ["a\tb\tc"], "line 2: 3 cells, but 2 columns"),
        ("recording\tcmcr", [], "it lists no recording"),
        ("", [], "its columns are missing"),
    ],
)
def test_a_table_of_another_shape(tmp_path: Path, header: str, rows: list[str], said: str) -> None:
    assert said in " ".join(refused(tmp_path, *rows, header=header))


def test_a_table_that_is_missing_or_no_text(tmp_path: Path) -> None:
    config = configuration(tmp_path)
    (tmp_path / "recordings.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(ParameterError, match="not text in UTF-8"):
        read_recordings(config)
    (tmp_path / "recordings.tsv").unlink()
    with pytest.raises(FileMissingError, match="no table of recordings"):
        read_recordings(config)


def test_a_recording_under_two_names_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "link.cmtr").symlink_to("a.cmtr")
    found = recordings_of(
        tmp_path,
        f"one\ta.cmcr\t{tmp_path}/a.cmtr\tp",
        f"two\ta.cmcr\t{tmp_path}/link.cmtr\tp",
        "other_sorting\ta.cmcr\tb.cmtr\tp",
    )
    (said,) = same_files(found)
    assert said.startswith("one, two are the same recording, a.cmtr, under 2 names")


# -- parameters that are a recording's own --------------------------------------------------------


def test_every_parameter_of_the_steps_of_a_recording_has_a_column() -> None:
    """Also one in a group, and in a group that may be left out; only the playlist has two names."""

    def places(model: Any, above: str = "") -> set[str]:
        names = set()
        for name, schema in model["properties"].items():
            options = [schema, *schema.get("anyOf", [])]
            groups = [option["$ref"] for option in options if "$ref" in option]
            for group in groups:
                names |= places(definitions[group.rpartition("/")[2]], f"{above}{name}.")
            if not groups:
                names.add(above + name)
        return names

    expected: set[str] = set()
    for step in OF_A_RECORDING:
        schema = STEPS[step].parameters.model_json_schema()
        definitions = schema.get("$defs", {})
        expected |= places(schema)
    assert {"playlist_name", "repeats", "frame_clock.row"} <= expected
    expected = (expected - {"playlist_name"}) | {"playlist"}
    for step in set(STEPS) - set(OF_A_RECORDING) - {"extract_features"}:
        schema = STEPS[step].parameters.model_json_schema()
        expected |= {f"{step}.{name}" for name in places(schema)}
    for feature in FEATURES.values():
        if feature.params.model_fields:
            schema = feature.params.model_json_schema()
            above = f"extract_features.parameters.{feature.name}"
            expected |= {f"{above}.{name}" for name in places(schema)}
    columns = set(COLUMNS)
    assert columns == expected - {"curate_units.table", "compute_sta.threads"}
    properties = recordings_schema()["properties"]
    assert set(properties) == columns | {"recording", "cmcr", "cmtr", "overrides"}
    assert all(said["description"] for said in properties.values())
    assert properties["frame_clock.row"]["minimum"] == 0


def test_cells_become_values_as_the_model_has_them() -> None:
    class Onsets(BaseModel):
        threshold: float = 0.5
        onsets_s: tuple[float, ...] = ()

    class Parameters(BaseModel):
        onsets: Onsets | None = None
        first_movie: int | str | None = None
        count: Literal[1, 2, "all"] = 1
        pair: tuple[int, int] = (0, 0)
        shift: float | tuple[float, ...] = 0.0
        is_on: bool = False
        table: str | None = Field(default="x.csv", json_schema_extra={"input_file": True})

    columns = columns_of("a_step", Parameters)
    assert list(columns)[:2] == ["onsets.threshold", "onsets.onsets_s"]
    assert [name for name, column in columns.items() if column.is_file] == ["table"]
    cells = {
        "onsets.threshold": ("2e-1", 0.2),
        "onsets.onsets_s": ("12.5, 30", (12.5, 30.0)),
        "first_movie": ("3", 3),
        "count": ("2", 2),
        "pair": ("(-9, 0)", (-9, 0)),
        "shift": ("1.5", 1.5),
        "is_on": ("true", True),
        "table": ("none", None),
    }
    values = {name: columns[name].value(cell) for name, (cell, _) in cells.items()}
    nested = {"onsets": {name: values.pop(f"onsets.{name}") for name in ("threshold", "onsets_s")}}
    found = Parameters.model_validate(values | nested)
    assert {name: column.of(found) for name, column in columns.items()} == {
        name: value for name, (_, value) in cells.items()
    }
    assert columns["onsets.threshold"].of(Parameters()) is None
    words = {"first_movie": "chirp", "count": "all", "shift": "1, 2"}
    found = Parameters.model_validate({n: columns[n].value(cell) for n, cell in words.items()})
    assert (found.first_movie, found.count, found.shift) == ("chirp", "all", (1.0, 2.0))


def test_a_cell_takes_the_place_of_the_value_of_the_configuration(tmp_path: Path) -> None:
    clock = {"row": 2, "height": 0.3}
    steps = {"load_recording": {"frame_clock": clock}, "add_section_time": {"repeats": 2}}
    config = configuration(
        tmp_path,
        "a\ta.cmtr\tp\t\t3\tnone",
        "b\tb.cmtr\tp\t4",
        "c\tc.cmtr\tp\t\t\t\t12.5",
        header="recording\tcmtr\tplaylist\trepeats\tframe_clock.row\tframe_clock.photodiode_row"
        "\telectrode_pitch_um",
        steps=steps,
    )
    found = {name: all_steps(config, one) for name, one in read_recordings(config).items()}
    shown = {
        name: (
            said["add_section_time"]["repeats"],
            *(
                said["load_recording"]["frame_clock"][n]
                for n in ("row", "height", "photodiode_row")
            ),
            said["load_recording"]["electrode_pitch_um"],
        )
        for name, said in found.items()
    }
    assert shown == {
        "a": (2, 3, 0.3, None, None),
        "b": (4, 2, 0.3, 0, None),
        "c": (2, 2, 0.3, 0, 12.5),
    }
    assert all(said["add_section_time"]["playlist_name"] == "p" for said in found.values())
    assert clock == {"row": 2, "height": 0.3}


def test_a_recording_may_have_its_clock_elsewhere(tmp_path: Path) -> None:
    """What is configured for the others' clock is then not in the way."""
    steps = {"load_recording": {"frame_clock": {"row": 2, "display_delay_s": 0.01}}}
    header = "recording\tcmtr\tframe_clock.source\tframe_clock.csv\tframe_clock.row"
    config = configuration(tmp_path, "a\ta\tcsv\tt.csv", "b\tb", header=header, steps=steps)
    found = read_recordings(config)
    clock = all_steps(config, found["a"])["load_recording"]["frame_clock"]
    assert (clock["source"], clock["csv"], clock["display_delay_s"]) == ("csv", "t.csv", 0.01)
    assert all_steps(config, found["b"])["load_recording"]["frame_clock"]["row"] == 2
    wrong = ("a\ta\tcsv\tt.csv\t3", "b\tb\tcsv", "c\tc\tcvs", "d\td\tcsv\t{t}.csv")
    said = refused(tmp_path, *wrong, header=header, steps=steps)
    begun = [
        "line 2: load_recording: frame_clock: row is for source: analog, but source is csv",
        "line 3: load_recording: frame_clock: source: csv needs csv",
        "line 4: column frame_clock.source: Input should be 'analog', 'digital', 'csv'",
        "line 5: column frame_clock.csv: '{t}.csv' has a brace",
    ]
    assert [words for words, line in zip(begun, said[1:], strict=True) if words not in line] == []


def test_every_wrong_cell_is_named_with_line_and_column(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        "a\ta.cmtr\tp\t0\t1.5\t",
        "# a remark",
        "b\tb.cmtr\tp\t\tx\twran",
        "c\tc.cmtr\tp\t0\t\terror",
        "d\t\t\t\t1,5\t",
        header="recording\tcmtr\tplaylist\trepeats\telectrode_pitch_um\talignment",
    )
    number = "Input should be a valid number, unable to parse string as a number"
    assert said[1:] == [
        "lines 2, 5: column repeats: Input should be greater than or equal to 1 (found '0')",
        f"line 4: column electrode_pitch_um: {number} (found 'x'); or none",
        "line 4: column alignment: Input should be 'error' or 'warn' (found 'wran')",
        "line 6: neither cmcr nor cmtr is given",
        f"line 6: column electrode_pitch_um: {number} (found '1,5'); or none",
    ]


def test_cells_of_a_step_that_is_not_run_are_not_looked_at(tmp_path: Path) -> None:
    found = recordings_of(tmp_path, "a\ta.cmtr\tno", header="recording\tcmtr\trepeats", steps={})
    assert list(found["a"].parameters) == ["load_recording"]


def test_example_of_the_readme_is_a_table_that_can_be_read(tmp_path: Path) -> None:
    text = (ROOT / "config/README.md").read_text(encoding="utf-8")
    header, *rows = text.partition("```tsv\n")[2].partition("```")[0].splitlines()
    found = recordings_of(tmp_path, *rows, header=header)
    shown = {
        name: [COLUMNS[c].of(one.parameters[COLUMNS[c].step]) for c in header.split("\t")[4:]]
        for name, one in found.items()
    }
    assert shown == {
        "010": ["error", 1, "analog", None],
        "011": ["error", 2, "analog", None],
        "012": ["keep", 1, "analog", None],
        "013": ["error", 1, "csv", "r/013 frames.csv"],
    }


# -- parameters of every step ---------------------------------------------------------------------

OWN = "extract_features.parameters.on_off.window_s"


def test_every_step_may_be_told_otherwise_by_a_cell_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        "compute_sta: {cover_range: [-30, 0], z: false}\n"
        "load_recording: {frame_clock: {row: 3}}\n"
        "extract_features: {parameters: {on_off: {baseline_s: 0.25}}}\n"
    )
    steps = ALL_STEPS | {
        "load_recording": {"frame_clock": {"row": 1, "height": 0.2}},
        "extract_features": {"features": ["on_off", "frif"], "parameters": {"on_off": {}}},
        "compute_sta": {"threads": 4},
    }
    config = configuration(
        tmp_path,
        "plain\tp\ta.cmtr",
        "cell\tp\ta.cmtr\t\t[-60, 0]",
        f"file\tp\ta.cmtr\t{file}",
        f"both\tp\ta.cmtr\t{file}\t-12, 0\t0.75",
        header=f"recording\tplaylist\tcmtr\toverrides\tcompute_sta.cover_range\t{OWN}",
        steps=steps,
    )
    found = read_recordings(config)
    said = {name: all_steps(config, one) for name, one in found.items()}

    def told(name: str) -> tuple[Any, ...]:
        sta, clock = said[name]["compute_sta"], said[name]["load_recording"]["frame_clock"]
        on_off = said[name]["extract_features"]["parameters"]["on_off"]
        return (
            *(list(sta["cover_range"]), sta["z"], sta["threads"]),
            *(clock["row"], clock["height"], on_off["window_s"], on_off["baseline_s"]),
        )

    default = FEATURES["on_off"].params().model_dump()
    window, baseline = default["window_s"], default["baseline_s"]
    assert {name: told(name) for name in found} == {
        "plain": ([-60, 0], True, 4, 1, 0.2, window, baseline),
        "cell": ([-60, 0], True, 4, 1, 0.2, window, baseline),
        "file": ([-30, 0], False, 4, 3, 0.2, window, 0.25),
        "both": ([-12, 0], False, 4, 3, 0.2, 0.75, 0.25),
    }
    assert all(
        list(one["extract_features"]["features"]) == ["on_off", "frif"] for one in said.values()
    )

    parts = parts_of(config)
    made = {
        name: {part.name: part.definition(one) for part in parts.values()}
        for name, one in found.items()
    }
    changed = {
        name: {part for part, own in of.items() if own != made["plain"][part]}
        for name, of in made.items()
    }
    assert changed == {
        "plain": set(),
        "cell": set(),
        "file": {"load_recording", "features.on_off", "sta"},
        "both": {"load_recording", "features.on_off", "sta"},
    }
    assert parts["features.frif"].parameters(found["file"]) == {
        "features": ["frif"],
        "parameters": {},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("compute_stax: {}", "own.yaml: compute_stax: unknown, did you mean 'compute_sta'?"),
        ("adjust_p_values: {method: by}", "adjust_p_values is not run; name it under `steps`"),
        ("compute_sta: {threads: 2}", "compute_sta: threads: the same for all recordings"),
        ("extract_features: {threads: 2}", "extract_features: threads: the same for all"),
        ("extract_features: {features: [frif]}", "extract_features: features: the same for all"),
        ("curate_units: {table: mine.tsv}", "curate_units: table: the same for all recordings"),
        ("compute_sta: 3", "compute_sta: must be names with values (found 3)"),
        ("[compute_sta]", "names of steps with their parameters are needed"),
        ("{", "own.yaml cannot be read: while parsing"),
        ("compute_sta: {cover_rang: [0, 1]}", "cover_rang: unknown, did you mean 'cover_range'?"),
        ("compute_sta: {cover_range: [0, -1]}", "column compute_sta.cover_range: "),
        (
            "extract_features: {parameters: {on_off: {windows_s: 1}}}",
            "parameters.on_off.windows_s: unknown, did you mean 'window_s'?",
        ),
        (
            "extract_features: {parameters: {chirp: {alpha: 0.1}}}",
            "are about chirp, which is not among extract_features: features",
        ),
        (
            "curate_units: {min_presence_ratio: 0.5}",
            "are about unit_quality, which is not among extract_features: features",
        ),
    ],
)
def test_what_a_file_of_a_recording_cannot_say_is_told_with_its_line(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    steps = {name: None for name in STEPS if name != "adjust_p_values"}
    steps |= {"extract_features": {"features": ["on_off"]}}
    header = "recording\tcmtr\toverrides"
    _, *lines = refused(tmp_path, f"a\ta.cmtr\t{file}", header=header, steps=steps)
    assert lines[0].startswith("line 2: ")
    assert said in " ".join(lines)


def test_a_file_of_a_recording_that_is_missing_is_told(tmp_path: Path) -> None:
    _, line = refused(tmp_path, "a\ta.cmtr\tno.yaml", header="recording\tcmtr\toverrides")
    assert line == "line 2: column overrides: there is no file no.yaml; correct the path"


# -- plan -----------------------------------------------------------------------------------------


def definitions(folder: Path, row: str, **options: Any) -> dict[str, Any]:
    config = configuration(folder, row, **options)
    (recording,) = read_recordings(config).values()
    return {name: part.definition(recording) for name, part in parts_of(config).items()}


@pytest.mark.parametrize(
    ("step", "parameters", "changed"),
    [
        ("compute_sta", {"cover_range": [-30, 0]}, {"sta"}),
        ("compute_sta", {"threads": 4}, set()),
        ("load_recording", {"probe": "off"}, set()),
        ("load_recording", {"frame_clock": {"drop_first": 5}}, {"load_recording"}),
        ("section_spike_times", {"pre_s": 0.5}, {"spikes"}),
        ("adjust_p_values", {"method": "by"}, {"q_values"}),
        ("extract_features", {"parameters": {"on_off": {"window_s": 0.4}}}, {"features.on_off"}),
    ],
)
def test_a_parameter_changes_its_own_part_only(
    step: str, parameters: dict[str, Any], changed: set[str], tmp_path: Path
) -> None:
    before = definitions(tmp_path, "a\ta\tb\tp")
    after = definitions(tmp_path, "a\ta\tb\tp", steps=ALL_STEPS | {step: parameters})
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("column", "cell", "changed"),
    [
        ("frame_clock.drop_first", "5", {"load_recording"}),
        ("frame_clock.drop_first", "4", set()),  # the default
        ("frame_clock.drop_first", "", set()),
        ("probe", "off", set()),
        ("repeats", "2", {"sections"}),
        ("alignment", "warn", set()),
    ],
)
def test_a_cell_changes_the_part_of_its_step_only(
    column: str, cell: str, changed: set[str], tmp_path: Path
) -> None:
    before = definitions(tmp_path, "a\ta\tb\tp")
    after = definitions(tmp_path, f"a\ta\tb\tp\t{cell}", header=f"{FILES}\t{column}")
    assert {name for name in before if before[name] != after[name]} == changed


def test_an_edited_file_changes_the_part_that_reads_it(tmp_path: Path) -> None:
    header = f"{FILES}\tframe_clock.source\tframe_clock.csv"

    def with_times(name: str, times: str) -> dict[str, Any]:
        (tmp_path / name).write_text(times)
        return definitions(tmp_path, f"a\ta\tb\tp\tcsv\t{tmp_path / name}", header=header)

    before = with_times("t.csv", "1\n2\n")
    after = with_times("t.csv", "1\n3\n")
    assert {name for name in before if before[name] != after[name]} == {"load_recording"}
    assert with_times("of another name.csv", "1\n2\n") == before
    (tmp_path / "t.csv").unlink()
    with pytest.raises(FileMissingError, match=r"frame_clock\.csv: there is no file"):
        definitions(tmp_path, f"a\ta\tb\tp\tcsv\t{tmp_path}/t.csv", header=header)


def test_a_playlist_changes_sections_only(tmp_path: Path) -> None:
    before, after = (definitions(tmp_path, f"a\ta\tb\t{name}") for name in ("p", "q"))
    assert {name for name in before if before[name] != after[name]} == {"sections"}


# -- what must be there ---------------------------------------------------------------------------


def test_missing_files_are_listed(tmp_path: Path) -> None:
    header = f"{FILES}\tframe_clock.source\tframe_clock.csv"
    found = recordings_of(
        tmp_path, "a\tx.cmcr\tx.cmtr\tp", "b\t\ty.cmtr\tp\tcsv\tt.csv", header=header
    )
    with pytest.raises(FileMissingError) as error:
        require_files(found)
    assert str(error.value).splitlines()[1:] == [
        "  a: cmcr x.cmcr",
        "  a: cmtr x.cmtr",
        "  b: cmtr y.cmtr",
        "  b: frame_clock.csv t.csv",
    ]


def test_what_is_missing_is_said_with_the_recordings_that_need_it(
    tiny_dataset: SimulatedDataset, tmp_path: Path
) -> None:
    pair = "\t".join(map(str, pair_of(tiny_dataset)))
    rows = [
        f"a\t{pair}\ttiny",
        f"b\t{pair}\tlong",
        f"c\t{pair}\tlong",
        "d\tx\t\ttiny",
        f"e\t{pair}\t",
        f"f\t{pair}\t\tflash\t2",
        f"g\t{pair}\ttiny\tflash\t2",
    ]
    header = f"{FILES}\tlight_onsets.movie\tlight_onsets.duration_s"
    config = configuration(tmp_path, *rows, header=header, stimuli=str(tiny_dataset.stimuli_path))
    with pytest.raises(ParameterError) as error:
        require_inputs(config, read_recordings(config))
    said = str(error.value)
    assert "d: cmcr x" in said
    assert "b, c: Playlist 'long' is not in" in said
    assert "e: column playlist is empty; playlists: tiny." in said
    assert "g: playlist and light_onsets are both given" in said
    assert "a:" not in said
    assert "f:" not in said


@pytest.mark.parametrize(
    ("steps", "removed", "said"),
    [
        ({"compute_sta": None}, [NOISE, STEP], [NOISE]),
        ({"compute_sta": {"stimulus": STEP}}, [NOISE, STEP], [STEP]),
        ({"compute_sta": None}, [STEP], []),
        ({}, [NOISE, STEP], []),
    ],
)
def test_frames_that_an_sta_needs_are_asked_for_first(
    steps: dict[str, Any],
    removed: list[str],
    said: list[str],
    tiny_dataset: SimulatedDataset,
    tmp_path: Path,
) -> None:
    stimuli = tmp_path / "stimuli"
    shutil.copytree(tiny_dataset.stimuli_path, stimuli)
    for name in removed:
        (stimuli / f"{name}.npy").unlink()
    pair = "\t".join(map(str, pair_of(tiny_dataset)))
    steps = {"add_section_time": None, **steps}
    rows = [f"{name}\t{pair}\ttiny" for name in ("a", "b")]
    config = configuration(tmp_path, *rows, steps=steps, stimuli=str(stimuli))
    if not said:
        require_inputs(config, read_recordings(config))
        return
    with pytest.raises(ParameterError) as error:
        require_inputs(config, read_recordings(config))
    assert str(error.value).splitlines() == [
        f"a, b: compute_sta needs the frames of movie {name!r}, but there is no {name}.npy "
        f"in {stimuli}"
        for name in said
    ]
