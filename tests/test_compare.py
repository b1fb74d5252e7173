"""`hdmea compare`: planted differences are found and counted right; equal results are equal."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hand_session import NOISE, SPIKES, STEP, UNIT_IDS, hand_session

from hdmea.arrays import Variable
from hdmea.cli import main
from hdmea.compare.differences import EXACT, Tally, Tolerance, n_without_partner
from hdmea.compare.match import coincidence, match_units
from hdmea.compare.report import as_text
from hdmea.contribution import Recipe
from hdmea.errors import (
    FileMissingError,
    MissingDataError,
    ParameterError,
    RecordingFileError,
    SessionFileError,
)
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    compare,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
    section_spike_times,
    write_units_table,
)
from hdmea.simulate import SimulatedDataset

CLASS, INDEX = "features/on_off/class", "features/on_off/on_off_index"


def altered(
    session: PipelineSession,
    changes: Mapping[str, Any],
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
) -> PipelineSession:
    """The session made again, with other values at some paths, or other parameters."""
    again = PipelineSession(session.dataset_id)
    parents: dict[str, str] = {}
    for name, made in session.contributions.items():
        old = made.recipe
        recipe = Recipe(
            name,
            old.step,
            old.version,
            dict(old.parameters) | dict((parameters or {}).get(name, {})),
            old.inputs,
            dict(parents),
        )
        variables = {
            path: Variable(np.asarray(changes[path]), v.unit, v.dims, v.description)
            if path in changes
            else v
            for path, v in made.variables.items()
        }
        parents[name] = again.obtain(recipe, lambda variables=variables: variables).key
    return again


def with_spikes(trains: list[list[float]], numbers: list[int] | None = None) -> PipelineSession:
    """The hand-made session with other spike trains and numbers of units."""
    counts = np.array([len(train) for train in trains])
    changes: dict[str, Any] = {
        "units/spike_times": np.concatenate([*map(np.array, trains), np.zeros(0)]),
        "units/spike_times_index": np.cumsum(counts),
        "units/n_spikes": counts,
        "units/unit_id": np.array(numbers or UNIT_IDS),
    }
    return altered(hand_session(), changes)


def table(a: Any, b: Any, **options: Any) -> pd.DataFrame:
    return compare(a, b, **options).differences.set_index("what")


# -- equal results ---------------------------------------------------------------------------------


def test_immediate_and_deferred_results_compare_as_equal(
    tiny_dataset: SimulatedDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = tiny_dataset.recordings["demo_retina_1"]
    pair = {"cmcr_path": files.cmcr_path, "cmtr_path": files.cmtr_path}
    stimuli = {"stimuli_dir": tiny_dataset.stimuli_path}
    one = load_recording(**pair, output_dir=tmp_path / "immediate", probe="off").hdf5_path
    extract_features(one, features=["frif", "on_off"])
    add_section_time(one, playlist_name="tiny", **stimuli)
    section_spike_times(one)
    compute_sta(one, cover_range=(-30, 0))
    session = create_session(**pair, **stimuli, output_dir=tmp_path / "deferred")
    load_recording(session=session, probe="off")
    add_section_time(playlist_name="tiny", session=session)
    compute_sta(cover_range=(-30, 0), session=session)
    section_spike_times(session=session)
    extract_features(features=["frif", "on_off"], session=session)
    other = session.save()
    assert main(["compare", str(one), str(other)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "demo_retina_1: equal, by content digest"
    assert said[-1] == "equal"
    assert main(["compare", str(one.parent), str(other.parent)]) == 0

    # one more parameter that happens to change no value: all is read, and the reason is told
    load = {"load_recording": {"note": 1}}
    again = altered(session, {}, load).save(tmp_path / "again.h5")
    assert main(["compare", str(one), str(again)]) == 0
    said_again = capsys.readouterr().out
    assert "load_recording: note = 'nothing' in A, 1 in B" in said_again
    found = compare(one, again)
    assert set(found.recordings[0].compared) == set(session.paths()) - {"units/spike_times_index"}
    assert found.recordings[0].units == {"a": 12, "b": 12, "by_number": 12, "by_spike_times": 0}

    # and a change of one value in a hundred thousand is found
    path = next(path for path in session.paths("sta/") if path.endswith("/sta"))
    sta = session.values(path).copy()
    sta[3, 7, 2, 1] = np.nextafter(sta[3, 7, 2, 1], np.float32(1000))
    changed = altered(session, {path: sta}).save(tmp_path / "pixel.h5")
    assert main(["compare", str(one), str(changed)]) == 1
    assert ": 1 difference, " in capsys.readouterr().out
    differences = table(one, changed)
    assert differences.index.tolist() == [path]
    assert differences.loc[path, ["n", "n_differing"]].tolist() == [sta.size, 1]
    assert differences.loc[path, "rows"] == (session.units.index[3],)
    assert compare(one, changed, tolerance_for_all=True).equal


def test_order_of_units_is_no_difference() -> None:
    order = [2, 0, 3, 1]
    session = hand_session()
    changes = {
        path: session.values(path)[order]
        for path in session.paths()
        if session[path].dims[:1] == ("unit",)
    }
    trains = [SPIKES[row] for row in order]
    changes["units/spike_times"] = np.concatenate([*map(np.array, trains), np.zeros(0)])
    changes["units/spike_times_index"] = np.cumsum([len(train) for train in trains])
    shuffled = altered(session, changes)
    assert shuffled.content_digest != session.content_digest
    assert compare(session, shuffled).equal
    assert compare(shuffled, session).equal


def test_sessions_in_memory_files_and_checkpoints_are_alike(tmp_path: Path) -> None:
    session = hand_session()
    for other in (session.checkpoint(tmp_path / "c.h5"), session.save(tmp_path / "s.h5"), session):
        assert compare(session, other).recordings[0].same_content
        assert not compare(other, altered(session, {INDEX: np.zeros(4)})).equal


# -- planted differences ---------------------------------------------------------------------------


def test_one_spike_moved_and_one_lost_are_counted() -> None:
    trains = [list(train) for train in SPIKES]
    trains[0][1] += 1e-6
    del trains[1][3]
    found = table(hand_session(), with_spikes(trains))
    spikes = found.loc["units/spike_times"]
    assert (spikes["n"], spikes["n_differing"], spikes["rows"]) == (13, 3, (3, 7))
    assert spikes["said"] == "2 in A only, 1 in B only, in 2 of 4 units"
    assert found.loc["units/n_spikes", ["n_differing", "largest_abs", "rows"]].tolist() == [
        1, 1.0, (7,),
    ]  # fmt: skip
    # three of four coincide: less than what makes a train the same
    assert found.loc["units", "kind"] == "other_train"
    assert found.loc["units", "rows"] == (7,)


def test_spike_times_have_a_tolerance_only_where_it_is_asked_for() -> None:
    moved = with_spikes([[t + 4e-7 for t in train] for train in SPIKES])
    kept = {"units/spike_times"}
    assert set(table(hand_session(), moved, rtol=1e-3, atol=1e-3).index) == kept
    assert compare(hand_session(), moved, atol=1e-6, tolerance_for_all=True).equal
    assert not compare(hand_session(), moved, atol=1e-7, tolerance_for_all=True).equal


def test_a_renumbered_unit_is_found_by_its_spikes() -> None:
    renumbered = with_spikes(SPIKES, [70, 7, 11, 90817])
    found = compare(hand_session(), renumbered)
    (one,) = found.recordings[0].differences
    assert (one.kind, one.rows) == ("renumbered", (3,))
    assert found.recordings[0].units["by_spike_times"] == 1
    assert "unit 3: its number is 70 in B: 100.0% of its spikes coincide" in as_text(found)
    # too few spikes to be sure: not found
    found = compare(hand_session(), with_spikes(SPIKES, [3, 70, 11, 90817]))
    assert [(d.kind, d.rows) for d in found.recordings[0].differences[:2]] == [
        ("only_in_a", (7,)), ("only_in_b", (70,)),
    ]  # fmt: skip


def test_swapped_numbers_are_seen_through() -> None:
    trains = [np.arange(30) + 0.1 * k for k in range(4)]
    numbered = altered(with_spikes([list(t) for t in trains]), {})
    swapped = with_spikes([list(t) for t in trains], [7, 3, 11, 90817])
    found = compare(numbered, swapped).recordings[0]
    assert [(d.kind, d.rows, d.said.partition(":")[0]) for d in found.differences] == [
        ("renumbered", (3,), "its number is 7 in B"),
        ("renumbered", (7,), "its number is 3 in B"),
    ]


def test_a_missing_unit_is_named_and_the_rest_compared() -> None:
    without = hand_session(n_units=3)
    found = compare(hand_session(), without)
    (one,) = found.recordings[0].differences
    assert (one.kind, one.rows, one.n_differing) == ("only_in_a", (90817,), 1)
    assert "units: in A only: unit 90817" in as_text(found)
    assert "units: in B only: unit 90817" in as_text(compare(without, hand_session()))


def test_values_text_and_undefined_are_counted_apart() -> None:
    session = hand_session()
    other = altered(
        session,
        {
            CLASS: ["on", "off", "off", "suppressed"],
            INDEX: [1.0, np.nan, 0.25, np.nan],
            "features/on_off/r_on_hz": [2.0 + 1e-12, -1.5, 0.5, 2.0],
        },
        {"features.on_off": {"window_s": 0.25}},
    )
    found = compare(session, other)
    said = found.differences.set_index("what")
    assert set(said.index) == {CLASS, INDEX, "features/on_off/r_on_hz"}
    assert said.loc[CLASS, "said"] == "on_off -> off: 1, none -> suppressed: 1"
    assert said.loc[CLASS, "rows"] == (11, 90817)
    index = said.loc[INDEX]
    assert (index["n"], index["n_differing"], index["n_nan"]) == (4, 2, 1)
    assert (index["largest_abs"], index["largest_rel"]) == (0.125, 0.5)
    rate = said.loc["features/on_off/r_on_hz"]
    assert (rate["n_differing"], rate["largest_abs"], rate["median_abs"]) == (2, 2.0, 1.25)
    assert (rate["largest_rel"], rate["median_rel"]) == (1.0, pytest.approx(2 / 3))
    assert (rate["unit"], rate["rows"]) == ("Hz", (7, 90817))
    assert found.recordings[0].causes == ("features.on_off: window_s = 0.515625 in A, 0.25 in B",)
    assert compare(session, other, rtol=1.0).differences["what"].tolist() == [CLASS, INDEX]


def test_a_section_shifted_or_left_out_is_named() -> None:
    session = hand_session()
    shifted = altered(session, {"stimulus/sections/start_s": [1.0, 38.0 + 1 / 64]})
    row = table(session, shifted).loc["stimulus/sections/start_s"]
    assert (row["n"], row["n_differing"], row["largest_abs"]) == (2, 1, 1 / 64)
    assert row["rows"] == (f"{STEP}, presentation 1",)
    sections = [path for path in session.paths() if session[path].dims == ("section",)]
    without = altered(session, {path: session.values(path)[1:] for path in sections})
    (only,) = compare(session, without).recordings[0].differences
    assert (only.what, only.kind) == ("stimulus/sections", "only_in_a")
    assert only.rows == (f"{NOISE}, presentation 1",)


def test_a_clock_with_dropped_pulses_is_told_as_one() -> None:
    session = hand_session()
    clock = "stimulus/frame_times"
    frames = session.values(clock)
    for kept, words in (
        (frames[4:], "without its first 4 frames A is the same"),
        (frames[:-2], "without its last 2 frames A is the same"),
        (frames[5:] + 0.001, "values are not compared"),
    ):
        (one,) = compare(session, altered(session, {clock: kept})).recordings[0].differences
        assert (one.what, one.kind) == (clock, "length")
        assert one.said.endswith(words)
        assert one.said.startswith(f"frame: 4096 in A, {kept.size} in B; ")


def test_what_one_side_lacks_and_what_is_pending_is_told() -> None:
    waiting = hand_session(leave_out=["features/"])
    waiting.request_feature("on_off", {}, "add_section_time")
    found = compare(hand_session(), waiting)
    by_kind = found.differences.groupby("kind")["what"].agg(list)
    assert set(by_kind["only_in_a"]) == set(hand_session().paths("features/"))
    assert by_kind["pending"] == ["pending"]
    assert "on_off is pending in B only (waits for add_section_time)" in as_text(found)
    assert "features.on_off was made in A only" in as_text(found)
    other_axes = altered(hand_session(), {})
    psth = "features/on_off/psth_hz"
    longer = altered(other_axes, {psth: np.zeros((4, 9), np.float32)})
    assert table(other_axes, longer).loc[psth, "said"] == (
        "unit x bin: 4 x 8 in A, 4 x 9 in B; values are not compared"
    )


def test_a_result_without_units_lacks_them_and_the_rest_is_compared() -> None:
    found = compare(hand_session(leave_out=["units/"]), hand_session()).recordings[0]
    first = found.differences[0]
    assert (first.what, first.kind, first.n_differing) == ("units", "only_in_b", 4)
    only = {d.what for d in found.differences if d.kind == "only_in_b"}
    of_units = {"units/spike_times", "units/spike_times_index", "units/unit_id"}
    assert only == {"units", *hand_session().paths("units/")} - of_units
    assert {CLASS, f"sta/{NOISE}/sta"} < set(found.compared)
    assert {d.kind for d in found.differences} == {"only_in_b"}


def test_positions_of_spikes_are_told_from_the_begin_of_each_train() -> None:
    trials = {
        "trials/start_index": Variable(np.array([[1], [6], [9], [13]]), "1", ("unit", "trial"), "")
    }
    more = {"trials/start_index": np.array([[2], [7], [10], [14]])}
    one = hand_session(more=trials)
    trains = [[0.5, *SPIKES[0]], *SPIKES[1:]]
    counts = [len(train) for train in trains]
    spikes = {
        "units/spike_times": np.concatenate([*map(np.array, trains), np.zeros(0)]),
        "units/spike_times_index": np.cumsum(counts),
    }
    row = table(one, altered(one, more | spikes)).loc["trials/start_index"]
    assert (row["n_differing"], row["rows"], row["largest_abs"]) == (1, (3,), 1.0)


# -- the numbers themselves ------------------------------------------------------------------------


def test_tolerances_are_symmetric_and_know_float32() -> None:
    a = np.array([1.0, 1000.0, 0.0, np.inf, -np.inf, np.nan, np.nan])
    b = np.array([1.0 + 5e-10, 1000.001, 1e-12, np.inf, np.inf, np.nan, 1.0])
    for one, other in ((a, b), (b, a)):
        near = Tolerance(rtol=1e-9)
        assert near.differ(one, other).tolist() == [0, 1, 1, 0, 1, 0, 1]
        assert Tolerance(1e-5, 1e-9).differ(one, other).tolist() == [0, 0, 0, 0, 1, 0, 1]
    single = np.array([1.0, 3.0], np.float32)
    off_by_one = np.nextafter(single, np.float32(9))
    assert not Tolerance(rtol=1e-9).differ(single, off_by_one).any()
    assert EXACT.differ(single, off_by_one).all()
    assert Tolerance(rtol=1e-9).differ(single, single * np.float32(1.000001)).all()
    assert EXACT.differ(np.array([2**63 - 1]), np.array([2**63], np.uint64)).all()
    for wrong in ({"rtol": -1.0}, {"atol": np.nan}, {"rtol": np.inf}):
        with pytest.raises(ParameterError, match="must be a number of 0 or more"):
            Tolerance(**wrong)


def test_sizes_are_those_of_numpy_whatever_the_blocks() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(500, 7))
    b = np.where(rng.random(a.shape) < 0.3, a + rng.normal(size=a.shape), a)
    tally = Tally(EXACT)
    flags = [tally.add(a[i : i + 37], b[i : i + 37]) for i in range(0, 500, 37)]
    apart = np.abs(a - b)[a != b]
    relative = apart / np.maximum(np.abs(a), np.abs(b))[a != b]
    assert np.concatenate(flags).tolist() == (a != b).any(axis=1).tolist()
    assert (tally.n, tally.n_differing) == (3500, apart.size)
    assert (tally.largest_abs, tally.largest_rel) == (apart.max(), relative.max())
    assert tally.median_abs == pytest.approx(np.median(apart))
    assert tally.median_rel == pytest.approx(np.median(relative))


def test_the_median_of_many_differences_takes_bounded_memory() -> None:
    tally = Tally(EXACT)
    zeros = np.zeros(500_000)
    tracemalloc.start()
    for k in range(20):
        tally.add(zeros, zeros + 1 + k)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tally.n_differing == 10_000_000
    assert tally.median_abs == pytest.approx(10.5, abs=0.5)
    assert peak < 100e6


def test_large_arrays_are_compared_in_blocks(tmp_path: Path) -> None:
    frames = Variable(np.zeros((4, 8, 300, 300), np.float32), "1", ("unit", "n", "y", "x"), "")
    big = hand_session(more={"features/big/map": frames})
    moved = frames.data.copy()
    moved[2, 3, 4, 5] = 1.0
    one = big.save(tmp_path / "one.h5")
    other = altered(big, {"features/big/map": moved}).save(tmp_path / "other.h5")
    size = frames.data.nbytes
    del big, moved, frames
    tracemalloc.start()
    (found,) = compare(one, other).recordings[0].differences
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.what, found.n_differing, found.rows) == ("features/big/map", 1, (11,))
    assert peak < 2.2 * size  # a unit is a quarter; both sides, as stored and as compared


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([], [], (0, 0)),
        ([1.0], [], (1, 0)),
        ([1.0, 1.0, 2.0], [1.0, 2.0], (1, 0)),
        ([1.0, 1.04, 3.0], [1.05, 1.09, 3.2], (1, 1)),
    ],
)
def test_spikes_are_paired_one_to_one(
    a: list[float], b: list[float], expected: tuple[int, int]
) -> None:
    assert n_without_partner(np.array(a), np.array(b), 0.0501) == expected


def test_trains_match_best_first_and_only_when_alike() -> None:
    rng = np.random.default_rng(1)
    base = np.sort(rng.uniform(0, 100, 400))
    like = np.sort(np.r_[base[:360], rng.uniform(0, 100, 40)])  # 90 %
    less = np.sort(np.r_[base[:300], rng.uniform(0, 100, 100)])  # 75 %
    assert coincidence(base, like) == pytest.approx(0.9, abs=0.02)
    assert coincidence(base, base[:300]) == 0.75
    assert coincidence(base, np.zeros(0)) == 0
    assert coincidence(np.zeros(0), np.zeros(0)) == 1

    def match(numbers_b: list[int], trains_b: list[np.ndarray]) -> list[tuple[int, int, str]]:
        found = match_units([1], numbers_b, lambda _: base, lambda row: trains_b[row])
        return [(pair.a, pair.b, pair.by) for pair in found.pairs]

    assert match([5, 6], [like, base]) == [(0, 1, "spike_times")]
    assert match([5, 6], [less, base[:300]]) == []
    assert match([1, 6], [less, like]) == [(0, 1, "spike_times")]
    assert match([1], [less]) == [(0, 0, "number")]


@pytest.mark.parametrize("most_near", [20_000_000, 10])
def test_units_are_matched_as_if_all_pairs_were_looked_at(
    most_near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdmea.compare.match._MOST_NEAR", most_near)
    rng = np.random.default_rng(8)
    for _ in range(20):
        one = [np.sort(rng.uniform(0, 5, rng.integers(0, 60))) for _ in range(6)]
        other = [
            np.sort(np.r_[t[: int(t.size * part)], rng.uniform(0, 5, 2)])
            for t, part in zip(one, rng.uniform(0.7, 1, 6), strict=True)
        ]
        order = rng.permutation(6)
        found = match_units(
            range(6), range(10, 16), lambda k, one=one: one[k],
            lambda k, other=other, order=order: other[order[k]],
        )  # fmt: skip
        alike = sorted(
            (-part, a, b)
            for a in range(6)
            for b in range(6)
            if min(one[a].size, other[order[b]].size) >= 5
            and (part := coincidence(one[a], other[order[b]])) > 0.8
        )
        best: dict[int, int] = {}
        for _, a, b in alike:
            if a not in best and b not in best.values():
                best[a] = b
        assert {pair.a: pair.b for pair in found.pairs} == best
        assert len(best) + len(found.only_a) == len(best) + len(found.only_b) == 6


def test_spikes_without_partner_are_those_of_the_largest_matching() -> None:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    rng = np.random.default_rng(9)
    for _ in range(60):
        a, b = (np.sort(rng.integers(0, 40, rng.integers(1, 25)) / 8) for _ in range(2))
        within = rng.choice([0.0, 0.125, 0.3])
        possible = csr_array(np.abs(a[:, np.newaxis] - b) <= within)
        n = int((maximum_bipartite_matching(possible) >= 0).sum())
        assert n_without_partner(a, b, within) == (a.size - n, b.size - n)


# -- tables, folders, the command line -------------------------------------------------------------


def test_tables_are_compared_by_recording_and_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = hand_session()
    saved = [session.save(tmp_path / "a.h5"), hand_session("other").save(tmp_path / "b.h5")]
    one = write_units_table(saved, tmp_path / "one.csv")
    lines = one.read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([lines[0], *reversed(lines[1:])]))
    assert main(["compare", str(one), str(other)]) == 0

    changes = {CLASS: ["off", "off", "on_off", "none"], INDEX: [1.0, -1.0, np.nan, np.nan]}
    changed = altered(session, changes | {"units/tags": ["1", "", "", ""]})
    write_units_table([changed.save(tmp_path / "c.h5")], other)
    capsys.readouterr()
    assert main(["compare", str(one), str(other)]) == 1
    said = capsys.readouterr().out
    assert "other: in A only" in said
    found = compare(one, other)
    assert (found.only_a, found.only_b) == (("other",), ())
    rows = found.differences.set_index("what")
    assert rows.loc["on_off.class", "said"] == "on -> off: 1"
    index = rows.loc["on_off.on_off_index"]
    assert (index["n_differing"], index["n_nan"], index["rows"]) == (1, 1, (11,))
    assert rows.loc["tags", "n_differing"] == 3
    assert rows.loc["recording", "kind"] == "only_in_a"
    assert set(rows.index) == {"on_off.class", "on_off.on_off_index", "tags", "recording"}


def test_a_table_that_a_spreadsheet_saved_is_the_same(tmp_path: Path) -> None:
    saved = hand_session().save(tmp_path / "a.h5")
    table = write_units_table([saved], tmp_path / "units.csv")
    again = tmp_path / "again.csv"
    again.write_text(table.read_text() + "\n", encoding="utf-8-sig", newline="\r\n")
    assert compare(table, again).equal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column recording and no column unit_id"),
        ("recording,snr\na,1\n", "has no column unit_id"),
        ("recording,unit_id,x,x\na,1,2,3\n", "has columns twice: x"),
        ("recording,unit_id\na,1\na,1\n", "line 3: unit 1 of 'a' was there before"),
        ("recording,unit_id\na,one\n", "unit_id is 'one'; it must be a whole"),
        ("recording,unit_id\na\n", "line 2 has 1 cells, but 2 are needed"),
        ("recording,unit_id\n\udce9,1\n", "is no table in UTF-8"),
    ],
)
def test_what_is_no_table_is_an_error(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ParameterError, match=said):
        compare(path, path)


def test_folders_are_compared_recording_by_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for name in ("one", "two", "three"):
        hand_session(name).save(a / f"{name}.h5")
    hand_session("one").save(b / "named_otherwise.h5")
    altered(hand_session("two"), {INDEX: np.zeros(4)}).save(b / "two.h5")
    hand_session("four").save(b / "four.h5")
    found = compare(a, b)
    assert [(one.dataset_id, one.equal) for one in found.recordings] == [
        ("one", True), ("two", False),
    ]  # fmt: skip
    assert (found.only_a, found.only_b) == (("three",), ("four",))
    assert main(["compare", str(a), str(b)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "one: equal, by content digest"
    assert {"three: in A only", "four: in B only"} < set(said)
    assert said[-1] == "DIFFERENT"

    # one bad file hides no other, and is more than a difference
    (b / "three.h5").write_bytes((a / "three.h5").read_bytes()[:3000])
    assert main(["compare", str(a), str(b)]) == 2
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "one: equal, by content digest"
    assert f"{b / 'three.h5'}: COULD NOT BE COMPARED" in said[-2]
    assert "three: in A only" not in said
    assert said[-1] == "NOT ALL COULD BE COMPARED"
    shutil.copy(a / "one.h5", a / "twice.h5")
    with pytest.raises(ParameterError, match="more than one file of recording 'one'"):
        compare(a, b)


def test_damaged_data_end_in_an_error_not_in_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = hand_session()
    one = session.save(tmp_path / "a" / "retina_1.h5")
    other = altered(session, {INDEX: np.zeros(4)}).save(tmp_path / "b" / "retina_1.h5")
    raw = bytearray(other.read_bytes())
    raw[raw.find(session.values("units/spike_times").tobytes())] ^= 1
    other.write_bytes(raw)
    with pytest.raises(SessionFileError, match="units/spike_times"):
        compare(one, other)
    assert main(["compare", str(one), str(other)]) == 2
    assert capsys.readouterr().err.startswith(f"hdmea compare: {other} is damaged")
    assert list(compare(one.parent, other.parent).failed) == ["retina_1"]


def test_what_cannot_be_compared_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_dataset: SimulatedDataset
) -> None:
    session = hand_session()
    saved = session.save(tmp_path / "s" / "retina_1.h5")
    units = write_units_table([saved], tmp_path / "units.csv")
    part = session.save_part(tmp_path / "part.h5", [f"sta.{NOISE}"])
    text = tmp_path / "text.h5"
    text.write_text("hello")
    (tmp_path / "empty").mkdir()
    cmcr = tiny_dataset.recordings["demo_retina_1"].cmcr_path
    wrong: list[tuple[Path, type[Exception], str]] = [
        (tmp_path / "none.h5", FileMissingError, "none.h5"),
        (saved.parent, ParameterError, "one result, .* a folder"),
        (units, ParameterError, "a table"),
        (part, SessionFileError, "is a part"),
        (text, RecordingFileError, "not an HDF5 file; a session file of hdmea or a result file"),
        (cmcr, RecordingFileError, "HDF5 but of another kind"),
        (tmp_path / "empty", ParameterError, "without session files"),
    ]
    for path, kind, said in wrong:
        with pytest.raises(kind, match=said):
            compare(saved, path)
        assert main(["compare", str(saved), str(path)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("hdmea compare: ")
        assert err.count("\n") == 1
    with pytest.raises(MissingDataError, match="nothing in common"):
        compare(hand_session(leave_out=["recording", "stimulus", "sta", "features"]),
                hand_session(leave_out=["units", "sta", "features", "recording"]))  # fmt: skip
    empty = tmp_path / "empty.csv"
    empty.write_text("recording,unit_id\n")
    with pytest.raises(MissingDataError, match="has a recording"):
        compare(empty, empty)
    assert compare(units, empty).only_a == ("retina_1",)
    assert main(["compare", str(saved), str(saved), "--rtol", "-1"]) == 2
    with pytest.raises(SystemExit) as leaving:
        main(["compare", str(saved), str(saved), "--rtol", "much"])
    assert leaving.value.code == 2


def test_json_tells_all_that_the_words_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = hand_session()
    one = session.save(tmp_path / "one.h5")
    changes = {INDEX: [1.0, np.inf, 0.125, 0.0], CLASS: ["on", "on", "on_off", "none"]}
    other = altered(session, changes).save(tmp_path / "other.h5")
    assert main(["compare", str(one), str(other), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["equal"] is False
    (recording,) = told["recordings"]
    by_path = {d["what"]: d for d in recording["differences"]}
    assert by_path[INDEX]["largest_abs"] == "inf"
    assert by_path[INDEX]["n_nan"] == 1
    assert by_path[INDEX]["rows"] == [7, 90817]
    assert by_path[CLASS]["said"] == "off -> on: 1"
    assert by_path[CLASS]["largest_abs"] is None
    assert recording["units"] == {"a": 4, "b": 4, "by_number": 4, "by_spike_times": 0}
