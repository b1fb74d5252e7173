"""Finding recordings in a folder, for a table of recordings."""

from __future__ import annotations

import csv
import io
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from hdmea.batch.recordings import RecordingRow
from hdmea.errors import FileMissingError, ParameterError
from hdmea.mcs.links import read_links
from hdmea.tsv import few
from hdmea.validation import problems

_UNUSABLE = re.compile(r"[^A-Za-z0-9._-]+|\.{2,}")


@dataclass(frozen=True)
class Discovery:
    """What a folder has.

    Parameters
    ----------
    rows
        Pairs, in the order of their names.
    left
        Files in no pair, and why: a line each.
    """

    rows: tuple[RecordingRow, ...]
    left: tuple[str, ...]

    def table(self, playlist: str = "") -> str:
        """The table of recordings, with the same playlist for all."""
        text = io.StringIO()
        writer = csv.writer(text, delimiter="\t", lineterminator="\n")
        writer.writerow(["recording", "cmcr", "cmtr", "playlist"])
        writer.writerows([row.recording, row.cmcr, row.cmtr, playlist] for row in self.rows)
        return text.getvalue()


def discover(folder: str | Path) -> Discovery:
    """Pair the recordings in a folder and those within it, by what each ``.cmtr`` links to.

    The link names a ``.cmcr`` file, which is looked for beside the ``.cmtr``, and if it is not
    there, in the whole folder. What is missing, or could be meant in two ways, is left out and
    told. Hidden files and folders are skipped, links to folders are not followed.

    A recording is called as its ``.cmtr``, without a trailing ``-``, with ``_`` for what a name may
    not have; where two would be called alike, with the folders' names in front.

    Parameters
    ----------
    folder
        Where to look. Paths in the table begin with it, as it is given.

    Raises
    ------
    FileMissingError
        If there is no such folder.
    ParameterError
        If there is neither a ``.cmcr`` nor a ``.cmtr`` file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileMissingError(f"{folder}: no such folder; correct the path")
    raw, sorted_ = (list(_files(folder, suffix)) for suffix in (".cmcr", ".cmtr"))
    if not raw and not sorted_:
        # Cause: the recordings are elsewhere, or in folders that may not be entered.
        raise ParameterError(
            f"{folder} and the folders in it have no .cmcr or .cmtr file; give the folder that "
            "has the recordings"
        )
    left: dict[Path, str] = {}
    sortings = _sortings(raw, sorted_, left)
    pairs: list[tuple[Path, Path]] = []
    for cmcr in raw:
        match sortings.get(cmcr, []):
            case []:
                left[cmcr] = (
                    "was not sorted, or by no .cmtr that is in the folder and can be paired"
                )
            case [cmtr]:
                pairs.append((cmcr, cmtr))
            case several:
                names = few(several)
                left[cmcr] = f"was sorted {len(several)} times; write a row with one of {names}"
    rows = []
    for name, (cmcr, cmtr) in zip(_names(folder, pairs), pairs, strict=True):
        try:
            rows.append(_row(name, cmcr, cmtr))
        except ValueError as error:
            left[cmcr] = f"and {cmtr} make no row: {error}"
    return Discovery(tuple(rows), tuple(f"{path} {why}" for path, why in sorted(left.items())))


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    for here, inside, names in os.walk(folder):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for name in sorted(names):
            path = Path(here, name)
            if not name.startswith(".") and path.suffix.lower() == suffix and path.is_file():
                yield path


def _sortings(
    raw: Sequence[Path], sorted_: Sequence[Path], left: dict[Path, str]
) -> dict[Path, list[Path]]:
    """Which files were sorted from each raw one; why not, of those that are left."""
    named: dict[str, list[Path]] = defaultdict(list)
    linked: dict[str, list[Path]] = defaultdict(list)
    for cmcr in raw:
        named[cmcr.name].append(cmcr)
        linked[cmcr.resolve().name].append(cmcr)  # as `check_pair` takes a symbolic link
    found: dict[Path, list[Path]] = defaultdict(list)
    for cmtr, link in zip(sorted_, read_links(sorted_), strict=True):
        target = link.target or ""
        everywhere = named.get(target) or linked.get(target, [])
        beside = [cmcr for cmcr in everywhere if cmcr.parent == cmtr.parent]
        match beside or everywhere:
            case [cmcr]:
                found[cmcr].append(cmtr)
            case several if several:
                left[cmtr] = (
                    f"was made from {link.target}, which is there {len(several)} times: "
                    f"{few(several)}; write a row with the right one"
                )
            case _ if link.problem:
                left[cmtr] = f"cannot be asked where it was made from: {link.problem}"
            case _ if link.target is None:
                left[cmtr] = "does not tell from which .cmcr file it was made; write a row yourself"
            case _:
                left[cmtr] = f"was made from {link.target}, which is not in the folder"
    return found


def _names(folder: Path, pairs: Sequence[tuple[Path, Path]]) -> list[str]:
    alone = [_name(cmtr.stem) for _, cmtr in pairs]
    times = Counter(alone)
    return [
        name
        if times[name] == 1
        else _name("-".join(cmtr.relative_to(folder).with_suffix("").parts))
        for name, (_, cmtr) in zip(alone, pairs, strict=True)
    ]


def _name(text: str) -> str:
    return _UNUSABLE.sub("_", text).lstrip("._-").rstrip("-")


def _row(name: str, cmcr: Path, cmtr: Path) -> RecordingRow:
    """Check that a row says what it should when the table is read.

    Raises
    ------
    ValueError
        If it does not, with the reason.
    """
    given = {"recording": name, "cmcr": str(cmcr), "cmtr": str(cmtr)}
    for path in given.values():
        if path != path.strip() or not path.isprintable():
            raise ValueError(
                "its path has characters that a table cannot hold; rename the file or folder"
            )
    try:
        return RecordingRow.model_validate(given)
    except ValidationError as error:
        raise ValueError("; ".join(problems(error, RecordingRow))) from error
