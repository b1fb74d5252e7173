"""Starting drivers, and reading what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.judge import Tally
from faults.lab import Lab
from faults.shim import environment

ROOT = Path(__file__).parents[1]
_IN_MEMORY = Path("/dev/shm")


def scratch_folder() -> Path | None:
    """A file system in memory, where there is one: faults are planted, so no disk is needed."""
    return _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None


@dataclass
class Found:
    """What was found of a scenario: its file-changing calls, a tally by fault, what was wrong.

    ``skipped`` says of faults why they could not be done here.
    """

    calls: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    wrong: list[dict[str, Any]] = field(default_factory=list)


class DriverError(RuntimeError):
    """The driver itself did not come to its end."""


def plant(
    library: Path | None,
    lab: Lab,
    scratch: Path,
    scenario: str,
    faults: Sequence[str],
    *,
    share: float = 1.0,
    one_in: Mapping[str, int] | None = None,
    times: int = 1,
    planter: str = "shim",
    timeout_s: float = 3600,
) -> Found:
    """Plant faults into one scenario.

    Parameters
    ----------
    library
        The shim, if that is to plant.
    lab
        What the scenario starts from.
    scratch
        A folder that is made, and made anew for each fault.
    scenario, faults
        Names.
    share
        What share of these calls get each fault, spread over the run; at least one.
    one_in
        Of some faults, that only one of so many calls gets them in a full run.
    planter
        ``shim``, ``strace``, or ``none``, which is enough for harm to whole runs.
    times
        How often each of those faults is done that are around a whole run.
    timeout_s
        For all of it.

    Raises
    ------
    DriverError
        If the driver fails, which no fault may cause.
    """
    command = [sys.executable, "-m", "faults.driver", lab.folder, scratch, scenario]
    asked = {
        "faults": {fault: (one_in or {}).get(fault, 1) for fault in faults},
        "share": share,
        "times": times,
        "planter": planter,
    }
    done = subprocess.run(
        [*command, json.dumps(asked)],
        cwd=ROOT,
        env=environment(library),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise DriverError(f"{scenario}: {done.returncode}\n{done.stderr}")
    found = Found()
    for line in map(json.loads, done.stdout.splitlines()):
        if "calls" in line:
            found.calls = line["calls"]
        elif "tally" in line:
            found.tallies[line["fault"]] = Tally(**line["tally"])
        elif "skipped" in line:
            found.skipped[line["fault"]] = line["skipped"]
        else:
            found.wrong.append(line)
    return found
