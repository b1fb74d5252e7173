"""Hostile HDF5: the same tricks for session files, recordings, sorted files and old results."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py
import numpy as np

from faults.hostile.cases import NAMES, Case, Room

_HUGE = 10**14
_DEEP = 20_000
_FOREIGN_FILTER = 32015
_PATCHED = 4321
"""A length that is found in the bytes of a file, and replaced there."""


@dataclass(frozen=True)
class Place:
    """Where in a kind of file the tricks are done.

    Parameters
    ----------
    file
        Name of the good file in the room's inputs.
    dataset
        Path of one that every reader reads.
    group
        Path of a group in which readers look for others.
    """

    file: str
    dataset: str
    group: str


@dataclass(frozen=True)
class Opened:
    """A good file that is open for writing, where to do it, and the room it lies in."""

    file: h5py.File
    place: Place
    room: Room


Do = Callable[[Opened], None]


@dataclass(frozen=True)
class Trick:
    """What is done to a good file that is open for writing."""

    do: Do
    must_be_refused: bool = False


def hdf5_cases(kind: str, place: Place) -> list[Case]:
    """All tricks with a kind of file."""
    cases = [
        Case(name, kind, _made(trick.do, place), trick.must_be_refused)
        for name, trick in TRICKS.items()
    ]
    cases += [Case(name, kind, _patched(name, place)) for name in _PATCHES]
    return cases


def _made(do: Do, place: Place) -> Callable[[Room], Path]:
    def make(room: Room) -> Path:
        path = room.inputs / place.file
        with h5py.File(path, "r+", libver="latest") as file:
            do(Opened(file, place, room))
        return path

    return make


# -- data that lie elsewhere -----------------------------------------------------------------------


def _secret(on: Opened) -> Path:
    """A whole copy of the file, where no reader has any business."""
    path = on.room.bait / "secret.h5"
    with h5py.File(path, "w") as secret:
        for name in on.file:
            if isinstance(on.file.get(name, getlink=True), h5py.HardLink):
                on.file.copy(name, secret)
    return path


def _replaced(file: h5py.File, path: str) -> tuple[h5py.Group, str, dict[str, object]]:
    """Take an object away; its group, name and attributes, for another one in its place."""
    attributes = dict(file[path].attrs)
    del file[path]
    parent, _, name = path.rpartition("/")
    return file[parent or "/"], name, attributes


def _external_link(on: Opened) -> None:
    secret = _secret(on)
    group, name, _ = _replaced(on.file, on.place.dataset)
    group[name] = h5py.ExternalLink(str(secret), f"/{on.place.dataset}")


def _external_group(on: Opened) -> None:
    secret = _secret(on)
    group, name, _ = _replaced(on.file, on.place.group)
    group[name] = h5py.ExternalLink(os.path.relpath(secret, on.room.inputs), f"/{on.place.group}")


def _added_link(on: Opened) -> None:
    """The file is whole; who opens every object opens the bait."""
    secret = _secret(on)
    on.file[on.place.group]["more"] = h5py.ExternalLink(str(secret), f"/{on.place.dataset}")
    on.file["more"] = h5py.ExternalLink(str(secret), f"/{on.place.group}")


def _soft_link(on: Opened) -> None:
    on.file.move(on.place.dataset, "moved")
    group = on.file[on.place.dataset.rpartition("/")[0]]
    group[on.place.dataset.rpartition("/")[2]] = h5py.SoftLink("/moved")


def _dangling_link(on: Opened) -> None:
    group, name, _ = _replaced(on.file, on.place.dataset)
    group[name] = h5py.SoftLink(f"/{on.place.dataset}")


def _virtual(unlimited: bool, missing: bool) -> Do:
    def do(on: Opened) -> None:
        old = on.file[on.place.dataset]
        shape, dtype, longest = old.shape, old.dtype, (None, *old.shape[1:])
        source = on.room.bait / "source.h5"
        with h5py.File(source, "w") as other:
            other.create_dataset("x", data=old[...], chunks=True, maxshape=longest)
        if missing:
            source.unlink()
        group, name, attributes = _replaced(on.file, on.place.dataset)
        if unlimited:
            layout = h5py.VirtualLayout(shape, dtype, maxshape=longest)
            there = h5py.VirtualSource(source, "x", shape, dtype, maxshape=longest)
            layout[0 : h5py.h5s.UNLIMITED] = there[0 : h5py.h5s.UNLIMITED]
        else:
            layout = h5py.VirtualLayout(shape, dtype)
            layout[...] = h5py.VirtualSource(source, "x", shape, dtype)
        group.create_virtual_dataset(name, layout).attrs.update(attributes)

    return do


def _external_storage(on: Opened) -> None:
    old = on.file[on.place.dataset]
    shape, dtype = old.shape, old.dtype
    secret = on.room.bait / "secret.bin"
    secret.write_bytes(old[...].tobytes())
    group, name, attributes = _replaced(on.file, on.place.dataset)
    segments = [(str(secret), 0, secret.stat().st_size)]
    group.create_dataset(name, shape, dtype, external=segments).attrs.update(attributes)


# -- code ------------------------------------------------------------------------------------------


def _foreign_filter(on: Opened) -> None:
    """Who reads it makes HDF5 look for a plugin; the folder with it is in the bait."""
    (on.room.bait / "libh5hostile.so").write_bytes(b"\x7fELF, and never to be opened")
    old = on.file[on.place.dataset]
    shape, dtype = old.shape, old.id.get_type().copy()
    group, name, attributes = _replaced(on.file, on.place.dataset)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(tuple(max(1, n) for n in shape))
    creation.set_filter(_FOREIGN_FILTER, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple(shape)
    made = h5py.h5d.create(group.id, name.encode(), dtype, space, creation)
    dataset = h5py.Dataset(made)
    if dataset.size:
        made.write_direct_chunk((0,) * len(shape), b"\0" * (dataset.size * dtype.get_size()))
    dataset.attrs.update(attributes)


# -- bombs -----------------------------------------------------------------------------------------


def _declared(chunks: bool) -> Do:
    def do(on: Opened) -> None:
        old = on.file[on.place.dataset]
        shape, dtype = (*old.shape[:-1], _HUGE), old.dtype
        group, name, attributes = _replaced(on.file, on.place.dataset)
        one_chunk = (*(1 for _ in shape[1:]), 1000)
        dataset = group.create_dataset(name, shape, dtype, chunks=one_chunk if chunks else None)
        dataset.attrs.update(attributes)

    return do


def _deflated(on: Opened) -> None:
    """A gigabyte and a half of zeros in a few MB."""
    old = on.file[on.place.dataset]
    dtype = old.dtype
    rows = 1_500_000_000 // dtype.itemsize // int(np.prod(old.shape[:-1]))
    shape = (*old.shape[:-1], rows)
    group, name, attributes = _replaced(on.file, on.place.dataset)
    chunk = (*(1 for _ in shape[1:]), 2**22)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(chunk)
    creation.set_deflate(9)
    space = h5py.h5s.create_simple(shape)
    made = h5py.h5d.create(group.id, name.encode(), old.id.get_type().copy(), space, creation)
    dataset = h5py.Dataset(made)
    packed = _packed_zeros(2**22 * dtype.itemsize)
    for at in np.ndindex(*shape[:-1]):
        for start in range(0, rows, 2**22):
            made.write_direct_chunk((*at, start), packed)
    dataset.attrs.update(attributes)


@cache
def _packed_zeros(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _deep(on: Opened) -> None:
    group = on.file[on.place.group].id
    for _ in range(_DEEP):
        group = h5py.h5g.create(group, b"g")


def _cycle(on: Opened) -> None:
    on.file[on.place.group]["cycle"] = on.file["/"]
    on.file[on.place.group]["again"] = on.file[on.place.group]


def _many(on: Opened) -> None:
    """More links than any file has objects, all to one object."""
    group = on.file[on.place.group].create_group("many")
    group["first"] = np.zeros(1)
    first = group["first"].id
    for number in range(120_000):
        h5py.h5o.link(first, group.id, b"%d" % number)


# -- names and types -------------------------------------------------------------------------------


def _named(name: str) -> Do:
    """A copy of what readers read, and an attribute, with a name that means something elsewhere."""

    def do(on: Opened) -> None:
        encoded = name.encode("utf-8", "surrogateescape").replace(b"/", b"%")
        group, old = on.file[on.place.dataset].parent.id, on.file[on.place.dataset].name.encode()
        h5py.h5o.copy(group, old, group, encoded)
        h5py.h5g.create(on.file.id, encoded)
        for node in (on.file, on.file[on.place.dataset]):
            node.attrs[name if name.isprintable() else encoded] = np.bytes_(encoded)

    return do


def _odd_types(on: Opened) -> None:
    """References, enumerations, nothing, and types where datasets are looked for."""
    group = on.file[on.place.group]
    for node in (on.file, group):
        for name in list(node.attrs)[:3]:
            node.attrs[name] = group.ref
    group["type"] = np.dtype("f8")
    group["enumeration"] = np.zeros(2, h5py.enum_dtype({"A": 0}))
    group["reference"] = np.array([group.ref, group.ref], dtype=h5py.ref_dtype)
    group["nothing"] = h5py.Empty("f8")


def _arrays_for_text(on: Opened) -> None:
    """Attributes that are read as one word are tables of many."""
    for node in (on.file, on.file[on.place.group], on.file[on.place.dataset]):
        for name in list(node.attrs):
            value = np.asarray(node.attrs[name]).ravel()
            node.attrs[name] = np.array([*value, *value])


TRICKS = {
    "an external link": Trick(_external_link, must_be_refused=True),
    "an external link to a group": Trick(_external_group, must_be_refused=True),
    "external links beside whole data": Trick(_added_link),
    "a soft link": Trick(_soft_link),
    "a soft link to itself": Trick(_dangling_link, must_be_refused=True),
    "a virtual dataset": Trick(_virtual(unlimited=False, missing=False), must_be_refused=True),
    "a virtual dataset that grows": Trick(_virtual(True, missing=False), must_be_refused=True),
    "a virtual dataset without source": Trick(_virtual(False, missing=True), must_be_refused=True),
    "external storage": Trick(_external_storage, must_be_refused=True),
    "a filter that is a plugin": Trick(_foreign_filter, must_be_refused=True),
    "800 TB declared in pieces": Trick(_declared(chunks=True), must_be_refused=True),
    "800 TB declared at once": Trick(_declared(chunks=False), must_be_refused=True),
    "1.5 GB of zeros in 1.5 MB": Trick(_deflated),
    "20,000 groups in each other": Trick(_deep),
    "groups in a circle": Trick(_cycle),
    "120,000 links to one object": Trick(_many),
    "types that no reader expects": Trick(_odd_types),
    "many words where one is read": Trick(_arrays_for_text),
    "a name in no encoding": Trick(_named("\udcff\udcfe\udc80")),
    **{name: Trick(_named(text)) for name, text in NAMES.items()},
}
"""By what is hostile about it."""


# -- bytes that no library writes ------------------------------------------------------------------

_PATCHES: dict[str, Callable[[Opened], h5py.Group | h5py.Dataset]] = {
    "an attribute that declares 800 TB": lambda on: on.file,
    "an attribute of a dataset that declares 800 TB": lambda on: on.file[on.place.dataset],
}


def _patched(name: str, place: Place) -> Callable[[Room], Path]:
    """An attribute whose length is changed where it is written."""

    def make(room: Room) -> Path:
        path = room.inputs / place.file
        with h5py.File(path, "r+", libver="earliest") as file:
            node = _PATCHES[name](Opened(file, place, room))
            first = min(node.attrs) if node.attrs else "unit"
            node.attrs[first] = np.zeros(_PATCHED, np.uint8)
        raw = path.read_bytes()
        length = _PATCHED.to_bytes(8, "little")
        if not raw.count(length):
            raise RuntimeError(f"{path}: the attribute's length is not where it was expected")
        path.write_bytes(raw.replace(length, _HUGE.to_bytes(8, "little")))
        return path

    return make
