"""How far a unit can be taken for one cell, all of it, and once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hdmea.errors import MissingDataError
from hdmea.features.declaration import Feature, FeatureResult, Output, reasons_where
from hdmea.features.inputs import FeatureInputs
from hdmea.kernels.quality import (
    compare_near,
    fewest_expected,
    hill_contamination,
    isi_violations,
    presence_ratio,
    violations_at_half,
    without_duplicates,
)


class UnitQualityParams(BaseModel):
    """Parameters of `unit_quality`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    refractory_period_s: float = Field(
        0.0015, gt=0, description="A shorter interval between spikes is a violation (s)."
    )
    censored_period_s: float = Field(
        0.0, ge=0, description="Shorter intervals cannot be seen, and are not counted (s)."
    )
    contamination_confidence: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="Confidence with which hill_contamination_low is exceeded, one-sided.",
    )
    presence_bin_s: float = Field(60.0, gt=0, description="Bin of the presence ratio (s).")
    coincidence_s: float = Field(
        0.0003, ge=1e-6, description="Spikes at most this far apart coincide (s)."
    )
    duplicate_fraction: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="A unit of which more than this fraction coincides with a larger one is its "
        "duplicate.",
    )
    max_distance_electrodes: float = Field(
        3.0, ge=0, description="Units whose electrodes are farther apart are not compared."
    )
    duplicate_min_spikes: int = Field(
        10, ge=1, description="Units with fewer spikes are not compared."
    )

    @model_validator(mode="after")
    def _something_is_seen(self) -> UnitQualityParams:
        if self.censored_period_s >= self.refractory_period_s:
            raise ValueError("censored_period_s must be shorter than refractory_period_s")
        return self


def unit_quality(inputs: FeatureInputs, params: UnitQualityParams) -> FeatureResult:
    """Refractory violations, presence and duplicates of all units.

    Violations are intervals in ``[censored_period_s, refractory_period_s)``; their fraction is
    that of all intervals, and the contamination that of Hill et al. [1]_; its lower confidence
    limit is that of the violations, a Poisson count. Presence is the fraction of whole bins with
    a spike. A unit is a duplicate if more than `duplicate_fraction`
    of its spikes coincide with those of a larger unit nearby, each spike used once.

    Raises
    ------
    MissingDataError
        If it is not said where the units lie.

    References
    ----------
    .. [1] Hill D.N., Mehta S.B., Kleinfeld D. (2011) J Neurosci 31, 8699-8705.
    """
    if inputs.units is None:
        raise MissingDataError("unit_quality needs the units' numbers and places.")
    spikes, units = inputs.spikes, inputs.units
    n_spikes = np.diff(spikes.index, prepend=0)
    duration = np.nan if inputs.duration_s is None else inputs.duration_s
    unknown = np.full(spikes.n_units, not duration > 0)

    refractory, censored = params.refractory_period_s, params.censored_period_s
    violations = isi_violations(spikes, refractory, censored)
    few = n_spikes < 2
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(few, np.nan, violations / (n_spikes - 1))
        at_half = violations_at_half(n_spikes, duration, refractory, censored)
    at_half[unknown] = np.nan
    contamination = np.where(few, np.nan, hill_contamination(violations, at_half))
    fewest = fewest_expected(violations, params.contamination_confidence)
    surely = np.where(few, np.nan, hill_contamination(fewest, at_half))
    presence = np.full(spikes.n_units, np.nan)
    if duration > 0:
        presence = presence_ratio(spikes, duration, params.presence_bin_s)

    rank = np.lexsort((units.unit_id, -n_spikes)).tolist()
    pairs = compare_near(
        spikes,
        rank,
        units.row,
        units.column,
        within_s=params.coincidence_s,
        max_distance=params.max_distance_electrodes,
        min_spikes=params.duplicate_min_spikes,
        threads=inputs.threads,
    )
    not_compared = n_spikes < params.duplicate_min_spikes
    share = np.full(spikes.n_units, np.nan)
    np.fmax.at(share, pairs.smaller, pairs.share)
    copies = pairs.where(pairs.share > params.duplicate_fraction)
    duplicate_of = np.full(spikes.n_units, np.nan)
    for copy, kept in without_duplicates(rank, copies, range(spikes.n_units)).items():
        duplicate_of[copy] = units.unit_id[kept]

    values: dict[str, npt.NDArray[Any]] = {
        "n_isi_violations": violations,
        "isi_violation_fraction": fraction,
        "hill_contamination": contamination,
        "hill_contamination_low": surely,
        "isi_violations_at_half": at_half,
        "presence_ratio": presence,
        "coincident_fraction": share,
        "duplicate_of": duplicate_of,
        "duplicate_pair_unit": units.unit_id[copies.smaller],
        "duplicate_pair_of": units.unit_id[copies.larger],
        "duplicate_pair_fraction": copies.share,
    }
    reasons = {
        "isi_violation_fraction": {"too_few_spikes": few},
        "hill_contamination": {
            "duration_unknown": unknown,
            "too_few_spikes": few,
            "at_least_half": np.isnan(contamination),
        },
        "hill_contamination_low": {
            "duration_unknown": unknown,
            "too_few_spikes": few,
            "at_least_half": np.isnan(surely),
        },
        "isi_violations_at_half": {"duration_unknown": unknown},
        "presence_ratio": {
            "duration_unknown": unknown,
            "recording_too_short": np.isnan(presence),
        },
        "coincident_fraction": {
            "too_few_spikes": not_compared,
            "no_larger_neighbour": np.isnan(share),
        },
        "duplicate_of": {"too_few_spikes": not_compared, "no_duplicate": np.isnan(duplicate_of)},
    }
    return FeatureResult(values, {name: reasons_where(why) for name, why in reasons.items()})


_PAIR = ("duplicate_pair",)

UNIT_QUALITY = Feature(
    name="unit_quality",
    version=2,
    params=UnitQualityParams,
    needs=frozenset({"spikes", "units", "duration"}),
    stimulus_kind=None,
    outputs=(
        Output("n_isi_violations", "1", "Intervals shorter than refractory", dtype=np.int64),
        Output(
            "isi_violation_fraction",
            "1",
            "Part of the intervals between spikes that are violations",
            reasons=("too_few_spikes",),
        ),
        Output(
            "hill_contamination",
            "1",
            "Part of the spikes that are another cell's, by the violations (Hill et al. 2011)",
            reasons=("duration_unknown", "too_few_spikes", "at_least_half"),
        ),
        Output(
            "hill_contamination_low",
            "1",
            "Part of the spikes that is another cell's at least: lower confidence limit",
            reasons=("duration_unknown", "too_few_spikes", "at_least_half"),
        ),
        Output(
            "isi_violations_at_half",
            "1",
            "Violations expected if half of the spikes were another cell's",
            reasons=("duration_unknown",),
        ),
        Output(
            "presence_ratio",
            "1",
            "Part of the whole bins of the recording in which there is a spike",
            reasons=("duration_unknown", "recording_too_short"),
        ),
        Output(
            "coincident_fraction",
            "1",
            "Largest part of the spikes that coincide with those of one larger unit nearby",
            reasons=("too_few_spikes", "no_larger_neighbour"),
        ),
        Output(
            "duplicate_of",
            "1",
            "Number of the larger unit whose spikes these are, which is no duplicate itself",
            reasons=("too_few_spikes", "no_duplicate"),
        ),
        Output("duplicate_pair_unit", "1", "Unit of which too much coincides", _PAIR, np.int64),
        Output("duplicate_pair_of", "1", "The larger unit it coincides with", _PAIR, np.int64),
        Output(
            "duplicate_pair_fraction", "1", "Part of the first one's spikes that coincide", _PAIR
        ),
    ),
    compute=unit_quality,
    description="How well a unit is isolated: violations, presence, duplicates.",
)
