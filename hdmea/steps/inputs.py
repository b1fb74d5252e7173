"""What features and kernels get of a session: arrays, trains, trials."""

from __future__ import annotations

from hdmea.errors import MissingDataError
from hdmea.kernels.spikes import SpikeTrains
from hdmea.session import PipelineSession


def spike_trains(session: PipelineSession, what_for: str) -> SpikeTrains:
    """The spike trains of all units.

    Raises
    ------
    MissingDataError
        If the session was loaded without a .cmtr.
    """
    if "units/spike_times" not in session:
        raise MissingDataError(
            f"{what_for} needs spikes, but session {session.dataset_id!r} was loaded without "
            "a .cmtr file; "
            "load it with cmtr_path="
        )
    return SpikeTrains(
        session.values("units/spike_times"), session.values("units/spike_times_index")
    )
