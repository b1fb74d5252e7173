"""The digest by which an input file is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple

import numpy as np

from hdmea.errors import HdmeaError, RecordingFileError
from hdmea.interruption import safe_point
from hdmea.mcs.safe_h5 import not_permitted, require_regular

FULL_LIMIT_BYTES: Final = 10 * 10**9
"""Files up to this size are read whole."""

_SAMPLE_BYTES: Final = 2**20
_N_SAMPLES: Final = 1024


class FileStamp(NamedTuple):
    """By what a file that nobody touched is known again without being read.

    The system sets ``ctime_ns`` at every change of a file, also at one that sets ``mtime_ns`` back.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class FileDigest(NamedTuple):
    """Size and sha256 of a file, whether all of it was read, and its stamp before that."""

    size: int
    sha256: str
    method: Literal["full", "sampled"]
    stamp: FileStamp


def file_stamp(path: Path | str) -> FileStamp:
    """Stamp of a file, following links.

    Raises
    ------
    OSError
        If there is no such file, or it may not be looked at.

    Examples
    --------
    >>> import os, tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     before = file_stamp(file.name)
    ...     os.utime(file.name, ns=(0, before.mtime_ns))
    ...     after = file_stamp(file.name)
    >>> after.mtime_ns == before.mtime_ns, after == before
    (True, False)
    """
    found = Path(path).stat()
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def file_digest(path: Path | str, full_limit_bytes: int = FULL_LIMIT_BYTES) -> FileDigest:
    """Compute the digest of a file in bounded memory.

    Above the limit (a raw recording of half an hour has 300 GB) the size and 1024 blocks of
    1 MiB at evenly spaced places, the first and the last among them, are hashed.

    Raises
    ------
    FileMissingError, RecordingFileError
        If there is no such regular file or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a").write_bytes(b"abc")
    ...     file_digest(Path(folder) / "a").sha256[:16]
    'ba7816bf8f01cfea'
    """
    path = Path(path)
    try:
        require_regular(path, "a .cmcr or .cmtr file")
        stamp = file_stamp(path)
        size = stamp.size
        with path.open("rb") as file:
            if size <= full_limit_bytes:
                return FileDigest(size, _sha256(file), "full", stamp)
            digest = hashlib.sha256(str(size).encode())
            for start in np.linspace(0, max(size - _SAMPLE_BYTES, 0), _N_SAMPLES, dtype=np.int64):
                safe_point()
                file.seek(int(start))
                digest.update(file.read(_SAMPLE_BYTES))
    except HdmeaError:
        raise
    except PermissionError as error:
        raise not_permitted(path) from error
    except OSError as error:
        # Cause: the disk or the network that the file is on does not answer.
        raise RecordingFileError(
            f"{path} cannot be read: {error}; make sure that the disk or network that it is on is "
            "there"
        ) from error
    return FileDigest(size, digest.hexdigest(), "sampled", stamp)


def _sha256(file: BinaryIO) -> str:
    """Digest of an open file; reading it may take minutes, and can be ended."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_SAMPLE_BYTES))
    while n := file.readinto(buffer):  # type: ignore[attr-defined] # of files in binary mode
        safe_point()
        digest.update(buffer[:n])
    return digest.hexdigest()


def known_digest(
    path: Path | str, sha256: str = "", stamp: Mapping[str, int] | None = None
) -> FileDigest:
    """Digest of a file, which is not read if nobody has touched it since it was taken.

    Parameters
    ----------
    path
        The file.
    sha256, stamp
        Its digest at another time, if one was taken, and the fields of its stamp then.

    Returns
    -------
    FileDigest

    Raises
    ------
    FileMissingError, RecordingFileError
        As `file_digest`.
    """
    try:
        now = file_stamp(path)
    except OSError:
        return file_digest(path)  # which says why
    if not sha256 or now._asdict() != {field: (stamp or {}).get(field) for field in now._fields}:
        return file_digest(path)
    return FileDigest(now.size, sha256, "full" if now.size <= FULL_LIMIT_BYTES else "sampled", now)
