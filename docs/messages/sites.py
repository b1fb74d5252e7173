"""The places in hdmea that raise an error, read from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    "accept|add|adjust|allow|ask|bring|call|change|check|choose|compare|compute|convert|copy|create|"
    "date|define|delete|export|extract|give|install|keep|leave|let|link|list|load|look|lower|make|"
    "move|name|open|pass|place|put|read|record|remove|rename|repeat|report|run|save|say|see|select|"
    "send|set|show|start|store|take|try|unset|update|use|wait|write"
)
_REMEDY = re.compile(
    rf"(?:^|(?<=[;:,.] )|(?<=, or )|(?<=or, )|(?<=Then ))(?:{_ACTS})\b|"
    r"\b(?:is|are) (?:needed|required)\b|\bmust\b|\bshould\b|did you mean|\bknown: |What may help|"
    r"\bneeds\b|\bonly\b|\bat (?:most|least)\b|\bor more\b|\b(?:it|they) (?:has|have|had): ",
    re.IGNORECASE,
)


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
        What the function's documentation says of this class; empty if it says nothing.
    """

    module: str
    kind: str
    text: str
    cause: str

    @property
    def room(self) -> str:
        """The room of the house that it is in."""
        return self.module.split("/")[1].removesuffix(".py")

    @property
    def says_what_to_do(self) -> bool:
        """Whether the message tells a way out, or what would be right.

        A message that another function made is not looked into.
        """
        return self.text == GAP or bool(_REMEDY.search(self.text)) or self.text.endswith("»")


def sites() -> list[Site]:
    """All places, in the order of files and lines."""
    return [site for path in sorted(HOUSE.rglob("*.py")) for site in sites_of(path)]


def sites_of(path: Path) -> Iterator[Site]:
    """The places of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    } | {
        node.target.id: node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value
    }
    found: list[tuple[int, Site]] = []
    for function, call in _calls(tree, []):
        text = _text(call.args[0], constants) if call.args else GAP
        site = Site(
            path.relative_to(ROOT).as_posix(),
            call.func.id if isinstance(call.func, ast.Name) else "",
            re.sub(rf"{GAP}({GAP}|\s)*{GAP}", GAP, text),
            _cause(function, call),
        )
        found.append((call.lineno, site))
    yield from (site for _, site in sorted(found, key=lambda one: one[0]))


def _calls(node: ast.AST, around: list[ast.AST]) -> Iterator[tuple[list[ast.AST], ast.Call]]:
    """Calls that make one of our errors, with the functions and classes around each."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
        yield around, node
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
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


def _cause(around: list[ast.AST], call: ast.Call) -> str:
    """What the nearest documentation around a call says of its class under "Raises"."""
    kind = call.func.id if isinstance(call.func, ast.Name) else ""
    for node in reversed(around):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        raises = re.search(
            r"^ *Raises\n *-+\n(.*?)(?=\n\n *\w+\n *---|\Z)",
            ast.get_docstring(node) or "",
            re.DOTALL | re.MULTILINE,
        )
        if raises:
            for kinds, said in re.findall(
                r"^(\w[\w, ]*)\n((?:    .*(?:\n|\Z))+)", raises[1] + "\n", re.MULTILINE
            ):
                if kind in re.split(", *", kinds):
                    return " ".join(said.split())
    return ""
