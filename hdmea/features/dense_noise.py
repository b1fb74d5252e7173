"""Receptive fields: where a unit sees, how large, and with which filter, from dense noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hdmea.errors import MissingDataError, StimulusError
from hdmea.features.declaration import Feature, FeatureResult, not_applicable
from hdmea.features.field_ellipse import Columns, Flags, Outputs, put_ellipse
from hdmea.features.field_outputs import FIELD_OUTPUTS
from hdmea.features.inputs import FeatureInputs, Sta
from hdmea.features.played import chosen_movie
from hdmea.kernels.gaussian_fit import fit_gaussians
from hdmea.kernels.likely_field import likely_fields
from hdmea.kernels.receptive_field import Fields, Noise, fields, largest_scores, tested, unit_blocks
from hdmea.kernels.temporal_filter import cut_by_window
from hdmea.stimulus.geometry import Geometry

KIND = "noise"
MOST_SURROUND_SE = 0.25
"""A surround's weight with a larger standard error is mostly that of the prior."""
_BLOCK_BYTES = 1 << 25


class DenseNoiseParams(BaseModel):
    """Parameters of `dense_noise`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    stimulus: str | None = Field(
        None, description="Movie to use, if several have an STA; default: the only one."
    )
    alpha: float = Field(
        0.01, gt=0, lt=1, description="A unit has a field if p_shift is smaller (1)."
    )
    min_shift_s: float = Field(
        1.0, ge=0, description="Spikes are shifted by the STA's window and this, at least (s)."
    )
    extent_sigmas: float = Field(
        2.0, gt=0, description="Standard deviations from the centre to the field's border (1)."
    )
    min_sigma_px: float = Field(
        0.4, ge=0, description="Smallest standard deviation that the movie resolves (px)."
    )


def dense_noise(inputs: FeatureInputs, params: DenseNoiseParams) -> FeatureResult:
    """Significance, polarity, spatial field and temporal filter of all units.

    Raises
    ------
    MissingDataError
        If there is no frame clock.
    StimulusError
        If the movie has no frames, or others than its STA.
    ParameterError, UnknownNameError
        If several movies have an STA and none is chosen, or one that has none.
    """
    n_units = inputs.spikes.n_units
    movie = chosen_movie("dense_noise", KIND, list(inputs.stas), params.stimulus)
    if movie is None:
        return not_applicable(DENSE_NOISE, n_units)
    sta = inputs.stas[movie]
    if (frame_times_s := inputs.frame_times_s) is None:
        raise MissingDataError("dense_noise needs the frame clock, which comes with the .cmcr.")
    noise = _noise(inputs, movie, sta)
    frame_s = float(np.median(np.diff(frame_times_s)))
    # Beyond a window, so that spikes that were shifted do not meet what they answered to.
    far = noise.lags.size + params.min_shift_s / frame_s
    tests = tested(noise, inputs.spikes, frame_times_s, far)
    blocks = []
    for rows in unit_blocks(n_units, 4 * noise.mean.size, _BLOCK_BYTES):
        counts = noise.counts(inputs.spikes, rows, frame_times_s)
        largest = largest_scores(noise, counts, None if sta.z is None else sta.z[rows])
        seen = np.flatnonzero(tests.p_shift[rows] < params.alpha)
        mean = np.asarray(sta.mean[rows])[seen]
        of_seen = [of_one[seen] for of_one in counts]
        found = fields(noise, of_seen, mean)
        blocks.append(_columns(noise, largest, of_seen, found, seen))
    columns = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
    columns |= {name: getattr(tests, name) for name in _OF_TESTS}
    columns["time_to_peak_ms"] = -1e3 * frame_s * columns.pop("filter_lag")
    return _result(columns, noise, sta, movie, tests.n_shifts, inputs.geometry, params)


def _noise(inputs: FeatureInputs, movie: str, sta: Sta) -> Noise:
    frames_of = inputs.movies[movie].frames
    if frames_of is None:
        raise StimulusError(
            f"dense_noise needs the frames of {movie}, but the stimulus library has no "
            f"{movie}.npy; put it there, or leave dense_noise out"
        )
    frames = frames_of()
    if frames.shape[1:] != sta.mean.shape[2:]:
        raise StimulusError(
            f"{movie} has frames of {frames.shape[1:]} pixels (height, width), its STA is of "
            f"{sta.mean.shape[2:]}; run compute_sta again"
        )
    return Noise(frames, sta.presentations, sta.lags)


_OF_TESTS = ("p_shift", "z_peak_control", "p_shift_control")
_OF_FIELDS = (
    "polarity", "separability", "spatial_map", "temporal_course", "temporal_filter",
    "filter_lag", "biphasic_index", "filter_r2", "filter_penalty",
)  # fmt: skip
_OF_FITS = ("centre_x", "centre_y", "sigma_major", "sigma_minor", "angle_deg", "r2")


def _columns(
    noise: Noise,
    largest: Columns,
    counts: Sequence[npt.NDArray[np.int64]],
    found: Fields,
    seen: npt.NDArray[np.int64],
) -> Columns:
    """Columns of a block of units; what is found of those with a field is NaN elsewhere."""
    n, columns = len(largest["z_peak"]), dict(largest)
    fit = fit_gaussians(found.spatial_map)
    # A fit to something of the other sign beside the field is none of the field.
    wrong = np.sign(fit.amplitude) == -found.polarity
    fit = replace(fit, reason=np.where(wrong, "opposite_sign", fit.reason))
    likely = likely_fields(noise, noise.total(counts), found, fit)
    from_spikes = likely.outcome == "converged"
    of_seen: Columns = {name: getattr(found, name) for name in _OF_FIELDS}
    for name in _OF_FITS:
        of_map = np.where(fit.reason == "", getattr(fit, name), np.nan)
        of_seen[name] = np.where(from_spikes, getattr(likely, name), of_map)
    of_seen["surround_weight"], of_seen["surround_se"] = likely.surround_weight, likely.surround_se
    for name, values in of_seen.items():
        columns[name] = np.full((n, *values.shape[1:]), np.nan)
        columns[name][seen] = values
    columns["spatial_map"] = columns["spatial_map"].astype(np.float32)
    outcome = np.where(fit.reason == "", "converged", fit.reason)
    for name, words in (("fit_outcome", outcome), ("likelihood_outcome", likely.outcome)):
        columns[name] = np.zeros(n, dtype="U32")
        columns[name][seen] = words
    return columns


def _result(
    found: Columns,
    noise: Noise,
    sta: Sta,
    movie: str,
    n_shifts: int,
    geometry: Geometry | None,
    params: DenseNoiseParams,
) -> FeatureResult:
    """All outputs, with the reason for every one that is undefined."""
    n_units = len(sta.n_spikes)

    def all_units(flag: bool) -> Flags:
        return np.full(n_units, flag)

    def lacking(reason: str, name: str) -> dict[str, Flags]:
        return {reason: np.isnan(found[name])}

    def flat(name: str, possible: bool) -> dict[str, Flags]:
        # A movie that never changes has no shifts either, however long it is.
        still = noise.starts.size == 1
        return {"no_variation": np.isnan(found[name]) & (possible | still)}

    silent = {"too_few_spikes": sta.n_spikes == 0}
    correlated = {"movie_correlated": all_units(noise.correlated)}
    short = {"movie_too_short": all_units(n_shifts == 0)}
    no_field = {
        **silent,
        **flat("p_shift", n_shifts > 0),
        "movie_too_short": all_units(1 / (n_shifts + 1) >= params.alpha),
        "no_response": ~(found["p_shift"] < params.alpha),
    }
    out = Outputs()
    for name in ("z_peak", "p_bonferroni"):
        out.put(name, found[name], silent | correlated | lacking("no_variation", "z_peak"))
    for name in ("p_shift", "p_shift_control"):
        out.put(name, found[name], silent | flat(name, n_shifts > 0) | short)
    no_control = {"movie_too_short": all_units(not noise.has_control)}
    out.put(
        "z_peak_control",
        found["z_peak_control"],
        silent | correlated | flat("z_peak_control", noise.has_control) | no_control,
    )
    at = np.nan_to_num(found["peak_lag"]).astype(np.int64)
    for name, values in (
        ("peak_lag_frames", noise.lags[at].astype(np.float64)),
        ("peak_x_px", found["peak_x"]),
        ("peak_y_px", found["peak_y"]),
    ):
        out.put(name, values, silent | lacking("no_variation", "z_peak"))

    words = np.where(found["polarity"] > 0, "on", "off")
    out.put("polarity", words, no_field)
    for name in ("separability", "spatial_map", "temporal_course"):
        out.put(name, found[name], no_field)
    for name in ("filter_r2", "filter_penalty"):
        out.put(name, found[name], no_field | lacking("no_fit", name))
    no_filter = no_field | lacking("no_fit", "biphasic_index")
    out.put("temporal_filter", found["temporal_filter"], no_filter)
    cut = {"window_cuts_filter": cut_by_window(found["temporal_filter"])}
    out.put("biphasic_index", found["biphasic_index"], no_filter | cut)
    at_border = lacking("peak_at_border", "time_to_peak_ms")
    out.put("time_to_peak_ms", found["time_to_peak_ms"], no_filter | at_border)
    out.put("fit_outcome", found["fit_outcome"], no_field)
    no_fit = no_field | lacking("no_fit", "r2")
    out.put("r2", found["r2"], no_fit)
    out.put("likelihood_outcome", found["likelihood_outcome"], no_fit)
    no_surround = {
        "no_likelihood_fit": np.isnan(found["surround_weight"]),
        "surround_not_resolved": found["surround_se"] > MOST_SURROUND_SE,
    }
    out.put("surround_weight", found["surround_weight"], no_fit | no_surround)
    put_ellipse(out, found, no_fit, movie, geometry, params.extent_sigmas, params.min_sigma_px)

    counts = {
        "n_spikes": sta.n_spikes,
        "n_shifts": np.full(n_units, n_shifts),
        "hold_frames": np.full(n_units, noise.refreshes.hold_frames),
    }
    out.values |= {name: values.astype(np.int64) for name, values in counts.items()}
    out.values["movie"] = np.full(n_units, movie)
    out.values["lags"] = noise.lags.astype(np.int64)
    return FeatureResult(out.values, out.reasons)


DENSE_NOISE = Feature(
    name="dense_noise",
    version=6,
    params=DenseNoiseParams,
    needs=frozenset({"spikes", "frame_clock", "sta", "movies"}),
    stimulus_kind=KIND,
    outputs=FIELD_OUTPUTS,
    compute=dense_noise,
    description="Receptive field and temporal filter from dense noise.",
    unit_by_unit=True,
)
