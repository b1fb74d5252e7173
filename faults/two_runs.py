"""Two runs of the workflow that are started in different folders and have one output."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from faults.lab import PARAMETERS, Lab
from faults.projects import Project
from hdmea.errors import HdmeaError
from hdmea.pipeline import verify

_RECORDING = "rec"
_LIMIT_S = 300.0


def two_runs(lab: Lab, folder: Path, mode: str, times: int) -> dict[str, int]:
    """Start two at the same moment, so many times; both must end well, with the same result."""
    expected, found = "", Counter({"pairs": times})
    for number in range(times + 1):
        shared = folder / str(number)
        projects = [_project(lab, shared, where, mode) for where in ("here", "there")]
        said = _together(projects[:1] if number == 0 else projects)
        result = shared / "results" / f"{_RECORDING}.h5"
        try:
            report = verify(result)
            digest = report.content_digest if report.is_good else ""
        except HdmeaError:
            digest = ""
        if number == 0:  # a run alone
            if not digest or said[0][0]:
                raise RuntimeError(f"a run that nobody disturbs fails:\n{said[0][1]}")
            expected = digest
            continue
        failed = [words for code, words in said if code]
        sys.stderr.write("".join(failed))
        found["failed"] += len(failed)
        found["waited"] += sum("writes into" in words for _, words in said)
        found["torn"] += digest != expected
        found["strays"] += len(list(shared.rglob(".*.partial")))
    return dict(found)


def _project(lab: Lab, shared: Path, where: str, mode: str) -> Project:
    steps = PARAMETERS | {
        "add_section_time": {"alignment": "warn"},
        "compute_sta": {"cover_range": [-3, 0], "z": False},
    }
    pair = (lab.places["cmcr_path"], lab.places["cmtr_path"])
    (shared / where).mkdir(parents=True)
    made = Project(shared / where, lab.places["stimuli_dir"], {_RECORDING: pair}, steps, "both")
    places = {"output_dir": "results", "steps_dir": "steps", "work_dir": "work"}
    made.configure(mode=mode, **{key: str(shared / name) for key, name in places.items()})
    return made


def _together(projects: list[Project]) -> list[tuple[int, str]]:
    """Of each run its code, and what it said."""
    with ExitStack() as stack:
        runs = [stack.enter_context(project.started()) for project in projects]
        said = [run.communicate(timeout=_LIMIT_S)[0] for run in runs]
        return [(run.returncode, words) for run, words in zip(runs, said, strict=True)]
