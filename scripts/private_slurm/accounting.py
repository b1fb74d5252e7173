"""Accounting for the private SLURM, as most sites have it: slurmdbd and a database of its own.

The database has its files in the cluster's folder, where root alone comes in, and one user with a
random password, who comes from the loopback.
"""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from scripts.private_slurm.daemons import demand, free_ports, launch, wait_for

DAEMONS = ("mariadbd", "slurmdbd")
PACKAGES = ("slurmdbd", "mariadb-server-core", "mariadb-client-core")
ACCOUNT = "lab"
"""The one account that root may use for jobs."""
NONE = "AccountingStorageType=accounting_storage/none"

DATABASE = """\
CREATE USER slurm@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';
"""
SLURMDBD = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CommunicationParameters=NoInAddrAny
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
DebugLevel=info
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct_db
"""
SLURM = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations"""


def start(folder: Path, environment: dict[str, str]) -> str:
    """Start the database and slurmdbd; lines for slurm.conf.

    Munge must be running, and there must be a slurm.conf, if an empty one.

    Raises
    ------
    Refusal
        If something does not start.
    """
    port, database_port = free_ports(2)
    password = secrets.token_hex(16)
    database = folder / "database"
    database.mkdir(mode=0o700)
    demand(
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={database}/data",
        "--user=root",
        "--skip-test-db",
        "--auth-root-authentication-method=socket",
        environment=environment,
    )
    first = database / "first.sql"
    first.write_text(DATABASE.format(password=password), encoding="utf-8")
    launch(
        folder,
        "mariadbd",
        "--no-defaults",
        f"--datadir={database}/data",
        "--user=root",
        "--bind-address=127.0.0.1",
        "--skip-name-resolve",
        f"--port={database_port}",
        f"--socket={database}/socket",
        f"--init-file={first}",
        environment=environment,
    )
    wait_for(lambda: _listens(database_port), "the database does not listen", folder)
    file = folder / "slurmdbd.conf"
    file.touch(mode=0o600)
    text = SLURMDBD.format(folder=folder, port=port, database_port=database_port, password=password)
    file.write_text(text, encoding="utf-8")
    launch(folder, "slurmdbd", "-D", environment=environment)
    wait_for(lambda: _listens(port), "slurmdbd does not listen", folder)
    return SLURM.format(folder=folder, port=port)


def open_account(environment: dict[str, str]) -> None:
    """Let root use the one account, and no other.

    Raises
    ------
    Refusal
        If slurmdbd does not do it.
    """
    for what in (
        ("add", "cluster", "private"),
        ("add", "account", ACCOUNT, "cluster=private"),
        ("add", "user", "root", f"account={ACCOUNT}", "cluster=private"),
        ("modify", "user", "root", "set", f"defaultaccount={ACCOUNT}"),
        ("delete", "user", "root", "account=root"),
    ):
        demand("sacctmgr", "--immediate", "--quiet", *what, environment=environment)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
