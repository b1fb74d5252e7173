"""The digest of all bytes of a session file that are not values: what HDF5 itself wrote there.

The manifest's digests cover values, names, types and attributes. Flipped bits elsewhere, in HDF5's
own tables or in bytes that hold nothing, change none of these; yet such a file is not what was
saved, and the next damage may be near. So the rest has a digest as well, and the length with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import h5py

from hdmea.store.file_object import ReadableFile, RememberingFile

Extent = tuple[int, int]
"""Place and length of a dataset's values, bytes from the file's begin."""
_AT_ONCE = 2**20


def extents(datasets: Iterable[h5py.Dataset]) -> list[Extent]:
    """Where the values of contiguous datasets lie; what is empty lies nowhere."""
    return sorted((one.id.get_offset(), one.nbytes) for one in datasets if one.size)


def structure_digest(file: ReadableFile, values: Iterable[Extent]) -> bytes:
    """sha256 of all bytes outside the values, up to the file's end.

    Parameters
    ----------
    file
        The file; where it is read from next changes.
    values
        As `extents` gives them.

    Raises
    ------
    ValueError
        If values overlap, as they never do in a file that is whole.
    """
    digest = hashlib.sha256()
    end = file.seek(0, 2)
    at = 0
    for start, size in [*values, (end, 0)]:
        if start < at:
            raise ValueError(f"values at byte {start} begin before those before them end")
        file.seek(at)
        for offset in range(at, start, _AT_ONCE):
            digest.update(file.read(min(_AT_ONCE, start - offset)))
        at = start + size
    return digest.digest()


def seal(file: RememberingFile, values: Iterable[Extent], place: int) -> None:
    """Write the digest of a finished file to its place, which is among the values.

    What goes wrong is kept in the file, as of all writing.
    """
    found = structure_digest(file, values)
    file.seek(place)
    file.write(memoryview(found))
