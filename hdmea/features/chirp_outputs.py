"""The outputs of `chirp`, of its sweep and of its ramp: what they are, and why undefined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hdmea.features.declaration import Output
from hdmea.features.temporal import TUNING_OUTPUTS

_OF_WINDOW = ("unit", "sweep_window")
_OF_CYCLE = ("unit", "ramp_cycle")
_NO_SWEEP, _NO_RAMP = ("no_sweep",), ("no_ramp",)

_TUNING = (
    "Middle, in octaves, of where sweep_gain_hz has at least 95 % of its largest value",
    "Frequency below that of the largest gain at which it has fallen to 1/sqrt 2, smoothing undone",
    "Frequency above that of the largest gain at which it has fallen to 1/sqrt 2, smoothing undone",
    "log2(half_power_high_hz / half_power_low_hz)",
)
_UNRESOLVED: tuple[tuple[str, ...], ...] = ((), *3 * (("below_resolution",),))
SWEEP_OUTPUTS = (
    *(
        replace(one, reasons=(*_NO_SWEEP, *one.reasons, *unresolved), description=said)
        for one, said, unresolved in zip(TUNING_OUTPUTS, _TUNING, _UNRESOLVED, strict=True)
    ),
    Output(
        "p_sweep",
        "1",
        "p of a response to the sweep: Fisher's combination of windows that do not overlap",
        reasons=_NO_SWEEP,
        is_p_value=True,
    ),
    Output("n_spikes_sweep", "1", "Spikes in the whole cycles of the sweep", dtype=np.int64),
    Output("sweep_f0_hz", "Hz", "Mean rate in a window of the sweep", _OF_WINDOW),
    Output("sweep_f1_hz", "Hz", "Amplitude of the first harmonic in a window", _OF_WINDOW),
    Output(
        "sweep_gain_hz",
        "Hz",
        "Amplitude of the first harmonic, of smooth curves fitted to the whole sweep",
        _OF_WINDOW,
    ),
    Output(
        "sweep_delay_ms",
        "ms",
        "Delay after which the response follows the sweep best",
        reasons=("no_sweep", "no_response"),
    ),
    Output(
        "sweep_phase_deg",
        "deg",
        "Phase of the first harmonic minus the stimulus'; negative is late",
        _OF_WINDOW,
        reasons=("no_response",),
    ),
    Output(
        "p_sweep_f1", "1", "p of the first harmonic, Rayleigh test", _OF_WINDOW, is_p_value=True
    ),
    Output("sweep_frequency_hz", "Hz", "Frequency in the window's middle", ("sweep_window",)),
    Output("sweep_time_s", "s", "Time of it, from the trial's start", ("sweep_window",)),
)
RAMP_OUTPUTS = (
    Output(
        "p_ramp",
        "1",
        "p of the first harmonic over the whole ramp, Rayleigh test",
        reasons=_NO_RAMP,
        is_p_value=True,
    ),
    Output(
        "half_contrast",
        "1",
        "Contrast at which the first harmonic is half of that to the highest contrasts",
        reasons=(*_NO_RAMP, "no_response", "not_reached"),
    ),
    Output("n_spikes_ramp", "1", "Spikes in the whole cycles of the ramp", dtype=np.int64),
    Output("ramp_f0_hz", "Hz", "Mean rate in a cycle of the ramp", _OF_CYCLE),
    Output("ramp_f1_hz", "Hz", "Amplitude of the first harmonic in a cycle", _OF_CYCLE),
    Output("ramp_contrast", "1", "Contrast in the cycle's middle", ("ramp_cycle",)),
    Output("ramp_time_s", "s", "Time of it, from the trial's start", ("ramp_cycle",)),
)
