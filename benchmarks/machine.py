"""The machine that measures."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import h5py
import psutil
from threadpoolctl import threadpool_info

_PACKAGES = ("numpy", "scipy", "h5py", "pandas")


def described() -> dict[str, str]:
    """What decides how fast it is, as the page tells it."""
    blas = {
        f"{one['internal_api']} {one['version']} ({one.get('architecture', 'unknown')})"
        for one in threadpool_info()
        if one["user_api"] == "blas"
    }
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{psutil.virtual_memory().total / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in _PACKAGES),
        "HDF5": h5py.version.hdf5_version,
        "BLAS": ", ".join(sorted(blas)),
    }


def load() -> float:
    """Processes that wanted to run in the last minute, on average, as the system tells it."""
    return round(os.getloadavg()[0], 1)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
