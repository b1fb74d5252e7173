"""Features that take time and memory, and write down that they do: a package for tests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from hdmea.features.declaration import Feature, FeatureResult, Output
from hdmea.features.inputs import FeatureInputs

NOTES, SECONDS, MEGABYTES = "HDMEA_NAP_NOTES", "HDMEA_NAP_S", "HDMEA_NAP_MB"
"""Variables of the environment, because they must not change what is computed: the file that gets a
line at begin and end of each nap, how long a nap takes, what it holds meanwhile."""
BEGUN, DONE = "begun", "done"


class NapParams(BaseModel, extra="forbid"):
    """A nap has no parameters."""


def _nap(name: str) -> Callable[[FeatureInputs, NapParams], FeatureResult]:
    def nap(inputs: FeatureInputs, params: NapParams) -> FeatureResult:  # noqa: ARG001 - a signature
        """Number of spikes of each unit, after a while."""
        _note(BEGUN, name)
        held = np.ones(int(os.environ.get(MEGABYTES, "0")) * 1_000_000 // 8)
        time.sleep(float(os.environ.get(SECONDS, "0")))
        del held
        _note(DONE, name)
        return FeatureResult({"n": np.diff(inputs.spikes.index, prepend=0)})

    return nap


def _note(what: str, name: str) -> None:
    if file := os.environ.get(NOTES):
        with Path(file).open("a", encoding="utf-8") as notes:
            notes.write(f"{what} {name} {os.environ.get('SLURM_JOB_ID', '-')}\n")


def _feature(name: str) -> Feature:
    return Feature(
        name=name,
        version=1,
        params=NapParams,
        needs=frozenset({"spikes"}),
        stimulus_kind=None,
        outputs=(Output("n", "1", "Number of spikes", dtype=np.int64),),
        compute=_nap(name),
        description="The number of spikes, after a while.",
    )


NAPS = tuple(f"nap_{number}" for number in range(8))
FEATURES = {name: _feature(name) for name in NAPS}
globals().update(FEATURES)
