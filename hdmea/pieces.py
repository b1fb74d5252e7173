"""Pieces of a long computation, each of which is done or not: what a computation knows of resuming.

A computation that takes long is cut into pieces that do not depend on each other. Before each it
asks for what an earlier run left of it; after each it says what came of it. Where that is kept,
and whether, is not its concern.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from hdmea.arrays import Array
from hdmea.interruption import RunInterrupted, safe_point

K = TypeVar("K")
T = TypeVar("T")


class Pieces:
    """Pieces that nobody keeps: each is computed, and the work may end after each.

    Examples
    --------
    >>> import numpy as np
    >>> pieces, total = Pieces(), 0
    >>> for number in range(3):
    ...     found = pieces.stored(str(number))
    ...     if found is None:
    ...         found = {"square": np.array(number**2)}
    ...         pieces.done(str(number), found)
    ...     total += int(found["square"])
    >>> total
    5
    """

    def stored(self, name: str) -> Mapping[str, Array] | None:  # noqa: ARG002
        """What an earlier run has left of a piece, if it has."""
        return None

    def done(self, name: str, made: Mapping[str, Array]) -> None:  # noqa: ARG002
        """Say what came of a piece; the arrays may be changed no more.

        Raises
        ------
        RunInterrupted
            If the run is to end here.
        """
        safe_point()


def side_by_side(
    jobs: Iterable[tuple[K, Callable[[], T]]], threads: int, done: Callable[[K, T], None]
) -> None:
    """Compute pieces in threads, and say in this one what came of each, in their order.

    Parameters
    ----------
    jobs
        What is computed, each by its name; the next one is asked for when a thread is free.
    threads
        Pieces at a time. With one thread all is computed in this one.
    done
        Called with the name and what came of it.

    Raises
    ------
    RunInterrupted
        If the run is to end; what was being computed is done then.

    Examples
    --------
    >>> jobs = ((n, lambda n=n: n**2) for n in range(3))
    >>> side_by_side(jobs, threads=2, done=lambda n, square: print(n, square))
    0 0
    1 1
    2 4
    """
    if threads == 1:
        for name, job in jobs:
            done(name, job())
        return
    running: deque[tuple[K, Future[T]]] = deque()

    def finish() -> None:
        name, job = running.popleft()
        done(name, job.result())

    with ThreadPoolExecutor(threads) as pool:
        try:
            for name, job in jobs:
                running.append((name, pool.submit(job)))
                # one more than are computed, so that no thread waits for another
                if len(running) > threads:
                    finish()
            while running:
                finish()
        except RunInterrupted:
            while running:
                with suppress(RunInterrupted):
                    finish()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
