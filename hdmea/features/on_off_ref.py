"""Responses to a light step as the reference lab measures them; names end in ``_ref``."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.features.declaration import FeatureResult, Output
from hdmea.kernels.extremes import ROUNDING_HZ, largest_extremes, low_passed
from hdmea.kernels.psth import psth_counts
from hdmea.kernels.spikes import SpikeTrains

Float64 = npt.NDArray[np.float64]

BINS_PER_S = 60
"""Their bin is a frame of their display."""
CUT_HZ, ORDER = 10.0, 5
"""The low-pass filter."""
WINDOW = 60
"""Bins of the baseline before light on, and of the window after an edge with its extreme."""
SUSTAINED = (179, 239)
"""Bins after an edge, last exclusive."""
MIN_PROMINENCE = 2.0
"""Smallest prominence of an extreme, in standard deviations of the baseline."""
UNITS_AT_A_TIME = 64
TOO_SHORT = "step_too_short"

RATIOS = {
    "on_off_ratio_ref": ("on_peak_extreme_hz_ref", "off_peak_extreme_hz_ref"),
    "on_trans_sus_ratio_ref": ("on_peak_extreme_hz_ref", "on_sustained_hz_ref"),
    "off_trans_sus_ratio_ref": ("off_peak_extreme_hz_ref", "off_sustained_hz_ref"),
    "on_off_sus_ratio_ref": ("on_sustained_hz_ref", "off_sustained_hz_ref"),
}
"""Hyperbolic tangents of one output divided by another."""


def reference_measures(
    spikes: SpikeTrains, start_s: Float64, stop_s: Float64, on_s: Float64, off_s: Float64
) -> FeatureResult:
    """Extremes, sustained rates and their ratios: what `REFERENCE_OUTPUTS` declares.

    Parameters
    ----------
    spikes
        Spike trains.
    start_s, stop_s, on_s, off_s
        Trials and their edges of the light, ``(n_trials,)``.
    """
    n_bins = _bins(stop_s - start_s, shortest=True)
    on, off = _bins(on_s - start_s), _bins(off_s - start_s)
    # where an edge is, and until where the light stays as it is then
    edges = {"on": (on, min(off, n_bins)), "off": (off, n_bins)}
    values: dict[str, npt.NDArray[Any]] = {
        output.name: np.full(spikes.n_units, np.nan) for output in REFERENCE_OUTPUTS
    }
    measured: set[str] = set()
    if on >= WINDOW:
        counts = psth_counts(spikes, start_s, 1 / BINS_PER_S, n_bins)
        for first in range(0, spikes.n_units, UNITS_AT_A_TIME):
            some = slice(first, first + UNITS_AT_A_TIME)
            rates = counts[some].astype(np.float64) * (BINS_PER_S / start_s.size)
            smooth = low_passed(rates, BINS_PER_S, cut_hz=CUT_HZ, order=ORDER)
            found = _measure(smooth, on, edges)
            measured |= set(found)
            for name in found:
                values[name][some] = found[name]
    reasons = {
        name: np.where(np.isnan(values[name]), "no_peak" if name in measured else TOO_SHORT, "")
        for name in values
        if name not in RATIOS
    }
    for name, (one, other) in RATIOS.items():
        values[name] = _tanh_ratio(values[one], values[other])
        why = np.where(reasons[one] != "", reasons[one], reasons[other])
        why = np.where(why != "", why, "no_response")
        reasons[name] = np.where(np.isnan(values[name]), why, "")
    return FeatureResult(values, reasons)


def _bins(duration_s: Float64, *, shortest: bool = False) -> int:
    """Whole bins of trials that last alike but for the clock's jitter."""
    return round(float(duration_s.min() if shortest else duration_s.mean()) * BINS_PER_S)


def _measure(
    smooth: Float64, on: int, edges: dict[str, tuple[int, int]]
) -> dict[str, npt.NDArray[Any]]:
    """Measures of some units; windows that the light does not fill are left out."""
    base = smooth[:, on - WINDOW : on]
    mean, std = base.mean(axis=1), base.std(axis=1)
    found: dict[str, npt.NDArray[Any]] = {"base_mean_hz_ref": mean, "base_std_hz_ref": std}
    for edge, (begin, end) in edges.items():
        if begin + WINDOW <= end:
            height, place = largest_extremes(
                smooth[:, begin : begin + WINDOW], mean, MIN_PROMINENCE * std
            )
            found[f"{edge}_peak_extreme_hz_ref"] = _without_rounding(height)
            found[f"{edge}_peak_extreme_time_s_ref"] = place / BINS_PER_S
        if begin + SUSTAINED[1] <= end:
            late = smooth[:, begin + SUSTAINED[0] : begin + SUSTAINED[1]]
            found[f"{edge}_sustained_hz_ref"] = _without_rounding(late.mean(axis=1) - mean)
    return found


def _without_rounding(difference_hz: Float64) -> Float64:
    """Zero where two rates differ by rounding only: a ratio of such differences means nothing."""
    return np.where(np.abs(difference_hz) < ROUNDING_HZ, 0.0, difference_hz)


def _tanh_ratio(one: Float64, other: Float64) -> Float64:
    """``tanh(one / other)``; the sign of `one` where `other` is 0, NaN where both are."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.tanh(one / np.abs(other)) * np.where(other < 0, -1.0, 1.0)
    return np.asarray(ratio)


_SHORT = (TOO_SHORT,)
_NO_PEAK = (TOO_SHORT, "no_peak")
_EDGES = ("on", "off")

REFERENCE_OUTPUTS = (
    Output("base_mean_hz_ref", "Hz", "Mean rate in the second before light on", reasons=_SHORT),
    Output(
        "base_std_hz_ref",
        "Hz",
        "Standard deviation over the bins of the second before light on",
        reasons=_SHORT,
    ),
    *(
        output
        for edge in _EDGES
        for output in (
            Output(
                f"{edge}_peak_extreme_hz_ref",
                "Hz",
                f"Most prominent extreme in the second after light {edge}, minus the baseline",
                reasons=_NO_PEAK,
            ),
            Output(
                f"{edge}_peak_extreme_time_s_ref",
                "s",
                f"Time of that extreme from light {edge}",
                reasons=_NO_PEAK,
            ),
            Output(
                f"{edge}_sustained_hz_ref",
                "Hz",
                f"Mean rate in bins 179-238 after light {edge}, minus the baseline",
                reasons=_SHORT,
            ),
        )
    ),
    *(
        Output(
            name,
            "1",
            f"tanh({one.removesuffix('_hz_ref')} / {other.removesuffix('_hz_ref')})",
            reasons=(*(_NO_PEAK if "peak" in one else _SHORT), "no_response"),
        )
        for name, (one, other) in RATIOS.items()
    ),
)
