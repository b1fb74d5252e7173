"""Counts what is read of each file through descriptors, as hdmea reads session files.

Raw files, which h5py opens by name, are told with their size. A process with the folder of this
file on its PYTHONPATH loads it before anything else; what it has read is told when it ends, in a
line of the file that TOLD_READS names.
"""

import atexit
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import h5py

opened: dict[int, str] = {}
read: Counter[str] = Counter()
plain_h5, plain_open, plain_preadv = h5py.h5f.open, os.open, os.preadv


def counted_h5(name: bytes, *arguments: Any, **named: Any) -> Any:
    """Open a file with HDF5."""
    path = os.fsdecode(name)
    if path.endswith((".cmcr", ".cmtr")):
        read[path] = Path(path).stat().st_size
    return plain_h5(name, *arguments, **named)


def counted_open(path: Any, *arguments: Any, **named: Any) -> int:
    """Open a file."""
    descriptor = plain_open(path, *arguments, **named)
    opened[descriptor] = str(path)
    return descriptor


def counted_preadv(descriptor: int, *arguments: Any) -> int:
    """Read from a file."""
    n = plain_preadv(descriptor, *arguments)
    read[opened[descriptor]] += n
    return n


def tell() -> None:
    """Say what was read."""
    if read:
        with Path(os.environ["TOLD_READS"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps([sys.argv[0], read]) + "\n")


h5py.h5f.open, os.open, os.preadv = counted_h5, counted_open, counted_preadv
atexit.register(tell)
