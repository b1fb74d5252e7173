"""How far something is, on a terminal and in a log."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from hdmea import progress
from hdmea.progress import Progress


def test_a_log_has_a_line_for_every_tenth(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "QUIET_S", -1.0)
    with caplog.at_level(logging.INFO, "hdmea"), Progress("sta/noise", on_terminal=False) as tell:
        for done in range(37):
            tell((done + 1) / 37)
    said = [record.getMessage().split(" after ")[0] for record in caplog.records]
    assert said == [f"sta/noise: {tenth}0 %" for tenth in range(1, 11)]


def test_what_is_soon_done_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hdmea"), Progress("sta/noise", on_terminal=False) as tell:
        tell(0.5)
        tell(1.0)
    assert not caplog.records


def test_a_terminal_has_a_bar_that_is_gone_in_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.0)
    with caplog.at_level(logging.INFO, "hdmea"), Progress("sta/noise") as tell:
        for done in range(4):
            tell((done + 1) / 4)
        shown = sys.stderr.getvalue()
    assert "sta/noise: 100%" in shown
    assert sys.stderr.getvalue().endswith("\r")
    assert not caplog.records
