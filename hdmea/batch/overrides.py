"""A recording's own parameters of all steps, in a file that its row names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hdmea.steps.registry import STEPS
from hdmea.stimulus.folder import parse_yaml
from hdmea.tsv import few
from hdmea.validation import unknown

OF_THE_BATCH = {
    "extract_features": frozenset({"features", "threads"}),
    "curate_units": frozenset({"table"}),
    "compute_sta": frozenset({"threads"}),
}
"""What is the same for all recordings: which features, the curation table, the size of jobs."""


def read_overrides(path: str, chosen_steps: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Parameters by step, as they stand below ``steps`` in a configuration.

    Parameters
    ----------
    path
        The file, YAML.
    chosen_steps
        Steps that are run.

    Raises
    ------
    ValueError
        If it cannot be read, or speaks of a step that is unknown or not run, or of what is the
        same for all recordings. Values are looked at by the steps' own models.
    """
    try:
        said = parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}; correct the path") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    said = {} if said is None else said
    if not isinstance(said, Mapping):
        raise ValueError(
            f"{path}: names of steps with their parameters are needed, as below `steps` in "
            f"config.yaml; found {type(said).__name__}"
        )
    wrong = [problem for step in said if (problem := _wrong(step, said[step], chosen_steps))]
    if wrong:
        raise ValueError(f"{path}: {'; '.join(wrong)}")
    return {step: dict(values or {}) for step, values in said.items()}


def merged(values: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Values with others in their place; of groups, only what is named.

    Examples
    --------
    >>> merged({"clock": {"row": 1, "height": 2}, "probe": "off"}, {"clock": {"row": 3}})
    {'clock': {'row': 3, 'height': 2}, 'probe': 'off'}
    """
    found = dict(values)
    for name, value in own.items():
        old = found.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[name] = merged(old, value) if both else value  # type: ignore[arg-type]
    return found


def _wrong(step: Any, values: Any, chosen_steps: Iterable[str]) -> str:
    if step not in STEPS:
        return f"{step}: {unknown(str(step), STEPS)}"
    if step not in chosen_steps:
        return f"{step} is not run; name it under `steps` in the configuration"
    if values is not None and not isinstance(values, Mapping):
        return f"{step}: must be names with values (found {values!r})"
    fixed = sorted(OF_THE_BATCH.get(step, frozenset()) & set(values or ()))
    if fixed:
        return f"{step}: {few(fixed)}: the same for all recordings; say it in the configuration"
    return ""
