"""What a session says of the display: the frame clock, and the light that was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hdmea.errors import MissingDataError
from hdmea.session import PipelineSession
from hdmea.stimulus.clock_params import FrameClockParams
from hdmea.stimulus.long_intervals import LongInterval
from hdmea.stimulus.photodiode import Photodiode


def frame_times(session: PipelineSession) -> npt.NDArray[np.float64]:
    """Time of every display frame, seconds.

    Raises
    ------
    MissingDataError
        If there is no frame clock.
    """
    if "stimulus/frame_times" not in session:
        raise MissingDataError(
            f"session {session.dataset_id!r} has no frame clock, so no section can be placed: "
            f"{no_clock_reason(session)}. Else leave out the steps that need sections"
        )
    return np.asarray(session.values("stimulus/frame_times"), dtype=np.float64)


def no_clock_reason(session: PipelineSession) -> str:
    """Why a session has no frame clock."""
    if "stimulus/clock/missing" in session:
        return str(session.values("stimulus/clock/missing"))
    return (
        "it was loaded without a .cmcr file; load it with cmcr_path= (in recordings.tsv, column "
        "cmcr), or give frame times, frame_clock: {source: csv, csv: ...}"
    )


def photodiode(session: PipelineSession) -> Photodiode | None:
    """The light that was recorded, if there is a photodiode."""
    if "stimulus/photodiode" not in session:
        return None
    return Photodiode(
        session.values("stimulus/photodiode"),
        float(session.values("stimulus/photodiode_rate_hz")),
        float(session.values("stimulus/photodiode_start_s")),
    )


def long_intervals(session: PipelineSession) -> list[LongInterval]:
    """Intervals of the clock that are longer than a frame."""
    table = "stimulus/clock/irregular"
    if f"{table}/verdict" not in session:
        return []
    columns = (
        session.values(f"{table}/{name}").tolist()
        for name in ("frame", "start_s", "n_frames", "verdict", "decided_by")
    )
    rows = (LongInterval(*row) for row in zip(*columns, strict=True))
    return [row for row in rows if row.verdict != "short" and row.n_frames > 1]


def clock_as_given(session: PipelineSession) -> Mapping[str, Any]:
    """Parameters of the frame clock that are not the defaults, as they have to be typed again."""
    given = session.contributions["load_recording"].recipe.parameters.get("frame_clock", {})
    if given.get("source") == "given":  # by a file or array of which only the times are stored
        given = {name: value for name, value in given.items() if name != "source"}
        given = FrameClockParams.model_validate(given).model_dump(exclude_defaults=True)
        return {"source": "csv", "csv": "...", **given}
    return FrameClockParams.model_validate(given).model_dump(exclude_defaults=True)
