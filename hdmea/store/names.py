"""What a variable of a session file may be called, and what may be said of it.

HDF5 takes more names than it gives back: ``a//b`` and ``a/./b`` become ``a/b``, axes with a comma
two axes. What would come back as something else is refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable

from hdmea.arrays import Variable
from hdmea.digest import plain_text
from hdmea.errors import ParameterError
from hdmea.store import format as fmt

_UNIT, _FEATURES = "unit", "features/"
_OWN_GROUPS = ("manifest", "provenance")
_MAX_NAME_BYTES = 1000
_MAX_ATTRIBUTE_BYTES = 60_000
"""HDF5 keeps attributes in the header of their dataset, which has 64 KiB."""


def check_place(path: str) -> None:
    """Make sure that a variable can lie at a path.

    Raises
    ------
    ParameterError
        If not, with the reason.

    Examples
    --------
    >>> check_place("units/n_spikes")
    >>> check_place("units//n_spikes")
    Traceback (most recent call last):
    hdmea.errors.ParameterError: 'units//n_spikes' cannot be the path of a variable: a name in it \
is empty; use names such as units/n_spikes
    """
    words = plain_text(path, "path of a variable").split("/")
    problem = ""
    if "" in words:
        problem = "a name in it is empty"
    elif {".", ".."} & set(words):
        problem = "a name in it is . or .."
    elif "\0" in path:
        problem = "it has a NUL character"
    elif words[0] in _OWN_GROUPS:
        problem = f"{words[0]}/ is the file's own"
    elif len(words) > fmt.MAX_DEPTH:
        problem = f"it has more than {fmt.MAX_DEPTH} names"
    elif max(len(word.encode()) for word in words) > _MAX_NAME_BYTES:
        problem = f"a name in it has more than {_MAX_NAME_BYTES} bytes"
    if problem:
        raise ParameterError(
            f"{path[:200]!r} cannot be the path of a variable: {problem}; use names such as "
            "units/n_spikes"
        )


def odd_axes(axes: Iterable[tuple[str, Iterable[str], Iterable[int]]]) -> str:
    """What contradicts itself: an axis that is not as long everywhere; empty if nothing does.

    Axes of one name are equally long in one group, but for those of a feature, which names its
    own; the units are as many in all of a file.

    Parameters
    ----------
    axes
        Of each variable its path, the names of its axes, and their lengths.

    Examples
    --------
    >>> odd_axes([("units/row", ["unit"], [3]), ("sta/noise/sta", ["unit", "lag"], [3, 60])])
    ''
    >>> odd_axes([("units/row", ["unit"], [3]), ("units/tags", ["unit"], [2])])
    'units/tags has 2 along its axis unit, units/row has 3'
    """
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for path, names, lengths in axes:
        for name, length in zip(names, lengths, strict=False):
            if name != _UNIT and path.startswith(_FEATURES):
                continue
            group = "" if name == _UNIT else path.rpartition("/")[0]
            other, known = first.setdefault((group, name), (path, length))
            if length != known:
                return f"{path} has {length} along its axis {name}, {other} has {known}"
    return ""


def check_description(path: str, variable: Variable) -> None:
    """Make sure that unit, axes and description of a variable come back as they are.

    Raises
    ------
    ParameterError
        If not, with the reason.
    """
    for axis in variable.dims:
        if not axis or "," in axis:
            raise ParameterError(
                f"{path}: {axis!r} cannot be the name of an axis; a word without commas is needed"
            )
    said = {
        "unit": variable.unit,
        "dims": ",".join(variable.dims),
        "description": variable.description,
    }
    for name, words in said.items():
        plain_text(words, f"{path}: {name}")
        if "\0" in words:
            raise ParameterError(f"{path}: {name} has a NUL character; remove it")
        if len(words.encode()) > _MAX_ATTRIBUTE_BYTES:
            raise ParameterError(
                f"{path}: {name} has {len(words.encode())} bytes; at most {_MAX_ATTRIBUTE_BYTES} "
                "can be stored, make it a variable of its own"
            )
