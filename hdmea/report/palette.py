"""Colours that colour-blind people tell apart (Okabe and Ito), and how figures look."""

from __future__ import annotations

from typing import Final

POLARITY_COLOURS: Final = {
    "on": "#D55E00",
    "off": "#0072B2",
    "on_off": "#009E73",
    "suppressed": "#CC79A7",
    "none": "#8C8C8C",
}
POLARITY_MARKERS: Final = {"on": "^", "off": "v", "on_off": "D", "suppressed": "s", "none": "o"}
UNKNOWN: Final = "#8C8C8C"

KIND_COLOURS: Final = {
    "grey": "#BFBFBF",
    "noise": "#56B4E9",
    "step": "#F0E442",
    "green_blue": "#009E73",
    "freq_step": "#E69F00",
    "moving_bar": "#CC79A7",
    "chirp": "#0072B2",
    "unknown": "#FFFFFF",
}
KIND_WORDS: Final = {
    "grey": "grey",
    "noise": "noise",
    "step": "light step",
    "green_blue": "green/blue",
    "freq_step": "frequency steps",
    "moving_bar": "moving bar",
    "chirp": "chirp",
    "unknown": "unknown stimulus",
}

LIGHT: Final = "#FFF3B0"
WARNING: Final = "#B00020"
QUIET: Final = "#5A5A5A"
DIVERGING: Final = "RdBu_r"

STYLE: Final = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    # names of recordings and movies are names, also those with a dollar sign
    "text.parse_math": False,
}
"""Beside matplotlib's own defaults; settings of the user's machine change no picture."""
