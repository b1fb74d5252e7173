"""Sections from the light itself, where there is no playlist."""

from __future__ import annotations

from hdmea.arrays import Variable, Variables
from hdmea.errors import MissingDataError, StimulusError
from hdmea.session import PipelineSession
from hdmea.steps.session_display import photodiode
from hdmea.stimulus.light_onsets import LightOnsets, find_switches, light_timeline
from hdmea.stimulus.remedies import setting
from hdmea.stimulus.timeline import Timeline

_SHOWN = 12


def onset_sections(session: PipelineSession, onsets: LightOnsets) -> Variables:
    """Sections, trials and events at the onsets of the light.

    Raises
    ------
    MissingDataError
        If there is no photodiode.
    StimulusError
        If its light never goes on, or trials overlap.
    """
    light = photodiode(session)
    if light is None:
        raise MissingDataError(
            f"light_onsets needs the photodiode, which session {session.dataset_id!r} lacks: "
            "load it with cmcr_path= and frame_clock: {photodiode_row: ...}"
        )
    end_s = light.t0_s + light.values.size / light.rate_hz
    timeline, left_out = light_timeline(find_switches(light, onsets), light.t0_s, end_s, onsets)
    if not timeline.columns("trials")[0].values.size:
        given = {"light_onsets": onsets.model_dump(exclude_defaults=True)}
        lower = {"light_onsets": {"threshold": onsets.threshold / 2}}
        raise StimulusError(
            f"{session.dataset_id}: no onset of the light has a whole trial in the recording "
            f"({len(left_out)} onsets found); the rise is at least light_onsets.threshold "
            f"({onsets.threshold:g}) of the photodiode's range. Lower it, such as to half of it: "
            f"{setting('add_section_time', lower, given)}"
        )
    if left_out:
        session.warn(
            f"{session.dataset_id}: the trials of light onsets at {_listed(left_out)} s leave the "
            "recording and are left out"
        )
    return table_variables(timeline)


def accept_onsets(variables: Variables, onsets: LightOnsets) -> None:
    """Refuse another number of onsets than was expected."""
    names, times = (variables[f"stimulus/events/{name}"].values for name in ("name", "time_s"))
    found = times[names == "light_on"].tolist()
    if onsets.n_expected is not None and len(found) != onsets.n_expected:
        # Cause: an onset was missed or found where none was, or another number of trials was shown.
        raise StimulusError(
            f"light_onsets.n_expected is {onsets.n_expected}, but {len(found)} trials were found, "
            f"with onsets at {_listed(found)} s. Choose light_onsets.threshold (now "
            f"{onsets.threshold:g} of the photodiode's range) or min_distance_s (now "
            f"{onsets.min_distance_s:g} s) accordingly, or correct n_expected"
        )


def table_variables(timeline: Timeline) -> dict[str, Variable]:
    """The tables of a timeline as variables of a session."""
    return {
        f"stimulus/{table}/{column.name}": Variable(
            column.values, column.unit, (axis,), column.description
        )
        for table, axis in (("sections", "section"), ("trials", "trial"), ("events", "event"))
        for column in timeline.columns(table)
    }


def _listed(times_s: list[float]) -> str:
    more = f" and {len(times_s) - _SHOWN} more" if len(times_s) > _SHOWN else ""
    return (", ".join(f"{time:.3f}" for time in times_s[:_SHOWN]) or "none") + more
