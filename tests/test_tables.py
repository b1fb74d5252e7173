"""The units table and the summary line say what the sessions hold, and nothing else."""

from __future__ import annotations

import csv
import errno
import os
import sys
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hand_session import NOISE, UNIT_IDS, hand_session, z_scores

from hdmea.arrays import Variable
from hdmea.errors import OutputWriteError, ParameterError, SessionFileError
from hdmea.export.summary import summary_line
from hdmea.export.tables import write_units_table
from hdmea.export.units_columns import UnitsColumn, in_common
from hdmea.kernels.sta_peak import sta_peaks, z_threshold
from hdmea.session import PipelineSession

STA = f"sta.{NOISE}"


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"recording": str}, keep_default_na=False, na_values=[""])


def test_every_value_of_the_table_is_the_sessions(tmp_path: Path) -> None:
    saved = hand_session().save(tmp_path / "a.h5")
    session = PipelineSession.load(saved)
    table = read(write_units_table([saved], tmp_path / "units.csv")).set_index("unit_id")
    assert table.index.tolist() == UNIT_IDS
    assert (table["recording"] == "retina_1").all()
    for name, expected in session.units.items():
        found = table[name].fillna("") if expected.dtype.kind not in "iuf" else table[name]
        assert found.tolist() == expected.tolist() or np.array_equal(
            found, expected, equal_nan=True
        )
    for name, expected in session.features["on_off"].items():
        found = table[f"on_off.{name}"]
        if expected.dtype.kind in "iuf":
            np.testing.assert_array_equal(found, expected)
        else:
            assert found.fillna("").tolist() == expected.tolist()
    z = session.values(f"sta/{NOISE}/z")
    lags = session.values(f"sta/{NOISE}/lags")
    for row, unit in enumerate(UNIT_IDS[:3]):
        told = table.loc[unit]
        lag = int(np.flatnonzero(lags == told[f"{STA}.peak_lag_frames"])[0])
        y, x = int(told[f"{STA}.peak_y"]), int(told[f"{STA}.peak_x"])
        assert np.float32(told[f"{STA}.z_peak"]) == z[row, lag, y, x]
        assert np.abs(z[row]).max() == abs(z[row, lag, y, x])
        assert told[f"{STA}.polarity"] == np.sign(z[row, lag, y, x])
    np.testing.assert_array_equal(table[f"{STA}.n_excluded"], [0, 2, 0, 0])


def test_cells_as_written(tmp_path: Path) -> None:
    write_units_table([hand_session().save(tmp_path / "a.h5")], tmp_path / "units.csv")
    with (tmp_path / "units.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == [
        "recording", "unit_id", "row", "column", "n_spikes", "tags", "snr",
        "on_off.class", "on_off.n_spikes_on", "on_off.on_off_index",
        "on_off.on_off_index_reason", "on_off.r_off_hz", "on_off.r_on_hz",
        f"{STA}.n_spikes", f"{STA}.n_excluded", f"{STA}.z_peak", f"{STA}.peak_lag_frames",
        f"{STA}.polarity", f"{STA}.peak_y", f"{STA}.peak_x", f"{STA}.reason",
    ]  # fmt: skip
    assert rows[0] == [
        "retina_1", "3", "1", "65", "5", "", "12.34567890123", "on", "2", "1", "", "-0.5", "2",
        "1", "0", "7.5", "-2", "1", "1", "0", "",
    ]  # fmt: skip
    assert rows[1][5:7] == ["secret, tag", ""]
    assert rows[1][-6:] == ["-9.25", "-1", "-1", "2", "4", ""]
    assert rows[3][2:] == [
        "20", "31", "0", "", "1e-300", "none", "0", "", "no_response", "0", "0",
        "0", "0", "", "", "", "", "", "too_few_spikes",
    ]  # fmt: skip


def test_recordings_with_other_columns_share_a_table(tmp_path: Path) -> None:
    gain = Variable(np.array([1, 2, 3, 4]), "1", ("unit",), "another sorter's measure")
    files = [
        hand_session("007").save(tmp_path / "x.h5"),
        hand_session("NA", leave_out=["sta/", "units/snr"], more={"units/gain": gain}).save(
            tmp_path / "y.h5"
        ),
        hand_session("empty", n_units=0).save(tmp_path / "z.h5"),
        hand_session("no_units", leave_out=["units/", "features/", "sta/"]).save(tmp_path / "n.h5"),
    ]
    one = write_units_table(files, tmp_path / "one.csv").read_bytes()
    assert write_units_table(files[::-1], tmp_path / "two.csv").read_bytes() == one
    table = read(tmp_path / "one.csv")
    assert table["recording"].tolist() == ["007"] * 4 + ["NA"] * 4
    assert table["unit_id"].tolist() == UNIT_IDS * 2
    assert table["gain"].isna().tolist() == [True] * 4 + [False] * 4
    assert table[f"{STA}.n_spikes"].isna().tolist() == [False] * 4 + [True] * 4
    # a whole number stays one, though other recordings lack the column
    assert b",1,\n" not in one
    assert "1.0" not in one.decode()


def test_without_z_the_table_says_so(tmp_path: Path) -> None:
    saved = hand_session(leave_out=[f"sta/{NOISE}/z"]).save(tmp_path / "a.h5")
    table = read(write_units_table([saved], tmp_path / "units.csv"))
    assert (table[f"{STA}.reason"] == "z_not_computed").all()
    assert table[f"{STA}.z_peak"].isna().all()
    assert table[f"{STA}.n_spikes"].tolist() == [1, 1, 0, 0]


def test_an_undefined_peak_has_its_true_reason(tmp_path: Path) -> None:
    flat = Variable(np.full((4, 4, 3, 5), np.nan, np.float32), "1", ("unit", "lag", "y", "x"), "z")
    saved = hand_session(leave_out=[f"sta/{NOISE}/z"], more={f"sta/{NOISE}/z": flat}).save(
        tmp_path / "a.h5"
    )
    table = read(write_units_table([saved], tmp_path / "units.csv"))
    assert table[f"{STA}.n_spikes"].tolist() == [1, 1, 0, 0]
    assert table[f"{STA}.reason"].tolist() == [
        "no_variation", "no_variation", "too_few_spikes", "too_few_spikes",
    ]  # fmt: skip
    assert table[f"{STA}.z_peak"].isna().all()
    told = f"STA significant 0 of 4, undefined 2 for lack of variation ({NOISE})"
    assert told in summary_line(saved)


def test_the_same_recording_twice_or_none_is_refused(tmp_path: Path) -> None:
    files = [hand_session().save(tmp_path / name) for name in ("a.h5", "b.h5")]
    with pytest.raises(ParameterError, match=r"a\.h5 and .*b\.h5 are both of recording 'retina_1'"):
        write_units_table(files, tmp_path / "units.csv")
    with pytest.raises(ParameterError, match="no session files"):
        write_units_table([], tmp_path / "units.csv")
    assert not (tmp_path / "units.csv").exists()


def test_a_failed_write_leaves_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = hand_session().save(tmp_path / "in" / "a.h5")
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "units.csv"
    target.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputWriteError, match=r"units\.csv: No space left"):
        write_units_table([saved], target)
    assert target.read_text() == "old"
    assert list((tmp_path / "out").iterdir()) == [target]


def test_summary_says_what_is_there(tmp_path: Path) -> None:
    session = hand_session()
    session.warnings.append("something odd")
    line = summary_line(session.save(tmp_path / "a.h5"))
    # 60 voxels: |z| must exceed 3.76, which the peaks 7.5 and -9.25 do and 3.0 does not
    assert z_threshold(60) == pytest.approx(NormalDist().inv_cdf(1 - 0.01 / 120), rel=1e-9)
    assert line == (
        "retina_1: 4 units; 13 spikes; 64.0 s; playlist secret_list; "
        "ON 1, OFF 1, ON-OFF 1, no response 1; "
        f"STA significant 2 of 4 ({NOISE}); 1 warning; content {session.content_digest[:12]}"
    )


def test_summary_says_what_is_missing(tmp_path: Path) -> None:
    bare = hand_session(leave_out=["stimulus/", "features/", "sta/", "units/"])
    line = summary_line(bare.save(tmp_path / "a.h5"))
    assert "0 units; 0 spikes; 64.0 s; no playlist; no light step; no STA; no warnings" in line
    undefined = Variable(np.array(["", "", "", ""]), "", ("unit",), "class")
    not_played = hand_session(
        "b", leave_out=["features/"], more={"features/on_off/class": undefined}
    )
    assert "no light step" in summary_line(not_played.save(tmp_path / "b.h5"))


def test_summary_and_table_name_a_damaged_file(tmp_path: Path) -> None:
    saved = hand_session().save(tmp_path / "a.h5")
    raw = bytearray(saved.read_bytes())
    place = raw.find(z_scores(4)[0].tobytes())
    raw[place] ^= 1
    saved.write_bytes(raw)
    for use in (summary_line, lambda path: write_units_table([path], tmp_path / "units.csv")):
        with pytest.raises(SessionFileError, match=rf"a\.h5 is damaged: sta/{NOISE}/z"):
            use(saved)


def test_peaks_are_those_of_a_plain_search() -> None:
    z = np.random.default_rng(8).normal(size=(9, 5, 4, 3)).astype(np.float32)
    z[2, :, 1] = np.nan
    z[4] = np.nan
    found = sta_peaks(z)
    for unit in range(9):
        if unit == 4:
            assert all(np.isnan(getattr(found, name)[4]) for name in ("z", "lag", "y", "x"))
            continue
        best = max(
            (abs(float(z[unit, k, y, x])), (k, y, x))
            for k in range(5) for y in range(4) for x in range(3)
            if not np.isnan(z[unit, k, y, x])
        )  # fmt: skip
        assert (found.lag[unit], found.y[unit], found.x[unit]) == best[1]
        assert found.z[unit] == z[unit][best[1]]


def test_the_dictionary_tells_of_every_column(tmp_path: Path) -> None:
    one = hand_session().save(tmp_path / "a.h5")
    other = hand_session("other", leave_out=["sta/"]).save(tmp_path / "b.h5")
    columns = tmp_path / "columns.csv"
    table = write_units_table([other, one], tmp_path / "units.csv", columns_path=columns)
    with columns.open(newline="", encoding="utf-8") as file:
        told = {row.pop("column"): row for row in csv.DictReader(file)}
    cells = pd.read_csv(table, dtype=str, keep_default_na=False)
    assert list(told) == list(cells.columns)
    assert told["on_off.r_on_hz"] == {
        "type": "number",
        "unit": "Hz",
        "description": "a column",
        "made by": "extract_features on_off",
        "version": "1",
        "defined in": "docs/definitions.md, on_off",
    }
    assert told["n_spikes"]["made by"] == "load_recording"
    assert told[f"{STA}.z_peak"]["type"] == "number"
    assert told[f"{STA}.polarity"]["made by"] == "compute_sta"
    assert all(row["description"] and row["defined in"] for row in told.values())
    kinds = {"whole number": int, "number": float, "text": str}
    for name, row in told.items():
        for cell in filter(None, cells[name]):
            assert kinds[row["type"]](cell) is not None, (name, cell)


def test_parquet_has_the_cells_of_the_table_and_what_they_are(tmp_path: Path) -> None:
    from pyarrow import parquet

    saved = hand_session().save(tmp_path / "a.h5")
    path = tmp_path / "units.parquet"
    cells = read(write_units_table([saved], tmp_path / "units.csv", parquet_path=path))
    table = parquet.read_table(path)
    assert table.column_names == list(cells.columns)
    for name, values in table.to_pydict().items():
        empty = cells[name].isna()
        assert [value is None for value in values] == empty.tolist(), name
        defined = [value for value in values if value is not None]
        assert defined == cells[name][~empty].tolist(), name
    schema = table.schema
    assert [str(schema.field(name).type) for name in ("recording", "unit_id", "snr")] == [
        "string", "int64", "double",
    ]  # fmt: skip
    assert schema.field("on_off.r_on_hz").metadata == {
        b"unit": b"Hz",
        b"description": b"a column",
        b"made_by": b"extract_features on_off",
        b"version": b"1",
        b"defined_in": b"docs/definitions.md, on_off",
    }
    none = hand_session(n_units=0).save(tmp_path / "none.h5")
    write_units_table([none], tmp_path / "none.csv", parquet_path=path)
    assert parquet.read_table(path).num_rows == 0


def test_without_pyarrow_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = hand_session().save(tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParameterError, match=r"pip install 'hdmea\[parquet\]'"):
        write_units_table([saved], tmp_path / "a.csv", parquet_path=tmp_path / "a.parquet")


def test_columns_of_two_versions_are_told_with_both() -> None:
    told = [
        {"a.x": UnitsColumn("number", "1", "x", "extract_features a", version, "there")}
        for version in ("4", "3", "4")
    ]
    assert in_common(told)["a.x"].version == "3, 4"
