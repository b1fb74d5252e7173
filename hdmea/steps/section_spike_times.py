"""Find the spikes of each unit in each trial."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from hdmea.arrays import Variable, Variables, scalar
from hdmea.session import PipelineSession
from hdmea.steps.inputs import spike_trains
from hdmea.steps.step import Step, StepParameters, Task


class SectionSpikeTimesParameters(StepParameters):
    """How far a trial reaches."""

    pre_s: float = Field(
        default=0.0, ge=0, description="time before a trial's start that belongs to it"
    )
    post_s: float = Field(
        default=0.0, ge=0, description="time after a trial's stop that belongs to it"
    )


def _tasks(session: PipelineSession, parameters: SectionSpikeTimesParameters) -> Iterable[Task]:
    yield Task(
        name="section_spike_times",
        compute=lambda: _trials(session, parameters),
        parameters=parameters.affecting(),
        parents=("load_recording", "add_section_time"),
    )


def _trials(session: PipelineSession, parameters: SectionSpikeTimesParameters) -> Variables:
    start, stop = spike_trains(session, "section_spike_times").index_ranges(
        session.values("stimulus/trials/start_s") - parameters.pre_s,
        session.values("stimulus/trials/stop_s") + parameters.post_s,
    )
    dims = ("unit", "trial")
    return {
        "trials/start_index": Variable(
            start, "1", dims, "first spike of the trial in units/spike_times"
        ),
        "trials/stop_index": Variable(stop, "1", dims, "end of the trial's spikes, exclusive"),
        "trials/pre_s": scalar(parameters.pre_s, "s", "time before each trial that is included"),
        "trials/post_s": scalar(parameters.post_s, "s", "time after each trial that is included"),
    }


SECTION_SPIKE_TIMES = Step(
    name="section_spike_times",
    version=1,
    parameters=SectionSpikeTimesParameters,
    tasks=_tasks,
    needs=("load_recording", "add_section_time"),
    adds=("trials",),
    doc="""Find the spikes of each unit in each trial, as ranges of ``units/spike_times``.

Half-open: a spike at a trial's stop is not in it.
""",
    example=""">>> result = section_spike_times("artifacts/rec.h5", post_s=0.5)
>>> start = PipelineSession.load(result.hdf5_path)["trials/start_index"]
>>> start.dims, start.description
(('unit', 'trial'), 'first spike of the trial in units/spike_times')""",
)
