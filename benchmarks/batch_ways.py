"""Many small recordings through the workflow by one command, and Snakemake's own memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.contest import ROOT
from hdmea.batch.config import read_config
from hdmea.batch.processing import process
from hdmea.batch.recordings import read_recordings
from hdmea.simulate import simulate_dataset, write_stimulus_library

PLAYLIST, N_UNITS = "tiny", 12
SNAKEMAKE = [
    *(sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile")),
    *("--workflow-profile", str(ROOT / "profiles/default")),
]
_LOOK_EVERY_S = 0.25


def simulate(folder: str, most: int) -> Callable[[], int]:
    """Simulate a recording, and give it to as many folders: the same bytes under other names."""

    def act() -> int:
        made = simulate_dataset(
            Path(folder) / "demo", recordings=1, units=N_UNITS, playlist=PLAYLIST
        )
        (pair,) = made.recordings.values()
        for number in range(most):
            one = Path(folder) / f"recordings/{number:04d}"
            one.mkdir(parents=True)
            for path in (pair.cmcr_path, pair.cmtr_path):
                (one / path.name).hardlink_to(path)
        return len(list((Path(folder) / "recordings").iterdir()))

    return act


def computing(folder: str) -> Callable[[], float]:
    """Processor seconds of one recording in a process that has imported everything."""
    config = read_config(_config(Path(folder), 2))
    first, second = read_recordings(config).values()
    process(config, first)  # what is loaded on the way is loaded

    def act() -> float:
        before = time.process_time()
        process(config, second)
        return time.process_time() - before

    return act


def batch(folder: str, recordings: int, cores: int) -> Callable[[], dict[str, Any]]:
    """Snakemake on so many recordings; what it took, and Snakemake's memory as jobs are done."""
    here = Path(folder) / f"batch_{recordings}"

    def act() -> dict[str, Any]:
        (here / "config").mkdir(parents=True)
        config = _config(Path(folder), recordings) | {
            name: str(here / name) for name in ("output_dir", "work_dir", "steps_dir")
        }
        (here / "config/config.yaml").write_text(yaml.safe_dump(config))
        results, memory = here / "output_dir", []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        program = [*SNAKEMAKE, "--cores", str(cores)]
        with subprocess.Popen(program, cwd=here, stdout=sys.stderr) as running:
            parent = psutil.Process(running.pid)
            while running.poll() is None:
                done = len(list(results.glob("*.h5"))) if results.exists() else 0
                memory.append((done, _resident_bytes(parent)))
                time.sleep(_LOOK_EVERY_S)
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if running.returncode != 0:
            raise RuntimeError(f"snakemake ended with {running.returncode}")
        return {
            "recordings": len(list(results.glob("*.h5"))),
            "seconds": seconds,
            "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "parent_bytes": _by_tenths(memory, recordings),
        }

    return act


def planning(folder: str, recordings: int) -> Callable[[], dict[str, float]]:
    """A dry run of so many recordings, of which only names, sizes and times are looked at."""
    here = Path(folder)
    places = here / "recordings"
    places.mkdir()
    rows = []
    for number in range(recordings):
        name = f"r{number:05d}"
        for path in (places / f"{name}.cmcr", places / f"{name}.cmtr"):
            path.write_bytes(b"looked at by name, size and time only")
        rows.append(f"{name}\t{places / name}.cmcr\t{places / name}.cmtr\t{PLAYLIST}")
    write_stimulus_library(here / "stimuli", PLAYLIST)
    (here / "config").mkdir()
    table = here / "config/recordings.tsv"
    table.write_text("\n".join(["recording\tcmcr\tcmtr\tplaylist", *rows, ""]))
    values = _shipped() | {"recordings": str(table), "stimuli": str(here / "stimuli")}
    (here / "config/config.yaml").write_text(yaml.safe_dump(values))

    def act() -> dict[str, float]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*SNAKEMAKE, "-n"], cwd=here, check=True, stdout=sys.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "recordings": recordings,
            "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "peak_bytes": after.ru_maxrss * 1024,
        }

    return act


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has just ended
        return 0


def _by_tenths(memory: list[tuple[int, int]], recordings: int) -> list[int]:
    """Most memory while the first tenth of the recordings was done, the second, and so on."""
    tenths = [0] * 10
    for done, n_bytes in memory:
        if done > 0:
            tenth = min(9, 10 * (done - 1) // recordings)
            tenths[tenth] = max(tenths[tenth], n_bytes)
    return tenths


def _config(folder: Path, recordings: int) -> dict[str, Any]:
    """The shipped configuration, for the first so many recordings."""
    table = folder / f"recordings_{recordings}.tsv"
    rows = []
    for one in sorted((folder / "recordings").iterdir())[:recordings]:
        (cmcr,), (cmtr,) = one.glob("*.cmcr"), one.glob("*.cmtr")
        rows.append(f"r{one.name}\t{cmcr}\t{cmtr}\t{PLAYLIST}")
    table.write_text("\n".join(["recording\tcmcr\tcmtr\tplaylist", *rows, ""]))
    return _shipped() | {
        "recordings": str(table),
        "stimuli": str(folder / "demo/stimuli"),
        **{name: str(folder / f"alone/{name}") for name in ("output_dir", "work_dir", "steps_dir")},
    }


def _shipped() -> dict[str, Any]:
    """The configuration that is shipped, without the curation table, which is about the demo."""
    values: dict[str, Any] = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    values["steps"]["curate_units"].pop("table", None)
    return values
