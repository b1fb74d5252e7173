"""Do all harm, or that of the topics that are named, and write docs/reliability.md.

``python -m faults [--share S] [--page] [TOPIC[:PART] ...]``; with ``--page`` the page is written of
what was found before.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from faults.page import PAGE, rendered, store, stored
from faults.planting import scratch_folder
from faults.strace import NoTracingError
from faults.topic import Topic
from faults.topics import TOPICS

log = logging.getLogger("faults")


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
        yield from ((TOPICS[topic], one) for one in ([part] if part else known))


def main(names: list[str], share: float) -> int:
    """Do a share of the harm; how many promises were broken."""
    broken = 0
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as made:
        Path(made).chmod(0o755)  # another user comes in, too
        for topic, part in list(chosen(names)):
            folder = Path(made) / topic.name
            folder.mkdir(exist_ok=True)
            started = time.monotonic()
            found = {part: topic.run(folder, part, share)}
            bad = topic.bad(found)
            log.info("%s: %s: %d bad, %.0f s", topic.name, part, bad, time.monotonic() - started)
            store(topic, found)
            broken += bad
    return broken


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    log.setLevel(logging.INFO)
    logging.getLogger("hdmea").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("topic", nargs="*", help="topic, or topic:part; all without any")
    parser.add_argument("--share", type=float, default=1.0, help="of the full numbers")
    parser.add_argument("--page", action="store_true", help="write the page, do no harm")
    asked = parser.parse_args()
    broken = 0
    if not asked.page:
        try:
            broken = main(asked.topic, asked.share)
        except (NoTracingError, ValueError) as error:
            parser.error(str(error))
    PAGE.write_text(rendered({name: stored(one) for name, one in TOPICS.items()}), encoding="utf-8")
    sys.exit(bool(broken))
