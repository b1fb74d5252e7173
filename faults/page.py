"""The page docs/reliability.md: what is promised, how it is tested, what was found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faults.topic import Found, Topic
from faults.topics import TOPICS

FOUND = Path(__file__).with_name("found")
PAGE = Path(__file__).parents[1] / "docs/reliability.md"

_HEAD = """# Reliability

What is promised of files, and how often it was tried to break it. `make faults` plants the
faults, counts how each of them ended, and writes this page; a sample of them is planted with the
tests (`tests/test_faults.py`).

## What is promised

- After a crash, a kill, a full disk or an error of the disk, the name of a result, checkpoint,
  part, table or picture holds the old file or the new one, whole. Never half of one, never none
  where there was one.
- A save that returns is in the file. One that does not raises an error with the path and the
  system's error number, and the interpreter goes on.
- The same holds after a power loss, on disks that do as they say when they are asked to sync.
- A run with a work folder that is ended, or killed, and started again gives the content that it
  would have given.
- A file that has been damaged since is not read as good, and `hdmea verify` says what is damaged.
- A file, table or name that comes from anywhere cannot make hdmea read or write other files, run
  code, take all memory or time, or act on the terminal: it is refused by name, or harmless.
- After an error nothing is left beside the file. What a killed process leaves is hidden, never
  loaded, and swept by the next run that writes into that folder.
"""


def store(topic: Topic, found: Found) -> None:
    """Keep what was found of some parts, beside what was found of the others before."""
    kept = stored(topic) | found
    kept = {part: kept[part] for part in topic.parts if part in kept}
    FOUND.mkdir(exist_ok=True)
    _file(topic).write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def stored(topic: Topic) -> dict[str, Any]:
    """What was found last."""
    if not _file(topic).exists():
        return {}
    found: dict[str, Any] = json.loads(_file(topic).read_text(encoding="utf-8"))
    return found


def rendered(found: Mapping[str, Found]) -> str:
    """The page, of what was found by topic."""
    return _HEAD + "".join(_section(topic, found[name]) for name, topic in TOPICS.items())


def _section(topic: Topic, found: Found) -> str:
    missing = [part for part in topic.parts if part not in found]
    head = f"\n## {topic.title}\n\n{topic.says.strip()}\n\n"
    numbers = topic.section(found).strip() + "\n" if found else ""
    return head + numbers + (f"\nNot done yet: {', '.join(missing)}.\n" if missing else "")


def _file(topic: Topic) -> Path:
    return FOUND / f"{topic.name}.json"
