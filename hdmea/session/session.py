"""PipelineSession: one recording in memory, saved whole."""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from hdmea.errors import (
    OutputExistsError,
    ParameterError,
    SessionFileError,
    StaleSessionError,
)
from hdmea.session import display
from hdmea.session.requests import FeatureRequests
from hdmea.session.state import SessionState
from hdmea.store.atomic import sole_writer
from hdmea.store.opening import current_digest
from hdmea.store.reader import SessionFile
from hdmea.store.writer import write_session_file

_log = logging.getLogger("hdmea")


class SaveState(enum.Enum):
    """Whether everything in a session is in its file."""

    DEFERRED = "deferred"
    SAVED = "saved"


class PipelineSession(SessionState):
    """One recording in memory: what the steps added to it, and from what.

    Made by `create_session` or `PipelineSession.load`; given to the steps, which add to it.

    Parameters
    ----------
    dataset_id
        Name of the recording and, by default, of its file.
    output_dir
        Folder of the file that `save` writes by default.
    memory_budget_gb
        What its arrays may take in memory; see `create_session`.
    **places
        ``cmcr_path``, ``cmtr_path``, ``stimuli_dir``: where the inputs are.
    """

    def __init__(
        self,
        dataset_id: str,
        *,
        output_dir: str | Path = "artifacts",
        memory_budget_gb: float | None = None,
        **places: str | Path | None,
    ) -> None:
        super().__init__(
            dataset_id, output_dir=output_dir, memory_budget_gb=memory_budget_gb, **places
        )
        self._file: Path | None = None
        self._file_digest: str | None = None
        self._home: Path | None = None
        self._checkpoint: Path | None = None

    @property
    def save_state(self) -> SaveState:
        """``SAVED`` if all of the session is in its file."""
        return SaveState.DEFERRED if self._unsaved else SaveState.SAVED

    @property
    def default_path(self) -> Path:
        """Where `save` writes without a path: the file it was loaded from, else by its id."""
        return self._home or self.output_dir / f"{self.dataset_id}.h5"

    @property
    def hdf5_path(self) -> Path:
        """Path of the session's file; unsaved work is saved to the default place first."""
        if self._unsaved or self._file is None or not self._file.exists():
            _log.warning("hdf5_path asked for with unsaved work: saving %s now", self.dataset_id)
            return self.save()
        return self._file

    def __repr__(self) -> str:
        return display.as_text(self)

    def _repr_html_(self) -> str:
        return display.as_html(self)

    def require_current(self) -> None:
        """Make sure that the session's file is as the session knows it.

        Raises
        ------
        StaleSessionError
            If somebody else has changed it since.
        """
        if self._file is None or not self._file.exists():
            return
        try:
            digest = current_digest(self._file)
        except SessionFileError:  # whatever it is now, it is not what it was
            digest = ""
        if digest != self._file_digest:
            raise StaleSessionError(
                f"{self._file} was changed since this session read or wrote it; "
                f"continue from PipelineSession.load({str(self._file)!r}), or save this "
                "session elsewhere"
            )

    def save(self, path: str | Path | None = None, *, overwrite: bool = True) -> Path:
        """Write the session as one file, atomically.

        Parameters
        ----------
        path
            Default ``<output_dir>/<dataset_id>.h5``; for a session loaded from its file, that
            file. A checkpoint tells its ``output_dir``; if that is not below the working directory,
            the log says so.
        overwrite
            Whether an existing file may be replaced; replacing is always said in the log.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OutputExistsError
            If the file exists and ``overwrite=False``.
        OutputWriteError
            If it cannot be written; a file that was there is unchanged.
        StaleSessionError
            If it would replace the session's own file, and that was changed by somebody else.
        """
        target = Path(path) if path is not None else self.default_path
        if path is None and self._checkpoint and not _is_below(target, Path.cwd()):
            # a file that came from elsewhere must not choose in silence where we write
            _log.warning("saving to %s, as the checkpoint %s says", target, self._checkpoint)
        if target.exists() and overwrite:
            _log.warning("overwriting %s%s", target, _whose(target, self.dataset_id))
        return self._save(target, overwrite)

    def owns(self, path: str | Path) -> bool:
        """Whether a path is the session's own file."""
        return self._file is not None and Path(path).resolve() == self._file.resolve()

    def write_back(self) -> Path:
        """Bring the session's own file up to date, as an immediate step does; never warns.

        Without a file of its own it is saved to the default place. A session without unsaved
        work is not written again.
        """
        if self._file is None:
            return self.save()
        return self._save(self._file, overwrite=True) if self._unsaved else self._file

    def checkpoint(
        self, path: str | Path, *, checkpoint_name: str | None = None, overwrite: bool = True
    ) -> Path:
        """Write the session as it is now to a file of its own; the session's state stays.

        Parameters
        ----------
        path
            The checkpoint's file.
        checkpoint_name
            A word for people, kept in the file.
        overwrite
            Whether an existing file may be replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OutputExistsError, OutputWriteError
            As for `save`; also if the path is that of the session's own file.
        """
        target = Path(path)
        if self.owns(target):
            # Cause: the checkpoint was given the path of the session's own file.
            raise OutputExistsError(
                f"{target} is the session's own file, which a checkpoint does not replace; choose "
                "another path, or save()"
            )
        if target.exists() and overwrite:
            _log.warning("overwriting %s%s", target, _whose(target, self.dataset_id))
        write_session_file(
            target,
            list(self._ledger.values()),
            self._header() | {"checkpoint_name": checkpoint_name},
            kind="checkpoint",
            overwrite=overwrite,
        )
        return target

    @classmethod
    def load(cls, path: str | Path, *, memory_budget_gb: float | None = None) -> PipelineSession:
        """Session from a session file or checkpoint, exactly where it was.

        Parameters
        ----------
        path
            The file. Arrays are read from it when they are needed.
        memory_budget_gb
            As for `create_session`.

        Raises
        ------
        FileMissingError
            If there is no file.
        SessionFileError
            If it is not a session file, or damaged.
        """
        file = SessionFile(Path(path))
        if file.kind == "part":
            file.close()
            # Cause: a file of the folder of steps was loaded in place of the result.
            raise SessionFileError(
                f"{path} is a part (one step's contribution), not a whole session; load the "
                "result, or assemble the parts with PipelineSession.from_parts"
            )
        session = cls._from_header(file, memory_budget_gb)
        for contribution in file.contributions().values():
            session._add(contribution)
        if file.kind == "session":
            session._home = session._file = Path(path).absolute()
            session.spool_beside(session._file)
            session._file_digest = file.manifest_digest
            session._unsaved = False
        else:
            session._checkpoint = Path(path)
        return session

    @classmethod
    def from_parts(cls, paths: Iterable[str | Path]) -> PipelineSession:
        """Session assembled from parts of one recording.

        Raises
        ------
        SessionFileError
            If the parts are of different recordings, or one was made from another version of a
            part than is here.
        """
        files = [SessionFile(Path(path)) for path in paths]
        if not files:
            # Cause: an empty list was given, as of a pattern that matches no file.
            raise ParameterError("no parts are given; name at least the part of load_recording")
        session = cls._from_header(files[0])
        for file in files:
            if file.header["dataset_id"] != session.dataset_id:
                # Cause: parts of two recordings were given.
                raise SessionFileError(
                    f"{file.path} belongs to {file.header['dataset_id']!r}, {files[0].path} to "
                    f"{session.dataset_id!r}; parts of one recording are needed"
                )
            for contribution in file.contributions().values():
                session._add(contribution)
        session._ledger.require_consistent(f"parts of {session.dataset_id!r}")
        return session

    def save_part(self, path: str | Path, names: Iterable[str]) -> Path:
        """Write only some contributions, as a part."""
        header = self._header() | FeatureRequests().as_header()
        write_session_file(Path(path), [self._ledger[n] for n in names], header, kind="part")
        return Path(path)

    def _save(self, target: Path, overwrite: bool) -> Path:
        if self.pending:
            waiting = ", ".join(f"{name} (waits for {why})" for name, why in self.pending.items())
            _log.warning("saving %s with pending features: %s", self.dataset_id, waiting)
        with sole_writer(target):
            if self.owns(target):
                self.require_current()
            try:
                written = write_session_file(
                    target, list(self._ledger.values()), self._header(), overwrite=overwrite
                )
            except BaseException:  # Ctrl-C, too, may come when the file has its name already
                self._see_own_file(target)
                raise
            self._empty_spool(target, written.manifest)
        self._file, self._file_digest = target.absolute(), written.manifest
        self.spool_beside(self._file)
        self._unsaved = False
        self.work.finish(target)
        return target

    def _see_own_file(self, target: Path) -> None:
        """After a failed save: the own file is the old one or, if only the last sync failed, ours.

        Nobody else has written it meanwhile, so that the next save need not fear for it.
        """
        if self.owns(target):
            with suppress(SessionFileError):  # a disk that fails may fail here too
                self._file_digest = current_digest(target)

    @classmethod
    def _from_header(
        cls, file: SessionFile, memory_budget_gb: float | None = None
    ) -> PipelineSession:
        header = file.header
        session = cls(
            header["dataset_id"],
            output_dir=header["output_dir"],
            memory_budget_gb=memory_budget_gb,
        )
        try:
            session.set_places(**header["places"])
        except (ParameterError, TypeError) as error:
            raise SessionFileError(f"{file.path}: its inputs cannot be used: {error}") from error
        session.warnings = list(header["warnings"])
        session._requests = FeatureRequests.from_header(header)
        return session


def _is_below(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _whose(target: Path, dataset_id: str) -> str:
    """What to say of a file that is replaced, where it is not this recording's."""
    try:
        with SessionFile(target) as old:
            other = old.header["dataset_id"]
    except SessionFileError:
        return ", which is not a readable session file"
    return "" if other == dataset_id else f", which holds another recording: {other}"
