"""FRIF, the firing rate inter-frame: spikes between consecutive display frames, as a rate."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from hdmea.errors import MissingDataError, StimulusError
from hdmea.features.declaration import Feature, FeatureResult, Output
from hdmea.features.inputs import FeatureInputs


class FrifParams(BaseModel):
    """FRIF has no parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


def frif(inputs: FeatureInputs, params: FrifParams) -> FeatureResult:
    """Firing rate between display frames.

    ``rate_i = #{spikes in [f_i, f_(i+1))} / (f_(i+1) - f_i)`` for the frame times ``f_i``.

    Raises
    ------
    MissingDataError
        If there is no frame clock.
    StimulusError
        If there are fewer than two frames, or their times do not increase.

    Examples
    --------
    >>> from hdmea.kernels.spikes import SpikeTrains
    >>> trains = SpikeTrains(np.array([0.0, 0.25, 0.5]), np.array([3]))
    >>> result = frif(FeatureInputs(trains, np.array([0.0, 0.5, 1.0])), FrifParams())
    >>> result.values["rate_hz"]
    array([[4., 2.]], dtype=float32)
    """
    if inputs.frame_times_s is None:
        raise MissingDataError("frif needs the frame clock, which comes with the .cmcr file.")
    frames = np.asarray(inputs.frame_times_s, dtype=np.float64)
    durations = np.diff(frames)
    if not durations.size or not (durations > 0).all():
        raise StimulusError(
            f"FRIF needs at least two frames at increasing times; there are {frames.size}."
        )
    counts = inputs.spikes.count_in_bins(frames, dtype=np.uint32)
    rate = np.empty(counts.shape, dtype=np.float32)
    for of_unit, rate_of_unit in zip(counts, rate, strict=True):
        np.divide(of_unit, durations, out=rate_of_unit, dtype=np.float64, casting="same_kind")
    return FeatureResult(
        values={
            "n_spikes": counts.sum(axis=1, dtype=np.int64),
            "counts": counts,
            "rate_hz": rate,
            "interval_start_s": frames[:-1].copy(),
        }
    )


FRIF = Feature(
    name="frif",
    version=1,
    params=FrifParams,
    needs=frozenset({"spikes", "frame_clock"}),
    stimulus_kind=None,
    outputs=(
        Output("n_spikes", "1", "Spikes inside the frame clock", dtype=np.int64),
        Output(
            "counts",
            "1",
            "Spikes between a display frame and the next, [f_i, f_(i+1))",
            dims=("unit", "interval"),
            dtype=np.uint32,
        ),
        Output(
            "rate_hz",
            "Hz",
            "Firing rate between a display frame and the next",
            dims=("unit", "interval"),
            dtype=np.float32,
        ),
        Output(
            "interval_start_s", "s", "Time of the frame that starts the interval", ("interval",)
        ),
    ),
    compute=frif,
    description="Firing rate between consecutive display frames.",
    unit_by_unit=True,
)
