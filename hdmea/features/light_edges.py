"""What all units do at an edge of the light, on or off: shared by features of light that switches.

Each edge is measured by itself: the rate after it minus the rate just before it. Significance
comes first; what only a response has (latency, transience, indices) is undefined without one. How
much such a change varies between trials is measured all over the trial, so that a few trials tell
what is chance also of a cell that fires in bursts.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hdmea.errors import ParameterError, StimulusError
from hdmea.features.declaration import FeatureResult, Output, reasons_where
from hdmea.features.whole_trials import TrialParams, whole_bins
from hdmea.kernels.dispersion import Dispersion, degrees_of_freedom, dispersion_of_changes
from hdmea.kernels.poisson import two_sided_p
from hdmea.kernels.psth import psth_counts
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

AFTER_PEAK_S = (0.35, 0.45)
"""The rate in this window after the peak, relative to the peak, gives the transience."""
SLACK = 0.01
"""Part of a window by which windows may overlap: frame times jitter by a little."""
_UNITS_AT_A_TIME = 64


class EdgeParams(TrialParams):
    """Parameters of a feature of light edges."""

    window_s: float = Field(0.5, gt=0, description="Response window after each edge (s).")
    baseline_s: float = Field(1.0, gt=0, description="Baseline window before each edge (s).")
    alpha: float = Field(0.01, gt=0, lt=1, description="Largest p of a significant response.")
    min_spikes: int = Field(
        5,
        ge=1,
        description="Fewest spikes, over all trials, of a response (or of the baseline "
        "that is suppressed).",
    )


@dataclass(frozen=True, slots=True, eq=False)
class EdgeResponse:
    """The responses of all units to one edge of the light, one entry per unit.

    Parameters
    ----------
    change_hz, baseline_hz
        Mean rate after the edge minus that before it; the latter.
    p
        Exact two-sided p of the change, given its dispersion.
    dispersion
        Variance of such changes between trials, relative to that of Poisson spikes; NaN where it
        is unknown, and spikes are taken for Poisson.
    too_few_trials
        Whether that is for want of a second trial; the same for all units.
    n_response, n_baseline
        Spikes in the two windows, over all trials.
    peak_hz, latency_ms, transience
        Of the PSTH; also where there is no response.
    sustained_hz
        Mean rate after the response window.
    responds, suppressed
        Whether the rate rises, or falls, significantly and with enough spikes.
    """

    change_hz: Float64
    baseline_hz: Float64
    p: Float64
    dispersion: Float64
    too_few_trials: bool
    n_response: Int64
    n_baseline: Int64
    peak_hz: Float64
    sustained_hz: Float64
    latency_ms: Float64
    transience: Float64
    responds: Flags
    suppressed: Flags


def edge_responses(
    spikes: SpikeTrains,
    edges: Mapping[str, Float64],
    start_s: Float64,
    stop_s: Float64,
    params: EdgeParams,
) -> dict[str, EdgeResponse]:
    """How all units respond to each edge.

    Parameters
    ----------
    spikes
        Spike trains.
    edges
        When the light changes, by the edge's name: once per trial, seconds, ``(n_trials,)``.
    start_s, stop_s
        Trials, ``(n_trials,)``.
    params
        Windows, significance and bins.

    Examples
    --------
    >>> trains = SpikeTrains(np.array([0.5, 1.105, 1.106, 1.107, 1.305]), np.array([5]))
    >>> edges = {"on": np.array([1.0])}
    >>> found = edge_responses(trains, edges, np.array([0.0]), np.array([2.0]), EdgeParams())["on"]
    >>> found.change_hz, found.peak_hz, found.latency_ms
    (array([7.]), array([300.]), array([105.]))
    """
    responses = {}
    for name, edge_s in edges.items():
        others = [times for other, times in edges.items() if other != name]
        places = comparable_places(edge_s, others, start_s, stop_s, params)
        dispersion = _dispersion(spikes, edge_s, places, params)
        responses[name] = _edge_response(spikes, edge_s, dispersion, params)
    return responses


def comparable_places(
    edge_s: Float64,
    others_s: Sequence[Float64],
    start_s: Float64,
    stop_s: Float64,
    params: EdgeParams,
) -> Float64:
    """Where a trial is looked at for how much changes vary by chance, seconds from the edge.

    At the edge itself, and every half `window_s` before and after it, where the baseline and the
    window lie within the trial and do not touch the response window of another edge.

    Examples
    --------
    >>> at = [np.array([start + t for start in (0.0, 10.0)]) for t in (1.0, 4.0, 0.0, 10.0)]
    >>> comparable_places(at[0], at[1:2], *at[2:], EdgeParams())
    array([0.  , 0.25, 0.5 , 0.75, 1.  , 1.25, 1.5 , 1.75, 2.  , 2.25, 2.5 ,
           4.5 , 4.75, 5.  , 5.25, 5.5 , 5.75, 6.  , 6.25, 6.5 , 6.75, 7.  ,
           7.25, 7.5 , 7.75, 8.  , 8.25, 8.5 ])
    """
    window, step = params.window_s, params.window_s / 2
    slack = SLACK * window
    earliest = (start_s - edge_s).max() + params.baseline_s - slack
    latest = (stop_s - edge_s).min() - window + slack
    k = np.arange(int(np.ceil(earliest / step)), int(np.floor(latest / step)) + 1)
    places = step * k
    for other_s in others_s:
        after = other_s - edge_s
        touches = (places + window > after.min() + slack) & (
            places - params.baseline_s < after.max() + window - slack
        )
        places, k = places[~touches], k[~touches]
    # The edge itself counts, whatever lies around it.
    return np.union1d(places, [0.0])


def _dispersion(
    spikes: SpikeTrains, edge_s: Float64, places_s: Float64, params: EdgeParams
) -> Dispersion:
    """Of the changes at these places; of a few units at a time, since there are many windows."""
    window, baseline = params.window_s, params.baseline_s
    known = degrees_of_freedom(
        edge_s.size,
        np.stack([places_s, places_s + window], axis=1),
        np.stack([places_s - baseline, places_s], axis=1),
    )
    at = edge_s[:, None] + places_s
    cuts = np.stack([at - baseline, at, at + window])
    value = np.empty(spikes.n_units)
    for first in range(0, spikes.n_units, _UNITS_AT_A_TIME):
        some = slice(first, min(first + _UNITS_AT_A_TIME, spikes.n_units))
        counts = spikes.rows(some.start, some.stop).count_in_windows(
            cuts[:-1].ravel(), cuts[1:].ravel()
        )
        before, after = np.moveaxis(counts.reshape(-1, 2, *at.shape), 1, 0)
        share = window / (window + baseline)
        value[some] = dispersion_of_changes(after, before, share, known).value
    return Dispersion(value, known)


def _edge_response(
    spikes: SpikeTrains, edge_s: Float64, dispersion: Dispersion, params: EdgeParams
) -> EdgeResponse:
    window, baseline = params.window_s, params.baseline_s
    n = edge_s.size
    # before it, after it, and later
    cuts = np.stack([edge_s - baseline, edge_s, edge_s + window, edge_s + window + baseline])
    counts = spikes.count_in_windows(cuts[:-1].ravel(), cuts[1:].ravel())
    n_baseline, n_response, n_later = counts.reshape(-1, 3, n).sum(axis=2).T
    change = n_response / (n * window) - n_baseline / (n * baseline)
    p = two_sided_p(n_response, n_baseline, window / (window + baseline), dispersion)

    bin_s = params.psth_bin_s
    n_peak = max(1, whole_bins(window, bin_s))
    after = [round(t / bin_s) for t in AFTER_PEAK_S]
    psth = psth_counts(spikes, edge_s, bin_s, n_peak + max(after[1], after[0] + 1))
    peak = psth[:, :n_peak].argmax(axis=1)
    height = np.take_along_axis(psth, peak[:, None], axis=1)
    later = peak[:, None] + np.arange(after[0], max(after[1], after[0] + 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        transience = 1 - np.take_along_axis(psth, later, axis=1).mean(axis=1) / height[:, 0]
    significant = p < params.alpha
    return EdgeResponse(
        change_hz=change,
        baseline_hz=n_baseline / (n * baseline),
        p=p,
        dispersion=dispersion.value,
        too_few_trials=n < 2,
        n_response=n_response,
        n_baseline=n_baseline,
        peak_hz=height[:, 0] / (n * bin_s),
        sustained_hz=n_later / (n * baseline),
        latency_ms=1000 * bin_s * (peak + 0.5),
        transience=transience,
        responds=significant & (change > 0) & (n_response >= params.min_spikes),
        suppressed=significant & (change < 0) & (n_baseline >= params.min_spikes),
    )


def edge_result(edge: str, found: EdgeResponse) -> FeatureResult:
    """What `edge_outputs` declares."""
    silent = ~found.responds
    values: dict[str, npt.NDArray[Any]] = {
        f"r_{edge}_hz": found.change_hz,
        f"p_{edge}": found.p,
        f"dispersion_{edge}": found.dispersion,
        f"n_spikes_{edge}": found.n_response,
        f"n_spikes_{edge}_baseline": found.n_baseline,
        f"peak_rate_{edge}_hz": found.peak_hz,
        f"sustained_rate_{edge}_hz": found.sustained_hz,
        f"latency_to_peak_{edge}_ms": np.where(silent, np.nan, found.latency_ms),
        f"transience_{edge}": np.where(silent, np.nan, found.transience),
    }
    why = reasons_where({"no_response": silent})
    unknown = np.isnan(found.dispersion)
    return FeatureResult(
        values,
        {
            f"latency_to_peak_{edge}_ms": why,
            f"transience_{edge}": why.copy(),
            f"dispersion_{edge}": reasons_where(
                {"too_few_trials": unknown & found.too_few_trials, "too_few_spikes": unknown}
            ),
        },
    )


def edge_outputs(edge: str, light: str) -> tuple[Output, ...]:
    """Outputs of one edge, e.g. ``edge_outputs("on", "light on")``."""
    silent = ("no_response",)
    return (
        Output(f"r_{edge}_hz", "Hz", f"Mean rate after {light} minus the baseline before it"),
        Output(
            f"p_{edge}",
            "1",
            f"Two-sided exact p of the response to {light}, given its dispersion",
            is_p_value=True,
        ),
        Output(
            f"dispersion_{edge}",
            "1",
            f"Variance between trials of changes as that to {light}, relative to Poisson spikes",
            reasons=("too_few_trials", "too_few_spikes"),
        ),
        Output(f"n_spikes_{edge}", "1", f"Spikes in the window after {light}", dtype=np.int64),
        Output(
            f"n_spikes_{edge}_baseline",
            "1",
            f"Spikes in the baseline before {light}",
            dtype=np.int64,
        ),
        Output(f"peak_rate_{edge}_hz", "Hz", f"Largest rate of the PSTH after {light}"),
        Output(
            f"sustained_rate_{edge}_hz",
            "Hz",
            f"Mean rate after the response window, for baseline_s, after {light}",
        ),
        Output(
            f"latency_to_peak_{edge}_ms",
            "ms",
            f"Time from {light} to the middle of the PSTH's largest bin",
            reasons=silent,
        ),
        Output(
            f"transience_{edge}",
            "1",
            f"1 - rate 0.35-0.45 s after the peak / rate at the peak, after {light}",
            reasons=silent,
        ),
    )


def contrast(one: Float64, other: Float64) -> Float64:
    """``(one - other) / (one + other)`` of rectified responses; NaN where neither is positive.

    Examples
    --------
    >>> contrast(np.array([6.0, 3.0, -2.0]), np.array([2.0, -1.0, 0.0]))
    array([0.5, 1. , nan])
    """
    first, second = np.maximum(one, 0), np.maximum(other, 0)
    with np.errstate(invalid="ignore"):
        return np.asarray((first - second) / (first + second))


def check_edges(feature: str, movie: str, edges: Mapping[str, Float64], params: EdgeParams) -> None:
    """Refuse edges in another order than given, and windows that see more than one edge.

    Else an ON response would lower the OFF response. Nor may a bin be longer than the response
    window: the peak would be of spikes beyond it.

    Parameters
    ----------
    feature, movie
        For the errors.
    edges
        Times of each edge by the event's name, one per trial, in their order within a trial.

    Raises
    ------
    StimulusError
        If an edge is not after the one before it.
    ParameterError
        If two edges are too near for the windows, or a bin of the PSTH is longer than a window.
    """
    if not whole_bins(params.window_s, params.psth_bin_s):
        raise ParameterError(
            f"{feature}: psth_bin_s {params.psth_bin_s:g} is longer than window_s "
            f"{params.window_s:g}, so that no bin lies in the response window; choose a shorter "
            "one."
        )
    names = list(edges)
    for before, after in itertools.pairwise(names):
        if not (edges[before] < edges[after]).all():
            raise StimulusError(
                f"{feature}: in movie {movie!r}, {after} is not after {before}; correct the events "
                f"of its trials in {movie}.yaml of the stimulus library."
            )
    shortest = float(np.diff(np.sort(np.concatenate(list(edges.values())))).min())
    needed = params.window_s + max(params.baseline_s, AFTER_PEAK_S[1])
    if shortest < (1 - SLACK) * needed:
        raise ParameterError(
            f"{feature}: two edges of movie {movie!r} are {shortest:.3f} s apart, so that windows "
            f"around them overlap: it needs {needed:g} s, window_s {params.window_s:g} + "
            f"baseline_s {params.baseline_s:g} (at least {AFTER_PEAK_S[1]:g}). Choose smaller "
            f"ones, e.g. {feature}: {{baseline_s: {max(shortest - params.window_s, 0.1):.1f}}}."
        )
