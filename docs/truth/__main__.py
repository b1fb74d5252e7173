"""Compute all claims, or those that are named, and write the page.

``PYTHONPATH=docs python -m truth [--page] [CLAIM ...]``; with ``--page`` the page is written of
what was found before.
"""

import argparse
import logging
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from figures.canvas import draw, save

from truth import operating_point as point
from truth.claim import RECORDED, Sample, pooled
from truth.claims import CLAIMS
from truth.page import CELLS, FOLDER, PAGE, numbers, rendered, spreads, store
from truth.samples import SAMPLES, UNSEEDED, make

log = logging.getLogger("truth")


def compute(names: list[str]) -> None:
    """Make the samples that these claims need, judge them, and draw what was found."""
    wanted = [claim for claim in CLAIMS if claim.name in names]
    needed = [name for name in SAMPLES if any(name in claim.needs for claim in wanted)]
    start = time.monotonic()
    made: dict[tuple[str, int], Sample] = {}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        waiting = {
            pool.submit(make, name, seed): (name, seed)
            for name in needed
            for seed in point.SEEDS[: 1 if name in UNSEEDED else None]
        }
        for done in as_completed(waiting):
            name, seed = waiting[done]
            made[name, seed] = done.result()
            log.info("%s, seed %d: %.0f s", name, seed, time.monotonic() - start)
    drawn = [name for name in needed if name not in UNSEEDED]
    seeds = [{name: made[name, seed] for name in drawn} for seed in point.SEEDS]
    given = {name: made[name, point.SEEDS[0]] for name in needed if name in UNSEEDED}
    everything = pooled(seeds) | given
    if RECORDED[0] in needed:
        store(CELLS, spreads(everything[RECORDED[0]].cells))
    for claim in wanted:
        found = numbers(claim, [] if {*claim.needs} <= UNSEEDED else seeds, everything)
        store(claim.name, found)
        save(draw(lambda claim=claim: claim.draw(everything)), FOLDER / f"{claim.name}.png")
        for one in found:
            log.info("%s: %s %s (%s) %s", claim.name, *(one[k] for k in _TOLD))


_TOLD = ("what", "found", "bound", "holds")

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("claim", nargs="*", help="names; all claims without any")
    parser.add_argument("--page", action="store_true", help="write the page, compute nothing")
    asked = parser.parse_args()
    known = [claim.name for claim in CLAIMS]
    if unknown := set(asked.claim) - set(known):
        parser.error(f"no claim {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if not asked.page:
        compute(asked.claim or known)
    PAGE.write_text(rendered(CLAIMS), encoding="utf-8")
