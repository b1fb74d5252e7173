"""Text for a stimulus library's files: what is missing, proposed from a movie's light."""

from __future__ import annotations

import csv
import glob
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hdmea.stimulus.check.proposal import Proposal
from hdmea.stimulus.definition import Definition
from hdmea.stimulus.folder import LENGTHS, PATTERNS

How = Literal["save as", "add at the end of", "add at the beginning of"]
_SAVE: How = "save as"
_APPEND: How = "add at the end of"
_PREPEND: How = "add at the beginning of"


@dataclass(frozen=True, slots=True)
class Draft:
    """Text that a file of the library lacks.

    Parameters
    ----------
    movie
        The movie that it describes.
    file
        Name of the file.
    how
        Whether it is the whole file, or is added to it.
    text
        The text, with a line end.
    """

    movie: str
    file: str
    how: How
    text: str


def definition_draft(
    movie: str, proposal: Proposal, source: str, said: Definition | None = None
) -> Draft:
    """A ``<movie>.yaml``.

    Parameters
    ----------
    movie
        Its name.
    proposal
        What it says.
    source
        What the proposal was made from, as a sentence says it.
    said
        What the file says now; its geometry is kept.
    """
    rule = proposal.rule
    section = {
        "start_frame": rule.start_frame,
        "trial_length_frame": rule.trial_length_frames,
        "repeat": rule.repeat,
    }
    if rule.group_count > 1:
        section |= {"group_count": rule.group_count, "group_gap": rule.group_gap_frames}
    lines = [
        *_remarks(proposal, source),
        f"section_kwargs: {_flow(section)}",
        f"kind: {proposal.kind}",
        *_event_lines(proposal),
    ]
    if said is not None and said.geometry is not None:
        lines.append(f"geometry: {json.dumps(said.geometry.model_dump(exclude_none=True))}")
    return Draft(movie, f"{movie}.yaml", _SAVE, "\n".join(lines) + "\n")


def pattern_draft(movie: str, proposal: Proposal, source: str, exists: bool) -> Draft:
    """An entry of ``patterns.yaml``, for a movie whose own file cannot say kind and events."""
    entry = [
        f"- pattern: {json.dumps(glob.escape(movie), ensure_ascii=False)}",
        f"  kind: {proposal.kind}",
        f"  trial_length_frame: {proposal.rule.trial_length_frames}",
        *(f"  {line}" for line in _event_lines(proposal)),
    ]
    text = "\n".join([*_remarks(proposal, source), *entry]) + "\n"
    # The first entry that matches counts.
    return Draft(movie, PATTERNS, _PREPEND if exists else _SAVE, text)


def length_draft(
    movie: str, length_frames: int | None, columns: tuple[str, ...] | None, ends: bool
) -> Draft:
    """A line of ``movie_length.csv``.

    Parameters
    ----------
    movie, length_frames
        What it says.
    columns
        Columns of the file that is there; None without one.
    ends
        Whether that file's last line has an end.
    """
    begin = "" if ends else "\n"
    if columns is None:
        columns = ("movie_name", "movie_length")
        begin, how = _csv_line(columns), _SAVE
    else:
        how = _APPEND
    cells = {"movie_name": movie, "movie_length": str(length_frames)}
    line = _csv_line([cells.get(column, "") for column in columns])
    return Draft(movie, LENGTHS, how, begin + line)


def merged(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts for one file put together; a table's header is there once."""
    files: dict[str, Draft] = {}
    for draft in drafts:
        before = files.setdefault(draft.file, draft)
        if before is draft:
            continue
        added = draft.text.removeprefix("\n")
        if draft.file == LENGTHS and draft.how == _SAVE:
            added = added.partition("\n")[2]
        movies = f"{before.movie}, {draft.movie}"
        files[draft.file] = Draft(movies, draft.file, draft.how, before.text + added)
    return list(files.values())


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _remarks(proposal: Proposal, source: str) -> list[str]:
    said = [f"proposed from {source}: compare it with what was shown", *proposal.remarks]
    return [f"# {remark}" for remark in dict.fromkeys(said)]


def _event_lines(proposal: Proposal) -> list[str]:
    if not proposal.events:
        return []
    listed = [
        f"  - {{name: {json.dumps(event.name)}, frame: {event.frame}}}" for event in proposal.events
    ]
    return ["events:", *listed]


def _flow(values: dict[str, int]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in values.items()) + "}"
