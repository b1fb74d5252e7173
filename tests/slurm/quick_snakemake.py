"""Snakemake's command line, asking SLURM every few seconds how jobs are, not every ten and more.

Jobs of the cluster are started by Snakemake as always, and know nothing of this.
"""

from __future__ import annotations

import faulthandler
import os
import signal

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

EVERY_S = float(os.environ.get("HDMEA_ASK_EVERY_S", "2"))
RemoteExecutor.next_seconds_between_status_checks = property(lambda _: EVERY_S, lambda *_: None)

if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)  # says where it is
    signal.alarm(400)  # it ends, whatever has become of the tests
    main()
