"""Start and stop the private SLURM: munged, slurmctld, four slurmd, and what accounting needs."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.private_slurm import accounting
from scripts.private_slurm.daemons import (
    Process,
    Refusal,
    demand,
    end,
    forget,
    free_ports,
    launch,
    note,
    noted,
    path_of,
    running,
    time_of_start,
    wait_for,
)

DAEMONS = ("munged", "slurmctld", "slurmd")
NODES = ("node1", "node2", "node3", "node4")
PACKAGES = ("slurm-wlm", "munge")
SYSTEM_WIDE = Path("/etc/slurm/slurm.conf")
"""Where SLURM's programs look for their configuration where SLURM_CONF is not set: the plugin of
Snakemake takes all SLURM_* from the environment of the job step."""
FOLDER = "HDMEA_SLURM"
"""Variable of the environment of a command that is run `with` a cluster: the cluster's folder."""
CONFIGURATION = Path(__file__).with_name("slurm.conf")
"""Its slurm.conf, in which places, ports and the computer's name are filled in."""
_OWNER = "for whom it was started"
_JOBS_END_WITHIN_S, _INSTALL_LIMIT_S = 30.0, 240


def needed(*, accounts: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Programs, and the packages that have them."""
    programs, packages = (*DAEMONS, "sbatch"), PACKAGES
    if accounts:
        programs += (*accounting.DAEMONS, "mariadb-install-db", "my_print_defaults")
        packages += accounting.PACKAGES
    return programs, packages


def refuse_where_it_cannot_be(*, accounts: bool = False) -> None:
    """Look at user, programs, names and other clusters.

    Raises
    ------
    Refusal
        With the reason.
    """
    if os.geteuid() != 0:
        raise Refusal("SLURM's programs are started as root here, and this is another user")
    programs, packages = needed(accounts=accounts)
    if missing := [name for name in programs if not path_of(name)]:
        raise Refusal(
            f"{', '.join(missing)} not found: apt-get install --no-install-recommends "
            f"{' '.join(packages)}"
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
        started = noted(target.parent)
        if any(process.is_there for process in started if process.name != _OWNER):
            raise Refusal(f"a private SLURM is running in {target.parent}: stop it first")
        nobodys = not target.exists() and target.is_relative_to(tempfile.gettempdir())
        if not started and not nobodys:
            raise Refusal(f"{SYSTEM_WIDE} leads to {target}: that is another cluster's")
    elif SYSTEM_WIDE.exists():
        raise Refusal(f"{SYSTEM_WIDE} is there: this computer belongs to another cluster")
    if others := running({"slurmctld", "slurmd", "slurmdbd"}):
        raise Refusal(f"{', '.join(others)} running here: this computer belongs to a cluster")


def start(folder: Path, *, accounts: bool = False) -> None:
    """Start everything, and wait until all nodes take jobs.

    Raises
    ------
    Refusal
        If it cannot be here, or something does not start; what had been started is ended.
    """
    refuse_where_it_cannot_be(accounts=accounts)
    folder = folder.resolve()
    configuration = folder / "slurm.conf"
    if configuration.exists():
        raise Refusal(f"{folder} has been used: give another folder")
    for inner in (folder, folder / "state", *(folder / f"spool.{node}" for node in NODES)):
        inner.mkdir(parents=True, exist_ok=True)
        inner.chmod(0o755)  # munge's socket is for everybody who has its name
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    configuration.touch()
    SYSTEM_WIDE.parent.mkdir(exist_ok=True)
    SYSTEM_WIDE.unlink(missing_ok=True)  # of a cluster that is gone
    SYSTEM_WIDE.symlink_to(configuration)
    environment = _environment(folder)
    try:
        launch(folder, "munged", "--foreground", *_munge_options(folder), environment=environment)
        wait_for((folder / "munge.socket").exists, "munged made no socket", folder)
        lines = accounting.start(folder, environment) if accounts else accounting.NONE
        _configure(configuration, lines)
        if accounts:
            accounting.open_account(environment)
        launch(folder, "slurmctld", "-D", "-c", environment=environment)
        for node in NODES:
            start_node(folder, node)
        wait_for(lambda: _idle(folder) == len(NODES), "nodes do not take jobs", folder)
    except BaseException:
        stop(folder)
        raise


def _configure(configuration: Path, accounting_lines: str) -> None:
    ports = free_ports(1 + len(NODES))
    text = CONFIGURATION.read_text(encoding="utf-8").format(
        folder=configuration.parent,
        host=socket.gethostname(),
        nodes=",".join(NODES),
        control_port=ports[0],
        node_ports=",".join(map(str, ports[1:])),
        accounting=accounting_lines,
    )
    configuration.write_text(text, encoding="utf-8")


def install(*, accounts: bool = False) -> None:
    """Install the packages if they are missing.

    Raises
    ------
    Refusal
        If they cannot be had, with what was said.
    """
    programs, packages = needed(accounts=accounts)
    if all(path_of(name) for name in programs):
        return
    if os.geteuid() != 0 or not path_of("apt-get"):
        raise Refusal(f"{', '.join(packages)} are not installed: root and apt-get are needed")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        demand("apt-get", "-q", *command, environment=environment, limit_s=_INSTALL_LIMIT_S)


def run_with_cluster(command: list[str], *, accounts: bool = False) -> int:
    """Run a command while there is a private SLURM; its exit code.

    What a process that was killed in this has left running is ended before.
    """
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        install(accounts=accounts)
        _stop_orphans()
        note(folder, Process(_OWNER, os.getpid(), time_of_start(os.getpid())))
        start(folder, accounts=accounts)
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
        owners = [process for process in noted(folder) if process.name == _OWNER]
        if owners and not any(owner.is_there for owner in owners):
            stop(folder)


def start_node(folder: Path, node: str) -> None:
    """Start the daemon of a node, also after it was ended."""
    launch(
        folder, "slurmd", "-D", "-N", node, name=f"slurmd {node}", environment=_environment(folder)
    )


def stop_node(folder: Path, node: str) -> None:
    """End the daemon of a node as a failure does: at once; what runs there goes on."""
    (process,) = (p for p in noted(folder) if p.name == f"slurmd {node}" and p.is_there)
    os.kill(process.pid, signal.SIGKILL)
    wait_for(lambda: not process.is_there, f"slurmd of {node} does not end", folder)


def stop(folder: Path) -> None:
    """End all jobs, then the daemons that `start` has started, the last one first.

    A process that has the number of one of them, and is another, is left alone.
    """
    folder = folder.resolve()
    environment = _environment(folder)
    there = [p for p in noted(folder) if p.name != _OWNER and p.is_there]
    if any(process.name == "slurmctld" for process in there):
        _ask(["scancel", "--user=root", "--full"], environment)
        _ask(["scancel", "--user=root", "--signal=KILL"], environment)
        deadline = time.monotonic() + _JOBS_END_WITHIN_S
        while _ask(["squeue", "--noheader"], environment) and time.monotonic() < deadline:
            time.sleep(0.2)
    end(there)
    if SYSTEM_WIDE.is_symlink() and SYSTEM_WIDE.readlink() == folder / "slurm.conf":
        SYSTEM_WIDE.unlink()
    forget(folder)


def _munge_options(folder: Path) -> list[str]:
    files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munged.pid"}
    files |= {"log-file": "munged.log", "seed-file": "munge.seed"}
    return [f"--{option}={folder / name}" for option, name in files.items()]


def _environment(folder: Path) -> dict[str, str]:
    """Of programs that are to know this cluster, and no other."""
    others = {name for name in os.environ if name.startswith(("SLURM_", "SBATCH_", "SRUN_"))}
    kept = {name: value for name, value in os.environ.items() if name not in others}
    return kept | {"SLURM_CONF": str(folder / "slurm.conf")}


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
