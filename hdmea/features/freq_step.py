"""Responses to sines of a few fixed frequencies, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hdmea.errors import MissingDataError, StimulusError
from hdmea.features.declaration import Feature, FeatureResult, Output, not_applicable, reasons_where
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.features.played import trials_of
from hdmea.features.temporal import (
    TUNING_OUTPUTS,
    TemporalParams,
    segments_of,
    tuning,
)
from hdmea.features.whole_trials import TRIAL_OUTPUTS, whole_trials
from hdmea.kernels.common_course import common_course
from hdmea.kernels.harmonics import (
    CycleSums,
    components,
    cycle_sums,
    dispersion_of,
    p_of_phase_locking,
    runs,
    variance_explained,
)
from hdmea.stimulus.segments import START_EVENTS, ShownSegment

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

KIND = "freq_step"
_TWICE = "second_harmonic_only"


class FreqStepParams(TemporalParams):
    """Parameters of `freq_step`."""

    skip_cycles: int = Field(
        1,
        ge=0,
        description="Whole cycles left out at the beginning of a segment, as far as at least one "
        "remains.",
    )
    bins_per_cycle: int = Field(
        16, ge=5, le=1000, description="Bins of a cycle, for r2 only; all else is without bins."
    )


def freq_step(inputs: FeatureInputs, params: FreqStepParams) -> FeatureResult:
    """Harmonics of the response to every frequency, over whole cycles of all trials.

    Least squares on ``[1, sin, cos, sin 2, cos 2]`` of the stimulus' own phase, in the limit of
    short bins: sums over spikes. Tuning is told of the first harmonic of a course that is common to
    all frequencies, as far as the spikes agree with one. p is that of the Rayleigh test, with as
    many independent spikes as the response's variance between cycles and trials leaves; p of the
    second harmonic is that of doubled phases.

    Raises
    ------
    ParameterError
        If several such movies were played and none is chosen, or a bin of the PSTH is longer than
        a trial.
    UnknownNameError
        If such movies were played, but not the one that is chosen.
    MissingDataError
        If there are no trials.
    StimulusError
        If the trials' events do not make segments, or a segment has no whole cycle.
    """
    if inputs.trials is None:
        raise MissingDataError("freq_step needs trials; add_section_time brings them.")
    trials, spikes = inputs.trials, inputs.spikes
    rows = trials_of(trials, "freq_step", KIND, params.stimulus)
    if rows.size == 0:
        return not_applicable(FREQ_STEP, spikes.n_units)
    segments = _sines(trials, rows)
    parts = [_whole_cycles(one, params.skip_cycles, trials, rows) for one in segments]
    sums = [
        cycle_sums(spikes, one.start_s, one.stop_s, one.clock(), *part, params.bins_per_cycle)
        for one, part in zip(segments, parts, strict=True)
    ]
    frequency = np.array([one.segment.first_hz for one in segments])
    dispersions = [dispersion_of(sums, pooled=True, second=second) for second in (False, True)]
    mean, first, second, p, p_second, n_spikes = (
        np.stack(columns, axis=1)
        for columns in zip(*(_of_segment(one, *dispersions) for one in sums), strict=True)
    )
    size = np.abs(first)
    p_best = _p_of_any(p, p_second)
    responds = p_best < params.alpha
    # Of each harmonic: where it is significant, and the units that it can be told of.
    (significant, by_first), (twice, by_second) = (
        (
            (one < params.alpha) & (n_spikes >= params.min_spikes),
            responds & (one.min(axis=1) * frequency.size < params.alpha),
        )
        for one in (p, p_second)
    )
    seconds = np.array([rows.size * n for _, n in parts]) / frequency
    common = common_course(mean, first, second, seconds, dispersions[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = size / mean
    phase = np.where(significant, np.degrees(np.angle(first)), np.nan)
    values: dict[str, npt.NDArray[Any]] = {
        "p_best": p_best,
        "dispersion": dispersions[0],
        "dispersion_f2": dispersions[1],
        "f0_hz": mean,
        "f1_hz": size,
        "f2_hz": np.abs(second),
        "gain_hz": common.gain_hz,
        "common_course_weight": common.weight,
        "p_f1": p,
        "p_f2": p_second,
        "phase_deg": phase,
        "f1_over_f0": np.where(significant, ratio, np.nan),
        "r2": np.stack([variance_explained(one.bins) for one in sums], axis=1),
        "n_spikes": n_spikes,
        "frequency_hz": frequency,
        "n_cycles": np.array([n for _, n in parts], dtype=np.int64),
        "segment_start_s": _from_start([one.start_s for one in segments], trials, rows),
        "segment_stop_s": _from_start([one.stop_s for one in segments], trials, rows),
    }
    twice_only = responds & ~by_first
    missing = np.asarray((~significant).any(axis=1))
    silent = reasons_where({_TWICE: missing & twice_only, "no_response": missing})
    reasons = {
        "phase_deg": silent,
        "f1_over_f0": silent.copy(),
        "r2": reasons_where({"no_variation": np.asarray(np.isnan(values["r2"]).any(axis=1))}),
    }
    for name in ("dispersion", "dispersion_f2"):
        reasons[name] = reasons_where({"too_few_spikes": np.isnan(values[name])})
    tuned = tuning(frequency, common.gain_hz, significant, by_first)
    for name, why in tuned.reasons.items():
        reasons[name] = np.where((why == "no_response") & twice_only, _TWICE, why)
    doubled = tuning(frequency, values["f2_hz"], twice, by_second)
    values["preferred_frequency_f2_hz"] = doubled.values["preferred_frequency_hz"]
    reasons["preferred_frequency_f2_hz"] = doubled.reasons["preferred_frequency_hz"]
    whole = whole_trials("freq_step", spikes, trials.start_s[rows], trials.stop_s[rows], params)
    return FeatureResult(values | tuned.values | whole.values, reasons | whole.reasons)


def _sines(trials: Trials, rows: Int64) -> list[ShownSegment]:
    segments = [one for one in segments_of(trials, rows) if one.segment.kind == "sine"]
    if not segments:
        movie = str(trials.movie[rows[0]])
        raise StimulusError(
            f"movie {movie!r}: no trial has an event {START_EVENTS['sine']}. Give the events of "
            f"its trials (frames from the trial's start) in {movie}.yaml of the stimulus library."
        )
    return segments


def _whole_cycles(one: ShownSegment, skip: int, trials: Trials, rows: Int64) -> tuple[int, int]:
    """First of the cycles that count, and how many they are."""
    whole = one.whole_cycles
    if whole == 0:
        movie = str(trials.movie[rows[0]])
        raise StimulusError(
            f"movie {movie!r}: a segment of {one.segment.first_hz:g} Hz lasts "
            f"{float(np.median(one.stop_s - one.start_s)):.3f} s, less than a cycle; correct its "
            f"events in {movie}.yaml of the stimulus library, or leave them out."
        )
    first = min(skip, whole - 1)
    return first, whole - first


def _of_segment(sums: CycleSums, first: Float64, second: Float64) -> tuple[Any, ...]:
    """Components, p of both harmonics by their dispersions, and spikes."""
    weights = runs(sums.weight), runs(sums.weight_square)
    p = (
        p_of_phase_locking(runs(harmonic), *weights, dispersion)
        for harmonic, dispersion in ((sums.first, first), (sums.second, second))
    )
    return *components(sums), *p, runs(sums.n_spikes)


def _p_of_any(*p: Float64) -> Float64:
    """p of any frequency in any harmonic, of p as ``(unit, segment)`` of each harmonic."""
    smallest = np.minimum.reduce(p)
    with np.errstate(divide="ignore"):
        either = -np.expm1(len(p) * np.log1p(-smallest))  # 1 - (1 - p)^2, also where p is tiny
    return np.asarray(np.minimum(1.0, either.min(axis=1) * smallest.shape[1]))


def _from_start(
    times: list[npt.NDArray[np.float64]], trials: Trials, rows: Int64
) -> npt.NDArray[np.float64]:
    """Usual time from a trial's start."""
    return np.array([np.median(one - trials.start_s[rows]) for one in times])


_TUNING = (
    "Frequency of the largest gain_hz, of those with a significant first harmonic",
    "Frequency below the preferred one at which gain_hz has fallen to 1/sqrt 2",
    "Frequency above the preferred one at which gain_hz has fallen to 1/sqrt 2",
    "log2(half_power_high_hz / half_power_low_hz)",
)
_OF_SEGMENT = ("unit", "segment")
_SILENT = ("no_response", _TWICE)

FREQ_STEP = Feature(
    name="freq_step",
    version=3,
    params=FreqStepParams,
    needs=frozenset({"spikes", "trials"}),
    stimulus_kind=KIND,
    outputs=(
        *(
            replace(one, reasons=(*one.reasons, _TWICE), description=said)
            for one, said in zip(TUNING_OUTPUTS, _TUNING, strict=True)
        ),
        Output(
            "preferred_frequency_f2_hz",
            "Hz",
            "Frequency of the light at which the significant second harmonic is largest",
            reasons=("too_few_frequencies", "no_response"),
        ),
        Output(
            "p_best",
            "1",
            "p of a response to any frequency, by either harmonic",
            is_p_value=True,
        ),
        Output(
            "dispersion",
            "1",
            "Variance of the first harmonic between cycles and trials, relative to Poisson spikes",
            reasons=("too_few_spikes",),
        ),
        Output(
            "dispersion_f2",
            "1",
            "The same of the second harmonic",
            reasons=("too_few_spikes",),
        ),
        Output("f0_hz", "Hz", "Mean rate over the cycles that count", _OF_SEGMENT),
        Output("f1_hz", "Hz", "Amplitude of the first harmonic", _OF_SEGMENT),
        Output("f2_hz", "Hz", "Amplitude of the second harmonic", _OF_SEGMENT),
        Output(
            "gain_hz",
            "Hz",
            "Amplitude of the first harmonic, by one course for all frequencies as far as it fits",
            _OF_SEGMENT,
        ),
        Output(
            "common_course_weight",
            "1",
            "How much of gain_hz is the common course's; 0: gain_hz is f1_hz",
        ),
        Output("p_f1", "1", "p of the first harmonic, Rayleigh test", _OF_SEGMENT, is_p_value=True),
        Output(
            "p_f2", "1", "p of the second harmonic, Rayleigh test", _OF_SEGMENT, is_p_value=True
        ),
        Output(
            "phase_deg",
            "deg",
            "Phase of the first harmonic minus the stimulus'; negative is late",
            _OF_SEGMENT,
            reasons=_SILENT,
        ),
        Output("f1_over_f0", "1", "f1_hz / f0_hz", _OF_SEGMENT, reasons=_SILENT),
        Output(
            "r2",
            "1",
            "Part of the PSTH's variance, over the cycles that count, that the harmonics explain",
            _OF_SEGMENT,
            reasons=("no_variation",),
        ),
        Output("n_spikes", "1", "Spikes in the cycles that count", _OF_SEGMENT, dtype=np.int64),
        Output("frequency_hz", "Hz", "Frequency, as the stimulus names it", ("segment",)),
        Output("n_cycles", "1", "Cycles that count, of each trial", ("segment",), dtype=np.int64),
        Output("segment_start_s", "s", "Start of the segment from the trial's", ("segment",)),
        Output("segment_stop_s", "s", "Its end, exclusive", ("segment",)),
        *TRIAL_OUTPUTS,
    ),
    compute=freq_step,
    description="Harmonics of responses to sines of fixed frequencies.",
    unit_by_unit=True,
)
