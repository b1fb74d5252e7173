"""What every feature owes, whichever it is: the same answers for all, on one recording.

A recording in which every kind of stimulus is played is simulated once, its times put on a dyadic
grid so that sums of them are exact. Features are then run in a chain on inputs that were changed in
a way that must not matter, or must matter in a known way.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from hdmea.errors import FeatureOutputError
from hdmea.features.declaration import Feature, FeatureResult, Output, check
from hdmea.features.inputs import FeatureInputs, Sta
from hdmea.features.registry import FEATURES, in_order
from hdmea.features.rules import NOT_PLAYED
from hdmea.kernels.spikes import SpikeTrains
from hdmea.pipeline import (
    add_section_time,
    compute_sta,
    create_session,
    extract_features,
    load_recording,
)
from hdmea.simulate import (
    Faults,
    GeneratedMovie,
    make_playlist,
    movies,
    simulate_recording,
    write_stimulus_library,
)
from hdmea.simulate.playlists import PLAYLISTS
from hdmea.steps.feature_inputs import feature_inputs

TICK_S = 2.0**-16
SHIFT_S = 64.0
OF_OTHER_UNITS = {
    "unit_quality": {
        "coincident_fraction",
        "duplicate_of",
        "duplicate_pair_unit",
        "duplicate_pair_of",
        "duplicate_pair_fraction",
    }
}
"""Outputs that are about a unit among the others: without these they are others."""
FROM_THE_START = {"unit_quality": {"presence_ratio"}}
"""Outputs that count from the start of the recording, not from anything in it."""

Change = Callable[[FeatureInputs], FeatureInputs]


class Runs:
    """Results of all features on changed inputs; each is computed once, after what it needs."""

    def __init__(self, inputs: dict[str, FeatureInputs]) -> None:
        self._features = dict(FEATURES)
        self._inputs = inputs
        self._changes: dict[str, Change] = {}
        self._made: dict[tuple[str, str], tuple[FeatureInputs, FeatureResult]] = {}

    def add(self, name: str, change: Change) -> None:
        self._changes[name] = change

    def add_feature(self, feature: Feature, inputs_of: str) -> None:
        self._features[feature.name] = feature
        self._inputs[feature.name] = self._inputs[inputs_of]

    def inputs(self, feature: str, change: str) -> FeatureInputs:
        return self._of(feature, change)[0]

    def result(self, feature: str, change: str) -> FeatureResult:
        return self._of(feature, change)[1]

    def _of(self, name: str, change: str) -> tuple[FeatureInputs, FeatureResult]:
        if (name, change) not in self._made:
            feature = self._features[name]
            inputs = self._changes[change](self._inputs[name])
            given = {other: arrays(self.result(other, change)) for other in feature.needed_features}
            inputs = frozen(replace(inputs, features=given))
            self._made[name, change] = inputs, computed(feature, inputs)
        return self._made[name, change]


def computed(feature: Feature, inputs: FeatureInputs) -> FeatureResult:
    result = feature.compute(inputs, feature.params())
    check(feature, result, inputs.spikes.n_units)
    return result


def arrays(result: FeatureResult) -> dict[str, np.ndarray]:
    """As another feature gets them."""
    return {**result.values, **{f"{name}_reason": why for name, why in result.reasons.items()}}


# -- changes of inputs -----------------------------------------------------------------------------


def on_grid(inputs: FeatureInputs) -> FeatureInputs:
    """All times on a dyadic grid, so that sums with dyadic numbers are exact; all in memory."""
    inputs = with_times(inputs, lambda t: np.round(np.asarray(t) / TICK_S) * TICK_S)
    stas = {name: of_rows(sta, slice(None)) for name, sta in inputs.stas.items()}
    return replace(inputs, stas=stas)


def with_times(inputs: FeatureInputs, change: Callable[[Any], Any]) -> FeatureInputs:
    """Inputs with all times changed; the length of the recording stays."""
    trials, frames = inputs.trials, inputs.frame_times_s
    if trials is not None:
        names = ("start_s", "stop_s", "event_time_s")
        trials = replace(trials, **{name: change(getattr(trials, name)) for name in names})
    return replace(
        inputs,
        spikes=SpikeTrains(change(inputs.spikes.times_s), inputs.spikes.index),
        trials=trials,
        frame_times_s=None if frames is None else change(frames),
    )


def of_rows(sta: Sta, rows: Any) -> Sta:
    z = None if sta.z is None else np.asarray(sta.z[:])[rows]
    return replace(sta, mean=np.asarray(sta.mean[:])[rows], z=z, n_spikes=sta.n_spikes[rows])


def units(inputs: FeatureInputs, rows: list[int]) -> FeatureInputs:
    """Some of the units, in any order."""
    trains = [inputs.spikes.of(row) for row in rows]
    index = np.asarray(rows, dtype=np.int64)
    places = inputs.units
    return replace(
        inputs,
        spikes=joined(trains),
        stas={name: of_rows(sta, index) for name, sta in inputs.stas.items()},
        units=places
        and replace(places, **{f.name: getattr(places, f.name)[index] for f in fields(places)}),
    )


def joined(trains: list[np.ndarray]) -> SpikeTrains:
    ends = np.cumsum([train.size for train in trains], dtype=np.int64)
    return SpikeTrains(np.concatenate([np.zeros(0), *trains]), ends)


def silent(inputs: FeatureInputs) -> FeatureInputs:
    """The same units, none of which has a spike."""

    def undefined(values: Any) -> Any:
        return None if values is None else np.full_like(values, np.nan)

    stas = {
        name: replace(
            sta,
            mean=undefined(sta.mean),
            z=undefined(sta.z),
            n_spikes=np.zeros_like(sta.n_spikes),
        )
        for name, sta in inputs.stas.items()
    }
    nobody = [np.zeros(0)] * inputs.spikes.n_units
    return replace(inputs, spikes=joined(nobody), stas=stas)


def with_later_spikes(inputs: FeatureInputs) -> FeatureInputs:
    """Each unit fires wildly, half a minute after the last trial and the last frame."""
    ends = [0.0] if inputs.trials is None else [0.0, *inputs.trials.stop_s]
    if inputs.frame_times_s is not None:
        ends.append(inputs.frame_times_s[-1])
    later = max(*ends, inputs.spikes.times_s.max()) + 32 + np.arange(400) / 64
    spikes = inputs.spikes
    return replace(
        inputs, spikes=joined([np.append(spikes.of(u), later) for u in range(spikes.n_units)])
    )


def all_arrays(value: Any) -> Iterator[np.ndarray]:
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from all_arrays(one)
    elif is_dataclass(value):
        for each in fields(value):
            yield from all_arrays(getattr(value, each.name))


def frozen(inputs: FeatureInputs) -> FeatureInputs:
    """Whoever writes into these arrays fails."""
    for values in all_arrays(inputs):
        values.flags.writeable = False
    return inputs


# -- comparing -------------------------------------------------------------------------------------


def agree(found: np.ndarray, expected: np.ndarray) -> bool:
    if found.dtype.kind != "f":
        return np.array_equal(found, expected)
    return found.shape == expected.shape and np.allclose(
        found, expected, rtol=1e-12, atol=1e-12, equal_nan=True
    )


def reasons(feature: Feature, result: FeatureResult, output: str) -> np.ndarray:
    n = next(len(result.values[o.name]) for o in feature.outputs if o.dims[:1] == ("unit",))
    return result.reasons.get(output, np.full(n, ""))


def assert_same(
    feature: Feature,
    found: FeatureResult,
    expected: FeatureResult,
    but: dict[str, set[str]],
    rows: Any = slice(None),
    later_s: float = 0.0,
) -> None:
    """That results agree, those expected of the units in these rows; seconds may be later."""
    for output in feature.outputs:
        if output.name in but.get(feature.name, ()):
            continue
        of_units = output.dims[:1] == ("unit",)
        values, wanted = found.values[output.name], expected.values[output.name]
        wanted = wanted[rows] if of_units else wanted
        same = agree(values, wanted)
        if later_s and not same and output.unit == "s":  # a time, not a duration
            same = agree(values, wanted + later_s)
        assert same, (output.name, values, wanted)
        if of_units:
            why = reasons(feature, expected, output.name)[rows]
            assert reasons(feature, found, output.name).tolist() == why.tolist(), output.name


# -- the recording ---------------------------------------------------------------------------------


def every_kind(seed: int) -> list[GeneratedMovie]:
    """Long enough that every feature finds something to measure."""
    rest = make_playlist("brief", seed=seed)[2:]
    return [movies.grey(1200), movies.dense_noise(60, seed=seed), *rest]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("conformance")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PLAYLISTS, "every_kind", every_kind)
        write_stimulus_library(folder / "stimuli", "every_kind")
    files = simulate_recording(
        folder,
        "rec",
        library=folder / "stimuli",
        playlist="every_kind",
        n_cells=6,
        seed=5,
        clock_jitter_s=20e-6,
        sampling_rate_hz=5000.0,
        faults=Faults(empty_units=1),
    )
    session = create_session(
        cmcr_path=files.cmcr_path, cmtr_path=files.cmtr_path, stimuli_dir=folder / "stimuli"
    )
    load_recording(session=session, probe="off")
    add_section_time(playlist_name="every_kind", session=session)
    compute_sta(cover_range=(-30, 0), session=session)
    extract_features(session=session)  # inputs of features that need others are there then
    made = Runs({name: on_grid(feature_inputs(session, f)) for name, f in FEATURES.items()})
    n = session.units.shape[0]
    made.add("as it is", lambda inputs: inputs)
    made.add("again", lambda inputs: inputs)
    made.add("reversed", lambda inputs: units(inputs, list(range(n))[::-1]))
    made.add("first", lambda inputs: units(inputs, list(range(n // 2))))
    made.add("rest", lambda inputs: units(inputs, list(range(n // 2, n))))
    made.add("nobody", lambda inputs: units(inputs, []))
    made.add("one", lambda inputs: units(inputs, [0]))
    made.add("silent", silent)
    made.add("later", lambda inputs: with_times(inputs, lambda t: np.asarray(t) + SHIFT_S))
    made.add("fires later", with_later_spikes)
    return made


each_feature = pytest.mark.parametrize("feature", FEATURES.values(), ids=lambda f: f.name)
each_about_a_stimulus = pytest.mark.parametrize(
    "feature", [f for f in FEATURES.values() if f.stimulus_kind], ids=lambda f: f.name
)


# -- what each owes --------------------------------------------------------------------------------


@each_feature
def test_something_is_measured(runs: Runs, feature: Feature) -> None:
    """Otherwise the other tests compare nothing with nothing."""
    result = runs.result(feature.name, "as it is")
    for output in feature.outputs:
        assert NOT_PLAYED not in result.reasons.get(output.name, np.zeros(0, "U1")), output.name
    measured = [
        np.isfinite(result.values[output.name]).any()
        for output in feature.outputs
        if np.dtype(output.dtype).kind == "f"
    ]
    assert sum(measured) > len(measured) / 2


@each_feature
def test_the_order_of_the_units_does_not_matter(runs: Runs, feature: Feature) -> None:
    found, expected = (runs.result(feature.name, change) for change in ("reversed", "as it is"))
    assert_same(feature, found, expected, {}, rows=slice(None, None, -1))


@each_feature
def test_units_together_and_apart_are_the_same(runs: Runs, feature: Feature) -> None:
    assert feature.unit_by_unit is (feature.name not in OF_OTHER_UNITS)
    whole = runs.result(feature.name, "as it is")
    half = runs.inputs(feature.name, "first").spikes.n_units
    for change, rows in (("first", slice(half)), ("rest", slice(half, None)), ("one", slice(1))):
        assert_same(feature, runs.result(feature.name, change), whole, OF_OTHER_UNITS, rows)


@each_feature
def test_a_recording_that_began_earlier_gives_the_same(runs: Runs, feature: Feature) -> None:
    found, expected = (runs.result(feature.name, change) for change in ("later", "as it is"))
    assert_same(feature, found, expected, FROM_THE_START, later_s=SHIFT_S)


@each_about_a_stimulus
def test_spikes_outside_of_the_stimuli_do_not_count(runs: Runs, feature: Feature) -> None:
    found, expected = (runs.result(feature.name, change) for change in ("fires later", "as it is"))
    assert_same(feature, found, expected, {})


@each_feature
@pytest.mark.parametrize(("change", "n_units"), [("nobody", 0), ("one", 1), ("silent", 7)])
def test_without_units_and_without_spikes_it_has_every_output(
    runs: Runs, feature: Feature, change: str, n_units: int
) -> None:
    """`check` has held them against the declaration."""
    result = runs.result(feature.name, change)
    for output in feature.outputs:
        if output.dims[:1] == ("unit",):
            assert len(result.values[output.name]) == n_units
    if change == "silent" and feature.needs.isdisjoint({"sta"}) and not feature.needed_features:
        counts = [
            result.values[output.name]
            for output in feature.outputs
            if output.name.startswith("n_spikes") and output.dims == ("unit",)
        ]
        assert all((count == 0).all() for count in counts)


@each_feature
def test_it_changes_nothing_and_says_the_same_twice(runs: Runs, feature: Feature) -> None:
    inputs = runs.inputs(feature.name, "as it is")
    before = [values.tobytes() for values in all_arrays(inputs)]
    legacy, plain = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = runs.result(feature.name, "as it is")
    again = computed(feature, inputs)
    assert [values.tobytes() for values in all_arrays(inputs)] == before
    assert np.array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002
    assert random.getstate() == plain
    for one, other in ((first.values, again.values), (first.reasons, again.reasons)):
        assert one.keys() == other.keys()
        for name, values in one.items():
            assert values.dtype == other[name].dtype, name
            assert values.tobytes() == other[name].tobytes(), name


def test_the_features_need_each_other_in_no_circle() -> None:
    assert sorted(in_order(FEATURES)) == sorted(FEATURES)


# -- what owes is found ----------------------------------------------------------------------------


class Nothing(BaseModel, extra="forbid"):
    """No parameters."""


def first_spikes(inputs: FeatureInputs) -> np.ndarray:
    spikes = inputs.spikes
    return np.array([np.min(spikes.of(u), initial=1e6) for u in range(spikes.n_units)])


def n_spikes(inputs: FeatureInputs) -> np.ndarray:
    return np.diff(inputs.spikes.index, prepend=0).astype(np.float64)


def writes(inputs: FeatureInputs) -> np.ndarray:
    inputs.spikes.times_s[:1] = 0
    return n_spikes(inputs)


@pytest.mark.parametrize(
    ("measure", "owed"),
    [
        (lambda inputs: np.arange(inputs.spikes.n_units) / 8, "test_the_order_of_the_units"),
        (lambda inputs: n_spikes(inputs) / max(inputs.spikes.times_s.size, 1), "test_units_tog"),
        (first_spikes, "test_a_recording_that_began"),
        (n_spikes, "test_spikes_outside"),
        (lambda inputs: np.ones(max(inputs.spikes.n_units, 1)), "test_without_units"),
        (lambda inputs: np.full(inputs.spikes.n_units, np.nan), "test_something_is_measured"),
        (lambda inputs: np.random.default_rng().random(inputs.spikes.n_units), "test_it_changes"),
        (writes, "test_something_is_measured"),
    ],
)
def test_a_feature_that_owes_something_is_found(runs: Runs, measure: Any, owed: str) -> None:
    def compute(inputs: FeatureInputs, _: Nothing) -> FeatureResult:
        return FeatureResult({"value": measure(inputs)})

    needs = frozenset({"spikes", "trials"})
    outputs = (Output("value", "1", "for tests"),)
    bad = Feature(f"bad{id(measure)}", 1, Nothing, needs, "step", outputs, compute, "For tests.")
    runs.add_feature(bad, inputs_of="on_off")
    (test,) = (value for name, value in globals().items() if name.startswith(owed))
    more = {"change": "nobody", "n_units": 0} if owed == "test_without_units" else {}
    with pytest.raises((AssertionError, FeatureOutputError, ValueError)):
        test(runs, bad, **more)
