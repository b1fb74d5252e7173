"""``hdmea plan``: what a run would do again, and why."""

from __future__ import annotations

import argparse
from pathlib import Path

from hdmea.errors import ParameterError


def describe(parser: argparse.ArgumentParser) -> None:
    """Say which words the command takes."""
    parser.add_argument("recordings", metavar="RECORDING", nargs="*", help="default: all")
    parser.add_argument(
        "--config",
        metavar="YAML",
        type=Path,
        default=Path("config/config.yaml"),
        help="configuration (default: config/config.yaml)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    parser.epilog = (
        "Sizes are those of what would be read: inputs, and results that are taken over. Of "
        "recordings above 10 GB samples and the analog channels are read; 1 GiB is counted."
    )


def plan(options: argparse.Namespace) -> int:
    """Say for each recording what is to be made, which change asks for it, and what is read."""
    import json
    from dataclasses import asdict

    from hdmea.batch import (
        config_of_file,
        forecast,
        in_total,
        read_recordings,
        require_inputs,
    )

    config = config_of_file(options.config)
    recordings = read_recordings(config)
    if unknown := [name for name in options.recordings if name not in recordings]:
        # Cause: the name is mistyped, or the recording is in another table.
        raise ParameterError(
            f"{config.recordings} has no recording {', '.join(unknown)}; it has: "
            f"{', '.join(recordings)}"
        )
    chosen = {name: recordings[name] for name in options.recordings or recordings}
    require_inputs(config, chosen)
    found = [forecast(config, recording) for recording in chosen.values()]
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=2))
        return 0
    for one in found:
        print("\n".join(one.lines), flush=True)
    print(in_total(found))
    return 0
