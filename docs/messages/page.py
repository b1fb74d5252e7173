"""docs/errors.md: every error with its text, an example, its cause and what to do."""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from messages.examples import MOST, Example, stored
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
    "RecordingNotReadError": "Mend the rights, the disk, the network or the memory that the text "
    "tells of, and run it again.",
    "UnreadableRecordingError": "Copy the file again from its source and compare sizes, or save it "
    "anew in CMOS-MEA-Tools: this copy cannot be read.",
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
_TOP = """# Errors

All {count} errors that hdmea raises on purpose, by what one was doing. Written by `make errors`
(`docs/messages/`): texts and causes from the code, examples from the tests, {met} of them with
one; `tests/test_messages.py` compares.

Have the error before you? Search this page for words of it that are not names, paths or numbers of
yours. In each section errors stand in the order of their words, capitals and values aside. Where
«words» stand, a value is filled in; {gap} stands for more.

What to do is what the message itself says or, where it says what would be right and no more, what
helps against its kind.

In Python every error is an `hdmea.errors.HdmeaError`, and of a builtin kind, too. The command line
says the message and ends with a code that is not 0; a job of the workflow writes it as the last
line of its log. Any other error, with a traceback, is a defect of hdmea: please report it.

## Kinds

| kind | also a | what it means | what to do |
|---|---|---|---|
"""


def rendered() -> str:
    """The whole page."""
    found, met = list(dict.fromkeys(sites())), stored()
    shown = sum(site in met for site in found)
    lines = [_TOP.format(count=len(found), met=shown, gap=GAP).rstrip("\n")]
    for name, kind in KINDS.items():
        if name in REMEDIES:
            builtin = next(b.__name__ for b in kind.__mro__ if b.__module__ == "builtins")
            meaning = " ".join((inspect.getdoc(kind) or "").split()).replace("``", "`")
            lines.append(f"| `{name}` | `{builtin}` | {meaning} | {REMEDIES[name]} |")
    for doing, rooms in DOING.items():
        alike: dict[tuple[str, str], list[Site]] = defaultdict(list)
        for site in sorted((one for one in found if one.room in rooms), key=_order):
            alike[site.text, site.kind].append(site)
        lines += ["", f"## {doing}", ""]
        for same in alike.values():
            lines += _entry(same, [example for site in same for example in met.get(site, ())])
    return "\n".join(lines) + "\n"


def _order(site: Site) -> tuple[bool, str, str, str]:
    """Errors with words of their own first, by these."""
    own = re.sub(rf"«[^»]*»|{GAP}|[^\w ]", " ", site.text.lower())
    return not own.strip(), " ".join(own.split()), site.text, site.kind


def _entry(same: Sequence[Site], examples: Sequence[Example]) -> Iterable[str]:
    """An error as an entry of a list; several places may say the same."""
    wrong, to_do = same[0].parts
    kind = same[0].kind
    yield f"- **{_plain(wrong) if wrong != GAP else 'Other words, such as these'}**"
    for example in examples[:MOST]:
        if example.said != same[0].text:
            yield f"  - such as: {_plain(example.said)}"
    for cause in dict.fromkeys(site.cause for site in same if site.cause):
        yield f"  - cause: {_prose(cause[0].lower() + cause[1:])}"
    yield f"  - what to do: {_plain(to_do) or _remedy(same[0])}"
    modules = " and ".join(f"`{name}`" for name in dict.fromkeys(site.module for site in same))
    seen = f", met by `{examples[0].test.partition('::')[0]}`" if examples else ""
    yield f"  - `{kind}` of {modules}{seen}"


def _remedy(site: Site) -> str:
    """What to do where a message says it in no words of its own."""
    if re.search(r"did you mean|\bknown(?: \w+)?: |(?:it|there|these) (?:has|are): ", site.text):
        return REMEDIES["UnknownNameError"]
    clauses = re.split(r"(?<=[;:.])\s+", site.text)
    for number, clause in enumerate(clauses):
        if re.search(r"\b(?:needed|needs?|must|should|only|at least|at most)\b", clause):
            right = " ".join(clauses[number:]).rstrip(" ;:,.")
            return _plain(re.sub(r",? (?:got|found) (?:«[^»]*»|…).*", "", right))
    return REMEDIES[site.kind]


def _plain(text: str) -> str:
    """Text that is shown as it is, whatever is in it."""
    lines = (" ".join(line.split()) for line in text.strip().splitlines())
    return "<br>".join(map(_escaped, lines))


def _prose(text: str) -> str:
    """Words of a docstring or a comment: what stands in backticks is code."""
    parts = re.split(r"``?([^`]+)``?", " ".join(text.split()))
    return "".join(f"`{part}`" if n % 2 else _escaped(part) for n, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|$#])", r"\\\1", text)
