"""Comparing two sides of one recording, variable by variable, in bounded memory."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hdmea.arrays import Array, LazyArray, Variable
from hdmea.compare.causes import causes
from hdmea.compare.differences import EXACT, Tally, Tolerance, n_without_partner
from hdmea.compare.match import UnitMatch, match_units
from hdmea.compare.result import Difference, Kind, RecordingComparison
from hdmea.compare.sides import Side, section_words
from hdmea.digest import rows_at_once, split_rows
from hdmea.errors import MissingDataError

EXACTLY = (
    "stimulus/frame_times",
    "stimulus/sections/*",
    "stimulus/trials/*",
    "stimulus/events/*",
    "sta/*/sta",
)
"""What is compared bit for bit besides spike times, whole numbers and text."""

_ONLY_IN: dict[str, Kind] = {"a": "only_in_a", "b": "only_in_b"}
_ROUNDING_S = 1e-9  # a time that is just half a sample away is so in float64 as well
_MOST_CHANGES = 6

Data = Array | LazyArray


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What counts as equal.

    Parameters
    ----------
    within
        For values that are not compared exactly.
    for_all
        Whether it holds for everything (spike times: its `atol`).
    """

    within: Tolerance
    for_all: bool = False


@dataclass(frozen=True, slots=True)
class _Rows:
    """Which rows of an axis belong together, what each is called, and how many rows there are."""

    a: Sequence[int]
    b: Sequence[int]
    names: Sequence[int | str]
    lengths: tuple[int, int]


def compare_sides(a: Side, b: Side, tolerances: Tolerances) -> RecordingComparison:
    """Compare two results of one recording.

    Equal content digests are believed: nothing else is read then.

    Raises
    ------
    MissingDataError
        If there is nothing that both have.
    SessionFileError, RecordingFileError
        If a file turns out to be damaged while it is read.
    """
    words = (_words(a), _words(b))
    if a.content_digest and a.content_digest == b.content_digest:
        return RecordingComparison(a.dataset_id, *words, same_content=True)
    match = _match(a, b)
    comparing = _Comparing(a, b, tolerances, match)
    found = list(comparing.differences())
    if not comparing.compared:
        # Cause: two different recordings were given, or results of steps that have nothing in
        # common.
        raise MissingDataError(
            f"{a.label} and {b.label} have nothing in common to compare; give two results of one "
            "recording"
        )
    units = {
        "a": 0 if a.unit_ids is None else a.unit_ids.size,
        "b": 0 if b.unit_ids is None else b.unit_ids.size,
        "by_number": sum(pair.by == "number" for pair in match.pairs),
        "by_spike_times": sum(pair.by == "spike_times" for pair in match.pairs),
    }
    return RecordingComparison(
        a.dataset_id,
        *words,
        compared=tuple(comparing.compared),
        units=units,
        differences=tuple(found),
        causes=tuple(causes(a, b)),
        only_one_side=tuple(comparing.only_one_side),
        notes=tuple(_notes(a, b)),
    )


class _Comparing:
    """Two sides, and what is counted while they are compared."""

    def __init__(self, a: Side, b: Side, tolerances: Tolerances, match: UnitMatch) -> None:
        self.a, self.b = a, b
        self.tolerances = tolerances
        self.match = match
        self.compared: list[str] = []
        self.only_one_side: list[str] = []
        self._resolution_s = a.resolution_s + b.resolution_s
        self._axes = {"unit": self._unit_rows(), "section": self._section_rows()}

    def differences(self) -> Iterator[Difference]:
        yield from self._units()
        yield from self._spike_times()
        yield from self._sections()
        for path in sorted({*self.a.variables, *self.b.variables}):
            yield from self._variable(path)
        for name in sorted({*self.a.pending, *self.b.pending}):
            waits = [side.pending.get(name) for side in (self.a, self.b)]
            if None in waits:
                where = "B" if waits[0] is None else "A"
                why = waits[0] or waits[1]
                said = f"{name} is pending in {where} only (waits for {why})"
                yield Difference("pending", "pending", n_differing=1, rows=(name,), said=said)

    def _units(self) -> Iterator[Difference]:
        a, b = self.a.unit_ids, self.b.unit_ids
        if a is None or b is None:
            for side, ids in (("a", a), ("b", b)):
                other = self.b if side == "a" else self.a
                if ids is not None and not other.is_partial:
                    yield Difference("units", _ONLY_IN[side], n_differing=ids.size)
            return
        self.compared.append("units/unit_id")
        renumbered = [p for p in self.match.pairs if a[p.a] != b[p.b]]
        others = [p for p in self.match.pairs if p.is_other_train]
        for pair in renumbered:
            said = f"its number is {b[pair.b]} in B: {pair.coincidence:.1%} of its spikes coincide"
            yield _of_unit("renumbered", int(a[pair.a]), said)
        for pair in others:
            said = f"only {pair.coincidence:.1%} of its spikes coincide with those of B's"
            yield _of_unit("other_train", int(a[pair.a]), said)
        for side, ids, rows in (("a", a, self.match.only_a), ("b", b, self.match.only_b)):
            if rows:
                numbers = tuple(int(ids[row]) for row in rows)
                yield Difference("units", _ONLY_IN[side], n_differing=len(rows), rows=numbers)

    def _spike_times(self) -> Iterator[Difference]:
        within = self._resolution_s and self._resolution_s + _ROUNDING_S
        if self.tolerances.for_all:
            within = max(within, self.tolerances.within.atol)
        n_spikes = n_only_a = n_only_b = n_units = 0
        rows: list[int | str] = []
        names = self._axes["unit"].names
        for pair, number in zip(self.match.pairs, names, strict=True):
            one, other = self.a.train(pair.a), self.b.train(pair.b)
            if one is None or other is None:
                continue
            n_units += 1
            n_spikes += one.size
            only_a, only_b = n_without_partner(one, other, within)
            if only_a or only_b:
                n_only_a, n_only_b = n_only_a + only_a, n_only_b + only_b
                rows.append(number)
        if n_units:
            self.compared.append("units/spike_times")
        if rows:
            yield Difference(
                "units/spike_times",
                "spike_times",
                n=n_spikes,
                n_differing=n_only_a + n_only_b,
                unit="s",
                rows=tuple(rows),
                said=f"{n_only_a} in A only, {n_only_b} in B only, in {len(rows)} of {n_units} "
                "units",
            )

    def _sections(self) -> Iterator[Difference]:
        for side, one, other in (("a", self.a, self.b), ("b", self.b, self.a)):
            missing = tuple(section_words(k) for k in one.sections if k not in other.sections)
            if missing and other.sections:
                n = len(missing)
                yield Difference("stimulus/sections", _ONLY_IN[side], n_differing=n, rows=missing)

    def _variable(self, path: str) -> Iterator[Difference]:
        one, other = self.a.variables.get(path), self.b.variables.get(path)
        if one is None or other is None:
            here, lacking = ("a", self.b) if other is None else ("b", self.a)
            found = one or other
            if lacking.is_partial:
                self.only_one_side.append(path)
            elif found is not None:
                n = int(np.prod(found.data.shape, dtype=np.int64))
                yield Difference(path, _ONLY_IN[here], n_differing=n, said=f"{n} values")
            return
        self.compared.append(path)
        if (one.unit, one.dims) != (other.unit, other.dims):
            said = f"{_meaning(one)} in A, {_meaning(other)} in B"
            yield Difference(path, "unit", said=said)
            return
        rows = self._axes.get(one.dims[0]) if one.dims else None
        if rows is not None and rows.lengths != (one.data.shape[0], other.data.shape[0]):
            rows = None
        shapes = [v.data.shape if rows is None else v.data.shape[1:] for v in (one, other)]
        if shapes[0] != shapes[1]:
            yield self._lengths(path, one, other)
            return
        tally = Tally(self._tolerance(path, one))
        differing: list[int | str] = []
        for block_a, block_b, names in _blocks(one.data, other.data, rows):
            flags = tally.add(block_a, block_b)
            differing += [name for name, flag in zip(names, flags, strict=False) if flag]
        if tally.n_differing:
            yield _from_tally(path, one.unit, tally, tuple(differing))

    def _tolerance(self, path: str, variable: Variable) -> Tolerance:
        within = self.tolerances.within
        if self._resolution_s and variable.unit == "s":
            of_samples = self._resolution_s + _ROUNDING_S
            if self.tolerances.for_all:
                return Tolerance(within.rtol, max(within.atol, of_samples))
            return Tolerance(atol=of_samples)
        if self.tolerances.for_all:
            return within
        exactly = variable.data.dtype.kind in "iu" or any(
            fnmatch.fnmatchcase(path, pattern) for pattern in EXACTLY
        )
        return EXACT if exactly else within

    def _lengths(self, path: str, one: Variable, other: Variable) -> Difference:
        said = (
            f"{' x '.join(one.dims)}: {_shape(one)} in A, {_shape(other)} in B; values are not "
            "compared"
        )
        if path == "stimulus/frame_times":
            said += self._dropped(one.values, other.values)
        return Difference(path, "length", said=said)

    def _dropped(self, a: Array, b: Array) -> str:
        """Whether one frame clock is the other with pulses more before it or after it."""
        long, short, side = (a, b, "A") if a.size > b.size else (b, a, "B")
        more = long.size - short.size
        tolerance = self._tolerance("stimulus/frame_times", Variable(a, "s", ("frame",), ""))
        for part, place in ((long[more:], "first"), (long[:-more], "last")):
            if short.size and not tolerance.differ(part, short).any():
                return f", but without its {place} {more} frames {side} is the same"
        return ""

    def _unit_rows(self) -> _Rows:
        a, b = self.a.unit_ids, self.b.unit_ids
        if a is None or b is None:
            return _Rows((), (), (), (0, 0))
        pairs = self.match.pairs
        names = [int(a[pair.a]) for pair in pairs]
        rows = ([pair.a for pair in pairs], [pair.b for pair in pairs])
        return _Rows(*rows, names, (a.size, b.size))

    def _section_rows(self) -> _Rows:
        place = {key: row for row, key in enumerate(self.b.sections)}
        both = [(row, place[key], key) for row, key in enumerate(self.a.sections) if key in place]
        return _Rows(
            [a for a, _, _ in both],
            [b for _, b, _ in both],
            [section_words(key) for *_, key in both],
            (len(self.a.sections), len(self.b.sections)),
        )


def _match(a: Side, b: Side) -> UnitMatch:
    if a.unit_ids is None or b.unit_ids is None:
        return UnitMatch((), (), ())
    return match_units(a.unit_ids.tolist(), b.unit_ids.tolist(), a.train, b.train)


def _blocks(
    a: Data, b: Data, rows: _Rows | None
) -> Iterator[tuple[Array, Array, Sequence[int | str]]]:
    """Blocks of rows that belong together, small enough to be held, and the names of the rows."""
    if not a.shape:
        yield a[()], b[()], ()
        return
    n = a.shape[0] if rows is None else len(rows.a)
    size = rows_at_once(a.shape, max(a.dtype.itemsize, b.dtype.itemsize))
    for block in split_rows((n,), size):
        if rows is None:
            yield a[block], b[block], ()
        else:
            yield _take(a, rows.a[block]), _take(b, rows.b[block]), rows.names[block]


def _take(data: Data, rows: Sequence[int]) -> Array:
    """Rows of an array, read in runs."""
    breaks = [i for i, (one, after) in enumerate(pairwise(rows), start=1) if after != one + 1]
    runs = [data[rows[i] : rows[j - 1] + 1] for i, j in pairwise([0, *breaks, len(rows)])]
    return runs[0] if len(runs) == 1 else np.concatenate(runs)


def _from_tally(path: str, unit: str, tally: Tally, rows: tuple[int | str, ...]) -> Difference:
    changes = tally.changes.most_common()
    counts = [f": {count}" if tally.n > 1 else "" for _, count in changes]
    said = [
        f"{_quoted(old)} -> {_quoted(new)}{count}"
        for ((old, new), _), count in zip(changes[:_MOST_CHANGES], counts, strict=False)
    ]
    if len(changes) > _MOST_CHANGES:
        said.append(f"and {len(changes) - _MOST_CHANGES} other changes")
    return Difference(
        path,
        "text" if changes else "values",
        n=tally.n,
        n_differing=tally.n_differing,
        n_nan=tally.n_nan,
        largest_abs=tally.largest_abs,
        median_abs=tally.median_abs,
        largest_rel=tally.largest_rel,
        median_rel=tally.median_rel,
        unit="" if unit == "1" else unit,
        rows=rows,
        said=", ".join(said),
    )


def _of_unit(kind: Kind, number: int, said: str) -> Difference:
    return Difference("units", kind, n_differing=1, rows=(number,), said=said)


def _quoted(text: str) -> str:
    return text or "(empty)"


def _shape(variable: Variable) -> str:
    return " x ".join(map(str, variable.data.shape))


def _meaning(variable: Variable) -> str:
    return f"[{variable.unit}] by {', '.join(variable.dims) or 'nothing'}"


def _words(side: Side) -> str:
    content = f", content {side.content_digest[:12]}" if side.content_digest else ""
    return f"{side.label} ({side.kind} of {side.dataset_id}{content})"


def _notes(a: Side, b: Side) -> Iterator[str]:
    if a.dataset_id != b.dataset_id:
        yield f"the recording is {a.dataset_id!r} in A and {b.dataset_id!r} in B"
    for name, side in (("A", a), ("B", b)):
        yield from (f"{name}: {note}" for note in side.notes)
