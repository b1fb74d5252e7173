"""The outputs of `dense_noise`: what they are, and why they may be undefined."""

from __future__ import annotations

import numpy as np

from hdmea.features.declaration import Output

_SILENT = ("too_few_spikes", "no_variation")
_NO_FIELD = (*_SILENT, "movie_too_short", "no_response")
_NO_FIT = (*_NO_FIELD, "no_fit")
_NO_UM = (*_NO_FIT, "pixel_size_unknown")
_BY_LAG = ("unit", "lag")
_NO_SIZE = "below_pixel_resolution"


def _numbers(reasons: tuple[str, ...], *rows: tuple[str, str, str]) -> tuple[Output, ...]:
    return tuple(Output(*row, reasons=reasons) for row in rows)


FIELD_OUTPUTS = (
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
        (*_NO_FIT, "window_cuts_filter"),
        ("biphasic_index", "1", "Trough over peak of temporal_filter, 0 if none"),
    ),
    *_numbers(
        _NO_FIT,
        ("filter_r2", "1", "Part of the variance of spikes per frame predicted, cross-validated"),
        ("filter_penalty", "1", "Strength of the penalty, relative to the light's mean square"),
        ("r2", "1", "Part of the map's variance that the field explains"),
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
    Output(
        "likelihood_outcome",
        "",
        "converged: centre and size are from the spikes; or why they are from the map",
        dtype=np.str_,
        reasons=_NO_FIT,
    ),
    *_numbers(
        (*_NO_FIT, "no_likelihood_fit", "surround_not_resolved"),
        ("surround_weight", "1", "Volume of the surround over that of the centre"),
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
