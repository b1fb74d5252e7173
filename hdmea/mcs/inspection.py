"""Describing a recording file in a child process: a file that crashes HDF5 hurts nobody.

The child is ``python -m hdmea.mcs.inspection FILE [--anonymous]``; it writes one JSON object, the
description or why there is none.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Final

from hdmea.errors import FileMissingError, HdmeaError, RecordingFileError
from hdmea.mcs.child import default_deadline_s, limit_this_process, run_child
from hdmea.mcs.describe import describe
from hdmea.mcs.tree import Description

_MODULE: Final = "hdmea.mcs.inspection"
_MAX_OUTPUT_BYTES: Final = 2**30


def inspect_file(
    path: Path | str, *, anonymous: bool = False, deadline_s: float | None = None
) -> Description:
    """Describe a recording file as `hdmea.mcs.describe` does, in a process of its own.

    Parameters
    ----------
    path
        A ``.cmcr`` or ``.cmtr`` file.
    anonymous
        Tell the file's structure only.
    deadline_s
        After this time the file counts as unreadable. By default a minute, and more for a large
        ``.cmtr``, of which all peaks are read.

    Raises
    ------
    FileMissingError, RecordingFileError
        If it is damaged, no file of the vendor's, crashes the reader, or is not read in time.
    """
    path = Path(path)
    if deadline_s is None:
        deadline_s = default_deadline_s(_cmtr_bytes(path))
    # After the two hyphens nothing is an option, whatever the file is called.
    arguments = [*(["--anonymous"] if anonymous else []), "--", str(path)]
    said, failure = run_child(_MODULE, arguments, deadline_s)
    for line in said:
        if "missing" in line:
            raise FileMissingError(line["missing"])
        if "refused" in line:
            raise RecordingFileError(line["refused"])
    if failure or not said:
        raise RecordingFileError(
            f"{path} cannot be described: {failure or 'nothing came of it'}. The file is damaged "
            "or of a kind that is not known yet: copy it again from its source and compare sizes"
        )
    description: Description = said[0]["description"]
    return description


def _cmtr_bytes(path: Path) -> int:
    try:
        return path.stat().st_size if path.suffix == ".cmtr" else 0
    except OSError:
        return 0  # the child tells what is wrong with it


def main(argv: list[str] | None = None) -> int:
    """Describe a file to stdout; 0 unless something unforeseen happened."""
    parser = argparse.ArgumentParser(prog=f"python -m {_MODULE}")
    parser.add_argument("path", type=Path)
    parser.add_argument("--anonymous", action="store_true")
    options = parser.parse_args(argv)
    limit_this_process(_MAX_OUTPUT_BYTES)
    said: dict[str, object]
    try:
        said = {"description": describe(options.path, anonymous=options.anonymous)}
    except FileMissingError as error:
        said = {"missing": str(error)}
    except HdmeaError as error:
        said = {"refused": str(error)}
    sys.stdout.write(json.dumps(said, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
