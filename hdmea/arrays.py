"""The one thing that session, steps and store exchange: an array that says what it is."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError

Array = npt.NDArray[Any]


@runtime_checkable
class LazyArray(Protocol):
    """An array whose values are still in a file; reading verifies them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values as they are read."""

    @property
    def loaded(self) -> bool:
        """Whether all values are in memory."""

    def __getitem__(self, key: Any) -> Array: ...


def owner(values: Array) -> object:
    """What holds the memory that an array shows: an array, or the pages of a file."""
    base: object = values
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    return base


def on_disk(data: Array | LazyArray) -> bool:
    """Whether an array's values are pages of a file, which the system may take from memory."""
    return isinstance(data, np.ndarray) and isinstance(owner(data), mmap.mmap)


@dataclass(frozen=True, slots=True)
class Variable:
    """An array with its unit, the names of its axes and what it means.

    Parameters
    ----------
    data
        Numbers (integer or float) or text (numpy ``U``), 0-d for a scalar. A lazy array is
        read at first use.
    unit
        SI symbol (``s``, ``Hz``, ``um``), ``1`` for pure numbers and counts, empty for text.
    dims
        One word per axis, e.g. ``("unit", "lag", "y", "x")``.
    description
        A sentence for the reader of the file.

    Examples
    --------
    >>> v = Variable(np.zeros(3), unit="s", dims=("unit",), description="first spike")
    >>> v.values.shape
    (3,)
    """

    data: Array | LazyArray
    unit: str
    dims: tuple[str, ...]
    description: str

    @property
    def values(self) -> Array:
        """The whole array, read (and verified) if it is still in a file."""
        if isinstance(self.data, np.ndarray):
            return self.data
        return self.data[...]

    @property
    def in_memory(self) -> bool:
        """Whether the values are in memory, not in a file only."""
        if isinstance(self.data, np.ndarray):
            return not on_disk(self.data)
        return self.data.loaded

    @property
    def nbytes(self) -> int:
        """Bytes that the values take in memory once read."""
        return int(np.prod(self.data.shape, dtype=np.int64)) * self.data.dtype.itemsize


Variables = Mapping[str, Variable]
"""Variables by their path inside a session, e.g. ``units/spike_times``."""


def scalar(value: Any, unit: str, description: str) -> Variable:
    """A 0-d variable.

    Examples
    --------
    >>> scalar(20000.0, "Hz", "sampling rate").values
    array(20000.)
    """
    return Variable(np.asarray(value), unit, (), description)


def text(value: str, description: str) -> Variable:
    """A 0-d variable of text.

    Examples
    --------
    >>> str(text("noise", "name").values)
    'noise'
    """
    return Variable(np.asarray(value, dtype=np.str_), "", (), description)


def require_array(variable: Variable, path: str) -> None:
    """Make sure that a variable's data are an array that hides none of its values.

    Raises
    ------
    ParameterError
        If they are a list, a number, a masked array.

    Examples
    --------
    >>> require_array(Variable([1, 2], "1", ("unit",), "a list"), "units/label")
    Traceback (most recent call last):
    hdmea.errors.ParameterError: units/label: its data are a list; an array is needed
    """
    data: object = variable.data
    if isinstance(data, np.ma.MaskedArray):
        raise ParameterError(
            f"{path}: its data are a masked array, whose mask would be lost; put NaN where there "
            "is no value, and a reason beside it"
        )
    if not isinstance(data, np.ndarray | np.generic | LazyArray):
        raise ParameterError(f"{path}: its data are a {type(data).__name__}; an array is needed")


def frozen(variable: Variable) -> Variable:
    """The variable with values as they come back from a file, which nobody can change.

    Digests and lazy saves rely on it.
    """
    data = variable.data
    if isinstance(data, np.generic):
        data = np.asarray(data)
    if not isinstance(data, np.ndarray):
        return variable
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    if data.dtype.kind == "U":
        # as wide as its longest
        data = data.astype(f"U{max(int(np.strings.str_len(data).max(initial=1)), 1)}")
    data.flags.writeable = False
    return replace(variable, data=data)
