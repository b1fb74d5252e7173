"""The files that a session was made from: what is told of them, and whether they are still so."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hdmea.contribution import Recipe
from hdmea.digest import block_digest, sha256_json
from hdmea.errors import FileMissingError, HdmeaError, ParameterError
from hdmea.mcs.digest import FileStamp, file_digest, file_stamp
from hdmea.session import PipelineSession
from hdmea.steps.curation_table import curation_digest, read_curation
from hdmea.steps.library import library_folder
from hdmea.steps.light_reference import given_times
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.library import StimulusLibrary

_UNREAD = frozenset({"package"})
"""Inputs that are no files: the package of a feature has its version in the record of the run."""


@dataclass(frozen=True)
class Source:
    """One input of a session, as it was and as it is now.

    Parameters
    ----------
    role
        ``cmcr``, ``cmtr``, ``frame_times``, ``playlist``, ``movie:<name>``, ``geometry``,
        ``table``.
    state
        ``same``, ``changed``, or ``missing``: it is not there, or cannot be read.
    path
        Where it was looked for.
    sha256
        Digest with which the session was made. For ``cmcr`` and ``cmtr`` that of the file, for
        the others of what they say of this recording; of a playlist, its movies.
    size
        Bytes of the file then; None if it is not known, or several files.
    found_sha256, found_size
        The same now.
    remark
        What else is to be said: why it counts as missing, or that only samples were compared.
    """

    role: str
    state: Literal["same", "changed", "missing"]
    path: str
    sha256: str
    size: int | None = None
    found_sha256: str = ""
    found_size: int | None = None
    remark: str = ""

    def __str__(self) -> str:
        was = _said(self.size, self.sha256)
        remark = f"; {self.remark}" if self.remark else ""
        if self.state == "same":
            return f"{self.role}: same, {was} ({self.path}{remark})"
        if self.state == "missing":
            return f"{self.role}: MISSING, it had {was}{remark}"
        now = _said(self.found_size, self.found_sha256)
        return f"{self.role}: CHANGED, {self.path} has {now}; it had {was}{remark}"


def _said(size: int | None, sha256: str) -> str:
    return f"{'' if size is None else f'{size} bytes, '}sha256 {sha256}"


def files_told(
    files: Mapping[str, Path | None], stamps: Mapping[str, FileStamp] | None = None
) -> dict[str, dict[str, Any]]:
    """What is told of input files in the record of a run: path, size and stamp, by role."""
    stamps = stamps or {}
    return {
        role: {"path": str(path.absolute()), **(stamps.get(role) or file_stamp(path))._asdict()}
        for role, path in files.items()
        if path is not None
    }


def verify_inputs(
    session: PipelineSession,
    *,
    moved_to: Sequence[str | Path] = (),
    stimuli_dir: str | Path | None = None,
) -> list[Source]:
    """Compare the inputs of a session with what lies there now.

    Recordings are read whole, or above 10 GB in the same samples as when they were loaded. Of
    tables and of the stimulus library counts what they say of this recording.

    Parameters
    ----------
    session
        As it was loaded from its file, or made.
    moved_to
        Folders in which files are looked for by their names, those in subfolders too, if they are
        no longer where they were.
    stimuli_dir
        The stimulus library, if it is no longer where it was. Default: where it was, else
        ``HDMEA_STIMULI``.

    Returns
    -------
    list of Source

    Raises
    ------
    ParameterError
        If one of the folders is not there.

    Examples
    --------
    >>> from hdmea.pipeline import create_session
    >>> verify_inputs(create_session("nothing_loaded"))
    []
    """
    absent = [str(folder) for folder in moved_to if not Path(folder).is_dir()]
    if absent:
        raise ParameterError(
            f"{', '.join(absent)}: no such folder; give one in which to look for inputs"
        )
    return list(_Inputs(session, [Path(f) for f in moved_to], stimuli_dir).sources())


class _Inputs:
    """The inputs of one session, and where they may be now."""

    def __init__(
        self, session: PipelineSession, moved_to: Sequence[Path], stimuli_dir: str | Path | None
    ) -> None:
        self._session, self._moved_to, self._stimuli_dir = session, moved_to, stimuli_dir

    def sources(self) -> Iterator[Source]:
        seen: set[tuple[str, str]] = set()
        for contribution in self._session.contributions.values():
            recipe, files = contribution.recipe, contribution.run.get("files", {})
            if recipe.step == "add_section_time" and "movies" in recipe.parameters:
                yield self._playlist(recipe)
            for name, digest in recipe.inputs.items():
                stimulus = recipe.name.removeprefix("sta.")
                role = f"movie:{stimulus}" if recipe.step == "compute_sta" else name
                if name not in _UNREAD and (role, digest) not in seen:
                    seen.add((role, digest))
                    yield self._source(role, digest, recipe, files.get(name, {}))

    def _source(self, role: str, digest: str, recipe: Recipe, told: Mapping[str, Any]) -> Source:
        kind, _, name = role.partition(":")
        if kind in ("cmcr", "cmtr"):
            return self._recording(kind, digest, told)
        if kind == "frame_times":
            return self._of_file(role, digest, told, _times_digest)
        if kind == "table":
            return self._of_file(role, digest, told, self._rows_digest)
        if kind == "movie":
            return self._of_library(
                role, digest, told, lambda library: library.movie(name).digest()
            )
        if kind == "geometry":
            movies = list(map(str, recipe.parameters["movies"]))
            return self._of_library(
                role,
                digest,
                told,
                lambda library: library.geometry(map(library.movie, movies)).digest(),
            )
        return Source(role, "missing", "", digest, remark="this hdmea does not know such an input")

    def _recording(self, role: str, digest: str, told: Mapping[str, Any]) -> Source:
        stored = {
            name: dict(
                zip(
                    map(str, self._session.values("recording/sources/role")),
                    self._session.values(f"recording/sources/{name}").tolist(),
                    strict=True,
                )
            )
            for name in ("name", "size", "method")
        }
        if role not in stored["size"]:
            return Source(role, "missing", "", digest, remark="recording/sources does not name it")
        place = getattr(self._session, f"{role}_path")
        path = self._find(told.get("path") or (str(place) if place else stored["name"][role]))
        size = int(stored["size"][role])
        try:
            found = file_digest(path)
        except HdmeaError as error:
            return Source(role, "missing", str(path), digest, size, remark=str(error))
        sampled = "sampled" in (found.method, stored["method"][role])
        return Source(
            role,
            "same" if found.sha256 == digest else "changed",
            str(path),
            digest,
            size,
            found.sha256,
            found.size,
            "samples of it were compared" if sampled else "",
        )

    def _of_file(
        self, role: str, digest: str, told: Mapping[str, Any], now: Callable[[Path], str]
    ) -> Source:
        if "path" not in told:
            return Source(role, "missing", "", digest, remark="where it was is not recorded")
        path = self._find(told["path"])

        def found() -> tuple[str, int | None]:
            if path.exists() and not path.is_file():
                # Cause: a folder now has the name that the input had.
                raise FileMissingError(f"{path} is not a file; say where it is now")
            return now(path), file_stamp(path).size

        return _compared(role, digest, str(path), told, found)

    def _of_library(
        self,
        role: str,
        digest: str,
        told: Mapping[str, Any],
        now: Callable[[StimulusLibrary], str],
    ) -> Source:
        def found() -> tuple[str, int | None]:
            name = role.partition(":")[2]
            frames = self._library.movie(name).frames_path if name else None
            return now(self._library), None if frames is None else file_stamp(frames).size

        return _compared(role, digest, str(self._library_folder), told, found)

    def _playlist(self, recipe: Recipe) -> Source:
        name = str(recipe.parameters["playlist_name"])
        shown = list(map(str, recipe.parameters["movies"]))
        return _compared(
            f"playlist:{name}",
            sha256_json(shown),
            str(self._library_folder),
            {},
            lambda: (sha256_json(list(self._library.movie_names(name))), None),
        )

    def _rows_digest(self, path: Path) -> str:
        return curation_digest(read_curation(path).get(self._session.dataset_id, [])) or "no rows"

    @property
    def _library_folder(self) -> Path | None:
        given = self._stimuli_dir
        return Path(given) if given is not None else library_folder(self._session)

    @cached_property
    def _library(self) -> StimulusLibrary:
        if self._library_folder is None:
            # Cause: the result was made of a library whose place was not noted.
            raise FileMissingError("where the stimulus library is, is not recorded; name it")
        return StimulusLibrary(self._library_folder)

    def _find(self, recorded: str) -> Path:
        """Where a file is now: where it was, else in the folders that are given."""
        path = Path(recorded)
        if path.exists():
            return path
        for folder in self._moved_to:
            for found in (folder / path.name, *sorted(folder.rglob(glob.escape(path.name)))):
                if found.is_file():
                    return found
        return path


def _compared(
    role: str,
    digest: str,
    path: str,
    told: Mapping[str, Any],
    now: Callable[[], tuple[str, int | None]],
) -> Source:
    try:
        found, size = now()
    except (HdmeaError, OSError) as error:
        return Source(role, "missing", path, digest, told.get("size"), remark=str(error))
    state: Literal["same", "changed"] = "same" if found == digest else "changed"
    return Source(role, state, path, digest, told.get("size"), found, size)


def _times_digest(path: Path) -> str:
    times = given_times(FrameClockParams(source="csv", csv=str(path)))
    return block_digest(np.asarray(times)).hex()
