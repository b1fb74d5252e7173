"""A retina whose truth is known, written as recordings that the vendor's reader opens."""

from __future__ import annotations

from hdmea.simulate.dataset import SimulatedDataset, simulate_dataset
from hdmea.simulate.faults import Faults
from hdmea.simulate.mcs_files import (
    AnalogTrace,
    DigitalEvents,
    SensorTrace,
    write_cmcr,
    write_cmtr,
)
from hdmea.simulate.movies import GeneratedMovie
from hdmea.simulate.playlists import make_playlist, write_stimulus_library
from hdmea.simulate.recording import SimulatedRecording, simulate_recording, wrap_recording
from hdmea.simulate.retina import ModelCell, make_retina
from hdmea.simulate.sensor import SensorRegion
from hdmea.simulate.sorting import UnitTrain

__all__ = [
    "AnalogTrace",
    "DigitalEvents",
    "Faults",
    "GeneratedMovie",
    "ModelCell",
    "SensorRegion",
    "SensorTrace",
    "SimulatedDataset",
    "SimulatedRecording",
    "UnitTrain",
    "make_playlist",
    "make_retina",
    "simulate_dataset",
    "simulate_recording",
    "wrap_recording",
    "write_cmcr",
    "write_cmtr",
    "write_stimulus_library",
]
