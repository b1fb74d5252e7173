"""Blocks of units: a feature found of some of them after the other, and put together.

Most features say of a unit what its own spikes tell (`Feature.unit_by_unit`). They are computed
for a block of units after the other, so that a run may end between two of them, and what is done
is not done again. Blocks have a fixed size, so that the result does not depend on when it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from hdmea.arrays import Array
from hdmea.features.declaration import Feature, FeatureResult
from hdmea.features.inputs import FeatureInputs
from hdmea.pieces import Pieces, side_by_side

UNITS_PER_BLOCK = 64
_VALUE, _REASON = "value", "reason"


def compute_in_blocks(
    feature: Feature,
    n_units: int,
    inputs_of: Callable[[slice], FeatureInputs],
    parameters: Any,
    pieces: Pieces,
    threads: int = 1,
) -> FeatureResult:
    """What a feature finds of all units, block by block if it looks at each unit alone.

    BLAS computes with one thread: how it divides a product among several may change its rounding,
    and where blocks are computed side by side it would only be in their way.

    Parameters
    ----------
    feature
        What is computed.
    n_units
        How many units there are.
    inputs_of
        Gives the inputs of the units in these rows.
    parameters
        How it is computed.
    pieces
        What an earlier run has left, and what this one may leave: a piece for each block.
    threads
        Blocks at a time, or what the one block of all units may use; the result is the same.

    Returns
    -------
    FeatureResult
        As of one call for all units.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # ships no types

    size = UNITS_PER_BLOCK if feature.unit_by_unit else max(1, n_units)
    at_a_time, of_each = (threads, 1) if feature.unit_by_unit else (1, threads)
    found: dict[int, FeatureResult] = {}

    def jobs() -> Iterator[tuple[slice, Callable[[], FeatureResult]]]:
        for start in range(0, max(1, n_units), size):
            rows = slice(start, min(start + size, n_units))
            if (stored := pieces.stored(_name(rows))) is None:
                inputs = replace(inputs_of(rows), threads=of_each)
                yield rows, partial(feature.compute, inputs, parameters)
            else:
                found[start] = _from_arrays(stored)

    def done(rows: slice, result: FeatureResult) -> None:
        found[rows.start] = result
        pieces.done(_name(rows), _as_arrays(result))

    with threadpool_limits(limits=1, user_api="blas"):
        side_by_side(jobs(), at_a_time, done)
    in_order = [found[start] for start in sorted(found)]
    return in_order[0] if len(in_order) == 1 else _joined(feature, in_order)


def _name(rows: slice) -> str:
    return f"units_{rows.start}_{rows.stop}"


def _joined(feature: Feature, found: Sequence[FeatureResult]) -> FeatureResult:
    """The results of all blocks as one; what has no axis of units is the same in each."""
    values = {
        output.name: np.concatenate([one.values[output.name] for one in found])
        if output.dims[:1] == ("unit",)
        else found[0].values[output.name]
        for output in feature.outputs
    }
    # a block all of whose values are defined may have no reasons
    given = dict.fromkeys(name for one in found for name in one.reasons)
    reasons = {
        name: np.concatenate(
            [one.reasons.get(name, np.zeros(len(one.values[name]), "U1")) for one in found]
        )
        for name in given
    }
    return FeatureResult(values, reasons)


def _as_arrays(result: FeatureResult) -> dict[str, Array]:
    return {f"{_VALUE} {name}": values for name, values in result.values.items()} | {
        f"{_REASON} {name}": why for name, why in result.reasons.items()
    }


def _from_arrays(arrays: Mapping[str, Array]) -> FeatureResult:
    result = FeatureResult({}, {})
    for key, array in arrays.items():
        what, _, name = key.partition(" ")
        (result.values if what == _VALUE else result.reasons)[name] = array
    return result
