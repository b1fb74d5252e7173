"""A comparison in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from hdmea.compare.result import Comparison, Difference, RecordingComparison

_MOST_ROWS = 10
_MOST_OF_A_KIND = 10


def as_text(found: Comparison) -> str:
    """Say in lines for people what `compare` found; the last line is the verdict."""
    lines: list[str] = []
    for one in found.recordings:
        lines += _recording_lines(one)
    for side, names in (("A", found.only_a), ("B", found.only_b)):
        lines += [f"{name}: in {side} only" for name in names]
    lines += [f"{name}: COULD NOT BE COMPARED: {why}" for name, why in found.failed.items()]
    lines.append(_verdict(found))
    # names in a file that somebody else wrote are not to steer the terminal
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def _verdict(found: Comparison) -> str:
    if found.failed:
        return "NOT ALL COULD BE COMPARED"
    return "equal" if found.equal else "DIFFERENT"


def _recording_lines(one: RecordingComparison) -> Iterator[str]:
    if one.same_content:
        yield f"{one.dataset_id}: equal, by content digest"
        yield from (f"  {side}: {words}" for side, words in (("A", one.a), ("B", one.b)))
        return
    n = len(one.differences)
    state = f"{n} difference{'s' * (n > 1)}" if n else "equal"
    yield f"{one.dataset_id}: {state}, {len(one.compared)} variables that both have"
    yield from (f"  {side}: {words}" for side, words in (("A", one.a), ("B", one.b)))
    if one.units:
        by_number, by_trains = one.units["by_number"], one.units["by_spike_times"]
        yield (
            f"  units: {one.units['a']} in A, {one.units['b']} in B; {by_number} found by number, "
            f"{by_trains} by spike times"
        )
    yield from (f"  {line}" for line in _difference_lines(one.differences))
    if one.causes:
        yield "  made differently" + (" (the probable cause):" if one.differences else ":")
        yield from (f"    {cause}" for cause in one.causes)
    if one.only_one_side:
        yield f"  compared: {', '.join(one.compared)}"
        yield f"  not compared, for only one side can have them: {len(one.only_one_side)} variables"
    yield from (f"  note, {note}" for note in one.notes)


def _difference_lines(differences: Sequence[Difference]) -> Iterator[str]:
    """A line for each; many units of one kind are cut."""
    seen: dict[tuple[str, str], int] = {}
    for one in differences:
        key = (one.what, one.kind)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= _MOST_OF_A_KIND:
            yield _line(one)
    for (what, kind), n in seen.items():
        if n > _MOST_OF_A_KIND:
            yield f"{what}: {n - _MOST_OF_A_KIND} more that are {_KINDS[kind]}"


_KINDS = {
    "renumbered": "renumbered",
    "other_train": "of the same number with other spikes",
    "pending": "pending on one side only",
}


def _line(one: Difference) -> str:
    match one.kind:
        case "values":
            return f"{one.what}: {_counted(one)}{_where(one)}{_sizes(one)}"
        case "text":
            return f"{one.what}: {_counted(one)}{_where(one)}: {one.said}"
        case "spike_times":
            return f"{one.what}: of {one.n} spikes {one.said}{_where(one)}"
        case "only_in_a" | "only_in_b":
            told = one.said or _listed(one.rows) or f"{one.n_differing}"
            return f"{one.what}: in {one.kind[-1].upper()} only: {told}"
        case "renumbered":
            return f"unit {one.rows[0]}: {one.said}"
        case "other_train":
            return f"unit {one.rows[0]}: the same number, but another train: {one.said}"
        case _:
            return f"{one.what}: {one.said}"


def _counted(one: Difference) -> str:
    return f"{one.n_differing} of {one.n} differ" if one.n > 1 else "differs"


def _where(one: Difference) -> str:
    return f" ({_listed(one.rows)})" if one.rows else ""


def _listed(rows: Sequence[int | str]) -> str:
    if not rows:
        return ""
    numbers = all(isinstance(row, int) for row in rows)
    shown = (", " if numbers else "; ").join(map(str, rows[:_MOST_ROWS]))
    more = f" and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
    what = "" if not numbers else "unit " if len(rows) == 1 else "units "
    return f"{what}{shown}{more}"


def _sizes(one: Difference) -> str:
    said = ""
    if not math.isnan(one.largest_abs):
        unit = f" {one.unit}" if one.unit else ""
        absolute, relative = one.largest_abs, one.largest_rel
        said = f", by up to {absolute:.3g}{unit} ({relative:.2g} of the value)"
        if one.n_differing > 1:
            said += f", median {one.median_abs:.3g}{unit} ({one.median_rel:.2g})"
    if one.n_nan:
        said += f"; undefined on one side: {one.n_nan}"
    return said
