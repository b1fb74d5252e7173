"""The one way in which hdmea writes an HDF5 file: whole or not at all.

A hidden file is written in the folder of the final one, synced, and renamed over it.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from hdmea.errors import FileMissingError, OutputExistsError, OutputWriteError
from hdmea.store.file_object import RememberingFile, opened
from hdmea.store.interrupts import kept_from

_SUFFIX = ".partial"
_log = logging.getLogger("hdmea")
_being_written: set[str] = set()
"""Names of the partial files that this process writes just now."""


@contextmanager
def atomic_hdf5(
    path: Path,
    *,
    overwrite: bool = True,
    expected_bytes: int = 0,
    finish: Callable[[RememberingFile], None] | None = None,
) -> Iterator[tuple[h5py.File, RememberingFile]]:
    """Write an HDF5 file that appears under its name only when it is whole and on disk.

    Parameters
    ----------
    path
        The final name. Its folder is made if it is missing.
    overwrite
        Whether a file of that name may be replaced.
    expected_bytes
        Refuse at once when the file system has less room than this.
    finish
        Called with the bytes of the file when HDF5 has closed it, before it is published.

    Yields
    ------
    tuple
        The file, and the bytes behind it: who writes much asks them now and then whether the disk
        still takes it (`RememberingFile.raise_error`).

    Raises
    ------
    OutputExistsError
        If the file exists and may not be replaced (also when another process makes it meanwhile).
    OutputWriteError
        If it cannot be written, with ``errno`` and ``filename``; an old file is as it was.
    """
    path = Path(os.path.realpath(path))  # what a link points to is written, the link stays
    with partial_file(path) as partial:
        if not overwrite and path.exists():
            raise _exists(path)
        with named_errors(path):
            if shutil.disk_usage(path.parent).free < expected_bytes:
                raise OSError(
                    errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {expected_bytes} bytes are needed"
                )
            descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        target = RememberingFile(descriptor)
        try:
            with named_errors(path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                with (
                    kept_from(RememberingFile.__module__, target.fail),
                    opened(target, "w") as file,
                ):
                    yield file, target
            except Exception:
                # h5py's own error tells less than what caused it, which is raised below
                if target.error is None:
                    raise
            with named_errors(path):
                if finish is not None and target.error is None:
                    finish(target)
                if target.error is not None:
                    raise target.error
                os.fsync(descriptor)
                # programs that open it under its name may want a lock of their own
                fcntl.flock(descriptor, fcntl.LOCK_UN)
                _publish(partial, path, overwrite)
            sync_name(path)
        finally:
            target.close()


def publish_link(source: Path, path: Path) -> None:
    """Give a whole, immutable file a second name, atomically; the first one stays.

    Raises
    ------
    OutputWriteError
        Where the file system does not link.
    """
    with partial_file(path) as partial:
        with named_errors(path):
            os.link(source, partial)
            # does nothing when both names are already links to one file
            partial.replace(path)
        sync_name(path)


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Name under which a file is written until it is whole; nothing stays there, whatever fails.

    The folder is made, and what killed writers left in it is swept.

    Raises
    ------
    OutputWriteError
        If the folder cannot be made.
    """
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
    partial = path.with_name(partial_name(path.name))
    _being_written.add(partial.name)
    try:
        yield partial
    finally:
        _being_written.discard(partial.name)
        try:
            partial.unlink(missing_ok=True)
        except OSError as error:  # the file is published, or an error says more than this one
            _log.warning("%s stays (%s); a later save sweeps it", partial, error.strerror)


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Keep other writers of a file waiting, from the check that it is unchanged to its replacing.

    Who waited finds another file under the name, and notices. Where the file system has no locks,
    the check stays without them. The folder is locked: a lock of the file itself would keep other
    programs from reading it, which lock what they read.
    """
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield
        return
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sweep(folder: Path) -> list[Path]:
    """Remove what killed writers left in a folder; return what was removed.

    A stray is a hidden partial file of this host whose process is gone and that nobody locks, or
    one that this process could not remove when the disk failed.
    """
    removed = []
    host = _host()
    for stray in folder.glob(f".*.{host}.*{_SUFFIX}"):
        pid = stray.name.removesuffix(_SUFFIX).split(".")[-2]
        if not pid.isdecimal() or stray.name in _being_written:
            continue
        if int(pid) != os.getpid() and _is_running(int(pid)):
            continue
        with suppress(OSError):  # somebody else sweeps too, or the file is not ours to remove
            descriptor = os.open(stray, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stray.unlink()
                removed.append(stray)
            finally:
                os.close(descriptor)
    return removed


def require_file(path: Path, what: str) -> Path:
    """The path, if a file is there.

    Raises
    ------
    FileMissingError
        If nothing is there.
    """
    path = Path(path)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileMissingError(f"{what} not found: {path}; correct the path") from None
    return path


def partial_name(name: str) -> str:
    """Name under which a file is written until it is whole; tells its host and process."""
    # a hidden name is longer than the final one, which may be as long as the system allows
    return f".{name[:100]}.{_host()}.{os.getpid()}.{secrets.token_hex(4)}{_SUFFIX}"


def _host() -> str:
    return socket.gethostname().replace(".", "-") or "localhost"


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _publish(partial: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        partial.replace(path)
    else:
        try:
            os.link(partial, path)
        except FileExistsError as error:
            raise _exists(path) from error


def sync_name(path: Path) -> None:
    """Make sure that a file's new name is on disk, as its content is already.

    Raises
    ------
    OutputWriteError
        If nobody knows; the file is there, and whole.
    """
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _write_error(
            f"{path} is written and whole, but may be the old one again after a power failure: "
            f"its folder could not be synced ({error.strerror or error})",
            error.errno,
            path,
        ) from error


def _exists(path: Path) -> OutputExistsError:
    # Cause: a file is there, and `overwrite=False` was asked for.
    return OutputExistsError(f"{path} exists already; choose another path or allow overwrite=True")


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn an error of the system into one that names the file that could not be written."""
    try:
        yield
    except (OutputExistsError, OutputWriteError):
        raise
    except OSError as error:
        raise _write_error(
            f"could not write {path}: {error.strerror or error}; a file that was there before "
            "is unchanged",
            error.errno,
            path,
        ) from error


def _write_error(message: str, number: int | None, path: Path) -> OutputWriteError:
    # Cause: the disk is full, a quota is reached, the folder may not be written, or the disk does
    # not answer; `errno` tells which.
    error = OutputWriteError(message)
    error.errno = number
    error.filename = str(path)
    return error
