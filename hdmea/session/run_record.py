"""What is told of a run but is no part of its result: times, memory, host, software."""

from __future__ import annotations

import platform
import resource
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

_PACKAGES = ("hdmea", "numpy", "scipy", "h5py", "pandas", "McsPyDataTools")


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """Record of a piece of work, filled when it ends.

    Examples
    --------
    >>> with measured() as run:
    ...     pass
    >>> sorted(run)
    ['duration_s', 'host', 'peak_memory_mb', 'started_at']
    """
    run: dict[str, Any] = {}
    started, clock = datetime.now(UTC), time.perf_counter()
    yield run
    run["started_at"] = started.isoformat(timespec="seconds")
    run["duration_s"] = round(time.perf_counter() - clock, 4)
    run["peak_memory_mb"] = peak_memory_mb()
    run["host"] = socket.gethostname()


@cache
def software() -> dict[str, str]:
    """Versions of Python and of the packages that results may depend on."""
    return dict(_software())


@cache
def _software() -> Mapping[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    # looking at packages takes longer than all else of a small save
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def peak_memory_mb() -> float:
    """The most memory that this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # macOS counts bytes, Linux kilobytes
    return round((peak if sys.platform == "darwin" else peak * 1024) / 1e6, 1)
