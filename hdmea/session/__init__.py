"""The session: what is in memory of one recording, and which steps are done.

It knows contributions and the store, never HDF5.
"""

from hdmea.session.creation import create_session
from hdmea.session.session import PipelineSession, SaveState
from hdmea.session.working import working_in, working_on_part

__all__ = [
    "PipelineSession",
    "SaveState",
    "create_session",
    "working_in",
    "working_on_part",
]
