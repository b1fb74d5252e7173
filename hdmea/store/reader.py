"""Reading a session file: nothing in it is believed before its digest was checked.

Structural damage is raised when the file is opened, damaged values when they are first read.
A file can come from anywhere, so it is walked link by link; only plain datasets that the
manifest names are accepted - no links to other places, no external or virtual storage, no filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hdmea.arrays import Array, Variable
from hdmea.contribution import Contribution, Recipe
from hdmea.digest import (
    VariableDigest,
    block_digest,
    content_digest,
    dtype_name,
    root_digest,
    split_rows,
)
from hdmea.errors import FileMissingError, SessionFileError
from hdmea.store import format as fmt
from hdmea.store.atomic import require_file
from hdmea.store.file_object import ReadableFile, opened, regular
from hdmea.store.header import checked, named_values
from hdmea.store.structure import extents, structure_digest
from hdmea.store.writer import attributes_digest, manifest_digest

_MAX_OBJECTS = 1_000_000
_DAMAGE = (
    AttributeError, KeyError, MemoryError, OSError, OverflowError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""What h5py, JSON and numpy raise of what is not as it was written."""


class SessionFile:
    """An open session file whose structure has been checked.

    The file stays open while any of its arrays is in use: a later save replaces the name, not
    the file, so that what was not read yet can still be read.

    Raises
    ------
    FileMissingError
        If there is no file.
    SessionFileError
        If it is not a session file, of a newer version, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._verified: dict[str, set[int]] = {}
        self._file, self._bytes = _open(self.path)
        try:
            self._read_structure()
        except _DAMAGE as error:
            self._file.close()
            if isinstance(error, SessionFileError):
                raise
            raise self._damaged(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the file; arrays that were not read can no longer be."""
        self._file.close()

    def __enter__(self) -> SessionFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def contributions(self) -> dict[str, Contribution]:
        """The contributions in the order they were made, their arrays still in the file."""
        columns = {name: self.read(f"provenance/{name}") for name in fmt.PROVENANCE_COLUMNS}
        found: dict[str, Contribution] = {}
        for row in zip(*(columns[name] for name in fmt.PROVENANCE_COLUMNS), strict=True):
            name, step, version, key, parameters, inputs, parents, run = row
            try:
                recipe = Recipe(
                    name=str(name),
                    step=str(step),
                    version=int(version),
                    parameters=named_values(str(parameters)),
                    inputs=named_values(str(inputs)),
                    parents=named_values(str(parents)),
                )
                told = named_values(str(run))
            except (ValueError, TypeError, RecursionError) as error:  # of ours, or of JSON
                raise self._damaged(f"the recipe of {str(name)!r}: {error}") from error
            if recipe.key != str(key):
                raise self._damaged(f"the key of {name!r} does not fit its recipe")
            entries = [e for e in self.entries.values() if e.contribution == recipe.name]
            found[recipe.name] = Contribution(
                recipe,
                {e.path: self.variable(e.path) for e in entries},
                told,
                {
                    e.path: VariableDigest(e.dtype, e.shape, e.rows_per_block, e.blocks, e.root)
                    for e in entries
                },
            )
        self._check_content(found)
        return found

    def variable(self, path: str) -> Variable:
        """A variable whose values are read at first use."""
        unit, dims, description = self._described[path]
        return Variable(StoredArray(self, self.entries[path]), unit, dims, description)

    def read(self, path: str) -> Array:
        """All values of a dataset, checked."""
        return self.variable(path).values

    def read_rows(self, entry: fmt.Entry, start: int, stop: int) -> Array:
        """Rows of a dataset, decoded; every block that they touch is checked.

        Raises
        ------
        SessionFileError
            If a block is not what was written.
        """
        rows = entry.rows_per_block
        numbers = range(start // rows, -(-stop // rows))
        known = self._verified.setdefault(entry.path, set())
        # a block is checked once: the file under this descriptor is never changed, only replaced
        if known.issuperset(numbers):
            return fmt.decode(self._read(entry, start, stop))
        lower = numbers.start * rows
        stored = self._read(entry, lower, min(numbers.stop * rows, entry.shape[0]))
        for number, block in zip(numbers, split_rows(stored.shape, rows), strict=False):
            if block_digest(stored[block]) != entry.blocks[number]:
                raise self._damaged(
                    f"{entry.path}, rows {number * rows} onwards, are not what was saved"
                )
            known.add(number)
        return fmt.decode(stored[start - lower : stop - lower])

    def read_scalar(self, entry: fmt.Entry) -> Array:
        """The value of a 0-d dataset, checked."""
        value = np.asarray(self._file[entry.path][()], dtype=self._file[entry.path].dtype)
        if block_digest(value) != entry.blocks[0]:
            raise self._damaged(f"{entry.path} is not what was saved")
        return fmt.decode(value)

    def damaged_datasets(self) -> Iterator[tuple[str, str]]:
        """Read everything; yield path and reason of each dataset that is not what was saved."""
        for entry in self.entries.values():
            array = StoredArray(self, entry)
            try:
                for _ in array.blocks():
                    pass
            except SessionFileError as error:
                yield entry.path, str(error)

    def _read(self, entry: fmt.Entry, start: int, stop: int) -> Array:
        """Rows as they are stored, unchecked."""
        dataset = self._file[entry.path]
        stored = np.empty((max(stop - start, 0), *entry.shape[1:]), dataset.dtype)
        try:
            if stored.size:
                dataset.read_direct(stored, np.s_[start:stop])
        except OSError as error:
            raise self._damaged(f"{entry.path} cannot be read ({error})") from error
        return stored

    def _read_structure(self) -> None:
        if self._attribute(self._file, "format", "") != fmt.FORMAT:
            raise SessionFileError(
                f"{self.path} is an HDF5 file, but not a session file of hdmea (no format = "
                f"{fmt.FORMAT!r}); give one that hdmea saved"
            )
        version = int(self._file.attrs["format_version"])
        if version != fmt.FORMAT_VERSION:
            raise SessionFileError(
                f"{self.path} has format version {version}; this hdmea reads version "
                f"{fmt.FORMAT_VERSION}. Use the version of hdmea that wrote it, or a newer one"
            )
        self.kind = self._attribute(self._file, "kind")
        self.content_digest = self._attribute(self._file, "content_digest")
        self.manifest_digest = self._attribute(self._file, "manifest_digest")
        self.hdmea_version = self._attribute(self._file, "hdmea_version")
        present = self._walk()
        all_present = list(present.values())
        self.entries = self._read_manifest(present)
        self._check_datasets(present)
        if structure_digest(self._bytes, extents(all_present)) != self._structure:
            raise self._damaged("bytes that hold no values are not what was saved")
        self.header = checked(named_values(str(self.read(fmt.HEADER_PATH))))

    def _walk(self) -> dict[str, h5py.Dataset]:
        """All datasets by path, reached by hard links only, each object once."""
        found: dict[str, h5py.Dataset] = {}
        seen = {h5py.h5o.get_info(self._file.id).addr}
        todo: list[tuple[str, h5py.Group, int]] = [("", self._file["/"], 0)]
        while todo:
            prefix, group, depth = todo.pop()
            for name in group:
                path = f"{prefix}{name}"
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    # Cause: somebody has linked another file into this one.
                    raise SessionFileError(
                        f"{self.path}: {path} is a link to another place; make the file again"
                    )
                child = group[name]
                address = h5py.h5o.get_info(child.id).addr
                if address in seen or depth > fmt.MAX_DEPTH or len(seen) > _MAX_OBJECTS:
                    raise self._damaged(f"{path} is linked twice, too deep, or one object too many")
                seen.add(address)
                if isinstance(child, h5py.Group):
                    todo.append((f"{path}/", child, depth + 1))
                elif isinstance(child, h5py.Dataset):
                    found[path] = child
                else:
                    raise self._damaged(f"{path} is neither a group nor a dataset")
        return found

    def _read_manifest(self, present: dict[str, h5py.Dataset]) -> dict[str, fmt.Entry]:
        names = (*fmt.MANIFEST_TEXT, *fmt.MANIFEST_COUNTS, fmt.MANIFEST_BLOCKS)
        stored = {}
        for name in names:
            self._require_plain(f"manifest/{name}", present[f"manifest/{name}"])
            stored[name] = present.pop(f"manifest/{name}")[...]
        seal = present.pop(f"manifest/{fmt.MANIFEST_STRUCTURE}")
        self._require_plain(seal.name, seal)
        self._structure = seal[...].tobytes()
        if manifest_digest(stored, self.kind, self.content_digest) != self.manifest_digest:
            raise self._damaged("the manifest is not what was saved")
        columns = {name: fmt.decode(stored[name]) for name in names}
        ends = np.cumsum(columns["n_blocks"])
        entries = {}
        for i, path in enumerate(map(str, columns["path"])):
            blocks = columns[fmt.MANIFEST_BLOCKS][ends[i] - columns["n_blocks"][i] : ends[i]]
            shape = str(columns["shape"][i])
            entries[path] = fmt.Entry(
                path=path,
                contribution=str(columns["contribution"][i]),
                dtype=str(columns["dtype"][i]),
                shape=tuple(map(int, shape.split(","))) if shape else (),
                root=str(columns["root"][i]),
                attributes=str(columns["attributes"][i]),
                rows_per_block=int(columns["rows_per_block"][i]),
                blocks=tuple(block.tobytes() for block in blocks),
            )
        return entries

    def _check_datasets(self, present: dict[str, h5py.Dataset]) -> None:
        self._described: dict[str, tuple[str, tuple[str, ...], str]] = {}
        if present.keys() != self.entries.keys():
            odd = sorted(present.keys() ^ self.entries.keys())
            raise self._damaged(f"manifest and datasets differ: {', '.join(odd[:5])}")
        for path, dataset in present.items():
            entry = self.entries[path]
            self._require_plain(path, dataset)
            if dataset.shape != entry.shape or dtype_name(dataset.dtype) != entry.dtype:
                raise self._damaged(
                    f"{path} is {dataset.dtype} {dataset.shape}, not {entry.dtype} {entry.shape}"
                )
            unit, dims, description = (
                self._attribute(dataset, a) for a in ("unit", "dims", "description")
            )
            if attributes_digest(unit, dims, description) != entry.attributes:
                raise self._damaged(f"the attributes of {path} are not what was saved")
            axes = tuple(dims.split(",")) if dims else ()
            if root_digest(entry.dtype, entry.shape, unit, axes, entry.blocks) != entry.root:
                raise self._damaged(f"the digests of {path} contradict each other")
            self._described[path] = (unit, axes, description)

    def _check_content(self, contributions: dict[str, Contribution]) -> None:
        recipes = {c.name: (c.key, c.roots()) for c in contributions.values()}
        if content_digest(recipes, self.header.get("pending", {})) != self.content_digest:
            raise self._damaged("the content digest does not fit the content")

    def _require_plain(self, path: str, dataset: h5py.Dataset) -> None:
        """Refuse a dataset whose values are not simply here: elsewhere, filtered or missing."""
        creation = dataset.id.get_create_plist()
        if dataset.external or dataset.is_virtual or creation.get_nfilters():
            # Cause: another program has rewritten the file, or somebody linked others into it.
            raise SessionFileError(
                f"{self.path}: {path} is stored outside the file or filtered; make it again"
            )
        if dataset.dtype.kind not in "iufS" or h5py.check_vlen_dtype(dataset.dtype) is not None:
            raise self._damaged(
                f"{path} has the type {dataset.dtype}, which session files do not hold"
            )
        if dataset.size and dataset.id.get_storage_size() != dataset.nbytes:
            raise self._damaged(f"{path} promises {dataset.nbytes} bytes that are not in the file")

    def _attribute(self, target: h5py.HLObject, name: str, default: str | None = None) -> str:
        value = target.attrs.get(name, default)
        if isinstance(value, bytes | np.bytes_):
            return value.decode("utf-8")
        if not isinstance(value, str):
            raise self._damaged(f"attribute {name!r} of {target.name} is missing or not text")
        return value

    def _damaged(self, what: str) -> SessionFileError:
        return SessionFileError(
            f"{self.path} is damaged: {what}. Take a copy, a checkpoint or the parts, or make "
            "it again"
        )


class StoredArray:
    """Values of one dataset of a session file, read and checked when they are asked for.

    Indexing by an integer or a range of rows reads only the blocks in question; a whole read is
    kept.
    """

    def __init__(self, file: SessionFile, entry: fmt.Entry) -> None:
        self._file = file
        self._entry = entry
        self._values: Array | None = None
        stored = fmt.stored_dtype(entry.dtype)
        # in UTF-8 a character takes at least one byte
        self.dtype = np.dtype(f"U{stored.itemsize}") if stored.kind == "S" else stored
        self.shape = entry.shape

    def __repr__(self) -> str:
        return f"<{self.dtype} {self.shape}, {'read' if self.loaded else 'not read yet'}>"

    @property
    def loaded(self) -> bool:
        """Whether all values are in memory."""
        return self._values is not None

    def blocks(self) -> Iterator[Array]:
        """Checked blocks of rows, one after the other, none of them kept."""
        if not self.shape:
            yield self._file.read_scalar(self._entry)
        for rows in split_rows(self.shape, self._entry.rows_per_block):
            yield self._file.read_rows(self._entry, rows.start, rows.stop)

    def __getitem__(self, key: Any) -> Array:
        if self._values is None and self.shape:
            first, *rest = key if isinstance(key, tuple) else (key,)
            if isinstance(first, int | np.integer) and -self.shape[0] <= first < self.shape[0]:
                row = int(first) % self.shape[0]
                one: Array = self._file.read_rows(self._entry, row, row + 1)[(0, *rest)]
                return one
            if isinstance(first, slice) and first != slice(None) and first.step in (None, 1):
                start, stop, _ = first.indices(self.shape[0])
                some = self._file.read_rows(self._entry, start, max(start, stop))
                return some[(slice(None), *rest)]
        picked: Array = self._all()[key]
        return picked

    def _all(self) -> Array:
        if self._values is None:
            if self.shape:
                values = self._file.read_rows(self._entry, 0, self.shape[0])
            else:
                values = self._file.read_scalar(self._entry)
            values.flags.writeable = False
            self._values, self.dtype = values, values.dtype
        return self._values


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
