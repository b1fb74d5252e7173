"""Firing without a changing stimulus: how much, and how irregular."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from hdmea.errors import MissingDataError
from hdmea.features.declaration import Feature, FeatureResult, Output, not_applicable, reasons_where
from hdmea.features.inputs import FeatureInputs
from hdmea.features.played import trials_of
from hdmea.kernels.intervals import fano_factor, interval_measures

KIND = "grey"


class BaselineParams(BaseModel):
    """Parameters of `baseline`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    stimulus: str | None = Field(
        None, description="Movie to use, if several of the kind were played; null: the only one."
    )
    min_intervals: int = Field(
        20, ge=2, description="Fewest intervals for the CV, fewest pairs of intervals for CV2."
    )
    fano_window_s: float = Field(
        0.1, ge=1e-3, description="Counting window of the Fano factor (s)."
    )
    min_windows: int = Field(20, ge=2, description="Fewest windows for the Fano factor.")
    min_spikes: int = Field(
        20, ge=1, description="Fewest spikes, over all trials, for the Fano factor."
    )


def baseline(inputs: FeatureInputs, params: BaselineParams) -> FeatureResult:
    """Rate and irregularity on the grey stimulus, over all trials of all presentations.

    Intervals are those between spikes of one trial, never across trials; CV is their standard
    deviation over their mean, CV2 the mean of ``2 |b - a| / (a + b)`` over adjacent intervals
    [1]_, the Fano factor [2]_ the variance over the mean of counts in successive windows of
    `fano_window_s` from each trial's start, as many as fit into the shortest trial (the last may
    reach beyond it by 1 % of a window).

    Raises
    ------
    ParameterError
        If several grey movies were played and none is chosen.
    UnknownNameError
        If grey movies were played, but not the one that is chosen.
    MissingDataError
        If there are no trials.

    References
    ----------
    .. [1] Holt G.R. et al. (1996) J Neurophysiol 75, 1806-1814.
    .. [2] Fano U. (1947) Phys Rev 72, 26-29.
    """
    if inputs.trials is None:
        raise MissingDataError("baseline needs trials; add_section_time brings them.")
    trials, spikes = inputs.trials, inputs.spikes
    rows = trials_of(trials, "baseline", KIND, params.stimulus)
    if rows.size == 0:
        return not_applicable(BASELINE, spikes.n_units)
    start, stop = trials.start_s[rows], trials.stop_s[rows]

    n_spikes = spikes.count_in_windows(start, stop).sum(axis=1)
    duration = float(np.sum(stop - start))
    intervals = interval_measures(spikes, start, stop)
    few = intervals.n_intervals < params.min_intervals
    few_pairs = intervals.n_pairs < params.min_intervals
    cv = np.where(few, np.nan, intervals.cv)
    cv2 = np.where(few_pairs, np.nan, intervals.cv2)

    # A clock that is a little fast must not cost the last window: it may lack 1 %.
    n_fit = int(float(np.min(stop - start)) / params.fano_window_s + 0.01)
    n_windows = np.full(spikes.n_units, rows.size * n_fit, dtype=np.int64)
    fano = fano_factor(spikes, start, params.fano_window_s, n_fit)
    few_windows = n_windows < params.min_windows
    fano[few_windows | (n_spikes < params.min_spikes)] = np.nan
    return FeatureResult(
        values={
            "mean_rate_hz": n_spikes / duration,
            "n_spikes": n_spikes,
            "duration_s": np.full(spikes.n_units, duration),
            "n_trials": np.full(spikes.n_units, rows.size, dtype=np.int64),
            "isi_cv": cv,
            "n_intervals": intervals.n_intervals,
            "isi_cv2": cv2,
            "n_interval_pairs": intervals.n_pairs,
            "fano_factor": fano,
            "n_windows": n_windows,
        },
        reasons={
            "isi_cv": reasons_where({"too_few_spikes": few, "no_variation": np.isnan(cv)}),
            "isi_cv2": reasons_where({"too_few_spikes": np.isnan(cv2)}),
            "fano_factor": reasons_where(
                {"too_few_windows": few_windows, "too_few_spikes": np.isnan(fano)}
            ),
        },
    )


BASELINE = Feature(
    name="baseline",
    version=2,
    params=BaselineParams,
    needs=frozenset({"spikes", "trials"}),
    stimulus_kind=KIND,
    outputs=(
        Output("mean_rate_hz", "Hz", "Spikes on grey divided by its duration"),
        Output("n_spikes", "1", "Spikes on grey, all trials", dtype=np.int64),
        Output("duration_s", "s", "Duration of grey, all trials"),
        Output("n_trials", "1", "Trials of all presentations", dtype=np.int64),
        Output(
            "isi_cv",
            "1",
            "Coefficient of variation of the intervals between spikes",
            reasons=("too_few_spikes", "no_variation"),
        ),
        Output("n_intervals", "1", "Intervals within a trial", dtype=np.int64),
        Output(
            "isi_cv2",
            "1",
            "CV2: mean of 2 |b - a| / (a + b) over adjacent intervals (Holt et al. 1996)",
            reasons=("too_few_spikes",),
        ),
        Output("n_interval_pairs", "1", "Pairs of adjacent intervals of a trial", dtype=np.int64),
        Output(
            "fano_factor",
            "1",
            "Variance over mean of the counts in windows of fano_window_s",
            reasons=("too_few_windows", "too_few_spikes"),
        ),
        Output("n_windows", "1", "Windows of the Fano factor", dtype=np.int64),
    ),
    compute=baseline,
    description="Rate and irregularity of firing on the grey stimulus.",
    unit_by_unit=True,
)
