"""Responses to a chirp: a sine whose frequency sweeps, then one whose contrast rises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hdmea.errors import MissingDataError, ParameterError, StimulusError
from hdmea.features.chirp_outputs import RAMP_OUTPUTS, SWEEP_OUTPUTS
from hdmea.features.declaration import Feature, FeatureResult, Output, not_applicable, reasons_where
from hdmea.features.inputs import FeatureInputs, Trials
from hdmea.features.played import trials_of
from hdmea.features.temporal import TUNING_OUTPUTS, TemporalParams, segments_of
from hdmea.features.whole_trials import TRIAL_OUTPUTS, whole_trials
from hdmea.kernels.half_power import Peak, before_smoothing, middle_of_top
from hdmea.kernels.harmonics import (
    CycleSums,
    combined_p,
    components,
    cycle_sums,
    dispersion_of,
    falls_to,
    p_of_phase_locking,
    runs,
)
from hdmea.kernels.spikes import SpikeTrains
from hdmea.kernels.sweep_gain import SPREAD_OCTAVES, SweepLight, sweep_gain
from hdmea.stimulus.segments import START_EVENTS, ShownSegment

Float64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]

KIND = "chirp"
_HIGHEST = 4
"""One in so many cycles of the ramp, those of the highest contrast, tell the response to it."""


class ChirpParams(TemporalParams):
    """Parameters of `chirp`."""

    sweep_window_cycles: int = Field(
        2, ge=1, description="Cycles of a window of the sweep, which has an F1 and its p."
    )
    sweep_smoothing_octaves: float = Field(
        1.0,
        ge=0.1,
        le=10,
        description="Smoothness of sweep_gain_hz: gains so far apart correlate by exp(-1/2).",
    )
    sweep_longest_delay_s: float = Field(
        0.3, ge=0, le=2, description="Longest delay of a response to the sweep (s)."
    )
    ramp_window_cycles: int = Field(
        2, ge=1, description="Cycles of the ramp that are taken together for half_contrast."
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Cycles:
    """Whole cycles of a sweep or a ramp, and what spikes say of them."""

    shown: ShownSegment
    sums: CycleSums

    def part_at(self, cycles: npt.NDArray[Any]) -> Float64:
        """Part of its time that is over after so many cycles."""
        return self.shown.segment.part_at(cycles / self.shown.n_cycles)

    def light(self) -> SweepLight:
        """What it shows over its usual time."""
        segment, n_cycles = self.shown.segment, self.shown.n_cycles
        length_s = float(np.median(self.shown.stop_s - self.shown.start_s))
        per_part = n_cycles / segment.mean_hz / length_s

        def hz(part: Float64) -> Float64:
            return np.asarray(segment.frequency_hz(part) * per_part)

        return SweepLight.of(lambda part: n_cycles * segment.cycles(part), hz, length_s)

    def time_at(self, cycles: npt.NDArray[Any], trial_start_s: Float64) -> Float64:
        """The same as the usual time from a trial's start, seconds."""
        start, stop = (
            float(np.median(one - trial_start_s)) for one in (self.shown.start_s, self.shown.stop_s)
        )
        return start + self.part_at(cycles) * (stop - start)


def chirp(inputs: FeatureInputs, params: ChirpParams) -> FeatureResult:
    """First harmonic against frequency in the sweep, and against contrast in the ramp.

    Spikes are demodulated with the stimulus' own phase; means are over cycles, not over time, so
    that an even rate has no harmonic in a sweep either. The sweep in windows of a few cycles, the
    ramp cycle by cycle. p is that of the Rayleigh test, as in `freq_step`. The gain over the sweep,
    from which tuning is read, is a smooth curve that is fitted to all its spikes together.

    Raises
    ------
    ParameterError
        If several chirps were played and none is chosen, the sweep has fewer cycles than its
        window, or a bin of the PSTH is longer than a trial.
    UnknownNameError
        If chirps were played, but not the one that is chosen.
    MissingDataError
        If there are no trials.
    StimulusError
        If the trials' events do not make segments, there is neither sweep nor ramp, there are
        several, or one without a whole cycle.
    """
    if inputs.trials is None:
        raise MissingDataError("chirp needs trials; add_section_time brings them.")
    trials, spikes = inputs.trials, inputs.spikes
    rows = trials_of(trials, "chirp", KIND, params.stimulus)
    if rows.size == 0:
        return not_applicable(CHIRP, spikes.n_units)
    starts, stops = trials.start_s[rows], trials.stop_s[rows]
    sweep, ramp = _sweep_and_ramp(spikes, trials, rows)
    dispersion = dispersion_of([one.sums for one in (sweep, ramp) if one], pooled=False)
    values: dict[str, npt.NDArray[Any]] = {"dispersion": dispersion}
    reasons = {
        "dispersion": reasons_where(
            {
                "too_few_trials": np.full(spikes.n_units, rows.size < 2),
                "too_few_spikes": np.isnan(dispersion),
            }
        )
    }
    for found in (
        _gain(spikes, sweep, starts, dispersion, params)
        if sweep
        else _without(SWEEP_OUTPUTS, "no_sweep", spikes.n_units),
        _contrast(ramp, starts, dispersion, params)
        if ramp
        else _without(RAMP_OUTPUTS, "no_ramp", spikes.n_units),
        whole_trials("chirp", spikes, starts, stops, params),
    ):
        values |= found.values
        reasons |= found.reasons
    return FeatureResult(values, reasons)


def _sweep_and_ramp(
    spikes: SpikeTrains, trials: Trials, rows: Int64
) -> tuple[_Cycles | None, _Cycles | None]:
    """What the chirp has of the two, at least one."""
    segments = segments_of(trials, rows)
    wrong = ""
    found: dict[str, _Cycles] = {}
    for kind in ("sweep", "ramp"):
        mine = [one for one in segments if one.segment.kind == kind]
        if len(mine) > 1:
            wrong = f"a trial has {len(mine)} {kind}s, and chirp can tell of one"
        for one in mine:
            if one.whole_cycles == 0:
                wrong = f"its {kind} lasts less than a cycle"
                continue
            clock, n = one.clock(), one.whole_cycles
            found[kind] = _Cycles(one, cycle_sums(spikes, one.start_s, one.stop_s, clock, 0, n))
    if not found and not wrong:
        wrong = f"no trial has an event {START_EVENTS['sweep']} or {START_EVENTS['ramp']}"
    if wrong:
        movie = str(trials.movie[rows[0]])
        raise StimulusError(
            f"movie {movie!r}: {wrong}. Correct the events of its trials (frames from the trial's "
            f"start) in {movie}.yaml of the stimulus library."
        )
    return found.get("sweep"), found.get("ramp")


def _gain(
    spikes: SpikeTrains,
    sweep: _Cycles,
    trial_start_s: Float64,
    dispersion: Float64,
    params: ChirpParams,
) -> FeatureResult:
    """The first harmonic in every window of the sweep, and the tuning of its smooth curve."""
    sums, over = sweep.sums, params.sweep_window_cycles
    n_cycles = sums.n_spikes.shape[1]
    if n_cycles < over:
        raise ParameterError(
            f"chirp: the sweep has {n_cycles} whole cycles, less than sweep_window_cycles {over}; "
            "choose fewer."
        )
    mean, first, _ = components(sums, over)
    p = p_of_phase_locking(
        runs(sums.first, over),
        runs(sums.weight, over),
        runs(sums.weight_square, over),
        dispersion[:, None],
    )
    significant = (p < params.alpha) & (runs(sums.n_spikes, over) >= params.min_spikes)
    p_sweep = combined_p(p[:, ::over])
    middle = np.arange(n_cycles - over + 1) + over / 2
    segment = sweep.shown.segment
    frequency = segment.frequency_hz(sweep.part_at(middle))
    curve = sweep_gain(
        spikes,
        sweep.shown.start_s,
        sweep.shown.stop_s,
        sweep.light(),
        frequency,
        dispersion,
        octaves=params.sweep_smoothing_octaves,
        longest_delay_s=params.sweep_longest_delay_s,
    )
    gain, responds = np.abs(curve.first), p_sweep < params.alpha
    tuned = _tuning(frequency, gain, curve.spread, responds)
    values = {
        "p_sweep": p_sweep,
        "n_spikes_sweep": runs(sums.n_spikes),
        "sweep_f0_hz": mean,
        "sweep_f1_hz": np.abs(first),
        "sweep_gain_hz": gain,
        "sweep_delay_ms": np.where(responds, 1e3 * curve.delay_s, np.nan),
        "sweep_phase_deg": np.where(significant, np.degrees(np.angle(first)), np.nan),
        "p_sweep_f1": p,
        "sweep_frequency_hz": frequency,
        "sweep_time_s": sweep.time_at(middle, trial_start_s),
    }
    reasons = {
        "sweep_delay_ms": reasons_where({"no_response": ~responds}),
        "sweep_phase_deg": reasons_where({"no_response": np.asarray((~significant).any(axis=1))}),
    }
    return FeatureResult(values | tuned.values, reasons | tuned.reasons)


def _tuning(
    frequency_hz: Float64, gain_hz: Float64, spread: Float64, responds: Flags
) -> FeatureResult:
    """What `TUNING_OUTPUTS` declares, of smooth curves.

    The edges are where those of the response are, not where a smooth curve has them.
    """
    order = np.argsort(frequency_hz)
    octave, few = np.log2(frequency_hz[order]), frequency_hz.size < 2
    tuned = responds & (not few)
    found = np.full((3, responds.size), np.nan)
    unresolved = np.zeros((2, responds.size), dtype=bool)
    for unit in np.flatnonzero(tuned):
        gain = gain_hz[unit, order]
        peak = Peak.of(octave, gain)
        known = [Peak.of(octave, one[order]) for one in spread[unit]]
        below, above = (
            before_smoothing(width, SPREAD_OCTAVES, np.array(seen))
            for width, seen in (
                (peak.below, [one.below for one in known]),
                (peak.above, [one.above for one in known]),
            )
        )
        found[:, unit] = middle_of_top(octave, gain), peak.largest - below, peak.largest + above
        unresolved[:, unit] = np.isnan([below, above]) & np.isfinite([peak.below, peak.above])
    values = dict(
        zip((one.name for one in TUNING_OUTPUTS), (*2.0**found, found[2] - found[1]), strict=True)
    )
    not_reached = np.isnan(found[1:]) & ~unresolved
    conditions = {"too_few_frequencies": np.full(responds.size, few), "no_response": ~tuned}
    whys = np.zeros_like(unresolved[0]), not_reached[0], not_reached[1], not_reached.any(axis=0)
    return FeatureResult(
        values,
        {
            name: reasons_where(
                {**conditions, "not_reached": far, "below_resolution": np.isnan(value)}
            )
            for (name, value), far in zip(values.items(), whys, strict=True)
        },
    )


def _contrast(
    ramp: _Cycles, trial_start_s: Float64, dispersion: Float64, params: ChirpParams
) -> FeatureResult:
    """The first harmonic in every cycle of the ramp, and the contrast of half the largest."""
    sums, segment = ramp.sums, ramp.shown.segment
    middle = np.arange(sums.n_spikes.shape[1]) + 0.5
    contrast = segment.contrast(ramp.part_at(middle))
    mean, first, _ = components(sums, 1)
    p = p_of_phase_locking(
        runs(sums.first), runs(sums.weight), runs(sums.weight_square), dispersion
    )
    n_spikes = runs(sums.n_spikes)
    silent = ~((p < params.alpha) & (n_spikes >= params.min_spikes))
    half = _half_contrast(first, contrast, params.ramp_window_cycles)
    half[silent] = np.nan
    values = {
        "p_ramp": p,
        "half_contrast": half,
        "n_spikes_ramp": n_spikes,
        "ramp_f0_hz": mean,
        "ramp_f1_hz": np.abs(first),
        "ramp_contrast": contrast,
        "ramp_time_s": ramp.time_at(middle, trial_start_s),
    }
    why = reasons_where({"no_response": silent, "not_reached": np.isnan(half)})
    return FeatureResult(values, {"half_contrast": why})


def _half_contrast(
    first: npt.NDArray[np.complex128], contrast: Float64, over: int
) -> npt.NDArray[np.float64]:
    """Contrast at which the response is half of that to the highest contrasts."""
    order = np.argsort(contrast)
    first, contrast = first[:, order], contrast[order]
    n_highest = max(1, contrast.size // _HIGHEST)
    over = min(over, contrast.size)
    # Means of the harmonic, not of its size, which noise makes larger.
    level = np.abs(first[:, -n_highest:].mean(axis=1)) / 2
    curve, at = np.abs(runs(first, over)) / over, runs(contrast, over) / over
    return np.array(
        [
            falls_to(level[unit], at, curve[unit], at.size - 1, upwards=False)
            for unit in range(len(first))
        ]
    )


def _without(outputs: tuple[Output, ...], reason: str, n_units: int) -> FeatureResult:
    """The outputs of a segment that the chirp does not have."""
    nothing = not_applicable(CHIRP, n_units)
    names = [output.name for output in outputs]
    return FeatureResult(
        {name: nothing.values[name] for name in names},
        {name: np.full(n_units, reason) for name in names if name in nothing.reasons},
    )


CHIRP = Feature(
    name="chirp",
    version=3,
    params=ChirpParams,
    needs=frozenset({"spikes", "trials"}),
    stimulus_kind=KIND,
    outputs=(
        *SWEEP_OUTPUTS,
        *RAMP_OUTPUTS,
        Output(
            "dispersion",
            "1",
            "Variance of the first harmonic between trials, relative to Poisson spikes",
            reasons=("too_few_trials", "too_few_spikes"),
        ),
        *TRIAL_OUTPUTS,
    ),
    compute=chirp,
    description="Gain against frequency and against contrast, of a chirp.",
    unit_by_unit=True,
)
