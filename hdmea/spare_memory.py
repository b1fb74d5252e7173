"""Whether there is memory left for libraries that cannot say when there is none.

HDF5 2.0 crashes the process where it gets no memory, or says that a file cannot be read.
"""

from __future__ import annotations

import mmap

_SPARE_BYTES = 16 * 2**20


def require_memory() -> None:
    """Make sure that HDF5 gets what it needs for its own; takes some microseconds.

    Raises
    ------
    MemoryError
        If less than 16 MiB are left.

    Examples
    --------
    >>> require_memory()
    """
    try:
        mmap.mmap(-1, _SPARE_BYTES).close()
    except OSError as error:
        raise MemoryError(
            f"less than {_SPARE_BYTES >> 20} MiB of memory are left; end other programs, or let "
            "this one have more (ulimit -v)"
        ) from error
