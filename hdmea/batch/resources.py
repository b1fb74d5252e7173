"""What a job asks of the computer, from the sizes of its files.

What kinds of jobs take was measured (config/README.md says on what); a job asks for a multiple.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped] # ships no types

MEMORY_MARGIN = 2.0
"""So many times the memory that was measured is asked for."""
TIME_MARGIN = 4.0
"""And so many times the processor time: other jobs run beside it, disks are slower elsewhere."""
LEAST_MB = 500
"""Asked for by every job. Python with its libraries takes 170 MB, Snakemake beside it 135."""
LEAST_MIN = 10
"""A job of some seconds may wait so long for a busy disk, and it costs a cluster nothing."""
_UNIT_MB = 0.05
"""A sorted file has at least so much of each unit: its size tells how many there are at most ..."""
_MOST_UNITS = 1000
"""... but spikes and cutouts make files larger: more units than these are not reckoned with."""


@dataclass(frozen=True)
class Cost:
    """What a kind of job takes, as measured.

    Parameters
    ----------
    base_mb
        Memory, whatever is read.
    mb_per_mb
        Memory for each MB that is read whole: all its inputs but the raw file.
    mb_per_unit
        Memory for each unit, as far as the size of the sorted file tells how many there are.
    base_s
        Processor time, whatever is read.
    s_per_mb
        Processor time for each MB that is read whole.
    s_per_raw_mb
        Processor time for each MB of the raw file, of which some streams and samples are read.
    """

    base_mb: float = 170
    mb_per_mb: float = 4
    mb_per_unit: float = 0
    base_s: float = 3
    s_per_mb: float = 0
    s_per_raw_mb: float = 0


COSTS: Mapping[str, Cost] = {
    "process_recording": Cost(240, 4, 1.1, base_s=6, s_per_mb=1.3, s_per_raw_mb=0.01),
    "load_recording": Cost(base_s=3, s_per_mb=0.1, s_per_raw_mb=0.01),
    "add_section_time": Cost(base_s=2, s_per_mb=0.1),
    "section_spike_times": Cost(base_s=2, s_per_mb=0.1),
    "extract_feature": Cost(mb_per_mb=10, base_s=4, s_per_mb=1.0),
    "curate_units": Cost(base_s=2, s_per_mb=0.1),
    "compute_sta": Cost(mb_per_mb=8, base_s=3, s_per_mb=1.0),
    "adjust_p_values": Cost(base_s=2, s_per_mb=0.1),
    "assemble": Cost(mb_per_mb=2, base_s=2, s_per_mb=0.1),
    "assemble_checkpoint": Cost(mb_per_mb=2, base_s=2, s_per_mb=0.1),
    "draw_overview": Cost(mb_per_mb=1, base_s=4, s_per_mb=0.02),
}
"""By rule of the workflow, of those whose jobs are about one recording."""


def job_memory_mb(rule: str, bytes_read: Iterable[int], *, attempt: int = 1) -> int:
    """Memory that a job asks for; twice as much on its second try.

    Parameters
    ----------
    rule
        Name of its rule.
    bytes_read
        Sizes of the files that are read whole. Raw files do not count: they are read in blocks.
    attempt
        1 for the first try.

    Examples
    --------
    >>> job_memory_mb("load_recording", [250_000_000])
    2340
    >>> [job_memory_mb("assemble", [1_000_000], attempt=n) for n in (1, 2)]
    [500, 1000]
    """
    cost, read_mb = COSTS[rule], sum(bytes_read) / 1e6
    n_units = min(read_mb / _UNIT_MB, _MOST_UNITS)
    taken = cost.base_mb + cost.mb_per_mb * read_mb + cost.mb_per_unit * n_units
    return attempt * max(LEAST_MB, math.ceil(MEMORY_MARGIN * taken))


def job_runtime_min(
    rule: str, bytes_read: Iterable[int], *, raw_bytes: int = 0, attempt: int = 1
) -> int:
    """Minutes that a job asks for; twice as many on its second try, which goes on where it was.

    Parameters
    ----------
    rule
        Name of its rule.
    bytes_read
        Sizes of the files that are read whole.
    raw_bytes
        Size of the raw file.
    attempt
        1 for the first try.

    Examples
    --------
    >>> job_runtime_min("process_recording", [250_000_000], raw_bytes=30_000_000_000)
    43
    """
    cost = COSTS[rule]
    taken_s = cost.base_s + cost.s_per_mb * sum(bytes_read) / 1e6
    taken_s += cost.s_per_raw_mb * raw_bytes / 1e6
    return attempt * max(LEAST_MIN, math.ceil(TIME_MARGIN * taken_s / 60))


def larger_than_computer(asked_mb: Mapping[str, int], there_mb: float | None = None) -> list[str]:
    """A line for each recording whose job asks for more memory than the computer has.

    Parameters
    ----------
    asked_mb
        What the largest job of each recording asks for.
    there_mb
        What there is; default this computer's.

    Examples
    --------
    >>> (line,) = larger_than_computer({"small": 2000, "large": 40_000}, 16_000)
    >>> line.partition(". ")[0]
    'large: its largest job asks for 40.0 GB of memory, and this computer has 16.0 GB'
    """
    if there_mb is None:
        there_mb = psutil.virtual_memory().total / 1e6
    return [
        f"{name}: its largest job asks for {asked / 1e3:.1f} GB of memory, and this computer has "
        f"{there_mb / 1e3:.1f} GB. It may be killed; process it on a computer with more, or leave "
        f"it out (exclude: [{name}])"
        for name, asked in asked_mb.items()
        if asked > there_mb
    ]
