"""Ways for the tests of what measures. Each is called in a process of its own: imports are few."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path


def noting(path: str, name: str) -> Callable[[], str]:
    """Write down that it is its turn, and print, as libraries do."""

    def act() -> str:
        sys.stdout.write("what a library prints\n")
        with Path(path).open("a") as file:
            file.write(name)
        return "done"

    return act


def taking(n_bytes: int, kept_bytes: int) -> Callable[[], int]:
    """Hold memory, and take more for as long as it is looked at twice."""
    kept = bytearray(b"1" * kept_bytes)

    def act() -> int:
        taken = bytearray(n_bytes)
        taken[::4096] = b"1" * len(taken[::4096])
        time.sleep(0.1)
        return taken[0] + kept[0]

    return act


def giving(value: int) -> Callable[[], int]:
    """Give a number."""
    return lambda: value


def failing() -> Callable[[], None]:
    """Fail, and say why."""
    raise ValueError("no such file")
