"""Responses to a light step: how much, how fast and how reliably at light on and at light off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hdmea.errors import MissingDataError, ParameterError, StimulusError
from hdmea.features.declaration import Feature, FeatureResult, Output, not_applicable, reasons_where
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.features.played import event_times, trials_of
from hdmea.kernels.psth import psth_counts, trial_responses
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

KIND = "step"
AFTER_PEAK_S = (0.35, 0.45)
"""The rate in this window after the peak, relative to the peak, gives the transience."""


class OnOffParams(BaseModel):
    """Parameters of `on_off`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    stimulus: str | None = Field(
        None, description="Movie to use, if several light steps were played; null: the only one."
    )
    window_s: float = Field(0.5, gt=0, description="Response window after each edge (s).")
    baseline_s: float = Field(1.0, gt=0, description="Baseline window before each edge (s).")
    alpha: float = Field(0.01, gt=0, lt=1, description="Largest p of a significant response.")
    min_spikes: int = Field(
        5,
        ge=1,
        description="Fewest spikes, over all trials, of a response (or of the baseline "
        "that is suppressed).",
    )
    class_cut: float = Field(
        0.33, ge=0, le=1, description="|on_off_index| above this is on or off, else on_off."
    )
    psth_bin_s: float = Field(0.01, ge=1e-4, description="Bin of the PSTH (s).")
    qi_sigma_s: float = Field(
        0.05,
        gt=0,
        le=10,
        description="Gaussian smoothing (standard deviation) for the QI only (s).",
    )


def on_off(inputs: FeatureInputs, params: OnOffParams) -> FeatureResult:
    """Responses to the onset and the offset of light, over all trials of a light step.

    ``r_on`` is the mean rate in `window_s` after light on minus that in the last `baseline_s`
    before it; ``r_off`` the same around light off, so that the ON response's after-discharge is
    not counted as OFF. ``on_off_index = (R_on - R_off) / (R_on + R_off)`` of the rectified
    values [1]_.

    p is exact and two-sided: given the sum of the two counts, a Poisson count in the response
    window is binomial with probability ``window / (window + baseline)``; p is twice the smaller
    tail. A *response* is an increase with ``p < alpha`` and at least `min_spikes` spikes in
    its window.

    Peaks, latency and transience (``1 - mean r(0.35-0.45 s after the peak) / r(peak)``) are of
    the PSTH without smoothing, the first of equal bins; the sustained rate is that in the
    `baseline_s` after the response window; QI [2]_ is of smoothed single trials.

    Raises
    ------
    ParameterError
        If several light steps were played and none is chosen, windows of different edges
        overlap, or a bin of the PSTH is longer than a trial.
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
    spikes = inputs.spikes
    steps = _light_steps(inputs.trials, params)
    if steps is None:
        return not_applicable(ON_OFF, spikes.n_units)
    on = _edge(spikes, steps.on_s, params)
    off = _edge(spikes, steps.off_s, params)
    values: dict[str, npt.NDArray[Any]] = {}
    reasons: dict[str, npt.NDArray[np.str_]] = {}

    no_response = ~(on.responds | off.responds)
    for name, at_on, at_off in (
        ("on_off_index", on.change_hz, off.change_hz),
        ("on_off_index_peak", on.peak_hz - on.baseline_hz, off.peak_hz - off.baseline_hz),
    ):
        values[name] = np.where(no_response, np.nan, _index(at_on, at_off))
        reasons[name] = reasons_where({"no_response": np.isnan(values[name])})
    values["class"] = _classify(values["on_off_index"], on, off, params.class_cut)

    for edge, found in (("on", on), ("off", off)):
        silent = ~found.responds
        values |= {
            f"r_{edge}_hz": found.change_hz,
            f"p_{edge}": found.p,
            f"n_spikes_{edge}": found.n_response,
            f"n_spikes_{edge}_baseline": found.n_baseline,
            f"peak_rate_{edge}_hz": found.peak_hz,
            f"sustained_rate_{edge}_hz": found.sustained_hz,
            f"latency_to_peak_{edge}_ms": np.where(silent, np.nan, found.latency_ms),
            f"transience_{edge}": np.where(silent, np.nan, found.transience),
        }
        for name in (f"latency_to_peak_{edge}_ms", f"transience_{edge}"):
            reasons[name] = reasons_where({"no_response": silent})

    n_trials = steps.on_s.size
    n_bins = _n_bins(steps, params.psth_bin_s)
    trials = trial_responses(spikes, steps.start_s, params.psth_bin_s, n_bins, params.qi_sigma_s)
    few_trials = np.full(spikes.n_units, n_trials < 2)
    undefined = few_trials | np.isnan(trials.quality)
    qi = np.where(undefined, np.nan, trials.quality)
    why = reasons_where({"too_few_trials": few_trials, "too_few_spikes": undefined})
    values |= {
        "qi": qi,
        "qi_corrected": (qi - 1 / n_trials) / (1 - 1 / n_trials) if n_trials > 1 else qi.copy(),
        "n_trials": np.full(spikes.n_units, n_trials, dtype=np.int64),
        "psth_hz": (trials.counts / (n_trials * params.psth_bin_s)).astype(np.float32),
        "psth_bin_start_s": params.psth_bin_s * np.arange(n_bins),
    }
    reasons |= {"qi": why, "qi_corrected": why}
    return FeatureResult(values, reasons)


@dataclass(frozen=True, slots=True, eq=False)
class _LightSteps:
    """Times of all trials of one light step, seconds, one entry per trial."""

    start_s: Float64
    on_s: Float64
    off_s: Float64
    stop_s: Float64


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """The responses of all units to one edge of the light, one entry per unit."""

    change_hz: Float64
    baseline_hz: Float64
    p: Float64
    n_response: npt.NDArray[np.int64]
    n_baseline: npt.NDArray[np.int64]
    peak_hz: Float64
    sustained_hz: Float64
    latency_ms: Float64
    transience: Float64
    responds: Flags
    suppressed: Flags


def _light_steps(trials: Trials, params: OnOffParams) -> _LightSteps | None:
    """The trials of the light step that was chosen; None if no light step was played."""
    rows = trials_of(trials, "on_off", KIND, params.stimulus)
    if rows.size == 0:
        return None
    on, off = (event_times(trials, rows, name) for name in ("light_on", "light_off"))
    _check_spacing(on, off, str(trials.movie[rows[0]]), params)
    return _LightSteps(trials.start_s[rows], on, off, trials.stop_s[rows])


def _check_spacing(on: Float64, off: Float64, movie: str, params: OnOffParams) -> None:
    """A window must see one edge only: else an ON response would lower the OFF response."""
    if not (on < off).all():
        raise StimulusError(f"Light step {movie!r}: light_off is not after light_on.")
    edges = np.sort(np.concatenate([on, off]))
    shortest = float(np.diff(edges).min())
    needed = params.window_s + max(params.baseline_s, AFTER_PEAK_S[1])
    # Frame times jitter by a little.
    if shortest < 0.99 * needed:
        raise ParameterError(
            f"Light step {movie!r}: two edges are {shortest:.3f} s apart, so that windows of "
            f"on_off around them overlap: it needs {needed:g} s, window_s "
            f"{params.window_s:g} + baseline_s {params.baseline_s:g} (at least "
            f"{AFTER_PEAK_S[1]:g}). Choose smaller ones, e.g. on_off: {{baseline_s: "
            f"{max(shortest - params.window_s, 0.1):.1f}}}."
        )


def _n_bins(steps: _LightSteps, bin_s: float) -> int:
    """Whole bins in the shortest trial."""
    shortest = float(np.min(steps.stop_s - steps.start_s))
    n_bins = int(shortest / bin_s + 1e-6)
    if n_bins == 0:
        raise ParameterError(
            f"on_off: psth_bin_s is {bin_s:g}, longer than a trial of the light step, which has "
            f"{shortest:.3f} s; choose a shorter one."
        )
    return n_bins


def _edge(spikes: SpikeTrains, edge_s: Float64, params: OnOffParams) -> _Edge:
    window, baseline = params.window_s, params.baseline_s
    n = edge_s.size
    n_response = spikes.count_in_windows(edge_s, edge_s + window).sum(axis=1)
    n_baseline = spikes.count_in_windows(edge_s - baseline, edge_s).sum(axis=1)
    n_later = spikes.count_in_windows(edge_s + window, edge_s + window + baseline).sum(axis=1)
    change = n_response / (n * window) - n_baseline / (n * baseline)
    p = _two_sided_p(n_response, n_baseline, window / (window + baseline))

    bin_s = params.psth_bin_s
    n_peak = max(1, round(window / bin_s))
    after = [round(t / bin_s) for t in AFTER_PEAK_S]
    psth = psth_counts(spikes, edge_s, bin_s, n_peak + max(after[1], after[0] + 1))
    peak = psth[:, :n_peak].argmax(axis=1)
    height = np.take_along_axis(psth, peak[:, None], axis=1)
    later = peak[:, None] + np.arange(after[0], max(after[1], after[0] + 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        transience = 1 - np.take_along_axis(psth, later, axis=1).mean(axis=1) / height[:, 0]
    significant = p < params.alpha
    return _Edge(
        change_hz=change,
        baseline_hz=n_baseline / (n * baseline),
        p=p,
        n_response=n_response,
        n_baseline=n_baseline,
        peak_hz=height[:, 0] / (n * bin_s),
        sustained_hz=n_later / (n * baseline),
        latency_ms=1000 * bin_s * (peak + 0.5),
        transience=transience,
        responds=significant & (change > 0) & (n_response >= params.min_spikes),
        suppressed=significant & (change < 0) & (n_baseline >= params.min_spikes),
    )


def _two_sided_p(
    n_response: npt.NDArray[np.int64], n_baseline: npt.NDArray[np.int64], share: float
) -> Float64:
    """Twice the smaller tail of the binomial distribution of the response's spikes."""
    from scipy.special import bdtr, bdtrc

    total = n_response + n_baseline
    at_most = bdtr(n_response.astype(np.float64), total, share)
    at_least = bdtrc(n_response - 1.0, total, share)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(at_most, at_least)))


def _index(at_on: Float64, at_off: Float64) -> Float64:
    """Contrast of two rectified responses, NaN where neither is positive."""
    on, off = np.maximum(at_on, 0), np.maximum(at_off, 0)
    with np.errstate(invalid="ignore"):
        return np.asarray((on - off) / (on + off))


def _classify(index: Float64, on: _Edge, off: _Edge, cut: float) -> npt.NDArray[np.str_]:
    responds = ~np.isnan(index)
    return np.select(
        [index > cut, index < -cut, responds, on.suppressed | off.suppressed],
        ["on", "off", "on_off", "suppressed"],
        default="none",
    )


def _edge_outputs(edge: str) -> tuple[Output, ...]:
    light = f"light {edge}"
    silent = ("no_response",)
    return (
        Output(f"r_{edge}_hz", "Hz", f"Mean rate after {light} minus the baseline before it"),
        Output(f"p_{edge}", "1", f"Two-sided exact Poisson p of the response to {light}"),
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


ON_OFF = Feature(
    name="on_off",
    version=1,
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
        *_edge_outputs("on"),
        *_edge_outputs("off"),
        Output(
            "qi",
            "1",
            "Response quality index (Baden et al. 2016) of whole trials; noise floor 1/n_trials",
            reasons=("too_few_trials", "too_few_spikes"),
        ),
        Output(
            "qi_corrected",
            "1",
            "(qi - 1/n_trials) / (1 - 1/n_trials): 0 for noise",
            reasons=("too_few_trials", "too_few_spikes"),
        ),
        Output("n_trials", "1", "Trials of all presentations", dtype=np.int64),
        Output(
            "psth_hz",
            "Hz",
            "Rate from the trial's start, averaged over trials, not smoothed",
            dims=("unit", "bin"),
            dtype=np.float32,
        ),
        Output("psth_bin_start_s", "s", "Start of the bin from the trial's start", ("bin",)),
    ),
    compute=on_off,
    description="Responses to the onset and offset of a light step.",
)
