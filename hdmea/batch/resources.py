"""What a job asks of the computer, from the sizes of its files."""

from __future__ import annotations

from collections.abc import Iterable

_LEAST_MB = 500
"""Python with its libraries takes 180 MB, Snakemake's own process beside it 135."""


def job_memory_mb(input_bytes: Iterable[int], *, times_input: float = 4, attempt: int = 1) -> int:
    """Memory of a job, more on a retry.

    Parameters
    ----------
    input_bytes
        Sizes of the files that are read whole. Raw files do not count: they are read in blocks.
    times_input
        How often what is read is in memory; 4 for a whole recording.
    attempt
        1 for the first try.

    Examples
    --------
    >>> job_memory_mb([250_000_000]), job_memory_mb([250_000_000], attempt=2)
    (1500, 3000)
    """
    return int(attempt * (_LEAST_MB + times_input * sum(input_bytes) / 1e6))
