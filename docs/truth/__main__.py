"""Compute all claims and write the page: ``PYTHONPATH=docs python -m truth``."""

import logging
import time

from figures.canvas import draw, save

from truth import CLAIMS
from truth import operating_point as point
from truth.claim import pooled
from truth.estimates import chance, samples
from truth.page import FOLDER, numbers_of, write

logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger("truth")
start = time.monotonic()
seeds = []
for seed in point.SEEDS:
    seeds.append(samples(point.N_CELLS, seed) | {"chance": chance(*point.N_CHANCE, seed)})
    log.info("seed %d done, %.0f s", seed, time.monotonic() - start)
everything = pooled(seeds)
numbers = numbers_of(list(CLAIMS), seeds, everything)
write(list(CLAIMS), numbers)
for claim, picture in CLAIMS.items():
    save(draw(lambda picture=picture: picture(everything)), FOLDER / f"{claim.name}.png")
for name, measures in numbers["claims"].items():
    for one in measures:
        log.info("%s: %s %s (%s) %s", name, one["what"], one["found"], one["bound"], one["holds"])
