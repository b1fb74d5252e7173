"""One table of all units of all recordings, for statistics programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hdmea.arrays import Array
from hdmea.errors import ParameterError
from hdmea.export.readings import included, n_units, no_peak_reasons, sta_stimuli, z_peaks
from hdmea.export.units_columns import HEAD, STA_COLUMNS, UnitsColumn, described, in_common
from hdmea.export.units_parquet import write_units_parquet
from hdmea.session import PipelineSession
from hdmea.session.tables import is_column, q_after_p
from hdmea.store.small_file import write_small_table

_FIRST = (
    "recording",
    "unit_id",
    "row",
    "column",
    "sensor_id",
    "x_um",
    "y_um",
    "n_spikes",
    "n_rejected_peaks",
    "tags",
    "included",
    "exclusion_reason",
    "label",
    "note",
)
_NOT_COLUMNS = (
    "units/unit_id",
    "units/spike_times_index",
    "units/included",
    "units/exclusion_reason",
)

Columns = dict[str, list[str]]


def write_units_table(
    paths: Iterable[str | Path],
    csv_path: str | Path,
    *,
    all_units: bool = False,
    columns_path: str | Path | None = None,
    parquet_path: str | Path | None = None,
) -> Path:
    """Write one row per recording and included unit, and everything scalar that is known of it.

    Where nobody has curated the units, all are included.

    Columns: ``recording``, ``unit_id``, place and number of spikes; ``label`` and ``note`` where
    people gave them; the sorter's measures;
    ``<feature>.<column>`` of every feature, each followed by its reason, and a p value by the q
    value that `adjust_p_values` made of it; and of every STA
    ``sta.<stimulus>.`` with ``n_spikes`` (averaged), ``n_excluded``, ``z_peak`` (largest by size),
    ``peak_lag_frames``, ``polarity`` (1 or -1, the peak's sign), ``peak_y``, ``peak_x`` and
    ``reason`` (why there is no peak: ``too_few_spikes``, ``no_variation`` of movie or spikes,
    ``z_not_computed``). Undefined values and what a recording lacks are empty. Numbers have all
    their digits. Columns and rows have the same order whatever the order of `paths`.

    Parameters
    ----------
    paths
        Session files, one per recording.
    csv_path
        The table, UTF-8; replaced whole if it exists.
    all_units
        Write the excluded units too, with the columns ``included`` (1, 0) and
        ``exclusion_reason``.
    columns_path
        A data dictionary is written, too, CSV: type, unit and description of each column, what
        made it, the version of its definition, and where that is.
    parquet_path
        The same table is written, too, as Parquet, which keeps types and the dictionary; it needs
        pyarrow.

    Returns
    -------
    Path
        The table.

    Raises
    ------
    ParameterError
        If no file is given, two are of the same recording, or pyarrow is missing.
    FileMissingError, SessionFileError
        If a file is missing or damaged.
    OutputWriteError
        If the table cannot be written.

    Notes
    -----
    Names of recordings are text, also those that look like numbers or missing values::

        pandas.read_csv(path, dtype={"recording": str}, keep_default_na=False, na_values=[""])
    """
    recordings: dict[str, tuple[Path, Columns]] = {}
    told: list[dict[str, UnitsColumn]] = []
    for path in map(Path, paths):
        session = PipelineSession.load(path)
        if session.dataset_id in recordings:
            raise ParameterError(
                f"{recordings[session.dataset_id][0]} and {path} are both of recording "
                f"{session.dataset_id!r}; a table has each unit once, leave one out"
            )
        recordings[session.dataset_id] = (path, _columns(session, all_units))
        told.append(described(session))
    if not recordings:
        raise ParameterError("no session files are given; a table needs at least one")
    names = {name for _, columns in recordings.values() for name in columns}
    header = q_after_p(sorted(names, key=_order))
    rows: list[tuple[str, ...]] = []
    for recording in sorted(recordings):
        columns = recordings[recording][1]
        empty = [""] * len(columns["unit_id"])
        rows += zip(*(columns.get(name, empty) for name in header), strict=True)
    of_columns = in_common(told)
    if columns_path is not None:
        lines = [(name, *vars(of_columns[name]).values()) for name in header]
        write_small_table(columns_path, [HEAD, *lines])
    if parquet_path is not None:
        write_units_parquet(parquet_path, header, rows, of_columns)
    return write_small_table(csv_path, [header, *rows])


def _order(name: str) -> tuple[Any, ...]:
    """Known columns first, then the sorter's, features, STAs; a reason after its value."""
    if name in _FIRST:
        return (0, _FIRST.index(name))
    group = 1 if "." not in name else 3 if name.startswith("sta.") else 2
    if group == 3:
        stimulus, _, column = name.rpartition(".")
        return (group, stimulus, list(STA_COLUMNS).index(column))
    return (group, name.removesuffix("_reason"), name.endswith("_reason"))


def _columns(session: PipelineSession, all_units: bool) -> Columns:
    """Cells of every column, as text."""
    chosen = included(session)
    if all_units:
        reason = "units/exclusion_reason"
        empty = np.full(chosen.size, "")
        return _all_columns(session) | {
            "included": _cells(chosen.astype(np.int64)),
            "exclusion_reason": _cells(session.values(reason) if reason in session else empty),
        }
    return {
        name: [cell for cell, wanted in zip(cells, chosen, strict=True) if wanted]
        for name, cells in _all_columns(session).items()
    }


def _all_columns(session: PipelineSession) -> Columns:
    n = n_units(session)
    numbers = session.values("units/unit_id") if "units/unit_id" in session else np.zeros(0)
    columns = {"recording": [session.dataset_id] * n, "unit_id": _cells(numbers.astype(np.int64))}
    for group in ("units/", "features/"):
        for path in session.paths(group):
            if is_column(session, path) and path not in _NOT_COLUMNS:
                name = path.removeprefix(group).replace("/", ".")
                columns[name] = _cells(session.values(path))
    for stimulus in sta_stimuli(session):
        for name, values in _sta_columns(session, stimulus).items():
            columns[f"sta.{stimulus}.{name}"] = _cells(values)
    return columns


def _sta_columns(session: PipelineSession, stimulus: str) -> Mapping[str, Array]:
    n_spikes = session.values(f"sta/{stimulus}/n_spikes")
    n_excluded = session.values(f"sta/{stimulus}/n_excluded")
    undefined = np.full(n_spikes.size, np.nan)
    peaks = z_peaks(session, stimulus)
    if peaks is None:
        reason = np.full(n_spikes.size, "z_not_computed")
        found = (undefined, undefined, undefined, undefined, undefined)
    else:
        reason = no_peak_reasons(session, stimulus, peaks)
        lags = session.values(f"sta/{stimulus}/lags")
        lag = undefined.copy()
        defined = ~np.isnan(peaks.lag)
        lag[defined] = lags[peaks.lag[defined].astype(np.int64)]
        z_peak = peaks.z.astype(session[f"sta/{stimulus}/z"].data.dtype)
        found = (z_peak, lag, np.sign(peaks.z), peaks.y, peaks.x)
    return dict(zip(STA_COLUMNS, (n_spikes, n_excluded, *found, reason), strict=True))


def _cells(values: Array) -> list[str]:
    """Shortest text that gives each value back; nothing for NaN; whole numbers without a point."""
    if values.dtype.kind != "f":
        return [str(value) for value in values]
    return ["" if np.isnan(v) else str(v).removesuffix(".0") for v in values]
