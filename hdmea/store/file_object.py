"""Files as h5py's ``fileobj`` driver takes them: plain system calls on a descriptor.

When a disk fails, HDF5 1.14 and 2.0 may crash the interpreter while they clean up. So a file that
is written remembers the first error and swallows what follows; HDF5 closes in order, and the
error is raised after that. A file that is read this way can be open in other hands at the same
time, whatever they chose about locking.

HDF5 closes what is still open when the process ends, and asks these objects for it; by then there
is no Python any more, and the process would crash. So such files are closed before that.
"""

from __future__ import annotations

import atexit
import os
import stat
from itertools import count
from pathlib import Path
from weakref import WeakValueDictionary

import h5py
import numpy as np

from hdmea.arrays import Array
from hdmea.spare_memory import require_memory

_numbers = count()
_open_files: WeakValueDictionary[int, h5py.File] = WeakValueDictionary()


def opened(target: ReadableFile, mode: str) -> h5py.File:
    """An HDF5 file behind one of these objects; closed before the interpreter ends.

    Raises
    ------
    MemoryError
        If hardly any is left.
    OSError
        If it is not HDF5.
    """
    require_memory()
    file = h5py.File(target, mode)
    _open_files[next(_numbers)] = file
    return file


@atexit.register
def _close_files() -> None:
    for file in list(_open_files.values()):
        file.close()


class ReadableFile:
    """A descriptor that can be read from any place; closed at the latest when it is not used."""

    def __init__(self, descriptor: int, name: str = "") -> None:
        self._descriptor = descriptor
        self._position = 0
        self._name = name

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        # h5py takes it for the name of the file, which errors tell
        return self._name or super().__repr__()

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def mode(self) -> int:
        """Kind of file and permissions."""
        return os.fstat(self._descriptor).st_mode

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place of the file."""
        if whence == os.SEEK_END:
            offset += os.fstat(self._descriptor).st_size
        elif whence == os.SEEK_CUR:
            offset += self._position
        self._position = offset
        return offset

    def tell(self) -> int:
        """Place of the next read or write."""
        return self._position

    def read(self, size: int) -> bytes:
        """Bytes from the current place; h5py asks for this method to know a file object."""
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; what lies beyond the end reads as zeros (digests tell)."""
        self._position += self._read_into(memoryview(buffer).cast("B"), self._position)
        return len(buffer)

    def read_at(self, offset: int, values: Array) -> None:
        """Fill an array in C order with the bytes from a place on."""
        self._read_into(values.reshape(-1).view(np.uint8).data, offset)

    def _read_into(self, view: memoryview, offset: int) -> int:
        done = 0
        # one system call gives 2 GiB at most
        while done < len(view):
            got = os.preadv(self._descriptor, [view[done:]], offset + done)
            if got == 0:
                view[done:] = bytes(len(view) - done)
                break
            done += got
        return len(view)


def open_regular(path: Path) -> h5py.File:
    """Open an HDF5 file for reading; nothing waits or acts when it is opened.

    Raises
    ------
    OSError
        If it is not a regular file, or not HDF5.
    """
    return opened(regular(path), "r")


def regular(path: Path) -> ReadableFile:
    """Open a regular file for reading, as `open_regular` does, but not as HDF5.

    Raises
    ------
    OSError
        If it is not a regular file.
    """
    target = ReadableFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), str(path))
    if not stat.S_ISREG(target.mode):
        raise OSError(f"{path} is not a regular file")
    return target


def file_kind(path: Path) -> str:
    """What an HDF5 file says that it is in its attribute ``format``; empty if it says nothing.

    Raises
    ------
    OSError
        If there is no HDF5 file.
    """
    with open_regular(path) as file:
        found = file.attrs.get("format", b"")
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)


class RememberingFile(ReadableFile):
    """A descriptor that is written; what goes wrong first is kept in ``error``, not raised."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        """Keep an error, if it is the first one; nothing is written from now on."""
        self.error = self.error or error

    def raise_error(self) -> None:
        """Raise what has gone wrong, if anything, or will: between two calls of HDF5, never within.

        Raises
        ------
        MemoryError
            See `hdmea.spare_memory.require_memory`; any other error is the disk's.
        """
        if self.error is not None:
            raise self.error
        require_memory()

    def write(self, buffer: memoryview) -> int:
        """Write all of the buffer, unless an earlier write has failed."""
        view = memoryview(buffer).cast("B")
        written = 0
        try:
            while self.error is None and written < len(view):
                written += os.pwrite(self._descriptor, view[written:], self._position + written)
        except OSError as error:
            self.fail(error)
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the length of the file."""
        size = self._position if size is None else size
        try:
            if self.error is None:
                os.ftruncate(self._descriptor, size)
        except OSError as error:
            self.fail(error)
        return size

    def flush(self) -> None:
        """Nothing is held back, so there is nothing to do; the sync comes once, at the end."""
