"""The session: what is in memory of one recording, and which steps are done.

It knows contributions and the store, never HDF5.
"""

from hdmea.session.creation import create_session
from hdmea.session.session import PipelineSession, SaveState

__all__ = ["PipelineSession", "SaveState", "create_session"]
