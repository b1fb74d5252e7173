"""Several processes at one path: writers and a reader, and writers of whom one may win.

``python -m faults.crowd FOLDER reads N`` and ``... races N`` print what came of it as JSON; the
locks of HDF5 are as the environment says (HDF5_USE_FILE_LOCKING), which counts from the start.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faults.judge import hidden
from faults.scenarios import small_session
from hdmea.arrays import Variable
from hdmea.contribution import Recipe
from hdmea.errors import OutputExistsError, StaleSessionError
from hdmea.pipeline import PipelineSession, verify

WRITERS = 4
_SIZES = (10, 400)
"""Of what is written: whoever reads half of each of two files finds that they do not fit."""


def reads(folder: Path, count: int) -> dict[str, int]:
    """Read a file in four ways while four processes replace it without a pause."""
    path = folder / "rec.h5"
    small_session(_SIZES[0]).save(path)
    stop = folder / "stop"
    children = [_forked(partial(_write, path, stop, number)) for number in range(WRITERS)]
    found: Counter[str] = Counter()
    ways = (_loaded, _lazily, _verified, _plainly)
    try:
        for number in range(count):
            found["reads"] += 1
            try:
                is_whole = ways[number % len(ways)](path)
            except Exception as error:  # noqa: BLE001 (whatever it is, it is what we look for)
                sys.stderr.write(f"{ways[number % len(ways)].__name__}: {error!r}\n")
                is_whole = False
            found["broken"] += not is_whole
    finally:
        stop.touch()
        for child in children:
            said = child()
            found.update({"failed": 1} if said is None else said)
    found["torn"] += not verify(path).is_good
    found["strays"] += len(hidden(folder))
    return dict(found)


def races(folder: Path, count: int) -> dict[str, int]:
    """Let four processes write a new file at the same moment, which none of them may replace."""
    found: Counter[str] = Counter()
    for number in range(count):
        path = folder / f"race_{number}.h5"
        waiting, go = os.pipe()
        racers = [_forked(partial(_race, path, (waiting, go), 10 + one)) for one in range(WRITERS)]
        os.close(waiting)
        os.close(go)  # all of them see the end at once
        ends = [racer() or {"failed": 1} for racer in racers]
        found["races"] += 1
        for end in ends:
            found.update({key: end[key] for key in ("won", "refused", "failed") if key in end})
        winners = [10 + one for one, end in enumerate(ends) if "won" in end]
        found["not_one"] += len(winners) != 1
        found["torn"] += not (_loaded(path) and _size(path) in winners)
    found["strays"] += len(hidden(folder))
    return dict(found)


def _write(path: Path, stop: Path, number: int) -> dict[str, int]:
    """Save until told to stop; one of the writers adds to what it finds, as a step does."""
    rng = np.random.default_rng(number)
    done: Counter[str] = Counter()
    while not stop.exists():
        if number:
            small_session(int(rng.integers(*_SIZES))).save(path)
        else:
            session = PipelineSession.load(path)
            recipe = Recipe("sta.more", "compute_sta", 1, {"n": int(rng.integers(99))}, {}, {})
            more = Variable(np.ones((3, 4)), "1", ("unit", "lag"), "average")
            session.obtain(recipe, lambda more=more: {"sta/more/sta": more})
            try:
                session.write_back()
            except StaleSessionError:  # another one was faster, and it says so
                done["stale"] += 1
                continue
        done["saves"] += 1
    return dict(done)


def _race(path: Path, pipe: tuple[int, int], size: int) -> dict[str, int]:
    """Save as soon as nobody holds the other end of the pipe any more."""
    waiting, go = pipe
    session = small_session(size)
    os.close(go)
    os.read(waiting, 1)
    try:
        session.save(path, overwrite=False)
    except OutputExistsError:
        return {"refused": 1}
    return {"won": 1}


def _loaded(path: Path) -> bool:
    """Load a session and compare all of it with what its length says that it must be."""
    session = PipelineSession.load(path)
    size = int(session.values("recording/duration_s"))
    expected = small_session(size)
    return all(
        np.array_equal(session.values(name), expected.values(name)) for name in expected.paths()
    )


def _lazily(path: Path) -> bool:
    """The same, the large array only when the file has been replaced."""
    session = PipelineSession.load(path)
    size, inode = int(session.values("recording/duration_s")), path.stat().st_ino
    for _ in range(1000):
        if path.stat().st_ino != inode:
            break
    expected = small_session(size).values("sta/noise/sta")
    return np.array_equal(session.values("sta/noise/sta"), expected)


def _verified(path: Path) -> bool:
    return verify(path).is_good


def _plainly(path: Path) -> bool:
    """As a program that knows HDF5 only."""
    with h5py.File(path, "r") as file:
        size = int(file["recording/duration_s"][()])
        expected = small_session(size).values("sta/noise/sta")
        return np.array_equal(file["sta/noise/sta"][...], expected)


def _size(path: Path) -> int:
    return int(PipelineSession.load(path).values("recording/duration_s"))


def _forked(act: Callable[[], dict[str, int]]) -> Callable[[], dict[str, int] | None]:
    """Begin something in a fork; what is returned waits for it, and is None if it failed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(3600)
        code = 1
        try:
            os.write(writing, json.dumps(act()).encode())
            code = 0
        except BaseException as error:  # noqa: BLE001 (told by its code)
            sys.stderr.write(f"{error!r}\n")
        finally:
            os._exit(code)
    os.close(writing)

    def ended() -> dict[str, int] | None:
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        told: dict[str, int] | None = json.loads(said) if status == 0 else None
        return told

    return ended


def main(folder: str, what: str, count: str) -> None:
    """Print what came of it."""
    logging.disable()
    act: dict[str, Callable[[Path, int], dict[str, Any]]] = {"reads": reads, "races": races}
    sys.stdout.write(json.dumps(act[what](Path(folder), int(count))))


if __name__ == "__main__":
    main(*sys.argv[1:])
