"""The chip's geometry and the one open question of its scaling."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hdmea.errors import ParameterError

SENSORS_PER_SIDE: Final = 65


def sensor_id(row: int, column: int) -> int:
    """Compute the number of a sensor (all 1-based): ``65 * (column - 1) + row``.

    Raises
    ------
    ParameterError
        If row or column is not on the chip.

    Examples
    --------
    >>> sensor_id(row=1, column=2)
    66
    """
    if not (1 <= row <= SENSORS_PER_SIDE and 1 <= column <= SENSORS_PER_SIDE):
        raise ParameterError(
            f"sensor (row {row}, column {column}) is not on the chip: both must be 1 to 65"
        )
    return SENSORS_PER_SIDE * (column - 1) + row


def parse_conversion_factors(text: str, columns: int, rows: int) -> npt.NDArray[np.float64]:
    """Read the conversion factors of a region, shape ``(columns, rows)``, from their text.

    The file holds one decimal number per sensor, separated by blanks. In which order is
    **not documented**: the vendor's MATLAB tools let the column (x) run fastest, other readers
    let the row (y) run fastest. The vendor is followed, here and nowhere else; a dead or
    uncalibrated sensor in a real recording settles it.

    Raises
    ------
    ParameterError
        If the text does not hold ``columns * rows`` numbers.

    Examples
    --------
    >>> parse_conversion_factors("1 2 3 4 5 6 ", columns=3, rows=2)
    array([[1., 4.],
           [2., 5.],
           [3., 6.]])
    """
    words = text.split()
    if len(words) != columns * rows:
        raise ParameterError(
            f"{len(words)} conversion factors for a region of {columns} columns and {rows} rows: "
            f"{columns * rows} are needed"
        )
    try:
        factors = np.array([float(word) for word in words])
    except ValueError as error:
        raise ParameterError(f"conversion factors must be numbers: {error}") from error
    return factors.reshape((columns, rows), order="F")


def format_conversion_factors(factors: npt.NDArray[np.float64]) -> str:
    """Write factors ``(columns, rows)`` as text; the inverse of `parse_conversion_factors`.

    Examples
    --------
    >>> format_conversion_factors(np.array([[1.0, 4.0], [2.5, 5.0]]))
    '1 2.5 4 5 '
    """
    in_order = np.asarray(factors, dtype=np.float64).ravel(order="F")
    return "".join(np.format_float_positional(factor, trim="-") + " " for factor in in_order)
