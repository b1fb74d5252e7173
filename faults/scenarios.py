"""What is run while faults are planted: everything with which hdmea changes files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from faults.lab import PARAMETERS, PARTS, STEPS, Lab
from hdmea.arrays import Variable, scalar, text
from hdmea.contribution import Recipe
from hdmea.pipeline import (
    PipelineSession,
    assemble,
    create_session,
    draw_overview,
    load_recording,
    run_recording,
    write_units_table,
)
from hdmea.session import memory
from hdmea.simulate import simulate_recording, write_stimulus_library
from hdmea.steps.registry import get_step
from hdmea.steps.running import publish, publish_begun, run
from hdmea.store.atomic import publish_link
from hdmea.store.lock import LOCK, Owner
from hdmea.store.parts import WorkFolder

Act = Callable[[], object]


@dataclass(frozen=True)
class Scenario:
    """Something that writes files.

    Parameters
    ----------
    name
        Its name on the page.
    start
        Files of the lab that lie in the folder before, by their name there.
    prepare
        Given lab and folder, does what changes no file, and returns what does.
    finals
        Names under which there must be a whole file afterwards, the old or the new one.
    again
        Whether the next run replaces what is there; else it may say that it is there.
    """

    name: str
    start: Mapping[str, Callable[[Lab], Path]]
    prepare: Callable[[Lab, Path], Act]
    finals: tuple[str, ...]
    again: bool = True


# -- a session of a few variables, so that each fault can be planted at each call -----------------


def small_session(values: int) -> PipelineSession:
    """A session made by hand: numbers of all kinds, text, what is empty; and an array in blocks."""
    session = PipelineSession("small")
    rng = np.random.default_rng(values)
    recipe = Recipe("load_recording", "load_recording", 1, {"values": values}, {}, {})
    session.obtain(
        recipe,
        lambda: {
            "recording/dataset_id": text("small", "name"),
            "recording/duration_s": scalar(float(values), "s", "length"),
            "units/unit_id": Variable(np.arange(3), "1", ("unit",), "number"),
            "units/tags": Variable(np.array(["µ", "", "good"]), "", ("unit",), "tags"),
            "units/none": Variable(np.zeros(0), "1", ("none",), "nothing"),
        },
    )
    sta = rng.normal(size=(3, values, 8, 8)).astype(np.float32)
    made = Recipe("sta.noise", "compute_sta", 1, {}, {}, {"load_recording": recipe.key})
    session.obtain(
        made, lambda: {"sta/noise/sta": Variable(sta, "1", ("unit", "lag", "y", "x"), "average")}
    )
    return session


def _old(lab: Lab) -> Path:
    """The small session as it was before, saved once for all."""
    path = lab.folder / "small_old.h5"
    return path if path.exists() else small_session(20).save(path)


def _link(lab: Lab) -> Path:
    path = lab.folder / "small_last.h5"
    return path if path.exists() else small_session(10).save(path)


def _save_own(_: Lab, folder: Path) -> Act:
    session = PipelineSession.load(folder / "rec.h5")
    session.obtain(
        Recipe("sta.more", "compute_sta", 1, {}, {}, {}),
        lambda: {"sta/more/sta": Variable(np.ones((3, 4)), "1", ("unit", "lag"), "average")},
    )
    return session.save


def _save_of_spooled(_: Lab, folder: Path) -> Act:
    """An array beyond the budget is on disk before it is in the file."""

    def act() -> None:
        session = PipelineSession("small", output_dir=folder, memory_budget_gb=0.0)
        values = session.allocate((40, 8192), np.float32)
        values[:] = np.arange(8192)
        made = Variable(values, "1", ("unit", "lag"), "average")
        session.obtain(Recipe("sta.noise", "compute_sta", 1, {}, {}, {}), lambda: {"sta/x": made})
        session.save(folder / "rec.h5")

    return act


def _keep_part(_: Lab, folder: Path) -> Act:
    session = small_session(30)
    work = WorkFolder(folder / "work")
    made = session.contributions["sta.noise"]
    return lambda: work.keep(made, {"dataset_id": "small", "pending": {}})


def _link_result(_: Lab, folder: Path) -> Act:
    return lambda: publish_link(folder / "rec.h5", folder / "last.h5")


def _save(name: str, *, overwrite: bool = True) -> Callable[[Lab, Path], Act]:
    """One session, which a second try saves again."""

    def prepare(_: Lab, folder: Path) -> Act:
        return partial(small_session(30).save, folder / name, overwrite=overwrite)

    return prepare


SMALL = (
    Scenario("save over an old file", {"rec.h5": _old}, _save("rec.h5"), ("rec.h5",)),
    Scenario("save of a loaded session to its own file", {"rec.h5": _old}, _save_own, ("rec.h5",)),
    Scenario("save to a new folder", {}, _save("new/er/rec.h5"), ("new/er/rec.h5",)),
    Scenario(
        "save without overwriting", {}, _save("rec.h5", overwrite=False), ("rec.h5",), again=False
    ),
    Scenario("save of an array kept on disk", {"rec.h5": _old}, _save_of_spooled, ("rec.h5",)),
    Scenario(
        "checkpoint over an old one", {"rec.h5": _old},
        lambda _, folder: partial(small_session(30).checkpoint, folder / "rec.h5"), ("rec.h5",),
    ),
    Scenario("part kept in the work folder", {"work/sta.noise.part.h5": _old}, _keep_part,
             ("work/sta.noise.part.h5",)),
    Scenario("link to the last result", {"rec.h5": _old, "last.h5": _link}, _link_result,
             ("last.h5", "rec.h5")),
)  # fmt: skip


# -- every step, in both ways ---------------------------------------------------------------------


def _immediate(name: str) -> Callable[[Lab, Path], Act]:
    """What a step's function does for a file: run it in memory, then publish it."""

    def prepare(lab: Lab, folder: Path) -> Act:
        step, path = get_step(name), folder / "rec.h5"
        if step.creates:
            session = create_session(**lab.places)
        else:
            session = PipelineSession.load(path)
            session.set_places(stimuli_dir=lab.places["stimuli_dir"])
        run(step, session, step.parse(PARAMETERS[name]))
        return lambda: (publish_begun if step.creates else publish)(session, path)

    return prepare


def _part(name: str) -> Callable[[Lab, Path], Act]:
    """What a job of the immediate mode does: the step on the parts it needs, saved as a part."""

    def prepare(lab: Lab, folder: Path) -> Act:
        step = get_step(name)
        if step.creates:
            session = create_session(**lab.places)
        else:
            session = PipelineSession.from_parts([lab.part(need) for need in PARTS[name]])
            session.set_places(stimuli_dir=lab.places["stimuli_dir"])
        before = set(session.contributions)
        run(step, session, step.parse(PARAMETERS[name]))
        made = [one for one in session.contributions if one not in before]
        return lambda: session.save_part(folder / "step.h5", made)

    return prepare


def _before(name: str) -> Callable[[Lab], Path]:
    """The session file that a step is run on; for the first one, what is there of another run."""
    names = list(PARAMETERS)
    at = names.index(name)
    return lambda lab: lab.session(names[at - 1]) if at else _old(lab)


IMMEDIATE = tuple(
    Scenario(f"`{name}` on a file", {"rec.h5": _before(name)}, _immediate(name), ("rec.h5",))
    for name in PARAMETERS
)
OF_PARTS = tuple(
    Scenario(f"part of `{name}`", {"step.h5": _old}, _part(name), ("step.h5",))
    for name in PARAMETERS
)


def _from_start(name: str) -> Callable[[Lab, Path], Act]:
    """All that a user's call of a step does, with every array of its own on disk."""

    def prepare(lab: Lab, folder: Path) -> Act:
        def into(at: Path) -> None:
            step = get_step(name)
            places = {place: lab.places[place] for place in step.places}
            if step.creates:
                load_recording(**places, **PARAMETERS[name], output_path=at / "rec.h5")
            else:
                STEPS[name](at / "rec.h5", **places, **PARAMETERS[name])

        os.environ[memory.VARIABLE] = "0"
        memory.SPOOLED_FROM_BYTES = 1
        return _after_imports(into, lab, folder)

    return prepare


FROM_START = tuple(
    Scenario(f"all of `{name}`", {"rec.h5": _before(name)}, _from_start(name), ("rec.h5",))
    for name in PARAMETERS
)


# -- the workflow's other jobs --------------------------------------------------------------------


def _assemble(lab: Lab, folder: Path) -> Act:
    parts = [lab.part(name) for name in PARTS]
    return lambda: assemble(parts, folder / "rec.h5")


def _assemble_checkpoint(lab: Lab, folder: Path) -> Act:
    session = PipelineSession.from_parts([lab.part("load_recording")])
    return lambda: session.checkpoint(folder / "c.h5", checkpoint_name="load_recording")


def _run_recording(lab: Lab, folder: Path) -> Act:
    def into(folder: Path) -> None:
        run_recording(
            PARAMETERS,
            folder / "out/rec.h5",
            **lab.places,
            work_dir=folder / "work",
            checkpoints={"section_spike_times": folder / "out/checkpoint.h5"},
        )

    return _after_imports(into, lab, folder)


def _table(lab: Lab, folder: Path) -> Act:
    session = lab.session("curate_units")
    return _after_imports(lambda at: write_units_table([session], at / "units.csv"), lab, folder)


def _picture(lab: Lab, folder: Path) -> Act:
    session = lab.session("curate_units")
    return _after_imports(lambda at: draw_overview(session, at / "rec.png"), lab, folder)


def _dead_lock(lab: Lab) -> Path:
    """What a killed run has left, from which the next one takes over."""
    path = lab.folder / "dead.lock"
    owner = replace(Owner.here(), pid=2**22 + 1)
    path.write_text(json.dumps(asdict(owner)), encoding="utf-8")
    return path


def _simulated(lab: Lab, folder: Path) -> Act:
    def into(at: Path) -> None:
        write_stimulus_library(at, "tiny")
        simulate_recording(
            at, "rec", library=lab.places["stimuli_dir"], playlist="both", n_cells=2, seed=5,
            sampling_rate_hz=2000.0,
        )  # fmt: skip

    return _after_imports(into, lab, folder)


def _of_lab(name: str) -> Callable[[Lab], Path]:
    return lambda lab: lab.folder / name


def _after_imports(into: Callable[[Path], object], lab: Lab, folder: Path) -> Act:
    """Once on a copy, so that no fork has to import what is imported at first use."""
    copy = lab.folder / "before"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    into(copy)
    return lambda: into(folder)


def _old_table(lab: Lab) -> Path:
    path = lab.folder / "old.csv"
    path.write_text("recording,unit\n", encoding="utf-8")
    return path


WHOLE_RUN = "whole run with work folder and checkpoint"
_SIMULATED = ("rec.cmcr", "rec-.cmtr", "rec.truth.csv", "rec.truth.npz")
JOBS = (
    Scenario("`assemble`", {"rec.h5": _old}, _assemble, ("rec.h5",)),
    Scenario("checkpoint of parts", {"c.h5": _old}, _assemble_checkpoint, ("c.h5",)),
    Scenario(
        WHOLE_RUN,
        {"out/rec.h5": _old, "out/checkpoint.h5": _old, f"work/{LOCK}": _dead_lock}, _run_recording,
        ("out/rec.h5", "out/checkpoint.h5")
    ),
    Scenario(
        "simulated recording", {n: _of_lab(n) for n in _SIMULATED}, _simulated,
        ("playlist.csv", "movie_length.csv", *_SIMULATED)
    ),
    Scenario("table of units", {"units.csv": _old_table}, _table, ("units.csv",)),
    Scenario("picture", {"rec.png": _old_table}, _picture, ("rec.png",)),
)  # fmt: skip
SCENARIOS = {one.name: one for one in (*SMALL, *IMMEDIATE, *OF_PARTS, *FROM_START, *JOBS)}
