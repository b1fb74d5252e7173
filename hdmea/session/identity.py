"""Dataset ids: from file names, and what makes one usable."""

from __future__ import annotations

from pathlib import Path

from hdmea.errors import ParameterError
from hdmea.store.header import is_usable_id


def check_dataset_id(dataset_id: str) -> str:
    """The id, if it can be a file's name everywhere.

    Raises
    ------
    ParameterError
        If not; the message shows how to choose another.

    Examples
    --------
    >>> check_dataset_id("2025.04.10-11.12.57-Rec")
    '2025.04.10-11.12.57-Rec'
    """
    if not is_usable_id(dataset_id):
        raise ParameterError(
            f"{dataset_id[:200]!r} cannot be a dataset id: letters, digits, '.', '_' and '-' "
            "only, beginning "
            "with a letter or digit, no '..', at most 128 characters; choose one, e.g. "
            'dataset_id="retina_1"'
        )
    return dataset_id


def derive_dataset_id(cmcr_path: Path | None, cmtr_path: Path | None) -> str:
    """Id from the .cmtr's name (else the .cmcr's), without a trailing ``-``.

    Raises
    ------
    ParameterError
        If no path is given, or the name cannot be an id.

    Examples
    --------
    >>> derive_dataset_id(Path("a/Rec.cmcr"), Path("a/Rec-.cmtr"))
    'Rec'
    """
    path = cmtr_path or cmcr_path
    if path is None:
        raise ParameterError(
            "neither cmtr_path, cmcr_path nor dataset_id is given; name the recording by one "
            "of them, "
            'e.g. dataset_id="retina_1"'
        )
    return check_dataset_id(path.stem.rstrip("-"))
