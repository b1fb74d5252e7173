"""How much memory a session's arrays may take, and where they go beyond that."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array, Variable, Variables, owner
from hdmea.errors import ParameterError
from hdmea.store.spool import moved, spooled

VARIABLE = "HDMEA_MEMORY_GB"
"""Environment variable with the budget of every session that is not given one."""
SPOOLED_FROM_BYTES = 2**20
"""Smaller arrays stay in memory."""

_log = logging.getLogger("hdmea")


def budget_bytes(given_gb: float | None) -> float:
    """Budget in bytes: what is given, else the environment's, else half of what is free.

    Raises
    ------
    ParameterError
        If it is no number, or negative.
    """
    said: float | str | None
    said, where = given_gb, "memory_budget_gb"
    if said is None:
        said, where = os.environ.get(VARIABLE), VARIABLE
    if said is None or said == "":
        return free_bytes() / 2
    try:
        budget = float(said)
    except (TypeError, ValueError):
        budget = math.nan
    if not budget >= 0:
        raise ParameterError(f"{where}: must be a number of GB, 0 or more; found {said!r}")
    return budget * 1e9


def bytes_in_memory(variables: Iterable[Variable]) -> int:
    """Bytes that variables take in memory: each piece of memory once, all of it."""
    owners = {}
    for variable in variables:
        if variable.in_memory:
            values = variable.values
            own = owner(values)
            owners[id(own)] = own.nbytes if isinstance(own, np.ndarray) else values.nbytes
    return sum(owners.values())


class MemoryKeeper:
    """Gives a session arrays in memory while its budget lasts, else on disk.

    Parameters
    ----------
    budget_bytes
        What the session's arrays may take in memory.
    folder
        Where arrays beyond that go.
    """

    def __init__(self, budget_bytes: float, folder: Path) -> None:
        self.budget_bytes = budget_bytes
        self.folder = folder
        self._promised = 0
        self._read = 0
        self._said_at = 0.0
        self._look_again_at = 0.0

    def begin(self) -> None:
        """Begin a computation: what an earlier one was given is in the session by now, or gone."""
        self._promised = 0

    def allocate(self, shape: tuple[int, ...], dtype: npt.DTypeLike, held: int) -> Array:
        """An array to fill, beside ``held`` bytes that the session holds."""
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        if size < SPOOLED_FROM_BYTES or held + self._promised + size <= self.budget_bytes:
            self._promised += size
            return np.empty(shape, dtype)
        return spooled(self.folder, shape, dtype)

    def settle(self, variables: Variables, held: int) -> dict[str, Variable]:
        """Variables just made, the largest of them moved to disk where they exceed the budget."""
        settled = dict(variables)
        large = [path for path, variable in settled.items() if _is_large(variable)]
        held += bytes_in_memory(settled[path] for path in settled.keys() - large)
        for path in sorted(large, key=lambda path: settled[path].nbytes):
            held += settled[path].nbytes
            if held > self.budget_bytes:
                held -= settled[path].nbytes
                settled[path] = replace(
                    settled[path], data=moved(settled[path].values, self.folder)
                )
        return settled

    def much_was_read(self, n_bytes: int) -> bool:
        """Whether so much was read, this included, that all that is held is worth counting.

        A session has hundreds of small arrays; to count all of them after each takes longer than
        to read them.
        """
        self._read += n_bytes
        if self._read < SPOOLED_FROM_BYTES:
            return False
        self._read = 0
        return True

    def say_if_large(self, held: int, whose: str) -> None:
        """Warn if a session takes more than half of the memory that is free; once per doubling."""
        if held < max(2 * self._said_at, self._look_again_at, SPOOLED_FROM_BYTES):
            return
        free = free_bytes()
        # looking takes longer than most reads: not again before half of what is left is gone
        self._look_again_at = (held + free / 2) / 2
        if held > free / 2:
            self._said_at = held
            _log.warning(
                "session %s holds %.3g GB in memory, more than half of the %.3g GB that are free; "
                "save it and let it go before the next one, or set memory_budget_gb= or %s lower, "
                "so that large arrays stay on disk",
                whose,
                held / 1e9,
                free / 1e9,
                VARIABLE,
            )


def _is_large(variable: Variable) -> bool:
    """Whether an array can be put on disk, and it is worth it."""
    # text is encoded as a whole when it is stored, so it would come back
    numbers = variable.data.dtype.kind != "U" and bool(variable.data.shape)
    return numbers and variable.in_memory and variable.nbytes >= SPOOLED_FROM_BYTES


def free_bytes() -> int:
    """Memory that can be had without anybody else's being written to disk.

    What a batch system grants this process counts, where it is less than what the machine has.
    """
    import psutil  # type: ignore[import-untyped] # ships no types

    return min([int(psutil.virtual_memory().available), *_granted_bytes()])


def _granted_bytes(
    groups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")
) -> Iterator[int]:
    """What is left of the limit of each control group that this process is in."""
    try:
        lines = own.read_text().splitlines()
    except OSError:  # a system without control groups
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, names = groups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = groups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        folder = top / path.strip("/")
        for group in (folder, *folder.parents):
            if not group.is_relative_to(top):
                break
            left = _left(group, *names)
            if left is not None:
                yield left


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """What is left of a control group's limit; None if it has none, or none that we may read."""
    try:
        allowed = (group / limit).read_text().strip()
        if allowed == "max":
            return None
        used = int((group / usage).read_text())
        numbers = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(int(allowed) - used + int(numbers.get(reclaimable, 0)), 0)
    except (OSError, ValueError):
        return None
