"""What a feature returns is held against what it declares."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pydantic import BaseModel

from hdmea.errors import FeatureOutputError, UnknownNameError
from hdmea.features.declaration import Feature, FeatureResult, Output, check, not_applicable
from hdmea.features.registry import FEATURES, get_feature

TOY = Feature(
    name="toy",
    version=1,
    params=BaseModel,
    needs=frozenset({"spikes"}),
    stimulus_kind=None,
    outputs=(
        Output("rate_hz", "Hz", "a rate", reasons=("too_few_spikes",)),
        Output("n", "1", "a count", dtype=np.int64),
        Output("word", "", "a word", dtype=np.str_, reasons=("too_few_spikes",)),
        Output("curve", "Hz", "a curve", ("unit", "bin"), np.float32, ("too_few_spikes",)),
        Output("bin_start_s", "s", "its axis", ("bin",)),
    ),
    compute=lambda inputs, params: FeatureResult({}),  # noqa: ARG005
    description="For tests.",
)


def values(**changed):
    good = {
        "rate_hz": np.array([1.0, np.nan]),
        "n": np.array([3, 0]),
        "word": np.array(["on", ""]),
        "curve": np.array([[1, 2, 3], [1, np.nan, 3]], dtype=np.float32),
        "bin_start_s": np.array([0.0, 0.1, 0.2]),
    }
    return {name: v for name, v in {**good, **changed}.items() if v is not None}


def reasons(**changed):
    why = np.array(["", "too_few_spikes"])
    return {
        name: r
        for name, r in {"rate_hz": why, "word": why, "curve": why, **changed}.items()
        if r is not None
    }


def test_what_fits_passes():
    check(TOY, FeatureResult(values(), reasons()), 2)


@pytest.mark.parametrize(
    ("value", "reason", "wrong"),
    [
        ({"n": None}, {}, r"missing \['n'\]"),
        ({"extra": np.zeros(2)}, {}, r"not declared \['extra'\]"),
        ({"n": np.array([3.0, 0.0])}, {}, "declared int64, returned float64"),
        ({"n": np.array([3, 0], dtype=np.int32)}, {}, "int32"),
        ({"word": np.array([1, 2])}, {}, "'word'"),
        ({"rate_hz": np.array([1.0])}, {}, "axis 'unit' has length 1, elsewhere 2"),
        ({"rate_hz": np.zeros((2, 1))}, {}, "'rate_hz'"),
        ({"bin_start_s": np.zeros(4)}, {}, "axis 'bin' has length 4, elsewhere 3"),
        ({"bin_start_s": np.array([0, np.nan, 1])}, {}, "only values of units"),
        ({}, {"rate_hz": None}, "row 1 has the value nan and the reason ''"),
        ({}, {"curve": None}, "'curve'"),
        ({}, {"word": None}, "'word'"),
        ({"rate_hz": np.array([1.0, 2.0])}, {}, "row 1 has the value 2.0"),
        ({}, {"rate_hz": np.array(["", "bad_luck"])}, r"\['bad_luck'\] are not declared"),
        ({}, {"rate_hz": np.array(["", "too_few_spikes", ""])}, r"shape \(2,\)"),
        ({}, {"n": np.array(["", "too_few_spikes"])}, "'n'"),
        ({}, {"other": np.array(["", ""])}, r"\['other'\]"),
    ],
)
def test_what_differs_is_named(value, reason, wrong):
    with pytest.raises(FeatureOutputError, match=wrong):
        check(TOY, FeatureResult(values(**value), reasons(**reason)), 2)


@pytest.mark.parametrize("feature", [TOY, *FEATURES.values()], ids=lambda f: f.name)
@pytest.mark.parametrize("n_units", [0, 3])
def test_not_applicable_has_every_output_and_one_reason(feature, n_units):
    result = not_applicable(feature, n_units)
    check(feature, result, n_units)
    for output in feature.outputs:
        found = result.values[output.name]
        assert found.shape == tuple(n_units if d == "unit" else 0 for d in output.dims)
        if output.dims == ("unit",) and found.dtype.kind == "f":
            assert np.isnan(found).all()
            assert result.reasons[output.name].tolist() == ["stimulus_not_played"] * n_units


def test_unknown_features_are_named_with_the_known():
    assert get_feature("on_off") is FEATURES["on_off"]
    with pytest.raises(UnknownNameError, match=r"'onoff'.*frif, on_off"):
        get_feature("onoff")


@pytest.mark.parametrize("feature", FEATURES.values(), ids=lambda f: f.name)
def test_every_parameter_and_output_says_what_it_is(feature):
    for name, parameter in feature.params.model_fields.items():
        assert parameter.description, name
    for output in feature.outputs:
        assert len(output.description) > 10
        assert bool(output.unit) == (np.dtype(output.dtype).kind != "U")
    assert feature.params() == feature.params.model_validate({})
    assert dataclasses.is_dataclass(feature)
