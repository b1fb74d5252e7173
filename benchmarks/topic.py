"""A topic of the page: one kind of work, how long and how much memory it takes, and the bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Found = Mapping[str, Any]
"""What was found of a topic, by the names of its parts; each is JSON."""


@dataclass(frozen=True)
class Claim:
    """A number that has a bound, or is told only.

    Parameters
    ----------
    what
        What was measured, in words.
    found
        The number.
    at_least, at_most
        Its bounds.
    unit
        Behind the numbers on the page.
    """

    what: str
    found: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether it keeps its bounds; None if it has none."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or self.found >= self.at_least) and (
            self.at_most is None or self.found <= self.at_most
        )

    @property
    def bound(self) -> str:
        """The bound as the page shows it."""
        low = "" if self.at_least is None else f">= {self.at_least:g}{self.unit}"
        high = "" if self.at_most is None else f"<= {self.at_most:g}{self.unit}"
        return low or high


@dataclass(frozen=True)
class Topic:
    """A section of docs/benchmarks.md and what is behind it.

    Parameters
    ----------
    name
        One word, for the command line, the file with what was found, and the picture.
    title, says
        Heading and text of the section.
    parts
        Names of what can be run and stored by itself.
    run
        Given an empty folder, the name of a part and a share of the full size (1 is all of it),
        measures, and returns what was found.
    claims
        What is bounded, of the parts that were found.
    section
        Tables of the parts that were found.
    draw
        The topic's picture, or None while parts that it needs are missing.
    caption
        What the picture shows.
    remark
        Below the numbers: what is not reached, and why.
    on_request
        Parts that are run only if they are named.
    """

    name: str
    title: str
    says: str
    parts: Sequence[str]
    run: Callable[[Path, str, float], dict[str, Any]]
    claims: Callable[[Found], list[Claim]]
    section: Callable[[Found], str]
    draw: Callable[[Found], Figure | None] = lambda _: None
    caption: str = ""
    remark: str = ""
    on_request: frozenset[str] = frozenset()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def amount(value: float) -> str:
    """A number with two or three significant digits, as people write it.

    Examples
    --------
    >>> [amount(v) for v in (0.01234, 3.456, 41.52, 1234.5)]
    ['0.0123', '3.46', '41.5', '1,230']
    """
    return f"{float(f'{value:.3g}'):,.6g}" if abs(value) < 1e6 else f"{value:,.3g}"


def ways(found: Mapping[str, Any]) -> str:
    """A row for each way of a contest, as `benchmarks.contest.Measured.as_json` stored them."""
    from statistics import median

    quickest = min(median(one["seconds"]) for one in found.values())
    return table(
        [
            "way",
            "median (s)",
            "range (s)",
            "processor (s)",
            "rounds",
            "times the fastest",
            "memory at most (MB)",
        ],
        [
            [
                name,
                amount(median(one["seconds"])),
                f"{amount(min(one['seconds']))} - {amount(max(one['seconds']))}",
                amount(median(one["cpu_s"])),
                len(one["seconds"]),
                amount(median(one["seconds"]) / quickest),
                amount(one["peak_bytes"] / 1e6),
            ]
            for name, one in found.items()
        ],
    )
