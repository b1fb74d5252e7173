"""Responses to a light step: how much, how fast and how reliably at light on and at light off."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hdmea.errors import MissingDataError
from hdmea.features.declaration import Feature, FeatureResult, Output, not_applicable, reasons_where
from hdmea.features.inputs import FeatureInputs
from hdmea.features.light_edges import (
    EdgeParams,
    EdgeResponse,
    check_edges,
    contrast,
    edge_outputs,
    edge_responses,
    edge_result,
)
from hdmea.features.on_off_ref import REFERENCE_OUTPUTS, reference_measures
from hdmea.features.played import event_times, trials_of
from hdmea.features.whole_trials import TRIAL_OUTPUTS, whole_trials

Float64 = npt.NDArray[np.float64]

KIND = "step"
EVENTS = ("light_on", "light_off")


class OnOffParams(EdgeParams):
    """Parameters of `on_off`."""

    class_cut: float = Field(
        0.33, ge=0, le=1, description="|on_off_index| above this is on or off, else on_off."
    )


def on_off(inputs: FeatureInputs, params: OnOffParams) -> FeatureResult:
    """Responses to the onset and the offset of light, over all trials of a light step.

    ``r_on`` is the mean rate in `window_s` after light on minus that in the last `baseline_s`
    before it; ``r_off`` the same around light off, so that the ON response's after-discharge is
    not counted as OFF. ``on_off_index = (R_on - R_off) / (R_on + R_off)`` of the rectified
    values [1]_.

    p is exact and two-sided: given the sum of the two counts, a Poisson count in the response
    window is binomial with probability ``window / (window + baseline)``; p is twice the smaller
    tail. Spikes in bursts vary more: by the *dispersion*, the variance between trials of such
    changes all over the trial, relative to that of Poisson spikes. p is the larger one of that of
    the counts, and that of the counts divided by the dispersion, which is made wider as Student's
    t, since the dispersion is an estimate. A single trial has none, and is taken for Poisson. A
    *response* is an increase with ``p < alpha`` and at least `min_spikes` spikes in its window.

    Peaks, latency and transience (``1 - mean r(0.35-0.45 s after the peak) / r(peak)``) are of
    the PSTH without smoothing, the first of equal bins; the sustained rate is that in the
    `baseline_s` after the response window; QI [2]_ is of smoothed single trials. Names in
    ``_ref`` are the reference lab's measures, by `hdmea.features.on_off_ref`.

    Raises
    ------
    ParameterError
        If several light steps were played and none is chosen, windows of different edges
        overlap, or a bin of the PSTH is longer than a trial or than `window_s`.
    UnknownNameError
        If light steps were played, but not the one that is chosen.
    MissingDataError
        If there are no trials.
    StimulusError
        If a trial does not have one ``light_on`` followed by one ``light_off``.

    References
    ----------
    .. [1] Carcieri S.M. et al. (2003) J Neurophysiol 90, 1704-1713.
    .. [2] Baden T. et al. (2016) Nature 529, 345-350.
    """
    if inputs.trials is None:
        raise MissingDataError("on_off needs trials; add_section_time brings them.")
    trials, spikes = inputs.trials, inputs.spikes
    rows = trials_of(trials, "on_off", KIND, params.stimulus)
    if rows.size == 0:
        return not_applicable(ON_OFF, spikes.n_units)
    edges = {name: event_times(trials, rows, name) for name in EVENTS}
    check_edges("on_off", str(trials.movie[rows[0]]), edges, params)
    start, stop = trials.start_s[rows], trials.stop_s[rows]
    on, off = edge_responses(spikes, edges, start, stop, params).values()

    values: dict[str, npt.NDArray[Any]] = {}
    reasons: dict[str, npt.NDArray[np.str_]] = {}
    no_response = ~(on.responds | off.responds)
    for name, at_on, at_off in (
        ("on_off_index", on.change_hz, off.change_hz),
        ("on_off_index_peak", on.peak_hz - on.baseline_hz, off.peak_hz - off.baseline_hz),
    ):
        values[name] = np.where(no_response, np.nan, contrast(at_on, at_off))
        reasons[name] = reasons_where({"no_response": np.isnan(values[name])})
    values["class"] = _classify(values["on_off_index"], on, off, params.class_cut)
    for found in (
        edge_result("on", on),
        edge_result("off", off),
        whole_trials("on_off", spikes, start, stop, params),
        reference_measures(spikes, start, stop, *edges.values()),
    ):
        values |= found.values
        reasons |= found.reasons
    return FeatureResult(values, reasons)


def _classify(
    index: Float64, on: EdgeResponse, off: EdgeResponse, cut: float
) -> npt.NDArray[np.str_]:
    responds = ~np.isnan(index)
    return np.select(
        [index > cut, index < -cut, responds, on.suppressed | off.suppressed],
        ["on", "off", "on_off", "suppressed"],
        default="none",
    )


ON_OFF = Feature(
    name="on_off",
    version=4,
    params=OnOffParams,
    needs=frozenset({"spikes", "trials"}),
    stimulus_kind=KIND,
    outputs=(
        Output(
            "class",
            "",
            "on, off, on_off, suppressed or none, by on_off_index and significance",
            dtype=np.str_,
        ),
        Output(
            "on_off_index",
            "1",
            "(R_on - R_off) / (R_on + R_off) of the rectified mean responses",
            reasons=("no_response",),
        ),
        Output(
            "on_off_index_peak",
            "1",
            "The same of the peak rates above the baseline",
            reasons=("no_response",),
        ),
        *edge_outputs("on", "light on"),
        *edge_outputs("off", "light off"),
        *TRIAL_OUTPUTS,
        *REFERENCE_OUTPUTS,
    ),
    compute=on_off,
    description="Responses to the onset and offset of a light step.",
    unit_by_unit=True,
)
