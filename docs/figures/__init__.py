"""The figures of docs/definitions.md, drawn by the features themselves on simulated cells."""

from figures.bars import draw_moving_bar
from figures.chirps import draw_chirp
from figures.fields import draw_dense_noise
from figures.light import draw_green_blue, draw_on_off
from figures.sines import draw_freq_step
from figures.spiking import draw_baseline, draw_frif, draw_unit_quality

FIGURES = {
    "frif": draw_frif,
    "on_off": draw_on_off,
    "green_blue": draw_green_blue,
    "dense_noise": draw_dense_noise,
    "moving_bar": draw_moving_bar,
    "chirp": draw_chirp,
    "freq_step": draw_freq_step,
    "baseline": draw_baseline,
    "unit_quality": draw_unit_quality,
}
"""By feature, what draws it: a function without arguments that gives a figure."""
