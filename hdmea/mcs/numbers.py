"""Numbers of a file: stored as every processor has them, or the file is damaged.

HDF5 can describe a number bit by bit, and reads any such description. A bit that changed in it
gives other numbers without a word, and h5py crashes on some. So it is looked at before h5py is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from h5py import h5t

from hdmea.errors import RecordingFileError

_WITHIN: Final = {h5t.ENUM, h5t.ARRAY, h5t.VLEN}
_STANDARD: Final = {
    h5t.FLOAT: tuple(getattr(h5t, f"IEEE_F{bits}LE") for bits in (16, 32, 64)),
    h5t.INTEGER: tuple(
        getattr(h5t, f"STD_{sign}{bits}LE") for sign in "IU" for bits in (8, 16, 32, 64)
    ),
}

_known: set[bytes] = set()
"""Tables whose numbers are standard, as HDF5 writes down what they are."""
_MOST_KNOWN: Final = 1000


def require_numbers(kind: h5t.TypeID, where: Callable[[], str]) -> None:
    """Refuse what would be read as other numbers than were written, or crash h5py.

    Parameters
    ----------
    kind
        Type of a dataset or attribute, as the file says it.
    where
        Names them, if that is needed.

    Raises
    ------
    RecordingFileError
        If a number is not IEEE 754 of 16, 32 or 64 bits, or an integer of 8 to 64 bits, least
        significant byte first, as the vendor's programs write all of them.

    Examples
    --------
    >>> odd = h5t.IEEE_F64LE.copy()
    >>> odd.set_ebias(1022)
    >>> table = h5t.create(h5t.COMPOUND, 12)
    >>> table.insert(b"Number", 0, h5t.STD_I32LE)
    >>> require_numbers(table, lambda: "a.cmtr: Unit Info")
    >>> table.insert(b"SNR", 4, odd)
    >>> require_numbers(table, lambda: "a.cmtr: Unit Info")
    Traceback (most recent call last):
    hdmea.errors.RecordingFileError: a.cmtr: Unit Info: the numbers of SNR are stored as no \
program writes them. The file is damaged: copy it again from its source and compare checksums
    """
    # Of the tables of a thousand units only the first is looked at number by number.
    said = kind.encode() if kind.get_class() == h5t.COMPOUND else b""
    if said in _known:
        return
    if odd := list(_odd(kind, "")):
        of = f" of {', '.join(odd)}" if any(odd) else ""
        # Cause: bits of the file changed on a disk or on their way.
        raise RecordingFileError(
            f"{where()}: the numbers{of} are stored as no program writes them. The file is "
            "damaged: copy it again from its source and compare checksums"
        )
    if said and len(_known) < _MOST_KNOWN:
        _known.add(said)


def _odd(kind: h5t.TypeID, name: str) -> Iterator[str]:
    """Columns whose numbers are stored as no processor has them; without columns an empty name."""
    found = kind.get_class()
    if found == h5t.COMPOUND:
        for index in range(kind.get_nmembers()):
            below = kind.get_member_name(index).decode("utf-8", "replace")
            yield from _odd(kind.get_member_type(index), f"{name}/{below}".lstrip("/"))
    elif found in _WITHIN:
        yield from _odd(kind.get_super(), name)
    elif not any(kind.equal(one) for one in _STANDARD.get(found, (kind,))):
        yield name
