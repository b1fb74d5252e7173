"""Attributes of HDF5 objects that somebody else wrote: text and numbers, however stored.

As the vendor's programs store them, they are asked for in HDF5's own words: a sorting has ten
thousand, and h5py's objects would take most of the time.
"""

from __future__ import annotations

import h5py
import numpy as np
from h5py import h5a, h5t

from hdmea.mcs.numbers import require_numbers


def text_attribute(node: h5py.Group | h5py.Dataset, name: str) -> str:
    """Read a text attribute, fixed or variable length, scalar or of one element; else empty."""
    attribute = _opened(node, name)
    if attribute is None:
        return ""
    kind = attribute.get_type()
    if isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str():
        if attribute.shape is None or np.prod(attribute.shape, dtype=object) != 1:
            return ""
        text = np.empty(attribute.shape, f"S{kind.get_size()}")
        attribute.read(text)
        return to_text(text.item())
    value = node.attrs[name]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return to_text(value) if isinstance(value, bytes | str) else ""


def number_attribute(node: h5py.Group | h5py.Dataset, name: str) -> float | None:
    """Read a number attribute, scalar or of one element; None if there is none."""
    value = exact_attribute(node, name)
    return None if value is None else float(value)


def exact_attribute(node: h5py.Group | h5py.Dataset, name: str) -> int | float | None:
    """Read a number attribute as `number_attribute`, but whole numbers of any size exactly."""
    attribute = _opened(node, name)
    if attribute is None:
        return None
    kind = attribute.get_type()
    require_numbers(kind, lambda: f"{node.file.filename}: {node.name}")
    if isinstance(kind, h5t.TypeIntegerID | h5t.TypeFloatID) and attribute.shape is not None:
        array = np.empty(attribute.shape, kind.dtype)
        attribute.read(array)
    else:
        array = np.asarray(node.attrs[name])
    if array.size != 1 or array.dtype.kind not in "iufb":
        return None
    number: int | float = array.item()
    return number


def _opened(node: h5py.Group | h5py.Dataset, name: str) -> h5a.AttrID | None:
    """The attribute of a name, if there is one."""
    return h5a.open(node.id, name.encode()) if h5a.exists(node.id, name.encode()) else None


def to_text(value: bytes | str) -> str:
    """Decode text of a file; blanks and NULs at the end are padding."""
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    return text.rstrip("\0 ")
