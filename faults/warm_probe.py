"""The probe of recordings in a fork of this process, which has loaded the vendor's reader.

The probe starts a process for each pair, and that takes a second to import the vendor's reader.
What is done with the files, and what comes of it, is the same in a fork.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NoReturn

from hdmea.mcs import child, probe, vendor


@contextmanager
def warm_probe() -> Iterator[None]:
    """Let the probe fork instead of starting a process."""
    vendor.vendor_reader()
    before = probe.run_child
    probe.run_child = _fork
    try:
        yield
    finally:
        probe.run_child = before


def _fork(
    module: str, arguments: Sequence[str], deadline_s: float
) -> tuple[list[dict[str, Any]], child.Failure]:
    """As `hdmea.mcs.child.run_child`."""
    assert module == vendor.__name__
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = os.fork()
        if process == 0:
            _look(list(arguments), out, err, deadline_s)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code == -signal.SIGALRM:
            failure = child.Failure(f"it was not read within {deadline_s:.3g} s", may_pass=True)
        else:
            failure = child._failure(code, err)
        out.seek(0)
        return [json.loads(line) for line in out if line.endswith(b"\n")], failure


def _look(arguments: list[str], out: IO[bytes], err: IO[bytes], deadline_s: float) -> NoReturn:
    """To the end of this process, whatever happens."""
    code = 1
    try:
        for number, file in ((1, out), (2, err)):
            os.dup2(file.fileno(), number)
        sys.stdout, sys.stderr = (open(n, "w", closefd=False) for n in (1, 2))  # noqa: SIM115
        warnings.simplefilter("ignore")
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(round(deadline_s))
        code = vendor.main(arguments)
    except BaseException:  # noqa: BLE001 (what the interpreter does at its end)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
