"""What the simulated retinas and their recordings are like: fixed before anything is computed.

Nothing here is chosen by how well the features do. Change it only for a reason of physiology, or of
what is true, which is to be written beside the number.
"""

from __future__ import annotations

from typing import Final

FRAME_S: Final = 1 / 60
PIXELS: Final = 15
"""Pixels of the noise along a side."""
SEEDS: Final = (1, 2, 3)
N_CELLS: Final = 208
N_CHANCE: Final = (790, 790)
"""Cells without selectivity, and sparse ones, of the claim about chance."""
TRIALS: Final = {"long": 5, "short": 3}
NOISE_S: Final = {"long": 600, "short": 180}

MIXTURE: Final = {"on": 0.25, "off": 0.25, "on_off": 0.15, "balanced": 0.1, "selective": 0.25}
MEAN_RATE_HZ: Final = (2.0, 20.0)
MIN_BAR_SPIKES: Final = 10.0
SIGMA_PX: Final = (1.0, 2.5)
ASPECT: Final = (1.0, 1.5)
SURROUND_SIGMAS: Final = (2.5, 3.5)
SURROUND_WEIGHT: Final = (0.2, 0.5)
PEAK_FRAMES: Final = (3.5, 6.5)
TROUGH: Final = (0.1, 0.6)
ADAPTATION_S: Final = 1.0
REST_HZ: Final = (1.0, 10.0)
GAIN_HZ: Final = (60.0, 120.0)
WEAKER_SIDE: Final = {"on_off": (0.3, 0.7), "balanced": (1.0, 1.0), "selective": (0.0, 1.0)}
SHARPNESS: Final = (0.4, 3.0)
GAMMA_ORDERS: Final = (1, 2, 3)
REFRACTORY_S: Final = 0.0015
DRIFT: Final = (0.1, 60.0)
SOFTNESS_HZ: Final = 2.0
D_PRIME: Final = 3.0
DEFINED_INDEX: Final = 0.33
SELECTIVE_DSI: Final = 0.2

TOLD: Final = (
    (
        "Noise",
        "15 x 15 pixels, black or white, 15 Hz held on a display of 60 Hz; 10 minutes, and 3",
        "the reference lab's movie and display; 3 minutes are what it shows, 10 are what a study "
        "of receptive fields takes",
    ),
    (
        "Step and bar",
        "5 s dark and 5 s light; a white bar in 8 directions, 1/6 of the display wide, that "
        "crosses it in 1 s; 5 trials with the 10 minutes, 3 with the 3",
        "the reference lab's timing",
    ),
    (
        "Cells",
        "25 % ON, 25 % OFF, 15 % ON-OFF (the weaker side 0.3 to 0.7 of the other), 10 % balanced "
        "ON-OFF, 25 % direction-selective (the other side 0 to 1 of the first)",
        "about the shares of the mouse's groups (Baden et al. 2016), with more selective ones, so "
        "that there are enough to judge by",
    ),
    (
        "Mean rate in the noise",
        "2 to 20 Hz; cells outside are drawn anew",
        "ganglion cells in a dish under noise; below 2 Hz 3 minutes are 360 spikes, which no lab "
        "takes for a field",
    ),
    (
        "Rate at rest",
        "1 to 10 Hz",
        "spontaneous firing of mouse ganglion cells",
    ),
    (
        "Gain",
        "60 to 120 Hz added by a step of contrast 1 on the centre; a soft rectifier of 2 Hz",
        "transient responses peak at 50 to 200 Hz",
    ),
    (
        "Spikes",
        "gamma intervals of order 1, 2 or 3 in the time in which the rate is even, and a dead time "
        "of 1.5 ms: a Fano factor of 1 to 0.3 where many are counted",
        "ganglion cells fire as regularly as Poisson cells or up to three times more (Berry et al. "
        "1997, Uzzell and Chichilnisky 2004)",
    ),
    (
        "Drift",
        "the excitability drifts by 10 % (SD), with a time constant of a minute",
        "no preparation stays the same for 10 minutes",
    ),
    (
        "Centre of the field",
        "geometric mean of both standard deviations 1 to 2.5 noise pixels, axes 1 to 1.5, any "
        "angle; 2 standard deviations lie inside of the noise",
        "pixels are chosen so that a field covers several; cells at the border are not analysed",
    ),
    (
        "Surround",
        "2.5 to 3.5 times as wide as the centre, round, with 0.2 to 0.5 of its volume",
        "difference-of-Gaussians fits of ganglion cells",
    ),
    (
        "Temporal filter",
        "peak at 58 to 108 ms, trough 0.1 to 0.6 of the peak",
        "from nearly monophasic to clearly biphasic cells at photopic light",
    ),
    (
        "Adaptation",
        "the drive of steady light is lost with a time constant of 1 s",
        "maintained rates in the light and in the dark differ little after some seconds. (In first "
        "runs, with other seeds, 0.8 to 1 of it was lost; then the rate at rest depends on the "
        "light, and a true DSI above rest is not defined. Nothing else was changed.)",
    ),
    (
        "Direction selectivity",
        "a bar at the angle a from the preferred direction raises the rate by exp(k (cos a - 1)) "
        "of what it would without, k 0.4 to 3: a DSI of 0.2 to 0.8",
        "from hardly to sharply tuned",
    ),
    (
        "Response to the bar",
        "at least 10 spikes more than at rest in the best direction",
        "the least by which a person would call it a response in 3 trials",
    ),
)  # fmt: skip
"""What, how much, and why: the first table of the page."""
