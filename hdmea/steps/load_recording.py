"""Load a recording: units and spikes from the .cmtr, the light reference from the .cmcr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, field_validator

from hdmea.arrays import Array, Variable, Variables, scalar, text
from hdmea.digest import block_digest, canonical_json
from hdmea.errors import MissingDataError, RecordingFileError, UnreadableRecordingError
from hdmea.session import PipelineSession
from hdmea.steps.light_reference import given_times, light_reference
from hdmea.steps.sources import files_told
from hdmea.steps.step import HARMLESS, Step, StepParameters, Task
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.remedies import setting

if TYPE_CHECKING:
    from hdmea.mcs import FileDigest, RecordingInfo, Sorting


_LAST_KNOWN_VERSION = 2
"""Of the files' format, as far as the vendor's own tools read it."""

_RESERVED = frozenset(
    f"units/{name}"
    for name in ("recording", "x_um", "y_um", "included", "exclusion_reason", "label", "note")
)
"""Columns of units that tables or steps may bring besides those of every recording."""


class LoadRecordingParameters(StepParameters):
    """How a recording is read."""

    frame_clock: FrameClockParams = Field(
        default_factory=FrameClockParams, description="how the display's frames are found"
    )
    electrode_pitch_um: float | None = Field(
        default=None,
        gt=0,
        description="distance of neighbouring electrodes; gives x_um and y_um of each unit, "
        "which are left out where it is not known",
    )
    probe: Literal["error", "warn", "off"] = Field(
        default="error",
        description="compare with what McsPyDataTools reads, in a process of its own, first",
        json_schema_extra=HARMLESS,
    )
    pair_check: Literal["error", "warn"] = Field(
        default="error",
        description="what to do when the .cmtr says that it belongs to another .cmcr, or the "
        ".cmcr ends before its time",
        json_schema_extra=HARMLESS,
    )

    @field_validator("probe", mode="before")
    @classmethod
    def _off_in_yaml_is_false(cls, value: Any) -> Any:
        return "off" if value is False else value


def _tasks(session: PipelineSession, parameters: LoadRecordingParameters) -> Iterable[Task]:
    from hdmea.mcs import known_digest

    paths = {"cmcr": session.cmcr_path, "cmtr": session.cmtr_path}
    files = {role: path for role, path in paths.items() if path is not None}
    if not files:
        # Cause: a session was created by name only.
        raise MissingDataError(
            f"session {session.dataset_id!r} has no files; give cmcr_path=, cmtr_path= or both"
        )
    known = session.work.inputs_of("load_recording")
    digests = {role: known_digest(path, *known.get(role, ())) for role, path in files.items()}
    given = given_times(parameters.frame_clock)
    inputs = {role: digest.sha256 for role, digest in digests.items()}
    if given is not None:  # the times themselves, not the name of the file that holds them
        inputs["frame_times"] = block_digest(given).hex()
    named = dict(files)
    if parameters.frame_clock.csv is not None:
        named["frame_times"] = Path(parameters.frame_clock.csv)
    yield Task(
        name="load_recording",
        compute=lambda: _unchanged(files, digests, _load(session, parameters, digests, given)),
        parameters={
            "dataset_id": session.dataset_id,
            **parameters.affecting(),
            "frame_clock": parameters.frame_clock.affecting(),
        },
        inputs=inputs,
        told={"files": files_told(named, {role: found.stamp for role, found in digests.items()})},
    )


def _unchanged(
    files: Mapping[str, Path], digests: Mapping[str, FileDigest], loaded: Variables
) -> Variables:
    """What was loaded, if its files are still those whose digests were taken.

    Raises
    ------
    RecordingFileError
        If somebody has written to one meanwhile.
    """
    from hdmea.mcs import file_stamp

    for role, path in files.items():
        before, now = digests[role].stamp, file_stamp(path)
        if (before.size, before.mtime_ns) != (now.size, now.mtime_ns):
            raise RecordingFileError(
                f"{path} was changed while it was read: it had {before.size} bytes, now it has "
                f"{now.size}. Wait until it is copied or recorded to its end, and run again"
            )
    return loaded


def _load(
    session: PipelineSession,
    parameters: LoadRecordingParameters,
    digests: Mapping[str, FileDigest],
    given: Array | None,
) -> Variables:
    from hdmea.mcs import check_pair, open_cmcr, probe_pair, read_cmtr

    cmcr_path, cmtr_path = session.cmcr_path, session.cmtr_path
    if parameters.probe != "off":
        try:
            probe_pair(cmcr_path, cmtr_path)
        except RecordingFileError as error:
            # what crashes our reader in the child would crash it here
            if parameters.probe == "error" or isinstance(error, UnreadableRecordingError):
                raise
            session.warn(f"probe: {error}")
    variables: dict[str, Variable] = {
        "recording/dataset_id": text(session.dataset_id, "name of the recording")
    }
    variables |= _sources({"cmcr": cmcr_path, "cmtr": cmtr_path}, digests)
    sorting = read_cmtr(cmtr_path) if cmtr_path is not None else None
    if cmcr_path is not None:
        with open_cmcr(cmcr_path) as cmcr:
            _check_pair(session, check_pair(sorting, cmcr), parameters.pair_check)
            _check_root(session, cmcr_path.name, cmcr.info)
            variables |= _recording(cmcr.info)
            variables |= light_reference(
                session, cmcr, parameters.frame_clock, given, cmcr.info.duration_s
            )
    if sorting is not None:
        _check_root(session, sorting.path.name, sorting.info)
        if cmcr_path is None:
            variables |= _recording(sorting.info)
            variables |= light_reference(
                session, None, parameters.frame_clock, given, sorting.info.duration_s
            )
        variables |= _units(sorting, parameters.electrode_pitch_um)
    return variables


def _check_pair(session: PipelineSession, disagreements: list[str], mode: str) -> None:
    if disagreements and mode == "error":
        said = "; ".join(disagreements)
        files = (
            f"{session.cmcr_path} contradicts itself"
            if session.cmtr_path is None
            else f"{session.cmtr_path} and {session.cmcr_path} are not a pair"
        )
        # Cause: files of two recordings were given, one of them is cut, or was saved anew since.
        raise RecordingFileError(
            f"{files}: {said}. Give whole files that belong together, or, if these are the right "
            f"ones, accept it: {setting('load_recording', {'pair_check': 'warn'})}"
        )
    for disagreement in disagreements:
        session.warn(f"pair check: {disagreement}")


def _check_root(session: PipelineSession, name: str, info: RecordingInfo) -> None:
    """Warn of a version that is not known, and of what a whole file would tell."""
    if info.untold:
        session.warn(
            f"{name} does not tell its {', '.join(info.untold)}, as every recording does: compare "
            "its checksum with that of its source, the file may be damaged"
        )
    if info.file_version > _LAST_KNOWN_VERSION:
        session.warn(
            f"{name} has FileVersion {info.file_version}, but 1 and {_LAST_KNOWN_VERSION} are "
            "known here: compare numbers of units and spikes with what CMOS-MEA-Tools shows"
        )


def _sources(paths: dict[str, Path | None], digests: Mapping[str, FileDigest]) -> Variables:
    roles = [role for role in sorted(paths) if paths[role] is not None]
    names = [paths[role].name for role in roles]  # type: ignore[union-attr]  # roles are those given

    def column(values: list[Any], unit: str, meaning: str) -> Variable:
        return Variable(np.array(values), unit, ("source",), meaning)

    return {
        "recording/sources/role": column(roles, "", "what the file is"),
        "recording/sources/name": column(names, "", "name of the file"),
        "recording/sources/size": column(
            [digests[r].size for r in roles], "byte", "size of the file"
        ),
        "recording/sources/sha256": column(
            [digests[r].sha256 for r in roles], "", "digest of the file"
        ),
        "recording/sources/method": column(
            [digests[r].method for r in roles],
            "",
            "whether the digest covers the full file or samples of it",
        ),
    }


def _recording(info: Any) -> Variables:
    return {
        "recording/duration_s": scalar(info.duration_s, "s", "length of the recording"),
        "recording/started_at": text(
            info.started_at, "begin of the recording, as the instrument wrote it"
        ),
        "recording/instrument": text(
            canonical_json(dict(info.instrument)), "what else the instrument wrote, JSON"
        ),
        "recording/program": text(
            f"{info.program} {info.program_version}".strip(), "software that recorded"
        ),
    }


def _units(sorting: Sorting, pitch_um: float | None) -> Variables:
    """Units, their places on the chip, the sorter's measures and the spike trains."""

    def column(values: Any, unit: str, meaning: str) -> Variable:
        return Variable(np.asarray(values), unit, ("unit",), meaning)

    counts = np.diff(sorting.spike_times_index, prepend=0)
    variables = {
        "units/unit_id": column(sorting.unit_id, "1", "the sorter's number of the unit"),
        "units/row": column(sorting.row, "1", "row of the unit's electrode, 1-based"),
        "units/column": column(sorting.column, "1", "column of the unit's electrode, 1-based"),
        "units/sensor_id": column(sorting.sensor_id, "1", "65 (column - 1) + row"),
        "units/n_spikes": column(counts, "1", "spikes of the unit (included peaks)"),
        "units/n_rejected_peaks": column(
            sorting.n_rejected_peaks, "1", "peaks that the sorter marked as no spikes"
        ),
        "units/tags": column(
            np.array(sorting.tags, dtype=np.str_) if sorting.tags else np.zeros(0, "U1"),
            "",
            "sorter's tags",
        ),
        "units/spike_times_index": column(
            sorting.spike_times_index,
            "1",
            "end of the unit's spikes in spike_times; it begins where the one before ends",
        ),
        "units/spike_times": Variable(
            sorting.spike_times_s,
            "s",
            ("spike",),
            "spike times of all units, one unit after the other",
        ),
    }
    if pitch_um is not None:
        variables["units/x_um"] = column(
            (sorting.column - 1) * pitch_um, "um", "place on the chip along columns"
        )
        variables["units/y_um"] = column(
            (sorting.row - 1) * pitch_um, "um", "place on the chip along rows"
        )
    for name, values in sorting.measures.items():
        path = f"units/{name}"
        while path in variables or path in _RESERVED:
            path = path.replace("units/", "units/sorter_", 1)
        variables[path] = column(values, "1", f"the sorter's measure {name}")
    return variables


LOAD_RECORDING = Step(
    name="load_recording",
    version=2,
    parameters=LoadRecordingParameters,
    tasks=_tasks,
    adds=("recording", "units", "stimulus"),
    places=("cmcr_path", "cmtr_path"),
    creates=True,
    doc="""Load a recording's units, spikes and light reference.

Units, spike trains (included peaks only) and the sorter's measures come from the .cmtr; frame
clock and photodiode from the .cmcr, or the frame times from a file or an array. Either file may
come alone; what is missing is said by the step that needs it.
""",
    example=""">>> result = load_recording(cmcr_path="rec.cmcr", cmtr_path="rec-.cmtr")
>>> result.hdf5_path.name, result.completed_steps
('rec.h5', frozenset({'load_recording'}))""",
)
