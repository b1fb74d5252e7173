"""Reading recordings: ``.cmcr`` (raw streams) and ``.cmtr`` (sorted units).

Files are opened read-only and never trusted: see `hdmea.mcs.safe_h5`.
"""

from hdmea.mcs.cmcr import CmcrFile, open_cmcr
from hdmea.mcs.cmtr import Sorting, read_cmtr
from hdmea.mcs.describe import describe, render
from hdmea.mcs.digest import FileDigest, FileStamp, file_digest, file_stamp, known_digest
from hdmea.mcs.info import RecordingInfo
from hdmea.mcs.inspection import inspect_file
from hdmea.mcs.pair import check_pair
from hdmea.mcs.probe import ProbeReport, probe_pair
from hdmea.mcs.streams import AnalogStream, DigitalEvents, SensorStream

__all__ = [
    "AnalogStream",
    "CmcrFile",
    "DigitalEvents",
    "FileDigest",
    "FileStamp",
    "ProbeReport",
    "RecordingInfo",
    "SensorStream",
    "Sorting",
    "check_pair",
    "describe",
    "file_digest",
    "file_stamp",
    "inspect_file",
    "known_digest",
    "open_cmcr",
    "probe_pair",
    "read_cmtr",
    "render",
]
