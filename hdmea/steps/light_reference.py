"""What a recording says of the display: the frame clock, from any of its sources, and the light."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hdmea.arrays import Array, Variable, Variables, scalar, text
from hdmea.digest import canonical_json
from hdmea.errors import FileMissingError, RecordingFileError, StimulusError
from hdmea.session import PipelineSession
from hdmea.stimulus.clock import FrameClock, frame_clock, given_clock
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.intervals import evenly_spaced
from hdmea.stimulus.photodiode import Photodiode, block_means
from hdmea.stimulus.pulses import detect_pulses

if TYPE_CHECKING:
    from hdmea.mcs import AnalogStream, CmcrFile

_COLUMN = "frame_time_s"
_NO_TEXT = np.zeros(0, dtype="U1")
_TOO_LATE = 1.01  # times the duration: what a recording may be longer than it says


def given_times(params: FrameClockParams) -> Array | None:
    """Frame times that are given by hand, seconds; None if the recording has the clock.

    Raises
    ------
    FileMissingError
        If there is no file of them.
    StimulusError
        If they are no frame times.
    """
    if params.source == "array":
        times = np.array(params.times_s, dtype=np.float64)
        given_clock(times)
        return times
    if params.source != "csv" or params.csv is None:
        return None
    path = Path(params.csv)
    if not path.exists():
        raise FileMissingError(
            f"frame_clock.csv: there is no file {path.absolute()}; correct the path (a relative "
            "one counts from the working directory)"
        )
    times = np.array(list(_column_of_times(path)), dtype=np.float64)
    try:
        given_clock(times)
    except StimulusError as error:
        raise StimulusError(f"frame_clock.csv: {path}: {error}") from error
    return times


def _column_of_times(path: Path) -> Iterator[float]:
    """Numbers of the column ``frame_time_s``, or of the only one, where there is no header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            lines = file.readlines()
        except UnicodeDecodeError as error:
            # Cause: the file is a spreadsheet or in another encoding.
            raise StimulusError(
                f"frame_clock.csv: {path} is not a text file ({error}). Save it as text in UTF-8"
            ) from error
    delimiter = next((mark for mark in "\t;," if lines and mark in lines[0]), ",")
    column: int | None = None
    for number, cells in enumerate(csv.reader(lines, delimiter=delimiter), start=1):
        if not any(cell.strip() for cell in cells):
            continue
        if column is None:
            names = [cell.strip() for cell in cells]
            if _COLUMN in names:
                column = names.index(_COLUMN)
                continue
            if len(cells) != 1:
                # Cause: the table has several columns, and none says that it is that of the times.
                raise StimulusError(
                    f"frame_clock.csv: {path} has the columns {', '.join(names)}; a column "
                    f"{_COLUMN}, or a single column without header, is needed"
                )
            column = 0
        try:
            yield float(cells[column])
        except (ValueError, IndexError) as error:
            found = repr(cells[column]) if column < len(cells) else "nothing"
            # Cause: a cell is no number, perhaps for a decimal comma.
            raise StimulusError(
                f"frame_clock.csv: {path}, line {number}: found {found}, a time in seconds (such "
                "as 1.25) is needed; without header the file is one column of numbers, with one "
                f"the column is called {_COLUMN}"
            ) from error


def light_reference(
    session: PipelineSession,
    cmcr: CmcrFile | None,
    params: FrameClockParams,
    given: Array | None,
    duration_s: float,
) -> Variables:
    """Frame clock and photodiode, as far as there are any.

    Parameters
    ----------
    session
        Hears the warnings.
    cmcr
        The raw recording, if there is one.
    params
        Where the clock comes from.
    given
        `given_times` of these parameters.
    duration_s
        Length of the recording; NaN if it is not known.
    """
    stream = _analog_stream(session, cmcr) if cmcr is not None else None
    variables: dict[str, Variable] = {}
    photodiode = None
    if cmcr is not None and stream is not None:
        variables["recording/sampling_rate_hz"] = scalar(
            stream.rate_hz, "Hz", "sampling rate of the analog stream"
        )
        if params.photodiode_row is not None:
            _check_row(cmcr, stream, "photodiode_row", params.photodiode_row)
            photodiode = _photodiode(stream, params.photodiode_row)
            variables |= _light(photodiode)
    if params.source == "none":
        return variables | _missing("frame_clock: {source: none} was set")
    if given is not None:
        if given[-1] > _TOO_LATE * duration_s:
            # Cause: the times are in milliseconds or samples, or belong to another recording.
            raise StimulusError(
                f"the last of {given.size} frame times is {given[-1]:g} s, but the recording has "
                f"{duration_s:g} s; they must be seconds from its start"
            )
        return variables | _clock("given", given_clock(given, params.display_delay_s))
    if cmcr is None:
        return variables
    if params.source == "analog" and stream is None:
        digital = _digital_said(cmcr)
        return variables | _missing(
            f"{cmcr.path.name} has no analog stream"
            + (f", but digital events: {digital}" if digital else "")
        )
    pulses = _pulse_times(cmcr, stream, params)
    try:
        clock = frame_clock(pulses, params, photodiode, lambda: _remedies(cmcr, stream, params))
    except StimulusError as error:
        # Cause: the pulses are not what a frame clock sends; what is said of them has its own entry
        # among the stimuli.
        raise StimulusError(f"{cmcr.path}: {error}") from error
    if clock.irregular.frame.size:
        session.warn(_irregular_said(clock))
    return variables | _clock(params.source, clock)


def _analog_stream(session: PipelineSession, cmcr: CmcrFile) -> AnalogStream | None:
    if len(cmcr.analog) > 1:
        session.warn(
            f"{cmcr.path.name} has {len(cmcr.analog)} analog streams or sweeps; "
            f"the first, {cmcr.analog[0].name!r}, is used"
        )
    return cmcr.analog[0] if cmcr.analog else None


def _check_row(cmcr: CmcrFile, stream: AnalogStream, name: str, row: int) -> None:
    if row >= stream.n_channels:
        rows = ", ".join(f"{i} ({label!r})" for i, label in enumerate(stream.labels))
        # Cause: the row is counted from 0, and the stream has fewer.
        raise RecordingFileError(
            f"{cmcr.path}: frame_clock.{name} is {row}, but the analog stream has "
            f"{stream.n_channels} rows, counted from 0; choose one: {rows}"
        )


def _photodiode(stream: AnalogStream, row: int) -> Photodiode:
    means, rate_hz = block_means(stream.blocks(row), stream.n_samples, stream.rate_hz)
    return Photodiode(means, rate_hz, stream.t0_s)


def _pulse_times(cmcr: CmcrFile, stream: AnalogStream | None, params: FrameClockParams) -> Array:
    """Times of the pulses or events, seconds."""
    if params.source == "digital" or stream is None:
        return _event_times(cmcr, params)
    _check_row(cmcr, stream, "row", params.row)
    return _pulses_of_row(stream, params.row, params.height)


def _pulses_of_row(stream: AnalogStream, row: int, height: float) -> Array:
    samples = detect_pulses(lambda: stream.blocks(row), height)
    times: Array = stream.t0_s + samples / stream.rate_hz
    return times


def _event_times(cmcr: CmcrFile, params: FrameClockParams) -> Array:
    events = cmcr.digital_events
    mine = events.event_id == params.event_id
    if params.event_stream is not None:
        mine &= events.stream == params.event_stream
    streams = sorted(set(events.stream[mine].tolist()))
    if not streams:
        of = f" of stream {params.event_stream!r}" if params.event_stream is not None else ""
        # Cause: the frame clock is on another event, another stream, or an analog row.
        raise StimulusError(
            f"{cmcr.path} has no digital events {params.event_id}{of}; take what it has: "
            f"{_digital_said(cmcr) or 'no digital events at all'}"
        )
    if len(streams) > 1:
        # Cause: two streams of the recording hold events of this number.
        raise StimulusError(
            f"{cmcr.path} has digital events {params.event_id} in several streams; name one: "
            f"{_digital_said(cmcr)}"
        )
    times: Array = events.time_s[mine]
    return times


def _digital_said(cmcr: CmcrFile) -> str:
    """The digital events of a file, each kind with the setting that takes it; empty if none."""
    events = cmcr.digital_events
    kinds = sorted(set(zip(events.stream.tolist(), events.event_id.tolist(), strict=True)))
    said = []
    for stream, event_id in kinds:
        mine = (events.stream == stream) & (events.event_id == event_id)
        several = sum(event_id == other for _, other in kinds) > 1
        which = f", event_stream: {canonical_json(stream)}" if several else ""
        said.append(
            f"frame_clock: {{source: digital, event_id: {event_id}{which}}} "
            f"({_counted(events.time_s[mine], 'event')})"
        )
    return ", ".join(said)


def _remedies(cmcr: CmcrFile, stream: AnalogStream | None, params: FrameClockParams) -> str:
    """What else may be the frame clock, with the settings to try."""
    analog = params.source == "analog"
    said = []
    if stream is not None:
        setting = "row" if analog else "source: analog, row"
        for row, label in enumerate(stream.labels):
            if not (analog and row == params.row):
                found = _counted(_pulses_of_row(stream, row, params.height), "pulse")
                said.append(f"frame_clock: {{{setting}: {row}}} ({label!r}, {found})")
    if analog:
        said.append(f"another frame_clock: {{height: ...}} (now {params.height:g})")
    if digital := _digital_said(cmcr):
        said.append(digital)
    said.append("frame times in a file, frame_clock: {source: csv, csv: ...}")
    said.append("frame_clock: {source: none}, without sections and trials")
    return f"What may help: {'; '.join(said)}."


def _counted(times: Array, word: str) -> str:
    share = evenly_spaced(times)
    even = f", {100 * share:.0f} % evenly spaced" if times.size > 2 and share == share else ""
    return f"{times.size} {word}{'s' if times.size != 1 else ''}{even}"


def _irregular_said(clock: FrameClock) -> str:
    table = clock.irregular
    counts = Counter(zip(table.verdict, table.decided_by, strict=True))
    said = ", ".join(
        f"{n} {verdict}{f' (by {by})' if by else ''}" for (verdict, by), n in sorted(counts.items())
    )
    n = table.frame.size
    words = f"frame clock: {n} irregular interval{'s' if n != 1 else ''}: {said}"
    if "undecided" in table.verdict:
        words += (
            "; undecided ones count as held until add_section_time compares light and movies, or "
            "frame_clock.held_at_s or missed_at_s names them"
        )
    return words


def _missing(why: str) -> dict[str, Variable]:
    return {"stimulus/clock/missing": text(why, "why there is no frame clock")}


def _clock(source: str, clock: FrameClock) -> dict[str, Variable]:
    table = clock.irregular

    def column(values: Any, unit: str, meaning: str) -> Variable:
        return Variable(values, unit, ("irregular",), meaning)

    def words(values: tuple[str, ...], meaning: str) -> Variable:
        return column(np.array(values, dtype=np.str_) if values else _NO_TEXT, "", meaning)

    return {
        "stimulus/frame_times": Variable(
            clock.times_s, "s", ("frame",), "onset of each display frame"
        ),
        "stimulus/clock/source": text(source, "where the frame times come from"),
        "stimulus/clock/median_interval_s": scalar(
            clock.median_interval_s, "s", "median frame interval"
        ),
        "stimulus/clock/n_pulses": scalar(clock.n_pulses, "1", "pulses found, or times given"),
        "stimulus/clock/n_dropped": scalar(clock.n_dropped, "1", "pulses dropped at the start"),
        "stimulus/clock/irregular/frame": column(
            table.frame, "1", "frame that begins an interval outside 0.5-1.5 medians"
        ),
        "stimulus/clock/irregular/start_s": column(table.start_s, "s", "time of that frame"),
        "stimulus/clock/irregular/n_frames": column(
            table.n_frames, "1", "length of the interval in medians, rounded"
        ),
        "stimulus/clock/irregular/verdict": words(
            table.verdict, "held, missed, undecided (counted as held) or short"
        ),
        "stimulus/clock/irregular/decided_by": words(
            table.decided_by, "photodiode, parameter, or empty where undecided"
        ),
    }


def _light(photodiode: Photodiode) -> dict[str, Variable]:
    return {
        "stimulus/photodiode": Variable(
            photodiode.values, "count", ("sample",), "photodiode, means of blocks of the stream"
        ),
        "stimulus/photodiode_rate_hz": scalar(
            photodiode.rate_hz, "Hz", "sampling rate of photodiode"
        ),
        "stimulus/photodiode_start_s": scalar(photodiode.t0_s, "s", "time of its first sample"),
    }
