"""What a feature returns is held against what it declares."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from pydantic import BaseModel

from hdmea.errors import FeatureOutputError, ParameterError, UnknownNameError
from hdmea.features.declaration import Feature, FeatureResult, Output, check, not_applicable
from hdmea.features.registry import FEATURES, get_feature


class Nothing(BaseModel, extra="forbid"):
    """No parameters."""


TOY = Feature(
    name="toy",
    version=1,
    params=Nothing,
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
        ({"n": np.array([3.0, 0.0])}, {}, "must be int64, as declared, not float64"),
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


def declared(**changed):
    """A good declaration but for what is changed."""
    return dataclasses.replace(TOY, **changed)


class Loose(BaseModel):
    """Takes unknown parameters."""


class Silent(BaseModel, extra="forbid"):
    """Does not say what its parameter is."""

    window_s: float = 1.0


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"name": "My feature"}, "feature My feature: its name must be small letters"),
        ({"name": "sta"}, "columns of the STA begin with sta"),
        ({"version": 0}, "whole number from 1, not 0"),
        ({"version": True}, "whole number from 1, not True"),
        ({"version": 1.5}, "whole number from 1, not 1.5"),
        ({"description": " "}, "it needs a description"),
        ({"needs": frozenset({"spikes", "light"})}, "it needs light; known are spikes, frame"),
        ({"stimulus_kind": "steps"}, "'steps' is not known; known: grey, noise, step"),
        ({"stimulus_kind": "step"}, "cannot be known without one of trials, sta, movies"),
        ({"compute": None}, "compute must be a function"),
        ({"outputs": ()}, "it has no output"),
        ({"outputs": TOY.outputs[:2] * 2}, "declared twice: n, rate_hz"),
        ({"params": dict}, "params must be a pydantic model"),
        ({"params": Loose}, "Loose must refuse unknown parameters"),
        ({"params": Silent}, "parameters without a description: window_s"),
    ],
)
def test_a_declaration_that_is_not_whole_is_refused(changed, wrong):
    with pytest.raises(ParameterError, match=wrong):
        declared(**changed)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"name": "rate/hz"}, "output 'rate/hz': its name must be small letters"),
        ({"name": "rate_reason"}, "must not end in _reason"),
        ({"unit": ""}, "numbers need a unit"),
        ({"dtype": np.str_}, "text has no unit"),
        ({"description": ""}, "it needs a description"),
        ({"dtype": np.bool_}, "float, integer or text, not bool"),
        ({"dtype": np.complex128}, "not complex128"),
        ({"dims": ("unit", "bin", "bin")}, "axes must be different words"),
        ({"dims": ("bin", "unit")}, "the axis of units comes first"),
        ({"dtype": np.int64}, "only floats and words of units can be undefined"),
        ({"dims": ("bin",)}, "only floats and words of units can be undefined"),
        ({"reasons": ("too few spikes",)}, "reasons are words"),
        ({"reasons": ("stimulus_not_played",)}, "needs no declaration"),
        ({"name": "X", "unit": "", "description": ""}, "small letters.*a description.*a unit"),
    ],
)
def test_an_output_that_cannot_be_stored_is_refused(changed, wrong):
    with pytest.raises(ParameterError, match=wrong):
        dataclasses.replace(TOY.outputs[0], **changed)


def test_a_result_that_is_none_is_named():
    p_value = Output("p_on", "1", "a p value", reasons=("too_few_spikes",), is_p_value=True)
    feature = declared(outputs=(p_value,))
    why = {"p_on": np.array(["", "too_few_spikes"])}
    check(feature, FeatureResult({"p_on": np.array([0.0, np.nan])}, why), 2)
    check(feature, FeatureResult({"p_on": np.array([1.0, np.nan])}, why), 2)
    for p in (-1e-9, 1 + 1e-9):
        with pytest.raises(FeatureOutputError, match="'p_on': p values must be in 0 to 1"):
            check(feature, FeatureResult({"p_on": np.array([p, np.nan])}, why), 2)
    with pytest.raises(FeatureOutputError, match="must return a FeatureResult, not dict"):
        check(feature, {"p_on": np.zeros(2)}, 2)
    with pytest.raises(
        FeatureOutputError, match="'p_on': a plain array must be returned, not list"
    ):
        check(feature, FeatureResult({"p_on": [0.5, 0.5]}), 2)
    with pytest.raises(FeatureOutputError, match="array must be returned, not MaskedArray"):
        check(feature, FeatureResult({"p_on": np.ma.masked_array([0.5, 0.5], [0, 1])}), 2)
    for curve in ([[1, np.inf, 3]] * 2, [[-np.inf, 2, 3]] * 2):
        broken = values(curve=np.array(curve, dtype=np.float32))
        with pytest.raises(FeatureOutputError, match="'curve': infinite"):
            check(TOY, FeatureResult(broken, reasons(curve=None)), 2)
