"""Inclusion: every rule by hand, the table of people, and what is done again when they change."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hand_session import NOISE, UNIT_IDS, hand_session

from faults.projects import Project, jobs
from hdmea.arrays import Variable, Variables
from hdmea.batch.config import read_config
from hdmea.batch.plan import parts_of, require_inputs, unread_curation
from hdmea.batch.recordings import read_recordings
from hdmea.contribution import Recipe
from hdmea.errors import FileMissingError, MissingDataError, ParameterError, UnknownNameError
from hdmea.export.summary import summary_line
from hdmea.export.tables import write_units_table
from hdmea.pipeline import (
    PipelineSession,
    curate_units,
    extract_features,
    run_recording,
)
from hdmea.report.examples import choose_examples
from hdmea.report.overview import overview_figure
from hdmea.simulate import SimulatedDataset
from hdmea.steps.curation_table import read_curation

NAN = float("nan")
QUALITY = "features/unit_quality"
NUMBERS = [2, 5, 8, 9, 30]
"""Numbers of the five units of `five_units`."""


def column(values: Any, unit: str = "1") -> Variable:
    values = np.array(values)
    return Variable(values, "" if values.dtype.kind == "U" else unit, ("unit",), "by hand")


def five_units(**changed: Any) -> PipelineSession:
    """Five units whose quality is written down here, not computed."""
    session = PipelineSession("rec")
    units: Variables = {
        "units/unit_id": column(NUMBERS),
        "units/n_spikes": column([1000, 800, 100, 1, 0]),
        "units/snr": column([8.0, 4.0, NAN, 3.9, NAN]),
        "units/tags": column(["", "Noise; drift", "noisy", "MUA,noise", "two words"]),
    }
    quality = {
        "isi_violation_fraction": column([0.01, 0.02, 0.0, NAN, NAN]),
        "isi_violation_fraction_reason": column(["", "", "", *["too_few_spikes"] * 2]),
        "hill_contamination_low": column([0.1, NAN, 0.0, NAN, NAN]),
        "hill_contamination_low_reason": column(["", "at_least_half", "", *["too_few_spikes"] * 2]),
        "presence_ratio": column([1.0, 0.9, 0.5, 0.1, 0.0]),
        "presence_ratio_reason": column([""] * 5),
    }
    pairs = {"unit": [5, 8, 8], "of": [2, 5, 2], "fraction": [0.9, 0.8, 0.6]}
    quality |= {
        f"duplicate_pair_{name}": Variable(np.array(values), "1", ("duplicate_pair",), "by hand")
        for name, values in pairs.items()
    }
    quality |= changed
    parents = {}
    for name, step, variables in (
        ("load_recording", "load_recording", units),
        (
            "features.unit_quality",
            "extract_features",
            {f"{QUALITY}/{name}": values for name, values in quality.items()},
        ),
    ):
        recipe = Recipe(name, step, 1, {}, {}, dict(parents))
        parents[name] = session.obtain(recipe, lambda v=variables: v).key
    return session


def reasons(session: PipelineSession, **rules: Any) -> list[str]:
    """Why each unit is excluded."""
    curate_units(session=session, **rules)
    found = session.units["exclusion_reason"].tolist()
    assert session.units["included"].tolist() == [int(not reason) for reason in found]
    assert session.values("units/included").dtype == np.uint8
    return found


def table(folder: Path, *rows: str, header: str = "recording\tunit_id\tuse\tlabel\tnote") -> Path:
    path = folder / "units.tsv"
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


# -- rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, ["", "", "", "", ""]),
        ({"min_spikes": 100}, ["", "", "", "min_spikes", "min_spikes"]),
        (
            {"max_isi_violation_fraction": 0.01},
            ["", "max_isi_violation_fraction", ""]
            + ["max_isi_violation_fraction: too_few_spikes"] * 2,
        ),
        (
            {"max_hill_contamination": 0.05},
            ["max_hill_contamination", "max_hill_contamination: at_least_half", ""]
            + ["max_hill_contamination: too_few_spikes"] * 2,
        ),
        ({"min_presence_ratio": 0.9}, ["", "", *["min_presence_ratio"] * 3]),
        ({"min_snr": 4.0}, ["", "", "min_snr: undefined", "min_snr", "min_snr: undefined"]),
        (
            {"exclude_tags": [" NOISE", "two words"]},
            ["", "exclude_tags:  NOISE", "", "exclude_tags:  NOISE", "exclude_tags: two words"],
        ),
        ({"exclude_tags": "mua"}, ["", "", "", "exclude_tags: mua", ""]),
        (
            {"exclude_duplicates": True},
            ["", *["exclude_duplicates: duplicate of 2"] * 2, "", ""],
        ),
        (
            {"min_spikes": 2, "min_snr": 4.0, "exclude_tags": ["mua"]},
            [
                "",
                "",
                "min_snr: undefined",
                "min_spikes; min_snr; exclude_tags: mua",
                "min_spikes; min_snr: undefined",
            ],
        ),
    ],
)
def test_a_unit_is_excluded_by_every_rule_that_it_breaks(
    rules: dict[str, Any], expected: list[str]
) -> None:
    assert reasons(five_units(), **rules) == expected


def test_of_copies_the_largest_stays_that_breaks_no_other_rule(tmp_path: Path) -> None:
    bad_first = {"hill_contamination_low": column([0.3, 0.0, 0.0, 0.0, 0.0]),
                 "hill_contamination_low_reason": column([""] * 5)}  # fmt: skip
    rules = {"exclude_duplicates": True, "max_hill_contamination": 0.1}
    assert reasons(five_units(**bad_first), **rules)[:3] == [
        "max_hill_contamination", "", "exclude_duplicates: duplicate of 5",
    ]  # fmt: skip
    # people excluded the first, and insist on the third
    said = table(tmp_path, "rec\t2\tno\t\tdrifts", "rec\t8\tyes")
    assert reasons(five_units(), exclude_duplicates=True, table=said)[:3] == [
        "curated: drifts", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "changed", "said"),
    [
        (
            {"min_presence_ratio": 0.5},
            {
                "presence_ratio": column([NAN] * 5),
                "presence_ratio_reason": column(["recording_too_short"] * 5),
            },
            "min_presence_ratio cannot be judged in 'rec': .*presence_ratio.*recording_too_short",
        ),
        (
            {"max_hill_contamination": 0.1},
            {
                "hill_contamination_low": column([NAN] * 5),
                "hill_contamination_low_reason": column(["duration_unknown"] * 5),
            },
            "duration_unknown",
        ),
    ],
)
def test_a_rule_that_no_unit_can_keep_because_of_the_recording_is_an_error(
    rules: dict[str, Any], changed: dict[str, Any], said: str
) -> None:
    session = five_units(**changed)
    with pytest.raises(MissingDataError, match=said):
        curate_units(session=session, **rules)
    assert "units/included" not in session


def test_an_empty_tag_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"exclude_tags: .*an empty tag would exclude every"):
        curate_units(session=five_units(), exclude_tags=["noise", " "])


def test_a_measure_that_the_sorter_did_not_store_is_an_error() -> None:
    bare = hand_session(leave_out=["units/snr"])
    with pytest.raises(MissingDataError, match=r"its \.cmtr has no snr"):
        curate_units(session=bare, min_snr=1)
    undefined = hand_session(leave_out=["units/snr"], more={"units/snr": column([NAN] * 4)})
    with pytest.raises(MissingDataError, match="units/snr is undefined in all units"):
        curate_units(session=undefined, min_snr=1)
    empty = hand_session(n_units=0, leave_out=["units/snr", "units/tags"])
    curate_units(session=empty, min_snr=1)
    assert empty.values("units/included").shape == (0,)
    no_units = hand_session(leave_out=["units/", "features/", "sta/"])
    with pytest.raises(MissingDataError, match="load it with cmtr_path="):
        curate_units(session=no_units)
    none = hand_session(n_units=0)
    curate_units(session=none, min_spikes=5, min_snr=1, exclude_tags=["x"])
    assert len(none.units) == 0


@pytest.mark.parametrize(
    "rule",
    [
        {"max_hill_contamination": 0.1},
        {"max_isi_violation_fraction": 0.1},
        {"min_presence_ratio": 0.1},
        {"exclude_duplicates": True},
    ],
)
def test_a_rule_about_quality_says_what_to_run_first(rule: dict[str, Any]) -> None:
    session = hand_session()
    with pytest.raises(
        MissingDataError, match=r"run extract_features\(features=\['unit_quality'\]"
    ):
        curate_units(session=session, **rule)
    config = {"recordings": "r", "stimuli": "s", "steps": {"curate_units": rule}}
    with pytest.raises(ParameterError, match="unit_quality, which is left out; add it to"):
        read_config(config)
    config["steps"] |= {"extract_features": {"features": ["unit_quality"]}}
    assert parts_of(read_config(config))["curation"].needs == (
        "load_recording", "features.unit_quality",
    )  # fmt: skip
    free = {"curate_units": {"min_spikes": 5, "min_snr": 3}}
    assert parts_of(read_config(config | {"steps": free}))["curation"].needs == ("load_recording",)


def test_counts_are_logged_and_nothing_left_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hdmea")
    session = five_units()
    curate_units(session=session, min_spikes=100, min_snr=4)
    assert "rec: 2 of 5 units are included; not: min_snr 3, min_spikes 2" in caplog.text or (
        "rec: 2 of 5 units are included; not: min_spikes 2, min_snr 3" in caplog.text
    )
    assert session.warnings == []
    curate_units(session=session, min_spikes=5000)
    assert any("0 of 5 units are included" in warning for warning in session.warnings)


# -- the table -------------------------------------------------------------------------------------


def test_the_table_goes_before_the_rules(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "# rec\t2\tno\t\tof no account",
        "rec\t9\tYES\tON alpha\tfew spikes, but a clear field",
        "other\t99\tno",
        "rec\t2\tno\t\tdouble unit",
        "",
        "rec\t8\tno",
        "rec\t5\t\tOFF",
    )
    session = five_units()
    assert reasons(session, min_spikes=900, table=path) == [
        "curated: double unit", "min_spikes", "min_spikes; curated", "", "min_spikes",
    ]  # fmt: skip
    assert session.units["label"].tolist() == ["", "OFF", "", "ON alpha", ""]
    assert session.units["note"].tolist() == [
        "double unit", "", "", "few spikes, but a clear field", "",
    ]  # fmt: skip
    curate_units(session=session, min_spikes=900)
    assert not {"units/label", "units/note"} & set(session.paths("units/"))


def test_everything_wrong_with_the_table_is_listed(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "rec\t2\tno", "# a remark", "rec\ttwo\tno", "\t5\tyes", "rec\t8\tmaybe", "rec\t2\tyes",
        "rec\t5.0\t", "rec", "rec\t" + "9" * 5000,
    )  # fmt: skip
    with pytest.raises(ParameterError) as refused:
        curate_units(session=five_units(), table=path)
    assert str(refused.value).splitlines()[1:] == [
        "  line 4: column unit_id: 'two' is not the number of a unit",
        "  line 5: column recording: is empty",
        "  line 6: column use: 'maybe' is neither 'yes' nor 'no' nor empty",
        "  line 8: column unit_id: '5.0' is not the number of a unit",
        "  line 9: column unit_id: '' is not the number of a unit",
        f"  line 10: column unit_id: '{'9' * 5000}' is not the number of a unit",
        "  unit 2 of 'rec' is listed 2 times: lines 2, 7",
    ]


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("recording\tunit\tuse", [], "'unit': unknown, did you mean 'unit_id'"),
        ("recording,unit_id,use", [], "'recording': is missing"),
        ("recording\tuse", [], "'unit_id': is missing"),
        ("recording\tunit_id\tuse\tuse", [], "'use': is there 2 times"),
        ("", [], "'recording': is missing"),
        ("recording\tunit_id", ["rec\t2\tno"], "line 2: 3 cells, but 2 columns"),
        ("recording\tunit_id\tnote", ['rec\t2\t"mixed" unit'], "line 2: a cell that begins with"),
        ("recording\tunit_id\tlabel\tnote", ['rec\t2\t"on\tx'], "line 2: a cell that begins with"),
        ("recording\tunit_id\tnote", ["rec\t2\ta\0b"], "has NUL characters"),
    ],
)
def test_a_table_of_another_shape(tmp_path: Path, header: str, rows: list[str], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        read_curation(table(tmp_path, *rows, header=header))


def test_quotes_of_a_spreadsheet_and_odd_separators_are_text(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "rec\t2\tno\t\tone\x0btwo\u2028three", 'rec\t5\tno\t"""mixed"" unit"\tsay "ON"',
    )  # fmt: skip
    first, second = read_curation(path)["rec"]
    assert (first.line, first.note) == (2, "one\x0btwo\u2028three")
    assert (second.line, second.label, second.note) == (3, '"mixed" unit', 'say "ON"')


def test_units_and_tables_that_are_not_there(tmp_path: Path) -> None:
    path = table(tmp_path, "rec\t2\tno", "rec\t3\tno", "rec\t31\tyes")
    with pytest.raises(UnknownNameError) as refused:
        curate_units(session=five_units(), table=path)
    assert (
        "unit 3 (line 3), unit 31 (line 4); remove them, or take one of its 5 units: 2, 5, 8, 9, 30"
        in str(refused.value)
    )
    with pytest.raises(FileMissingError, match=r"no curation table none\.tsv"):
        curate_units(session=five_units(), table="none.tsv")


def test_only_what_is_said_of_a_recording_counts_for_it(tmp_path: Path) -> None:
    def key(*rows: str, header: str = "recording\tunit_id\tuse\tlabel\tnote") -> str:
        session = five_units()
        curate_units(session=session, table=table(tmp_path, *rows, header=header))
        return session.contributions["curate_units"].key

    said = key("rec\t2\tno\t\tdouble", "rec\t5\tyes")
    short = "recording\tunit_id\tuse\tnote"
    assert said == key("#", "other\t2\tno", "rec\t5\tyes", "rec\t2\tNo\tdouble", header=short)
    assert said != key("rec\t2\tno\t\tdouble", "rec\t5\tno")
    assert said != key("rec\t2\tno\t\tdoubled", "rec\t5\tyes")
    plain = five_units()
    curate_units(session=plain)
    assert plain.contributions["curate_units"].key == key("other\t2\tno") == key("rec\t2")


def test_a_table_that_people_filled_and_nobody_reads_is_said(tmp_path: Path) -> None:
    values = {"recordings": str(tmp_path / "recordings.tsv"), "stimuli": "s", "steps": {}}
    config = read_config(values)
    assert unread_curation(config) == []
    path = table(tmp_path)
    assert path == tmp_path / "units.tsv"
    assert unread_curation(config) == []
    table(tmp_path, "rec\t2\tno")
    (said,) = unread_curation(config)
    assert said == f"{path} has 1 row but is not read; to read it, curate_units: {{table: {path}}}"
    named = {"curate_units": {"table": str(path)}}
    assert unread_curation(read_config({**values, "steps": named})) == []
    table(tmp_path, "rec\ttwo\tno")
    (said,) = unread_curation(config)
    assert "column unit_id: 'two'" in said


def test_a_recording_that_is_not_processed_is_found_before_anything_runs(
    tiny_dataset: SimulatedDataset, tmp_path: Path
) -> None:
    path = table(tmp_path, "demo_retina_1\t1\tno", "demo_retina_3\t1\tno", "demo_retina_3\t2\tno")
    values = {
        "recordings": str(tiny_dataset.table_path),
        "stimuli": str(tiny_dataset.stimuli_path),
        "steps": {"curate_units": {"table": str(path)}},
    }
    config = read_config(values)
    recordings = read_recordings(config)
    with pytest.raises(ParameterError, match="lines 3, 4: recording 'demo_retina_3' is not in the"):
        require_inputs(config, recordings)
    # one that is not chosen this time is no mistake
    table(tmp_path, "demo_retina_1\t1\tno", "demo_retina_2\t1\tno")
    chosen = read_config(values | {"only": ["demo_retina_1"]})
    require_inputs(chosen, read_recordings(chosen))
    path.unlink()
    with pytest.raises(ParameterError, match="There is no curation table"):
        require_inputs(config, recordings)


# -- what uses it ----------------------------------------------------------------------------------


@pytest.fixture
def curated() -> PipelineSession:
    """The session of hand, of whose units 3, 7, 11 and 90817 the first and the last are out."""
    session = hand_session()
    include = {"min_spikes": 4, "exclude_tags": ["no_such"]}
    curate_units(session=session, **include)
    assert session.units["included"].tolist() == [1, 1, 1, 0]
    return session


def exclude(session: PipelineSession, folder: Path, *numbers: int) -> PipelineSession:
    rows = [f"{session.dataset_id}\t{number}\tno\tpoor\tby eye" for number in numbers]
    curate_units(session=session, min_spikes=4, table=table(folder, *rows))
    return session


def test_the_units_table_is_of_the_included_units(curated: PipelineSession, tmp_path: Path) -> None:
    saved = exclude(curated, tmp_path, 3).save(tmp_path / "a.h5")
    plain = hand_session("plain").save(tmp_path / "b.h5")

    def read(all_units: bool) -> pd.DataFrame:
        path = write_units_table([saved, plain], tmp_path / "units.csv", all_units=all_units)
        with path.open(newline="", encoding="utf-8") as file:
            header = next(csv.reader(file))
        tail = ["tags", "included", "exclusion_reason", "label", "note", "snr"]
        expected = tail if all_units else ["tags", "label", "note", "snr"]
        assert header[5 : 5 + len(expected)] == expected
        return pd.read_csv(path, keep_default_na=False)

    good = read(False)
    assert good["unit_id"].tolist() == [*UNIT_IDS, 7, 11]
    everything = read(True)
    assert everything["unit_id"].tolist() == UNIT_IDS * 2
    assert everything["included"].tolist() == [1, 1, 1, 1, 0, 1, 1, 0]
    assert everything["exclusion_reason"].tolist() == [
        "", "", "", "", "curated: by eye", "", "", "min_spikes",
    ]  # fmt: skip
    assert everything["label"].tolist() == [*[""] * 4, "poor", "", "", ""]
    shared = everything[everything["included"] == 1].drop(columns=["included", "exclusion_reason"])
    pd.testing.assert_frame_equal(shared.reset_index(drop=True), good)


def test_summary_and_picture_are_of_the_included_units(
    curated: PipelineSession, tmp_path: Path
) -> None:
    assert choose_examples(curated) == [0, 1, 2]
    session = exclude(curated, tmp_path, 3)
    line = summary_line(session.save(tmp_path / "a.h5"))
    assert "retina_1: 4 units, 2 included; 8 spikes; 64.0 s;" in line
    assert "; OFF 1, ON-OFF 1; " in line
    assert f"STA significant 1 of 2 ({NOISE})" in line
    assert choose_examples(session) == [1, 2]
    figure = overview_figure(session)
    words = [text.get_text() for axes in figure.axes for text in (axes.title, axes._left_title)]
    assert "4 units, 2 included on the chip" in words
    assert any(text.get_text().startswith("4 units, 2 included, 8 sp") for text in figure.texts)
    (chip,) = (axes for axes in figure.axes if axes.get_label() == "chip")
    told = [text.get_text() for text in chip.get_legend().get_texts()]
    assert told == ["OFF 1", "ON-OFF 1", "excluded 2"]
    none = exclude(curated, tmp_path, 3, 7, 11)
    assert choose_examples(none) == []
    assert "4 units, 0 included; 0 spikes" in summary_line(none.save(tmp_path / "b.h5"))
    said = [text.get_text() for axes in overview_figure(none).axes for text in axes.texts]
    assert "no unit is included" in said


# -- what is done again ----------------------------------------------------------------------------

ONE, TWO = "demo_retina_1", "demo_retina_2"
RULES = {"min_spikes": 1, "max_hill_contamination": 0.4, "exclude_duplicates": True}


def made_at(session: PipelineSession) -> dict[str, Any]:
    """When, and in how long, each contribution was computed: the same if it was taken as it was."""
    return {name: made.run for name, made in session.contributions.items()}


def test_deferred_mode_takes_all_but_the_curation_from_the_last_result(
    tiny_dataset: SimulatedDataset, tmp_path: Path
) -> None:
    files = tiny_dataset.recordings[ONE]

    def processed(*rows: str, **rules: Any) -> PipelineSession:
        steps = {
            "load_recording": {"probe": "off"},
            "extract_features": {"features": ["unit_quality"]},
            "curate_units": RULES | {"table": str(table(tmp_path, *rows))} | rules,
        }
        result = run_recording(
            steps,
            tmp_path / "result.h5",
            dataset_id=ONE,
            cmcr_path=files.cmcr_path,
            cmtr_path=files.cmtr_path,
            work_dir=tmp_path / "work",
        )
        return PipelineSession.load(result.hdf5_path)

    def computed(before: PipelineSession, after: PipelineSession) -> set[str]:
        was = made_at(before)
        return {name for name, run in made_at(after).items() if run != was.get(name)}

    first = processed()
    unit = int(first.units.index[0])
    assert first.units["included"].tolist() == [1] * 12
    curated = processed(f"{ONE}\t{unit}\tno")
    assert computed(first, curated) == {"curate_units"}
    assert curated.units["exclusion_reason"].tolist() == ["curated", *[""] * 11]
    same = processed(f"{TWO}\t1\tno", f"{ONE}\t{unit}\tno")
    assert computed(curated, same) == set()
    assert same.content_digest == curated.content_digest
    ruled = processed(f"{ONE}\t{unit}\tno", min_spikes=10**9)
    assert computed(same, ruled) == {"curate_units"}
    assert ruled.units["included"].sum() == 0


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_workflow_redoes_the_curation_of_the_recording_whose_rows_changed(
    tiny_dataset: SimulatedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        name: (recording.cmcr_path, recording.cmtr_path)
        for name, recording in tiny_dataset.recordings.items()
    }
    unit = int(pd.read_csv(tiny_dataset.recordings[ONE].truth_csv_path)["unit_id"].iloc[0])
    steps = {"load_recording": {"probe": "off"}, "curate_units": {"table": "units.tsv"}}
    steps["adjust_p_values"] = {}
    project = Project(tmp_path, tiny_dataset.stimuli_path, files, steps)
    project.configure(mode="immediate")
    table(tmp_path, f"{ONE}\t{unit}\tno\t\tdrifts")
    target = f"results/{ONE}.h5"
    project.run(target)
    curated = PipelineSession.load(tmp_path / target).units.loc[unit]
    assert curated[["included", "exclusion_reason"]].tolist() == [0, "curated: drifts"]

    # what Snakemake compares is the same for a recording of which nothing new is said
    monkeypatch.chdir(tmp_path)
    config = read_config(yaml.safe_load(Path("config/config.yaml").read_text()))
    recordings = read_recordings(config)

    def compared() -> list[Any]:
        return [parts_of(config)["curation"].definition(recordings[name]) for name in (ONE, TWO)]

    before = compared()
    table(tmp_path, f"{TWO}\t{unit}\tno", f"{ONE}\t{unit}\tno\t\tdrifts")
    after = compared()
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)

    table(tmp_path, f"{TWO}\t{unit}\tno", f"{ONE}\t{unit}\tyes\t\tdrifts")
    assert jobs(project.run("-n", target)) == {
        "curate_units": 1,
        "adjust_p_values": 1,
        "assemble": 1,
        "total": 3,
    }


@pytest.fixture
def once(tiny_dataset: SimulatedDataset, tmp_path: Path) -> Callable[[], Path]:
    """A recording that was loaded, in a file."""
    files = tiny_dataset.recordings[ONE]

    def loaded() -> Path:
        return run_recording(
            {"load_recording": {"probe": "off"}},
            tmp_path / "loaded.h5",
            dataset_id=ONE,
            cmcr_path=files.cmcr_path,
            cmtr_path=files.cmtr_path,
        ).hdf5_path

    return loaded


def test_both_modes_give_the_same_and_renewed_quality_drops_the_curation(
    once: Callable[[], Path],
) -> None:
    path = once()
    session = PipelineSession.load(path)
    steps = ((extract_features, {"features": ["unit_quality"]}), (curate_units, RULES))
    for step, values in steps:
        step(session=session, **values)
    for step, values in steps:
        step(hdf5_path=path, **values)
    saved = PipelineSession.load(path)
    assert saved.content_digest == session.content_digest
    assert saved.completed_steps == {"load_recording", "extract_features", "curate_units"}
    extract_features(
        features=["unit_quality"],
        parameters={"unit_quality": {"refractory_period_s": 0.002}},
        session=saved,
    )
    assert "curate_units" not in saved.completed_steps
    assert any("curate_units was made from an older" in warning for warning in saved.warnings)
