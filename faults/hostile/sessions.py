"""Session files whose digests are right, because who means ill has hdmea too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faults.hostile.cases import NAMES, NOTHING, Case, Room
from faults.hostile.ways import SESSION
from hdmea.arrays import Variable, text
from hdmea.contribution import Contribution
from hdmea.store import format as fmt
from hdmea.store import writer
from hdmea.store.reader import SessionFile


@dataclass(frozen=True)
class Told:
    """What a good file says, to be changed, and the room it lies in."""

    contents: dict[str, Contribution]
    header: dict[str, Any]
    room: Room


Change = Callable[[Told], None]


def content_cases() -> list[Case]:
    """Sessions that say something else than a session says."""
    cases = [
        Case(name, "content", _rewritten(change), must_be_refused)
        for name, (change, must_be_refused) in _CHANGES.items()
    ]
    cases += [
        Case(name, "content", _rewritten(_renamed(word)), False) for name, word in NAMES.items()
    ]
    cases += [
        Case(name, "content", _cut(column), must_be_refused=True)
        for name, column in _COLUMNS.items()
    ]
    cases += [
        Case(name, "content", _with_text(column, words), must_be_refused=True)
        for name, (column, words) in _TEXTS.items()
    ]
    return [*cases, Case(NOTHING, "content", _rewritten(lambda _: None), is_good=True)]


def _rewritten(change: Change, kind: str = "checkpoint") -> Callable[[Room], Path]:
    """Change what a good file says, and write it anew with digests that fit."""

    def make(room: Room) -> Path:
        path = room.inputs / SESSION
        with SessionFile(path) as file:
            contents, header = file.contributions(), dict(file.header)
            for one in contents.values():
                for variable in one.variables.values():
                    _ = variable.values
            change(Told(contents, header, room))
            path.unlink()
            writer.write_session_file(path, list(contents.values()), header, kind=kind)
        return path

    return make


def _set(**values: Any) -> Change:
    return lambda told: told.header.update(values)


def _places(told: Told) -> None:
    """Inputs are said to be what never ends, and what waits for ever."""
    told.header["places"] = {
        "cmcr_path": "/dev/zero",
        "cmtr_path": "/dev/stdin",
        "stimuli_dir": "/dev",
    }


def _without_keys(told: Told) -> None:
    for name in ("output_dir", "places", "warnings"):
        del told.header[name]


def _renamed(word: str) -> Change:
    """Movies, features, tags, reasons, warnings: all that is text says the word."""

    def change(told: Told) -> None:
        told.header["warnings"] = [word]
        told.header["software"] = {word: word}
        for name, made in list(told.contents.items()):
            variables = {}
            for path, variable in made.variables.items():
                values = variable.values
                if values.dtype.kind == "U" and values.ndim and not path.endswith("/kind"):
                    values = np.full(values.shape, word)
                variables[path] = Variable(values, variable.unit, variable.dims, word)
            told.contents[name] = Contribution(made.recipe, variables, dict(made.run))

    return change


def _cut(column: str) -> Callable[[Room], Path]:
    """Take a column's last row, which hdmea would not save."""

    def change(told: Told) -> None:
        for made in told.contents.values():
            if found := made.variables.get(column):
                short = Variable(found.values[:-1], found.unit, found.dims, found.description)
                told.contents[made.name] = Contribution(
                    made.recipe, {**made.variables, column: short}, dict(made.run)
                )

    def make(room: Room) -> Path:
        check = writer.odd_axes
        writer.odd_axes = lambda _: ""
        try:
            return _rewritten(change)(room)
        finally:
            writer.odd_axes = check

    return make


_CHANGES: dict[str, tuple[Change, bool]] = {
    "an id that leaves the folder": (_set(dataset_id="../../bait/secret"), True),
    "an id that is an absolute path": (_set(dataset_id="/tmp/secret"), True),
    "an id that is a number": (_set(dataset_id=7), True),
    "a folder of results that is a number": (_set(output_dir=7), True),
    "inputs that are devices": (_places, False),
    "inputs by names that nobody knows": (_set(places={"__class__": "x"}), False),
    "a header without its entries": (_without_keys, False),
    "waiting features that are no names": (_set(requests=7, pending=[1]), False),
}

_COLUMNS = {
    "a column of units that is too short": "units/n_spikes",
    "a column of a feature that is too short": "features/on_off/on_off_index",
    "a column of trials that is too short": "stimulus/trials/start_s",
    "a column of sections that is too short": "stimulus/sections/end_s",
}


_DEEP_JSON = "[" * 100_000 + "]" * 100_000
_TEXTS = {
    "a header of 100,000 lists in each other": (fmt.HEADER_PATH, _DEEP_JSON),
    "a header that is a number": (fmt.HEADER_PATH, "7"),
    "a header that is no JSON": (fmt.HEADER_PATH, "__import__('os').system('touch executed')"),
    "parameters of 100,000 lists in each other": ("provenance/parameters", _DEEP_JSON),
    "parameters that are a number": ("provenance/parameters", "7"),
    "inputs that are a list": ("provenance/inputs", "[1, 2]"),
    "a run that is a number": ("provenance/run", "7"),
}


def _with_text(column: str, words: str) -> Callable[[Room], Path]:
    """Put other words into a column of the provenance, with digests that fit."""

    def make(room: Room) -> Path:
        path = room.inputs / SESSION
        with SessionFile(path) as file:
            contents, header = file.contributions(), dict(file.header)
            for one in contents.values():
                for variable in one.variables.values():
                    _ = variable.values
        path.unlink()
        provenance = writer._provenance

        def hostile(*arguments: Any) -> dict[str, Variable]:
            variables = provenance(*arguments)
            old = variables[column]
            if old.dims:
                values = np.full(old.values.shape, words)
                variables[column] = Variable(values, old.unit, old.dims, old.description)
            else:
                variables[column] = text(words, old.description)
            return variables

        writer._provenance = hostile  # type: ignore[assignment]
        try:
            writer.write_session_file(path, list(contents.values()), header)
        finally:
            writer._provenance = provenance
        return path

    return make
