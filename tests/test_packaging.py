"""pyproject.toml, both locks, environment.yml and docs/dependencies.md say the same."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import hdmea

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
LOCKS = ("requirements.lock", "requirements-oracles.lock")
# PyPI's name -> the name of the conda package without its optional baggage
CONDA_NAMES = {"matplotlib": "matplotlib-base", "snakemake": "snakemake-minimal"}


def by_name(lines: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def declared(project: dict) -> dict[str, Requirement]:
    extras = project["project"]["optional-dependencies"].values()
    lines = [*project["project"]["dependencies"], *(line for extra in extras for line in extra)]
    requirements = by_name(lines)
    assert len(requirements) == len(lines), "a package is declared twice"
    return requirements


@pytest.fixture(scope="module")
def peers(project: dict) -> dict[str, Requirement]:
    """What is compared with, and what runs the comparison."""
    return by_name(project["dependency-groups"]["oracles"])


@pytest.fixture(scope="module")
def wanted(
    project: dict, declared: dict[str, Requirement], peers: dict[str, Requirement]
) -> dict[str, dict[str, Requirement]]:
    """What each lock is for."""
    core = by_name(project["project"]["dependencies"])
    return dict(zip(LOCKS, (declared, core | peers), strict=True))


@pytest.fixture(scope="module", params=LOCKS)
def lock_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def lock(lock_name: str) -> str:
    return (ROOT / lock_name).read_text()


def pins(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Each pin with its hashes."""
    logical = re.sub(r"^ *#.*$", "", lock, flags=re.MULTILINE).replace("\\\n", " ")
    entries = []
    for line in filter(str.strip, logical.splitlines()):
        requirement, *hashes = line.split("--hash=")
        entries.append((Requirement(requirement.strip()), [h.strip() for h in hashes]))
    return entries


def pinned_versions(lock: str, python: str) -> dict[str, str]:
    """What pip installs from the lock with that Python on 64-bit Linux."""
    environment = default_environment() | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": "x86_64",
        "sys_platform": "linux",
    }
    versions: dict[str, str] = {}
    for requirement, _ in pins(lock):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{name} is pinned twice for Python {python}"
            (specifier,) = requirement.specifier
            versions[name] = specifier.version
    return versions


@pytest.mark.parametrize("python", PYTHONS)
def test_every_declared_package_is_pinned_within_its_range(
    wanted: dict[str, dict[str, Requirement]], lock_name: str, lock: str, python: str
) -> None:
    versions = pinned_versions(lock, python)
    outside = {
        name: (versions.get(name), str(requirement.specifier))
        for name, requirement in wanted[lock_name].items()
        if name not in versions or versions[name] not in requirement.specifier
    }
    assert outside == {}


@pytest.mark.parametrize("python", PYTHONS)
def test_peers_are_compared_with_the_versions_that_are_installed(python: str) -> None:
    first, second = (pinned_versions((ROOT / name).read_text(), python) for name in LOCKS)
    both = first.keys() & second.keys()
    assert {"numpy", "scipy", "pandas"} <= both
    assert {name: first[name] for name in both} == {name: second[name] for name in both}


def test_build_backend_is_pinned_within_its_range(project: dict, lock: str) -> None:
    (backend,) = by_name(project["build-system"]["requires"]).items()
    for python in PYTHONS:
        assert pinned_versions(lock, python)[backend[0]] in backend[1].specifier


def test_every_pin_is_exact_and_hashed(lock: str) -> None:
    entries = pins(lock)
    assert len(entries) > 50
    for requirement, hashes in entries:
        assert [s.operator for s in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", h) for h in hashes), requirement


def test_lock_depends_on_no_index_and_no_place(lock: str) -> None:
    assert not re.search(r"https?:|file:|@|--(extra-)?index-url|--find-links|-e |^/", lock)
    assert "/" not in lock


def test_environment_yml_lists_the_same_packages_with_the_same_ranges(
    project: dict, declared: dict[str, Requirement]
) -> None:
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    expected = {
        canonicalize_name(CONDA_NAMES.get(name, name)): requirement.specifier
        for name, requirement in declared.items()
    }
    python = Requirement(f"python{project['project']['requires-python']}")
    expected |= {"python": python.specifier, "pip": Requirement("pip").specifier}
    listed = by_name([*conda, *pip["pip"]])
    assert {name: requirement.specifier for name, requirement in listed.items()} == expected


def test_every_dependency_is_argued(
    declared: dict[str, Requirement], peers: dict[str, Requirement]
) -> None:
    text = (ROOT / "docs/dependencies.md").read_text()
    rows = re.findall(r"^\| ([\w, -]*\w) \| .+ \|$", text, re.MULTILINE)
    argued = [name for row in rows for name in row.split(", ") if name != "package"]
    assert sorted(map(canonicalize_name, argued)) == sorted(declared.keys() | peers.keys())


def test_version_and_pythons_are_said_once(project: dict) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project["project"]["version"] == hdmea.__version__ == citation["version"]
    prefix = "Programming Language :: Python :: "
    classifiers = project["project"]["classifiers"]
    assert tuple(c.removeprefix(prefix) for c in classifiers if c.startswith(prefix)) == PYTHONS


def test_importing_hdmea_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import hdmea;"
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert loaded.stdout.split() == ["__future__", "hdmea"]


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def make(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["make", *words], cwd=folder, capture_output=True, text=True, timeout=20, check=True
    ).stdout


@needs_make
def test_make_helps_with_every_target() -> None:
    targets = re.findall(r"^\.PHONY: (help .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = re.findall(r"^make ([\w-]+) ", make(ROOT), re.MULTILINE)
    assert ["help", *told] == targets[0].split()


@needs_make
def test_make_clean_keeps_what_the_workflow_made(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    kept = ["results", "steps", "work", ".snakemake", "config"]
    kept += ["hdmea", "tests", "oracles", "faults", "benchmarks", "scripts"]
    removed = [".ruff_cache", ".mypy_cache", ".pytest_cache", "demo", "hdmea/__pycache__"]
    removed += [".venv", ".venv-oracles", "oracles/__pycache__"]
    for name in (*kept, *removed):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    make(tmp_path, "clean")
    assert [name for name in kept if not (tmp_path / name / "file").exists()] == []
    assert [name for name in removed if (tmp_path / name).exists()] == []


@needs_make
@pytest.mark.parametrize(
    ("target", "environment"), [("test", ".venv"), ("oracles", ".venv-oracles")]
)
def test_make_refuses_an_unsuitable_python(tmp_path: Path, target: str, environment: str) -> None:
    old = tmp_path / "python3.9"
    # Answers --version and refuses every program, as an old Python answers the version check.
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" || exit 1\n')
    old.chmod(0o755)
    for name in ("Makefile", *LOCKS, "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    made = subprocess.run(
        ["make", target, f"PYTHON={old}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert made.returncode != 0
    assert f"hdmea needs Python 3.11, 3.12 or 3.13; {old} is Python 3.9.2." in made.stderr
    assert not (tmp_path / environment).exists()
