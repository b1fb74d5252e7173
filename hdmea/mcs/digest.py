"""The digest by which an input file is known again."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from hdmea.errors import HdmeaError, RecordingFileError
from hdmea.mcs.safe_h5 import not_permitted, require_regular

FULL_LIMIT_BYTES: Final = 10 * 10**9
"""Files up to this size are read whole."""

_SAMPLE_BYTES: Final = 2**20
_N_SAMPLES: Final = 1024


class FileDigest(NamedTuple):
    """Size and sha256 of a file, and whether all of it was read."""

    size: int
    sha256: str
    method: Literal["full", "sampled"]


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
        size = path.stat().st_size
        with path.open("rb") as file:
            if size <= full_limit_bytes:
                return FileDigest(size, hashlib.file_digest(file, "sha256").hexdigest(), "full")
            digest = hashlib.sha256(str(size).encode())
            for start in np.linspace(0, max(size - _SAMPLE_BYTES, 0), _N_SAMPLES, dtype=np.int64):
                file.seek(int(start))
                digest.update(file.read(_SAMPLE_BYTES))
    except HdmeaError:
        raise
    except PermissionError as error:
        raise not_permitted(path) from error
    except OSError as error:
        raise RecordingFileError(f"{path} cannot be read: {error}") from error
    return FileDigest(size, digest.hexdigest(), "sampled")
