"""sha256 of arrays, block by block, and of plain values: the identity of content.

A variable's digest depends on its values, type, shape, unit and axes - on nothing that may
differ between two runs with the same result. It is made of one digest per block of rows, so
that a reader can check the rows it reads and a writer can stream.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdmea.arrays import Array, Variable
from hdmea.errors import ParameterError

BLOCK_BYTES = 64 * 2**10
"""A block holds as many whole rows (first axis) as fit, at least one: few, so that the values of
one unit can be checked without those of all others."""
AT_ONCE_BYTES = 4 * 2**20
"""What is read, encoded or written at a time: as many whole blocks as fit, at least one."""
_THREADS_FROM_BYTES = 8 * AT_ONCE_BYTES
_MOST_THREADS = 4

_NUMBERS = frozenset("iuf")


@dataclass(frozen=True, slots=True)
class VariableDigest:
    """What identifies a variable's values: its stored type, shape and blocks, and their root."""

    dtype: str
    shape: tuple[int, ...]
    rows_per_block: int
    blocks: tuple[bytes, ...]
    root: str


def canonical_json(value: Any) -> str:
    """Text of a plain value that is the same whenever the value is the same.

    Examples
    --------
    >>> canonical_json({"b": (1, 2), "a": None})
    '{"a":null,"b":[1,2]}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def plain(value: Any, where: str = "value") -> Any:
    """A plain value as a session file gives it back: names sorted, tuples as lists.

    Raises
    ------
    ParameterError
        If it would come back as something else: a name that is not text, an object, text that
        UTF-8 does not have.

    Examples
    --------
    >>> plain({"b": (1, np.float64(0.5)), "a": None})
    {'a': None, 'b': [1, 0.5]}
    """
    match value:
        case None | bool():
            return value
        case str():
            return plain_text(value, where)
        case int():
            return int(value)
        case float():
            return float(value)
        case np.generic():
            return plain(value.item(), where)
        case list() | tuple():
            return [plain(one, f"{where}[{i}]") for i, one in enumerate(value)]
        case Mapping():
            odd = [name for name in value if not isinstance(name, str)]
            if odd:
                raise ParameterError(
                    f"{where}: the name {odd[0]!r} is a {type(odd[0]).__name__}; only text can be "
                    "a name in a session file"
                )
            return {
                plain_text(name, where): plain(value[name], f"{where}.{name}")
                for name in sorted(value)
            }
    raise ParameterError(
        f"{where}: a {type(value).__name__} cannot be stored in a session file; give numbers, "
        "text, flags, None, or lists and names of these"
    )


def plain_text(value: str, where: str) -> str:
    """Text, if UTF-8 has it.

    Raises
    ------
    ParameterError
        If it has half characters (surrogates), as names of files in another encoding give.
    """
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParameterError(
            f"{where}: {value!r} has characters that are no text in UTF-8; write it in UTF-8"
        ) from error
    return str(value)


def sha256_json(value: Any) -> str:
    """sha256 of the canonical text of a plain value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def encode(values: Array, where: str = "array") -> Array:
    r"""The array as it is stored and hashed: little-endian C order, text as fixed-length UTF-8.

    Raises
    ------
    ParameterError
        If they are of a type that session files do not hold (bool, object, complex, ...), or text
        with NUL characters, which fixed-length text cannot give back, or not in UTF-8.

    Examples
    --------
    >>> encode(np.array(["ON", "µ"])).tolist()
    [b'ON', b'\xc2\xb5']
    """
    if values.dtype.kind == "U":
        encoded = [plain_text(str(text), where).encode("utf-8") for text in values.ravel()]
        if any(b"\0" in text for text in encoded):
            raise ParameterError(f"{where}: text with a NUL character cannot be stored; remove it")
        width = max((len(text) for text in encoded), default=1) or 1
        return np.array(encoded, dtype=f"S{width}").reshape(values.shape)
    if values.dtype.kind not in _NUMBERS or values.dtype.itemsize > 8:
        raise ParameterError(
            f"{where}: values of type {values.dtype} cannot be stored; convert them to integers, "
            "float32, float64 or text (flags to uint8)"
        )
    # ascontiguousarray would turn a 0-d array into a 1-d one
    return np.asarray(values, dtype=values.dtype.newbyteorder("<"), order="C")


def rows_per_block(shape: tuple[int, ...], itemsize: int) -> int:
    """Rows of one block for an array of this shape."""
    row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * itemsize
    return max(1, BLOCK_BYTES // max(row_bytes, 1))


def rows_at_once(shape: tuple[int, ...], itemsize: int) -> int:
    """Rows of the blocks that are read, encoded or written at a time."""
    rows = rows_per_block(shape, itemsize)
    row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * itemsize
    return rows * max(1, AT_ONCE_BYTES // max(rows * row_bytes, 1))


def split_rows(shape: tuple[int, ...], rows: int) -> Iterator[slice]:
    """Slices of the first axis, one per block (none for a scalar)."""
    for start in range(0, shape[0] if shape else 0, rows):
        yield slice(start, min(start + rows, shape[0]))


def block_digest(block: Array) -> bytes:
    """sha256 of an encoded block's bytes."""
    return hashlib.sha256(np.ascontiguousarray(block).data).digest()


def digests_of_blocks(pieces: Iterable[Array], rows: int, n_bytes: int) -> list[bytes]:
    """Digest of each block of an encoded array that comes in pieces of whole blocks.

    Large arrays are digested on several processors, while the next pieces are read.

    Parameters
    ----------
    pieces
        Rows of the array; what they are in may be used again only after the last one.
    rows
        Rows of a block.
    n_bytes
        Size of all of it.

    Examples
    --------
    >>> pieces = [np.arange(4), np.arange(4, 7)]
    >>> digests_of_blocks(pieces, 2, 56) == [block_digest(np.arange(7)[i : i + 2])
    ...                                      for i in (0, 2, 4, 6)]
    True
    """

    def of(piece: Array) -> list[bytes]:
        return [block_digest(piece[one]) for one in split_rows(piece.shape, rows)]

    n_threads = min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    if n_bytes < _THREADS_FROM_BYTES or n_threads == 1:
        return [digest for piece in pieces for digest in of(piece)]
    found: list[bytes] = []
    waiting: deque[Future[list[bytes]]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for piece in pieces:
            try:
                waiting.append(pool.submit(of, piece))
            except RuntimeError:  # no thread can be started: a limit of memory is near
                waiting.append(Future())
                waiting[-1].set_result(of(piece))
            if len(waiting) > n_threads:  # pieces that were read must not pile up
                found += waiting.popleft().result()
        for one in waiting:
            found += one.result()
    return found


def root_digest(
    dtype: str,
    shape: tuple[int, ...],
    unit: str,
    dims: tuple[str, ...],
    blocks: Iterable[bytes],
) -> str:
    """Digest of a whole variable from the digests of its blocks."""
    head = canonical_json({"dtype": dtype, "shape": shape, "unit": unit, "dims": dims})
    digest = hashlib.sha256(head.encode())
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def digest_variable(variable: Variable, where: str = "array") -> VariableDigest:
    """Digest of a variable, read block by block (text: as a whole).

    Examples
    --------
    >>> a = Variable(np.arange(3), "1", ("unit",), "numbers")
    >>> b = Variable(np.arange(3), "1", ("unit",), "the same numbers, told otherwise")
    >>> digest_variable(a).root == digest_variable(b).root
    True
    """
    data, shape = variable.data, variable.data.shape
    if data.dtype.kind == "U" or not shape:
        # how wide text is stored, only all of it tells
        whole = encode(variable.values, where)
        stored, rows = whole.dtype, rows_per_block(shape, whole.dtype.itemsize)
        pieces: Iterator[Array] = iter([whole] if shape else [whole.reshape(1)])
    else:
        stored = encode(np.empty(0, data.dtype), where).dtype
        rows = rows_per_block(shape, stored.itemsize)
        at_once = split_rows(shape, rows_at_once(shape, stored.itemsize))
        pieces = (encode(data[one], where) for one in at_once)
    blocks = tuple(digests_of_blocks(pieces, rows, variable.nbytes))
    dtype = dtype_name(stored)
    root = root_digest(dtype, shape, variable.unit, variable.dims, blocks)
    return VariableDigest(dtype, shape, rows, blocks, root)


def dtype_name(dtype: np.dtype[Any]) -> str:
    """Name of a stored type: ``float64``, ``uint8``, ... and ``utf8[n]`` for text of n bytes."""
    return f"utf8[{dtype.itemsize}]" if dtype.kind == "S" else dtype.name


def content_digest(
    contributions: Mapping[str, tuple[str, Mapping[str, str]]], pending: Iterable[str]
) -> str:
    """Digest of a session's content.

    Parameters
    ----------
    contributions
        For each contribution its key and the root digest of each of its variables by path.
    pending
        Names of the features that still wait.
    """
    return sha256_json(
        {
            "content": {name: [key, dict(roots)] for name, (key, roots) in contributions.items()},
            "pending": sorted(pending),
        }
    )
