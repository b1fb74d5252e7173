"""What is inside a foreign HDF5 file: objects, shapes, types and attributes, never the data."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Collection, Iterator
from typing import Any, Final

import h5py
import numpy as np

from hdmea.errors import RecordingFileError
from hdmea.mcs import typeids
from hdmea.mcs.attributes import to_text
from hdmea.mcs.safe_h5 import filter_names, lies_elsewhere, names_in, type_id

MAX_DEPTH: Final = 16
MAX_OBJECTS: Final = 200_000

_MAX_VALUES: Final = 16  # longer attributes are tables, not settings

Description = dict[str, Any]


def describe_tree(root: h5py.Group, *, anonymous: bool) -> list[Description]:
    """List every object that hard links lead to once, and every other link without following it.

    With ``anonymous`` an object is named by its type and a count, since display names may be
    the user's, and values of attributes and targets of links are left out.
    """
    found = [_describe_node(root, "/", "", anonymous)]
    seen = {_address(root)}
    waiting = deque([(root, "/", "", 1)])
    while waiting:
        group, name, path, depth = waiting.popleft()
        if depth > MAX_DEPTH:
            found.append({"name": name, "kind": "too deep, not followed", "types": path})
            continue
        for child, child_name, types in _named_children(group, anonymous):
            here, types = name.rstrip("/") + "/" + child_name, f"{path}/{types}"
            if len(found) >= MAX_OBJECTS:
                found.append({"name": here, "kind": "too many objects, the rest left out"})
                return found
            if isinstance(child, h5py.Group | h5py.Dataset):
                found.append(_describe_node(child, here, types, anonymous))
                if isinstance(child, h5py.Group) and _address(child) not in seen:
                    seen.add(_address(child))
                    waiting.append((child, here, types, depth + 1))
            else:
                found.append({"name": here, "kind": "link", "types": types})
                if not anonymous:
                    found[-1]["target"] = _target(child)
    return found


def require_own(root: h5py.Group, but_for: Collection[str] = ()) -> None:
    """Make sure that nothing in a file leads out of it, for a reader that follows every link.

    Parameters
    ----------
    root
        The file.
    but_for
        Paths at which a link to another file is expected.

    Raises
    ------
    RecordingFileError
        If something does, or if there are more, or deeper ones, than any recording has; the first
        object is named.
    """
    seen = {_address(root)}
    waiting = deque([(root, "", 0)])
    while waiting:
        group, path, depth = waiting.popleft()
        for name in names_in(group):
            here = f"{path}/{name}"
            where = f"{root.file.filename}: {here}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink) and here not in but_for:
                raise RecordingFileError(
                    f"{where} is a link to another file, which is refused: give the file as the "
                    "vendor's programs wrote it"
                )
            if not isinstance(link, h5py.HardLink):  # where else it leads is looked at there
                continue
            node = group[name]
            if isinstance(node, h5py.Dataset) and lies_elsewhere(node):
                raise RecordingFileError(
                    f"{where} keeps its data in other files, which is refused: give the file as "
                    "the vendor's programs wrote it"
                )
            if isinstance(node, h5py.Group) and _address(node) not in seen:
                seen.add(_address(node))
                if depth >= MAX_DEPTH or len(seen) > MAX_OBJECTS:
                    raise RecordingFileError(
                        f"{where} is too deep, or one group too many; no recording is so: copy it "
                        "again from its source"
                    )
                waiting.append((node, here, depth + 1))


def _named_children(group: h5py.Group, anonymous: bool) -> Iterator[tuple[Any, str, str]]:
    """Give object or link, name to show and word for its type."""
    count: Counter[str] = Counter()
    for name in names_in(group):
        link = group.get(name, getlink=True)
        node = group[name] if isinstance(link, h5py.HardLink) else link
        if isinstance(node, h5py.Group | h5py.Dataset):
            known = type_id(node)
            word = typeids.NAMES.get(known, f"type {known}" if known else "")
        else:
            word = type(link).__name__
        count[word] += 1
        shown = f"{word or 'object'} {count[word]}" if anonymous else name
        yield node, shown, word or shown


def _describe_node(
    node: h5py.Group | h5py.Dataset, name: str, types: str, anonymous: bool
) -> Description:
    described: Description = {"name": name, "kind": "group", "types": types}
    if isinstance(node, h5py.Dataset):
        described |= {"kind": "dataset", "dtype": _type_of(node), "filters": filter_names(node)}
        # HDF5 opens other files to tell the shape of what lies in them
        if lies_elsewhere(node):
            described["elsewhere"] = True
        else:
            described["shape"] = list(node.shape or ())
            described["chunks"] = list(node.chunks) if node.chunks else None
    described["attributes"] = {
        attribute: _describe_attribute(node, attribute, anonymous)
        for attribute in sorted(node.attrs)
    }
    return described


def _describe_attribute(node: h5py.Group | h5py.Dataset, name: str, anonymous: bool) -> Description:
    attribute = node.attrs.get_id(name)
    described: Description = {"dtype": _type_of(attribute), "shape": list(attribute.shape)}
    if not anonymous and int(np.prod(attribute.shape, dtype=object)) <= _MAX_VALUES:
        described["value"] = _value(node.attrs[name])
    return described


def _value(value: Any) -> Any:
    """Turn an attribute's value into what JSON knows."""
    if isinstance(value, bytes | str):
        return to_text(value)
    if isinstance(value, np.ndarray):
        return [_value(one) for one in value.tolist()]
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return str(plain)  # JSON has no such numbers
    return plain if isinstance(plain, bool | int | float | None) else str(plain)


def _type_of(node: Any) -> Any:
    try:
        return _dtype(node.dtype)
    except TypeError as error:  # HDF5 has types that numpy lacks
        return f"unknown to numpy ({error})"


def _dtype(dtype: np.dtype[Any]) -> Any:
    """Spell a type; the fields of a compound by name."""
    if dtype.names is not None:
        return {name: _dtype(dtype[name]) for name in dtype.names}
    text = h5py.check_string_dtype(dtype)
    if text is not None:
        return "text" if text.length is None else f"text of {text.length} bytes"
    return str(dtype)


def _target(link: Any) -> str:
    if isinstance(link, h5py.ExternalLink):
        return f"{link.filename}:{link.path}"
    return str(getattr(link, "path", ""))


def _address(node: h5py.Group | h5py.Dataset) -> int:
    return int(h5py.h5o.get_info(node.id).addr)
