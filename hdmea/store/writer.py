"""Writing a session file: contributions, their provenance, and the manifest over all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from hdmea import __version__
from hdmea.arrays import Array, Variable, text
from hdmea.contribution import Contribution
from hdmea.digest import (
    VariableDigest,
    canonical_json,
    content_digest,
    digest_variable,
    dtype_name,
    encode,
    rows_at_once,
    sha256_json,
    split_rows,
)
from hdmea.errors import OutputExistsError, ParameterError
from hdmea.store import format as fmt
from hdmea.store.atomic import atomic_hdf5
from hdmea.store.file_object import RememberingFile, file_kind
from hdmea.store.names import check_description, check_place, odd_axes
from hdmea.store.structure import Extent, extents, seal

_SPARE_BYTES = 2**20
_RECORDINGS = (".cmcr", ".cmtr")


class Written(NamedTuple):
    """Digests of a session file that was written: of its content, and of its manifest."""

    content: str
    manifest: str


def write_session_file(
    path: Path,
    contributions: Sequence[Contribution],
    header: Mapping[str, Any],
    *,
    kind: str = "session",
    overwrite: bool = True,
) -> Written:
    """Write contributions as one session file, atomically.

    Parameters
    ----------
    path
        The final name.
    contributions
        What the file is to hold; no two may have a variable of the same path.
    header
        Plain values about the session; ``header["pending"]`` is part of the content digest.
    kind
        ``session``, ``checkpoint`` or ``part``.
    overwrite
        Whether an existing file may be replaced.

    Returns
    -------
    Written
        Digests of what is in the file.

    Raises
    ------
    ParameterError
        If the name is that of a recording.
    OutputExistsError
        If the file exists and may not be replaced, or is an HDF5 file of another kind.
    OutputWriteError
        See `hdmea.store.atomic.atomic_hdf5`.
    """
    _refuse_clashes(contributions)
    for contribution in contributions:
        for name, variable in contribution.variables.items():
            check_place(name)
            check_description(name, variable)
    shapes = (
        (name, one.dims, one.data.shape) for c in contributions for name, one in c.variables.items()
    )
    if problem := odd_axes(shapes):
        # Cause: what was computed of other units, or other trials, was put beside the rest.
        raise ParameterError(
            f"{problem}; variables of one session are of the same units, and those of one group of "
            "the same things: name the axis otherwise, or make them as long"
        )
    _refuse_recordings(path)
    expected = sum(v.nbytes for c in contributions for v in c.variables.values()) + _SPARE_BYTES
    values: list[Extent] = []

    def sealed(target: RememberingFile) -> None:
        seal(target, sorted(values), place)

    with atomic_hdf5(path, overwrite=overwrite, expected_bytes=expected, finish=sealed) as (
        file,
        target,
    ):
        entries = []
        for contribution in sorted(contributions, key=lambda c: c.name):
            for name, variable in contribution.variables.items():
                digest = contribution.digest(name)
                entries.append(_write(file, target, name, variable, digest, contribution.name))
        for name, variable in _provenance(contributions, header).items():
            digest = digest_variable(variable, name)
            entries.append(_write(file, target, name, variable, digest, ""))
        content = content_digest(
            {c.name: (c.key, c.roots()) for c in contributions}, header.get("pending", {})
        )
        manifest = _write_manifest(file, entries, kind, content)
        attributes: dict[str, str | int] = {
            "format": fmt.FORMAT,
            "format_version": fmt.FORMAT_VERSION,
            "kind": kind,
            "content_digest": content,
            "manifest_digest": manifest,
            "hdmea_version": __version__,
        }
        for name, value in attributes.items():
            _set_attribute(file, name, value)
        manifest_columns = file["manifest"].values()
        values += extents([*(file[entry.path] for entry in entries), *manifest_columns])
        place = file[f"manifest/{fmt.MANIFEST_STRUCTURE}"].id.get_offset()
    return Written(content, manifest)


def manifest_digest(columns: Mapping[str, Array], kind: str, content: str) -> str:
    """Digest over the manifest's own columns, the file's kind and its content digest."""
    head = {
        "format": fmt.FORMAT,
        "version": fmt.FORMAT_VERSION,
        "kind": kind,
        "content": content,
        "columns": {
            name: hashlib.sha256(np.ascontiguousarray(column).tobytes()).hexdigest()
            for name, column in columns.items()
        },
    }
    return sha256_json(head)


def attributes_digest(unit: str, dims: str, description: str) -> str:
    """Digest over the attributes of one dataset."""
    return sha256_json({"unit": unit, "dims": dims, "description": description})


def _refuse_clashes(contributions: Sequence[Contribution]) -> None:
    owner: dict[str, str] = {}
    for contribution in contributions:
        for path in contribution.variables:
            if path in owner:
                # Cause: two contributions that are written together have a variable of the same
                # name.
                raise ParameterError(
                    f"both {owner[path]!r} and {contribution.name!r} bring {path!r}; name one of "
                    "them otherwise, as a session holds each variable once"
                )
            owner[path] = contribution.name
    for path in owner:
        above = path
        while above := above.rpartition("/")[0]:
            if above in owner:
                # Cause: one variable's name is the beginning of another's, as `a` of `a/b`.
                raise ParameterError(
                    f"{owner[above]!r} brings {above!r} and {owner[path]!r} {path!r}; what holds "
                    "values cannot hold other variables; name one of them otherwise"
                )


def _refuse_recordings(path: Path) -> None:
    """A recording, or any HDF5 file that is not ours, is never replaced."""
    if path.suffix.lower() in _RECORDINGS:
        # Cause: the output's name ends in .cmcr or .cmtr, and a recording must never be written
        # over.
        raise ParameterError(f"{path} has the name of a recording; choose a name that ends in .h5")
    try:
        kind = file_kind(path)
    except OSError:  # not there, or not HDF5
        return
    if kind != fmt.FORMAT:
        # Cause: a file of another program, perhaps a recording, has the name of the output.
        raise OutputExistsError(
            f"{path} is an HDF5 file of another kind, which is not replaced; choose another path"
        )


def _write(
    file: h5py.File,
    target: RememberingFile,
    path: str,
    variable: Variable,
    digest: VariableDigest,
    contribution: str,
) -> fmt.Entry:
    target.raise_error()  # nothing more needs to be read and digested for a disk that is full
    dims = ",".join(variable.dims)
    if len(variable.dims) != len(digest.shape):
        # Cause: a variable was made with another number of axes than its names.
        raise ParameterError(
            f"{path}: {len(digest.shape)} axes of shape {digest.shape}, but dims are "
            f"{variable.dims}: one name per axis is needed"
        )
    dataset = file.create_dataset(
        path, shape=digest.shape, dtype=fmt.stored_dtype(digest.dtype), track_times=False
    )
    if not digest.shape:
        dataset[()] = _typed(encode(variable.values, path), dataset.dtype)
    else:
        for rows, block in _blocks(variable, digest, path):
            dataset[rows] = _typed(block, dataset.dtype)
            target.raise_error()
    _set_attribute(dataset, "unit", variable.unit)
    _set_attribute(dataset, "dims", dims)
    _set_attribute(dataset, "description", variable.description)
    return fmt.Entry(
        path=path,
        contribution=contribution,
        dtype=digest.dtype,
        shape=digest.shape,
        root=digest.root,
        attributes=attributes_digest(variable.unit, dims, variable.description),
        rows_per_block=digest.rows_per_block,
        blocks=digest.blocks,
    )


def _blocks(variable: Variable, digest: VariableDigest, path: str) -> Iterator[tuple[slice, Array]]:
    """The variable's rows as they are stored, some megabytes at a time."""
    itemsize = fmt.stored_dtype(digest.dtype).itemsize
    for rows in split_rows(digest.shape, rows_at_once(digest.shape, itemsize)):
        yield rows, encode(variable.data[rows], path)


def _typed(block: Array, dtype: np.dtype[Any]) -> Array:
    """The block in the dataset's own type: as wide as the whole column, and marked as UTF-8."""
    return block.astype(dtype) if block.dtype.kind == "S" else block


def _set_attribute(target: h5py.HLObject, name: str, value: str | int) -> None:
    """Set an attribute as fixed-length UTF-8 or a 64-bit integer: what every viewer reads."""
    if isinstance(value, str):
        encoded = value.encode("utf-8")
        dtype = h5py.string_dtype("utf-8", max(len(encoded), 1))
        target.attrs.create(name, np.array(encoded, dtype=dtype))
    else:
        target.attrs.create(name, np.int64(value))


def _provenance(
    contributions: Sequence[Contribution], header: Mapping[str, Any]
) -> dict[str, Variable]:
    rows = [
        (
            c.name,
            c.recipe.step,
            c.recipe.version,
            c.key,
            canonical_json(dict(c.recipe.parameters)),
            canonical_json(dict(c.recipe.inputs)),
            canonical_json(dict(c.recipe.parents)),
            canonical_json(dict(c.run)),
        )
        for c in contributions
    ]
    meanings = (
        "contribution, in the order in which they were made",
        "step that made it",
        "version of the step's definition",
        "sha256 of the recipe: equal keys mean equal results",
        "parameters that affect the result, JSON",
        "digests of the input files, JSON",
        "keys of the contributions it was made from, JSON",
        "the run that made it (not part of the content), JSON",
    )
    variables = {}
    for i, (name, meaning) in enumerate(zip(fmt.PROVENANCE_COLUMNS, meanings, strict=True)):
        values = [row[i] for row in rows]
        data = (
            np.array(values, dtype=np.int64)
            if name == "version"
            else fmt.text_column(map(str, values))
        )
        unit = "1" if name == "version" else ""
        variables[f"provenance/{name}"] = Variable(data, unit, ("contribution",), meaning)
    variables[fmt.HEADER_PATH] = text(
        canonical_json(dict(header)), "about the session itself, JSON"
    )
    return variables


def _write_manifest(file: h5py.File, entries: Sequence[fmt.Entry], kind: str, content: str) -> str:
    columns: dict[str, Array] = {
        "path": fmt.text_column(e.path for e in entries),
        "contribution": fmt.text_column(e.contribution for e in entries),
        "dtype": fmt.text_column(e.dtype for e in entries),
        "shape": fmt.text_column(",".join(map(str, e.shape)) for e in entries),
        "root": fmt.text_column(e.root for e in entries),
        "attributes": fmt.text_column(e.attributes for e in entries),
        "rows_per_block": np.array([e.rows_per_block for e in entries], dtype=np.int64),
        "n_blocks": np.array([len(e.blocks) for e in entries], dtype=np.int64),
        fmt.MANIFEST_BLOCKS: np.frombuffer(
            b"".join(b for e in entries for b in e.blocks), dtype=np.uint8
        ).reshape(-1, 32),
    }
    stored = {name: encode(column, f"manifest/{name}") for name, column in columns.items()}
    group = file.create_group("manifest")
    for name, column in stored.items():
        dtype = fmt.stored_dtype(dtype_name(column.dtype))
        dataset = group.create_dataset(name, column.shape, dtype, track_times=False)
        if column.size:
            dataset[...] = _typed(column, dtype)
    # known when all else is written
    group.create_dataset(fmt.MANIFEST_STRUCTURE, data=np.zeros(32, np.uint8), track_times=False)
    return manifest_digest(stored, kind, content)
