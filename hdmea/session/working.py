"""Where a session keeps its work while it is not saved, and finds that of earlier runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hdmea.session.session import PipelineSession
from hdmea.store.lock import sole_worker
from hdmea.store.parts import NoWork, WorkFolder


@contextmanager
def working_in(
    session: PipelineSession, folder: str | Path, also: Iterable[str | Path] = (), tag: str = ""
) -> Iterator[None]:
    """Keep every contribution in a folder as it is made, and take from there.

    Parameters
    ----------
    session
        The session.
    folder
        The recording's. Only one process works in it; another one waits.
    also
        Other files in which contributions may be found.
    tag
        Under which the result is remembered, beside those of other tags.
    """
    with sole_worker(Path(folder)), _with(session, WorkFolder(folder, also, tag=tag)):
        yield


@contextmanager
def working_on_part(
    session: PipelineSession, folder: str | Path, part: str, also: Iterable[str | Path] = ()
) -> Iterator[None]:
    """Take from a folder what the last result has; keep what is done of a part if it must end.

    Parameters
    ----------
    session
        The session.
    folder
        The recording's, in which its parts may be made side by side.
    part
        Name of the part.
    also
        Other files in which contributions may be found.
    """
    work = WorkFolder.of_part(folder, part, also)
    with sole_worker(work.folder), _with(session, work):
        yield
        work.clear()
    work.remove()


@contextmanager
def _with(session: PipelineSession, work: WorkFolder) -> Iterator[None]:
    session.work = work
    try:
        yield
    finally:
        session.work = NoWork()
