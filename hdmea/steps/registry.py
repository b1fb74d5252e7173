"""All steps by name, in the order in which they are usually run."""

from __future__ import annotations

from typing import Any

from hdmea.errors import UnknownNameError
from hdmea.steps.add_section_time import ADD_SECTION_TIME
from hdmea.steps.adjust_p_values import ADJUST_P_VALUES
from hdmea.steps.compute_sta import COMPUTE_STA
from hdmea.steps.curate_units import CURATE_UNITS
from hdmea.steps.extract_features import EXTRACT_FEATURES
from hdmea.steps.load_recording import LOAD_RECORDING
from hdmea.steps.section_spike_times import SECTION_SPIKE_TIMES
from hdmea.steps.step import Step

STEPS: dict[str, Step[Any]] = {
    step.name: step
    for step in (
        LOAD_RECORDING,
        ADD_SECTION_TIME,
        SECTION_SPIKE_TIMES,
        EXTRACT_FEATURES,
        CURATE_UNITS,
        COMPUTE_STA,
        ADJUST_P_VALUES,
    )
}


def get_step(name: str) -> Step[Any]:
    """The step of a name.

    Raises
    ------
    UnknownNameError
        Listing the known ones.

    Examples
    --------
    >>> get_step("compute_sta").needs
    ('load_recording', 'add_section_time')
    """
    if name not in STEPS:
        # Cause: the name is mistyped.
        raise UnknownNameError(f"no step {name!r}; known: {', '.join(STEPS)}")
    return STEPS[name]
