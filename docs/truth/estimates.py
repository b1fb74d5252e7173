"""Samples: recordings of a population, and what the features find in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hdmea.features.dense_noise import DenseNoiseParams, dense_noise
from hdmea.features.inputs import FeatureInputs
from hdmea.features.moving_bar import MovingBarParams, moving_bar
from hdmea.features.on_off import OnOffParams, on_off
from truth import operating_point as point
from truth.claim import Sample
from truth.maximum_likelihood import most_likely
from truth.population import make_population, record
from truth.recordings import Show
from truth.retina import draw_cells

_WANTED = {
    "on_off": ("class", "on_off_index", "p_on", "p_off"),
    "dense_noise": (
        "polarity", "p_shift", "z_peak", "centre_x_px", "centre_y_px", "sigma_major_px",
        "sigma_minor_px", "angle_deg", "r2", "time_to_peak_ms", "biphasic_index", "filter_r2",
        "likelihood_outcome", "surround_weight",
    ),
    "moving_bar": (
        "dsi", "p_dsi", "p_response", "preferred_direction_deg", "window_source", "mean_count",
    ),
}  # fmt: skip


def recorded(name: str, n_cells: int, seed: int) -> Sample:
    """Cells at the operating point, in the recording ``long`` or ``short`` of it."""
    cells = make_population(n_cells, seed)
    show = Show.of(point.NOISE_S[name], point.TRIALS[name], seed)
    return Sample(cells, _found(cells, show, seed))


def chance(n_null: int, n_sparse: int, seed: int) -> Sample:
    """Cells without selectivity, and sparse ones, for the claim about chance; 3 trials."""
    rng = np.random.default_rng([seed, 21])
    n = n_null + n_sparse
    kinds = rng.choice([k for k in point.MIXTURE if k != "selective"], n)
    cells = draw_cells(rng, kinds)
    for axis in ("major", "minor"):  # a long field would prefer an orientation
        cells[f"sigma_{axis}_px"] = cells["sigma_px"]
    sparse = np.arange(n) >= n_null
    thinner = rng.uniform(0.01, 0.1, n)
    for name in ("rest_hz", "gain_hz"):
        cells[name] = np.where(sparse, cells[name] * thinner, cells[name])
    show = Show.of(4, point.TRIALS["short"], seed)
    inputs = show.inputs(record(cells, show, seed + 5000))
    has_field = rng.random(n) < 0.5
    fields = {
        name: np.where(has_field, cells[name], np.nan)
        for name in (
            "centre_x_px", "centre_y_px", "sigma_major_px", "sigma_minor_px", "angle_deg",
        )
    } | {"movie": np.full(n, show.noise.name)}  # fmt: skip
    bars = moving_bar(replace(inputs, features={"dense_noise": fields}), MovingBarParams()).values
    found = {name: bars[name] for name in ("p_dsi", "dsi", "window_source")}
    return Sample(cells, found | {"spikes_per_bar": bars["mean_count"].mean(axis=1)})


def _found(cells: dict[str, np.ndarray], show: Show, seed: int) -> dict[str, np.ndarray]:
    # Recordings of the same cells with other noise have other spikes.
    trains = record(cells, show, seed + 1000 * show.step.trials.repeat)
    inputs = show.inputs(trains)
    found = features(inputs)
    sta = inputs.stas[show.noise.name]
    counts = sta.presentations.counts(trains, inputs.frame_times_s, show.noise.length_frames)[0]
    seen = found["polarity"] != ""
    return found | most_likely(cells, show, counts, seen)


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
