"""What every job does around its work: tell about it, in its log and on the terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hdmea.batch import HdmeaError, cells_in, status_kept, status_path, work_key


@contextmanager
def job() -> Iterator[Any]:
    """The job as Snakemake gives it to the script.

    Its log gets everything; the terminal too, in whole lines, because other jobs use it as well.

    An expected error ends the job with its message, any other one with a traceback before it.
    The log's last line says ``DONE`` or what went wrong.
    """
    snakemake = vars(sys.modules["__main__"])["snakemake"]  # Snakemake puts it into the script
    recording, *details = snakemake.wildcards or ["all recordings"]
    what = " ".join([recording, snakemake.rule, *details])
    layout = logging.Formatter(f"%(asctime)s {what}: %(message)s", "%H:%M:%S")
    handlers = [
        logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8"),
        logging.StreamHandler(sys.stderr),
    ]
    logging.captureWarnings(True)
    for handler in handlers:
        handler.setFormatter(layout)
        for name in ("hdmea", "py.warnings"):
            logging.getLogger(name).addHandler(handler)
    log = logging.getLogger("hdmea")
    log.setLevel(logging.INFO)
    started = time.monotonic()
    log.info("started")
    files = [path for role in ("cmcr", "cmtr") if (path := snakemake.input.get(role))]
    definition = snakemake.params.get("definition")
    key = work_key(definition, files) if files else ""
    try:
        with status_kept(status_path(snakemake.log[0]), key):
            yield snakemake
    except HdmeaError as error:
        # What is wrong is said; how it was found is noise.
        cells = [f"\n  in recordings.tsv: {cell}" for cell in cells_in(str(error))]
        log.error("ERROR %s", "".join([str(error), *cells]))
        sys.exit(1)
    except KeyboardInterrupt as interrupted:
        log.error("ERROR %s", interrupted or "interrupted")
        sys.exit(getattr(interrupted, "exit_code", 130))
    except Exception as error:
        log.exception("an error that hdmea does not know:")
        log.error("ERROR %s: %s", type(error).__name__, error)
        sys.exit(1)
    log.info("%.1f s, DONE", time.monotonic() - started)
