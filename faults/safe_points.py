"""How long a run goes on after it was asked to end: the time between two safe points."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faults.topic import Found, Topic, number, table
from hdmea import interruption
from hdmea.pipeline import PipelineSession, run_recording
from hdmea.simulate import simulate_dataset

UNITS = 1000
PARTS = ("whole playlist",)
MOST_S = 10.0
_SAVING = "finding what is there, keeping parts, saving"
_SAYS = f"""
A run that is asked to end goes on until it comes to a safe point. A simulated recording of
{UNITS:,} units is processed, with all features and defaults, and the time from each safe point to
the next one is taken: of the processor, since other programs take some of the clock's, and by the
clock. More than {MOST_S:g} s of the processor are in bold; steps and features of which nothing
takes 0.1 s are left out.
"""


@dataclass
class Gaps:
    """What was seen while a contribution was made."""

    safe_points: int = 0
    longest_cpu_s: float = 0.0
    longest_s: float = 0.0
    all_cpu_s: float = 0.0


class _Watched(list[Any]):
    """In place of the signals that have come: asked at each safe point, it notes the time."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Gaps] = {}
        self.making = _SAVING
        self._last = (time.process_time(), time.perf_counter())

    def __bool__(self) -> bool:
        if sys._getframe(1).f_code is interruption.safe_point.__code__:
            self.come()
        return False

    def come(self, *, is_safe: bool = True) -> None:
        """Note that work has come so far; what follows a piece without a safe point counts on."""
        now = (time.process_time(), time.perf_counter())
        gaps = self.found.setdefault(self.making, Gaps())
        cpu_s, clock_s = now[0] - self._last[0], now[1] - self._last[1]
        gaps.longest_cpu_s = max(gaps.longest_cpu_s, cpu_s)
        gaps.longest_s = max(gaps.longest_s, clock_s)
        if is_safe:
            gaps.safe_points += 1
            gaps.all_cpu_s += cpu_s
            self._last = now


def measured(folder: Path, units: int, playlist: str, **steps: Any) -> dict[str, Any]:
    """Process a simulated recording; what was seen, by the contribution that was being made."""
    made = simulate_dataset(folder, recordings=1, units=units, seed=1, playlist=playlist)
    (pair,) = made.recordings.values()
    own: dict[str, Any] = {
        "load_recording": {"probe": "off"},  # a process of its own; the wait for it can be ended
        "add_section_time": {"playlist_name": playlist},
        "section_spike_times": {},
        "extract_features": {},
        "curate_units": {},
        "compute_sta": {},
        "adjust_p_values": {},
    }
    watched, asked, compute = _Watched(), interruption._asked, PipelineSession._computed

    def computed(session: Any, recipe: Any, *rest: Any) -> Any:
        watched.come(is_safe=False)
        watched.making = recipe.name
        try:
            return compute(session, recipe, *rest)
        finally:
            watched.come(is_safe=False)
            watched.making = _SAVING

    interruption._asked, PipelineSession._computed = watched, computed  # type: ignore[method-assign]
    try:
        run_recording(
            own | steps,
            folder / "out.h5",
            work_dir=folder / "work",
            cmcr_path=pair.cmcr_path,
            cmtr_path=pair.cmtr_path,
            stimuli_dir=made.stimuli_path,
        )
    finally:
        interruption._asked, PipelineSession._computed = asked, compute  # type: ignore[method-assign]
    watched.come()
    return {name: asdict(gaps) for name, gaps in watched.found.items()}


def run(folder: Path, part: str, share: float) -> dict[str, Any]:  # noqa: ARG001 (there is one)
    """Process a recording of that share of the units."""
    return measured(folder, max(12, round(UNITS * share)), "full")


def section(found: Found) -> str:
    """A row for each contribution of which something takes a tenth of a second."""
    rows = [
        _row(name, Gaps(**one))
        for of_part in found.values()
        for name, one in of_part.items()
        if one["longest_cpu_s"] >= 0.1
    ]
    head = ["what is made", "safe points", "longest, s of the processor", "longest, s"]
    return table([*head, "all, s of the processor"], rows)


def bad(found: Found) -> int:
    """How often it takes too long."""
    return sum(_is_long(Gaps(**one)) for of_part in found.values() for one in of_part.values())


def _is_long(gaps: Gaps) -> bool:
    return gaps.longest_cpu_s > MOST_S


def _row(name: str, gaps: Gaps) -> list[str]:
    longest = f"{gaps.longest_cpu_s:.1f}"
    return [
        name,
        number(gaps.safe_points),
        f"**{longest}**" if _is_long(gaps) else longest,
        f"{gaps.longest_s:.1f}",
        f"{gaps.all_cpu_s:.1f}",
    ]


SAFE_POINTS = Topic("safe_points", "Time to a safe point", _SAYS, PARTS, run, section, bad)
