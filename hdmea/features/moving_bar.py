"""Direction and orientation selectivity, from a bar that moves in several directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hdmea.errors import MissingDataError
from hdmea.features.bar_outputs import OUTPUTS
from hdmea.features.bar_rest import at_rest
from hdmea.features.bar_shown import KIND, ShownBars, shown_bars
from hdmea.features.bar_tuning import BarResponses, BarTrials, Why
from hdmea.features.bar_windows import BarWindows, bar_windows
from hdmea.features.declaration import Feature, FeatureResult, not_applicable, reasons_where
from hdmea.features.inputs import FeatureInputs
from hdmea.features.whole_trials import TrialParams, whole_trials
from hdmea.kernels.tuning import DIRECTION, ORIENTATION
from hdmea.kernels.tuning_curve import TuningCurve
from hdmea.stimulus.geometry import Display, Geometry

Float64 = npt.NDArray[np.float64]

EDGES = ("on", "off")


class MovingBarParams(TrialParams):
    """Parameters of `moving_bar`."""

    after_s: float = Field(
        0.5, gt=0, description="Time after an edge that belongs to the response (s)."
    )
    psth_window_s: float = Field(
        1.0, gt=0, description="Window around the PSTH's peak, where no field is known (s)."
    )
    psth_sigma_s: float = Field(
        0.05,
        gt=0,
        le=10,
        description="Gaussian smoothing (standard deviation) of the PSTH whose peak is looked "
        "for (s).",
    )
    spontaneous_s: float = Field(
        1.0,
        gt=0,
        description="Time before the first direction of each trial that gives the spontaneous "
        "rate (s); less where the trial begins later.",
    )
    rest_after_s: float = Field(
        1.0,
        ge=0,
        description="Time after a response window from which on the unit is at rest, until the "
        "next direction begins (s).",
    )
    alpha: float = Field(0.01, gt=0, lt=1, description="Largest p of a significant response.")
    min_spikes: int = Field(
        5, ge=1, description="Fewest spikes, over all trials of a direction, of a response."
    )
    n_permutations: int = Field(10_000, ge=99, description="Permutations of the directions.")
    seed: int = Field(0, ge=0, description="Seed of the permutations.")


def moving_bar(inputs: FeatureInputs, params: MovingBarParams) -> FeatureResult:
    """Direction and orientation selectivity, over all trials of a moving bar.

    Spikes are counted in windows of equal length for all directions, which begin when the bar's
    leading edge passes the field's centre (`hdmea.features.bar_windows`). With ``v`` the mean
    count minus the spontaneous count in equal time, clipped at 0,
    ``dsi = |sum v e^(i theta)| / sum v`` and ``osi = |sum v e^(2 i theta)| / sum v`` [1]_.

    A unit *responds* if in one direction, at least, there are more spikes than at rest, by an
    exact test that takes into account how much counts vary between trials (``p < alpha``,
    Bonferroni over directions), and `min_spikes` of them. p of selectivity are by permutation of
    the directions among all presentations, of vector sums of counts in which a spike counts by
    how much it tells of a response (`hdmea.kernels.response_weights`).

    `dsi_fit` is the index of a tuning curve that is fitted to the spikes together with the rate at
    rest and the course of the response (`hdmea.kernels.tuning_curve`): it orders units by their
    selectivity better than `dsi`, which takes all spikes of a window for as telling.

    Raises
    ------
    ParameterError
        If several moving bars were played and none is chosen, or a bin of the PSTH is longer
        than a trial.
    UnknownNameError
        If moving bars were played, but not the one that is chosen.
    MissingDataError
        If there are no trials, no frame clock, or no receptive fields.
    StimulusError
        If a trial lacks a direction that another has, or the library says of only one of noise
        and bar where it lies on the display.

    References
    ----------
    .. [1] Mazurek M., Kager M., Van Hooser S.D. (2014) Front Neural Circuits 8, 92.
    """
    if inputs.trials is None:
        raise MissingDataError("moving_bar needs trials; add_section_time brings them.")
    if inputs.frame_times_s is None:
        raise MissingDataError("moving_bar needs the frame clock, which comes with the .cmcr file.")
    if "dense_noise" not in inputs.features:
        raise MissingDataError("moving_bar needs the feature dense_noise, for the fields' centres.")
    spikes = inputs.spikes
    shown = shown_bars(inputs.trials, "moving_bar", params.stimulus)
    if shown is None:
        return not_applicable(MOVING_BAR, spikes.n_units)
    windows = bar_windows(
        inputs,
        shown,
        after_s=params.after_s,
        psth_window_s=params.psth_window_s,
        psth_bin_s=params.psth_bin_s,
        psth_sigma_s=params.psth_sigma_s,
    )
    rest = at_rest(
        spikes,
        shown,
        windows.whole,
        spontaneous_s=params.spontaneous_s,
        rest_after_s=params.rest_after_s,
    )
    trials = BarTrials(spikes, shown, rest, n_permutations=params.n_permutations, seed=params.seed)
    whole, on, off = (
        trials.responses(some, alpha=params.alpha, min_spikes=params.min_spikes)
        for some in (windows.whole, windows.on, windows.off)
    )
    result = FeatureResult({})
    _add_indices(result, whole)
    _add_fit(result, whole, trials.curves(windows.whole, whole))
    _add_elsewhere(result, inputs, whole)
    for edge, found in zip(EDGES, (on, off), strict=True):
        _add_edge(result, edge, found)
    _add_windows(result, shown, windows)
    _add(result, "spontaneous_hz", rest.rate_hz(), {"no_spontaneous_time": rest.none})
    missing = windows.whole.missing
    result.values["n_spikes"] = whole.n_spikes
    _add(result, "mean_count", whole.mean_count, missing)
    _add(result, "rate_hz", whole.mean_count / windows.whole.length_s[:, None], missing)
    trial = whole_trials("moving_bar", spikes, shown.start_s, shown.stop_s, params)
    return FeatureResult(result.values | trial.values, result.reasons | trial.reasons)


def _add(result: FeatureResult, name: str, values: npt.NDArray[Any], why: Why) -> None:
    """An output that is undefined for the units that are named."""
    undefined = np.logical_or.reduce(list(why.values()))
    undefined = undefined.reshape(-1, *[1] * (values.ndim - 1))
    result.values[name] = np.where(undefined, np.nan, values)
    result.reasons[name] = reasons_where(why)


def _add_indices(result: FeatureResult, found: BarResponses) -> None:
    tuned, no_index, no_test = found.tuned, found.no_index, found.no_test
    _add(result, "dsi", tuned.dsi, no_index[DIRECTION])
    _add(result, "osi", tuned.osi, no_index[ORIENTATION])
    _add(result, "p_dsi", found.test.p_dsi, no_test[DIRECTION])
    _add(result, "p_osi", found.test.p_osi, no_test[ORIENTATION])
    _add(result, "dsi_null", found.test.dsi_null, no_test[DIRECTION])
    direction = _no_angle(no_index[DIRECTION], tuned.direction_deg)
    orientation = _no_angle(no_index[ORIENTATION], tuned.orientation_deg)
    _add(result, "preferred_direction_deg", tuned.direction_deg, direction)
    _add(result, "preferred_orientation_deg", tuned.orientation_deg, orientation)
    no_opposite = direction | {"no_opposite": np.isnan(tuned.pref_null)}
    _add(result, "dsi_pref_null", tuned.pref_null, no_opposite)
    _add(result, "dsi_raw", found.raw.dsi, no_index[DIRECTION])
    _add(result, "dsi_ref", tuned.over_max, no_index[DIRECTION])
    _add(result, "p_response", found.p_response, found.no_response_test)
    _add(result, "dispersion", found.dispersion, found.no_dispersion)


def _add_fit(result: FeatureResult, found: BarResponses, fitted: TuningCurve) -> None:
    no_index = found.no_index[DIRECTION]
    no_fit = {**no_index, "no_fit": np.isnan(fitted.dsi)}
    angle = fitted.direction_deg
    _add(result, "dsi_fit", fitted.dsi, no_fit)
    _add(result, "preferred_direction_fit_deg", angle, _no_angle(no_fit, angle))
    few = {"too_few_directions": np.isnan(fitted.p_shape)}
    _add(result, "p_fit", fitted.p_shape, no_fit | few)


def _no_angle(no_index: Why, angle_deg: Float64) -> dict[str, npt.NDArray[np.bool_]]:
    """Why an angle is undefined: as the index, or since the vector sum is zero."""
    return {**no_index, "no_preference": np.isnan(angle_deg)}


def _add_elsewhere(result: FeatureResult, inputs: FeatureInputs, found: BarResponses) -> None:
    """Angles on the retina and on the chip."""
    geometry = inputs.geometry or Geometry(Display(), ())
    described = geometry.display.source == "library"
    for what, harmonic, on_display in (
        ("direction", DIRECTION, found.tuned.direction_deg),
        ("orientation", ORIENTATION, found.tuned.orientation_deg),
    ):
        why = _no_angle(found.no_index[harmonic], on_display)
        angle = np.mod(geometry.angle_on_retina_deg(on_display), 360 / harmonic)
        unknown = {"display_unknown": np.full(on_display.shape, not described)}
        _add(result, f"preferred_{what}_retina_deg", angle, why | unknown)
        angle = np.mod(geometry.angle_on_chip_deg(on_display), 360 / harmonic)
        unknown = {"chip_position_unknown": np.isnan(angle)}
        _add(result, f"preferred_{what}_chip_deg", angle, why | unknown)


def _add_edge(result: FeatureResult, edge: str, found: BarResponses) -> None:
    no_index = found.no_index[DIRECTION]
    angle = found.tuned.direction_deg
    _add(result, f"dsi_{edge}", found.tuned.dsi, no_index)
    _add(result, f"p_dsi_{edge}", found.test.p_dsi, found.no_test[DIRECTION])
    _add(result, f"preferred_direction_{edge}_deg", angle, _no_angle(no_index, angle))
    _add(result, f"p_response_{edge}", found.p_response, found.no_response_test)


def _add_windows(result: FeatureResult, shown: ShownBars, windows: BarWindows) -> None:
    whole = windows.whole
    result.values["window_source"] = windows.source
    _add(result, "window_s", whole.length_s, whole.missing)
    _add(result, "edge_window_s", windows.on.length_s, windows.on.missing)
    n_directions = shown.directions_deg.size
    of_direction = shown.slot_direction[:, None] == np.arange(n_directions)
    after_onset = (whole.start_s - shown.onset_s).mean(axis=1)
    start = after_onset @ of_direction / of_direction.sum(axis=0)
    _add(result, "window_start_s", start, whole.missing)
    result.values["directions_deg"] = shown.directions_deg


MOVING_BAR = Feature(
    name="moving_bar",
    version=6,
    params=MovingBarParams,
    needs=frozenset({"spikes", "trials", "frame_clock", "movies", "features.dense_noise"}),
    stimulus_kind=KIND,
    outputs=OUTPUTS,
    compute=moving_bar,
    description="Selectivity for the direction and the orientation of a moving bar.",
    unit_by_unit=True,
)
