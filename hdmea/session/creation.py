"""Beginning a session."""

from __future__ import annotations

from pathlib import Path

from hdmea.session.identity import derive_dataset_id
from hdmea.session.session import PipelineSession


def create_session(
    dataset_id: str | None = None,
    cmcr_path: str | Path | None = None,
    cmtr_path: str | Path | None = None,
    output_dir: str | Path = "artifacts",
    *,
    stimuli_dir: str | Path | None = None,
    memory_budget_gb: float | None = None,
) -> PipelineSession:
    """Begin a session in memory for one recording.

    Parameters
    ----------
    dataset_id
        Name of the recording. Default: from the .cmtr's name (else the .cmcr's), without a
        trailing ``-``.
    cmcr_path, cmtr_path
        The recording's files; either may come alone, or later with `load_recording`.
    output_dir
        Folder of the file that ``session.save()`` writes.
    stimuli_dir
        Folder of the stimulus library; default the environment variable ``HDMEA_STIMULI``.
    memory_budget_gb
        What the session's arrays may take in memory. Larger arrays beyond that are kept on disk,
        beside the output, until they are saved; no result depends on it. Default: the environment
        variable ``HDMEA_MEMORY_GB``, else half of the memory that is free now.

    Returns
    -------
    PipelineSession

    Raises
    ------
    ParameterError
        If no usable id is given or can be derived, or the budget is no number of GB.

    Examples
    --------
    >>> create_session(cmtr_path="retina_1-.cmtr").dataset_id
    'retina_1'
    """
    cmcr = Path(cmcr_path) if cmcr_path is not None else None
    cmtr = Path(cmtr_path) if cmtr_path is not None else None
    return PipelineSession(
        dataset_id if dataset_id is not None else derive_dataset_id(cmcr, cmtr),
        cmcr_path=cmcr,
        cmtr_path=cmtr,
        stimuli_dir=stimuli_dir,
        output_dir=output_dir,
        memory_budget_gb=memory_budget_gb,
    )
