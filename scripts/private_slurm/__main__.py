"""A private SLURM on this computer, for tests and for trying a profile: four nodes.

    python -m scripts.private_slurm start [--accounts] FOLDER    starts it; needs root
    python -m scripts.private_slurm start-node FOLDER NODE       its slurmd, after it was ended
    python -m scripts.private_slurm stop FOLDER                  ends what `start` has started
    python -m scripts.private_slurm with [--accounts] COMMAND .. installs what is missing, starts,
                                                                 runs, stops

The packages slurm-wlm and munge of Debian and Ubuntu are all it needs: no systemd, no cgroups. With
accounts it is a site that has them, which takes slurmdbd and MariaDB's core. Keys, sockets, state
and logs are in FOLDER, and nothing listens beyond 127.0.0.1. Where it cannot be, `with` says why,
runs nothing, and ends well.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from scripts.private_slurm.cluster import run_with_cluster, start, start_node, stop
from scripts.private_slurm.daemons import Refusal


def main(arguments: list[str]) -> int:
    """Do what the command line says; 0, or 1 with the reason on standard error."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # not before all is ended
    accounts = arguments[1:2] == ["--accounts"]
    if accounts:
        del arguments[1]
    try:
        match arguments:
            case ["start", folder]:
                start(Path(folder), accounts=accounts)
            case ["start-node", folder, node] if not accounts:
                start_node(Path(folder), node)
            case ["stop", folder] if not accounts:
                stop(Path(folder))
            case ["with", *command] if command:
                return run_with_cluster(command, accounts=accounts)
            case _:
                raise Refusal(str(__doc__))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
