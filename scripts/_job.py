"""What every job does around its work: tell about it, in its log and on the terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hdmea.batch import HdmeaError, cells_in, made, status_kept, status_path, work_key
from hdmea.pipeline import draw_overview


@contextmanager
def job() -> Iterator[Any]:
    """The job as Snakemake gives it to the script.

    Its log gets everything; the terminal too, in whole lines, because other jobs use it as well.

    An expected error ends the job with its message, any other one with a traceback before it.
    The log's last line says ``DONE`` or what went wrong.
    """
    snakemake = vars(sys.modules["__main__"])["snakemake"]  # Snakemake puts it into the script
    recording, *details = snakemake.wildcards or ["all recordings"]
    log = _log_of(" ".join([recording, snakemake.rule, *details]), snakemake.log[0])
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


def draw(session: str | Path, picture: str | Path, log_path: str | Path) -> None:
    """Draw the picture of a session file that is there, within the job that has made it.

    It fails alone: the session file stays, and the picture's own log and status say what was wrong.
    """
    session = Path(session)
    log = _log_of(f"{session.stem} overview", log_path)
    try:
        with status_kept(status_path(log_path)), made(picture):
            draw_overview(session, picture)
    except HdmeaError as error:
        log.error("ERROR %s", error)
    except Exception as error:
        log.exception("an error that hdmea does not know:")
        log.error("ERROR %s: %s", type(error).__name__, error)
    else:
        log.info("DONE")


def _log_of(what: str, path: str | Path) -> logging.Logger:
    """hdmea's log, from now on into this file and to the terminal, with these words before."""
    layout = logging.Formatter(f"%(asctime)s {what}: %(message)s", "%H:%M:%S")
    handlers = [
        logging.FileHandler(path, mode="w", encoding="utf-8"),
        logging.StreamHandler(sys.stderr),
    ]
    logging.captureWarnings(True)
    for name in ("hdmea", "py.warnings"):
        own = logging.getLogger(name)
        for former in list(own.handlers):
            own.removeHandler(former)
        for handler in handlers:
            handler.setFormatter(layout)
            own.addHandler(handler)
    log = logging.getLogger("hdmea")
    log.setLevel(logging.INFO)
    return log
