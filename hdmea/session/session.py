"""PipelineSession: one recording in memory, saved whole."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hdmea.arrays import Array, Variable, Variables
from hdmea.contribution import Contribution, Recipe
from hdmea.errors import MissingDataError, ParameterError, SessionFileError, StaleSessionError
from hdmea.session import display, run_record, tables
from hdmea.session.identity import check_dataset_id
from hdmea.session.ledger import Ledger
from hdmea.session.requests import FeatureRequests
from hdmea.store.parts import WorkFolder
from hdmea.store.reader import SessionFile, current_digest
from hdmea.store.writer import write_session_file

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("hdmea")
_PLACES = ("cmcr_path", "cmtr_path", "stimuli_dir")


class SaveState(enum.Enum):
    """Whether everything in a session is in its file."""

    DEFERRED = "deferred"
    SAVED = "saved"


class PipelineSession:
    """One recording in memory: what the steps added to it, and from what.

    Made by `create_session` or `PipelineSession.load`; given to the steps, which add to it.

    Parameters
    ----------
    dataset_id
        Name of the recording and, by default, of its file.
    cmcr_path, cmtr_path, stimuli_dir
        Where the inputs are.
    output_dir
        Folder of the file that `save` writes by default.
    """

    def __init__(
        self,
        dataset_id: str,
        *,
        cmcr_path: str | Path | None = None,
        cmtr_path: str | Path | None = None,
        stimuli_dir: str | Path | None = None,
        output_dir: str | Path = "artifacts",
    ) -> None:
        self.dataset_id = check_dataset_id(dataset_id)
        self.output_dir = Path(output_dir)
        self.cmcr_path: Path | None = None
        self.cmtr_path: Path | None = None
        self.stimuli_dir: Path | None = None
        self.warnings: list[str] = []
        self._ledger = Ledger()
        self._requests = FeatureRequests()
        self._state = SaveState.DEFERRED
        self._file: Path | None = None
        self._file_digest: str | None = None
        self._work: WorkFolder | None = None
        self.set_places(cmcr_path=cmcr_path, cmtr_path=cmtr_path, stimuli_dir=stimuli_dir)

    # -- state ---------------------------------------------------------------------------------

    @property
    def completed_steps(self) -> set[str]:
        """Names of the steps that are done; one with something pending is not."""
        done = {c.recipe.step for c in self._ledger.values()}
        return done - ({"extract_features"} if self.pending else set())

    @property
    def pending(self) -> dict[str, str]:
        """Features that were asked for and wait, each with what it waits for."""
        return self._requests.waiting()

    @property
    def save_state(self) -> SaveState:
        """``SAVED`` if all of the session is in its file."""
        return self._state

    @property
    def memory_estimate_gb(self) -> float:
        """Size of the arrays that are in memory, in GB (1e9 bytes)."""
        variables = (v for c in self._ledger.values() for v in c.variables.values())
        return sum(v.nbytes for v in variables if v.in_memory) / 1e9

    @property
    def content_digest(self) -> str:
        """sha256 over the content: equal for equal results, however they were made."""
        return self._ledger.content_digest(self.pending)

    @property
    def hdf5_path(self) -> Path:
        """Path of the session's file; unsaved work is saved to the default place first."""
        if self._state is SaveState.DEFERRED or self._file is None:
            self.warn(f"hdf5_path was asked for with unsaved work: saving {self.dataset_id} now")
            return self.save()
        return self._file

    @property
    def contributions(self) -> Mapping[str, Contribution]:
        """What is in the session, by name, in the order in which it was made."""
        return self._ledger

    def __getitem__(self, path: str) -> Variable:
        """Variable at a path such as ``units/spike_times``.

        Raises
        ------
        MissingDataError
            If nothing has brought it yet.
        """
        variable = self._ledger.variable(path)
        if variable is None:
            raise MissingDataError(
                f"session {self.dataset_id!r} has no {path!r}; it has what these steps brought: "
                f"{', '.join(sorted(self.completed_steps)) or 'none yet'}"
            )
        return variable

    def __contains__(self, path: str) -> bool:
        return self._ledger.variable(path) is not None

    def paths(self, prefix: str = "") -> list[str]:
        """Paths of all variables below a prefix, sorted."""
        return [path for path in self._ledger.paths if path.startswith(prefix)]

    def values(self, path: str) -> Array:
        """Values of the variable at a path, shape as its ``dims`` say."""
        return self[path].values

    def warn(self, message: str) -> None:
        """Log a warning and keep it with the session."""
        _log.warning(message)
        if message not in self.warnings:
            self.warnings.append(message)

    def __repr__(self) -> str:
        return display.as_text(self)

    def _repr_html_(self) -> str:
        return display.as_html(self)

    # -- results -------------------------------------------------------------------------------

    @property
    def units(self) -> pd.DataFrame:
        """One row per unit, indexed by ``unit_id``, every scalar that is known of it."""
        return tables.units_table(self)

    @property
    def features(self) -> tables.FeatureTables:
        """Tables of the features by name, e.g. ``session.features["on_off"]``."""
        return tables.FeatureTables(self)

    def spike_times(self, unit_id: int) -> Array:
        """Spike times of one unit, float64 (n_spikes,), in s from the start of the recording.

        Raises
        ------
        UnknownNameError
            If there is no such unit.
        """
        return tables.unit_spike_times(self, unit_id)

    def sta(self, unit_id: int, stimulus: str | None = None) -> Array:
        """Spike-triggered average of one unit, float32 (lag, y, x), in the movie's values.

        Raises
        ------
        MissingDataError, ParameterError, UnknownNameError
            If there is no STA, several and none named, or no such unit or stimulus.
        """
        return tables.unit_sta(self, unit_id, stimulus, "sta")

    def sta_z(self, unit_id: int, stimulus: str | None = None) -> Array:
        """z score of the spike-triggered average, float32 (lag, y, x); raises as `sta` does."""
        return tables.unit_sta(self, unit_id, stimulus, "z")

    # -- places --------------------------------------------------------------------------------

    def set_places(self, **places: str | Path | None) -> None:
        """Complete the places of the inputs.

        Raises
        ------
        ParameterError
            If a place is known already and the new one is another.
        """
        for name, place in places.items():
            if name not in _PLACES:
                raise ParameterError(
                    f"{name!r} is no place of a session; known: {', '.join(_PLACES)}"
                )
            known = getattr(self, name)
            if place is None:
                continue
            if (
                known is not None
                and Path(place).resolve() != known.resolve()
                and name != "stimuli_dir"
            ):
                raise ParameterError(
                    f"{name}={str(place)!r} contradicts the session's {str(known)!r}; "
                    "create another session for another recording"
                )
            setattr(self, name, Path(place))

    # -- what steps do -------------------------------------------------------------------------

    def obtain(self, recipe: Recipe, compute: Callable[[], Variables]) -> Contribution:
        """Bring a contribution into the session: it is here, in the work folder, or computed.

        What was made from an older contribution of the same name no longer holds; it is dropped
        with a warning, and dropped features wait to be computed again.
        """
        present = self._ledger.get(recipe.name)
        if present is not None and present.key == recipe.key:
            return present
        found = self._work.find(recipe.name, recipe.key) if self._work else None
        if found is None:
            with run_record.measured() as run:
                variables = {path: _frozen(v) for path, v in compute().items()}
            found = Contribution(recipe, variables, run)
            if self._work:
                self._work.keep(found, self._header())
        self._add(found)
        return found

    def request_feature(self, name: str, parameters: Mapping[str, Any]) -> None:
        """Remember that a feature is wanted, with its parameters."""
        self._requests.add(name, parameters)
        self._state = SaveState.DEFERRED

    def requested_features(self) -> dict[str, dict[str, Any]]:
        """Features that are wanted and not there yet, with their parameters."""
        return self._requests.wanted()

    def set_waiting(self, name: str, reason: str | None) -> None:
        """Say what a requested feature waits for; None when it waits no longer."""
        self._requests.set_waiting(name, reason)

    def use_work_folder(self, folder: str | Path) -> None:
        """Keep every contribution as a part in a folder as it is made, and take from there."""
        self._work = WorkFolder(Path(folder))

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

    # -- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path | None = None, *, overwrite: bool = True) -> Path:
        """Write the session as one file, atomically.

        Parameters
        ----------
        path
            Default ``<output_dir>/<dataset_id>.h5``.
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
        target = Path(path) if path is not None else self._default_path()
        if self._file is not None and target.resolve() == self._file.resolve():
            self.require_current()
        if self.pending:
            waiting = ", ".join(f"{name} (waits for {why})" for name, why in self.pending.items())
            self.warn(f"saving {self.dataset_id} with pending features: {waiting}")
        self._write(target, "session", overwrite)
        self._file, self._file_digest = target, current_digest(target)
        self._state = SaveState.SAVED
        if self._work:
            self._work.finish(target)
        return target

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
            As for `save`.
        """
        target = Path(path)
        self._write(target, "checkpoint", overwrite, checkpoint_name=checkpoint_name)
        return target

    @classmethod
    def load(cls, path: str | Path) -> PipelineSession:
        """Session from a session file or checkpoint, exactly where it was.

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
            raise SessionFileError(
                f"{path} is a part (one step's contribution), not a whole session; assemble "
                "the parts"
            )
        session = cls._from_header(file.header)
        for contribution in file.contributions().values():
            session._add(contribution)
        if file.kind == "session":
            session.output_dir = Path(path).parent
            session._file, session._file_digest = Path(path), file.manifest_digest
            session._state = SaveState.SAVED
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
            raise ParameterError("no parts are given; name at least the part of load_recording")
        session = cls._from_header(files[0].header)
        for file in files:
            if file.header["dataset_id"] != session.dataset_id:
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

    # -- inside --------------------------------------------------------------------------------

    def _default_path(self) -> Path:
        return self.output_dir / f"{self.dataset_id}.h5"

    def _write(self, target: Path, kind: str, overwrite: bool, **extra: Any) -> None:
        if target.exists() and overwrite:
            _log.warning("overwriting %s%s", target, _whose(target, self.dataset_id))
        write_session_file(
            target,
            list(self._ledger.values()),
            self._header() | extra,
            kind=kind,
            overwrite=overwrite,
        )

    def _header(self) -> dict[str, Any]:
        return {
            "dataset_id": self.dataset_id,
            "output_dir": str(self.output_dir),
            "places": {name: str(p) if (p := getattr(self, name)) else None for name in _PLACES},
            "warnings": list(self.warnings),
            "software": run_record.software(),
            **self._requests.as_header(),
        }

    @classmethod
    def _from_header(cls, header: Mapping[str, Any]) -> PipelineSession:
        session = cls(header["dataset_id"], output_dir=header["output_dir"], **header["places"])
        session.warnings = list(header["warnings"])
        session._requests = FeatureRequests.from_header(header)
        return session

    def _add(self, contribution: Contribution) -> None:
        for dropped in self._ledger.add(contribution):
            self.warn(f"{dropped.name} was made from an older {contribution.name}; it is dropped")
            if dropped.recipe.step == "extract_features":
                self.request_feature(
                    dropped.name.removeprefix("features."), dropped.recipe.parameters
                )
        self._state = SaveState.DEFERRED


def _frozen(variable: Variable) -> Variable:
    """The variable with values that nobody can change: digests and lazy saves rely on it."""
    if isinstance(variable.data, np.ndarray):
        variable.data.flags.writeable = False
    return variable


def _whose(target: Path, dataset_id: str) -> str:
    """What to say of a file that is replaced, where it is not this recording's."""
    try:
        with SessionFile(target) as old:
            other = old.header["dataset_id"]
    except SessionFileError:
        return ", which is not a readable session file"
    return "" if other == dataset_id else f", which holds another recording: {other}"
