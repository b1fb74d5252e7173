"""What finished results were made from, and whether results and inputs are still what they were.

Snakemake goes by the times of files. An input whose content changed while its time did not, or a
result that somebody wrote into, is nothing to be done for it. Here both are noticed: by digests,
which are taken anew only of files whose stamp (size, times, inode) is another one.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hdmea.batch.config import WorkflowConfig
from hdmea.batch.made import problem_of
from hdmea.batch.plan import parts_of
from hdmea.batch.recordings import Recording
from hdmea.errors import HdmeaError, ParameterError
from hdmea.mcs.digest import FileStamp, file_digest, file_stamp
from hdmea.store.parts import last_in
from hdmea.store.reader import SessionFile
from hdmea.store.small_file import write_small_file
from hdmea.store.verify import verify

TABLE = "units.csv"
"""The table of all units, in the folder of results."""
COLUMNS = "units_columns.csv"
"""What its columns are."""
PARQUET = "units.parquet"
"""The same table, where it is asked for."""
_CHECKED = ".checked.json"
_KINDS = ("inputs", "results", "contents")
_LARGE_BYTES = 10**9
_WRITING_SHARE = 0.05
"""Of the time is taken at most by writing what is remembered, which grows with the batch."""


@dataclass(frozen=True)
class Result:
    """What reading a result whole has shown.

    Parameters
    ----------
    problem
        Why it is not what was saved; empty if it is.
    inputs
        For each file of the recording, by role: digest with which it was loaded, and its stamp
        then (empty where the file that loaded it did not note any).
    """

    problem: str
    inputs: Mapping[str, tuple[str, list[int]]]


class Past:
    """The results of a batch that are there, and the inputs that they were made from.

    What was read is remembered in ``.checked.json`` in the folder of results, with the stamp of
    each file: as long as that is the same, the file is not read again. Deleting it costs time only.

    Parameters
    ----------
    config
        The batch.
    """

    def __init__(self, config: WorkflowConfig) -> None:
        self._config = config
        self._parts = tuple(parts_of(config)) if config.mode == "immediate" else ()
        self._path = config.results_dir / _CHECKED
        self._written, self._write_again_s = True, 0.0
        self._changes: dict[str, list[str]] = {}
        self._stamps: dict[str, dict[str, list[int]]] = {}

    def stamps(self, recording: Recording) -> dict[str, list[int]]:
        """A stamp of each file of a recording, which is another one if its content changed.

        That is the stamp with which this content was first seen: a copied file, or one whose time
        was set, has another one of its own. A job that depends on it runs again when the content
        changes, and only then. A file that was never read is not read for this.
        """
        found = self._stamps_of(recording)
        self._write()
        return found

    def _stamps_of(self, recording: Recording) -> dict[str, list[int]]:
        if recording.name in self._stamps:
            return self._stamps[recording.name]
        made = self._made_from(recording)
        told: list[str] = []
        stamps = {}
        for role, path in recording.files.items():
            try:
                now = file_stamp(path)
            except OSError:  # that it is missing is said by `require_inputs`
                continue
            was, stamp = made.inputs.get(role, ("", []))
            if was:
                self._first_stamp(path, was, stamp or list(now))
                if stamp == list(now) and self._known("inputs", path, now) is None:
                    self._remember("inputs", path, now, was)
            read_before = _key(path) in self._checked["contents"]
            found = self._digest(path, now) if read_before else ""
            stamps[role] = self._first_stamp(path, found, list(now)) if found else list(now)
            if was and found != was:
                told.append(
                    f"{recording.name}: {role} {path} is not the file that its result was made "
                    "from; what depends on it is made anew"
                )
        self._changes[recording.name] = told
        self._stamps[recording.name] = stamps
        return stamps

    def changed(self, recordings: Iterable[Recording]) -> list[str]:
        """A line for each file of recordings whose content changed since results were made."""
        lines = []
        for recording in recordings:
            self._stamps_of(recording)
            lines += self._changes[recording.name]
        self._write()
        return lines

    def to_read(self, recordings: Iterable[Recording]) -> str:
        """A line about the results that have to be read first, if that takes a while."""
        unread = [
            stamp.size
            for recording in recordings
            for path in self._results(recording)
            if (stamp := _stamp(path)) is not None and self._known("results", path, stamp) is None
        ]
        if sum(unread) < _LARGE_BYTES:
            return ""
        return f"checking {len(unread)} new files of results, {sum(unread) / 1e9:.1f} GB"

    def require_whole(self, recordings: Iterable[Recording], *, table: bool = False) -> None:
        """Make sure that the results which are there are what was saved.

        Parameters
        ----------
        recordings
            Whose.
        table
            Whether the table of all units is meant, too.

        Raises
        ------
        ParameterError
            Listing those that are not, and what to do.
        """
        by_name = self.spoilt(recordings)
        if not table:
            by_name.pop(TABLE, None)
        spoilt = [found for of_one in by_name.values() for found in of_one]
        if spoilt:
            listed = "\n  ".join(f"{path}: {problem}" for path, problem in spoilt)
            files = " ".join(shlex.quote(str(path)) for path, _ in spoilt)
            # Cause: a result was edited, cut or damaged after the workflow had written it.
            raise ParameterError(
                "These results are not what was saved; somebody wrote into them, or the disk lost "
                f"something:\n  {listed}\nKeep a copy if you want to know why. Delete them, and "
                f"they are made anew: rm {files}"
            )

    def spoilt(self, recordings: Iterable[Recording]) -> dict[str, list[tuple[Path, str]]]:
        """Results that are not what was saved, and what is wrong with them, by recording.

        The table of all units is there under its own name, `TABLE`.
        """
        found: dict[str, list[tuple[Path, str]]] = {}
        folder = self._config.results_dir
        for recording in recordings:
            picture = folder / f"{recording.name}.png"
            problems = [
                *((p, self._result(p, recording.name).problem) for p in self._results(recording)),
                (picture, problem_of(picture)),
            ]
            if wrong := [(path, problem) for path, problem in problems if problem]:
                found[recording.name] = wrong
        if problem := problem_of(folder / TABLE):
            found[TABLE] = [(folder / TABLE, problem)]
        self._write()
        return found

    def _results(self, recording: Recording) -> list[Path]:
        """Files that jobs of a recording make, those that are there."""
        config, name = self._config, recording.name
        paths = [
            *(Path(config.parts_dir, name, f"{part}.h5") for part in self._parts),
            Path(config.results_dir, f"{name}.h5"),
            *(
                Path(config.results_dir, "checkpoints", f"{name}.after_{step}.h5")
                for step in config.checkpoints
            ),
        ]
        return [path for path in paths if path.exists()]

    def _made_from(self, recording: Recording) -> Result:
        """What says from which inputs: the part of loading, else the session file."""
        first = [Path(self._config.parts_dir, recording.name, "load_recording.h5")]
        places = (first if self._parts else []) + [
            Path(self._config.results_dir, f"{recording.name}.h5")
        ]
        for path in places:
            if path.exists():
                return self._result(path, recording.name)
        return Result("", {})

    def _result(self, path: Path, recording: str) -> Result:
        stamp = file_stamp(path)
        known = self._known("results", path, stamp)
        if known is None:
            found = _read_result(path, recording)
            known = {"problem": found.problem, "inputs": found.inputs}
            self._remember("results", path, stamp, known)
        return Result(known["problem"], known["inputs"])

    def _first_stamp(self, path: str, sha256: str, stamp: list[int]) -> list[int]:
        """The stamp that a file had when it was first seen with this content."""
        of_file = self._checked["contents"].setdefault(_key(path), {})
        if sha256 not in of_file:
            of_file[sha256] = stamp
            self._write_soon()
        first: list[int] = of_file[sha256]
        return first

    def _digest(self, path: str, stamp: FileStamp) -> str:
        known = self._known("inputs", path, stamp)
        if known is None:
            try:
                known = file_digest(path).sha256
            except HdmeaError:  # the job that loads it says why
                return ""
            self._remember("inputs", path, stamp, known)
        return str(known)

    @cached_property
    def _checked(self) -> dict[str, dict[str, Any]]:
        """What is remembered: each file's stamp, and what was found; all contents of inputs."""
        try:
            read = json.loads(self._path.read_bytes())
            return {kind: dict(read[kind]) for kind in _KINDS}
        except (OSError, ValueError, TypeError, KeyError):  # none, or of another version
            return {kind: {} for kind in _KINDS}

    def _known(self, kind: str, path: str | Path, stamp: FileStamp) -> Any:
        found = self._checked[kind].get(_key(path))
        return found["found"] if found is not None and found["stamp"] == list(stamp) else None

    def _remember(self, kind: str, path: str | Path, stamp: FileStamp, found: Any) -> None:
        self._checked[kind][_key(path)] = {"stamp": list(stamp), "found": found}
        self._write_soon()

    def _write_soon(self) -> None:
        """Write at once, or a little later together with what is found until then."""
        self._written = False
        if time.monotonic() >= self._write_again_s:
            self._write()

    def _write(self) -> None:
        if self._written:
            return
        begun_s = time.monotonic()
        write_small_file(self._path, json.dumps(self._checked).encode())
        now_s = time.monotonic()
        self._written, self._write_again_s = True, now_s + (now_s - begun_s) / _WRITING_SHARE


def last_result(config: WorkflowConfig, recording: str) -> Path | None:
    """Last time's result of a recording, which a run that failed has not taken away.

    Snakemake removes the session file before it makes it anew; the work folder has it then.
    """
    places = [config.results_dir / f"{recording}.h5"]
    work = config.work_folder(recording)
    if work is not None:
        places.append(last_in(work, config.tag or ""))
    return next((path for path in places if path.exists()), None)


def _key(path: str | Path) -> str:
    return str(Path(path).absolute())


def _stamp(path: Path) -> FileStamp | None:
    try:
        return file_stamp(path)
    except OSError:
        return None


def _read_result(path: Path, recording: str) -> Result:
    """Read a result whole."""
    try:
        found = verify(path)
        if not found.is_good:
            return Result("damaged: " + ", ".join(name for name, _ in found.damaged), {})
        with SessionFile(path) as file:
            name = file.header["dataset_id"]
            loaded = file.contributions().get("load_recording")
    except (HdmeaError, OSError) as error:
        return Result(str(error), {})
    if name != recording:
        return Result(f"it holds another recording, {name!r}", {})
    if loaded is None:  # a part of another step
        return Result("", {})
    told = loaded.run.get("files", {})
    return Result(
        "",
        {
            role: (sha256, [told[role][field] for field in FileStamp._fields if role in told])
            for role, sha256 in loaded.recipe.inputs.items()
            if role in ("cmcr", "cmtr")
        },
    )
