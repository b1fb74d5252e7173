"""Tallies as the page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from faults.judge import BAD, Tally
from faults.topic import number, table

_COLUMNS = {
    "faults": "faults", "old": "old", "new": "new", "between": "both", "torn": "torn",
    "lost": "lost", "silent": "silent", "crashes": "crash", "wrong_error": "error",
    "strays": "stray", "not_resumed": "resumed", "not_retried": "retried", "swept": "swept",
}  # fmt: skip
MEANINGS = """
*old*, *new*: runs after which the names held the old files, or the new ones; *both*: some of
several files were new already. *torn*: a file was not whole; *lost*: there was none any more;
*silent*: the run ended well without the new file; *crash*: the interpreter crashed; *error*: its
number or path was not told rightly; *stray*: a hidden file was left after an error, or not swept
after a kill; *resumed*: the next run did not give the new file; *retried*: a second try in the
same process, when nothing failed any more, did not. *swept* is how many hidden files the next run
or save removed.
"""


def total(tallies: Iterable[Mapping[str, int]]) -> Tally:
    """Tallies as they are kept, counted together."""
    found = Tally()
    for tally in tallies:
        found.add(Tally(**tally))
    return found


def tallied(what: Sequence[str], rows: Iterable[tuple[Sequence[object], Tally]]) -> str:
    """A table with a tally in each row."""
    lines = [
        [*cells, *(number(vars(tally)[n], must_be_0=n in BAD) for n in _COLUMNS)]
        for cells, tally in rows
    ]
    return table([*what, *_COLUMNS.values()], lines)


def verdict(everything: Tally, what: str = "faults") -> str:
    """What follows from the numbers, in a sentence or two."""
    done, broken = f"Of {everything.faults:,} {what}", sum(everything.bad.values())
    then = ""
    if everything.next_runs or everything.retries:
        then = (
            f" {everything.next_runs:,} of them were followed by a next run, {everything.retries:,}"
            " by a second try in the same process."
        )
    if not broken:
        return f"{done} none broke a promise.{then}\n"
    return f"{done} {broken:,} broke a promise: the numbers in bold.{then}\n"
