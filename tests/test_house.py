"""The house's own rules, as docs/design.md states them: who may import whom, and who knows what."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "hdmea"
MODULES = sorted(HOUSE.rglob("*.py"))

GROUND = {
    "arrays", "contribution", "digest", "errors", "interruption", "pieces", "progress",
    "spare_memory", "terminal", "tsv", "validation",
}  # fmt: skip
"""Modules that belong to no room; they import each other only."""
MAY_IMPORT: dict[str, set[str]] = {
    "kernels": set(),
    "stimulus": set(),
    "mcs": set(),
    "features": {"kernels", "stimulus"},
    "store": set(),
    "session": {"store"},
    "steps": {"mcs", "stimulus", "kernels", "features", "session"},
    "compare": {"kernels", "mcs", "session", "store"},
    "export": {"kernels", "session", "store"},
    "report": {"export", "kernels", "session", "stimulus", "store"},
    "simulate": {"mcs", "stimulus", "store"},
    "batch": {"features", "mcs", "session", "steps", "stimulus", "store"},
    "pipeline": {"compare", "export", "report", "session", "steps", "store"},
    "cli": {
        "batch",
        "compare",
        "export",
        "mcs",
        "report",
        "session",
        "simulate",
        "steps",
        "stimulus",
        "store",
    },
    "__main__": {"cli"},
    **{name: set() for name in GROUND},
}
KNOW_HDF5 = {"store", "mcs", "simulate", "export", "compare"}
PUBLIC = {"hdmea.pipeline", "hdmea.batch"}
"""All that workflow and scripts know of the library."""
MODES = {"hdmea/steps/functions.py"}
"""The one place that knows the two modes."""
RUNNERS = MODES | {"hdmea/steps/running.py"}
"""They open and write what steps work on."""
OF_FILES = {
    "checkpoint", "default_path", "from_parts", "hdf5_path", "load", "owns", "save", "save_part",
    "save_state", "write_back",
}  # fmt: skip


def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def room_of(name: str) -> str:
    """Room, or module of the ground, of a file: ``hdmea/mcs/tree.py`` is in ``mcs``."""
    return name.split("/")[1].removesuffix(".py")


def imported(text: str) -> Iterator[str]:
    """Full names of all that is imported, at any depth, for type checkers too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(name: str, text: str) -> list[str]:
    """Imports that a module of the house may not have."""
    room = room_of(name)
    allowed = MAY_IMPORT[room] | GROUND | {room}
    wrong = []
    for target in imported(text):
        package, *inside = target.split(".")
        if package == "h5py" and room not in KNOW_HDF5:
            wrong.append(target)
        if package == "hdmea" and inside[:1] != ["__version__"] and inside[0] not in allowed:
            wrong.append(target)
    return wrong


def wrong_names(text: str) -> list[str]:
    """Names of the house, or of HDF5, that workflow and scripts may not import."""
    names = re.findall(r"^\s*(?:from|import)\s+((?:hdmea|h5py)\b[\w.]*)", text, re.MULTILINE)
    return [name for name in names if name not in PUBLIC]


def asks_for_mode(text: str) -> list[int]:
    """Lines in which it is asked whether there is a session, or a file."""

    def is_mode(node: ast.AST) -> bool:
        return isinstance(node, ast.Name) and node.id in {"session", "hdf5_path", "output_path"}

    lines = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Compare(left, [ast.Is() | ast.IsNot() | ast.Eq() | ast.NotEq()], [right]):
                asked = [left, right] if is_none(left) or is_none(right) else []
            case ast.If(test) | ast.IfExp(test) | ast.While(test) | ast.Assert(test):
                asked = [test]
            case ast.BoolOp(values=values):
                asked = values
            case ast.UnaryOp(ast.Not(), operand):
                asked = [operand]
            case ast.Call(ast.Name("isinstance"), [subject, *_]):
                asked = [subject]
            case _:
                asked = []
        if any(map(is_mode, asked)):
            lines.append(node.lineno)
    return lines


def is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def uses_of_files(text: str) -> list[str]:
    """What is used of a session, or of its class, that has to do with its file."""
    return [
        node.attr
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in {"session", "PipelineSession"}
        and node.attr in OF_FILES
    ]


# -- rules -----------------------------------------------------------------------------------------


def test_every_room_has_its_directions_and_none_leads_back() -> None:
    rooms = {room_of(name_of(path)) for path in MODULES} - {"__init__"}
    assert rooms == set(MAY_IMPORT)
    assert {room for room in rooms if (HOUSE / f"{room}.py").exists()} == {
        *GROUND,
        "__main__",
    }
    assert len(tuple(TopologicalSorter(MAY_IMPORT).static_order())) == len(MAY_IMPORT)


def test_imports_go_one_way() -> None:
    wrong = {
        name: imports
        for path in MODULES
        if (name := name_of(path)) != "hdmea/__init__.py"
        and (imports := wrong_imports(name, source(path)))
    }
    assert wrong == {}


def test_workflow_and_scripts_know_the_public_names_only() -> None:
    files = [
        *(ROOT / "scripts").glob("*.py"),
        ROOT / "workflow/Snakefile",
        *(ROOT / "workflow/rules").glob("*.smk"),
    ]
    assert len(files) > 8
    assert {name_of(path): wrong for path in files if (wrong := wrong_names(source(path)))} == {}


def test_modules_are_short_and_packages_say_what_they_are() -> None:
    lines = {name_of(path): source(path).count("\n") for path in MODULES}
    assert {name: n for name, n in lines.items() if n >= 400} == {}
    folders = {path.parent for path in MODULES}
    silent = [
        name_of(folder)
        for folder in folders
        if not ast.get_docstring(ast.parse(source(folder / "__init__.py")))
    ]
    assert silent == []


def test_no_step_knows_the_two_modes() -> None:
    steps = {name_of(path): source(path) for path in (HOUSE / "steps").glob("*.py")}
    assert RUNNERS.issubset(steps)
    assert {
        name: lines
        for name, text in steps.items()
        if name not in MODES and (lines := asks_for_mode(text))
    } == {}
    assert {
        name: used
        for name, text in steps.items()
        if name not in RUNNERS and (used := uses_of_files(text))
    } == {}
    assert all(asks_for_mode(steps[name]) for name in MODES)


# -- broken rules are found ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("hdmea/kernels/psth.py", "from hdmea.session import PipelineSession"),
        ("hdmea/kernels/psth.py", "def f():\n    import h5py"),
        ("hdmea/kernels/psth.py", "from h5py import File"),
        ("hdmea/features/frif.py", "from hdmea.steps.inputs import spike_trains"),
        ("hdmea/stimulus/clock.py", "from hdmea import mcs"),
        ("hdmea/stimulus/clock.py", "import hdmea.store.reader"),
        ("hdmea/session/state.py", "from hdmea.steps.step import Step"),
        ("hdmea/session/state.py", "import h5py.h5f as low"),
        ("hdmea/store/reader.py", "if TYPE_CHECKING:\n    from hdmea.session import state"),
        ("hdmea/store/reader.py", "from hdmea.steps import step"),
        ("hdmea/steps/step.py", "from hdmea.pipeline import load_recording"),
        ("hdmea/batch/plan.py", "from hdmea import pipeline"),
        ("hdmea/errors.py", "from hdmea.store import format"),
        ("hdmea/cli/run.py", "import hdmea.pipeline"),
    ],
)
def test_a_wrong_import_is_found(name: str, line: str) -> None:
    assert (ROOT / name).exists()
    assert len(wrong_imports(name, line)) == 1


def test_right_imports_are_not() -> None:
    assert (
        wrong_imports("hdmea/store/reader.py", "import h5py\nfrom hdmea import __version__") == []
    )
    assert (
        wrong_imports("hdmea/session/state.py", "from hdmea.store.reader import SessionFile") == []
    )


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("from hdmea.pipeline import save", 0),
        ("from hdmea.batch import (\n    read_config,\n)", 0),
        ("from hdmea.batch.config import read_config", 1),
        ("    import hdmea.session", 1),
        ("from hdmea import batch", 1),
        ("import h5py", 1),
        ("import h5pyd", 0),
    ],
)
def test_a_wrong_name_in_the_workflow_is_found(line: str, wrong: int) -> None:
    assert len(wrong_names(line)) == wrong


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("if session is None: pass", 1),
        ("x = 1 if None is not session else 2", 1),
        ("if session: pass", 1),
        ("x = session or 3", 1),
        ("x = not session", 1),
        ("isinstance(session, PipelineSession)", 1),
        ("if output_path is not None: pass", 1),
        ("if session.cmcr_path is None: pass", 0),
        ("if 'units' in session: pass", 0),
    ],
)
def test_a_step_that_asks_for_the_mode_is_found(line: str, asks: int) -> None:
    assert len(asks_for_mode(line)) == asks


def test_a_step_that_uses_the_file_is_found() -> None:
    assert uses_of_files("session.save()\nsession.values('x')\nPipelineSession.load(p)") == [
        "save", "load",
    ]  # fmt: skip
