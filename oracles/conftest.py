"""Cells that several comparisons share."""

from __future__ import annotations

import pytest
from peers import Cells, population


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors here too, except what elephant has to tell quantities."""
    config.addinivalue_line(
        "filterwarnings", "ignore:The 'copy' argument in Quantity is deprecated"
    )


@pytest.fixture(scope="session")
def cells() -> Cells:
    """Eleven units over 630 s: ten bins of a minute, and half of one."""
    return population(seed=1, duration_s=630.0)
