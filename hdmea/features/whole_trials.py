"""What several features tell of whole trials: the PSTH, and how well trials agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hdmea.errors import ParameterError
from hdmea.features.declaration import FeatureResult, Output, reasons_where
from hdmea.kernels.psth import trial_responses
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]


class TrialParams(BaseModel):
    """Parameters of a feature that tells of whole trials."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    stimulus: str | None = Field(
        None, description="Movie to use, if several of the kind were played; null: the only one."
    )
    psth_bin_s: float = Field(0.01, ge=1e-4, description="Bin of the PSTH (s).")
    qi_sigma_s: float = Field(
        0.05,
        gt=0,
        le=10,
        description="Gaussian smoothing (standard deviation) for the QI only (s).",
    )


def whole_bins(duration_s: float, bin_s: float) -> int:
    """Bins that fit into a time, whatever the rounding.

    Examples
    --------
    >>> whole_bins(0.5, 0.01), whole_bins(0.5, 0.3), whole_bins(0.5, 0.6)
    (50, 1, 0)
    """
    return int(duration_s / bin_s + 1e-6)


def whole_trials(
    feature: str, spikes: SpikeTrains, start_s: Float64, stop_s: Float64, params: TrialParams
) -> FeatureResult:
    """PSTH and response quality of whole trials: what `TRIAL_OUTPUTS` declares.

    Raises
    ------
    ParameterError
        If a bin of the PSTH is longer than a trial.
    """
    shortest = float(np.min(stop_s - start_s))
    bin_s = params.psth_bin_s
    n_bins = whole_bins(shortest, bin_s)
    if n_bins == 0:
        raise ParameterError(
            f"{feature}: psth_bin_s is {bin_s:g}, longer than a trial, which has {shortest:.3f} "
            "s; choose a shorter one."
        )
    n_trials = start_s.size
    trials = trial_responses(spikes, start_s, bin_s, n_bins, params.qi_sigma_s)
    few_trials = np.full(spikes.n_units, n_trials < 2)
    undefined = few_trials | np.isnan(trials.quality)
    qi = np.where(undefined, np.nan, trials.quality)
    why = reasons_where(
        {
            "too_few_trials": few_trials,
            "too_few_spikes": trials.counts.sum(axis=1) == 0,
            "no_variation": undefined,
        }
    )
    psth = np.empty(trials.counts.shape, dtype=np.float32)
    np.divide(trials.counts, n_trials * bin_s, out=psth, dtype=np.float64, casting="same_kind")
    values: dict[str, npt.NDArray[Any]] = {
        "qi": qi,
        "qi_corrected": (qi - 1 / n_trials) / (1 - 1 / n_trials) if n_trials > 1 else qi.copy(),
        "n_trials": np.full(spikes.n_units, n_trials, dtype=np.int64),
        "psth_hz": psth,
        "psth_bin_start_s": bin_s * np.arange(n_bins),
    }
    return FeatureResult(values, {"qi": why, "qi_corrected": why.copy()})


_NO_QI = ("too_few_trials", "too_few_spikes", "no_variation")

TRIAL_OUTPUTS = (
    Output(
        "qi",
        "1",
        "Response quality index (Baden et al. 2016) of whole trials; noise floor 1/n_trials",
        reasons=_NO_QI,
    ),
    Output(
        "qi_corrected",
        "1",
        "(qi - 1/n_trials) / (1 - 1/n_trials): 0 for noise",
        reasons=_NO_QI,
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
)
