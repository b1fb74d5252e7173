"""Which raw recordings sorted ones were made from, asked of many files in few child processes.

A child is ``python -m hdmea.mcs.links -- FILE...``; it writes one JSON object a line:
``{"reading": path}`` before a file is touched, then ``{"target": name}``, where there is no link
``{"target": null}``, or ``{"refused": why}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hdmea.errors import HdmeaError
from hdmea.mcs.child import limit_this_process, run_child
from hdmea.mcs.cmtr import link_target
from hdmea.mcs.safe_h5 import open_recording, reading

_MODULE: Final = "hdmea.mcs.links"
_AT_ONCE: Final = 200
_DEADLINE_S: Final = 60.0
_MAX_OUTPUT_BYTES: Final = 2**24


@dataclass(frozen=True, slots=True)
class Link:
    """What a ``.cmtr`` file says of its origin.

    Parameters
    ----------
    target
        Name (without folder) of the ``.cmcr`` file it was made from; None if it does not tell.
    problem
        Why it could not be asked; empty if it could.
    """

    target: str | None
    problem: str = ""


def read_links(paths: Sequence[Path], deadline_s: float = _DEADLINE_S) -> list[Link]:
    """Ask ``.cmtr`` files from which ``.cmcr`` they were made, without following their links.

    A file that crashes the reader, or is not read in time, takes its own process down, and no
    other file's answer.

    Parameters
    ----------
    paths
        The files.
    deadline_s
        For two hundred of them.

    Returns
    -------
    list of Link
        One for each path.
    """
    links: list[Link] = []
    while len(links) < len(paths):
        asked = paths[len(links) : len(links) + _AT_ONCE]
        said, failure = run_child(_MODULE, ["--", *map(str, asked)], deadline_s)
        answers = [line for line in said if "reading" not in line]
        links += [Link(line.get("target"), line.get("refused", "")) for line in answers]
        if len(answers) < len(asked):
            # It ended at this file; without a word if it was not even begun.
            links.append(Link(None, failure.words or "nothing came of it"))
    return links


def main(paths: Sequence[str] | None = None) -> int:
    """Read the links of files to stdout; 0 unless something unforeseen happened."""
    limit_this_process(_MAX_OUTPUT_BYTES)
    for path in sys.argv[2:] if paths is None else paths:
        _say({"reading": path})
        try:
            with open_recording(Path(path)) as file, reading(Path(path)):
                _say({"target": link_target(file)})
        except HdmeaError as error:
            _say({"refused": str(error)})
    return 0


def _say(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
