"""What was seen in a session file: nobody opens it again for that while it is the same file.

To open one with hundreds of variables takes a tenth of a second; the end of a batch tells of all.
Each has a file of its own, for jobs look side by side.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hdmea import __version__
from hdmea.errors import OutputWriteError
from hdmea.mcs.digest import file_stamp
from hdmea.store.small_file import write_small_file

_FOLDER = ".seen"


def seen(session: Path, what: str, look: Callable[[Path], Any]) -> Any:
    """What there is to say of a session file, by its last reader, or by one who looks now.

    It is kept in ``.seen`` beside the file, with hdmea's version and the stamp of the file, which
    changes whenever somebody writes to it. Who deletes that folder loses time only.

    Parameters
    ----------
    session
        The file.
    what
        A word for what is said; each has a file of its own.
    look
        Opens it, and gives values that JSON has. Its errors are not kept.

    Raises
    ------
    OSError
        If there is no such file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     session = Path(folder, "rec.h5")
    ...     _ = session.write_bytes(b"a session")
    ...     seen(session, "size", lambda path: path.stat().st_size)
    ...     seen(session, "size", lambda path: "nobody looks")
    9
    9
    """
    kept = session.parent / _FOLDER / f"{session.stem}.{what}.json"
    stamp = [__version__, *file_stamp(session)]
    with suppress(OSError, ValueError, TypeError, KeyError):  # none yet, or none of ours
        told = json.loads(kept.read_bytes())
        if told["stamp"] == stamp:
            return told["seen"]
    found = look(session)
    with suppress(OutputWriteError):  # who may only read here looks again the next time
        write_small_file(kept, json.dumps({"stamp": stamp, "seen": found}).encode())
    return found
