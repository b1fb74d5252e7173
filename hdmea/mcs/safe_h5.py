"""Opening and walking HDF5 files that somebody else wrote, without trusting them.

A data file can be damaged, of another kind, or made to mislead: links to other files, storage
in other files, filters that load code, sizes beyond any memory. Everything that reads a
recording goes through here: regular files only, opened read-only without locks; hard links
only; what is read is stored in this very file, by filters that HDF5 brings itself.
"""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import h5py

from hdmea.errors import (
    FileMissingError,
    HdmeaError,
    RecordingFileError,
    RecordingNotReadError,
)
from hdmea.mcs import typeids
from hdmea.mcs.attributes import text_attribute
from hdmea.mcs.numbers import require_numbers
from hdmea.spare_memory import require_memory

MAX_CHILDREN: Final = 100_000
"""Objects in one group; a sorting of the whole chip has a few thousand."""

_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
_BUILT_IN_FILTERS: Final = {
    h5py.h5z.FILTER_DEFLATE: "deflate",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_SZIP: "szip",
    h5py.h5z.FILTER_NBIT: "nbit",
    h5py.h5z.FILTER_SCALEOFFSET: "scaleoffset",
    h5py.h5z.FILTER_LZF: "lzf",
}
_MAX_COMPRESSION: Final = 1100  # deflate reaches 1032:1
# What h5py raises on damaged files, by experience with thousands of them.
_DAMAGE: Final = (
    KeyError, MemoryError, NotImplementedError, OSError, OverflowError, RuntimeError,
    SystemError, TypeError, ValueError,
)  # fmt: skip
_WORDS: Final = frozenset(typeids.NAMES.values())
_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def reading(path: Path, what: str = "") -> Iterator[None]:
    """Turn whatever h5py says about a damaged file into one error that names it."""
    try:
        yield
    except HdmeaError:
        raise
    except PermissionError as error:
        raise not_permitted(path) from error
    except _DAMAGE as error:
        require_memory()  # for want of it nothing can be read
        where = f"{path}: {what}" if what else str(path)
        found = f"({type(error).__name__}: {error})"
        if isinstance(error, MemoryError) or "errno = " in str(error):  # what the system says
            # Cause: the disk or the network fails, there is not enough memory, or the file asks for
            # what no file can hold, as damaged ones do.
            raise RecordingNotReadError(
                f"{where} cannot be read this time {found}. Look at disk, network and memory; if "
                "they are well, the file is damaged: copy it again from its source"
            ) from error
        # Cause: the file is damaged, or was not copied to its end.
        raise RecordingFileError(
            f"{where} cannot be read {found}. The file is damaged or incomplete: copy it again "
            "from its source and compare sizes"
        ) from error


UNKNOWN_KIND = (
    "The file is damaged, or of a kind that is not known yet: copy it again from its source and "
    "compare sizes; if it stays so, send us `hdmea inspect --json --anonymous` of it"
)
"""What to do where a file is HDF5, but not what the vendor's programs are known to write."""


def not_permitted(path: Path) -> RecordingNotReadError:
    """What to raise where the system does not let this user read."""
    # Cause: the file, or a folder above it, belongs to somebody else.
    return RecordingNotReadError(
        f"{path} may not be read: permission denied. Ask its owner for the right to read the file "
        "and to enter its folder"
    )


def open_hdf5(path: Path) -> h5py.File:
    """Open a regular HDF5 file read-only.

    Raises
    ------
    FileMissingError
        If there is no such file.
    RecordingFileError
        If it is no regular file, not HDF5, or damaged.
    """
    require_hdf5(path, "a .cmcr or .cmtr file")
    require_memory()
    with reading(path):
        return h5py.File(path, "r", locking=False)


def require_hdf5(path: Path, needed: str) -> None:
    """Make sure that a path is that of a regular HDF5 file; raises as `open_hdf5` does.

    Parameters
    ----------
    path
        The file.
    needed
        What is looked for, for who gave something else.
    """
    require_regular(path, needed)
    with reading(path):
        with path.open("rb") as file:
            signature = file.read(len(_SIGNATURE))
        if signature != _SIGNATURE:
            # Cause: another kind of file, an empty one, or a copy that was broken off.
            raise RecordingFileError(f"{path} {_no_signature(signature)}; {needed} is needed")


def require_regular(path: Path, needed: str) -> None:
    """Make sure that a path is that of a regular file; raises as `open_hdf5` does."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileMissingError(f"{path}: no such file; correct the path") from error
    except PermissionError as error:
        raise not_permitted(path) from error
    except OSError as error:
        # Cause: the system refuses the path, such as one that is too long, or the disk it is on
        # does not answer.
        raise RecordingFileError(
            f"{path}: cannot be opened: {error.strerror}; correct the path, or make sure that the "
            "disk or network that it is on is there"
        ) from error
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        # Cause: a folder, a pipe or a device was named where a file is needed.
        raise RecordingFileError(f"{path} is {kind}; {needed} is needed")


def _no_signature(begins: bytes) -> str:
    if not begins:
        return "is empty (0 bytes): it was never written, or its copy was not finished"
    if not any(begins):
        return "begins with zeros: its copy was not finished, or the disk is damaged"
    return "is not an HDF5 file"


def open_recording(path: Path) -> h5py.File:
    """Open a CMOS-MEA file (``.cmcr``, ``.cmtr``) read-only.

    Raises
    ------
    FileMissingError, RecordingFileError
        If it is no regular file, not HDF5, damaged, or HDF5 of another kind.
    """
    file = open_hdf5(path)
    try:
        with reading(path):
            if "McsHdf5ProtocolType" in file.attrs:
                # Cause: the recording was exported for other programs, and the export was given.
                raise RecordingFileError(
                    f"{path} is an export of the Multi Channel DataManager, another format; "
                    "give the .cmcr or .cmtr file of CMOS-MEA-Control or CMOS-MEA-Tools"
                )
            if type_id(file) != typeids.ROOT:
                # Cause: an HDF5 file of another program was given, such as a result.
                raise RecordingFileError(
                    f"{path} is HDF5 but no CMOS-MEA file (its root lacks the type id "
                    f"{typeids.ROOT}); give a .cmcr or .cmtr file"
                )
    except RecordingFileError:
        file.close()
        raise
    return file


def children(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    """Give the groups and datasets of a group that hard links lead to, by name.

    Raises
    ------
    RecordingFileError
        If there are links to other places, which would be missing from what is read; but for
        those at the root, where a sorted file names its raw one.
    """
    for name in names_in(group):
        if not _is_hard_link(group, name) and group.name == "/":
            continue
        node = child(group, name)
        if node is not None:
            yield name, node


def names_in(group: h5py.Group) -> list[str]:
    """Names in a group, if they are not more than any recording has."""
    if len(group) > MAX_CHILDREN:
        # Cause: the file is damaged, or was made to overload its readers.
        raise RecordingFileError(
            f"{group.file.filename}: {group.name} has {len(group)} objects, more than the "
            f"{MAX_CHILDREN} any recording has. {UNKNOWN_KIND}"
        )
    return list(group)


def child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """The group or dataset of a name, None if there is none.

    Raises
    ------
    RecordingFileError
        If the name is that of a link to another place, or of something else.
    """
    if name not in group:
        return None

    def where() -> str:
        return f"{group.file.filename}: {group.name.rstrip('/')}/{name}"

    if not _is_hard_link(group, name):
        # Cause: somebody has linked another file into this one; following it could read any file of
        # this computer.
        raise RecordingFileError(
            f"{where()} is a link to another place, which is not allowed: give the file as "
            "CMOS-MEA-Control or CMOS-MEA-Tools wrote it"
        )
    node = group[name]
    if not isinstance(node, h5py.Group | h5py.Dataset):
        # Cause: the file is damaged, or was not written by the vendor's programs.
        raise RecordingFileError(f"{where()} is neither a group nor a dataset. {UNKNOWN_KIND}")
    return node


def _is_hard_link(group: h5py.Group, name: str | bytes) -> bool:
    """Whether a name that is in the group leads to an object of this file."""
    encoded = name if isinstance(name, bytes) else name.encode()  # bytes: in no known encoding
    return bool(group.id.links.get_info(encoded).type == h5py.h5l.TYPE_HARD)


def groups_of_type(group: h5py.Group, wanted: str) -> list[tuple[str, h5py.Group]]:
    """Find the subgroups with a type id."""
    return [
        (name, node)
        for name, node, known in _typed_children(group)
        if isinstance(node, h5py.Group) and known == wanted
    ]


def datasets_of_type(group: h5py.Group, wanted: str) -> list[tuple[str, h5py.Dataset]]:
    """Find the datasets with a type id, each checked by `check_dataset`."""
    return datasets_by_type(group, wanted)[wanted]


def datasets_by_type(group: h5py.Group, *wanted: str) -> dict[str, list[tuple[str, h5py.Dataset]]]:
    """Find the datasets with each of some type ids, looking at each child once; all checked."""
    found: dict[str, list[tuple[str, h5py.Dataset]]] = {one: [] for one in wanted}
    for name, node, known in _typed_children(group):
        if isinstance(node, h5py.Dataset) and known in found:
            found[known].append((name, node))
    for datasets in found.values():
        for _, dataset in datasets:
            check_dataset(dataset)
    return found


def _typed_children(
    group: h5py.Group,
) -> Iterator[tuple[str, h5py.Group | h5py.Dataset, str]]:
    """Children with their type ids; an object with a damaged one must not be overlooked.

    A type that is not known here is left alone, unless the object calls itself by a word
    (``ID.Type``) whose type is another. At the root, where a lab may put things of its own, what is
    missing is noticed anyway.
    """
    for name, node in children(group):
        known = type_id(node)
        if known not in typeids.NAMES and group.name != "/":
            word = text_attribute(node, "ID.Type")
            if not known or word in _WORDS:
                said = f"calls itself {word}, but has the type id {known!r}"
                # Cause: bits of the file changed on a disk or on their way.
                raise RecordingFileError(
                    f"{group.file.filename}: {group.name}/{name} "
                    f"{said if known else 'has no type id'}; every object of a recording has that "
                    "of its kind. The file is damaged: copy it again from its source and compare "
                    "checksums"
                )
        yield name, node, known


def check_dataset(dataset: h5py.Dataset) -> None:
    """Refuse data that lie elsewhere, need foreign code, are no numbers, or are not all there.

    Raises
    ------
    RecordingFileError
        If they do, or are not.
    """

    def where() -> str:
        return f"{dataset.file.filename}: {dataset.name}"

    creation = dataset.id.get_create_plist()
    if _points_elsewhere(creation):
        # Cause: the file was made by another program, which stored only references in it; following
        # them could read any file of this computer.
        raise RecordingFileError(
            f"{where()} keeps its data in other files, which is not allowed: give the file as "
            "CMOS-MEA-Control or CMOS-MEA-Tools wrote it, or one into which the data were copied"
        )
    foreign = [name for name in _filter_names(creation) if name.startswith("filter ")]
    if foreign:
        # Cause: the file was compressed anew by a program with filters of its own; reading it would
        # run foreign code.
        raise RecordingFileError(
            f"{where()} is compressed by {', '.join(foreign)}, which HDF5 does not bring itself; "
            "repack the file with deflate (h5repack -f GZIP=1)"
        )
    kind = dataset.id.get_type()
    require_numbers(kind, where)
    # a scalar has the shape (), and is one value; nothing at all has none
    count = 0 if dataset.shape is None else math.prod(dataset.shape)
    declared = count * kind.get_size()
    stored = dataset.id.get_storage_size()
    if declared > stored * (_MAX_COMPRESSION if creation.get_nfilters() else 1):
        # Cause: recording or copying was broken off, or the disk was full.
        raise RecordingFileError(
            f"{where()} declares {declared} bytes (shape {dataset.shape}) but stores {stored}: the "
            "file was not written to its end. Copy it again from its source and compare sizes"
        )
    plain = creation.get_layout() == h5py.h5d.CONTIGUOUS
    if declared < stored and plain and not kind.dtype.hasobject:
        raise RecordingFileError(
            f"{where()} declares {declared} bytes (shape {dataset.shape}) but stores {stored}. The "
            "file is damaged: copy it again from its source and compare checksums"
        )


def lies_elsewhere(dataset: h5py.Dataset) -> bool:
    """Whether the data of a dataset are in other files; asked before anything else of it."""
    return _points_elsewhere(dataset.id.get_create_plist())


def _points_elsewhere(creation: h5py.h5p.PropDCID) -> bool:
    return bool(creation.get_layout() == h5py.h5d.VIRTUAL or creation.get_external_count())


def filter_names(dataset: h5py.Dataset) -> list[str]:
    """Name the filters of a dataset; ``filter <number>`` for those HDF5 does not bring."""
    return _filter_names(dataset.id.get_create_plist())


def _filter_names(creation: h5py.h5p.PropDCID) -> list[str]:
    codes = [creation.get_filter(index)[0] for index in range(creation.get_nfilters())]
    return [_BUILT_IN_FILTERS.get(code, f"filter {code}") for code in codes]


def type_id(node: h5py.Group | h5py.Dataset) -> str:
    """Give the type id of an object, empty if it carries none."""
    return text_attribute(node, "ID.TypeID").lower()
