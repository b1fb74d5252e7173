"""The process of one way: prepares, then acts once for every line that it is sent.

``python -m benchmarks.way MODULE:FUNCTION CASE`` calls the function with the case (JSON) as keyword
arguments. What it gives back is a function without arguments, the work that is measured; what that
one gives back, as JSON, must be the same in all ways. One answer a line, JSON.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


def memory(field: str) -> int:
    """Bytes of a line of this process's status, such as ``VmRSS``."""
    (line,) = (one for one in STATUS.read_text().splitlines() if one.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def once(act: Callable[[], Any]) -> dict[str, Any]:
    """Act, and say what it took and gave."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
    before = memory("VmRSS")
    cpu, start = time.process_time(), time.perf_counter()
    result = act()
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    return {
        "seconds": seconds,
        "cpu_s": cpu_s,
        "before_bytes": before,
        "peak_bytes": memory("VmHWM"),
        "result": result,
    }


def main(name: str, case: dict[str, Any]) -> None:
    """Answer until nobody asks any more."""
    # what libraries print must not stand between the answers
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, function = name.partition(":")
    prepare = getattr(importlib.import_module(module), function)
    start = memory("VmRSS")
    act = prepare(**case)
    _say(answers, {"start_bytes": start})
    for _ in sys.stdin:
        _say(answers, once(act))


def _say(answers: TextIO, told: dict[str, Any]) -> None:
    answers.write(json.dumps(told) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
