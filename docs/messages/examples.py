"""Messages that tests really met, by the place in the code that raises them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from messages.recording import FOLDER
from messages.sites import GAP, ROOT, Site, sites

FOUND = Path(__file__).with_name("examples.json")
MOST = 3
"""Examples of a place whose text is made elsewhere; of any other place, one is kept."""
_PLAIN = 25
"""A text has fewer characters than this of its own if it is made elsewhere."""
_LONGEST = 1500
_NEUTRAL = (
    (re.escape(str(ROOT)), "/hdmea"),
    # The folder of a test, and anything else in the folder for temporary files.
    (r"/tmp/pytest-of-[^/]+/pytest-\d+(?:/popen-gw\d+)?/[^/\s'\":;,()]+", "/data"),
    (rf"{re.escape(tempfile.gettempdir())}/[^/\s'\":;,()]+", "/data"),
    (r"\b0x[0-9a-f]{6,}\b", "0x..."),
    (r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\b", "Mon Jan  5 12:00:00 2026"),
)
"""What differs from machine to machine, and what is said instead."""


class Example(NamedTuple):
    """A message, and the test that met it."""

    said: str
    test: str


Examples = Mapping[Site, Sequence[Example]]


def record(arguments: Sequence[str]) -> None:
    """Run tests, and store what they met.

    Parameters
    ----------
    arguments
        What pytest is to run; without any, every test that is not slow. Of places that other tests
        met before, the examples stay then only if arguments are given.

    Raises
    ------
    subprocess.CalledProcessError
        If tests cannot be run. Those that fail, such as that of the page, have met errors, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        # Tests that become another user note their errors, too.
        Path(folder).chmod(0o777)
        words = [sys.executable, "-m", "pytest", "-q", "-p", "messages.recording"]
        words += arguments or ["-m", "not slow", "-n", "logical", "--maxprocesses", "8"]
        done = subprocess.run(words, cwd=ROOT, env=os.environ | {FOLDER: folder}, check=False)
        if done.returncode != pytest.ExitCode.TESTS_FAILED:
            done.check_returncode()
        notes = [
            json.loads(line)
            for path in Path(folder).iterdir()
            for line in path.read_text(encoding="utf-8").splitlines()
        ]
    store({**(stored() if arguments else {}), **examples(notes, sites())})


def examples(notes: Iterable[Mapping[str, object]], known: Iterable[Site]) -> Examples:
    """The shortest messages of each place.

    Parameters
    ----------
    notes
        Errors that were made, as the plugin writes them: file, line, kind, text and test.
    known
        The places.
    """
    met: dict[Site, dict[str, str]] = defaultdict(dict)
    at = {(ROOT / site.module, site.kind, line): site for site in known for line in site.span}
    for note in notes:
        site = at.get((Path(str(note["file"])), str(note["kind"]), int(str(note["line"]))))
        said, test = neutral(str(note["text"])), str(note["test"]).partition("[")[0]
        if site is not None and test and len(said) <= _LONGEST and fits(site, said):
            met[site][said] = min(test, met[site].get(said, test))
    return {site: _chosen(of, most(site)) for site, of in met.items()}


def _chosen(met: Mapping[str, str], count: int) -> list[Example]:
    """The shortest messages that differ in more than names of files, numbers and quoted values."""
    unlike: dict[str, Example] = {}
    for said in sorted(met, key=lambda said: (len(said), said)):
        words = re.sub(r"'[^']*'|\S*[\d/.]\S*", "", said)
        unlike.setdefault(words, Example(said, met[said]))
    return list(unlike.values())[:count]


def most(site: Site) -> int:
    """How many examples of a place are kept."""
    return MOST if len(re.sub(rf"«[^»]*»|{GAP}", "", site.text)) < _PLAIN else 1


def neutral(said: str) -> str:
    """A message without what differs from machine to machine."""
    for pattern, instead in _NEUTRAL:
        said = re.sub(pattern, instead, said)
    return said


def fits(site: Site, said: str) -> bool:
    """Whether a message can come from a place as it is now."""
    plain = re.split(rf"«[^»]*»|{GAP}", site.text)
    return re.fullmatch(".*".join(map(re.escape, plain)), said, re.DOTALL) is not None


def store(found: Examples) -> None:
    """Write down the examples of each place."""
    rows = [
        {"module": site.module, "kind": site.kind, "text": site.text}
        | {"examples": [one._asdict() for one in found[site]]}
        for site in sorted(found, key=lambda site: (site.module, site.text, site.kind))
    ]
    FOUND.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def stored() -> Examples:
    """The examples of places whose text is still that of the code."""
    now = {(site.module, site.kind, site.text): site for site in sites()}
    rows = json.loads(FOUND.read_text(encoding="utf-8"))
    return {
        now[key]: [Example(**one) for one in row["examples"]]
        for row in rows
        if (key := (row["module"], row["kind"], row["text"])) in now
    }
