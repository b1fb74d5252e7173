"""Plant all faults, or those of the scenarios that are named, and write docs/reliability.md.

``python -m faults [--points N] [--page] [SCENARIO ...]``; with ``--page`` the page is written of
what was found before.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path

from faults.kinds import FAULTS
from faults.lab import Lab, make_lab
from faults.page import PAGE, rendered, store, store_power, stored, stored_power
from faults.planting import plant, scratch_folder
from faults.scenarios import SCENARIOS, power_losses
from faults.shim import NoCompilerError, build

STATES = 2000
"""Power losses."""
log = logging.getLogger("faults")


def main(names: list[str], points: int | None) -> int:
    """Plant the faults of these scenarios; how many broke a promise."""
    bad = 0
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as made:
        folder = Path(made)
        library, lab = build(folder), Lab(folder / "lab")
        lab.folder.mkdir()
        make_lab(lab.folder)
        for name in names:
            started = time.monotonic()
            found = plant(library, lab, folder / "room", name, list(FAULTS), points=points)
            faults = sum(tally.faults for tally in found.tallies.values())
            spent = time.monotonic() - started
            log.info("%s: %d calls, %d faults, %.0f s", name, found.calls, faults, spent)
            for wrong in found.wrong:
                log.error("  %s", wrong)
            bad += len(found.wrong)
            store({name: found})
        losses = power_losses(folder, STATES)
        store_power(losses)
    return bad + losses.bad


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    logging.getLogger("hdmea").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", help="names; all scenarios without any")
    parser.add_argument("--points", type=int, help="plant each fault at about so many calls")
    parser.add_argument("--page", action="store_true", help="write the page, plant nothing")
    asked = parser.parse_args()
    if unknown := set(asked.scenario) - set(SCENARIOS):
        known = "\n  ".join(SCENARIOS)
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are\n  {known}")
    broken = 0
    if not asked.page:
        try:
            broken = main(asked.scenario or list(SCENARIOS), asked.points)
        except NoCompilerError as error:
            parser.error(str(error))
    PAGE.write_text(rendered(stored(), stored_power()), encoding="utf-8")
    sys.exit(bool(broken))
