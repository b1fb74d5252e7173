"""What a session holds in memory: contributions, requests, places, and views of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from copy import copy
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self, SupportsIndex

import numpy as np
import numpy.typing as npt

from hdmea.arrays import Array, Variable, Variables, frozen, on_disk, require_array
from hdmea.contribution import Contribution, Recipe
from hdmea.digest import plain
from hdmea.errors import MissingDataError, ParameterError
from hdmea.interruption import safe_point
from hdmea.pieces import Pieces
from hdmea.session import run_record, tables
from hdmea.session.identity import check_dataset_id
from hdmea.session.ledger import Ledger
from hdmea.session.memory import MemoryKeeper, budget_bytes, bytes_in_memory
from hdmea.session.requests import FeatureRequests
from hdmea.store.parts import NoWork, Work
from hdmea.store.reader import SessionFile
from hdmea.store.spool import from_file
from hdmea.terminal import in_a_line

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger("hdmea")
_PLACES = ("cmcr_path", "cmtr_path", "stimuli_dir")


class SessionState:
    """One recording in memory; its files are `PipelineSession`'s part.

    Parameters
    ----------
    dataset_id
        Name of the recording and, by default, of its file.
    output_dir
        Folder of the file that is written by default.
    memory_budget_gb
        What its arrays may take in memory; see `create_session`.
    **places
        ``cmcr_path``, ``cmtr_path``, ``stimuli_dir``: where the inputs are.

    Attributes
    ----------
    work
        What earlier runs have left, and where this one keeps what it makes.
    pieces
        Those of what is being computed now.
    """

    def __init__(
        self,
        dataset_id: str,
        *,
        output_dir: str | Path = "artifacts",
        memory_budget_gb: float | None = None,
        **places: str | Path | None,
    ) -> None:
        self.dataset_id = check_dataset_id(dataset_id)
        self.output_dir = Path(output_dir)
        self.cmcr_path: Path | None = None
        self.cmtr_path: Path | None = None
        self.stimuli_dir: Path | None = None
        self.warnings: list[str] = []
        self._heard: list[str] = []  # since the last computation began
        self._ledger = Ledger()
        self._requests = FeatureRequests()
        self._unsaved = True
        self.work: Work = NoWork()
        self.pieces = Pieces()
        self._memory = MemoryKeeper(budget_bytes(memory_budget_gb), self.output_dir)
        self.set_places(**places)
        run_record.software()  # looked at here: a save may have no memory left for imports

    @property
    def completed_steps(self) -> set[str]:
        """Names of the steps that are done; one with something pending is not."""
        done = {c.recipe.step for c in self._ledger.values()}
        if self.pending:
            done -= {"extract_features", "adjust_p_values"}
        # q values go with the curation that they are of, and come again with the next one
        return done if "curate_units" in done else done - {"adjust_p_values"}

    @property
    def pending(self) -> dict[str, str]:
        """Features that were asked for and wait, each with what it waits for."""
        return self._requests.waiting()

    @property
    def memory_estimate_gb(self) -> float:
        """Size of the arrays that are in memory, in GB (1e9 bytes).

        Arrays that are in a file still, or were put on disk, do not count.
        """
        return self._held_bytes() / 1e9

    @property
    def memory_budget_gb(self) -> float:
        """What the arrays may take in memory, in GB; large ones beyond that are put on disk."""
        return self._memory.budget_bytes / 1e9

    @property
    def content_digest(self) -> str:
        """sha256 over the content: equal for equal results, however they were made."""
        return self._ledger.content_digest(self.pending)

    @property
    def contributions(self) -> Mapping[str, Contribution]:
        """What is in the session, by name, in the order in which it was made."""
        return self._ledger

    def __copy__(self) -> Self:
        """A session that goes its own way from here; the arrays, which never change, are shared."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other.warnings, other._heard = list(self.warnings), list(self._heard)
        other._ledger, other._requests = copy(self._ledger), copy(self._requests)
        other._memory = copy(self._memory)
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy(self)  # copied arrays could be changed, and their digests would not know

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        # Cause: the session was pickled, as multiprocessing does with arguments; its arrays may lie
        # in files that only this process has.
        raise ParameterError(
            f"session {self.dataset_id!r} is not sent to another process: save it, and read it "
            "there with PipelineSession.load(path)"
        )

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
                f"session {self.dataset_id!r} has no {path!r}; run the step that brings it. Those "
                f"which ran: {', '.join(sorted(self.completed_steps)) or 'none yet'}"
                + "".join(
                    f". Did you mean {near!r}?"
                    # a slip of the pen, not the next best of what a missing step would bring
                    for near in get_close_matches(path, self.paths(), n=1, cutoff=0.9)
                )
            )
        return variable

    def __contains__(self, path: str) -> bool:
        return self._ledger.variable(path) is not None

    def paths(self, prefix: str = "") -> list[str]:
        """Paths of all variables below a prefix, sorted."""
        return [path for path in self._ledger.paths if path.startswith(prefix)]

    def values(self, path: str) -> Array:
        """Values of the variable at a path, shape as its ``dims`` say."""
        variable = self[path]
        reads = not variable.in_memory
        values = variable.values
        if reads and self._memory.much_was_read(values.nbytes):
            self._say_if_large()
        return values

    def allocate(self, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float64) -> Array:
        """An array to be filled, not initialised: in memory while the budget lasts, else on disk.

        Raises
        ------
        OutputWriteError
            If it is beyond the budget, and the output's folder has no room for it.
        """
        return self._memory.allocate(shape, dtype, self._held_bytes())

    def spool_beside(self, output: str | Path) -> None:
        """Put arrays beyond the memory budget into the folder of this file."""
        self._memory.folder = Path(output).absolute().parent

    def warn(self, message: str) -> None:
        """Log a warning and keep it with the session."""
        # names of files may be in no encoding; said all the same, as they can be stored
        message = in_a_line(message)
        _log.warning(message)
        self._heard.append(message)
        self._keep_warning(message)

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

    def set_places(self, **places: str | Path | None) -> None:
        """Complete the places of the inputs.

        Raises
        ------
        ParameterError
            If a place is known already and the new one is another.
        """
        for name, place in places.items():
            if name not in _PLACES:
                # Cause: a name is mistyped.
                raise ParameterError(
                    f"{name!r} is no place of a session; known: {', '.join(_PLACES)}"
                )
            if place is None:
                continue
            if not str(place):
                # Cause: an empty text was given, as by a variable that is not set.
                raise ParameterError(f"{name} is empty; give a path, or leave it out")
            known = getattr(self, name)
            if name != "stimuli_dir" and known and Path(place).resolve() != known.resolve():
                # Cause: the session was made of other files.
                raise ParameterError(
                    f"{name}={str(place)!r} contradicts the session's {str(known)!r}; "
                    "create another session for another recording"
                )
            # a process may go to another folder, and a file be read from there
            setattr(self, name, Path(place).absolute())

    def obtain(
        self,
        recipe: Recipe,
        compute: Callable[[], Variables],
        accept: Callable[[Variables], None] | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> Contribution:
        """Bring a contribution into the session: it is here, in the work folder, or computed.

        What was made from an older contribution of the same name no longer holds; it is dropped
        with a warning, and dropped features wait to be computed again.

        Parameters
        ----------
        recipe
            What decides its content.
        compute
            Makes it.
        accept
            Judges it, wherever it came from: raises, or warns.
        told
            What is told of the run if it is computed now, and no part of its identity.
        """
        found = self._ledger.get(recipe.name)
        if found is None or found.key != recipe.key:
            found = self.work.find(recipe.name, recipe.key)
        if found is not None:
            if accept is not None:
                accept(found.variables)
        else:
            self.pieces = self.work.pieces(recipe, self._header())
            found = self._computed(recipe, compute, accept, told or {})
            kept = self.work.keep(found, self._header())
            if kept is not None and _is_spooled(found):
                found = from_file(found, SessionFile(kept))
        if self._ledger.get(recipe.name) is not found:
            self._add(found)
        safe_point()
        return found

    def request_feature(
        self, name: str, parameters: Mapping[str, Any], waits_for: str = "its turn"
    ) -> None:
        """Remember that a feature is wanted, with its parameters, and what it waits for."""
        before = self._requests.as_header()
        self._requests.add(name, parameters, waits_for)
        self._unsaved |= self._requests.as_header() != before

    def withdraw_feature(self, name: str) -> None:
        """Forget the request for a feature."""
        self._requests.remove(name)

    def requested_features(self) -> dict[str, dict[str, Any]]:
        """Features that are wanted and not there yet, with their parameters."""
        return self._requests.wanted()

    def _computed(
        self,
        recipe: Recipe,
        compute: Callable[[], Variables],
        accept: Callable[[Variables], None] | None,
        told: Mapping[str, Any],
    ) -> Contribution:
        self._heard = []
        self._memory.begin()
        with run_record.measured() as run:
            computed = compute()
            for path, variable in computed.items():
                require_array(variable, path)
            made = self._memory.settle(computed, self._held_bytes())
            variables = {path: frozen(variable) for path, variable in made.items()}
        if accept is not None:
            accept(variables)
        run["made_from"] = {name: self._ledger[name].content for name in recipe.parents}
        run["warnings"] = self._heard
        return Contribution(recipe, variables, plain({**run, **told}, recipe.name))

    def _header(self) -> dict[str, Any]:
        return {
            "dataset_id": self.dataset_id,
            "output_dir": str(self.output_dir),
            # hints for whoever goes on from elsewhere; no part of the content
            "places": {
                name: str(place) if (place := getattr(self, name)) else None for name in _PLACES
            },
            "warnings": list(self.warnings),
            "software": run_record.software(),
            **self._requests.as_header(),
        }

    def _add(self, contribution: Contribution) -> None:
        for dropped in self._ledger.add(contribution):
            self.warn(f"{dropped.name} was made from an older {contribution.name}; it is dropped")
            if dropped.recipe.step == "extract_features":
                self.request_feature(
                    dropped.name.removeprefix("features."), dropped.recipe.parameters
                )
        for warning in contribution.run.get("warnings", []):
            self._keep_warning(warning)
        self._unsaved = True
        self._say_if_large()

    def _held_bytes(self) -> int:
        return bytes_in_memory(v for c in self._ledger.values() for v in c.variables.values())

    def _say_if_large(self) -> None:
        self._memory.say_if_large(self._held_bytes(), self.dataset_id)

    def _empty_spool(self, path: Path, manifest: str) -> None:
        """Read from a file that was just written what was on disk without a name until now."""
        spooled = [made for made in self._ledger.values() if _is_spooled(made)]
        if not spooled:
            return
        file = SessionFile(path)
        if file.manifest_digest == manifest:  # else somebody has replaced it meanwhile
            for made in spooled:
                self._ledger.put_back(from_file(made, file))

    def _keep_warning(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)


def _is_spooled(contribution: Contribution) -> bool:
    return any(on_disk(variable.data) for variable in contribution.variables.values())
