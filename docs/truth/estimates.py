"""Samples: recordings of a population, and what the features find in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hdmea.features.dense_noise import DenseNoiseParams, dense_noise
from hdmea.features.inputs import FeatureInputs
from hdmea.features.moving_bar import MovingBarParams, moving_bar
from hdmea.features.on_off import OnOffParams, on_off
from truth import operating_point as point
from truth.best_direction import best_dsi
from truth.claim import Sample
from truth.maximum_likelihood import most_likely
from truth.population import make_population, record
from truth.recordings import Show

_WANTED = {
    "on_off": ("class", "on_off_index", "p_on", "p_off"),
    "dense_noise": (
        "polarity", "p_shift", "z_peak", "centre_x_px", "centre_y_px", "sigma_major_px",
        "sigma_minor_px", "angle_deg", "r2", "time_to_peak_ms", "biphasic_index", "filter_r2",
        "likelihood_outcome", "surround_weight",
    ),
    "moving_bar": (
        "dsi", "dsi_fit", "p_dsi", "p_response", "preferred_direction_deg",
        "preferred_direction_fit_deg", "window_source", "mean_count", "window_s",
    ),
}  # fmt: skip


def recorded(name: str, n_cells: int, seed: int) -> Sample:
    """Cells at the operating point, in the recording ``long`` or ``short`` of it."""
    cells = make_population(n_cells, seed)
    show = Show.of(point.NOISE_S[name], point.TRIALS[name], seed)
    return Sample(cells, _found(cells, show, seed))


def _found(cells: dict[str, np.ndarray], show: Show, seed: int) -> dict[str, np.ndarray]:
    # Recordings of the same cells with other noise have other spikes.
    trains = record(cells, show, seed + 1000 * show.step.trials.repeat)
    inputs = show.inputs(trains)
    found = features(inputs)
    sta = inputs.stas[show.noise.name]
    counts = sta.presentations.counts(trains, inputs.frame_times_s, show.noise.length_frames)[0]
    seen = found["polarity"] != ""
    best = {"dsi_best": best_dsi(cells, show, trains)}
    return found | most_likely(cells, show, counts, seen) | best


def features(inputs: FeatureInputs) -> dict[str, np.ndarray]:
    """Columns of the three features that the claims are about, with their default parameters."""
    fields = dense_noise(inputs, DenseNoiseParams()).values
    with_fields = replace(inputs, features={"dense_noise": fields})
    values = {
        "on_off": on_off(inputs, OnOffParams()).values,
        "dense_noise": fields,
        "moving_bar": moving_bar(with_fields, MovingBarParams()).values,
    }
    return {name: values[feature][name] for feature, names in _WANTED.items() for name in names}
