"""Batches that are done, of which something is changed: what is made again, and what is read."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from faults.hostile.watch import Watch
from faults.lab import PARAMETERS, Lab, make_recording
from faults.parts_cost import cost, cost_table, too_much
from faults.projects import COUNTING, ROOT, Project
from faults.topic import Found, Topic, number, table
from hdmea.pipeline import PipelineSession, run_recording, verify

RECORDINGS = 20
MODES = ("deferred", "immediate")
COST = "what parts cost"
PARTS = (*MODES, COST)
_LIMIT_S = 3600.0
_OF_FEATURES = PARAMETERS["extract_features"]
_STEPS: dict[str, Any] = PARAMETERS | {
    "load_recording": {"probe": "off", "pair_check": "warn"},  # the files have other names
    "add_section_time": {"alignment": "warn"},
    "compute_sta": {"cover_range": [-3, 0], "z": False},
}
_LONGER = {"compute_sta": {"cover_range": [-5, 0], "z": False}}
_TABLE = {"curate_units": {"table": "units.tsv"}}
_FEATURES = [*_OF_FEATURES["features"], "baseline"]
_EVERYTHING = (
    "load_recording", "add_section_time", "section_spike_times", "features.on_off",
    "curate_units", "sta.noise", "adjust_p_values", "q_values.on_off",
)  # fmt: skip
_FIRST, _FAILS = "first run", "a run that fails"


@dataclass(frozen=True)
class Change:
    """What is changed, of steps and of other keys, and what has to be made of each recording."""

    made: tuple[str, ...] = ()
    steps: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)


def _changes(mode: str) -> dict[str, Change]:
    """One after the other, each on top of those before."""
    return {
        _FIRST: Change(_EVERYTHING),
        "nothing": Change(),
        "range of the STA": Change(("sta.noise",), _LONGER),
        "curation table": Change(("curate_units", "q_values.on_off"), _TABLE),
        "new feature": Change(
            ("features.baseline",), {"extract_features": _OF_FEATURES | {"features": _FEATURES}}
        ),
        "new checkpoint": Change(keys={"checkpoints": ["section_spike_times"]}),
        "the other mode": Change(keys={"mode": MODES[MODES.index(mode) - 1]}),
        _FAILS: Change(steps={"compute_sta": {"stimulus": "no_such"}}),
        "the run after it": Change(steps=_LONGER),
    }


_SAYS = f"""
A batch is processed by the workflow; then one thing after the other is changed, and it is run
again, each time on top of what was changed before. *made*: contributions (what a step or a feature
makes of a recording) that were made anew; *wrong*: those that were and should not, or should and
were not; *foretold wrong*: those of which `snakemake -n` had said something else before. *raw
opened*: files of recordings that anybody opened, seen by the kernel; *MB raw*: what jobs read of
them; *MB*: what they read of all other files. *other content*: the result is not that of one run
in memory with the same parameters, or a result or checkpoint is missing. In "{_FAILS}" the STA is
asked for of a movie that was not shown; *lost* is how many recordings then have no result of before
that is whole and is named in the last lines of the run.
"""


@dataclass
class Tally:
    """What came of one change."""

    recordings: int = 0
    made: int = 0
    wrong: int = 0
    foretold_wrong: int = 0
    raw_opened: int = 0
    raw_bytes: int = 0
    read_bytes: int = 0
    other_content: int = 0
    lost: int = 0


class Batch:
    """A batch of recordings that are the same but for their names."""

    def __init__(self, lab: Lab, folder: Path, mode: str, count: int) -> None:
        self.steps, self.keys = dict(_STEPS), {"mode": mode}
        self.lab, self.folder, self.raw = lab, folder, folder / "raw"
        self.raw.mkdir()
        files = {}
        for name in (f"rec_{i}" for i in range(count)):
            pair = (self.raw / f"{name}.cmcr", self.raw / f"{name}-.cmtr")
            for role, path in zip(("cmcr_path", "cmtr_path"), pair, strict=True):
                shutil.copy(lab.places[role], path)
                # smaller inputs are read by Snakemake, for checksums of its own
                os.truncate(path, max(path.stat().st_size, 1_100_000))
            files[name] = pair
        self.told = folder / "reads"
        environment = {
            "PYTHONPATH": os.pathsep.join([str(COUNTING), str(ROOT)]),
            "TOLD_READS": str(self.told),
        }
        self.project = Project(
            folder, lab.places["stimuli_dir"], files, {}, "both", environment=environment
        )
        rows = "".join(f"{name}\t1\tno\n" for name in files)
        (folder / "units.tsv").write_text(f"recording\tunit_id\tuse\n{rows}", encoding="utf-8")
        self.runs: dict[str, dict[str, Any]] = {name: {} for name in files}

    def result(self, name: str) -> Path:
        """Where the session file of a recording is."""
        return self.folder / f"results/{name}.h5"

    def apply(self, change: Change, what: str) -> Tally:
        """Change something, ask what is going to be made, and run."""
        names, project = list(self.runs), self.project
        self.steps |= change.steps
        self.keys |= change.keys
        project.steps = self.steps
        project.configure(**self.keys)
        targets = [f"results/{name}.h5" for name in names]
        checkpoints = [
            f"results/checkpoints/{name}.after_{step}.h5"
            for step in self.keys.get("checkpoints", ())
            for name in names
        ]
        foretold: dict[str, set[str]] = {}
        if what not in (_FIRST, _FAILS):  # nobody knows beforehand what comes of these
            foretold = _foretold(project.run("-n", *targets, *checkpoints, limit_s=_LIMIT_S))
        self.told.unlink(missing_ok=True)
        before = {name: self.result(name) for name in names}
        digests = {name: _digest(path) for name, path in before.items()}
        with Watch(self.raw) as watch:
            said = project.run(*targets, *checkpoints, code=int(what == _FAILS), limit_s=_LIMIT_S)
            seen = {one.partition(" ")[2] for one in watch.seen()}
            opened = seen & {path.name for path in self.raw.iterdir()}
        tally = Tally(recordings=len(names), raw_opened=len(opened))
        self._count_reads(tally)
        if what == _FAILS:
            tally.lost = sum(not self._is_there(name, said, digests[name]) for name in names)
            return tally
        expected = self._expected()
        for name in names:
            made = self._made(name)
            tally.made += len(made)
            tally.wrong += len(made ^ set(change.made))
            if what != _FIRST:
                tally.foretold_wrong += len(made ^ foretold.get(name, set()))
            tally.other_content += self._is_other(name, expected)
        tally.other_content += sum(not _digest(self.folder / path) for path in checkpoints)
        return tally

    def _made(self, name: str) -> set[str]:
        """Contributions of a recording that were made since this was asked last."""
        held = PipelineSession.load(self.result(name)).contributions
        runs = {what: made.run for what, made in held.items()}
        before, self.runs[name] = self.runs[name], runs
        return {what for what, run in runs.items() if before.get(what) != run}

    def _is_other(self, name: str, expected: Mapping[str, str]) -> bool:
        """Whether contents differ from those of a run in memory; names of recordings do."""
        held = PipelineSession.load(self.result(name)).contributions
        contents = {what: made.content for what, made in held.items()}
        if not _digest(self.result(name)) or contents.keys() != expected.keys():
            return True
        if name != next(iter(self.runs)):
            contents.pop("load_recording")  # in which the recording's name is
        return any(expected[what] != content for what, content in contents.items())

    def _expected(self) -> dict[str, str]:
        """What one run in memory gives of the first recording."""
        steps = dict(self.steps)
        steps["add_section_time"] = steps["add_section_time"] | {"playlist_name": "both"}
        if "table" in steps["curate_units"]:
            steps["curate_units"] = {"table": str(self.folder / "units.tsv")}
        name, (cmcr, cmtr) = next(iter(self.project.files.items()))
        result = run_recording(
            steps,
            self.folder / "expected.h5",
            dataset_id=name,
            cmcr_path=cmcr,
            cmtr_path=cmtr,
            stimuli_dir=self.lab.places["stimuli_dir"],
        )
        held = PipelineSession.load(result.hdf5_path).contributions
        return {what: made.content for what, made in held.items()}

    def _count_reads(self, tally: Tally) -> None:
        lines = self.told.read_text("utf-8").splitlines() if self.told.exists() else []
        for program, read in map(json.loads, lines):
            if "/scripts/" not in program:
                continue  # snakemake itself, which looks whether results are whole
            for path, n_bytes in read.items():
                if Path(path).suffix in (".cmcr", ".cmtr"):
                    tally.raw_bytes += n_bytes
                else:
                    tally.read_bytes += n_bytes

    def _is_there(self, name: str, said: str, digest: str) -> bool:
        """Whether a result with that digest is named."""
        named = re.search(rf"^{name}: last time's result is (.*)$", said, re.MULTILINE)
        return named is not None and _digest(self.folder / named[1]) == digest


def run(folder: Path, part: str, share: float, changes: Collection[str] = ()) -> Any:
    """Change a batch of that share of the recordings, begun in one mode.

    Of the changes all are made, unless some are named.
    """
    if part == COST:
        return cost(folder / "cost", share)
    (folder / part).mkdir(parents=True)
    lab = make_recording(folder / part)
    batch = Batch(lab, folder / part, part, max(1, round(RECORDINGS * share)))
    known = _changes(part)
    return {what: asdict(batch.apply(known[what], what)) for what in changes or known}


def section(found: Found) -> str:
    """A table for each mode."""
    tables = [_table(mode, found[mode]) for mode in MODES if mode in found]
    return "\n".join([*tables, *([cost_table(found[COST])] if COST in found else [])])


def bad(found: Found) -> int:
    """Broken promises."""
    tallies = [(what, Tally(**one)) for mode in MODES for what, one in found.get(mode, {}).items()]
    return sum(_bad(what, tally) for what, tally in tallies) + too_much(found.get(COST, {}))


def _bad(what: str, tally: Tally) -> int:
    raw = 0 if what == _FIRST else tally.raw_opened + bool(tally.raw_bytes)
    return raw + tally.wrong + tally.foretold_wrong + tally.other_content + tally.lost


def _table(mode: str, found: Mapping[str, Any]) -> str:
    head = ["recordings", "made", "wrong", "foretold wrong", "raw opened", "MB raw", "MB"]
    rows = []
    for what, one in found.items():
        tally = Tally(**one)
        first = what == _FIRST
        rows.append([
            what,
            number(tally.recordings),
            number(tally.made),
            number(tally.wrong, must_be_0=True),
            number(tally.foretold_wrong, must_be_0=True),
            number(tally.raw_opened, must_be_0=not first),
            f"{tally.raw_bytes / 1e6:.1f}",
            f"{tally.read_bytes / 1e6:.1f}",
            number(tally.other_content, must_be_0=True),
            number(tally.lost, must_be_0=True),
        ])  # fmt: skip
    return f"Begun in {mode} mode:\n\n" + table(
        ["what is changed", *head, "other content", "lost"], rows
    )


def _foretold(said: str) -> dict[str, set[str]]:
    """What a dry run says of each recording that is going to be made."""
    found: dict[str, set[str]] = {}
    now: set[str] = set()
    for line in said.splitlines():
        if head := re.match(r"(\w+): (?:\d+ of \d+ to be made|nothing to do)", line):
            now = found.setdefault(head[1], set())
        elif entry := re.match(r"  ([\w.]+): ", line):
            now.add(entry[1])
    return found


@cache
def _known(path: Path, _: int) -> str:
    found = verify(path)
    return found.content_digest if found.is_good else ""


def _digest(path: Path) -> str:
    """Content digest of a file; empty if it is not there, or not whole."""
    return _known(path, path.stat().st_mtime_ns) if path.exists() else ""


REPROCESSING = Topic("reprocessing", "Batches that are changed", _SAYS, PARTS, run, section, bad)
