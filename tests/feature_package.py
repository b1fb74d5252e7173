"""Packages with features: the documented one, installed by pip, and odd ones, written by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/own-features.md"


def install(package: Path, site: Path) -> None:
    """What ``pip install`` does with a folder, into a folder of its own and from no index."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    program = [sys.executable, "-m", "pip", "install", "-q", *options, "--target", str(site)]
    subprocess.run([*program, str(package.resolve())], check=True, timeout=60, capture_output=True)


def documented(name: str) -> str:
    """A file as the page shows it."""
    text = PAGE.read_text(encoding="utf-8")
    block = rf'^```\w+ title="{re.escape(name)}"\n(.*?)^```$'
    found = re.search(block, text, re.MULTILINE | re.DOTALL)
    assert found, f"{PAGE.name} shows no {name}"
    return found[1]


def write_documented(folder: Path) -> Path:
    """The package of the page, as its reader would type it."""
    package = folder / "hdmea-first-spike"
    package.mkdir()
    for name in ("pyproject.toml", "hdmea_first_spike.py"):
        (package / name).write_text(documented(f"{package.name}/{name}"), encoding="utf-8")
    return package


def write_installed(
    site: Path, name: str, entries: Mapping[str, str], version: str = "1.0", **modules: str
) -> None:
    """A package as it is once installed: its metadata and its modules."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = ["[hdmea.features]", *(f"{entry} = {value}" for entry, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]))
    for module, text in modules.items():
        (site / f"{module}.py").write_text(text, encoding="utf-8")
