"""What came of runs that were ended again and again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Tally:
    """What came of interrupted runs."""

    results: int = 0
    ended: int = 0
    finished: int = 0
    repeated: int = 0
    other_content: int = 0
    wrong_code: int = 0
    left: int = 0
