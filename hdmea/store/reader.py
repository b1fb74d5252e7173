"""Reading a session file: nothing in it is believed before its digest was checked.

Structural damage is raised when the file is opened, damaged values when they are first read. HDF5
is needed to open it only: where values lie is known from then on, and they are read from there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hdmea.arrays import Array, Variable
from hdmea.contribution import Contribution, Recipe
from hdmea.digest import (
    AT_ONCE_BYTES,
    VariableDigest,
    block_digest,
    content_digest,
    digests_of_blocks,
    split_rows,
)
from hdmea.errors import SessionFileError
from hdmea.spare_memory import require_memory
from hdmea.store import format as fmt
from hdmea.store.header import checked, named_values
from hdmea.store.opening import DAMAGE, damaged, open_session_file


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
        self._bytes, structure = open_session_file(self.path)
        self.kind = structure.kind
        self.content_digest = structure.content_digest
        self.manifest_digest = structure.manifest_digest
        self.hdmea_version = structure.hdmea_version
        self._stored = structure.datasets
        self.entries = {path: one.entry for path, one in self._stored.items()}
        try:
            self.header = checked(named_values(str(self.read(fmt.HEADER_PATH))))
        except DAMAGE as error:
            require_memory()  # for want of it nothing can be read
            self.close()
            if isinstance(error, SessionFileError):
                raise
            raise self._damaged(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the file; arrays that were not read can no longer be."""
        self._bytes.close()

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
        stored = self._stored[path]
        return Variable(
            StoredArray(self, stored.entry), stored.unit, stored.dims, stored.description
        )

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
            stored = self._empty(entry, stop - start)
            self._read(entry, start, stored)
            return fmt.decode(stored)
        lower = numbers.start * rows
        stored = self._empty(entry, min(numbers.stop * rows, entry.shape[0]) - lower)

        def pieces() -> Iterator[Array]:
            for piece in split_rows(stored.shape, rows_read_at_once(entry)):
                self._read(entry, lower + piece.start, stored[piece])
                yield stored[piece]

        found = digests_of_blocks(pieces(), rows, stored.nbytes)
        for number, digest in zip(numbers, found, strict=True):
            if digest != entry.blocks[number]:
                raise self._damaged(
                    f"{entry.path}, rows {number * rows} onwards, are not what was saved"
                )
        known.update(numbers)
        return fmt.decode(stored[start - lower : stop - lower])

    def read_scalar(self, entry: fmt.Entry) -> Array:
        """The value of a 0-d dataset, checked."""
        value = np.empty((), self._stored[entry.path].dtype)
        self._read(entry, 0, value)
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

    def _empty(self, entry: fmt.Entry, n_rows: int) -> Array:
        return np.empty((max(n_rows, 0), *entry.shape[1:]), self._stored[entry.path].dtype)

    def _read(self, entry: fmt.Entry, row: int, into: Array) -> None:
        """Fill an array with rows as they are stored, unchecked."""
        offset = self._stored[entry.path].offset
        if offset is None or not into.size:
            return
        row_bytes = math.prod(entry.shape[1:]) * into.dtype.itemsize
        try:
            self._bytes.read_at(offset + row * row_bytes, into)
        except OSError as error:
            raise self._damaged(f"{entry.path} cannot be read ({error})") from error

    def _check_content(self, contributions: dict[str, Contribution]) -> None:
        recipes = {c.name: (c.key, c.roots()) for c in contributions.values()}
        if content_digest(recipes, self.header.get("pending", {})) != self.content_digest:
            raise self._damaged("the content digest does not fit the content")

    def _damaged(self, what: str) -> SessionFileError:
        return damaged(self.path, what)


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
        """Checked rows, some megabytes after the other, none of them kept."""
        if not self.shape:
            yield self._file.read_scalar(self._entry)
        for rows in split_rows(self.shape, rows_read_at_once(self._entry)):
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


def rows_read_at_once(entry: fmt.Entry) -> int:
    """Rows of whole blocks, some megabytes."""
    row_bytes = math.prod(entry.shape[1:]) * fmt.stored_dtype(entry.dtype).itemsize
    block_bytes = max(1, entry.rows_per_block * row_bytes)
    return entry.rows_per_block * max(1, AT_ONCE_BYTES // block_bytes)
