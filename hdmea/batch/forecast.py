"""What a run would do again, and why, before anything runs.

The steps are gone through as in a run, but nothing is computed: in place of what would be made
anew stands what is there of before, under its new key, so that all that depends on it is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdmea.arrays import Variables
from hdmea.batch.config import WorkflowConfig
from hdmea.batch.plan import all_steps
from hdmea.batch.recordings import Recording
from hdmea.contribution import Contribution, Recipe
from hdmea.errors import HdmeaError, SessionFileError
from hdmea.session import PipelineSession
from hdmea.steps.registry import STEPS, get_step
from hdmea.steps.running import run
from hdmea.store.parts import NoWork
from hdmea.store.reader import SessionFile

_SAMPLED_FROM_BYTES, _SAMPLES_BYTES = 10 * 10**9, 2**30
"""Of larger recordings samples are read, and what is asked for."""
NOT_DONE = "not done yet"


@dataclass(frozen=True)
class Redone:
    """A contribution that would be computed.

    Parameters
    ----------
    name
        The contribution; a step's name where it is not known yet what it will make.
    why
        Which parameter, version or input is another one.
    reads_bytes
        Size of what it is made from.
    """

    name: str
    why: str
    reads_bytes: int = 0


@dataclass(frozen=True)
class Forecast:
    """What a run would do with one recording.

    Parameters
    ----------
    recording
        Its name.
    redone
        What would be computed, in the order in which it would.
    kept
        Names of what is taken from earlier runs.
    reads_bytes
        Size of what would be read: inputs, and what is taken from earlier runs.
    unreadable
        Why files of earlier runs cannot be used.
    """

    recording: str
    redone: tuple[Redone, ...]
    kept: tuple[str, ...]
    reads_bytes: int
    unreadable: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """It in words: a line about the recording, and one for each contribution to be made.

        Of a recording of which nothing is done yet the one line says it.
        """
        if not self.redone:
            return [f"{self.recording}: nothing to do"]
        n_all = len(self.redone) + len(self.kept)
        size = _size(self.reads_bytes)
        head = f"{self.recording}: {len(self.redone)} of {n_all} to be made, {size} to be read"
        made = [f"  {one.name}: {one.why}" for one in self.redone]
        if not self.kept and {one.why for one in self.redone} == {NOT_DONE}:
            head, made = f"{head}: {NOT_DONE}", []
        return [head, *(f"  {error}" for error in self.unreadable), *made]


def forecast(config: WorkflowConfig, recording: Recording) -> Forecast:
    """What a run would do with a recording.

    Parameters
    ----------
    config
        How it is to be processed.
    recording
        Which one. Its files are read for their digests if somebody has touched them.

    Returns
    -------
    Forecast
    """
    name = recording.name
    there = _There(_files(config, name))
    steps = all_steps(config, recording)
    if there.is_empty:  # then nothing has to be read to know that all is to be made
        sizes = sum(_read_of({"size": _file_size(path)}) for path in recording.files.values())
        redone = [Redone(step, NOT_DONE, sizes if STEPS[step].creates else 0) for step in steps]
        return Forecast(name, tuple(redone), (), sizes, tuple(there.unreadable))
    session = _Unmade(name, there, recording, config.stimuli)
    for step_name, values in steps.items():
        step = get_step(step_name)
        try:
            run(step, session, step.parse(values))
        except HdmeaError as error:
            # where something is yet to be made nobody knows what comes of it
            why = NOT_DONE if session.unknown else str(error)
            session.redone.append(Redone(step_name, why))
    own = (
        sum(made.reads_bytes for made in session.redone)
        if config.mode == "immediate"
        else session.inputs_bytes + sum(map(_nbytes, session.kept))
    )
    kept = tuple(made.name for made in session.kept)
    reads_bytes = own if session.redone else 0
    return Forecast(name, tuple(session.redone), kept, reads_bytes, tuple(there.unreadable))


def in_total(forecasts: Iterable[Forecast]) -> str:
    """What would be done with several recordings together, in a line."""
    found = list(forecasts)
    n_made, n_busy = sum(len(one.redone) for one in found), sum(bool(one.redone) for one in found)
    size = _size(sum(one.reads_bytes for one in found))
    return f"{n_made} to be made for {n_busy} of {len(found)} recordings, {size} to be read"


def _files(config: WorkflowConfig, name: str) -> list[Path]:
    """Files in which what was made may be, in the order in which a run looks at them."""
    work = config.work_folder(name)
    in_work = (
        []
        if work is None or not work.is_dir()
        else [*work.rglob("*.part.h5"), *work.glob("last*.h5")]
    )
    return [*sorted(in_work), *config.parts_there(name)]


class _There(NoWork):
    """What earlier runs have left; nothing of it is read, but what is asked for."""

    def __init__(self, files: list[Path]) -> None:
        self._by_name: dict[str, list[Contribution]] = {}
        self.unreadable: list[str] = []
        for path in files:
            try:
                held = SessionFile(path).contributions()
            except SessionFileError as error:  # a run says it, too, and computes it again
                self.unreadable.append(str(error))
                continue
            for made in held.values():
                self._by_name.setdefault(made.name, []).append(made)

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken from here."""
        return not self._by_name

    def find(self, name: str, key: str) -> Contribution | None:  # type: ignore[override]
        """The contribution of this name and key."""
        return next((one for one in self._by_name.get(name, ()) if one.key == key), None)

    def latest(self, name: str) -> Contribution | None:
        """The contribution of this name, whatever its key."""
        return next(iter(self._by_name.get(name, ())), None)

    def inputs_of(self, name: str) -> dict[str, tuple[str, Mapping[str, int]]]:
        """By role: digest of a file that a contribution here was made from, and its stamp then."""
        made = self.latest(name)
        if made is None:
            return {}
        told = made.run.get("files", {})
        return {role: (sha, told[role]) for role, sha in made.recipe.inputs.items() if role in told}


class _Unmade(PipelineSession):
    """A session in which nothing is computed; it notes what would be."""

    def __init__(self, name: str, there: _There, recording: Recording, stimuli: str) -> None:
        super().__init__(name)
        files = {f"{role}_path": path for role, path in recording.files.items()}
        self.set_places(stimuli_dir=stimuli, **files)
        self.there = self.work = there
        self.redone: list[Redone] = []
        self.kept: list[Contribution] = []
        self.unknown = False
        self.inputs_bytes = 0

    def obtain(
        self,
        recipe: Recipe,
        compute: Callable[[], Variables],  # noqa: ARG002 (nothing is computed)
        accept: Callable[[Variables], None] | None = None,  # noqa: ARG002
        told: Mapping[str, Any] | None = None,
    ) -> Contribution:
        """The contribution as it is there, or what stands in its place."""
        held = self._ledger.get(recipe.name)
        if held is not None and held.key == recipe.key:
            return held
        found = self.there.find(recipe.name, recipe.key)
        if found is not None:
            self.kept.append(found)
            self._add(found)
            return found
        old = self.there.latest(recipe.name)
        self.unknown |= old is None
        inputs = sum(map(_read_of, (told or {}).get("files", {}).values()))
        parents = sum(_nbytes(self._ledger[name]) for name in recipe.parents)
        self.inputs_bytes += inputs
        self.redone.append(Redone(recipe.name, _why(recipe, old), inputs + parents))
        stand_in = Contribution(recipe, {} if old is None else old.variables)
        self._add(stand_in)
        return stand_in

    def warn(self, message: str) -> None:
        """Nothing: the run itself says it."""


def _why(recipe: Recipe, old: Contribution | None) -> str:
    """What is another one than it was."""
    if old is None:
        return NOT_DONE
    was = old.recipe
    told = [] if was.version == recipe.version else [f"version {was.version} -> {recipe.version}"]
    told += [f"{name} {a} -> {b}" for name, a, b in _changes(was.parameters, recipe.parameters)]
    told += [f"another {role.replace(':', ' ')}" for role in _differ(was.inputs, recipe.inputs)]
    told += [f"made from {name}" for name in _differ(was.parents, recipe.parents)]
    return "; ".join(told) or "damaged"


def _changes(was: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Parameters that differ, those of groups by their path."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for name in sorted({*was, *now}):
            yield from _changes(was.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif was != now:
        yield path, was, now


def _differ(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*was, *now} if was.get(name) != now.get(name))


def _nbytes(made: Contribution) -> int:
    return sum(variable.nbytes for variable in made.variables.values())


def _read_of(file: Mapping[str, int]) -> int:
    size = int(file.get("size", 0))
    return size if size <= _SAMPLED_FROM_BYTES else _SAMPLES_BYTES


def _file_size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:  # that it is missing is said by `require_inputs`
        return 0


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"
