"""How far a long computation is: a bar on a terminal, a line for every tenth in a log."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from tqdm import tqdm

QUIET_S = 5.0
"""Of what is done sooner nothing is logged."""
SHOWN_AFTER_S = 0.5
"""A bar for what is done sooner would only flicker."""
_log = logging.getLogger("hdmea")


class Progress:
    """Tells how far something is, each time that it is told.

    Parameters
    ----------
    what
        What is computed.
    on_terminal
        Show a bar on standard error; default: if that is a terminal. Else lines are logged.

    Examples
    --------
    >>> with Progress("sta.noise", on_terminal=False) as progress:
    ...     for done in range(4):
    ...         progress((done + 1) / 4)
    """

    def __init__(self, what: str, *, on_terminal: bool | None = None) -> None:
        self._what = what
        self._bar: tqdm[Never] | None = None
        if sys.stderr.isatty() if on_terminal is None else on_terminal:
            from tqdm import tqdm

            self._bar = tqdm(
                desc=what,
                total=1.0,
                leave=False,
                delay=SHOWN_AFTER_S,
                mininterval=0,
                miniters=0.01,
                file=sys.stderr,
                bar_format="{l_bar}{bar}| {elapsed}<{remaining}",
            )
        self._began_at = time.monotonic()
        self._tenths = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def __call__(self, part: float) -> None:
        """Say that a part of the work, 0 to 1, is done."""
        if self._bar is not None:
            self._bar.update(part - self._bar.n)
            return
        tenths = int(10 * part + 1e-9)
        passed_s = time.monotonic() - self._began_at
        if tenths > self._tenths and passed_s > QUIET_S:
            _log.info("%s: %d %% after %.0f s", self._what, 10 * tenths, passed_s)
            self._tenths = tenths
