"""A private SLURM on this computer, for tests and for trying a profile: four nodes, no accounts.

    python scripts/slurm_cluster.py start FOLDER     munged, slurmctld, four slurmd; needs root
    python scripts/slurm_cluster.py start-node FOLDER NODE    its slurmd, after it was ended
    python scripts/slurm_cluster.py stop FOLDER      ends what `start` has started, and no more
    python scripts/slurm_cluster.py with COMMAND ..  installs what is missing, starts, runs, stops

The packages slurm-wlm and munge of Debian and Ubuntu are all it needs: no systemd, no cgroups, no
database. Keys, sockets, state and logs are in FOLDER, and nothing listens beyond 127.0.0.1. Where
it cannot be, `with` says why, runs nothing, and ends well.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

DAEMONS = ("munged", "slurmctld", "slurmd")
NODES = ("node1", "node2", "node3", "node4")
PACKAGES = ("slurm-wlm", "munge")
SYSTEM_WIDE = Path("/etc/slurm/slurm.conf")
"""Where SLURM's programs look for their configuration where SLURM_CONF is not set: the plugin of
Snakemake takes all SLURM_* from the environment of the job step."""
FOLDER = "HDMEA_SLURM"
"""Variable of the environment of a command that is run `with` a cluster: the cluster's folder."""
_STARTED, _OWNER = "started.json", "for whom it was started"
_LIMIT_S = 30.0

CONFIGURATION = Path(__file__).with_name("private_slurm.conf")
"""Its slurm.conf, in which places, ports and the computer's name are filled in."""


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
        return self.started != "" and _time_of_start(self.pid) == self.started


def refuse_where_it_cannot_be() -> None:
    """Look at user, programs, names and other clusters.

    Raises
    ------
    Refusal
        With the reason.
    """
    if os.geteuid() != 0:
        raise Refusal("SLURM's programs are started as root here, and this is another user")
    missing = [name for name in (*DAEMONS, "sbatch") if not _program(name)]
    if missing:
        raise Refusal(
            f"{', '.join(missing)} not found: apt-get install --no-install-recommends "
            f"{' '.join(PACKAGES)}"
        )
    host = socket.gethostname()
    try:
        address = socket.gethostbyname(host)
    except OSError as error:
        raise Refusal(f"the name of this computer, {host}, has no address: {error}") from error
    if not address.startswith("127."):
        raise Refusal(
            f"the name of this computer, {host}, is {address}: SLURM would listen there; "
            "it must be an address of the loopback in /etc/hosts"
        )
    if SYSTEM_WIDE.is_symlink():
        target = SYSTEM_WIDE.readlink()
        started = _started(target.parent)
        if any(process.is_there for process in started if process.name != _OWNER):
            raise Refusal(f"a private SLURM is running in {target.parent}: stop it first")
        nobodys = not target.exists() and target.is_relative_to(tempfile.gettempdir())
        if not started and not nobodys:
            raise Refusal(f"{SYSTEM_WIDE} leads to {target}: that is another cluster's")
    elif SYSTEM_WIDE.exists():
        raise Refusal(f"{SYSTEM_WIDE} is there: this computer belongs to another cluster")
    if others := _running({"slurmctld", "slurmd"}):
        raise Refusal(f"{', '.join(others)} running here: this computer belongs to a cluster")


def start(folder: Path) -> None:
    """Start everything, and wait until all nodes take jobs.

    Raises
    ------
    Refusal
        If it cannot be here, or something does not start; what had been started is ended.
    """
    refuse_where_it_cannot_be()
    folder = folder.resolve()
    if (folder / "slurm.conf").exists():
        raise Refusal(f"{folder} has been used: give another folder")
    for inner in (folder, folder / "state", *(folder / f"spool.{node}" for node in NODES)):
        inner.mkdir(parents=True, exist_ok=True)
        inner.chmod(0o755)  # munge's socket is for everybody who has its name
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    ports = _free_ports(1 + len(NODES))
    text = CONFIGURATION.read_text(encoding="utf-8").format(
        folder=folder,
        host=socket.gethostname(),
        nodes=",".join(NODES),
        control_port=ports[0],
        node_ports=",".join(map(str, ports[1:])),
    )
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    SYSTEM_WIDE.parent.mkdir(exist_ok=True)
    SYSTEM_WIDE.unlink(missing_ok=True)  # of a cluster that is gone
    SYSTEM_WIDE.symlink_to(folder / "slurm.conf")
    try:
        _launch(folder, "munged", "--foreground", *_munge_options(folder))
        _wait_for((folder / "munge.socket").exists, "munged made no socket", folder)
        _launch(folder, "slurmctld", "-D", "-c")
        for node in NODES:
            start_node(folder, node)
        _wait_for(lambda: _idle(folder) == len(NODES), "nodes do not take jobs", folder)
    except BaseException:
        stop(folder)
        raise


def install() -> None:
    """Install the packages of SLURM and munge if they are missing.

    Raises
    ------
    Refusal
        If they cannot be had, with what was said.
    """
    if all(_program(name) for name in (*DAEMONS, "sbatch")):
        return
    if os.geteuid() != 0 or not _program("apt-get"):
        raise Refusal(
            f"{' and '.join(PACKAGES)} are not installed, and root and apt-get are needed"
        )
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-q", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if done.returncode:
            raise Refusal(
                f"apt-get {' '.join(command)} fails:\n{done.stdout}{done.stderr}".rstrip()
            )


def run_with_cluster(command: list[str]) -> int:
    """Run a command while there is a private SLURM; its exit code.

    What a process that was killed in this has left running is ended before.
    """
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        install()
        _stop_orphans()
        _note(folder, Process(_OWNER, os.getpid(), _time_of_start(os.getpid())))
        start(folder)
        done = subprocess.run(
            command, env=_environment(folder) | {FOLDER: str(folder)}, check=False
        )
    except (Refusal, subprocess.TimeoutExpired) as reason:
        print(f"SKIPPED, there can be no SLURM here: {reason}", file=sys.stderr)
        return 0
    finally:
        stop(folder)
        shutil.rmtree(folder)
    return done.returncode


def _stop_orphans() -> None:
    if SYSTEM_WIDE.is_symlink():
        folder = SYSTEM_WIDE.readlink().parent
        owners = [process for process in _started(folder) if process.name == _OWNER]
        if owners and not any(owner.is_there for owner in owners):
            stop(folder)


def start_node(folder: Path, node: str) -> None:
    """Start the daemon of a node, also after it was ended."""
    _launch(folder, "slurmd", "-D", "-N", node)


def stop_node(folder: Path, node: str) -> None:
    """End the daemon of a node as a failure does: at once; what runs there goes on."""
    (process,) = (p for p in _started(folder) if p.name == f"slurmd {node}" and p.is_there)
    os.kill(process.pid, signal.SIGKILL)
    _wait_for(lambda: not process.is_there, f"slurmd of {node} does not end", folder)


def stop(folder: Path) -> None:
    """End all jobs, then the daemons that `start` has started, the last one first.

    A process that has the number of one of them, and is another, is left alone.
    """
    folder = folder.resolve()
    environment = _environment(folder)
    started = [process for process in _started(folder) if process.name != _OWNER]
    there = [process for process in started if process.is_there]
    if any(process.name == "slurmctld" for process in there):
        _ask(["scancel", "--user=root", "--full"], environment)
        _ask(["scancel", "--user=root", "--signal=KILL"], environment)
        deadline = time.monotonic() + _LIMIT_S
        while _ask(["squeue", "--noheader"], environment) and time.monotonic() < deadline:
            time.sleep(0.2)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in reversed(there):
            if process.is_there:
                os.kill(process.pid, number)
        deadline = time.monotonic() + 5
        while any(process.is_there for process in there) and time.monotonic() < deadline:
            time.sleep(0.05)
    if SYSTEM_WIDE.is_symlink() and SYSTEM_WIDE.readlink() == folder / "slurm.conf":
        SYSTEM_WIDE.unlink()
    (folder / _STARTED).unlink(missing_ok=True)


def _launch(folder: Path, program: str, *options: str) -> None:
    name = " ".join([program, *options[2:]]) if program == "slurmd" else program
    with (folder / f"{name.replace(' ', '.')}.out").open("ab") as out:
        process = subprocess.Popen(
            [_program(program), *options],
            env=_environment(folder),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    _note(folder, Process(name, process.pid, _time_of_start(process.pid)))
    time.sleep(0.1)
    if process.poll() is not None:
        raise Refusal(f"{name} ended at once with {process.returncode}; see {out.name}")


def _munge_options(folder: Path) -> list[str]:
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
    files |= {"log-file": "munged.log", "seed-file": "munge.seed"}
    return [f"--{option}={folder / name}" for option, name in files.items()]


def _environment(folder: Path) -> dict[str, str]:
    """Of programs that are to know this cluster, and no other."""
    others = {name for name in os.environ if name.startswith(("SLURM_", "SBATCH_", "SRUN_"))}
    kept = {name: value for name, value in os.environ.items() if name not in others}
    return kept | {"SLURM_CONF": str(folder / "slurm.conf")}


def _running(names: set[str]) -> list[str]:
    """Those of the programs of which there is a process."""
    found = {_command(path) for path in Path("/proc").glob("[0-9]*/comm")}
    return sorted(names & found)


def _command(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:  # ended meanwhile
        return ""


def _note(folder: Path, process: Process) -> None:
    known = [*_started(folder), process]
    (folder / _STARTED).write_text(json.dumps(known), encoding="utf-8")


def _started(folder: Path) -> list[Process]:
    try:
        return [Process(*entry) for entry in json.loads((folder / _STARTED).read_text())]
    except FileNotFoundError:
        return []


def _time_of_start(pid: int) -> str:
    """As the kernel knows it; empty if there is no such process, or only its exit code is left."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    state, *_, started = text.rpartition(") ")[2].split()[:20]
    return "" if state == "Z" else started


def _program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin") or ""


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def _ask(command: list[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=10, check=False
        )
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()


def _idle(folder: Path) -> int:
    said = _ask(["sinfo", "--noheader", "--Node", "--format=%N %T"], _environment(folder))
    return len({line for line in said.splitlines() if line.endswith(" idle")})


def _wait_for(happened: Callable[[], bool], otherwise: str, folder: Path) -> None:
    deadline = time.monotonic() + _LIMIT_S
    while not happened():
        if time.monotonic() > deadline:
            raise Refusal(f"{otherwise} within {_LIMIT_S:.0f} s; see the logs in {folder}")
        time.sleep(0.1)


def main(arguments: list[str]) -> int:
    """Do what the command line says; 0, or 1 with the reason on standard error."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not before all is ended
    try:
        match arguments:
            case ["start", folder]:
                start(Path(folder))
            case ["start-node", folder, node]:
                start_node(Path(folder), node)
            case ["stop", folder]:
                stop(Path(folder))
            case ["with", *command] if command:
                return run_with_cluster(command)
            case _:
                raise Refusal(str(__doc__))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
