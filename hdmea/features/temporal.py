"""What features of temporal stimuli share: their segments, and the tuning of a gain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hdmea.features.declaration import FeatureResult, Output, reasons_where
from hdmea.features.inputs import Trials
from hdmea.features.whole_trials import TrialParams
from hdmea.kernels.harmonics import falls_to
from hdmea.stimulus.segments import ShownSegment, shown_segments

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class TemporalParams(TrialParams):
    """Parameters of a feature of a temporal stimulus."""

    alpha: float = Field(0.01, gt=0, lt=1, description="Largest p of a significant response.")
    min_spikes: int = Field(5, ge=1, description="Fewest spikes, over all trials, of a response.")


def segments_of(trials: Trials, rows: Int64) -> list[ShownSegment]:
    """The segments of these trials of one movie.

    Raises
    ------
    StimulusError
        As `shown_segments`.
    """
    mine = np.isin(trials.event_trial, rows)
    return shown_segments(
        str(trials.movie[rows[0]]),
        rows.size,
        np.searchsorted(rows, trials.event_trial[mine]),
        trials.event_name[mine].tolist(),
        trials.event_time_s[mine],
    )


def tuning(
    frequency_hz: Float64, amplitude_hz: Float64, significant: Flags, responds: Flags
) -> FeatureResult:
    """Preferred frequency and half-power bandwidth of every unit: what `TUNING_OUTPUTS` declares.

    Parameters
    ----------
    frequency_hz
        Frequencies, ``(frequency,)``, in any order; of equal ones the mean amplitude counts.
    amplitude_hz, significant
        F1 and whether it is a response, ``(unit, frequency)``.
    responds
        Units that respond at all.
    """
    axis, which = np.unique(frequency_hz, return_inverse=True)
    n_units, few = len(amplitude_hz), axis.size < 2
    amplitude = np.zeros((n_units, axis.size))
    found = np.zeros((n_units, axis.size), dtype=bool)
    for k in range(axis.size):
        amplitude[:, k] = np.ascontiguousarray(amplitude_hz[:, which == k]).mean(axis=1)
        found[:, k] = significant[:, which == k].any(axis=1)
    tuned = responds & found.any(axis=1) & (not few)
    preferred, low, high = (np.full(n_units, np.nan) for _ in range(3))
    for unit in np.flatnonzero(tuned):
        peak = int(np.where(found[unit], amplitude[unit], -1.0).argmax())
        level = amplitude[unit, peak] / np.sqrt(2)
        preferred[unit] = axis[peak]
        low[unit], high[unit] = (
            2.0 ** falls_to(level, np.log2(axis), amplitude[unit], peak, upwards=upwards)
            for upwards in (False, True)
        )
    values = {
        "preferred_frequency_hz": preferred,
        "half_power_low_hz": low,
        "half_power_high_hz": high,
        "bandwidth_octaves": np.log2(high / low),
    }
    conditions = {
        "too_few_frequencies": np.full(n_units, few),
        "no_response": ~tuned,
    }
    reasons = {
        name: reasons_where({**conditions, "not_reached": np.isnan(value)})
        for name, value in values.items()
    }
    return FeatureResult(values, reasons)


_UNTUNED = ("too_few_frequencies", "no_response")

TUNING_OUTPUTS = (
    Output(
        "preferred_frequency_hz",
        "Hz",
        "Frequency of the largest significant first harmonic",
        reasons=_UNTUNED,
    ),
    Output(
        "half_power_low_hz",
        "Hz",
        "Frequency below the preferred one at which F1 has fallen to 1/sqrt 2",
        reasons=(*_UNTUNED, "not_reached"),
    ),
    Output(
        "half_power_high_hz",
        "Hz",
        "Frequency above the preferred one at which F1 has fallen to 1/sqrt 2",
        reasons=(*_UNTUNED, "not_reached"),
    ),
    Output(
        "bandwidth_octaves",
        "1",
        "log2(half_power_high_hz / half_power_low_hz)",
        reasons=(*_UNTUNED, "not_reached"),
    ),
)
