"""What the analog stream sees of the display: its light, and a pulse per frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError
from hdmea.simulate.mcs_files import AnalogTrace
from hdmea.simulate.movies import GREY, WHITE

GREY_LUMINANCE = GREY / WHITE
"""Luminance of the display between movies, as a fraction of white."""

_DARK_COUNTS, _WHITE_COUNTS, _PHOTODIODE_NOISE = 100_000, 5_000_000, 1_000.0
_SYNC_BASE, _SYNC_PULSE, _SYNC_NOISE = 2_000, 1_000_000, 300.0
_PHOTODIODE_TAU_S = 0.0005
_PULSE_S = 0.001
_CHUNK = 2**16


def display_trace(
    frame_samples: npt.NDArray[np.int64],
    luminance: npt.NDArray[np.float64],
    *,
    n_samples: int,
    sampling_rate_hz: float,
    seed: int,
    before: float = GREY_LUMINANCE,
    has_pulse: npt.NDArray[np.bool_] | None = None,
    light_delay_s: float = 0.0,
) -> AnalogTrace:
    """Photodiode and frame sync of a display, made block by block on demand.

    The first raised sample of a pulse is the one after its frame's sample, so that the peaks of
    ``diff(sync)`` are exactly ``frame_samples``. The photodiode changes with the frame, low-passed
    by 0.5 ms. A block's values do not depend on how the trace is cut into blocks.

    Parameters
    ----------
    frame_samples
        Sample of each displayed frame, ascending.
    luminance
        Mean luminance of each of these frames, 0 to 1; the last one stays on.
    n_samples
        Length of the trace.
    sampling_rate_hz
        Of the trace.
    seed
        Of the noise.
    before
        Luminance before the first frame.
    has_pulse
        Which of the frames have a pulse; by default all.
    light_delay_s
        Time from a frame's sample to its light on the photodiode; may be negative.

    Raises
    ------
    ParameterError
        If frames lie outside the trace, are closer than two pulse lengths, or do not fit the
        luminance.

    Examples
    --------
    >>> frames = np.array([100, 433, 766])
    >>> trace = display_trace(
    ...     frames, np.array([0.0, 1.0, 0.0]), n_samples=1000, sampling_rate_hz=20000.0, seed=0
    ... )
    >>> photodiode, sync = trace.block(0, 1000)
    >>> np.flatnonzero(np.diff(sync) > 5e5).tolist()
    [100, 433, 766]
    >>> bool(photodiode[600] > 4e6 > photodiode[300])
    True
    """
    frame_samples = np.asarray(frame_samples, dtype=np.int64)
    pulse = max(1, round(_PULSE_S * sampling_rate_hz))
    if frame_samples.shape != np.shape(luminance) or frame_samples.size == 0:
        raise ParameterError(
            f"{frame_samples.shape} frames with luminance of shape {np.shape(luminance)}: one "
            "luminance per frame, and at least one frame, are needed."
        )
    if frame_samples[0] < 0 or frame_samples[-1] + pulse >= n_samples:
        raise ParameterError(
            f"Frames from sample {frame_samples[0]} to {frame_samples[-1]} leave a trace of "
            f"{n_samples} samples; make the recording longer or shift the frame times."
        )
    gaps = np.diff(frame_samples)
    if gaps.size and gaps.min() <= 2 * pulse:
        where = int(gaps.argmin())
        raise ParameterError(
            f"Frames {where} and {where + 1} are {gaps[where]} samples apart; pulses of {pulse} "
            f"samples need more than {2 * pulse}. Frame times must ascend."
        )
    onsets = frame_samples + 1 + round(light_delay_s * sampling_rate_hz)
    # In front, one that is over before the trace begins: there may be none in it.
    pulses = np.r_[-pulse, 1 + (frame_samples if has_pulse is None else frame_samples[has_pulse])]
    levels = np.r_[before, np.asarray(luminance, dtype=np.float64)]

    def chunk(number: int) -> npt.NDArray[np.int32]:
        samples = np.arange(number * _CHUNK, (number + 1) * _CHUNK)
        shown = np.searchsorted(onsets, samples, side="right")
        since = samples - onsets[np.maximum(shown - 1, 0)]
        # Frames last many time constants, so each starts from the settled level of the last.
        remaining = np.exp(-np.maximum(since + 1, 0) / (_PHOTODIODE_TAU_S * sampling_rate_hz))
        light = levels[shown] + (levels[np.maximum(shown - 1, 0)] - levels[shown]) * remaining
        noise = np.random.default_rng([seed, number]).standard_normal((2, _CHUNK))
        raised = samples - pulses[np.searchsorted(pulses, samples, side="right") - 1] < pulse
        photodiode = _DARK_COUNTS + _WHITE_COUNTS * light + _PHOTODIODE_NOISE * noise[0]
        sync = _SYNC_BASE + _SYNC_PULSE * raised + _SYNC_NOISE * noise[1]
        counts: npt.NDArray[np.int32] = np.rint(np.stack([photodiode, sync])).astype(np.int32)
        return counts

    def block(start: int, stop: int) -> npt.NDArray[np.int32]:
        out = np.empty((2, stop - start), dtype=np.int32)
        for number in range(start // _CHUNK, -(-stop // _CHUNK)):
            first, last = max(start, number * _CHUNK), min(stop, (number + 1) * _CHUNK)
            offset = number * _CHUNK
            out[:, first - start : last - start] = chunk(number)[:, first - offset : last - offset]
        return out

    return AnalogTrace(n_samples=n_samples, block=block)


def light_switches(
    luminance: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Frames at which a dark display is lit, and at which it goes dark.

    Only changes by a quarter of white or more count: a bar that enters a dark display does not
    switch the light on.

    Examples
    --------
    >>> on, off = light_switches(np.array([0.5, 0.0, 0.0, 1.0, 1.0, 0.0, 0.1]))
    >>> on.tolist(), off.tolist()
    ([3], [1, 5])
    """
    before, after = luminance[:-1], luminance[1:]
    on = np.flatnonzero((before == 0) & (after >= 0.25)) + 1
    off = np.flatnonzero((before >= 0.25) & (after == 0)) + 1
    return on.astype(np.int64), off.astype(np.int64)
