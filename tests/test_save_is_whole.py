"""Loading what was saved gives back the session, in value, type and order; or saving raises.

Sessions are generated: plain and odd names, every type, empty and ragged arrays, NaN, plain values
of every kind as parameters. HDMEA_EXAMPLES sets how many; 500 are the full number.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hdmea.arrays import Variable
from hdmea.contribution import Recipe
from hdmea.errors import HdmeaError, ParameterError
from hdmea.pipeline import PipelineSession

N_EXAMPLES = int(os.environ.get("HDMEA_EXAMPLES", "25"))

words = st.text(max_size=12)
"""Any text without surrogates: control characters, NUL, right-to-left, astral."""
odd_words = st.one_of(
    words,
    st.sampled_from(
        ["", " ", ".", "..", "a,b", "a/b", "\0", "x\0", "\ud800", "µ", "None", "NaN", "💡" * 3]
    ),
)
kept_words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
plain_names = st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3}){0,2}", fullmatch=True)
odd_names = st.one_of(
    odd_words,
    st.sampled_from(
        [
            "/a", "a/", "a//b", "a/./b", "../up", "manifest/path", "provenance/key", "manifest",
            "a" * 300, "/".join("abcdefghijklmnopqrst"), "<script>", "$(touch x)", "a b", "_links",
        ]
    ),
)  # fmt: skip
names = st.one_of(plain_names, plain_names, plain_names, odd_names)
axes = st.one_of(st.sampled_from(["unit", "trial", "lag", "y", "x"]), odd_words)

TYPES = [
    "<f8", "<f4", "<f2", ">f8", ">i4", "<i8", "<i4", "<i2", "i1", "<u8", "u1", "?", "<c16",
    "<M8[s]", "S3", "O",
]  # fmt: skip
shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
numbers = hnp.arrays(st.sampled_from(TYPES[:11]), shapes)
texts = hnp.arrays(
    "<U5",
    shapes,
    elements=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
)
refused = hnp.arrays(st.sampled_from(TYPES[11:15]), shapes)
odd_data = st.sampled_from(
    [
        np.array([None, 1], dtype=object),
        np.array([[1, 2], [3]], dtype=object),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        np.array([(1, 2.0)], dtype=[("a", "<i4"), ("b", "<f8")]),
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12)[::-2],
        np.array(["a\0b", "c"]),
        np.array(["\udc80"]),
        [1, 2, 3],
        [[1], [2, 3]],
        None,
        True,
        "text",
        float("nan"),
    ]
)
data = st.one_of(numbers, numbers, texts, refused, odd_data)


def plain_values(odd: bool) -> st.SearchStrategy[Any]:
    text = odd_words if odd else words
    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), text, st.just(np.float64(0.5))
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(text, inner, max_size=3),
            st.tuples(inner, inner),
        ),
        max_leaves=6,
    )


def parameters(odd: bool) -> st.SearchStrategy[dict[Any, Any]]:
    keys = st.one_of(words, st.integers(0, 3), st.none(), st.booleans()) if odd else words
    return st.dictionaries(keys, plain_values(odd), max_size=4)


@st.composite
def variables(draw: st.DrawFn, odd: bool) -> Variable:
    """A variable; one that is not odd can be stored."""
    values = draw(data if odd else st.one_of(numbers, numbers, texts))
    n_axes = np.ndim(values) if isinstance(values, np.ndarray) else 0
    if odd:
        n_axes = draw(st.one_of(st.just(n_axes), st.integers(0, 3)))
    axis = axes if odd else st.sampled_from(["unit", "trial", "µ", "a b"])
    dims = tuple(draw(st.lists(axis, min_size=n_axes, max_size=n_axes)))
    said = odd_words if odd else kept_words
    return Variable(values, draw(said), dims, draw(said))


class Made(NamedTuple):
    """What a step brings: fields of its recipe, its variables, what is told of its run."""

    recipe: dict[str, Any]
    variables: dict[str, Variable]
    told: dict[str, Any]


def contributions(odd: bool) -> st.SearchStrategy[Made]:
    name = st.one_of(plain_names, odd_words) if odd else plain_names
    return st.builds(
        Made,
        st.fixed_dictionaries(
            {
                "name": name,
                "step": name,
                "version": st.integers(0, 99),
                "parameters": parameters(odd),
                "inputs": st.dictionaries(words, words, max_size=2),
                "parents": st.just({}),
            }
        ),
        st.dictionaries(names if odd else st.from_regex("[a-z]{2}/[a-z]{1,9}", fullmatch=True),
                        variables(odd), min_size=0 if odd else 1, max_size=4),
        st.dictionaries(words, plain_values(odd), max_size=2),
    )  # fmt: skip


class Generated(NamedTuple):
    """All that goes into a session."""

    brought: list[Made]
    warning: str
    wanted: dict[str, dict[str, Any]]


def generated(odd: bool) -> st.SearchStrategy[Generated]:
    return st.builds(
        Generated,
        st.lists(contributions(odd), min_size=0 if odd else 1, max_size=3),
        odd_words,
        st.dictionaries(words, parameters(odd), max_size=2),
    )


def exactly(value: Any) -> Any:
    """A plain value in a form in which equal means equal in value, type and order."""
    if isinstance(value, dict):
        return ["dict", [[exactly(k), exactly(v)] for k, v in value.items()]]
    if isinstance(value, list | tuple):
        return [type(value).__name__, [exactly(one) for one in value]]
    return [type(value).__name__, repr(value)]


def of_array(values: Any) -> Any:
    array = np.asarray(values)
    text = array.tolist() if array.dtype.kind == "U" else array.tobytes()
    return [type(values).__name__, array.dtype.str, array.shape, text]


def state(session: PipelineSession) -> dict[str, Any]:
    """All that a session tells of itself, as it is in memory."""
    made = session.contributions.values()
    return {
        "id": session.dataset_id,
        "steps": session.completed_steps,
        "pending": exactly(session.pending),
        "wanted": exactly(session.requested_features()),
        "warnings": exactly(session.warnings),
        "paths": session.paths(),
        "digest": session.content_digest,
        "recipes": [
            [
                exactly(getattr(one.recipe, field))
                for field in ("name", "step", "version", "parameters", "inputs", "parents")
            ]
            for one in made
        ],
        "runs": [exactly(dict(one.run)) for one in made],
        "variables": [
            [path, of_array(found.values), found.unit, exactly(found.dims), found.description]
            for one in made
            for path, found in one.variables.items()
        ],
    }


@pytest.mark.timeout(900)
@settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(whole=st.one_of(generated(False), generated(False), generated(True)))
def test_load_gives_back_what_was_saved_or_save_raises(whole: Generated) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "saved.h5"
        session = PipelineSession("generated", output_dir=folder)
        try:
            for made in whole.brought:
                bring(session, made)
            session.warn(whole.warning)
            for name, values in whole.wanted.items():
                session.request_feature(name, values)
            session.save(path)
        except HdmeaError:
            assert list(Path(folder).iterdir()) == []
            event("raised")
            return
        event(f"saved {min(len(session.paths()), 3)} variables")
        loaded = PipelineSession.load(path)
        before, after = state(session), state(loaded)
        for what, value in before.items():
            assert after[what] == value, what


def bring(session: PipelineSession, made: Made) -> None:
    session.obtain(Recipe(**made.recipe), lambda: made.variables, told=made.told)


KEPT = Variable(np.arange(3.0), "s", ("unit",), "times")


def of(**changes: Any) -> Made:
    fields = {"name": "made", "step": "step", "version": 1, "parameters": {}, "inputs": {}}
    variables = changes.pop("variables", {"a/b": KEPT})
    return Made({**fields, "parents": {}, **changes}, variables, {})


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (of(variables={"a//b": KEPT}), "'a//b' cannot be the path of a variable: a name in it is"),
        (of(variables={"a/../b": KEPT}), "a name in it is . or .."),
        (of(variables={"provenance/name": KEPT}), "provenance/ is the file's own"),
        (of(variables={"a": KEPT, "a/b": KEPT}), "what holds values cannot hold other variables"),
        (of(variables={"/".join("a" * 17): KEPT}), "it has more than 16 names"),
        (of(variables={"a": Variable(np.zeros(2), "s", ("x,y",), "")}), "without commas"),
        (of(variables={"a": Variable(np.zeros(2), "s", ("",), "")}), "a word without commas"),
        (of(variables={"a": Variable(np.zeros(2), "s\0", ("x",), "")}), "unit has a NUL"),
        (of(variables={"a": Variable(np.zeros(2), "s", ("x",), "w" * 70000)}), "70000 bytes"),
        (of(variables={"a": Variable([1, 2], "s", ("x",), "")}), "a: its data are a list"),  # type: ignore[arg-type]
        (
            of(variables={"a": Variable(np.ma.masked_array([1], [True]), "s", ("x",), "")}),
            "whose mask would be lost",
        ),
        (of(variables={"a": Variable(np.array([True]), "1", ("x",), "")}), "flags to uint8"),
        (of(variables={"a": Variable(np.array([None, 1]), "1", ("x",), "")}), "type object"),
        (of(variables={"a": Variable(np.array(["\udc80"]), "", ("x",), "")}), "no text in UTF-8"),
        (of(parameters={1: 2, "1": 3}), "the name 1 is a int; only text can be a name"),
        (of(parameters={"a": {"b": {3}}}), "made: parameters.a.b: a set cannot be stored"),
        (of(name="x\0"), "neither may have NUL characters"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(
    made: Made, said: str, tmp_path: Path
) -> None:
    session = PipelineSession("refused", output_dir=tmp_path)

    def save() -> None:
        bring(session, made)
        session.save()

    with pytest.raises(ParameterError, match=re.escape(said)):
        save()
    assert list(tmp_path.iterdir()) == []


def test_arrays_and_plain_values_are_in_memory_as_they_are_in_the_file(tmp_path: Path) -> None:
    session = PipelineSession("kept", output_dir=tmp_path)
    values = {"b": (1, np.float64(0.5)), "a": [None, True, float("nan"), "\0", 2**70]}
    big_endian = Variable(np.array([1.0, -0.0, np.nan], ">f8"), "s", ("unit",), "")
    bring(session, of(parameters=values, variables={"odd name \u2603/$(x)": big_endian}))
    session.warn("a name in no encoding: \udcff")
    loaded = PipelineSession.load(session.save())
    assert state(loaded) == state(session)
    made = loaded.contributions["made"]
    assert list(made.recipe.parameters) == ["a", "b"]
    assert made.recipe.parameters["b"] == [1, 0.5]
    assert loaded.values("odd name \u2603/$(x)").dtype == np.float64
    assert np.signbit(loaded.values("odd name \u2603/$(x)")[1])
