"""Processing one recording as it is configured: in the workflow's jobs, and without a workflow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hdmea.batch.config import WorkflowConfig, read_config
from hdmea.batch.plan import all_steps, require_inputs
from hdmea.batch.recordings import Recording, recording_of_cells
from hdmea.errors import FileMissingError, ParameterError
from hdmea.session.identity import derive_dataset_id
from hdmea.steps.registry import STEPS
from hdmea.steps.running import StepResult, run_recording
from hdmea.stimulus.folder import parse_yaml

_NO_TABLE = "(none: one recording)"
_STIMULI = "HDMEA_STIMULI"


def config_of_file(path: str | Path) -> WorkflowConfig:
    """Configuration of a file, as the workflow reads it.

    Parameters
    ----------
    path
        The file. ``FILE#KEY``: what it has under a key, where another workflow uses this one.

    Raises
    ------
    FileMissingError
        If there is no such file.
    ParameterError
        If it cannot be read, naming every value that cannot be used.
    """
    file, _, key = (str(path), "", "") if Path(path).exists() else str(path).partition("#")
    try:
        values = parse_yaml(Path(file).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileMissingError(f"configuration not found: {path}; correct the path") from None
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} cannot be read: {error}") from error
    if key and isinstance(values, Mapping):
        if key not in values:
            # Cause: the part of a configuration that is named is not in it.
            raise ParameterError(
                f"{file} has no key {key!r}; it has {', '.join(map(str, values))}: give one of them"
            )
        values = values[key]
    if not isinstance(values, Mapping):
        raise ParameterError(f"{path}: keys and values are needed, as in config/config.yaml")
    return read_config(values)


def default_config(stimuli: str | Path | None = None) -> WorkflowConfig:
    """All steps with their defaults.

    Parameters
    ----------
    stimuli
        The stimulus library; default the environment variable ``HDMEA_STIMULI``.

    Raises
    ------
    ParameterError
        If no library is given.
    """
    library = stimuli or os.environ.get(_STIMULI)
    if not library:
        raise ParameterError(
            f"no stimulus library is given; say where it is (--stimuli, or {_STIMULI}), or give a "
            "configuration"
        )
    steps: dict[str, Any] = {name: {} for name in STEPS}
    return read_config({"recordings": _NO_TABLE, "stimuli": str(library), "steps": steps})


def one_recording(
    config: WorkflowConfig,
    files: Sequence[str | Path],
    *,
    name: str | None = None,
    playlist: str | None = None,
) -> Recording:
    """A recording of files that are named, not of a table.

    Parameters
    ----------
    config
        How it is to be processed.
    files
        A ``.cmcr``, a ``.cmtr``, or both.
    name
        Of the recording; default from the files, as `create_session` derives it.
    playlist
        The playlist that was shown, if sections are placed by one.

    Raises
    ------
    FileMissingError, ParameterError
        If files, playlist or movies are missing or wrong; all are listed.
    """
    by_role: dict[str, str] = {}
    for path in map(Path, files):
        role = path.suffix.lower().removeprefix(".")
        if role not in ("cmcr", "cmtr") or role in by_role:
            raise ParameterError(
                f"{path}: one .cmcr and one .cmtr are a recording, or one of them alone; found "
                f"{', '.join(map(str, files))}"
            )
        by_role[role] = str(path)
    pair = (Path(by_role[role]) if role in by_role else None for role in ("cmcr", "cmtr"))
    cells = {"recording": name or derive_dataset_id(*pair), **by_role}
    if playlist is not None:
        cells["playlist"] = playlist
    try:
        recording = recording_of_cells(config, cells)
    except ParameterError as error:
        raise ParameterError("; ".join(map(str, error.args))) from error
    require_inputs(config, {recording.name: recording})
    return recording


def process(
    config: WorkflowConfig,
    recording: Recording,
    output: str | Path | None = None,
    *,
    steps: Mapping[str, Mapping[str, Any]] | None = None,
    checkpoints: Mapping[str, str | Path] | None = None,
    progress: bool = False,
) -> StepResult:
    """Process a recording in memory and save it once.

    Parameters
    ----------
    config, recording
        What is done, to which files.
    output
        The session file; default ``<output_dir>/<tag>/<recording>.h5``.
    steps
        Parameters of the steps, where they are not those of the configuration: threads of a job.
    checkpoints
        Files to write after steps; default those that the configuration asks for.
    progress
        Show a bar over the steps on standard error.

    Returns
    -------
    StepResult

    Raises
    ------
    HdmeaError
        Any error of a step; what was done before is kept in the configured ``work_dir``.
    RunInterrupted
        After SIGTERM or Ctrl-C, at the next safe point.
    """
    name, folder = recording.name, config.results_dir
    if checkpoints is None:
        checkpoints = {
            step: folder / "checkpoints" / f"{name}.after_{step}.h5" for step in config.checkpoints
        }
    return run_recording(
        all_steps(config, recording) if steps is None else steps,
        folder / f"{name}.h5" if output is None else output,
        dataset_id=name,
        cmcr_path=recording.files.get("cmcr"),
        cmtr_path=recording.files.get("cmtr"),
        stimuli_dir=config.stimuli,
        work_dir=config.work_folder(name),
        parts=config.parts_there(name),
        tag=config.tag or "",
        checkpoints=checkpoints,
        progress=progress,
    )
