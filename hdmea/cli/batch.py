"""``hdmea batch``: how it went with every recording of a batch."""

from __future__ import annotations

import argparse
from pathlib import Path

from hdmea.terminal import say


def describe(parser: argparse.ArgumentParser) -> None:
    """Say which words the command takes."""
    parser.add_argument(
        "--config",
        metavar="YAML",
        type=Path,
        default=Path("config/config.yaml"),
        help="configuration (default: config/config.yaml)",
    )
    parser.epilog = "Exit code: 0 if all recordings are done, 1 if not, or on an error."


def batch(options: argparse.Namespace) -> int:
    """Write the table, and say which recordings are not done."""
    from hdmea.batch import (
        batch_rows,
        config_of_file,
        in_short,
        read_recordings,
        write_batch_table,
    )

    config = config_of_file(options.config)
    rows = batch_rows(config, read_recordings(config))
    table = write_batch_table(config, rows)
    undone = [row for row in rows if row.state != "done"]
    for row in undone:
        say(row.line)
    say(f"{in_short(rows)}; see {table}")
    return 1 if undone else 0
