"""What a side of a comparison is, wherever it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Variable
from hdmea.compare.match import Train
from hdmea.contribution import Recipe

SectionKey = tuple[str, int]
"""Movie, and how often it was presented before."""


def no_trains(row: int) -> None:  # what `Train` asks for
    """Spike times of a side that has none."""


@dataclass(frozen=True)
class Side:
    """One recording's result.

    Parameters
    ----------
    label
        Where it is.
    kind
        What it is, in words.
    dataset_id
        Name of the recording.
    unit_ids
        Number of the unit in each row of the axis ``unit``; None if there are no units.
    train
        Spike times of the unit in a row.
    variables
        All else by path, as in a session.
    sections
        What was presented, in the order of the axis ``section``.
    resolution_s
        How far from the truth its times may be: half a sample where they are whole samples.
    is_partial
        Whether it knows only some of what a session holds, so that lacking the rest says nothing.
    notes
        What the reader must know of it: what is missing, what is taken how.
    content_digest
        Equal for equal content; empty where there is none.
    recipes
        How each contribution was made, by name.
    pending
        What waits, and for what.
    software
        Versions of what made it.
    """

    label: str
    kind: str
    dataset_id: str
    unit_ids: npt.NDArray[np.int64] | None
    train: Train
    variables: Mapping[str, Variable]
    sections: tuple[SectionKey, ...] = ()
    resolution_s: float = 0.0
    is_partial: bool = False
    notes: tuple[str, ...] = ()
    content_digest: str = ""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    pending: Mapping[str, str] = field(default_factory=dict)
    software: Mapping[str, str] = field(default_factory=dict)


def section_keys(movies: Iterable[str]) -> tuple[SectionKey, ...]:
    """Name the presentations of a playlist.

    Examples
    --------
    >>> section_keys(["noise", "step", "noise"])
    (('noise', 0), ('step', 0), ('noise', 1))
    """
    seen: Counter[str] = Counter()
    keys = []
    for movie in map(str, movies):
        keys.append((movie, seen[movie]))
        seen[movie] += 1
    return tuple(keys)


def section_words(key: SectionKey) -> str:
    """A presentation in words.

    Examples
    --------
    >>> section_words(("noise", 0))
    'noise, presentation 1'
    """
    return f"{key[0]}, presentation {key[1] + 1}"
