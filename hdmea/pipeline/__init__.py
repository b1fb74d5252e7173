"""The public face: the names that a user imports. No logic of its own."""

from hdmea.compare.comparing import compare
from hdmea.export.summary import summary_line
from hdmea.export.tables import write_units_table
from hdmea.report.overview import draw_overview
from hdmea.session import PipelineSession, SaveState, create_session
from hdmea.steps.functions import StepFunction
from hdmea.steps.registry import STEPS
from hdmea.steps.running import StepResult, assemble, run_part, run_recording
from hdmea.steps.sources import verify_inputs
from hdmea.store.verify import verify

load_recording = StepFunction(STEPS["load_recording"])
add_section_time = StepFunction(STEPS["add_section_time"])
section_spike_times = StepFunction(STEPS["section_spike_times"])
extract_features = StepFunction(STEPS["extract_features"])
curate_units = StepFunction(STEPS["curate_units"])
compute_sta = StepFunction(STEPS["compute_sta"])
adjust_p_values = StepFunction(STEPS["adjust_p_values"])

__all__ = [
    "PipelineSession",
    "SaveState",
    "StepResult",
    "add_section_time",
    "adjust_p_values",
    "assemble",
    "compare",
    "compute_sta",
    "create_session",
    "curate_units",
    "draw_overview",
    "extract_features",
    "load_recording",
    "run_part",
    "run_recording",
    "section_spike_times",
    "summary_line",
    "verify",
    "verify_inputs",
    "write_units_table",
]
