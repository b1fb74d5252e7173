"""docs/oracles.md tells of every feature, and the peers that it names exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from hdmea.features.registry import FEATURES

TEXT = (Path(__file__).parents[1] / "docs" / "oracles.md").read_text(encoding="utf-8")
PEERS = ("astropy", "elephant", "numpy", "photutils", "pynapple", "scipy", "sklearn", "statsmodels")
NAMED = sorted(set(re.findall(rf"`((?:{'|'.join(PEERS)}|spikeinterface)(?:\.\w+)+)", TEXT)))


def test_every_feature_has_a_section_in_the_order_of_the_definitions() -> None:
    sections = re.findall(r"^## `(\w+)`", TEXT, re.MULTILINE)
    assert [name for name in sections if name in FEATURES] == list(FEATURES)


@pytest.mark.parametrize("name", NAMED)
def test_peers_that_are_named_exist(name: str) -> None:
    module, *rest = name.split(".")
    found = importlib.import_module(module)
    for part in rest:
        module = f"{module}.{part}"
        found = getattr(found, part, None) or importlib.import_module(module)
    assert callable(found)
