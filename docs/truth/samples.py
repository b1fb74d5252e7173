"""The samples that claims are judged by, at full size: each a function of the seed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from truth import operating_point as point
from truth.bars import chance, few_selective, other_lobes, still_bars
from truth.claim import Sample
from truth.estimates import recorded
from truth.light_steps import light_steps
from truth.null_pixels import N_MOVIES, elsewhere
from truth.real_cells import real_cells
from truth.repeated import repeated
from truth.sorted_units import sorted_units

N_FEW: Final = (point.N_CHANCE[0], 10, 100)
"""Cells without selectivity, recordings of each, and selective cells to draw populations from."""

SAMPLES: Mapping[str, Callable[[int], Sample]] = {
    "long": partial(recorded, "long", point.N_CELLS),
    "short": partial(recorded, "short", point.N_CELLS),
    "sorted_long": partial(sorted_units, "long", point.N_CELLS),
    "sorted_short": partial(sorted_units, "short", point.N_CELLS),
    "real": real_cells,
    "chance": partial(chance, *point.N_CHANCE),
    "elsewhere_long": partial(elsewhere, "long", point.N_CELLS, N_MOVIES),
    "elsewhere_short": partial(elsewhere, "short", point.N_CELLS, N_MOVIES),
    "repeated": partial(repeated, point.N_CELLS),
    "chance_still": partial(chance, point.N_CHANCE[0], 0, drifts=False),
    "chance_alternating": partial(chance, point.N_CHANCE[0], 0, alternating=True),
    "few_long": partial(few_selective, "long", *N_FEW),
    "few_short": partial(few_selective, "short", *N_FEW),
    "still_bars": partial(still_bars, 1000),
    "other_lobes": partial(other_lobes, 100),
    "light_steps": partial(light_steps, 500, 400),
}

UNSEEDED: Final = frozenset({"real"})
"""Those in which nothing is drawn."""


def make(name: str, seed: int) -> Sample:
    """One sample; asked for by its name, which another process understands."""
    return SAMPLES[name](seed)
