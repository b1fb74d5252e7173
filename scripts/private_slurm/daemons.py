"""Programs that are started to be ended again, and nothing else with them.

A folder keeps a list of them: their numbers, and when each of them was started, since numbers are
given again.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_LIST = "started.json"
_LIMIT_S, _END_LIMIT_S, _LOOK_EVERY_S = 30.0, 5.0, 0.05


class Refusal(Exception):  # noqa: N818 - it is an answer
    """Why there can be no private SLURM here."""


class Process(NamedTuple):
    """A process that was started: numbers are given again, times of start are not."""

    name: str
    pid: int
    started: str

    @property
    def is_there(self) -> bool:
        """Whether the number still means this process."""
        return self.started != "" and time_of_start(self.pid) == self.started


def launch(
    folder: Path, program: str, *options: str, name: str = "", environment: dict[str, str]
) -> None:
    """Start a program, and note that it was started for this folder.

    Raises
    ------
    Refusal
        If it ends at once.
    """
    name = name or program
    with (folder / f"{name.replace(' ', '.')}.out").open("ab") as out:
        process = subprocess.Popen(
            [path_of(program), *options],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    note(folder, Process(name, process.pid, time_of_start(process.pid)))
    time.sleep(2 * _LOOK_EVERY_S)
    if process.poll() is not None:
        raise Refusal(f"{name} ended at once with {process.returncode}; see {out.name}")


def demand(
    program: str, *options: str, environment: dict[str, str], limit_s: float = 2 * _LIMIT_S
) -> None:
    """Run a program to its end.

    Raises
    ------
    Refusal
        If it fails, with what it said.
    """
    done = subprocess.run(
        [path_of(program), *options],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
    if done.returncode:
        raise Refusal(f"{program} {' '.join(options)} fails:\n{done.stdout}{done.stderr}".rstrip())


def end(processes: list[Process]) -> None:
    """End processes, the last one first: they are asked, and after a while made to."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in reversed(processes):
            if process.is_there:
                os.kill(process.pid, number)
        deadline = time.monotonic() + _END_LIMIT_S
        while any(process.is_there for process in processes) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)


def note(folder: Path, process: Process) -> None:
    """Add a process to the list of the folder."""
    known = [*noted(folder), process]
    (folder / _LIST).write_text(json.dumps(known), encoding="utf-8")


def noted(folder: Path) -> list[Process]:
    """What was started for the folder, in its order."""
    try:
        return [Process(*entry) for entry in json.loads((folder / _LIST).read_text())]
    except FileNotFoundError:
        return []


def forget(folder: Path) -> None:
    """Remove the list of the folder."""
    (folder / _LIST).unlink(missing_ok=True)


def time_of_start(pid: int) -> str:
    """As the kernel knows it; empty if there is no such process, or only its exit code is left."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *_, started = text.rpartition(") ")[2].split()[:20]
    return "" if state == "Z" else started


def running(names: set[str]) -> list[str]:
    """Those of the programs of which there is a process, whoever has started it.

    Not one that has ended, of which nobody has taken notice.
    """
    there = {path.name: _command(path) for path in Path("/proc").glob("[0-9]*")}
    return sorted(
        {name for pid, name in there.items() if name in names and time_of_start(int(pid))}
    )


def _command(path: Path) -> str:
    try:
        return (path / "comm").read_text(encoding="utf-8").strip()
    except OSError:  # ended meanwhile
        return ""


def path_of(program: str) -> str:
    """Where a program is, also one that only root is expected to start; empty if nowhere."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin") or ""


def free_ports(number: int) -> list[int]:
    """So many ports of the loopback on which nothing listens now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def wait_for(happened: Callable[[], bool], otherwise: str, folder: Path) -> None:
    """Look again and again.

    Raises
    ------
    Refusal
        If it takes too long.
    """
    deadline = time.monotonic() + _LIMIT_S
    while not happened():
        if time.monotonic() > deadline:
            raise Refusal(f"{otherwise} within {_LIMIT_S:.0f} s; see the logs in {folder}")
        time.sleep(2 * _LOOK_EVERY_S)
