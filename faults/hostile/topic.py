"""Files that are made to mislead: what was tried, and what came of it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults.hostile.corpus import corpus
from faults.hostile.trial import CPU_S, MEMORY_BYTES
from faults.hostile.ways import WAYS
from faults.hostile.workflow import observed
from faults.lab import Lab, make_lab
from faults.planting import ROOT
from faults.topic import Found, Topic, number, table

log = logging.getLogger("faults")
GOOD = ("refused", "harmless")
WHOLE_RUN = "whole run"
HDF5 = ("session file", ".cmcr", ".cmtr", "old result")
LIMIT_S = 3600
_SAYS = f"""
A file, a table or a name can be made to mislead: to let a program read other files or write them,
to let it run code, to take all memory or time, to act on the terminal. Every case is made of good
files and given to everything that users do with a file of that kind, each time in a process of its
own with {MEMORY_BYTES // 2**20} MiB of address space beyond what it has at the beginning and
{CPU_S} s of processor time. Beside it lies bait: whole copies of what a link leads to, a folder in
which HDF5 looks for plugins. The kernel tells who opens anything there (inotify); all inputs are
compared with what they were; hostile code would leave a file behind.

*refused*: an error of hdmea that names the file, without a traceback. *harmless*: it was read as
what it is, and nothing happened. Anything else breaks a promise: other files read or written, code
run, inputs changed, a crash, an unknown error, too much time, wrong data read as good, or
characters said that a terminal obeys.

For each kind there is one case that is good, which nothing may refuse. What the cases are is in
`faults/hostile/`; *content* is a session file whose digests are right, since who means ill has
hdmea, too.

A checkpoint says in which folder its session is saved by default, and `save()` without a path
follows it: give a path if you do not know where a checkpoint comes from.
"""
_DONE = ("read", "written")
_RUN = """
A whole run of the workflow: {ids} hostile ids are refused before it; then {made} recordings whose
ids are as odd, and as long, as ids may be, in folders, with a movie and an output folder that are
called `$(touch executed)`, and {refused} recording that links to bait, which fails alone. Told is
every file that a process of the run opens, changes or runs: by Python's audit hook in all of them
and, where there is one, by strace. *Elsewhere* is outside of inputs, working directory, Python with
its packages, and the system's own files. Bait touched: {bait}; files left by hostile code: {code}.

"""


def run(folder: Path, part: str, share: float) -> dict[str, Any]:
    """Try a share of the cases of a kind."""
    lab = Lab(folder / "lab")
    if not lab.folder.exists():
        lab.folder.mkdir()
        make_lab(lab.folder)
    if part == WHOLE_RUN:
        (folder / "run").mkdir()
        return observed(lab, folder / "run")
    cases = [(case.kind, case.name) for case in corpus(lab) if case.kind == part]
    return as_json(tried_in_a_process(lab, folder / "corpus", cases[:: max(1, round(1 / share))]))


def tried_in_a_process(
    lab: Lab, folder: Path, cases: Sequence[tuple[str, str]]
) -> list[dict[str, Any]]:
    """All trials with cases, given by kind and name; in a folder that is made, and removed."""
    folder.mkdir()
    program = [sys.executable, "-W", "ignore", "-m", "faults.hostile.corpus"]
    done = subprocess.run(
        [*program, str(folder), str(lab.folder)], input=json.dumps(cases), text=True, cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, check=True,
        timeout=LIMIT_S,
    )  # fmt: skip
    shutil.rmtree(folder)
    trials: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    for trial in trials:
        if not trial["is_good"]:
            log.error("  %(kind)s, %(case)s, %(way)s: %(word)s\n%(said)s", trial)
    return trials


def as_json(trials: list[dict[str, Any]]) -> dict[str, Any]:
    """What came of each case, by way."""
    found: dict[str, Any] = {}
    for trial in trials:
        case = found.setdefault(trial["case"], {"ways": {}, "cpu_s": 0.0})
        case["ways"][trial["way"]] = trial["word"]
        case["cpu_s"] = round(max(case["cpu_s"], trial["cpu_s"]), 2)
    return found


def section(found: Found) -> str:
    """How many, by kind; then HDF5 by what was done; then the rest by what came of it."""
    rows = []
    corpora = {kind: cases for kind, cases in found.items() if kind != WHOLE_RUN}
    for kind, cases in corpora.items():
        words = _words(cases)
        longest = max(case["cpu_s"] for case in cases.values())
        others = sum(n for word, n in words.items() if word not in GOOD)
        counts = [number(words[word]) for word in GOOD] + [number(others, must_be_0=True)]
        rows.append([kind, len(cases), sum(words.values()), *counts, f"{longest:.1f}"])
    tricks = list(dict.fromkeys(case for kind in HDF5 for case in found.get(kind, {})))
    given = [kind for kind in HDF5 if kind in found]
    return "".join(
        [
            table(["given as", "cases", "trials", *GOOD, "anything else", "longest (s)"], rows),
            "\nHDF5, by what was done to it:\n\n",
            table(
                ["", *given],
                [[name, *(_outcome(found[kind].get(name)) for kind in given)] for name in tricks],
            ),
            "\nThe rest, by what it was given as:\n\n",
            *(_listed(kind, cases) for kind, cases in corpora.items() if kind not in HDF5),
            _whole_run(found[WHOLE_RUN]) if WHOLE_RUN in found else "",
        ]
    )


def _whole_run(seen: dict[str, Any]) -> str:
    rows = []
    for who, one in seen["seen"].items():
        outside = [number(len(one[f"{what} outside"]), must_be_0=True) for what in _DONE]
        counts = [number(one[what]) for what in ("calls", "files read", "paths written")]
        rows.append([who, *counts, *outside, ", ".join(one["programs"])])
    return _RUN.format(
        ids=seen["ids refused"],
        made=seen["recordings made"],
        refused=seen["recordings refused"],
        bait=number(len(seen["bait touched"]), must_be_0=True),
        code=number(len(seen["ran code"]), must_be_0=True),
    ) + table(
        ["told by", "calls", "files read", "paths written", "read elsewhere", "written elsewhere",
         "programs"],
        rows,
    )  # fmt: skip


def _words(cases: dict[str, Any]) -> Counter[str]:
    return Counter(word for case in cases.values() for word in case["ways"].values())


def _outcome(case: dict[str, Any] | None) -> str:
    """What came of a case: the worst, else refused if anything refused it."""
    if case is None:
        return ""
    words = list(case["ways"].values())
    wrong = [word for word in words if word not in GOOD]
    if wrong:
        return f"**{wrong[0].lower()}**"
    return "refused" if "refused" in words else "harmless"


def _listed(kind: str, cases: dict[str, Any]) -> str:
    by_outcome: dict[str, list[str]] = {}
    for name, case in cases.items():
        by_outcome.setdefault(_outcome(case), []).append(name)
    return "".join(
        f"- {kind}, {outcome}: {', '.join(names)}.\n" for outcome, names in by_outcome.items()
    )


def bad(found: Found) -> int:
    """Trials that broke a promise."""
    corpora = (cases for kind, cases in found.items() if kind != WHOLE_RUN)
    words = sum(map(_words, corpora), Counter[str]())
    wrong = sum(n for word, n in words.items() if word not in GOOD)
    if WHOLE_RUN in found:
        seen = found[WHOLE_RUN]
        wrong += len(seen["bait touched"]) + len(seen["ran code"])
        wrong += sum(len(one[f"{what} outside"]) for one in seen["seen"].values() for what in _DONE)
    return wrong


HOSTILE = Topic(
    name="hostile",
    title="Hostile files",
    says=_SAYS,
    parts=(*WAYS, WHOLE_RUN),
    run=run,
    section=section,
    bad=bad,
)
