"""``hdmea discover``: a table of the recordings in a folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hdmea.terminal import in_a_line


def describe(parser: argparse.ArgumentParser) -> None:
    """Say which words the command takes."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="where the recordings are")
    parser.add_argument(
        "--playlist", metavar="NAME", default="", help="the playlist that all of them saw"
    )
    parser.epilog = (
        "The table goes to standard output: hdmea discover FOLDER > config/recordings.tsv. Files "
        "that are in no row are told on standard error, each with the reason."
    )


def discover(options: argparse.Namespace) -> int:
    """Write the table, and say what is not in it."""
    from hdmea import batch

    found = batch.discover(options.folder)
    sys.stdout.write(found.table(options.playlist))
    sys.stdout.flush()
    for line in found.left:
        print(f"in no row: {in_a_line(line)}", file=sys.stderr)
    n = len(found.rows)
    print(f"{n} recording{'s' if n != 1 else ''} in the table", file=sys.stderr)
    return 0
