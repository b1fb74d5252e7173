"""Names and small encodings of the session file format; h5py's quirks with text live here.

A session file is plain HDF5. Every variable is one dataset at its own path, with the attributes
``unit``, ``dims`` (comma-separated) and ``description``. Three groups are the format's own:

``provenance``
    one row per contribution (step, version, key, parameters, inputs, parents) and ``run``: what
    does not belong to the content (times, host, software, warnings, paths)
``manifest``
    one row per dataset: path, type, shape, digests; the digests of all blocks, and one of
    all bytes that are not values
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from hdmea.arrays import Array

FORMAT = "hdmea-session"
FORMAT_VERSION = 2
KINDS = ("session", "checkpoint", "part")

PROVENANCE_COLUMNS = ("name", "step", "version", "key", "parameters", "inputs", "parents", "run")
"""Columns of ``provenance``; the last four are JSON."""
HEADER_PATH = "provenance/session"
"""JSON about the session itself: id, pending features, warnings, places."""

MAX_DEPTH = 16
"""Groups in which a dataset may lie."""

MANIFEST_TEXT = ("path", "contribution", "dtype", "shape", "root", "attributes")
MANIFEST_COUNTS = ("rows_per_block", "n_blocks")
MANIFEST_BLOCKS = "block_sha256"
MANIFEST_STRUCTURE = "structure_sha256"


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the manifest: one dataset of the file.

    ``contribution`` is empty for the format's own datasets, which are not content.
    """

    path: str
    contribution: str
    dtype: str
    shape: tuple[int, ...]
    root: str
    attributes: str
    rows_per_block: int
    blocks: tuple[bytes, ...]


def stored_dtype(name: str) -> np.dtype[Any]:
    """h5py's type for a type name of the manifest (``float64``, ``utf8[5]``)."""
    if name.startswith("utf8["):
        text: np.dtype[Any] = h5py.string_dtype("utf-8", int(name[5:-1]))
        return text
    return np.dtype(name).newbyteorder("<")


def decode(values: Array) -> Array:
    """Array as the user sees it: UTF-8 bytes become text, numbers stay."""
    if values.dtype.kind != "S":
        return values
    if values.size == 0:
        return np.zeros(values.shape, dtype="U1")
    return np.char.decode(values, "utf-8")


def text_column(values: Iterable[str]) -> Array:
    """A column of text, also when it is empty."""
    values = list(values)
    return np.array(values, dtype=np.str_) if values else np.zeros(0, dtype="U1")
