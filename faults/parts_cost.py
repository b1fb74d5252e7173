"""What it costs to keep parts while a recording is processed: bytes written, by what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from faults.topic import number, table
from hdmea.pipeline import PipelineSession, run_recording
from hdmea.simulate import simulate_dataset
from hdmea.store import parts
from hdmea.store.parts import WorkFolder

_UNITS = 200
_PER_ARRAY_BYTES, _PER_BYTE = 10_000, 1.02
"""What a part may take beyond the arrays in it: names, digests, and what is told of the run."""
SAYS = """
What parts cost, on a simulated recording of {units} units: *changed* is the size of the arrays that
were made, *parts* what was written of them into the work folder (bytes that the process gave to the
system), *session* the size of the session file, which is written whole at the end in any case.
"""
_STEPS: dict[str, Any] = {
    "load_recording": {"probe": "off"},
    "add_section_time": {"playlist_name": "tiny"},
    "section_spike_times": {},
    "extract_features": {
        "features": ["on_off", "unit_quality"],
        "parameters": {"on_off": {"baseline_s": 0.5}},
    },
    "curate_units": {},
    "compute_sta": {"cover_range": [-30, 0]},
    "adjust_p_values": {},
}
_LONGER = {"compute_sta": {"cover_range": [-40, 0]}}
_CHANGES: dict[str, Mapping[str, Any]] = {
    "first run": {},
    "nothing": {},
    "range of the STA": _LONGER,
    "rule of curation": _LONGER | {"curate_units": {"min_spikes": 20}},
    "new feature": _LONGER
    | {"curate_units": {"min_spikes": 20}}
    | {
        "extract_features": {
            "features": ["on_off", "unit_quality", "baseline"],
            "parameters": {"on_off": {"baseline_s": 0.5}},
        }
    },
}


@dataclass
class Cost:
    """What was written in one run."""

    units: int
    n_arrays: int
    changed_bytes: int
    parts_bytes: int
    session_bytes: int


def cost(folder: Path, share: float) -> dict[str, Any]:
    """Process a recording, change something, and count what is written each time."""
    units = max(12, round(_UNITS * share))
    made = simulate_dataset(folder, recordings=1, units=units, seed=4, playlist="tiny")
    (pair,) = made.recordings.values()
    found: dict[str, Any] = {}
    for what, change in _CHANGES.items():
        written = _Written()
        with written:
            result = run_recording(
                _STEPS | change,
                folder / "out.h5",
                work_dir=folder / "work",
                cmcr_path=pair.cmcr_path,
                cmtr_path=pair.cmtr_path,
                stimuli_dir=made.stimuli_path,
            )
        size = result.hdf5_path.stat().st_size
        found[what] = asdict(Cost(units, *written.counted, size))
    return found


class _Written:
    """What is computed, and how much is written for it, in this process."""

    def __init__(self) -> None:
        self.counted = [0, 0, 0]

    def __enter__(self) -> None:
        self._keep, self._save = WorkFolder.keep, parts._KeptPieces._save
        keep, save, compute = self._keep, self._save, PipelineSession._computed
        self._compute = compute

        def kept(work: WorkFolder, made: Any, header: Any) -> Path | None:
            return self._told(lambda: keep(work, made, header))

        def computed(session: Any, *values: Any) -> Any:
            made = compute(session, *values)
            self.counted[0] += len(made.variables)
            self.counted[1] += sum(one.nbytes for one in made.variables.values())
            return made

        WorkFolder.keep = kept  # type: ignore[method-assign]
        parts._KeptPieces._save = lambda pieces: self._told(lambda: save(pieces))  # type: ignore[method-assign]
        PipelineSession._computed = computed  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        WorkFolder.keep = self._keep  # type: ignore[method-assign]
        parts._KeptPieces._save = self._save  # type: ignore[method-assign]
        PipelineSession._computed = self._compute  # type: ignore[method-assign]

    def _told(self, write: Callable[[], Any]) -> Any:
        before = _written_bytes()
        try:
            return write()
        finally:
            self.counted[2] += _written_bytes() - before


def _written_bytes() -> int:
    """What this process has given to the system to write."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("wchar")))


def too_much(found: Mapping[str, Any]) -> int:
    """How often parts took more than what changed."""
    return sum(_is_too_much(Cost(**one)) for one in found.values())


def _is_too_much(one: Cost) -> bool:
    return one.parts_bytes > _PER_BYTE * one.changed_bytes + _PER_ARRAY_BYTES * one.n_arrays


def cost_table(found: Mapping[str, Any]) -> str:
    """A row for each run."""
    rows = []
    for what, one in ((what, Cost(**one)) for what, one in found.items()):
        mb = f"{one.parts_bytes / 1e6:.2f}"
        rows.append([
            what,
            number(one.n_arrays),
            f"{one.changed_bytes / 1e6:.2f}",
            f"**{mb}**" if _is_too_much(one) else mb,
            f"{one.session_bytes / 1e6:.2f}",
            f"{one.parts_bytes / one.session_bytes:.0%}",
        ])  # fmt: skip
    head = ["what is changed", "arrays", "changed, MB", "parts, MB", "session, MB"]
    units = next(iter(found.values()))["units"]
    return SAYS.format(units=units).strip() + "\n\n" + table([*head, "parts / session"], rows)
