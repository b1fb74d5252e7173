"""q values: by hand, by definition, over the included units; the same whatever the way."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import BaseModel, Field

from hdmea.arrays import Variable, Variables
from hdmea.batch import parts_of, read_config
from hdmea.contribution import Recipe
from hdmea.errors import FeatureOutputError, MissingDataError, ParameterError
from hdmea.features.declaration import Feature, FeatureResult, Output, check, reasons_where
from hdmea.features.inputs import FeatureInputs
from hdmea.features.registry import FEATURES
from hdmea.kernels.q_values import q_values
from hdmea.pipeline import (
    PipelineSession,
    add_section_time,
    adjust_p_values,
    assemble,
    compute_sta,
    create_session,
    curate_units,
    extract_features,
    load_recording,
    run_part,
    run_recording,
    write_units_table,
)
from hdmea.steps.extract_features import ExtractFeaturesParameters
from hdmea.store.describe import describe_session, render_session

NAN = float("nan")


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features for tests, with and without p values."""
    p_tone = Output("p_tone", "1", "a p value", reasons=("too_few_spikes",), is_p_value=True)
    several = Output("p_each", "1", "p of tests", ("unit", "segment"), is_p_value=True)
    p_late = Output("p_late", "1", "a p value", is_p_value=True)
    column = Output("x", "1", "a column")
    for one in (
        feature("toy", p_tone, several),
        feature("tone", p_tone, compute=tone, needs="trials", params=Scaled),
        feature("late", p_late, compute=late, needs="sta"),
        feature("both", column, compute=both, needs="features.tone"),
        feature("plain", column, compute=plain, params=Scaled),
    ):
        monkeypatch.setitem(FEATURES, one.name, one)


# -- numbers ---------------------------------------------------------------------------------------

PAPER = [
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459),
    *(0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
]
"""The example of Benjamini and Hochberg (1995), section 4.1."""


def everybody(p: Any) -> Any:
    return np.ones(len(p), dtype=bool)


def test_the_example_of_the_paper_by_hand() -> None:
    # p times 15 / rank, and never more than that of a larger p
    expected = [
        *(0.0001 * 15, 0.0004 * 15 / 2, 0.0019 * 15 / 3, 0.0095 * 15 / 4, 0.0201 * 15 / 5),
        *[0.0298 * 15 / 7] * 2,  # the sixth alone had 0.0695
        *(0.0344 * 15 / 8, 0.0459 * 15 / 9, 0.3240 * 15 / 10, 0.4262 * 15 / 11),
        *(0.5719 * 15 / 12, 0.6528 * 15 / 13, 0.7590 * 15 / 14, 1.0),
    ]
    p = np.array(PAPER)
    q = q_values(p, everybody(p))
    assert q == pytest.approx(expected, rel=1e-12)
    assert (q < 0.05).sum() == 4  # what the paper finds
    harmonic = sum(1 / rank for rank in range(1, 16))
    by = q_values(p, everybody(p), "by")
    assert by == pytest.approx(np.minimum(1, harmonic * q), rel=1e-12)
    with pytest.raises(ParameterError, match="'bonferroni' is not known; known: bh, by"):
        q_values(p, everybody(p), "bonferroni")  # type: ignore[arg-type]


def by_definition(p: list[float]) -> list[float]:
    """Smallest level at which each test is significant: the step-up procedure, word by word."""
    return [
        min(
            1.0,
            *(larger * len(p) / sum(one <= larger for one in p) for larger in p if larger >= own),
        )
        for own in p
    ]


P = st.one_of(st.floats(0, 1), st.just(NAN), st.sampled_from([0.0, 0.001, 0.05, 1.0]))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), shape=st.sampled_from([(0,), (1,), (7,), (12,), (4, 3), (2, 0)]))
def test_q_values_are_the_definition_over_the_defined_p_of_included_units(
    data: st.DataObject, shape: tuple[int, ...]
) -> None:
    p = data.draw(arrays(np.float64, shape, elements=P))
    included = data.draw(arrays(np.bool_, shape[0]))
    q = q_values(p, included)
    assert q.shape == p.shape
    in_family = ~np.isnan(p) & included.reshape(-1, *[1] * (p.ndim - 1))
    assert np.array_equal(np.isnan(q), ~in_family)
    assert q[in_family] == pytest.approx(by_definition(p[in_family].tolist()), rel=1e-12)
    order = data.draw(st.permutations(range(shape[0])))
    assert np.array_equal(q_values(p[order], included[order]), q[order], equal_nan=True)


def test_units_that_are_not_included_count_only_by_their_absence() -> None:
    rng = np.random.default_rng(5)
    p, included = rng.uniform(size=40) ** 3, rng.uniform(size=40) < 0.6
    q = q_values(p, included)
    changed = np.where(included, p, rng.uniform(size=40))
    assert np.array_equal(q_values(changed, included), q, equal_nan=True)
    alone = p[included]
    assert np.array_equal(q[included], q_values(alone, everybody(alone)))


def test_of_what_is_found_the_promised_part_is_chance() -> None:
    rng = np.random.default_rng(8)
    n_populations, n_units, n_respond = 2000, 200, 30
    p = rng.uniform(size=(n_populations, n_units))
    p[:, :n_respond] = rng.beta(0.1, 8, size=(n_populations, n_respond))
    for method, at_most in (("bh", 0.05), ("by", 0.05 / sum(1 / i for i in range(1, 201)))):
        found = np.array([q_values(one, everybody(one), method) for one in p]) < 0.05
        by_chance = found[:, n_respond:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
        # exactly so for independent tests (Benjamini and Yekutieli 2001)
        expected = at_most * (n_units - n_respond) / n_units
        assert by_chance.mean() == pytest.approx(expected, abs=0.004)
        assert found[:, :n_respond].mean() > 0.5


@pytest.mark.parametrize("value", [-0.001, 1.001, float("inf")])
def test_what_is_no_p_value_is_refused(value: float) -> None:
    p = np.array([0.5, value])
    if np.isfinite(value):
        with pytest.raises(ParameterError, match="must be in 0 to 1"):
            q_values(p, everybody(p))
    refusal = r"'p_tone': (p values must be in 0 to 1|infinite)"
    with pytest.raises(FeatureOutputError, match=refusal):
        check(P_ONLY, FeatureResult({"p_tone": p}), 2)


# -- declarations ----------------------------------------------------------------------------------


class Nothing(BaseModel, extra="forbid"):
    """No parameters."""


class Scaled(BaseModel, extra="forbid"):
    """Parameters of `tone`."""

    scale: float = Field(0.001, description="for tests")


def feature(
    name: str,
    *outputs: Output,
    compute: Callable[..., Any] = lambda *_: FeatureResult({}),
    needs: str = "spikes",
    params: type[BaseModel] = Nothing,
) -> Feature:
    both = frozenset({"spikes", needs})
    return Feature(name, 1, params, both, None, outputs, compute, "For tests.")


P_ONLY = feature("toy", Output("p_tone", "1", "a p value", is_p_value=True))


@pytest.mark.parametrize(
    "outputs",
    [
        [Output("tone_p", "1", "another name", is_p_value=True)],
        [Output("p_tone", "1", "single", dtype=np.float32, is_p_value=True)],
        [Output("p_tone", "1", "of no unit", ("bin",), is_p_value=True)],
        [Output("p_tone", "1", "p", is_p_value=True), Output("q_tone", "1", "taken")],
    ],
)
def test_p_values_of_which_no_q_can_be_made_are_refused(outputs: list[Output]) -> None:
    with pytest.raises(ParameterError, match=r"feature toy: .* cannot be a p value: these are"):
        feature("toy", *outputs)


# -- a population whose p values are written down --------------------------------------------------


def column(values: Any, dims: tuple[str, ...] = ("unit",)) -> Variable:
    values = np.asarray(values)
    return Variable(values, "" if values.dtype.kind == "U" else "1", dims, "by hand")


def population(p: Any, **more: Any) -> PipelineSession:
    """Units with p values of a feature ``toy``; the unit in row i has i spikes."""
    n = len(p)
    session = PipelineSession("rec")
    toy = {"p_tone": column(np.asarray(p, dtype=float))} | more
    units: Variables = {
        "units/unit_id": column(np.arange(n, dtype=np.int64)),
        "units/n_spikes": column(np.arange(n, dtype=np.int64)),
    }
    parents: dict[str, str] = {}
    for name, step, variables in (
        ("load_recording", "load_recording", units),
        ("features.toy", "extract_features", {f"features/toy/{k}": v for k, v in toy.items()}),
    ):
        recipe = Recipe(name, step, 1, {}, {}, dict(parents))
        parents[name] = session.obtain(recipe, lambda v=variables: v).key
    return session


def test_ten_cells_among_eight_hundred_need_ten_thousand_permutations() -> None:
    chance = np.arange(1, 791) / 791  # what is expected of the p of untuned cells
    for n_permutations, n_found in ((10_000, 10), (1_000, 0)):
        least = 1 / (n_permutations + 1)
        session = population(np.concatenate([np.full(10, least), np.maximum(chance, least)]))
        curate_units(session=session)
        adjust_p_values(session=session)
        q = session.features["toy"]["q_tone"].to_numpy()
        assert np.flatnonzero(q < 0.05).tolist() == list(range(n_found))


def test_only_included_units_with_a_p_value_are_in_the_family(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="hdmea")
    session = population(
        [0.0001, 0.03, NAN, 0.01, NAN, 0.02],
        p_tone_reason=column(["", "", "too_few_spikes", "", "no_response", ""]),
        p_each=column([[0.2, 0.1], *[[0.5, NAN]] * 4, [0.001, 1.0]], ("unit", "segment")),
        p_each_reason=column(["", *["edges_overlap"] * 4, ""]),
    )
    curate_units(min_spikes=1, session=session)
    adjust_p_values(session=session)
    table = session.features["toy"]
    assert table["q_tone"].tolist() == pytest.approx([NAN, *[0.03, NAN] * 2, 0.03], nan_ok=True)
    assert table["q_tone_reason"].tolist() == [
        *("not_included", "", "too_few_spikes", "", "no_response", "")
    ]
    assert list(table) == ["p_tone", "p_tone_reason", "q_tone", "q_tone_reason"]
    # several tests of a unit are of one family
    each = session.features.array("toy", "q_each")
    half = [0.5 * 6 / 5, NAN]
    expected = [[NAN, NAN], *[half] * 4, [0.001 * 6, 1.0]]
    assert each.ravel().tolist() == pytest.approx(np.ravel(expected).tolist(), nan_ok=True)
    why = session.features.array("toy", "q_each_reason").tolist()
    assert why == ["not_included", *["edges_overlap"] * 4, ""]
    assert session["features/toy/q_each"].dims == ("unit", "segment")
    assert "rec, toy: below 0.05 are 3 of 3 q_tone, 1 of 6 q_each" in caplog.text


@pytest.mark.parametrize(
    ("p", "min_spikes", "reasons"),
    [
        ([], 0, []),
        ([0.01, 0.02], 9, ["not_included"] * 2),
        ([NAN, NAN], 0, ["too_few_spikes"] * 2),
        ([NAN, NAN], 1, ["not_included", "too_few_spikes"]),
    ],
)
def test_without_a_family_there_is_no_q_value_and_no_error(
    p: list[float], min_spikes: int, reasons: list[str], tmp_path: Path
) -> None:
    why = np.where(np.isnan(p), "too_few_spikes", "").astype(np.str_)
    session = population(p, p_tone_reason=column(why))
    curate_units(min_spikes=min_spikes, session=session)
    adjust_p_values(session=session)
    for one in (session, PipelineSession.load(session.save(tmp_path / "rec.h5"))):
        assert np.isnan(one.features["toy"]["q_tone"]).all()
        assert one.features["toy"]["q_tone_reason"].tolist() == reasons


def test_the_method_is_stored_and_another_one_replaces_it() -> None:
    session = population([0.001, 0.01, 0.02])
    curate_units(session=session)
    adjust_p_values(session=session)
    bh = session.features["toy"]["q_tone"]
    digest = session.content_digest
    adjust_p_values(method="by", session=session)
    assert session.features["toy"]["q_tone"].tolist() == pytest.approx((bh * 11 / 6).tolist())
    assert str(session.values("q_values/method")) == "by"
    assert session.contributions["q_values.toy"].recipe.parameters == {"method": "by"}
    adjust_p_values(session=session)
    assert session.content_digest == digest
    assert session.warnings == []
    with pytest.raises(ParameterError, match="method: Input should be 'bh' or 'by'"):
        adjust_p_values(method="bonferroni", session=session)


def test_tables_have_q_after_p(tmp_path: Path) -> None:
    session = population(
        [0.5, 0.01],
        p_aaa=column([0.5, 0.5]),
        qi=column([1.0, 1.0]),
        p_each=column([[0.5, NAN]] * 2, ("unit", "segment")),
        p_each_reason=column(["edges_overlap"] * 2),
    )
    curate_units(min_spikes=1, session=session)
    adjust_p_values(session=session)
    assert list(session.features["toy"]) == ["p_tone", "q_tone", "q_tone_reason", "p_aaa", "qi"]
    path = session.save(tmp_path / "rec.h5")
    with write_units_table([path], tmp_path / "all.csv", all_units=True).open(newline="") as file:
        header, *rows = csv.reader(file)
    of_toy = [name for name in header if name.startswith("toy.")]
    assert of_toy == [
        f"toy.{name}" for name in ("p_aaa", "p_tone", "q_tone", "q_tone_reason", "qi")
    ]
    assert [row[header.index("toy.q_tone") :][:2] for row in rows] == [
        ["", "not_included"],
        ["0.01", ""],
    ]
    said = render_session(describe_session(path))
    assert "  toy: p_tone, p_aaa, qi, p_each, q_tone, q_each\n" in said
    assert "q_tone undefined: not_included in 1 units" in said
    assert "features/toy/q_tone  float64 2 (unit): q value of p_tone over the incl" in said


def test_what_is_needed_first_is_said() -> None:
    session = population([0.5, 0.01])
    with pytest.raises(MissingDataError, match=r"adjust_p_values needs curate_units, .* has not"):
        adjust_p_values(session=session)


def test_a_feature_that_is_not_installed_here_keeps_its_q_values_and_gets_no_new_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = population([0.5, 0.01])
    curate_units(session=session)
    adjust_p_values(session=session)
    monkeypatch.delitem(FEATURES, "toy")
    before = session.content_digest
    adjust_p_values(session=session)
    assert session.content_digest == before
    assert session.warnings == []
    curate_units(min_spikes=1, session=session)
    assert list(session.features["toy"]) == ["p_tone"]
    (dropped, not_again) = session.warnings
    assert "q_values.toy was made from an older curate_units" in dropped
    assert "features.toy has no q values: Feature 'toy' is not known" in not_again


# -- recordings: orders, modes, what is done again -------------------------------------------------

NOISE = "perfect_dense_noise_15x15_15hz_r42_24s"
ONE = "demo_retina_1"
RULES = {"max_isi_violation_fraction": 1.0}
"""They need `unit_quality` and exclude units without spikes only."""
NAMES = ["late", "tone", "plain", "both", "unit_quality"]


def tone(inputs: FeatureInputs, params: Scaled) -> FeatureResult:
    """A p value made of the number of spikes, undefined in every fourth unit."""
    n = np.array([inputs.spikes.of(unit).size for unit in range(inputs.spikes.n_units)])
    few = np.arange(n.size) % 4 == 3
    p = np.where(few, np.nan, np.minimum(1, params.scale * (n % 97)))
    return FeatureResult({"p_tone": p}, {"p_tone": reasons_where({"too_few_spikes": few})})


def late(inputs: FeatureInputs, _: Nothing) -> FeatureResult:
    """A p value made of the spikes of the STA."""
    (sta,) = inputs.stas.values()
    return FeatureResult({"p_late": 1 / (1 + sta.n_spikes % 89)})


def plain(inputs: FeatureInputs, params: Scaled) -> FeatureResult:
    """Nothing but its parameter."""
    return FeatureResult({"x": np.full(inputs.spikes.n_units, params.scale)})


def both(inputs: FeatureInputs, _: Nothing) -> FeatureResult:
    """What another feature brings, which is not its q values."""
    (found,) = inputs.features.values()
    assert set(found) == {"p_tone", "p_tone_reason"}
    return FeatureResult({"x": np.nan_to_num(found["p_tone"])})


@pytest.fixture(scope="module")
def loaded(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = create_session(**places, output_dir=tmp_path_factory.mktemp("out"))
    load_recording(session=session, probe="off")
    return session.checkpoint(tmp_path_factory.mktemp("q_values") / "loaded.h5")


STEPS: dict[str, dict[str, Any]] = {
    "load_recording": {"probe": "off"},
    "add_section_time": {"playlist_name": "tiny"},
    "extract_features": {"features": NAMES},
    "curate_units": RULES,
    "compute_sta": {"cover_range": (-6, 0)},
    "adjust_p_values": {},
}
FUNCTIONS: dict[str, Any] = {
    "add_section_time": add_section_time,
    "extract_features": extract_features,
    "curate_units": curate_units,
    "compute_sta": compute_sta,
    "adjust_p_values": adjust_p_values,
}


def in_memory(loaded: Path, *order: str, **changed: Any) -> PipelineSession:
    session = PipelineSession.load(loaded)
    for name in order or [name for name in STEPS if name in FUNCTIONS]:
        FUNCTIONS[name](session=session, **STEPS[name] | changed.get(name, {}))
    return session


def test_the_order_of_the_calls_does_not_matter(loaded: Path, tmp_path: Path) -> None:
    straight = in_memory(loaded)
    assert straight.pending == {}
    assert {name for name in straight.contributions if name.startswith("q_v")} == {
        "q_values.tone",
        "q_values.late",
    }
    for name in ("tone", "late"):
        told = straight.features[name]
        q = told[f"q_{name}"].to_numpy()
        included = straight.units["included"].to_numpy() == 1
        expected = q_values(told[f"p_{name}"].to_numpy(), included)
        assert np.array_equal(q, expected, equal_nan=True)
        assert (~np.isnan(q)).sum() > 8
    # asked for when one waits for sections and the other for the STA
    early = (
        "extract_features",
        "curate_units",
        "adjust_p_values",
        "add_section_time",
        "compute_sta",
    )
    session = in_memory(loaded, *early[:3])
    assert "q_values.tone" not in session.contributions
    assert "adjust_p_values" not in session.completed_steps
    again = PipelineSession.load(session.checkpoint(tmp_path / "waiting.h5"))
    for name in early[3:]:
        FUNCTIONS[name](session=again, **STEPS[name])
        assert "q_tone" in again.features["tone"]
    assert again.content_digest == straight.content_digest
    assert again.completed_steps == {*FUNCTIONS, "load_recording"}
    # in files, and a feature that comes last of all
    path = tmp_path / "rec.h5"
    PipelineSession.load(loaded).save(path)
    last = [name for name in NAMES if name != "tone"]
    for name, changed in (
        ("extract_features", {"features": ["unit_quality"]}),
        *((name, {}) for name in ("curate_units", "adjust_p_values", "add_section_time")),
        ("compute_sta", {}),
        ("extract_features", {"features": ["tone"]}),
        ("extract_features", {"features": last}),
    ):
        FUNCTIONS[name](path, **STEPS[name] | changed)
    assert PipelineSession.load(path).content_digest == straight.content_digest


def test_parts_and_a_run_in_one_go_give_the_same(
    loaded: Path, places: dict[str, Path], tmp_path: Path
) -> None:
    digest = in_memory(loaded).content_digest
    whole = run_recording(STEPS, tmp_path / "whole.h5", work_dir=tmp_path / "work", **places)
    assert whole.content_digest == digest
    steps: dict[str, Any] = {**STEPS, "add_section_time": {}}
    steps["extract_features"] = {"features": ["unit_quality"]}
    config = read_config({"recordings": "r", "stimuli": "s", "steps": steps})
    # the configuration knows the features that were there when it was imported
    asked = ExtractFeaturesParameters(features=NAMES)
    chosen = config.steps.model_copy(update={"extract_features": asked})
    parts = parts_of(config.model_copy(update={"steps": chosen}))
    files: dict[str, Path] = {}
    for part in parts.values():
        values = {**part.values} | ({"playlist_name": "tiny"} if part.name == "sections" else {})
        files[part.name] = run_part(
            part.step,
            values,
            tmp_path / f"{part.name}.h5",
            parts=[files[need] for need in part.needs],
            **(places if part.step == "load_recording" else {}),
        )
    assert assemble(files.values(), tmp_path / "all.h5").content_digest == digest
    assert parts["q_values"].needs == (
        *("load_recording", "sections", "sta", "features.late", "features.tone"),
        *("features.unit_quality", "curation"),
    )


def test_a_change_redoes_only_the_q_values_that_depend_on_it(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[str] = []
    obtain = PipelineSession.obtain

    def spying(self: PipelineSession, recipe: Any, compute: Any, *accept: Any) -> Any:
        return obtain(self, recipe, lambda: computed.append(recipe.name) or compute(), *accept)

    monkeypatch.setattr(PipelineSession, "obtain", spying)

    def processed(**changed: Any) -> PipelineSession:
        computed.clear()
        steps = {name: STEPS[name] | changed.get(name, {}) for name in STEPS}
        result = run_recording(steps, tmp_path / "rec.h5", work_dir=tmp_path / "work", **places)
        return PipelineSession.load(result.hdf5_path)

    def scaled(*names: str) -> dict[str, Any]:
        return {"parameters": {name: {"scale": 0.002} for name in names}}

    processed()
    processed(extract_features=scaled("plain"))
    assert computed == ["features.plain"]
    features = scaled("plain", "tone")
    first = processed(extract_features=features)
    assert sorted(computed) == ["features.both", "features.tone", "q_values.tone"]
    rule = {"min_spikes": int(np.median(first.units["n_spikes"])) + 1}
    by = {"method": "by"}
    curated = processed(extract_features=features, curate_units=rule, adjust_p_values=by)
    of_q = ["q_values.late", "q_values.tone"]
    assert sorted(computed) == ["adjust_p_values", "curate_units", *of_q]
    excluded = curated.units["included"] == 0
    assert 0 < excluded.sum() < 12
    table = curated.features["tone"]
    assert set(table["q_tone_reason"][excluded]) == {"not_included"}
    assert table["p_tone"].equals(first.features["tone"]["p_tone"])


def test_q_values_follow_features_and_curation(loaded: Path) -> None:
    session = in_memory(loaded)
    other = {"features": ["tone"], "parameters": {"tone": {"scale": 0.002}}}
    extract_features(session=session, **other)
    assert any("q_values.tone was made from an older features.tone" in w for w in session.warnings)
    fresh = in_memory(loaded, extract_features={"parameters": {"tone": {"scale": 0.002}}})
    assert session.content_digest == fresh.content_digest
    median = int(np.median(fresh.units["n_spikes"]))
    curate_units(min_spikes=median + 1, session=session)
    curated = fresh.units["n_spikes"] > median
    assert 0 < curated.sum() < 12
    assert (session.features["late"]["q_late"].notna() == curated).all()
    # the curation is gone with the quality that it was made from, and q values with it
    quality = {"unit_quality": {"refractory_period_s": 0.002}}
    curate_units(session=session, **RULES)
    extract_features(features=["unit_quality"], parameters=quality, session=session)
    assert not {"curate_units", "adjust_p_values"} & session.completed_steps
    assert "q_tone" not in session.features["tone"]
    assert session.warnings[-1] == (
        f"{ONE}: there are no q values until curate_units has said again which units are included"
    )
    curate_units(session=session, **RULES)
    changed = {"parameters": {"tone": {"scale": 0.002}} | quality}
    assert session.content_digest == in_memory(loaded, extract_features=changed).content_digest


def test_where_no_feature_has_p_values_it_is_said(
    loaded: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="hdmea")
    session = PipelineSession.load(loaded)
    extract_features(features=["plain"], session=session)
    curate_units(session=session)
    adjust_p_values(session=session)
    assert "no feature that is there has p values; q values are made when one is" in caplog.text
    assert session.paths("q_values/") == ["q_values/method"]
    assert "adjust_p_values" in session.completed_steps
    assert session.warnings == []
