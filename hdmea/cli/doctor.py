"""``hdmea doctor``: whether this computer can do a batch, and what to mend."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from hdmea.errors import HdmeaError
from hdmea.terminal import say

_CONFIG = Path("config/config.yaml")


def describe(parser: argparse.ArgumentParser) -> None:
    """Say which words the command takes."""
    parser.add_argument(
        "--config",
        metavar="YAML",
        type=Path,
        help=f"configuration of the batch (default: {_CONFIG}, if it is there)",
    )
    parser.epilog = (
        "ok: it works; note: it works, but know this; bad: mend it first. Small files are written "
        "into the configured folders and removed. Exit code: 1 if anything is bad."
    )


def doctor(options: argparse.Namespace) -> int:
    """Try everything, and say a line about each."""
    import numpy as np

    from hdmea.batch import Finding, config_of_file, examine, read_recordings
    from hdmea.simulate import UnitTrain, write_cmtr

    path = options.config or (_CONFIG if _CONFIG.exists() else None)
    found: list[Finding] = []
    config, recordings = None, {}
    try:
        if path is not None:
            config = config_of_file(path)
            recordings = read_recordings(config)
    except HdmeaError as error:
        found.append(Finding("bad", str(error)))
        config = None
        say(str(found[0]))
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder, "sample.cmtr")
        unit = UnitTrain(unit_id=1, row=1, column=1, spike_times_s=np.array([0.5]))
        write_cmtr(sample, [unit], cmcr_path=None, duration_s=1.0)
        for finding in examine(sample, config, recordings.values()):
            found.append(finding)
            say(str(finding))
    return 1 if any(finding.state == "bad" for finding in found) else 0
