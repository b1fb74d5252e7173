"""Damage single bytes of a recording's files and read them, each time in a forked process.

Run as ``python mcs_fuzz.py FOLDER COUNT SEED``; prints how often which outcome was seen. On
some damaged files HDF5 itself crashes, so this is no place for the test process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections import Counter
from pathlib import Path

import numpy as np
from mcs_recordings import sensor_trace, write_pair

from hdmea.errors import RecordingFileError
from hdmea.mcs import describe, open_cmcr, read_cmtr

DEADLINE_S = 5


def read_everything(path: Path) -> None:
    """Use each way into a file."""
    if path.suffix == ".cmtr":
        read_cmtr(path)
    else:
        with open_cmcr(path) as recording:
            for stream in recording.analog:
                stream.block(0, 0, stream.n_samples)
            for sensor in recording.sensors:
                sensor.uv(0, sensor.shape[0])
            _ = recording.digital_events
    describe(path)


def outcome(path: Path) -> str:
    """Read in a forked process and say how it ended."""
    child = os.fork()
    if child == 0:
        signal.alarm(DEADLINE_S)
        try:
            read_everything(path)
            os._exit(0)
        except RecordingFileError as error:
            os._exit(1 if path.name in str(error) else 2)
        except BaseException:  # noqa: BLE001 (whatever it is, it is what we look for)
            traceback.print_exc()
            os._exit(2)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: "read", 1: "refused", 2: "other", -signal.SIGALRM: "hung"}.get(code, "crashed")


def main(folder: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pair = write_pair(folder, sensor_trace(3, 3, 4, 4))
    seen: Counter[str] = Counter()
    for path in (pair.cmcr, pair.cmtr):
        whole = path.read_bytes()
        # The samples themselves are most of a .cmcr file and never wrong; metadata matter.
        payload = whole.find(np.arange(100_000, 100_028, 7, dtype=np.int32).tobytes())
        places = [
            place
            for place in rng.permutation(len(whole)).tolist()
            if payload < 0 or not payload <= place < payload + 320_000
        ]
        for place in places[:count]:
            damaged = bytearray(whole)
            damaged[place] ^= int(rng.integers(1, 256))
            path.write_bytes(damaged)
            seen[outcome(path)] += 1
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
