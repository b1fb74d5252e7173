"""``hdmea clean``: what lies in work folders, and its removal."""

from __future__ import annotations

import argparse
from pathlib import Path

from hdmea.errors import ParameterError


def describe(parser: argparse.ArgumentParser) -> None:
    """Say which words the command takes."""
    parser.add_argument("recordings", metavar="RECORDING", nargs="*", help="default: all")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--work", metavar="FOLDER", type=Path, help="the work folder (default: work)"
    )
    where.add_argument(
        "--config", metavar="YAML", type=Path, help="configuration that names the work folder"
    )
    parser.add_argument(
        "--older-than", metavar="DAYS", type=float, default=0.0, help="only what is that old"
    )
    parser.add_argument("--remove", action="store_true", help="remove what is listed")
    parser.epilog = (
        "Without --remove nothing is changed. Results are elsewhere: what is removed costs the "
        "time to compute it again, if it is wanted again."
    )


def clean(options: argparse.Namespace) -> int:
    """List work folders, or remove them; those in which somebody works stay."""
    from hdmea.batch import config_of_file, leftovers, remove

    work: Path | str | None = options.work or "work"
    if options.config is not None:
        work = config_of_file(options.config).work_dir
    if work is None:
        # Cause: with this setting runs keep nothing that could be cleaned.
        raise ParameterError(
            f"{options.config} has work_dir: null, so nothing is kept; name a folder to look into: "
            "--work"
        )
    found = [
        one for one in leftovers(work, options.recordings) if one.days_old() >= options.older_than
    ]
    kept = 0
    for one in found:
        if options.remove and one.workers:
            kept += 1
            print(f"kept {one}")
        elif options.remove:
            remove(one)
            print(f"removed {one}")
        else:
            print(one)
    size = sum(one.size_bytes for one in found) / 1e6
    print(f"{len(found)} recordings, {size:.1f} MB in {work}")
    return min(kept, 1)
