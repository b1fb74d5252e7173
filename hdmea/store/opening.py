"""Opening a session file: its structure, believed only where its digests say so.

A file can come from anywhere, so it is walked link by link; only plain datasets that the
manifest names are accepted - no links to other places, no external or virtual storage, no filters.
Such datasets are rows of bytes at a place of the file, which is all that is needed to read them.
HDF5 is spoken to in its own words: h5py's objects would take most of the time.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5t

from hdmea.arrays import Array
from hdmea.digest import dtype_name, root_digest
from hdmea.errors import FileMissingError, SessionFileError
from hdmea.spare_memory import require_memory
from hdmea.store import format as fmt
from hdmea.store.atomic import require_file
from hdmea.store.file_object import ReadableFile, opened, regular
from hdmea.store.names import odd_axes
from hdmea.store.structure import Extent, structure_digest
from hdmea.store.writer import attributes_digest, manifest_digest

_MAX_OBJECTS = 1_000_000
_MANIFEST = (*fmt.MANIFEST_TEXT, *fmt.MANIFEST_COUNTS, fmt.MANIFEST_BLOCKS)
DAMAGE = (
    AttributeError, KeyError, MemoryError, OSError, OverflowError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""What h5py, JSON and numpy raise of what is not as it was written."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A dataset of the file.

    Parameters
    ----------
    entry
        Its row of the manifest.
    unit, dims, description
        What its attributes say.
    offset
        Where its values begin in the file; None if it has none.
    dtype
        In which type they lie there.
    """

    entry: fmt.Entry
    unit: str
    dims: tuple[str, ...]
    description: str
    offset: int | None
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Structure:
    """All that is known of a session file before any values of it are read."""

    kind: str
    content_digest: str
    manifest_digest: str
    hdmea_version: str
    datasets: dict[str, Stored]


def open_session_file(path: Path) -> tuple[ReadableFile, Structure]:
    """Open a session file and check its structure.

    Raises
    ------
    FileMissingError
        If there is no file.
    SessionFileError
        If it is not a session file, of a newer version, or damaged.
    """
    file, target = _open(path)
    try:
        with file:
            return target, _Reading(path, file, target).structure()
    except DAMAGE as error:
        require_memory()  # for want of it nothing can be read
        target.close()
        if isinstance(error, SessionFileError):
            raise
        raise damaged(path, f"{type(error).__name__}: {error}") from error


def current_digest(path: Path) -> str:
    """Digest of the manifest of a file as it is now; changes whenever the file is replaced.

    Raises
    ------
    FileMissingError, SessionFileError
        If there is no session file.
    """
    with _open(path)[0] as file:
        value = file.attrs.get("manifest_digest")
    if not isinstance(value, bytes | np.bytes_ | str):
        raise SessionFileError(f"{path} is not a session file of hdmea; give one that it saved")
    return value if isinstance(value, str) else value.decode("utf-8")


def damaged(path: Path, what: str) -> SessionFileError:
    """The error of a file that is not what was saved."""
    return SessionFileError(
        f"{path} is damaged: {what}. Take a copy, a checkpoint or the parts, or make it again"
    )


class _Reading:
    """Reads the structure of one file."""

    def __init__(self, path: Path, file: h5py.File, target: ReadableFile) -> None:
        self._path, self._file, self._bytes = path, file, target
        self._size = target.seek(0, os.SEEK_END)

    def structure(self) -> Structure:
        """Walk the file, and compare all of it but the values with the manifest.

        Raises
        ------
        SessionFileError
            If it is of another kind or version, or something differs.
        """
        root = self._file.id
        if self._attribute(root, "format", "") != fmt.FORMAT:
            raise SessionFileError(
                f"{self._path} is an HDF5 file, but not a session file of hdmea (no format = "
                f"{fmt.FORMAT!r}); give one that hdmea saved"
            )
        version = int(self._file.attrs["format_version"])
        if version != fmt.FORMAT_VERSION:
            raise SessionFileError(
                f"{self._path} has format version {version}; this hdmea reads version "
                f"{fmt.FORMAT_VERSION}. Use the version of hdmea that wrote it, or a newer one"
            )
        kind, content, manifest, hdmea_version = (
            self._attribute(root, name)
            for name in ("kind", "content_digest", "manifest_digest", "hdmea_version")
        )
        present = self._walk()
        places = [self._place(path, dataset) for path, dataset in present.items()]
        stored = {
            path: present.pop(path)
            for path in [f"manifest/{name}" for name in (*_MANIFEST, fmt.MANIFEST_STRUCTURE)]
        }
        entries = self._entries(stored, kind, content, manifest)
        datasets = self._datasets(present, entries)
        lengths = ((path, one.dims, one.entry.shape) for path, one in datasets.items())
        if problem := odd_axes(lengths):
            # Cause: a program has put together what belongs to different units or trials.
            raise SessionFileError(
                f"{self._path}: {problem}; they belong to different things. Make the file again"
            )
        seal = self._values(stored[f"manifest/{fmt.MANIFEST_STRUCTURE}"])
        values = sorted(place for place in places if place[1])
        if structure_digest(self._bytes, values) != seal.tobytes():
            raise self._damaged("bytes that hold no values are not what was saved")
        return Structure(kind, content, manifest, hdmea_version, datasets)

    def _walk(self) -> dict[str, h5d.DatasetID]:
        """All datasets by path, reached by hard links only, each object once."""
        found: dict[str, h5d.DatasetID] = {}
        seen = {h5o.get_info(self._file.id).addr}
        todo: list[tuple[str, h5g.GroupID, int]] = [("", self._file["/"].id, 0)]
        while todo:
            prefix, group, depth = todo.pop()
            for name in group:
                path = prefix + name.decode("utf-8")
                if group.links.get_info(name).type != h5l.TYPE_HARD:
                    # Cause: somebody has linked another file into this one.
                    raise SessionFileError(
                        f"{self._path}: {path} is a link to another place; make the file again"
                    )
                child = h5o.open(group, name)
                address = h5o.get_info(child).addr
                if address in seen or depth > fmt.MAX_DEPTH or len(seen) > _MAX_OBJECTS:
                    raise self._damaged(f"{path} is linked twice, too deep, or one object too many")
                seen.add(address)
                if isinstance(child, h5g.GroupID):
                    todo.append((f"{path}/", child, depth + 1))
                elif isinstance(child, h5d.DatasetID):
                    found[path] = child
                else:
                    raise self._damaged(f"{path} is neither a group nor a dataset")
        return found

    def _place(self, path: str, dataset: h5d.DatasetID) -> Extent:
        """Where the values lie, and how many bytes they are.

        Raises
        ------
        SessionFileError
            If they are not simply there: elsewhere, filtered or missing.
        """
        creation = dataset.get_create_plist()
        if (
            creation.get_layout() != h5d.CONTIGUOUS
            or creation.get_external_count()
            or creation.get_nfilters()
        ):
            # Cause: another program has rewritten the file, or somebody linked others into it.
            raise SessionFileError(
                f"{self._path}: {path} is stored outside the file or filtered; make it again"
            )
        dtype = dataset.dtype
        if dtype.kind not in "iufS":
            raise self._damaged(f"{path} has the type {dtype}, which session files do not hold")
        n_bytes = math.prod(dataset.shape) * dtype.itemsize
        if not n_bytes:
            return 0, 0
        offset = dataset.get_offset()
        if offset is None or dataset.get_storage_size() != n_bytes or offset + n_bytes > self._size:
            raise self._damaged(f"{path} promises {n_bytes} bytes that are not in the file")
        return offset, n_bytes

    def _entries(
        self, stored: dict[str, h5d.DatasetID], kind: str, content: str, manifest: str
    ) -> dict[str, fmt.Entry]:
        """The manifest, row by row."""
        raw = {name: self._values(stored[f"manifest/{name}"]) for name in _MANIFEST}
        if manifest_digest(raw, kind, content) != manifest:
            raise self._damaged("the manifest is not what was saved")
        columns = {name: fmt.decode(raw[name]).tolist() for name in _MANIFEST[:-1]}
        blocks = raw[fmt.MANIFEST_BLOCKS].tobytes()
        entries, end = {}, 0
        for i, path in enumerate(columns["path"]):
            start, end = end, end + 32 * columns["n_blocks"][i]
            shape = columns["shape"][i]
            entries[path] = fmt.Entry(
                path=path,
                contribution=columns["contribution"][i],
                dtype=columns["dtype"][i],
                shape=tuple(map(int, shape.split(","))) if shape else (),
                root=columns["root"][i],
                attributes=columns["attributes"][i],
                rows_per_block=columns["rows_per_block"][i],
                blocks=tuple(blocks[at : at + 32] for at in range(start, end, 32)),
            )
        return entries

    def _datasets(
        self, present: dict[str, h5d.DatasetID], entries: dict[str, fmt.Entry]
    ) -> dict[str, Stored]:
        """What lies in the file, if it is what the manifest says."""
        if present.keys() != entries.keys():
            odd = sorted(present.keys() ^ entries.keys())
            raise self._damaged(f"manifest and datasets differ: {', '.join(odd[:5])}")
        found = {}
        for path, entry in entries.items():
            dataset = present[path]
            dtype, shape = dataset.dtype, dataset.shape
            if shape != entry.shape or dtype_name(dtype) != entry.dtype:
                raise self._damaged(f"{path} is {dtype} {shape}, not {entry.dtype} {entry.shape}")
            unit, dims, description = (
                self._attribute(dataset, name, of=path) for name in ("unit", "dims", "description")
            )
            if attributes_digest(unit, dims, description) != entry.attributes:
                raise self._damaged(f"the attributes of {path} are not what was saved")
            axes = tuple(dims.split(",")) if dims else ()
            if root_digest(entry.dtype, entry.shape, unit, axes, entry.blocks) != entry.root:
                raise self._damaged(f"the digests of {path} contradict each other")
            found[path] = Stored(entry, unit, axes, description, dataset.get_offset(), dtype)
        return found

    def _values(self, dataset: h5d.DatasetID) -> Array:
        """All values of a small dataset, as they lie there."""
        values = np.empty(dataset.shape, dataset.dtype)
        if values.size:
            self._bytes.read_at(dataset.get_offset(), values)
        return values

    def _attribute(
        self, target: h5py.h5g.ObjectID, name: str, default: str | None = None, of: str = "/"
    ) -> str:
        try:
            attribute = h5a.open(target, name.encode())
        except KeyError:
            if default is not None:
                return default
            raise self._damaged(f"attribute {name!r} of {of} is missing or not text") from None
        text = attribute.get_type()
        if attribute.shape != () or text.get_class() != h5t.STRING or text.is_variable_str():
            raise self._damaged(f"attribute {name!r} of {of} is missing or not text")
        value = np.empty((), f"S{text.get_size()}")
        attribute.read(value, text)  # told the type, h5py does not make it again
        told: bytes = value.item()
        return told.decode("utf-8")

    def _damaged(self, what: str) -> SessionFileError:
        return damaged(self._path, what)


def _open(path: Path) -> tuple[h5py.File, ReadableFile]:
    """The file, and the bytes behind it."""
    try:
        require_file(path, "session file")
        target = regular(path)
        return opened(target, "r"), target
    except FileMissingError:
        raise
    except PermissionError as error:
        # Cause: the file, or its folder, belongs to somebody else.
        raise SessionFileError(
            f"{path} may not be read: {error.strerror}. Ask its owner for the right to read the "
            "file and to enter its folder"
        ) from error
    except OSError as error:
        raise SessionFileError(
            f"{path} cannot be opened as HDF5 ({error}); it is damaged or of another kind. Take a "
            "copy, a checkpoint or the parts, or make it again"
        ) from error
