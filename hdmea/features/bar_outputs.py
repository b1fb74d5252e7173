"""What `moving_bar` finds: its outputs, and why each may be undefined."""

from __future__ import annotations

import numpy as np

from hdmea.features.declaration import Output
from hdmea.features.whole_trials import TRIAL_OUTPUTS

_NO_WINDOW = ("outside_movie", "not_crossed", "window_too_long", "too_few_trials")
_NO_EDGE = ("no_field", *_NO_WINDOW, "field_size_unknown", "edges_overlap")
_NO_REST = ("no_spontaneous_time",)
_NO_TEST = (*_NO_REST, "directions_not_balanced", "too_few_spikes")
_NO_INDEX = (*_NO_REST, "directions_not_balanced", "no_response")
_NO_DISPLAY = "display_unknown"
_NO_ANGLE = (*_NO_INDEX, "no_preference")


def _edge_outputs(edge: str, light: str) -> tuple[Output, ...]:
    return (
        Output(
            f"dsi_{edge}",
            "1",
            f"dsi of the responses to the {light} edge alone",
            reasons=(*_NO_EDGE, *_NO_INDEX),
        ),
        Output(
            f"p_dsi_{edge}",
            "1",
            f"p_dsi of the {light} edge alone",
            reasons=(*_NO_EDGE, *_NO_TEST),
            is_p_value=True,
        ),
        Output(
            f"preferred_direction_{edge}_deg",
            "deg",
            f"Preferred direction of the responses to the {light} edge alone",
            reasons=(*_NO_EDGE, *_NO_ANGLE),
        ),
        Output(
            f"p_response_{edge}",
            "1",
            f"p_response of the {light} edge alone",
            reasons=(*_NO_EDGE, *_NO_REST),
            is_p_value=True,
        ),
    )


OUTPUTS = (
    Output(
        "dsi",
        "1",
        "Direction selectivity, |sum v e^(i theta)| / sum v, 0 to 1",
        reasons=(*_NO_WINDOW, *_NO_INDEX),
    ),
    Output(
        "osi",
        "1",
        "Orientation selectivity, |sum v e^(2 i theta)| / sum v, 0 to 1",
        reasons=(*_NO_WINDOW, *_NO_INDEX),
    ),
    Output(
        "p_dsi",
        "1",
        "p of direction selectivity by permutation of the directions",
        reasons=(*_NO_WINDOW, *_NO_TEST),
        is_p_value=True,
    ),
    Output(
        "p_osi",
        "1",
        "p of orientation selectivity by permutation of the directions",
        reasons=(*_NO_WINDOW, *_NO_TEST),
        is_p_value=True,
    ),
    Output(
        "dsi_null",
        "1",
        "Mean dsi of the permutations: what an untuned unit with these counts has",
        reasons=(*_NO_WINDOW, *_NO_TEST),
    ),
    Output(
        "preferred_direction_deg",
        "deg",
        "Angle of sum v e^(i theta), counter-clockwise on the image, 0 to the right",
        reasons=(*_NO_WINDOW, *_NO_ANGLE),
    ),
    Output(
        "preferred_orientation_deg",
        "deg",
        "Half the angle of sum v e^(2 i theta), 0 to 180: the direction of motion, not the "
        "bar's long side",
        reasons=(*_NO_WINDOW, *_NO_ANGLE),
    ),
    *(
        Output(
            f"preferred_{what}_{place}_deg",
            "deg",
            f"preferred_{what}_deg {where}",
            reasons=(*_NO_WINDOW, *_NO_ANGLE, unknown),
        )
        for place, where, unknown in (
            ("retina", "on the retina, after the display's flips and rotation", _NO_DISPLAY),
            ("chip", "on the chip, from x_um towards y_um", "chip_position_unknown"),
        )
        for what in ("direction", "orientation")
    ),
    Output(
        "dsi_pref_null",
        "1",
        "(R_pref - R_null) / (R_pref + R_null) of the shown direction nearest to the preferred "
        "one and its opposite",
        reasons=(*_NO_WINDOW, *_NO_ANGLE, "no_opposite"),
    ),
    Output(
        "dsi_raw",
        "1",
        "dsi of the counts without subtraction of spontaneous spikes",
        reasons=(*_NO_WINDOW, *_NO_INDEX),
    ),
    Output(
        "dsi_ref",
        "1",
        "|sum v e^(i theta)| / max v, the reference lab's; can exceed 1",
        reasons=(*_NO_WINDOW, *_NO_INDEX),
    ),
    Output(
        "dsi_fit",
        "1",
        "dsi of the fitted tuning curve; orders units by selectivity better than dsi",
        reasons=(*_NO_WINDOW, *_NO_INDEX, "no_fit"),
    ),
    Output(
        "preferred_direction_fit_deg",
        "deg",
        "Where the fitted tuning curve is largest, counter-clockwise on the image",
        reasons=(*_NO_WINDOW, *_NO_ANGLE, "no_fit"),
    ),
    Output(
        "p_fit",
        "1",
        "p of the fit: small where responses have another shape than one lobe",
        reasons=(*_NO_WINDOW, *_NO_INDEX, "no_fit", "too_few_directions"),
        is_p_value=True,
    ),
    Output(
        "p_response",
        "1",
        "One-sided exact p of more spikes than at rest, given the dispersion, Bonferroni over "
        "directions",
        reasons=(*_NO_WINDOW, *_NO_REST),
        is_p_value=True,
    ),
    Output(
        "dispersion",
        "1",
        "Variance of counts against those at rest between trials, relative to Poisson spikes",
        reasons=(*_NO_WINDOW, *_NO_REST, "too_few_spikes"),
    ),
    *_edge_outputs("on", "bright"),
    *_edge_outputs("off", "dark"),
    Output(
        "window_source",
        "",
        "What places the windows: field (edges in the movie), passage (cross-validated peaks of a "
        "bar that passes one place) or psth (those of each direction)",
        dtype=np.str_,
    ),
    Output("window_s", "s", "Length of the response window", reasons=_NO_WINDOW),
    Output("edge_window_s", "s", "Length of the window of one edge", reasons=_NO_EDGE),
    Output(
        "window_start_s",
        "s",
        "Start of the window from the start of the direction, mean over trials",
        dims=("unit", "direction"),
        reasons=_NO_WINDOW,
    ),
    Output(
        "spontaneous_hz",
        "Hz",
        "Rate at rest: before the first direction of the trials, and after each passage",
        reasons=_NO_REST,
    ),
    Output(
        "n_spikes",
        "1",
        "Spikes in the window, all trials; 0 where there is none",
        dims=("unit", "direction"),
        dtype=np.int64,
    ),
    Output(
        "mean_count",
        "1",
        "Spikes in the window, mean over trials",
        dims=("unit", "direction"),
        reasons=_NO_WINDOW,
    ),
    Output(
        "rate_hz",
        "Hz",
        "mean_count divided by window_s",
        dims=("unit", "direction"),
        reasons=_NO_WINDOW,
    ),
    Output("directions_deg", "deg", "Directions, counter-clockwise", ("direction",)),
    *TRIAL_OUTPUTS,
)
