"""Attributes of HDF5 objects that somebody else wrote: text and numbers, however stored."""

from __future__ import annotations

import h5py
import numpy as np

from hdmea.mcs.numbers import require_numbers


def text_attribute(node: h5py.Group | h5py.Dataset, name: str) -> str:
    """Read a text attribute, fixed or variable length, scalar or of one element; else empty."""
    value = node.attrs.get(name)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return to_text(value) if isinstance(value, bytes | str) else ""


def number_attribute(node: h5py.Group | h5py.Dataset, name: str) -> float | None:
    """Read a number attribute, scalar or of one element; None if there is none."""
    value = exact_attribute(node, name)
    return None if value is None else float(value)


def exact_attribute(node: h5py.Group | h5py.Dataset, name: str) -> int | float | None:
    """Read a number attribute as `number_attribute`, but whole numbers of any size exactly."""
    if name not in node.attrs:
        return None
    require_numbers(node.attrs.get_id(name).get_type(), f"{node.file.filename}: {node.name}")
    array = np.asarray(node.attrs[name])
    if array.size != 1 or array.dtype.kind not in "iufb":
        return None
    number: int | float = array.item()
    return number


def to_text(value: bytes | str) -> str:
    """Decode text of a file; blanks and NULs at the end are padding."""
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    return text.rstrip("\0 ")
