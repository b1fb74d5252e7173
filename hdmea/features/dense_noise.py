"""Receptive fields: where a unit sees, how large, and with which filter, from dense noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from hdmea.errors import MissingDataError, StimulusError
from hdmea.features.declaration import (
    Feature,
    FeatureResult,
    Output,
    Text,
    not_applicable,
    reasons_where,
)
from hdmea.features.inputs import FeatureInputs, Sta
from hdmea.features.played import chosen_movie
from hdmea.kernels.ellipse import Ellipses, mapped
from hdmea.kernels.gaussian_fit import fit_gaussians
from hdmea.kernels.receptive_field import Fields, Noise, fields, largest_scores, tested, unit_blocks
from hdmea.stimulus.geometry import Geometry

Float64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]
Conditions = Mapping[str, Flags]

KIND = "noise"
_BLOCK_BYTES = 1 << 25


class DenseNoiseParams(BaseModel):
    """Parameters of `dense_noise`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

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
        found = fields(noise, [of_one[seen] for of_one in counts], mean)
        blocks.append(_columns(largest, found, seen))
    columns = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
    columns |= {name: getattr(tests, name) for name in _OF_TESTS}
    columns["time_to_peak_ms"] = -1e3 * frame_s * columns.pop("filter_lag")
    return _result(columns, noise, sta, movie, tests.n_shifts, inputs.geometry, params)


def _noise(inputs: FeatureInputs, movie: str, sta: Sta) -> Noise:
    frames_of = inputs.movies[movie].frames
    if frames_of is None:
        raise StimulusError(
            f"dense_noise needs the frames of {movie}, but the stimulus library has no {movie}.npy"
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


def _columns(largest: Columns, found: Fields, seen: npt.NDArray[np.int64]) -> Columns:
    """Columns of a block of units; what is found of those with a field is NaN elsewhere."""
    n, columns = len(largest["z_peak"]), dict(largest)
    fit = fit_gaussians(found.spatial_map)
    # A fit to something of the other sign beside the field is none of the field.
    wrong = np.sign(fit.amplitude) == -found.polarity
    of_seen: Columns = {name: getattr(found, name) for name in _OF_FIELDS}
    of_seen |= {name: np.where(wrong, np.nan, getattr(fit, name)) for name in _OF_FITS}
    for name, values in of_seen.items():
        columns[name] = np.full((n, *values.shape[1:]), np.nan)
        columns[name][seen] = values
    columns["spatial_map"] = columns["spatial_map"].astype(np.float32)
    outcome = np.where(fit.reason == "", "converged", fit.reason)
    columns["fit_outcome"] = np.zeros(n, dtype="U32")
    columns["fit_outcome"][seen] = np.where(wrong, "opposite_sign", outcome)
    return columns


class _Outputs:
    """Outputs, each undefined where the first of some conditions holds, which is the reason."""

    def __init__(self) -> None:
        self.values: dict[str, npt.NDArray[Any]] = {}
        self.reasons: dict[str, Text] = {}

    def put(self, name: str, values: npt.NDArray[Any], undefined: Conditions) -> None:
        reasons = reasons_where(undefined)
        known = (reasons == "").reshape(-1, *[1] * (values.ndim - 1))
        nothing = "" if values.dtype.kind == "U" else values.dtype.type(np.nan)
        self.values[name] = np.where(known, values, nothing)
        self.reasons[name] = reasons


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
    out = _Outputs()
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
    for name in ("temporal_filter", "biphasic_index"):
        out.put(name, found[name], no_filter)
    at_border = lacking("peak_at_border", "time_to_peak_ms")
    out.put("time_to_peak_ms", found["time_to_peak_ms"], no_filter | at_border)
    out.put("fit_outcome", found["fit_outcome"], no_field)
    _put_ellipse(out, found, no_field | lacking("no_fit", "r2"), movie, geometry, params)

    counts = {
        "n_spikes": sta.n_spikes,
        "n_shifts": np.full(n_units, n_shifts),
        "hold_frames": np.full(n_units, noise.refreshes.hold_frames),
    }
    out.values |= {name: values.astype(np.int64) for name, values in counts.items()}
    out.values["movie"] = np.full(n_units, movie)
    out.values["lags"] = noise.lags.astype(np.int64)
    return FeatureResult(out.values, out.reasons)


def _put_ellipse(
    out: _Outputs,
    found: Columns,
    no_fit: Conditions,
    movie: str,
    geometry: Geometry | None,
    params: DenseNoiseParams,
) -> None:
    """Centre and size, in pixels and micrometres."""
    centre = np.stack([found["centre_x"], found["centre_y"]], axis=-1)
    retina, chip, to_retina = np.full_like(centre, np.nan), np.full_like(centre, np.nan), _UNKNOWN
    if geometry is not None:
        retina, chip = geometry.to_retina_um(movie, centre), geometry.to_chip_um(movie, centre)
        corners = geometry.to_retina_um(movie, [[0, 0], [1, 0], [0, 1]])
        to_retina = (corners[1:] - corners[0]).T
    ellipse = Ellipses(found["sigma_major"], found["sigma_minor"], found["angle_deg"])
    on_retina = mapped(ellipse, to_retina)
    k = params.extent_sigmas

    n_units = len(centre)
    unknown = {"pixel_size_unknown": np.full(n_units, np.isnan(to_retina).any())}
    no_chip = {"chip_position_unknown": np.isnan(chip).any(axis=1)}
    with np.errstate(invalid="ignore"):
        thin = {
            name: {"below_pixel_resolution": getattr(ellipse, name) < params.min_sigma_px}
            for name in ("sigma_major", "sigma_minor")
        }
    small = thin["sigma_minor"]
    out.put("r2", found["r2"], no_fit)
    out.values["extent_sigmas"] = np.full(n_units, k)
    for axis, name in enumerate("xy"):
        out.put(f"centre_{name}_px", centre[:, axis], no_fit)
        out.put(f"centre_{name}_um", retina[:, axis], {**no_fit, **unknown})
        out.put(f"centre_{name}_chip_um", chip[:, axis], {**no_fit, **no_chip})
    for name in ("sigma_major", "sigma_minor"):
        out.put(f"{name}_px", getattr(ellipse, name), {**no_fit, **thin[name]})
        out.put(f"{name}_um", getattr(on_retina, name), {**no_fit, **unknown, **small})
    out.put("angle_deg", ellipse.angle_deg, {**no_fit, **small})
    out.put("angle_retina_deg", on_retina.angle_deg, {**no_fit, **unknown, **small})
    product_px = ellipse.sigma_major * ellipse.sigma_minor
    product_um2 = on_retina.sigma_major * on_retina.sigma_minor
    out.put("diameter_px", 2 * k * np.sqrt(product_px), {**no_fit, **small})
    out.put("diameter_um", 2 * k * np.sqrt(product_um2), {**no_fit, **unknown, **small})
    out.put("area_um2", np.pi * k**2 * product_um2, {**no_fit, **unknown, **small})


_UNKNOWN = np.full((2, 2), np.nan)
_SILENT = ("too_few_spikes", "no_variation")
_NO_FIELD = (*_SILENT, "movie_too_short", "no_response")
_NO_FIT = (*_NO_FIELD, "no_fit")
_NO_UM = (*_NO_FIT, "pixel_size_unknown")
_BY_LAG = ("unit", "lag")
_NO_SIZE = "below_pixel_resolution"


def _numbers(reasons: tuple[str, ...], *rows: tuple[str, str, str]) -> tuple[Output, ...]:
    return tuple(Output(*row, reasons=reasons) for row in rows)


_OUTPUTS = (
    Output("movie", "", "The noise movie", dtype=np.str_),
    Output("n_spikes", "1", "Spikes that its STA averages", dtype=np.int64),
    Output("hold_frames", "frame", "Display frames that an image of it stays", dtype=np.int64),
    Output("n_shifts", "1", "Circular shifts that p_shift is from", dtype=np.int64),
    *_numbers(
        (*_SILENT, "movie_correlated"),
        ("z_peak", "1", "z score of largest size, with its sign"),
        ("p_bonferroni", "1", "p of z_peak, two-sided, Bonferroni over lags and pixels"),
    ),
    *_numbers(
        _SILENT,
        ("peak_lag_frames", "frame", "Lag of z_peak, relative to the spike"),
        ("peak_x_px", "px", "Column of z_peak"),
        ("peak_y_px", "px", "Row of z_peak, downwards"),
    ),
    Output(
        "p_shift",
        "1",
        "p of the largest score over lags and pixels, by circular shifts of the spikes",
        reasons=(*_SILENT, "movie_too_short"),
        is_p_value=True,
    ),
    *_numbers(
        (*_SILENT, "movie_correlated", "movie_too_short"),
        ("z_peak_control", "1", "As z_peak, of 15 lags after the spike, which no response has"),
    ),
    *_numbers(
        (*_SILENT, "movie_too_short"),
        ("p_shift_control", "1", "As p_shift, of the lags of z_peak_control"),
    ),
    Output(
        "polarity",
        "",
        "on or off, by the larger lobe of temporal_filter",
        dtype=np.str_,
        reasons=_NO_FIELD,
    ),
    *_numbers(
        _NO_FIELD,
        ("separability", "1", "Part of the centred STA's square that is a map times a course"),
    ),
    *_numbers(
        (*_NO_FIT, "peak_at_border"),
        ("time_to_peak_ms", "ms", "From light to spikes, at the peak of temporal_filter"),
    ),
    *_numbers(
        _NO_FIT,
        ("biphasic_index", "1", "Trough over peak of temporal_filter, 0 if none"),
        ("filter_r2", "1", "Part of the variance of spikes per frame predicted, cross-validated"),
        ("filter_penalty", "1", "Strength of the penalty, relative to the light's mean square"),
        ("r2", "1", "Part of the map's variance that the Gaussian fits"),
        ("centre_x_px", "px", "Column of the centre; whole in a pixel's middle"),
        ("centre_y_px", "px", "Row of the centre, downwards"),
    ),
    Output(
        "fit_outcome",
        "",
        "converged, or why the map has no Gaussian",
        dtype=np.str_,
        reasons=_NO_FIELD,
    ),
    *_numbers(
        (*_NO_FIT, _NO_SIZE),
        ("sigma_major_px", "px", "Standard deviation along the longer axis"),
        ("sigma_minor_px", "px", "Standard deviation along the shorter axis"),
        ("angle_deg", "deg", "Longer axis on the image, counter-clockwise, x right, y up"),
        ("diameter_px", "px", "2 extent_sigmas times the geometric mean of both sigmas"),
    ),
    *_numbers(
        _NO_UM,
        ("centre_x_um", "um", "Centre on the retina, to the right"),
        ("centre_y_um", "um", "Centre on the retina, upwards"),
    ),
    *_numbers(
        (*_NO_FIT, "chip_position_unknown"),
        ("centre_x_chip_um", "um", "Centre on the chip, as units/x_um"),
        ("centre_y_chip_um", "um", "Centre on the chip, as units/y_um"),
    ),
    *_numbers(
        (*_NO_UM, _NO_SIZE),
        ("sigma_major_um", "um", "Standard deviation along the longer axis, on the retina"),
        ("sigma_minor_um", "um", "Standard deviation along the shorter axis"),
        ("angle_retina_deg", "deg", "Longer axis on the retina, counter-clockwise"),
        ("diameter_um", "um", "2 extent_sigmas times the geometric mean of both sigmas"),
        ("area_um2", "um^2", "Area of the ellipse of extent_sigmas"),
    ),
    Output("extent_sigmas", "1", "Standard deviations from the centre to the border"),
    Output(
        "spatial_map",
        "movie value",
        "First spatial component of the centred STA; negative: darker before the spikes",
        dims=("unit", "y", "x"),
        dtype=np.float32,
        reasons=_NO_FIELD,
    ),
    Output("temporal_course", "1", "Its course, smeared by the hold", _BY_LAG, reasons=_NO_FIELD),
    Output("temporal_filter", "1", "Filter by regression, peak 1", _BY_LAG, reasons=_NO_FIT),
    Output("lags", "frame", "Display frames relative to the spike's", ("lag",), np.int64),
)

DENSE_NOISE = Feature(
    name="dense_noise",
    version=4,
    params=DenseNoiseParams,
    needs=frozenset({"spikes", "frame_clock", "sta", "movies"}),
    stimulus_kind=KIND,
    outputs=_OUTPUTS,
    compute=dense_noise,
    description="Receptive field and temporal filter from dense noise.",
)
