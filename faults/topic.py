"""A topic of the page: one kind of harm, how much of it was done, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Found = Mapping[str, Any]
"""What was found of a topic, by the names of its parts; each is JSON."""


@dataclass(frozen=True)
class Topic:
    """A section of docs/reliability.md and what is behind it.

    Parameters
    ----------
    name
        One word, for the command line and the name of the file with what was found.
    title, says
        Heading and text of the section; the text says what is done and what the columns are.
    parts
        Names of what can be run and stored by itself.
    run
        Given an empty folder, the name of a part and a share, does that share of the full number
        (1 is all of it, tests take a hundredth or so), and returns what was found.
    section
        The tables of what was found, of some parts or of all.
    bad
        How many broke a promise.
    """

    name: str
    title: str
    says: str
    parts: Sequence[str]
    run: Callable[[Path, str, float], Any]
    section: Callable[[Found], str]
    bad: Callable[[Found], int]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def number(count: int, *, must_be_0: bool = False) -> str:
    """A number as the page shows it; bold if it should not be there."""
    return f"**{count:,}**" if must_be_0 and count else f"{count:,}"
