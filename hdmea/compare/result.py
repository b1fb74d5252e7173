"""What a comparison found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal[
    "values", "text", "spike_times", "length", "unit", "only_in_a", "only_in_b", "renumbered",
    "other_train", "pending",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two results differ.

    Parameters
    ----------
    what
        Path of the variable, column of the table, or ``units``, ``stimulus/sections``, ``pending``.
    kind
        ``values`` and ``text``: some are others. ``spike_times``: spikes without a partner.
        ``length`` and ``unit``: not comparable for that. ``only_in_a``, ``only_in_b``.
        ``renumbered``: a unit, found by its spikes. ``other_train``: a number that stands for
        another unit, or for one sorted differently. ``pending``.
    n
        Values (spikes of A) compared.
    n_differing
        Those that differ; spikes without a partner, of both.
    n_nan
        Those that are NaN on one side and a number on the other.
    largest_abs, median_abs, largest_rel, median_rel
        Of the differences between numbers; relative to the larger of both, by size.
    unit
        Of the absolute ones.
    rows
        Where: numbers of units (in A, if it has them), or presentations of movies.
    said
        The rest, in words.
    """

    what: str
    kind: Kind
    n: int = 0
    n_differing: int = 0
    n_nan: int = 0
    largest_abs: float = math.nan
    median_abs: float = math.nan
    largest_rel: float = math.nan
    median_rel: float = math.nan
    unit: str = ""
    rows: tuple[int | str, ...] = ()
    said: str = ""


@dataclass(frozen=True, slots=True)
class RecordingComparison:
    """How two results of one recording differ.

    Parameters
    ----------
    dataset_id
        Name of the recording (of A's).
    a, b
        What was compared, in words.
    same_content
        Whether the content digests are equal; then nothing else was read.
    compared
        Variables or columns that both have.
    units
        Units of A and of B, and those matched by number and by spike times.
    differences
        None if they are equal.
    causes
        What was made differently: parameters, versions, inputs, software. The probable reasons.
    only_one_side
        Paths that were not compared, since the other side's format does not have them.
    notes
        What must be known of both sides to read this.
    """

    dataset_id: str
    a: str
    b: str
    same_content: bool = False
    compared: tuple[str, ...] = ()
    units: Mapping[str, int] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    causes: tuple[str, ...] = ()
    only_one_side: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether there is no difference beyond the tolerances."""
        return not self.differences


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two results, or two folders or tables of them, differ.

    Parameters
    ----------
    recordings
        Those that both have.
    only_a, only_b
        Names of the recordings that one has only.
    failed
        Why a recording could not be compared, by its name or its file's.
    """

    recordings: tuple[RecordingComparison, ...]
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether both have the same recordings, and all could be compared and are equal."""
        alike = all(one.equal for one in self.recordings)
        return alike and not (self.only_a or self.only_b or self.failed)

    @property
    def exit_code(self) -> int:
        """0: equal; 1: different; 2: something could not be compared."""
        return 2 if self.failed else int(not self.equal)

    @property
    def differences(self) -> pd.DataFrame:
        """One row per difference: ``recording`` and the fields of `Difference`."""
        import pandas as pd

        rows = [
            {"recording": one.dataset_id, **asdict(difference)}
            for one in self.recordings
            for difference in one.differences
        ]
        only: list[tuple[Kind, str]] = [
            *(("only_in_a", name) for name in self.only_a),
            *(("only_in_b", name) for name in self.only_b),
        ]
        rows += [{"recording": name, **asdict(Difference("recording", k))} for k, name in only]
        columns: list[str] = ["recording", *Difference.__dataclass_fields__]
        return pd.DataFrame(rows, columns=columns)

    def as_plain(self) -> dict[str, Any]:
        """All of it as JSON has it: NaN is None, an infinite number a word."""
        plain: dict[str, Any] = _plain(
            {
                "equal": self.equal,
                "only_a": self.only_a,
                "only_b": self.only_b,
                "failed": dict(self.failed),
                "recordings": [
                    {"equal": one.equal, **asdict(one), "units": dict(one.units)}
                    for one in self.recordings
                ],
            }
        )
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
