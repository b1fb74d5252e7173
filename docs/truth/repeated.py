"""The same cells in recordings with few and with many trials: sines, and the quality index."""

from __future__ import annotations

import numpy as np

from hdmea.features.chirp import ChirpParams, chirp
from hdmea.features.freq_step import FreqStepParams, freq_step
from hdmea.features.green_blue import GreenBlueParams, green_blue
from hdmea.features.inputs import FeatureInputs
from hdmea.features.on_off import OnOffParams, on_off
from hdmea.features.whole_trials import TrialParams, whole_trials
from hdmea.simulate.movies import GeneratedMovie
from truth.claim import Sample
from truth.frequency import FIXED_HZ, SWEEP_HZ, expected_spikes, true_first_hz
from truth.population import make_population, record
from truth.recordings import Repeated

N_TRIALS = (3, 5, 10)
QUALITY_OF = ("on_off", "green_blue", "chirp", "freq_step", "moving_bar")
"""Features with `qi_corrected`."""


def repeated(n_cells: int, seed: int, *, n_trials: tuple[int, ...] = N_TRIALS) -> Sample:
    """Cells at the operating point, recorded anew with each number of trials.

    Beside the cells of `make_population` their true first harmonic at `SWEEP_HZ` and `FIXED_HZ`;
    columns of what was found end with the number of trials.
    """
    cells = make_population(n_cells, seed)
    truth = {
        "true_sweep_hz": true_first_hz(cells, SWEEP_HZ),
        "true_fixed_hz": true_first_hz(cells, FIXED_HZ),
    }
    found: dict[str, np.ndarray] = {}
    for n in n_trials:
        show = Repeated.of(n)
        inputs = show.inputs(record(cells, show, seed + 20_000 + n))
        mine = _features(inputs)
        # What a fit that knows the course of the rate at each frequency, but for its size, finds.
        expected = n * expected_spikes(cells, _movie(show, "freq_step"), mine.pop("fixed_spans"))
        size = mine.pop("fixed_n_spikes") / expected
        mine["fixed_told_hz"] = size * np.abs(truth["true_fixed_hz"])
        found |= {f"{name}_{n}": values for name, values in mine.items()}
    return Sample(cells | truth, found)


def _movie(show: Repeated, kind: str) -> GeneratedMovie:
    return next(movie for movie in show.full_field if movie.kind == kind)


def _features(inputs: FeatureInputs) -> dict[str, np.ndarray]:
    assert inputs.trials is not None
    bars = np.flatnonzero(inputs.trials.kind == "moving_bar")
    results = {
        "on_off": on_off(inputs, OnOffParams()),
        "green_blue": green_blue(inputs, GreenBlueParams()),
        "chirp": chirp(inputs, ChirpParams()),
        "freq_step": freq_step(inputs, FreqStepParams()),
        # What moving_bar says of whole trials, without all the rest of it.
        "moving_bar": whole_trials(
            "moving_bar", inputs.spikes, inputs.trials.start_s[bars], inputs.trials.stop_s[bars],
            TrialParams(),
        ),
    }  # fmt: skip
    sweep, fixed = results["chirp"].values, results["freq_step"].values
    n = inputs.spikes.n_units
    return {
        **{f"{qi}_{name}": results[name].values[qi]
           for name in QUALITY_OF for qi in ("qi", "qi_corrected")},
        "sweep_preferred_hz": sweep["preferred_frequency_hz"],
        "sweep_hz": np.tile(sweep["sweep_frequency_hz"], (n, 1)),
        "sweep_gain_hz": sweep["sweep_gain_hz"],
        "sweep_f1_hz": sweep["sweep_f1_hz"],
        "sweep_high_hz": sweep["half_power_high_hz"],
        "fixed_p_best": fixed["p_best"],
        "fixed_preferred_hz": fixed["preferred_frequency_hz"],
        "fixed_f1_hz": fixed["f1_hz"],
        "fixed_gain_hz": fixed["gain_hz"],
        "fixed_n_spikes": fixed["n_spikes"],
        "fixed_spans": np.stack([
            fixed["segment_stop_s"] - fixed["n_cycles"] / FIXED_HZ, fixed["segment_stop_s"]
        ], axis=1),
    }  # fmt: skip
