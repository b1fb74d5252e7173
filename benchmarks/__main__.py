"""Measure all topics, or those that are named, and write docs/benchmarks.md.

``PYTHONPATH=docs python -m benchmarks [--share S] [--page] [TOPIC[:PART] ...]``; with ``--page``
the page and its pictures are made of what was found before.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures.canvas import digest, draw, save, saved_digest

from benchmarks.contest import ContestError
from benchmarks.machine import described, load
from benchmarks.page import PAGE, RAN, picture, rendered, store, stored
from benchmarks.topic import Topic
from benchmarks.topics import TOPICS

log = logging.getLogger("benchmarks")


def chosen(names: list[str]) -> Iterator[tuple[Topic, str]]:
    """Topics and parts of these names, ``topic`` or ``topic:part``; all if there are none.

    Raises
    ------
    ValueError
        If there is no such topic, or it has no such part.
    """
    for name in names or TOPICS:
        topic, _, part = name.partition(":")
        if topic not in TOPICS:
            raise ValueError(f"no topic {topic!r}; there are {', '.join(TOPICS)}")
        known = TOPICS[topic].parts
        if part and part not in known:
            listed = "".join(f"\n  {one}" for one in known)
            raise ValueError(f"{topic} has no part {part!r}; it has{listed}")
        unnamed = [one for one in known if one not in TOPICS[topic].on_request]
        yield from ((TOPICS[topic], one) for one in ([part] if part else unnamed))


def measure(names: list[str], share: float) -> None:
    """Measure, and store what was found part by part."""
    machine = described()
    for topic, part in list(chosen(names)):
        with tempfile.TemporaryDirectory(prefix="hdmea-bench-") as folder:
            ran = {"share": share, "load": load(), "machine": machine}
            started = time.monotonic()
            found = topic.run(Path(folder), part, share)
        store(topic, {part: {RAN: ran, **found}})
        log.info("%s: %s: %.0f s", topic.name, part, time.monotonic() - started)
        for claim in topic.claims({part: found}):
            log.info("  %s: %.4g (%s)", claim.what, claim.found, claim.bound)


def write_page() -> None:
    """Draw the pictures and write the page, of what is stored."""
    found = {name: stored(topic) for name, topic in TOPICS.items()}
    for name, topic in TOPICS.items():
        figure = draw(lambda topic=topic, name=name: topic.draw(found[name]))
        path = picture(topic)
        if figure is not None and not (path.exists() and saved_digest(path) == digest(figure)):
            save(figure, path)
    PAGE.write_text(rendered(found), encoding="utf-8")


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topic", nargs="*", help="topic, or topic:part; all without any")
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument("--page", action="store_true", help="write the page, measure nothing")
    asked = parser.parse_args()
    if not asked.page:
        try:
            measure(asked.topic, asked.share)
        except (ContestError, ValueError) as error:
            sys.exit(f"benchmarks: {error}")
    write_page()
