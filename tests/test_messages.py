"""docs/errors.md has every error of the code, and messages say what to do."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest
from messages import sites as reading
from messages.page import DOING, PAGE, REMEDIES, rendered, seen
from messages.sites import HOUSE, KINDS, Site, sites, sites_of


def test_the_page_is_that_of_the_code_and_the_tests() -> None:
    assert PAGE.read_text(encoding="utf-8") == rendered(), "run: make errors"


def test_every_error_that_the_code_makes_is_found() -> None:
    made = 0
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                made += ast.unparse(node.func).rpartition(".")[2] in KINDS
    found = sites()
    assert len(found) == made > 300
    assert {site.room for site in found} <= {room for rooms in DOING.values() for room in rooms}


def test_every_kind_has_a_remedy_and_is_raised() -> None:
    assert set(REMEDIES) == set(KINDS) - {"HdmeaError"}
    assert {site.kind for site in sites()} == set(REMEDIES)


def test_text_and_cause_of_an_error_are_read_off_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hdmea/store").mkdir(parents=True)
    module = tmp_path / "hdmea/store/toys.py"
    source = '''
        _ADVICE = "copy it again"

        def open_toy(path):
            """Open a toy.

            Raises
            ------
            FileMissingError
                If there is no toy.
            ParameterError, SessionFileError
                If the toy is broken: its wheel
                is off.
            """
            if not path:
                raise FileMissingError(f"no {path.name} in " "the box; look elsewhere")
            raise SessionFileError("; ".join([f"{path} is broken", _ADVICE]))
    '''
    module.write_text(textwrap.dedent(source), encoding="utf-8")
    monkeypatch.setattr(reading, "ROOT", tmp_path)
    missing, broken = sites_of(module)
    assert missing == Site(
        "hdmea/store/toys.py",
        "FileMissingError",
        "no «name» in the box; look elsewhere",
        "If there is no toy.",
    )
    assert broken.text == "«path» is broken; copy it again"
    assert broken.cause == "If the toy is broken: its wheel is off."
    assert seen(missing, reading.re.compile("in the box; look"))
    assert not seen(missing, reading.re.compile("in the cellar; look"))
