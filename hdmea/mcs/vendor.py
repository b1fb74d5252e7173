"""The child process of the probe: one pair of files, seen by the vendor's reader and by ours.

Run as ``python -m hdmea.mcs.vendor [--cmcr FILE] [--cmtr FILE]``. The vendor's reader crashes
or hangs on some damaged files; here that hurts nobody. Writes one JSON object per line to
stdout: ``{"reading": path}`` before a file is touched, ``{"refused": message}`` if our reader does
not accept it, ``{"read": path}`` if it does, ``{"no_vendor": message}`` where the vendor's reader
cannot be imported, and ``{"file": path, "ours": {...}, "vendor": {...}}`` with what both see.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import Any, Final, TextIO

import h5py
import numpy as np

from hdmea.errors import HdmeaError, RecordingFileError
from hdmea.mcs.child import limit_this_process
from hdmea.mcs.cmcr import open_cmcr
from hdmea.mcs.cmtr import acquisition_link, read_cmtr
from hdmea.mcs.safe_h5 import UNKNOWN_KIND, open_recording, reading
from hdmea.mcs.tree import require_own

MAX_OUTPUT_BYTES: Final = 16 * 2**20

View = dict[str, Any]


class _OneElementIntMeta(type):
    def __call__(cls, value: Any = 0) -> int:
        return int(value.item() if isinstance(value, np.ndarray) else value)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, int)


class OneElementInt(metaclass=_OneElementIntMeta):
    """Stand in for ``int`` and accept arrays of one element, which numpy's own no longer does.

    The vendor's reader (0.4.3) calls ``int`` on attributes of shape (1,).

    Examples
    --------
    >>> OneElementInt(np.array([7])), OneElementInt("8"), isinstance(3, OneElementInt)
    (7, 8, True)
    """


def vendor_reader() -> Any:
    """Import the vendor's module, patched to work with current numpy. For child processes only."""
    import McsPy.McsCMOSMEA as vendor  # noqa: N813 (a module that is named like a class)

    vendor.int = OneElementInt
    return vendor


def our_cmtr(path: Path) -> View:
    """Units by number, as ours sees them: sensor, included peaks, first and last (us)."""
    sorting = read_cmtr(path)
    stops = sorting.spike_times_index.tolist()
    view: View = {}
    for index, (start, stop) in enumerate(zip([0, *stops], stops, strict=False)):
        train = sorting.spike_times_s[start:stop]
        ends = [round(train[0] * 1e6), round(train[-1] * 1e6)] if train.size else []
        number = str(sorting.unit_id[index])
        view[f"unit {number}"] = [int(sorting.sensor_id[index]), stop - start, *ends]
    return view


def vendor_cmtr(vendor: Any, path: Path) -> View:
    """Show the same as `our_cmtr`, as the vendor's reader sees it."""
    root = vendor.McsData(str(path))
    view: View = {}
    for unit in _only_of_class(root, vendor.SpikeSorter).get_units_by_id():
        # Not get_peaks(): it fails without peaks, and reads all cut-outs.
        stamps = unit.Peaks["Timestamp"][unit.Peaks["IncludePeak"] == 1]
        ends = [int(stamps.min()), int(stamps.max())] if stamps.size else []
        place = [int(unit._unit_entity_sensorID), int(stamps.size), *ends]
        view[f"unit {unit._unit_entity_unitID}"] = place
    return view


def our_cmcr(path: Path) -> View:
    """Streams by name, as ours sees them: shape and tick (us), or number of events."""
    view: View = {}
    with open_cmcr(path) as recording:
        for stream in recording.analog:
            shape = [stream.n_channels, stream.n_samples]
            _append(view, f"analog stream {stream.name}", [*shape, 1e6 / stream.rate_hz])
        for sensor in recording.sensors:
            _append(view, "sensor stream", [*sensor.shape, sensor.tick_us])
        events = recording.digital_events
        for name in np.unique(events.stream).tolist():
            view[f"events {name}"] = int(np.count_nonzero(events.stream == name))
    return view


def vendor_cmcr(vendor: Any, path: Path) -> View:
    """Show the same as `our_cmcr`, as the vendor's reader sees it."""
    root = vendor.McsData(str(path))
    acquisition = _only_of_class(root, vendor.Acquisition)
    view: View = {}
    for child in acquisition._child_inventory:
        stream = acquisition._children[child.mcs_instanceid]
        subtype = stream.attributes.get("SubType")
        if isinstance(stream, vendor.McsChannelStream) and subtype == "Auxiliary":
            for data in stream.Data:
                tick = float(data.Meta["Tick"][0])
                _append(view, f"analog stream {child.h5py}", [*data.shape, tick])
        elif isinstance(stream, vendor.McsSensorStream):
            for data in stream.SensorData:
                rows = stream.SensorMeta
                row = (rows["RegionID"] == data._entity_id[0]) & (
                    rows["GroupID"] == data._entity_id[1]
                )
                _append(view, "sensor stream", [*data.shape, float(rows["Tick"][row][0])])
        elif isinstance(stream, vendor.McsEventStream) and subtype == "DigitalPort":
            n_events = sum(data.shape[0] for data in stream.Data)
            if n_events:
                view[f"events {child.h5py}"] = n_events
    return view


def _append(view: View, key: str, value: list[Any]) -> None:
    view.setdefault(key, []).append(value)


def _only_of_class(root: Any, wanted: type) -> Any:
    """Find a child by its class (the vendor maps type ids to classes), whatever its name."""
    for child in root._child_inventory:
        if isinstance(root._h5py_object.get(child.h5py, getlink=True), h5py.HardLink):
            node = root._children[child.mcs_instanceid]
            if isinstance(node, wanted):
                return _keep_alive(node, root)
    # Cause: the file is damaged, or of a version that the vendor's reader does not know.
    raise RecordingFileError(
        f"{root._h5py_object.file.filename}: the vendor's reader finds no {wanted.__name__}. "
        f"{UNKNOWN_KIND}"
    )


def _keep_alive(node: Any, root: Any) -> Any:
    node.__dict__["_root"] = root  # the vendor's reader closes the file with its root object
    return node


def _check_links(path: Path, kind: str) -> None:
    """Refuse what would lead the vendor's reader, which follows every link, to other files.

    But for a sorted file's link to its raw one, in the same folder, which is looked at as well.
    """
    with open_recording(path) as file, reading(path):
        link = acquisition_link(file) if kind == "cmtr" else None
        require_own(file, but_for=() if link is None else ("/Acquisition",))
    if link is None:
        return
    target = path.parent / link
    if "/" in link or (target.exists() and not target.is_file()):
        # Cause: the link of the .cmtr to its .cmcr names a path, not a file beside it.
        raise RecordingFileError(
            f"{path}: its Acquisition links to {link!r}; a link to a .cmcr file in the same "
            "folder is expected. Put both files into one folder and save the .cmtr again"
        )
    if target.exists():
        with open_recording(target) as file, reading(target):
            require_own(file)


def _look(kind: str, path: Path, out: TextIO) -> None:
    print(json.dumps({"reading": str(path)}), file=out, flush=True)
    ours = our_cmtr(path) if kind == "cmtr" else our_cmcr(path)
    print(json.dumps({"read": str(path)}), file=out, flush=True)
    _check_links(path, kind)
    vendor = vendor_reader()
    theirs = vendor_cmtr(vendor, path) if kind == "cmtr" else vendor_cmcr(vendor, path)
    print(json.dumps({"file": str(path), "ours": ours, "vendor": theirs}), file=out, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Look at the files given and report to stdout; 0 unless something unforeseen happened."""
    parser = argparse.ArgumentParser(prog="python -m hdmea.mcs.vendor")
    parser.add_argument("--cmcr", type=Path)
    parser.add_argument("--cmtr", type=Path)
    files = vars(parser.parse_args(argv))
    limit_this_process(MAX_OUTPUT_BYTES)
    out = sys.stdout
    # The vendor's reader prints to stdout, which is ours to report on.
    with contextlib.redirect_stdout(sys.stderr):
        for kind, path in files.items():
            if path is None:
                continue
            try:
                _look(kind, path, out)
            except ImportError as error:
                print(json.dumps({"no_vendor": str(error)}), file=out, flush=True)
                break
            except HdmeaError as error:
                print(json.dumps({"refused": str(error)}), file=out, flush=True)
                break
    return 0


if __name__ == "__main__":
    sys.exit(main())
