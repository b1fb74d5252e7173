"""Pieces of a long computation, each of which is done or not: what a computation knows of resuming.

A computation that takes long is cut into pieces that do not depend on each other. Before each it
asks for what an earlier run left of it; after each it says what came of it. Where that is kept,
and whether, is not its concern.
"""

from __future__ import annotations

from collections.abc import Mapping

from hdmea.arrays import Array
from hdmea.interruption import safe_point


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
