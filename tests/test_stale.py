"""Stale results are never used: whatever changes is noticed, by what is there of before.

In memory that is the session's own, in runs what the last one has left.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from faults.lab import PARAMETERS, make_recording
from hdmea.errors import StimulusError, UnknownNameError
from hdmea.features.registry import FEATURES
from hdmea.pipeline import run_recording
from hdmea.session import PipelineSession
from hdmea.steps.registry import STEPS
from hdmea.steps.running import run

Steps = Mapping[str, Mapping[str, Any]]
OF_FEATURES: Steps = {
    "on_off": {"window_s": 0.25, "baseline_s": 0.5},
    "dense_noise": {"stimulus": "noise"},
    "unit_quality": {"presence_bin_s": 1.0},  # the recording lasts seconds
}


def steps_with(features: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """All steps with some features."""
    own = {name: values for name, values in OF_FEATURES.items() if name in features}
    return PARAMETERS | {"extract_features": {"features": features, "parameters": own}}


OF_STA = {"dense_noise", "moving_bar"}


def make_room(folder: Path) -> dict[str, Path]:
    """A recording, and its library with another playlist; where they are."""
    places = make_recording(folder).places
    with (folder / "stimuli/playlist.csv").open("a") as playlists:
        playlists.write("other,\"['step', 'noise']\"\n")
    return places


@contextmanager
def noted() -> Iterator[set[str]]:
    """Names of what is computed within."""
    computed: set[str] = set()
    compute = PipelineSession._computed

    def watched(session: Any, recipe: Any, *rest: Any) -> Any:
        computed.add(recipe.name)
        return compute(session, recipe, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PipelineSession, "_computed", watched)
        yield computed


def made_by(step: str, values: Mapping[str, Any], session: PipelineSession) -> set[str]:
    """What a step computes in a session, or was computing when it found no such stimulus."""
    with noted() as computed, suppress(StimulusError, UnknownNameError):
        run(STEPS[step], session, STEPS[step].parse(values))
    return computed


# -- parameters ------------------------------------------------------------------------------------

OTHER_VALUES: dict[str, dict[str, Any]] = {
    "load_recording": {
        "frame_clock": [
            {"row": 0},
            {"photodiode_row": None},
            {"height": 0.11},
            {"drop_first": 5},
            {"irregular": "held"},
            {"display_delay_s": 0.01},
            {"source": "none"},
            {"source": "array", "times_s": [0.0, 0.5, 1.0]},
            {"source": "array", "times_s": [0.0, 0.5, 1.1]},
            {"source": "digital"},
            {"source": "digital", "event_id": 2},
            {"source": "digital", "event_stream": "other"},
            {"held_at_s": [0.5]},
            {"missed_at_s": [0.5]},
        ],
        "electrode_pitch_um": [20.0],
    },
    "add_section_time": {
        "playlist_name": ["other"],
        "repeats": [2],
        "playlist_start_frame": [3],
        "playlist_first_movie": [1],
        "light_onsets": [{"movie": "flash", "duration_s": 1.0}],
    },
    "section_spike_times": {"pre_s": [0.1], "post_s": [0.1]},
    "curate_units": {
        "min_spikes": [1],
        "max_isi_violation_fraction": [0.5],
        "max_hill_contamination": [0.4],
        "min_presence_ratio": [0.1],
        "min_snr": [0.1],
        "exclude_tags": [["noise"]],
        "exclude_duplicates": [True],
    },
    "compute_sta": {
        "cover_range": [(-4, 0), (-3, 1)],
        "stimulus": ["step"],
        "occurrences": ["first"],
        "incomplete": ["use"],
        "z": [True],
        "precision": ["single"],
    },
    "adjust_p_values": {"method": ["by"]},
    "extract_features": {"features": [], "parameters": []},  # below
}
"""Values of each parameter that are not those of the runs before."""
HARMLESS: Steps = {
    "load_recording": {"probe": "off", "pair_check": "warn"},
    "add_section_time": {
        "playlist_truncated": "keep",
        "alignment": "warn",
        "require_stimuli": ["noise"],
    },
    "compute_sta": {"threads": 2},
    "extract_features": {"threads": 2},
}
"""Other values of parameters that change no result."""
NAMES_A_FILE = {"load_recording": {"csv"}, "curate_units": {"table"}}
"""What is in it counts; below."""


def test_every_parameter_is_among_those_that_are_changed() -> None:
    for name, step in STEPS.items():
        told = {*OTHER_VALUES[name], *HARMLESS.get(name, {}), *NAMES_A_FILE.get(name, set())}
        assert set(step.parameters.model_fields) == told - {"csv"}, name
        marked = set(step.parameters.model_fields) - set(step.parameters().affecting())
        assert marked == {*HARMLESS.get(name, {}), *NAMES_A_FILE.get(name, set())} - {"csv"}
    clock = STEPS["load_recording"].parameters.model_fields["frame_clock"].annotation
    values = OTHER_VALUES["load_recording"]["frame_clock"]
    assert clock is not None
    assert set(clock.model_fields) == {"csv", *(name for value in values for name in value)}


def session_of(folder: Path) -> PipelineSession:
    """A session of the recording in which nothing is done yet."""
    return PipelineSession("rec", **make_room(folder))


@pytest.mark.parametrize("step", ["load_recording", "add_section_time"])
def test_every_parameter_of_loading_and_of_sections_is_noticed(step: str, tmp_path: Path) -> None:
    session = session_of(tmp_path)
    for name in list(STEPS)[: list(STEPS).index(step) + 1]:
        assert made_by(name, PARAMETERS[name], session) == {name}
    for name, values in OTHER_VALUES[step].items():
        for value in values:
            own = {} if name == "light_onsets" else PARAMETERS[step]
            # a clock that is not there is an error: no other one is taken for it
            made = made_by(step, {**own, name: value}, copy(session))
            assert made == {step}, (name, value)


def values_of(feature: str) -> Iterator[dict[str, Any]]:
    """Parameters of a feature of which one after the other is not as in `ALL`."""
    model, own = FEATURES[feature].params, OF_FEATURES.get(feature, {})
    for name, info in model.model_fields.items():
        before = own.get(name, info.default)
        if name == "stimulus":
            tried = ["step" if before is None else None]
        else:
            tried = [type(before)(one) for one in (before * 1.02, before + 1, 0.0001)]
        for value in tried:
            with suppress(ValidationError):
                if model.model_validate({**own, name: value}) != model.model_validate(own):
                    yield {**own, name: value}
                    break
        else:
            pytest.fail(f"{feature}: another {name} than {before!r} is not known here")


def q_values_of(features: Iterable[str]) -> set[str]:
    """Names of the q values of features, as far as they have p values."""
    return {f"q_values.{name}" for name in features if FEATURES[name].p_values}


def test_every_parameter_of_features_and_of_what_follows_is_noticed(tmp_path: Path) -> None:
    """In memory, where what is stale is the session's own."""
    whole = session_of(tmp_path)
    for name, own in steps_with(list(FEATURES)).items():
        made_by(name, own, whole)

    def made(step: str, **changes: Any) -> set[str]:
        return made_by(step, {**PARAMETERS[step], **changes}, copy(whole))

    for step, harmless in HARMLESS.items():
        assert made(step, **harmless) == set(), step
    for name in FEATURES:
        for values in values_of(name):
            features = {name, "moving_bar"} if name == "dense_noise" else {name}
            expected = {f"features.{one}" for one in features} | q_values_of(features)
            parameters = {name: values}
            assert made("extract_features", features=[name], parameters=parameters) == expected, (
                name,
                values,
            )
    also = {"curate_units": q_values_of(FEATURES), "adjust_p_values": q_values_of(FEATURES)}
    also["compute_sta"] = {f"features.{name}" for name in OF_STA} | q_values_of(OF_STA)
    for step in ("section_spike_times", "curate_units", "compute_sta", "adjust_p_values"):
        for name, values in OTHER_VALUES[step].items():
            for value in values:
                own = (
                    step
                    if step != "compute_sta"
                    else f"sta.{'step' if name == 'stimulus' else 'noise'}"
                )
                assert made(step, **{name: value}) == {own} | also.get(step, set()), (name, value)


# -- versions, and what was made from something else -----------------------------------------------

SOME = ("on_off", "unit_quality")
OF_SECTIONS = {
    "add_section_time", "section_spike_times", "sta.noise", "features.on_off", "q_values.on_off",
}  # fmt: skip
EVERYTHING = OF_SECTIONS | {
    "load_recording", "curate_units", "adjust_p_values", "features.unit_quality",
}  # fmt: skip
MADE_WITH = {
    "load_recording": EVERYTHING,
    "add_section_time": OF_SECTIONS,
    "section_spike_times": {"section_spike_times"},
    "extract_features": set(),  # a feature has a version of its own
    "curate_units": {"curate_units", "q_values.on_off"},
    "compute_sta": {"sta.noise"},
    "adjust_p_values": {"adjust_p_values", "q_values.on_off"},
}
"""What is made anew with each step: what it makes, and what has that as a parent."""


def test_another_version_is_noticed_and_so_is_another_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = session_of(tmp_path)

    def made(session: PipelineSession) -> set[str]:
        steps = steps_with(SOME)
        return {one for step, own in steps.items() for one in made_by(step, own, session)}

    assert made(whole) == EVERYTHING
    for name, expected in MADE_WITH.items():
        with monkeypatch.context() as patch:
            step = replace(STEPS[name], version=STEPS[name].version + 1)
            patch.setitem(STEPS, name, step)  # type: ignore[index]
            assert made(copy(whole)) == expected, name
    for name in SOME:
        newer = replace(FEATURES[name], version=FEATURES[name].version + 1)
        monkeypatch.setitem(FEATURES, name, newer)  # type: ignore[index]
    of_features = {"features.on_off", "features.unit_quality", "q_values.on_off"}
    assert made(copy(whole)) == of_features


# -- bytes of inputs -------------------------------------------------------------------------------


def in_unused_room(content: bytearray) -> None:
    """A byte that means nothing; what is in the file is another content all the same."""
    content[content.rindex(b"\0" * 64) + 8] = 7


def in_the_last_image(content: bytearray) -> None:
    content[-1] ^= 255


def in_a_rule(content: bytearray) -> None:
    content[:] = content.replace(b'"trial_length_frame": 200', b'"trial_length_frame": 199')


def in_a_note(content: bytearray) -> None:
    content[:] = content.replace(b"dim", b"dry")


def in_a_time(content: bytearray) -> None:
    content[:] = content.replace(b"3.25", b"3.26")


CHANGED_FILES: dict[str, tuple[Callable[[bytearray], None], set[str]]] = {
    "rec.cmcr": (in_unused_room, EVERYTHING),
    "rec-.cmtr": (in_unused_room, EVERYTHING),
    "stimuli/noise.npy": (in_the_last_image, OF_SECTIONS),
    "stimuli/step.npy": (in_the_last_image, OF_SECTIONS),
    "stimuli/step.yaml": (in_a_rule, OF_SECTIONS),
    "units.tsv": (in_a_note, MADE_WITH["curate_units"]),
}


def change(path: Path, how: Callable[[bytearray], None]) -> None:
    """Change a file in place; its size and its time are as they were."""
    before, content = path.stat(), bytearray(path.read_bytes())
    how(content)
    assert content != path.read_bytes()
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = path.stat()
    assert (now.st_size, now.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_other_bytes_are_noticed_though_size_and_time_are_as_they_were(tmp_path: Path) -> None:
    places, table, times = make_room(tmp_path), tmp_path / "units.tsv", tmp_path / "times.csv"

    def made(steps: Steps) -> set[str]:
        with noted() as computed:
            run_recording(steps, tmp_path / "out.h5", work_dir=tmp_path / "work", **places)
        return computed

    table.write_text("recording\tunit_id\tuse\tnote\nrec\t1\tno\tdim\n")
    steps = steps_with(SOME) | {"curate_units": {"table": str(table)}}
    assert made(steps) == EVERYTHING
    for name, (how, expected) in CHANGED_FILES.items():
        change(tmp_path / name, how)
        assert made(steps) == expected, name
    for path in places.values():
        path.touch()
    assert made(steps) == set()

    times.write_text("\n".join(str(0.25 * i) for i in range(50)))
    clock = {"source": "csv", "csv": str(times)}
    given = {"load_recording": {"frame_clock": clock, "probe": "off"}}
    assert made(given) == {"load_recording"}
    change(times, in_a_time)
    assert made(given) == {"load_recording"}
