"""Checking that a session file still holds what was saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hdmea.store.reader import SessionFile


@dataclass(frozen=True)
class Verification:
    """Outcome of reading every byte of a session file."""

    path: Path
    content_digest: str
    n_datasets: int
    damaged: tuple[tuple[str, str], ...]
    """Path and reason of each dataset that is not what was saved."""

    @property
    def is_good(self) -> bool:
        """Whether nothing was changed since the save."""
        return not self.damaged


def verify(path: str | Path) -> Verification:
    """Read a session file whole and compare every block, attribute and name with its manifest.

    Parameters
    ----------
    path
        A session file, checkpoint or part.

    Returns
    -------
    Verification
        What was found; ``is_good`` is True if nothing was changed.

    Raises
    ------
    FileMissingError
        If there is no file.
    SessionFileError
        If the damage is structural: the file cannot be opened, or manifest, names, attributes
        or provenance were changed.
    """
    with SessionFile(Path(path)) as file:
        damaged = tuple(file.damaged_datasets())
        if not damaged:
            file.contributions()
        return Verification(Path(path), file.content_digest, len(file.entries), damaged)
