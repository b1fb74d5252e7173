"""A folder with a configuration in which snakemake is started, always with a hard time limit."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hdmea.pipeline import verify

ROOT = Path(__file__).parents[1]
COUNTING = Path(__file__).with_name("counting")
"""On the PYTHONPATH of a process: what it reads is counted."""


@dataclass
class Project:
    """A folder with a configuration, in which snakemake is started."""

    folder: Path
    stimuli: Path
    files: dict[str, tuple[Path, Path]]
    steps: dict[str, Any]
    playlist: str = "tiny"
    cells: dict[str, dict[str, str]] = field(default_factory=dict)
    """Further cells of recordings, by recording and column."""
    environment: dict[str, str] = field(default_factory=dict)
    """What snakemake finds in its environment besides what is there."""
    options: Sequence[str] = ("--workflow-profile", str(ROOT / "profiles/default"), "--cores", "2")
    """How it runs jobs."""
    program: Sequence[str] = ("-m", "snakemake")
    """What Python runs."""

    def configure(self, **changes: Any) -> None:
        """Write table and configuration, with these keys besides the usual ones."""
        columns = sorted({column for cells in self.cells.values() for column in cells})
        rows = [
            "\t".join([name, *map(str, pair), self.playlist, *self._cells_of(name, columns)])
            for name, pair in self.files.items()
        ]
        self.write_table(*rows, columns=columns)
        values = {"recordings": "config/recordings.tsv", "stimuli": str(self.stimuli)}
        values |= {"steps": self.steps} | changes
        (self.folder / "config/config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")

    def _cells_of(self, name: str, columns: list[str]) -> list[str]:
        return [self.cells.get(name, {}).get(column, "") for column in columns]

    def write_table(self, *rows: str, columns: Sequence[str] = ()) -> None:
        """Write the table of recordings of rows as they are."""
        (self.folder / "config").mkdir(exist_ok=True)
        lines = ["\t".join(["recording", "cmcr", "cmtr", "playlist", *columns]), *rows, ""]
        (self.folder / "config/recordings.tsv").write_text("\n".join(lines), encoding="utf-8")

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Snakemake in a process group of its own, which is ended with the block."""
        program = [sys.executable, *self.program, "-s", str(ROOT / "workflow/Snakefile")]
        process = subprocess.Popen(
            [*program, *self.options, *arguments],
            cwd=self.folder,
            env=os.environ | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()

    def run(self, *arguments: str, code: int = 0, limit_s: float = 100) -> str:
        """What snakemake says, once it has ended with this code within the limit."""
        with self.started(*arguments) as process:
            said, _ = process.communicate(timeout=limit_s)
        assert process.returncode == code, said
        return said

    def run_until(
        self,
        file: str,
        *arguments: str,
        number: signal.Signals = signal.SIGKILL,
        limit_s: float = 60,
    ) -> str:
        """Start snakemake, and signal all of its group as soon as a file is there; what it says."""
        deadline = time.monotonic() + limit_s
        with self.started(*arguments) as process:
            while not (self.folder / file).exists():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline, f"{file} did not appear"
                time.sleep(0.01)
            os.killpg(process.pid, number)
            said, _ = process.communicate(timeout=limit_s)
        return said

    def digest(self, file: str) -> str:
        """Content digest of a result, which must be whole."""
        found = verify(self.folder / file)
        assert found.is_good
        return found.content_digest


def jobs(said: str) -> Mapping[str, int]:
    """Number of jobs by rule, from the table that a dry run prints."""
    tabled = said[said.rindex("Job stats:") :] if "Job stats:" in said else ""
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", tabled, re.MULTILINE)}


def recordings_in(table: Path) -> list[str]:
    """The recording of each row of a table of units."""
    with table.open(newline="", encoding="utf-8") as file:
        return [row["recording"] for row in csv.DictReader(file)]
