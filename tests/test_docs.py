"""What README and docs say is so: blocks run, links resolve, tables are those of the code."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from feature_package import install
from pydantic import BaseModel

import hdmea.pipeline
from hdmea.cli import main
from hdmea.features.registry import FEATURES
from hdmea.pipeline import PipelineSession, run_recording, write_units_table
from hdmea.simulate import simulate_recording, write_stimulus_library
from hdmea.steps.registry import STEPS
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.light_onsets import LightOnsets

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("[cp]*/README.md"))]
RUN = [page for page in PAGES if page == README or page.parent.name == "docs"]
MEASURES_OF_SORTER = "units/<measure>"


class Block(NamedTuple):
    language: str
    title: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, without the indentation of the list they stand in."""
    fence = re.compile(
        r'^( *)```(\w+)(?: title="([^"\n]+)")?\n(.*?)^\1```$', re.MULTILINE | re.DOTALL
    )
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(fence.findall(text)), f"{page.name}: a block is not fenced"
    for found in fence.finditer(text):
        _, language, title, body = found.groups()
        line = text.count("\n", 0, found.start(4)) + 1
        yield Block(language, title or "", textwrap.dedent(body), line)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


# -- blocks ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the pages name: recording, stimuli, result and table."""
    folder = tmp_path_factory.mktemp("docs")
    stimuli = folder / "my_stimuli"
    noise, step, _ = write_stimulus_library(stimuli, "tiny")
    (stimuli / "playlist.csv").write_text(
        f"playlist_name,movie_names\nmy_playlist,\"['{noise.name}.mov', '{step.name}.mov']\"\n"
    )
    (stimuli / "display.yaml").write_text(
        "{width_px: 800, height_px: 600, um_per_display_pixel: 3, "
        "chip: {origin_um: [0, 0], matrix_um_per_px: [[3, 0], [0, 3]]}}"
    )
    files = simulate_recording(
        folder,
        "rec",
        library=stimuli,
        playlist="my_playlist",
        n_cells=6,
        seed=2,
        sampling_rate_hz=5000.0,
    )
    (folder / "recordings").mkdir()
    for path in (files.cmcr_path, files.cmtr_path):
        (folder / "recordings" / path.name).hardlink_to(path)
    shutil.copy(files.cmtr_path, folder / "rec.cmtr")
    run_recording(
        {
            "load_recording": {"probe": "off"},
            "add_section_time": {"playlist_name": "my_playlist"},
            "section_spike_times": {},
            "extract_features": {},
            "compute_sta": {"cover_range": (-30, 0)},
        },
        folder / "results/rec.h5",
        cmcr_path=folder / "rec.cmcr",
        cmtr_path=folder / "rec.cmtr",
        stimuli_dir=stimuli,
    )
    write_units_table([folder / "results/rec.h5"], folder / "results/units.csv")
    return folder


@pytest.fixture
def here(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, for one page, with the workflow, as the working directory."""
    folder = tmp_path / "here"
    # Recordings are never written to, so links do.
    shutil.copytree(recording, folder, copy_function=os.link)
    for name in ("workflow", "scripts", "profiles", "environment.yml"):
        (folder / name).symlink_to(ROOT / name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PWD", str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("HDMEA_STIMULI", raising=False)
    return folder


@pytest.mark.parametrize("page", RUN, ids=page_id)
def test_blocks_run_in_order(page: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "documentation"}
    for block in blocks(page):
        where = f"{page.name}, line {block.line}"
        if block.title:
            target = here / block.title
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            # The lines of the page, so that a traceback shows where.
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, str(page), "exec"), names)
        elif block.language in ("console", "bash"):
            for command in filter(None, block.text.splitlines()):
                run(command, where, monkeypatch)
        else:
            assert block.language == "matlab", f"{where}: nobody checks this block"


def run(command: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run one command of a page; what makes environments and whole test runs is looked up."""
    words = [os.path.expandvars(word) for word in shlex.split(command, comments=True)]
    match words:
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), where
        case ["source", ".venv/bin/activate"]:
            assert "\nvenv: .venv/ready\n" in (ROOT / "Makefile").read_text(), where
        case ["export", assignment]:
            name, _, value = assignment.partition("=")
            assert Path(value).is_dir(), where
            monkeypatch.setenv(name, value)
        case ["pip", "install", folder]:
            site = Path("site").absolute()
            install(Path(folder), site)
            monkeypatch.syspath_prepend(site)
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
        case ["snakemake"]:
            pass  # what it does is the question of the workflow's own tests; its plan is made here
        case ["snakemake", "-n"]:
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, f"{where}: {done.stdout}{done.stderr}"
        case ["hdmea", *arguments]:
            with contextlib.redirect_stdout(io.StringIO()) as said:
                assert main(arguments) == 0, where
            assert said.getvalue().strip(), f"{where}: {command} says nothing"
        case _:
            pytest.fail(f"{where}: what is {command!r}?")


def test_ci_runs_the_tests_as_the_readme_says() -> None:
    commands = [
        words
        for block in blocks(README)
        if block.language == "console"
        for line in block.text.splitlines()
        if (words := shlex.split(line, comments=True))
    ]
    assert ["make", "test"] in commands
    assert "make test" in (ROOT / ".ci/run").read_text().splitlines()


# -- links and names -------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\[[^]]*\]\(([^)\s]+)\)", text)
    local = [target.partition("#") for target in targets if "://" not in target]
    assert [path for path, _, _ in local if not (page.parent / path).exists()] == []
    lost = [
        f"{path}#{anchor}"
        for path, _, anchor in local
        if anchor and anchor not in anchors((page.parent / path) if path else page)
    ]
    assert lost == []


def test_files_of_the_code_that_are_named_exist() -> None:
    rooms = "hdmea|workflow|scripts|config|profiles|tests"
    named = {
        path
        for page in PAGES
        for path in re.findall(rf"`((?:{rooms})/[\w./]+)`", page.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as hosts of repositories make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| \[[^]]+\]\(([^)]+)\)", index, re.MULTILINE))
    assert named == {os.path.relpath(page, ROOT / "docs") for page in PAGES} - {"README.md"}


def test_every_public_name_is_told_of() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    words = set(re.findall(r"\w+", text))
    assert set(hdmea.pipeline.__all__) - words == set()


def test_every_command_is_told_of() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `hdmea (\w+)", index, re.MULTILINE))
    listing = subprocess.run(
        [sys.executable, "-m", "hdmea", "--help"], capture_output=True, text=True, check=True
    ).stdout
    listed = re.findall(r"^ {4}(\w+)", listing.partition("commands:")[2], re.MULTILINE)
    assert told == set(listed)


# -- tables ----------------------------------------------------------------------------------------


def rows_under(heading: str) -> dict[str, list[str]]:
    """Rows of the table under a heading, cells by each name in the first cell."""
    for page in RUN:
        text = page.read_text(encoding="utf-8")
        found = re.search(
            rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL
        )
        if found:
            return table(found[1])
    pytest.fail(f"no page has a section {heading!r}")


def table(text: str) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for line in re.findall(r"^\| (`.*) *\|$", text, re.MULTILINE):
        names, *cells = re.split(r" *\| *", line.strip())
        for name in re.findall(r"`([^`]+)`", names):
            assert name not in rows, f"{name} is told of twice"
            rows[name] = cells
    return rows


PARAMETERS: dict[str, type[BaseModel]] = {
    "frame_clock": FrameClockParams,
    "light_onsets": LightOnsets,
    **{name: step.parameters for name, step in STEPS.items()},
    **{name: feature.params for name, feature in FEATURES.items() if feature.params.model_fields},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_told_with_their_defaults(name: str) -> None:
    told = {
        parameter: cells[0].strip("`").replace('"', "'")
        for parameter, cells in rows_under(f"Parameters of `{name}`").items()
    }
    assert told == {
        parameter: "required" if info.is_required() else shown(info.default_factory, info.default)
        for parameter, info in PARAMETERS[name].model_fields.items()
    }


def shown(factory: Any, default: Any) -> str:
    if factory is None:
        return repr(default)
    return "as above" if factory is FrameClockParams else repr(factory())


@pytest.mark.parametrize("feature", FEATURES.values(), ids=lambda feature: feature.name)
def test_outputs_of_a_feature_are_told(feature: Any) -> None:
    told = rows_under(f"Outputs of `{feature.name}`")
    assert {name: cells[:2] for name, cells in told.items()} == {
        output.name: [output.unit, ", ".join(output.dims)] for output in feature.outputs
    }
    for output in feature.outputs:
        reasons = re.findall(r"`(\w+)`", told[output.name][3]) if len(told[output.name]) > 3 else []
        assert reasons == list(output.reasons), output.name


def test_datasets_of_a_session_file_are_told(recording: Path, tmp_path: Path) -> None:
    """Those of a whole recording, and of recordings that lack the one or the other."""
    whole = PipelineSession.load(recording / "results/rec.h5")
    hdmea.pipeline.load_recording(
        recording / "rec.cmcr",
        recording / "rec.cmtr",
        electrode_pitch_um=30.0,
        probe="off",
        output_dir=tmp_path,
    )
    curation = tmp_path / "units.tsv"
    unit_id = whole.units.index[0]
    curation.write_text(f"recording\tunit_id\tlabel\tnote\nrec\t{unit_id}\tON alpha\tfine\n")
    hdmea.pipeline.curate_units(tmp_path / "rec.h5", table=curation)
    hdmea.pipeline.adjust_p_values(tmp_path / "rec.h5")
    found = described(whole) | described(PipelineSession.load(tmp_path / "rec.h5"))
    text = (ROOT / "docs/file-format.md").read_text(encoding="utf-8")
    section = text.partition("## What is inside")[2].partition("## Provenance")[0]
    told = {
        path: tuple(cells[:3])
        for path, cells in table(section).items()
        if "/" in path and not path.startswith("features/")
    }
    elsewhere = {
        "stimulus/clock/missing",
        "sta/not_applicable",
        "sta/<stimulus>/not_applicable",
    }
    assert found == {path: kind for path, kind in told.items() if path not in elsewhere}
    assert elsewhere <= set(told)


def described(session: PipelineSession) -> dict[str, tuple[str, str, str]]:
    """Type, unit and axes of every variable, as the page names them."""
    found: dict[str, tuple[str, str, str]] = {}
    for path in session.paths():
        variable = session[path]
        if path.startswith("features/"):
            continue
        name = re.sub("^sta/[^/]+/", "sta/<stimulus>/", path)
        if variable.description.startswith("the sorter's measure"):
            name = MEASURES_OF_SORTER
        dtype = "text" if variable.data.dtype.kind == "U" else str(np.dtype(variable.data.dtype))
        kind = (dtype, variable.unit, ", ".join(variable.dims))
        assert found.setdefault(name, kind) == kind, path
    return found


def test_reasons_and_kinds_are_told() -> None:
    from typing import get_args

    from hdmea.stimulus.movie import Kind

    text = (ROOT / "docs/stimuli.md").read_text(encoding="utf-8")
    assert [kind for kind in get_args(Kind) if f"`{kind}`" not in text] == []


def test_conventions_are_told() -> None:
    import yaml

    entries = yaml.safe_load((ROOT / "hdmea/stimulus/conventions.yaml").read_text())
    text = (ROOT / "docs/stimuli.md").read_text(encoding="utf-8").partition("## Kinds")[2]
    told = table(text)
    for entry in entries:
        length = entry.get("trial_length_frame")
        assert told[entry["pattern"]] == [entry["kind"], f"{length} frames" if length else ""]


def test_columns_of_provenance_are_told() -> None:
    from hdmea.store.format import PROVENANCE_COLUMNS

    text = (ROOT / "docs/file-format.md").read_text(encoding="utf-8")
    section = text.partition("## Provenance")[2].partition("## Digests")[0]
    assert set(table(section)) == set(PROVENANCE_COLUMNS)


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 180


def test_a_block_that_is_wrong_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("1. See\n\n   ```python\n   assert 1 == 2\n   ```\n", encoding="utf-8")
    (block,) = blocks(page)
    assert block == Block("python", "", "assert 1 == 2\n", 4)
    assert table("| `a`, `b` | 1 | x |\n| `c` | `2` | |\n") == {
        "a": ["1", "x"],
        "b": ["1", "x"],
        "c": ["`2`", ""],
    }
