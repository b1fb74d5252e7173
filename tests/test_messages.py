"""docs/errors.md has every error of the code, and messages say what to do."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from messages import sites as reading
from messages.examples import examples, fits, neutral, stored
from messages.page import DOING, PAGE, REMEDIES, rendered
from messages.recording import FOLDER
from messages.sites import HOUSE, KINDS, ROOT, Site, sites, sites_of

TOY = Site(
    "hdmea/store/toys.py", "ParameterError", "no «name» in the box of toys: …", "If lost.", (7, 9)
)


def test_the_page_is_that_of_the_code_and_the_tests() -> None:
    run = "run: PYTHONPATH=docs:. python -m messages"
    assert PAGE.read_text(encoding="utf-8") == rendered(), run


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


def test_a_comment_tells_a_cause_better_and_callers_tell_what_a_helper_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hdmea/store").mkdir(parents=True)
    module = tmp_path / "hdmea/store/toys.py"
    source = '''
        def open_toy(path):
            """Open a toy.

            Raises
            ------
            ParameterError
                If the toy is broken.
            """
            _check(path)
            if path:
                # Children are rough.
                # Cause: the toy was thrown
                # out of the window.
                raise ParameterError("broken")

        def _check(path):
            _wheels(path)

        def _wheels(path):
            raise ParameterError("lame")

        def _alone(path):
            raise ParameterError("alone")
    '''
    module.write_text(textwrap.dedent(source), encoding="utf-8")
    monkeypatch.setattr(reading, "ROOT", tmp_path)
    assert {site.text: site.cause for site in sites_of(module)} == {
        "broken": "the toy was thrown out of the window.",
        "lame": "If the toy is broken.",
        "alone": "",
    }


def test_every_error_that_a_test_meets_is_noted_where_it_was_made(tmp_path: Path) -> None:
    test = tmp_path / "test_toy.py"
    test.write_text(
        "from hdmea.errors import FileMissingError, HdmeaError\n"
        "def test_toy():\n"
        "    error = FileMissingError(\n"
        "        'no toy')\n"
        "    assert isinstance(error, OSError) and str(error) == 'no toy'\n"
    )
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "messages.recording", "--rootdir", tmp_path, test],
        env=os.environ | {FOLDER: str(tmp_path), "PYTHONPATH": f"{ROOT / 'docs'}:{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    (notes,) = tmp_path.glob("*.jsonl")
    assert json.loads(notes.read_text()) == {
        "file": str(test),
        "line": 3,
        "kind": "FileMissingError",
        "text": "no toy",
        "test": "test_toy.py::test_toy",
    }


def note(
    text: str, line: int = 8, test: str = "tests/test_a.py::test_b[1]"
) -> Mapping[str, object]:
    at = {"file": str(ROOT / TOY.module), "line": line, "kind": TOY.kind}
    return at | {"text": text, "test": test}


def test_the_shortest_message_of_a_place_is_its_example_and_no_foreign_one() -> None:
    met = [
        note("no bear in the box of toys: he sleeps"),
        note("no bear in the box of toys: gone"),
        note("no cat"),  # not what this place says
        note("no cat in the box of toys: x", line=10),  # not in its lines
        note("no dog in the box of toys: x", test=""),  # not in a test
    ]
    (found,) = examples(met, [TOY])[TOY]
    assert found == ("no bear in the box of toys: gone", "tests/test_a.py::test_b")


def test_examples_of_a_text_that_is_made_elsewhere_differ_in_more_than_names() -> None:
    site = Site(TOY.module, TOY.kind, "«problems»", "", (8, 8))
    said = ["no toy 'a'", "no toy 'bc'", "toy 1 fell", "toy 23 fell", "x is lost", "so is another"]
    found = [one.said for one in examples(map(note, said), [site])[site]]
    assert found == ["x is lost", "no toy 'a'", "toy 1 fell"]


def test_examples_do_not_tell_on_which_machine_they_were_met() -> None:
    said = "/tmp/pytest-of-me/pytest-7/popen-gw1/test_it0/a/b.h5: <object at 0x7f12ab34cd56>"
    assert neutral(said) == "/data/a/b.h5: <object at 0x...>"
    assert neutral(f"{ROOT}/hdmea, Mon Nov 23 07:14:27 2026") == (
        "/hdmea/hdmea, Mon Jan  5 12:00:00 2026"
    )


def test_examples_are_what_their_places_say() -> None:
    met = stored()
    assert len(met) > 300
    assert [
        one.said for site, shown in met.items() for one in shown if not fits(site, one.said)
    ] == []
    page = PAGE.read_text(encoding="utf-8")
    assert [word for word in ("/tmp/", "/root/", "/home/", str(ROOT)) if word in page] == []
