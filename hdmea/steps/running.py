"""Running steps: one after the other on a session, as parts, or a whole recording."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdmea.errors import MissingDataError, ParameterError, SessionFileError
from hdmea.interruption import stopping_at_safe_points
from hdmea.session import PipelineSession, create_session, working_in, working_on_part
from hdmea.steps.adjust_p_values import complete_q_values
from hdmea.steps.extract_features import complete_pending
from hdmea.steps.registry import get_step
from hdmea.steps.step import P, Step

_log = logging.getLogger("hdmea")


@dataclass(frozen=True)
class StepResult:
    """What was written: a whole file, and what it says."""

    hdf5_path: Path
    dataset_id: str
    completed_steps: frozenset[str]
    pending: dict[str, str]
    warnings: tuple[str, ...]
    content_digest: str


def run(step: Step[P], session: PipelineSession, parameters: P) -> None:
    """Run a step, then what it made possible: pending features, and q values of what is new."""
    started = time.perf_counter()
    step.run(session, parameters)
    complete_pending(session)
    complete_q_values(session)
    _log.info("%s, %.1f s", step.name, time.perf_counter() - started)


def publish(session: PipelineSession, path: str | Path | None) -> StepResult:
    """Save a session to a path, or bring its own file up to date, and say what is there."""
    if path is not None and session.owns(path):
        session.write_back()
    else:
        session.save(path)
    return _result(session)


def publish_begun(session: PipelineSession, path: str | Path | None) -> StepResult:
    """Save a session that was just begun, unless the file holds the same already.

    So a recording that is loaded again, as the first cell of a notebook is, costs none of what
    later steps added to its file.
    """
    target = Path(path) if path is not None else session.default_path
    held = _session_at(target)
    if held is not None and all(
        name in held.contributions and held.contributions[name].key == made.key
        for name, made in session.contributions.items()
    ):
        _log.info("%s holds this already, and is kept", target)
        return _result(held)
    return publish(session, target)


def _session_at(path: Path) -> PipelineSession | None:
    """The session whose file is at a path, if there is one."""
    if not path.exists():
        return None
    try:
        session = PipelineSession.load(path)
    except SessionFileError:  # replaced, with a warning that says so
        return None
    return session if session.owns(path) else None


def _result(session: PipelineSession) -> StepResult:
    return StepResult(
        hdf5_path=session.hdf5_path,
        dataset_id=session.dataset_id,
        completed_steps=frozenset(session.completed_steps),
        pending=session.pending,
        warnings=tuple(session.warnings),
        content_digest=session.content_digest,
    )


def run_recording(
    steps: Mapping[str, Mapping[str, Any]],
    output: str | Path,
    *,
    dataset_id: str | None = None,
    cmcr_path: str | Path | None = None,
    cmtr_path: str | Path | None = None,
    stimuli_dir: str | Path | None = None,
    work_dir: str | Path | None = None,
    parts: Iterable[str | Path] = (),
    tag: str = "",
    checkpoints: Mapping[str, str | Path] | None = None,
    memory_budget_gb: float | None = None,
    progress: bool = False,
) -> StepResult:
    """Process one recording in memory and save it once.

    Parameters
    ----------
    steps
        Parameters of each step by its name, in the order in which they are to run.
    output
        The session file.
    dataset_id, cmcr_path, cmtr_path, stimuli_dir
        As for `create_session`.
    work_dir
        Folder in which each step's result is kept as it is made: a run that is killed and
        started again goes on where it was, and one with a changed parameter redoes only what
        depends on it. With it SIGTERM and Ctrl-C end the run at its next safe point, where all
        that is done is kept. Only one process at a time works in it; another one waits.
    parts
        Files in which contributions may be found as well: parts of immediate mode.
    tag
        Under which the result is remembered in ``work_dir``, beside those of other tags.
    checkpoints
        Files to write after the steps of these names.
    memory_budget_gb
        As for `create_session`.
    progress
        Show a bar over the steps on standard error.

    Returns
    -------
    StepResult

    Raises
    ------
    MissingDataError
        If a feature is still pending at the end.
    HdmeaError
        Any error of a step; what was done before is kept in ``work_dir``.
    RunInterrupted
        After SIGTERM or Ctrl-C, if there is a ``work_dir``.
    """
    checkpoints = dict(checkpoints or {})
    unknown = sorted(set(checkpoints) - set(steps))
    if unknown:
        # Cause: the step is mistyped, or left out.
        raise ParameterError(
            f"checkpoints are asked for after {', '.join(unknown)}, but must be after steps that "
            f"run: {', '.join(steps)}"
        )
    parsed = [(step := get_step(name), step.parse(values)) for name, values in steps.items()]
    session = create_session(
        dataset_id,
        cmcr_path=cmcr_path,
        cmtr_path=cmtr_path,
        stimuli_dir=stimuli_dir,
        memory_budget_gb=memory_budget_gb,
    )
    session.spool_beside(output)

    def work() -> StepResult:
        from tqdm import tqdm

        for step, parameters in tqdm(
            parsed, desc=session.dataset_id, unit="step", disable=not progress
        ):
            run(step, session, parameters)
            if step.name in checkpoints:
                session.checkpoint(checkpoints[step.name], checkpoint_name=step.name)
        require_nothing_pending(session)
        return publish(session, output)

    if work_dir is None:
        return work()
    with stopping_at_safe_points(), working_in(session, work_dir, parts, tag):
        return work()


def run_part(
    step_name: str,
    parameters: Mapping[str, Any],
    output: str | Path,
    *,
    parts: Sequence[str | Path] = (),
    dataset_id: str | None = None,
    cmcr_path: str | Path | None = None,
    cmtr_path: str | Path | None = None,
    stimuli_dir: str | Path | None = None,
    work_dir: str | Path | None = None,
    other_parts: Iterable[str | Path] = (),
) -> Path:
    """Run one step on parts and write only what it adds, as a part.

    Parameters
    ----------
    step_name, parameters
        The step.
    output
        The part's file.
    parts
        The parts that it needs; none for a step that creates a session.
    dataset_id, cmcr_path, cmtr_path, stimuli_dir
        As for `create_session`, for a step that creates one.
    work_dir
        Folder in which the recording's last result is looked for what is wanted, and in which a
        part that is interrupted keeps what is done of it. Ends then as `run_recording` does.
    other_parts
        With ``work_dir``: files in which what is wanted may be found as well.

    Returns
    -------
    Path
        The part.

    Raises
    ------
    MissingDataError
        If the parts lack what the step needs, so that something stays pending.
    RunInterrupted
        After SIGTERM or Ctrl-C, if there is a ``work_dir``.
    """
    step = get_step(step_name)
    if step.creates:
        session = create_session(dataset_id, cmcr_path, cmtr_path, stimuli_dir=stimuli_dir)
    else:
        session = PipelineSession.from_parts(parts)
        session.set_places(stimuli_dir=stimuli_dir)
    session.spool_beside(output)
    before = set(session.contributions)

    def work() -> Path:
        run(step, session, step.parse(parameters))
        require_nothing_pending(session)
        made = [name for name in session.contributions if name not in before]
        return session.save_part(output, made)

    if work_dir is None:
        return work()
    with (
        stopping_at_safe_points(),
        working_on_part(session, work_dir, Path(output).stem, other_parts),
    ):
        return work()


def assemble(
    parts: Iterable[str | Path],
    output: str | Path,
    *,
    work_dir: str | Path | None = None,
    tag: str = "",
) -> StepResult:
    """Put the parts of one recording together as its session file.

    Parameters
    ----------
    parts
        All of them.
    output
        The session file.
    work_dir
        Folder in which it is remembered as the recording's last result.
    tag
        Under which it is, beside those of other tags.

    Returns
    -------
    StepResult

    Raises
    ------
    SessionFileError
        If the parts do not belong together.
    """
    session = PipelineSession.from_parts(parts)
    if work_dir is None:
        return publish(session, output)
    with working_in(session, work_dir, tag=tag):
        return publish(session, output)


def require_nothing_pending(session: PipelineSession) -> None:
    """Make sure that every feature asked for was computed.

    Raises
    ------
    MissingDataError
        Naming what is pending and what it waits for.
    """
    if session.pending:
        waiting = "; ".join(f"{name} waits for {what}" for name, what in session.pending.items())
        # Cause: a feature was asked for without the step that it needs.
        raise MissingDataError(
            f"{session.dataset_id}: {waiting}. Add the step, or leave the feature out"
        )
