"""A session, in memory or in its file, as a side of a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hdmea.arrays import Array, LazyArray, Variable
from hdmea.compare.match import Train
from hdmea.compare.sides import Side, no_trains, section_keys
from hdmea.contribution import Contribution
from hdmea.errors import SessionFileError
from hdmea.session import PipelineSession
from hdmea.store.reader import SessionFile

_IDS, _TIMES, _ENDS = "units/unit_id", "units/spike_times", "units/spike_times_index"
_OF_SPIKES = ("trials/start_index", "trials/stop_index")


@contextmanager
def session_file_side(path: Path) -> Iterator[Side]:
    """A session file or checkpoint; its arrays are read when they are compared.

    Raises
    ------
    FileMissingError, SessionFileError
        If there is no such file, it is damaged, or it is a part.
    """
    with SessionFile(path) as file:
        if file.kind == "part":
            raise SessionFileError(
                f"{path} is a part (one step's contribution), not a whole session; compare the "
                "results that were assembled of such parts"
            )
        header, contributions = file.header, file.contributions()
        yield _side(
            str(path),
            "session file" if file.kind == "session" else file.kind,
            header["dataset_id"],
            contributions,
            content_digest=file.content_digest,
            pending=header.get("pending", {}),
            software={
                **_packages(contributions),
                "hdmea": file.hdmea_version,
                **header.get("software", {}),
            },
        )


@contextmanager
def session_side(session: PipelineSession) -> Iterator[Side]:
    """A session as it is in memory."""
    yield _side(
        "session in memory",
        "session",
        session.dataset_id,
        session.contributions,
        content_digest=session.content_digest,
        pending=session.pending,
        software={},
    )


def _packages(contributions: Mapping[str, Contribution]) -> dict[str, str]:
    """Versions of the packages that features are of."""
    packages = (made.run.get("package") for made in contributions.values())
    return {name: version for name, _, version in (p.rpartition(" ") for p in packages if p)}


def dataset_id_of(path: Path) -> str:
    """Name of the recording in a session file; raises as `session_file_side` does."""
    with SessionFile(path) as file:
        return str(file.header["dataset_id"])


def _side(
    label: str,
    kind: str,
    dataset_id: str,
    contributions: Mapping[str, Contribution],
    **known: Any,
) -> Side:
    variables = {p: v for c in contributions.values() for p, v in c.variables.items()}
    ids, times, ends = (variables.pop(path, None) for path in (_IDS, _TIMES, _ENDS))
    train: Train = no_trains
    if times is not None and ends is not None:
        starts = np.concatenate([[0], ends.values[:-1]]).astype(np.int64)
        train = _Trains(times.data, starts, ends.values).of
        for path in _OF_SPIKES:
            if path in variables:
                v = variables[path]
                within = _WithinTrain(v.data, starts)
                variables[path] = Variable(within, v.unit, v.dims, v.description)
    movies = variables.get("stimulus/sections/movie")
    return Side(
        label=label,
        kind=kind,
        dataset_id=dataset_id,
        unit_ids=None if ids is None else ids.values.astype(np.int64),
        train=train,
        variables=variables,
        sections=() if movies is None else section_keys(movies.values),
        recipes={name: c.recipe for name, c in contributions.items()},
        **known,
    )


@dataclass(frozen=True)
class _Trains:
    """Spike trains, read one at a time."""

    times: Array | LazyArray
    starts: Array
    ends: Array

    def of(self, row: int) -> Array:
        return self.times[int(self.starts[row]) : int(self.ends[row])]


@dataclass(frozen=True)
class _WithinTrain:
    """Positions in the trains of all units, told from the begin of each unit's own.

    Otherwise a spike more in one unit would show in all units after it.
    """

    positions: Array | LazyArray
    starts: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.positions.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.positions.dtype

    @property
    def loaded(self) -> bool:
        return False

    def __getitem__(self, key: Any) -> Array:
        within: Array = self.positions[key] - self.starts[key][..., np.newaxis]
        return within
