"""Looking at an unknown pair of files in a child process, before anything relies on them.

The vendor's own reader opens the files and must see what ours sees. It may crash or hang on a
damaged file; then the child does, and here it becomes one error that names the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hdmea.errors import (
    FileMissingError,
    ParameterError,
    RecordingFileError,
    RecordingNotReadError,
    UnreadableRecordingError,
)
from hdmea.mcs.child import default_deadline_s, run_child

_MODULE: Final = "hdmea.mcs.vendor"
_ADVICE: Final = (
    "The file is damaged or of a kind that is not known yet: copy it again from its source, or "
    "save it anew in CMOS-MEA-Tools"
)
_ADVICE_ONCE_MORE: Final = (
    "Try again when the computer has memory and time for it; if it stays so, the file is damaged: "
    "copy it again from its source"
)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What both readers agree on.

    Parameters
    ----------
    vendor_version
        Version of McsPyDataTools.
    n_units, n_spikes
        Of the ``.cmtr`` file; None if none was given.
    n_streams
        Sensor, analog and event streams of the ``.cmcr`` file; None if none was given.
    """

    vendor_version: str
    n_units: int | None
    n_spikes: int | None
    n_streams: int | None


def probe_pair(
    cmcr_path: Path | str | None, cmtr_path: Path | str | None, deadline_s: float | None = None
) -> ProbeReport:
    """Compare what the vendor's reader sees in a recording with what ours sees.

    Compared are, per unit, number, sensor, included peaks, first and last time stamp; per
    stream, shape and sample interval, or the number of events.

    Parameters
    ----------
    cmcr_path, cmtr_path
        The files; either may be None.
    deadline_s
        After this time the files count as unreadable. By default a minute, and more for a large
        ``.cmtr``, of which all peaks are read, twice: see `hdmea.mcs.child.default_deadline_s`.

    Raises
    ------
    ParameterError
        If no file is given.
    FileMissingError
        If a file does not exist.
    RecordingFileError
        If a reader crashes, fails or is not done in time, or the two disagree; it names the
        file. An `UnreadableRecordingError` if it is our own that crashes or is not done.
    """
    given = {
        kind: Path(path).absolute()
        for kind, path in (("cmcr", cmcr_path), ("cmtr", cmtr_path))
        if path is not None
    }
    if not given:
        raise ParameterError(
            "neither a .cmcr nor a .cmtr file is given to look at; give one or both"
        )
    for path in given.values():
        if not path.exists():
            raise FileMissingError(f"{path}: no such file; correct the path")
    from importlib.metadata import version

    if deadline_s is None:
        deadline_s = default_deadline_s(given["cmtr"].stat().st_size if "cmtr" in given else 0)
    views = _views(given, deadline_s)
    for path in given.values():
        _compare(path, views[path]["ours"], views[path]["vendor"])
    units = views[given["cmtr"]]["ours"] if "cmtr" in given else None
    streams = views[given["cmcr"]]["ours"] if "cmcr" in given else None
    return ProbeReport(
        vendor_version=version("McsPyDataTools"),
        n_units=None if units is None else len(units),
        n_spikes=None if units is None else sum(unit[1] for unit in units.values()),
        n_streams=None if streams is None else len(streams),
    )


def _views(given: dict[str, Path], deadline_s: float) -> dict[Path, dict[str, Any]]:
    """Run the child and collect what it saw of each file."""
    arguments = [f"--{kind}={path}" for kind, path in given.items()]
    said, failure = run_child(_MODULE, arguments, deadline_s)
    for line in said:
        if "refused" in line:
            raise RecordingFileError(line["refused"])
    without = [line["no_vendor"] for line in said if "no_vendor" in line]
    if failure or without:
        begun = [line["reading"] for line in said if "reading" in line]
        if without or not begun:
            names = " and ".join(str(path) for path in given.values())
            # Cause: this computer could not start a Python process or the vendor's reader, for want
            # of memory, of rights or of packages.
            raise RecordingNotReadError(
                f"{names}: the check itself could not start: {failure or without[0]}. Mend that, "
                "or leave the check out: load_recording with probe: off"
            )
        failed = f"{begun[-1]}: the probe of it failed: {failure}"
        by_ours = {"read": begun[-1]} not in said
        if by_ours and failure.may_pass:
            # Cause: the system has ended the check, as it does where memory is short, or our reader
            # was not done in time, because the file is damaged, or the disk slow.
            raise UnreadableRecordingError(f"{failed}. {_ADVICE_ONCE_MORE}")
        if failure.may_pass:
            # Cause: the system has ended the check, as it does where memory is short, or the
            # vendor's reader was not done in time.
            raise RecordingNotReadError(f"{failed}. {_ADVICE_ONCE_MORE}")
        if by_ours:
            # Cause: our reader crashed or failed, because the file is damaged.
            raise UnreadableRecordingError(f"{failed}. {_ADVICE}")
        # Cause: the vendor's reader crashed or failed, mostly because the file is damaged.
        raise RecordingFileError(f"{failed}. {_ADVICE}")
    return {Path(line["file"]): line for line in said if "file" in line}


def _compare(path: Path, ours: dict[str, Any], vendor: dict[str, Any]) -> None:
    differing = [
        f"{key}: vendor {_words(vendor.get(key))}, ours {_words(ours.get(key))}"
        for key in sorted(ours.keys() | vendor.keys())
        if ours.get(key) != vendor.get(key)
    ]
    if differing:
        shown = "; ".join(differing[:5]) + ("; ..." if len(differing) > 5 else "")
        # Cause: the file is damaged, or of a version of the format that one of the two readers does
        # not know.
        raise RecordingFileError(
            f"{path}: the vendor's reader and ours disagree in {len(differing)} place(s): {shown}. "
            f"{_ADVICE}; if it stays so, send us `hdmea inspect --json --anonymous` of it"
        )


def _words(seen: Any) -> str:
    return "nothing" if seen is None else str(seen)
