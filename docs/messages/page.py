"""docs/errors.md: every error with its text, cause and remedy, by what one was doing."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping, Sequence

from messages.sites import GAP, KINDS, ROOT, Site, sites

PAGE = ROOT / "docs/errors.md"
DOING: Mapping[str, tuple[str, ...]] = {
    "Setting up a batch": ("batch", "tsv", "validation"),
    "Loading a recording": ("mcs",),
    "Stimuli, frame clock and sections": ("stimulus",),
    "Running steps": ("steps",),
    "Computing features": ("features", "kernels"),
    "Saving, loading and verifying": ("session", "store", "arrays", "contribution", "digest"),
    "Comparing results": ("compare",),
    "Tables, pictures and the command line": ("export", "report", "cli"),
    "Simulating": ("simulate",),
}
"""What one was doing when an error came, and the rooms of the house that do it."""
REMEDIES: Mapping[str, str] = {
    "ParameterError": "Change the value that is named; the message says what it may be.",
    "UnknownNameError": "Take one of the names that are listed.",
    "FileMissingError": "Correct the path, or put the file there. A relative path counts from the "
    "folder in which the program was started.",
    "OutputExistsError": "Choose another name, or allow overwriting.",
    "OutputWriteError": "Make room, or get the right to write, and run again.",
    "RecordingFileError": "Copy the file again from its source and compare sizes, or save it anew "
    "in CMOS-MEA-Tools. If it stays so, send `hdmea inspect --json --anonymous` of it.",
    "SessionFileError": "Take a copy, a checkpoint or the parts, or have it made again: delete it, "
    "and start the workflow. A newer version of the format needs a newer hdmea.",
    "StimulusError": "Correct the file of the stimulus library, or the setting, that is named; "
    "`hdmea stimuli check FOLDER` looks at a whole library.",
    "MissingDataError": "Run the step that brings it, which the message names, or leave out what "
    "needs it.",
    "FeatureOutputError": "Correct the feature's function or its declaration: own-features.md.",
    "FeaturePackageError": "Correct or update the other package, or leave its feature out.",
    "StaleSessionError": "Load the file again, or save the session elsewhere.",
}
"""What helps against each kind of error, where the message does not say more."""
_HEAD = "| text | cause | raised in | seen in |"
_TOP = """# Errors

Every error that hdmea raises on purpose, by what one was doing. Written by `make errors`
(`docs/messages/`) from the code, whose documentation says the causes, and from the tests;
`tests/test_messages.py` compares. Where «words» stand, a value is filled in; {gap} stands for more.

Look for the words of a message that do not change. In Python every error is an
`hdmea.errors.HdmeaError`, and of a builtin kind, too. The command line says the message and ends
with a code that is not 0; a job of the workflow writes it as the last line of its log. Any other
error, with a traceback, is a defect of hdmea: please report it.

## Kinds

What to do is in the message, where it depends on more than the kind.

| kind | also a | what it means | what to do |
|---|---|---|---|
"""


def rendered() -> str:
    """The whole page."""
    found, shown = sites(), matched_by_tests()
    lines = [_TOP.format(gap=GAP).rstrip("\n")]
    for name, kind in KINDS.items():
        if name in REMEDIES:
            builtin = next(b.__name__ for b in kind.__bases__ if b.__module__ == "builtins")
            meaning = " ".join((inspect.getdoc(kind) or "").split())
            lines.append(f"| `{name}` | `{builtin}` | {meaning} | {REMEDIES[name]} |")
    for doing, rooms in DOING.items():
        here = [site for site in found if site.room in rooms]
        lines += ["", f"## {doing}"]
        for name in KINDS:
            of_kind = list(dict.fromkeys(site for site in here if site.kind == name))
            if of_kind:
                lines += [
                    "",
                    f"### {doing}: `{name}`",
                    "",
                    "| text | cause | raised in | seen in |",
                ]
                lines.append("|---|---|---|---|")
                lines += [_row(site, shown) for site in of_kind]
    return "\n".join(lines) + "\n"


def _row(site: Site, shown: Sequence[tuple[str, re.Pattern[str]]]) -> str:
    tests = sorted({name for name, pattern in shown if seen(site, pattern)})
    cells = [
        _cell(site.text),
        _cell(site.cause) or "as the text says",
        f"`{site.module}`",
        ", ".join(f"`{name}`" for name in tests[:2]),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text that stays in its cell, whatever is in it."""
    text = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", text)


def matched_by_tests() -> list[tuple[str, re.Pattern[str]]]:
    """Patterns that tests expect errors to match, with the file of each."""
    return [
        (path.name, re.compile(str(keyword.value.value)))
        for path in sorted((ROOT / "tests").glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises"
        for keyword in node.keywords
        if keyword.arg == "match" and isinstance(keyword.value, ast.Constant)
    ]


def seen(site: Site, pattern: re.Pattern[str]) -> bool:
    """Whether a pattern of a test speaks of a message: its longest plain words are in it."""
    plain = re.split(r"\\.|[.*+?^$(){}\[\]|]|«|»", pattern.pattern)
    longest = max((words.strip() for words in plain), key=len, default="")
    return len(longest) >= 12 and longest in site.text
