"""Responses to green and to blue light, switched on and off, and which of them is larger."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.errors import MissingDataError
from hdmea.features.declaration import Feature, FeatureResult, Output, not_applicable, reasons_where
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.features.light_edges import (
    EdgeParams,
    check_edges,
    contrast,
    edge_outputs,
    edge_responses,
    edge_result,
)
from hdmea.features.played import event_times, trials_of
from hdmea.features.whole_trials import TRIAL_OUTPUTS, whole_trials

KIND = "green_blue"
COLOURS = ("green", "blue")
EDGES = ("on", "off")


class GreenBlueParams(EdgeParams):
    """Parameters of `green_blue`."""


def green_blue(inputs: FeatureInputs, params: GreenBlueParams) -> FeatureResult:
    """Responses to the onset and the offset of green and of blue light, over all trials.

    Each of the four edges is measured as in `on_off`: the mean rate in `window_s` after it minus
    that in the last `baseline_s` before it, with an exact two-sided p, given how much such changes
    vary between trials. For ON and for OFF,
    ``chromatic_index = (G - B) / (G + B)`` of the rectified changes G and B, where at least one
    of the two is a response: an increase with ``p < alpha`` and at least `min_spikes` spikes.

    Raises
    ------
    ParameterError
        If several movies of the kind were played and none is chosen, windows of different edges
        overlap, or a bin of the PSTH is longer than a trial or than `window_s`.
    UnknownNameError
        If movies of the kind were played, but not the one that is chosen.
    MissingDataError
        If there are no trials.
    StimulusError
        If a trial does not have each of the four events once, the two of a colour one after the
        other.
    """
    if inputs.trials is None:
        raise MissingDataError("green_blue needs trials; add_section_time brings them.")
    trials, spikes = inputs.trials, inputs.spikes
    rows = trials_of(trials, "green_blue", KIND, params.stimulus)
    if rows.size == 0:
        return not_applicable(GREEN_BLUE, spikes.n_units)
    edges = _edges(trials, rows)
    check_edges("green_blue", str(trials.movie[rows[0]]), edges, params)
    start, stop = trials.start_s[rows], trials.stop_s[rows]
    found = edge_responses(spikes, edges, start, stop, params)

    values: dict[str, npt.NDArray[Any]] = {}
    reasons: dict[str, npt.NDArray[np.str_]] = {}
    for edge in EDGES:
        green, blue = (found[f"{colour}_{edge}"] for colour in COLOURS)
        none = ~(green.responds | blue.responds)
        name = f"chromatic_index_{edge}"
        values[name] = np.where(none, np.nan, contrast(green.change_hz, blue.change_hz))
        reasons[name] = reasons_where({"no_response": none})
    for part in (
        *(edge_result(name, response) for name, response in found.items()),
        whole_trials("green_blue", spikes, start, stop, params),
    ):
        values |= part.values
        reasons |= part.reasons
    return FeatureResult(values, reasons)


def _edges(trials: Trials, rows: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
    """Times of the four edges, the colour that comes first in the first trial first."""
    times = {
        f"{colour}_{edge}": event_times(trials, rows, f"{colour}_{edge}")
        for colour in COLOURS
        for edge in EDGES
    }
    first = sorted(COLOURS, key=lambda colour: float(times[f"{colour}_on"][0]))
    return {f"{colour}_{edge}": times[f"{colour}_{edge}"] for colour in first for edge in EDGES}


GREEN_BLUE = Feature(
    name="green_blue",
    version=3,
    params=GreenBlueParams,
    needs=frozenset({"spikes", "trials"}),
    stimulus_kind=KIND,
    outputs=(
        *(
            Output(
                f"chromatic_index_{edge}",
                "1",
                f"(G - B) / (G + B) of the rectified responses to green and blue light {edge}",
                reasons=("no_response",),
            )
            for edge in EDGES
        ),
        *(
            output
            for colour in COLOURS
            for edge in EDGES
            for output in edge_outputs(f"{colour}_{edge}", f"{colour} {edge}")
        ),
        *TRIAL_OUTPUTS,
    ),
    compute=green_blue,
    description="Responses to the onset and offset of green and of blue light.",
    unit_by_unit=True,
)
