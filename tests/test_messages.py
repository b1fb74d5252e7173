"""docs/errors.md has every error of the code, and messages say what to do."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from messages import page
from messages import sites as reading
from messages.examples import Example, examples, fits, neutral, stored
from messages.page import DOING, PAGE, REMEDIES, rendered
from messages.recording import FOLDER
from messages.sites import HOUSE, KINDS, ROOT, Site, sites, sites_of

TOY = Site(
    "hdmea/store/toys.py", "ParameterError", "no «name» in the large box of toys: …", "", (7, 9)
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


def test_every_error_says_what_to_do_and_has_a_cause() -> None:
    assert [(site.module, site.text) for site in sites() if not site.says_what_to_do] == []
    assert [(site.module, site.text) for site in sites() if not site.cause] == []
    # A cause, not what the message does.
    begin = [site.cause.partition(" ")[0] for site in sites()]
    assert {word for word in begin if word[0].isupper()} == {"If"}


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        ("«path» is damaged", False),
        ("«path» is damaged: «what»", False),
        ("no step «name»", False),
        ("«path» is damaged; copy it again", True),
        ("«path» is damaged. Copy it again", True),
        ("n must be 0 or more, got «n»", True),
        ("no step «name»; known: «STEPS»", True),
        ("a copy of «path» is damaged", False),  # a noun, not what to do
        ("«where»: «error»", True),  # which says it itself
    ],
)
def test_a_message_that_only_complains_is_noticed(text: str, enough: bool) -> None:
    assert Site("hdmea/store/toys.py", "ParameterError", text, "").says_what_to_do is enough


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("no «what» there; copy it again", ("no «what» there", "copy it again")),
        ("cut. If it is yours, send it", ("cut", "If it is yours, send it")),
        ("«path»: take it", ("«path»: take it", "")),  # nothing is wrong before
        ("n must be 0 or more, got «n»", ("n must be 0 or more, got «n»", "")),
    ],
)
def test_what_is_wrong_and_what_to_do_are_told_apart(text: str, parts: tuple[str, str]) -> None:
    assert Site("hdmea/store/toys.py", "ParameterError", text, "").parts == parts


def test_the_page_shows_an_error_with_all_that_is_known_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "«path»: no_bear <here>; buy one, or «else».\nOr two"
    one, same, other = (
        Site(f"hdmea/store/{name}.py", "ParameterError", said, cause)
        for name, said, cause in (
            ("a", "n must be 1 or more, got «n»", "If `n` is small."),
            ("b", text, "the toy was sold."),
            ("c", text, ""),
        )
    )
    monkeypatch.setattr(page, "sites", lambda: (one, same, other))
    met = {same: [Example("/data/x: no_bear <here>; ...", "tests/test_b.py::test_b")]}
    monkeypatch.setattr(page, "stored", lambda: met)
    section = rendered().partition("## Saving, loading and verifying\n\n")[2].partition("\n\n")[0]
    assert section.splitlines() == [
        "- **n must be 1 or more, got «n»**",
        "  - cause: if `n` is small.",
        "  - what to do: n must be 1 or more",
        "  - `ParameterError` of `hdmea/store/a.py`",
        r"- **«path»: no\_bear \<here\>; buy one, or «else».<br>Or two**",
        r"  - such as: /data/x: no\_bear \<here\>; ...",
        "  - cause: the toy was sold.",
        "  - what to do: Change the value that is named; the message says what it may be.",
        "  - `ParameterError` of `hdmea/store/b.py` and `hdmea/store/c.py`, "
        "met by `tests/test_b.py`",
    ]


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
            told = f"{path} is broken"
            raise SessionFileError("; ".join([told, _ADVICE]))
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
        note("no bear in the large box of toys: he sleeps"),
        note("no bear in the large box of toys: gone"),
        note("no cat"),  # not what this place says
        note("no cat in the large box of toys: x", line=10),  # not in its lines
        note("no dog in the large box of toys: x", test=""),  # not in a test
    ]
    (found,) = examples(met, [TOY])[TOY]
    assert found == ("no bear in the large box of toys: gone", "tests/test_a.py::test_b")


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
    assert len(met) > 0.75 * len(set(sites()))
    assert [
        one.said for site, shown in met.items() for one in shown if not fits(site, one.said)
    ] == []
    # What only a programmer reads.
    inner = re.compile(r"\bnp\.\w+\(|Path\(|\barray\(|<class|<object")
    said = [one.said for shown in met.values() for one in shown]
    assert list(filter(inner.search, said)) == []
    page = PAGE.read_text(encoding="utf-8")
    assert [word for word in ("/tmp/", "/root/", "/home/", str(ROOT)) if word in page] == []
