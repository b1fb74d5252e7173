"""Batches of recordings: configuration, table of recordings, and the parts each is made of.

What the workflow's rules ask; they know this room and `hdmea.pipeline`, nothing else.
"""

from hdmea.batch.batch_page import BATCH_PAGE, require_pictures, write_batch_page
from hdmea.batch.batch_table import BatchRow, batch_rows, in_short, write_batch_table
from hdmea.batch.columns import cells_in
from hdmea.batch.config import WorkflowConfig, read_config
from hdmea.batch.discovery import Discovery, discover
from hdmea.batch.doctor import Finding, examine
from hdmea.batch.forecast import Forecast, forecast, in_total
from hdmea.batch.leftovers import Leftover, leftovers, remove
from hdmea.batch.made import made
from hdmea.batch.past import COLUMNS, PARQUET, TABLE, Past, last_result
from hdmea.batch.plan import (
    Part,
    all_steps,
    movie_digests,
    parts_of,
    parts_until,
    require_inputs,
    unread_curation,
)
from hdmea.batch.processing import config_of_file, default_config, one_recording, process
from hdmea.batch.recordings import Recording, read_recordings, require_past, same_files
from hdmea.batch.resources import job_memory_mb, job_runtime_min, larger_than_computer
from hdmea.batch.seen import seen
from hdmea.batch.sole_run import be_the_only_run
from hdmea.batch.status import Status, status_kept, status_path, work_key
from hdmea.errors import HdmeaError
from hdmea.interruption import in_a_thread, pass_sigterm_on
from hdmea.tsv import few

__all__ = [
    "BATCH_PAGE",
    "COLUMNS",
    "PARQUET",
    "TABLE",
    "BatchRow",
    "Discovery",
    "Finding",
    "Forecast",
    "HdmeaError",
    "Leftover",
    "Part",
    "Past",
    "Recording",
    "Status",
    "WorkflowConfig",
    "all_steps",
    "batch_rows",
    "be_the_only_run",
    "cells_in",
    "config_of_file",
    "default_config",
    "discover",
    "examine",
    "few",
    "forecast",
    "in_a_thread",
    "in_short",
    "in_total",
    "job_memory_mb",
    "job_runtime_min",
    "larger_than_computer",
    "last_result",
    "leftovers",
    "made",
    "movie_digests",
    "one_recording",
    "parts_of",
    "parts_until",
    "pass_sigterm_on",
    "process",
    "read_config",
    "read_recordings",
    "remove",
    "require_inputs",
    "require_past",
    "require_pictures",
    "same_files",
    "seen",
    "status_kept",
    "status_path",
    "unread_curation",
    "work_key",
    "write_batch_page",
    "write_batch_table",
]
