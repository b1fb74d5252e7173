"""Every error that hdmea raises on purpose.

One root, a handful of kinds. Each kind also inherits the builtin that fits, so that
``except FileNotFoundError`` or ``except ValueError`` work as a user expects. A message
says what is wrong, where (file, key, unit), what was found and what to do.
"""

from __future__ import annotations

from hdmea.terminal import shown


class HdmeaError(Exception):
    """Root of all errors that hdmea raises on purpose."""

    def __str__(self) -> str:
        # KeyError shows the repr of its message, OSError may show a tuple; all of ours read alike.
        # What they quote of a file must not act on the terminal.
        return shown(str(self.args[0])) if self.args else ""


class ParameterError(HdmeaError, ValueError):
    """A parameter, a setting or a combination of them cannot be used."""


class UnknownNameError(HdmeaError, KeyError):
    """No feature, playlist, movie, unit or step has that name; the known ones are listed."""


class FileMissingError(HdmeaError, FileNotFoundError):
    """A file or folder that was named does not exist."""


class OutputExistsError(HdmeaError, FileExistsError):
    """The output exists and may not be replaced (``overwrite=False``)."""


class OutputWriteError(HdmeaError, OSError):
    """A file could not be written: ``errno`` and ``filename`` tell why; the old file is whole."""


class RecordingFileError(HdmeaError, OSError):
    """A file that hdmea did not write (.cmcr, .cmtr, an old result) is damaged, or does not fit."""


class RecordingNotReadError(RecordingFileError):
    """The file could not be read this time (rights, memory, a failing disk); it may be whole."""


class UnreadableRecordingError(RecordingFileError):
    """Reading the file crashes or hangs HDF5, which is not tried outside of the probe's process."""


class SessionFileError(HdmeaError, OSError):
    """A session file is damaged, of another kind, or of an unknown version."""


class StimulusError(HdmeaError, ValueError):
    """Frame clock, playlist, movie and recording do not fit together."""


class MissingDataError(HdmeaError, LookupError):
    """What a step needs is neither in the session nor can another step bring it."""


class FeatureOutputError(HdmeaError, TypeError):
    """A feature returned something else than it declares."""


class FeaturePackageError(HdmeaError, ImportError):
    """A feature of another package cannot be used: it does not load, or is not what it claims."""


class StaleSessionError(HdmeaError, RuntimeError):
    """The session's file was changed by somebody else since the session read or wrote it."""
