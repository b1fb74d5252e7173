"""Whether this computer, its disks and its cluster can do a batch: tried, not asked."""

from __future__ import annotations

import fcntl
import os
import platform
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil  # type: ignore[import-untyped] # ships no types

from hdmea.batch.config import WorkflowConfig
from hdmea.batch.plan import require_inputs
from hdmea.batch.recordings import Recording, require_past
from hdmea.batch.resources import job_memory_mb
from hdmea.errors import HdmeaError
from hdmea.mcs import probe_pair
from hdmea.session.memory import free_bytes

_PACKAGES = ("snakemake", "h5py", "numpy", "scipy", "pandas", "McsPyDataTools")
_OF_MEMORY = ("tmpfs", "ramfs")
_SLOW_FSYNC_S = 1.0
_CLOCKS_DIFFER_S = 1.0
_ANSWER_S = 10.0
_KEPT_PER_BYTE = 3
"""Results, work folder and parts together take this, of each byte of a sorted file, at least."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Parameters
    ----------
    state
        ``ok``; ``note``: it works, but know this; ``bad``: mend it first.
    said
        What was found.
    remedy
        What to do.
    """

    state: Literal["ok", "note", "bad"]
    said: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:<5}{self.said}" + (f". {self.remedy}" if self.remedy else "")


def examine(
    sample: Path, config: WorkflowConfig | None = None, recordings: Iterable[Recording] = ()
) -> Iterator[Finding]:
    """Try what a batch needs, thing by thing.

    Parameters
    ----------
    sample
        A sorted recording that is whole, for the vendor's reader.
    config, recordings
        The batch; without one, this computer and the working directory are looked at.
    """
    by_name = {recording.name: recording for recording in recordings}
    yield _software()
    yield _vendor(sample)
    if config is not None:
        yield _inputs(config, by_name)
        yield _memory(by_name)
    places = {"."} if config is None else {config.output_dir, config.steps_dir, config.work_dir}
    for place in sorted(filter(None, places)):
        yield from _disk(Path(place))
    if config is not None:
        yield _space(config, by_name)
    yield _cluster()


def _software() -> Finding:
    found = {}
    for package in ("hdmea", *_PACKAGES):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    said = ", ".join(f"{name} {number}" for name, number in found.items())
    said = f"Python {platform.python_version()}, {said}"
    missing = [package for package in _PACKAGES if package not in found]
    if missing:
        return Finding(
            "bad", f"{said}; missing: {', '.join(missing)}", "Make the environment anew: make venv"
        )
    return Finding("ok", said)


def _vendor(sample: Path) -> Finding:
    began = time.monotonic()
    try:
        report = probe_pair(None, sample)
    except HdmeaError as error:
        return Finding(
            "bad",
            f"McsPyDataTools does not read a whole recording in its own process: {error}",
            "Make the environment anew; if it stays so, load_recording: {probe: off} leaves the "
            "comparison with the vendor's reader out",
        )
    took_s = time.monotonic() - began
    return Finding(
        "ok", f"McsPyDataTools {report.vendor_version} works in its own process ({took_s:.1f} s)"
    )


def _inputs(config: WorkflowConfig, recordings: Mapping[str, Recording]) -> Finding:
    try:
        require_inputs(config, recordings)
        require_past(recordings.values())
    except HdmeaError as error:
        return Finding("bad", str(error))
    n = len(recordings)
    return Finding("ok", f"{n} recording{'s' if n != 1 else ''}: files, playlists and movies there")


def _memory(recordings: Mapping[str, Recording]) -> Finding:
    needed = {
        name: job_memory_mb("process_recording", [_bytes(one.files.get("cmtr"))])
        for name, one in recordings.items()
    }
    largest = max(needed, key=lambda name: needed[name])
    there_mb = psutil.virtual_memory().total / 1e6
    said = (
        f"memory {there_mb / 1e3:.1f} GB, {free_bytes() / 1e9:.1f} GB of it free; the largest job, "
        f"{largest}, asks for {needed[largest] / 1e3:.1f} GB"
    )
    if needed[largest] > there_mb:
        return Finding("bad", said, "Process it on a computer with more, or leave it out: exclude")
    at_once = int(there_mb // needed[largest])
    cores = len(os.sched_getaffinity(0))
    if at_once < cores:
        return Finding(
            "note",
            f"{said}, so {at_once} of them fit at once, on {cores} cores",
            f"Say so to snakemake: --resources mem_mb={int(there_mb)}",
        )
    return Finding("ok", said)


def _disk(place: Path) -> Iterator[Finding]:
    """Try on a folder's disk what whole files and one worker at a time rely on."""
    folder = _existing(place)
    name, kind = f"{place}/", _kind(folder)
    stem = folder / f".doctor.{secrets.token_hex(8)}"
    one, two = stem.with_suffix(".one"), stem.with_suffix(".two")
    try:
        began = time.monotonic()
        with one.open("xb") as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
        took_s = time.monotonic() - began
        ahead_s = one.stat().st_mtime - time.time()
        yield _synced(name, kind, took_s)
        if abs(ahead_s) > _CLOCKS_DIFFER_S:
            yield Finding(
                "bad",
                f"{name}: its clock is {abs(ahead_s):.0f} s {'ahead' if ahead_s > 0 else 'behind'}",
                "Snakemake goes by the times of files: set the clocks of both computers (NTP)",
            )
        yield _linked(name, one, two)
        yield _locked(name, one)
        one.replace(two)
    except OSError as error:
        yield Finding(
            "bad",
            f"{name} cannot be written to: {error.strerror or error}",
            "Choose another folder in the configuration, or get the right to write",
        )
    finally:
        one.unlink(missing_ok=True)
        two.unlink(missing_ok=True)


def _synced(name: str, kind: str, took_s: float) -> Finding:
    said = f"{name} ({kind}): a file is on disk after {took_s * 1e3:.0f} ms"
    if kind in _OF_MEMORY:
        return Finding(
            "note", f"{said}, but this disk is memory", "It is gone when the computer is restarted"
        )
    if took_s > _SLOW_FSYNC_S:
        return Finding("note", said, "That is slow: a fast disk for work_dir and steps_dir helps")
    return Finding("ok", said)


def _linked(name: str, one: Path, two: Path) -> Finding:
    try:
        two.hardlink_to(one)
    except OSError as error:
        return Finding(
            "note",
            f"{name}: no hard links ({error.strerror})",
            "Then a changed parameter computes a recording anew in deferred mode; put work_dir and "
            "output_dir on a disk that has them, or use immediate mode",
        )
    two.unlink()
    return Finding("ok", f"{name}: hard links work")


def _locked(name: str, path: Path) -> Finding:
    with path.open("rb") as first, path.open("rb") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return Finding(
                "note",
                f"{name}: no file locks ({error.strerror})",
                "What killed runs leave there is removed after a time, not at once",
            )
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return Finding("ok", f"{name}: file locks work")
    return Finding(
        "note", f"{name}: file locks are granted to all who ask", "Run one workflow at a time there"
    )


def _space(config: WorkflowConfig, recordings: Mapping[str, Recording]) -> Finding:
    free = shutil.disk_usage(_existing(Path(config.output_dir))).free
    open_ones = [
        one for one in recordings.values() if not (config.results_dir / f"{one.name}.h5").exists()
    ]
    needed = _KEPT_PER_BYTE * sum(_bytes(one.files.get("cmtr")) for one in open_ones)
    said = (
        f"{config.output_dir}/ has {free / 1e9:.1f} GB free; {len(open_ones)} recordings without a "
        f"result need at least {needed / 1e9:.1f} GB, and STAs units x lags x pixels x 8 bytes"
    )
    if needed > free:
        return Finding("bad", said, "Make room, or process part of them: only")
    return Finding("ok", said)


def _cluster() -> Finding:
    if shutil.which("sbatch") is None:
        return Finding("ok", "no SLURM here: jobs run on this computer (profiles/default)")
    polled = "snakemake --workflow-profile profiles/slurm"
    if not _answers(["squeue", "--noheader", "--me"]):
        return Finding(
            "bad",
            f"SLURM is installed, but squeue does not answer within {_ANSWER_S:.0f} s",
            "Ask its administrators, or whether jobs may be started from this computer",
        )
    accounting = shutil.which("sacct") and _answers(["sacct", "--noheader", "--allocations"])
    if not accounting:
        return Finding(
            "note",
            "SLURM answers; it keeps no accounts (sacct fails)",
            f"It must be asked by squeue, as {polled} does",
        )
    return Finding("ok", f"SLURM answers, squeue and sacct: {polled}, which asks squeue")


def _answers(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _existing(place: Path) -> Path:
    """The folder, or the one above it that is there."""
    place = place.absolute()
    return next(folder for folder in (place, *place.parents) if folder.is_dir())


def _kind(folder: Path) -> str:
    """The file system's."""
    found = folder.resolve()
    mounted = [
        part for part in psutil.disk_partitions(all=True) if found.is_relative_to(part.mountpoint)
    ]
    best = max(mounted, key=lambda part: len(part.mountpoint), default=None)
    return "unknown" if best is None else str(best.fstype)


def _bytes(path: str | None) -> int:
    try:
        return Path(path).stat().st_size if path else 0
    except OSError:  # that it is missing is said elsewhere
        return 0
