"""The places in hdmea that raise an error, read from its source."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import hdmea.errors

ROOT = Path(__file__).parents[2]
HOUSE = ROOT / "hdmea"
KINDS: Mapping[str, type[Exception]] = {
    name: kind
    for name, kind in vars(hdmea.errors).items()
    if isinstance(kind, type) and issubclass(kind, hdmea.errors.HdmeaError)
}
GAP = "…"
_ACTS = (
    "accept|add|adjust|allow|ask|bring|call|change|check|choose|compare|compute|convert|copy|"
    "correct|create|date|define|delete|end|export|extract|give|install|keep|leave|let|link|list|"
    "load|look|lower|make|mend|move|name|open|pass|place|put|read|record|remove|rename|repack|"
    "repeat|report|run|save|say|see|select|send|set|show|start|store|take|try|uninstall|"
    "unset|update|use|wait|write"
)
_REMEDY = re.compile(
    rf"(?:^|(?<=[;:,.] )|(?<=, or )|(?<=or, )|(?<=Then |Else ))(?:{_ACTS})\b|"
    r"\b(?:is|are) (?:needed|required)\b|\bmust\b|\bshould\b|did you mean|"
    r"\bknown(?: \w+)?: |What may help|"
    r"\bneeds?\b|[,;] found\b|\bonly\b|\bat (?:most|least)\b|\bor more\b|"
    r"\b(?:it|they|there|these) (?:has|have|had|are): ",
    re.IGNORECASE,
)
_BEGINS = re.compile(
    r"(?:(?<=[;:.] )|(?<=[;:.]\n))"
    rf"(?:The file is damaged|(?:If [^,.;]*, |Else )?(?:{_ACTS})\b(?!:)|Set: )",
    re.IGNORECASE,
)
"""Where a message goes on to what to do."""
_PASSED_ON = re.compile(r"«(?:error|found|mend|problems found|said|why|wrong)»\W*\Z")


@dataclass(frozen=True)
class Site:
    """One place that makes an error.

    Parameters
    ----------
    module
        File, relative to the root.
    kind
        Name of the class.
    text
        The message; what is filled in stands between « and ».
    cause
        What the comment ``Cause:`` above it says, or else the function's documentation of this
        class; empty if neither says anything.
    lines
        First and last line of the call.
    """

    module: str
    kind: str
    text: str
    cause: str
    lines: tuple[int, int] = field(default=(0, 0), compare=False)

    @property
    def span(self) -> range:
        """Numbers of the lines of the call."""
        return range(self.lines[0], self.lines[1] + 1)

    @property
    def room(self) -> str:
        """The room of the house that it is in."""
        return self.module.split("/")[1].removesuffix(".py")

    @property
    def parts(self) -> tuple[str, str]:
        """What is wrong, and what to do; the second is empty if the two are not apart."""
        found = _BEGINS.search(self.text)
        if found is None or not re.sub(rf"«[^»]*»|{GAP}|\W", "", self.text[: found.start()]):
            return self.text, ""
        return self.text[: found.start()].rstrip(" ;:,."), self.text[found.start() :]

    @property
    def says_what_to_do(self) -> bool:
        """Whether the message tells a way out, or what would be right.

        A message that another one of ours ends is not looked into; the other one is.
        """
        own = re.sub(rf"«[^»]*»|{GAP}|\W", "", self.text)
        return not own or bool(_REMEDY.search(self.text) or _PASSED_ON.search(self.text))


@cache
def sites() -> tuple[Site, ...]:
    """All places, in the order of files and lines."""
    return tuple(site for path in sorted(HOUSE.rglob("*.py")) for site in sites_of(path))


def sites_of(path: Path) -> Iterator[Site]:
    """The places of a file."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    constants = _constants(tree)
    lines = source.splitlines()
    found = []
    for around, call in _calls(tree, []):
        named = constants | _named_once(around)
        text = _text(call.args[0], named) if call.args else GAP
        found.append(
            Site(
                path.relative_to(ROOT).as_posix(),
                ast.unparse(call.func),
                re.sub(rf"{GAP}({GAP}|\s)*{GAP}", GAP, text),
                _comment(around, lines) or _documented(ast.unparse(call.func), around, tree),
                (call.lineno, call.end_lineno or call.lineno),
            )
        )
    yield from sorted(found, key=lambda site: site.lines)


def _named_once(around: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """Texts to which the functions around give names, each once."""
    found: dict[str, list[ast.expr]] = defaultdict(list)
    for function in around:
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    found[node.targets[0].id].append(node.value)
    return {
        name: values[0]
        for name, values in found.items()
        if len(values) == 1 and isinstance(values[0], ast.Constant | ast.JoinedStr)
    }


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Texts that a module gives names to, or imports from another one of ours."""
    found = {}
    for node in tree.body:
        match node:
            case ast.ImportFrom(str() as module, names, 0) if module.startswith("hdmea."):
                path = ROOT / f"{module.replace('.', '/')}.py"
                if any(name.name.isupper() for name in names) and path.exists():
                    theirs = _constants(ast.parse(path.read_text(encoding="utf-8")))
                    found |= {name.name: theirs[name.name] for name in names if name.name in theirs}
            case ast.Assign([ast.Name(name)], value):
                found[name] = value
            case ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                found[name] = value
    return found


def _calls(node: ast.AST, around: list[ast.AST]) -> Iterator[tuple[list[ast.AST], ast.Call]]:
    """Calls that make one of our errors, with the statements around each."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
        yield around, node
    if isinstance(node, ast.stmt):
        around = [*around, node]
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, around)


def _text(node: ast.AST, constants: Mapping[str, ast.expr]) -> str:
    """A message, as far as the source tells it."""
    match node:
        case ast.Constant(str() as text):
            return text
        case ast.JoinedStr(values):
            return "".join(_text(value, constants) for value in values)
        case ast.FormattedValue(value):
            return _filled(value, constants)
        case ast.BinOp(left, ast.Add(), right):
            return _text(left, constants) + _text(right, constants)
        case ast.IfExp(_, body, orelse):
            return _text(body, constants) or _text(orelse, constants)
        case ast.Call(ast.Attribute(ast.Constant(str() as between), "join"), [ast.List(items)]):
            return between.join(_text(item, constants) for item in items)
        case _:
            return _filled(node, constants)


def _filled(node: ast.AST, constants: Mapping[str, ast.expr]) -> str:
    """What is put into a message: a constant's text, or the name of what it is."""
    match node:
        case ast.Name(name) if name in constants and isinstance(
            constants[name], ast.Constant | ast.JoinedStr
        ):
            return _text(constants[name], constants)
        case ast.Constant(str() as text):
            return text
        case ast.IfExp(_, body, orelse):
            return _filled(body, constants) or _filled(orelse, constants)
        case ast.Name(name):
            return f"«{name.strip('_').replace('_', ' ')}»"
        case ast.Attribute(_, name):
            return f"«{name.strip('_').replace('_', ' ')}»"
        case ast.Starred(value):
            return _filled(value, constants)
        case ast.Call(ast.Name("sorted" | "str" | "int" | "len" | "map" | "type"), [*_, last]):
            return _filled(last, constants)
        case ast.Call(ast.Attribute(ast.Constant(), "join"), [what]):
            return _filled(what, constants)
        case _:
            return GAP


def _comment(around: list[ast.AST], lines: list[str]) -> str:
    """What a comment right above a statement says after ``Cause:``."""
    said: list[str] = []
    for line in reversed(lines[: getattr(around[-1], "lineno", 1) - 1]):
        if not line.lstrip().startswith("#"):
            break
        said.insert(0, line.strip().removeprefix("#").strip())
    return " ".join(said).partition("Cause: ")[2]


def _documented(kind: str, around: Iterable[ast.AST], tree: ast.Module) -> str:
    """What documentation says of a class under "Raises": the nearest around it, or of callers."""
    functions = [node for node in around if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    for node in reversed(functions):
        if said := _raises(node, kind):
            return said
    asked: set[str] = set()
    names = [node.name for node in functions]
    while names:
        name = names.pop()
        callers = [
            node for node, used in _functions(tree) if name in used and node.name not in asked
        ]
        asked |= {name, *(node.name for node in callers)}
        told = dict.fromkeys(filter(None, (_raises(node, kind) for node in callers)))
        if told:
            return " ".join(told)
        names += [node.name for node in callers]
    return ""


def _raises(node: ast.FunctionDef | ast.ClassDef, kind: str) -> str:
    """What a function's or a class's documentation says of an error; empty if nothing."""
    section = re.search(
        r"^ *Raises\n *-+\n(.*?)(?=\n\n *\w+\n *---|\Z)",
        ast.get_docstring(node) or "",
        re.DOTALL | re.MULTILINE,
    )
    entries = re.findall(
        r"^(\w[\w, ]*)\n((?:    .*(?:\n|\Z))+)", f"{section[1]}\n" if section else "", re.MULTILINE
    )
    return next(
        (" ".join(said.split()) for kinds, said in entries if kind in re.split(", *", kinds)), ""
    )


@cache
def _functions(tree: ast.Module) -> list[tuple[ast.FunctionDef, set[str]]]:
    """Functions of a module, and the names that each calls or hands on."""
    return [
        (
            function,
            {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            | {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)},
        )
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
    ]
