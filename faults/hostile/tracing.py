"""What a program and all that it starts open, write and run: told by strace, or by Python."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOOK = Path(__file__).with_name("hook")
"""Folder with the module that every Python imports when it starts."""
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_AT = re.compile(r'(?:AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>, "((?:[^"\\]|\\.)*)"')
_PLAIN = re.compile(r'"((?:[^"\\]|\\.)*)"')
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND|O_TMPFILE")
_CHANGING = {
    "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "link",
    "linkat", "symlink", "symlinkat", "truncate", "chmod", "fchmodat", "chown", "lchown",
    "fchownat", "utimensat", "mknod", "mknodat", "creat",
}  # fmt: skip


_NAMES = {"rename": slice(2), "link": slice(2), "symlink": slice(1, 2)}
"""Which of the texts between a call's quotes are paths that it touches, if not the first."""


@dataclass
class Touched:
    """Paths, as they are resolved when the run is over."""

    calls: int = 0
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    run: set[str] = field(default_factory=set)

    def outside(self, paths: set[str], allowed: Sequence[Path]) -> list[str]:
        """Those of `paths` that are in none of the folders, nor one of the files."""
        roots = [os.path.realpath(root) for root in allowed]
        return sorted(
            path
            for path in paths
            if not any(path == root or path.startswith(f"{root}/") for root in roots)
        )


def has_strace() -> bool:
    """Whether strace is here and may look."""
    return shutil.which("strace") is not None


def strace(told: Path) -> list[str]:
    """The words before a command that let strace write what its processes do."""
    return ["strace", "-f", "-qq", "-y", "-s", "4096", "-e", "trace=%file", "-o", str(told)]


def of_strace(told: Path, folder: Path) -> Touched:
    """Read what strace wrote about a command that was started in a folder."""
    touched = Touched()
    with told.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            found = _CALL.match(line)
            if found is None:
                continue
            name, words, result = found[1], found[2], int(found[3])
            touched.calls += 1
            if result < 0:
                continue
            for path in _paths(name, words, folder):
                if name == "execve":
                    touched.run.add(path)
                elif name in _CHANGING or (name.startswith("open") and _WRITING.search(words)):
                    touched.written.add(path)
                elif name.startswith("open"):
                    touched.read.add(path)
    return touched


def _paths(call: str, words: str, folder: Path) -> Iterator[str]:
    """Full paths in the words of a call; those without a folder begin where the command did."""
    with_folder = [(_text(at), _text(name)) for at, name in _AT.findall(words)]
    if not with_folder:
        plain = [(str(folder), _text(name)) for name in _PLAIN.findall(words)]
        with_folder = plain[_NAMES.get(call, slice(1))]
    for at, name in with_folder:
        yield os.path.realpath(Path(at, name))


def _text(quoted: str) -> str:
    """What strace put between quotes, with its octal numbers as the bytes they are."""
    raw = quoted.encode("utf-8", "surrogateescape").decode("unicode_escape")
    return raw.encode("latin-1").decode("utf-8", "surrogateescape")


def hooked(told: Path) -> dict[str, str]:
    """Environment in which every Python tells what it opens, writes and runs."""
    known = os.environ.get("PYTHONPATH", "")
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(HOOK), known])),
        "HDMEA_AUDIT": str(told),
    }


def of_hook(told: Path) -> Touched:
    """Read what the hook wrote."""
    touched = Touched()
    for line in told.read_text(encoding="ascii").splitlines():
        kind, path = json.loads(line)
        touched.calls += 1
        getattr(touched, kind).add(os.path.realpath(path))
    return touched


def system_folders() -> list[Path]:
    """Where Python, what it imports and the system's own files are."""
    system = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/sys", "/dev", "/var/cache")
    return [
        Path(place) for place in (sys.prefix, sys.base_prefix, *filter(None, sys.path), *system)
    ]
