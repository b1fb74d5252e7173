"""`compare`: what is at two places, recording by recording."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from hdmea.compare import reference_lab, session_side
from hdmea.compare.differences import Tolerance
from hdmea.compare.recordings import Tolerances, compare_sides
from hdmea.compare.result import Comparison
from hdmea.compare.sides import Side
from hdmea.compare.table_side import table_sides
from hdmea.errors import HdmeaError, MissingDataError, ParameterError
from hdmea.session import PipelineSession
from hdmea.store.atomic import require_file
from hdmea.store.describe import is_session_file

_Opener = Callable[[], AbstractContextManager[Side]]


@dataclass
class _Place:
    """What was given as A or B: the results that are there by recording."""

    words: str
    kind: Literal["one result", "a folder", "a table"]
    openers: dict[str, _Opener] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def compare(
    a: str | Path | PipelineSession,
    b: str | Path | PipelineSession,
    *,
    rtol: float = 1e-9,
    atol: float = 0.0,
    tolerance_for_all: bool = False,
) -> Comparison:
    """Say whether two results are the same, and where they differ.

    Sessions whose content digests are equal are equal; nothing else of them is read. Otherwise
    units are matched (by number, checked by spike times; else by spike times), presentations by
    movie, and every value is compared: spike times, frame times, sections, trials, events, STAs,
    whole numbers and text exactly, the rest within the tolerances,
    ``|a - b| <= atol + rtol max(|a|, |b|)``. Undefined equals undefined.

    Parameters
    ----------
    a, b
        Session files or checkpoints (or sessions in memory), or result files of the reference
        lab's pipeline; folders of these; or tables of units. Two files are compared whatever
        their recordings are called; in folders and tables recordings are matched by name.
    rtol, atol
        Tolerances. A float32 is never taken to be more exact than one unit in its last place,
        unless `rtol` is 0.
    tolerance_for_all
        Use the tolerances for what is otherwise compared exactly, too; for spike times `atol`.

    Returns
    -------
    Comparison
        ``equal``; ``differences``, a table with a row for each; ``recordings``, all that was
        found.

    Raises
    ------
    ParameterError
        If a tolerance is negative, a folder is empty or has a recording twice, a table is none,
        or the two are of different kinds.
    FileMissingError
        If there is nothing at a path.
    SessionFileError, RecordingFileError
        If one of two files is damaged or of another kind. In folders it becomes part of the
        result, as ``failed``.
    MissingDataError
        If the two have nothing in common, or both are tables without a recording.

    Examples
    --------
    >>> import tempfile
    >>> from hdmea.session import PipelineSession
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one = PipelineSession("rec").save(f"{folder}/one.h5")
    ...     compare(one, PipelineSession("rec")).equal
    True
    """
    tolerances = Tolerances(Tolerance(rtol, atol), tolerance_for_all)
    place_a, place_b = _place(a), _place(b)
    if place_a.kind != place_b.kind:
        # Cause: two things of different kinds were given.
        raise ParameterError(
            f"{place_a.words} is {place_a.kind}, {place_b.words} {place_b.kind}; give two results, "
            "two folders of results, or two tables of units"
        )
    if place_a.kind == "one result":
        (open_a,), (open_b,) = place_a.openers.values(), place_b.openers.values()
        with open_a() as side_a, open_b() as side_b:
            return Comparison((compare_sides(side_a, side_b, tolerances),))
    if not (place_a.openers or place_b.openers or place_a.failed or place_b.failed):
        # Cause: both tables are empty.
        raise MissingDataError(
            f"neither {place_a.words} nor {place_b.words} has a recording; give tables with units"
        )
    failed = {**place_a.failed, **place_b.failed}
    found = []
    for name in place_a.openers:
        if name in place_b.openers:
            try:
                with place_a.openers[name]() as side_a, place_b.openers[name]() as side_b:
                    found.append(compare_sides(side_a, side_b, tolerances))
            except (HdmeaError, OSError) as error:  # one bad file must not hide the others
                failed[name] = str(error)
    return Comparison(tuple(found), _only_in(place_a, place_b), _only_in(place_b, place_a), failed)


def _only_in(one: _Place, other: _Place) -> tuple[str, ...]:
    """Recordings that the other does not have, nor an unreadable file of that name."""
    known = {*other.openers, *(Path(path).stem for path in other.failed)}
    return tuple(name for name in one.openers if name not in known)


def _place(given: str | Path | PipelineSession) -> _Place:
    if isinstance(given, PipelineSession):
        opener = partial(session_side.session_side, given)
        return _Place("the session", "one result", {given.dataset_id: opener})
    path = Path(given)
    if path.is_dir():
        return _folder(path)
    require_file(path, "file or folder to compare")
    if path.suffix.lower() == ".csv":
        sides = table_sides(path)
        openers: dict[str, _Opener] = {n: partial(_opened, s) for n, s in sides.items()}
        return _Place(str(path), "a table", openers)
    return _Place(str(path), "one result", {path.name: _opener(path)[1]})


def _opened(side: Side) -> AbstractContextManager[Side]:
    return nullcontext(side)


def _folder(folder: Path) -> _Place:
    """The results in a folder; a file that cannot be read is told of, and the rest goes on."""
    place = _Place(str(folder), "a folder")
    files = sorted(folder.glob("*.h5"))
    if not files:
        # Cause: another folder was meant, or nothing has been made in it yet.
        raise ParameterError(
            f"{folder} is a folder without session files (*.h5); give one that has some"
        )
    for path in files:
        name_of, opener = _opener(path)
        try:
            name = name_of(path)
        except (HdmeaError, OSError) as error:
            place.failed[str(path)] = str(error)
            continue
        if name in place.openers:
            # Cause: a copy, a checkpoint or an older result lies beside the result.
            raise ParameterError(
                f"{folder} has more than one file of recording {name!r}; leave one in it, or "
                "compare two files"
            )
        place.openers[name] = opener
    return place


def _opener(path: Path) -> tuple[Callable[[Path], str], _Opener]:
    """How to read the recording's name, and how to open the side, by what the file is."""
    if is_session_file(path):
        return session_side.dataset_id_of, partial(session_side.session_file_side, path)
    return reference_lab.dataset_id_of, partial(reference_lab.reference_lab_side, path)
