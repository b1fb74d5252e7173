"""A plugin of pytest that notes every error of hdmea that a test meets, and where it was made.

``python -m messages --tests`` loads it; the environment variable `FOLDER` says where notes go.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from hdmea.errors import HdmeaError

FOLDER = "HDMEA_MESSAGES"


def pytest_configure() -> None:
    """Have every error note itself when it is made: not all come out of a test as errors."""
    folder = Path(os.environ[FOLDER])

    def noting(self: HdmeaError, *args: object) -> None:
        super(HdmeaError, self).__init__(*args)
        frame = sys._getframe(1)
        note = {
            "file": frame.f_code.co_filename,
            "line": frame.f_lineno,
            "kind": type(self).__name__,
            "text": str(self),
            "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0],
        }
        # A file for each process and user: workers and children of tests write at the same time,
        # and some tests become another user. By the system's own call: some replace Python's.
        path = folder / f"{os.getpid()}-{os.geteuid()}.jsonl"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{json.dumps(note)}\n".encode())
        os.close(file)

    HdmeaError.__init__ = noting  # type: ignore[method-assign]
