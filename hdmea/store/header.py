"""What a session file says about the session itself, checked: it may come from anywhere."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from hdmea.validation import problems

_USABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_usable_id(dataset_id: str) -> bool:
    """Whether a dataset id can be a file's name everywhere, and stays in its folder.

    Examples
    --------
    >>> is_usable_id("2025.04.10-Rec"), is_usable_id("../Rec"), is_usable_id("")
    (True, False, False)
    """
    return _USABLE.fullmatch(dataset_id) is not None and ".." not in dataset_id


def _usable(dataset_id: str) -> str:
    if not is_usable_id(dataset_id):
        raise ValueError(f"{dataset_id[:200]!r} cannot be the name of a file")
    return dataset_id


_Path = Annotated[str, Field(pattern=r"^[^\x00]*$")]


class Header(BaseModel):
    """Entries that are read; others are kept as they are."""

    model_config = ConfigDict(extra="allow", strict=True, defer_build=True)

    dataset_id: Annotated[str, AfterValidator(_usable)]
    output_dir: _Path = "artifacts"
    places: dict[str, _Path | None] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    software: dict[str, str] = Field(default_factory=dict)
    pending: dict[str, str] = Field(default_factory=dict)
    requests: dict[str, dict[str, Any]] = Field(default_factory=dict)


def checked(found: object) -> dict[str, Any]:
    """The header, if each entry is of the type that it has.

    Raises
    ------
    ValueError
        Naming those that are not.
    """
    try:
        return Header.model_validate(found).model_dump()
    except ValidationError as error:
        raise ValueError("; ".join(problems(error, Header))[:500]) from error


def named_values(said: str) -> dict[str, Any]:
    """Names with values, of JSON.

    Raises
    ------
    ValueError, RecursionError
        If it is something else, or has lists in each other without end.
    """
    found = json.loads(said)
    if not isinstance(found, dict):
        raise ValueError(f"{said[:40]!r} is no set of names with values")
    return found
