"""A feature is data about a function: what it needs, its parameters, what it returns.

The function takes arrays and returns arrays; what it returns is checked against the
declaration every time. An undefined value is NaN (empty text for words) with a reason beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from hdmea.errors import FeatureOutputError, ParameterError
from hdmea.features.inputs import FeatureInputs
from hdmea.features.rules import (
    NOT_PLAYED,
    OF_FEATURES,
    P_PREFIX,
    wrong_with_feature,
    wrong_with_output,
)

Text = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Output:
    """One array that a feature returns.

    Parameters
    ----------
    name
        Name of the column or array.
    unit
        SI symbol, ``1`` for pure numbers, empty for text.
    description
        What it means, for the reader of the file.
    dims
        One word per axis; outputs with ``("unit",)`` are columns of the feature's table. Axes
        of the same name have the same length.
    dtype
        numpy type; ``np.str_`` for text of any length. Integers are counts.
    reasons
        Why a unit's value may be undefined.
    is_p_value
        Whether it is a p value, of one test of each unit or of several: then it is called
        ``p_<test>``, and `adjust_p_values` makes ``q_<test>`` of it, over the included units.
    """

    name: str
    unit: str
    description: str
    dims: tuple[str, ...] = ("unit",)
    dtype: npt.DTypeLike = np.float64
    reasons: tuple[str, ...] = ()
    is_p_value: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be a column or an array of a session file.

        Raises
        ------
        ParameterError
            If names, type, axes, unit or reasons of it cannot be stored, naming all that is wrong.
        """
        if wrong := wrong_with_output(self):
            raise ParameterError(f"output {self.name!r}: {'; '.join(wrong)}")

    @property
    def q_name(self) -> str:
        """Name of the q values that are made of it, if it is a p value.

        Examples
        --------
        >>> Output("p_on", "1", "p of the response to light on", is_p_value=True).q_name
        'q_on'
        """
        return f"q_{self.name.removeprefix(P_PREFIX)}"


@dataclass(frozen=True, slots=True, eq=False)
class FeatureResult:
    """What a feature returns.

    Parameters
    ----------
    values
        Array of every declared output.
    reasons
        Per output, text of shape ``(n_units,)``: why the unit's value is undefined, empty
        where it is defined. Outputs without undefined values may be left out.
    """

    values: dict[str, npt.NDArray[Any]]
    reasons: dict[str, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A feature's declaration.

    Parameters
    ----------
    name
        Name, as used in ``extract_features(features=[...])``.
    version
        Version of its definition: raised when the same input gives other numbers.
    params
        Model of its parameters.
    needs
        What of `FeatureInputs` it uses: words of `hdmea.features.rules.NEEDS`, and
        ``features.<name>`` for what another feature returns. It waits until all of it is there.
    stimulus_kind
        Kind of stimulus it belongs to; None: any.
    outputs
        What it returns.
    compute
        The function, of inputs and parameters.
    description
        One sentence.
    unit_by_unit
        Whether what it returns of a unit depends on no other one. Then it is computed for blocks
        of units, and a run that is ended between two of them loses nothing.
    """

    name: str
    version: int
    params: type[BaseModel]
    needs: frozenset[str]
    stimulus_kind: str | None
    outputs: tuple[Output, ...]
    compute: Callable[[FeatureInputs, Any], FeatureResult]
    description: str
    unit_by_unit: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not make a whole declaration.

        Raises
        ------
        ParameterError
            If something is missing, twice or contradicts itself, naming all that is wrong.
        """
        if wrong := wrong_with_feature(self):
            raise ParameterError(f"feature {self.name}: {'; '.join(wrong)}")

    @property
    def p_values(self) -> tuple[Output, ...]:
        """The outputs that are p values."""
        return tuple(output for output in self.outputs if output.is_p_value)

    @property
    def needed_features(self) -> tuple[str, ...]:
        """Names of the features whose results it uses, sorted."""
        return tuple(
            sorted(
                need.removeprefix(OF_FEATURES)
                for need in self.needs
                if need.startswith(OF_FEATURES)
            )
        )


def not_applicable(feature: Feature, n_units: int) -> FeatureResult:
    """The result of a feature whose stimulus was not played.

    Columns are NaN (text: empty) with the reason ``stimulus_not_played``, counts are 0. All
    other axes have length 0: every declared output is there, readers need no special case.
    """
    values: dict[str, npt.NDArray[Any]] = {}
    reasons: dict[str, Text] = {}
    for output in feature.outputs:
        shape = tuple(n_units if dim == "unit" else 0 for dim in output.dims)
        kind = np.dtype(output.dtype).kind
        values[output.name] = np.zeros(shape, dtype=output.dtype)
        if kind == "f":
            values[output.name].fill(np.nan)
        if output.dims == ("unit",) and kind in "fU":
            reasons[output.name] = np.full(n_units, NOT_PLAYED)
    return FeatureResult(values, reasons)


def check(feature: Feature, result: Any, n_units: int) -> None:
    """Compare what a feature returned with what it declares.

    Raises
    ------
    FeatureOutputError
        If names, shapes or types differ, a value is infinite, or undefined without a reason, or
        has a reason and is defined, a reason is not declared, or a p value is not in 0 to 1.
    """
    if not isinstance(result, FeatureResult):
        # Cause: the function returns its values without the class that carries their reasons.
        raise FeatureOutputError(
            f"Feature {feature.name!r} must return a FeatureResult, not {type(result).__name__}."
        )
    declared = {output.name: output for output in feature.outputs}
    _same_names(feature.name, set(declared), set(result.values))
    strangers = set(result.reasons) - set(declared)
    if strangers:
        # Cause: an output's name is mistyped among the reasons, or it was renamed.
        raise FeatureOutputError(
            f"Feature {feature.name!r} gives reasons for {sorted(strangers)}, which are not "
            "declared; declare these outputs, or give no reasons for them."
        )
    lengths = {"unit": n_units}
    for name, output in declared.items():
        values = result.values[name]
        where = f"Feature {feature.name!r}, output {name!r}"
        _check_array(where, output, values, lengths)
        _check_reasons(where, output, values, result.reasons.get(name))
        if output.is_p_value and ((values < 0) | (values > 1)).any():
            # Cause: the function computes something else than a probability, or declares it as one.
            raise FeatureOutputError(
                f"{where}: p values must be in 0 to 1, found {np.nanmin(values)} to "
                f"{np.nanmax(values)}."
            )


def _same_names(feature: str, declared: set[str], returned: set[str]) -> None:
    if declared != returned:
        # Cause: an output was added, renamed or left out in the function or in its declaration
        # only.
        raise FeatureOutputError(
            f"Feature {feature!r} must return what it declares: missing "
            f"{sorted(declared - returned)}, not declared {sorted(returned - declared)}."
        )


def _check_array(where: str, output: Output, values: Any, lengths: dict[str, int]) -> None:
    if not isinstance(values, np.ndarray) or isinstance(values, np.ma.MaskedArray):
        # Cause: the function returns a list, a number, a table or a masked array.
        raise FeatureOutputError(
            f"{where}: a plain array must be returned, not {type(values).__name__}."
        )
    wanted = np.dtype(output.dtype)
    same = values.dtype.kind == "U" if wanted.kind == "U" else values.dtype == wanted
    if not same:
        # Cause: the function's array has another type than its declaration, such as float64 for
        # float32.
        raise FeatureOutputError(
            f"{where}: the type must be {wanted}, as declared, not {values.dtype}."
        )
    if values.ndim != len(output.dims):
        # Cause: an axis was summed away, or added.
        raise FeatureOutputError(
            f"{where}: the axes must be {output.dims}, as declared; the shape is {values.shape}."
        )
    for dim, length in zip(output.dims, values.shape, strict=True):
        if lengths.setdefault(dim, length) != length:
            # Cause: two outputs share the name of an axis, and not its length; or the unit axis
            # lacks units.
            raise FeatureOutputError(
                f"{where}: axis {dim!r} has length {length}, elsewhere {lengths[dim]}; it must be "
                "one."
            )
    if wanted.kind == "f" and np.isinf(values).any():
        # Cause: the function divides by zero.
        raise FeatureOutputError(
            f"{where}: infinite; what is not defined must be NaN, and have a reason."
        )


def _check_reasons(
    where: str, output: Output, values: npt.NDArray[Any], reasons: Text | None
) -> None:
    undefined = _undefined(values)
    if "unit" not in output.dims[:1]:
        if undefined.any() or reasons is not None:
            # Cause: an output without unit axis has NaN, or reasons.
            raise FeatureOutputError(f"{where}: only values of units can be undefined.")
        return
    of_unit = undefined.reshape(len(values), -1).any(axis=1) if values.size else undefined
    if reasons is None:
        reasons = np.full(len(values), "")
    if reasons.dtype.kind != "U" or reasons.shape != (len(values),):
        # Cause: reasons are given for other rows than the units, or not as an array of text.
        raise FeatureOutputError(f"{where}: reasons must be text of shape ({len(values)},).")
    if values.size and ((reasons != "") != of_unit).any():
        row = int(np.flatnonzero((reasons != "") != of_unit)[0])
        # Cause: the function leaves a value undefined without saying why, or gives a reason for one
        # that is defined.
        raise FeatureOutputError(
            f"{where}: the unit in row {row} has the value {values[row]} and the reason "
            f"{str(reasons[row])!r}; a reason must be with undefined values, and with all of them."
        )
    unknown = set(reasons[reasons != ""].tolist()) - {*output.reasons, NOT_PLAYED}
    if unknown:
        # Cause: a reason is mistyped, or new.
        raise FeatureOutputError(
            f"{where}: reasons {sorted(unknown)} are not declared; add them to the output's "
            "reasons."
        )


def _undefined(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values))
    if values.dtype.kind == "U":
        return np.asarray(values == "")
    return np.zeros(values.shape, dtype=bool)


def reasons_where(conditions: Mapping[str, npt.NDArray[np.bool_]]) -> Text:
    """Text of reasons: for each unit the first condition that holds, empty where none does.

    Examples
    --------
    >>> reasons_where({"silent": np.array([True, False]), "noisy": np.array([True, False])})
    array(['silent', ''], dtype='<U6')
    """
    return np.select(list(conditions.values()), list(conditions), default="")
