"""What is claimed of a feature, and what was measured of it.

A claim is judged by a pure function of samples: cells whose truth is known, and what the features
found of them. It does not run anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from truth import operating_point as point
from truth.retina import Columns, joined


@dataclass(frozen=True, eq=False)
class Sample:
    """Cells, and what was found of them: tables with one row for each cell.

    Parameters
    ----------
    cells
        The truth, `population.make_population`.
    found
        What the features say, `estimates`.
    """

    cells: Columns
    found: Columns

    def with_found(self, **columns: np.ndarray) -> Sample:
        """The sample, had this been found."""
        return Sample(self.cells, {**self.found, **columns})


Samples = Mapping[str, Sample]
"""By name (`truth.samples`)."""
RECORDED: Final = tuple(point.NOISE_S)
"""Samples of the cells at the operating point: recorded ``long`` and ``short``."""


def recordings(samples: Samples) -> list[tuple[str, Sample, str, str]]:
    """The recordings of the operating point that are there: name, sample, noise, trials."""
    return [
        (name, samples[name], f"{seconds // 60} min", f"{point.TRIALS[name]} trials")
        for name, seconds in point.NOISE_S.items()
        if name in samples
    ]


def pooled(seeds: Sequence[Samples]) -> dict[str, Sample]:
    """The samples of all seeds as one."""
    return {
        name: Sample(
            joined(*(samples[name].cells for samples in seeds)),
            joined(*(samples[name].found for samples in seeds)),
        )
        for name in seeds[0]
    }


@dataclass(frozen=True)
class Measure:
    """A number that must lie between bounds.

    Parameters
    ----------
    what
        What it is.
    found
        The number; NaN does not hold.
    n
        How many cells (or tests) it is from; from none it does not hold.
    least, most
        Bounds, inclusive; without a finite one the number is told only.
    form
        How the number is written.
    """

    what: str
    found: float
    n: int
    least: float = -np.inf
    most: float = np.inf
    form: str = ".3f"

    @property
    def bounded(self) -> bool:
        """Whether something is claimed of it."""
        return np.isfinite(self.least) or np.isfinite(self.most)

    @property
    def holds(self) -> bool:
        """Whether it lies between the bounds."""
        return bool(self.n > 0 and self.least <= self.found <= self.most)

    @property
    def bound(self) -> str:
        """The bounds in words."""
        low, high = (f"{value:{self.form}}" for value in (self.least, self.most))
        if np.isfinite(self.least) and np.isfinite(self.most):
            return f"{low} to {high}"
        if np.isfinite(self.least):
            return f"≥ {low}"
        return f"≤ {high}" if np.isfinite(self.most) else ""


@dataclass(frozen=True)
class Claim:
    """A statement about a feature, and how it is judged.

    Parameters
    ----------
    name
        One word; what was found, and its picture, have it, too.
    statement
        What is claimed, for the reader.
    needs
        The samples that it is judged by (`truth.samples`).
    judge
        Measures of samples; the same ones in the same order for any samples.
    draw
        Draws its picture.
    picture
        What that shows.
    remark
        What is to be known of the numbers: why one does not hold, and what would have to change.
    """

    name: str
    statement: str
    needs: tuple[str, ...]
    judge: Callable[[Samples], list[Measure]]
    draw: Callable[[Samples], Figure]
    picture: str
    remark: str = ""


def median(values: np.ndarray) -> float:
    """Of the defined values; NaN of none."""
    defined = values[np.isfinite(values)]
    return float(np.median(defined)) if defined.size else np.nan


def share(flags: np.ndarray) -> float:
    """Part that is true; NaN of none."""
    return float(flags.mean()) if flags.size else np.nan
