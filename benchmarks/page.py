"""The page docs/benchmarks.md: the machine, the claims, a section for each topic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.topic import Claim, Found, Topic, amount, table
from benchmarks.topics import TOPICS

FOUND = Path(__file__).with_name("found")
PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"
RAN = "ran"
"""Where a part keeps on what machine, under which load, and how much of it was run."""

_HEAD = """# Benchmarks

How long hdmea takes, and how much memory, beside other ways of doing the same work. `make bench`
measures all of it and writes this page; `PYTHONPATH=docs python -m benchmarks TOPIC` measures one
topic.

Machines are noisy, so ratios count, not seconds. Ways that are compared do the same work, which is
checked, each in a process of its own, in turn: load that comes and goes disturbs them alike. What
is told is the median of the rounds; the first round is not counted. Where a bound is in seconds,
the fastest round is held against it: what else runs on the machine can only make it longer.
*Processor* is the time of all threads of the process, without the programs that it starts, however
long it had to wait. *Memory at most* is the largest resident memory of the process while it works,
interpreter, libraries and input included. Peers are installed in `.venv-oracles`, the environment
of the [oracles](oracles.md).
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


def picture(topic: Topic) -> Path:
    """Where the picture of a topic lies."""
    return PAGE.parent / f"images/benchmarks_{topic.name}.png"


def rendered(found: Mapping[str, Found]) -> str:
    """The page, of what was found by topic."""
    rows = [
        (topic, claim) for topic in TOPICS.values() for claim in topic.claims(found[topic.name])
    ]
    parts = [
        _HEAD,
        "\n## The machine\n",
        *_machines(found),
        "\n## The bounds\n",
        "A number without a bound is told only.\n",
        table(
            ["topic", "what", "bound", "found", "holds"],
            [[f"[{t.name}](#{anchor(t.title)})", *_cells(claim)] for t, claim in rows],
        ),
        *(_section(topic, found[topic.name]) for topic in TOPICS.values()),
    ]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def anchor(title: str) -> str:
    """What a heading is called in a link.

    Examples
    --------
    >>> anchor("Sections, and all features")
    'sections-and-all-features'
    """
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


def _cells(claim: Claim) -> list[str]:
    holds = {True: "yes", False: "**no**", None: ""}[claim.holds]
    return [claim.what, claim.bound, f"{amount(claim.found)}{claim.unit}", holds]


def _machines(found: Mapping[str, Found]) -> list[str]:
    """A table for each machine that anything was measured on, and what was."""
    machines: list[tuple[Mapping[str, str], list[str]]] = []
    for topic, one in found.items():
        for name, part in one.items():
            on = next((told for told in machines if told[0] == part[RAN]["machine"]), None)
            if on is None:
                machines.append(on := (part[RAN]["machine"], []))
            on[1].append(f"{topic}: {name}")
    return [
        table(["", ""], [*machine.items(), ("measured there", ", ".join(parts))])
        for machine, parts in machines
    ]


def _section(topic: Topic, found: Found) -> str:
    missing = [part for part in topic.parts if part not in found]
    parts = [f"\n## {topic.title}", topic.says.strip()]
    if found:
        parts.append(topic.section(found).strip())
        parts.append(_how(found))
    if picture(topic).exists():
        parts.append(f"![{topic.caption}](images/{picture(topic).name})")
    if topic.remark:
        parts.append(topic.remark.strip())
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.")
    return "\n\n".join(parts) + "\n"


def _how(found: Found) -> str:
    """What shares were run, where they are not all of it, and the load of the machine."""
    loads = [part[RAN]["load"] for part in found.values()]
    small = [
        f"{name} ({part[RAN]['share']:g})" for name, part in found.items() if part[RAN]["share"] < 1
    ]
    said = f"Load of the machine before: {min(loads):g} to {max(loads):g}."
    return said + (f" A share of the full size only: {', '.join(small)}." if small else "")


def _file(topic: Topic) -> Path:
    return FOUND / f"{topic.name}.json"
