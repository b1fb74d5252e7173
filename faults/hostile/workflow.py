"""A whole run of the workflow with hostile names around it; every file that it opens is told."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py

from faults.hostile.cases import MARK, NAMES
from faults.hostile.tracing import (
    Touched,
    has_strace,
    hooked,
    of_hook,
    of_strace,
    strace,
    system_folders,
)
from faults.hostile.watch import Watch
from faults.lab import Lab
from faults.planting import ROOT
from hdmea.pipeline import verify

SHELL = f"$(touch {MARK}) `touch {MARK}` ; touch {MARK} & 'x' \""
"""Part of the names of folders and of a movie."""
OUTPUT = f"results $(touch {MARK})"
IDS = ("rm.-rf_", hashlib.sha512(b"long").hexdigest())
"""As odd, and as long, as an id may be."""
WORDS = [word for word in NAMES.values() if word.isprintable()]
"""Ids that are none."""
BAD = "bad"
"""The recording whose files lead to the bait; it fails alone."""
LIMIT_S = 1800


def observed(lab: Lab, folder: Path) -> dict[str, Any]:
    """Run the workflow, watched by Python's audit hook and, where there is one, by strace."""
    project = _project(lab, folder)
    refused = _snakemake(project, [], {}, "hostile_ids.tsv", "-n")
    named = [word for word in WORDS if repr(word[:200]) in refused.stdout]
    if refused.returncode == 0 or named != WORDS or any(project.glob("results*")):
        raise RuntimeError(f"hostile ids were not refused:\n{refused.stdout}")
    told = {"audit hook": folder / "audit", "strace": folder / "strace"}
    before = strace(told["strace"]) if has_strace() else []
    with Watch(folder / "bait") as watch:
        done = _snakemake(project, before, hooked(told["audit hook"]), "recordings.tsv")
        bait = watch.seen()
    results = project / OUTPUT
    made = [name for name in IDS if (results / f"{name}.h5").exists()]
    if done.returncode != 1 or made != list(IDS) or (results / f"{BAD}.h5").exists():
        raise RuntimeError(f"the run did not end as it should:\n{done.stdout}")
    if not all(verify(results / f"{name}.h5").is_good for name in made):
        raise RuntimeError("a result is damaged")
    found: dict[str, Any] = {
        "ids refused": len(WORDS),
        "recordings made": len(made),
        "recordings refused": 1,
        "bait touched": bait,
        "ran code": sorted(str(path) for path in folder.rglob(MARK)),
        "seen": {"audit hook": _outside(of_hook(told["audit hook"]), project)},
    }
    if has_strace():
        found["seen"]["strace"] = _outside(of_strace(told["strace"], project), project)
    return found


def _outside(touched: Touched, project: Path) -> dict[str, Any]:
    may_write = [project, Path("/dev/null"), Path("/dev/shm"), Path("/dev/tty")]
    may_read = [*may_write, *system_folders(), ROOT, project.parent / "inputs"]
    return {
        "calls": touched.calls,
        "files read": len(touched.read),
        "paths written": len(touched.written),
        "read outside": touched.outside(touched.read, may_read),
        "written outside": touched.outside(touched.written, may_write),
        "programs": sorted({Path(path).name for path in touched.run}),
    }


def _project(lab: Lab, folder: Path) -> Path:
    """A folder with a configuration whose every name means something to a shell."""
    inputs, bait, project = (folder / name for name in ("inputs", "bait", "project"))
    stimuli = inputs / f"stimuli {SHELL}"
    for made in (inputs, bait, project, project / "home", project / "tmp"):
        made.mkdir()
    shutil.copytree(lab.folder / "stimuli", stimuli)
    movie = f"$(touch {MARK})"
    for path in stimuli.glob("step.*"):
        path.rename(stimuli / f"{movie}{path.suffix}")
    for name in ("playlist.csv", "movie_length.csv"):
        text = (stimuli / name).read_text(encoding="utf-8")
        (stimuli / name).write_text(text.replace("step", movie), encoding="utf-8")
    rows = []
    for name in (*IDS, BAD):
        of_one = inputs / f"{name[:5]} {SHELL}"
        of_one.mkdir()
        for file in ("rec.cmcr", "rec-.cmtr"):
            shutil.copy(lab.folder / file, of_one / file)
        rows.append([name, str(of_one / "rec.cmcr"), str(of_one / "rec-.cmtr"), "both"])
    for path in Path(rows[-1][1]).parent.iterdir():
        _lead_to(bait, path)
    _write_table(project / "recordings.tsv", rows)
    _write_table(project / "hostile_ids.tsv", [[word, *rows[0][1:]] for word in WORDS])
    return project


def _lead_to(bait: Path, path: Path) -> None:
    """Let a recording link to a copy of itself in the bait."""
    copy = bait / path.name
    shutil.copy(path, copy)
    with h5py.File(path, "r+") as file:
        (name,) = (n for n in file if isinstance(file.get(n, getlink=True), h5py.HardLink))
        file[f"{name}/more"] = h5py.ExternalLink(str(copy), f"/{name}")


def _write_table(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([["recording", "cmcr", "cmtr", "playlist"], *rows])


def _snakemake(
    project: Path, before: list[str], environment: dict[str, str], table: str, *options: str
) -> subprocess.CompletedProcess[str]:
    (stimuli,) = (project.parent / "inputs").glob("stimuli*")
    settings = {
        "recordings": table,
        "stimuli": str(stimuli),
        "output_dir": OUTPUT,
        "steps": {
            "add_section_time": {"alignment": "warn"},
            "section_spike_times": {},
            "extract_features": {
                "features": ["on_off"],
                "parameters": {"on_off": {"window_s": 0.25, "baseline_s": 0.5}},
            },
            "curate_units": {},
            "compute_sta": {"cover_range": [-3, 0], "z": False},
            "adjust_p_values": {},
        },
    }
    import yaml

    (project / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    own = {
        "HOME": str(project / "home"),
        "XDG_CACHE_HOME": str(project / "home"),
        "XDG_CONFIG_HOME": str(project / "home"),
        "TMPDIR": str(project / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    program = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile")]
    where = ["--workflow-profile", str(ROOT / "profiles/default"), "--cores", "2"]
    return subprocess.run(
        [*before, *program, *where, "--configfile", "config.yaml", *options],
        cwd=project, env=os.environ | own | environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
